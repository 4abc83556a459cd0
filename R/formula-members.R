# Rows that belong to several levels, mm(g1, g2) and mm(g, weights = W): what a formula says of them.

# list(vars, group, weights, scale, relation): the columns, the name as in brms, the expression of the weights in the data (NULL
# where all are equal), whether they are made to sum to one, and c("weights", name) of a matrix in data2.
parse_mm <- function(call) {
  text <- deparse1(call)
  arguments <- as.list(call)[-1]
  names <- names(arguments) %||% rep("", length(arguments))
  extra <- setdiff(names, c("", "weights", "scale", "cor", "dist"))
  if (length(extra) > 0) {
    abort_twill("formula", c("{.fn mm} takes grouping factors, {.arg weights}, {.arg scale}, {.arg cor} and {.arg dist}.",
                             "x" = "{.code {text}} has {.arg {extra}} too."))
  }
  vars <- mm_columns(arguments[!nzchar(names)], text)
  from_data2 <- length(vars) == 1
  if (from_data2 && !is_name_or_text(arguments$weights)) refuse_lone_member(vars, text)
  list(vars = vars, group = paste0("mm", paste(vars, collapse = "")),
       weights = if (!from_data2) arguments$weights,
       scale = if (is.null(arguments$scale)) !from_data2 else flag_in_formula(arguments$scale, text, "scale"),
       cor = is.null(arguments$cor) || flag_in_formula(arguments$cor, text, "cor"),
       dist = dist_in_formula(arguments$dist, text),
       relation = if (from_data2) c("weights", as.character(arguments$weights)))
}

is_name_or_text <- function(value) is.name(value) || (is.character(value) && length(value) == 1)

mm_columns <- function(given, text) {
  if (length(given) == 0) abort_twill("formula", c("{.fn mm} needs grouping factors.", "x" = "It is {.code {text}}."))
  odd <- Filter(Negate(is.name), given)
  if (length(odd) > 0) {
    what <- deparse1(odd[[1]])
    abort_twill("formula", c("{.fn mm} takes columns of {.arg data}, the levels that a row belongs to.",
                             "x" = "{.code {text}} has {.code {what}}.",
                             "i" = if (is_call_to(odd[[1]], "gr")) "{.fn gr} and {.fn mm} are not supported together." else
                               "Add what it computes to {.arg data} as a column and name that column."))
  }
  vars <- vapply(given, as.character, "")
  twice <- vars[duplicated(vars)]
  if (length(twice) == 0) return(unname(vars))
  abort_twill("formula", c("{.fn mm} takes each grouping factor once.", "x" = "{.code {text}} has {.val {twice}} twice."))
}

refuse_lone_member <- function(vars, text) {
  abort_twill("formula", c("{.fn mm} takes two grouping factors or more, or one with a matrix of weights in {.arg data2}.",
                           "x" = "It is {.code {text}}.",
                           "i" = "Write {.code (1 | {vars})}, {.code mm({vars}, ...)}, or {.code mm({vars}, weights = W)}."))
}
