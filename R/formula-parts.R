# The parts of a formula: response, additions, group-level terms, and the terms of brms that do not exist here.

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

# Names of all functions called in an expression.
call_names <- function(expression) {
  if (!is.call(expression)) return(character())
  head <- expression[[1]]
  is_qualified <- is.call(head) && as.character(head[[1]]) %in% c("::", ":::")
  name <- if (is.name(head)) as.character(head) else if (is_qualified) character() else call_names(head)
  unique(c(name, unlist(lapply(as.list(expression)[-1], call_names))))
}

is_call_to <- function(expression, names) {
  is.call(expression) && is.name(expression[[1]]) && as.character(expression[[1]]) %in% names
}

# Response -------------------------------------------------------------------------------------------------------

parse_response <- function(lhs) {
  addition <- list(weights = NULL, se = NULL, sigma = TRUE)
  if (!is_call_to(lhs, "|")) return(list(response = lhs, addition = addition))
  for (term in additive_terms(lhs[[3]])) addition <- add_addition(addition, term)
  if (is_call_to(lhs[[2]], "|")) {
    abort_twill("formula", "Join the additions of the response by {.code +}: {.code y | weights(w) + se(sd) ~ ...}.")
  }
  list(response = lhs[[2]], addition = addition)
}

additive_terms <- function(expression) {
  if (!is_call_to(expression, "+")) return(list(expression))
  c(additive_terms(expression[[2]]), if (length(expression) == 3) additive_terms(expression[[3]]))
}

add_addition <- function(addition, term) {
  text <- deparse1(term)
  name <- if (is.call(term)) sub("^resp_", "", deparse1(term[[1]])) else text
  if (!name %in% c("weights", "se")) refuse_addition(name, text)
  if (!is.null(addition[[name]])) abort_twill("formula", "{.fn {name}} stands twice in the response of {.arg formula}.")
  parsed <- tryCatch(match.call(switch(name, weights = function(w) NULL, se = function(sd, sigma = FALSE) NULL), term),
                     error = function(e) NULL)
  if (is.null(parsed) || length(parsed) < 2) {
    abort_twill("formula", c("Additions of the response are {.code weights(w)} and {.code se(sd, sigma = FALSE)}.",
                             "x" = "This one has other arguments: {.code {text}}."))
  }
  addition[[name]] <- parsed[[2]]
  if (name == "se") addition$sigma <- flag_in_formula(parsed$sigma, text)
  addition
}

flag_in_formula <- function(value, text) {
  if (is.null(value)) return(FALSE)
  flag <- if (is.name(value)) arithmetic_constants[[as.character(value)]] else value
  if (isTRUE(flag) || isFALSE(flag)) return(flag)
  abort_twill("formula", "{.arg sigma} in {.code {text}} must be TRUE or FALSE.")
}

refuse_addition <- function(name, text) {
  way_out <- switch(name,
    rate = "Use an offset: {.code offset(log(exposure))}.",
    trials = binomial_way_out,
    subset = "Use the argument {.arg subset} of {.fn twill}.",
    NULL)
  abort_twill("formula", c("The response of {.arg formula} takes {.fn weights} and {.fn se} after {.code |}.",
                           "x" = "Not supported: {.code {text}}.", "i" = way_out))
}

# Group-level terms ----------------------------------------------------------------------------------------------

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
  if (is_call_to(bar[[2]], c("|", "||"))) {
    text <- deparse1(bar)
    abort_twill("formula", c("Terms that share correlations by an ID are not supported.", "x" = "It is {.code ({text})}."))
  }
  cor <- is_call_to(bar, "|")
  group <- bar[[3]]
  more <- NULL
  if (is_call_to(group, "gr")) {
    plain <- parse_gr(group)
    group <- plain$group
    cor <- cor && plain$cor
    more <- plain[c("relation", "by", "dist")]
  }
  marked <- lapply(expand_group(group), function(vars) {
    name <- Reduce(function(a, b) call(":", a, b), lapply(vars, as.name))
    call("(", call("|", call(".group_term", bar[[2]], cor, mean, more), name))
  })
  Reduce(function(a, b) call("+", a, b), marked)
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
  list(group = arguments[[1]], cor = is.null(arguments$cor) || flag_in_formula(arguments$cor, text),
       relation = relation_in_formula(arguments[intersect(names(arguments), c("cov", "prec"))], text),
       by = by_in_formula(arguments$by, text), dist = dist_in_formula(arguments$dist, text))
}

# NULL for normal effects.
dist_in_formula <- function(dist, text) {
  known <- c("gaussian", "student")
  if (is.null(dist) || identical(dist, known[1])) return(NULL)
  if (identical(dist, known[2])) return(dist)
  abort_twill("formula", c("{.arg dist} of {.fn gr} must be {.val gaussian} or {.val student}.", "x" = "It is {.code {text}}."))
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
  why <- if (is_call_to(expression, "mm")) "Multi-membership terms are not supported." else
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
  vars <- all.vars(bar[[3]])
  more <- marker[[5]]
  relation <- more$relation
  list(group = paste(vars, collapse = ":"), vars = vars, rhs = rhs, cor = marker[[3]], mean = eval(marker[[4]]),
       relation = if (!is.null(relation)) list(kind = relation[[1]], name = relation[[2]]), by = more$by,
       dist = more$dist)
}

# Terms ----------------------------------------------------------------------------------------------------------

# That R can take the terms of a formula apart: numbers other than 0 and 1, texts and the like are none.
check_terms <- function(formula, allow = character()) {
  check_specials(formula, allow)
  if ("." %in% all.vars(formula)) {
    abort_twill("formula", c("{.code .} in {.arg formula} is not supported.",
                             "i" = "Name the columns: {.code reformulate(names)} helps with many."))
  }
  tryCatch(stats::terms(formula), error = function(e) refuse_terms(formula, conditionMessage(e)))
  invisible()
}

refuse_terms <- function(formula, why) {
  terms <- formula[[length(formula)]]
  text <- deparse1(terms)
  constants <- vapply(bare_constants(terms), deparse1, "")
  trouble <- if (length(constants) > 0) "{.code {constants}} in {.code {text}} {?is a constant/are constants}." else
    "In {.code {text}}: {why}"
  abort_twill("formula", c("A term of {.arg formula} must be a column or a call, 1 or 0 for the intercept.", "x" = trouble,
                           "i" = if (length(constants) > 0) "Write a column without quotes, and a known shift as {.fn offset}."))
}

# Constants that stand where terms do, which R does not take.
bare_constants <- function(expression) {
  if (is_call_to(expression, "^")) return(bare_constants(expression[[2]]))
  if (is_call_to(expression, term_operators)) return(unlist(lapply(as.list(expression)[-1], bare_constants), FALSE))
  if (is.name(expression) || is.call(expression) || is.null(expression)) return(NULL)
  if ((is.numeric(expression) || is.logical(expression)) && expression %in% c(0, 1)) NULL else list(expression)
}

term_operators <- c("+", "-", "*", ":", "/", "%in%", "^", "(")

# Terms of brms that have no counterpart -------------------------------------------------------------------------

unsupported_specials <- c(
  mo = "monotonic effects", mi = "missing value imputation", s = "smooth terms",
  t2 = "smooth terms", te = "smooth terms", ti = "smooth terms", gp = "Gaussian processes",
  cs = "category specific effects", ar = "autocorrelation", ma = "autocorrelation", arma = "autocorrelation",
  cosy = "autocorrelation", unstr = "autocorrelation", sar = "spatial autocorrelation", car = "spatial autocorrelation",
  fcor = "it is added as a term, once", mm = "multi-membership terms", mmc = "multi-membership terms",
  gr = "{.fn gr} outside a grouping factor", trials = "binomial trials", cens = "censoring", trunc = "truncation")

refuse_mi <- function() {
  abort_twill("formula", c("{.fn mi} in {.arg formula} is not supported (missing values).",
                           "i" = "Rows with missing values are dropped, with a message, if {.fn mi} is left out.",
                           "i" = "Or impute several times, fit each table, and join the draws by {.fn posterior::bind_draws}.",
                           "i" = "A predictor measured with error in all rows is {.code me(x, sdx)}."))
}

check_specials <- function(formula, allow = character()) {
  if ("me" %in% setdiff(call_names(formula), allow)) refuse_me(formula)
  found <- setdiff(intersect(call_names(formula), names(unsupported_specials)), allow)
  if (length(found) == 0) return(invisible())
  what <- unsupported_specials[[found[1]]]
  if (found[1] == "mi") refuse_mi()
  basis <- if (what == "smooth terms") c("i" = "A fixed basis works: {.code splines::ns(x, df = 4)} or {.code poly(x, 2)}.")
  abort_twill("formula", c(paste0("{.fn {found[1]}} in {.arg formula} is not supported (", what, ")."), basis))
}

# Column of the samples' data that stands for the response.
response_name <- ".count"

# The design with a response; a twill_formula already has one.
response_formula <- function(design) {
  refuse_latents(refuse_fcor(gene_response_formula(design), "many genes and cells"), "many genes and cells")
}
