# Tidy tables of a fit, with the columns of broom.mixed.

#' Tidy tables of a fit
#'
#' `tidy()` has one row per parameter, `glance()` one row per fit, `augment()` one row per row
#' of the data.
#'
#' @param x A fit of class `twillfit`.
#' @param effects Which parameters: any of `"fixed"` (population-level coefficients and free
#'   means), `"ran_pars"` (standard deviations, correlations, `sigma` or `shape`), `"ran_vals"`
#'   (deviations of levels). Default: the first two.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param conf.int Give intervals? Default: yes.
#' @param conf.level Probability of the intervals. Default: 0.95.
#' @param conf.method `"quantile"` (default), or `"HPDinterval"`, the shortest interval.
#' @param exponentiate Exponentiate the coefficients, as rate ratios of counts? Default: no.
#'   Concerns fixed effects; their standard error is multiplied by the estimate.
#' @param rhat,ess Add R-hat, bulk effective sample size? Default: no.
#' @param looic Add leave-one-out criteria to `glance()`? Default: no, as it takes time.
#' @param data,newdata Data to be augmented. Default: the rows of the fit.
#' @param ... For `augment()`, further arguments of [posterior_epred()].
#' @return Data frames. `tidy()`: effect, component, group, level (for `"ran_vals"`), term,
#'   estimate, std.error, conf.low, conf.high. `glance()`: algorithm, pss (number of draws),
#'   nobs, sigma, n_divergent, max_rhat, min_ess; of an approximation pareto_k (k-hat) and ess_proposals in the place of the last
#'   three. `augment()`: the data with `.fitted`, `.se.fit`, and `.resid` where the response is known.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' tidy(fit)
#' glance(fit)
#' head(augment(fit))
#' @name twill-tidy
NULL

#' @rdname twill-tidy
#' @method tidy twillfit
#' @export
tidy.twillfit <- function(x, effects = c("fixed", "ran_pars"), robust = FALSE, conf.int = TRUE, conf.level = 0.95,
                          conf.method = c("quantile", "HPDinterval"), exponentiate = FALSE, rhat = FALSE,
                          ess = FALSE, ...) {
  check_no_dots(...)
  conf.method <- check_choice(conf.method, "conf.method", c("quantile", "HPDinterval"))
  labels <- tidy_label_table(x, effects)
  if ("ran_vals" %in% effects) x <- with_effects(x)
  draws <- draw_matrix(x, labels$variable)
  # Summaries of the exponential are not the exponential of summaries, but for quantiles; broom's way is taken.
  out <- cbind(labels, tidy_estimates(draws, robust, conf.int, conf.level, conf.method))
  if (check_flag(exponentiate, "exponentiate")) out <- exponentiate_fixed(out)
  measures <- c(rhat = check_flag(rhat, "rhat"), ess = check_flag(ess, "ess"))
  table <- if (any(measures)) convergence_table(x, labels$variable)
  if (measures["rhat"]) out$rhat <- unname(table[, "Rhat"])
  if (measures["ess"]) out$ess <- unname(table[, "Bulk_ESS"])
  out$variable <- NULL
  rownames(out) <- NULL
  out
}

# One row per parameter of these kinds.
tidy_label_table <- function(fit, effects) {
  known <- c("fixed", "ran_pars", "ran_vals")
  if (!is.character(effects) || length(effects) == 0 || !all(effects %in% known)) {
    abort_twill("argument", c("{.arg effects} must be among {.val {known}}.", "x" = "It is {.val {given_value(effects)}}."))
  }
  labels <- do.call(rbind, lapply(effects, function(effect) tidy_labels(fit, effect)))
  if (!"ran_vals" %in% effects) labels$level <- NULL
  labels
}

tidy_labels <- function(fit, effect) {
  switch(effect, fixed = fixed_labels(fit), ran_pars = ran_pars_labels(fit), ran_vals = ran_vals_labels(fit))
}

label_rows <- function(variable, effect, group, level, term, component = "cond") {
  n <- length(variable)
  data.frame(variable = variable, effect = rep(effect, n), component = rep_len(component, n), group = rep_len(group, n),
             level = rep_len(level, n), term = term, stringsAsFactors = FALSE)
}

fixed_labels <- function(fit) {
  variable <- unname(fixef_variables(fit))
  is_disp <- variable %in% fit$design$disp_names
  term <- broom_term(bare_coef(variable))
  label_rows(variable, "fixed", NA_character_, NA_character_, term, ifelse(is_disp, fit$formula$dpar, "cond"))
}

broom_term <- function(coef) ifelse(coef == "Intercept", "(Intercept)", coef)

ran_pars_labels <- function(fit) {
  groups <- do.call(rbind, lapply(pick_groups(fit, NULL), function(group) {
    variable <- group_parameters(fit, group)
    coefs <- strsplit(gsub("^(sd|cor)\\(|\\)$", "", names(variable)), ",", fixed = TRUE)
    kind <- sub("\\(.*", "", names(variable))
    term <- ifelse(kind == "df", kind, paste0(kind, "__", vapply(coefs, function(x) paste(broom_term(x), collapse = "."), "")))
    label_rows(unname(variable), "ran_pars", group, NA_character_, term)
  }))
  dispersion <- dispersion_variables(fit)
  term <- sub("^sigma", "sd__Observation", dispersion)
  rbind(groups, label_rows(dispersion, "ran_pars", "Residual", NA_character_, term))
}

ran_vals_labels <- function(fit) {
  need_group_effects(fit)
  do.call(rbind, lapply(all_terms(fit$design), function(term) {
    do.call(rbind, lapply(term$coefs, function(coef) {
      label_rows(effect_names_of(term, term$levels, coef), "ran_vals", term_factor(term),
                 term$level_names, shown_coefs(term, broom_term(coef)))
    }))
  }))
}

tidy_estimates <- function(draws, robust, conf.int, conf.level, conf.method, quantile_type = 7) {
  check_level(conf.level, "conf.level")
  stats <- summarise_columns(draws, robust, c(1 - conf.level, 1 + conf.level) / 2, quantile_type)
  out <- data.frame(estimate = stats[, 1], std.error = stats[, 2])
  if (!check_flag(conf.int, "conf.int")) return(out)
  bounds <- if (conf.method == "quantile") stats[, 3:4, drop = FALSE] else t(apply(draws, 2, shortest_interval, conf.level))
  cbind(out, conf.low = bounds[, 1], conf.high = bounds[, 2])
}

# The shortest interval that holds the share `level` of the draws.
shortest_interval <- function(x, level) {
  x <- sort(x)
  n <- max(1, min(length(x) - 1, round(length(x) * level)))
  start <- which.min(x[(n + 1):length(x)] - x[seq_len(length(x) - n)])
  c(x[start], x[start + n])
}

exponentiate_fixed <- function(table) {
  at <- table$effect == "fixed"
  table$std.error[at] <- table$std.error[at] * exp(table$estimate[at])
  for (column in intersect(c("estimate", "conf.low", "conf.high"), names(table))) table[[column]][at] <- exp(table[[column]][at])
  table
}

#' @rdname twill-tidy
#' @method glance twillfit
#' @export
glance.twillfit <- function(x, looic = FALSE, ...) {
  check_no_dots(...)
  algorithm <- if (is_approximation(x)) x$info$method else toupper(x$info$method %||% "nuts")
  sigma <- if (has_responses(x)) NA_real_ else sigma(x)
  out <- data.frame(algorithm, pss = ndraws(x), nobs = nobs(x), sigma, fit_quality(x))
  if (check_flag(looic, "looic")) {
    estimates <- loo(x)$estimates
    out[c("elpd_loo", "se_elpd_loo", "looic")] <- as.list(c(estimates["elpd_loo", ], estimates["looic", 1]))
  }
  out
}

fit_quality <- function(fit) {
  if (is_approximation(fit)) return(data.frame(pareto_k = fit$info$pareto_k, ess_proposals = fit$info$ess_proposals))
  d <- diagnostics(fit)
  data.frame(n_divergent = d$divergent, max_rhat = unname(d$rhat)[1], min_ess = min(d$bulk_ess[1], d$tail_ess[1]))
}

#' @rdname twill-tidy
#' @method augment twillfit
#' @export
augment.twillfit <- function(x, data = NULL, newdata = NULL, ...) {
  given <- newdata %||% data
  complete <- complete_predictors(x, given)
  if (any(!complete) && any(complete)) return(augment_some(x, given, complete, ...))
  stats <- fitted.twillfit(x, given, ...)
  out <- as.data.frame(given %||% x$data)
  out$.fitted <- stats[, "Estimate"]
  out$.se.fit <- stats[, "Est.Error"]
  # A response that is there but unknown is none; one of another type is an error.
  unknown <- Filter(function(name) all(is.na(given[[name]])), intersect(variables_in(x$formula$response), names(given)))
  if (length(unknown)) given <- as.data.frame(given)[setdiff(names(given), unknown)]
  y <- design_newdata(x, given, NA)$y
  if (!is.null(y)) out$.resid <- need_column(y, x$formula$response) - out$.fitted
  out
}

# Rows whose predictors are all there; the response need not be.
complete_predictors <- function(fit, data) {
  if (!is.data.frame(data)) return(TRUE)
  needed <- setdiff(intersect(formula_variables(fit$formula), names(data)), variables_in(fit$formula$response))
  Reduce(`&`, lapply(needed, function(name) !is.na(data[[name]])), rep(TRUE, nrow(data)))
}

# The other rows have no fitted value.
augment_some <- function(fit, data, complete, ...) {
  some <- augment.twillfit(fit, as.data.frame(data)[complete, , drop = FALSE], ...)
  out <- as.data.frame(data)
  for (name in setdiff(names(some), names(out))) out[[name]] <- replace(rep(NA_real_, nrow(out)), which(complete), some[[name]])
  out
}

#' @rdname twill-responses
#' @method augment twill_responses
#' @export
augment.twill_responses <- function(x, ..., resp = NULL) augment.twillfit(need_resp(resp, x, "augment"), ...)
