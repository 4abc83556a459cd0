# Several contrasts in one call: lists of them, each level of a variable against others, and their tables as one.

#' Each level against others
#'
#' Stands for several contrasts in one call of [tw_contrast()] or [tw_gene_sets()]: of each level of a factor against the mean of
#' all others, against one of them, or of all pairs. It can be an element of a list of contrasts too.
#'
#' Differences are of [cond()]s: other variables are at their first level, or averaged over with `.average = TRUE`. The mean of
#' the others gives each level the same weight, however many samples it has.
#'
#' @param variable Name of a factor, or of a logical variable, of the design.
#' @param against `"rest"` (default), `"pairs"`, or a level.
#' @param .average As in [cond()].
#' @return An object of class `tw_each`. Errors have class `twill_error_contrast`.
#' @seealso [tw_contrast()]
#' @examples
#' tw_each("cell_type")
#' set.seed(1)
#' samples <- data.frame(dose = gl(3, 4, labels = c("none", "low", "high")))
#' counts <- matrix(rpois(72, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~dose, col_data = samples, iter = 200, seed = 1)
#' tw_contrast(fit, tw_each("dose", against = "none"))
#' tw_contrast(fit, list(any = (cond(dose = "low") + cond(dose = "high")) / 2 - cond(dose = "none"),
#'                       more = cond(dose = "high") - cond(dose = "low")))
#' @export
tw_each <- function(variable, against = "rest", .average = FALSE, ...) {
  check_no_dots(...)
  is_text <- function(x) is.character(x) && length(x) == 1 && !is.na(x) && nzchar(x)
  if (!is_text(variable)) {
    given <- given_value(variable)
    abort_twill("contrast", c("{.arg variable} must be the name of one variable of the design.", "x" = "It is {.val {given}}."))
  }
  if (!is.atomic(against) || length(against) != 1 || is.na(against)) {
    given <- given_value(against)
    abort_twill("contrast", c("{.arg against} must be {.val rest}, {.val pairs} or a level.", "x" = "It is {.val {given}}."))
  }
  structure(list(variable = variable, against = as.character(against), average = check_average(.average)), class = "tw_each")
}

#' @rdname tw_each
#' @param x A result of `tw_each()`.
#' @param ... Must be empty.
#' @method print tw_each
#' @export
print.tw_each <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat(switch(x$against, rest = sprintf("Each level of %s against the mean of the others", x$variable),
             pairs = sprintf("All pairs of levels of %s", x$variable),
             sprintf("Each level of %s against %s", x$variable, x$against)), "\n", sep = "")
  invisible(x)
}

is_several <- function(contrast) inherits(contrast, "tw_each") || (is.list(contrast) && !inherits(contrast, "tw_cond"))

# A named list of contrasts of which each is one.
list_contrasts <- function(model, contrasts) {
  if (inherits(contrasts, "tw_each")) return(each_contrasts(model, contrasts))
  if (length(contrasts) == 0) abort_twill("contrast", "{.arg contrast} is an empty list: it names no contrast.")
  names <- names(contrasts) %||% rep("", length(contrasts))
  parts <- lapply(seq_along(contrasts), function(k) {
    one <- contrasts[[k]]
    if (inherits(one, "tw_each")) return(each_contrasts(model, one))
    stats::setNames(list(one), if (nzchar(names[k])) names[k] else resolve_contrast(model, one)$label)
  })
  out <- unlist(parts, recursive = FALSE)
  twice <- unique(names(out)[duplicated(names(out))])
  if (length(twice) == 0) return(out)
  abort_twill("contrast", c("Contrasts must have different names.", "x" = "{.val {some(twice)}} stand{?s/} for more than one."))
}

each_contrasts <- function(model, each) {
  levels <- each_levels(model, each$variable)
  at <- function(level) {
    value <- if (is.factor(model$data[[each$variable]])) level else level == "TRUE"
    do.call(cond, c(stats::setNames(list(value), each$variable), list(.average = each$average %||% FALSE)))
  }
  if (each$against == "pairs") {
    pairs <- utils::combn(levels, 2, simplify = FALSE)
    return(stats::setNames(lapply(pairs, function(pair) at(pair[2]) - at(pair[1])), vapply(pairs, pair_name, "")))
  }
  if (each$against == "rest" && !"rest" %in% levels) {
    rest <- function(level) Reduce(`+`, lapply(setdiff(levels, level), at)) / (length(levels) - 1)
    return(stats::setNames(lapply(levels, function(level) at(level) - rest(level)), paste(levels, "vs rest")))
  }
  check_cond_levels(each$against, levels, each$variable)
  others <- setdiff(levels, each$against)
  stats::setNames(lapply(others, function(level) at(level) - at(each$against)), paste(others, "vs", each$against))
}

pair_name <- function(pair) paste(pair[2], "vs", pair[1])

each_levels <- function(model, variable) {
  known <- cond_variables(model)
  column <- model$data[[variable]]
  levels <- if (is.factor(column)) levels(column) else if (is.logical(column)) c("FALSE", "TRUE")
  if (variable %in% known && length(levels) > 1) return(levels)
  abort_twill("contrast", c("{.fn tw_each} needs a variable of the design that has levels.",
                            "x" = if (variable %in% known) "{.field {variable}} is a number." else
                              "{.field {variable}} is no variable of it.",
                            did_you_mean(variable, setdiff(known, variable)), "i" = "Its variables are {.val {known}}."))
}

# The tables that `make` gives of each contrast of a list, as one.
several_contrasts <- function(fit, contrasts, make, row = "gene") {
  contrasts <- list_contrasts(model_of(fit), contrasts)
  tables <- said_once(lapply(contrasts, function(one) without_label(make(one))))
  long_table(tables, data.frame(contrast = factor(names(contrasts), names(contrasts))), row)
}

# A column says of which contrast a row is: descriptions are true of all.
without_label <- function(table) {
  attr(table, "description") <- sub(paste0(attr(table, "contrast"), "; "), "", attr(table, "description"), fixed = TRUE)
  attr(table, "contrast") <- NULL
  table
}
