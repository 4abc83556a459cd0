# Whether what is computed from data that come in pieces can be computed row by row.

# R's own bases (poly(), scale(), splines) have what they need of all rows.
refuse_bases <- function(formula, data) {
  for (part in model_parts(formula)) {
    terms <- attr(evaluate_frame(part, data), "terms")
    labels <- vapply(as.list(attr(terms, "variables"))[-1], deparse1, "")
    kept <- vapply(as.list(attr(terms, "predvars"))[-1], deparse1, "")
    if (length(kept) == length(labels) && any(kept != labels)) refuse_other_rows(labels[kept != labels], "formula")
  }
}

# Rows that are kept of the pieces so far, and of each.
rows_in_sample <- 200L
rows_of_piece <- 50L

# Some rows of this piece and of those before together: an expression whose value in a row is another among these depends on other
# rows.
note_rows <- function(reader, data) {
  expressions <- expressions_by_row(reader$asked, reader$arguments, names(data))
  if (length(expressions) == 0) return(invisible())
  needed <- intersect(names(data), unlist(lapply(expressions, variables_in)))
  data <- data[needed]
  # Of pieces that do not fit together something else is said.
  rows <- tryCatch(suppressWarnings(rbind(reader$sample, picked(data, rows_in_sample))), error = function(e) NULL)
  if (is.null(rows)) return(invisible())
  parts <- parts_of_rows(nrow(rows))
  for (name in names(expressions)) {
    where <- sub("[0-9]+$", "", name)
    env <- if (where == "formula") reader$asked$env else reader$env
    if (depends_on_rows(expressions[[name]], rows, env, parts)) refuse_other_rows(deparse1(expressions[[name]]), where)
  }
  if (NROW(reader$sample) < rows_in_sample) reader$sample <- rbind(reader$sample, picked(data, rows_of_piece))
}

picked <- function(data, most) {
  n <- nrow(data)
  data[unique(round(seq(1, n, length.out = min(n, most)))), , drop = FALSE]
}

# Calls with columns in them, by where they stand: formula, subset, weights, offset. Offsets of a formula are calls in it.
expressions_by_row <- function(formula, arguments, columns) {
  variables <- unlist(lapply(model_parts(formula), function(part) as.list(attr(stats::terms(part), "variables"))[-1]))
  members <- lapply(all_bars(formula), function(bar) bar$members$weights)
  all <- list(formula = c(unname(variables), list(formula$addition$weights, formula$addition$se), members),
              subset = arguments$subset, weights = arguments$weights, offset = arguments$offset)
  Filter(function(expression) is.call(expression) && any(variables_in(expression) %in% columns), unlist(all))
}

refuse_other_rows <- function(found, where) {
  abort_twill(if (where == "formula") "formula" else "data",
              c("{.code {found}} in {.arg {where}} depends on all rows, and {.arg data} come in pieces.",
                "i" = "Compute such columns before, or give a data frame."))
}

# Numbers of rows are those of a piece.
refuse_numbers_of_rows <- function(rows) {
  if (!is.numeric(rows)) return(invisible())
  abort_twill("data", c("{.arg subset} must be a condition on the rows of {.arg data}, which come in pieces.",
                        "x" = "It gives numbers of rows."))
}
