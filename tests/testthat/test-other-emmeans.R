# Marginal means against predictions on the same grid.

skip_if_not_installed("emmeans")

test_that("marginal means are averages of population-level predictions", {
  fit <- shared_fit("ticks")
  grid <- data.frame(YEAR = c("95", "96", "97"), cHEIGHT = mean(lme4::grouseticks$cHEIGHT))
  draws <- posterior_linpred(fit, newdata = grid, re_formula = NA)
  means <- as.data.frame(emmeans::emmeans(fit, "YEAR"))
  expect_equal(means$emmean, apply(draws, 2, median))
  response <- as.data.frame(emmeans::emmeans(fit, "YEAR", type = "response"))
  # The median of an even number of draws is a mean of two.
  expect_equal(response$response, exp(apply(draws, 2, median)), tolerance = 1e-5)
  contrast <- as.data.frame(pairs(emmeans::emmeans(fit, "YEAR")))
  expect_equal(contrast$estimate[1], median(draws[, 1] - draws[, 2]))
})

test_that("marginal means can be of the response itself", {
  fit <- shared_fit("exposure")
  at <- list(x = c(0, 1), size = 10)
  draws <- posterior_epred(fit, newdata = data.frame(x = c(0, 1), size = 10), re_formula = NA)
  means <- as.data.frame(emmeans::emmeans(fit, "x", at = at, epred = TRUE))
  expect_equal(means$emmean, apply(draws, 2, median))
  # On the scale of the link the offset is added by emmeans.
  logs <- as.data.frame(emmeans::emmeans(fit, "x", at = at))
  expect_equal(logs$emmean, apply(log(draws), 2, median))
})

test_that("factors made in the formula and slopes work", {
  fit <- shared_fit("regression")
  grid <- data.frame(wt = mean(mtcars$wt), cyl = c(4, 6, 8))
  draws <- posterior_epred(fit, newdata = grid)
  expect_equal(as.data.frame(emmeans::emmeans(fit, "cyl"))$emmean, apply(draws, 2, median))
  slope <- as.data.frame(emmeans::emtrends(fit, ~1, var = "wt"))
  expect_equal(slope$wt.trend, median(draws_by_hand(fit, "b_wt")), tolerance = 1e-6)
})
