# Compressed rows: the engine's log density against R's densities of all rows, where rows are alike but for the offset.

cells <- function(n = 600) {
  d <- data.frame(group = factor(rep(1:3, length.out = n)), weight = 1 + (seq_len(n) %% 2))
  d$log_exposure <- seq(-1.8, 1.8, length.out = n)[order((seq_len(n) * 7919) %% n)]
  d$y <- with_local_seed(1, stats::rnbinom(n, mu = exp(0.5 + d$log_exposure), size = 1.5))
  d
}

# One coefficient per group with a flat prior, so that the log density is the log-likelihood and the dispersion's prior.
grouped <- function(family, ...) {
  prior <- if (length(list(...))) c(tw_prior("flat"), ...) else tw_prior("flat")
  twill(y | weights(weight) ~ 0 + group + offset(log_exposure), cells(), family, prior = prior,
        chains = 2, iter = 300, seed = 1, silent = 2)
}

# Log density at `a` over that at `b`, by the engine and by `log_density` of a position.
expect_same_ratio <- function(fit, log_density, positions) {
  engine <- vapply(positions, function(q) tw_log_prob(fit, q), 0)
  expected <- vapply(positions, log_density, 0)
  expect_lt(max(abs((engine - engine[1]) - (expected - expected[1]))), 1e-6)
}

linear_predictor_of <- function(q) q[as.integer(cells()$group)] + cells()$log_exposure

test_that("negative binomial rows that differ in their offsets are compressed within the bound", {
  fit <- grouped(negbinomial(), tw_prior("exponential(0.5)", class = "shape"))
  expect_lt(fit$info$rows, 100)
  log_density <- function(q) {
    density <- stats::dnbinom(cells()$y, mu = exp(linear_predictor_of(q)), size = exp(q[4]), log = TRUE)
    sum(cells()$weight * density) - 0.5 * exp(q[4]) + q[4]
  }
  expect_same_ratio(fit, log_density, list(c(0.4, 0.5, 0.6, 0.4), c(1, 0.2, -1, 2), c(-2, 0, 3, -3), c(0.5, 0.5, 0.5, 9)))
})

test_that("Poisson and Gaussian rows that differ in their offsets are one row each, exactly", {
  fit <- grouped(poisson())
  expect_identical(fit$info$rows, 3L)
  log_density <- function(q) {
    sum(cells()$weight * stats::dpois(cells()$y, exp(linear_predictor_of(q)), log = TRUE))
  }
  expect_same_ratio(fit, log_density, list(c(0.4, 0.5, 0.6), c(1, 0.2, -1), c(-2, 0, 3)))

  fit <- grouped(gaussian(), tw_prior("exponential(0.5)", class = "sigma"))
  expect_identical(fit$info$rows, 3L)
  log_density <- function(q) {
    density <- stats::dnorm(cells()$y, linear_predictor_of(q), exp(q[4]), log = TRUE)
    sum(cells()$weight * density) - 0.5 * exp(q[4]) + q[4]
  }
  expect_same_ratio(fit, log_density, list(c(0.4, 0.5, 0.6, 0.4), c(1, 0.2, -1, 2), c(-2, 0, 3, 1)))
})

test_that("log_lik() has one column per row of the data, compressed or not", {
  fit <- grouped(negbinomial(), tw_prior("exponential(0.5)", class = "shape"))
  expect_identical(dim(log_lik(fit, ndraws = 5)), c(5L, 600L))
})
