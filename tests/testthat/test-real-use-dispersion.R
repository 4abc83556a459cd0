# Regressions of sigma and shape on covariates far from zero: the intercept's prior lies at the means of the columns.

years <- function() {
  with_fixed_seed(5, {
    data <- data.frame(year = rep(2000:2020, each = 12))
    at <- data$year - 2010
    data$n <- rnbinom(nrow(data), mu = exp(2 + 0.02 * at), size = exp(0.5 + 0.17 * at))
    data$y <- rnorm(nrow(data), 1 + 0.1 * at, exp(-0.3 + 0.08 * at))
    data
  })
}

quick <- function(..., iter = 800) twill(..., years(), chains = 2, iter = iter, seed = 1, silent = 2)

# Estimates by maximum likelihood; with 252 rows and weak priors posterior means are within a third of an sd of them.
expect_near_likelihood <- function(fit, name, slope) {
  draws <- draws_by_hand(fit, paste0("b_", name, "_year"))
  expect_lt(abs(mean(draws) - slope) / sd(draws), 0.35)
  expect_lt(max(rhat(fit)), 1.02)
}

shape_slope <- function() {
  skip_if_not_installed("glmmTMB")
  peer <- glmmTMB::glmmTMB(n ~ I(year - 2010), dispformula = ~ I(year - 2010), family = glmmTMB::nbinom2, data = years())
  unname(glmmTMB::fixef(peer)$disp[2])
}

sigma_slope <- function() {
  data <- years()
  at <- data$year - 2010
  surprise <- function(p) -sum(dnorm(data$y, p[1] + p[2] * at, exp(p[3] + p[4] * at), log = TRUE))
  stats::optim(c(1, 0, 0, 0), surprise, method = "BFGS")$par[4]
}

test_that("the slope of a dispersion is that of the likelihood, wherever the covariate's zero is", {
  fit <- quick(tw_formula(n ~ year, shape ~ year), family = negbinomial())
  expect_near_likelihood(fit, "shape", shape_slope())
  fit <- quick(tw_formula(y ~ year, sigma ~ year))
  expect_near_likelihood(fit, "sigma", sigma_slope())
})

test_that("a prior on the intercept of a dispersion holds at the means of its columns", {
  prior <- tw_prior("normal(1, 2)", class = "Intercept", dpar = "shape")
  fit <- quick(tw_formula(n ~ year, shape ~ year), family = negbinomial(), prior = prior)
  expect_near_likelihood(fit, "shape", shape_slope())
  b <- draws_by_hand(fit, c("b_shape_Intercept", "b_shape_year"))
  expect_lt(abs(mean(b[, 1] + 2010 * b[, 2]) - 0.5), 0.4)
})

test_that("the log density has the prior of the dispersion's intercept where intercept says", {
  data <- data.frame(y = c(1.2, 0.3, 2.9, 2.2, 5.1, 3.7), x = c(11, 12, 13, 15, 16, 20))
  prior <- priors_by_class(Intercept = "normal(0, 5)", `Intercept::sigma` = "normal(1, 0.5)", `b::sigma` = "normal(0, 0.3)")
  fit <- function(intercept) {
    twill(tw_formula(y ~ 1, sigma ~ x), data, prior = prior, intercept = intercept, iter = 100, chains = 1, seed = 1, silent = 2)
  }
  density <- function(at, intercept) {
    sum(dnorm(data$y, 1.5, exp(at[1] + at[2] * data$x), log = TRUE)) + dnorm(1.5, 0, 5, log = TRUE) +
      dnorm(intercept, 1, 0.5, log = TRUE) + dnorm(at[2], 0, 0.3, log = TRUE)
  }
  expect_equal(log_density_at(fit("raw"), c(1.5, 0.2, 0.05))$log_density, density(c(0.2, 0.05), 0.2), tolerance = 1e-10)
  # Coordinates are centred; draws are not.
  centred <- fit("centred")
  raw <- 0.9 - mean(data$x) * 0.05
  expect_equal(log_density_at(centred, c(1.5, 0.9, 0.05))$log_density, density(c(raw, 0.05), 0.9), tolerance = 1e-10)
  draws <- draws_by_hand(centred, c("b_Intercept", "b_sigma_Intercept", "b_sigma_x", "lprior"))
  lprior <- dnorm(draws[, 1], 0, 5, log = TRUE) + dnorm(draws[, 2] + mean(data$x) * draws[, 3], 1, 0.5, log = TRUE) +
    dnorm(draws[, 3], 0, 0.3, log = TRUE)
  expect_equal(draws[, 4], lprior, tolerance = 1e-10)
})

test_that("draws of the prior of a centred dispersion have brms' name", {
  fit <- quick(tw_formula(n ~ year, shape ~ year), family = negbinomial(), sample_prior = "yes", iter = 100)
  expect_true(all(c("prior_Intercept", "prior_Intercept_shape", "prior_b_shape_year") %in% variables(fit)))
})

test_that("genes' dispersions are learned where their intercept is centred", {
  data <- with_fixed_seed(2, {
    samples <- data.frame(year = rep(2005:2014, each = 3))
    slope <- rep(c(-0.2, 0.2), 10)
    size <- exp(outer(slope, samples$year - 2010) + 1)
    list(samples = samples, slope = slope, counts = matrix(rnbinom(600, mu = 60, size = size), 20))
  })
  fit <- twill_genes(data$counts, ~ year, dispersion = ~ year, col_data = data$samples, size_factors = rep(1, 30), iter = 300,
                     seed = 1, silent = 2)
  found <- draws_of(fit, c("b_shape_Intercept", "b_shape_year"), 1:20)
  at_mean <- found[, 1, ] + mean(data$samples$year) * found[, 2, ]
  expect_lt(abs(mean(at_mean) - 1), 0.35)
  expect_gt(cor(colMeans(found[, 2, ]), data$slope), 0.8)
  # The learned prior is of the level at the mean: log shapes of about 1, not of -2000 * slope.
  level <- fit$job$shared$par[[1]][[1]]
  expect_lt(abs(level - 1), 0.7)
})
