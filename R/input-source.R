# Data that come in pieces: a function, files or a query in the place of a data frame, and how its next piece is asked for.

# Rows that are asked for at a time, where the source leaves that open.
rows_at_a_time <- 1e5

is_source <- function(data) {
  !missing(data) && (is.function(data) || is.character(data) || inherits(data, "DBIResult") || is_arrow(data))
}

# list(ask, close): a function that returns the next piece, a data frame, and NULL at the end; and what is to be done after it.
# Columns in `as_text` are groups alone.
open_source <- function(data, as_text = character()) {
  if (is.function(data)) return(source_by(asked_function(data)))
  if (is.character(data)) return(file_pieces(data, as_text))
  source_by(if (is_arrow(data)) arrow_pieces(data) else query_pieces(data))
}

source_by <- function(ask, close = function() NULL) list(ask = ask, close = close)

reader_hint <- c(paste("Give a function that returns its next rows as a data frame at each call, and {.code NULL} at the end;",
                       "or, if they fit in memory, {.fn as.data.frame} of it."))

asked_function <- function(data) {
  function() {
    piece <- tryCatch(data(), error = function(e) {
      why <- conditionMessage(e)
      abort_twill("data", c("The function given as {.arg data} fails.", "x" = "{why}", bullets(reader_hint)))
    })
    if (is.null(piece) || is.data.frame(piece)) return(piece)
    given <- class(piece)[1]
    abort_twill("data", c("{.arg data} must be a data frame, or a function that returns one, and {.code NULL} at the end.",
                          "x" = "The function returned an object of class {.cls {given}}."))
  }
}

query_pieces <- function(result) {
  function() {
    if (!DBI::dbIsValid(result)) abort_twill("data", "The query given as {.arg data} has been cleared, or its connection closed.")
    piece <- DBI::dbFetch(result, n = rows_at_a_time)
    if (nrow(piece) > 0) piece
  }
}

# Files -----------------------------------------------------------------------------------------------------------

readable <- "[.](rds|csv|csv[.]gz)$"

# One after the other.
file_pieces <- function(paths, as_text = character()) {
  files <- source_files(paths)
  if (all(is_parquet(files))) return(source_by(parquet_pieces(files)))
  types <- table_types(files[!is_rds(files)], as_text)
  state <- list2env(list(files = files, open = NULL), parent = emptyenv())
  ask <- function() {
    repeat {
      if (is.null(state$open)) {
        if (length(state$files) == 0) return(NULL)
        state$open <- if (is_rds(state$files[1])) rds_piece(state$files[1]) else table_pieces(state$files[1], types)
        state$files <- state$files[-1]
      }
      piece <- state$open$ask()
      if (!is.null(piece)) return(piece)
      state$open$close()
      state$open <- NULL
    }
  }
  source_by(ask, function() if (!is.null(state$open)) state$open$close())
}

# Folders stand for their files, in the order of their names.
source_files <- function(paths) {
  missing <- paths[!file.exists(paths)]
  if (length(paths) == 0 || length(missing) > 0) {
    abort_twill("data", c("{.arg data} must be a data frame, or paths of files or of a folder.",
                          "x" = if (length(paths) == 0) "It has no path." else "Not there: {.file {some(missing)}}."))
  }
  inside <- function(path) if (dir.exists(path)) sort(list.files(path, full.names = TRUE), method = "radix") else path
  files <- unlist(lapply(paths, inside))
  others <- basename(files[!grepl(readable, files, ignore.case = TRUE)])
  if (length(files) > 0 && (length(others) == 0 || all(is_parquet(files)))) return(files)
  abort_twill("data", c(paste("Files of {.arg data} must be data frames in {.file .rds}, or tables in {.file .csv} or",
                              "{.file .csv.gz}, or all be {.file .parquet}."),
                        "x" = if (length(files) == 0) "The folder is empty." else "These are not: {.file {some(others)}}.",
                        bullets(reader_hint)))
}

is_rds <- function(files) grepl("[.]rds$", files, ignore.case = TRUE)

rds_piece <- function(file) {
  force(file)
  state <- list2env(list(is_read = FALSE), parent = emptyenv())
  source_by(function() {
    if (state$is_read) return(NULL)
    state$is_read <- TRUE
    read_piece_of(file, readRDS(file))
  })
}

read_piece_of <- function(file, code) {
  tryCatch(code, error = function(e) {
    why <- conditionMessage(e)
    abort_twill("data", c("A file of {.arg data} cannot be read: {.file {file}}.", "x" = "{why}"))
  })
}
