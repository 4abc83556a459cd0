# Classes of levels: in gr(g, by = f) the levels of g with one value of f have standard deviations and correlations of their own.

# list(var, levels, suffix, of_level): the values of f, what stands behind names of their scales, and the class of each level;
# NULL without `by`.
new_classes <- function(bar, data, groups) {
  if (is.null(bar$by)) return(NULL)
  check_class_column(data[[bar$by]], bar$by)
  factor <- drop_unused_levels(level_factor(data[[bar$by]]))
  of_row <- as.integer(factor)
  of_level <- of_row[match(seq_along(groups$labels), groups$codes)]
  refuse_unknown_classes(bar, groups$names[is.na(of_level)])
  refuse_mixed_levels(bar, unique(groups$names[groups$codes[of_row != of_level[groups$codes]]]))
  list(var = bar$by, levels = levels(factor), suffix = paste0(":", bar$by, level_labels(levels(factor))), of_level = of_level)
}

check_class_column <- function(column, name) {
  if (is.null(dim(column))) return(invisible())
  abort_twill("data", "{.val {name}}, the {.arg by} of {.fn gr}, must have one value per row, and is a matrix.")
}

# What is left of a covariance is that of the others; what is left of a precision is that given the others.
way_out_of_unknown_classes <- function(bar) {
  if (!identical(bar$relation$kind, "prec")) return("Leave them out of the matrix.")
  name <- bar$relation$name
  cli_verbatim(paste("Take the covariance of those with rows: {.code gr(%s, by = %s, cov = K)} with",
                     "{.code K = as.matrix(solve(%s))[rows, rows]}."), bar$group, bar$by, name)
}

# Levels of a matrix of relations may be without rows.
refuse_unknown_classes <- function(bar, levels) {
  if (length(levels) == 0) return(invisible())
  abort_twill("data2", c("With {.code by = {bar$by}} each level of {.field {bar$group}} must have rows, which say its class.",
                         "x" = "The matrix has levels without rows: {.val {some(levels, 10)}}.",
                         "i" = way_out_of_unknown_classes(bar)))
}

refuse_mixed_levels <- function(bar, levels) {
  if (length(levels) == 0) return(invisible())
  abort_twill("data", c("{.arg by} of {.fn gr} must be the same in all rows of a level.",
                        "x" = "{.field {bar$by}} has more than one value in {.val {some(levels, 10)}} of {.field {bar$group}}.",
                        "i" = "For a spread that differs within levels say {.code (0 + {bar$by} || {bar$group})}."))
}

# Effects are looked up by the group's name, and a new level has one class.
check_one_by <- function(terms) {
  group <- differing_group(terms, "by")
  if (is.null(group)) return(invisible())
  abort_twill("formula", c("Terms of the same grouping factor must have the same {.arg by}.",
                           "x" = "The terms of {.field {group}} do not.",
                           "i" = "Copy the column under another name for the term without it."))
}

# Names -------------------------------------------------------------------------------------------------------------

# Coefficients as the names of scales have them, class by class.
scale_coefs <- function(term, coefs = term$coefs) shown_coefs(term, class_coefs(term, coefs))

class_coefs <- function(term, coefs = term$coefs) {
  suffix <- term$suffix %||% term$by$suffix %||% ""
  paste0(rep(coefs, length(suffix)), rep(suffix, each = length(coefs)))
}

sd_names <- function(term, coefs = term$coefs) paste0("sd_", term_factor(term), "__", scale_coefs(term, coefs))

# Draws of effects of a term of that name in those of draws.
effect_variables <- function(group, levels, coef) {
  sprintf("r_%s[%s,%s]", rep(group, length(levels)), levels, rep(coef, length(levels)))
}

# Names of the draws of effects: r_g[level,x], of several responses r_g__y1[level,x].
effect_names_of <- function(term, levels, coef) {
  if (is.null(term$own)) return(effect_variables(term$group, levels, coef))
  k <- match(coef, of_response(term$own$resp, term$own$coef))
  effect_variables(paste0(term$group, "__", term$own$resp[k]), levels, term$own$coef[k])
}

# Of two coefficients, in the term's order.
cor_name <- function(term, coefs) paste0("cor_", term$group, "__", paste(scale_coefs(term, coefs), collapse = "__"))

# The term as one whose levels are all of this class.
in_class <- function(term, class) {
  term$suffix <- term$by$suffix[class]
  term$by <- NULL
  term
}

in_class_of_level <- function(term, level) if (is.null(term$by)) term else in_class(term, term$by$of_level[level])

# list(term, share) for each class of a term: its share of the levels; the term itself without classes.
classes_of <- function(term) {
  if (is.null(term$by)) return(list(list(term = term, share = 1, levels = seq_along(term$levels))))
  lapply(seq_along(term$by$levels), function(class) {
    levels <- which(term$by$of_level == class)
    list(term = in_class(term, class), share = length(levels) / length(term$levels), levels = levels)
  })
}

# New levels --------------------------------------------------------------------------------------------------------

# Per row the class of its new level, NA where the level is known; NULL without classes.
new_classes_of_rows <- function(group, newdata, names) {
  by <- group$by
  is_new <- !is.na(names)
  if (is.null(by)) return(NULL)
  if (!any(is_new)) return(rep(NA_integer_, length(names)))
  if (is.null(newdata[[by$var]])) {
    abort_twill("newdata", c("{.arg newdata} lacks {.field {by$var}}, the class of new levels of {.field {group$group}}.",
                             "i" = "{.code re_formula = NA} leaves group-level effects out."))
  }
  text <- level_text(newdata[[by$var]])
  class <- match(text, by$levels)
  unknown <- unique(text[is_new & is.na(class)])
  if (length(unknown) > 0) {
    abort_twill("newdata", c("New levels of {.field {group$group}} need a value of {.field {by$var}} that the model has seen.",
                             "x" = "Not seen: {.val {some(unknown, 10)}}.", "i" = "It has seen {.val {some(by$levels, 10)}}."))
  }
  differ <- tapply(class[is_new], names[is_new], function(x) length(unique(x)) > 1)
  refuse_mixed_levels(list(by = by$var, group = group$group), names(differ)[differ])
  ifelse(is_new, class, NA_integer_)
}

# The class of a level that conditions are about, which the cond() of a contrast may name.
class_of_condition <- function(term, values) {
  if (is.null(term$by)) return(term)
  class <- match(as.character(values[[term$by$var]] %||% NA), term$by$levels)
  if (!is.na(class)) return(in_class(term, class))
  example <- sprintf("cond(%s = \"%s\")", term$by$var, term$by$levels[1])
  abort_twill("contrast", c("A new level of {.field {term$group}} has the spread of its {.field {term$by$var}}.",
                            "i" = "Say which on both sides, as in {.code {example}}."))
}

# Densities of many genes are of levels that are related or in classes.
refuse_related_classes <- function(terms) {
  term <- Find(function(term) !is.null(term$by) && !is.null(term$precision), terms)
  if (is.null(term)) return(invisible())
  abort_twill("formula", c("{.fn gr} with {.arg by} and a matrix of relations is not supported for many genes.",
                           "x" = "It is the term of {.field {term$group}}.",
                           "i" = "{.fn twill} fits it, one response at a time."))
}
