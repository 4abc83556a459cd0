# tw_design(): against closed forms, against simulation by fits, and errors.

test_that("power of stated Gaussian values is that of a paired t-test", {
  plan <- tw_design(sd_donor = 0.7, sigma = 0, effect = c(0.5, 1), donors = c(4, 9, 20), prob = 0.95)
  of_t_test <- function(n, effect) {
    stats::power.t.test(n, effect, 0.7, type = "one.sample", strict = TRUE)$power
  }
  expect_equal(plan$power, mapply(of_t_test, plan$donors, plan$effect), tolerance = 1e-6)
  expect_equal(plan$se, 0.7 / sqrt(plan$donors))
})

test_that("donors of one condition each are those of a t-test of two samples", {
  plan <- tw_design(sd_donor = 0.7, sigma = 0, effect = 1, donors = c(4, 9), paired = FALSE)
  power <- vapply(c(4, 9), function(n) stats::power.t.test(n, 1, 0.7, strict = TRUE)$power, 0)
  expect_equal(plan$power, power, tolerance = 1e-6)
})

test_that("standard errors of counts are those of the formula, in log2", {
  plan <- tw_design(mean = 20, shape = 5, sd_donor = 0.4, donors = 6, per_donor = c(1, 4))
  expect_equal(plan$se, sqrt(0.4^2 / 6 + 2 * (1 / 20 + 1 / 5) / log(2)^2 / (6 * c(1, 4))))
  deep <- tw_design(mean = 10, shape = 5, sd_donor = 0.4, donors = 6, depth = 2)
  expect_equal(deep$se, plan$se[1])
  # More cells do not replace donors.
  many <- tw_design(mean = 20, shape = 5, sd_donor = 0.4, donors = 6, per_donor = 1e6)
  expect_equal(many$se, 0.4 / sqrt(6), tolerance = 1e-4)
  expect_equal(tw_design(mean = 20, shape = Inf, sd_donor = 0, donors = 6)$se, sqrt(2 / 20 / log(2)^2 / 6))
})

test_that("the effect found with the power wanted has it", {
  plan <- tw_design(mean = 50, shape = 10, sd_donor = 0.4, donors = c(4, 8, 16), power = 0.9)
  again <- vapply(seq_len(3), function(i) {
    tw_design(mean = 50, shape = 10, sd_donor = 0.4, donors = plan$donors[i], effect = plan$detectable[i])$power
  }, 0)
  # The sum of two quantiles of t is the usual approximation of the noncentral one.
  expect_equal(again, rep(0.9, 3), tolerance = 0.03)
})

# Genes alike but for their effect: null or `effect` (log2), donors in both conditions or in one.
simulated_genes <- function(donors, effect, genes = 60, paired = TRUE, tau = 0.35, mean = 60, shape = 15) {
  level <- expand.grid(donor = sprintf("d%02d", seq_len(if (paired) donors else 2 * donors)), condition = c("ctrl", "stim"))
  if (!paired) level <- level[(as.integer(level$donor) <= donors) == (level$condition == "ctrl"), ]
  stim <- level$condition == "stim"
  counts <- t(vapply(seq_len(genes), function(g) {
    own <- rnorm(nlevels(level$donor), 0, if (paired) 0.3 else tau * log(2))
    response <- if (paired) rnorm(donors, 0, tau * log(2))[as.integer(level$donor)] else 0
    eta <- log(mean) + own[as.integer(level$donor)] + stim * (effect * log(2) + response)
    rnbinom(length(eta), mu = exp(eta), size = shape)
  }, numeric(nrow(level))))
  dimnames(counts) <- list(sprintf("g%03d", seq_len(genes)), sprintf("s%02d", seq_len(nrow(level))))
  list(counts = counts, col_data = `rownames<-`(level, colnames(counts)))
}

fit_simulated <- function(data, slope = TRUE) {
  design <- if (slope) ~ condition + (1 + condition || donor) else ~ condition + (1 | donor)
  twill_genes(data$counts, design, col_data = data$col_data, size_factors = "none", iter = 200, seed = 4, silent = 2)
}

test_that("standard errors and power are those of fits of simulated experiments, paired or not", {
  set.seed(71)
  for (paired in c(TRUE, FALSE)) {
    data <- simulated_genes(8, 0.7, paired = paired)
    table <- tw_contrast(fit_simulated(data, paired))
    plan <- tw_design(mean = 60, shape = 15, sd_donor = 0.35, effect = 0.7, donors = 8, paired = paired, prior_df = 10)
    expect_equal(median(table$lfcSE), plan$se, tolerance = 0.15)
    # 60 genes: the binomial error of the share is 0.06.
    expect_lt(abs(mean(table$lower > 0 | table$upper < 0) - plan$power), 0.18)
  }
})

test_that("a pilot of few donors foretells the experiment with many", {
  set.seed(72)
  pilot <- fit_simulated(simulated_genes(4, 0))
  plan <- tw_design(pilot, effect = 0.7, donors = c(4, 12))
  expect_identical(plan$per_donor, c(1, 1))
  expect_equal(plan$se[1], median(tw_contrast(pilot)$lfcSE), tolerance = 0.2)
  table <- tw_contrast(fit_simulated(simulated_genes(12, 0.7)))
  expect_equal(plan$se[2], median(table$lfcSE), tolerance = 0.2)
  expect_lt(abs(mean(table$lower > 0) - plan$power[2]), 0.2)
  # The same question by conditions.
  by_cond <- tw_design(pilot, cond(condition = "stim") - cond(condition = "ctrl"), effect = 0.7, donors = c(4, 12))
  expect_equal(by_cond$power, plan$power)
})

test_that("donors in one condition each are seen in a pilot, however the contrast is written", {
  set.seed(73)
  pilot <- fit_simulated(simulated_genes(6, 0, paired = FALSE), slope = FALSE)
  plan <- tw_design(pilot, "conditionstim", donors = 6)
  expect_match(attr(plan, "description")[["donors"]], "each condition")
  expect_equal(plan$se, median(tw_contrast(pilot)$lfcSE), tolerance = 0.2)
})

test_that("pilots of cells count cells", {
  set.seed(74)
  cells <- expand.grid(cell = 1:40, condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
  counts <- matrix(rnbinom(12 * nrow(cells), mu = rep(c(0.5, 2, 5), 4), size = 2), 12, dimnames = list(paste0("g", 1:12), NULL))
  pilot <- twill_cells(counts, ~ condition + (1 + condition || donor), col_data = cells, capture = rep(0.1, nrow(cells)),
                       iter = 200, seed = 1, silent = 2)
  plan <- tw_design(pilot, donors = c(4, 8), per_donor = c(40, 400))
  expect_identical(unique(tw_design(pilot)$per_donor), 40)
  expect_equal(plan$se[1], median(tw_contrast(pilot)$lfcSE), tolerance = 0.3)
  # More cells of as many donors: rows are by effect, cells of a donor, and donors within these.
  expect_identical(plan$donors, c(4, 8, 4, 8))
  expect_true(plan$power[2] > plan$power[1] && plan$power[3] > plan$power[1])
  expect_output(print(plan), "donors are levels of donor")
  expect_s3_class(plot(plan), "ggplot")
})

test_that("what cannot be answered is refused by name", {
  expect_error(tw_design(sd_donor = 1), "mean", class = "twill_error_argument")
  expect_error(tw_design(sd_donor = 1, sigma = 1, mean = 3), "does not go", class = "twill_error_argument")
  expect_error(tw_design(sd_donor = -1, sigma = 1), "sd_donor", class = "twill_error_argument")
  expect_error(tw_design(sd_donor = 1, sigma = 1, donors = 1), "donors", class = "twill_error_argument")
  expect_error(tw_design(sd_donor = 1, sigma = 1, per_donor = 1.5), "per_donor", class = "twill_error_argument")
  expect_error(tw_design(lm(dist ~ speed, cars)), "fit", class = "twill_error_argument")
  set.seed(75)
  data <- simulated_genes(4, 0, genes = 12)
  pilot <- fit_simulated(data)
  expect_error(tw_design(pilot, mean = 3), "mean", class = "twill_error_argument")
  expect_error(tw_design(pilot, group = "lane"), "lane", class = "twill_error_argument")
  flat <- twill_genes(data$counts, ~ condition, col_data = data$col_data, iter = 200, seed = 1, silent = 2)
  expect_error(tw_design(flat), "no donors", class = "twill_error_argument")
})
