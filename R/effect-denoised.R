# tw_denoised(): what the model says of the expression of a single cell, given its count.

#' Denoised expression of cells
#'
#' The posterior mean of the rate of a gene in a cell given the cell's count. The negative binomial is a Poisson of gamma
#' rates, \eqn{\lambda_{cg} \sim \mathrm{Gamma}(r_g, r_g / \mu_{gl})} and \eqn{u_{cg} \sim \mathrm{Poisson}(\nu_c \lambda_{cg})},
#' so that with \eqn{r} the size and \eqn{\mu} the mean of the cell's leaf
#'
#' ```
#' E[lambda | u] = (u + r) / (r + nu mu) mu
#' ```
#'
#' averaged over posterior draws. Cells with much capture keep what they show; cells with little are drawn towards the mean
#' of their leaf. Rates are per unit of capture, so cells of different depth can be compared. As they are drawn towards
#' means of leaves, they must not be tested for differences between leaves: [tw_contrast()] does that.
#'
#' @param fit A fit of class `twillcells` or `twillrows` with effects kept.
#' @param x The counts that were fitted, as given to [twill_cells()]: cells are found by their names, in any order and among
#'   others, and without names by their order. Only the rows of `genes` are read.
#' @param genes Names or numbers of genes. Results are dense: 8 bytes times genes times cells.
#' @param assay Name of the assay of an experiment. Default: `"counts"`.
#' @param ndraws Number of posterior draws to average over. Default: 50.
#' @param ... Must be empty.
#' @return A matrix of genes x cells (the cells of the fit, in its order). Errors have class `twill_error_genes` or
#'   `twill_error_draws`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' tw_denoised(fit, counts, genes = c("gene1", "gene2"))[, 1:4]
#' @export
tw_denoised <- function(fit, x, genes, assay = "counts", ndraws = 50, ...) {
  check_no_dots(...)
  check_cells(fit)
  at <- set_positions(fit, genes)
  ids <- spaced_draws(fit, ndraws)
  block <- cell_counts(fit, x, set_genes(fit)[at], assay)
  rates <- lapply(seq_along(at), function(k) denoise_gene(fit, at[k], block_column(block, k), ids))
  matrix(unlist(rates), length(at), byrow = TRUE, dimnames = list(set_genes(fit)[at], fit$job$cells$names))
}

denoise_gene <- function(fit, at, u, ids) {
  rates <- gene_rates(fit, at, ids)
  leaf <- mean_of_cell(fit)
  capture <- exp(fit$job$cells$log_capture)
  total <- numeric(length(u))
  for (s in seq_along(ids)) total <- total + cell_rate(u, capture, rates$mu[s, leaf], rates$size[s, leaf])
  total / length(ids)
}

cell_rate <- function(u, capture, mu, size) count_record(size)$rate_given(u, capture, mu, size)
