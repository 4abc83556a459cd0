# horseshoe() priors of coefficients beside an intercept whose prior is at the means of their columns.

test_that("the prior of a centred intercept holds under a horseshoe of the coefficients, by every engine", {
  data <- with_fixed_seed(1, {
    data <- data.frame(g = gl(10, 6), a = rnorm(60, 3), b = rnorm(60, -2))
    transform(data, y = 1 + 0.3 * a + rnorm(10)[g] + rnorm(60))
  })
  fit_of <- function(engine, ...) {
    prior <- c(tw_prior("horseshoe(1)", class = "b"), tw_prior("normal(3, 0.05)", class = "Intercept"))
    twill(y ~ a + b + (1 | g), data, prior = prior, chains = 2, iter = 1500, seed = 1, silent = 2, ...,
          control = list(engine = engine))
  }
  # So sure a prior stays what it is: the intercept at the means is normal(3, 0.05) but for what the data say.
  for (engine in c("auto", "joint", "levels")) {
    fit <- suppressWarnings(fit_of(engine))
    b <- as_draws_matrix(fit, c("b_Intercept", "b_a", "b_b"))
    centred <- drop(unclass(b) %*% c(1, mean(data$a), mean(data$b)))
    expect_lt(abs(mean(centred) - 3), 0.05)
    expect_lt(abs(stats::sd(centred) / 0.05 - 1), 0.15)
  }
  expect_identical(fit_of("auto")$info$engine, "joint")
  expect_error(fit_of("collapsed"), "horseshoe", class = "twill_error_spec")
  expect_identical(suppressWarnings(fit_of("collapsed", intercept = "raw"))$info$engine, "collapsed")
})
