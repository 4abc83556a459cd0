# Shares of mixtures: against the optimality conditions, another solver, and cases with a known answer.

normal_likelihoods <- function(n, seed = 1) {
  with_fixed_seed(seed, {
    sd <- exp(rnorm(n, log(0.15), 0.6))
    mean <- rnorm(n, ifelse(runif(n) < 0.9, 0, rnorm(n, 0, 0.8)), sd)
    component_likelihoods(mean, sd, effect_components(mean, sd), 1)
  })
}

objective <- function(log_lik, shares, extra) {
  sum(log(exp(log_lik) %*% shares)) + if (extra > 0) extra * log(shares[1]) else 0
}

test_that("shares are at the optimum, whatever the number of rows", {
  for (n in c(1, 5, 200, 15000)) for (extra in c(0, 10)) {
    log_lik <- normal_likelihoods(n)
    found <- mixture_shares(log_lik, extra)
    expect_true(found$converged)
    expect_equal(sum(found$shares), 1)
    expect_true(all(found$shares >= 0))
    # Lindsay's directions: no component would raise the likelihood by more than the gap.
    mixed <- drop(exp(log_lik) %*% found$shares)
    slope <- colSums(exp(log_lik) / mixed) + c(if (extra > 0) extra / found$shares[1] else 0, numeric(ncol(log_lik) - 1))
    expect_lt(max(slope) - (n + extra), 0.05)
  }
})

test_that("shares are those of mixsqp", {
  skip_if_not_installed("mixsqp")
  log_lik <- normal_likelihoods(4000)
  found <- mixture_shares(log_lik, 10)
  lik <- rbind(exp(log_lik), c(1, numeric(ncol(log_lik) - 1)))
  other <- mixsqp::mixsqp(lik, c(rep(1, 4000), 10), control = list(verbose = FALSE))
  ours <- objective(log_lik, found$shares, 10)
  expect_gt(ours, objective(log_lik, other$x, 10) - 0.01)
  expect_equal(found$shares[1], other$x[1], tolerance = 0.01)
})

test_that("extremes keep their meaning", {
  expect_equal(mixture_shares(matrix(0, 4, 1), 10)$shares, 1)
  # Every row for the second component, beyond what exponentials can hold.
  expect_equal(mixture_shares(cbind(rep(-2000, 5), 0))$shares, c(0, 1))
  # Two rows for each.
  expect_equal(mixture_shares(rbind(c(0, -900), c(0, -900), c(-900, 0), c(-900, 0)))$shares, c(0.5, 0.5), tolerance = 1e-5)
})
