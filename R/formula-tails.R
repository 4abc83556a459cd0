# Distributions of effects of levels that are not normal, gr(g, dist = ): a level's effects are normal ones times one multiple.

# has_df: whether there are degrees of freedom. draw: n multiples, given those of as many draws.
tail_records <- list(
  student = list(has_df = TRUE, draw = function(n, df) sqrt(df / stats::rchisq(n, df))),
  horseshoe = list(has_df = FALSE, draw = function(n, df) abs(stats::rcauchy(n))))

# NULL for normal effects.
dist_in_formula <- function(dist, text) {
  known <- c("gaussian", names(tail_records))
  if (is.null(dist) || identical(dist, known[1])) return(NULL)
  if (is.character(dist) && length(dist) == 1 && dist %in% known) return(dist)
  abort_twill("formula", c("{.arg dist} must be {.or {.val {known}}}.", "x" = "It is {.code {text}}."))
}
