# The log density of a fitted model at any position, for packages that need more than draws.

#' Log density of a model
#'
#' The log posterior density, up to a constant, at a position on the sampler's unconstrained
#' scale, with the terms of the change of variables.
#'
#' @param fit A fit of class `twillfit`.
#' @param position Numbers, one per coordinate: the coefficients as draws have them (the
#'   intercept on the raw scale), standardised group effects, then logarithms of standard deviations (under a prior
#'   `uniform(a, b)`, of `(x - a) / (1 - (x - a) / (b - a))`, `a` at least 0), inverse
#'   hyperbolic tangents of partial correlations, the logarithm of the dispersion or its
#'   coefficients, and the logarithms of horseshoe scales.
#' @param gradient Give the gradient too? Default: no.
#' @param ... Must be empty.
#' @return One number; with `gradient = TRUE` it has the attribute `gradient`, named by coordinate. Not finite outside
#'   of the support. Errors have class `twill_error_argument` or `twill_error_spec`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' # 2 coefficients, 18 effects, one standard deviation, sigma
#' tw_log_prob(fit, rep(0, 22), gradient = TRUE)
#' @export
tw_log_prob <- function(fit, position, gradient = FALSE, ...) {
  check_no_dots(...)
  check_fit(fit)
  if (!is.numeric(position) || !all(is.finite(position))) {
    abort_twill("argument", c("{.arg position} must hold finite numbers, one per coordinate of the sampler.",
                              "x" = "It is {.val {given_value(position)}}."))
  }
  value <- log_density_at(fit, position)
  if (!check_flag(gradient, "gradient")) return(value$log_density)
  structure(value$log_density, gradient = stats::setNames(value$gradient, value$names))
}
