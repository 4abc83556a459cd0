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
#' @param dpar `"sigma"` or `"shape"`: means of the logarithm of the dispersion, where `formula` has a regression of it. Default:
#'   of the response.
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
recover_data.twillfit <- function(object, data = NULL, dpar = NULL, ...) {
  if (has_responses(object)) {
    return(sprintf("Say which response: emmeans(tw_response(fit, \"%s\"), ...).", first_response(object)))
  }
  if (is_merged(object$design)) {
    return("The data came in pieces and their rows were merged: give them as one data frame to have emmeans().")
  }
  part <- if (is.null(dpar)) object$design$blueprint else dispersion_part(object, dpar)
  fixed <- if (is.null(dpar)) object$formula$fixed else object$formula$dispersion
  # emmeans reads a transformation of the response off the call, so it must see neither weights nor groups.
  call <- as.call(list(quote(twill), fixed))
  # With the bases of poly() and the like as the fit has them.
  terms <- stats::delete.response(part$terms)
  emmeans::recover_data(call, terms, attr(object$data, "na.action"), data = data %||% object$data, ...)
}

# What rebuilds the columns of the dispersion's regression.
dispersion_part <- function(fit, dpar) {
  known <- if (!is.null(fit$design$x_disp)) fit$design$dispersion
  if (is.character(dpar) && length(dpar) == 1 && dpar %in% known) return(fit$design$blueprint$dispersion)
  given <- given_value(dpar)
  has <- if (is.null(known)) "{.arg formula} has no regression of a dispersion." else "{.arg formula} has one of {.val {known}}."
  abort_twill("argument", c("{.arg dpar} must be a parameter that has a regression.", "x" = "It is {.val {given}}.", "i" = has))
}

# A text in the place of data is the error that emmeans raises.
#' @rdname twill-emmeans
#' @exportS3Method emmeans::recover_data
recover_data.twillgenes <- function(object, ...) {
  paste("Fits of genes have tw_contrast(fit, cond(...) - cond(...)) for all genes;",
        "emmeans(tw_gene(fit, \"NAME\"), ...) contrasts conditions in one.")
}

#' @rdname twill-emmeans
#' @exportS3Method emmeans::emm_basis
emm_basis.twillfit <- function(object, trms, xlev, grid, re_formula = NA, epred = FALSE, dpar = NULL, ...) {
  # emmeans takes dates and times for numbers.
  for (name in intersect(names(grid), names(object$data))) {
    if (is.numeric(grid[[name]])) grid[[name]] <- like_values(grid[[name]], object$data[[name]])
  }
  if (!is.null(dpar)) return(dispersion_basis(object, grid, dpar))
  if (!epred) return(linear_basis(object, grid))
  draws <- posterior_epred.twillfit(object, grid, re_formula, allow_new_levels = TRUE)
  # The mean has the offset in it already.
  basis_of_draws(diag(ncol(draws)), draws, misc = list(offset.mult = 0), chains = nchains(object))
}

# Logarithms of the dispersion, which emmeans turns back on request.
dispersion_basis <- function(fit, grid, dpar) {
  x <- new_part(dispersion_part(fit, dpar), grid)$x
  draws <- as.matrix(fit)[, fit$design$disp_names, drop = FALSE]
  basis_of_draws(x, draws, list(tran = "log", inv.lbl = dpar), nchains(fit))
}

linear_basis <- function(fit, grid) {
  # Means need no column of the dispersion's.
  fit$design$blueprint["dispersion"] <- list(NULL)
  # Rows of which the data say nothing are emmeans' to mark.
  design <- suppressWarnings(design_newdata(fit, grid, NA), classes = "twill_warning_design")
  draws <- fixef.twillfit(fit, summary = FALSE)[, seq_len(ncol(design$x)), drop = FALSE]
  # emmeans would take any family with "binomial" in its name for one of probabilities.
  misc <- if (has_counts(fit)) list(tran = "log", inv.lbl = "response") else list()
  basis_of_draws(design$x, draws, misc, nchains(fit), fit$design$blueprint, design$whole)
}

# With columns dropped from the model, emmeans wants all columns, NA for the coefficients that are not there, and the
# directions that the data do not tell of.
basis_of_draws <- function(x, draws, misc, chains, blueprint = NULL, whole = NULL) {
  bhat <- colMeans(draws)
  nbasis <- matrix(NA)
  colnames(x) <- colnames(draws)
  if (!is.null(blueprint$null)) {
    means <- x[, -seq_along(blueprint$used), drop = FALSE]
    nbasis <- rbind(qr.Q(qr(blueprint$null)), matrix(0, ncol(means), ncol(blueprint$null)))
    x <- cbind(whole, means)
    at <- c(blueprint$used, length(blueprint$columns) + seq_len(ncol(means)))
    bhat <- stats::setNames(replace(rep(NA_real_, ncol(x)), at, bhat), colnames(x))
  }
  attr(draws, "n.chains") <- chains
  list(X = x, bhat = bhat, nbasis = nbasis, V = stats::cov(draws), dffun = function(k, dfargs) Inf, dfargs = list(),
       misc = misc, post.beta = draws)
}
