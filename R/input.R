# The data of a model: the columns a formula needs, without missing values, checked before anything is built from them.

# Returns list(formula, data, rows, n_given): the formula with the arguments `weights` and `offset` folded in and its
# environment reduced; the data as a plain data frame of the columns used, with the attribute "na.action" if rows were dropped;
# the numbers of these rows among the `n_given` of the user's.
# `arguments` is a list of unevaluated expressions (weights, offset, subset), to be evaluated in the data, then `env`.
# Of several responses, `is_one`, columns with missing values that are imputed come filled.
prepare_input <- function(formula, data, na_action = stats::na.omit, arguments = list(), env = parent.frame(), silent = 1,
                          is_one = FALSE) {
  if (!is_one) refuse_mi_alone(formula)
  data <- as_plain_data(data, as_text = only_groups(formula))
  folded <- fold_arguments(formula, data, arguments, env)
  n_given <- nrow(data)
  rows <- subset_rows(arguments$subset, data, env, arguments$values$subset)
  formula <- absorb_intercept(folded$formula, names(data))
  data <- select_columns(formula, folded$data[rows, , drop = FALSE])
  formula <- set_formula_env(formula, minimal_env(formula, names(data)))
  data <- drop_missing(formula, data, na_action, silent)
  check_finite(formula, data)
  omitted <- attr(data, "na.action")
  list(formula = formula, data = data, rows = if (is.null(omitted)) rows else rows[-omitted], n_given = n_given)
}

# Tibbles and data.tables become plain data frames; other things are refused, as their columns are ambiguous. Of integer64,
# columns named in `as_text` keep all digits. `arg` is the argument that the user gave, and the kind of errors.
as_plain_data <- function(data, arg = "data", as_text = character()) {
  if (missing(data) || is.null(data)) abort_twill(arg, "{.arg {arg}} is missing: it must be a data frame.")
  if (!is.data.frame(data)) {
    given <- class(data)[1]
    abort_twill(arg, c("{.arg {arg}} must be a data frame.", "x" = "It is of class {.cls {given}}.",
                       "i" = "Convert it with {.fn as.data.frame}."))
  }
  rows <- attr(data, "row.names")
  columns <- lapply(stats::setNames(nm = seq_along(data)), function(j) {
    plain_column(.subset2(data, j), names(data)[j] %in% as_text)
  })
  data <- structure(columns, names = names(data), row.names = rows, class = "data.frame")
  if (arg == "newdata") check_rows(data, "{.arg newdata} has 0 rows.", "There is nothing to predict.", arg) else check_rows(data)
}

check_rows <- function(data, why = "{.arg data} has 0 rows.", what = "There are no data to fit.", kind = "data",
                       .envir = parent.frame()) {
  if (nrow(data) > 0) return(data)
  abort_twill(kind, c(what, "x" = why), .envir = .envir)
}

# Grouping factors that are nothing else in the model.
only_groups <- function(formula) {
  groups <- unlist(lapply(all_bars(formula), function(bar) c(bar$vars, bar$by)))
  setdiff(groups, unlist(lapply(formula_expressions(formula), variables_in)))
}

# Arguments ------------------------------------------------------------------------------------------------------

# `weights` and `offset` as arguments become weights() and offset() of the formula: by their expression where it only
# names columns (so that predictions evaluate it in new data), else as a column of their own.
fold_arguments <- function(formula, data, arguments, env) {
  formula$arguments <- as.list(formula$arguments)
  for (name in c("weights", "offset")) {
    if (is.null(arguments[[name]])) next
    expression <- argument_expression(arguments[[name]], name, data, env, arguments$values[[name]])
    if (is.null(expression)) next
    if (!is.null(expression$value)) data[[as.character(expression$term)]] <- expression$value
    formula$arguments[[name]] <- expression$term
    formula <- if (name == "offset") fold_offset(formula, expression$term) else fold_weights(formula, expression$term)
  }
  list(formula = formula, data = data)
}

argument_expression <- function(expression, name, data, env, in_place = NULL) {
  variables <- variables_in(expression)
  if (length(variables) > 0 && all(variables %in% names(data))) return(list(term = expression))
  value <- evaluate_argument(expression, data, env, in_place, function(why) refuse_argument(name, why))
  if (is.null(value)) return(NULL)
  value <- plain_column(value)
  if (!is.numeric(value) || !length(value) %in% c(1, nrow(data))) {
    refuse_argument(name, sprintf("It has length %d and class %s.", length(value), class(value)[1]))
  }
  list(term = as.name(paste0(".", name)), value = rep_len(as.numeric(value), nrow(data)))
}

# In the data and the frame of the caller, or, where that fails, where the argument was written (`in_place`, a function).
evaluate_argument <- function(expression, data, env, in_place, refuse) {
  tryCatch(with_own_warnings(eval(expression, data, env)), error = function(e) {
    tryCatch((in_place %||% function() stop(e))(), error = function(unused) refuse(conditionMessage(e)))
  })
}

# An argument that could not be evaluated is not asked for again, as R would warn of that: it fails as it did. Pieces of data ask
# more than once.
failing_once <- function(value) {
  force(value)
  kept <- new.env()
  function() {
    if (!is.null(kept$error)) stop(kept$error)
    tryCatch(value(), error = function(e) {
      kept$error <- e
      stop(e)
    })
  }
}

# Warnings of an expression of the user's, which say nothing of where they come from.
with_own_warnings <- function(code) {
  withCallingHandlers(code, warning = function(w) {
    why <- conditionMessage(w)
    warn_twill("data", c("An argument that is computed from {.arg data} warns.", "x" = "{why}"))
    invokeRestart("muffleWarning")
  })
}

refuse_argument <- function(name, why) {
  abort_twill("data", c("{.arg {name}} must be numeric with one value per row of {.arg data}, or name columns of it.",
                        "x" = "{why}"))
}

fold_offset <- function(formula, term) {
  # R counts a term once however often it stands there, but this is another offset.
  if (call_stands_in(call("offset", term), formula$fixed[[3]])) term <- call("(", term)
  formula$fixed[[3]] <- call("+", formula$fixed[[3]], call("offset", term))
  formula
}

call_stands_in <- function(call, expression) {
  identical(call, expression) || is.call(expression) && any(vapply(as.list(expression)[-1], call_stands_in, NA, call = call))
}

fold_weights <- function(formula, term) {
  if (!is.null(formula$addition$weights)) {
    abort_twill("data", "Weights are given twice: in the response of {.arg formula} and as the argument {.arg weights}.")
  }
  formula$addition$weights <- term
  formula
}

# Rows that are not `all_there` have no numbers.
subset_rows <- function(expression, data, env, in_place = NULL, all_there = TRUE) {
  all_rows <- seq_len(nrow(data))
  if (is.null(expression)) return(all_rows)
  rows <- evaluate_argument(expression, data, env, in_place, refuse_subset)
  if (is.null(rows)) return(all_rows)
  if (is.logical(rows) && length(rows) == nrow(data)) return(which(rows))
  if (!all_there) refuse_numbers_of_rows(rows)
  if (is.numeric(rows) && all(abs(rows) %in% all_rows)) return(all_rows[rows])
  refuse_subset(sprintf("It has length %d and class %s.", length(rows), class(rows)[1]))
}

refuse_subset <- function(why) {
  abort_twill("data", c("{.arg subset} must be a condition on the rows of {.arg data}, or row numbers.", "x" = "{why}"))
}

# Columns --------------------------------------------------------------------------------------------------------

select_columns <- function(formula, data) {
  check_rows(data, "{.arg subset} leaves 0 rows.")
  variables <- formula_variables(formula)
  data <- add_intercept_column(variables, data)
  check_columns(formula, data)
  data <- data[intersect(variables, names(data))]
  for (name in names(data)) data[[name]] <- check_column(data[[name]], name)
  check_groups(formula, data)
  data
}

# brms' `0 + Intercept`: the name stands for a column of ones.
add_intercept_column <- function(variables, data) {
  for (name in setdiff(intersect(c("Intercept", "intercept"), variables), names(data))) data[[name]] <- rep(1, nrow(data))
  data
}

# In `0 + Intercept + f` the name also is the level that the contrasts of factors are against: an intercept like any other,
# but with a prior as that of a slope.
absorb_intercept <- function(formula, columns) {
  formula$fixed <- with_intercept(formula$fixed, columns)
  if (!is.null(formula$dispersion)) formula$dispersion <- with_intercept(formula$dispersion, columns)
  for (bars in intersect(c("bars", "dispersion_bars"), names(formula))) formula[[bars]] <- lapply(formula[[bars]], function(bar) {
    bar$rhs <- with_intercept(bar$rhs, columns)
    bar
  })
  formula
}

with_intercept <- function(formula, columns) {
  terms <- stats::terms(formula)
  labels <- attr(terms, "term.labels")
  name <- setdiff(intersect(c("Intercept", "intercept"), labels), columns)
  elsewhere <- setdiff(labels, name)
  if (attr(terms, "intercept") == 1 || length(name) != 1) return(formula)
  offsets <- as.list(attr(terms, "variables"))[-1][attr(terms, "offset")]
  right <- c(lapply(elsewhere, str2lang), offsets)
  if (name %in% unlist(lapply(right, variables_in))) return(formula)
  formula[[length(formula)]] <- Reduce(function(a, b) call("+", a, b), right, 1)
  attr(formula, "ordinary_intercept") <- name
  formula
}

missing_columns <- function(formula, data) {
  variables <- setdiff(formula_variables(formula), names(data))
  variables[!vapply(variables, is_constant_of, TRUE, formula = formula, n = nrow(data))]
}

# `elsewhere`: variables that stand elsewhere. A response that was put into `data` is none of the user's columns.
check_columns <- function(formula, data, elsewhere = character()) {
  missing <- setdiff(missing_columns(formula, data), elsewhere)
  if (length(missing) == 0) return(invisible())
  near <- unique(unlist(lapply(missing, nearest, candidates = names(data))))
  known <- some(setdiff(names(data), response_name), 20)
  hint <- if (length(near) > 0) "Did you mean {.val {near}}?" else if (length(known) > 0) "{.arg data} has {.val {known}}."
  outside <- Filter(function(name) is.atomic(get0(name, formula$env)) && !is.null(get0(name, formula$env)), missing)
  abort_twill("data", c("{.arg formula} names {length(missing)} variable{?s} that {.arg data} does not have: {.val {missing}}.",
                        "i" = hint %||% "{.arg data} has no columns.",
                        if (length(outside) > 0) c("i" = "Only columns of {.arg data} are used: add {.val {outside}} to it.")))
}

# A variable that is no column may be a constant in a call, such as k in poly(x, k); never a term of its own.
is_constant_of <- function(name, formula, n) {
  value <- get0(name, envir = formula$env)
  if (!is.atomic(value) || is.null(value) || (n > 1 && length(value) == n)) return(FALSE)
  expressions <- formula_expressions(formula)
  terms <- lapply(expressions, function(e) if (inherits(e, "formula")) e[[3]] else e)
  groups <- unlist(lapply(all_bars(formula), function(bar) c(bar$vars, bar$by)))
  !name %in% c(unlist(lapply(terms, bare_terms)), groups, formula$response)
}

# Variables that are terms by themselves or in interactions, not inside a function.
bare_terms <- function(expression) {
  if (is.name(expression)) return(as.character(expression))
  if (is_call_to(expression, c(term_operators, "offset"))) {
    return(unlist(lapply(as.list(expression)[-1], bare_terms)))
  }
  NULL
}

check_column <- function(column, name) {
  # What scale() makes: one column.
  if (is.matrix(column) && is.numeric(column) && ncol(column) == 1 && is.null(colnames(column))) column <- as.vector(column)
  if (is.null(dim(column))) {
    if (is.character(column)) return(level_factor(column))
    if (is.factor(column) || is.numeric(column) || is.logical(column)) return(column)
    if (inherits(column, c("Date", "POSIXct", "difftime"))) return(column)
  }
  if (is.matrix(column) && is.numeric(column)) return(column)
  kind <- column_kind(column)
  abort_twill("data", c("Column {.val {name}} of {.arg data} must be numeric, logical, text, a factor, a date or a time.",
                        "x" = "It is {kind}.", bullets(column_way_out(column, name))))
}

column_way_out <- function(column, name) {
  place <- paste0("data$", name)
  if (is.data.frame(column)) {
    inner <- names(column)
    return(cli_verbatim("Its columns are {.field %s}: make one a column of {.arg data}, {.code %s <- %s$%s}.",
                        toString(inner), place, place, inner[1]))
  }
  if (inherits(column, "POSIXlt")) return(cli_verbatim("Convert it: {.code %s <- as.POSIXct(%s)}.", place, place))
  if (is.list(column)) return(cli_verbatim("Where each row has one value: {.code %s <- unlist(%s)}.", place, place))
  if (is.matrix(column)) return(cli_verbatim("Make its columns columns of {.arg data}: {.code %s1 <- %s[, 1]}.", place, place))
  if (is.complex(column)) return("Take a number of it: {.fn Re}, {.fn Im}, {.fn Mod} or {.fn Arg}.")
  cli_verbatim("Convert it: {.code %s <- as.numeric(%s)}, or {.fn as.character}.", place, place)
}

# Matrices can be covariates, one coefficient per column; their rows are no levels.
check_groups <- function(formula, data) {
  for (name in intersect(unlist(lapply(all_bars(formula), function(bar) bar$vars)), names(data))) {
    if (is.null(dim(data[[name]]))) next
    abort_twill("data", c("A grouping factor must have one value per row.",
                          "x" = "{.val {name}} is a matrix of {ncol(data[[name]])} columns.",
                          bullets(column_way_out(data[[name]], name))))
  }
}
