# Criteria of several fits beside each other, under the names that the user gave the fits.

# Applies a criterion to one fit, or to several with their comparison.
several_criteria <- function(x, dots, compute, compare, names, class = "twillfit") {
  check_flag(compare, "compare")
  loos <- all_criteria(x, dots, compute, names, class)
  if (length(loos) == 1) return(loos[[1]])
  structure(list(loos = loos, diffs = if (compare) compared(loos)), class = "tw_loo_list")
}

# The criterion of each fit, named as the call names the fits. Dots that are no fits are for `compute`.
all_criteria <- function(x, dots, compute, names, class) {
  refuse_other_fits(x, dots, class)
  is_fit <- vapply(dots, inherits, NA, class)
  if (!"..." %in% names(formals(compute))) check_dots_of(dots[!is_fit], compute)
  fits <- c(list(x), unname(dots[is_fit]))
  is_argument <- !is_fit & names(dots) %||% "" != "resp"
  if (!is.null(dots$resp)) fits <- lapply(fits, fit_of_response, resp = dots$resp)
  lapply(fits, need_spread)
  labels <- mapply(model_label, as.list(names)[-1][c(TRUE, is_fit)], fits)
  loos <- lapply(seq_along(fits), function(k) {
    out <- do.call(compute, c(fits[k], dots[is_argument]))
    structure(out, yhash = response_hash(fits[[k]]), model_name = labels[[k]])
  })
  stats::setNames(loos, make.unique(unname(labels)))
}

# One response of a fit of several, or that of a fit of it alone.
fit_of_response <- function(fit, resp) {
  if (has_responses(fit)) return(response_view(fit, resp))
  check_own_response(resp, fit)
  fit
}

# What a comparison calls a model: the name that the user gave its fit, else its formula.
model_label <- function(expression, fit) {
  is_constant <- function(e) is.character(e) || is.numeric(e) || is.name(e)
  is_part <- is.call(expression) && as.character(expression[[1]])[1] %in% c("$", "[[", "@")
  if (is_part && is.name(expression[[2]]) && is_constant(expression[[3]]) && !identical(expression, quote(X[[i]]))) {
    return(deparse1(expression))
  }
  if (is.name(expression) && !as.character(expression) %in% c(".", ".x", "x")) return(as.character(expression))
  if (is_set(fit)) design_text(model_of(fit))[1] else deparse1(fit$formula$formula)
}

# Of what was fitted: fits can be compared where it is the same.
response_hash <- function(fit) {
  if (is_set(fit) && has_sample_units(fit)) return(value_hash(fit$job$source$data))
  y <- if (is_set(fit)) fit$job$source$data$sums else fit$design$y
  cli::hash_md5(paste(sprintf("%.15g", as.numeric(y)), collapse = " "))
}

#' Compare fits
#'
#' Methods for [loo::loo_compare()], which compute the criterion of each fit first. What they do is
#' `loo_compare(loo(fit), loo(fit0))`; the latter keeps what was computed.
#'
#' @param x A fit of class `twillfit` or `twillgenes`, or what [loo()] gives for several fits.
#' @param ... Further fits (or criteria of fits), then arguments of [loo()], [waic()] or [kfold()].
#' @param criterion `"loo"` (default), `"waic"` or `"kfold"`.
#' @param model_names Names of the fits. Default: those of the arguments, or formulas.
#' @return A matrix of class `compare.loo`: see [loo::loo_compare()]. Errors have class `twill_error_argument`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' fit0 <- update(fit, . ~ . - Days)
#' loo_compare(fit, fit0)
#' @name twill-loo-compare
NULL

#' @rdname twill-loo-compare
#' @method loo_compare twillfit
#' @export
loo_compare.twillfit <- function(x, ..., criterion = c("loo", "waic", "kfold"), model_names = NULL) {
  criterion <- check_choice(criterion, "criterion", c("loo", "waic", "kfold"))
  compare_fits(x, list(...), criterion, model_names, substitute(list(x, ...)), "twillfit")
}

#' @rdname twill-loo-compare
#' @method loo_compare tw_loo_list
#' @export
loo_compare.tw_loo_list <- function(x, ...) {
  check_no_dots(...)
  compared(x$loos)
}

compare_fits <- function(x, dots, criterion, model_names, names, class) {
  is_done <- vapply(dots, inherits, NA, "loo")
  names <- names[c(TRUE, TRUE, !is_done)]
  others <- dots[!is_done]
  n <- 1 + sum(is_done) + sum(vapply(others, is_fit, NA))
  if (n < 2) {
    abort_twill("argument", c("{.fn loo_compare} compares at least two fits; it was given one.",
                              "i" = "For example {.code loo_compare(fit, update(fit, . ~ . - x))}."))
  }
  if (!is.null(model_names)) check_names(model_names, n)
  if (criterion == "kfold") others$seed <- others$seed %||% draw_seed()
  warn_other_weights(c(list(x), Filter(is_fit, others)))
  compute <- function(fit, ...) getExportedValue("loo", criterion)(fit, ...)
  loos <- c(all_criteria(x, others, compute, names, class), dots[is_done])
  compared(if (is.null(model_names)) loos else stats::setNames(loos, model_names))
}

# Weights multiply the log-likelihood of rows: with others it is of other data.
warn_other_weights <- function(fits) {
  weights <- lapply(Filter(is_one, fits), function(fit) fit$design$weights)
  if (length(weights) < 2 || length(unique(lengths(weights))) > 1 || length(unique(weights)) == 1) return(invisible())
  warn_twill("weights", c("The fits have different weights: their log-likelihoods are not of the same data.",
                          "i" = "Compare fits with the same weights."))
}

# The standard error of a difference comes from those of units: of a single one loo has none, and stops.
compared <- function(loos) {
  sizes <- vapply(loos, function(loo) NROW(loo$pointwise), 0L)
  if (length(unique(sizes)) > 1) {
    abort_twill("argument", c("Only fits of the same rows can be compared.", "x" = "They have {.val {sizes}} rows."))
  }
  if (all(sizes != 1)) return(loo_compare(loos))
  abort_twill("argument", c("A comparison needs two units at least, as its error is seen in how much they differ.",
                            "x" = "There is one: a single row, sample, leaf or gene.",
                            "i" = "Of one gene {.code by = \"sample\"} (of cells {.val leaf}) compares the samples."))
}

# A fit by another door is no argument of a criterion.
refuse_other_fits <- function(x, dots, class) {
  is_other <- vapply(dots, is_fit, NA) & !vapply(dots, inherits, NA, class)
  if (!any(is_other)) return(invisible())
  others <- unique(vapply(dots[is_other], function(fit) class(fit)[1], ""))
  abort_twill("argument", c("Only fits of the same kind and data can be compared.",
                            "x" = "The first is of class {.cls {class(x)[1]}}, another of class {.cls {others}}."))
}

check_names <- function(names, n) {
  if (is.character(names) && length(names) == n && !anyDuplicated(names)) return(names)
  abort_twill("argument", c("{.arg model_names} must hold one name per fit, {n} in all.",
                            "x" = "It is {.val {given_value(names)}}."))
}

#' @method print tw_loo_list
#' @export
print.tw_loo_list <- function(x, digits = 1, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  for (name in names(x$loos)) {
    cat("Output of model '", name, "':\n", sep = "")
    print(x$loos[[name]], digits = digits)
    cat("\n")
  }
  if (!is.null(x$diffs)) {
    cat("Model comparisons:\n")
    print(x$diffs, digits = digits)
  }
  invisible(x)
}
