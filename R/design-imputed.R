# Predictors with missing values, mi(x): what the formula that imputes them says of the rows in which they are missing.
#
# The linear predictor and the standard deviation of x | mi() ~ z in such a row are mean and standard deviation of its value, as
# those of me(x, sdx) are parameters. The engine has a row for each, without weight, beside those of the responses.

# Completes what designs of responses have of imputed predictors, beside what new_latents() says: `by`, the response that imputes;
# `places`, the rows that have one; `error`, infinite where nothing was seen; `imputing`, their design in the formula of `by`.
with_imputed <- function(designs, input, family) {
  for (resp in names(designs)) if (length(imputed_columns(input$responses[[resp]]$formula)) > 0) {
    latents <- lapply(designs[[resp]]$latents, imputed_latent, resp = resp, designs = designs, input = input, family = family)
    latents <- compact(latents)
    designs[[resp]]["latents"] <- list(if (length(latents) > 0) latents)
  }
  designs
}

# NULL where nothing of it is missing or measured with error.
imputed_latent <- function(latent, resp, designs, input, family) {
  own <- input$responses[[resp]]
  by <- imputing_response(lapply(input$responses, `[[`, "formula"), latent$imputed)
  se <- input$responses[[by]]$formula$addition$se
  is_missing <- own$imputed[[latent$imputed]]
  places <- if (is.null(se)) which(is_missing) else seq_along(is_missing)
  if (length(places) == 0) return(NULL)
  numbers <- match(rownames(own$data)[places], rownames(input$data))
  rows <- input$data[numbers, , drop = FALSE]
  latent$by <- by
  latent$places <- places
  latent$observed <- latent$observed[places]
  latent$loadings <- latent$loadings[places, , drop = FALSE]
  latent$error <- rep(Inf, length(places))
  if (!is.null(se)) {
    seen <- !is_missing[places]
    latent$error[seen] <- rep_len(as.numeric(evaluate_term(se, rows, input$responses[[by]]$formula$env)), length(seen))[seen]
  }
  latent$values <- sprintf("%s_%s[%d]", if (is.null(se)) "Ymi" else "Yl", by, numbers)
  latent$imputing <- imputing_design(input$responses[[by]], designs[[by]], rows, latent$imputed, family)
  latent$expected <- latent$observed
  fitted <- least_squares(designs[[by]], latent$imputing)
  latent$expected[is_missing[places]] <- fitted[is_missing[places]]
  latent
}

# Rows by the blueprint of the response that imputes; what it says nothing about cannot be imputed.
imputing_design <- function(part, design, rows, column, family) {
  frame <- new_twill_model(list(formula = part$formula, data = part$data, design = design, family = family), "twillfit")
  refuse <- function(e) {
    why <- conditionMessage(e)
    abort_twill("data", c("{.field {column}} cannot be imputed in all rows where it is missing.", "x" = "{why}",
                          "i" = "Leave such rows out by {.arg subset}, or simplify the formula of {.field {column}}."))
  }
  design <- tryCatch(design_newdata(frame, rows), twill_error_newdata = refuse, twill_warning_design = refuse)
  c(design[c("x", "x_disp", "offset", "terms", "disp_terms")], list(row_names = rownames(rows)))
}

# What is expected of new rows, roughly: by population-level columns alone.
least_squares <- function(design, rows) {
  b <- stats::lm.fit(design$x, design$y - design$offset)$coefficients
  drop(rows$x %*% replace(b, is.na(b), 0)) + rows$offset
}

# Of the whole ------------------------------------------------------------------------------------------------------------

# The same of rows one below the other; `rows`, those that impute, as rows of the whole.
stacked_latents <- function(designs, plan) {
  sizes <- vapply(designs, function(design) nrow(design$x), 0L)
  before <- cumsum(c(0L, sizes))[seq_along(sizes)]
  found <- Map(function(design, resp, before) {
    lapply(design$latents, function(latent) {
      latent$places <- latent$places + before
      colnames(latent$loadings) <- of_response(resp, colnames(latent$loadings))
      parts <- lapply(designs, picked_rows, i = integer())
      parts[[latent$by]] <- c(latent$imputing, designs[[latent$by]]["dispersion"])
      parts[[latent$by]]$y <- latent$expected
      latent$rows <- stack_rows(parts, plan)
      latent
    })
  }, designs, names(designs), before)
  # NULL, not an empty list, where nothing is imputed: what is there is integrated over.
  out <- unlist(unname(found), recursive = FALSE)
  if (length(out) > 0) out
}

# The design with these rows at its end. They have no weight: nothing was seen there.
with_imputing_rows <- function(design) {
  for (rows in compact(lapply(design$latents, `[[`, "rows"))) {
    n <- length(rows$y)
    design$y <- c(design$y, rows$y)
    design$offset <- c(design$offset, rows$offset)
    design$weights <- c(design$weights, rep(0, n))
    if (!is.null(design$se)) design$se <- c(design$se, rep(1, n))
    for (part in c("x", "x_disp")) if (!is.null(design[[part]])) design[[part]] <- rbind(design[[part]], rows[[part]])
    for (part in c("terms", "disp_terms")) design[[part]] <- Map(function(term, more) {
      term$codes <- c(term$codes, more$codes)
      term$z <- rbind(term$z, more$z)
      term
    }, design[[part]], rows[[part]])
  }
  design
}

# For the engine: which rows have a predictor that is imputed, and which impute it, from zero.
rows_of_imputed <- function(latent) {
  if (!is.null(latent$places)) list(rows = as.integer(latent$places - 1), sources = as.integer(latent$sources - 1))
}

# `sources` are numbers of the rows that with_imputing_rows() adds.
numbered_sources <- function(design) {
  n <- nrow(design$x)
  for (k in seq_along(design$latents)) if (!is.null(design$latents[[k]]$places)) {
    size <- length(design$latents[[k]]$places)
    design$latents[[k]]$sources <- n + seq_len(size)
    n <- n + size
  }
  design
}
