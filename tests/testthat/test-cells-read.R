# Fits of cells: means, calibration, denoising and groups against sums over cells written as loops.

test_that("log means of leaves are sums of the named draws", {
  fit <- cells_fit()
  log_mu <- leaf_log_mu(fit, 1:6)
  for (s in c(1, 17)) for (leaf in 1:6) for (g in c(1, 5)) {
    expect_equal(log_mu[s, leaf, g], plain_log_mu(fit, paste0("gene", g), leaf, s))
  }
  expect_equal(leaf_sizes(fit, 2)[17, 3, 1], plain_shape(fit, "gene2", 17))
})

test_that("sizes of a fit whose dispersion has a formula differ by leaf", {
  fit <- cells_fit(dispersion = ~condition)
  draws <- as_draws_matrix(fit, genes = "gene3")[4, ]
  stim <- model.frame(fit)$condition == "stim"
  expected <- exp(as.numeric(draws[, "b_shape_Intercept"]) + stim * as.numeric(draws[, "b_shape_conditionstim"]))
  expect_equal(leaf_sizes(fit, 3)[4, , 1], expected)
  expect_equal(unique(leaf_sizes(cells_fit(family = "poisson"), 1:2)[, , 2]), matrix(Inf, 1, 6))
})

test_that("tw_calibration() compares means over cells", {
  data <- cell_data()
  fit <- cells_fit(data)
  table <- tw_calibration(fit)
  expect_equal(nrow(table), 36)
  for (row in c(1, 9, 30)) {
    cells <- which(data$cells$condition == table$condition[row] & data$cells$donor == table$donor[row])
    leaf <- match(table$leaf[row], leaf_labels(fit))
    mu <- vapply(seq_len(n_set_draws(fit)), function(s) exp(plain_log_mu(fit, table$gene[row], leaf, s)), 0)
    expect_equal(table$observed[row], mean(data$counts[table$gene[row], cells]))
    expect_equal(table$predicted[row], mean(mu) * mean(data$capture[cells]))
    expect_equal(table$cells[row], length(cells))
  }
})

test_that("tw_calibration() of zeros averages the probability of a zero over cells", {
  data <- cell_data()
  for (family in c("negbinomial", "poisson")) {
    fit <- cells_fit(data, family = family)
    table <- tw_calibration(fit, "zeros", genes = "gene2")
    cells <- which(data$cells$condition == table$condition[3] & data$cells$donor == table$donor[3])
    p <- vapply(seq_len(n_set_draws(fit)), function(s) {
      mean <- data$capture[cells] * exp(plain_log_mu(fit, "gene2", 3, s))
      mean(if (family == "poisson") dpois(0, mean) else dnbinom(0, mu = mean, size = plain_shape(fit, "gene2", s)))
    }, 0)
    expect_equal(table$predicted[3], mean(p))
    expect_equal(table$observed[3], mean(data$counts["gene2", cells] == 0))
  }
})

test_that("the summary of a calibration has correlations of logarithms and quantiles of ratios", {
  table <- tw_calibration(cells_fit())
  part <- table[table$leaf == table$leaf[2] & table$observed > 0, ]
  found <- summary(table)[2, ]
  expect_equal(found$correlation, cor(log(part$observed), log(part$predicted)))
  expect_equal(c(found$ratio, found$low), unname(quantile(part$predicted / part$observed, c(0.5, 0.05))))
})

test_that("parts of a calibration show their rows, and many leaves are cut to the worst", {
  table <- tw_calibration(cells_fit())
  expect_output(print(table[table$gene == "gene1", ]), "gene1.*gene1")
  expect_output(print(utils::head(table)), "6 rows by gene and leaf")
  worst <- summary(table)$leaf[order(-abs(log(summary(table)$ratio)))[1:2]]
  expect_setequal(unique(plot(table, n = 2)$data$leaf), worst)
  expect_output(print(table, n = 2), "the 2 with the worst median ratio")
})

test_that("tw_means() summarises draws of leaves and gives the draws", {
  data <- cell_data()
  fit <- cells_fit(data)
  table <- tw_means(fit, genes = c("gene4", "gene2"), leaf = c(donor = "d2"), prob = 0.9)
  draws <- tw_means(fit, genes = c("gene4", "gene2"), leaf = c(donor = "d2"), summary = FALSE)
  expect_equal(dim(draws)[2:3], c(2, 2))
  expect_equal(table$estimate, as.vector(t(apply(draws, 2:3, mean))))
  expect_equal(log(table$upper[3]), steady_quantiles(cbind(log(draws[, 2, 1])), 0.95)[1, 1])
  expect_equal(unname(draws[5, 1, 2]), exp(plain_log_mu(fit, "gene4", match(dimnames(draws)[[3]][2], leaf_labels(fit)), 5)))
  cells <- which(data$cells$condition == table$condition[1] & data$cells$donor == "d2")
  expect_equal(table$observed[1], sum(data$counts["gene4", cells]) / sum(data$capture[cells]))
})

test_that("tw_denoised() is the posterior mean of a cell's rate", {
  data <- cell_data()
  fit <- cells_fit(data)
  all <- n_set_draws(fit)
  found <- tw_denoised(fit, data$counts, c("gene3", "gene6"), ndraws = all)
  expect_equal(dimnames(found), list(c("gene3", "gene6"), colnames(data$counts)))
  for (cell in c(2, 40)) {
    leaf <- fit$job$cells$leaf[cell]
    u <- data$counts["gene3", cell]
    nu <- data$capture[cell]
    mu <- vapply(seq_len(all), function(s) exp(plain_log_mu(fit, "gene3", leaf, s)), 0)
    r <- vapply(seq_len(all), function(s) plain_shape(fit, "gene3", s), 0)
    # By the density of the rate, without the closed form.
    by_density <- vapply(1:3, function(s) {
      weighted <- function(power) integrate(function(l) l^power * dgamma(l, r[s], r[s] / mu[s]) * dpois(u, nu * l), 0,
                                            50 * mu[s] + 400, rel.tol = 1e-9, subdivisions = 2000)$value
      weighted(1) / weighted(0)
    }, 0)
    expect_equal(cell_rate(u, nu, mu[1:3], r[1:3]), by_density, tolerance = 1e-4)
    expect_equal(found["gene3", cell], mean((u + r) / (r + nu * mu) * mu))
  }
  expect_equal(tw_denoised(fit, Matrix::Matrix(data$counts, sparse = TRUE), c("gene3", "gene6"), ndraws = all), found)
  expect_error(tw_denoised(fit, data$counts[1:2, ], "gene3"), class = "twill_error_genes")
  expect_error(tw_denoised(fit, data$counts[, 1:9], "gene3"), class = "twill_error_genes")
})

test_that("cells of x are found by name, and counts that are not those of the fit are refused", {
  sim <- simulate_cells(n_genes = 5, n_cells = 120)
  colnames(sim$counts) <- sprintf("AAC-%03d", 1:120)
  fit_of <- function(...) twill_cells(sim$counts, ~ condition + (1 | donor), col_data = sim$cells, iter = 40, seed = 1,
                                      method = "laplace", share = "none", capture = exp(sim$log_capture), silent = 2, ...)
  fit <- fit_of()
  ask <- list(gene = function(x, of = fit) tw_gene(of, "gene2", x = x, chains = 1, iter = 20, silent = 2)$data$count,
              residuals = function(x, of = fit) residuals(of, genes = "gene2", x = x, seed = 1),
              denoised = function(x, of = fit) tw_denoised(of, x, "gene2"))
  nameless <- `colnames<-`(sim$counts, NULL)
  other <- sim$counts
  # One molecule from a cell of one leaf to one of another: all sums over cells stay.
  from <- which(other["gene2", ] > 0)[1]
  to <- which(sim$cells$donor != sim$cells$donor[from])[1]
  other["gene2", c(from, to)] <- other["gene2", c(from, to)] + c(-1, 1)
  for (verb in names(ask)) {
    answer <- ask[[verb]](sim$counts)
    expect_identical(ask[[verb]](sim$counts[5:1, 120:1]), answer)
    expect_identical(ask[[verb]](cbind(new = 1, sim$counts)), answer)
    expect_identical(ask[[verb]](nameless), answer)
    expect_error(ask[[verb]](nameless[, 120:1]), "not hold the counts that were fitted.*\"gene2\".*in their order",
                 class = "twill_error_genes")
    expect_error(ask[[verb]](other), "not hold the counts that were fitted", class = "twill_error_genes")
    expect_error(ask[[verb]](sim$counts[, -(1:20)]), "lacks 20 of 120: \"AAC-001\"", class = "twill_error_genes")
    expect_error(ask[[verb]](nameless[, 1:100]), "has 100 columns, and the fit used column 120", class = "twill_error_genes")
    expect_error(ask[[verb]](sim$counts[-2, ]), "gene2", class = "twill_error_genes")
  }
  expect_identical(unname(ask$gene(sim$counts)), unname(sim$counts["gene2", ]))
  expect_error(ask$gene(NULL), "does not keep their counts: say `x`", class = "twill_error_genes")
  # A fit of one type has its own cells of the whole.
  sim$cells$type <- rep(c("B", "T"), 60)
  of_type <- fit_of(by = "type")[["T"]]
  for (verb in ask) expect_identical(verb(sim$counts, of_type), verb(sim$counts[, sim$cells$type == "T"], of_type))
})

test_that("the genes that were pooled are summed for tw_gene()", {
  sim <- simulate_cells(n_genes = 5, n_cells = 120)
  fit <- twill_cells(sim$counts, ~ condition + (1 | donor), col_data = sim$cells, iter = 40, seed = 1, silent = 2, check = FALSE,
                     method = "laplace", share = "none", capture = exp(sim$log_capture), gene_coverage = 0.6)
  pooled <- fit$job$cells$other$genes
  expect_gt(length(pooled), 1)
  one <- tw_gene(fit, "_other", x = sim$counts, chains = 1, iter = 20, silent = 2)
  expect_identical(one$data$count, unname(colSums(sim$counts[pooled, ])))
  expect_error(tw_gene(fit, "_other", x = sim$counts[setdiff(rownames(sim$counts), pooled[1]), ]), "differs in gene \"_other\"",
               class = "twill_error_genes")
})

test_that("tw_groups() gives each donor's leaves, usable one by one", {
  fit <- cells_fit()
  groups <- tw_groups(fit, "donor")
  expect_named(groups, c("d1", "d2", "d3"))
  expect_equal(tw_groups(fit), groups)
  d2 <- groups$d2
  expect_named(d2, c("ctrl", "stim"))
  leaves <- which(model.frame(fit)$donor == "d2")
  expect_equal(unname(d2$leaves), leaves)
  difference <- plain_log_mu(fit, "gene4", leaves[2], 7) - plain_log_mu(fit, "gene4", leaves[1], 7)
  expect_equal(unname(d2[["stim", "ctrl"]][7, 4]), difference)
  expect_equal(tw_means(d2), tw_means(fit, leaf = c(donor = "d2")))
  table <- summary(d2, contrast = c("stim", "ctrl"), genes = 3:4)
  draws <- d2[["stim", "ctrl"]][, 3:4] / log(2)
  expect_equal(table$log2FoldChange, unname(colMeans(draws)))
  expect_equal(table$lower, steady_quantiles(draws, 0.025)[, 1])
  expect_equal(rownames(table), c("gene3", "gene4"))
  expect_error(d2[["other"]], class = "twill_error_leaf")
  expect_error(tw_groups(fit, "patient"), class = "twill_error_leaf")
  expect_error(tw_means(d2, leaf = c(donor = "d1")), class = "twill_error_leaf")
})

test_that("leaves are found by values, labels and numbers, and errors name what there is", {
  fit <- cells_fit()
  expect_equal(pick_leaves(fit, c(donor = "d3", condition = "stim")), which(leaf_labels(fit) == "stim | d3"))
  expect_equal(pick_leaves(fit, list(donor = c("d1", "d3"))), which(model.frame(fit)$donor != "d2"))
  expect_equal(pick_leaves(fit, "ctrl | d2"), match("ctrl | d2", leaf_labels(fit)))
  expect_error(pick_leaves(fit, c(doner = "d1")), "donor", class = "twill_error_leaf")
  expect_error(pick_leaves(fit, c(donor = "d9")), "d9", class = "twill_error_leaf")
  expect_error(pick_leaves(fit, "d1"), class = "twill_error_leaf")
  expect_error(tw_calibration(fake_set()), class = "twill_error_argument")
})

test_that("fits of samples have means, groups, effects and spreads too", {
  fit <- fake_set(keep = "effects")
  table <- tw_means(fit, genes = "gene2")
  expect_equal(nrow(table), 10)
  log_mu <- vapply(seq_len(n_set_draws(fit)), plain_log_mu, 0, fit = fit, gene = "gene2", leaf = 4)
  expect_equal(table$estimate[4], mean(exp(log_mu)))
  expect_named(tw_groups(fit)$d4, c("ctrl", "stim"))
  expect_equal(length(tw_draws(fit, "donor")), 5)
  expect_equal(nrow(tw_spread(fit)), 30)
})
