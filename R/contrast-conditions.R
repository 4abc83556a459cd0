# Conditions and contrasts: what a user says about the design, resolved to weights of coefficients.

#' A condition of the design
#'
#' `cond(condition = "stim")` stands for the linear predictor at these values of the variables of a design, to be used in
#' [tw_contrast()]. Conditions are subtracted and averaged: `cond(condition = "stim") - cond(condition = "ctrl")`,
#' `(cond(dose = 1) + cond(dose = 2)) / 2 - cond(dose = 0)`.
#'
#' Variables that are not named are at their first level (factors) or at zero (numbers), as in glmGamPoi. They drop out of
#' differences unless they interact with those that are named; then a message says where the contrast is. With
#' `.average = TRUE` a condition is the mean over all combinations of the levels of the variables that are not named, each with
#' the same weight however many samples it has, and numbers are at their mean, as in 'emmeans'.
#'
#' @param ... Values of variables of the design, one each, by name.
#' @param .average Average over the variables that are not named? `TRUE`, or names of some. Default: `FALSE`.
#' @param e1,e2,x Conditions, or numbers to multiply or divide by.
#' @return An object of class `tw_cond`: a list of weights and values. Errors have class `twill_error_contrast`.
#' @seealso [tw_contrast()]
#' @examples
#' cond(condition = "stim") - cond(condition = "ctrl")
#' # With ~ condition * cell_type: the effect of stim, averaged over types of cells.
#' cond(condition = "stim", .average = TRUE) - cond(condition = "ctrl", .average = TRUE)
#' @export
cond <- function(..., .average = FALSE) {
  values <- list(...)
  fine <- length(values) == 0 || (!is.null(names(values)) && all(nzchar(names(values))) && !anyDuplicated(names(values)))
  if (!fine) abort_twill("contrast", "{.fn cond} takes values by name, each once: {.code cond(condition = \"stim\")}.")
  single <- vapply(values, function(v) is.atomic(v) && length(v) == 1 && !is.na(v), TRUE)
  if (!all(single)) {
    wrong <- names(values)[!single]
    abort_twill("contrast", "{.fn cond} takes one value of each variable: {.arg {wrong}} {?has/have} another number, or NA.")
  }
  values <- lapply(values, function(v) if (is.factor(v)) as.character(v) else v)
  attr(values, "average") <- check_average(.average)
  new_cond(1, list(values))
}

# NULL where nothing is to be averaged.
check_average <- function(x) {
  if (isFALSE(x)) return(NULL)
  if (isTRUE(x) || (is.character(x) && length(x) > 0 && !anyNA(x))) return(x)
  given <- given_value(x)
  abort_twill("contrast", c("{.arg .average} must be TRUE, FALSE or names of variables of the design.",
                            "x" = "It is {.val {given}}."))
}

new_cond <- function(weights, values) structure(list(weights = weights, values = values), class = "tw_cond")

#' @rdname cond
#' @method Ops tw_cond
#' @export
Ops.tw_cond <- function(e1, e2) {
  if (missing(e2)) return(if (.Generic == "-") scale_cond(e1, -1) else refuse_cond(.Generic))
  both <- inherits(e1, "tw_cond") && inherits(e2, "tw_cond")
  if (both && .Generic %in% c("+", "-")) return(join_cond(e1, if (.Generic == "-") scale_cond(e2, -1) else e2))
  if (!both && .Generic == "*") return(if (is.numeric(e1)) scale_cond(e2, e1) else scale_cond(e1, e2))
  if (inherits(e1, "tw_cond") && !both && .Generic == "/") return(scale_cond(e1, 1 / e2))
  refuse_cond(.Generic)
}

scale_cond <- function(cond, by) {
  if (!is_number(by)) refuse_cond("*")
  new_cond(cond$weights * by, cond$values)
}

join_cond <- function(a, b) new_cond(c(a$weights, b$weights), c(a$values, b$values))

refuse_cond <- function(operator) {
  abort_twill("contrast", c("{.fn cond} cannot be combined by {.code {operator}} like this.",
                            "i" = "Conditions are added and subtracted, and multiplied or divided by one number."))
}

#' @rdname cond
#' @method print tw_cond
#' @export
print.tw_cond <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat(format_cond(x), "\n", sep = "")
  invisible(x)
}

format_cond <- function(x) {
  one <- vapply(x$values, function(v) {
    shown <- vapply(v, function(value) if (is.character(value)) dQuote(value, FALSE) else format(value), "")
    average <- attr(v, "average")
    named <- if (length(v)) paste(names(v), "=", shown)
    average <- if (!is.null(average)) paste(".average =", deparse1(average))
    sprintf("cond(%s)", toString(c(named, average)))
  }, "")
  size <- ifelse(abs(x$weights) == 1, "", paste0(format(abs(x$weights), digits = 4, trim = TRUE), " * "))
  sign <- ifelse(x$weights < 0, " - ", " + ")
  sub("^ \\+ ", "", sub("^ - ", "-", paste0(sign, size, one, collapse = "")))
}

# From words to weights --------------------------------------------------------------------------------------------

# list(x, terms, label): x the weights of the population-level coefficients; terms one matrix per group-level term,
# coefficients in columns, one row per combination of levels that the contrast tells apart (one row, but for groups
# such as donor:condition whose levels are on one side only), and `values`, what is known of these levels.
resolve_contrast <- function(model, contrast) {
  weights <- contrast_weights(model, contrast)
  check_weight_sizes(c(weights$x, unlist(lapply(weights$terms, `[[`, "weights"))))
  weights
}

# Squares of smaller ones are zero to a computer, those of larger ones infinite.
weight_sizes <- c(1e-100, 1e100)

check_weight_sizes <- function(weights) {
  size <- abs(weights)
  odd <- weights[is.finite(size) & size > 0 & (size < weight_sizes[1] | size > weight_sizes[2])]
  if (length(odd) == 0) return(invisible())
  value <- signif(odd[1], 3)
  abort_twill("contrast", c("Weights of a contrast must be zero or of a size between {weight_sizes[1]} and {weight_sizes[2]}.",
                            "x" = "One is {.val {value}}.",
                            "i" = "Divide the contrast by it, or give the covariate other units."))
}

contrast_weights <- function(model, contrast) {
  if (inherits(contrast, "tw_cond")) return(cond_weights(model, contrast))
  if (is.numeric(contrast)) return(numeric_weights(model, contrast))
  if (is_level_triple(model, contrast)) return(triple_weights(model, contrast))
  if (is.character(contrast) && length(contrast) == 1) return(text_weights(model, contrast))
  refuse_contrast(model, contrast)
}

refuse_contrast <- function(model, contrast) {
  given <- given_value(contrast)
  known <- contrast_coefs(model)
  triple <- "c(\"condition\", \"stim\", \"ctrl\")"
  abort_twill("contrast", c(paste("{.arg contrast} must be a difference of {.fn cond}, the name of a coefficient, weights of",
                                  "coefficients, or {.code {triple}}."), "x" = "It is {.val {given}}.",
                            if (is.character(contrast)) did_you_mean(contrast[1], known),
                            "i" = "The coefficients are {.val {some(known, 20)}}."))
}

is_level_triple <- function(model, contrast) {
  if (!is.character(contrast) || length(contrast) != 3) return(FALSE)
  contrast[1] %in% names(model$design$blueprint$xlevels) || is.logical(model$data[[contrast[1]]])
}

triple_cond <- function(contrast) {
  side <- function(level) do.call(cond, stats::setNames(list(level), contrast[1]))
  side(contrast[2]) - side(contrast[3])
}

triple_weights <- function(model, contrast) {
  weights <- cond_weights(model, triple_cond(contrast))
  weights$label <- sprintf("%s: %s vs %s", contrast[1], contrast[2], contrast[3])
  weights
}

numeric_weights <- function(model, contrast) {
  known <- contrast_coefs(model)
  if (is.null(names(contrast))) {
    if (length(contrast) != length(known)) refuse_weights(model, sprintf("It has %d weights.", length(contrast)))
    names(contrast) <- known
  }
  names(contrast) <- sub("^b_", "", names(contrast))
  unknown <- setdiff(names(contrast), known)
  if (length(unknown) > 0) refuse_weights(model, sprintf("There is no coefficient called %s.", unknown[1]))
  twice <- names(contrast)[duplicated(names(contrast))]
  if (length(twice) > 0) refuse_weights(model, sprintf("%s is named more than once.", twice[1]))
  if (!all(is.finite(contrast))) refuse_weights(model, "Some weights are not finite.")
  x <- stats::setNames(numeric(length(known)), known)
  x[names(contrast)] <- contrast
  coefficient_weights(model, x, weights_label(x))
}

refuse_weights <- function(model, why) {
  known <- contrast_coefs(model)
  abort_twill("contrast", c("{.arg contrast} must hold one weight per coefficient, or weights named by coefficients.",
                            "x" = "{why}", "i" = "The coefficients are {.val {some(known, 20)}}."))
}

weights_label <- function(x) {
  used <- x[x != 0]
  paste(ifelse(used == 1, "", paste0(format(used, digits = 4, trim = TRUE), " * ")), names(used), sep = "", collapse = " + ")
}

# Text is a coefficient, or a linear expression of coefficients such as "conditionstim - conditiondrug".
text_weights <- function(model, text) {
  known <- contrast_coefs(model)
  bare <- sub("^b_", "", text)
  if (bare %in% known) return(numeric_weights(model, stats::setNames(1, bare)))
  parsed <- list(left = text, right = "0", text = text)
  at <- function(values) as.numeric(evaluate_hypothesis(parsed, known, function(used) rbind(values)[, used, drop = FALSE]))
  zero <- tryCatch(at(numeric(length(known))), twill_error = function(e) refuse_contrast(model, text))
  x <- vapply(seq_along(known), function(j) at(replace(numeric(length(known)), j, 1)) - zero, 0)
  trial <- seq_along(known) / 7 + 1
  trials <- list(trial, -trial, trial * rep_len(c(-1, 1), length(trial)))
  # What has no value somewhere is not linear, either.
  errors <- vapply(trials, function(trial) suppressWarnings(at(trial)) - sum(x * trial), 0)
  if (zero != 0 || !isTRUE(all(abs(errors) < 1e-8))) refuse_weights(model, "It is not a linear expression of coefficients.")
  coefficient_weights(model, stats::setNames(x, known), text)
}

# Group-level terms have the weights of the coefficients of the same name.
coefficient_weights <- function(model, x, label) {
  terms <- lapply(model$design$terms, function(term) {
    weights <- ifelse(term$coefs %in% names(x), x[term$coefs], 0)
    list(weights = matrix(weights, 1, dimnames = list(NULL, term$coefs)), values = list(list()))
  })
  list(x = unname(x), terms = terms, label = label)
}

# cond() -----------------------------------------------------------------------------------------------------------

cond_weights <- function(model, cond) {
  label <- format_cond(cond)
  cond <- average_cond(model, cond)
  frame <- cond_frame(model, cond)
  terms <- lapply(model$design$blueprint$groups, cond_term, frame = frame, cond = cond)
  check_cond_estimable(model, cond, frame, label)
  rows <- cond_rows(model, frame)
  x <- without_rounding(as.numeric(cond$weights %*% rows), as.numeric(abs(cond$weights) %*% abs(rows)), nrow(rows))
  list(x = x, terms = terms, label = label)
}

# Of sums of n parts that cancel, what is left by rounding is nothing.
without_rounding <- function(sums, sizes, n) {
  sums[abs(sums) <= 4 * n * .Machine$double.eps * sizes] <- 0
  sums
}

# A difference can be estimable where its sides are not.
check_cond_estimable <- function(model, cond, frame, label) {
  blueprint <- model$design$blueprint
  if (is.null(blueprint$null)) return(invisible())
  sum <- cond$weights %*% as_contrast_error(new_part(blueprint, frame, with_offset = FALSE)$whole)
  if (!not_estimable(blueprint, sum)) return(invisible())
  coefs <- some(contrast_coefs(model), 20)
  abort_twill("contrast", c("The data say nothing of this contrast: {.code {label}}.",
                            "x" = "It needs coefficients that were dropped from the design: no samples tell of them.",
                            "i" = "Say values of variables that go together, or name a coefficient: {.val {coefs}}."))
}

# The population-level columns, one row per condition.
cond_rows <- function(model, frame) {
  blueprint <- model$design$blueprint
  cbind(cond_part(blueprint, frame), new_means(blueprint$groups, frame))
}

cond_part <- function(part, frame) as_contrast_error(new_part(part, frame, with_offset = FALSE)$x)

# Conditions that differ in a variable of the group itself are about different levels of it.
cond_term <- function(group, frame, cond) {
  z <- cond_part(group, frame)
  own <- own_levels(c(group$vars, group$by$var), cond$values)
  sums <- rowsum(z * cond$weights, own$key, reorder = FALSE)
  sums <- without_rounding(sums, rowsum(abs(z * cond$weights), own$key, reorder = FALSE), nrow(z))
  rownames(sums) <- NULL
  list(weights = sums, values = own$values[!duplicated(own$key)])
}

# What conditions say of a group's own variables, and a key that is the same where they are about the same level.
own_levels <- function(vars, values) {
  own <- lapply(values, function(v) v[intersect(vars, names(v))])
  list(values = own, key = vapply(own, function(v) paste(names(v), v, collapse = "\r"), ""))
}

# One row per cond(): the variables of the model at their reference values, then those that the user names.
cond_frame <- function(model, cond) {
  known <- cond_variables(model)
  named <- unique(unlist(lapply(cond$values, names)))
  unknown <- setdiff(named, known)
  if (length(unknown) > 0) {
    abort_twill("contrast", c("{.fn cond} names what is no variable of the design: {.val {unknown}}.",
                              did_you_mean(unknown[1], known), "i" = "Its variables are {.val {known}}."))
  }
  columns <- lapply(stats::setNames(known, known), function(name) cond_column(model, name, cond))
  structure(columns, row.names = seq_along(cond$values), class = "data.frame")
}

cond_variables <- function(model) {
  blueprint <- model$design$blueprint
  parts <- compact(c(list(blueprint, blueprint$dispersion), blueprint$groups))
  needed <- unlist(lapply(parts, function(part) variables_in(stats::delete.response(part$terms))))
  groups <- unlist(lapply(blueprint$groups, function(group) c(if (length(group$vars) > 1) group$vars, group$by$var)))
  intersect(unique(c(needed, groups)), names(model$data))
}
