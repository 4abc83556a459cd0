# Tables of contrasts, from draws that the test itself has made.

# A set whose draws are known: the fit of made-up draws, with others put in.
known_set <- function(..., design = ~ condition + (1 + condition | donor)) fake_set(..., design = design, iter = 2000)

draws_of <- function(fit, name) fit$posterior$draws[, match(name, fit$posterior$names), ]

test_that("a slope of genes without a mean over donors is zero in the population alone", {
  samples <- expand.grid(x = c(0, 1), donor = paste0("d", 1:5))
  counts <- with_fixed_seed(2, matrix(rpois(30, 60), 3, dimnames = list(paste0("g", 1:3), NULL)))
  fit <- twill_genes(counts, ~ 1 + (1 + x || donor), col_data = samples, iter = 200, seed = 1, silent = 2, keep = "effects")
  slope <- cond(x = 1) - cond(x = 0)
  expect_error(tw_contrast(fit, slope), "differs between levels", class = "twill_error_contrast")
  own <- apply(ranef(fit, summary = FALSE)$donor[, , , "x"], c(1, 2), mean)
  observed <- expect_no_warning(tw_contrast(fit, slope, estimand = "observed", log2 = FALSE))
  expect_equal(observed$log2FoldChange, unname(colMeans(own)))
  expect_true(all(is.na(observed$rhat)))
  expect_true(all(tw_contrast(fit, slope, estimand = "new_donor")$log2FoldChange == 0))
})

test_that("population effects are summaries of the coefficient's draws, in base 2", {
  fit <- known_set()
  res <- tw_contrast(fit, stim_effect(), prob = 0.9)
  draws <- draws_of(fit, "b_conditionstim") / log(2)
  expect_equal(res$log2FoldChange, colMeans(draws))
  expect_equal(res$lfcSE, apply(draws, 2, sd))
  # Ends are smooth, and within the Monte Carlo error of the draws' own quantiles.
  expect_equal(cbind(res$lower, res$upper), steady_quantiles(draws, c(0.05, 0.95)))
  own <- t(apply(draws, 2, quantile, c(0.05, 0.95), type = 6))
  expect_lt(mean(abs(cbind(res$lower, res$upper) - own)), 0.1 * mean(res$lfcSE))
  natural <- tw_contrast(fit, "conditionstim", log2 = FALSE)
  expect_equal(natural$log2FoldChange, res$log2FoldChange * log(2))
  expect_identical(rownames(res), rownames(fit))
  counts <- gene_counts()
  expect_equal(res$baseMean, unname(rowMeans(t(t(counts) / fit$job$sizes$values))))
})

test_that("sums of coefficients are sums of draws", {
  samples <- three_by_two()
  counts <- with_fixed_seed(4, matrix(rpois(10 * 24, 40), 10))
  fit <- fake_set(counts = counts, col_data = samples, design = ~ dose * sex + (1 + dose || donor))
  res <- tw_contrast(fit, cond(dose = "high", sex = "m") - cond(dose = "low", sex = "m"), log2 = FALSE)
  by_hand <- draws_of(fit, "b_dosehigh") - draws_of(fit, "b_doselow") + draws_of(fit, "b_dosehigh:sexm") -
    draws_of(fit, "b_doselow:sexm")
  expect_equal(res$log2FoldChange, colMeans(by_hand))
  expect_equal(res$lfcSE, apply(by_hand, 2, sd))
  spread <- sqrt(draws_of(fit, "sd_donor__doselow")^2 + draws_of(fit, "sd_donor__dosehigh")^2)
  expect_equal(res$sd_donor, colMeans(spread))
})

test_that("false sign rates of normal draws are normal tail areas", {
  fit <- known_set()
  centre <- seq(-2, 2, length.out = 30)
  at <- match("b_conditionstim", fit$posterior$names)
  n <- dim(fit$posterior$draws)[1]
  exact <- qnorm((seq_len(n) - 0.5) / n)
  fit$posterior$draws[, at, ] <- vapply(centre, function(m) m + exact, numeric(n))
  res <- tw_contrast(fit, "conditionstim", lfc_threshold = 0.5 / log(2), adaptive = FALSE)
  # Draws at the quantiles of a normal, under a kernel that keeps its variance, are nearly that normal.
  expect_equal(res$lfsr, pnorm(-abs(centre)), tolerance = 1e-2)
  expect_equal(res$fsos, pmin(pnorm(0.5, centre), 1 - pnorm(-0.5, centre)), tolerance = 1e-2)
  expect_equal(res$prob, 1 - pnorm(0.5, centre) + pnorm(-0.5, centre), tolerance = 1e-2)
})

test_that("far from zero the rates agree with shares of many draws", {
  with_fixed_seed(5, draws <- matrix(rgamma(20000 * 3, 2, 1) - c(0.5, 1, 2), 20000, byrow = TRUE))
  statistics <- effect_statistics(list(draws = draws), 0, 0.95)
  share <- colMeans(draws < 0)
  expect_equal(statistics$lfsr, pmin(share, 1 - share), tolerance = 0.03)
})

test_that("s-values are running means of sorted rates, ties together", {
  rate <- c(0.2, 0.01, NA, 0.05, 0.05)
  expect_equal(s_values(rate), c(0.31 / 4, 0.01, NA, 0.11 / 3, 0.11 / 3))
  with_fixed_seed(6, rate <- runif(50))
  expect_equal(s_values(rate), vapply(rate, function(r) mean(rate[rate <= r]), 0))
})

test_that("the observed mean adds the average of the effects", {
  fit <- known_set(keep = "effects")
  res <- tw_contrast(fit, stim_effect(), estimand = "observed", log2 = FALSE)
  by_hand <- draws_of(fit, "b_conditionstim") + draws_of(fit, "mean_r_donor__conditionstim")
  expect_equal(res$log2FoldChange, colMeans(by_hand))
  expect_equal(res$lfcSE, apply(by_hand, 2, sd))
})

test_that("the observed mean of groups within conditions averages each side", {
  local_engine(fake_engine)
  fit <- fake_set(design = ~ condition + (1 | donor) + (1 | donor:condition), keep = "effects")
  res <- tw_contrast(fit, stim_effect(), estimand = "observed", log2 = FALSE)
  effects <- fit$posterior$effects
  side <- function(level) {
    rows <- grep(sprintf("^r_donor:condition\\[d[1-5]_%s,Intercept\\]$", level), fit$posterior$effect_names)
    expect_length(rows, 5)
    apply(effects[, rows, ], c(1, 3), mean)
  }
  expect_equal(res$log2FoldChange, colMeans(draws_of(fit, "b_conditionstim") + side("stim") - side("ctrl")))
  # Without kept effects the same draws are made again.
  lean <- fake_set(design = ~ condition + (1 | donor) + (1 | donor:condition))
  expect_equal(tw_contrast(lean, stim_effect(), estimand = "observed", log2 = FALSE)$log2FoldChange, res$log2FoldChange)
})

test_that("a new donor adds the variance of its effects", {
  fit <- known_set()
  res <- tw_contrast(fit, stim_effect(), estimand = "new_donor", log2 = FALSE, adaptive = FALSE)
  population <- draws_of(fit, "b_conditionstim")
  sd <- draws_of(fit, "sd_donor__conditionstim")
  expect_equal(res$log2FoldChange, colMeans(population))
  expect_equal(res$lfcSE, sqrt(apply(population, 2, var) + colMeans(sd^2)))
  # The exact tail area of the mixture, and its quantiles within the noise of 2000 draws.
  tail <- colMeans(pnorm(0, population, sd))
  expect_equal(res$lfsr, pmin(tail, 1 - tail), tolerance = 0.02)
  with_fixed_seed(7, many <- population[, 1] + sd[, 1] * rnorm(nrow(sd) * 200))
  expect_equal(res$lower[1], unname(quantile(many, 0.025)), tolerance = 0.1)
})

test_that("variances of new levels follow correlations and weights", {
  fit <- known_set()
  weights <- list(terms = list(list(weights = matrix(c(1, 2), 1, dimnames = list(NULL, c("Intercept", "conditionstim"))))))
  a <- draws_of(fit, "sd_donor__Intercept")
  b <- draws_of(fit, "sd_donor__conditionstim")
  r <- draws_of(fit, "cor_donor__Intercept__conditionstim")
  expect_equal(new_level_variance(fit, weights, 1:30), unname(a^2 + 4 * b^2 + 4 * a * b * r))
  # Levels on both sides of a contrast (donor:condition) are two new ones.
  two <- fake_set(design = ~ condition + (1 | donor:condition))
  sides <- resolve_contrast(two$job$model, stim_effect())
  expect_equal(new_level_variance(two, sides, 1:30), unname(2 * draws_of(two, "sd_donor:condition__Intercept")^2))
})

test_that("moments give normal answers with the same mean and sd", {
  full <- known_set()
  lean <- known_set(keep = "moments")
  expect_null(lean$posterior$draws)
  a <- tw_contrast(full, stim_effect(), estimand = "observed")
  b <- tw_contrast(lean, stim_effect(), estimand = "observed", adaptive = FALSE)
  expect_equal(b$log2FoldChange, a$log2FoldChange)
  expect_equal(b$lfcSE, a$lfcSE)
  expect_equal(b$lfsr, pnorm(-abs(a$log2FoldChange) / a$lfcSE))
  expect_error(tw_contrast(lean, stim_effect(), estimand = "new_donor"), "keep", class = "twill_error_draws")
})

test_that("tables say what their columns are", {
  fit <- known_set()
  res <- tw_contrast(fit, stim_effect(), lfc_threshold = 1)
  texts <- attr(res, "description")
  expect_length(texts, ncol(res))
  expect_match(texts[names(res) == "log2FoldChange"], "cond\\(condition = \"stim\"\\).*population effect, log2")
  expect_match(texts[names(res) == "svalue"], "fsos")
  limma <- tw_contrast(fit, stim_effect(), names = "limma")
  expect_true(all(c("AveExpr", "logFC") %in% names(limma)))
  expect_error(tw_contrast(fit, lfc_threshold = -1), class = "twill_error_contrast")
  expect_error(tw_contrast(fit, estimand = "all"), class = "twill_error_setting")
  expect_error(tw_contrast(1), class = "twill_error_argument")
})

test_that("Gaussian effects keep the units of the values", {
  values <- log(gene_counts() + 1)
  fit <- fake_set(counts = values, family = "gaussian")
  expect_equal(tw_contrast(fit)$log2FoldChange, colMeans(draws_of(fit, "b_conditionstim")))
  expect_equal(tw_contrast(fit)$baseMean, unname(rowMeans(values)))
})

test_that("results go into the rows of an experiment", {
  skip_if_not_installed("SummarizedExperiment")
  counts <- gene_counts(8)
  counts[2, ] <- 0L
  se <- SummarizedExperiment::SummarizedExperiment(list(counts = counts), colData = gene_samples())
  fit <- fake_set(counts = se, col_data = NULL)
  res <- tw_contrast(fit)
  out <- SummarizedExperiment::rowData(tw_row_data(se, res))
  expect_identical(out$twill_lfsr, res[rownames(counts), ]$lfsr |> replace(2, NA))
  expect_error(tw_row_data(se[1:3, ], res), "gene4", class = "twill_error_genes")
})

test_that("variances of the parts are those of the formulas", {
  fit <- known_set()
  parts <- variance_parts(fit, 1:30)
  z <- cbind(1, gene_samples()$condition == "stim")
  expect_named(parts, c("condition", "donor:Intercept+conditionstim", "noise"))
  # Fixed and random parts by one definition: means over the samples.
  effect <- outer(draws_of(fit, "b_conditionstim")[, 3], z[, 2])
  expect_equal(parts$condition[, 3], rowMeans((effect - rowMeans(effect))^2))
  s <- 17
  g <- 3
  value <- function(name) draws_of(fit, name)[s, g]
  r <- value("cor_donor__Intercept__conditionstim")
  sds <- diag(c(value("sd_donor__Intercept"), value("sd_donor__conditionstim")))
  covariance <- sds %*% matrix(c(1, r, r, 1), 2) %*% sds
  expect_equal(parts[[2]][s, g], mean(rowSums((z %*% covariance) * z)))
  expect_equal(parts$noise[s, g], trigamma(1 / (1 / fit$posterior$base_mean[g] + 1 / value("shape"))))
  table <- tw_variance(fit)
  expect_equal(rowSums(as.matrix(as.data.frame(table))), rep(1, 30), ignore_attr = TRUE)
  long <- tw_variance(fit, genes = 2:3, long = TRUE)
  expect_identical(long$gene, rep(c("gene2", "gene3"), each = 3))
  expect_true(all(long$lower <= long$estimate & long$estimate <= long$upper))
  expect_named(variance_parts(fake_set(), 1), c("condition", "donor", "donor:conditionstim", "noise"))
})
