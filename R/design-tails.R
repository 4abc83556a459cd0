# Effects with heavy tails: all effects of a level are those of a normal distribution times one multiple. With gr(g, dist =
# "student") its square is inverse gamma with shape and scale df / 2, with "horseshoe" it is half-Cauchy.

# Terms with normal effects have no `dist`.
has_tails <- function(term) !is.null(term$dist)

has_df <- function(term) has_tails(term) && tail_records[[term$dist]]$has_df

df_name <- function(group) paste0("df_", group)

# A group has one parameter of this name, and a level one multiple.
check_one_tail <- function(terms) {
  groups <- vapply(terms, `[[`, "", "group")
  for (term in terms[vapply(terms, has_tails, TRUE)]) {
    if (sum(groups == term$group) == 1) next
    abort_twill("formula", c("A grouping factor with {.code dist = \"{term$dist}\"} must have one term.",
                             "x" = "{.field {term$group}} has {sum(groups == term$group)}.",
                             "i" = "For effects that are not correlated say {.code ||} in one term."))
  }
}

# Tables of many genes have spreads of normal effects.
refuse_tails <- function(terms) {
  term <- Find(has_tails, terms)
  if (is.null(term)) return(invisible())
  abort_twill("formula", c("{.code dist = \"{term$dist}\"} in {.fn gr} is not supported for many genes and cells.",
                           "x" = "It is the term of {.field {term$group}}.",
                           "i" = "{.fn twill} fits it, one response at a time."))
}
