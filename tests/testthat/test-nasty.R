# Targets that are hard to sample give right answers or a named warning, whatever the engine; by default right answers.
#
# Right is what numerical integration finds, see helper-nasty.R. Targets that take long run only where TWILL_SLOW=true.

nasty_targets <- c(nasty_funnels, nasty_gaussian, nasty_counts, nasty_grids)

for (name in names(nasty_targets)) {
  test_that(paste("the answers are right or come with a warning:", name), {
    skip_on_cran()
    target <- nasty_targets[[name]]()
    if (target$slow) skip_unless_slow()
    exact <- target$exact()
    for (engine in c("auto", target$engines)) {
      fit <- nasty_fit(target$call, engine)
      allowed <- if (engine == "auto") "right" else c("right", "warned", "stopped")
      expect_true(nasty_verdict(fit, exact) %in% allowed, label = paste0(engine, ": ", nasty_report(fit, exact)))
    }
  })
}

# The verdict -----------------------------------------------------------------------------------------------------

test_that("answers to another question are found wrong", {
  skip_on_cran()
  target <- nasty_funnels$zero_sd()
  exact <- target$exact()
  target$call$prior <- priors_by_class(replace(vague, "sd", "exponential(2)"))
  expect_equal(nasty_verdict(nasty_fit(target$call, "auto"), exact), "wrong")
})

test_that("a shift by a fifth of an sd is found, and is allowed where the user is told", {
  skip_on_cran()
  target <- nasty_grids$one_count()
  exact <- target$exact()
  fit <- nasty_fit(target$call, "auto")
  expect_equal(nasty_verdict(fit, exact), "right")
  fit$draws <- fit$draws + 0.2 * exact["b_Intercept", "sd"]
  expect_equal(nasty_verdict(fit, exact), "wrong")
  fit$given <- "twill_warning_divergent"
  expect_equal(nasty_verdict(fit, exact), "warned")
})

# Numerical integration -------------------------------------------------------------------------------------------

test_that("integrals over a standard normal agree with their closed form", {
  slope <- c(-30, 0, 0.5, 4)
  integral <- normal_integral(function(z) slope * z, 4)
  expect_equal(integral, list(log = slope^2 / 2, mean = slope, variance = rep(1, 4)), tolerance = 1e-6)
})

test_that("the moments of a Gaussian model agree with those of conjugate updating", {
  x <- cbind(1, c(-1, 0.5, 2))
  y <- c(0.2, 1.5, 2.5)
  posterior <- gaussian_conditional(y, x, list(u = c(4, 9), y = c(1, 2, 3)))
  covariance <- solve(crossprod(x / sqrt(1:3)) + diag(c(1 / 4, 1 / 9)))
  expect_equal(posterior$mean, drop(covariance %*% crossprod(x, y / 1:3)))
  expect_equal(posterior$variance, diag(covariance))
})

test_that("a grid of gamma and normal densities has their moments", {
  axes <- list(`log(shape)` = span(-8, 4, 201), b_Intercept = span(-9, 11, 101))
  prior <- c(shape = "gamma(2, 3)", Intercept = "normal(1, 1.5)")
  moments <- grid_posterior(axes, log_prior(expand.grid(axes), prior, c("shape", "Intercept")))
  exact <- rbind(c(digamma(2) - log(3), sqrt(trigamma(2))), c(1, 1.5))
  expect_equal(moments, exact, ignore_attr = TRUE, tolerance = 1e-4)
  axes$b_Intercept <- span(0, 11, 101)
  expect_error(grid_posterior(axes, log_prior(expand.grid(axes), prior, c("shape", "Intercept"))), "margin")
})
