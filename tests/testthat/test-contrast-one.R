# tw_contrast() of one response, against differences of linear predictors of new data, which are computed another way.

slopes <- function() shared_fit("sleep")
late <- function() cond(Days = 9) - cond(Days = 0)
days <- function(subject = 308) data.frame(Days = c(9, 0), Subject = subject)

linear_difference <- function(fit, newdata, ...) {
  eta <- posterior_linpred(fit, newdata = newdata, ...)
  eta[, 1] - eta[, 2]
}

expect_row <- function(table, draws, unit = 1) {
  draws <- draws / unit
  ends <- stats::quantile(draws, c(0.025, 0.975), names = FALSE)
  expect_equal(unname(unlist(table[1, c("estimate", "se", "lower", "upper")])), c(mean(draws), stats::sd(draws), ends))
}

test_that("the effect in the population is a difference of predictions without effects", {
  fit <- slopes()
  table <- tw_contrast(fit, late())
  expect_s3_class(table, c("tw_contrast", "tw_table", "data.frame"), exact = TRUE)
  expect_row(table, linear_difference(fit, days(), re_formula = NA))
  expect_row(tw_contrast(fit, "Days"), fixef(fit, summary = FALSE)[, "Days"])
  expect_identical(tw_contrast(fit)$estimate, tw_contrast(fit, "Days")$estimate)
  expect_equal(tw_contrast(fit, c(Days = 9))$lower, table$lower)
  draws <- linear_difference(fit, days(), re_formula = NA)
  expect_equal(table$ess, posterior::ess_bulk(matrix(draws, ncol = 2)))
  expect_equal(table$rhat, posterior::rhat(matrix(draws, ncol = 2)))
  # All parameters are sure that the effect is positive; the rate stays above zero.
  expect_true(table$lfsr > 0 && table$lfsr < 1e-3)
})

test_that("counts are in log2, unless natural logarithms are asked for", {
  fit <- shared_fit("ticks")
  year <- cond(YEAR = "96") - cond(YEAR = "95")
  draws <- fixef(fit, summary = FALSE)[, "YEAR96"]
  expect_row(tw_contrast(fit, year), draws, log(2))
  expect_row(tw_contrast(fit, year, log2 = FALSE), draws)
  expect_identical(attr(tw_contrast(fit, year), "unit"), "log2")
})

test_that("observed levels are those of the data, each counting once, and `by` gives each", {
  fit <- slopes()
  subjects <- levels(lme4::sleepstudy$Subject)
  own <- vapply(subjects, function(subject) linear_difference(fit, days(subject)), numeric(ndraws(fit)))
  expect_row(tw_contrast(fit, late(), estimand = "observed"), rowMeans(own))
  table <- tw_contrast(fit, late(), by = "Subject")
  expect_identical(as.character(table$Subject), subjects)
  expect_equal(table$estimate, unname(colMeans(own)))
  expect_equal(table$se, unname(apply(own, 2, stats::sd)))
})

test_that("a new level adds what levels differ by", {
  fit <- slopes()
  table <- tw_contrast(fit, late(), estimand = "new_donor")
  population <- linear_difference(fit, days(), re_formula = NA)
  slope <- VarCorr(fit, summary = FALSE)$Subject$sd[, "Days"]
  expect_equal(table$estimate, mean(population))
  expect_equal(table$se, sqrt(stats::var(population) + mean((9 * slope)^2)))
  expect_equal(table$sd_Subject, mean(9 * slope))
  # Normals around the draws, of which new levels are drawn by simulation as well.
  inside <- function(x) mean(stats::pnorm(x, population, 9 * slope))
  expect_equal(c(inside(table$lower), inside(table$upper)), c(0.025, 0.975), tolerance = 1e-5)
  simulated <- replicate(20, linear_difference(fit, days("new"), allow_new_levels = TRUE, sample_new_levels = "gaussian"))
  error <- 3 * table$se / sqrt(nrow(simulated))
  expect_lt(abs(stats::quantile(simulated, 0.025) - table$lower), error)
  expect_lt(abs(stats::quantile(simulated, 0.975) - table$upper), error)
})

test_that("thresholds, lists and each level against the others", {
  fit <- slopes()
  table <- tw_contrast(fit, "Days", lfc_threshold = 10)
  draws <- fixef(fit, summary = FALSE)[, "Days"]
  # Kernels smooth shares of 400 draws.
  expect_equal(table$prob, mean(abs(draws) > 10), tolerance = 0.05)
  expect_equal(table$fsos, mean(draws < 10), tolerance = 0.1)
  cylinders <- shared_fit("regression")
  long <- tw_contrast(cylinders, tw_each("factor(cyl)", "4")) |> tryCatch(twill_error_contrast = identity)
  expect_match(conditionMessage(long), "has levels")
  ticks <- shared_fit("ticks")
  long <- tw_contrast(ticks, tw_each("YEAR", "95"), log2 = FALSE)
  expect_identical(as.character(long$contrast), c("96 vs 95", "97 vs 95"))
  expect_equal(long$estimate, unname(fixef(ticks)[c("YEAR96", "YEAR97"), "Estimate"]))
  expect_false("svalue_all" %in% names(long))
  expect_snapshot(print(tw_contrast(ticks, list(second = "YEAR96", height = "cHEIGHT"), lfc_threshold = 0.1)))
})

test_that("approximations have no R-hat, and effects that were not kept are said", {
  fit <- small_fit(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy, method = "svi")
  expect_false(any(c("rhat", "ess") %in% names(tw_contrast(fit, "Days"))))
  fit <- small_fit(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy, save_pars = tw_save(group = FALSE))
  expect_error(tw_contrast(fit, "Days", estimand = "observed"), class = "twill_error_group")
  expect_s3_class(tw_contrast(fit, "Days", estimand = "new_donor"), "tw_contrast")
  some <- small_fit(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy, save_pars = tw_save(group = 100))
  own <- coef(some, summary = FALSE)$Subject[, , "Days"]
  expect_equal(tw_contrast(some, "Days", estimand = "observed")$estimate, mean(own))
})

test_that("a slope without a mean over levels is zero in the population alone", {
  fit <- small_fit(Reaction ~ 1 + (1 + Days || Subject), data = lme4::sleepstudy)
  expect_error(tw_contrast(fit, late()), "differs between levels", class = "twill_error_contrast")
  own <- ranef(fit, summary = FALSE)$Subject[, , "Days"]
  expect_row(tw_contrast(fit, late(), estimand = "observed"), 9 * rowMeans(own))
  expect_equal(tw_contrast(fit, late(), by = "Subject")$estimate, unname(9 * colMeans(own)))
  slope <- VarCorr(fit, summary = FALSE)$Subject$sd[, "Days"]
  expect_equal(unlist(tw_contrast(fit, late(), estimand = "new_donor")[c("estimate", "se")], use.names = FALSE),
               c(0, sqrt(mean((9 * slope)^2))))
  expect_error(tw_contrast(fit, cond(Days = 9) - cond(Days = 9)), "Name different", class = "twill_error_contrast")
})

test_that("what is about many genes is refused, and so are several responses and heavy tails", {
  fit <- slopes()
  expect_error(tw_contrast(fit, "Days", scale = "clr", shrink = TRUE), "scale.*and.*shrink.*are about many genes",
               class = "twill_error_argument")
  expect_error(tw_contrast(fit, "Day"), "Days", class = "twill_error_contrast")
  expect_error(plot(tw_contrast(fit, "Days"), type = "volcano"), "forest", class = "twill_error")
  expect_s3_class(plot(tw_contrast(fit, "Days"), type = "forest"), "ggplot")
  other <- stats::lm(mpg ~ wt, datasets::mtcars)
  expect_error(tw_contrast(other), "twill_genes.*or one by.*twill\\(", class = "twill_error_argument")
  expect_error(tw_contrast(fit, "Days", by = "Days"), class = "twill_error_contrast")
  expect_error(tw_diagnostics(fit), "neff_ratio", class = "twill_error_argument")
  expect_error(tw_calibration(fit), "pp_check", class = "twill_error_argument")
  data <- transform(lme4::sleepstudy, other = rev(Reaction))
  several <- small_fit(mvbind(Reaction, other) ~ Days + (1 |p| Subject), data = data)
  expect_error(tw_contrast(several, "Days"), "tw_response", class = "twill_error_resp")
  expect_error(tw_variance(several), "tw_response", class = "twill_error_resp")
  expect_s3_class(tw_contrast(tw_response(several, "other"), "Days"), "tw_contrast")
  tails <- small_fit(Reaction ~ Days + (1 + Days || gr(Subject, dist = "student")), data = lme4::sleepstudy)
  expect_error(tw_contrast(tails, "Days", estimand = "new_donor"), "heavy tails", class = "twill_error_contrast")
  expect_error(tw_variance(tails), "heavy tails", class = "twill_error_variance")
})

test_that("a set of one gene answers as one of many", {
  samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
  counts <- with_fixed_seed(1, matrix(rpois(24, 50), 3, dimnames = list(paste0("gene", 1:3), NULL)))
  fit <- twill_genes(counts, ~ condition + (1 + condition || donor), col_data = samples, iter = 200, seed = 1, silent = 2)
  # Fits with effects of levels kept, so that every estimand and scale can be asked.
  one <- fit["gene2", ]
  for (estimand in c("population", "observed", "new_donor")) for (adaptive in c(TRUE, FALSE)) {
    all <- as.data.frame(tw_contrast(fit, "conditionstim", estimand = estimand, adaptive = adaptive))["gene2", ]
    own <- as.data.frame(tw_contrast(one, "conditionstim", estimand = estimand, adaptive = adaptive))
    expect_equal(own[c("log2FoldChange", "lfcSE")], all[c("log2FoldChange", "lfcSE")])
    expect_true(all(is.finite(unlist(own[c("lower", "upper", "lfsr", "svalue")]))))
  }
  same <- function(verb) expect_equal(as.data.frame(verb(one)), as.data.frame(verb(fit))["gene2", ], ignore_attr = "whole")
  same(tw_variance)
  same(tw_spread)
  expect_equal(tw_means(one)$estimate, tw_means(fit, genes = "gene2")$estimate)
  expect_equal(dim(tw_contrast(one, "conditionstim", by = "donor")), c(4, ncol(tw_contrast(fit, "conditionstim", by = "donor"))))
})
