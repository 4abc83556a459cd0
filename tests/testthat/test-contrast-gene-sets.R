# Sets of genes: means of draws, and intervals that hold when genes of a set respond together.

set_fit <- function(..., design = ~ condition + (1 + condition | donor)) {
  fake_set(..., design = design, iter = 2000, keep = "effects", counts = gene_counts(12))
}

two_sets <- list(a = c("gene2", "gene5", "gene5", "nothing"), b = paste0("gene", 6:12), none = "nobody")

test_that("independent sets are means of draws", {
  fit <- set_fit()
  slope <- fit$posterior$draws[, match("b_conditionstim", fit$posterior$names), ]
  res <- tw_gene_sets(fit, stim_effect(), two_sets, log2 = FALSE, donors = "independent", prob = 0.9)
  expect_identical(res$genes, c(2L, 7L, 0L))
  draws <- cbind(rowMeans(slope[, c(2, 5)]), rowMeans(slope[, 6:12]))
  expect_equal(res$log2FoldChange, c(colMeans(draws), NA))
  expect_equal(res$lfcSE, c(apply(draws, 2, sd), NA))
  expect_lt(max(abs(res$lower[1:2] - apply(draws, 2, quantile, 0.05, type = 6)) / res$lfcSE[1:2]), 0.2)
  expect_identical(rownames(res), names(two_sets))
  new <- tw_gene_sets(fit, stim_effect(), two_sets, log2 = FALSE, donors = "independent", estimand = "new_donor")
  extra <- fit$posterior$draws[, match("sd_donor__conditionstim", fit$posterior$names), ]^2
  expect_equal(new$lfcSE[1], sqrt(var(draws[, 1]) + mean(rowSums(extra[, c(2, 5)])) / 4))
})

test_that("rates of sets know that most sets have no effect", {
  fit <- set_fit()
  sets <- as.list(paste0("gene", 1:12))
  names(sets) <- paste0("set", 1:12)
  own <- tw_gene_sets(fit, stim_effect(), sets, donors = "independent", adaptive = FALSE)
  adapted <- tw_gene_sets(fit, stim_effect(), sets, donors = "independent")
  expect_identical(own$lower, adapted$lower)
  expect_true(all(adapted$lfsr > own$lfsr))
  # One gene a set: what tw_contrast() says of the gene.
  expect_equal(adapted$svalue, tw_contrast(fit, stim_effect())$svalue)
  expect_error(tw_gene_sets(fit, stim_effect(), sets, adaptive = NA), class = "twill_error")
})

test_that("observed sets on the scale of CLR are means of the genes' draws", {
  fit <- set_fit()
  ask <- check_scale(fit, "observed", "clr", "uniform", "all", NULL, FALSE, NULL)
  genes <- asked_effect(fit, stim_effect(), resolve_contrast(fit$job$model, stim_effect()), ask)$draws
  res <- tw_gene_sets(fit, stim_effect(), two_sets, estimand = "observed", scale = "clr", log2 = FALSE)
  expect_equal(res$log2FoldChange[2], mean(genes[, 6:12]))
  expect_equal(res$lfcSE[2], sd(rowMeans(genes[, 6:12])))
  masked <- tw_gene_sets(fit, stim_effect(), two_sets, estimand = "observed", scale = "clr", mask = rownames(fit) == "gene2")
  expect_identical(masked$genes, c(1L, 7L, 0L))
})

test_that("donors together: mean and spread are those of the donors' own means", {
  fit <- set_fit()
  p <- fit$posterior
  slope <- function(g) p$draws[, match("b_conditionstim", p$names), g]
  of_donor <- function(j, genes) {
    rowMeans(slope(genes) + p$effects[, match(sprintf("r_donor[d%d,conditionstim]", j), p$effect_names), genes])
  }
  theta <- vapply(1:5, of_donor, numeric(2000), genes = 6:12)
  res <- tw_gene_sets(fit, stim_effect(), two_sets, log2 = FALSE)
  mcse <- res$lfcSE[2] / sqrt(2000)
  expect_lt(abs(res$log2FoldChange[2] - mean(theta)), 4 * mcse)
  # Made-up sds are so large that the bound hardly acts: E sigma^2 / J = s^2 (J - 1) / (J - 3) / J.
  single <- vapply(6:12, function(g) vapply(1:5, of_donor, numeric(2000), genes = c(g, g)), matrix(0, 2000, 5))
  variance <- apply(single, c(1, 3), var)
  left <- apply(apply(single, c(2, 3), mean), 2, var) / colMeans(variance)
  own <- rowMeans(variance) / 7
  shared <- apply(theta, 1, var) - own
  s2 <- own + shared / ifelse(shared > 0, max(0.2, mean(left))^2, 1)
  expect_equal(res$lfcSE[2], sqrt(var(rowMeans(theta)) + mean(s2) * 2 / 5), tolerance = 0.15)
  new <- tw_gene_sets(fit, stim_effect(), two_sets, log2 = FALSE, estimand = "new_donor")
  expect_gt(new$lfcSE[2], res$lfcSE[2])
  expect_equal(new$sd_donors, res$sd_donors)
  # Four chi-squared degrees of freedom: E sigma = s sqrt(2) gamma(1.5), with a Monte Carlo error of 0.012 of 2000 draws.
  expect_equal(res$sd_donors[2], mean(sqrt(s2)) * sqrt(2) * gamma(1.5), tolerance = 0.05)
  # The same noise is added to both, as the root of 1 / 5 and of 1 + 1 / 5.
  expect_equal((res$log2FoldChange[2] - mean(theta)) / (new$log2FoldChange[2] - mean(theta)), sqrt(1 / 6))
})

test_that("the spread of donors is drawn below its bound", {
  with_fixed_seed(1, draws <- bounded_sigma(rep(2, 20000), 4, rep(1, 20000)))
  expect_true(all(draws <= 1))
  density <- function(v) dgamma(1 / v, 2, 1) / v^2
  inside <- integrate(density, 0, 1)$value
  expect_equal(mean(draws < 0.8), integrate(density, 0, 0.64)$value / inside, tolerance = 0.02)
  expect_equal(bounded_sigma(1e9, 3, 0.5), 0.5)
})

test_that("where donors cannot be taken together a warning says why", {
  fit <- set_fit()
  crossed <- set_fit(design = ~ condition + (1 + condition || donor) + (0 + condition || batch),
                     col_data = transform(gene_samples(), batch = factor(rep(1:2, 5)[c(1, 1, 2, 2, 1, 2, 1, 2, 2, 1)])))
  expect_warning(tw_gene_sets(crossed, stim_effect(), two_sets), "several groups", class = "twill_warning_donors")
  flat <- set_fit(design = ~ condition + (1 | donor))
  expect_no_warning(tw_gene_sets(flat, stim_effect(), two_sets))
  lean <- fake_set(counts = gene_counts(210), iter = 4)
  many <- list(all = paste0("gene", 1:210))
  expect_warning(tw_gene_sets(lean, stim_effect(), many), "effects", class = "twill_warning_donors")
  expect_error(tw_gene_sets(fit, stim_effect(), list("gene1")), class = "twill_error_setting")
  expect_error(tw_gene_sets(fit, stim_effect(), list(a = 1)), class = "twill_error_setting")
})

test_that("intervals of sets hold where donors respond to a set as a whole", {
  skip_if_not(has_gene_engine())
  samples <- gene_samples(4)
  covered <- vapply(1:10, function(seed) {
    counts <- with_fixed_seed(seed, {
      common <- rnorm(4, 0, 0.5)
      log_mu <- rnorm(20, 5, 0.5) + outer(rep(1, 20), (samples$condition == "stim") * common[samples$donor])
      matrix(rnbinom(length(log_mu), mu = exp(log_mu), size = 50), 20, dimnames = list(paste0("gene", 1:20), NULL))
    })
    fit <- twill_genes(counts, ~ condition + (1 + condition || donor), col_data = samples, size_factors = "none", seed = 1,
                       share = "none", keep = "effects", silent = 2)
    set <- list(all = rownames(fit))
    inside <- function(donors) {
      res <- tw_gene_sets(fit, stim_effect(), set, donors = donors)
      res$lower < 0 && res$upper > 0
    }
    c(inside("together"), inside("independent"))
  }, c(together = TRUE, independent = TRUE))
  expect_gte(sum(covered["together", ]), 8)
  expect_lte(sum(covered["independent", ]), 7)
})
