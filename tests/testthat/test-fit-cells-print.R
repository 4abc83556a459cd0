# What fits of cells and what is read from them print.

test_that("prints fit a screen", {
  local_reproducible_output(width = 100)
  fit <- cells_fit(cell_data(n_genes = 8))
  fit$info$elapsed <- 2
  expect_snapshot(print(fit))
  expect_snapshot(print(summary(fit)))
  expect_snapshot(print(tw_calibration(fit)))
  expect_snapshot(print(tw_draws(fit, "condition")))
  expect_snapshot(print(tw_draws(fit, "condition:donor")))
  expect_snapshot(print(tw_spread(fit)))
  groups <- tw_groups(fit, "donor")
  expect_snapshot(print(groups))
  expect_snapshot(print(groups$d2))
  expect_snapshot(print(waic(fit)))
})

test_that("print() says what arms of different depth cannot tell", {
  data <- cell_data()
  stim <- data$cells$condition == "stim"
  data$counts[, stim] <- 3 * data$counts[, stim]
  data$capture[stim] <- 3 * data$capture[stim]
  expect_output(print(cells_fit(data)), "cannot be told from depth")
})
