# What conditions say of the variables that they do not name: averages over their levels, and a word on reference levels.

# Conditions with `.average` as sums of conditions that name every variable: all combinations of the levels of factors, each
# with the same weight, and numbers at their mean (the reference grid of emmeans).
average_cond <- function(model, cond) {
  averages <- lapply(cond$values, attr, "average")
  if (all(lengths(averages) == 0)) return(cond)
  parts <- Map(function(weight, values, average) {
    if (is.null(average)) return(new_cond(weight, list(values)))
    grid <- average_grid(model, setdiff(averaged_variables(model, average), names(values)))
    new_cond(rep(weight / max(1, length(grid)), max(1, length(grid))),
             if (length(grid)) lapply(grid, function(others) c(plain_values(values), others)) else list(plain_values(values)))
  }, cond$weights, cond$values, averages)
  Reduce(join_cond, parts)
}

plain_values <- function(values) {
  attr(values, "average") <- NULL
  values
}

averaged_variables <- function(model, average) {
  known <- population_variables(model)
  if (isTRUE(average)) return(known)
  unknown <- setdiff(average, known)
  if (length(unknown) == 0) return(average)
  abort_twill("contrast", c("{.arg .average} must name variables of the design, or be TRUE: there is no {.val {unknown}}.",
                            did_you_mean(unknown[1], known), "i" = "They are {.val {known}}."))
}

# Variables that columns of the design are made of, not those that only say which level of a group a row has.
population_variables <- function(model) {
  blueprint <- model$design$blueprint
  parts <- compact(c(list(blueprint, blueprint$dispersion), blueprint$groups))
  intersect(unique(unlist(lapply(parts, function(part) variables_in(stats::delete.response(part$terms))))), names(model$data))
}

# A list of lists of values, one for each combination.
average_grid <- function(model, variables) {
  if (length(variables) == 0) return(list())
  values <- lapply(stats::setNames(variables, variables), function(name) {
    column <- model$data[[name]]
    if (is.factor(column)) levels(column) else if (is.logical(column)) c(FALSE, TRUE) else
      like_column(mean_over_rows(model, column), column)
  })
  rows <- expand.grid(values, KEEP.OUT.ATTRS = FALSE, stringsAsFactors = FALSE)
  lapply(seq_len(nrow(rows)), function(i) lapply(as.list(rows), `[[`, i))
}

# Reference levels -------------------------------------------------------------------------------------------------

# A difference of conditions is at the reference values of variables that interact with those named: nobody should take it for
# an average.
say_reference_levels <- function(model, contrast) {
  if (is_level_triple(model, contrast)) contrast <- triple_cond(contrast)
  if (!inherits(contrast, "tw_cond") || abs(sum(contrast$weights)) > 1e-8) return(invisible())
  cond <- average_cond(model, contrast)
  silent <- setdiff(population_variables(model), unlist(lapply(cond$values, names)))
  matters <- Filter(function(name) depends_on(model, cond, name), silent)
  if (length(matters) == 0) return(invisible())
  at <- vapply(matters, function(name) sprintf("%s = %s", name, level_text(reference_value(model, name))), "")
  inform_twill("reference", c("The contrast is at {.val {at}}: it is another elsewhere, as the design has interactions.",
                              "i" = "Name other values in {.fn cond}, or average: {.code cond(..., .average = TRUE)}."))
}

# Whether the contrast changes with a variable that it does not name.
depends_on <- function(model, cond, name) {
  column <- model$data[[name]]
  others <- if (is.factor(column)) levels(column)[-1] else if (is.logical(column)) TRUE else
    like_column(as.numeric(reference_value(model, name)) + 1, column)
  # Elsewhere the data may say nothing of it.
  weights <- function(cond) {
    found <- tryCatch(cond_weights(model, cond), twill_error_contrast = function(e) NULL)
    c(found$x, unlist(lapply(found$terms, `[[`, "weights")))
  }
  here <- weights(cond)
  there <- lapply(others, function(value) {
    weights(new_cond(cond$weights, lapply(cond$values, function(v) c(v, stats::setNames(list(value), name)))))
  })
  any(vapply(there, function(w) length(w) == 0 || length(w) == length(here) && any(abs(w - here) > 1e-10), TRUE))
}
