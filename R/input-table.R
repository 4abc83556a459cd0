# Tables of text as data in pieces. A first pass settles the types of columns over all rows, so that they do not depend on where
# the pieces end; a second reads them.

# Some rows at a time, in the types that table_types() found.
table_pieces <- function(file, types) {
  texts <- text_pieces(file)
  ask <- function() {
    piece <- texts$ask()
    if (is.null(piece)) return(NULL)
    for (name in names(piece)) piece[[name]] <- of_type(piece[[name]], types[[name]])
    piece
  }
  source_by(ask, texts$close)
}

# The same as texts.
text_pieces <- function(file) {
  connection <- file(file, "rt")
  state <- list2env(list(names = NULL, is_done = FALSE), parent = emptyenv())
  ask <- function() {
    if (state$is_done) return(NULL)
    piece <- read_piece_of(file, if (is.null(state$names)) read_texts(connection, header = TRUE) else
      next_rows(connection, state$names))
    state$names <- names(piece)
    state$is_done <- is.null(piece) || nrow(piece) < rows_at_a_time
    piece
  }
  source_by(ask, function() close(connection))
}

read_texts <- function(connection, ...) {
  utils::read.csv(connection, ..., colClasses = "character", nrows = rows_at_a_time)
}

# NULL where none are left: read.csv() has an error for that.
next_rows <- function(connection, names) {
  if (length(line <- readLines(connection, 1)) == 0) return(NULL)
  pushBack(line, connection)
  read_texts(connection, header = FALSE, col.names = names, check.names = FALSE)
}

# Types -----------------------------------------------------------------------------------------------------------

# From the narrowest: a column has the first that holds all its values.
text_types <- c("logical", "integer", "double", "character")

# By name, the types of the columns of all files. Columns in `as_text`, which are groups alone, stay text unless each number is
# written in one way: 1E2 and 100, or 001 and 1, are two levels.
table_types <- function(files, as_text) {
  types <- list()
  for (file in files) {
    check_gzip_is_whole(file)
    texts <- text_pieces(file)
    tryCatch(while (!is.null(piece <- texts$ask())) {
      for (name in names(piece)) types[[name]] <- wider_type(types[[name]], unique(piece[[name]]), name %in% as_text)
    }, finally = texts$close())
  }
  types
}

# `known` is NULL at first.
wider_type <- function(known, values, is_group) {
  if (identical(known, "character")) return(known)
  values <- setdiff(values, NA)
  converted <- utils::type.convert(values, as.is = TRUE)
  own <- if (is.complex(converted)) "character" else typeof(converted)
  # What is blank in all rows so far goes with each type; TRUE and 1 are texts.
  if (all(is_blank(values))) return(known)
  if (is_group && !all(is_blank(values) | level_text(converted) == trimws(values))) own <- "character"
  if (!is.null(known) && known != own && "logical" %in% c(known, own)) return("character")
  text_types[max(match(c(known, own), text_types))]
}

is_blank <- function(texts) !nzchar(trimws(texts))

# A column without a value is logical, as for read.csv().
of_type <- function(texts, type) {
  if (identical(type, "character")) return(texts)
  texts[is_blank(texts)] <- NA
  switch(type %||% "logical", logical = as.logical(trimws(texts)), integer = as.integer(texts), double = as.double(texts))
}

# Damage ----------------------------------------------------------------------------------------------------------

# R reads a compressed file that ends too early as far as it goes. The last four bytes are the length of what was compressed
# (RFC 1952, section 2.3.1). A file that may have several members, each with its own, cannot be told that way.
check_gzip_is_whole <- function(file) {
  if (file.size(file) > largest_searched) return(invisible())
  bytes <- readBin(file, "raw", file.size(file))
  if (length(bytes) < 18 || any(bytes[1:2] != gzip_magic[1:2]) || may_be_joined(bytes)) return(invisible())
  stated <- sum(as.integer(utils::tail(bytes, 4)) * 256^(0:3))
  if (stated == uncompressed_size(file) %% 2^32) return(invisible())
  abort_twill("data", c("A file of {.arg data} is damaged: {.file {file}}.",
                        "x" = "It ends before what was compressed does.", "i" = "Copy or download it again."))
}

# In larger ones the start of a member is found by chance.
largest_searched <- 2^28

gzip_magic <- as.raw(c(0x1f, 0x8b, 0x08))

may_be_joined <- function(bytes) {
  at <- which(bytes[-(1:3)] == gzip_magic[1]) + 3
  at <- at[at <= length(bytes) - 3]
  any(bytes[at + 1] == gzip_magic[2] & bytes[at + 2] == gzip_magic[3] & bytes[at + 3] < as.raw(0x20))
}

uncompressed_size <- function(file) {
  connection <- gzfile(file, "rb")
  on.exit(close(connection))
  size <- 0
  while (length(part <- readBin(connection, "raw", 2^22)) > 0) size <- size + length(part)
  size
}
