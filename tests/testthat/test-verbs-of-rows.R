# What is read from fits whose covariates differ from cell to cell, against loops over cells.

rows_data <- function() {
  sim <- simulate_cells(n_genes = 4, n_cells = 160)
  sim$cells$cycle <- with_fixed_seed(3, rnorm(160))
  sim
}

fit_rows <- function(sim, ...) {
  twill_cells(sim$counts, ~ condition + cycle + (1 + condition || donor), col_data = sim$cells, capture = exp(sim$log_capture),
              iter = 120, seed = 1, silent = 2, ...)
}

test_that("arms of different depth are told where covariates differ from cell to cell", {
  sim <- rows_data()
  deep <- sim$counts
  deep[, sim$cells$condition == "stim"] <- deep[, sim$cells$condition == "stim"] * 3
  design <- ~ condition + cycle + (1 + condition + cycle || donor)
  expect_warning(twill_cells(deep, design, col_data = sim$cells, method = "laplace", seed = 1),
                 "times the counts", class = "twill_warning_depth")
})

test_that("calibration, checks and residuals group cells by the other variables", {
  sim <- rows_data()
  fit <- fit_rows(sim)
  expect_s3_class(fit, c("twillrows", "twillgenes", "twill_model"), exact = TRUE)
  mu <- exp(leaf_log_mu(fit, 2)[, , 1]) * rep(exp(sim$log_capture), each = n_set_draws(fit))
  size <- as_draws_matrix(fit, genes = "gene2", variable = "shape")
  here <- sim$cells$condition == "stim" & sim$cells$donor == "d3"
  means <- tw_calibration(fit)
  row <- subset(means, gene == "gene2" & condition == "stim" & donor == "d3")
  expect_equal(row$predicted, mean(colMeans(mu)[here]))
  expect_equal(c(row$observed, row$cells), c(mean(sim$counts[2, here]), sum(here)))
  # A gene with zeros and ones.
  zeros <- subset(tw_calibration(fit, "zeros", genes = "gene4"), condition == "stim" & donor == "d3")
  few <- exp(leaf_log_mu(fit, 4)[, , 1]) * rep(exp(sim$log_capture), each = n_set_draws(fit))
  few_size <- as.vector(as_draws_matrix(fit, genes = "gene4", variable = "shape"))
  expect_equal(zeros$predicted, mean(colMeans((1 + few / few_size)^-few_size)[here]))
  expect_equal(zeros$observed, mean(sim$counts[4, here] == 0))
  expect_identical(nlevels(means$leaf), 8L)
  h <- row_histogram(fit, 2, 1:8)
  expect_equal(colSums(h$number), as.vector(table(fit$job$cells$leaf)))
  expect_equal(rowSums(h$number), as.vector(table(factor(sim$counts[2, ], h$value))))
  expect_equal(dim(residuals(fit, genes = 1:2, seed = 1)), c(2L, 160L))
  # The residual of a cell lies between the quantiles of the probabilities below its count and up to it.
  p <- pnorm(residuals(fit, genes = 2, ndraws = 1e4, seed = 1)[1, ])
  probability <- function(u) colMeans(matrix(pnbinom(rep(u, each = nrow(mu)), mu = mu, size = as.vector(size)), nrow(mu)))
  expect_true(all(p > probability(sim$counts[2, ] - 1) - 1e-12 & p < probability(sim$counts[2, ]) + 1e-12))
  statistics <- tw_residuals(fit, seed = 1)
  expect_true(all(abs(statistics$mean) < 0.4 & abs(statistics$sd - 1) < 0.3))
})

test_that("plots, effects and denoised counts work, and what needs leaves says so", {
  sim <- rows_data()
  fit <- fit_rows(sim)
  plots <- list(plot(fit), plot(fit, "spread", contrast = "conditionstim"), plot(fit, "library"), plot(fit, "capture"),
                plot(fit, "effects", term = "condition:donor"),
                plot(fit, "forest", gene = "gene4", contrast = "conditionstim"),
                pp_check(fit, leaf = c(donor = "d1"), n_genes = 2, seed = 1),
                pp_check(fit, type = "zeros", n_genes = 2, seed = 1))
  for (one in plots) expect_s3_class(ggplot2::ggplot_build(one)$plot, "ggplot")
  expect_error(pp_check(fit, leaf = c(donor = "d9")), "d1", class = "twill_error_leaf")
  expect_named(tw_draws(fit, "cycle"), "cycle")
  draws <- leaf_log_mu(fit, 2)[, , 1]
  size <- as.vector(as_draws_matrix(fit, genes = "gene2", variable = "shape"))
  by_hand <- mean((sim$counts[2, 7] + size) / (size + exp(sim$log_capture[7] + draws[, 7])) * exp(draws[, 7]))
  expect_equal(tw_denoised(fit, sim$counts, "gene2", ndraws = 1e4)[1, 7], by_hand, ignore_attr = TRUE)
  for (f in list(loo, waic, log_lik, tw_groups)) expect_error(f(fit), "needs leaves", class = "twill_error_argument")
  again <- update(fit, genes = 1:2, iter = 100)
  expect_s3_class(again, "twillrows")
})

test_that("cells whose terms cannot be computed are left out of everything", {
  sim <- rows_data()
  use <- sim$cells$cycle > -1
  fit_of <- function(design, ...) {
    twill_cells(sim$counts, design, col_data = sim$cells, iter = 20, seed = 1, method = "laplace", check = FALSE,
                capture = exp(sim$log_capture), ...)
  }
  fit <- suppressWarnings(fit_of(~ sqrt(cycle + 1) + (1 | donor), silent = 2))
  expect_lt(sum(use), length(use))
  expect_length(fit$job$cells$leaf, sum(use))
  expect_s3_class(pp_check(fit), "ggplot")
  expect_identical(sum(tw_calibration(fit, genes = 1)$cells), sum(use))
  # Leaves too: here a level of a number has no logarithm.
  sim$cells$dose <- rep_len(c(0, 1, 10), 160)
  expect_message(few <- fit_of(~ ifelse(dose > 0, log10(dose), NA) + (1 | donor)), "Dropped 54 cells",
                 class = "twill_message_missing")
  expect_identical(nrow(few$job$model$data), nrow(cell_leaves(few)))
  expect_identical(sum(few$job$cells$n), 106L)
})

test_that("a condition that holds for no gene is refused", {
  fit <- fit_rows(rows_data(), method = "laplace")
  for (verb in list(tw_calibration, function(fit, genes) tw_draws(fit, "condition", genes = genes), pp_check)) {
    expect_error(verb(fit, genes = rep(FALSE, 4)), "chooses none", class = "twill_error_genes")
    expect_error(verb(fit, genes = rep(NA, 4)), "chooses none", class = "twill_error_genes")
  }
})
