# The one print method of tables: what was asked and in which units, then rows, as many columns as the screen is wide.

#' @rdname tw_table
#' @method print tw_table
#' @export
print.tw_table <- function(x, n = 10, digits = 3, ...) {
  check_no_dots(..., allow = c(print_arguments, "row.names"))
  n <- check_whole(n, "n", 1, 1e9)
  digits <- check_whole(digits, "digits", 1, 15)
  cat(table_heading(x), sep = "\n")
  body <- whole_body(x)
  is_whole <- identical(attr(x, "whole"), nrow(x)) && all(body$columns %in% names(x))
  if (is.null(body) || !is_whole) print_rows(x, n, digits) else body$print(x, n)
  invisible(x)
}

# Kinds whose rows are too many or too fine to be read have a body of their own, list(columns, print), which is shown as long as
# the table is whole and has these columns. NULL for the others.
whole_body <- function(x) UseMethod("whole_body")

#' @exportS3Method
whole_body.default <- function(x) NULL

# "Effects, 8,412 genes: conditionstim", then how it was asked, then what was found.
table_heading <- function(x) {
  fact <- function(name) attr(x, name, exact = TRUE)
  size <- paste(big(nrow(x)), plural(fact("rows") %||% "rows", nrow(x)))
  first <- paste0(fact("title") %||% "Table", ", ", size, if (!is.null(fact("contrast"))) paste0(": ", fact("contrast")))
  asked <- c(if (!is.null(fact("estimand"))) paste("estimand", sub("_", " ", fact("estimand"))),
             if (!is.null(fact("scale"))) paste("scale of", fact("scale")),
             if (!is.null(fact("unit"))) unit_text(fact("unit")),
             if (!is.null(fact("threshold"))) sprintf("threshold %.3g", fact("threshold")),
             if (!is.null(fact("prob")) && any(c("lower", "upper") %in% names(x))) interval_words(fact("prob"), fact("error")))
  lines <- c(first, joined_lines(asked, screen_width()), fact("note"), found_text(x))
  unlist(lapply(lines, strwrap, width = screen_width() + 1, exdent = 2))
}

# Parts joined by semicolons, on as few lines as keep each part whole.
joined_lines <- function(parts, width) {
  Reduce(function(lines, part) {
    longer <- paste0(lines[length(lines)], "; ", part)
    if (length(lines) == 0 || nchar(longer) > width) c(lines, part) else c(lines[-length(lines)], longer)
  }, parts, character())
}

interval_words <- function(prob, error) {
  paste0(sprintf("%g%% intervals", 100 * prob), if (!is.null(error)) sprintf(" (Monte Carlo error of ends %.2f sd)", error))
}

screen_width <- function() min(getOption("width"), 500)

joined_words <- function(words) sub(", ([^,]*)$", " and \\1", toString(words))

# "rows by gene and leaf" of one row is "row by gene and leaf".
plural <- function(words, n) if (n == 1) sub("s( |$)", "\\1", words) else words

# How many effects are sure of their sign.
found_text <- function(x) {
  effect <- intersect(effect_names, names(x))
  if (!all(c("svalue", "lfsr") %in% names(x)) || length(effect) == 0) return(NULL)
  called <- x[[effect[1]]][which(x$svalue <= 0.05)]
  trouble <- if ("status" %in% names(x)) sum(!x$status %in% c("ok", "refined"))
  paste0(sprintf("s-value at most 0.05: %s up, %s down", big(sum(called > 0)), big(sum(called < 0))),
         if (any(trouble > 0)) sprintf("; %s with a status", big(trouble)))
}

effect_names <- c("log2FoldChange", "logFC", "mean")

# Rows -------------------------------------------------------------------------------------------------------------------

print_rows <- function(x, n, digits) {
  if (ncol(x) == 0 || nrow(x) == 0) return(cat("No ", if (ncol(x) == 0) "columns" else "rows", ".\n", sep = ""))
  shown <- plain_table(x)[seq_len(min(n, nrow(x))), , drop = FALSE]
  names <- row_names_shown(shown)
  signed <- signed_columns(shown)
  support <- attr(x, "support")
  columns <- lapply(names(shown), function(name) text_column(shown[[name]], name, digits, name %in% signed, support))
  fits <- columns_that_fit(columns, names, match(intersect(attr(x, "minor"), names(shown)), names(shown)))
  cat(do.call(paste, c(list(names), columns[fits])), sep = "\n")
  left <- c(if (nrow(x) > n) sprintf("%s more rows", big(nrow(x) - n)),
            if (!all(fits)) paste("further columns:", toString(names(shown)[!fits])))
  if (length(left) == 0) return(invisible())
  # A call stays on one line.
  whole <- "print(x,~n~=~)"
  text <- paste0("# ", paste(left, collapse = "; "), " - ", whole, ", as.data.frame(x)")
  lines <- strwrap(text, screen_width() + 1, prefix = "# ", initial = "")
  cat(sub(whole, "print(x, n = )", lines, fixed = TRUE), sep = "\n")
}

# A column of text with its heading: names of rows, where they are names.
row_names_shown <- function(shown) {
  names <- attr(shown, "row.names")
  if (!is.character(names)) return(rep("", nrow(shown) + 1))
  format(c("", cut_text(names)))
}

cut_text <- function(text, width = 24) ifelse(nchar(text) > width, paste0(substr(text, 1, width - 2), ".."), text)

# Columns of values of either sign; an effect and the ends of its interval are alike.
signed_columns <- function(shown) {
  signed <- names(shown)[vapply(shown, function(values) is.numeric(values) && any(values < 0, na.rm = TRUE), NA)]
  ends <- c(effect_names, "estimate", "lower", "upper")
  if (any(ends %in% signed)) union(signed, ends) else signed
}

text_column <- function(values, name, digits, signed, support = NULL) {
  if (!is.numeric(values)) return(format(c(name, cut_text(as.character(values)))))
  text <- c(name, supported_texts(number_texts(values, digits, signed), values, name, support))
  formatC(text, width = text_width(text))
}

text_width <- function(text) max(nchar(text, "width"))

# Values of either sign have one number of decimals, so that they can be read down; sizes have significant digits each.
number_texts <- function(values, digits, signed) {
  known <- values[is.finite(values)]
  if (length(known) == 0) return(as.character(values))
  text <- if (all(known == round(known))) big_each(values) else if (signed) aligned(values, digits) else sized(values, digits)
  ifelse(is.finite(values), text, as.character(values))
}

big_each <- function(values) vapply(values, big, "")

aligned <- function(values, digits) {
  largest <- max(abs(values[is.finite(values)]))
  decimals <- max(if (largest < 100) 2 else 0, min(9, digits - 1 - floor(log10(largest))))
  fixed_text(values, decimals, big.mark = ",")
}

sized <- function(values, digits) {
  text <- sub("[.]$", "", formatC(values, format = "fg", digits = digits, flag = "#", decimal.mark = "."))
  small <- which(values > 0 & values < 1e-3)
  text[small] <- sprintf("%.0e", values[small])
  large <- which(values >= 10^digits)
  text[large] <- big_each(round(values[large]))
  ifelse(values == 0, "0", text)
}

# Which columns go beside each other: minor ones where room is left.
columns_that_fit <- function(columns, names, minor) {
  widths <- vapply(columns, text_width, 1) + 1
  room <- screen_width() - text_width(names)
  fits <- logical(length(columns))
  for (k in c(setdiff(seq_along(columns), minor), minor)) {
    if (sum(widths[fits]) + widths[k] > room && any(fits)) break
    fits[k] <- TRUE
  }
  fits
}
