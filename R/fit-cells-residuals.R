# Randomised quantile residuals of genes: how well the negative binomial with its leaf's mean fits all cells.

#' Randomised quantile residuals of cells
#'
#' \eqn{\Phi^{-1}(u)} with u drawn uniformly between the predictive probabilities of a count below the cell's and of one at
#' most as large (Dunn and Smyth 1996): standard normal where the model is right. Without `x`, counts are known by leaf
#' alone, and the probabilities are those of a cell whose capture is drawn from the leaf's cells; with `x`, each cell has its
#' own capture.
#'
#' @param fit,object A fit of class `twillcells` or `twillrows` with effects kept.
#' @param genes Names or numbers of genes, or a condition. Default: all; for `residuals()` they must be named.
#' @param x The counts that were fitted, as for [tw_denoised()]. Default: not needed. Fits of class `twillrows` have them.
#' @param type `"quantile"`, the only kind.
#' @param assay Name of the assay of an experiment `x`. Default: `"counts"`.
#' @param ndraws Number of posterior draws over which probabilities are averaged. Default: 10; 2 with more than 1000 genes.
#' @param seed A whole number. Default: R's generator.
#' @param ... Not used.
#' @return `tw_residuals()`: a data frame with one row per gene: `mean` and `sd` of the residuals (0 and 1 where the model is
#'   right), `tail`, the share beyond 3 in size over that of a normal, and `distance`, the largest difference between the
#'   cumulative distributions (Kolmogorov and Smirnov's statistic). `residuals()`: without `x` a list with one data frame per
#'   gene, `leaf` and `residual` of each cell, leaf by leaf; with `x`, and for class `twillrows`, a matrix genes x cells. Errors
#'   have class `twill_error_genes` or `twill_error_draws`.
#' @references Dunn PK, Smyth GK (1996). Randomized quantile residuals. *Journal of Computational and Graphical Statistics*
#'   5, 236-244.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' tw_residuals(fit, seed = 1)
#' dim(residuals(fit, genes = c("gene1", "gene2"), x = counts))
#' @export
tw_residuals <- function(fit, genes = NULL, ndraws = NULL, seed = NULL, ...) {
  check_no_dots(...)
  check_cells(fit)
  at <- set_positions(fit, genes)
  ids <- spaced_draws(fit, ndraws %||% if (length(at) > 1000) 2 else 10)
  groups <- if (!is_rows(fit)) all_capture_groups(fit)
  one_gene <- function(g) {
    residual_statistics(if (is_rows(fit)) cell_residuals(fit, g, row_counts(fit, g)[, 1], ids) else
      gene_residuals(fit, g, ids, groups)$residual)
  }
  statistics <- with_seed(seed, vapply(at, one_gene, numeric(4)))
  data.frame(mean = statistics[1, ], sd = statistics[2, ], tail = statistics[3, ], distance = statistics[4, ],
             row.names = set_genes(fit)[at])
}

residual_statistics <- function(z) {
  n <- length(z)
  below <- stats::pnorm(sort(z))
  distance <- max(seq_len(n) / n - below, below - (seq_len(n) - 1) / n)
  c(mean(z), stats::sd(z), mean(abs(z) > 3) / (2 * stats::pnorm(-3)), distance)
}

#' @rdname tw_residuals
#' @method residuals twillcells
#' @export
#' @importFrom stats residuals
residuals.twillcells <- function(object, genes, x = NULL, type = "quantile", assay = "counts", ndraws = 10, seed = NULL, ...) {
  check_no_dots(...)
  check_choice(type, "type", "quantile")
  if (missing(genes)) abort_twill("genes", "{.arg genes} is missing: residuals have one number per gene and cell, so name some.")
  at <- set_positions(object, genes)
  ids <- spaced_draws(object, ndraws)
  names <- set_genes(object)[at]
  if (is.null(x) && !is_rows(object)) {
    groups <- all_capture_groups(object)
    values <- with_seed(seed, lapply(at, gene_residuals, fit = object, ids = ids, groups = groups))
    return(stats::setNames(values, names))
  }
  block <- if (!is_rows(object)) cell_counts(object, x, names, assay)
  counts <- function(k) if (is.null(block)) row_counts(object, at[k])[, 1] else block_column(block, k)
  values <- with_seed(seed, lapply(seq_along(at), function(k) cell_residuals(object, at[k], counts(k), ids)))
  matrix(unlist(values), length(at), byrow = TRUE, dimnames = list(names, object$job$cells$names))
}

# Residuals of one gene from its histogram, leaf by leaf.
gene_residuals <- function(fit, at, ids, groups) {
  h <- gene_histogram(fit, fit$posterior$rows[at])
  rates <- gene_rates(fit, at, ids)
  needed <- sort(unique(c(h$value - 1, h$value)))
  below <- leaf_cdf(needed, groups, rates$mu, rates$size)
  leaf <- rep(as.vector(col(h$number)), h$number)
  value <- rep(rep(h$value, ncol(h$number)), h$number)
  step <- cbind(match(value, needed), leaf)
  before <- cbind(match(value - 1, needed), leaf)
  data.frame(leaf = leaf_labels(fit)[leaf], residual = draw_quantile_residuals(below[before], below[step]))
}

# Captures of all leaves in groups, as two matrices group x leaf: `capture`, and `weight`, which adds up to one in a leaf.
all_capture_groups <- function(fit) {
  by_leaf <- lapply(seq_along(leaf_labels(fit)), capture_groups, fit = fit)
  n <- max(lengths(lapply(by_leaf, `[[`, "number")))
  pad <- function(x, with) c(x, rep(with, n - length(x)))
  list(capture = vapply(by_leaf, function(g) pad(g$capture, 1), numeric(n)),
       weight = vapply(by_leaf, function(g) pad(g$number / sum(g$number), 0), numeric(n)))
}

# value x leaf: probability of a count of at most each of `value`, averaged over groups of captures and draws.
leaf_cdf <- function(value, groups, mu, size) {
  captures <- matrix(groups$capture, ncol = ncol(mu))
  n <- nrow(captures)
  each_draw <- rep(seq_len(nrow(mu)), each = n)
  mean <- captures[rep(seq_len(n), nrow(mu)), , drop = FALSE] * mu[each_draw, , drop = FALSE]
  weight <- matrix(groups$weight, n)[rep(seq_len(n), nrow(mu)), , drop = FALSE] / nrow(mu)
  average <- if (max(value) <= 2000) cdf_by_steps else cdf_one_by_one
  matrix(average(value, mean, size[each_draw, , drop = FALSE], weight), length(value))
}

# `mean`, `size` and `weight` are matrices with leaves in columns.
cdf_one_by_one <- function(value, mean, size, weight) {
  t(vapply(value, function(v) colSums(weight * count_cdf(v, mean, size)), numeric(ncol(mean))))
}

count_cdf <- function(value, mean, size) count_record(size)$cdf(value, mean, size)

# All counts from 0 on by the recursion P(v + 1) = P(v) (v + r) / (v + 1) m / (m + r): a tenth of the time.
cdf_by_steps <- function(value, mean, size, weight) {
  is_poisson <- is_poisson_size(size)
  log_p <- count_record(size)$log_zero(mean, size)
  step <- if (is_poisson) log(mean) else -log1p(size / mean)
  below <- matrix(0, max(value) + 1, ncol(mean))
  for (v in seq_len(nrow(below)) - 1) {
    below[v + 1, ] <- colSums(weight * exp(log_p))
    log_p <- log_p + step + (if (is_poisson) 0 else log(v + size)) - log(v + 1)
  }
  rbind(0, pmin(apply(below, 2, cumsum), 1))[value + 2, ]
}

cell_residuals <- function(fit, at, u, ids) {
  rates <- gene_rates(fit, at, ids)
  leaf <- mean_of_cell(fit)
  capture <- exp(fit$job$cells$log_capture)
  lower <- upper <- numeric(length(u))
  for (s in seq_along(ids)) {
    mean <- capture * rates$mu[s, leaf]
    upper <- upper + count_cdf(u, mean, rates$size[s, leaf]) / length(ids)
    lower <- lower + count_cdf(u - 1, mean, rates$size[s, leaf]) / length(ids)
  }
  draw_quantile_residuals(lower, upper)
}
