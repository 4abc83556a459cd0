# Columns as the model reads them: integer64 becomes numbers, and levels have texts that depend on no option and no type.

# Options that would change what is computed: how numbers become text, and R's own treatment of missing values.
plain_options <- function() {
  options(OutDec = ".", scipen = 0, digits = 7, na.action = "na.omit", warnPartialMatchArgs = FALSE,
          warnPartialMatchAttr = FALSE, warnPartialMatchDollar = FALSE)
}

# Evaluates `code` under plain options.
with_plain_options <- function(code) {
  old <- plain_options()
  on.exit(options(old))
  code
}

# integer64 (as fread() and databases make it) is read bit by bit, so that no package need be there. With `as_text`, whole
# numbers that a double would round keep all their digits, as text.
plain_column <- function(column, as_text = FALSE) {
  if (!inherits(column, "integer64")) return(column)
  words <- integer64_words(column)
  value <- words$high * 2^32 + words$low
  value <- if (as_text && any(abs(value) > 2^53, na.rm = TRUE)) integer64_text(words, value) else value
  if (is.null(dim(column))) value else array(value, dim(column), dimnames(column))
}

integer64_words <- function(column) {
  bytes <- writeBin(as.vector(unclass(column)), raw(), endian = "little")
  words <- matrix(as.numeric(readBin(bytes, "integer", 2 * length(column), endian = "little")), 2)
  # The lowest half is R's NA for an integer: with nothing in the lower half it marks a missing value, else it is one.
  low <- ifelse(is.na(words[1, ]), 2^31, words[1, ] %% 2^32)
  list(low = low, high = ifelse(is.na(words[2, ]) & low > 0, -2^31, words[2, ]))
}

# In two parts of which each is exact: the last six digits, and the rest. Levels in the order of their numbers.
integer64_text <- function(words, value) {
  last <- ((words$high %% 1e6) * (2^32 %% 1e6) + words$low) %% 1e6
  rest <- round((value - last) / 1e6)
  is_low <- rest < 0
  flip <- is_low & last > 0
  rest[which(flip)] <- rest[which(flip)] + 1
  last[which(flip)] <- 1e6 - last[which(flip)]
  text <- sprintf("%.0f%06.0f", rest, last)
  text[which(rest == 0)] <- sprintf("%s%.0f", ifelse(is_low, "-", ""), last)[which(rest == 0)]
  text[is.na(value)] <- NA
  factor(text, levels = unique(text[order(words$high, words$low, na.last = NA)]))
}

# Levels -----------------------------------------------------------------------------------------------------------

# A column as a factor, its levels in the order of its values: numbers and dates by size, text as factor() has it.
level_factor <- function(column) {
  if (is.factor(column)) return(column)
  if (is.character(column)) return(factor(column))
  # By values rather than rows: there can be many of these.
  key <- if (is.object(column)) unclass(column) else column
  at <- which(!duplicated(column) & !is.na(column))
  at <- at[order(column[at])]
  text <- level_text(column[at])
  levels <- unique(text)
  structure(match(text, levels)[match(key, key[at])], levels = levels, class = "factor")
}

# The text of each value as the name of a level.
level_text <- function(column) {
  if (inherits(column, "Date")) return(format(column, "%Y-%m-%d"))
  if (inherits(column, "POSIXct")) return(stamp_text(column))
  if (is.factor(column) || !(is.numeric(column) || inherits(column, "difftime"))) return(as.character(column))
  number_label(as.numeric(column))
}

# Times at midnight are dates, value by value: format() would decide for all of them at once.
stamp_text <- function(time) {
  seconds <- format(time, "%Y-%m-%d %H:%M:%S")
  text <- ifelse(grepl(" 00:00:00$", seconds), substr(seconds, 1, 10), seconds)
  part <- as.numeric(time) - floor(as.numeric(time))
  has_part <- which(part > 0)
  text[has_part] <- paste0(seconds[has_part], sub("^0", "", number_label(round(part[has_part], 6))))
  text
}

# Numbers without an exponent: whole ones with all their digits, others with 15, as R compares them as levels.
number_label <- function(x) {
  value <- unique(x)
  is_whole <- is.finite(value) & value == round(value) & abs(value) < 1e22
  text <- rep(NA_character_, length(value))
  text[is_whole] <- sprintf("%.0f", abs(value[is_whole]))
  text[is_whole & value < 0] <- paste0("-", text[is_whole & value < 0])
  other <- !is_whole & !is.na(value)
  text[other] <- formatC(value[other], digits = 15, width = 1, format = "fg", decimal.mark = ".")
  text[match(x, value)]
}

# The same for each spelling of a number: "100000", "1e5", "+100000.0" and "0100000". Digits alone are compared as they
# stand, because a double would round the long ones.
number_key <- function(text) {
  key <- text
  is_digits <- grepl("^[+-]?[0-9]+$", text)
  key[is_digits] <- sub("^-0$", "0", sub("^(-?)0+([0-9])", "\\1\\2", sub("^[+]", "", text[is_digits])))
  number <- suppressWarnings(as.numeric(text))
  is_number <- !is_digits & is.finite(number)
  key[is_number] <- number_label(number[is_number])
  key
}

# What a column is, in words for messages.
column_kind <- function(column) {
  if (is.data.frame(column)) return("a data frame")
  if (inherits(column, "POSIXlt")) return("of class POSIXlt")
  if (is.list(column)) return("a list")
  if (!is.null(dim(column))) return("a matrix")
  if (inherits(column, c("Date", "POSIXct", "difftime"))) return(paste("of class", class(column)[1]))
  if (is.factor(column)) return("a factor")
  if (is.logical(column)) return("logical")
  if (is.character(column)) return("text")
  if (is.numeric(column)) "numeric" else paste("of class", class(column)[1])
}

# Dense codes 1, 2, ... of the observed combinations. Combining two at a time keeps the numbers small.
combined_codes <- function(factors) {
  codes <- as.integer(factors[[1]])
  for (f in factors[-1]) {
    pairs <- (codes - 1) * nlevels(f) + as.integer(f)
    codes <- match(pairs, sort(unique(pairs)))
  }
  codes
}
