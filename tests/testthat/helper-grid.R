# Posteriors of scale parameters on grids, to test draws against: independent of the package's code.

#' Weights that add to one, from log densities at the points of a grid.
grid_weights <- function(log_density) {
  weight <- exp(log_density - max(log_density))
  weight / sum(weight)
}

#' Mean and sd of a variable with weights.
grid_moments <- function(value, weight) {
  mean <- sum(weight * value)
  c(mean = mean, sd = sqrt(sum(weight * (value - mean)^2)))
}

#' Draws against the grid: mean and sd, and the share of draws below three quantiles of the grid, in units of Monte Carlo error.
expect_grid <- function(draws, value, weight) {
  exact <- grid_moments(value, weight)
  expect_posterior(draws, exact[["mean"]], exact[["sd"]])
  order <- order(value)
  below <- cumsum(weight[order])
  for (p in c(0.1, 0.5, 0.9)) {
    at <- value[order][which(below >= p)[1]]
    # The grid's own probability there, with half of the point's.
    exact_p <- sum(weight[value < at]) + sum(weight[value == at]) / 2
    error <- 5 * sqrt(p * (1 - p) / (length(draws) / 4)) + max(tapply(weight, value, sum)) / 2
    expect_lt(abs(mean(draws < at) - exact_p), error)
  }
}

#' log N(y | mean, covariance).
log_normal_density <- function(y, mean, covariance) {
  root <- chol(covariance)
  -sum(log(diag(root))) - 0.5 * sum(backsolve(root, y - mean, transpose = TRUE)^2) - length(y) / 2 * log(2 * pi)
}
