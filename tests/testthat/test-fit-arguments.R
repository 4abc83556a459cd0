# Arguments of verbs that make no sense are refused in the package's words, not in those of the function that stumbles over them.

expect_refused <- function(code) expect_error(code, class = "twill_error")

test_that("probabilities, flags, names and draws of verbs are checked", {
  fit <- shared_fit("sleep")
  for (bad in list(2, numeric(0), NA, "a", c(0.5, 0.9), NULL, factor("a"))) {
    expect_refused(summary(fit, prob = bad))
    expect_refused(posterior_interval(fit, prob = bad))
    expect_refused(confint(fit, level = bad))
    expect_refused(predictive_interval(fit, prob = bad))
    expect_refused(tidy(fit, conf.level = bad))
    expect_refused(tw_conditional_effects(fit, "Days", prob = bad))
  }
  for (bad in list(NA, quote(x + 1), c(TRUE, FALSE), "yes", NULL, list())) {
    expect_refused(fixef(fit, summary = bad))
    expect_refused(ranef(fit, robust = bad))
    expect_refused(coef(fit, summary = bad))
    expect_refused(VarCorr(fit, summary = bad))
    expect_refused(vcov(fit, correlation = bad))
    expect_refused(fitted(fit, robust = bad))
    expect_refused(residuals(fit, summary = bad))
    expect_refused(bayes_R2(fit, summary = bad))
    expect_refused(posterior_linpred(fit, transform = bad))
    expect_refused(log_lik(fit, pointwise = bad))
    expect_refused(glance(fit, looic = bad))
    expect_refused(tidy(fit, exponentiate = bad))
    expect_refused(as_draws_df(fit, variable = "b_", regex = bad))
  }
  for (bad in list(character(0), factor("sigma"), 1, NA_character_, list(), structure(1, class = "strange"))) {
    expect_refused(as_draws_array(fit, variable = bad))
  }
  expect_refused(as_draws_array(fit, variable = "(", regex = TRUE))
  for (bad in list(0, 1e6, "a", 1.5, NA)) expect_refused(as.matrix(fit, draw = bad))
  for (bad in list("a", mean, -1, list(a = NULL), 1:2)) expect_refused(posterior_predict(fit, seed = bad))
  for (bad in list(~x, -1, 100, "a")) expect_refused(print(fit, digits = bad))
})

test_that("names of columns do not follow options for numbers", {
  fit <- shared_fit("sleep")
  old <- options(scipen = -9)
  on.exit(options(old))
  expect_identical(colnames(fixef(fit)), c("Estimate", "Est.Error", "Q2.5", "Q97.5"))
  expect_identical(names(summary(fit)$fixed)[3:4], c("l-95% CI", "u-95% CI"))
  options(scipen = 0, OutDec = ",")
  expect_identical(colnames(fixef(fit)), c("Estimate", "Est.Error", "Q2.5", "Q97.5"))
  expect_identical(response_hash(fit), {
    options(old)
    response_hash(fit)
  })
})

test_that("few draws have criteria too", {
  fit_of <- function(iter) {
    twill(Reaction ~ Days, lme4::sleepstudy, chains = 1, iter = iter, warmup = 1, method = "laplace", seed = 1, silent = 2)
  }
  for (criterion in list(loo, waic, loo_predict, loo_R2)) expect_error(criterion(fit_of(2)), class = "twill_error_draws")
  for (iter in 3:4) {
    fit <- fit_of(iter)
    expect_s3_class(suppressWarnings(loo(fit)), "psis_loo")
    for (criterion in list(loo_predict, loo_R2)) expect_error(criterion(fit), "There are [23][.]", class = "twill_error_draws")
    expect_identical(nrow(glance(fit)), 1L)
  }
  for (iter in c(11, 14)) expect_length(suppressWarnings(loo_predict(fit_of(iter)))$value, 180)
  expect_length(suppressWarnings(loo_R2(fit_of(11))), 4)
})

test_that("what one draw or one chain does not have is NA, not NaN", {
  fit <- fake_set(iter = 2, warmup = 1, chains = 1)
  expect_true(all(is.na(fixef(fit)[, "Est.Error", ]) & !is.nan(fixef(fit)[, "Est.Error", ])))
  status <- tw_diagnostics(fit)
  expect_false(any(vapply(status, function(x) any(is.nan(x)), TRUE)))
  expect_identical(did_you_mean(NA_character_, c("a", NA)), NULL)
})
