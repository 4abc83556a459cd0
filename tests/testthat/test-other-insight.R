# What easystats reads off a fit.

test_that("performance gives the R2 and the ICC of a mixed model", {
  skip_if_not_installed("performance")
  fit <- shared_fit("sleep")
  r2 <- performance::r2(fit)
  expect_equal(r2$R2_Bayes, median(bayes_R2(fit, summary = FALSE)), ignore_attr = TRUE)
  expect_equal(r2$R2_Bayes_marginal, median(bayes_R2(fit, summary = FALSE, re_formula = NA)), ignore_attr = TRUE)
  # lme4's estimates; priors and posterior means move the standard deviations of 18 levels by up to a fifth.
  reference <- insight::get_variance(lme4::lmer(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy))
  parts <- insight::get_variance(fit)
  expect_equal(parts$var.fixed, reference$var.fixed, tolerance = 0.1)
  expect_equal(parts$var.random, reference$var.random, tolerance = 0.4)
  expect_equal(performance::icc(fit)$ICC_adjusted, parts$var.random / (parts$var.random + parts$var.residual))
  expect_equal(performance::rmse(fit), sqrt(mean(residuals(fit)[, "Estimate"]^2)))
})

test_that("the parts of variance are those of the draws", {
  skip_if_not_installed("insight")
  fit <- shared_fit("sleep")
  cov <- apply(VarCorr(fit, summary = FALSE)$Subject$cov, 2:3, mean)
  z <- cbind(1, lme4::sleepstudy$Days)
  parts <- insight::get_variance(fit)
  expect_equal(parts$var.random, mean(diag(z %*% cov %*% t(z))))
  expect_equal(parts$var.residual, mean(draws_by_hand(fit, "sigma")^2))
  ticks <- shared_fit("ticks")
  expect_equal(insight::get_variance(ticks)$var.residual,
               log(1 + 1 / mean(lme4::grouseticks$TICKS) + mean(1 / draws_by_hand(ticks, "shape"))))
})

test_that("insight knows the model", {
  skip_if_not_installed("insight")
  fit <- shared_fit("ticks")
  info <- insight::model_info(fit)
  expect_true(all(unlist(info[c("is_bayesian", "is_mixed", "is_count", "is_negbin")])))
  expect_identical(insight::find_random(fit)$random, c("BROOD", "LOCATION"))
  expect_identical(deparse1(insight::find_formula(fit)$conditional), "TICKS ~ YEAR + cHEIGHT")
  expect_identical(insight::find_predictors(fit)$conditional, c("YEAR", "cHEIGHT"))
  expect_identical(dim(insight::get_data(fit)), dim(model.frame(fit)))
  expect_false(insight::is_mixed_model(shared_fit("regression")))
  expect_identical(names(insight::get_parameters(fit)), paste0("b_", rownames(fixef(fit))))
})

test_that("bayestestR is given draws", {
  skip_if_not_installed("bayestestR")
  fit <- shared_fit("sleep")
  shortest <- bayestestR::hdi(fit, ci = 0.9)
  expect_equal(shortest$CI_low, bayestestR::hdi(draws_by_hand(fit, c("b_Intercept", "b_Days"))[, 1], ci = 0.9)$CI_low |> c(
    bayestestR::hdi(draws_by_hand(fit, "b_Days")[, 1], ci = 0.9)$CI_low))
  table <- bayestestR::describe_posterior(fit)
  expect_equal(table$ROPE_high[1], 0.1 * sd(lme4::sleepstudy$Reaction), tolerance = 1e-6)
})
