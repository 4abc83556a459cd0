# Which size factors are taken where none are named.

test_that("the typical gene is the default where enough genes have no zero, sums elsewhere", {
  sizes <- function(counts, ...) fake_set(counts = counts, share = "none", genes = 1, ...)$job$sizes$how
  many <- gene_counts(120) + 1L
  expect_identical(sizes(many), "typical")
  expect_identical(sizes(gene_counts(7) + 1L), "normed_sum")
  expect_identical(sizes(gene_counts(8) + 1L), "typical")
  expect_identical(sizes(many, offset = numeric(10)), "none")
  expect_identical(sizes(many, size_factors = "normed_sum"), "normed_sum")
})

test_that("genes that respond in one direction do not move the typical gene", {
  arm <- rep(0:1, each = 6)
  with_fixed_seed(3, {
    depth <- rnorm(12, 0, 0.4)
    effect <- c(rnorm(300, 0, 0.02), rnorm(100, 1.2, 0.3))
    mean <- exp(rnorm(400, 5, 1) + outer(effect, arm) + rep(depth, each = 400))
    counts <- matrix(rnbinom(4800, size = 20, mu = mean), 400)
  })
  found <- function(x) log(typical_size_factors(new_source(counts), x))
  # Of 300 genes the standard error of the arms' difference is near 0.008, that of a sample 0.016.
  error <- found(cbind(1, arm)) - (depth - mean(depth))
  expect_lt(abs(mean(error[arm == 1]) - mean(error[arm == 0])), 0.03)
  expect_lt(max(abs(error - ave(error, arm))), 0.06)
  ratio <- log(ratio_size_factors(new_source(counts))) - depth
  expect_gt(mean(ratio[arm == 1]) - mean(ratio[arm == 0]), 0.05)
  # Between the arms stands the typical gene's coefficient, whatever the samples' own residuals; the mean is zero.
  logs <- log_ratios(new_source(counts[rowSums(counts == 0) == 0, ]), "typical")
  slope <- colMeans(logs[arm == 1, ]) - colMeans(logs[arm == 0, ])
  expect_equal(diff(tapply(found(cbind(1, arm)), arm, mean)), redescending_location(slope), ignore_attr = TRUE)
  expect_equal(mean(found(cbind(1, arm, (1:12)^2))), 0)
  # The same in another coding of the design, and in any order of the samples.
  expect_equal(found(cbind(arm == 0, arm == 1) * 1), found(cbind(1, arm)), tolerance = 0.02)
  expect_equal(log(typical_size_factors(new_source(counts[, 12:1]), cbind(1, rev(arm)))), rev(found(cbind(1, arm))))
})

test_that("counts that are all alike have size factors", {
  same <- new_source(matrix(7L, 60, 6, dimnames = list(paste0("g", 1:60), NULL)))
  expect_equal(typical_size_factors(same, cbind(1, rep(0:1, 3))), rep(1, 6))
  doubled <- new_source(matrix(7L, 60, 6) * rep(c(1L, 2L), each = 180))
  expect_equal(typical_size_factors(doubled, cbind(rep(1, 6))), rep(c(1, 2), each = 3) / sqrt(2))
})
