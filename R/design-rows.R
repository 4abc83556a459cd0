# Rows of a design: offsets, weights, standard errors; and what must hold for the columns.

checked_offset <- function(offset, family, data) {
  offset <- if (is.null(offset)) rep(0, nrow(data)) else as.numeric(offset)
  if (!is_count_family(family) || all(abs(offset) <= largest_offset)) return(offset)
  rows <- rownames(data)[abs(offset) > largest_offset]
  values <- offset[abs(offset) > largest_offset]
  abort_twill("data", c("The {.fn offset} is too large: the mean is its exponential times that of the other terms.",
                        "x" = paste("It exceeds {largest_offset} in {length(rows)} row{?s}:",
                                    "{.val {some(rows)}} ({.val {some(values)}})."),
                        "i" = "An exposure or library size enters as its logarithm: {.code offset(log(size))}."))
}

checked_weights <- function(formula, data) {
  if (is.null(formula$addition$weights)) return(rep(1, nrow(data)))
  weights <- row_values(formula$addition$weights, "weights", formula, data)
  refuse_rows(weights < 0, weights, "weights", "Weights must not be negative.", data)
  if (all(weights == 0)) abort_twill("data", "All {.arg weights} are zero: no row would count.")
  weights
}

checked_se <- function(formula, data, family) {
  if (is.null(formula$addition$se)) return(NULL)
  if (!takes_errors(family)) {
    abort_twill("formula", "{.fn se} in the response needs {.code family = gaussian()}, not {.val {family$family}}.")
  }
  se <- row_values(formula$addition$se, "se", formula, data)
  refuse_rows(se <= 0, se, "se", "Known standard errors must be positive.", data)
  se
}

row_values <- function(expression, name, formula, data) {
  values <- evaluate_term(expression, data, formula$env)
  if (!is.numeric(values) || !length(values) %in% c(1, nrow(data))) {
    given <- class(values)[1]
    abort_twill("data", c("{.fn {name}} in the response must be numeric, one value per row.",
                          "x" = "It is of class {.cls {given}} and length {length(values)}."))
  }
  rep_len(as.numeric(values), nrow(data))
}

refuse_rows <- function(bad, values, name, rule, data) {
  if (!any(bad)) return(invisible())
  rows <- rownames(data)[bad]
  given <- values[bad]
  abort_twill("data", c(rule, "x" = "{.arg {name}} breaks this in {length(rows)} row{?s}: {.val {some(rows)}}.",
                        "x" = "Values there: {.val {some(given)}}."))
}

# Effects of levels that have one row each are errors of these rows: with a residual sd the data know the sum of both
# variances only.
check_rows_of_levels <- function(design) {
  if (!identical(design$dispersion, "sigma") || !is.null(design$x_disp)) return(invisible())
  is_error <- function(term) {
    is_own <- is.null(term$precision) && is.null(term$root) && !has_members(term)
    is_own && length(term$levels) == n_rows(design) && any(constant_columns(term$z))
  }
  groups <- vapply(Filter(is_error, design$terms), `[[`, "", "group")
  if (length(groups) == 0) return(invisible())
  warn_twill("design", c(
    "Each level of {.field {groups[1]}} has one row: its effect and the residual error cannot be told apart.",
    "x" = "The data know the sum of their variances; the priors alone divide it between {.field sd} and {.field sigma}.",
    "i" = "Remove the term; or, where the errors are known, give them: {.code y | se(s) ~ ...}."))
}

# A factor with a level in each row, as a number of the rows or a barcode is, has a slope per row in every group: these are errors
# of single rows, of which each has a standard deviation of its own. Genes and cells would learn hundreds of priors of nothing.
# `n` is the number of values, which may have been merged to fewer rows.
refuse_slopes_of_rows <- function(terms, n) {
  is_saturated <- vapply(terms, function(term) ncol(term$z) > 2 && ncol(term$z) >= n, NA)
  if (!any(is_saturated)) return(invisible())
  term <- terms[[which(is_saturated)[1]]]
  abort_twill("design", c(
    "A group-level term must have fewer coefficients than the response has values.",
    "x" = "That of {.field {term$group}} has {length(term$coefs)} for {n} values: {.val {some(term$coefs)}}.",
    "i" = "A factor with a level for each value has no slopes: take it out of the term.",
    "i" = "Numbers that were read as a factor are had back by {.code as.numeric(as.character(x))}."))
}

# Some rows of a design, or of that of new data: what all of them have.
picked_rows <- function(design, i) {
  for (part in c("y", "offset", "weights", "se", "row_names")) design[[part]] <- design[[part]][i]
  for (part in c("x", "x_disp")) {
    if (!is.null(design[[part]])) design[[part]] <- design[[part]][i, , drop = FALSE]
  }
  for (part in c("terms", "disp_terms")) design[[part]] <- lapply(design[[part]], function(term) {
    term$codes <- term$codes[i]
    term$new_levels <- term$new_levels[i]
    term$z <- term$z[i, , drop = FALSE]
    term
  })
  design
}
