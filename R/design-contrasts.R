# What `contrasts` may name: factors among the covariates of all parts of a formula.

# Contrasts are for columns of a model matrix: a factor that only names the levels of a term has none.
check_contrasts <- function(contrasts, formula, data) {
  if (is.null(contrasts)) return(invisible())
  if (!is.list(contrasts) || is.null(names(contrasts))) {
    abort_twill("design", "{.arg contrasts} must be a list named by factors, such as {.code list(f = \"contr.sum\")}.")
  }
  known <- contrast_names(formula, data)
  unknown <- setdiff(names(contrasts), unlist(known))
  if (length(unknown) == 0) return(invisible())
  abort_twill("design", c("{.arg contrasts} names what is no factor among the covariates of {.arg formula}: {.val {unknown}}.",
                          if (length(known$factors)) c("i" = "Its factors are {.val {known$factors}}.")))
}

# What contrasts may be of: list(factors, calls), the latter such as factor(x), whose type the data do not say.
contrast_names <- function(formula, data) {
  known <- contrast_variables(formula)
  list(factors = Filter(function(name) is_category(data[[name]]), intersect(known, names(data))),
       calls = grep("(", known, fixed = TRUE, value = TRUE))
}

# Variables of all model matrices of a formula, as they are written there.
contrast_variables <- function(formula) {
  if (has_responses(formula)) return(unique(unlist(lapply(formula$responses, contrast_variables))))
  parts <- compact(c(list(formula$fixed, formula$dispersion), lapply(all_bars(formula), `[[`, "rhs")))
  unique(unlist(lapply(parts, function(part) rownames(attr(stats::delete.response(stats::terms(part)), "factors")))))
}
