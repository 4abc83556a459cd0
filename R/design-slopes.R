# Responses that may differ between groups: what a design of many genes leaves out when it has random intercepts alone.

# Warns of population-level terms whose effect is seen within the levels of a group, donors say, while the design lets only the
# level of donors differ: what is repeated within them then counts as if it were a donor of its own.
check_slopes <- function(model, silent, unit) {
  if (silent >= 2) return(invisible())
  missing <- missing_slopes(model)
  if (unit == "sample") missing <- Filter(function(slope) counts_repeats(model, slope), missing)
  for (group in unique(vapply(missing, `[[`, "", "group"))) {
    warn_slopes(model, group, Filter(function(slope) slope$group == group, missing), unit)
  }
}

# A list of list(term, group, columns): population-level terms that vary within a group, and that no group-level term follows.
missing_slopes <- function(model) {
  x <- columns_of_terms(model)
  groups <- group_columns(model$design$terms)
  missing <- list()
  for (term in names(x)) {
    varies <- vapply(groups, function(group) varies_within(x[[term]], group$codes), TRUE)
    if (!any(varies) || has_units(x[[term]], groups, varies)) next
    if (any(vapply(groups[varies], function(group) spans_within(group$z, x[[term]], group$codes), TRUE))) next
    group <- names(which.max(vapply(groups[varies], function(group) max(group$codes), 1)))
    # What comes after it may be spanned by it: condition:sex by condition, where donors have one sex.
    groups[[group]]$z <- cbind(groups[[group]]$z, x[[term]])
    missing <- c(missing, list(list(term = term, group = group, columns = x[[term]])))
  }
  missing
}

# Columns of the population-level design by term, without the intercept.
columns_of_terms <- function(model) {
  blueprint <- model$design$blueprint
  labels <- attr(blueprint$terms, "term.labels")
  whole <- part_matrix(blueprint, model$data)
  names <- coef_name(colnames(whole))
  # Columns that others determine have been dropped from the design.
  kept <- intersect(names, colnames(model$design$x))
  of_term <- function(k) model$design$x[, intersect(names[attr(whole, "assign") == k], kept), drop = FALSE]
  Filter(ncol, lapply(stats::setNames(seq_along(labels), labels), of_term))
}

# list(codes, z) by group, with the columns of all terms of the group.
group_columns <- function(terms) {
  by_group <- split(terms, factor(vapply(terms, `[[`, "", "group"), unique(vapply(terms, `[[`, "", "group"))))
  lapply(by_group, function(same) list(codes = same[[1]]$codes, z = do.call(cbind, lapply(same, `[[`, "z"))))
}

varies_within <- function(x, codes) any(within_size(x, codes) > 1e-8)

# Sums of squares of each column about the means of the levels, over those of the column.
within_size <- function(x, codes) {
  centred <- x - (rowsum(x, codes) / as.vector(table(codes)))[match(codes, sort(unique(codes))), , drop = FALSE]
  colSums(centred^2) / pmax(colSums(x^2), 1e-300)
}

# Whether the columns z of a group tell x within each of its levels.
spans_within <- function(z, x, codes) {
  left <- vapply(split(seq_along(codes), codes), function(rows) {
    sum(stats::lm.fit(z[rows, , drop = FALSE], x[rows, , drop = FALSE])$residuals^2)
  }, 0)
  sum(left) <= 1e-8 * sum(x^2)
}

# Whether another group holds the units of the term: (1 | donor) + (1 | donor:condition), where samples have effects of their own.
has_units <- function(x, groups, varies) {
  is_unit <- function(unit) !varies[[unit]] && any(vapply(groups[varies], function(group) {
    all(tapply(group$codes, groups[[unit]]$codes, function(v) length(unique(v))) == 1)
  }, TRUE))
  any(vapply(names(groups), is_unit, TRUE))
}

# With one sample per donor and condition a response of its own and the noise of samples are one: the dispersion has it. Poisson
# counts have no dispersion.
counts_repeats <- function(model, slope) {
  if (is.null(model$design$dispersion)) return(TRUE)
  group <- group_columns(model$design$terms)[[slope$group]]
  columns <- cbind(group$z, slope$columns)
  any(vapply(split(seq_along(group$codes), group$codes), function(rows) {
    within <- columns[rows, , drop = FALSE]
    length(rows) > qr(within)$rank && varies_within(slope$columns[rows, , drop = FALSE], rep(1, length(rows)))
  }, TRUE))
}

warn_slopes <- function(model, group, missing, unit) {
  terms <- vapply(missing, `[[`, "", "term")
  wanted <- slope_text(model, group, terms)
  unless <- if (unit == "cell") "where {.field {terms}} {cli::qty(length(terms))}{?is/are} only adjusted for" else
    "where samples of one {.field {group}} are of different individuals"
  alike <- "The design lets {.field {group}} move the level, but not the response to {.field {terms}}."
  counted <- paste("Each", unit, "of one {.field {group}} counts as a replicate: effects look surer than they are.")
  warn_twill("slopes", c(alike, "x" = counted,
                         "i" = "Write {.code {wanted}}, so that responses may differ.",
                         "i" = paste("It may stay as it is", unless, "({.code check = FALSE} says nothing).")))
}

# The group's term as it should be: its own coefficients, and those that are missing.
slope_text <- function(model, group, terms) {
  blueprints <- Filter(function(term) term$group == group, model$design$blueprint$groups)
  own <- unique(unlist(lapply(blueprints, function(term) attr(term$terms, "term.labels"))))
  has_level <- any(vapply(blueprints, function(term) attr(term$terms, "intercept") == 1, TRUE))
  sprintf("(%s || %s)", paste(c(if (has_level) "1" else "0", own, terms), collapse = " + "), group)
}
