# A fit of genes as an experiment: what was fitted, with what is known of its columns and rows.

# Rows of the data: list(gene, at), the gene of each and its position in the fit, NA where it was not fitted. Of screens rows are
# guides.
all_rows_of <- function(fit) {
  job <- fit$job
  rows <- seq_along(job$source$genes)
  is_cut <- !all(which(job$reason == "") %in% fit$posterior$rows)
  gene <- if (is_cut) set_genes(fit) else c(job$source$genes, job$cells$left_out$gene)
  # As they stood in the data; the genes pooled to one come last.
  if (!is_cut && !is.null(job$cells$kept)) {
    place <- c(job$cells$kept, if (length(rows) > length(job$cells$kept)) Inf, job$cells$left_out$row)
    gene <- gene[order(place)]
  }
  rows_of_genes(fit, gene)
}

# The rows of counts(fit): those of its genes.
own_rows <- function(fit) rows_of_genes(fit, set_genes(fit))

rows_of_genes <- function(fit, gene) {
  name <- gene
  if (is_screen(fit)) {
    guides <- screen_guides(fit, gene)
    gene <- guides$gene
    name <- guides$label
  }
  list(name = name, gene = gene, at = match(gene, set_genes(fit)))
}

fitted_counts <- function(fit) counts_of_rows(fit, own_rows(fit))

# Values as fitted, sparse or on disk if they were, of genes that were not fitted too.
counts_of_rows <- function(fit, rows) {
  if (is_screen(fit)) return(guide_values(fit, t(fit$job$source$data), screen_guides(fit, unique(rows$gene))))
  source <- fit$job$source
  left <- rows$gene[!rows$gene %in% source$genes]
  counts <- source_counts(source, setdiff(rows$gene, left))
  if (length(left)) counts <- rbind(counts, left_counts(fit, left, is_dense = is.matrix(counts)))
  dimnames(counts) <- list(c(setdiff(rows$gene, left), left), source$samples)
  if (!identical(rownames(counts), rows$gene)) counts <- counts[rows$gene, , drop = FALSE]
  rownames(counts) <- rows$name
  counts
}

# Genes x samples of the engine.
set_counts <- function(fit) {
  counts <- source_counts(fit$job$source, set_genes(fit))
  dimnames(counts) <- list(set_genes(fit), fit$job$source$samples)
  counts
}

# Of leaves the sums over their cells.
source_counts <- function(source, genes) {
  at <- match(genes, source$genes)
  if (source$kind == "leaves") return(t(source$data$sums[, at, drop = FALSE]))
  if (identical(at, seq_along(source$genes))) source_matrix(source) else source_matrix(source_genes(source, at))
}

# The same of genes with too few counts, which a fit of cells has put aside.
left_counts <- function(fit, genes, is_dense) {
  values <- fit$job$cells$left_values
  load_class(values)
  values <- values[match(genes, fit$job$cells$left_out$gene), , drop = FALSE]
  if (is_dense) as.matrix(values) else values
}

# Columns ------------------------------------------------------------------------------------------------------------

column_names <- function(fit) if (is_screen(fit)) screen_samples(fit) else fit$job$source$samples

column_size_factors <- function(fit) {
  values <- fit$job$sizes$values
  if (is_screen(fit)) values <- values[screen_sample_rows(fit)]
  stats::setNames(values, column_names(fit))
}

column_data <- function(fit) {
  data <- known_columns(fit)
  data$sizeFactor <- unname(column_size_factors(fit))
  out <- S4Vectors::DataFrame(data, check.names = FALSE)
  rownames(out) <- column_names(fit)
  out
}

# A data frame of what is known of each column.
known_columns <- function(fit) {
  job <- fit$job
  if (is_screen(fit)) return(screen_frame(fit))
  if (job$source$kind != "leaves") return(as.data.frame(job$columns, check.names = FALSE))
  table <- job$cells$capture
  own <- job$columns[!vapply(job$columns, function(column) is.null(column) || is.matrix(column), TRUE)]
  own <- own[setdiff(names(own), c(names(table), "sizeFactor"))]
  leaf <- setdiff(names(table), c("cells", "median_total", "median_capture"))
  cbind(table[leaf], as.data.frame(own, optional = TRUE, row.names = rownames(table))[seq_along(own)],
        ncells = table$cells, table[c("median_total", "median_capture")])
}

# Rows ---------------------------------------------------------------------------------------------------------------

row_texts <- c(
  status = "how the gene fared, see ?twill_genes; skipped: not fitted", message = "why", rhat = "largest R-hat of its parameters",
  ess = "smallest bulk effective sample size of its parameters", divergent = "divergent transitions",
  khat = "Pareto k-hat of an approximation", n_used = "values used", n_nonzero = "values above zero", total = "sum of its counts",
  baseMean = "mean of the counts, each divided by its size factor", dispersion = "posterior mean of the dispersion")

guide_texts <- c(gene = "the guide's gene", guide = "name of the guide", plasmid = "counts before selection, mean over samples")

# A DataFrame with a description of each column.
described_rows <- function(fit, rows) {
  table <- tw_diagnostics(fit, all = TRUE)
  known <- match(rows$gene, rownames(table))
  out <- table[known, intersect(names(row_texts), names(table)), drop = FALSE]
  out$baseMean <- fit$posterior$base_mean[rows$at]
  if (!is.null(model_of(fit)$design$dispersion)) out$dispersion <- set_dispersions(fit)[rows$at]
  out <- out[intersect(names(row_texts), names(out))]
  type <- rep("results", length(out))
  texts <- row_texts[names(out)]
  if (is_screen(fit)) {
    own <- guide_columns_of(fit, rows)
    out <- cbind(own, out)
    texts <- c(guide_texts[names(own)], texts)
    type <- c(rep("input", length(own)), type)
  }
  out <- S4Vectors::DataFrame(out, check.names = FALSE)
  rownames(out) <- rows$name
  S4Vectors::mcols(out) <- S4Vectors::DataFrame(type = type, description = unname(texts))
  out
}

guide_columns_of <- function(fit, rows) {
  guides <- screen_guides(fit, rows$gene)
  guides <- guides[match(rows$name, guides$label), ]
  plasmid <- fit$screen$plasmid
  if (is.null(plasmid)) return(guides[c("gene", "guide")])
  mean <- if (is.matrix(plasmid)) rowMeans(plasmid[guides$row, , drop = FALSE], na.rm = TRUE) else plasmid[guides$row]
  data.frame(guides[c("gene", "guide")], plasmid = unname(mean))
}

# The experiment -----------------------------------------------------------------------------------------------------

as_experiment <- function(fit, class = "SummarizedExperiment") {
  rows <- all_rows_of(fit)
  assays <- stats::setNames(list(counts_of_rows(fit, rows)), default_assay(family(fit)))
  facts <- list(design = formula.twill_model(fit), family = family(fit)$family, seed = fit$job$settings$seed)
  out <- SummarizedExperiment::SummarizedExperiment(assays, rowData = described_rows(fit, rows), colData = column_data(fit),
                                                    metadata = facts)
  if (class == "SummarizedExperiment") out else methods::as(out, class)
}
