# Values of variables in conditions: those that the user names, in the types of the data, and what stands for the others.

# The values of a variable, in the type that it has in the data.
cond_column <- function(model, name, cond) {
  column <- model$data[[name]]
  values <- lapply(cond$values, function(given) {
    if (is.null(given[[name]])) reference_value(model, name) else cond_value(given[[name]], column, name)
  })
  do.call(c, values)
}

# The first level, FALSE, or zero; of dates and times, whose zero is nobody's, the mean.
reference_value <- function(model, name) {
  column <- model$data[[name]]
  if (is.factor(column)) return(column[match(levels(column)[1], column)])
  if (is.logical(column)) return(FALSE)
  like_column(if (inherits(column, c("Date", "POSIXct"))) mean_over_rows(model, column) else 0, column)
}

# Rows may stand for many.
mean_over_rows <- function(model, column) {
  count <- model$design$merged$count
  if (is.null(count)) mean(as.numeric(column)) else stats::weighted.mean(as.numeric(column), count)
}

# A number as a value of a column of numbers, dates or times.
like_column <- function(number, column) {
  attributes(number) <- attributes(column[1])
  number
}

cond_value <- function(value, column, name) {
  if (is.factor(column)) check_cond_levels(text_like(value, column), levels(column), name)
  as_contrast_error(conform_column(value, column, name))
}

# What is wrong with the rows of conditions is an error of the contrast.
as_contrast_error <- function(code) {
  tryCatch(code, twill_error_newdata = function(e) {
    text <- gsub("`newdata`", "`cond()`", unlist(e[c("message", "body")]), fixed = TRUE)
    text <- stats::setNames(cli_verbatim("%s", text), rep("x", length(text)))
    abort_twill("contrast", c("A condition cannot be computed.", text))
  })
}

check_cond_levels <- function(values, levels, name) {
  unknown <- setdiff(values, levels)
  if (length(unknown) == 0) return(invisible())
  abort_twill("contrast", c("{.fn cond} names a level that {.field {name}} does not have: {.val {unknown}}.",
                            did_you_mean(unknown[1], levels), "i" = "Its levels are {.val {some(levels, 10)}}."))
}
