# method = "svi" of many genes: against NUTS on the same genes, convergence, statuses, the same draws however they are made.

svi_design <- ~ condition + (1 + condition || donor)

svi_fit <- function(..., counts = gene_counts(40), design = svi_design, method = "svi", iter = 1200, warmup = 200,
                    share = "none") {
  twill_genes(counts, design, col_data = gene_samples(), iter = iter, warmup = warmup, seed = 1, silent = 2, share = share,
              method = method, ...)
}

# Guides are no exact posteriors: means may lie off by some tenths of a standard deviation, beside the Monte Carlo errors.
test_that("means and standard deviations are those of NUTS", {
  skip_on_cran()
  prior <- c(tw_prior("student_t(3, 0, 0.5)", class = "sd"), tw_prior("lognormal(2, 1)", class = "shape"))
  exact <- svi_fit(method = "nuts", prior = prior)$posterior
  guide <- svi_fit(prior = prior, control = list(refine = FALSE))$posterior
  coefs <- grep("^b_|^mean_r_", exact$names)
  shift <- (guide$mean - exact$mean) / exact$sd
  error <- sqrt(1 / 2000 + 1 / exact$ess)
  ratio <- guide$sd / exact$sd
  expect_lt(max(abs(shift[coefs, ])), 0.1 + 4 * max(error[coefs, ]))
  expect_lt(abs(median(ratio[coefs, ]) - 1), 0.03)
  # The standard error of a standard deviation is that of the mean over sqrt(2), times what tails add.
  expect_lt(mean(abs(log(ratio[coefs, ])) > 0.1 + 2 * error[coefs, ]), 0.05)
  expect_lt(max(abs(apply(shift, 1, median))), 0.15)
})

test_that("genes whose guide cannot be trusted are sampled, if asked", {
  counts <- rbind(gene_counts(6), odd = c(0, 900, 0, 0, 0, 0, 0, 3, 0, 0))
  kept <- suppressWarnings(svi_fit(counts = counts, iter = 200, warmup = 50, control = list(refine = FALSE, max_steps = 7)))
  expect_true(all(tw_diagnostics(kept)$status %in% c("high_khat", "few_counts", "separated")))
  expect_length(kept$posterior$elbo, 7)
  refined <- svi_fit(counts = counts, iter = 200, warmup = 50, control = list(max_steps = 7))
  sampled <- svi_fit(counts = counts, iter = 200, warmup = 50, method = "hmc")
  expect_identical(refined$posterior$draws, sampled$posterior$draws)
  expect_true(all(tw_diagnostics(refined)$status %in% c("refined", "few_counts", "separated", "high_rhat")))
  expect_warning(twill_genes(counts[1:2, ], ~condition, col_data = gene_samples(), method = "svi", silent = 1, seed = 1,
                             share = "none", control = list(refine = FALSE, max_steps = 1)), class = "twill_warning_genes")
})

test_that("draws depend on seed and gene alone, not on threads or blocks", {
  run <- function(...) svi_fit(iter = 100, warmup = 50, ...)$posterior
  one <- run(cores = 1)
  expect_identical(run(cores = 2)$draws, one$draws)
  expect_identical(run(cores = 2, block_size = 7)$draws, one$draws)
  # A block that ends before the others stays at the last estimate of its genes, not at the mean of their last steps.
  expect_equal(run(cores = 2, block_size = 7)$elbo, one$elbo, tolerance = 1e-5)
  expect_identical(run(genes = 21:24)$draws, one$draws[, , 21:24])
})

test_that("models beyond the guide's own coordinates are fitted in those of the sampler", {
  exact <- svi_fit(design = ~ condition + (1 + condition | donor), counts = gene_counts(4), method = "nuts", iter = 600)
  guide <- svi_fit(design = ~ condition + (1 + condition | donor), counts = gene_counts(4), iter = 600)
  expect_lt(max(abs(guide$posterior$mean[1:2, ] - exact$posterior$mean[1:2, ]) / exact$posterior$sd[1:2, ]), 0.35)
  expect_true(all(is.finite(guide$posterior$khat)))
})

test_that("Poisson models, models without groups and crossed groups are fitted", {
  samples <- cbind(gene_samples(6), batch = gl(3, 4))
  counts <- gene_counts(5, 6)
  for (design in list(~condition, ~ condition + (1 | donor) + (1 | batch), ~ 1 + (1 | batch))) {
    for (family in c("poisson", "negbinomial")) {
      fit <- twill_genes(counts, design, family, col_data = samples, method = "svi", seed = 1, silent = 2, share = "none")
      expect_true(all(is.finite(fit$posterior$draws)))
      expect_true(all(fit$posterior$khat < 0.7 | tw_diagnostics(fit)$status != "ok"))
    }
  }
})

test_that("what genes share is learned from guides, and effects are found", {
  fit <- svi_fit(share = c("dispersion", "sd"), iter = 200, warmup = 50)
  table <- tw_contrast(fit, stim_effect())
  expect_true("khat" %in% names(table))
  sampled <- tw_contrast(svi_fit(share = c("dispersion", "sd"), iter = 200, warmup = 50, method = "hmc"), stim_effect())
  # Standard errors: of means of 300 draws each, and of what is learned from other draws.
  expect_lt(max(abs(table$log2FoldChange - sampled$log2FoldChange) / sampled$lfcSE), 0.4)
  expect_lt(abs(median(table$lfcSE / sampled$lfcSE) - 1), 0.1)
  expect_s3_class(plot(fit, "loss"), "ggplot")
  expect_output(print(fit), "variational guide, HMC where it fails")
  loss <- -fit$posterior$elbo
  expect_lt(mean(tail(loss, 8)), mean(head(loss, 4)))
})

test_that("settings of guides are checked", {
  expect_error(svi_fit(control = list(refine = 1)), "refine", class = "twill_error_setting")
  expect_error(svi_fit(control = list(max_steps = 0)), "max_steps", class = "twill_error_setting")
  expect_error(svi_fit(control = list(tolerance = "a")), "tolerance", class = "twill_error_setting")
  expect_error(svi_fit(method = "hmc", control = list(refine = TRUE)), "refine", class = "twill_error_setting")
  expect_error(svi_fit(control = list(metric = "dense")), "metric", class = "twill_error_setting")
  expect_error(svi_fit(method = "hmc", control = list(engine = "joint")), "\"hmc\" does not know", class = "twill_error_setting")
  expect_error(plot(fake_set(counts = gene_counts(3)), "loss"), "svi", class = "twill_error_plot")
})
