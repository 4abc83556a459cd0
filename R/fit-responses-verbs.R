# Verbs of fits of several responses: with `resp` those of one response, else of all of them.

#' Verbs of fits of several responses
#'
#' A fit of several responses answers as that of one does: `fixef()`, `ranef()`, `coef()`, `VarCorr()` and draws have the
#' responses in the names of their coefficients (`y1_x`, `sd_g__y1_Intercept`, `cor_g__y1_Intercept__y2_Intercept`). Verbs about
#' rows take `resp`, as in brms: with the name of one response they answer as a fit of it would, without for all responses.
#'
#' @param object,x,formula A fit of several responses; see [tw_formula()].
#' @param resp The name of a response, as in the draws or as the formula has it; for predictions also several names. Default: all.
#' @param ... Arguments of the same verb of a fit of one response: [twill-predict], [residuals.twillfit()], [log_lik.twillfit()],
#'   [pp_check.twillfit()] and others.
#' @param newdata,pointwise,combine As in [log_lik.twillfit()]; with `combine = FALSE` responses are not added up.
#' @return Without `resp`:
#'
#' * `posterior_linpred()`, `posterior_epred()`, `posterior_predict()`, `predictive_error()`: an array draws x rows x responses,
#'   `NA` where a row of the data lacks the response. `fitted()`, `predict()`, `residuals()`, `predictive_interval()`: an array
#'   rows x statistics x responses.
#' * `log_lik()`: draws x rows, the sum over the responses of a row, which are independent given the parameters. So [loo()] and
#'   [waic()] leave out a row with all its responses; with `resp` that response alone.
#' * `bayes_R2()`, `loo_R2()`: one row per response, `R2y1`. `sigma()`: by response. `weights()`: a list by response.
#' * `nobs()`: rows of the data; `df.residual()`: values of all responses less the number of coefficients.
#'
#' `pp_check()`, `loo_predict()`, `augment()`, `terms()` and [tw_conditional_effects()] need `resp`. [tw_response()] makes one
#' response a fit of its own, for what else there is.
#' @seealso [tw_response()]
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' data <- transform(lme4::sleepstudy, before = Reaction + rnorm(180, 0, 30))
#' fit <- twill(mvbind(Reaction, before) ~ Days + (1 |p| Subject), data,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' dim(fitted(fit))
#' head(fitted(fit, resp = "before"))
#' loo(fit)
#' @name twill-responses
NULL

# A verb of fits of one response as one of several: of one of them with `resp`, else of all, as an array. `margin`: whether it
# gives draws, or statistics of rows.
verb_of_responses <- function(verb, margin) {
  force(verb)
  force(margin)
  function(object, ..., resp = NULL) {
    if (length(resp) == 1) return(verb(response_view(object, resp), ...))
    if (!is.null(resp)) resp <- check_resp(resp, object$formula$responses, several = TRUE)
    given <- match.call(verb, as.call(c(list(as.name("verb"), quote(object)), list(...))))
    value <- verb(object, ...)
    is_vector <- is.null(dim(value))
    if (is_vector) value <- matrix(value, ncol = 1)
    by_rows <- if (!is_vector && (margin == "draws" || isFALSE(given$summary))) 2 else 1
    out <- split_responses(value, object, given$newdata, by_rows)
    if (!is.null(resp)) out <- out[, , resp, drop = FALSE]
    if (is_vector) matrix(out, nrow(out), dimnames = dimnames(out)[c(1, 3)]) else out
  }
}

#' @rdname twill-responses
#' @method posterior_linpred twill_responses
#' @export
posterior_linpred.twill_responses <- verb_of_responses(posterior_linpred.twillfit, "draws")

#' @rdname twill-responses
#' @method posterior_epred twill_responses
#' @export
posterior_epred.twill_responses <- verb_of_responses(posterior_epred.twillfit, "draws")

#' @rdname twill-responses
#' @method posterior_predict twill_responses
#' @export
posterior_predict.twill_responses <- verb_of_responses(posterior_predict.twillfit, "draws")

#' @rdname twill-responses
#' @method predictive_error twill_responses
#' @export
predictive_error.twill_responses <- verb_of_responses(predictive_error.twillfit, "draws")

#' @rdname twill-responses
#' @method predictive_interval twill_responses
#' @export
predictive_interval.twill_responses <- verb_of_responses(predictive_interval.twillfit, "rows")

#' @rdname twill-responses
#' @method predict twill_responses
#' @export
predict.twill_responses <- verb_of_responses(predict.twillfit, "rows")

#' @rdname twill-responses
#' @method fitted twill_responses
#' @export
fitted.twill_responses <- verb_of_responses(fitted.twillfit, "rows")

#' @rdname twill-responses
#' @method residuals twill_responses
#' @export
residuals.twill_responses <- verb_of_responses(residuals.twillfit, "rows")

#' @rdname twill-responses
#' @method log_lik twill_responses
#' @export
log_lik.twill_responses <- function(object, newdata = NULL, ..., pointwise = FALSE, combine = TRUE, resp = NULL) {
  check_flag(pointwise, "pointwise")
  check_flag(combine, "combine")
  if (!is.null(resp)) return(log_lik.twillfit(response_view(object, resp), newdata, ..., pointwise = pointwise))
  row <- unlist(rows_of_answer(object, newdata))
  if (pointwise) return(pointwise_of_rows(log_lik.twillfit(object, newdata, ..., pointwise = TRUE), row))
  value <- log_lik.twillfit(object, newdata, ...)
  if (!combine) return(split_responses(value, object, newdata, 2))
  out <- t(rowsum(t(value), row, reorder = TRUE))
  dimnames(out) <- NULL
  out
}

# Of each row of the data all its responses.
pointwise_of_rows <- function(log_lik, row) {
  prediction <- attr(log_lik, "draws")
  rows <- sort(unique(row))
  structure(function(data_i, draws, ...) matrix(rowSums(log_lik_draws(one_row(draws, which(row == data_i$row)))), ncol = 1),
            data = data.frame(row = rows), draws = prediction)
}

#' @rdname twill-responses
#' @method bayes_R2 twill_responses
#' @export
bayes_R2.twill_responses <- function(object, ..., resp = NULL) r2_of_responses(bayes_R2.twillfit, object, resp, ...)

#' @rdname twill-responses
#' @method loo_R2 twill_responses
#' @export
loo_R2.twill_responses <- function(object, ..., resp = NULL) r2_of_responses(loo_R2.twillfit, object, resp, ...)

r2_of_responses <- function(verb, object, resp, ...) {
  resp <- check_resp(resp %||% names(object$responses), object$formula$responses, several = TRUE)
  each <- lapply(resp, function(one) verb(response_view(object, one), ...))
  is_draws <- is.null(rownames(each[[1]]))
  out <- do.call(if (is_draws) cbind else rbind, each)
  dimnames(out)[[if (is_draws) 2 else 1]] <- paste0("R2", resp)
  out
}

#' @rdname twill-responses
#' @method loo_predict twill_responses
#' @export
loo_predict.twill_responses <- function(object, ..., resp = NULL) {
  loo_predict.twillfit(need_resp(resp, object, "loo_predict"), ...)
}

#' @rdname twill-responses
#' @method terms twill_responses
#' @export
terms.twill_responses <- function(x, ..., resp = NULL) terms.twillfit(need_resp(resp, x, "terms"), ...)

#' @rdname twill-responses
#' @method formula twill_responses
#' @export
formula.twill_responses <- function(x, ..., resp = NULL) {
  check_no_dots(...)
  if (is.null(resp)) x$formula else formula.twill_model(response_frame(x, resp))
}

#' @rdname twill-responses
#' @method model.matrix twill_responses
#' @export
model.matrix.twill_responses <- function(object, ..., resp = NULL) {
  check_no_dots(...)
  if (!is.null(resp)) return(response_frame(object, resp)$design$x)
  lapply(object$responses, function(one) one$design$x)
}

#' @rdname twill-responses
#' @method weights twill_responses
#' @export
weights.twill_responses <- function(object, ..., resp = NULL) {
  check_no_dots(...)
  if (!is.null(resp)) return(weights.twillfit(response_frame(object, resp)))
  each <- lapply(stats::setNames(nm = names(object$responses)), function(one) weights.twillfit(response_frame(object, one)))
  if (length(compact(each)) > 0) each
}

#' @rdname twill-responses
#' @method sigma twill_responses
#' @export
sigma.twill_responses <- function(object, ..., resp = NULL) {
  check_no_dots(..., allow = "use.fallback")
  resp <- check_resp(resp %||% names(object$responses), object$formula$responses, several = TRUE)
  vapply(stats::setNames(nm = resp), function(one) sigma.twillfit(response_view(object, one)), 0)
}

#' @rdname twill-responses
#' @method nobs twill_responses
#' @export
nobs.twill_responses <- function(object, ..., resp = NULL) {
  check_no_dots(..., allow = "use.fallback")
  if (is.null(resp)) nrow(object$data) else nobs.twillfit(response_frame(object, resp))
}

#' @rdname twill-responses
#' @method df.residual twill_responses
#' @export
df.residual.twill_responses <- function(object, ..., resp = NULL) {
  check_no_dots(...)
  if (is.null(resp)) length(object$design$y) - length(object$design$coef_names) else
    df.residual.twill_model(response_frame(object, resp))
}
