# Group-level terms of a formula: (1 + x | g), gr(), mm() and tw_re().

#' A group-level term with a free mean
#'
#' In a formula, `tw_re(g, mean = "normal(0, 5)")` stands for `(1 | g)` with the mean of the levels as a parameter,
#' `mu_g__Intercept`, so that level j has the coefficient `mu + r_j` with `r_j ~ Normal(0, sd)`. A model without an
#' intercept can then give each of several crossed groupings its own mean,
#' `y ~ 0 + tw_re(gene, mean = "normal(-1, 2)") + tw_re(cell_line, mean = "normal(0, 2)")`. Only the sum of these means
#' is informed by the data, so each needs a proper prior.
#'
#' The means are population-level coefficients: they stay in predictions with `re_formula = NA`, and their priors have
#' class `mu` with the term's `group` and `coef`.
#'
#' @param term A grouping factor (`gene`, `gene:guide`, `gene/guide`) or a whole term without its parentheses:
#'   `1 + x | gene`, `1 + x || gene`.
#' @param mean Prior of the mean: one string for all coefficients of the term, or a vector named by coefficient
#'   (`c(Intercept = "normal(0, 5)", x = "normal(0, 1)")`); coefficients it leaves out have no free mean. Without it a
#'   weak prior scaled to the data is used.
#' @param ... Must be empty.
#' @return Nothing: it is only understood inside the formula of [twill()]. Elsewhere it is an error of class
#'   `twill_error_formula`.
#' @examples
#' tw_formula(logfc ~ 0 + tw_re(gene, mean = "normal(-1, 2)") +
#'              tw_re(cell_line, mean = "normal(0, 2)"))
#' tw_formula(logfc ~ 0 + tw_re(1 + rna || gene, mean = "normal(0, 5)"))
#' @export
tw_re <- function(term, mean, ...) {
  check_no_dots(...)
  abort_twill("formula", "{.fn tw_re} is a term of a formula and is only understood inside the formula of {.fn twill}.")
}

# Group-level terms of an expression, as `lhs | group`, from left to right; they stand in parentheses and are added.
group_bars <- function(expression) {
  if (is_call_to(expression, "+")) return(unlist(lapply(as.list(expression)[-1], group_bars), recursive = FALSE))
  if (is_call_to(expression, "-") && length(expression) == 3) return(group_bars(expression[[2]]))
  if (!is_call_to(expression, "(")) return(NULL)
  inner <- expression[[2]]
  if (is_call_to(inner, c("|", "||"))) list(inner) else group_bars(inner)
}

# The expression without its group-level terms, 1 if nothing is left.
without_bars <- function(expression) drop_bars(expression) %||% 1

drop_bars <- function(expression) {
  if (is_call_to(expression, "tw_re")) return(NULL)
  if (is_call_to(expression, "(")) {
    inner <- expression[[2]]
    if (is_call_to(inner, c("|", "||"))) return(NULL)
    inner <- drop_bars(inner)
    return(if (!is.null(inner)) call("(", inner))
  }
  if (!is_call_to(expression, c("+", "-"))) return(expression)
  operator <- expression[[1]]
  left <- drop_bars(expression[[2]])
  if (length(expression) == 2) return(if (!is.null(left)) as.call(list(operator, left)))
  right <- drop_bars(expression[[3]])
  if (is.null(right)) return(left)
  # What is taken away stays so: (1 | g) - 1 is -1.
  if (is.null(left)) return(if (identical(operator, quote(`-`))) as.call(list(operator, right)) else right)
  as.call(list(operator, left, right))
}

# Rewrites every group-level term as `(.group_term(lhs, cor, mean, more) | a:b)`, `more` a list of what gr() says: it keeps what
# lme4's grammar has no place for.
mark_group_terms <- function(expression, env) {
  walk <- function(e) mark_group_terms(e, env)
  if (is_call_to(expression, "+")) return(as.call(c(as.name("+"), lapply(as.list(expression)[-1], walk))))
  if (is_call_to(expression, "-") && length(expression) == 3) {
    refuse_hidden_bars(expression[[3]])
    return(call("-", walk(expression[[2]]), expression[[3]]))
  }
  if (is_call_to(expression, "(")) {
    inner <- expression[[2]]
    return(if (is_call_to(inner, c("|", "||"))) mark_bar(inner) else call("(", walk(inner)))
  }
  if (is_call_to(expression, "tw_re")) return(mark_free_mean(expression, env))
  refuse_hidden_bars(expression)
  expression
}

refuse_hidden_bars <- function(expression) {
  if (!any(c("|", "||", "tw_re") %in% call_names(expression))) return(invisible())
  text <- deparse1(expression)
  abort_twill("formula", c("A group-level term must stand in parentheses and be added with {.code +}.",
                           "x" = "It is part of {.code {text}}.",
                           "i" = "Write {.code y ~ x + (1 | g)}; compute logical conditions in the data first."))
}

mark_bar <- function(bar, mean = NULL) {
  labelled <- label_bar(bar, mean)
  bar <- labelled$bar
  cor <- is_call_to(bar, "|")
  group <- bar[[3]]
  more <- NULL
  if (is_call_to(group, "mm")) return(mark_mm(bar, cor, mean))
  if (is_call_to(group, "gr")) {
    plain <- parse_gr(group)
    group <- plain$group
    cor <- cor && plain$cor
    more <- plain[c("relation", "by", "dist")]
  }
  more$label <- labelled$label
  marked <- lapply(expand_group(group), function(vars) {
    name <- Reduce(function(a, b) call(":", a, b), lapply(vars, as.name))
    call("(", call("|", call(".group_term", bar[[2]], cor, mean, more), name))
  })
  Reduce(function(a, b) call("+", a, b), marked)
}

mark_mm <- function(bar, cor, mean) {
  if (!is.null(mean)) {
    text <- deparse1(bar)
    abort_twill("formula", c("{.fn mm} has no place in {.fn tw_re}.", "x" = "It is {.code {text}}."))
  }
  members <- parse_mm(bar[[3]])
  vars <- Reduce(function(a, b) call(":", a, b), lapply(members$vars, as.name))
  more <- members[c("relation", "dist")]
  more$members <- members
  call("(", call("|", call(".group_term", bar[[2]], cor && members$cor, mean, more), vars))
}

parse_gr <- function(call) {
  text <- deparse1(call)
  arguments <- as.list(call)[-1]
  extra <- setdiff(names(arguments), c("", "cor", "cov", "prec", "by", "dist"))
  unnamed <- sum(!nzchar(names(arguments) %||% rep("", length(arguments))))
  if (length(extra) > 0 || unnamed != 1 || !identical(names(arguments[1]) %||% "", "")) {
    abort_twill("formula", c("{.fn gr} takes a grouping factor, {.arg cor}, {.arg by}, {.arg dist}, {.arg cov} or {.arg prec}.",
                             "x" = "Not supported: {.code {text}}."))
  }
  list(group = arguments[[1]], cor = is.null(arguments$cor) || flag_in_formula(arguments$cor, text, "cor"),
       relation = relation_in_formula(arguments[intersect(names(arguments), c("cov", "prec"))], text),
       by = by_in_formula(arguments$by, text), dist = dist_in_formula(arguments$dist, text))
}

by_in_formula <- function(by, text) {
  if (is.null(by)) return(NULL)
  if (is.name(by)) return(as.character(by))
  abort_twill("formula", c("{.arg by} of {.fn gr} must be the name of a column.", "x" = "It is {.code {text}}."))
}

# c(kind, name) of the matrix of a term's levels, which stands in data2; NULL without.
relation_in_formula <- function(stated, text) {
  if (length(stated) == 0) return(NULL)
  value <- stated[[1]]
  if (length(stated) > 1 || !(is.name(value) || (is.character(value) && length(value) == 1))) {
    abort_twill("formula", c("{.fn gr} takes one of {.arg cov} and {.arg prec}, the name of a matrix in {.arg data2}.",
                             "x" = "It is {.code {text}}."))
  }
  c(names(stated), as.character(value))
}

# The grouping factors that an expression stands for, each as the variables whose combinations are its levels:
# `a/b` is a, then a:b.
expand_group <- function(expression) {
  if (is.name(expression)) return(list(as.character(expression)))
  if (is_call_to(expression, "(")) return(expand_group(expression[[2]]))
  if (is_call_to(expression, ":")) {
    sides <- lapply(as.list(expression)[-1], expand_group)
    if (all(lengths(sides) == 1)) return(list(unique(unlist(sides))))
  }
  if (is_call_to(expression, "/")) {
    outer <- expand_group(expression[[2]])
    inner <- expand_group(expression[[3]])
    return(c(outer, lapply(inner, function(vars) unique(c(outer[[length(outer)]], vars)))))
  }
  refuse_group(expression)
}

refuse_group <- function(expression) {
  text <- deparse1(expression)
  why <- if ("mm" %in% call_names(expression)) "{.fn mm} stands by itself: {.code (1 | mm(g1, g2))}." else
    "Add what it computes to {.arg data} as a column and name that column."
  abort_twill("formula", c("A grouping factor must be a column, or columns joined by {.code :} or {.code /}.",
                           "x" = "It is {.code {text}}.", "i" = why))
}

mark_free_mean <- function(call, env) {
  text <- deparse1(call)
  parsed <- tryCatch(match.call(tw_re, call), error = function(e) NULL)
  if (is.null(parsed) || is.null(parsed$term)) {
    abort_twill("formula", c("{.fn tw_re} takes a grouping factor or a term, and {.arg mean}.", "x" = "It is {.code {text}}."))
  }
  mean <- if (is.null(parsed$mean)) "" else tryCatch(eval(parsed$mean, env), error = function(e) NULL)
  if (!is.character(mean) || length(mean) == 0 || anyNA(mean)) {
    abort_twill("formula", c("{.arg mean} of {.fn tw_re} must be the text of a prior such as {.val normal(0, 5)}.",
                             "x" = "It is {.code {text}}."))
  }
  term <- parsed$term
  if (is_call_to(term, "(")) term <- term[[2]]
  mark_bar(if (is_call_to(term, c("|", "||"))) term else call("|", 1, term), mean)
}

decode_bar <- function(bar, env) {
  marker <- as.list(bar[[2]])
  rhs <- stats::as.formula(call("~", marker[[2]]), env)
  check_terms(rhs)
  if ("offset" %in% call_names(rhs)) abort_twill("formula", "{.fn offset} must stand outside group-level terms.")
  vars <- variables_in(bar[[3]])
  more <- marker[[5]]
  relation <- more$relation
  list(group = more$members$group %||% paste(vars, collapse = ":"), vars = vars, rhs = rhs, cor = marker[[3]],
       mean = eval(marker[[4]]), relation = if (!is.null(relation)) list(kind = relation[[1]], name = relation[[2]]),
       by = more$by, dist = more$dist, members = more$members, label = more$label)
}
