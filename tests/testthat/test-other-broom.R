# Tidy tables: columns of broom.mixed, values against draws.

test_that("tidy has broom.mixed's columns", {
  fit <- shared_fit("sleep")
  table <- tidy(fit)
  expect_named(table, c("effect", "component", "group", "term", "estimate", "std.error", "conf.low", "conf.high"))
  expect_identical(table$term, c("(Intercept)", "Days", "sd__(Intercept)", "sd__Days", "cor__(Intercept).Days",
                                 "sd__Observation"))
  expect_identical(table$group, c(NA, NA, "Subject", "Subject", "Subject", "Residual"))
  expect_equal(table$estimate[2], mean(draws_by_hand(fit, "b_Days")))
  expect_equal(table$conf.low[6], unname(quantile(draws_by_hand(fit, "sigma"), 0.025)))
})

test_that("tidy shows levels, free means, dispersion models", {
  levels <- tidy(shared_fit("sleep"), effects = "ran_vals", conf.int = FALSE)
  expect_identical(nrow(levels), 36L)
  expect_equal(levels$estimate[levels$level == "335" & levels$term == "Days"],
               ranef(shared_fit("sleep"))$Subject["335", "Estimate", "Days"])
  expect_true("mu_plate__Intercept" %in% tidy(shared_fit("free_means"))$term)
  expect_identical(tidy(shared_fit("dispersion"), "fixed")$component, rep(c("cond", "shape"), c(2, 3)))
  expect_error(tidy(shared_fit("sleep"), effects = "random"), class = "twill_error_argument")
})

test_that("tidy exponentiates, takes shortest intervals and adds diagnostics", {
  fit <- shared_fit("ticks")
  plain <- tidy(fit, "fixed")
  ratios <- tidy(fit, c("fixed", "ran_pars"), exponentiate = TRUE, rhat = TRUE, ess = TRUE)
  expect_equal(ratios$conf.high[1:4], exp(plain$conf.high))
  expect_equal(ratios$estimate[5], mean(draws_by_hand(fit, "sd_BROOD__Intercept")))
  expect_equal(ratios$rhat[4], unname(rhat(fit, "b_cHEIGHT")))
  shortest <- tidy(fit, "ran_pars", conf.method = "HPDinterval")
  central <- tidy(fit, "ran_pars")
  # Quantiles interpolate between draws, shortest intervals end at draws: hence the allowance of one draw in 400.
  expect_true(all(shortest$conf.high - shortest$conf.low <= 1.03 * (central$conf.high - central$conf.low)))
})

test_that("the shortest interval is that of the formula", {
  expect_equal(shortest_interval(c(0, 10, 11, 12, 50), 0.5), c(10, 12))
  expect_equal(shortest_interval(qexp(ppoints(1e4)), 0.5), c(0, qexp(0.5)), tolerance = 1e-3)
})

test_that("glance and augment", {
  fit <- shared_fit("sleep")
  expect_named(glance(fit), c("algorithm", "pss", "nobs", "sigma", "n_divergent", "max_rhat", "min_ess"))
  expect_identical(nrow(suppressWarnings(glance(fit, looic = TRUE))), 1L)
  quick <- twill(Reaction ~ Days + (1 | Subject), lme4::sleepstudy, method = "laplace", seed = 1, silent = 2)
  expect_named(glance(quick), c("algorithm", "pss", "nobs", "sigma", "pareto_k", "ess_proposals"))
  expect_identical(glance(quick)$algorithm, "laplace")
  table <- augment(fit)
  expect_equal(table$.fitted, fitted(fit)[, "Estimate"])
  expect_equal(table$.resid, lme4::sleepstudy$Reaction - table$.fitted)
  new <- augment(fit, newdata = data.frame(Days = 1:2), re_formula = NA)
  expect_named(new, c("Days", ".fitted", ".se.fit"))
})
