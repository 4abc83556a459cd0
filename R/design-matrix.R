# Model matrices, and their rows in parts where there are many.

# The model matrix of one formula with what rebuilds it: terms (with the predvars of poly() and the like), levels and
# contrasts of factors, and the names of the columns.
model_part <- function(formula, data, contrasts = NULL) {
  frame <- evaluate_frame(formula, data, drop.unused.levels = TRUE)
  terms <- attr(frame, "terms")
  warn_row_dependent(terms, data)
  check_factor_levels(frame, terms)
  check_offset_types(frame, terms)
  used <- contrasts[intersect(names(contrasts), names(frame))]
  ordinary <- attr(formula, "ordinary_intercept")
  name <- function(columns) {
    names <- coef_name(columns)
    if (is.null(ordinary)) names else replace(names, 1, ordinary)
  }
  made <- evaluated(matrix_by_rows(terms, frame, if (length(used) > 0) used, name), formula)
  part <- list(terms = terms, xlevels = stats::.getXlevels(terms, frame), contrasts = made$contrasts,
               offset = stats::model.offset(frame), columns = colnames(made$x), ordinary = ordinary, x = made$x)
  check_sizes_of_columns(part$x)
  part
}

# R's model matrix has a text for each row, and stands there more than once while it is made: of many rows it is made part by
# part, with the levels of all.
rows_at_once <- 2^18

# list(x, contrasts), columns as `name` names R's.
matrix_by_rows <- function(terms, frame, contrasts, name) {
  n <- nrow(frame)
  of <- function(frame) stats::model.matrix(terms, frame, contrasts.arg = contrasts)
  if (n <= rows_at_once) {
    x <- of(frame)
    return(list(x = plain_matrix(x, name(colnames(x))), contrasts = attr(x, "contrasts")))
  }
  frame[] <- lapply(frame, function(column) if (is.character(column)) factor(column) else column)
  out <- NULL
  for (start in seq(1, n, rows_at_once)) {
    rows <- start:min(n, start + rows_at_once - 1)
    x <- of(frame_rows(frame, rows, terms))
    out <- out %||% matrix(0, n, ncol(x), dimnames = list(NULL, name(colnames(x))))
    out[rows, ] <- x
  }
  list(x = out, contrasts = attr(x, "contrasts"))
}

# Rows of a model frame, all with the same row names, so that R makes their texts once.
frame_rows <- function(frame, rows, terms) {
  columns <- lapply(frame, function(column) if (is.null(dim(column))) column[rows] else column[rows, , drop = FALSE])
  structure(columns, row.names = .set_row_names(length(rows)), class = "data.frame", terms = terms)
}

plain_matrix <- function(x, columns) {
  matrix(as.numeric(x), nrow(x), ncol(x), dimnames = list(NULL, columns))
}

# Of many rows a few with the same cross-products, each row counted so often: the triangles of parts, one below the other.
few_rows <- function(x, count = NULL) {
  n <- nrow(x)
  of_rows <- function(rows) x[rows, , drop = FALSE] * (if (is.null(count)) 1 else sqrt(count[rows]))
  if (n <= rows_at_once) return(of_rows(seq_len(n)))
  triangle <- function(start) {
    decomposition <- qr(of_rows(start:min(n, start + rows_at_once - 1)), LAPACK = TRUE)
    qr.R(decomposition)[, order(decomposition$pivot), drop = FALSE]
  }
  few <- do.call(rbind, lapply(seq(1, n, rows_at_once), triangle))
  colnames(few) <- colnames(x)
  few
}
