# Replicated counts, quantile residuals, log-likelihoods and criteria of cells against loops over cells; plots.

test_that("log_lik() of a leaf is the sum over its cells", {
  data <- cell_data()
  for (family in c("negbinomial", "poisson")) {
    fit <- cells_fit(data, family = family)
    found <- log_lik(fit)
    expect_equal(dim(found), c(n_set_draws(fit), 6, 6))
    for (leaf in c(1, 4)) for (g in c(1, 6)) for (s in c(2, 30)) {
      total <- 0
      for (cell in which(fit$job$cells$leaf == leaf)) {
        mean <- data$capture[cell] * exp(plain_log_mu(fit, paste0("gene", g), leaf, s))
        u <- data$counts[g, cell]
        total <- total + if (family == "poisson") dpois(u, mean, log = TRUE) else
          dnbinom(u, mu = mean, size = plain_shape(fit, paste0("gene", g), s), log = TRUE)
      }
      expect_equal(found[s, leaf, g], total, ignore_attr = TRUE)
    }
    expect_equal(log_lik(fit, genes = "gene6", leaf = 4:5), found[, 4:5, 6], ignore_attr = TRUE)
  }
  fit <- cells_fit(data, dispersion = ~condition)
  cells <- which(fit$job$cells$leaf == 2)
  mean <- data$capture[cells] * exp(plain_log_mu(fit, "gene4", 2, 7))
  size <- leaf_sizes(fit, 4)[7, 2, 1]
  expect_equal(log_lik(fit, genes = "gene4")[7, 2], sum(dnbinom(data$counts[4, cells], mu = mean, size = size, log = TRUE)),
               ignore_attr = TRUE)
})

test_that("waic() and loo() add up leaves by gene, or genes by leaf", {
  fit <- cells_fit()
  ll <- log_lik(fit)
  by_gene <- waic(fit)
  by_leaf <- waic(fit, by = "leaf", genes = 1:3)
  for (g in c(1, 4)) {
    reference <- suppressWarnings(loo::waic(ll[, , g]))
    expect_equal(by_gene$pointwise[g, ], colSums(reference$pointwise), ignore_attr = TRUE)
  }
  reference <- suppressWarnings(loo::waic(ll[, 5, 1:3]))
  expect_equal(by_leaf$pointwise[5, ], colSums(reference$pointwise), ignore_attr = TRUE)
  found <- suppressWarnings(loo(fit, integrate = FALSE))
  reference <- suppressWarnings(loo::loo(ll[, , 2], r_eff = rep(1, 6)))
  expect_equal(unname(found$pointwise[2, c("elpd_loo", "p_loo", "looic")]), unname(colSums(reference$pointwise[, c(1, 3, 4)])))
  expect_equal(found$diagnostics$pareto_k[2], max(reference$diagnostics$pareto_k))
  expect_equal(found$estimates["elpd_loo", "SE"], sqrt(6 * var(found$pointwise[, "elpd_loo"])))
})

test_that("fits with and without the slope are compared gene by gene", {
  with_slope <- cells_fit()
  without <- cells_fit(design = ~ condition + (1 | donor))
  both <- waic(with_slope, without)
  expect_named(both$loos, c("with_slope", "without"))
  difference <- both$loos$without$pointwise[, "elpd_waic"] - both$loos$with_slope$pointwise[, "elpd_waic"]
  expect_equal(abs(both$diffs[2, "elpd_diff"]), abs(sum(difference)), ignore_attr = TRUE)
  expect_warning(loo(with_slope, integrate = FALSE), class = "twill_warning_pareto")
})

test_that("histograms of counts include cells without one", {
  data <- cell_data()
  fit <- cells_fit(data)
  h <- gene_histogram(fit, 2)
  for (leaf in 1:6) {
    u <- data$counts[2, fit$job$cells$leaf == leaf]
    expect_equal(h$number[, leaf], vapply(h$value, function(v) sum(u == v), 0))
  }
})

test_that("replicates have the mean and zeros that the model gives them", {
  data <- cell_data(cells_per_leaf = 60)
  fit <- cells_fit(data)
  cells <- which(fit$job$cells$leaf %in% 2:3)
  ids <- rep(5, 400)
  mu <- exp(vapply(1:6, function(l) plain_log_mu(fit, "gene3", l, 5), 0))[fit$job$cells$leaf[cells]] * data$capture[cells]
  r <- plain_shape(fit, "gene3", 5)
  means <- with_fixed_seed(1, replicate_counts(fit, 3, cells, ids, mean))
  zeros <- with_fixed_seed(2, replicate_counts(fit, 3, cells, ids, function(y) mean(y == 0)))
  expect_lt(abs(mean(means) - mean(mu)) / (sd(means) / 20), 4)
  expect_lt(abs(mean(zeros) - mean(dnbinom(0, mu = mu, size = r))) / (sd(zeros) / 20), 4)
})

test_that("bins of counts cover the cells up to the quantile", {
  bins <- count_bins(0:99, rep(1, 100), 0.99)
  expect_equal(bins$width, 4)
  expect_equal(bins$start[bins$n + 1], 100)
  expect_equal(count_bins(c(0, 1, 7), c(90, 9, 1), 0.99), list(start = c(0, 1, 2), width = 1, n = 2))
})

test_that("pp_check() shows the observed histogram", {
  data <- cell_data(cells_per_leaf = 40)
  fit <- cells_fit(data)
  plot <- pp_check(fit, genes = c("gene2", "gene4"), leaf = c(donor = "d2"), seed = 3)
  part <- plot$data[plot$data$gene == "gene2", ]
  u <- data$counts["gene2", data$cells$donor == "d2"]
  expect_equal(part$observed, vapply(part$start, function(from) sum(u >= from & u < from + part$width[1]), 0))
  expect_true(all(part$low95 <= part$low50 & part$low50 <= part$middle & part$middle <= part$high95))
  expect_equal(pp_check(fit, genes = 2, seed = 3)$data, pp_check(fit, genes = 2, seed = 3)$data)
  zeros <- pp_check(fit, type = "zeros", genes = "gene1", leaf = c(donor = "d2"))
  expect_equal(zeros$data$observed[1], mean(data$counts["gene1", data$cells$donor == "d2"] == 0))
  expect_error(pp_check(fit, leaf = c(donor = "d8")), class = "twill_error_leaf")
})

test_that("probabilities of counts by steps are those of R", {
  mean <- c(0.01, 3, 250)
  weight <- c(0.2, 0.5, 0.3)
  for (size in list(c(0.05, 2, 30), rep(Inf, 3))) {
    one_leaf <- function(f) as.vector(f(value, cbind(mean), cbind(size), cbind(weight)))
    value <- c(-1, 0, 1, 7, 300)
    below <- function(v) if (is.finite(size[1])) pnbinom(v, mu = mean, size = size) else ppois(v, mean)
    expected <- vapply(value, function(v) sum(weight * below(v)), 0)
    expect_equal(one_leaf(cdf_by_steps), expected, tolerance = 1e-10)
    expect_equal(one_leaf(cdf_one_by_one), expected)
  }
})

test_that("quantile residuals with counts of cells lie in the step of each cell", {
  data <- cell_data()
  fit <- cells_fit(data)
  z <- residuals(fit, genes = "gene2", x = data$counts, ndraws = 1000, seed = 1)
  for (cell in c(3, 20)) {
    step <- rowMeans(vapply(seq_len(n_set_draws(fit)), function(s) {
      mean <- data$capture[cell] * exp(plain_log_mu(fit, "gene2", fit$job$cells$leaf[cell], s))
      pnbinom(data$counts["gene2", cell] - 1:0, mu = mean, size = plain_shape(fit, "gene2", s))
    }, numeric(2)))
    expect_gte(pnorm(z[1, cell]), step[1] - 1e-12)
    expect_lte(pnorm(z[1, cell]), step[2] + 1e-12)
  }
})

test_that("quantile residuals are standard normal where the model is right", {
  data <- cell_data(n_genes = 4, cells_per_leaf = 150)
  fit <- cells_fit(data)
  # Counts are drawn from the model of one draw, which then stands for the posterior.
  s <- 3
  mu <- vapply(1:4, function(g) vapply(1:6, function(l) plain_log_mu(fit, paste0("gene", g), l, s), 0), numeric(6))
  for (g in 1:4) {
    r <- plain_shape(fit, paste0("gene", g), s)
    mean <- data$capture * exp(mu[fit$job$cells$leaf, g])
    data$counts[g, ] <- with_fixed_seed(g, rnbinom(length(mean), mu = mean, size = r))
  }
  fit$job$source$data <- leaf_statistics(data, fit$job$cells$leaf, rowsum(t(data$counts), fit$job$cells$leaf))
  fit$posterior$draws <- fit$posterior$draws[c(s, s), , , drop = FALSE]
  fit$posterior$effects <- fit$posterior$effects[c(s, s), , , drop = FALSE]
  table <- tw_residuals(fit, seed = 2)
  n <- length(data$capture)
  expect_true(all(abs(table$mean) < 4 / sqrt(n)))
  expect_true(all(abs(table$sd - 1) < 4 / sqrt(2 * n)))
  expect_true(all(table$distance < 1.95 / sqrt(n)))
  one <- residuals(fit, genes = "gene1", seed = 2)$gene1
  expect_equal(as.vector(table(one$leaf)[leaf_labels(fit)]), fit$job$cells$n)
  expect_error(residuals(fit), class = "twill_error_genes")
})

test_that("all plots can be drawn", {
  fit <- cells_fit()
  for (type in c("calibration", "effects", "spread", "library", "capture", "ma")) {
    expect_s3_class(plot(fit, type), "ggplot")
    expect_silent(ggplot2::ggplotGrob(plot(fit, type)))
  }
  expect_silent(ggplot2::ggplotGrob(plot(tw_calibration(fit, "zeros"))))
  expect_silent(ggplot2::ggplotGrob(plot(fit, "effects", term = "donor")))
  expect_silent(ggplot2::ggplotGrob(pp_check(fit, n_genes = 3, ndraws = 20)))
  expect_silent(ggplot2::ggplotGrob(pp_check(fit, n_genes = 3, ndraws = 20, type = "mean")))
  expect_error(plot(fit, "lines"), "calibration")
})

test_that("what is read from a fit of twill_cells() is what its cells say, within the error of the compression", {
  sim <- simulate_cells(n_cells = 300)
  fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells, capture = exp(sim$log_capture),
                     iter = 200, seed = 1, silent = 2)
  s <- 17
  leaf <- 3
  cells <- which(fit$job$cells$leaf == leaf)
  mean <- exp(sim$log_capture[cells] + plain_log_mu(fit, "gene4", leaf, s))
  exact <- sum(dnbinom(sim$counts["gene4", cells], mu = mean, size = plain_shape(fit, "gene4", s), log = TRUE))
  expect_equal(log_lik(fit, genes = "gene4")[s, leaf], exact, tolerance = 1e-6, ignore_attr = TRUE)
  zeros <- tw_calibration(fit, "zeros", genes = "gene4")
  expected <- mean(vapply(seq_len(n_set_draws(fit)), function(s) {
    mean(dnbinom(0, mu = exp(sim$log_capture[cells] + plain_log_mu(fit, "gene4", leaf, s)), size = plain_shape(fit, "gene4", s)))
  }, 0))
  expect_equal(zeros$predicted[leaf], expected, tolerance = 1e-4)
  expect_equal(zeros$observed[leaf], mean(sim$counts["gene4", cells] == 0))
  expect_lt(max(abs(summary(tw_calibration(fit))$ratio - 1)), 0.25)
  expect_equal(dim(residuals(fit, genes = 1:2, x = sim$counts)), c(2, 300))
  expect_equal(rownames(tw_spread(fit["gene2", ])), "gene2")
  expect_equal(tw_calibration(fit[5:6, ])$observed, tw_calibration(fit, genes = 5:6)$observed)
})

test_that("the share of counts that histograms show is one", {
  fit <- cells_fit()
  for (cut in list(2, 0, -1, NA, "a", c(0.5, 0.9))) expect_error(pp_check(fit, cut = cut), "cut", class = "twill_error_setting")
})
