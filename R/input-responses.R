# The data of a model of several responses: each has the rows in which its own variables are there.

# list(formula, data, rows, n_given, responses): as prepare_input(), whose result for each response is in `responses`; `data` are
# the rows of at least one, with the columns of all.
prepare_responses <- function(formula, data, na_action = stats::na.omit, arguments = list(), env = parent.frame(), silent = 1) {
  if (is_source(data)) refuse_pieces_of_several()
  refuse_row_arguments(arguments, data, env)
  data <- as_plain_data(data, as_text = only_groups(formula))
  rows <- subset_rows(arguments$subset, data, env, arguments$values$subset)
  given <- data[rows, , drop = FALSE]
  inputs <- lapply(formula$responses, prepare_input, data = given, na_action = na_action, silent = 2)
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
  lost <- vapply(inputs, function(input) n - length(input$rows), 0)
  if (all(lost == 0)) return(invisible())
  counts <- paste0(names(inputs), " (", lost, ")")[lost > 0]
  inform_twill("missing", c("Dropped rows of {n} with missing values, by response: {.val {counts}}.",
                            "i" = "A row counts for the responses whose variables it has."), silent)
}
