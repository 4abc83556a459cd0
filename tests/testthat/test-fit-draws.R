# Draws in all formats, sampler records, convergence, log density.

test_that("as_draws gives the draws in every format", {
  fit <- shared_fit("sleep")
  expect_identical(as_draws(fit), fit$draws)
  formats <- c("array", "df", "list", "matrix", "rvars")
  for (format in formats) {
    draws <- getExportedValue("posterior", paste0("as_draws_", format))(fit, variable = c("b_Days", "sigma"))
    expect_s3_class(draws, paste0("draws_", format))
    expect_setequal(posterior::variables(draws), c("b_Days", "sigma"))
  }
  expect_equal(posterior::extract_variable(as_draws_df(fit), "sigma"), draws_by_hand(fit, "sigma")[, 1], ignore_attr = TRUE)
})

test_that("variables are chosen by name, by the name before brackets, and by pattern", {
  fit <- shared_fit("sleep")
  effects <- variables(as_draws(fit, variable = "r_Subject"))
  expect_length(effects, 36)
  expect_true(all(startsWith(effects, "r_Subject[")))
  expect_identical(variables(as_draws(fit, variable = "^sd_", regex = TRUE)), c("sd_Subject__Intercept", "sd_Subject__Days"))
  expect_error(as_draws(fit, variable = "b_Dayz"), "b_Dayz", class = "twill_error_variable")
})

test_that("warm-up draws come first, where they were kept", {
  fit <- shared_fit("with_prior")
  draws <- as_draws(fit, inc_warmup = TRUE)
  expect_identical(dim(draws)[1:2], c(400L, 2L))
  expect_equal(as.vector(draws[201:400, 1, "sigma"]), as.vector(fit$draws[, 1, "sigma"]))
  expect_error(as_draws(shared_fit("sleep"), inc_warmup = TRUE), class = "twill_error_draws")
})

test_that("matrices, arrays and data frames hold chains one after the other", {
  fit <- shared_fit("sleep")
  by_hand <- draws_by_hand(fit, c("b_Intercept", "b_Days"))
  matrix <- as.matrix(fit, variable = c("b_Intercept", "b_Days"))
  expect_equal(unname(matrix), by_hand)
  expect_equal(unname(as.matrix(fit, variable = "b_Days", draw = c(3, 250))[, 1]), by_hand[c(3, 250), 2])
  expect_equal(as.data.frame(fit, variable = "b_Days")$b_Days, by_hand[, 2])
  expect_identical(class(as.array(fit)), "array")
  expect_identical(dim(as.array(fit, variable = "sigma")), c(200L, 2L, 1L))
})

test_that("the size of the sample is known", {
  fit <- shared_fit("sleep")
  expect_identical(c(ndraws(fit), nchains(fit), niterations(fit)), c(400L, 2L, 200L))
  expect_identical(nvariables(fit), length(variables(fit)))
  expect_identical(rstantools::nsamples(fit), 400L)
})

test_that("posterior summarises a fit as it is", {
  fit <- shared_fit("sleep")
  summary <- posterior::summarise_draws(fit, "mean", "rhat")
  expect_equal(as.numeric(summary$mean[summary$variable == "b_Days"]), mean(draws_by_hand(fit, "b_Days")))
})

test_that("intervals are quantiles", {
  fit <- shared_fit("sleep")
  draws <- draws_by_hand(fit, "b_Days")[, 1]
  expect_equal(unname(posterior_interval(fit, variable = "b_Days", prob = 0.9)[1, ]), unname(quantile(draws, c(0.05, 0.95))))
  expect_equal(unname(confint(fit, "Days")[1, ]), unname(quantile(draws, c(0.025, 0.975))))
  expect_identical(rownames(confint(fit)), c("Intercept", "Days"))
  expect_identical(rownames(confint(fit, c("sigma", "Days"))), c("Days", "sigma"))
})

test_that("coefficients of confint() may be numbers, as lm() has it", {
  fit <- shared_fit("sleep")
  expect_identical(confint(fit, 2), confint(fit, "Days"))
  expect_identical(confint(fit, 1:2), confint(fit))
  for (bad in list(3, 0, -1, 1.5, NA_real_, c(1, 3), numeric())) {
    expect_error(confint(fit, bad), "`parm` must name coefficients, or number them from 1 to 2.*\"Intercept\" and \"Days\"",
                 class = "twill_error_variable")
  }
  expect_error(confint(fit, c(1, 3)), "You supplied 1 and 3", class = "twill_error_variable")
  for (bad in list(character(), c("Days", NA), TRUE, list("Days"))) {
    expect_error(confint(fit, bad), "`parm` must hold names", class = "twill_error_variable")
  }
})

test_that("sampler records have the form that bayesplot takes", {
  fit <- shared_fit("sleep")
  records <- nuts_params(fit)
  expect_named(records, c("Chain", "Iteration", "Parameter", "Value"))
  expect_setequal(levels(records$Parameter),
                  c("accept_stat__", "stepsize__", "treedepth__", "n_leapfrog__", "divergent__", "energy__"))
  one <- subset(records, Parameter == "energy__" & Chain == 2)
  expect_equal(one$Value, as.vector(fit$sampler[, 2, "energy__"]))
  expect_identical(unique(nuts_params(fit, pars = "treedepth__")$Parameter), factor("treedepth__"))
  expect_equal(log_posterior(fit)$Value, draws_by_hand(fit, "lp__")[, 1])
})

test_that("R-hat and effective sizes are posterior's", {
  fit <- shared_fit("sleep")
  sigma <- matrix(draws_by_hand(fit, "sigma"), ncol = 2)
  expect_equal(rhat(fit, pars = "sigma"), c(sigma = posterior::rhat(sigma)))
  expect_equal(posterior::rhat(fit, pars = "sigma"), c(sigma = posterior::rhat(sigma)))
  smaller <- min(posterior::ess_bulk(sigma), posterior::ess_tail(sigma))
  expect_equal(neff_ratio(fit, pars = "sigma"), c(sigma = smaller / 400))
  expect_length(rhat(fit), nvariables(fit) - 1)
})

test_that("brms's own generics find their methods", {
  skip_if_not_installed("brms")
  fit <- shared_fit("sleep")
  expect_identical(brms::control_params(fit), list(adapt_delta = 0.65, max_treedepth = 10))
  expect_identical(brms::ngrps(fit), list(Subject = 18L))
})

test_that("the log density has the gradient of its differences", {
  fit <- shared_fit("sleep")
  # 2 coefficients, 36 effects, 2 standard deviations, a correlation, sigma.
  at <- rep(0.1, 42)
  value <- tw_log_prob(fit, at, gradient = TRUE)
  step <- replace(numeric(42), 2, 1e-5)
  difference <- (tw_log_prob(fit, at + step) - tw_log_prob(fit, at - step)) / 2e-5
  expect_equal(attr(value, "gradient")[[2]], difference, tolerance = 1e-5)
  expect_error(tw_log_prob(fit, 1), "42", class = "twill_error_spec")
  expect_error(tw_log_prob(fit, "a"), class = "twill_error_argument")
  expect_error(tw_log_prob(fit, rep(-Inf, 42)), "finite", class = "twill_error_argument")
})
