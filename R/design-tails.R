# Effects with Student's distribution, gr(g, dist = "student"): all effects of a level are those of a normal distribution times
# one multiple, whose square is inverse gamma with shape and scale df / 2.

has_tails <- function(term) identical(term$dist, "student")

df_name <- function(group) paste0("df_", group)

# A group has one parameter of this name, and a level one multiple.
check_one_tail <- function(terms) {
  groups <- vapply(terms, `[[`, "", "group")
  for (term in terms[vapply(terms, has_tails, TRUE)]) {
    if (sum(groups == term$group) == 1) next
    abort_twill("formula", c("A grouping factor with {.code dist = \"student\"} must have one term.",
                             "x" = "{.field {term$group}} has {sum(groups == term$group)}.",
                             "i" = "For effects that are not correlated say {.code ||} in one term."))
  }
}

# draws x new levels: what their normal effects are multiplied with; one where effects are normal.
tail_multiples <- function(term, prediction, n_new) {
  if (!has_tails(term)) return(1)
  df <- draw_matrix(prediction$fit, df_name(term$group), prediction$ids)[, 1]
  matrix(sqrt(df / stats::rchisq(length(df) * n_new, df)), length(df))
}

# Tables of many genes have spreads of normal effects.
refuse_tails <- function(terms) {
  term <- Find(has_tails, terms)
  if (is.null(term)) return(invisible())
  abort_twill("formula", c("{.code dist = \"student\"} in {.fn gr} is not supported for many genes and cells.",
                           "x" = "It is the term of {.field {term$group}}.",
                           "i" = "{.fn twill} fits it, one response at a time."))
}
