# Population-level and group-level effects of a fit, summarised or as draws, in the form of brms.

#' Effects and variance components of a fit
#'
#' With \eqn{\beta_c} a population-level coefficient and \eqn{r_{jc}} the deviation of level
#' \eqn{j} of a group, `fixef()` gives \eqn{\beta_c} (and the free means of group terms),
#' `ranef()` gives \eqn{r_{jc}}, and `coef()` gives the level's own coefficient
#' \eqn{\beta_c + r_{jc}}, plus the free mean of the term where there is one. `VarCorr()`
#' gives the standard deviations, correlations and covariances of the \eqn{r_{jc}} within a
#' level. All are on the scale of the link (natural log for counts).
#'
#' @param object,x A fit of class `twillfit`.
#' @param summary Summarise the draws? Default: yes. If not, the draws themselves.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param probs Probabilities of the quantiles. Default: `c(0.025, 0.975)`.
#' @param pars Names of the coefficients to keep. Default: all.
#' @param groups Names of the groups to keep. Default: all.
#' @param sigma Not used; part of the generic.
#' @param ... Not used.
#' @return
#' * `fixef()`: matrix coefficient x (Estimate, Est.Error, quantiles), or draws x coefficient.
#' * `ranef()`, `coef()`: list with one array per group, level x statistic x coefficient, or
#'   draws x level x coefficient.
#' * `VarCorr()`: list with, per group, `sd` (matrix coefficient x statistic) and, where the
#'   effects are correlated, `cor` and `cov` (arrays coefficient x statistic x coefficient);
#'   `residual__` holds `sigma` of Gaussian models. With `summary = FALSE` the first index is
#'   the draw.
#' * `ngrps()`: named list of the number of levels.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' fixef(fit)
#' head(ranef(fit)$Subject[, , "Days"])
#' head(coef(fit)$Subject[, "Estimate", ])
#' VarCorr(fit)$Subject$sd
#' @name twill-effects
NULL

#' @rdname twill-effects
#' @method fixef twillfit
#' @export
fixef.twillfit <- function(object, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975),
                           pars = NULL, ...) {
  check_no_dots(...)
  variable <- fixef_variables(object)
  if (!is.null(pars)) variable <- pick_coefficients(variable, pars)
  draws <- draw_matrix(object, variable)
  colnames(draws) <- names(variable)
  if (check_flag(summary, "summary")) summarise_columns(draws, robust, probs) else draws
}

#' @rdname twill-effects
#' @method ranef twillfit
#' @export
ranef.twillfit <- function(object, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975),
                           pars = NULL, groups = NULL, ...) {
  check_no_dots(...)
  complete <- with_effects(object)
  out <- lapply(pick_groups(object, groups), group_effect_draws, fit = complete)
  if (!is.null(pars)) {
    pars <- checked_among(pars, unique(unlist(lapply(out, function(x) dimnames(x)[[3]]))))
    out <- lapply(out, function(x) x[, , dimnames(x)[[3]] %in% pars, drop = FALSE])
  }
  if (!check_flag(summary, "summary")) return(out)
  out <- lapply(out, summarise_levels, robust, probs)
  if (robust || is.null(object$effects)) out else Map(with_moments, out, names(out), list(object))
}

#' @rdname twill-effects
#' @method coef twillfit
#' @export
coef.twillfit <- function(object, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975), ...) {
  check_no_dots(...)
  complete <- with_effects(object)
  out <- lapply(pick_groups(object, NULL), level_coefficients, fit = complete)
  if (check_flag(summary, "summary")) lapply(out, summarise_levels, robust, probs) else out
}

#' @rdname twill-effects
#' @method VarCorr twillfit
#' @export
VarCorr.twillfit <- function(x, sigma = 1, summary = TRUE, robust = FALSE,
                             probs = c(0.025, 0.975), ...) {
  check_no_dots(...)
  out <- lapply(pick_groups(x, NULL), group_covariance, fit = x)
  if (length(residual_variables(x)) > 0) out$residual__ <- list(sd = residual_column(x))
  if (!check_flag(summary, "summary")) return(out)
  lapply(out, function(group) {
    group$sd <- summarise_columns(group$sd, robust, probs)
    for (part in intersect(c("cor", "cov"), names(group))) {
      group[[part]] <- summarise_levels(group[[part]], robust, probs)
    }
    group
  })
}

# The generics of lme4 and brms are two; neither package is needed.
#' @rdname twill-effects
#' @export
ngrps <- function(object, ...) UseMethod("ngrps")

#' @rdname twill-effects
#' @method ngrps twill_model
#' @export
#' @rawNamespace S3method(brms::ngrps, twill_model)
#' @rawNamespace S3method(lme4::ngrps, twill_model)
ngrps.twill_model <- function(object, ...) {
  check_no_dots(...)
  model <- model_of(object)
  n <- lapply(all_terms(model$design), function(term) length(term$levels))
  names(n) <- group_names(model)
  n[!duplicated(names(n))]
}

# Variables shown by fixef(), named as it shows them: without "b_", free means in full.
fixef_variables <- function(fit) {
  variable <- c(fit$design$coef_names, grep("^b_", fit$design$disp_names, value = TRUE))
  stats::setNames(variable, bare_coef(variable))
}

pick_coefficients <- function(variable, pars, arg = "pars") {
  unknown <- if (is.character(pars)) setdiff(pars, c(names(variable), variable)) else given_value(pars)
  if (length(unknown)) {
    abort_twill("variable", c(
      "{.arg {arg}} must name population-level coefficients.",
      "x" = "The fit has no {.val {some(unknown)}}.",
      "i" = "It has {.val {names(variable)}}."))
  }
  variable[names(variable) %in% pars | variable %in% pars]
}

group_names <- function(fit) vapply(all_terms(fit$design), term_factor, "")

# Unique group names, as a list named by themselves.
pick_groups <- function(fit, groups) {
  all <- unique(group_names(fit))
  if (is.null(groups)) groups <- all
  unknown <- if (is.character(groups)) setdiff(groups, all) else given_value(groups)
  if (length(unknown)) {
    abort_twill("group", c(
      "{.arg groups} must name groups of the fit.",
      "x" = "The fit has no group {.val {some(unknown)}}.",
      "i" = "It has {.val {all}}."))
  }
  stats::setNames(as.list(groups), groups)
}

group_terms <- function(fit, group) all_terms(fit$design)[group_names(fit) == group]

has_group_effects <- function(fit) !is.null(fit$effects) || any(startsWith(variables(fit), "r_"))

need_group_effects <- function(fit) {
  if (length(all_terms(fit$design)) == 0) {
    abort_twill("group", c("The model has no group-level terms such as {.code (1 | g)}.",
                           "i" = "{.fn fixef} has its coefficients."))
  }
  if (!has_group_effects(fit)) {
    abort_twill("group", c(
      "The draws of the group-level effects were not kept.",
      "i" = "Fit again with {.code save_pars = tw_save(group = TRUE)}, or predict with {.code re_formula = NA}."))
  }
}

# The fit with the effects of its groups among its draws: where some draws of them are kept, it has these draws alone.
with_effects <- function(fit) {
  need_group_effects(fit)
  kept <- fit$effects
  if (is.null(kept)) return(fit)
  at <- seq(1, by = kept$stride, length.out = dim(kept$draws)[1])
  fit$draws <- bind_draws_arrays(unclass(fit$draws)[at, , , drop = FALSE], kept$draws)
  fit$sampler <- fit$sampler[at, , , drop = FALSE]
  fit$effects <- NULL
  fit
}

# Means and standard deviations over all draws, in the place of those over the draws that are kept.
with_moments <- function(table, group, fit) {
  terms <- group_terms(fit, group)
  for (term in terms) {
    shown <- intersect(shown_coefs(term), dimnames(table)[[3]])
    for (coef in shown) {
      variable <- effect_names_of(term, term$levels, term$coefs[match(coef, shown_coefs(term))])
      table[, "Estimate", coef] <- fit$effects$mean[variable]
      table[, "Est.Error", coef] <- fit$effects$sd[variable]
    }
  }
  table
}

# Draws of the deviations of one group: draws x level x coefficient.
group_effect_draws <- function(fit, group) {
  terms <- group_terms(fit, group)
  coefs <- unlist(lapply(terms, shown_coefs))
  levels <- terms[[1]]$levels
  variable <- unlist(lapply(terms, function(term) lapply(term$coefs, effect_names_of, term = term, levels = levels)))
  array(draw_matrix(fit, variable), c(ndraws(fit), length(levels), length(coefs)),
        list(NULL, terms[[1]]$level_names, coefs))
}

# A level's own coefficients: population + free mean + deviation. Coefficients that do not
# vary over the group stay in, equal for all levels, as in lme4 and brms.
level_coefficients <- function(fit, group) {
  effects <- group_effect_draws(fit, group)
  shared <- fixef.twillfit(fit, summary = FALSE)[, population_names(fit, group), drop = FALSE]
  coefs <- union(colnames(shared), dimnames(effects)[[3]])
  out <- array(0, c(dim(effects)[1:2], length(coefs)), c(dimnames(effects)[1:2], list(coefs)))
  for (coef in coefs) {
    mean <- free_mean(fit, group, coef)
    if (coef %in% colnames(shared)) mean <- mean + shared[, coef]
    out[, , coef] <- mean
    if (coef %in% dimnames(effects)[[3]]) out[, , coef] <- out[, , coef] + effects[, , coef]
  }
  out
}

# Of the mean; of the dispersion where the group has effects on it.
population_names <- function(fit, group) {
  of_dispersion <- any(vapply(group_terms(fit, group), function(term) !is.null(term$dpar), NA))
  bare_coef(grep("^b(sp)?_", c(fit$design$coef_names, if (of_dispersion) fit$design$disp_names), value = TRUE))
}

free_mean <- function(fit, group, coef) {
  name <- mean_names(group, coef)
  if (name %in% variables(fit)) draw_matrix(fit, name)[, 1] else numeric(ndraws(fit))
}
