# Effects and variance components against arithmetic on draws.

test_that("fixef summarises draws as posterior does", {
  fit <- shared_fit("sleep")
  summary <- posterior::summarise_draws(as_draws(fit, variable = c("b_Intercept", "b_Days")), "mean", "sd",
                                        ~ quantile(.x, c(0.025, 0.975)))
  expect_equal(fixef(fit), as.matrix(summary[-1]), ignore_attr = TRUE)
  expect_identical(dimnames(fixef(fit)), list(c("Intercept", "Days"), c("Estimate", "Est.Error", "Q2.5", "Q97.5")))
  robust <- fixef(fit, robust = TRUE, probs = 0.5, pars = "Days")
  expect_equal(unname(robust[1, ]), c(median(draws_by_hand(fit, "b_Days")), mad(draws_by_hand(fit, "b_Days")),
                                      median(draws_by_hand(fit, "b_Days"))))
  expect_equal(unname(fixef(fit, summary = FALSE)), draws_by_hand(fit, c("b_Intercept", "b_Days")))
  expect_error(fixef(fit, pars = "Dayz"), class = "twill_error_variable")
  expect_error(fixef(fit, probs = 2), class = "twill_error_argument")
})

test_that("ranef gives deviations, coef the level's own coefficients", {
  fit <- shared_fit("sleep")
  r <- draws_by_hand(fit, "r_Subject[335,Days]")[, 1]
  expect_equal(ranef(fit)$Subject["335", "Estimate", "Days"], mean(r))
  expect_equal(ranef(fit, summary = FALSE)$Subject[, "335", "Days"], r)
  own <- r + draws_by_hand(fit, "b_Days")[, 1]
  expect_equal(unname(coef(fit)$Subject["335", c("Estimate", "Est.Error", "Q97.5"), "Days"]),
               c(mean(own), sd(own), unname(quantile(own, 0.975))))
  expect_identical(dimnames(coef(fit)$Subject)[[3]], c("Intercept", "Days"))
})

test_that("coef repeats coefficients that do not vary, and adds free means", {
  ticks <- coef(shared_fit("ticks"))$BROOD
  expect_true(all(ticks[, "Estimate", "cHEIGHT"] == fixef(shared_fit("ticks"))["cHEIGHT", "Estimate"]))
  fit <- shared_fit("free_means")
  own <- draws_by_hand(fit, "mu_plate__Intercept") + draws_by_hand(fit, "r_plate[a,Intercept]")
  expect_equal(coef(fit)$plate["a", "Estimate", "Intercept"], mean(own))
  expect_identical(rownames(fixef(fit)), c("mu_plate__Intercept", "mu_sample__Intercept"))
})

test_that("groups and coefficients can be chosen", {
  fit <- shared_fit("ticks")
  expect_named(ranef(fit), c("BROOD", "LOCATION"))
  expect_named(ranef(fit, groups = "LOCATION"), "LOCATION")
  expect_identical(dim(ranef(shared_fit("sleep"), pars = "Days")$Subject), c(18L, 4L, 1L))
  expect_error(ranef(fit, groups = "BROD"), "BROOD", class = "twill_error_group")
  expect_error(ranef(shared_fit("regression")), class = "twill_error_group")
})

test_that("VarCorr gives sd, correlation, covariance and residual", {
  fit <- shared_fit("sleep")
  sd <- draws_by_hand(fit, c("sd_Subject__Intercept", "sd_Subject__Days"))
  cor <- draws_by_hand(fit, "cor_Subject__Intercept__Days")[, 1]
  components <- VarCorr(fit)
  expect_equal(components$Subject$sd[, "Estimate"], c(Intercept = mean(sd[, 1]), Days = mean(sd[, 2])))
  expect_equal(components$Subject$cor["Intercept", "Estimate", "Days"], mean(cor))
  expect_equal(components$Subject$cov["Days", "Est.Error", "Intercept"], sd(cor * sd[, 1] * sd[, 2]))
  expect_equal(components$Subject$cov["Days", "Estimate", "Days"], mean(sd[, 2]^2))
  expect_equal(components$residual__$sd[, "Estimate"], mean(draws_by_hand(fit, "sigma")))
  expect_identical(dim(VarCorr(fit, summary = FALSE)$Subject$cov), c(400L, 2L, 2L))
})

test_that("VarCorr of uncorrelated terms and of counts has no more than there is", {
  expect_named(VarCorr(shared_fit("uncorrelated"))$Subject, "sd")
  expect_named(VarCorr(shared_fit("ticks")), c("BROOD", "LOCATION"))
})

test_that("ngrps counts levels", {
  expect_identical(ngrps(shared_fit("ticks")), list(BROOD = 118L, LOCATION = 63L))
  expect_identical(lme4::ngrps(shared_fit("sleep")), list(Subject = 18L))
})

test_that("levels keep their own names", {
  fit <- shared_fit("exposure")
  expect_true("a b" %in% rownames(ranef(fit)$batch))
  expect_true("r_batch[a.b,Intercept]" %in% variables(fit))
})
