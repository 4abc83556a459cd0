# K-fold cross-validation: refits without each fold in turn.

#' K-fold cross-validation
#'
#' Refits the model `K` times, each time without one fold of the rows, and adds up the log
#' density of the rows left out, averaged over the draws of the fit that has not seen them.
#' With `group`, all rows of a level are left out together, which asks how well levels that
#' were never seen are predicted. The effects of such a level are integrated over their normal
#' distribution, draw by draw (what `sample_new_levels = "gaussian"` of [log_lik()] draws from).
#'
#' @param x A fit of class `twillfit`.
#' @param ... Arguments of [update.twillfit()] for the refits, such as `chains` or `iter`.
#' @param K Number of folds. Default: 10; with `group` each level is a fold.
#' @param folds Which row is in which fold: `NULL` (default) at random; `"stratified"` or
#'   `"grouped"`, by `group`; or a vector of fold numbers, one per row used by the fit.
#' @param group Name of a column of the data. Alone, each level is a fold of its own; with `K`
#'   or `folds = "grouped"`, the levels are spread over `K` folds; with
#'   `folds = "stratified"`, each fold has about its share of each level.
#' @param save_fits Keep the refits? Default: no.
#' @param seed Seed of the choice of folds and of the refits. Default: drawn from R's random
#'   numbers.
#' @return An object of class `c("kfold", "loo")`, to be used with [loo_compare()]: the
#'   estimates `elpd_kfold`, `p_kfold`, `kfoldic`, and per row in `pointwise`; the fold of each
#'   row in `folds`. With `save_fits`, a list of the refits in `fits`.
#' Errors have class `twill_error_folds`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' kfold(fit, K = 3, seed = 1)
#' @method kfold twillfit
#' @export
kfold.twillfit <- function(x, ..., K = NULL, folds = NULL, group = NULL, save_fits = FALSE, seed = NULL) {
  check_flag(save_fits, "save_fits")
  refuse_folds_of_errors(x)
  seed <- seed %||% draw_seed()
  ids <- with_seed(seed, choose_folds(nobs(x), K, folds, group, function() fold_group(x, group)))
  runs <- lapply(sort(unique(ids)), run_fold, fit = x, ids = ids, seed = seed, save = save_fits, ...)
  elpd <- numeric(nobs(x))
  for (run in runs) elpd[run$rows] <- run$elpd
  p <- log_mean_exp(log_lik(x)) - elpd
  out <- new_kfold(cbind(elpd_kfold = elpd, p_kfold = p, kfoldic = -2 * elpd), x, ids, group)
  attr(out, "model_name") <- model_label(substitute(x), x)
  if (save_fits) out$fits <- lapply(runs, `[[`, "fit")
  out
}

refuse_folds_of_errors <- function(fit) {
  if (has_imputed(fit$formula)) {
    abort_twill("folds", c("{.fn kfold} of a fit with {.fn mi} is not supported.",
                           "x" = "It refits one response, and predictor and response of {.fn mi} are fitted together.",
                           "i" = "{.fn loo} takes each row given the others, without fitting again."))
  }
  if (!has_related_errors(fit)) return(invisible())
  abort_twill("folds", c("{.fn kfold} of a fit with {.fn fcor} is not supported.",
                         "x" = "Errors of a fold are related to those of the others.",
                         "i" = "{.fn loo} takes each row given all others, without fitting again."))
}

# One fold: the log density of its rows under the refit.
run_fold <- function(fold, fit, ids, seed, save, ...) {
  rows <- which(ids == fold)
  arguments <- utils::modifyList(list(seed = fold_seed(seed, fold), silent = 2), list(...))
  refit <- withCallingHandlers(
    do.call(update, c(list(fit, newdata = fit$data[-rows, , drop = FALSE], subset = NULL), arguments)),
    twill_warning_interrupt = function(w) abort_fold(fold),
    twill_warning = function(w) {
      warn_twill("fold", c("In the refit without fold {fold}: {conditionMessage(w)}"))
      invokeRestart("muffleWarning")
    })
  # An interrupted refit is a fit of fewer draws; the user meant to stop the whole.
  if (is_partial(refit)) abort_fold(fold)
  left_out <- unseen_log_lik(refit, fit$data[rows, , drop = FALSE])
  list(rows = rows, elpd = log_mean_exp(left_out), fit = if (save) refit)
}

abort_fold <- function(fold) abort_twill("interrupt", "Interrupted in the refit without fold {fold}.")

fold_seed <- function(seed, fold) (as.numeric(seed) + fold) %% .Machine$integer.max

# The fold of each of n rows. `values()` gives the group of each row.
choose_folds <- function(n, K, folds, group, values) {
  if (is.numeric(folds) || is.factor(folds)) return(check_folds(folds, n))
  if (is.null(folds) && is.null(group)) return(loo::kfold_split_random(check_whole(K %||% min(10, n), "K", 2, n), n))
  folds_given <- !is.null(folds)
  folds <- check_choice(folds %||% "grouped", "folds", c("stratified", "grouped"))
  x <- values()
  if (length(unique(x)) < 2) {
    abort_twill("folds", c("{.arg group} must have two levels at least.", "x" = "{.field {group}} is {.val {x[1]}} throughout."))
  }
  if (!folds_given && is.null(K)) return(as.integer(factor(x)))
  K <- check_whole(K %||% 10, "K", 2, n)
  if (folds == "stratified") return(loo::kfold_split_stratified(K, x))
  loo::kfold_split_grouped(min(K, length(unique(x))), x)
}

check_folds <- function(folds, n) {
  if (is.numeric(folds) && any(folds != round(folds), na.rm = TRUE)) folds <- NA
  folds <- as.integer(folds)
  if (length(folds) == n && !anyNA(folds) && length(unique(folds)) > 1) return(folds)
  abort_twill("folds", c(
    "{.arg folds} must give the fold of each row used by the fit, with at least two folds.",
    "x" = "There are {n} rows, {length(folds)} value{?s} and {length(unique(folds))} fold{?s}."))
}

fold_group <- function(fit, group, data = fit$data) {
  if (is.character(group) && length(group) == 1 && group %in% names(data)) return(level_text(data[[group]]))
  abort_twill("folds", c(
    "{.arg group} must name one column of the data of the fit.",
    "x" = if (is.null(group)) "It is missing." else "It is {.val {given_value(group)}}.",
    "i" = "The columns are {.val {names(data)}}."))
}

# Levels that a fit has not seen ---------------------------------------------------------------------------------------

# draws x rows of the log density of new rows; what levels add that the fit has not seen is integrated over its distribution.
unseen_log_lik <- function(fit, newdata) {
  prediction <- prepare_prediction(fit, newdata, allow_new_levels = TRUE, sample_new_levels = "gaussian")
  prediction$input$y <- observed_response(prediction)
  variance <- unseen_variance(prediction)
  prediction$input$terms <- lapply(prediction$input$terms, without_unseen)
  # What a new level has for a dispersion is drawn, the same for both uses.
  out <- with_local_seed(1L, log_lik_draws(prediction))
  rows <- which(colSums(variance) > 0)
  if (length(rows) == 0) return(out)
  # What predictors with errors add is normal, too.
  at <- with_latent_spread(known_predictor(prediction), prediction)
  variance <- variance + at$spread
  dispersion <- with_local_seed(1L, response_dispersion(prediction))
  family <- family_record(fit$family)
  for (i in rows) {
    y <- prediction$input$y[i]
    weight <- prediction$input$weights[i]
    own <- if (is.matrix(dispersion)) dispersion[, i] else dispersion
    value <- function(d) weight * family$varying_log_density(y, at$eta[, i] + d, own)
    slope <- function(d) lapply(family$slopes(y, at$eta[, i] + d, own), `*`, weight)
    constant <- weight * row_log_density(fit$family, y, at$eta[, i], own) - value(0)
    out[, i] <- constant + log_normal_mean(value, slope, variance[, i])
  }
  out
}

# draws x rows: the variance of what unseen levels add to the linear predictor, z' S R S z.
unseen_variance <- function(prediction) {
  out <- matrix(0, length(prediction$ids), length(prediction$input$offset))
  for (term in prediction$input$terms) {
    rows <- which(is.na(term$codes))
    class <- term$new_class[rows] %||% rep(1L, length(rows))
    for (one in unique(class)) {
      own <- rows[class == one]
      of_class <- if (is.null(term$by)) term else in_class(term, one)
      sd <- draw_matrix(prediction$fit, sd_names(of_class), prediction$ids)
      cor <- correlation_draws(prediction$fit, term$group, scale_coefs(of_class))[prediction$ids, , , drop = FALSE]
      variance <- quadratic_draws(scale_correlation(cor, sd), term$z[own, , drop = FALSE])
      out[, own] <- out[, own] + variance * tail_multiples(term, prediction, length(own))^2
    }
  }
  out
}

# draws x rows of z' C z.
quadratic_draws <- function(covariance, z) {
  flat <- matrix(covariance, dim(covariance)[1])
  pairs <- vapply(seq_len(nrow(z)), function(i) as.vector(outer(z[i, ], z[i, ])), numeric(ncol(z)^2))
  flat %*% matrix(pairs, ncol(flat))
}

without_unseen <- function(term) {
  new <- is.na(term$codes)
  term$codes[new] <- 1L
  term$z[new, ] <- 0
  term$new_levels[new] <- NA_character_
  term
}

new_kfold <- function(pointwise, fit, ids, group) {
  totals <- colSums(pointwise)
  se <- sqrt(nrow(pointwise) * apply(pointwise, 2, stats::var))
  out <- list(estimates = cbind(Estimate = totals, SE = se), pointwise = pointwise, folds = ids)
  structure(out, class = c("kfold", "loo"), dims = dim(pointwise), K = length(unique(ids)),
            group = group, yhash = response_hash(fit))
}
