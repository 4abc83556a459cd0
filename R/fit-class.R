# The parts of a fit, under the accessors that users of stats, lme4 and brms know.

#' Parts of a fit
#'
#' @param object,x,formula A fit of class `twillfit`; for `formula()`, `family()`, `df.residual()` and `model.matrix()` any fit.
#' @param ... Not used.
#' @return
#' * `formula()`: the model formula; `terms()`: the terms object of its population-level part.
#' * `family()`: the family, a list with `family`, `link`, `linkfun`, `linkinv`, `mu.eta`.
#' * `nobs()`: number of rows used; `df.residual()`: that less the number of population-level
#'   coefficients.
#' * `model.frame()`: the data used, a data frame; `model.matrix()`: rows x population-level
#'   coefficients.
#' * `weights()`: the weights, `NULL` if the formula has none.
#' * `sigma()`: posterior mean of `sigma` of a Gaussian model, 1 for counts, whose `shape` is
#'   not a standard deviation. With a regression for `sigma`, the mean over rows.
#' * `vcov()`: posterior covariance (or correlation) of the population-level coefficients.
#' * `prior_summary()`: the priors used, a data frame with the columns of brms and the `source`
#'   of each (`"default"` or `"user"`). `prior_draws()` (a method for the generic of brms): the
#'   draws from the priors that `sample_prior = "yes"` adds, a data frame.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' nobs(fit)
#' sigma(fit)
#' vcov(fit)
#' prior_summary(fit)
#' @name twill-parts
NULL

#' @rdname twill-parts
#' @method formula twill_model
#' @export
formula.twill_model <- function(x, ...) {
  check_no_dots(...)
  if (has_responses(x)) return(x$formula)
  formula <- model_of(x)$formula$formula
  # An environment without anything in it would only be printed.
  if (length(ls(environment(formula), all.names = TRUE)) == 0) environment(formula) <- globalenv()
  formula
}

#' @rdname twill-parts
#' @method terms twillfit
#' @export
#' @importFrom stats terms
terms.twillfit <- function(x, ...) {
  check_no_dots(...)
  stats::terms(x$formula$fixed)
}

#' @rdname twill-parts
#' @method family twill_model
#' @export
family.twill_model <- function(object, ...) {
  check_no_dots(...)
  model_of(object)$family
}

#' @rdname twill-parts
#' @method nobs twillfit
#' @export
#' @importFrom stats nobs
nobs.twillfit <- function(object, ...) {
  check_no_dots(..., allow = "use.fallback")
  n_rows(object$design)
}

#' @rdname twill-parts
#' @method df.residual twill_model
#' @export
#' @importFrom stats df.residual
df.residual.twill_model <- function(object, ...) {
  check_no_dots(...)
  nobs(object) - length(model_of(object)$design$coef_names)
}

#' @rdname twill-parts
#' @method model.frame twillfit
#' @export
#' @importFrom stats model.frame
model.frame.twillfit <- function(formula, ...) {
  check_no_dots(...)
  formula$data
}

#' @rdname twill-parts
#' @method model.matrix twill_model
#' @export
#' @importFrom stats model.matrix
model.matrix.twill_model <- function(object, ...) {
  check_no_dots(...)
  model_of(object)$design$x
}

#' @rdname twill-parts
#' @method weights twillfit
#' @export
#' @importFrom stats weights
weights.twillfit <- function(object, ...) {
  check_no_dots(...)
  if (!is.null(object$formula$addition$weights)) object$design$weights
}

#' @rdname twill-parts
#' @method sigma twillfit
#' @export
#' @importFrom stats sigma
sigma.twillfit <- function(object, ...) {
  check_no_dots(..., allow = "use.fallback")
  if (has_counts(object)) return(1)
  draws <- dispersion_draws(list(fit = object, input = object$design, ids = NULL)) %||% 0
  if (is_merged(object$design) && is.matrix(draws)) return(stats::weighted.mean(colMeans(draws), object$design$merged$count))
  mean(draws)
}

#' @rdname twill-parts
#' @param correlation Give correlations in place of covariances? Default: no.
#' @param pars Names of the coefficients to keep. Default: all.
#' @param variable Names of the parameters to keep. Default: all.
#' @method vcov twillfit
#' @export
#' @importFrom stats vcov
vcov.twillfit <- function(object, correlation = FALSE, pars = NULL, ...) {
  check_no_dots(..., allow = "complete")
  draws <- fixef.twillfit(object, summary = FALSE, pars = pars)
  if (check_flag(correlation, "correlation")) stats::cor(draws) else stats::cov(draws)
}

#' @rdname twill-parts
#' @exportS3Method brms::prior_draws
prior_draws.twillfit <- function(x, variable = NULL, ...) {
  check_no_dots(...)
  known <- grep("^prior_", variables(x), value = TRUE)
  draws <- draw_matrix(x, known)
  colnames(draws) <- sub("^prior_", "", known)
  draws <- as.data.frame(draws, optional = TRUE)
  if (is.null(variable)) draws else draws[intersect(variable, names(draws))]
}

#' @rdname twill-parts
#' @param all Show default priors too? Default: yes.
#' @method prior_summary twillfit
#' @export
prior_summary.twillfit <- function(object, all = TRUE, ...) {
  check_no_dots(...)
  table <- object$prior
  if (check_flag(all, "all")) table else table[table$source != "default", , drop = FALSE]
}

#' Posterior intervals
#'
#' Central intervals: the quantiles at `(1 - prob) / 2` and `(1 + prob) / 2`.
#'
#' @inheritParams twill-draws
#' @param object A fit of class `twillfit`.
#' @param prob,level Probability of the interval. Default: 0.95.
#' @param parm Coefficients, by name or number, or variables. Default: the population-level coefficients.
#' @return A matrix with one row per variable and columns for the lower and upper bound.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' posterior_interval(fit, variable = c("b_Days", "sigma"), prob = 0.9)
#' confint(fit)
#' @name twill-intervals
NULL

#' @rdname twill-intervals
#' @method posterior_interval twillfit
#' @export
posterior_interval.twillfit <- function(object, variable = NULL, regex = FALSE, prob = 0.95, ...) {
  check_no_dots(...)
  check_level(prob, "prob")
  posterior_interval(as.matrix(object, variable, regex), prob = prob)
}

#' @rdname twill-intervals
#' @method confint twillfit
#' @export
#' @importFrom stats confint
confint.twillfit <- function(object, parm = NULL, level = 0.95, ...) {
  check_no_dots(...)
  check_level(level, "level")
  known <- fixef_variables(object)
  if (is.null(parm)) parm <- names(known)
  if (is.numeric(parm)) parm <- numbered(parm, names(known))
  if (!is.character(parm) || length(parm) == 0 || anyNA(parm)) abort_no_names(parm, "parm")
  variable <- ifelse(parm %in% names(known), known[parm], parm)
  draws <- draw_matrix(object, select_variables(object, unname(variable)))
  colnames(draws) <- bare_coef(colnames(draws))
  posterior_interval(draws, prob = level)
}

# lm() lets coefficients be numbered.
numbered <- function(at, names) {
  if (length(at) > 0 && all(at %in% seq_along(names))) return(names[at])
  given <- given_value(at)
  abort_twill("variable", c("{.arg parm} must name coefficients, or number them from 1 to {length(names)}.",
                            "x" = "You supplied {.val {given}}.", "i" = "They are {.val {names}}."))
}

one_model_hint <- "{.code tw_gene(fit, \"NAME\")} fits one gene as a model of its own."

check_fit <- function(fit, argument = "fit") {
  if (is_one(fit)) return(invisible(fit))
  given <- class(fit)[1]
  abort_twill("argument", c("{.arg {argument}} must be a fit of class {.cls twillfit}.",
                            "x" = "It is of class {.cls {given}}.", if (is_set(fit)) c("i" = one_model_hint)))
}
