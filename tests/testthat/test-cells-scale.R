# Scales, masks and sets of a fit of cells.

test_that("fits of cells take all scales, and count cells", {
  sim <- simulate_cells(n_genes = 12, n_cells = 300)
  fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells, capture = exp(sim$log_capture),
                     gene_coverage = 0.95, method = "laplace", share = "none", iter = 100, seed = 1, silent = 2)
  draws <- posterior::as_draws_matrix(fit)
  genes <- rownames(fit)
  expect_identical(genes[length(genes)], "_other")
  s <- 4
  value <- function(name) as.numeric(draws[s, name])
  log_mean <- function(g, j, stim) {
    value(sprintf("b_Intercept[%s]", g)) + value(sprintf("r_donor[%s,%s,Intercept]", g, j)) +
      stim * (value(sprintf("b_conditionstim[%s]", g)) + value(sprintf("r_donor[%s,%s,conditionstim]", g, j)))
  }
  n <- table(sim$cells$donor)
  expected <- 0
  for (j in names(n)) {
    y <- vapply(0:1, function(stim) vapply(genes, log_mean, 0, j = j, stim = stim), numeric(length(genes)))
    share <- y - rep(log(colSums(exp(y))), each = nrow(y))
    expected <- expected + (share[, 2] - share[, 1]) * n[[j]] / sum(n)
  }
  stim <- cond(condition = "stim") - cond(condition = "ctrl")
  ask <- check_scale(fit, "observed", "composition", "cells", "all", NULL, FALSE, NULL)
  expect_equal(asked_effect(fit, stim, resolve_contrast(fit$job$model, stim), ask)$draws[s, ], unname(expected))
  mask <- tw_mask(fit, coverage = 0.9)
  expect_true(mask[["_other"]])
  kept <- tw_contrast(fit, stim, scale = "clr", mask = mask, estimand = "new_donor", reference = "iqr")
  expect_identical(is.na(kept$log2FoldChange), unname(unclass(mask)[genes]))
  expect_identical(tw_gene_sets(fit, stim, list(a = genes[1:3]), scale = "composition")$genes, 3L)
})
