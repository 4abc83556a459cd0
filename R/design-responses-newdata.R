# New rows of several responses, each by the blueprint of its own design.

# One response of a fit, without draws.
response_frame <- function(fit, resp) {
  resp <- check_resp(resp, fit$formula$responses)
  prior <- fit$prior[fit$prior$resp %in% c(resp, ""), , drop = FALSE]
  prior$resp <- rep("", nrow(prior))
  parts <- fit$responses[[resp]]
  new_twill_model(c(fit[c("call", "family", "intercept", "sampler", "info", "data2", "version")], parts,
              list(prior = prior, resp = resp)), "twillfit")
}

# As design_newdata(), of the rows of all responses one below the other.
design_newdata_of_responses <- function(fit, newdata, re_formula, allow_new_levels, offset) {
  if (!is.null(offset)) {
    abort_twill("argument", c("{.arg offset} is for one response.",
                              "i" = "Say {.arg resp}, or put the columns of the offset into {.arg newdata}."))
  }
  frames <- lapply(stats::setNames(nm = names(fit$responses)), response_frame, fit = fit)
  wanted <- terms_by_response(re_formula, frames)
  designs <- Map(function(frame, wanted) design_newdata(frame, newdata, wanted, allow_new_levels), frames, wanted)
  designs <- Map(function(design, frame) c(design, list(dispersion = frame$design$dispersion)), designs, frames)
  out <- stack_rows(designs, fit$design$responses$plan)
  if (is.null(newdata)) out$latents <- fit$design$latents
  out
}

# A formula of group-level terms as those that each response has; a term that none has is an error.
terms_by_response <- function(re_formula, frames) {
  if (!inherits(re_formula, "formula")) return(lapply(frames, function(frame) re_formula))
  env <- environment(re_formula)
  bars <- group_bars(re_formula[[length(re_formula)]])
  of <- function(some) {
    sum <- Reduce(function(a, b) call("+", a, b), lapply(some, function(bar) call("(", bar)))
    stats::as.formula(call("~", sum), env)
  }
  has <- function(bar, frame) tryCatch(length(wanted_terms(frame, of(list(bar)))) > 0, twill_error_newdata = function(e) FALSE)
  found <- lapply(frames, function(frame) vapply(bars, has, NA, frame = frame))
  if (!all(Reduce(`|`, found, FALSE))) wanted_terms(frames[[1]], of(bars[!Reduce(`|`, found)]))
  lapply(found, function(own) if (any(own)) of(bars[own]) else NA)
}
