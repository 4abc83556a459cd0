# Effects with Student's distribution, gr(g, dist = "student"): all effects of a level are those of a normal distribution times
# one multiple, whose square is inverse gamma with shape and scale df / 2.

# Terms with normal effects have no `dist`.
has_tails <- function(term) !is.null(term$dist)

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

# Tables of many genes have spreads of normal effects.
refuse_tails <- function(terms) {
  term <- Find(has_tails, terms)
  if (is.null(term)) return(invisible())
  abort_twill("formula", c("{.code dist = \"student\"} in {.fn gr} is not supported for many genes and cells.",
                           "x" = "It is the term of {.field {term$group}}.",
                           "i" = "{.fn twill} fits it, one response at a time."))
}
