# Which size factors are taken where none are named.

test_that("ratios are the default where enough genes have no zero, sums elsewhere", {
  sizes <- function(counts, ...) fake_set(counts = counts, share = "none", genes = 1, ...)$job$sizes$how
  many <- gene_counts(120) + 1L
  expect_identical(sizes(many), "ratio")
  expect_identical(sizes(gene_counts(90) + 1L), "normed_sum")
  expect_identical(sizes(many, offset = numeric(10)), "none")
  expect_identical(sizes(many, size_factors = "normed_sum"), "normed_sum")
})
