# What parameters, performance, bayestestR and marginaleffects ask of a fit beyond insight: tables, indices and predictions.

#' @rdname twill-easystats
#' @param exponentiate Exponentiate the population-level coefficients and their intervals, as rate ratios of counts? Default: no.
#' @exportS3Method parameters::model_parameters
model_parameters.twillfit <- function(model, effects = "fixed", exponentiate = FALSE, ...) {
  check_flag(exponentiate, "exponentiate")
  dots <- list(...)
  of_draws <- utils::getS3method("model_parameters", "draws", envir = asNamespace("parameters"))
  known <- setdiff(names(formals(of_draws)), c("model", "..."))
  refuse_unused(setdiff(dot_names(dots), known), c("effects", known))
  out <- do.call(parameters::model_parameters, c(list(posterior_draws_of(model, effects)), dots), quote = TRUE)
  parts <- find_parameters.twillfit(model)
  is_coefficient <- out$Parameter %in% parts$conditional
  if (exponentiate) for (name in intersect(c("Mean", "Median", "MAP", "CI_low", "CI_high"), names(out))) {
    out[[name]][is_coefficient] <- exp(out[[name]][is_coefficient])
  }
  if (effects != "fixed") out$Effects <- ifelse(out$Parameter %in% parts$random, "random", "fixed")
  out
}

# Without chains of their own functions of bayestestR take data frames; parameters knows formats of posterior.
posterior_draws_of <- function(fit, effects) {
  as_draws_df(as_draws_array(fit, variable = names(get_parameters.twillfit(fit, effects))))
}

#' @rdname twill-easystats
#' @exportS3Method performance::model_performance
model_performance.twillfit <- function(model, ...) {
  loo <- suppressWarnings(loo(model))
  waic <- suppressWarnings(waic(model))
  r2 <- r2_posterior.twillfit(model)
  out <- data.frame(ELPD = loo$estimates["elpd_loo", 1], ELPD_SE = loo$estimates["elpd_loo", 2],
                    LOOIC = loo$estimates["looic", 1], LOOIC_SE = loo$estimates["looic", 2],
                    WAIC = waic$estimates["waic", 1], R2 = stats::median(r2$R2_Bayes))
  if (!is.null(r2$R2_Bayes_marginal)) out$R2_marginal <- stats::median(r2$R2_Bayes_marginal)
  out$RMSE <- sqrt(mean(get_residuals.twillfit(model)^2))
  if (!has_counts(model)) out$Sigma <- sigma(model)
  structure(out, row.names = 1L, class = c("performance_model", "data.frame"))
}

#' @rdname twill-easystats
#' @exportS3Method bayestestR::effective_sample
effective_sample.twillfit <- function(model, effects = "fixed", ...) {
  table <- draws_quality(model, effects)
  data.frame(Parameter = table$variable, ESS = table$ess)
}

#' @rdname twill-easystats
#' @exportS3Method bayestestR::mcse
mcse.twillfit <- function(model, effects = "fixed", ...) {
  table <- draws_quality(model, effects)
  data.frame(Parameter = table$variable, MCSE = table$mcse)
}

#' @rdname twill-easystats
#' @param posteriors A fit of class `twillfit`.
#' @param diagnostic Any of `"ESS"`, `"Rhat"` and `"MCSE"`, or `"all"`.
#' @exportS3Method bayestestR::diagnostic_posterior
diagnostic_posterior.twillfit <- function(posteriors, diagnostic = c("ESS", "Rhat"), effects = "fixed", ...) {
  known <- c("ESS", "Rhat", "MCSE")
  if (identical(diagnostic, "all")) diagnostic <- known
  if (!is.character(diagnostic) || !all(diagnostic %in% known)) check_choice(diagnostic, "diagnostic", known)
  table <- draws_quality(posteriors, effects)
  data.frame(Parameter = table$variable, Rhat = table$rhat, ESS = table$ess, MCSE = table$mcse)[c("Parameter", diagnostic)]
}

draws_quality <- function(fit, effects) {
  table <- posterior::summarise_draws(posterior_draws_of(fit, effects), ess = posterior::ess_bulk, rhat = posterior::rhat,
                                      mcse = posterior::mcse_mean)
  numbers <- lapply(as.list(table)[c("ess", "rhat", "mcse")], as.numeric)
  data.frame(variable = table$variable, numbers)
}

#' @rdname twill-easystats
#' @exportS3Method insight::get_priors
get_priors.twillfit <- function(x, ...) {
  table <- prior_summary.twillfit(x)
  variable <- prior_variable(table)
  known <- nzchar(table$prior)
  data.frame(Parameter = variable[known], Distribution = sub("\\(.*$", "", table$prior[known]),
             Prior = table$prior[known], row.names = NULL)
}

# Names of the parameters that priors are of, those of whole classes as the class.
prior_variable <- function(table) {
  coef <- ifelse(nzchar(table$coef), paste0("_", table$coef), "")
  of_group <- paste0(table$class, "_", table$group, ifelse(nzchar(table$coef), "__", ""), table$coef)
  ifelse(table$class == "Intercept", "b_Intercept",
         ifelse(table$class == "b", paste0("b", coef), ifelse(nzchar(table$group), of_group, table$class)))
}

#' @rdname twill-easystats
#' @exportS3Method bayestestR::describe_prior
describe_prior.twillfit <- function(model, ...) get_priors.twillfit(model)

#' @rdname twill-easystats
#' @exportS3Method insight::find_statistic
find_statistic.twillfit <- function(x, ...) NULL

#' @rdname twill-easystats
#' @param data Data frame of predictors. Default: the rows of the fit.
#' @param predict `"expectation"` (default), `"link"` or `"prediction"`.
#' @param ci Probability of intervals, which are in the attribute `ci_data`. Default: 0.95.
#' @exportS3Method insight::get_predicted
get_predicted.twillfit <- function(x, data = NULL, predict = "expectation", ci = 0.95, ...) {
  predict <- check_choice(predict, "predict", c("expectation", "link", "prediction"))
  draws <- prediction_verb(predict)(x, newdata = data, ...)
  stats <- summarise_columns(draws, probs = c(1 - ci, 1 + ci) / 2)
  bounds <- data.frame(Row = seq_len(ncol(draws)), SE = stats[, 2], CI_low = stats[, 3], CI_high = stats[, 4], row.names = NULL)
  structure(unname(stats[, 1]), ci = ci, ci_data = bounds, predict = predict, data = data %||% x$data,
            iterations = as.data.frame(t(draws)), response = as.character(x$formula$formula[[2]])[1],
            class = c("get_predicted", "numeric"))
}

# By the names that insight and marginaleffects have for what is predicted.
prediction_verb <- function(what) {
  switch(what, expectation = , response = posterior_epred.twillfit, link = posterior_linpred.twillfit,
         prediction = posterior_predict.twillfit)
}

# marginaleffects reads draws as rows x draws in the attribute `posterior_draws`.
get_predict_twillfit <- function(model, newdata = NULL, type = "response", ...) {
  known <- c("response", "link", "prediction")
  if (is.null(type)) type <- "response"
  type <- check_choice(type, "type", known)
  dots <- list(...)
  given <- c(list(model), list(newdata = newdata), dots[names(dots) %in% prediction_arguments])
  draws <- do.call(prediction_verb(type), given, quote = TRUE)
  rows <- newdata[["rowid"]] %||% seq_len(ncol(draws))
  structure(data.frame(rowid = rows, estimate = apply(draws, 2, stats::median)), posterior_draws = t(unname(draws)))
}

get_coef_twillfit <- function(model, ...) apply(fixef.twillfit(model, summary = FALSE), 2, stats::median)

marginal_methods <- list(get_predict = get_predict_twillfit, get_coef = get_coef_twillfit, get_vcov = function(model, ...) NULL)

set_marginal_methods <- function(...) {
  owner <- asNamespace("marginaleffects")
  for (verb in names(marginal_methods)) registerS3method(verb, "twillfit", marginal_methods[[verb]], envir = owner)
  options(marginaleffects_model_classes = union(getOption("marginaleffects_model_classes"), "twillfit"))
}
