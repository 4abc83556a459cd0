# Hypotheses against arithmetic on draws; what is refused.

test_that("one-sided hypotheses count draws", {
  fit <- shared_fit("sleep")
  table <- tw_hypothesis(fit, "Days > 10")$hypothesis
  d <- draws_by_hand(fit, "b_Days")[, 1] - 10
  expect_equal(table$Post.Prob, mean(d > 0))
  expect_equal(table$Evid.Ratio, mean(d > 0) / mean(d < 0))
  expect_equal(c(table$Estimate, table$Est.Error), c(mean(d), sd(d)))
  expect_equal(c(table$CI.Lower, table$CI.Upper), unname(quantile(d, c(0.05, 0.95))))
  below <- tw_hypothesis(fit, "Days < 10", alpha = 0.1, robust = TRUE)$hypothesis
  expect_equal(below$Post.Prob, mean(d < 0))
  expect_equal(below$Estimate, median(d))
})

test_that("hypotheses can be arithmetic of any parameters", {
  fit <- shared_fit("sleep")
  found <- tw_hypothesis(fit, "exp(sd_Subject__Days / 10) - 2 * `sigma` < b_Days", class = NULL)$samples$H1
  by_hand <- exp(draws_by_hand(fit, "sd_Subject__Days") / 10) - 2 * draws_by_hand(fit, "sigma") - draws_by_hand(fit, "b_Days")
  expect_equal(found, by_hand[, 1])
  within <- tw_hypothesis(fit, "Intercept > Days", class = "sd", group = "Subject")$samples$H1
  expect_equal(within, draws_by_hand(fit, "sd_Subject__Intercept")[, 1] - draws_by_hand(fit, "sd_Subject__Days")[, 1])
  level <- tw_hypothesis(fit, "r_Subject[308,Days] > 0", class = "")$samples$H1
  expect_equal(level, draws_by_hand(fit, "r_Subject[308,Days]")[, 1])
  interaction <- tw_hypothesis(shared_fit("ticks_poisson"), "YEAR96:cHEIGHT = YEAR97:cHEIGHT")$samples$H1
  by_hand <- draws_by_hand(shared_fit("ticks_poisson"), c("b_YEAR96:cHEIGHT", "b_YEAR97:cHEIGHT"))
  expect_equal(interaction, by_hand[, 1] - by_hand[, 2])
})

test_that("hypotheses about levels have a row each", {
  fit <- shared_fit("sleep")
  own <- tw_hypothesis(fit, "Days > 0", group = "Subject", scope = "coef")$hypothesis
  expect_identical(own$Group, levels(lme4::sleepstudy$Subject))
  expect_equal(own$Estimate, unname(coef(fit)$Subject[, "Estimate", "Days"]))
  deviation <- tw_hypothesis(fit, "Days > 0", group = "Subject", scope = "ranef")$hypothesis
  expect_equal(deviation$Estimate, unname(ranef(fit)$Subject[, "Estimate", "Days"]))
})

test_that("equality is weighed against the prior where it was drawn", {
  expect_identical(tw_hypothesis(shared_fit("sleep"), "Days = 0")$hypothesis$Evid.Ratio, NA_real_)
  fit <- shared_fit("with_prior")
  found <- tw_hypothesis(fit, "Days = 10")$hypothesis
  # The prior is normal(0, 20), the posterior nearly normal.
  d <- draws_by_hand(fit, "b_Days")
  expect_equal(found$Evid.Ratio, dnorm(10, mean(d), sd(d)) / dnorm(10, 0, 20), tolerance = 0.25)
  expect_equal(found$Post.Prob, found$Evid.Ratio / (1 + found$Evid.Ratio))
  expect_identical(found$Star, "")
  expect_identical(tw_hypothesis(fit, "Days = 0")$hypothesis$Star, "*")
})

test_that("what is no hypothesis is refused", {
  fit <- shared_fit("sleep")
  for (text in c("Days", "Days > 1 > 0", "Days == 0", "> 0", "Days > (")) {
    expect_error(tw_hypothesis(fit, text), class = "twill_error_hypothesis")
  }
  expect_error(tw_hypothesis(fit, "Dayz > 0"), "Days", class = "twill_error_hypothesis")
  expect_error(tw_hypothesis(fit, "Days > Sys.time()"), "Sys.time", class = "twill_error_hypothesis")
  for (text in c("Days > {1}", "Days > pi()", "Days > base::exp(1)", "Days > 'a'", "(exp)(Days) > 1", "Days > exp")) {
    expect_error(tw_hypothesis(fit, text), class = "twill_error_hypothesis")
  }
  expect_error(tw_hypothesis(fit, 3), class = "twill_error_hypothesis")
  expect_error(tw_hypothesis(fit, "{x} > 0"), class = "twill_error_hypothesis")
})

test_that("hypotheses are printed, plotted, and found by brms's generic", {
  found <- tw_hypothesis(shared_fit("sleep"), c(steep = "Days > 8", "Intercept = 250"))
  expect_snapshot(print(found), transform = hide_numbers)
  expect_s3_class(plot(found), "ggplot")
  skip_if_not_installed("brms")
  expect_equal(brms::hypothesis(shared_fit("sleep"), "Days > 8")$hypothesis$Estimate, found$hypothesis$Estimate[1])
})
