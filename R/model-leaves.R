# The job of a fit of cells: its samples are the leaves, its counts nodes and histograms.

new_cell_job <- function(input, capture, model, sharing, settings, keep, min_count) {
  exposure <- as.numeric(rowsum(exp(capture$log_capture), input$leaf))
  source <- leaf_source(input, capture, settings)
  reason <- cell_reasons_of(input)
  scan <- list(total = unname(colSums(input$sums)), n_nonzero = unname(colSums(input$sums > 0)),
               sample_total = rowSums(input$sums), n_missing = numeric(length(source$genes)),
               base_mean = unname(colMeans(input$sums / exposure)))
  job <- list(source = source, model = model, sharing = sharing, sizes = list(values = exposure, how = capture_text(capture)),
              scan = scan, reason = reason, settings = settings[setdiff(names(settings), "progress")], keep = keep,
              min_count = min_count, cells = cell_facts(input, capture),
              columns = lapply(input$data, unit_column, of = input$leaf, n = length(input$labels)))
  add_offsets(job, NULL, NULL)
}

# Of the genes kept: chosen or not. `_other` is fitted where genes are pooled.
cell_reasons_of <- function(input) {
  chosen <- input$chosen[input$kept]
  c(ifelse(chosen, "", "not chosen"), if (length(input$other)) "")
}

# Where covariates differ from cell to cell: cells are the samples.
new_row_job <- function(input, capture, model, sharing, settings, keep, min_count) {
  genes <- c(input$genes[input$kept], if (length(input$other)) other_name(input$genes))
  source <- list(kind = "sparse", data = input$columns, genes = genes, samples = input$names, may_miss = FALSE)
  given <- list(size_factors = exp(capture$log_capture), genes = cell_reasons_of(input) == "", min_count = min_count)
  settings <- settings[setdiff(names(settings), "progress")]
  job <- new_job(list(source = source, data = input$data), model, given, sharing, settings, keep)
  job$sizes$how <- capture_text(capture)
  c(job, list(cells = cell_facts(input, capture)))
}

capture_text <- function(capture) if (capture$how == "model") "capture" else sprintf("capture (%s)", capture$how)

cell_facts <- function(input, capture) {
  list(leaf = input$leaf, log_capture = capture$log_capture, sd = capture$sd, total = input$total, names = input$names,
       n = tabulate(input$leaf, length(input$labels)), how = capture$how, organism = capture$organism,
       molecules = capture$molecules, rows = input$rows, assay = input$assay,
       capture = leaf_table(input, capture$log_capture),
       left_out = input$left_out, left_values = input$left_values, kept = input$kept,
       other = list(genes = input$other, name = if (length(input$other)) other_name(input$genes)))
}

# One row per leaf: cells, median counts of a cell, median capture.
leaf_table <- function(input, log_capture) {
  by_leaf <- function(v, f) as.numeric(tapply(v, factor(input$leaf, seq_along(input$labels)), f))
  data.frame(input$leaves, cells = tabulate(input$leaf, length(input$labels)),
             median_total = by_leaf(input$total, stats::median),
             median_capture = by_leaf(exp(log_capture), stats::median), row.names = input$labels, check.names = FALSE)
}

# A source of kind "leaves": see counts-source.R for what a source is.
leaf_source <- function(input, capture, settings) {
  genes <- c(input$genes[input$kept], if (length(input$other)) other_name(input$genes))
  cells <- list(leaf = input$leaf - 1L, log_capture = as.numeric(capture$log_capture), sd = as.numeric(capture$sd),
                total = max(colSums(input$sums)))
  compressed <- with_progress(settings$progress, "Compressing", function(report) {
    unwrap_engine(engine_compress(sparse_slots(input$columns), cells, as.integer(settings$threads), report))
  })
  data <- c(list(sums = input$sums), compressed)
  list(kind = "leaves", genes = genes, samples = input$labels, may_miss = FALSE, data = data)
}

# Genes of compressed cells.
leaf_genes <- function(data, rows) {
  data$sums <- data$sums[, rows, drop = FALSE]
  data$nodes <- ragged_genes(data$nodes, rows)
  data$histogram <- ragged_genes(data$histogram, rows)
  data
}

# Places of genes in vectors whose parts p[g] + 1, ..., p[g + 1] belong to gene g.
gene_places <- function(part, rows) sequence(part$p[rows + 1L] - part$p[rows], part$p[rows] + 1L)

# Genes of a list of such vectors.
ragged_genes <- function(part, rows) {
  sizes <- diff(part$p)[rows]
  at <- gene_places(part, rows)
  values <- lapply(part[names(part) != "p"], `[`, at)
  c(list(p = c(0L, as.integer(cumsum(sizes)))), values)
}

# Compressed cells in which these leaves have none.
without_leaves <- function(data, leaves) {
  data$sums[leaves, ] <- 0
  is_kept <- function(part) !(part$leaf + 1L) %in% leaves
  for (name in c("nodes", "histogram")) {
    part <- data[[name]]
    kept <- is_kept(part)
    values <- lapply(part[names(part) != "p"], `[`, kept)
    data[[name]] <- c(list(p = c(0L, as.integer(cumsum(kept)))[part$p + 1L]), values)
  }
  data$rule <- lapply(data$rule, `[`, is_kept(data$rule))
  data
}

leaf_block <- function(source) {
  data <- source$data
  counts <- c(list(dense = as.double(data$sums)), data[c("nodes", "rule", "histogram")])
  list(n = n_samples(source), genes = source$genes, counts = counts, may_miss = FALSE)
}

# One gene ---------------------------------------------------------------------------------------------------------

# Counts of a gene with the design of their cells, for tw_gene().
cell_data <- function(fit, gene, x) {
  cells <- fit$job$cells
  data <- fit$job$model$data[cells$leaf, setdiff(names(fit$job$model$data), response_name), drop = FALSE]
  data$count <- gene_counts(fit, gene, x)
  data$.offset <- cells$log_capture
  rownames(data) <- make.unique(cells$names)
  data
}

# One count per cell used, checked against what the fit knows of the gene.
gene_counts <- function(fit, gene, x) {
  if (is.null(x)) {
    abort_twill("genes", c("A fit of cells does not keep their counts: say {.arg x}.",
                           "i" = "It is the experiment or matrix that was fitted."))
  }
  has_samples <- is_seurat(x) || is_experiment(x)
  counts <- suppressWarnings(read_cells(x, fit$job$cells$assay, if (!has_samples) data.frame(row.names = seq_len(ncol(x)))))
  if (max(fit$job$cells$rows) > length(counts$names)) abort_counts(gene)
  rows <- if (gene %in% pooled_gene(fit)) match(fit$job$cells$other$genes, counts$genes) else match(gene, counts$genes)
  if (anyNA(rows)) abort_counts(gene)
  values <- Matrix::colSums(counts$counts[rows, fit$job$cells$rows, drop = FALSE])
  if (sum(values) != fit$job$scan$total[match(gene, fit$job$source$genes)]) abort_counts(gene)
  unname(values)
}

abort_counts <- function(gene) {
  abort_twill("genes", c("{.arg x} does not hold the counts that were fitted.", "x" = "It differs in gene {.val {gene}}."))
}
