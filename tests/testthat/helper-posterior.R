# Draws of one variable against a posterior that is known.

draws_in <- function(fit, name) as.vector(unclass(fit$draws)[, , name])

#' Draws against a known mean and sd, in units of Monte Carlo error at a quarter of the draws.
expect_posterior <- function(draws, mean, sd) {
  n <- length(draws) / 4
  expect_lt(abs(mean(draws) - mean), 5 * sd / sqrt(n))
  expect_lt(abs(sd(draws) / sd - 1), 5 / sqrt(2 * n))
}
