# method = "hmc" of small models, whose chains run eight at a time (engine "lanes"): against references made elsewhere, the
# density of each draw by hand, the same draws for any number of threads, and who gets chains one by one.

by_hmc <- function(formula, data, family = gaussian(), ..., seed = 1, iter = 1000) {
  twill(formula, data, family, method = "hmc", seed = seed, iter = iter, silent = 2, refresh = 0, ...)
}

small_counts <- local({
  set.seed(4)
  rows <- expand.grid(g = sprintf("g%d", 1:8), rep = 1:4)
  rows$x <- rnorm(nrow(rows))
  rows$y <- rpois(nrow(rows), exp(1 + 0.3 * rows$x + rnorm(8, 0, 0.5)[as.integer(factor(rows$g))]))
  rows
})
small_prior <- c(tw_prior("normal(0, 3)", class = "Intercept"), tw_prior("normal(0, 1)", class = "b"),
                 tw_prior("exponential(1)", class = "sd"))

for (name in c("crispr_sim_varying_slope", "penicillin_crossed", "sleepstudy_corr", "kang_mono_FTL", "glioblastoma_SPP1")) {
  test_that(paste("lanes have the reference posterior of", name), {
    model <- reference_models()[[name]]
    fit <- by_hmc(model$formula, reference_data(model), reference_family(model$family), prior = reference_prior(model$prior),
                  intercept = "raw", chains = 4, iter = 2000)
    expect_identical(fit$info$engine, "lanes")
    comparison <- reference_compare(fit, reference_posterior(model))
    limit <- z_limit(nrow(comparison))
    expect_lt(max(abs(comparison$z_mean)), limit)
    expect_lt(max(abs(comparison$z_sd), na.rm = TRUE), limit)
    expect_lt(max(comparison$rhat), 1.01)
  })
}

test_that("a draw has the density of its parameters, with what a sampler reports", {
  fit <- by_hmc(y ~ x + (1 | g), small_counts, poisson(), prior = small_prior, intercept = "raw")
  expect_identical(fit$info$engine, "lanes")
  draws <- as.data.frame(posterior::as_draws_matrix(fit))
  effects <- as.matrix(draws[sprintf("r_g[g%d,Intercept]", 1:8)])
  of_draw <- function(i) {
    sd <- draws$sd_g__Intercept[i]
    eta <- draws$b_Intercept[i] + draws$b_x[i] * small_counts$x + effects[i, as.integer(factor(small_counts$g))]
    lprior <- dnorm(draws$b_Intercept[i], 0, 3, log = TRUE) + dnorm(draws$b_x[i], 0, 1, log = TRUE) + dexp(sd, 1, log = TRUE)
    # Standardised effects, and the standard deviation on its log scale.
    lp <- lprior + sum(dpois(small_counts$y, exp(eta), log = TRUE)) + sum(dnorm(effects[i, ] / sd, log = TRUE)) + log(sd)
    c(lprior, lp)
  }
  some <- c(1, 2, 777, 2000)
  expected <- vapply(some, of_draw, numeric(2))
  expect_equal(draws$lprior[some], expected[1, ], tolerance = 1e-10)
  expect_equal(draws$lp__[some], expected[2, ], tolerance = 1e-10)
  reports <- nuts_params(fit)
  of <- function(name) reports$Value[reports$Parameter == name]
  expect_true(all(of("accept_stat__") >= 0 & of("accept_stat__") <= 1) && mean(of("accept_stat__")) > 0.7)
  expect_true(all(of("n_leapfrog__") %in% 1:10) && sum(of("divergent__")) == 0)
  # Half a squared normal number for each parameter and each momentum, nearly.
  expect_lt(abs(log(var(of("energy__")) / 11)), 0.35)
  expect_match(paste(capture.output(print(fit)), collapse = "\n"), "lanes \\(eight chains at a time\\), 11 parameters")
})

test_that("a chain is its lanes one after the other, whatever the number of threads", {
  fit <- function(...) by_hmc(y ~ x + (1 | g), small_counts, poisson(), prior = small_prior, chains = 10, iter = 400, ...)
  expect_identical(fit(cores = 1)$draws, fit(cores = 2)$draws)
  expect_false(identical(fit(seed = 2)$draws, fit()$draws))
  one <- by_hmc(y ~ x + (1 | g), small_counts, poisson(), prior = small_prior, chains = 1, iter = 4005, thin = 2)
  expect_identical(one$info$engine, "lanes")
  expect_identical(dim(one$draws)[1:2], c(1002L, 1L))
  expect_lt(posterior::rhat(one$draws[, , "sd_g__Intercept"]), 1.05)
})

test_that("effects that are not kept have the moments of those that are", {
  fit <- function(...) by_hmc(y ~ x + (1 | g), small_counts, poisson(), prior = small_prior, ...)
  all <- posterior::as_draws_matrix(fit())
  kept <- fit(save_pars = tw_save(group = 400))
  expect_identical(kept$info$engine, "lanes")
  expect_equal(unclass(posterior::as_draws_matrix(kept)[, "b_x"]), unclass(all[, "b_x"]), ignore_attr = TRUE)
  effects <- all[, sprintf("r_g[g%d,Intercept]", 1:8)]
  expect_equal(as.numeric(ranef(kept)$g[, "Estimate", "Intercept"]), as.numeric(colMeans(effects)), tolerance = 1e-10)
})

test_that("chains run one by one where something else is asked for, or the model has more", {
  engine <- function(..., data = small_counts, formula = y ~ x + (1 | g)) {
    suppressWarnings(by_hmc(formula, data, ..., chains = 2, iter = 800, prior = NULL))$info$engine
  }
  expect_identical(engine(family = poisson()), "lanes")
  expect_identical(engine(family = poisson(), control = list(engine = "joint")), "joint")
  expect_identical(engine(family = poisson(), init = "random"), "joint")
  expect_identical(engine(family = poisson(), save_pars = tw_save(warmup = TRUE)), "joint")
  expect_identical(engine(family = poisson(), control = list(metric = "diag")), "joint")
  expect_identical(engine(data = transform(small_counts, s = 1), formula = y | se(s) ~ x + (1 | g)), "collapsed")
  expect_identical(suppressWarnings(by_hmc(y ~ x + (1 | g), small_counts, poisson(), iter = 100))$info$engine, "joint")
})
