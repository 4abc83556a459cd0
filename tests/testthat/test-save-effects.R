# Effects kept as means, standard deviations and some draws: numbers of all draws, or of the draws that are kept.

sleep <- function(save, engine = "auto", ...) {
  twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy, chains = 2, iter = 300, seed = 1, silent = 2,
        save_pars = save, control = list(engine = engine), ...)
}

skip_if_not_installed("lme4")
all_draws <- sleep(tw_save())
some_draws <- sleep(tw_save(group = 50))

test_that("means and standard deviations are those of all draws", {
  few <- ranef(some_draws)$Subject
  all <- ranef(all_draws)$Subject
  expect_equal(few[, c("Estimate", "Est.Error"), ], all[, c("Estimate", "Est.Error"), ], tolerance = 1e-10)
  expect_identical(dimnames(few), dimnames(all))
  # Quantiles are those of 50 draws.
  expect_false(isTRUE(all.equal(few[, "Q2.5", ], all[, "Q2.5", ])))
  expect_equal(ranef(some_draws, pars = "Days")$Subject[, "Estimate", "Days"], all[, "Estimate", "Days"], tolerance = 1e-10)
})

test_that("draws that are kept are every so many of all", {
  expect_false(any(startsWith(variables(some_draws), "r_")))
  expect_error(as.matrix(some_draws, "r_Subject"), "ranef\\(fit, summary = FALSE\\)", class = "twill_error_variable")
  expect_identical(as.array(some_draws), as.array(all_draws, variable = variables(some_draws)))
  at <- c(seq(1, 150, by = 6), 150 + seq(1, 150, by = 6))
  expect_equal(ranef(some_draws, summary = FALSE)$Subject, ranef(all_draws, summary = FALSE)$Subject[at, , ])
  expect_equal(coef(some_draws, summary = FALSE)$Subject, coef(all_draws, summary = FALSE)$Subject[at, , ])
})

test_that("predictions, loo() and hypotheses of levels are of the draws that are kept", {
  at <- c(seq(1, 150, by = 6), 150 + seq(1, 150, by = 6))
  expect_equal(posterior_epred(some_draws), posterior_epred(all_draws)[at, ], tolerance = 1e-12)
  expect_equal(dim(posterior_epred(some_draws, re_formula = NA)), c(300, 180))
  expect_equal(log_lik(some_draws), log_lik(all_draws)[at, ], tolerance = 1e-12)
  expect_equal(nrow(suppressWarnings(loo(some_draws))$pointwise), 180)
  expect_error(posterior_epred(some_draws, ndraws = 60), "ndraws")
  table <- tw_hypothesis(some_draws, "Days > 0", group = "Subject", scope = "coef")$hypothesis
  expect_equal(nrow(table), 18)
})

test_that("every engine keeps them, whatever the thinning", {
  for (engine in c("joint", "levels", "guided", "collapsed")) {
    all <- sleep(tw_save(), engine, thin = 3)
    some <- sleep(tw_save(group = 7), engine, thin = 3)
    expect_equal(ranef(some)$Subject[, "Est.Error", ], ranef(all)$Subject[, "Est.Error", ], tolerance = 1e-10)
    # Every 13th of 50 draws of each chain.
    expect_equal(dim(ranef(some, summary = FALSE)$Subject)[1], 8)
  }
})

test_that("effects on sigma are kept too, and a fit that is fitted again keeps as many", {
  data <- lme4::sleepstudy
  formula <- tw_formula(Reaction ~ Days + (1 | Subject), sigma ~ (1 | Subject))
  fits <- lapply(list(tw_save(), tw_save(group = 10)), function(save) {
    twill(formula, data, chains = 1, iter = 100, seed = 1, silent = 2, save_pars = save)
  })
  expect_equal(ranef(fits[[2]])$Subject[, "Estimate", ], ranef(fits[[1]])$Subject[, "Estimate", ], tolerance = 1e-10)
  again <- suppressWarnings(update(fits[[2]], iter = 80, silent = 2))
  expect_equal(dim(ranef(again, summary = FALSE)$Subject)[1], 10)
})

test_that("numbers that make no sense are refused", {
  expect_error(tw_save(group = 0), "whole number from 1", class = "twill_error_setting")
  expect_error(tw_save(group = "all"), "TRUE or FALSE", class = "twill_error_setting")
  expect_error(sleep(tw_save(group = 5), method = "laplace"), "for chains", class = "twill_error_setting")
})

test_that("a table of levels has the draws that are kept", {
  table <- tidy(some_draws, effects = "ran_vals")
  expect_equal(nrow(table), 36)
  expect_false(anyNA(table$estimate))
})
