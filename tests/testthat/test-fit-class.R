# Accessors, printed summaries, saving, update.

test_that("the parts of a fit are found by the usual accessors", {
  fit <- shared_fit("ticks")
  expect_identical(format(formula(fit)), "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)")
  expect_identical(attr(terms(fit), "term.labels"), c("YEAR", "cHEIGHT"))
  expect_identical(family(fit)$family, "negbinomial")
  expect_identical(family(fit)$linkinv(0), 1)
  expect_identical(nobs(fit), 403L)
  expect_identical(df.residual(fit), 399L)
  expect_identical(model.frame(fit)$TICKS, lme4::grouseticks$TICKS)
  expect_equal(unname(model.matrix(fit)), unname(model.matrix(~ YEAR + cHEIGHT, lme4::grouseticks)), ignore_attr = TRUE)
  expect_null(weights(fit))
  expect_identical(weights(shared_fit("known_errors")), school_data()$w)
  expect_identical(getCall(fit)[[1]], quote(twill))
})

test_that("sigma and vcov are posterior moments", {
  fit <- shared_fit("sleep")
  expect_equal(sigma(fit), mean(draws_by_hand(fit, "sigma")))
  expect_identical(sigma(shared_fit("ticks")), 1)
  draws <- draws_by_hand(fit, c("b_Intercept", "b_Days"))
  expect_equal(vcov(fit), cov(draws), ignore_attr = TRUE)
  expect_equal(vcov(fit, correlation = TRUE)["Days", "Intercept"], cor(draws)[2, 1])
})

test_that("prior_summary shows what was used", {
  table <- prior_summary(shared_fit("with_prior"))
  expect_true(all(c("prior", "class", "coef", "group", "resp", "dpar", "lb", "ub", "source") %in% names(table)))
  expect_identical(prior_summary(shared_fit("with_prior"), all = FALSE)$prior, "normal(0, 20)")
})

test_that("print and summary show every kind of parameter", {
  expect_snapshot(print(shared_fit("sleep")), transform = hide_numbers)
  expect_snapshot(print(shared_fit("ticks")), transform = hide_numbers)
  expect_snapshot(print(shared_fit("free_means")), transform = hide_numbers)
  expect_snapshot(print(summary(shared_fit("dispersion"), priors = TRUE, prob = 0.9)), transform = hide_numbers)
})

test_that("a partial fit says so first", {
  partial <- shared_fit("sleep")
  class(partial) <- c("twill_partial", class(partial))
  expect_match(capture.output(print(partial))[1], "PARTIAL FIT")
})

test_that("summary holds the numbers of posterior", {
  fit <- shared_fit("sleep")
  table <- summary(fit)
  expect_s3_class(table, "summary.twillfit")
  sigma <- matrix(draws_by_hand(fit, "sigma"), ncol = 2)
  expect_equal(unlist(table$spec_pars["sigma", ], use.names = FALSE),
               c(mean(sigma), sd(sigma), quantile(sigma, c(0.025, 0.975), names = FALSE), posterior::rhat(sigma),
                 posterior::ess_bulk(sigma), posterior::ess_tail(sigma)))
  expect_identical(rownames(table$random$Subject), c("sd(Intercept)", "sd(Days)", "cor(Intercept,Days)"))
  wide <- summary(fit, prob = 0.5, robust = TRUE, mc_se = TRUE)$fixed
  expect_true(all(c("l-50% CI", "u-50% CI", "MC_SE") %in% names(wide)))
  expect_equal(wide["Days", "Estimate"], median(draws_by_hand(fit, "b_Days")))
})

with_width <- function(width, code) {
  old <- options(width = width)
  on.exit(options(old))
  code
}

test_that("printed text fits a screen of 80 columns", {
  for (name in c("sleep", "ticks", "free_means", "dispersion")) {
    lines <- with_width(80, capture.output(print(shared_fit(name))))
    expect_lte(max(nchar(lines)), 80)
  }
})

test_that("small and large numbers keep their digits", {
  expect_identical(format_number(c(1.234, 0.0012, 0, 12345678, NA), 2), c("1.23", "1.2e-03", "0.00", "1.2e+07", "NA"))
})

test_that("a saved fit works when read again", {
  fit <- shared_fit("sleep")
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  saveRDS(fit, file)
  again <- readRDS(file)
  expect_equal(posterior_epred(again, newdata = lme4::sleepstudy[1:3, ]), posterior_epred(fit)[, 1:3])
  expect_equal(tw_log_prob(again, numeric(42)), tw_log_prob(fit, numeric(42)))
  expect_lt(file.size(file), 5e6)
})

test_that("update changes what it is told to and keeps the rest", {
  fit <- shared_fit("with_prior")
  refit <- update(fit, . ~ . - Days, iter = 200, silent = 2)
  expect_identical(format(formula(refit)), "Reaction ~ (1 | Subject)")
  expect_identical(ndraws(refit), 200L)
  expect_false("b_Days" %in% variables(refit))
  expect_identical(refit$info$adapt_delta, fit$info$adapt_delta)
  same <- update(fit, iter = 400, warmup = 200, silent = 2)
  expect_equal(same$draws, fit$draws)
  careful <- update(fit, control = list(adapt_delta = 0.9), chains = 1, iter = 200, silent = 2)
  expect_identical(careful$info$adapt_delta, 0.9)
  expect_identical(careful$prior$prior[careful$prior$class == "b"], "normal(0, 20)")
})

test_that("update takes new data, families, subsets and formulas", {
  fit <- shared_fit("ticks")
  poisson <- update(fit, family = poisson(), chains = 1, iter = 200, silent = 2)
  expect_identical(family(poisson)$family, "poisson")
  expect_false("shape" %in% variables(poisson))
  part <- update(shared_fit("sleep"), subset = Days > 4, chains = 1, iter = 200, silent = 2)
  expect_identical(nobs(part), 90L)
  more <- update(shared_fit("regression"), . ~ . + hp, newdata = mtcars, chains = 1, iter = 200, silent = 2)
  expect_true("b_hp" %in% variables(more))
  expect_error(update(shared_fit("regression"), . ~ . + hp), "hp", class = "twill_error_data")
})

test_that("update carries weights, offsets and dispersion models over", {
  data <- exposure_data()
  fit <- small_fit(count ~ x + (1 | batch), data = data, family = poisson(), offset = log(size), weights = rep(2, 60))
  refit <- update(fit, . ~ . - x, chains = 1, iter = 200, silent = 2)
  expect_equal(refit$design$offset, log(data$size))
  expect_equal(refit$design$weights, rep(2, 60))
  dispersion <- update(shared_fit("dispersion"), . ~ . - cHEIGHT, chains = 1, iter = 200, silent = 2)
  expect_true("b_shape_YEAR96" %in% variables(dispersion))
})

test_that("all generics are those of their owners", {
  expect_identical(fixef, nlme::fixef)
  # lme4 and brms have one each; the method is registered with both.
  expect_identical(lme4::ngrps(shared_fit("sleep")), ngrps(shared_fit("sleep")))
  expect_identical(posterior_epred, rstantools::posterior_epred)
  expect_identical(loo, loo::loo)
  expect_identical(pp_check, bayesplot::pp_check)
  expect_identical(as_draws, posterior::as_draws)
  expect_identical(tidy, generics::tidy)
})
