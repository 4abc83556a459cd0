# Errors of rows with a known covariance, fcor(V): what a formula says of them.

# The right side of a formula without fcor(), and the name of its matrix (NULL without).
split_fcor <- function(expression) {
  found <- fcor_terms(expression)
  if (length(found) == 0) return(list(rest = expression))
  is_fcor <- function(term) is_call_to(term, "fcor")
  list(rest = drop_terms(expression, is_fcor) %||% 1, name = fcor_name(found))
}

fcor_terms <- function(expression) {
  if (is_call_to(expression, "fcor")) return(list(expression))
  if (is_call_to(expression, "+")) return(unlist(lapply(as.list(expression)[-1], fcor_terms), recursive = FALSE))
  if (is_call_to(expression, "-")) fcor_terms(expression[[2]])
}

fcor_name <- function(terms) {
  if (length(terms) > 1) abort_twill("formula", "{.fn fcor} stands twice in {.arg formula}: the errors have one covariance.")
  arguments <- as.list(terms[[1]])[-1]
  is_one <- length(arguments) == 1 && (names(arguments) %||% "") %in% c("", "M")
  value <- if (is_one) arguments[[1]]
  if (is.name(value) || (is.character(value) && length(value) == 1)) return(as.character(value))
  text <- deparse1(terms[[1]])
  abort_twill("formula", c("{.fn fcor} takes the name of a matrix in {.arg data2}.", "x" = "It is {.code {text}}."))
}

refuse_fcor <- function(formula, where) {
  if (is.null(formula$fcor)) return(formula)
  abort_twill("formula", c("{.fn fcor} is not supported for {where}.",
                           "i" = "{.fn twill} has it, for one Gaussian response."))
}
