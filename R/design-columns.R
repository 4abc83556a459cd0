# New values in the types of the columns that a model was fitted to: converted where that is exact, refused elsewhere.

# `newdata` with the columns `names` as they are in `data`.
conform_columns <- function(newdata, data, names) {
  for (name in intersect(intersect(names, names(newdata)), names(data))) {
    newdata[[name]] <- conform_column(newdata[[name]], data[[name]], name)
  }
  newdata
}

# Missing values stay, whatever their type; whether they may is asked elsewhere.
conform_column <- function(column, like, name) {
  check_new_shape(column, like, name)
  column <- plain_column(column, is.factor(like))
  if (is.matrix(column) && !is.matrix(like)) column <- column[, 1]
  if (is.matrix(like)) return(matrix_like(column, like))
  if (all(is.na(column)) && !is.factor(like)) return(rep(like[NA_integer_], length(column)))
  convert <- if (is.factor(like)) factor_like else if (is.logical(like)) logical_like else
    if (is.numeric(like)) number_like else if (inherits(like, "Date")) date_like else
      if (inherits(like, "POSIXct")) time_like else if (inherits(like, "difftime")) difftime_like else level_text
  convert(column, like, name)
}

check_new_shape <- function(column, like, name) {
  columns <- if (is.list(column)) -1 else NCOL(column)
  same <- if (is.matrix(like)) is.numeric(column) && columns == ncol(like) else !is.list(column) && columns == 1
  if (!same) refuse_type(column, like, name)
}

matrix_like <- function(column, like) matrix(as.numeric(column), ncol = ncol(like), dimnames = list(NULL, colnames(like)))

refuse_type <- function(column, like, name, hint = NULL) {
  had <- column_kind(like)
  given <- column_kind(column)
  wrong <- if (is.character(column) || is.factor(column)) some(unique(as.character(column)))
  abort_twill("newdata", c("Column {.field {name}} must be of the type that the model was fitted to.",
                           "x" = "It was {had} in the fit, and is {given} here{if (is.null(wrong)) '.' else ':'} {.val {wrong}}",
                           bullets(hint)))
}

# Numbers -----------------------------------------------------------------------------------------------------------

number_like <- function(column, like, name) {
  number <- if (is.character(column) || is.factor(column)) text_numbers(as.character(column)) else
    if (is.numeric(column)) as.vector(unclass(column))
  if (is.null(number)) refuse_type(column, like, name, "Only numbers, or text that is a number, can take its place.")
  if (is.integer(like) && fits_integer(number)) as.integer(number) else as.double(number)
}

# NULL if any of the texts is no number.
text_numbers <- function(text) {
  number <- suppressWarnings(as.numeric(text))
  if (any(is.na(number) & !is.na(text) & !text %in% c("NA", "NaN"))) NULL else number
}

fits_integer <- function(x) all(is.na(x) | (x == round(x) & abs(x) < 2^31))

logical_like <- function(column, like, name) {
  if (is.logical(column)) return(column)
  value <- if (is.character(column) || is.factor(column)) as.logical(as.character(column))
  if (is.null(value) || any(is.na(value) != is.na(column))) refuse_type(column, like, name, "It takes TRUE and FALSE.")
  value
}

# Levels ------------------------------------------------------------------------------------------------------------

factor_like <- function(column, like, name) {
  levels <- levels(like)
  text <- text_like(column, like)
  unknown <- unique(text[!text %in% levels & !is.na(text)])
  if (length(unknown) > 0) refuse_unseen(name, unknown, levels)
  # Taken from the fit's own values, so that class, levels and contrasts are the same.
  like[match(text, as.character(like))]
}

refuse_unseen <- function(name, unknown, levels) {
  abort_twill("newdata", c("{.arg newdata} has levels of {.field {name}} that the model has not seen.",
                           "x" = "Not seen: {.val {some(unknown, 10)}}.", "i" = "Its levels are {.val {some(levels, 10)}}."))
}

# The texts of levels as in the fit. Where one side holds numbers, spellings of a number are the same.
text_like <- function(column, like) {
  if (inherits(like, "POSIXct") && inherits(column, "POSIXct")) attr(column, "tzone") <- attr(like, "tzone")
  if (inherits(like, "difftime") && inherits(column, "difftime")) units(column) <- units(like)
  text <- level_text(plain_column(column, as_text = TRUE))
  if (!is.numeric(like) && !is.numeric(column)) return(text)
  known <- unique(level_text(like))
  key <- number_key(known)
  if (anyDuplicated(key)) return(text)
  found <- match(number_key(text), key)
  ifelse(is.na(found) | is.na(text), text, known[found])
}

# Dates and times ---------------------------------------------------------------------------------------------------

date_like <- function(column, like, name) {
  if (inherits(column, "Date")) return(column)
  hint <- "Convert it with {.fn as.Date}; text may be a date such as {.val 2024-12-31}."
  text <- if (is.character(column) || is.factor(column)) as.character(column)
  if (is.null(text) || any(!grepl("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", text[!is.na(text)]))) refuse_type(column, like, name, hint)
  value <- as.Date(text, format = "%Y-%m-%d")
  if (any(is.na(value) != is.na(text))) refuse_type(column, like, name, hint)
  value
}

time_like <- function(column, like, name) {
  if (inherits(column, "POSIXct")) return(column)
  refuse_type(column, like, name, "Convert it with {.fn as.POSIXct}, in the time zone that it means.")
}

difftime_like <- function(column, like, name) {
  if (!inherits(column, "difftime")) refuse_type(column, like, name, "Convert it with {.fn as.difftime} and its units.")
  units(column) <- units(like)
  column
}

# Combinations of values as a factor, in the order of the variables' own levels.
joined_values <- function(columns) {
  order <- do.call(base::order, unname(as.list(columns)))
  text <- combined_texts(lapply(columns, level_text), " | ")
  factor(text, unique(text[order]))
}

# One text for each combination of texts: those that look alike once they are pasted get numbers.
combined_texts <- function(texts, sep) {
  keys <- level_keys(texts)
  first <- !duplicated(keys)
  text <- do.call(paste, c(unname(texts), sep = sep))
  make.unique(text[first], sep = "_")[match(keys, keys[first])]
}
