# The data of a model of several responses: each has the rows in which its own variables are there.

# list(formula, data, rows, n_given, responses): as prepare_input(), whose result for each response is in `responses`; `data` are
# the rows of at least one, with the columns of all.
prepare_responses <- function(formula, data, na_action = stats::na.omit, arguments = list(), env = parent.frame(), silent = 1) {
  if (is_source(data)) refuse_pieces_of_several()
  refuse_row_arguments(arguments, data, env)
  data <- as_plain_data(data, as_text = only_groups(formula))
  rows <- subset_rows(arguments$subset, data, env, arguments$values$subset)
  given <- data[rows, , drop = FALSE]
  check_imputed(formula$responses)
  able <- imputable_rows(formula$responses, given)
  inputs <- lapply(formula$responses, prepare_response, given = given, able = able, na_action = na_action)
  used <- sort(unique(unlist(lapply(inputs, `[[`, "rows"))))
  say_missing_of_responses(inputs, nrow(given), silent)
  formula$responses <- lapply(inputs, `[[`, "formula")
  whole <- columns_of_responses(formula, given)[used, , drop = FALSE]
  whole[] <- lapply(whole, drop_unused_levels)
  lost <- setdiff(seq_len(nrow(given)), used)
  if (length(lost) > 0) attr(whole, "na.action") <- omitted_rows(given, rownames(given)[lost], "omit")
  list(formula = formula, data = whole, rows = rows[used], n_given = nrow(data), responses = inputs)
}

refuse_pieces_of_several <- function() {
  abort_twill("data", c("Data in pieces are not supported for several responses.",
                        "i" = "Give {.arg data} as one data frame, or fit each response by itself."))
}

refuse_row_arguments <- function(arguments, data, env) {
  for (name in c("weights", "offset")) {
    if (is.null(arguments[[name]])) next
    way_out <- if (name == "weights") "{.code mvbind(y1, y2) | weights(w) ~ x}, or {.code y1 | weights(w) ~ x} for one." else
      "{.code offset(log(size))} in the formula of each response."
    abort_twill("data", c("The argument {.arg {name}} is for one response.", "i" = paste("Say", way_out)))
  }
}

# The columns that the formulas name, as each of them has them.
columns_of_responses <- function(formula, data) {
  columns <- lapply(unname(formula$responses), select_columns, data = data)
  all <- do.call(cbind, columns)
  all[!duplicated(names(all))]
}

say_missing_of_responses <- function(inputs, n, silent) {
  lost <- vapply(inputs, function(input) input$n_given - length(input$rows), 0)
  say_imputed(inputs, silent)
  if (all(lost == 0)) return(invisible())
  counts <- paste0(names(inputs), " (", lost, ")")[lost > 0]
  inform_twill("missing", c("Dropped rows of {n} with missing values, by response: {.val {counts}}.",
                            "i" = "A row counts for the responses whose variables it has."), silent)
}

# Missing predictors ---------------------------------------------------------------------------------------------------

# As prepare_input(), of one of several. Columns of which it has mi() are filled by the mean of what was seen, and `imputed` says
# by column in which of its rows; a response with mi() of its own has the rows in which it was seen.
prepare_response <- function(formula, given, able, na_action) {
  seen <- seq_len(nrow(given))
  if (imputes(formula)) seen <- which(!is.na(imputable_column(given, as.character(formula$response))))
  data <- given[seen, , drop = FALSE]
  columns <- imputed_columns(formula)
  for (column in columns) data[[column]] <- filled_column(given, column, able[[column]])[seen]
  input <- prepare_input(formula, data, na_action, silent = 2, is_one = TRUE)
  input$rows <- seen[input$rows]
  input$imputed <- lapply(stats::setNames(nm = columns), function(column) is.na(given[[column]])[input$rows])
  input
}

# By column that is imputed, list(rows, measured): the rows that have what its formula needs, and whether it has errors.
imputable_rows <- function(responses, given) {
  lapply(stats::setNames(nm = unname(imputing_columns(responses))), function(column) {
    formula <- responses[[imputing_response(responses, column)]]
    # Where nothing was measured, no error is asked for.
    is_missing <- is.na(imputable_column(given, column))
    for (name in intersect(variables_in(formula$addition$se), names(given))) given[[name]][is_missing] <- 1
    given[[column]] <- filled_column(given, column, list(rows = seq_len(nrow(given)), measured = FALSE))
    list(rows = prepare_input(formula, given, silent = 2, is_one = TRUE)$rows,
         measured = !is.null(formula$addition$se))
  })
}

# What is missing and can be imputed is the mean of what is not, a value to compute with. Where it cannot be, as it would not be
# known from where, the row is to be dropped.
filled_column <- function(given, column, able) {
  values <- imputable_column(given, column)
  is_missing <- is.na(values)
  can <- seq_along(values) %in% able$rows
  values[is_missing & can] <- mean(values[is.finite(values)])
  if (able$measured) values[!can] <- NA
  values
}

imputable_column <- function(given, column) {
  # What is no column is told with those of all terms.
  values <- plain_column(given[[column]] %||% rep(1, nrow(given)))
  if (is.numeric(values) && is.null(dim(values)) && any(is.finite(values))) return(as.numeric(values))
  kind <- if (is.numeric(values) && is.null(dim(values))) "all missing" else column_kind(values)
  abort_twill("data", c("A column that is imputed must hold numbers, and some of them.",
                        "x" = "{.field {column}} is {kind}."))
}

say_imputed <- function(inputs, silent) {
  for (input in inputs) for (column in names(input$imputed)) {
    n <- sum(input$imputed[[column]])
    if (n > 0) {
      inform_twill("missing", "{n} of {length(input$rows)} values of {.field {column}} are missing and imputed.", silent)
    } else {
      hint <- "{.code mi({column})} is then {.code {column}} itself, unless it is measured with error."
      inform_twill("missing", c("No value of {.field {column}} is missing where the response is there.", "i" = hint), silent)
    }
  }
}
