# Chains in the form of coda.

#' Chains for coda
#'
#' Methods for the generics of coda, whose functions then take a fit: `coda::gelman.diag(coda::as.mcmc.list(fit))`.
#'
#' @param x A fit of class `twillfit` or `twillgenes`.
#' @param combine_chains Put the chains one after the other? Default: no.
#' @param ... Arguments of [as_draws_array()]: `variable`, `regex`, `inc_warmup`, and `genes` for fits of genes.
#' @return `as.mcmc.list()`: an `mcmc.list` with one element per chain. `as.mcmc()`: the same, as in brms, or an `mcmc` matrix
#'   with `combine_chains = TRUE`.
#' @examplesIf requireNamespace("coda", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' coda::effectiveSize(coda::as.mcmc.list(fit, variable = c("b_Days", "sigma")))
#' @name twill-coda
NULL

#' @rdname twill-coda
#' @exportS3Method coda::as.mcmc
as.mcmc.twillfit <- function(x, combine_chains = FALSE, ...) {
  if (!check_flag(combine_chains, "combine_chains")) return(chain_list(x, ...))
  draws <- as_draws_matrix(x, ...)
  coda::mcmc(matrix(draws, nrow(draws), dimnames = list(NULL, colnames(draws))))
}

#' @rdname twill-coda
#' @exportS3Method coda::as.mcmc.list
as.mcmc.list.twillfit <- function(x, ...) chain_list(x, ...)

#' @rdname twill-coda
#' @exportS3Method coda::as.mcmc
as.mcmc.twillgenes <- as.mcmc.twillfit

#' @rdname twill-coda
#' @exportS3Method coda::as.mcmc.list
as.mcmc.list.twillgenes <- as.mcmc.list.twillfit

chain_list <- function(x, ...) {
  draws <- unclass(as_draws_array(x, ...))
  chains <- lapply(seq_len(dim(draws)[2]), function(chain) {
    coda::mcmc(matrix(draws[, chain, ], dim(draws)[1], dimnames = list(NULL, dimnames(draws)[[3]])))
  })
  coda::mcmc.list(chains)
}
