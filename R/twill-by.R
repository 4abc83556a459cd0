# Fits of several types of cells by one call of twill_genes() or twill_cells(), and their tables as one long table.

# Names without quotes, as in verbs of dplyr, are no objects.
asked_by <- function(by) {
  tryCatch(by, error = function(e) {
    why <- conditionMessage(e)
    abort_twill("data", c("{.arg by} must hold names of columns.", "x" = "{why}",
                          "i" = "Put them in quotes: {.code by = \"cell_type\"}."))
  })
}

# One fit per combination of values of `by`: the call of the door again, on the columns of each. `frame` is the door's, with its
# arguments.
fit_by <- function(door, call, frame) {
  x <- frame$x
  data <- columns_to_part(x, frame$col_data)
  where <- if (is.data.frame(x)) "x" else if (is.null(frame$col_data)) "colData(x)" else "col_data"
  by <- check_by(frame$by, names(data), data, where)
  refuse_by_in_design(by, frame$design)
  if (!is.data.frame(x)) refuse_by_length(mget(by_column, envir = frame, ifnotfound = list(NULL)), nrow(data))
  parts <- parts_by(data, by, check_silent(frame$silent))
  seed <- check_seed(frame$seed) %||% draw_seed()
  fits <- lapply(seq_along(parts$rows), function(k) fit_part(door, call, frame, parts, k, seed))
  new_fits(fits, parts, by, call)
}

# Variables of the columns of x: of a data frame its own.
columns_to_part <- function(x, col_data) {
  if (is.data.frame(x)) return(x)
  if (is_experiment(x)) return(plain_columns(SummarizedExperiment::colData(x), NULL))
  if (is_seurat(x)) return(plain_columns(x[[]], NULL))
  if (is.null(col_data)) {
    abort_twill("genes", "{.arg by} needs {.arg col_data}, a data frame with one row per column of {.arg x}.")
  }
  check_col_data(col_data)
  # Of one type rows in another order may have no name that gives them away, and rows too few are none that is missing.
  if (length(dim(x)) == 2) check_sample_order(col_data, list(samples = colnames(x), genes = seq_len(nrow(x))), ncol(x))
  plain_columns(col_data, NULL)
}

# A part must not take for its own what has the wrong length for the whole.
refuse_by_length <- function(arguments, n) {
  size <- function(value) if (length(dim(value)) == 2) ncol(value) else length(value)
  for (name in names(Filter(is.numeric, arguments))) {
    if (size(arguments[[name]]) == n) next
    abort_twill("genes", c("{.arg {name}} must have one value per column of {.arg x}, also with {.arg by}.",
                           "x" = "It has {size(arguments[[name]])}, and {.arg x} has {n} column{?s}."))
  }
}

refuse_by_in_design <- function(by, design) {
  taken <- intersect(by, c("gene", "status", "contrast"))
  if (length(taken)) {
    abort_twill("genes", c("Tables have columns {.val {taken}} of their own: {.arg by} needs another name.",
                           "i" = "Rename the column of {.arg col_data}."))
  }
  both <- if (inherits(design, "formula")) intersect(by, variables_in(design))
  if (length(both)) abort_twill("genes", c("{.arg by} names variables of the design: each fit has one value of them.",
                                          "x" = "These are {.val {both}}.", "i" = "Take them out of {.arg by} or of the design."))
}

# list(keys, rows): a data frame of the values that occur, and the numbers of their columns.
parts_by <- function(data, by, silent) {
  known <- stats::complete.cases(data[by])
  if (!all(known)) inform_twill("missing", "Dropped {sum(!known)} column{?s} with a missing value in {.field {by}}.", silent)
  if (!any(known)) abort_twill("genes", "No column of {.arg x} has a value in {.field {by}}.")
  codes <- lapply(data[by], function(column) droplevels(as.factor(column)))
  rows <- unname(split(which(known), combined_codes(lapply(codes, `[`, known))))
  text <- combined_texts(lapply(codes, as.character), " ")
  keys <- data[vapply(rows, `[`, 0L, 1L), by, drop = FALSE]
  rownames(keys) <- NULL
  list(keys = keys, rows = rows, names = text[vapply(rows, `[`, 0L, 1L)], n = nrow(data))
}

# Arguments with one value per column of x, and per row of a matrix or experiment.
by_column <- c("size_factors", "offset", "weights", "capture")

fit_part <- function(door, call, frame, parts, k, seed) {
  rows <- parts$rows[[k]]
  arguments <- mget(setdiff(names(call)[-1], "by"), envir = frame)
  arguments$x <- columns_at(frame$x, rows)
  if (!is.null(frame$col_data)) arguments$col_data <- rows_at(frame$col_data, rows)
  for (name in intersect(by_column, names(arguments))) arguments[[name]] <- values_at(arguments[[name]], rows, parts$n)
  arguments$seed <- (seed + k - 2) %% (.Machine$integer.max - 1) + 1
  if (!is.null(frame$folder)) arguments$folder <- file.path(frame$folder, make.names(parts$names[k]))
  if (check_silent(frame$silent) < 1) inform_twill("by", "{.strong {parts$names[k]}}, {k} of {length(parts$rows)}")
  fit <- tryCatch(do.call(door, arguments, quote = TRUE), twill_error = identity)
  if (is_set(fit)) fit$call <- part_call(call, frame, parts$keys[k, , drop = FALSE], arguments$seed)
  fit
}

# Rows of a data frame or of a DataFrame of Bioconductor.
rows_at <- function(x, rows) (if (is.data.frame(x)) x else as.data.frame(x))[rows, , drop = FALSE]

# Columns of a matrix or an experiment, rows of a data frame; what is neither is left to the door to refuse.
columns_at <- function(x, rows) {
  if (is.data.frame(x)) return(x[rows, , drop = FALSE])
  if (is_experiment(x) || is_seurat(x)) return(x[, rows])
  if (length(dim(x)) == 2) x[, rows, drop = FALSE] else x
}

values_at <- function(value, rows, n) {
  if (length(dim(value)) == 2 && ncol(value) == n) return(value[, rows, drop = FALSE])
  if (is.null(dim(value)) && length(value) == n) value[rows] else value
}

# The call that would make this fit, so that update() can.
part_call <- function(call, frame, key, seed) {
  is_long <- is.data.frame(frame$x)
  from <- if (is_long) call$x else if (is.null(frame$col_data)) call$x else call$col_data
  tests <- Map(function(name, value) call("==", call("$", from, as.name(name)), as.character(value)), names(key), key)
  # Columns without a value of `by` are in no part.
  test <- call("which", Reduce(function(a, b) call("&", a, b), unname(tests)))
  # One column stays a column; Seurat's brackets drop nothing.
  cut <- function(of, by_rows, drops = TRUE) {
    where <- if (by_rows) list(test, quote(expr = )) else list(quote(expr = ), test)
    as.call(c(list(as.name("["), of), where, if (drops) list(drop = FALSE)))
  }
  out <- call
  out$by <- NULL
  out$x <- cut(call$x, is_long, !is_seurat(frame$x))
  if (!is.null(frame$col_data)) out$col_data <- cut(call$col_data, TRUE)
  for (name in intersect(by_column, names(out))) {
    value <- frame[[name]]
    if (length(dim(value)) == 2) out[[name]] <- cut(out[[name]], FALSE)
    if (is.null(dim(value)) && length(value) > 1) out[[name]] <- call("[", out[[name]], test)
  }
  out$seed <- seed
  out
}

# The class ----------------------------------------------------------------------------------------------------------

new_fits <- function(fits, parts, by, call) {
  failed <- !vapply(fits, is_set, NA)
  why <- vapply(fits[failed], function(e) sub("\n.*", "", conditionMessage(e)), "")
  if (all(failed)) {
    abort_twill("genes", c("None of the {length(fits)} parts by {.field {by}} could be fitted.",
                           "x" = "{parts$names[1]}: {why[1]}"))
  }
  if (any(failed)) {
    lines <- stats::setNames(sprintf("{lost[%d]}: {why[%d]}", seq_along(why), seq_along(why)), rep("x", length(why)))
    lost <- parts$names[failed]
    warn_twill("genes", c("{length(lost)} of {length(fits)} parts by {.field {by}} could not be fitted:", lines))
  }
  out <- stats::setNames(fits[!failed], parts$names[!failed])
  keys <- parts$keys[!failed, , drop = FALSE]
  rownames(keys) <- NULL
  structure(out, class = "twill_by", keys = keys, by = by, call = call, failed = stats::setNames(why, parts$names[failed]))
}

#' Fits of several types of cells
#'
#' What [twill_genes()] and [twill_cells()] return with `by`: a named list with one fit per type, each fitted by itself with what
#' its own genes share. `fits[["B cells"]]` is one of them, for everything that takes a fit. [tw_contrast()] and
#' [tw_diagnostics()] of all give one long table.
#'
#' @param x Such a list.
#' @param i Names or numbers of types; of `[[` one.
#' @param ... For `c()` such lists, of different types by the same columns; else must be empty.
#' @return `print()` returns `x`, `[` a shorter list, `c()` a list of all.
#' @seealso [twill_genes()] for an example.
#' @name twill_by
NULL

#' @rdname twill_by
#' @method print twill_by
#' @export
print.twill_by <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat(sprintf("%s by %s\n", paste(length(x), plural("fits", length(x))), toString(attr(x, "by"))))
  status <- lapply(x, function(fit) fit$posterior$status)
  good <- vapply(status, function(s) sum(s %in% c("ok", "refined")), 0L)
  columns <- vapply(x, function(fit) {
    if (is_cells(fit)) paste(big(length(fit$job$cells$log_capture)), "cells") else
      paste(big(n_samples(fit$job$source)), "samples")
  }, "")
  cat(sprintf("  %s  %s, %s genes%s\n", format(names(x)), columns, vapply(lengths(status), big, ""),
              ifelse(good < lengths(status), sprintf(", %d with a status", lengths(status) - good), "")), sep = "")
  failed <- attr(x, "failed")
  if (length(failed)) cat("Not fitted:", sprintf("  %s: %s", names(failed), failed), sep = "\n")
  cat("One type: fits[[\"", names(x)[1], "\"]]; all: tw_contrast(fits)\n", sep = "")
  invisible(x)
}

#' @rdname twill_by
#' @method [ twill_by
#' @export
`[.twill_by` <- function(x, i) {
  at <- tryCatch(stats::setNames(seq_along(x), names(x))[i], error = function(e) NA)
  if (anyNA(at) || length(at) == 0) abort_types(x, "choose types by name or number")
  keys <- attr(x, "keys")[at, , drop = FALSE]
  rownames(keys) <- NULL
  structure(unclass(x)[unname(at)], names = names(at), class = "twill_by", keys = keys, by = attr(x, "by"),
            call = attr(x, "call"), failed = attr(x, "failed"))
}

#' @rdname twill_by
#' @method [[ twill_by
#' @export
`[[.twill_by` <- function(x, i) {
  at <- tryCatch(stats::setNames(seq_along(x), names(x))[[i]], error = function(e) NA)
  if (is.na(at)) abort_types(x, "be the name or number of one type")
  .subset2(x, at)
}

abort_types <- function(x, what) {
  known <- some(names(x), 20)
  abort_twill("genes", c("{.arg i} must {what}.", "i" = "There are {.val {known}}."))
}

#' @rdname twill_by
#' @method c twill_by
#' @export
c.twill_by <- function(...) {
  parts <- list(...)
  first <- parts[[1]]
  fine <- vapply(parts, function(part) is_by_type(part) && identical(attr(part, "by"), attr(first, "by")), NA)
  if (!all(fine)) {
    abort_twill("genes", c("{.fn c} joins fits by the same columns, here {.field {attr(first, \"by\")}}.",
                           "x" = "Argument {which(!fine)[1]} is of another kind."))
  }
  names <- unlist(lapply(parts, names))
  twice <- unique(names[duplicated(names)])
  if (length(twice) > 0) {
    abort_twill("genes", "{.fn c} joins fits of different types: {.val {some(twice)}} {?is/are} there twice.")
  }
  failed <- unlist(lapply(parts, attr, "failed"))
  failed <- if (length(failed)) failed[!duplicated(names(failed))] else attr(first, "failed")
  structure(unlist(lapply(parts, unclass), recursive = FALSE), names = names, class = "twill_by",
            keys = do.call(rbind, lapply(parts, attr, "keys")), by = attr(first, "by"), call = attr(first, "call"),
            failed = failed)
}
