# What the sampler recorded and how well the chains agree, under the generics of bayesplot.

#' Sampler records and convergence of a fit
#'
#' `nuts_params()` gives the six records of each NUTS iteration, in the long form that
#' `bayesplot::mcmc_nuts_*()` and `bayesplot::mcmc_pairs(np = )` take. `rhat()` is the
#' rank-normalised split R-hat and `neff_ratio()` the smaller of bulk and tail effective
#' sample size, divided by the number of draws (Vehtari et al. 2021).
#'
#' @param object,x A fit of class `twillfit`.
#' @param pars Names to keep: sampler records for `nuts_params()`, variables for `rhat()` and
#'   `neff_ratio()`, settings for `control_params()`. Default: all, for `rhat()` and
#'   `neff_ratio()` all variables apart from `lprior`.
#' @param ... Not used.
#' @return `nuts_params()` a data frame with columns Chain, Iteration, Parameter, Value;
#'   `log_posterior()` one with Chain, Iteration, Value; `rhat()` and `neff_ratio()` named
#'   numbers; `control_params()` a named list (a method for the generic of brms).
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' head(nuts_params(fit, pars = "treedepth__"))
#' rhat(fit, pars = c("b_Days", "sigma"))
#' neff_ratio(fit, pars = c("b_Days", "sigma"))
#' @name twill-sampler
NULL

#' @rdname twill-sampler
#' @method nuts_params twillfit
#' @export
nuts_params.twillfit <- function(object, pars = NULL, ...) {
  check_no_dots(...)
  if (is.null(object$sampler)) {
    abort_twill("method", c("{.fn nuts_params} needs a fit by {.code method = \"nuts\"}.",
                            "x" = "This one is by {.val {object$info$method}}: there are no transitions to look at.",
                            "i" = "{.fn summary} has its Pareto k-hat; {.fn pairs} and {.code plot(fit)} show its draws."))
  }
  records <- dimnames(object$sampler)[[3]]
  keep <- if (is.null(pars)) records else intersect(records, checked_among(pars, records))
  size <- dim(object$sampler)
  grid <- expand.grid(Iteration = seq_len(size[1]), Chain = seq_len(size[2]), Parameter = keep)
  data.frame(Chain = grid$Chain, Iteration = grid$Iteration,
             Parameter = factor(grid$Parameter, levels = keep),
             Value = as.vector(object$sampler[, , keep]))
}

#' @rdname twill-sampler
#' @method log_posterior twillfit
#' @export
log_posterior.twillfit <- function(object, ...) {
  check_no_dots(...)
  size <- dim(fit_draws(object))
  data.frame(Chain = rep(seq_len(size[2]), each = size[1]),
             Iteration = rep(seq_len(size[1]), size[2]),
             Value = draw_matrix(object, "lp__")[, 1])
}

#' @rdname twill-sampler
#' @method rhat twillfit
#' @export
#' @rawNamespace S3method(posterior::rhat, twillfit)
rhat.twillfit <- function(object, pars = NULL, ...) {
  check_no_dots(...)
  table <- convergence_table(object, checked_names(object, pars))
  stats::setNames(table[, "Rhat"], rownames(table))
}

#' @rdname twill-sampler
#' @method neff_ratio twillfit
#' @export
neff_ratio.twillfit <- function(object, pars = NULL, ...) {
  check_no_dots(...)
  table <- convergence_table(object, checked_names(object, pars))
  stats::setNames(pmin(table[, "Bulk_ESS"], table[, "Tail_ESS"]), rownames(table)) / ndraws(object)
}

#' @rdname twill-sampler
#' @exportS3Method brms::control_params
control_params.twillfit <- function(x, pars = NULL, ...) {
  check_no_dots(...)
  out <- x$info[c("adapt_delta", "max_treedepth")]
  if (is.null(pars)) return(out)
  unknown <- if (is.character(pars)) setdiff(pars, names(out)) else given_value(pars)
  if (length(unknown)) {
    abort_twill("argument", c("{.arg pars} must be {.or {.val {names(out)}}}.", "x" = "It has {.val {unknown}}."))
  }
  out[pars]
}

# A convergence measure, one number per variable, of draws given as iterations x chains.
convergence <- function(fit, variable, measure) {
  variable <- checked_names(fit, variable)
  # posterior warns of each variable whose size it caps; that is no trouble.
  suppressWarnings(vapply(variable, function(name) measure(one_variable(fit, name)), numeric(1)))
}

checked_names <- function(fit, variable) {
  select_variables(fit, if (is.null(variable)) setdiff(variables(fit), "lprior") else variable)
}

# R-hat, bulk and tail ESS, one row per variable: those of posterior, by the engine in a part of the time. Chains of more
# draws go to posterior, whose time does not grow with the square of their length where they mix badly.
convergence_table <- function(fit, variable) {
  measures <- c("Rhat", "Bulk_ESS", "Tail_ESS")
  if (niterations(fit) > max_engine_draws) {
    by_posterior <- c(posterior::rhat, posterior::ess_bulk, posterior::ess_tail)
    values <- vapply(by_posterior, convergence, numeric(length(variable)), fit = fit, variable = variable)
    return(matrix(values, length(variable), 3, dimnames = list(variable, measures)))
  }
  draws <- unclass(fit_draws(fit))[, , match(variable, variables(fit)), drop = FALSE]
  values <- unwrap_engine(engine_convergence(as.double(draws), dim(draws)[1:2]))
  values[is.nan(values)] <- NA
  matrix(values, length(variable), 3, byrow = TRUE, dimnames = list(variable, measures))
}

max_engine_draws <- 4000

one_variable <- function(fit, name) {
  at <- match(name, variables(fit))
  array(unclass(fit_draws(fit))[, , at], dim(fit_draws(fit))[1:2])
}
