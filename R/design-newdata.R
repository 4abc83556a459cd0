# The design of new rows, built by the blueprint of a fit: for predictions.

# Returns list(x, x_disp, offset, weights, se, y, terms, disp_terms). `terms` holds those that `re_formula` asks for (NULL all,
# NA or ~0 none, a formula a subset), `disp_terms` those of the dispersion, each with index (its place among all), group, coefs,
# codes (1-based, NA where the level is new), new_levels (the name of a new level per row, else NA), z, and by with new_class
# where levels have classes. se and y are NULL where the new data do not have their columns; so are weights equal to 1.
design_newdata <- function(fit, newdata = NULL, re_formula = NULL, allow_new_levels = FALSE, offset = NULL) {
  check_flag(allow_new_levels, "allow_new_levels")
  if (has_responses(fit)) return(design_newdata_of_responses(fit, newdata, re_formula, allow_new_levels, offset))
  wanted <- wanted_terms(fit, re_formula)
  if (is.null(newdata)) need_rows(fit)
  if (is.null(newdata)) return(replace_offset(design_known(fit$design, wanted), offset))
  newdata <- as_plain_data(newdata, "newdata", only_groups(fit$formula))
  newdata <- add_intercept_column(formula_variables(fit$formula), newdata)
  needs <- needed_columns(fit, wanted, allow_new_levels)
  if (!is.null(offset)) newdata <- stand_in_offset(newdata, fit, needs)
  check_present(needs, newdata)
  refuse_missing_predictors(fit, newdata)
  sides <- new_response_side(fit, newdata)
  newdata <- conform_new_data(newdata, fit, wanted, needs)
  blueprint <- fit$design$blueprint
  fixed <- new_part(blueprint, newdata)
  warn_not_estimable(not_estimable(blueprint, fixed$whole), rownames(newdata))
  x <- cbind(fixed$x, new_means(blueprint$groups, newdata))
  colnames(x) <- colnames(fit$design$x)
  dispersion <- if (!is.null(blueprint$dispersion)) new_part(blueprint$dispersion, newdata)$x
  terms <- lapply(wanted, new_rows_of_term, fit, newdata, allow_new_levels)
  design <- c(list(x = x, whole = fixed$whole, x_disp = dispersion, offset = checked_offset(fixed$offset, fit$family, newdata)),
              sides, split_terms(terms))
  if (has_measured(fit$formula)) design$latents <- new_rows_of_latents(fit, newdata)
  replace_offset(design, offset)
}

warn_not_estimable <- function(lost, row_names) {
  if (!any(lost)) return(invisible())
  rows <- row_names[lost]
  warn_twill("design", c("The data of the fit say nothing of {length(rows)} row{?s} of {.arg newdata}: {.val {some(rows)}}.",
                         "i" = "They need columns that were dropped from the model; what is predicted there means nothing."))
}

# Numbers of the user's in the place of the model's offset.
replace_offset <- function(design, offset) {
  if (!is.null(offset)) design$offset <- check_offset(plain_column(offset), nrow(design$x))
  design
}

# Columns of which only the offset is made are not asked for where it is replaced: any value that can be computed will do.
stand_in_offset <- function(newdata, fit, needs) {
  names <- intersect(needs$name[needs$use == "offset"], names(fit$data))
  names <- names[!names %in% needs$name[needs$use != "offset"]]
  for (name in names) newdata[[name]] <- rep(fit$data[[name]][1], nrow(newdata))
  newdata
}

# Rows that came in pieces have been merged.
need_rows <- function(fit, what = "This") {
  if (!is_merged(fit$design)) return(invisible())
  abort_twill("method", c(paste(what, "needs the rows of {.arg data}, which came in pieces and were merged."),
                          "i" = "Predictions and what is made of them take {.arg newdata}: {.code fitted(fit, newdata = rows)}."))
}

design_known <- function(design, wanted) {
  terms <- lapply(wanted, function(want) {
    term <- all_terms(design)[[want$index]]
    compact(c(list(index = want$index), term_names(term), list(coefs = want$coefs, codes = term$codes,
      weights = term$weights, new_levels = empty_like(term$codes), z = term$z[, want$coefs, drop = FALSE], by = term$by)))
  })
  c(design[c("x", "x_disp", "offset", "weights", "se", "y")], list(errors = design$errors), split_terms(terms),
    design["latents"[!is.null(design$latents)]])
}

refuse_missing_predictors <- function(fit, newdata) {
  for (column in imputed_columns(fit$formula)) {
    rows <- rownames(newdata)[is.na(newdata[[column]])]
    if (length(rows) == 0) next
    abort_twill("newdata", c("New rows need a value of a predictor that is imputed in those of the fit.",
                             "x" = "{.field {column}} is missing in {length(rows)} row{?s}: {.val {some(rows)}}.",
                             "i" = "Predict it first: {.code posterior_predict(fit, newdata, resp = \"{column}\")}."))
  }
}

empty_like <- function(codes) if (is.matrix(codes)) array(NA_character_, dim(codes)) else rep(NA_character_, length(codes))

# What names the draws of a term.
term_names <- function(term) compact(term[intersect(c("group", "factor", "dpar", "own"), names(term))])

# Those of the mean and of the dispersion, member by member.
split_terms <- function(terms) {
  terms <- unlist(lapply(terms, member_terms), recursive = FALSE)
  is_own <- vapply(terms, function(term) !is.null(term$dpar), NA)
  list(terms = terms[!is_own], disp_terms = terms[is_own])
}

# Columns ----------------------------------------------------------------------------------------------------------

# A data frame with a row for each use of a column: name, use ("predictor", "offset", ...) and label, the words for it.
needed_columns <- function(fit, wanted, allow_new_levels) {
  blueprint <- fit$design$blueprint
  is_wanted <- seq_along(blueprint$groups) %in% vapply(wanted, `[[`, 1L, "index")
  groups <- lapply(seq_along(blueprint$groups), function(k) {
    group <- blueprint$groups[[k]]
    if (is_wanted[k] || !is.null(group$means)) rbind(
      uses_of_terms(group$terms, sprintf("the term of %s", group$group)),
      if (is_wanted[k] && !allow_new_levels) uses(group$vars, "group", "a grouping factor"),
      if (is_wanted[k]) uses(variables_in(group$scheme$weights), "predictor", sprintf("the weights of %s", group$group)))
  })
  table <- do.call(rbind, c(list(uses_of_terms(blueprint$terms, "a predictor")), groups,
                            list(uses_of_terms(blueprint$dispersion$terms, paste("the formula of", fit$design$dispersion)))))
  table[!table$name %in% ls(fit$formula$env, all.names = TRUE), , drop = FALSE]
}

uses <- function(name, use, label) {
  data.frame(name = as.character(name), use = rep_len(use, length(name)), label = rep_len(label, length(name)))
}

uses_of_terms <- function(terms, label) {
  if (is.null(terms)) return(uses(character(), "predictor", label))
  variables <- as.list(attr(terms, "variables"))[-1]
  is_offset <- seq_along(variables) %in% attr(terms, "offset")
  if (attr(terms, "response") > 0) variables <- variables[-attr(terms, "response")]
  is_offset <- if (attr(terms, "response") > 0) is_offset[-attr(terms, "response")] else is_offset
  rows <- Map(function(variable, is_offset) {
    uses(variables_in(variable), if (is_offset) "offset" else "predictor", if (is_offset) "the offset" else label)
  }, variables, is_offset)
  do.call(rbind, c(list(uses(character(), "predictor", label)), unname(rows)))
}

check_present <- function(needs, newdata) {
  absent <- needs[!needs$name %in% names(newdata), , drop = FALSE]
  if (nrow(absent) == 0) return(invisible())
  missing <- unique(absent$name)
  what_for <- tapply(absent$label, factor(absent$name, missing), function(label) paste(unique(label), collapse = " and "))
  purposes <- stats::setNames(cli_verbatim("{.field %s}: %s.", missing, what_for), rep("x", length(missing)))
  near <- unique(unlist(lapply(missing, nearest, candidates = names(newdata))))
  hints <- c(if (length(near) > 0) "Did you mean {.val {near}}?",
             if (".offset" %in% missing) "The offset of the fit was a vector: name it {.code .offset}, or say {.arg offset}.",
             if (any(absent$use == "group")) without_levels)
  abort_twill("newdata", c("{.arg newdata} lacks {length(missing)} column{?s} that the model needs: {.val {missing}}.",
                           purposes, bullets(hints)))
}

# Columns of predictors in the fit's types, complete; those of groups as the texts of their levels.
conform_new_data <- function(newdata, fit, wanted, needs) {
  names <- unique(needs$name[needs$use != "group"])
  newdata <- conform_columns(newdata, fit$data, names)
  for (name in intersect(names, names(newdata))) check_new_column(newdata[[name]], name, rownames(newdata))
  vars <- unlist(lapply(wanted, function(want) fit$design$blueprint$groups[[want$index]]$vars))
  for (name in intersect(setdiff(vars, names), names(newdata))) {
    check_new_shape(newdata[[name]], fit$data[[name]], name)
    newdata[[name]] <- text_like(newdata[[name]], fit$data[[name]])
  }
  newdata
}

# What to do where levels are not known.
without_levels <- c("{.code allow_new_levels = TRUE} predicts for new levels.",
                    "{.code re_formula = NA} leaves group-level effects out.")

check_new_column <- function(column, name, row_names) {
  bad <- missing_in(column) | infinite_in(column)
  if (!any(bad)) return(invisible())
  rows <- row_names[bad]
  abort_twill("newdata", c("Columns of {.arg newdata} must be complete and finite.",
                           "x" = "{.val {name}} has missing or infinite values in {length(rows)} row{?s}: {.val {some(rows)}}."))
}

# The columns of a part of the blueprint in new data.
new_part <- function(part, newdata, with_offset = TRUE) {
  terms <- stats::delete.response(part$terms)
  if (!with_offset) terms <- without_offsets(terms, nrow(newdata))
  frame <- evaluate_new(stats::model.frame(terms, newdata, na.action = stats::na.pass, xlev = part$xlevels))
  check_new_frame(frame, terms, rownames(newdata))
  x <- evaluate_new(stats::model.matrix(terms, frame, contrasts.arg = part$contrasts))
  x <- plain_matrix(x, part$columns)
  list(x = used_columns(part, x), whole = x, offset = stats::model.offset(frame))
}

# Terms whose offsets are zero, so that nothing is asked of what they are made of.
without_offsets <- function(terms, n) {
  variables <- attr(terms, "predvars") %||% attr(terms, "variables")
  for (k in attr(terms, "offset")) variables[[k + 1]] <- call("numeric", n)
  attr(terms, "predvars") <- variables
  terms
}

# What transformations make of complete columns, such as the logarithm of a negative number.
check_new_frame <- function(frame, terms, row_names) {
  for (name in names(frame)) {
    rows <- row_names[missing_in(frame[[name]]) | infinite_in(frame[[name]])]
    if (length(rows) == 0) next
    abort_twill("newdata", c("The model's terms must be finite in {.arg newdata}.",
                             "x" = "{.code {name}} is missing or infinite in {length(rows)} row{?s}: {.val {some(rows)}}."))
  }
}

# Warnings (NaNs produced) are answered by what check_new_frame() says.
evaluate_new <- function(value) {
  tryCatch(suppressWarnings(value), error = function(e) {
    why <- conditionMessage(e)
    abort_twill("newdata", c("The model's terms cannot be computed from {.arg newdata}.", "x" = "{why}"))
  })
}

new_means <- function(groups, newdata) {
  columns <- lapply(groups, function(group) {
    if (!is.null(group$means)) new_part(group, newdata)$x[, group$means, drop = FALSE]
  })
  do.call(cbind, columns)
}

# Rows of terms ----------------------------------------------------------------------------------------------------

new_rows_of_term <- function(want, fit, newdata, allow_new_levels) {
  group <- fit$design$blueprint$groups[[want$index]]
  z <- new_part(group, newdata)$x[, want$coefs, drop = FALSE]
  new_rows <- if (is.null(group$scheme)) new_codes else new_members
  found <- new_rows(group, newdata, fit$formula$env, allow_new_levels)
  compact(c(list(index = want$index), term_names(all_terms(fit$design)[[want$index]]), list(coefs = want$coefs), found,
            list(z = z, by = group$by, dist = group$dist, new_class = new_classes_of_rows(group, newdata, found$new_levels))))
}

# list(codes, new_levels) of new data; as new_members(), which has weights besides.
new_codes <- function(group, newdata, env, allow_new_levels) {
  levels <- lapply(group$vars, function(name) level_text(newdata[[name]] %||% rep(NA, nrow(newdata))))
  if (!is.null(group$twins)) levels[[1]] <- without_twins(levels[[1]], group$twins)
  codes <- match(level_keys(levels), group$keys)
  names <- combined_texts(levels, "_")
  if (anyNA(codes) && isTRUE(group$related)) refuse_unrelated_levels(group$group, unique(names[is.na(codes)]))
  if (anyNA(codes) && !allow_new_levels) refuse_new_levels(group$group, unique(names[is.na(codes)]))
  list(codes = codes, new_levels = ifelse(is.na(codes), names, NA_character_))
}

refuse_new_levels <- function(group, levels) {
  abort_twill("newdata", c("{.arg newdata} has levels of {.field {group}} that the model has not seen.",
                           "x" = "Not seen: {.val {some(levels, 10)}}.", bullets(without_levels)))
}

# What a new level is depends on its relatives.
refuse_unrelated_levels <- function(group, levels) {
  abort_twill("newdata", c("{.arg newdata} has levels of {.field {group}} that have no row in its matrix.",
                           "x" = "Without a row: {.val {some(levels, 10)}}.",
                           "i" = "Fit with a matrix in {.arg data2} that has their rows: levels need no data to be predicted.",
                           "i" = "{.code re_formula = NA} leaves group-level effects out."))
}

# Weights, standard errors and response of the new rows, where their columns are there. What is wrong with them is kept as
# the condition, for those who ask (need_column()).
new_response_side <- function(fit, newdata) {
  value <- function(expression, check = identity) {
    here <- !is.null(expression) && all(variables_in(expression) %in% names(newdata))
    if (here) tryCatch(check(new_values(expression, fit, newdata)), twill_error = function(e) e)
  }
  addition <- fit$formula$addition
  count <- function(y) {
    if (has_counts(fit)) check_counts(y, deparse1(fit$formula$response), fit$family$family, rownames(newdata))
    y
  }
  rows <- rownames(newdata)
  list(weights = value(addition$weights, function(w) check_sign(w, w < 0, addition$weights, "not be negative", rows)) %||%
         rep(1, nrow(newdata)),
       se = value(addition$se, function(se) check_sign(se, se <= 0, addition$se, "be positive", rows)),
       y = value(response_of_new_rows(fit), count))
}

check_sign <- function(values, bad, expression, rule, row_names) {
  if (!any(bad)) return(values)
  text <- deparse1(expression)
  rows <- row_names[bad]
  given <- values[bad]
  abort_twill("newdata", c("{.code {text}} must {rule}.",
                           "x" = "It is {.val {some(given)}} in {length(rows)} row{?s}: {.val {some(rows)}}."))
}

# The response of new rows: scale() and the like have the centre and the size of the fit.
response_of_new_rows <- function(fit) {
  terms <- fit$design$blueprint$terms
  at <- attr(terms, "response")
  kept <- attr(terms, "predvars")
  if (is.null(kept) || at == 0) fit$formula$response else kept[[at + 1]]
}

new_values <- function(expression, fit, newdata) {
  own <- conform_columns(newdata, fit$data, variables_in(expression))
  values <- evaluate_new(eval(expression, own, fit$formula$env))
  values <- rep_len(as.numeric(values), nrow(newdata))
  check_new_column(values, deparse1(expression), rownames(newdata))
  values
}

check_offset <- function(offset, n) {
  if (is.numeric(offset) && all(is.finite(offset)) && length(offset) %in% c(1, n)) return(rep_len(offset, n))
  abort_twill("argument", c("{.arg offset} must hold one finite number per row, or one number.",
                            "x" = "There are {n} rows and {length(offset)} value{?s}."))
}
