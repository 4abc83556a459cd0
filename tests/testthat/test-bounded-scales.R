# Uniform priors of positive parameters whose upper bound cuts into the posterior: trajectories do not end at it.

# Mean and sd of draws against those of a density on a grid, in units of Monte Carlo error.
expect_density <- function(draws, x, log_density, label) {
  weight <- exp(log_density - max(log_density))
  weight <- weight / sum(weight)
  mean <- sum(weight * x)
  sd <- sqrt(sum(weight * (x - mean)^2))
  expect_lt(abs(mean(draws) - mean) / posterior::mcse_mean(draws), 4.5, label = paste(label, "mean"))
  expect_lt(abs(stats::sd(draws) - sd) / posterior::mcse_sd(draws), 4.5, label = paste(label, "sd"))
}

no_divergences <- function(fit) sum(subset(nuts_params(fit), Parameter == "divergent__")$Value)

middles <- function(lower, upper, n = 2000) lower + (seq_len(n) - 0.5) * (upper - lower) / n

fitted_with <- function(formula, data, prior, ...) {
  twill(formula, data, prior = prior, chains = 4, iter = 1500, warmup = 500, seed = 1, silent = 2, ...)
}

test_that("standard deviations of groups have the posterior of quadrature in every engine", {
  data <- with_fixed_seed(1, data.frame(g = gl(4, 5), y = rnorm(4, 0, 2)[gl(4, 5)] + rnorm(20), s = 1))
  means <- tapply(data$y, data$g, mean)
  # Flat mean of groups, known errors: what is left of four means.
  log_density <- function(tau) vapply(tau, function(t) {
    v <- t^2 + 1 / 5
    -1.5 * log(v) - sum((means - mean(means))^2) / (2 * v)
  }, 0)
  for (bounds in list(c(0, 3), c(1.2, 2))) {
    prior <- c(tw_prior(sprintf("uniform(%g, %g)", bounds[1], bounds[2]), class = "sd"), tw_prior("", class = "Intercept"))
    for (engine in c("joint", "levels", "collapsed", "guided")) {
      fit <- fitted_with(y | se(s) ~ 1 + (1 | g), data, prior, control = list(engine = engine))
      draws <- as.vector(as_draws_array(fit, "sd_g__Intercept"))
      tau <- middles(bounds[1], bounds[2])
      expect_true(all(draws > bounds[1] & draws < bounds[2]))
      expect_density(draws, tau, log_density(tau), paste(engine, bounds[2]))
      if (engine != "guided") expect_lte(no_divergences(fit), 2)
    }
  }
})

test_that("residual standard deviations and shapes end at their bounds likewise", {
  data <- with_fixed_seed(2, data.frame(y = rnorm(12, 0, 1.2), count = rpois(12, 5)))
  fit <- fitted_with(y ~ 1, data, c(tw_prior("uniform(0, 0.9)", class = "sigma"), tw_prior("", class = "Intercept")))
  sigma <- middles(0.3, 0.9)
  expect_density(as.vector(as_draws_array(fit, "sigma")), sigma,
                 -11 * log(sigma) - sum((data$y - mean(data$y))^2) / (2 * sigma^2), "sigma")
  expect_lte(no_divergences(fit), 2)
  prior <- c(tw_prior("uniform(0, 3)", class = "shape"), tw_prior("", class = "Intercept"))
  fit <- fitted_with(count ~ 1, data, prior, family = negbinomial())
  shape <- middles(0, 3, 400)
  mu <- exp(middles(0, 4, 400))
  joint <- outer(shape, mu, Vectorize(function(s, m) sum(dnbinom(data$count, size = s, mu = m, log = TRUE))))
  expect_density(as.vector(as_draws_array(fit, "shape")), shape, log(rowSums(exp(joint))), "shape")
  expect_lte(no_divergences(fit), 2)
})

test_that("the evidence under a uniform prior is that of quadrature", {
  data <- with_fixed_seed(3, data.frame(g = gl(6, 5), y = rnorm(6)[gl(6, 5)] + rnorm(30), s = 1))
  prior <- c(tw_prior("uniform(0, 2)", class = "sd"), tw_prior("normal(0, 5)", class = "Intercept"))
  fit <- twill(y | se(s) ~ 1 + (1 | g), data, prior = prior, chains = 2, iter = 1500, seed = 1, silent = 2)
  same_group <- outer(data$g, data$g, "==")
  log_density <- vapply(middles(0, 2, 200), function(tau) {
    root <- chol(diag(30) + tau^2 * same_group + 25)
    -sum(log(diag(root))) - 0.5 * sum(backsolve(root, data$y, transpose = TRUE)^2) - 15 * log(2 * pi)
  }, 0)
  found <- tw_log_evidence(fit)
  expect_lt(abs(found$log_evidence - log(mean(exp(log_density)))), 4.5 * found$mcse + 1e-3)
})

test_that("genes take bounded scales", {
  counts <- with_fixed_seed(4, matrix(rnbinom(6 * 12, mu = 50, size = 4), 6, dimnames = list(paste0("gene", 1:6), NULL)))
  samples <- data.frame(condition = gl(2, 1, 12), donor = gl(6, 2))
  prior <- c(tw_prior("uniform(0, 0.4)", class = "sd"), tw_prior("uniform(0, 6)", class = "shape"))
  fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, prior = prior, size_factors = rep(1, 12), seed = 1,
                     share = "none", silent = 2, check = FALSE)
  one <- tw_gene(fit, "gene1", seed = 2, silent = 2)
  for (variable in c("sd_donor__Intercept", "shape")) {
    a <- as.vector(as_draws_array(fit, genes = "gene1", variable = variable))
    b <- as.vector(as_draws_array(one, variable))
    expect_lt(max(a), if (variable == "shape") 6 else 0.4)
    expect_lt(abs(mean(a) - mean(b)) / sqrt(posterior::mcse_mean(a)^2 + posterior::mcse_mean(b)^2), 4.5, label = variable)
  }
})

test_that("coefficients at the ends of a uniform prior have the posterior of quadrature, and the warning names the end", {
  data <- with_fixed_seed(3, data.frame(x = rnorm(20)))
  data$y <- with_fixed_seed(4, 1.2 * data$x + rnorm(20))
  prior <- c(tw_prior("uniform(-1, 1)", class = "b"), tw_prior("exponential(1)", class = "sigma"))
  b <- middles(-1, 1, 500)
  sigma <- exp(middles(-2, 2, 400))
  joint <- outer(b, sigma, Vectorize(function(b, s) sum(dnorm(data$y, b * data$x, s, log = TRUE)) - s + log(s)))
  marginal <- log(rowSums(exp(joint - max(joint))))
  for (given in list(list(), list(control = list(engine = "joint")), list(method = "hmc"))) {
    fit <- suppressMessages(suppressWarnings(do.call(fitted_with, c(list(y ~ 0 + x, data, prior), given))))
    expect_density(as_draws_array(fit, "b_x")[, , 1], b, marginal, deparse1(given))
    expect_identical(walls_met(fit), c("uniform(-1, 1)" = "b_x"))
  }
  expect_warning(warn_diagnostics(fit), "left the prior of.*b_x.*uniform\\(-1, 1\\)", class = "twill_warning_divergent") |>
    suppressWarnings() |> suppressMessages()
  # The prior of an intercept is about the mean of the response.
  data$far <- data$x + 50
  prior <- c(tw_prior(sprintf("uniform(%g, 9)", mean(data$y)), class = "Intercept"), tw_prior("normal(0, 5)", class = "b"))
  fit <- suppressMessages(suppressWarnings(fitted_with(y ~ far, data, prior)))
  expect_identical(unname(walls_met(fit)), "b_Intercept")
  prior <- c(tw_prior("uniform(-9, 9)", class = "Intercept"), tw_prior("uniform(-9, 9)", class = "b"))
  expect_length(walls_met(suppressMessages(suppressWarnings(fitted_with(y ~ far, data, prior)))), 0)
})

test_that("chains start inside uniform priors that are far from what the data say", {
  data <- with_fixed_seed(5, data.frame(x = rnorm(40), g = gl(5, 8)))
  data$y <- with_fixed_seed(6, 0.4 + 0.5 * data$x + rnorm(40))
  prior <- c(tw_prior("uniform(-1, 0.2)", class = "Intercept"), tw_prior("uniform(-0.1, 0.1)", class = "b"),
             tw_prior("exponential(1)", class = "sigma"))
  a <- middles(-1, 0.2, 120)
  b <- middles(-0.1, 0.1, 60)
  sigma <- exp(middles(-1.5, 1.5, 100))
  x <- data$x - mean(data$x)
  sums <- outer(a, b, Vectorize(function(a, b) sum((data$y - a - b * x)^2)))
  joint <- outer(sums, sigma, function(s, sigma) -40 * log(sigma) - s / (2 * sigma^2) - sigma + log(sigma))
  weight <- exp(joint - max(joint))
  fit <- suppressMessages(suppressWarnings(fitted_with(y ~ x, data, prior)))
  expect_density(as_draws_array(fit, "b_x")[, , 1], b, log(apply(weight, 2, sum)), "slope")
  intercept <- as_draws_array(fit, "b_Intercept")[, , 1] + mean(data$x) * as_draws_array(fit, "b_x")[, , 1]
  expect_density(intercept, a, log(apply(weight, 1, sum)), "intercept")
  for (given in list(list(y ~ x + (1 | g)), list(tw_formula(y ~ x, sigma ~ x)))) {
    fit <- suppressMessages(suppressWarnings(twill(given[[1]], data, prior = prior[1:2, ], chains = 1, iter = 200, seed = 1,
                                                   silent = 2)))
    expect_true(all(abs(as.matrix(fit)[, "b_x"]) < 0.1))
  }
})
