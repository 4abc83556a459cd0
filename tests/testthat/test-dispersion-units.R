# Regressions of sigma or shape whose columns are in other units.

test_that("regressions of the dispersion do not depend on units", {
  data <- with_fixed_seed(3, data.frame(x = stats::rnorm(300), g = gl(20, 15), e = stats::rnorm(300)))
  data$y <- exp(-0.5 + 0.4 * data$x) * data$e
  fit_at <- function(unit, ...) {
    data$x <- unit * data$x
    twill(tw_formula(y ~ 1 + (1 | g), sigma ~ x), data, chains = 2, iter = 1000, seed = 1, silent = 2, ...)
  }
  fits <- lapply(c(1, 1e-6, 1e8), fit_at)
  slopes <- vapply(fits, function(fit) summary(fit)$fixed["sigma_x", "Estimate"], 0) * c(1, 1e-6, 1e8)
  expect_lt(max(abs(slopes - slopes[1])), 0.012)
  for (fit in fits) expect_lt(max(rhat(fit)), 1.05)
  # The densities that draws carry are those of the coefficients in their own units.
  prior <- vapply(fits, function(fit) mean(fit$draws[, , "lprior"]), 0)
  expect_lt(max(abs(prior - log(c(1, 1e-6, 1e8)) - prior[1])), 0.3)
  fixed <- tw_prior("constant(4e-9)", class = "b", coef = "x", dpar = "sigma")
  expect_identical(unique(as.vector(fit_at(1e8, prior = fixed)$draws[, , "b_sigma_x"])), 4e-9)
})
