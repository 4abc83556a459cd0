# Effects of levels with a covariance of low rank (design-low-rank.R), of draws of their coordinates.

# Draws of the effects of levels in the place of those of coordinates.
with_level_draws <- function(draws, terms) {
  for (term in Filter(function(term) !is.null(term$root), terms)) draws <- with_levels_of(draws, term)
  draws
}

with_levels_of <- function(draws, term) {
  if (is.null(draws)) return(NULL)
  variables <- dimnames(draws)[[3]]
  of_coef <- function(levels) lapply(term$coefs, effect_variables, group = term$group, levels = levels)
  from <- of_coef(sampled_levels(term))
  at <- match(unlist(from), variables)
  if (anyNA(at)) return(draws)
  size <- dim(draws)[1:2]
  values <- lapply(from, function(names) matrix(unclass(draws)[, , names], prod(size)) %*% t(term$root))
  # Coefficients of a level stand together, as in other fits.
  turn <- as.vector(t(matrix(seq_along(unlist(of_coef(term$levels))), ncol = length(term$coefs))))
  names <- unlist(of_coef(term$levels))[turn]
  effects <- array(do.call(cbind, values)[, turn], c(size, length(turn)), c(dimnames(draws)[1:2], list(names)))
  before <- unclass(draws)[, , seq_len(min(at) - 1), drop = FALSE]
  after <- unclass(draws)[, , setdiff(seq_along(variables), c(seq_len(min(at) - 1), at)), drop = FALSE]
  bind_draws_arrays(bind_draws_arrays(before, effects), after)
}
