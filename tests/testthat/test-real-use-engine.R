# Coordinates that "auto" takes where rows have effects of their own, and coordinates of many levels.

test_that("observation-level effects in nested levels are sampled together", {
  fit <- twill(TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION) + (1 | INDEX), lme4::grouseticks, family = poisson(),
               iter = 600, chains = 2, seed = 1, silent = 2)
  expect_identical(fit$info$engine, "joint")
  main <- main_variables(fit)
  expect_lt(max(rhat(fit, pars = main)), 1.03)
  expect_gt(min(neff_ratio(fit, pars = main)), 0.2)
})

test_that("in crossed levels they go level by level as before", {
  data <- with_fixed_seed(4, {
    d <- data.frame(a = factor(sample(40, 300, TRUE)), b = factor(sample(30, 300, TRUE)), i = factor(1:300))
    d$y <- rpois(300, exp(rnorm(300, 0.5, 0.5)))
    d
  })
  fit <- twill(y ~ 1 + (1 | a) + (1 | b) + (1 | i), data, family = poisson(), iter = 40, chains = 1, seed = 1, silent = 2)
  expect_identical(fit$info$engine, "levels")
})

test_that("one term of many levels can be sampled level by level", {
  data <- with_fixed_seed(2, data.frame(g = gl(64, 3), x = rnorm(192), y = rnorm(192), n = rpois(192, 3)))
  levels <- function(formula, ...) {
    twill(formula, data, iter = 60, chains = 1, seed = 1, silent = 2, control = list(engine = "levels"), ...)
  }
  expect_identical(levels(y ~ x + (1 + x | g))$info$engine, "levels")
  expect_identical(levels(n ~ x + (1 + x || g), family = poisson())$info$engine, "levels")
  data$g <- gl(96, 2)
  expect_identical(levels(n ~ x + (1 | g), family = negbinomial())$info$engine, "levels")
})

test_that("priors that cannot be computed are refused, not a panic", {
  sd_prior <- function(text) {
    twill(mpg ~ wt + (1 | cyl), mtcars, prior = tw_prior(text, class = "sd"), iter = 40, chains = 1, silent = 2)
  }
  for (text in c("student_t(5e-324, 0, 1)", "normal(-1e10, 1)", "gamma(1e308, 1)", "uniform(-2, -1)")) {
    expect_error(sd_prior(text), class = "twill_error")
    expect_false(inherits(tryCatch(sd_prior(text), error = identity), "twill_error_engine"))
  }
})
