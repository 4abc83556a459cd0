# Plots: what they show is checked in their data, and that they can be drawn.

is_plot <- function(x) inherits(x, c("ggplot", "bayesplot_grid"))

# Whether a plot can be drawn, on a device that writes nothing.
draws_well <- function(plot) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  suppressMessages(suppressWarnings(print(plot)))
  TRUE
}

test_that("plot() gives pages of at most nvariables", {
  fit <- shared_fit("sleep")
  pages <- plot(fit, plot = FALSE)
  expect_length(pages, 2)
  expect_true(is_plot(pages[[1]]) && draws_well(pages[[1]]))
  expect_length(plot(fit, variable = "sigma", plot = FALSE), 1)
  expect_error(plot(fit, variable = "sigmoid", plot = FALSE), class = "twill_error_variable")
})

test_that("pairs() and the mcmc_ plots are drawn", {
  fit <- shared_fit("sleep")
  expect_true(draws_well(pairs(fit, variable = c("b_Days", "sigma"))))
  for (type in c("intervals", "areas", "trace", "nuts_energy", "nuts_divergence", "rhat", "neff", "acf", "rank_overlay")) {
    expect_true(draws_well(tw_mcmc_plot(fit, type = type)))
  }
  expect_error(tw_mcmc_plot(fit, type = "intervalls"), "intervals", class = "twill_error_plot")
  expect_error(pairs(fit, variable = "sigma"), class = "twill_error_plot")
})

test_that("brms's generics find the plots", {
  skip_if_not_installed("brms")
  fit <- shared_fit("sleep")
  expect_s3_class(brms::mcmc_plot(fit, variable = "sigma"), "ggplot")
  expect_s3_class(brms::conditional_effects(fit), "tw_conditional_effects")
})

test_that("a forest plot has the levels in the order of their medians", {
  fit <- shared_fit("sleep")
  plot <- tw_forest(fit, coef = "Days")
  medians <- apply(ranef(fit, summary = FALSE)$Subject[, , "Days"], 2, median)
  expect_equal(as.character(plot$data$level), names(sort(medians)))
  expect_equal(plot$data$estimate, unname(sort(medians)))
  expect_true(draws_well(plot))
  few <- tw_forest(shared_fit("ticks"), "BROOD", n = 10)
  expect_identical(nrow(few$data), 10L)
  expect_match(few$labels$subtitle, "5 lowest and 5 highest of 118")
  own <- tw_forest(fit, coef = "Days", own = TRUE)
  expect_equal(own$data$estimate, unname(sort(coef(fit, robust = TRUE)$Subject[, "Estimate", "Days"])))
  expect_error(tw_forest(fit, coef = "Day"), class = "twill_error_plot")
})

test_that("pp_check has defaults by family and takes the types of bayesplot", {
  expect_true(draws_well(pp_check(shared_fit("sleep"))))
  ticks <- pp_check(shared_fit("ticks"), ndraws = 20)
  expect_true(draws_well(ticks))
  expect_identical(default_check(shared_fit("ticks")), "rootogram")
  expect_identical(default_check(shared_fit("exposure")), "rootogram")
  for (type in c("stat", "intervals", "scatter_avg", "ecdf_overlay", "loo_pit_overlay", "error_hist")) {
    expect_true(draws_well(pp_check(shared_fit("sleep"), type = type)))
  }
  expect_true(draws_well(pp_check(shared_fit("sleep"), type = "stat_grouped", group = "Subject")))
  expect_true(draws_well(pp_check(shared_fit("sleep"), prefix = "ppd")))
  expect_error(pp_check(shared_fit("sleep"), type = "hists"), class = "twill_error_plot")
  expect_error(pp_check(shared_fit("sleep"), type = "stat_grouped", group = "Subjct"), class = "twill_error_plot")
})

test_that("drawn counts far beyond the data cost nothing", {
  plot <- rootogram(c(0, 1, 3), matrix(c(0, 1, 1e9, 2, 2, 5), 2))
  expect_lt(nrow(plot$data), 20)
})

test_that("conditional effects are predictions along a predictor", {
  fit <- shared_fit("ticks_poisson")
  effects <- tw_conditional_effects(fit)
  expect_named(effects, c("YEAR", "cHEIGHT", "YEAR:cHEIGHT"))
  grid <- data.frame(YEAR = c("95", "96", "97"), cHEIGHT = mean(lme4::grouseticks$cHEIGHT))
  by_hand <- fitted(fit, newdata = grid, re_formula = NA, robust = TRUE)
  expect_equal(effects$YEAR$estimate__, unname(by_hand[, "Estimate"]))
  expect_equal(effects$YEAR$lower__, unname(by_hand[, "Q2.5"]))
  line <- effects$cHEIGHT
  expect_identical(nrow(line), 100L)
  expect_equal(range(line$effect1__), range(lme4::grouseticks$cHEIGHT))
  expect_equal(levels(effects[["YEAR:cHEIGHT"]]$effect1__), c("95", "96", "97"))
  for (plot in plot(effects, plot = FALSE, points = TRUE)) expect_true(draws_well(plot))
})

test_that("conditional effects take conditions, groups and other scales", {
  fit <- shared_fit("sleep")
  at <- tw_conditional_effects(fit, conditions = data.frame(Subject = c("308", "335")), re_formula = NULL, resolution = 2)$Days
  by_hand <- fitted(fit, newdata = at[c("Days", "Subject")], robust = TRUE)
  expect_equal(at$estimate__, unname(by_hand[, "Estimate"]))
  expect_identical(levels(at$cond__), c("Subject = 308", "Subject = 335"))
  pair <- tw_conditional_effects(shared_fit("ticks_poisson"), "cHEIGHT:YEAR", method = "posterior_linpred", resolution = 3)[[1]]
  expect_identical(nrow(pair), 9L)
  expect_true(draws_well(plot(tw_conditional_effects(fit, spaghetti = TRUE, ndraws = 5), plot = FALSE)[[1]]))
  offset <- tw_conditional_effects(shared_fit("exposure"), resolution = 5)$x
  expect_equal(unique(offset$size), mean(exposure_data()$size))
  expect_error(tw_conditional_effects(fit, "Dayz"), "Dayz", class = "twill_error_effects")
  expect_error(tw_conditional_effects(fit, conditions = data.frame(zzz = 1)), class = "twill_error_effects")
  expect_error(tw_conditional_effects(shared_fit("free_means")), class = "twill_error_effects")
})

test_that("draws of approximations can be plotted", {
  fit <- small_fit(mpg ~ wt + factor(cyl), data = datasets::mtcars, method = "laplace")
  expect_no_warning(pages <- plot(fit, plot = FALSE))
  expect_true(draws_well(pages[[1]]))
  expect_no_warning(expect_s3_class(pairs(fit, variable = c("b_wt", "sigma")), "bayesplot_grid"))
  for (type in c("trace", "intervals", "dens", "hist")) expect_true(draws_well(tw_mcmc_plot(fit, type)))
  expect_error(tw_mcmc_plot(fit, "nuts_energy"), "pairs\\(\\)", class = "twill_error_method")
  expect_true(draws_well(plot(fit, combo = "dens", plot = FALSE)[[1]]))
})

test_that("axes say what they show", {
  expect_match(tw_forest(shared_fit("sleep"), coef = "Days")$labels$x, "deviation of Days")
  expect_match(tw_forest(shared_fit("ticks"))$labels$x, "log scale")
})

test_that("what a check by plots has no use for is refused, and groups of one row have no density", {
  set.seed(7)
  data <- data.frame(y = rnorm(12), x = rnorm(12), g = rep(c("a", "b"), each = 6))
  fit <- twill(y ~ x + (1 | g), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_error(pp_check(fit, type = "dens_overlay", group = "g"), "take no `group`", class = "twill_error_plot")
  expect_error(pp_check(fit, type = "stat", x = "x"), "take no `x`", class = "twill_error_plot")
  expect_error(pp_check(fit, newdata = data[1, ]), "needs two rows", class = "twill_error_plot")
  expect_error(pp_check(fit, newdata = data[1:7, ], group = "g"), "\"b\"", class = "twill_error_plot")
  expect_s3_class(pp_check(fit, group = "g")$facet, "FacetWrap")
  expect_s3_class(pp_check(fit, group = "g", prefix = "ppd")$facet, "Facet")
  expect_s3_class(pp_check(fit, type = "intervals_grouped", group = "g", newdata = data[c(1, 7), ]), "ggplot")
})

test_that("plots leave no page empty, open no device unasked and leave that of the user in place", {
  fit <- shared_fit("sleep")
  folder <- withr::local_tempdir()
  before <- grDevices::dev.list()
  invisible(plot(fit, plot = FALSE))
  invisible(pairs(fit))
  expect_identical(grDevices::dev.list(), before)
  grDevices::png(file.path(folder, "%d.png"))
  own <- grDevices::dev.cur()
  plot(fit, variable = "sigma")
  expect_identical(grDevices::dev.cur(), own)
  grDevices::dev.off()
  expect_identical(list.files(folder), "1.png")
})
