# The tables that tw_*() verbs return: data frames that carry what was asked and what their columns are, whatever is done to them.

#' Tables of results
#'
#' What the `tw_*()` verbs return is a data frame of class `c("tw_<kind>", "tw_table", "data.frame")`, in which attributes say
#' what was asked: `contrast`, `estimand`, `scale`, `unit`, `prob` (the probability of the intervals), `threshold` and
#' `description`, a text per column, as far as the table has them.
#'
#' @section Units:
#' Tables of counts are in log2, those of Gaussian models in the units of the values; with `log2 = FALSE` both are in what the
#' linear predictor has, which for counts is the natural logarithm. `print()` says which. Verbs of brms and lme4 (`fixef()`,
#' `coef()`, `tidy()`, draws) always speak the scale of the linear predictor.
#'
#' @section What tables survive:
#' Rows and columns that are taken by `[`, `head()`, `subset()` or verbs of dplyr still are a table of their kind, with its
#' attributes. `rbind()` keeps the attributes in which its tables agree. `as.data.frame()` gives a plain data frame with the
#' attributes, so that plots still know units and titles; `merge()` and `cbind()` make one without.
#' `as(x, "DataFrame")`, with S4Vectors loaded, has the descriptions in `mcols()` and the other attributes in `metadata()`.
#'
#' @param x A table.
#' @param n Number of rows to show. Default: 10.
#' @param digits Number of significant digits. Default: 3.
#' @param type For contrasts and sets: `"volcano"` or `"ma"`, see [plot.twillgenes()], with a panel for each of up to 12
#'   contrasts, types or levels; `"forest"`, effects and their intervals gene by gene, and level by level where the table has
#'   several contrasts, types or levels (`by`); or `"heatmap"` of such a table, genes by levels, with dots where the s-value is at
#'   most `alpha`, genes of like effects together. Default: `"forest"` with levels, else `"volcano"`.
#' @param alpha,n_labels As in [plot.twillgenes()]. A forest shows the `n_labels` genes that are surest of an effect, or all that
#'   the table has if they are not more; so does a heatmap, 30 by default.
#' @param decreasing,by For `sort()`: names of columns to sort by, and whether from the largest. Default: s-values from the
#'   smallest, of equal ones the effect that is larger in its posterior sds first. No row is left out, and those without an
#'   s-value come last.
#' @param ... For `[`: rows and columns, as of a data frame; for `rbind()`: tables. Else not used.
#' @return `print()`: its argument, invisibly; as many columns as the screen is wide, and below the names of the others. `plot()`:
#'   a ggplot.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' res <- tw_contrast(fit)
#' res
#' attr(res, "unit")
#' head(sort(res), 3)
#' res[res$svalue < 0.2, c("log2FoldChange", "svalue")]
#' plot(res)
#' fit <- update(fit, ~ condition + (1 + condition || donor))
#' plot(tw_contrast(fit, by = "donor"), "heatmap")
#' @name tw_table
NULL

# `facts` is a list of attributes; `rows` what a row is ("genes"); `texts` descriptions, named by columns; `minor` names columns
# to leave out first where a screen is narrow.
new_table <- function(table, kind, title, rows, texts = NULL, facts = list(), minor = character()) {
  facts <- compact(c(list(title = title, rows = rows), facts, list(description = texts[intersect(names(table), names(texts))])))
  if (length(minor)) facts$minor <- minor
  facts$whole <- nrow(table)
  attributes(table) <- c(list(names = names(table), row.names = attr(table, "row.names")), facts)
  structure(table, class = c(paste0("tw_", kind), "tw_table", "data.frame"))
}

not_facts <- c("names", "row.names", "class")

facts_of <- function(x) attributes(x)[setdiff(names(attributes(x)), not_facts)]

# A data frame with the class and the facts of the table that it was made of.
with_facts <- function(table, of) {
  facts <- facts_of(of)
  attributes(table) <- c(attributes(table)[c("names", "row.names")], facts)
  structure(table, class = oldClass(of))
}

# A table without its class and what that hangs on it: what is taken out of it is an ordinary data frame.
plain_table <- function(x) {
  attributes(x) <- list(names = names(x), row.names = attr(x, "row.names"), class = "data.frame")
  x
}

# What a table says of itself, also as a data frame that has lost its class, or a DataFrame.
table_fact <- function(x, name) if (isS4(x)) S4Vectors::metadata(x)[[name]] else attr(x, name, exact = TRUE)

# Descriptions of the columns, "" where there is none.
table_texts <- function(x) {
  texts <- if (isS4(x)) stats::setNames(S4Vectors::mcols(x)$description, names(x)) else attr(x, "description", exact = TRUE)
  if (is.null(names(texts))) texts <- stats::setNames(character(), character())
  texts <- texts[names(x)]
  stats::setNames(ifelse(is.na(texts), "", texts), names(x))
}

interval_texts <- function(prob, how = "") {
  text <- sprintf("%s end of the %g%% interval%s", c("lower", "upper"), 100 * prob, how)
  stats::setNames(text, c("lower", "upper"))
}

# At the end where there is no such column.
insert_before <- function(table, name, columns) {
  if (is.null(columns)) return(table)
  before <- seq_along(table) < match(name, names(table), nomatch = length(table) + 1)
  cbind(table[before], columns, table[!before])
}

# The status of a row stays the last column.
insert_before_status <- function(table, columns) insert_before(table, "status", columns)

# Units ------------------------------------------------------------------------------------------------------------------

# The one rule: counts in log2, unless natural logarithms are asked for; Gaussian values in their own.
table_unit <- function(fit, log2 = TRUE) {
  if (!has_counts(fit)) "values" else if (check_flag(log2, "log2")) "log2" else "natural log"
}

# What effects on the scale of the link are divided by.
unit_size <- function(unit) if (unit == "log2") log(2) else 1

unit_text <- function(unit) {
  switch(unit, values = "units of the values", "natural log" = "natural log units", log2 = "log2 units", unit)
}

# In descriptions.
unit_short <- function(unit) switch(unit, values = "in units of the values", "natural log" = "natural logarithm", unit)

# For axes.
unit_words <- function(unit) {
  switch(unit, log2 = "log2 fold change", "natural log" = "log fold change (base e)", "difference, in units of the values")
}

# Verbs of data frames ---------------------------------------------------------------------------------------------------

#' @rdname tw_table
#' @method [ tw_table
#' @export
`[.tw_table` <- function(x, ...) {
  out <- NextMethod()
  if (is.data.frame(out)) with_facts(out, x) else out
}

#' @rdname tw_table
#' @method rbind tw_table
#' @export
rbind.tw_table <- function(...) {
  parts <- list(...)
  tables <- Filter(function(part) inherits(part, "tw_table"), parts)
  out <- rbind.data.frame(...)
  facts <- facts_of(tables[[1]])
  same <- vapply(names(facts), function(name) all(vapply(tables, function(x) identical(attr(x, name), facts[[name]]), NA)), NA)
  attributes(out) <- c(attributes(out)[c("names", "row.names")], facts[same | names(facts) %in% c("whole", "description")])
  kinds <- unique(lapply(tables, oldClass))
  structure(out, class = if (length(kinds) == 1) kinds[[1]] else c("tw_table", "data.frame"))
}

# Rows that were added by a verb that sees one table of several are of nobody knows which contrast.
dplyr_reconstruct.tw_table <- function(data, template) {
  out <- with_facts(data, template)
  if (nrow(data) > nrow(template)) attr(out, "contrast") <- NULL
  out
}

# Columns that a plot or a summary needs.
need_columns <- function(x, needed, makers) {
  missing <- setdiff(needed, names(x))
  if (length(missing) == 0) return(invisible())
  abort_twill("plot", c(paste("The table must be one made by", makers), "x" = "It has no column {.val {missing}}."))
}

#' @rdname tw_table
#' @method sort tw_table
#' @export
sort.tw_table <- function(x, decreasing = FALSE, by = "svalue", ...) {
  check_no_dots(...)
  check_flag(decreasing, "decreasing")
  if (!is.character(by) || length(by) == 0 || !all(by %in% names(x))) {
    wrong <- if (is.character(by)) setdiff(by, names(x)) else given_value(by)
    abort_twill("argument", c("{.arg by} must name columns of the table.", "x" = "It has no column {.val {wrong}}.",
                              "i" = "Its columns are {.val {some(names(x), 30)}}."))
  }
  effect <- intersect(effect_names, names(x))
  size <- if (identical(by, "svalue") && length(effect) && "lfcSE" %in% names(x)) -abs(x[[effect[1]]]) / x$lfcSE
  ties <- if (identical(by, "svalue")) compact(list(x$fsos %||% x$lfsr, size))
  keys <- c(unname(as.list(plain_table(x)[by])), ties)
  x[do.call(order, c(keys, list(decreasing = decreasing, na.last = TRUE))), ]
}

#' @rdname tw_table
#' @method plot tw_table
#' @export
plot.tw_table <- function(x, ...) {
  check_no_dots(...)
  kind <- sub("^tw_", "", class(x)[1])
  abort_twill("plot", c("There is no plot of a table of {kind}.",
                        "i" = paste("Tables of {.fn tw_contrast}, {.fn tw_gene_sets}, {.fn tw_spread}, {.fn tw_calibration} and",
                                    "{.fn tw_shared_variation} have one.")))
}
