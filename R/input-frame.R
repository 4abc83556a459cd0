# What the terms of a formula evaluate to in the data, and whether the values can be used.

# Every evaluated term by its label: response, additions, and the variables of all model frames.
frame_columns <- function(formula, data) {
  frames <- unlist(lapply(model_parts(formula), function(part) as.list(evaluate_frame(part, data))), recursive = FALSE)
  additions <- compact(formula$addition[c("weights", "se")])
  values <- lapply(additions, evaluate_term, data = data, env = formula$env)
  for (i in which(lengths(values) != 1)) check_term_length(values[[i]], deparse1(additions[[i]]), nrow(data))
  columns <- c(frames, stats::setNames(values, vapply(additions, deparse1, "")))
  columns[!duplicated(names(columns))]
}

# Formulas that have a model frame each.
model_parts <- function(formula) {
  c(compact(list(formula$fixed, formula$dispersion)), lapply(all_bars(formula), function(bar) bar$rhs))
}

evaluate_frame <- function(formula, data, ...) {
  frame <- evaluated(stats::model.frame(formula, data, na.action = stats::na.pass, ...), formula)
  # R compares lengths only where there are several terms.
  for (name in names(frame)) check_term_length(frame[[name]], name, nrow(data))
  frame
}

check_term_length <- function(value, text, n) {
  if (NROW(value) == n) return(invisible())
  abort_twill("formula", c("A term of {.arg formula} must have one value per row of {.arg data}.",
                           "x" = "{.code {text}} has {NROW(value)} value{?s} for {n} row{?s}."))
}

evaluate_term <- function(expression, data, env) evaluated(eval(expression, data, env), expression)

# Errors of R while it evaluates terms become ours, with its text; its warnings (NaNs produced) are answered by the
# count of dropped rows.
evaluated <- function(value, expression) {
  text <- deparse1(expression)
  tryCatch(suppressWarnings(value), error = function(e) {
    why <- conditionMessage(e)
    abort_twill("formula", c("A term of {.arg formula} cannot be computed from {.arg data}.",
                             "x" = "In {.code {text}}: {why}"))
  })
}

# Terms such as I(x - mean(x)), whose value in a row depends on the other rows: R computes them anew in new data, from the
# rows that these have. Those of poly(), scale() and the like keep what they need. Found out by computing the term for a
# part of the rows.
warn_row_dependent <- function(terms, data) {
  found <- row_dependent_terms(terms, data)
  if (length(found) == 0) return(invisible())
  warn_twill("term", c("The value of {.code {found}} in a row depends on the other rows.",
                       "i" = "In new data it is computed anew, as R does, from the rows that are there: not the same number.",
                       "i" = "Use {.fn scale} as a term of its own, or add a column to {.arg data}."))
}

row_dependent_terms <- function(terms, data) {
  variables <- as.list(attr(terms, "predvars") %||% attr(terms, "variables"))[-1]
  labels <- vapply(as.list(attr(terms, "variables"))[-1], deparse1, "")
  is_asked <- vapply(variables, is.call, TRUE)
  parts <- parts_of_rows(nrow(data))
  is_dependent <- vapply(variables[is_asked], depends_on_rows, TRUE, data = data, env = environment(terms), parts = parts)
  labels[is_asked][is_dependent]
}

# Of n rows the first, the first third, and the last third backwards: sums over the rows before are then others.
parts_of_rows <- function(n) list(1L, seq_len(ceiling(n / 3)), n:ceiling(2 * n / 3))

depends_on_rows <- function(expression, data, env, parts) {
  value <- function(rows) tryCatch(suppressWarnings(eval(expression, data[rows, , drop = FALSE], env)), error = function(e) NULL)
  whole <- value(seq_len(nrow(data)))
  differs <- function(rows) {
    part <- value(rows)
    # What fails on few rows, or has one value for all, says nothing.
    if (is.null(part) || NROW(whole) != nrow(data) || NROW(part) != length(rows)) return(FALSE)
    !same_values(part, if (is.matrix(whole)) whole[rows, , drop = FALSE] else whole[rows])
  }
  any(vapply(parts, differs, TRUE))
}

same_values <- function(a, b) {
  if (!is.numeric(a)) return(identical(as.character(a), as.character(b)))
  isTRUE(all.equal(as.numeric(a), as.numeric(b), tolerance = 1e-8))
}

check_finite <- function(formula, data) {
  columns <- frame_columns(formula, data)
  for (name in names(columns)) {
    rows <- rownames(data)[infinite_in(columns[[name]])]
    if (length(rows) == 0) next
    abort_twill("data", c("Values of the model must be finite.",
                          "x" = "{.code {name}} is infinite in {length(rows)} row{?s}: {.val {some(rows)}}.",
                          "i" = "Remove or correct these rows; a logarithm of 0 is a common cause."))
  }
}

infinite_in <- function(column) {
  if (!is.numeric(column)) return(rep(FALSE, NROW(column)))
  if (is.matrix(column)) rowSums(is.infinite(column)) > 0 else is.infinite(column)
}

# Responses ------------------------------------------------------------------------------------------------------

response_values <- function(formula, data, family) {
  text <- deparse1(formula$response)
  y <- evaluate_term(formula$response, data, formula$env)
  check_response_type(y, text, nrow(data))
  y <- as.numeric(y)
  check_unit_of_response(y, text)
  if (is_count_family(family)) check_counts(y, text, family$family, rownames(data))
  y
}

check_response_type <- function(y, text, n) {
  is_vector <- is.numeric(y) && (is.null(dim(y)) || ncol(as.matrix(y)) == 1)
  if (is_vector && length(y) == n) return(invisible())
  shape <- if (is.null(dim(y))) "of length {length(y)}" else "with {ncol(y)} columns"
  kind <- column_kind(y)
  abort_twill("data", c("The response must be numeric, one value per row.",
                        "x" = paste("{.code {text}} is {kind},", shape, "for {n} rows."), bullets(response_way_out(y))))
}

# Squares of such numbers leave double precision: 0 or Inf.
check_unit_of_response <- function(y, text) {
  size <- max(abs(y), 0)
  if (size == 0 || (size < 1e130 && size > 1e-130)) return(invisible())
  what <- if (size < 1) "small" else "large"
  abort_twill("data", c("The response has values too {what} to compute with: at most {.val {signif(size, 3)}}.",
                        "i" = "Use other units: divide {.code {text}} by {.val {signif(size, 1)}}."))
}

response_way_out <- function(y) {
  if (!is.null(dim(y))) {
    return(c("Several responses are {.code mvbind(y1, y2) ~ x + (1 |p| g)}; for many, see {.fn twill_genes}.",
             paste("Were these successes and failures?", binomial_way_out)))
  }
  if (is.logical(y) || length(unique(y)) == 2) return(binomial_way_out)
  if (is.factor(y)) "Categories are not there as responses: {.pkg brms} has them."
}

check_counts <- function(y, text, family, row_names) {
  refuse <- function(bad, what, way_out = NULL) {
    if (!any(bad)) return(invisible())
    rows <- row_names[bad]
    values <- y[bad]
    abort_twill("data", c("The response of a {family} model must hold counts: whole numbers from 0 to 2^53.",
                          "x" = "{.code {text}} is {what} in {length(rows)} row{?s}: {.val {some(rows)}}.",
                          "x" = "Values there: {.val {some(values)}}.", "i" = way_out))
  }
  refuse(y < 0, "negative")
  refuse(y > 2^53, "too large to be told from its neighbours", "Rescale it, or use {.code family = gaussian()}.")
  refuse(y != round(y), "not whole", "Counts that were normalised belong back on the raw scale, with {.fn offset} for the size.")
}

# A response that says nothing about the model still has a posterior, but mostly that of the priors.
# A Gaussian likelihood grows without bound as sigma goes to 0 around a constant: no prior with mass near 0 makes up
# for it.
check_constant_response <- function(design, family, parameters) {
  y <- design$y
  if (any(y != y[1]) || any(design$merged$squares > 0)) return(invisible())
  if (is_count_family(family) && y[1] == 0) {
    return(warn_twill("data", c("All counts are zero.",
                                "i" = "The data only say that means are small: how small is up to the priors.")))
  }
  sigma <- parameters$parsed[parameters$class == "sigma"]
  if (n_rows(design) > 1 && length(sigma) && !record_of_prior(sigma[[1]])$leaves_zero) {
    abort_twill("data", c("The response has the same value in every row: {.val {y[1]}}.",
                          "x" = "The residual standard deviation would go to zero: there is no proper posterior.",
                          "i" = "Check the response, or give known standard errors: {.code y | se(s) ~ ...}."))
  }
  warn_twill("data", c("The response has the same value in every row: {.val {y[1]}}.",
                       "i" = "What the model says about spread and effects comes from the priors."))
}
