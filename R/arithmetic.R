# Arithmetic in texts of users, of priors and hypotheses: which parts may be evaluated. A text is data, not a program.

allowed_functions <- c("+", "-", "*", "/", "^", "(", "exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "abs", "plogis",
                       "pmin", "pmax")

arithmetic_constants <- stats::setNames(list(pi, TRUE, FALSE), c("pi", "T", "F"))

# Nothing but what may be called can be found here.
arithmetic_env <- list2env(c(mget(setdiff(allowed_functions, "plogis"), envir = baseenv()), plogis = stats::plogis,
                             arithmetic_constants), parent = emptyenv())

# Texts of the parts of an expression that are not arithmetic with numbers and these variables.
not_arithmetic <- function(expression, variables = character()) {
  if (is.name(expression)) {
    name <- as.character(expression)
    return(if (!name %in% c(variables, names(arithmetic_constants))) name)
  }
  if (!is.call(expression)) return(if (!is.numeric(expression) && !is.logical(expression)) deparse1(expression))
  if (!is.name(expression[[1]]) || !as.character(expression[[1]]) %in% allowed_functions) return(deparse1(expression))
  unlist(lapply(as.list(expression)[-1], not_arithmetic, variables = variables))
}
