# Draws are calibrated: the ranks of true parameters among draws from their posterior are uniform, for every engine.
#
# Two small models run always, all models of helper-sbc-*.R where TWILL_SLOW=true, with 50 replications each; make sbc
# runs 200 and draws the ranks.

#' False alarms of a whole run of these tests, shared among its calibrations and in each among its quantities. The tail of
#' chi-square is too thin at such levels, by a factor of 2 at 1e-6 (50 ranks in 5 bins, enumerated): so still below 1e-3.
sbc_alpha <- 5e-4

expect_calibrated <- function(name, engine, n, n_runs, model) {
  run <- sbc_run(name, engine, n, model = model)
  table <- sbc_table(run)
  worst <- table$quantity[which.min(pmin(table$p_ecdf, table$p_chi_square))]
  expect_equal(run$failed, 0, label = sprintf("number of fits of %s by %s that stopped", name, engine))
  expect_gt(sbc_verdict(table), sbc_alpha / n_runs, label = sprintf("p-value of %s by %s (%s)", name, engine, worst))
}

# Small models ----------------------------------------------------------------------------------------------------

small_models <- list(
  gaussian = list(
    formula = y ~ 1 + (1 | g), family = gaussian(), intercept = "raw", thin = 3, engines = sbc_gaussian_engines,
    prior = priors_by_class(Intercept = "normal(0, 1)", sd = "exponential(1)", sigma = "lognormal(0, 0.5)"),
    simulate = function() {
      g <- rep(sbc_levels("g", 4), each = 3)
      term <- sbc_term(g, "g", stats::rexp(1))
      intercept <- stats::rnorm(1)
      sigma <- stats::rlnorm(1, 0, 0.5)
      sbc_gaussian(data.frame(g = g), intercept + term$rows, sigma, c(b_Intercept = intercept, sigma = sigma, term$truth))
    }),
  poisson = list(
    formula = y ~ 1 + (1 | g), family = "poisson", intercept = "raw", thin = 3, engines = sbc_count_engines,
    prior = priors_by_class(Intercept = "normal(1, 1)", sd = "exponential(2)"),
    simulate = function() {
      g <- rep(sbc_levels("g", 4), each = 3)
      term <- sbc_term(g, "g", stats::rexp(1, 2))
      intercept <- stats::rnorm(1, 1)
      sbc_poisson(data.frame(g = g), intercept + term$rows, c(b_Intercept = intercept, term$truth))
    }))

test_that("small models are calibrated", {
  skip_on_cran()
  for (name in names(small_models)) {
    model <- small_models[[name]]
    for (engine in model$engines) expect_calibrated(name, engine, 25, n_runs = 6, model)
  }
})

#' The p-value where the fit or the data are not those of the model.
p_value_of_mistake <- function(...) {
  model <- utils::modifyList(small_models$gaussian, list(...))
  sbc_verdict(sbc_table(sbc_run("mistake", "joint", 30, model = model)))
}

test_that("a wrong prior, effects of wrong size and a wrong sigma are found", {
  skip_on_cran()
  simulate <- small_models$gaussian$simulate
  wrong_prior <- priors_by_class(Intercept = "normal(0, 1)", sd = "exponential(10)", sigma = "lognormal(0, 0.5)")
  expect_lt(p_value_of_mistake(prior = wrong_prior), sbc_alpha / 5)
  stretched <- function() {
    simulated <- simulate()
    simulated$data$y <- 3 * simulated$data$y
    simulated
  }
  expect_lt(p_value_of_mistake(simulate = stretched), sbc_alpha / 5)
})

# All models ------------------------------------------------------------------------------------------------------

n_runs <- sum(lengths(lapply(sbc_models, `[[`, "engines")))

for (name in names(sbc_models)) {
  test_that(paste("the model is calibrated:", name), {
    skip_unless_slow()
    for (engine in sbc_models[[name]]$engines) expect_calibrated(name, engine, 50, n_runs, sbc_models[[name]])
  })
}

# The statistics --------------------------------------------------------------------------------------------------

#' Ranks of `n` true values among draws that are shifted and stretched, of normal posteriors.
ranks_of_normal <- function(n, shift = 0, stretch = 1) {
  stats::rbinom(n, sbc_draws, stats::pnorm(stats::rnorm(n), shift, stretch))
}

test_that("p-values of uniform ranks are below a level as often as the level says", {
  p <- with_fixed_seed(1, replicate(400, sbc_p_values(sample(0:sbc_draws, 40, replace = TRUE), sbc_draws)))
  limits <- stats::qbinom(c(1e-4, 1 - 1e-4), 400, 0.1)
  counts <- rowSums(p < 0.1)
  expect_true(all(counts >= limits[1] & counts <= limits[2]))
})

test_that("an envelope contains its share of paths", {
  bounds <- sbc_envelope(50, sbc_draws, level = 0.8)
  is_inside <- function(i) {
    counts <- sbc_counts(sample(0:sbc_draws, 50, replace = TRUE), sbc_draws)
    all(counts >= bounds[1, ] & counts <= bounds[2, ])
  }
  share <- with_fixed_seed(2, mean(vapply(1:1000, is_inside, TRUE)))
  expect_lt(abs(share - 0.8), 4 * sqrt(0.8 * 0.2 / 1000))
})

test_that("200 replications find a shift by half an sd and sds wrong by a factor of 1.5", {
  p_value <- function(...) min(sbc_p_values(with_fixed_seed(3, ranks_of_normal(200, ...)), sbc_draws))
  expect_gt(p_value(), 0.01)
  expect_lt(p_value(shift = 0.5), 1e-6)
  expect_lt(p_value(stretch = 1.5), 1e-4)
  expect_lt(p_value(stretch = 1 / 1.5), 1e-4)
})

test_that("correlations drawn for the simulation have the variance of LKJ", {
  # Of a 3 x 3 matrix from LKJ(2) each correlation is 2 beta(2.5, 2.5) - 1, with variance 1 / 6.
  rho <- with_fixed_seed(4, replicate(500, sbc_lkj(3, 2)[1, 2]))
  expect_lt(abs(mean(rho^2) - 1 / 6), 4 * stats::sd(rho^2) / sqrt(500))
})
