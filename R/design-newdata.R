# The design of new rows, built by the blueprint of a fit: for predictions.

# Returns list(x, x_disp, offset, weights, se, y, terms). `terms` holds those that `re_formula` asks for (NULL all, NA
# or ~0 none, a formula a subset), each with index (its place in the model), group, coefs, codes (1-based, NA where the
# level is new), new_levels (the name of a new level per row, else NA), and z. se and y are NULL where the new data do
# not have their columns; so are weights equal to 1.
design_newdata <- function(fit, newdata = NULL, re_formula = NULL, allow_new_levels = FALSE) {
  wanted <- wanted_terms(fit, re_formula)
  if (is.null(newdata)) return(design_known(fit$design, wanted))
  newdata <- as_plain_data(newdata)
  newdata <- add_intercept_column(formula_variables(fit$formula), newdata)
  blueprint <- fit$design$blueprint
  check_new_columns(fit, newdata, wanted, allow_new_levels)
  fixed <- new_part(blueprint, newdata)
  x <- cbind(fixed$x, new_means(blueprint$groups, newdata))
  colnames(x) <- colnames(fit$design$x)
  dispersion <- if (!is.null(blueprint$dispersion)) new_part(blueprint$dispersion, newdata)$x
  terms <- lapply(wanted, new_rows_of_term, blueprint, newdata, allow_new_levels)
  c(list(x = x, x_disp = dispersion, offset = checked_offset(fixed$offset, fit$family, newdata)),
    new_response_side(fit, newdata), list(terms = terms))
}

design_known <- function(design, wanted) {
  terms <- lapply(wanted, function(want) {
    term <- design$terms[[want$index]]
    list(index = want$index, group = term$group, coefs = want$coefs, codes = term$codes,
         new_levels = rep(NA_character_, length(term$codes)), z = term$z[, want$coefs, drop = FALSE])
  })
  c(design[c("x", "x_disp", "offset", "weights", "se", "y")], list(terms = terms))
}

# Terms asked for --------------------------------------------------------------------------------------------------

# list(index, coefs) for each term of the model that `re_formula` includes.
wanted_terms <- function(fit, re_formula) {
  all <- lapply(seq_along(fit$design$terms), function(k) list(index = k, coefs = fit$design$terms[[k]]$coefs))
  if (is.null(re_formula)) return(all)
  if (length(re_formula) == 1 && is.na(re_formula)) return(list())
  if (!inherits(re_formula, "formula")) {
    abort_twill("newdata", c("{.arg re_formula} must be NULL (all group-level terms), NA (none), or a formula.",
                             "i" = "A formula such as {.code ~ (1 | g)} chooses terms of the model."))
  }
  env <- environment(re_formula)
  marked <- stats::as.formula(call("~", mark_group_terms(re_formula[[length(re_formula)]], env)), env)
  found <- lapply(lme4::findbars(marked), function(bar) match_bar(decode_bar(bar, env), fit))
  merge_wanted(unlist(found, recursive = FALSE), all)
}

# The model's terms that a term of re_formula is a part of.
match_bar <- function(bar, fit) {
  coefs <- coef_name(colnames(stats::model.matrix(bar$rhs, evaluate_frame(bar$rhs, fit$data))))
  terms <- fit$design$terms
  same <- which(vapply(terms, function(term) setequal(term$vars, bar$vars), TRUE))
  matched <- lapply(same, function(k) list(index = k, coefs = intersect(terms[[k]]$coefs, coefs)))
  missing <- setdiff(coefs, unlist(lapply(matched, `[[`, "coefs")))
  if (length(missing) > 0) {
    exist <- vapply(terms, function(term) sprintf("(%s | %s)", paste(term$coefs, collapse = " + "), term$group), "")
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

# Columns ----------------------------------------------------------------------------------------------------------

check_new_columns <- function(fit, newdata, wanted, allow_new_levels) {
  blueprint <- fit$design$blueprint
  wanted_groups <- blueprint$groups[vapply(wanted, `[[`, 1L, "index")]
  groups_with_means <- Filter(function(group) !is.null(group$means), blueprint$groups)
  parts <- c(list(blueprint, blueprint$dispersion), groups_with_means, wanted_groups)
  needed <- unlist(lapply(compact(parts), function(part) all.vars(stats::delete.response(part$terms))))
  needed <- setdiff(needed, ls(fit$formula$env, all.names = TRUE))
  check_present(needed, newdata)
  if (!allow_new_levels) check_present(unlist(lapply(wanted_groups, `[[`, "vars")), newdata, grouping = TRUE)
  for (name in intersect(needed, names(newdata))) check_new_column(newdata[[name]], name, rownames(newdata))
}

check_present <- function(needed, newdata, grouping = FALSE) {
  missing <- setdiff(needed, names(newdata))
  if (length(missing) == 0) return(invisible())
  near <- unlist(lapply(missing, nearest, candidates = names(newdata)))
  hints <- c(if (length(near) > 0) "Did you mean {.val {near}}?",
             if (".offset" %in% missing) "The offset of the fit was a vector: name it {.code .offset} here.",
             if (grouping) without_levels)
  abort_twill("newdata", c("{.arg newdata} lacks the column{?s} {.val {missing}}.", bullets(hints)))
}

bullets <- function(hints) stats::setNames(hints, rep("i", length(hints)))

# What to do where levels are not known.
without_levels <- c("{.code allow_new_levels = TRUE} predicts for new levels.",
                    "{.code re_formula = NA} leaves group-level effects out.")

check_new_column <- function(column, name, row_names) {
  bad <- missing_in(column) | infinite_in(column)
  if (!any(bad)) return(invisible())
  rows <- row_names[bad]
  abort_twill("newdata", c("Columns of {.arg newdata} must be complete and finite.",
                           "x" = "{.val {name}} has missing or infinite values in row{?s} {.val {some(rows)}}."))
}

# The columns of a part of the blueprint in new data.
new_part <- function(part, newdata) {
  terms <- stats::delete.response(part$terms)
  check_new_factors(part$xlevels, newdata)
  frame <- evaluate_new(stats::model.frame(terms, newdata, na.action = stats::na.pass, xlev = part$xlevels))
  x <- evaluate_new(stats::model.matrix(terms, frame, contrasts.arg = part$contrasts))
  list(x = plain_matrix(x, part$columns), offset = stats::model.offset(frame))
}

evaluate_new <- function(value) {
  tryCatch(value, error = function(e) {
    why <- conditionMessage(e)
    abort_twill("newdata", c("The model's terms cannot be computed from {.arg newdata}.", "x" = "{why}"))
  })
}

check_new_factors <- function(xlevels, newdata) {
  for (name in intersect(names(xlevels), names(newdata))) {
    unknown <- setdiff(as.character(unique(newdata[[name]])), xlevels[[name]])
    if (length(unknown) == 0) next
    abort_twill("newdata", c("{.arg newdata} has levels of {.field {name}} that the model has not seen.",
                             "x" = "Not seen: {.val {some(unknown, 10)}}.",
                             "i" = "Its levels are {.val {some(xlevels[[name]], 10)}}."))
  }
}

new_means <- function(groups, newdata) {
  columns <- lapply(groups, function(group) {
    if (!is.null(group$means)) new_part(group, newdata)$x[, group$means, drop = FALSE]
  })
  do.call(cbind, columns)
}

# Rows of terms ----------------------------------------------------------------------------------------------------

new_rows_of_term <- function(want, blueprint, newdata, allow_new_levels) {
  group <- blueprint$groups[[want$index]]
  z <- new_part(group, newdata)$x[, want$coefs, drop = FALSE]
  levels <- lapply(group$vars, function(name) as.character(newdata[[name]] %||% rep(NA, nrow(newdata))))
  codes <- match(do.call(paste, c(levels, sep = "\r")), group$keys)
  codes[Reduce(`|`, lapply(levels, is.na))] <- NA
  names <- do.call(paste, c(levels, sep = "_"))
  if (anyNA(codes) && !allow_new_levels) refuse_new_levels(group$group, unique(names[is.na(codes)]))
  list(index = want$index, group = group$group, coefs = want$coefs, codes = codes,
       new_levels = ifelse(is.na(codes), names, NA_character_), z = z)
}

refuse_new_levels <- function(group, levels) {
  abort_twill("newdata", c("{.arg newdata} has levels of {.field {group}} that the model has not seen.",
                           "x" = "Not seen: {.val {some(levels, 10)}}.", bullets(without_levels)))
}

# Weights, standard errors and response of the new rows, where their columns are there.
new_response_side <- function(fit, newdata) {
  value <- function(expression) {
    here <- !is.null(expression) && all(all.vars(expression) %in% names(newdata))
    if (here) rep_len(as.numeric(evaluate_new(eval(expression, newdata, fit$formula$env))), nrow(newdata))
  }
  addition <- fit$formula$addition
  list(weights = value(addition$weights) %||% rep(1, nrow(newdata)), se = value(addition$se), y = value(fit$formula$response))
}
