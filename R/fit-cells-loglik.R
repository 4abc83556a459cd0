# Log-likelihood of the cells of a leaf, gene by gene, and the criteria of predictive accuracy made of it.

#' Log-likelihood of leaves
#'
#' The log-likelihood of all cells of a leaf in one gene, \eqn{\sum_{c \in l} \log NB(u_{cg} | \nu_c \mu_{gl}, r_g)}, per draw,
#' from the compressed counts: no counts of cells are needed, and the time does not depend on their number.
#'
#' @param object A fit of class `twillcells` with effects kept.
#' @param genes Names or numbers of genes. Default: all, which needs 8 bytes times draws times leaves times genes.
#' @param leaf Which leaves, as in [tw_means()]. Default: all.
#' @param ... Not used.
#' @return An array draw x leaf x gene; for one gene a matrix draw x leaf.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' dim(log_lik(fit, genes = "gene1"))
#' @method log_lik twillcells
#' @export
log_lik.twillcells <- function(object, genes = NULL, leaf = NULL, ...) {
  check_no_dots(...)
  at <- set_positions(object, genes)
  leaves <- pick_leaves(object, leaf)
  out <- leaf_log_lik(object, at)[, leaves, , drop = FALSE]
  dimnames(out) <- list(NULL, leaf_labels(object)[leaves], set_genes(object)[at])
  if (length(at) == 1) matrix(out, dim(out)[1], dimnames = dimnames(out)[1:2]) else out
}

# draw x leaf x gene.
leaf_log_lik <- function(fit, at) {
  out <- leaf_log_mu(fit, at)
  size <- leaf_sizes(fit, at)
  of_gene <- function(values, k) matrix(values[, , k], nrow(values))
  for (k in seq_along(at)) out[, , k] <- gene_log_lik(fit, fit$posterior$rows[at[k]], of_gene(out, k), of_gene(size, k))
  out
}

# draw x leaf, of matrices draw x leaf.
gene_log_lik <- function(fit, row, log_mu, size) {
  h <- gene_histogram(fit, row)
  nodes <- gene_nodes(fit, row)
  total <- colSums(h$value * h$number)
  of_leaf <- function(l) one_log_lik(fit, l, total[l], nodes, log_mu[, l], size[, l])
  values <- vapply(seq_len(ncol(log_mu)), of_leaf, numeric(nrow(log_mu)))
  leaf_rising(h$value, h$number, size) + values - rep(colSums(h$number * lgamma(h$value + 1)), each = nrow(log_mu))
}

# Entries of one gene in the list of nodes: list(leaf (from 1), at, mass).
gene_nodes <- function(fit, row) {
  nodes <- fit$job$source$data$nodes
  at <- gene_places(nodes, row)
  list(leaf = nodes$leaf[at] + 1L, at = nodes$at[at], mass = nodes$mass[at])
}

# One leaf of one gene. With x the log capture, m = exp(x) mu and sums over the leaf's cells, the log-likelihood is
#   sum lgamma(u + r) - lgamma(r) - lgamma(u + 1)        over the histogram of counts,
#   + sum u (x + log mu - log r)                         sums of counts, and Gauss nodes, exact for x,
#   - sum (u + r) log(1 + m / r)                         Gauss nodes of the counts and of the cells.
# These are its second and third line.
one_log_lik <- function(fit, leaf, total, nodes, log_mu, size) {
  own <- nodes$leaf == leaf
  rule <- fit$job$source$data$rule
  cells <- rule$leaf + 1L == leaf
  with_capture <- total * log_mu + sum(nodes$mass[own] * nodes$at[own])
  if (is_poisson_size(size)) return(with_capture - exp(log_mu) * sum(rule$mass[cells] * exp(rule$at[cells])))
  # Of means and sizes only their ratio is in them.
  ratio <- log_mu - log(size)
  of_counts <- softplus_sum(nodes$mass[own], nodes$at[own], ratio)
  of_cells <- softplus_sum(rule$mass[cells], rule$at[cells], ratio)
  with_capture - total * log(size) - of_counts - size * of_cells
}

# Distance of the points through which the function is laid where it is needed at many: a cubic spline is then off by
# 5 / 384 h^4 = 8e-8 times the largest fourth derivative, which is below the function itself and below 0.2 of the masses.
softplus_step <- 0.05

# sum_j mass_j log(1 + exp(x + at_j)) at each of `x`.
softplus_sum <- function(mass, at, x) {
  exact <- function(x) sum_over_nodes(mass, at, function(a) log1p(exp(x + a)))
  if (length(at) == 0) return(0)
  range <- range(x)
  steps <- ceiling(diff(range) / softplus_step) + 3
  if (!is.finite(steps) || length(x) < 3 * steps) return(exact(x))
  points <- range[1] + softplus_step * seq(-1, steps - 1)
  x[] <- stats::splinefun(points, exact(points))(x)
  x
}

# draw x leaf of sum_v number_v (lgamma(v + size) - lgamma(size)); once for all leaves where they have one size.
leaf_rising <- function(value, number, sizes) {
  if (is_poisson_size(sizes)) return(matrix(0, nrow(sizes), ncol(sizes)))
  by_size <- function(size, number) lgamma(outer(size, value, `+`)) %*% number - outer(lgamma(size), colSums(number))
  if (all(sizes == sizes[, 1])) return(by_size(sizes[, 1], number))
  vapply(seq_len(ncol(sizes)), function(l) by_size(sizes[, l], number[, l, drop = FALSE]), numeric(nrow(sizes)))
}

sum_over_nodes <- function(mass, at, f) {
  out <- 0
  for (j in seq_along(at)) out <- out + mass[j] * f(at[j])
  out
}

# Criteria -----------------------------------------------------------------------------------------------------------

#' Predictive accuracy of fits of cells
#'
#' `loo()` and `waic()` of the cells of a leaf in one gene, taken as one observation: the question is how well a model predicts
#' a leaf that it has not seen, such as a donor's response from that of other donors. The values of a gene's leaves are added
#' up (`by = "gene"`, the default: genes are what standard errors are over), or those of a leaf's genes (`by = "leaf"`).
#'
#' @section Integration:
#' A leaf is much data, and it alone tells of its own effects: draws given all leaves say nothing of what it would be without.
#' `loo()` therefore integrates out, draw by draw, the leaf's effects and the shape (integrated importance sampling: Vehtari et
#' al. 2016; for clusters Merkle, Furr and Rabe-Hesketh 2019). With \eqn{\psi} all other parameters and \eqn{d} the line through a
#' draw's effects of the leaf's levels (its donor's baseline and response) along which leaf l would be predicted from the donor's
#' other leaves,
#'
#' ```
#' p(y_l | y_-l, psi) = int int p(y_l | d, shape) f dd dshape / int int f dd dshape,
#'                      f = p(d | psi) p(shape) prod_k p(y_k | d, shape), k all other leaves
#' elpd_l             = log sum_s w_s p(y_l | y_-l, psi_s),  w_s ~ 1 / p(y_l | y_-l, psi_s), Pareto-smoothed, adding up to 1
#' ```
#'
#' by Gauss-Hermite quadrature over d and on a grid over the shape. What is left to the weights is what one leaf says of the
#' population's effect and of standard deviations. Where that is still too much Pareto k is above 0.7 and the value uncertain:
#' few donors, or one extreme leaf. `integrate = FALSE` takes the draws as they are, with k above 0.7 nearly everywhere;
#' `waic()` always does, and fails at the same places without saying so. Of the shipped `glioblastoma`, 10 leaves of 500 cells,
#' k is above 0.7 in 14 percent with integration and in 73 percent without.
#'
#' @param x A fit of class `twillcells` with effects kept.
#' @param ... Further fits of the same cells to compare with.
#' @param by What the rows of `pointwise` are: `"gene"` (default) or `"leaf"`.
#' @param genes Names or numbers of genes. Default: all; some milliseconds each, with integration about half a second for ten
#'   leaves and 300 draws: of thousands name some hundred.
#' @param integrate Integrate out what only the leaf itself tells of? Default: yes.
#' @param compare Compare the fits where there are several? Default: yes.
#' @return An object of class `tw_leaf_criterion` and of the classes `waic` or `psis_loo` of the package loo, for
#'   [loo_compare()], with `estimates`, `pointwise` and, for `loo()`, `diagnostics$pareto_k`, the largest k of a row, and
#'   `diagnostics$leaf_k`, a matrix leaf x gene. For several fits a list of class `tw_loo_list` with `loos` and `diffs`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' with_slope <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                           col_data = cells, capture = runif(200, 0.1, 0.3),
#'                           iter = 200, seed = 1)
#' loo(with_slope, genes = 1:2)
#' waic(with_slope)
#' @references
#' Vehtari A, Mononen T, Tolvanen V, Sivula T, Winther O (2016). Bayesian leave-one-out cross-validation approximations for
#' Gaussian latent variable models. *Journal of Machine Learning Research* 17(103), 1-38.
#'
#' Merkle EC, Furr D, Rabe-Hesketh S (2019). Bayesian comparison of latent variable models: conditional versus marginal
#' likelihoods. *Psychometrika* 84, 802-829.
#' @name twillcells-loo
NULL

#' @rdname twillcells-loo
#' @method waic twillcells
#' @export
waic.twillcells <- function(x, ..., by = c("gene", "leaf"), genes = NULL, compare = TRUE) {
  by <- check_choice(by, "by", c("gene", "leaf"))
  compute <- function(fit) unit_criterion(fit, genes, by, waic_units, c("elpd_waic", "p_waic", "waic"), c("waic", "loo"))
  several_criteria(x, list(...), compute, compare, substitute(list(x, ...)), "twillcells")
}

#' @rdname twillcells-loo
#' @method loo twillcells
#' @export
loo.twillcells <- function(x, ..., by = c("gene", "leaf"), genes = NULL, integrate = TRUE, compare = TRUE) {
  by <- check_choice(by, "by", c("gene", "leaf"))
  loo_of_units(x, list(...), by, genes, integrate, compare, substitute(list(x, ...)), "twillcells")
}
