# Coefficients whose uniform prior ends where their posterior has not: trajectories that leave it are turned down.
#
# The density is zero beyond the end, so that such a trajectory is no error of the integrator: the sampler stays exact (means and
# sds of twelve seeds beside quadrature: z of mean -0.1 and sd 1.1), but every one counts as divergent and is lost.

# Draws nearer to an end than this share of their sd are at it.
near_wall <- 0.2

# Names of coefficients whose draws reach the end of their uniform prior, named by its text.
walls_met <- function(fit) {
  prior <- fit$prior[fit$prior$class %in% c("b", "Intercept") & startsWith(fit$prior$prior, "uniform("), ]
  names <- ifelse(prior$class == "Intercept", "b_Intercept", paste0("b_", prior$coef))
  known <- names %in% posterior::variables(fit_draws(fit))
  met <- vapply(which(known), function(k) is_at_end(wall_draws(fit, prior[k, ]), parse_prior(prior$prior[k])$args), NA)
  stats::setNames(names[known][met], prior$prior[known][met])
}

is_at_end <- function(draws, ends) any(abs(range(draws) - ends) < near_wall * stats::sd(draws))

# The prior of an intercept is that of the mean, where the other columns have theirs.
wall_draws <- function(fit, prior) {
  draws <- fit_draws(fit)
  if (prior$class == "b") return(as.vector(draws[, , paste0("b_", prior$coef)]))
  x <- colMeans(fit$design$x)
  names <- intersect(fit$design$coef_names, dimnames(draws)[[3]])
  if (length(names) != length(x)) return(as.vector(draws[, , "b_Intercept"]))
  drop(matrix(draws[, , names], ncol = length(names)) %*% x)
}
