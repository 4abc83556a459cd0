# Residuals of a fit, with their posterior uncertainty.

#' Residuals
#'
#' With \eqn{\mu_{si}} the mean of row \eqn{i} in draw \eqn{s} and \eqn{v_{si}} its variance:
#' * `"ordinary"`: \eqn{y_i - \mu_{si}};
#' * `"pearson"`: \eqn{(y_i - \mu_{si}) / \sqrt{v_{si}}}, with \eqn{v = \sigma^2}, \eqn{\mu} or
#'   \eqn{\mu + \mu^2 / shape};
#' * `"quantile"`: \eqn{\Phi^{-1}(u_i)}, where \eqn{u_i} is the probability below \eqn{y_i},
#'   averaged over the draws, and drawn uniformly within its step for counts (Dunn and Smyth
#'   1996). They are standard normal where the model is right, for any family, and are one
#'   number per row.
#'
#' @inheritParams twill-predict
#' @param newdata Data frame with predictors and response. Default: the rows of the fit.
#' @param method `"posterior_epred"` (default): residuals from the mean. `"posterior_predict"`:
#'   from drawn responses.
#' @param type Kind of residual. Default: `"ordinary"`.
#' @return A matrix with one row per row of the data and columns Estimate, Est.Error and
#'   quantiles; a draws x rows matrix with `summary = FALSE`; a numeric vector for
#'   `type = "quantile"`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' head(residuals(fit))
#' qqnorm(residuals(fit, type = "quantile"))
#' @method residuals twillfit
#' @export
residuals.twillfit <- function(object, newdata = NULL, re_formula = NULL,
                               method = c("posterior_epred", "posterior_predict"),
                               type = c("ordinary", "pearson", "quantile"), summary = TRUE,
                               robust = FALSE, probs = c(0.025, 0.975), seed = NULL, ...) {
  method <- check_choice(method, "method", c("posterior_epred", "posterior_predict"))
  type <- check_choice(type, "type", c("ordinary", "pearson", "quantile"))
  draws <- with_seed(seed, {
    prediction <- prepare_prediction(object, newdata, re_formula, ...)
    residual_draws(prediction, observed_response(prediction), method, type)
  })
  if (type == "quantile") return(with_excluded(draws, object, newdata))
  if (!check_flag(summary, "summary")) return(draws)
  with_excluded(summarise_columns(draws, robust, probs), object, newdata)
}

residual_draws <- function(prediction, y, method, type) {
  eta <- predicted_eta(prediction)
  if (type == "quantile") return(quantile_residuals(prediction, eta, y))
  centre <- if (method == "posterior_predict") draw_responses(prediction, eta) else inverse_link(prediction$fit, eta)
  out <- rep(y, each = nrow(eta)) - centre
  if (type == "pearson") out / response_sd(prediction, eta) else out
}

response_sd <- function(prediction, eta) {
  family_record(prediction$fit$family)$sd(inverse_link(prediction$fit, eta), response_dispersion(prediction))
}

quantile_residuals <- function(prediction, eta, y) {
  upper <- colMeans(response_cdf(prediction, eta, y))
  if (!family_record(prediction$fit$family)$is_count) return(stats::qnorm(upper))
  draw_quantile_residuals(colMeans(response_cdf(prediction, eta, y - 1)), upper)
}

# Of counts, from the predictive probabilities of less than each and of at most each. Away from 0 and 1, where a step beyond
# double precision would give an infinite residual.
draw_quantile_residuals <- function(lower, upper) {
  u <- lower + stats::runif(length(lower)) * (upper - lower)
  stats::qnorm(pmin(pmax(u, .Machine$double.eps), 1 - .Machine$double.eps))
}

response_cdf <- function(prediction, eta, y) {
  y <- rep(y, each = nrow(eta))
  mean <- inverse_link(prediction$fit, eta)
  out <- family_record(prediction$fit$family)$cdf(y, mean, response_dispersion(prediction))
  matrix(out, nrow(eta))
}
