# Predictions from a fit: linear predictor, mean and new responses, for its own rows or for new data.

#' Predictions
#'
#' For draw \eqn{s} and row \eqn{i}, with offset \eqn{o_i}, the linear predictor is
#' \deqn{\eta_{si} = o_i + x_i^\top \beta_s + \sum_k z_{ki}^\top r_{s, k, j_k(i)},}
#' `posterior_linpred()` gives \eqn{\eta}, `posterior_epred()` the mean (\eqn{\eta} of Gaussian
#' models, \eqn{\exp(\eta)} of counts) and `posterior_predict()` draws new responses: normal
#' with standard deviation `sigma` (\eqn{\sqrt{se_i^2 + \sigma^2}} with `se()`), negative
#' binomial with variance \eqn{\mu + \mu^2 / shape}, or Poisson. `predict()` and `fitted()`
#' summarise `posterior_predict()` and `posterior_epred()`.
#'
#' Levels that the fit has not seen are an error unless `allow_new_levels = TRUE`. Their effects
#' are then those of a known level chosen at random in each draw (`"uncertainty"`), drawn from
#' the fitted normal (`"gaussian"`), or those of one known level throughout (`"old_levels"`).
#'
#' @param object A fit of class `twillfit`.
#' @param newdata Data frame with the predictors, in the types that they have in the fit. Text that is a number, a date
#'   (`"2024-12-31"`) or a level counts as that, and numbers as the levels that they name; anything else is an error.
#'   Default: the rows of the fit.
#' @param re_formula Group-level terms to use: `NULL` (default) all, `NA` or `~0` none, or a
#'   formula of the terms to keep such as `~ (1 | gene)`. Free means of terms always stay.
#' @param re.form The name rstanarm and lme4 give to `re_formula`.
#' @param ndraws Number of draws, taken at random. Default: all. `draws` is understood too.
#' @param draw_ids Numbers of the draws to use. Default: all.
#' @param transform Apply the inverse link? Default: no.
#' @param dpar Another parameter to predict: `"sigma"` or `"shape"`. Default: the mean.
#' @param seed Seed of R's random numbers for this call, whose state is put back afterwards.
#'   Default: none; [set.seed()] governs.
#' @param summary Summarise the draws? Default: yes. If not, the draws x rows matrix.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param probs Probabilities of the quantiles. Default: `c(0.025, 0.975)`.
#' @param scale `"response"` (default) or `"linear"`, the scale of the link.
#' @param prob Probability of the interval. Default: 0.9.
#' @param ... `allow_new_levels` (default: `FALSE`), `sample_new_levels` (default:
#'   `"uncertainty"`), `offset` (numbers that take the place of the model's offset), and for
#'   `predict()` and the like `ndraws`, `draw_ids`, `seed`. Others are refused.
#' @return `posterior_*()` and `predictive_error()`: a draws x rows matrix. `predict()` and
#'   `fitted()`: a matrix with one row per row of the data and columns Estimate, Est.Error and
#'   quantiles. `predictive_interval()`: a matrix of lower and upper bounds.
#' Errors have class `twill_error_newdata`, `twill_error_argument` or `twill_error_group`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' new <- data.frame(Days = c(0, 9), Subject = "308")
#' fitted(fit, newdata = new)
#' fitted(fit, newdata = new, re_formula = NA)
#' new$Subject <- "somebody else"
#' predict(fit, newdata = new, allow_new_levels = TRUE, seed = 1)
#' dim(posterior_epred(fit, ndraws = 50))
#' @name twill-predict
NULL

#' @rdname twill-predict
#' @method posterior_linpred twillfit
#' @export
posterior_linpred.twillfit <- function(object, transform = FALSE, newdata = NULL, re_formula = NULL,
                                       re.form = NULL, dpar = NULL, ndraws = NULL, draw_ids = NULL,
                                       seed = NULL, ...) {
  check_transform(transform)
  with_seed(seed, {
    prediction <- prepare_prediction(object, newdata, re_formula, ndraws, draw_ids, re.form, ...)
    if (is_dispersion(object, dpar)) {
      value <- full_dispersion(prediction)
      if (transform) value else log(value)
    } else {
      eta <- predicted_eta(prediction)
      if (transform) inverse_link(object, eta) else eta
    }
  })
}

# Of all generics of predictions this one alone has another argument than `newdata` in the second place.
check_transform <- function(transform) {
  if (!is.data.frame(transform)) return(check_flag(transform, "transform"))
  abort_twill("setting", c("The second argument of {.fn posterior_linpred} is {.arg transform}, as its generic has it.",
                           "i" = "Say {.code newdata = }."))
}

#' @rdname twill-predict
#' @method posterior_epred twillfit
#' @export
posterior_epred.twillfit <- function(object, newdata = NULL, re_formula = NULL, re.form = NULL,
                                     dpar = NULL, ndraws = NULL, draw_ids = NULL, seed = NULL, ...) {
  posterior_linpred.twillfit(object, TRUE, newdata, re_formula, re.form, dpar, ndraws, draw_ids, seed, ...)
}

#' @rdname twill-predict
#' @method posterior_predict twillfit
#' @export
posterior_predict.twillfit <- function(object, newdata = NULL, re_formula = NULL, re.form = NULL,
                                       ndraws = NULL, draw_ids = NULL, seed = NULL, ...) {
  with_seed(seed, {
    prediction <- prepare_prediction(object, newdata, re_formula, ndraws, draw_ids, re.form, ...)
    draw_responses(prediction, predicted_eta(prediction))
  })
}

#' @rdname twill-predict
#' @method predict twillfit
#' @export
predict.twillfit <- function(object, newdata = NULL, re_formula = NULL, summary = TRUE,
                             robust = FALSE, probs = c(0.025, 0.975), ...) {
  draws <- posterior_predict.twillfit(object, newdata, re_formula, ...)
  if (!check_flag(summary, "summary")) return(draws)
  with_excluded(summarise_columns(draws, robust, probs, quantile_type(object)), object, newdata)
}

# Rows that were left out, where `na.action = na.exclude` asks for them: NA, as of lm().
with_excluded <- function(table, fit, newdata) {
  if (is.null(newdata)) stats::naresid(attr(fit$data, "na.action"), table) else table
}

#' @rdname twill-predict
#' @method fitted twillfit
#' @export
fitted.twillfit <- function(object, newdata = NULL, re_formula = NULL,
                            scale = c("response", "linear"), dpar = NULL, summary = TRUE,
                            robust = FALSE, probs = c(0.025, 0.975), ...) {
  scale <- check_choice(scale, "scale", c("response", "linear"))
  draws <- posterior_linpred.twillfit(object, scale == "response", newdata, re_formula, dpar = dpar, ...)
  if (!check_flag(summary, "summary")) return(draws)
  with_excluded(summarise_columns(draws, robust, probs, quantile_type(object)), object, newdata)
}

#' @rdname twill-predict
#' @method predictive_error twillfit
#' @export
predictive_error.twillfit <- function(object, newdata = NULL, re_formula = NULL, re.form = NULL,
                                      ndraws = NULL, draw_ids = NULL, seed = NULL, ...) {
  with_seed(seed, {
    prediction <- prepare_prediction(object, newdata, re_formula, ndraws, draw_ids, re.form, ...)
    draws <- draw_responses(prediction, predicted_eta(prediction))
    rep(observed_response(prediction), each = nrow(draws)) - draws
  })
}

#' @rdname twill-predict
#' @method predictive_interval twillfit
#' @export
predictive_interval.twillfit <- function(object, prob = 0.9, ...) {
  check_level(prob, "prob")
  draws <- posterior_predict.twillfit(object, ...)
  probs <- c(1 - prob, 1 + prob) / 2
  bounds <- column_quantiles(draws, probs, quantile_type(object))
  dimnames(bounds) <- list(colnames(draws), paste0(100 * probs, "%"))
  bounds
}

inverse_link <- function(fit, eta) family_record(family(fit))$inverse_link(eta)

# New responses, draws x rows; NA where the mean is beyond what doubles hold.
draw_responses <- function(prediction, eta) {
  need_own_errors(prediction)
  if (has_related_errors(prediction$fit)) return(eta + draw_errors(prediction, nrow(eta)))
  mean <- inverse_link(prediction$fit, eta)
  is_infinite <- is.infinite(mean)
  if (any(is_infinite)) warn_infinite_means(is_infinite)
  out <- suppressWarnings(family_record(prediction$fit$family)$random(mean, response_dispersion(prediction)))
  nan_to_na(matrix(as.numeric(out), nrow(eta)))
}

warn_infinite_means <- function(is_infinite) {
  rows <- which(colSums(is_infinite) > 0)
  warn_twill("prediction", c("Draws of the mean are too large for a number in {length(rows)} row{?s}: {.val {some(rows)}}.",
                             "x" = "New responses are missing there.",
                             "i" = "These rows lie far beyond the data of the fit."))
}

# Sigma, with known standard errors where there are such, or shape; NULL where a family has none.
response_dispersion <- function(prediction) {
  if (family_record(prediction$fit$family)$is_count) dispersion_draws(prediction) else residual_sd(prediction)
}

observed_response <- function(prediction) {
  need_column(prediction$input$y, prediction$fit$formula$response)
}

is_dispersion <- function(fit, dpar) {
  if (is.null(dpar) || identical(dpar, "mu")) return(FALSE)
  known <- c("mu", fit$family$dispersion)
  if (!is.character(dpar) || length(dpar) != 1 || !dpar %in% known) {
    abort_twill("argument", c("{.arg dpar} must be one of {.or {.val {known}}} in this family.",
                              "x" = "It is {.val {given_value(dpar)}}."))
  }
  TRUE
}

full_dispersion <- function(prediction) {
  value <- dispersion_draws(prediction) %||% numeric(length(prediction$ids))
  matrix(value, length(prediction$ids), nrow(prediction$input$x))
}

with_seed <- function(seed, code) if (is.null(check_seed(seed))) code else with_local_seed(seed, code)
