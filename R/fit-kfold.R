# K-fold cross-validation: refits without each fold in turn.

#' K-fold cross-validation
#'
#' Refits the model `K` times, each time without one fold of the rows, and adds up the log
#' density of the rows left out, averaged over the draws of the fit that has not seen them.
#' With `group`, all rows of a level are left out together, which asks how well levels that
#' were never seen are predicted.
#'
#' @param x A fit of class `twillfit`.
#' @param ... Arguments of [update.twillfit()] for the refits, such as `chains` or `iter`.
#' @param K Number of folds. Default: 10.
#' @param folds Which row is in which fold: `NULL` (default) at random; `"stratified"` or
#'   `"grouped"`, by `group`; or a vector of fold numbers, one per row used by the fit.
#' @param group Name of a column of the data. Alone, each level is a fold of its own and `K` is
#'   not used; with `folds = "grouped"`, the levels are spread over `K` folds; with
#'   `folds = "stratified"`, each fold has about its share of each level.
#' @param save_fits Keep the refits? Default: no.
#' @param seed Seed of the choice of folds, of the refits and of effects of new levels.
#'   Default: drawn from R's random numbers.
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
kfold.twillfit <- function(x, ..., K = 10, folds = NULL, group = NULL, save_fits = FALSE, seed = NULL) {
  check_flag(save_fits, "save_fits")
  refuse_folds_of_errors(x)
  seed <- seed %||% draw_seed()
  ids <- with_seed(seed, choose_folds(x, K, folds, group))
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
  left_out <- log_lik(refit, newdata = fit$data[rows, , drop = FALSE], allow_new_levels = TRUE, seed = seed)
  list(rows = rows, elpd = log_mean_exp(left_out), fit = if (save) refit)
}

abort_fold <- function(fold) abort_twill("interrupt", "Interrupted in the refit without fold {fold}.")

fold_seed <- function(seed, fold) (as.numeric(seed) + fold) %% .Machine$integer.max

# log of the mean of exp(x) over each column, without overflow.
log_mean_exp <- function(x) {
  highest <- apply(x, 2, max)
  highest + log(colMeans(exp(x - rep(highest, each = nrow(x)))))
}

choose_folds <- function(fit, K, folds, group) {
  n <- nobs(fit)
  if (is.null(folds) && !is.null(group)) return(as.integer(factor(fold_group(fit, group))))
  if (is.numeric(folds) || is.factor(folds)) return(check_folds(folds, n))
  K <- check_whole(K, "K", 2, n)
  if (is.null(folds)) return(loo::kfold_split_random(K, n))
  folds <- check_choice(folds, "folds", c("stratified", "grouped"))
  x <- fold_group(fit, group)
  if (folds == "grouped") K <- min(K, length(unique(x)))
  if (folds == "grouped") loo::kfold_split_grouped(K, x) else loo::kfold_split_stratified(K, x)
}

check_folds <- function(folds, n) {
  folds <- as.integer(folds)
  if (length(folds) == n && !anyNA(folds) && length(unique(folds)) > 1) return(folds)
  abort_twill("folds", c(
    "{.arg folds} must give the fold of each row used by the fit, with at least two folds.",
    "x" = "There are {n} rows, {length(folds)} value{?s} and {length(unique(folds))} fold{?s}."))
}

fold_group <- function(fit, group) {
  if (is.character(group) && length(group) == 1 && group %in% names(fit$data)) return(as.character(fit$data[[group]]))
  abort_twill("folds", c(
    "{.arg group} must name one column of the data of the fit.",
    "x" = if (is.null(group)) "It is missing." else "It is {.val {given_value(group)}}.",
    "i" = "The columns are {.val {names(fit$data)}}."))
}

new_kfold <- function(pointwise, fit, ids, group) {
  totals <- colSums(pointwise)
  se <- sqrt(nrow(pointwise) * apply(pointwise, 2, stats::var))
  out <- list(estimates = cbind(Estimate = totals, SE = se), pointwise = pointwise, folds = ids)
  structure(out, class = c("kfold", "loo"), dims = dim(pointwise), K = length(unique(ids)),
            group = group, yhash = response_hash(fit))
}
