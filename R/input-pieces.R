# Reading data that come in pieces: each is checked as a data frame would be, and merged with those before it.

# As prepare_input(), with `merged` besides: `count`, the number of rows that each row of `data` stands for; `squares`, the sum of
# squares of their responses around it; `n`, their number; `n_given` and `n_dropped`; `response`, by response_summary(); whether
# rows were merged by moments of the response, so that no two are left that agree in all else.
prepare_source <- function(formula, data, family, na_action = stats::na.omit, arguments = list(), env = parent.frame(),
                           silent = 1) {
  refuse_rows_of_pieces(formula)
  source <- open_source(data, only_groups(formula))
  on.exit(source$close())
  reader <- new_reader(formula, family, missing_policy(na_action), arguments, env)
  while (!is.null(piece <- source$ask())) add_piece(reader, piece)
  merge_pending(reader)
  check_anything_read(reader)
  inform_dropped(reader, silent)
  merged <- list(count = reader$state$count, squares = reader$state$squares, n = reader$n, n_given = reader$n_given,
                 n_dropped = reader$n_given - reader$n, response = response_summary(reader$response),
                 is_by_moments = length(moment_response(reader)) > 0)
  list(formula = reader$formula, data = decoded_frame(reader), rows = NULL, n_given = reader$n_given, merged = merged)
}

# What needs rows one by one.
refuse_rows_of_pieces <- function(formula) {
  refuse_mi_alone(formula)
  special <- c(if (!is.null(formula$latents)) "me", if (!is.null(formula$fcor)) "fcor")
  if (length(special) == 0) return(invisible())
  abort_twill("data", c("{.fn {special}} in {.arg formula} needs all rows at once: {.arg data} must be a data frame."))
}

# `state`: the rows so far, merged, as list(columns, count, squares); `pending`: pieces that wait for that. Factors and texts
# stand there as numbers of levels in `levels`.
new_reader <- function(formula, family, policy, arguments, env) {
  list2env(list(asked = formula, family = family, policy = policy, arguments = arguments, env = env, formula = NULL,
                kinds = NULL, levels = list(), templates = list(), is_text = list(), linear = NULL, state = NULL,
                pending = list(), n_pending = 0, sample = NULL, n_pieces = 0, n = 0, n_given = 0, dropped = integer(),
                response = new_response_values()), parent = emptyenv())
}

add_piece <- function(reader, piece) {
  reader$n_pieces <- reader$n_pieces + 1
  in_piece(reader$n_pieces, {
    if (is.data.frame(piece) && nrow(piece) == 0) return(invisible())
    data <- checked_piece(reader, piece)
    if (nrow(data) == 0) return(invisible())
    if (is.null(reader$linear)) {
      refuse_bases(reader$formula, data)
      reader$linear <- linear_columns(reader$formula, data, reader$family)
    }
    add_response(reader, data)
    add_rows(reader, encoded_columns(reader, data), nrow(data))
  })
}

# An error says in which piece it is.
in_piece <- function(k, code) {
  tryCatch(code, twill_error = function(e) {
    way_out <- if (startsWith(conditionMessage(e), "A term of")) " What needs all rows must be a column of it."
    e$body <- c(e$body, "i" = paste0(sprintf("This is piece %d of `data`.", k), way_out))
    stop(e)
  })
}

# The columns that the model uses, without missing values; no row if none is left.
checked_piece <- function(reader, piece) {
  data <- as_plain_data(piece, as_text = only_groups(reader$asked))
  attr(data, "row.names") <- as.integer(reader$n_given + seq_len(nrow(data)))
  reader$n_given <- reader$n_given + nrow(data)
  check_arguments_by_column(reader$arguments, names(data))
  folded <- fold_arguments(reader$asked, data, reader$arguments, reader$env)
  note_rows(reader, data)
  rows <- subset_rows(reader$arguments$subset, data, reader$env, reader$arguments$values$subset, FALSE)
  reader$n_given <- reader$n_given - (nrow(data) - length(rows))
  if (length(rows) == 0) return(data[0, , drop = FALSE])
  formula <- absorb_intercept(folded$formula, names(data))
  note_texts(reader, folded$data)
  data <- select_columns(formula, folded$data[rows, , drop = FALSE])
  reader$formula <- reader$formula %||% set_formula_env(formula, minimal_env(formula, names(data)))
  data <- complete_rows(reader, data)
  if (nrow(data) > 0) check_finite(reader$formula, data)
  data
}

# Which columns are text, in the first piece that has them.
note_texts <- function(reader, data) {
  for (name in setdiff(names(data), names(reader$is_text))) reader$is_text[[name]] <- is.character(data[[name]])
}

# Arguments of single pieces could not be told from those of all rows.
check_arguments_by_column <- function(arguments, columns) {
  for (name in c("weights", "offset", "subset")) {
    expression <- arguments[[name]]
    if (is.null(expression) || any(variables_in(expression) %in% columns)) next
    value <- tryCatch(arguments$values[[name]](), error = function(e) NULL)
    if (is.null(value) || (name != "subset" && length(value) == 1)) next
    abort_twill("data", c("{.arg {name}} must be written with columns of {.arg data}, which come in pieces.",
                          "x" = "{.code {deparse1(expression)}} names none of them."))
  }
}

# As drop_missing(), but all rows may go, and what was dropped is said at the end.
complete_rows <- function(reader, data) {
  for (evaluated in c(FALSE, TRUE)) {
    columns <- if (evaluated) frame_columns(reader$formula, data) else as.list(data)
    found <- missing_rows(columns, nrow(data))
    if (!any(found$is_missing)) next
    if (reader$policy %in% c("fail", "pass")) refuse_missing(found$where, rownames(data)[found$is_missing], reader$policy)
    reader$dropped <- added_counts(reader$dropped, found$counts)
    data <- data[!found$is_missing, , drop = FALSE]
    if (nrow(data) == 0) break
  }
  data
}

added_counts <- function(total, counts) {
  total[setdiff(names(counts), names(total))] <- 0L
  total[names(counts)] <- total[names(counts)] + counts
  total
}

inform_dropped <- function(reader, silent) {
  if (length(reader$dropped) == 0) return(invisible())
  where <- paste0(names(reader$dropped), " (", reader$dropped, ")")
  n <- reader$n_given - reader$n
  inform_twill("missing", "Dropped {big(n)} of {big(reader$n_given)} rows with missing values: {.val {some(where, 10)}}.", silent)
}

check_anything_read <- function(reader) {
  if (reader$n > 0) return(invisible())
  where <- paste0(names(reader$dropped), " (", reader$dropped, ")", recycle0 = TRUE)
  why <- if (reader$n_given == 0) "{reader$n_pieces} piece{?s} of {.arg data} came, without any row to use." else
    "Every row has a missing value: {.val {some(where, 10)}}."
  abort_twill("data", c("There are no data to fit.", "x" = why))
}

# Types -----------------------------------------------------------------------------------------------------------

# Columns of a piece in the types of the first: factors and texts as numbers of levels, to which new levels are added.
encoded_columns <- function(reader, data) {
  kinds <- vapply(data, piece_kind, "")
  if (is.null(reader$kinds)) {
    for (name in names(kinds)[kinds == "a matrix"]) refuse_matrix_of_pieces(name)
    reader$kinds <- kinds
    reader$templates <- lapply(data, function(column) column[0])
  }
  for (name in names(kinds)[kinds != reader$kinds[names(kinds)]]) refuse_other_type(reader, name, data[[name]])
  columns <- lapply(stats::setNames(nm = names(data)), function(name) {
    column <- data[[name]]
    if (is.factor(column)) return(level_numbers(reader, name, column))
    if (name %in% reader$linear) as.double(column) else column
  })
  columns[names(reader$kinds)]
}

refuse_matrix_of_pieces <- function(name) {
  abort_twill("data", c("Column {.field {name}} is a matrix, and {.arg data} come in pieces.",
                        "i" = "Make its columns columns of {.arg data}."))
}

piece_kind <- function(column) {
  if (!is.null(dim(column))) return("a matrix")
  if (is.ordered(column)) return("an ordered factor")
  if (is.factor(column)) "text or a factor" else column_kind(column)
}

refuse_other_type <- function(reader, name, column) {
  had <- reader$kinds[[name]]
  given <- piece_kind(column)
  values <- if (is.factor(column)) some(levels(column)) else given_value(unique(column))
  abort_twill("data", c("Column {.field {name}} of {.arg data} must have one type in all pieces.",
                        "x" = "It was {had} before, and is {given} here: {.val {values}}.",
                        "i" = "Convert it in each piece, as with {.fn as.character} or {.fn as.numeric}."))
}

level_numbers <- function(reader, name, column) {
  known <- reader$levels[[name]]
  if (is.ordered(column) && !is.null(known) && !identical(known, levels(column))) {
    abort_twill("data", "Column {.field {name}} is an ordered factor: its levels must be the same in all pieces.")
  }
  reader$levels[[name]] <- c(known, setdiff(levels(column), known))
  match(levels(column), reader$levels[[name]])[as.integer(column)]
}

# The merged rows as a data frame. Texts have their levels sorted, as of a column in one piece; factors have them as they came.
decoded_frame <- function(reader) {
  columns <- reader$state$columns
  for (name in names(reader$levels)) {
    levels <- reader$levels[[name]]
    codes <- columns[[name]]
    if (isTRUE(reader$is_text[[name]])) {
      sorted <- levels(level_factor(levels))
      codes <- match(levels, sorted)[codes]
      levels <- sorted
    }
    factor <- reader$templates[[name]]
    columns[[name]] <- drop_unused_levels(structure(codes, levels = levels, class = class(factor),
                                                    contrasts = attr(factor, "contrasts")))
  }
  structure(columns, row.names = c(NA_integer_, -length(reader$state$count)), class = "data.frame")
}

# Of a design, whether its rows stand for many.
is_merged <- function(design) !is.null(design$merged)

# Rows of the data, of which each row of the design may stand for many.
n_rows <- function(design) {
  n <- design$merged$n %||% length(design$y)
  if (n <= .Machine$integer.max) as.integer(n) else n
}
