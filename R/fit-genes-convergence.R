# Convergence and covariances of fits of genes, under the generics that single fits have.

#' @rdname twillgenes-tidy
#' @method rhat twillgenes
#' @export
#' @rawNamespace S3method(posterior::rhat, twillgenes)
rhat.twillgenes <- function(object, pars = NULL, genes = NULL, ...) {
  check_no_dots(...)
  monitored(object, "rhat", pars, genes)
}

#' @rdname twillgenes-tidy
#' @method neff_ratio twillgenes
#' @export
neff_ratio.twillgenes <- function(object, pars = NULL, genes = NULL, ...) {
  check_no_dots(...)
  monitored(object, "ess", pars, genes) / n_set_draws(object)
}

# gene x variable.
monitored <- function(fit, measure, pars, genes) {
  if (!is_sampled(fit)) {
    abort_twill("method", c("Fits by {.code method = \"{fit$job$settings$method}\"} have no chains to compare.",
                            "i" = "{.fn tw_diagnostics} has their k-hat."))
  }
  at <- set_positions(fit, genes)
  names <- fit$posterior$names
  values <- nan_to_na(t(fit$posterior[[measure]][, at, drop = FALSE]))
  dimnames(values) <- list(set_genes(fit)[at], names[seq_len(ncol(values))])
  if (is.null(pars)) values else values[, checked_among(pars, colnames(values)), drop = FALSE]
}

#' @rdname twillgenes-tidy
#' @method vcov twillgenes
#' @export
vcov.twillgenes <- function(object, correlation = FALSE, genes = NULL, ...) {
  check_no_dots(..., allow = "complete")
  at <- set_positions(object, genes)
  design <- model_of(object)$design
  variable <- c(design$coef_names, design$disp_names[!is.null(design$x_disp)])
  draws <- draws_of(object, variable, at)
  measure <- if (check_flag(correlation, "correlation")) stats::cor else stats::cov
  values <- vapply(seq_along(at), function(k) measure(matrix(draws[, , k], dim(draws)[1])), diag(length(variable)))
  labels <- sub("^b_", "", variable)
  aperm(array(values, c(length(labels), length(labels), length(at)), list(labels, labels, set_genes(object)[at])), c(3, 1, 2))
}

#' @rdname twillgenes-tidy
#' @method posterior_interval twillgenes
#' @export
posterior_interval.twillgenes <- function(object, prob = 0.95, genes = NULL, ...) {
  check_no_dots(...)
  check_level(prob, "prob")
  confint.twillgenes(object, level = prob, genes = genes)
}
