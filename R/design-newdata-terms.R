# Which terms of a fit a prediction is asked for: re_formula.

# list(index, coefs) for each term of the model that `re_formula` includes.
wanted_terms <- function(fit, re_formula) {
  terms <- all_terms(fit$design)
  all <- lapply(seq_along(terms), function(k) list(index = k, coefs = terms[[k]]$coefs))
  if (is.null(re_formula)) return(all)
  if (is.atomic(re_formula) && length(re_formula) == 1 && is.na(re_formula)) return(list())
  if (!inherits(re_formula, "formula")) {
    abort_twill("newdata", c("{.arg re_formula} must be NULL (all group-level terms), NA (none), or a formula.",
                             "i" = "A formula such as {.code ~ (1 | g)} chooses terms of the model."))
  }
  env <- environment(re_formula)
  bars <- group_bars(mark_group_terms(re_formula[[length(re_formula)]], env))
  found <- lapply(bars, function(bar) match_bar(decode_bar(bar, env), fit))
  merge_wanted(unlist(found, recursive = FALSE), all)
}

# The model's terms that a term of re_formula is a part of.
match_bar <- function(bar, fit) {
  coefs <- coef_name(colnames(stats::model.matrix(bar$rhs, evaluate_frame(bar$rhs, fit$data))))
  terms <- all_terms(fit$design)
  is_same <- function(term) setequal(term$vars, bar$vars) && has_members(term) == !is.null(bar$members)
  same <- which(vapply(terms, is_same, TRUE))
  matched <- lapply(same, function(k) list(index = k, coefs = intersect(terms[[k]]$coefs, coefs)))
  missing <- setdiff(coefs, unlist(lapply(matched, `[[`, "coefs")))
  if (length(missing) > 0) {
    exist <- vapply(terms, function(term) sprintf("(%s | %s)", paste(shown_coefs(term), collapse = " + "), term_factor(term)), "")
    abort_twill("newdata", c("{.arg re_formula} has a term that is not in the model.",
                             "x" = "It is {.val {missing}} by {.field {bar$group}}.", "i" = "The model has {.val {exist}}."))
  }
  Filter(function(want) length(want$coefs) > 0, matched)
}

# Two parts of one term, as in ~ (1 | g) + (0 + x | g), become one again, in the model's order.
merge_wanted <- function(wanted, all) {
  merged <- lapply(all, function(whole) {
    coefs <- unlist(lapply(wanted, function(want) if (want$index == whole$index) want$coefs))
    list(index = whole$index, coefs = intersect(whole$coefs, coefs))
  })
  Filter(function(want) length(want$coefs) > 0, merged)
}
