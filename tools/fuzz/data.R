# Random data of the fuzzer: data frames and matrices of counts, most of them decent, some of them not.

# Sizes ----------------------------------------------------------------------------------------------------------------

n_rows <- function() if (!oddly(0.15)) sample(8:30, 1) else sample(c(0, 1, 2, 3, 5), 1)

# Columns ----------------------------------------------------------------------------------------------------------------

levels_of <- function(n_levels) {
  if (!oddly(0.15)) return(paste0("l", seq_len(n_levels)))
  some_of(c("", " ", "a b", "a:b", "a,b", "a[1]", "\u00e9", "\u65e5", "{x}", "%s", "NA", "TRUE", "1", "1e5", "_other", "a.1"),
          n_levels)
}

group <- function(n, n_levels = sample(2:6, 1)) {
  if (oddly(0.1)) n_levels <- 1
  sample(levels_of(n_levels), n, replace = TRUE)
}

# What a covariate may be, by kind.
covariates <- list(
  number = function(n) stats::rnorm(n),
  shifted = function(n) stats::rnorm(n, 2010, 5),
  whole = function(n) sample(0:5, n, TRUE),
  factor = function(n) factor(group(n, 3)),
  text = function(n) group(n, 3))

strange_covariates <- list(
  huge = function(n) stats::rnorm(n) * 1e200,
  tiny = function(n) stats::rnorm(n) * 1e-200,
  constant = function(n) rep(1, n),
  missing = function(n) rep(NA_real_, n),
  infinite = function(n) ifelse(seq_len(n) == 2, Inf, stats::rnorm(n)),
  some_missing = function(n) ifelse(stats::runif(n) < 0.2, NA, stats::rnorm(n)),
  logical = function(n) stats::runif(n) < 0.5,
  ordered = function(n) factor(group(n, 3), ordered = TRUE),
  unused = function(n) factor(group(n, 3), levels = c("unused", levels_of(6))),
  with_na_level = function(n) addNA(factor(ifelse(stats::runif(n) < 0.2, NA, group(n, 3)))),
  one_per_row = function(n) factor(seq_len(n)),
  date = function(n) as.Date("2020-01-01") + seq_len(n),
  time = function(n) as.POSIXct("2020-01-01", tz = "UTC") + seq_len(n),
  duration = function(n) as.difftime(seq_len(n), units = "mins"),
  list = function(n) as.list(seq_len(n)),
  matrix = function(n) matrix(stats::rnorm(2 * n), n),
  frame = function(n) data.frame(a = stats::rnorm(n), b = rep(1, n)),
  complex = function(n) complex(real = stats::rnorm(n)),
  integer64 = function(n) structure(stats::rnorm(n), class = "integer64"))

responses <- list(
  gaussian = function(n) stats::rnorm(n),
  counts = function(n) stats::rnbinom(n, mu = 10, size = 2))

strange_responses <- list(
  small = function(n) stats::rnorm(n) * 10^-sample(c(3, 9, 150, 300), 1),
  large = function(n) stats::rnorm(n) * 10^sample(c(3, 9, 150, 300), 1),
  constant = function(n) rep(3, n),
  zero = function(n) rep(0, n),
  big_counts = function(n) stats::rpois(n, 1e6),
  huge_counts = function(n) rep(c(0, 1e15), length.out = n),
  rare = function(n) as.numeric(seq_len(n) == 1),
  halves = function(n) sample(0:4, n, TRUE) / 2,
  negative = function(n) -sample(0:4, n, TRUE),
  some_missing = function(n) ifelse(stats::runif(n) < 0.3, NA, sample(0:9, n, TRUE)),
  missing = function(n) rep(NA_real_, n),
  infinite = function(n) replace(stats::rnorm(n), seq_len(min(n, 1)), Inf),
  logical = function(n) stats::runif(n) < 0.5,
  factor = function(n) factor(group(n, 2)),
  text = function(n) as.character(sample(0:9, n, TRUE)),
  matrix = function(n) matrix(sample(0:9, 2 * n, TRUE), n),
  list = function(n) as.list(seq_len(n)))

strange_names <- c("a b", "\u00e9", "x.1", "1x", "if", ".row", "Intercept", "(Intercept)", "y", "sigma", "b_x", "x:f", "T",
                   "data", "")

# Frames -----------------------------------------------------------------------------------------------------------------

# Columns x, f, z (covariates), g, h (groups), w (weights), y, and u, another response, some of which is missing.
random_frame <- function(n = n_rows(), family = one_of("gaussian", "counts"), p_strange = 0.25) {
  strange <- function() oddly(p_strange / 4)
  covariate <- function(kinds) (if (strange()) element_of(strange_covariates) else element_of(kinds))(n)
  columns <- list(
    x = covariate(covariates[1:3]), f = covariate(covariates[4:5]), z = covariate(covariates), g = group(n),
      h = factor(group(n)),
    w = if (strange()) sample(c(-1, 0, 1, NA, Inf), n, TRUE) else stats::runif(n, 0.5, 2),
    y = (if (strange()) element_of(strange_responses) else responses[[family]])(n),
    u = (if (strange()) element_of(strange_responses) else responses[[family]])(n))
  if (chance(0.5)) columns$u <- with_missing(columns$u, 0.2)
  if (strange()) columns$g <- element_of(strange_covariates)(n)
  data <- frame_of(columns, n)
  if (strange()) names(data)[sample(length(data), 1)] <- element_of(strange_names)
  if (strange()) names(data)[sample(length(data), 1)] <- sample(names(data), 1)
  if (strange()) attr(data, "row.names") <- as.character(rev(seq_len(n)))
  if (strange()) data <- as_other_frame(data)
  data
}

with_missing <- function(x, share) {
  if (is.atomic(x) && is.null(dim(x))) x[stats::runif(length(x)) < share] <- NA
  x
}

# As data.frame(), which would take lists and matrices apart.
frame_of <- function(columns, n) structure(columns, class = "data.frame", row.names = seq_len(n))

as_other_frame <- function(data) {
  has <- function(package) requireNamespace(package, quietly = TRUE)
  kinds <- c("list", "matrix", if (has("tibble")) "tibble", if (has("data.table")) "data.table",
             if (has("S4Vectors")) "DataFrame")
  switch(element_of(kinds), list = as.list(data), matrix = as.matrix(data), tibble = try_or(tibble::as_tibble(data), data),
         data.table = try_or(data.table::as.data.table(data), data),
         DataFrame = try_or(S4Vectors::DataFrame(data, check.names = FALSE), data))
}

try_or <- function(code, otherwise) tryCatch(suppressWarnings(code), error = function(e) otherwise)

# Variants of the data of a fit, as new data.
random_newdata <- function(data) {
  if (!is.data.frame(data) || nrow(data) == 0) return(data)
  rows <- function(n) data[sample.int(max(1, NROW(data)), n, TRUE), , drop = FALSE]
  change <- function(value) {
    new <- rows(3)
    new[[sample(length(new), 1)]] <- value
    new
  }
  one_of(
    function() data, function() rows(1), function() with_new_levels(rows(3)), function() with_new_levels(rows(1)),
      function() rows(3), function() rows(0), function() data[sample(length(data))],
    function() data[-sample(length(data), 1)], function() change("unseen"), function() change(NA), function() change(Inf),
    function() change(1e6), function() change(factor("unseen")), function() change(list(1, 2, 3)), function() change(NULL),
    function() change(TRUE), function() change(as.Date("2020-01-01")), function() change(matrix(1, 3, 2)),
      function() as.list(rows(3)),
    function() data.frame(), function() NULL, function() 1)()
}

# Levels of groups that the fit has not seen, some or all.
with_new_levels <- function(rows) {
  is_column <- function(name) is.null(dim(rows[[name]]))
  for (name in Filter(is_column, intersect(one_of("g", "h", c("g", "h")), names(rows)))) {
    rows[[name]] <- replace(as.character(rows[[name]]), sample.int(nrow(rows), sample.int(nrow(rows), 1)), "new")
  }
  rows
}

# Counts -----------------------------------------------------------------------------------------------------------------

gene_names <- function(n) {
  if (n == 0) return(character(0))
  names <- paste0("gene", seq_len(n))
  if (!oddly(0.15)) return(names)
  one_of(NULL, rep("same", n), replace(names, 1, NA), replace(names, 1, ""), rep_len(c("a b", "\u00e9", "{x}", "_other", "1",
                                                                                       "g.1"), n))
}

# Genes x samples, of counts or continuous.
random_matrix <- function(n_genes, n_samples, mean = 20, is_count = TRUE) {
  n <- n_genes * n_samples
  values <- if (is_count) stats::rnbinom(n, mu = mean * exp(stats::rnorm(n_genes)), size = 5) else stats::rnorm(n, 8, 1)
  x <- matrix(values, n_genes, n_samples)
  names <- gene_names(n_genes)
  if (!is.null(names)) rownames(x) <- names
  if (n_samples > 0) colnames(x) <- paste0("s", seq_len(n_samples))
  x
}

spoil_matrix <- function(x) {
  if (length(x) == 0) return(x)
  gene <- sample(nrow(x), 1)
  sample_number <- sample(ncol(x), 1)
  one_of(
    function() replace(x, cbind(gene, seq_len(ncol(x))), 0), function() replace(x, cbind(seq_len(nrow(x)), sample_number), 0),
    function() x * 0, function() replace(x, 1, NA), function() replace(x, 1, Inf), function() replace(x, 1, -1),
    function() replace(x, 1, 0.5), function() replace(x, 1, 1e9), function() x * 1e15, function() replace(x, seq_along(x), 3),
    function() x[, 0, drop = FALSE], function() x[0, , drop = FALSE], function() x[1, , drop = FALSE], function() x[1, ],
    function() format(x), function() x > 10, function() x * NA, function() as.data.frame(x),
    function() replace(x, cbind(gene, seq_len(ncol(x))), ifelse(seq_len(ncol(x)) == 1, 1000, 0)),
    function() structure(x, dimnames = list(rownames(x), rep("a", ncol(x)))), function() x[, c(1, seq_len(ncol(x) - 1)),
        drop = FALSE])()
}

# The same numbers in another form.
as_other_matrix <- function(x, col_data) {
  has <- function(package) requireNamespace(package, quietly = TRUE)
  if (!is.matrix(x) || !is.numeric(x)) return(x)
  kinds <- c("sparse", "row_sparse", if (has("DelayedArray")) "delayed", if (has("SummarizedExperiment")) "experiment",
             if (has("SingleCellExperiment")) "cells", if (has("SeuratObject")) "seurat")
  switch(element_of(kinds), sparse = try_or(methods::as(x, "CsparseMatrix"), x),
         row_sparse = try_or(methods::as(x, "RsparseMatrix"), x), seurat = as_seurat(x, col_data),
             delayed = DelayedArray::DelayedArray(x),
         experiment = try_or(as_experiment(SummarizedExperiment::SummarizedExperiment, x, col_data), x),
         cells = try_or(as_experiment(SingleCellExperiment::SingleCellExperiment, x, col_data), x))
}

# With what other packages leave in such an object: size factors, symbols of genes, other assays.
as_experiment <- function(make, x, col_data) {
  assays <- list(counts = x)
  if (oddly(0.1)) names(assays) <- one_of("other", "", NULL)
  if (is.numeric(x) && chance(0.3)) assays$logcounts <- log1p(as.matrix(x))
  out <- make(assays, colData = col_data)
  if (chance(0.3)) SummarizedExperiment::colData(out)$sizeFactor <- stats::runif(ncol(x), 0.5, 2)
  if (chance(0.3)) S4Vectors::mcols(out) <- S4Vectors::DataFrame(symbol = rep_len(c("A", "B", NA, "a b", "A"), nrow(x)), n = 1)
  out
}
