# Access to the posterior draws of a fit, in the formats and under the names that brms users know.

#' Posterior draws of a fit
#'
#' All six formats of the posterior package, and plain matrices and arrays. Variables carry
#' the names of brms: `b_x` (population-level coefficients), `mu_g__Intercept` (free mean of
#' a group term), `sigma` or `shape` (or `b_shape_x` where they are modelled), `sd_g__x`,
#' `cor_g__x__z`, `r_g[level,x]` (group effects, deviations from the population), `hs_*`
#' (horseshoe scales), `lprior` and `lp__`. All are on the natural scale of the model: `b_*`
#' and `r_*` on the scale of the link (natural log for counts).
#'
#' @param x A fit of class `twillfit`, from [twill()].
#' @param variable Names of the variables to keep. Default: all. A name without its brackets
#'   (`"r_Subject"`) stands for all its elements.
#' @param regex Are the names regular expressions? Default: no.
#' @param inc_warmup Put the warm-up draws before the others? Default: no. Needs a fit that
#'   kept them (`save_pars = tw_save(warmup = TRUE)`).
#' @param draw Numbers of the draws to keep, chains one after the other. Default: all.
#' @param row.names,optional Part of the generic; not used.
#' @param ... Not used.
#' @return `as_draws()` and `as_draws_array()` a `draws_array`, the others the format they
#'   name. `as.matrix()` a draws x variables matrix, `as.array()` an iterations x chains x
#'   variables array, `as.data.frame()` a data frame with one row per draw. `posterior_summary()` (a method for the generic of
#'   brms): variable x (Estimate, Est.Error, quantiles).
#' @seealso [posterior::summarise_draws()], which takes a fit as it is.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' as_draws_df(fit, variable = c("b_Days", "sigma"))
#' dim(as.matrix(fit, variable = "^b_", regex = TRUE))
#' posterior::summarise_draws(as_draws(fit, variable = "sd_Subject__Intercept"))
#' @name twill-draws
NULL

#' @rdname twill-draws
#' @method as_draws_array twillfit
#' @export
as_draws_array.twillfit <- function(x, variable = NULL, regex = FALSE, inc_warmup = FALSE, ...) {
  check_no_dots(...)
  check_flag(regex, "regex")
  draws <- if (check_flag(inc_warmup, "inc_warmup")) draws_with_warmup(x) else fit_draws(x)
  if (is.null(variable)) return(draws)
  draws[, , intersect(select_variables(x, variable, regex), posterior::variables(draws)), drop = FALSE]
}

#' @rdname twill-draws
#' @method as_draws twillfit
#' @export
as_draws.twillfit <- function(x, variable = NULL, regex = FALSE, inc_warmup = FALSE, ...) {
  check_no_dots(...)
  as_draws_array.twillfit(x, variable, regex, inc_warmup)
}

#' @rdname twill-draws
#' @method as_draws_df twillfit
#' @export
as_draws_df.twillfit <- function(x, variable = NULL, regex = FALSE, inc_warmup = FALSE, ...) {
  check_no_dots(...)
  as_draws_df(as_draws_array.twillfit(x, variable, regex, inc_warmup))
}

#' @rdname twill-draws
#' @method as_draws_list twillfit
#' @export
as_draws_list.twillfit <- function(x, variable = NULL, regex = FALSE, inc_warmup = FALSE, ...) {
  check_no_dots(...)
  as_draws_list(as_draws_array.twillfit(x, variable, regex, inc_warmup))
}

#' @rdname twill-draws
#' @method as_draws_matrix twillfit
#' @export
as_draws_matrix.twillfit <- function(x, variable = NULL, regex = FALSE, inc_warmup = FALSE, ...) {
  check_no_dots(...)
  as_draws_matrix(as_draws_array.twillfit(x, variable, regex, inc_warmup))
}

#' @rdname twill-draws
#' @method as_draws_rvars twillfit
#' @export
as_draws_rvars.twillfit <- function(x, variable = NULL, regex = FALSE, inc_warmup = FALSE, ...) {
  check_no_dots(...)
  as_draws_rvars(plain_indices(as_draws_array.twillfit(x, variable, regex, inc_warmup)))
}

# posterior takes commas between brackets for a further index: those in names of levels become semicolons.
plain_indices <- function(draws) {
  names <- posterior::variables(draws)
  parts <- regmatches(names, regexec("^(r_[^[]*\\[)(.*)(,[^,]*\\])$", names))
  has_comma <- vapply(parts, function(p) length(p) > 0 && grepl(",", p[3]), NA)
  plain <- vapply(parts[has_comma], function(p) paste0(p[2], gsub(",", ";", p[3]), p[4]), "")
  posterior::variables(draws)[has_comma] <- plain
  draws
}

#' @rdname twill-draws
#' @method as.matrix twillfit
#' @export
as.matrix.twillfit <- function(x, variable = NULL, regex = FALSE, draw = NULL, ...) {
  check_no_dots(...)
  draw_matrix(x, select_variables(x, variable, regex), draw)
}

#' @rdname twill-draws
#' @method as.data.frame twillfit
#' @export
as.data.frame.twillfit <- function(x, row.names = NULL, optional = TRUE, variable = NULL,
                                   regex = FALSE, draw = NULL, ...) {
  check_no_dots(..., allow = frame_arguments)
  check_flag(optional, "optional")
  out <- draw_matrix(x, select_variables(x, variable, regex), draw)
  as.data.frame(out, optional = TRUE)
}

#' @rdname twill-draws
#' @method as.array twillfit
#' @export
as.array.twillfit <- function(x, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  out <- unclass(as_draws_array.twillfit(x, variable, regex))
  names(dimnames(out)) <- c("iterations", "chains", "parameters")
  out
}

#' @rdname twill-draws
#' @exportS3Method brms::posterior_summary
#' @param probs,robust As in [fixef.twillfit()].
posterior_summary.twillfit <- function(x, variable = NULL, regex = FALSE, probs = c(0.025, 0.975), robust = FALSE, ...) {
  check_no_dots(...)
  summarise_columns(as.matrix(x, variable, regex), robust, probs)
}

#' Size of the posterior sample
#'
#' @param x,object A fit of class `twillfit`.
#' @param ... Not used.
#' @return `variables()` the names of the variables; `nvariables()`, `ndraws()`, `nchains()`
#'   and `niterations()` (kept iterations per chain) a whole number.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' head(variables(fit))
#' c(ndraws(fit), nchains(fit), niterations(fit))
#' @name twill-size
NULL

# The draws of a fit, which a fit that was taken apart has not.
fit_draws <- function(fit) {
  fit$draws %||% abort_twill("draws", c("The fit has no draws: it was saved or changed without them.",
                                        "i" = "Fit again, or read it from where it is whole."))
}

#' @rdname twill-size
#' @method variables twillfit
#' @export
variables.twillfit <- function(x, ...) {
  check_no_dots(...)
  dimnames(fit_draws(x))[[3]]
}

#' @rdname twill-size
#' @method nvariables twill_model
#' @export
nvariables.twill_model <- function(x, ...) {
  check_no_dots(...)
  length(variables(x))
}

#' @rdname twill-size
#' @method ndraws twillfit
#' @export
ndraws.twillfit <- function(x) as.integer(prod(dim(fit_draws(x))[1:2]))

#' @rdname twill-size
#' @method nchains twillfit
#' @export
nchains.twillfit <- function(x) dim(fit_draws(x))[2]

#' @rdname twill-size
#' @method niterations twillfit
#' @export
niterations.twillfit <- function(x) dim(fit_draws(x))[1]

#' @rdname twill-size
#' @rawNamespace S3method(rstantools::nsamples, twillfit)
nsamples.twillfit <- function(object, ...) {
  check_no_dots(...)
  ndraws(object)
}

# Names of the chosen variables; a bare name also stands for its indexed elements.
select_variables <- function(fit, variable = NULL, regex = FALSE) {
  check_flag(regex, "regex")
  all <- variables(fit)
  if (is.null(variable)) return(all)
  if (!is.character(variable) || length(variable) == 0 || anyNA(variable)) abort_no_names(variable)
  found <- lapply(variable, match_variable, all = all, regex = regex)
  missing <- variable[lengths(found) == 0]
  if (length(missing)) abort_no_variable(missing, all, some_effects_hint(fit))
  all[sort(unique(unlist(found)))]
}

match_variable <- function(variable, all, regex) {
  if (regex) return(matching(variable, all))
  which(all == variable | startsWith(all, paste0(variable, "[")))
}

# Where a user's regular expression matches.
matching <- function(pattern, text) {
  tryCatch(grep(pattern, text), error = function(e) abort_pattern(pattern), warning = function(w) abort_pattern(pattern))
}

abort_pattern <- function(pattern) {
  abort_twill("variable", "{.arg variable} is no regular expression: {.val {pattern}}.")
}

abort_no_names <- function(variable, arg = "variable") {
  given <- given_value(variable)
  abort_twill("variable", c("{.arg {arg}} must hold names of variables, as text.", "x" = "It is {.val {given}}."))
}

# Of a fit that keeps some draws of its effects.
some_effects_hint <- function(fit) {
  if (!is.null(fit$effects)) c("i" = "{.code ranef(fit, summary = FALSE)} has the draws of group effects that were kept.")
}

abort_no_variable <- function(missing, all, hint = NULL) {
  main <- some(all[!is_group_effect(all)], 15)
  abort_twill("variable", c(
    "{.arg variable} must name variables of the fit.",
    "x" = "No variable matches {.val {some(missing)}}.",
    did_you_mean(missing[1], all),
    "i" = "Variables apart from group effects: {.val {main}}.", hint))
}

is_group_effect <- function(variable) grepl("^(r|Xme|Ymi|Yl)_.*\\[.*\\]$", variable)

# Parameters that are few whatever the number of levels: all but group effects, densities and draws from priors.
main_variables <- function(fit) {
  all <- variables(fit)
  all[!is_group_effect(all) & !startsWith(all, "prior_") & !all %in% c("lprior", "lp__")]
}

draws_with_warmup <- function(fit) {
  if (is.null(fit$warmup_draws)) {
    abort_twill("draws", c(
      "{.arg inc_warmup} needs a fit that kept its warm-up draws.",
      "i" = "Fit again with {.code save_pars = tw_save(warmup = TRUE)}."))
  }
  # Draws from the priors (sample_prior = "yes") have no warm-up.
  both <- intersect(posterior::variables(fit$warmup_draws), variables(fit))
  posterior::bind_draws(fit$warmup_draws[, , both], fit$draws[, , both], along = "iteration")
}
