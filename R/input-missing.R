# Rows with missing values: dropped, and said to be, or refused, as na.action says.

# Two rounds: missing values in the columns, then those that transformations make of others, such as log(-1).
# A basis like poly() could not be computed on the first.
drop_missing <- function(formula, data, na_action, silent) {
  policy <- missing_policy(na_action)
  kept <- drop_rows(data, as.list(data), policy, silent)
  frame <- frame_columns(formula, kept)
  kept <- drop_rows(kept, frame, policy, silent)
  kept[] <- lapply(kept, drop_unused_levels)
  rows <- setdiff(rownames(data), rownames(kept))
  if (length(rows) > 0) attr(kept, "na.action") <- omitted_rows(data, rows, policy)
  kept
}

omitted_rows <- function(data, rows, policy) {
  structure(stats::setNames(match(rows, rownames(data)), rows), class = policy)
}

# What a function or name given as na.action does, found out by trying it.
missing_policy <- function(na_action) {
  act <- tryCatch(match.fun(na_action), error = function(e) NULL)
  refuse <- function() abort_twill("setting", "{.arg na.action} must be a function such as {.fn na.omit} or {.fn na.fail}.")
  if (is.null(act)) refuse()
  tried <- tryCatch(act(data.frame(x = c(1, NA))), error = function(e) "fail")
  if (identical(tried, "fail")) return("fail")
  if (!is.data.frame(tried)) refuse()
  if (nrow(tried) == 2) return("pass")
  class(attr(tried, "na.action"))[1] %||% "omit"
}

drop_rows <- function(data, columns, policy, silent) {
  found <- missing_rows(columns, nrow(data))
  if (!any(found$is_missing)) return(data)
  where <- found$where
  if (policy %in% c("fail", "pass")) refuse_missing(where, rownames(data)[found$is_missing], policy)
  message <- "Dropped {sum(found$is_missing)} of {nrow(data)} row{?s} with missing values: {.val {some(where, 10)}}."
  inform_twill("missing", message, silent)
  check_rows(data[!found$is_missing, , drop = FALSE], "Every row has a missing value: {.val {some(where, 10)}}.")
}

# Which of `n` rows have a missing value, how many in which columns, and that as text.
missing_rows <- function(columns, n) {
  missing <- lapply(columns, missing_in)
  counts <- vapply(missing, sum, 0L)
  counts <- counts[counts > 0]
  list(is_missing = Reduce(`|`, missing, rep(FALSE, n)), counts = counts,
       where = paste0(names(counts), " (", counts, ")", recycle0 = TRUE))
}

# What is no column at all is refused with the terms, by name.
missing_in <- function(column) {
  if (!is.atomic(column) && !is.list(column)) return(FALSE)
  if (is.matrix(column)) rowSums(is.na(column)) > 0 else is.na(column)
}

refuse_missing <- function(where, rows, policy) {
  why <- if (policy == "pass") "Missing values cannot be passed on to the model, as {.arg na.action} asks." else
    "{.arg na.action} asks to fail."
  abort_twill("data", c("{.arg data} has missing values in {.val {some(where, 10)}}, row{?s} {.val {some(rows)}}.",
                        "x" = why, "i" = "Use {.code na.action = na.omit} to drop these rows, or fill them in."))
}

# Without losing the contrasts of the factor, which droplevels() does.
drop_unused_levels <- function(column) {
  if (!is.factor(column) || all(tabulate(column, nlevels(column)) > 0)) return(column)
  contrasts <- attr(column, "contrasts")
  column <- droplevels(column)
  if (is.character(contrasts)) attr(column, "contrasts") <- contrasts
  column
}
