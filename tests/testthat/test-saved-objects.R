# What is saved holds what it needs, and nothing of the memory of the function that made it.

saved_size <- function(x) length(serialize(x, NULL)) / 1e6

test_that("plots do not keep what their caller has", {
  skip_if_not_installed("ggplot2")
  cells <- cells_fit()
  genes <- fake_set(counts = gene_counts(25), keep = "effects")
  single <- shared_fit("sleep")
  tables <- list(tw_calibration(cells), tw_spread(cells), tw_draws(cells, "condition"), tw_contrast(genes),
                 tw_hypothesis(single, "Days > 0"), tw_conditional_effects(single, resolution = 5, ndraws = 10), single)
  for (x in tables) {
    drawn <- function(n) {
      junk <- stats::runif(n)
      size <- saved_size(plot(x))
      if (length(junk) > 0) size
    }
    # 8 MB of the caller's, beside what the same plot is without them.
    expect_lt(drawn(1e6) - drawn(1), 1)
  }
})

test_that("groups share one fit, and calls by do.call() keep the door's name in its place", {
  fit <- fake_set(counts = gene_counts(25), keep = "effects")
  expect_lt(saved_size(tw_groups(fit)), 1.1 * saved_size(fit) + 0.1)
  local_engine(fake_engine)
  called <- do.call(twill_genes, list(gene_counts(5), ~condition, col_data = gene_samples(), iter = 60, share = "none", seed = 1,
                                      silent = 2))
  expect_identical(called$call[[1]], quote(twill_genes))
})
