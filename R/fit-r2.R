# Explained variance, and leave-one-out predictions.

#' Bayesian R-squared
#'
#' In draw \eqn{s}, with \eqn{\mu_{si}} the mean of row \eqn{i}: `bayes_R2()` is
#' \eqn{var_i(\mu_{si}) / (var_i(\mu_{si}) + var_i(y_i - \mu_{si}))} (Gelman et al. 2019);
#' `loo_R2()` replaces \eqn{\mu} by leave-one-out means and the variance of \eqn{y} by a Bayesian
#' bootstrap. `loo_predict()` gives leave-one-out means, variances or quantiles of new responses.
#'
#' @inheritParams twill-predict
#' @param type `"mean"` (default), `"var"` or `"quantile"`.
#' @param psis_object Smoothed weights from [loo::psis()]. Default: computed.
#' @param ... Arguments of [posterior_epred()], or for `loo_predict()` of [posterior_predict()].
#' @return `bayes_R2()` and `loo_R2()`: a matrix with the row `R2` and columns Estimate,
#'   Est.Error and quantiles, or the draws with `summary = FALSE`; `NA` where neither the
#'   response nor its means vary. `loo_predict()`: a list with
#'   elements `value` and `pareto_k`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' bayes_R2(fit)
#' @name twill-r2
NULL

#' @rdname twill-r2
#' @method bayes_R2 twillfit
#' @export
bayes_R2.twillfit <- function(object, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975), ...) {
  prediction <- prepare_prediction(object, ...)
  mu <- inverse_link(object, predicted_eta(prediction))
  y <- observed_response(prediction)
  explained <- row_variances(mu)
  draws <- explained / (explained + row_variances(rep(y, each = nrow(mu)) - mu))
  draws <- nan_to_na(draws)
  finish_r2(draws, summary, robust, probs, quantile_type(object))
}

#' @rdname twill-r2
#' @method loo_R2 twillfit
#' @export
loo_R2.twillfit <- function(object, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975), ...) {
  check_no_dots(...)
  weights <- psis_weights(object)
  mu <- suppressWarnings(loo::E_loo(loo_means(object), weights$psis, log_ratios = -weights$log_lik))
  y <- object$design$y
  # Bayesian bootstrap over rows: Dirichlet(1, ..., 1) weights, one set per draw.
  share <- matrix(stats::rexp(4000 * length(y)), 4000)
  share <- share / rowSums(share)
  error <- weighted_variance(share, mu$value - y)
  draws <- nan_to_na(pmin(pmax(1 - error / weighted_variance(share, y), -1), 1))
  finish_r2(draws, summary, robust, probs, quantile_type(object))
}

#' @rdname twill-r2
#' @method loo_predict twillfit
#' @export
loo_predict.twillfit <- function(object, type = c("mean", "var", "quantile"), probs = 0.5,
                                 psis_object = NULL, ...) {
  type <- check_choice(type, "type", c("mean", "var", "quantile"))
  check_probs(probs, open = TRUE)
  if (type == "var") type <- "variance"
  weights <- psis_weights(object, psis_object)
  draws <- loo_responses(object, ...)
  loo::E_loo(draws, weights$psis, type = type, probs = probs, log_ratios = -weights$log_lik)
}

# Means and new responses of rows given all others: with related errors these tell of a row too.
loo_means <- function(fit) {
  if (!has_related_errors(fit)) return(posterior_epred.twillfit(fit))
  prediction <- prepare_prediction(fit)
  rows_given_others(prediction, predicted_eta(prediction))$mean
}

loo_responses <- function(fit, ..., seed = NULL) {
  if (!has_related_errors(fit)) return(posterior_predict.twillfit(fit, ..., seed = seed))
  with_seed(seed, {
    prediction <- prepare_prediction(fit, ...)
    need_own_errors(prediction)
    given <- rows_given_others(prediction, predicted_eta(prediction))
    given$mean + given$sd * stats::rnorm(length(given$mean))
  })
}

psis_weights <- function(fit, psis = NULL) {
  need_tails(fit)
  log_lik <- log_lik.twillfit(fit)
  if (!is.null(psis) && !loo::is.psis(psis)) {
    abort_twill("argument", c("{.arg psis_object} must be made by {.fn loo::psis}.", "x" = "It is {.val {given_value(psis)}}."))
  }
  if (is.null(psis)) psis <- suppressWarnings(loo::psis(-log_lik, r_eff = relative_efficiency(log_lik, fit, 1)))
  list(psis = psis, log_lik = log_lik)
}

row_variances <- function(x) rowSums((x - rowMeans(x))^2) / (ncol(x) - 1)

weighted_variance <- function(weights, x) {
  drop(weights %*% x^2) - drop(weights %*% x)^2
}

finish_r2 <- function(draws, summary, robust, probs, type) {
  draws <- matrix(draws, ncol = 1, dimnames = list(NULL, "R2"))
  if (check_flag(summary, "summary")) summarise_columns(draws, robust, probs, type) else draws
}
