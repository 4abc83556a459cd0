# What tw_shrink() is given: estimates, standard errors and degrees of freedom, as numbers or as columns of a table of other
# packages.

# Names of columns by package; the first pair that a table has is taken.
shrink_known <- list(c("log2FoldChange", "lfcSE"), c("estimate", "std.error"), c("Estimate", "Std. Error"), c("estimate", "se"),
                     c("yi", "sei"), c("logFC", "SE"), c("logFC", "lfcSE"), c("Estimate", "Est.Error"))

# list(estimate, se, df, names), checked, as many of each.
shrink_columns <- function(estimate, se, df, data, no_df) {
  if (is_table(estimate)) {
    if (!is.null(data)) abort_twill("shrink", c("{.arg estimate} is a table, and {.arg data} is given too.",
                                                "i" = "Leave one of them out."))
    data <- as_plain_frame(estimate)
    known <- estimate_columns(data, se)
    estimate <- known$estimate
    se <- known$se
    if (no_df && "df" %in% names(data) && is.numeric(data$df)) df <- "df"
  } else if (!is.null(data)) {
    if (!is_table(data)) abort_twill("shrink", c("{.arg data} must be a data frame.",
                                                 "x" = "It is of class {.cls {class(data)[1]}}."))
    data <- as_plain_frame(data)
  }
  out <- list(estimate = column_or_numbers(estimate, data, "estimate"), se = column_or_numbers(se, data, "se"),
              df = column_or_numbers(df, data, "df"))
  if (is.null(data) && !is_in_order(names(out$se), names(out$estimate))) {
    abort_twill("shrink", c("{.arg estimate} and {.arg se} go by position, and their names are in other orders.",
                            "i" = "Say {.code se[names(estimate)]}."))
  }
  out$names <- if (is.null(data)) names(out$estimate) else table_row_names(data)
  check_shrink_values(lapply(out[c("estimate", "se", "df")], unname), out$names)
}

is_table <- function(x) is.data.frame(x) || inherits(x, "DataFrame") || (is.matrix(x) && !is.null(colnames(x)))

as_plain_frame <- function(x) {
  if (inherits(x, "tw_table")) x <- plain_table(x)
  as.data.frame(x, optional = TRUE)
}

table_row_names <- function(data) {
  names <- attr(data, "row.names")
  for (column in c("gene", "term")) {
    if (!is.character(names) && is.character(data[[column]]) && !anyDuplicated(data[[column]])) names <- data[[column]]
  }
  if (is.character(names)) names
}

# list(estimate, se): names of columns, or numbers where the standard error is to be computed.
estimate_columns <- function(data, se) {
  if (!is.null(se)) {
    first <- intersect(unique(vapply(shrink_known, `[`, "", 1)), names(data))
    if (length(first)) return(list(estimate = first[1], se = se))
  }
  for (pair in shrink_known) if (all(pair %in% names(data))) return(list(estimate = pair[1], se = pair[2]))
  if (all(c("logFC", "t") %in% names(data))) return(list(estimate = "logFC", se = data$logFC / data$t))
  edger <- if (all(c("logFC", "logCPM") %in% names(data))) {
    c("i" = "Tables of edgeR have no standard errors: give {.code logFC} and {.code abs(logFC) / sqrt(F)} as numbers.")
  }
  abort_twill("shrink", c("No columns of estimates and standard errors are known in this table.",
                          "x" = "Its columns are {.val {some(names(data), 20)}}.", edger,
                          "i" = "Name them: {.code tw_shrink(\"beta\", \"se\", data = table)}."))
}

column_or_numbers <- function(x, data, name) {
  if (is.character(x) && length(x) == 1) {
    if (is.null(data)) abort_twill("shrink", c("{.arg {name}} names a column, {.val {x}}, and there is no table.",
                                       "i" = "Give {.arg data}."))
    if (!x %in% names(data)) abort_twill("shrink", c("{.arg {name}} is no column of the table: {.val {x}}.",
                                                     did_you_mean(x, names(data)),
                                                     "i" = "Columns are {.val {some(names(data), 20)}}."))
    x <- data[[x]]
  }
  if (is.null(x)) abort_twill("shrink", c("{.arg {name}} is missing.", "i" = "Estimates need their standard errors."))
  if (!is.numeric(x) || is.matrix(x) && ncol(x) != 1) {
    if (is.logical(x) && all(is.na(x))) return(as.numeric(x))
    abort_twill("shrink", c("{.arg {name}} must be numbers.", "x" = "It is of class {.cls {class(x)[1]}}."))
  }
  if (is.matrix(x)) stats::setNames(as.numeric(x), rownames(x)) else stats::setNames(as.numeric(x), names(x))
}

check_shrink_values <- function(out, names) {
  n <- length(out$estimate)
  if (n == 0) abort_twill("shrink", "{.arg estimate} has no values.")
  for (name in c("se", "df")) {
    size <- length(out[[name]])
    if (!size %in% c(1, n)) abort_twill("shrink", "{.arg {name}} has {size} values, {.arg estimate} has {n}.")
  }
  out$se <- rep_len(out$se, n)
  for (name in c("estimate", "se", "df")) out[[name]] <- nan_to_na(out[[name]])
  needs(is.na(out$estimate) | is.finite(out$estimate), "estimate", "finite", names)
  needs(is.na(out$se) | (is.finite(out$se) & out$se > 0), "se", "positive", names)
  # Squares of both, and of their ratios, are within what doubles hold.
  needs(is.na(out$estimate) | abs(out$estimate) <= 1e50, "estimate", "at most 1e50 in size (give it in a larger unit)", names)
  needs(is.na(out$se) | (out$se >= 1e-50 & out$se <= 1e50), "se", "between 1e-50 and 1e50 (give it in another unit)", names)
  needs(is.na(out$df) | out$df > 0, "df", "positive", names)
  needs(is.na(out$df) | out$df >= 0.1, "df", "at least 0.1 (are these standard errors?)", names)
  if (length(out$df) == 1) needs(!is.na(out$df), "df", "positive", NULL)
  out$df <- rep_len(out$df, n)
  out$estimate[is.na(out$df)] <- NA
  c(out, list(names = names))
}

needs <- function(ok, name, what, names) {
  wrong <- which(!ok)
  if (length(wrong) == 0) return(invisible())
  rows <- if (is.null(names)) wrong else names[wrong]
  abort_twill("shrink", c("{.arg {name}} must be {what}.",
                          "x" = "{length(wrong)} value{?s} {?is/are} not: row{?s} {.val {some(rows)}}."))
}

check_number_of <- function(x, name) {
  if (is.numeric(x) && length(x) == 1 && is.finite(x) && abs(x) <= 1e50) return(as.numeric(x))
  abort_twill("shrink", c("{.arg {name}} must be one number, at most 1e50 in size.", "x" = "It is {.val {given_value(x)}}."))
}
