# Pointwise log-likelihood, and the criteria computed from it: loo and waic, of one fit or of several.

#' Pointwise log-likelihood
#'
#' \eqn{w_i \log p(y_i | \theta_s)} for draw \eqn{s} and row \eqn{i}, with the row's weight
#' \eqn{w_i} (1 unless the formula has `weights()`): the logarithm of `dnorm()`,
#' `dnbinom(size = shape)` or `dpois()`. With `fcor(V)` rows depend on each other, and the log density is that of \eqn{y_i} given
#' all other rows, \eqn{\log p(y_i | y_{-i}, \theta_s)}, which is what [loo()] needs (Bürkner, Gabry and Vehtari 2020); the sum
#' over rows is then not the log-likelihood. With `me(x, sdx)` the density is integrated over the predictor, given what was
#' measured of it.
#'
#' @references
#' Bürkner, P.-C., Gabry, J. and Vehtari, A. (2020). Efficient leave-one-out cross-validation for Bayesian non-factorized normal
#' and Student-t models. *Computational Statistics* 36, 1243-1261.
#' @inheritParams twill-predict
#' @param newdata Data frame with predictors and response. Default: the rows of the fit.
#' @param pointwise Return a function of one row in place of the matrix? Default: no. It saves
#'   memory: [loo::loo()] then visits one row at a time.
#' @param combine Not used; part of the habit.
#' @return A draws x rows matrix, or with `pointwise = TRUE` a function `f(data_i, draws)` with
#'   attributes `data` and `draws`, as [loo::loo.function()] takes it.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' dim(log_lik(fit))
#' @method log_lik twillfit
#' @export
log_lik.twillfit <- function(object, newdata = NULL, re_formula = NULL, ndraws = NULL,
                             draw_ids = NULL, pointwise = FALSE, combine = TRUE, seed = NULL, ...) {
  check_flag(combine, "combine")
  with_seed(seed, {
    prediction <- prepare_prediction(object, newdata, re_formula, ndraws, draw_ids, ...)
    prediction$input$y <- observed_response(prediction)
    if (check_flag(pointwise, "pointwise")) pointwise_log_lik(prediction) else log_lik_draws(prediction)
  })
}

log_lik_draws <- function(prediction) {
  eta <- known_predictor(prediction)
  need_own_errors(prediction)
  if (has_related_errors(prediction$fit)) return(log_lik_given_others(prediction, eta))
  if (!is.null(prediction$input$latents)) return(log_lik_with_spread(prediction, eta))
  y <- rep(prediction$input$y, each = nrow(eta))
  family <- prediction$fit$family
  out <- row_log_density(family, y, eta, response_dispersion(prediction))
  weights <- need_column(prediction$input$weights, prediction$fit$formula$addition$weights)
  if (any(weights != 1)) out <- out * rep(weights, each = nrow(eta))
  matrix(out, nrow(eta))
}

# log p(y_i | all other rows): with related errors that is what rows tell by themselves.
log_lik_given_others <- function(prediction, eta) {
  given <- rows_given_others(prediction, eta)
  matrix(stats::dnorm(rep(prediction$input$y, each = nrow(eta)), given$mean, given$sd, log = TRUE), nrow(eta))
}

# Nodes of the integral over predictors that are measured with error.
spread_rule <- new_hermite_rule(21)

# log p(y_i | what was measured of the predictors): integrated over them.
log_lik_with_spread <- function(prediction, eta) {
  at <- with_latent_spread(eta, prediction)
  family <- prediction$fit$family
  dispersion <- response_dispersion(prediction)
  if (!is_count_family(family)) {
    y <- rep(prediction$input$y, each = nrow(eta))
    return(matrix(row_log_density(family, y, at$eta, sqrt((dispersion %||% 0)^2 + at$spread)), nrow(eta)))
  }
  of_row <- function(i) {
    y <- prediction$input$y[i]
    value <- function(d) row_log_density(family, y, at$eta[, i] + d, dispersion)
    slope <- function(d) family_record(family)$slopes(y, at$eta[, i] + d, dispersion)
    log_normal_mean(value, slope, at$spread[, i], spread_rule)
  }
  matrix(vapply(seq_len(ncol(eta)), of_row, numeric(nrow(eta))), nrow(eta))
}

# log p(y | eta, dispersion): `dispersion` is sigma or shape, per draw or per draw and row.
row_log_density <- function(family, y, eta, dispersion) {
  record <- family_record(family)
  record$log_density(y, record$inverse_link(eta), dispersion)
}

pointwise_log_lik <- function(prediction) {
  row_log_lik <- function(data_i, draws, ...) {
    errors <- draws$input$errors
    if (is.null(errors)) return(log_lik_draws(one_row(draws, data_i$row)))
    # Its own errors' block is all that a row depends on.
    rows <- Find(function(rows) data_i$row %in% rows, blocks)
    log_lik_draws(one_row(draws, rows))[, match(data_i$row, rows), drop = FALSE]
  }
  blocks <- if (!is.null(prediction$input$errors)) related_rows(prediction$input$errors$covariance)
  attr(row_log_lik, "data") <- data.frame(row = seq_along(prediction$input$y))
  attr(row_log_lik, "draws") <- prediction
  row_log_lik
}

one_row <- function(prediction, i) {
  input <- picked_rows(prediction$input, i)
  input$errors <- some_errors(input$errors, i)
  input$latents <- some_latents(input$latents, i)
  prediction$input <- input
  prediction
}

#' Predictive accuracy: leave-one-out and information criteria
#'
#' `loo()` is Pareto-smoothed importance sampling leave-one-out cross-validation of the rows and
#' `waic()` the widely applicable information criterion (Vehtari, Gelman and Gabry 2017). For a
#' row that is the only one of its level, or for predictions of new levels, [kfold()] with
#' `group` is the better question.
#'
#' @param x A fit of class `twillfit`.
#' @param ... Further fits to compare with, then arguments of [log_lik()].
#' @param compare Compare the fits where there are several? Default: yes.
#' @param pointwise Compute one row at a time to save memory? Default: no.
#' @param save_psis Keep the smoothed weights? Default: no.
#' @param cores Number of cores of the loo package. Default: 1.
#' @return An object of class `loo` (or `waic`), to be used with [loo_compare()]; for several
#'   fits a list of class `tw_loo_list` with elements `loos` and `diffs`.
#' @seealso [kfold.twillfit()], [bayes_R2.twillfit()]
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' loo(fit)
#' @name twill-loo
NULL

#' @rdname twill-loo
#' @method loo twillfit
#' @export
loo.twillfit <- function(x, ..., compare = TRUE, pointwise = FALSE, save_psis = FALSE, cores = 1) {
  check_flag(pointwise, "pointwise")
  check_flag(save_psis, "save_psis")
  check_whole(cores, "cores", 1, 4096)
  compute <- function(fit, ...) {
    refuse_prior_only(fit, "loo")
    log_lik <- finite_log_lik(log_lik(fit, pointwise = pointwise, ...))
    r_eff <- relative_efficiency(log_lik, fit, cores, list(...)$draw_ids)
    arguments <- list(log_lik, r_eff = r_eff, save_psis = save_psis, cores = cores)
    if (pointwise) arguments <- c(arguments, list(data = attr(log_lik, "data"), draws = attr(log_lik, "draws")))
    out <- suppressWarnings(do.call(loo, arguments))
    warn_pareto(out, fit)
    out
  }
  several_criteria(x, list(...), compute, compare, substitute(list(x, ...)))
}

#' @rdname twill-loo
#' @method waic twillfit
#' @export
waic.twillfit <- function(x, ..., compare = TRUE, pointwise = FALSE) {
  check_flag(pointwise, "pointwise")
  compute <- function(fit, ...) {
    refuse_prior_only(fit, "waic")
    log_lik <- finite_log_lik(log_lik(fit, pointwise = pointwise, ...))
    if (pointwise) waic(log_lik, data = attr(log_lik, "data"), draws = attr(log_lik, "draws")) else waic(log_lik)
  }
  several_criteria(x, list(...), compute, compare, substitute(list(x, ...)))
}

# What measures how well a fit predicts the data it has seen.
refuse_prior_only <- function(fit, verb) {
  if (!identical(fit$info$sample_prior, "only")) return(invisible())
  abort_twill("method", c("{.fn {verb}} is about data that the fit has seen, and these draws are from the prior.",
                          "i" = "{.code update(fit, sample_prior = \"no\")} samples the posterior."))
}

# A draw at which a row is impossible has no weight, and leaves no criterion.
finite_log_lik <- function(log_lik) {
  refuse <- function(rows) {
    abort_twill("draws", c("Criteria need a finite log-likelihood of each row at each draw.",
                           "x" = "It is not in {length(rows)} row{?s}: {.val {some(rows)}}.",
                           "i" = "Draws so far out are of chains that have not converged: see {.fn summary}."))
  }
  if (!is.function(log_lik)) {
    impossible <- which(colSums(!is.finite(log_lik)) > 0)
    if (length(impossible)) refuse(impossible)
    return(log_lik)
  }
  checked <- function(data_i, draws, ...) {
    values <- log_lik(data_i, draws)
    if (all(is.finite(values))) values else refuse(data_i$row)
  }
  structure(checked, data = attr(log_lik, "data"), draws = attr(log_lik, "draws"))
}

# One warning in place of one per row, and with the ways out that this package has.
warn_pareto <- function(loo, fit = NULL) {
  k <- loo$diagnostics$pareto_k
  limit <- pareto_limit(loo)
  high <- which(k > limit)
  if (length(high) == 0) return(invisible())
  refit <- "Of one response, {.code kfold(tw_response(fit, resp))} refits that response alone."
  way_out <- if (!is.null(fit) && has_imputed(fit$formula)) NULL else if (has_responses(fit)) c("i" = refit) else
    c("i" = "{.fn kfold} refits instead; {.code kfold(fit, group = )} does so without all rows of a level.")
  why <- if (limit < khat_limit) sprintf(", the limit for %d draws", dim(loo)[1]) else ""
  warn_twill("pareto", c(
    "Importance sampling fails for {length(high)} of {length(k)} rows: Pareto k is above {round(limit, 2)}{why}.",
    "x" = "{cli::qty(length(high))}Row{?s} {.val {some(high)}}; highest k {round(max(k), 2)}.", way_out))
}

# Not above 0.7, nor what so few draws can tell (Vehtari et al. 2022).
pareto_limit <- function(loo) min(khat_limit, 1 - 1 / log10(dim(loo)[1]))

# How much less the autocorrelated draws of each row tell; unknown for a subset of the draws.
relative_efficiency <- function(log_lik, fit, cores, draw_ids = NULL) {
  chain <- rep(seq_len(nchains(fit)), each = niterations(fit))
  if (is.function(log_lik)) {
    if (length(attr(log_lik, "draws")$ids) != length(chain)) return(rep(1, nrow(attr(log_lik, "data"))))
    likelihood <- function(data_i, draws) exp(log_lik(data_i, draws))
    return(loo::relative_eff(likelihood, chain, data = attr(log_lik, "data"),
                             draws = attr(log_lik, "draws"), cores = cores))
  }
  # loo finds no autocorrelation in chains of three draws and less.
  if (nrow(log_lik) != length(chain) || !is.null(draw_ids) || niterations(fit) < 4) return(rep(1, ncol(log_lik)))
  # Scaled by each row's largest value, so that far-out rows do not underflow to a constant.
  highest <- apply(log_lik, 2, max)
  loo::relative_eff(exp(log_lik - rep(highest, each = nrow(log_lik))), chain, cores = cores)
}

# A Pareto distribution takes five draws of each tail; loo 2.8 stops with fewer.
need_tails <- function(fit) {
  need_spread(fit)
  n <- ndraws(fit)
  if (n >= 10) return(invisible())
  abort_twill("draws", c("Weights of draws are smoothed in their tails, which takes ten draws or more.", "x" = "There are {n}.",
                         "i" = "Fit with a larger {.arg iter}."))
}

# Criteria are made of variances and weights of draws.
need_spread <- function(fit) {
  # Where no draws were kept another error says so.
  if (is_set(fit) && !has_draws(fit)) return(invisible())
  if (ndraws(fit) > 1) return(invisible())
  abort_twill("draws", c("One draw has no criterion: it needs several.", "i" = "Fit with a larger {.arg iter}."))
}
