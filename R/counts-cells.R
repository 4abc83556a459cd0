# Input of twill_cells(): counts of cells, which of them are used, their leaves, and the genes that are kept.

# list(counts, data, sizes, genes, names, rows, assay, gene_texts): counts genes x cells as they came, sparse, dense or on disk;
# `rows` are the numbers of the cells in them.
read_cells <- function(x, assay, col_data) {
  if (is_seurat(x)) {
    found <- read_seurat(x, assay, "counts", col_data)
    counts <- found$counts
    col_data <- found$data
    assay <- found$assay
    texts <- found$rows
  } else if (is_experiment(x)) {
    need_package("SummarizedExperiment", "to read {.arg x}")
    if (!is.null(col_data)) abort_twill("genes", "{.arg col_data} is for matrices: {.arg x} has its own.")
    assay <- pick_assay(assay, x)
    counts <- SummarizedExperiment::assay(x, assay, withDimnames = FALSE)
    dimnames(counts) <- list(rownames(x), colnames(x))
    col_data <- SummarizedExperiment::colData(x)
    texts <- experiment_texts(x)
  } else {
    counts <- plain_column(x)
    texts <- NULL
  }
  source_kind(counts)
  check_any_row(counts)
  if (ncol(counts) == 0) abort_twill("genes", "{.arg x} has no columns: there is no cell.")
  names <- colnames(counts) %||% sprintf("cell%d", seq_len(ncol(counts)))
  genes <- gene_names(rownames(counts), nrow(counts))
  data <- matrix_samples(col_data, list(samples = names, genes = genes))
  list(counts = counts, data = data, sizes = carried_sizes(data), genes = genes,
       names = names, rows = seq_along(names), assay = assay, gene_texts = texts)
}

# Offsets belong to the capture of each cell.
cell_formula <- function(formula) {
  text <- deparse1(formula$formula)
  if (!grepl("offset(", text, fixed = TRUE)) return(formula)
  abort_twill("formula", c("{.arg design} must have no {.fn offset}.",
                           "i" = "What differs between cells is their {.arg capture}."))
}

# Cells and leaves -------------------------------------------------------------------------------------------------

# Adds `leaf` (a number per cell), `leaves` (a data frame with one row per leaf) and `total`, and drops cells that cannot be used.
# Where captures are known, no counts are data too: without these cells means would be too high.
use_cells <- function(input, formula, capture, silent) {
  check_columns(formula, input$data, response_name)
  variables <- intersect(formula_variables(formula), names(input$data))
  input$total <- as.numeric(over_counts(input$counts, cell_sums, `+`, c))
  check_totals(input$total, silent)
  for (name in variables) check_column(input$data[[name]], name)
  missing <- missing_in_design(formula, input$data, variables)
  empty <- input$total == 0 & !capture %in% c("given", "sizeFactors")
  say_dropped(sum(missing), "a missing value in the design", silent)
  say_dropped(sum(empty & !missing), "no counts", silent)
  input <- keep_cells(input, which(!missing & !empty))
  add_leaves(input, variables)
}

# Rows with a missing value in a column, or in what a term such as log(x) makes of them.
missing_in_design <- function(formula, data, variables) {
  missing <- rowSums(is.na(data[variables])) > 0
  if (all(missing)) return(missing)
  known <- add_intercept_column(formula_variables(formula), data[!missing, variables, drop = FALSE])
  known[[response_name]] <- 0
  missing[!missing] <- Reduce(`|`, lapply(frame_columns(formula, known), missing_in))
  missing
}

say_dropped <- function(n, why, silent) {
  if (n > 0 && silent < 2) inform_twill("missing", "Dropped {n} cell{?s} with {why}.")
}

keep_cells <- function(input, rows) {
  if (length(rows) == length(input$names)) return(input)
  if (length(rows) == 0) abort_twill("genes", "No cell is left: all have missing values in the design, or no counts.")
  input$counts <- input$counts[, rows, drop = FALSE]
  input$data <- input$data[rows, , drop = FALSE]
  input$n_given <- length(input$names)
  for (part in c("sizes", "names", "rows", "total")) input[[part]] <- input[[part]][rows]
  input
}

# Leaves in the order of their variables, levels of factors first to last.
add_leaves <- function(input, variables) {
  data <- input$data[variables]
  data[] <- lapply(data, function(v) if (is.character(v)) factor(v) else if (is.factor(v)) droplevels(v) else v)
  found <- leaves_by(input, data)
  if (found$has_leaves) return(found)
  # Where covariates differ from cell to cell, leaves serve the capture alone, and are those of the other variables.
  found <- leaves_by(input, data[!vapply(data, is.numeric, TRUE)])
  if (!found$has_leaves) found <- leaves_by(input, data[character()])
  found$has_leaves <- FALSE
  found
}

leaves_by <- function(input, data) {
  if (length(data) == 0) data <- data.frame(.all = rep(1, nrow(input$data)))
  leaf <- combined_codes(lapply(data, level_factor))
  first <- match(seq_len(max(leaf)), leaf)
  input$has_leaves <- length(first) <= max(50, nrow(data) / 10)
  input$leaf <- leaf
  input$leaves <- data[first, , drop = FALSE]
  input$labels <- do.call(paste, c(lapply(input$leaves, level_text), sep = " | "))
  rownames(input$leaves) <- make.unique(input$labels)
  input
}

# Genes ------------------------------------------------------------------------------------------------------------

# f(block, cells) of counts on disk, block by block, put together by `of_genes` or `of_cells`; other counts are one block.
# Blocks have the size that DelayedArray says, and are of genes, or of cells where chunks of the file are.
over_counts <- function(counts, f, of_genes, of_cells, by_cells = is_by_cells(counts)) {
  cells <- seq_len(ncol(counts))
  if (!inherits(counts, "DelayedMatrix")) return(f(counts, cells))
  length <- block_cells(counts)
  if (by_cells) {
    ranges <- gene_ranges(ncol(counts), nrow(counts), length)
    return(put_together(lapply(ranges, function(at) f(methods::as(counts[, at, drop = FALSE], "dgCMatrix"), at)), of_cells))
  }
  ranges <- gene_ranges(nrow(counts), ncol(counts), length)
  put_together(lapply(ranges, function(at) f(methods::as(counts[at, , drop = FALSE], "dgCMatrix"), cells)), of_genes)
}

put_together <- function(parts, how) if (identical(how, `+`)) Reduce(how, parts) else do.call(how, parts)

# A chunk that spans more of the genes than of the cells is read in whole for each block of genes.
is_by_cells <- function(counts) {
  if (!inherits(counts, "DelayedMatrix")) return(FALSE)
  chunk <- DelayedArray::chunkdim(counts)
  !is.null(chunk) && chunk[1] / nrow(counts) > chunk[2] / ncol(counts)
}

cell_sums <- function(counts, cells) {
  check_cell_counts(counts)
  Matrix::colSums(counts)
}

check_cell_counts <- function(counts) {
  value <- if (is.matrix(counts)) counts else as_compressed(counts)@x
  bad <- which(is.na(value) | is_no_count(value))
  if (length(bad) == 0) return(invisible())
  place <- count_place(counts, bad[1])
  abort_twill("genes", c("The counts in {.arg x} must be whole numbers from 0 to 2^53, none of them missing.",
                         "x" = "{length(bad)} {?is/are} not: {.val {value[bad[1]]}} of {place}.",
                         "i" = "Raw counts are needed; normalised values cannot be used."))
}

count_place <- function(counts, at) {
  if (is.matrix(counts)) {
    where <- arrayInd(at, dim(counts))
  } else {
    m <- as_compressed(counts)
    where <- c(m@i[at] + 1L, findInterval(at - 1L, m@p))
  }
  gene <- rownames(counts)[where[1]] %||% where[1]
  cell <- colnames(counts)[where[2]] %||% where[2]
  sprintf("gene %s in cell %s", gene, cell)
}

# Adds `kept` (row numbers of genes), `chosen` (whether each gene is to be fitted), `sums` (leaf x gene), `other` (names pooled)
# and `columns`: the counts of the genes kept as a sparse cells x genes matrix, `_other` last.
cover_genes <- function(input, coverage, genes, min_count) {
  sums <- leaf_sums(input)
  is_kept <- rowSums(sums) >= min_count
  if (coverage < 1) is_kept <- is_kept & covered_genes(sums, coverage)
  chosen <- pick_genes(genes, input$genes)
  if (!any(is_kept & seq_along(is_kept) %in% chosen)) check_any_gene(cell_reasons(is_kept, chosen, min_count), min_count)
  input$other <- if (coverage < 1) input$genes[!is_kept & rowSums(sums) > 0] else character()
  input$left_out <- genes_left_out(input, sums, is_kept, chosen, min_count)
  input$left_values <- left_values(input, sums)
  input$kept <- which(is_kept)
  input$chosen <- is_kept & seq_along(is_kept) %in% chosen
  input$columns <- kept_columns(input$counts, input$kept)
  input$sums <- t(sums[is_kept, , drop = FALSE])
  if (length(input$other)) add_other(input) else input
}

# One row per gene that is no row of the fit, with the reason. Genes that nobody asked for have none.
genes_left_out <- function(input, sums, is_kept, chosen, min_count) {
  rows <- intersect(which(!is_kept), chosen)
  total <- rowSums(sums)[rows]
  pooled <- input$genes[rows] %in% input$other
  reason <- ifelse(total < min_count, sprintf("%.0f counts in all", total), "outside of the coverage")
  reason[pooled] <- sprintf("%s; in %s", reason[pooled], other_name(input$genes))
  n_nonzero <- rowSums(sums[rows, , drop = FALSE] > 0)
  data.frame(gene = input$genes[rows], reason = reason, total = total, n_nonzero = n_nonzero, pooled = pooled, row = rows,
             row.names = NULL)
}

# Genes left out x leaves, or x cells where these are fitted one by one.
left_values <- function(input, sums) {
  rows <- input$left_out$row
  if (input$has_leaves) Matrix::Matrix(sums[rows, , drop = FALSE], sparse = TRUE) else Matrix::t(kept_columns(input$counts, rows))
}

cell_reasons <- function(is_kept, chosen, min_count) {
  ifelse(!seq_along(is_kept) %in% chosen, "not chosen", ifelse(is_kept, "", sprintf("fewer than %g counts", min_count)))
}

# Genes x leaves.
leaf_sums <- function(input) {
  indicator <- Matrix::sparseMatrix(seq_along(input$leaf), input$leaf, x = 1)
  sums <- function(counts, cells) counts %*% indicator[cells, , drop = FALSE]
  as.matrix(over_counts(input$counts, sums, rbind, `+`))
}

# Per leaf the genes with most counts that reach the share, and their union.
covered_genes <- function(sums, coverage) {
  in_leaf <- function(s) {
    ranked <- order(s, decreasing = TRUE)
    before <- cumsum(c(0, s[ranked]))[seq_along(s)]
    replace(logical(length(s)), ranked, before < coverage * sum(s) & s[ranked] > 0)
  }
  rowSums(matrix(apply(sums, 2, in_leaf), nrow(sums))) > 0
}

kept_columns <- function(counts, rows) {
  if (length(rows) == 0) return(as_compressed(Matrix::Matrix(0, ncol(counts), 0)))
  by_cells <- is_by_cells(counts)
  # Taking all rows would copy them.
  own <- if (length(rows) == nrow(counts)) counts else counts[rows, , drop = FALSE]
  turn <- function(counts, cells) Matrix::t(as_compressed(counts))
  over_counts(own, turn, cbind, rbind, by_cells)
}

# What the genes pooled to one are called, where a gene may have that name already.
other_name <- function(genes) utils::tail(make.unique(c(genes, "_other"), sep = "."), 1)

# The same in a fit, NULL where none are.
pooled_gene <- function(fit) {
  other <- fit$job$cells$other
  if (length(other$genes)) other[["name"]] %||% "_other"
}

add_other <- function(input) {
  rest <- input$total - Matrix::rowSums(input$columns)
  input$columns <- cbind(input$columns, Matrix::Matrix(rest, ncol = 1, sparse = TRUE))
  input$sums <- cbind(input$sums, as.numeric(rowsum(rest, input$leaf)))
  input
}

# Logarithms of the totals of real cells differ by half and more; counts made of rates, rounded, have one total.
min_total_spread <- 0.02

enough_totals <- 20

check_totals <- function(total, silent) {
  total <- total[total > 0]
  if (silent >= 2 || length(total) < enough_totals || stats::sd(log(total)) > min_total_spread) return(invisible())
  warn_twill("counts", c("All cells have nearly the same total, about {.val {signif(stats::median(total), 3)}}.",
                         "i" = "Were counts normalised and rounded? Raw counts are needed, which differ in depth."))
}
