# Fits of several responses: one response as a fit of its own, and predictions of all.

#' One response of a fit of several
#'
#' What a fit of several responses says of one of them, as a fit of [twill()] with the draws of that response under the names that
#' a fit of it alone has: `b_x`, `sd_g__Intercept`, `sigma`. All verbs and packages that take a fit take it. Verbs with an
#' argument `resp` do the same: `residuals(fit, resp = "y1")` is `residuals(tw_response(fit, "y1"))`.
#'
#' @param fit A fit of [twill()] of several responses.
#' @param resp The name of one, as in the draws, or as the formula has it.
#' @param ... Must be empty.
#' @return A fit of class `twillfit`. Errors have class `twill_error_resp` or `twill_error_argument`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' data <- transform(lme4::sleepstudy, before = Reaction + rnorm(180, 0, 30))
#' fit <- twill(mvbind(Reaction, before) ~ Days + (1 |p| Subject), data,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' fixef(tw_response(fit, "before"))
#' @export
tw_response <- function(fit, resp, ...) {
  check_no_dots(...)
  check_fit(fit)
  if (has_responses(fit)) return(response_view(fit, resp))
  abort_twill("argument", c("{.arg fit} is a fit of one response.", "i" = "It answers by itself."))
}

response_view <- function(fit, resp) {
  view <- response_frame(fit, resp)
  variables <- response_variables(view$design, view$resp)
  pick <- function(draws) if (!is.null(draws)) rename_draws_to(draws, c(variables, lprior = "lprior", lp__ = "lp__"))
  view$draws <- pick(fit_draws(fit))
  view$warmup_draws <- pick(fit$warmup_draws)
  # Values of predictors that another response imputes have its draws behind them.
  if (any(vapply(view$design$latents, function(latent) !is.null(latent$by), NA))) view$whole <- fit
  if (!is.null(fit$effects)) {
    own <- variables[variables %in% names(fit$effects$mean)]
    moments <- lapply(fit$effects[c("mean", "sd")], function(x) stats::setNames(x[own], names(own)))
    view$effects <- c(fit$effects["stride"], moments, list(draws = rename_draws_to(fit$effects$draws, own)))
  }
  view
}

rename_draws_to <- function(draws, names) {
  all <- dimnames(draws)[[3]]
  known <- names[names %in% all]
  out <- unclass(draws)[, , unname(known), drop = FALSE]
  dimnames(out)[[3]] <- names(known)
  as_array_of_draws(out)
}

need_resp <- function(resp, fit, what) {
  names <- names(fit$responses)
  if (!is.null(resp)) return(response_view(fit, resp))
  abort_twill("method", c("{.fn {what}} is about one response of a fit of several: say {.arg resp}.",
                          "i" = "For example {.code {what}(fit, resp = \"{names[1]}\")}; the responses are {.val {names}}."))
}

# A verb without `resp`.
need_one_response <- function(fit, what) {
  if (!has_responses(fit)) return(invisible())
  names <- names(fit$responses)
  abort_twill("resp", c("{.fn {what}} is about one response of a fit of several.",
                        "i" = "Say {.code {what}(tw_response(fit, \"{names[1]}\"))}; the responses are {.val {names}}."))
}

# Predictions --------------------------------------------------------------------------------------------------------

# Rows of the whole by response, numbered as those of the answer are.
rows_of_answer <- function(fit, newdata) {
  if (is.null(newdata)) return(fit$design$responses$rows)
  lapply(fit$design$responses$rows, function(rows) seq_len(nrow(newdata)))
}

# A matrix with the stacked rows in its rows or columns (`margin`) as an array, with the response as the last dimension; NA where
# a row has no such response.
split_responses <- function(value, fit, newdata, margin) {
  rows <- rows_of_answer(fit, newdata)
  n <- if (is.null(newdata)) nrow(fit$data) else nrow(newdata)
  size <- replace(dim(value), margin, n)
  names <- dimnames(value) %||% list(NULL, NULL)
  out <- array(NA_real_, c(size, length(rows)), c(replace(names, margin, list(NULL)), list(names(rows))))
  at <- 0
  for (k in seq_along(rows)) {
    own <- at + seq_along(rows[[k]])
    if (margin == 1) out[rows[[k]], , k] <- value[own, ] else out[, rows[[k]], k] <- value[, own]
    at <- at + length(own)
  }
  out
}
