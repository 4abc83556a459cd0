# Support of emmeans: the reference grid's rows as the model's own columns, and the draws.

#' Estimated marginal means
#'
#' Methods for [emmeans::emmeans()] and its relatives. Population-level coefficients alone are
#' used, with their draws (`post.beta`), so that summaries are medians and HPD intervals of the
#' posterior and `as.mcmc()` works. Counts are on the log scale unless `type = "response"`.
#'
#' @param object A fit of class `twillfit`.
#' @param re_formula Group-level terms, as in [posterior_epred()]. Default: none (`NA`). Others
#'   are possible with `epred = TRUE` only.
#' @param epred Average the mean of the response itself, in place of the linear predictor?
#'   Default: no.
#' @param data,trms,xlev,grid,... As emmeans passes them.
#' @return What [emmeans::recover_data()] and [emmeans::emm_basis()] are to return.
#' @examplesIf requireNamespace("emmeans", quietly = TRUE)
#' fit <- twill(TICKS ~ YEAR + (1 | BROOD), data = lme4::grouseticks, family = negbinomial(),
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' emmeans::emmeans(fit, "YEAR", type = "response")
#' @name twill-emmeans
NULL

#' @rdname twill-emmeans
#' @exportS3Method emmeans::recover_data
recover_data.twillfit <- function(object, data = NULL, ...) {
  fixed <- object$formula$fixed
  # emmeans reads a transformation of the response off the call, so it must see neither weights nor groups.
  call <- as.call(list(quote(twill), fixed))
  terms <- stats::delete.response(stats::terms(fixed))
  emmeans::recover_data(call, terms, attr(object$data, "na.action"), data = data %||% object$data, ...)
}

#' @rdname twill-emmeans
#' @exportS3Method emmeans::emm_basis
emm_basis.twillfit <- function(object, trms, xlev, grid, re_formula = NA, epred = FALSE, ...) {
  if (epred) {
    draws <- posterior_epred.twillfit(object, grid, re_formula, allow_new_levels = TRUE)
    x <- diag(ncol(draws))
    # The mean has the offset in it already.
    misc <- list(offset.mult = 0)
  } else {
    x <- design_newdata(object, grid, NA)$x
    draws <- fixef.twillfit(object, summary = FALSE)[, seq_len(ncol(x)), drop = FALSE]
    # emmeans would take any family with "binomial" in its name for one of probabilities.
    misc <- if (object$family$link == "log") list(tran = "log", inv.lbl = "response") else list()
  }
  colnames(x) <- colnames(draws)
  attr(draws, "n.chains") <- nchains(object)
  list(X = x, bhat = colMeans(draws), nbasis = matrix(NA), V = stats::cov(draws),
       dffun = function(k, dfargs) Inf, dfargs = list(), misc = misc, post.beta = draws)
}
