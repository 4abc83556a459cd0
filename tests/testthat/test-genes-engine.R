# The compiled engine of many genes: against the sampler of single models, on any number of threads, on odd counts.

# Largest difference of posterior means in Monte Carlo standard errors of both, and of the logs of the spreads. Positive
# parameters as logarithms: their own moments may not exist.
posterior_gap <- function(a, b) {
  moments <- function(fit) {
    draws <- fit$posterior$draws
    positive <- grepl("^sd_|^shape$|^sigma$", fit$posterior$names)
    draws[, positive, ] <- log(draws[, positive, ])
    sd <- apply(draws, c(2, 3), sd)
    list(mean = apply(draws, c(2, 3), mean), spread = apply(draws, c(2, 3), mad), se = sd / sqrt(fit$posterior$ess))
  }
  a <- moments(a)
  b <- moments(b)
  list(mean = max(abs(a$mean - b$mean) / sqrt(a$se^2 + b$se^2)), sd = max(abs(log(a$spread / b$spread))))
}

expect_same_posterior <- function(..., engine = reference_engine, mean = 4.5, sd = 0.25) {
  fit <- function() twill_genes(..., share = "none", chains = 2, iter = 1700, warmup = 200, seed = 1, silent = 2)
  fast <- fit()
  local_engine(engine)
  gap <- posterior_gap(fast, fit())
  expect_lt(gap$mean, mean)
  expect_lt(gap$sd, sd)
  expect_true(all(fast$posterior$rhat < 1.02))
}

test_that("each gene has the posterior that twill()'s sampler finds", {
  skip_on_cran()
  counts <- gene_counts(4)
  expect_same_posterior(counts, ~ condition + (1 + condition || donor), col_data = gene_samples())
  expect_same_posterior(counts, ~ condition + (1 + condition | donor), "poisson", col_data = gene_samples())
  values <- log2(counts + 1)
  values[2, 3] <- NA
  expect_same_posterior(values, ~ condition + (1 | donor), "gaussian", col_data = gene_samples())
})

test_that("offsets, weights and crossed terms by gene enter as they do in single models", {
  skip_on_cran()
  samples <- cbind(gene_samples(6), batch = gl(3, 4))
  counts <- gene_counts(3, 6)
  offset <- matrix(rep(c(0, 0.7, -0.4), 12), 3)
  weights <- matrix(rep(c(1, 1, 0.5, 1), 9), 3)
  expect_same_posterior(counts, ~ condition + (1 | donor) + (1 | batch), col_data = samples, offset = offset, weights = weights)
  expect_same_posterior(counts, ~ condition + (1 | donor), dispersion = ~condition, col_data = samples)
})

test_that("a gene of a set is the fit of twill() with the same priors", {
  skip_on_cran()
  counts <- gene_counts(12)
  set <- twill_genes(counts, ~ condition + (1 + condition || donor), col_data = gene_samples(), iter = 1700, warmup = 200,
                     seed = 2, silent = 2)
  one <- tw_gene(set, "gene3", chains = 2, silent = 2)
  summary <- posterior::summarise_draws(as_draws(one), "mean", "sd", "ess_bulk")
  rows <- match(set$posterior$names, summary$variable)
  ours <- data.frame(mean = set$posterior$mean[, 3], sd = set$posterior$sd[, 3], ess = set$posterior$ess[, 3])[!is.na(rows), ]
  theirs <- summary[rows[!is.na(rows)], ]
  se <- sqrt(ours$sd^2 / ours$ess + theirs$sd^2 / theirs$ess_bulk)
  expect_gte(nrow(ours), 5)
  expect_lt(max(abs(ours$mean - theirs$mean) / se), 4.5)
  expect_lt(max(abs(log(ours$sd / theirs$sd))), 0.2)
})

test_that("draws depend on seed and gene alone, not on threads or blocks", {
  run <- function(..., counts = gene_counts(), seed = 7) {
    twill_genes(counts, ~ condition + (1 + condition || donor), col_data = gene_samples(), iter = 80, seed = seed, silent = 2,
                share = "none", ...)$posterior
  }
  one <- run(cores = 1)
  expect_identical(run(cores = 2)$draws, one$draws)
  expect_identical(run(cores = 2, block_size = 7)$draws, one$draws)
  expect_identical(run(counts = Matrix::Matrix(gene_counts(), sparse = TRUE))$draws, one$draws)
  expect_identical(run(genes = 21:24)$draws, one$draws[, , 21:24])
  expect_false(identical(run(seed = 8)$draws, one$draws))
})

test_that("R-hat and ESS are those of posterior, moments those of the draws", {
  fit <- twill_genes(gene_counts(3), ~ condition + (1 | donor), col_data = gene_samples(), iter = 200, seed = 1, silent = 2,
                     share = "none", keep = "effects")
  draws <- fit$posterior$draws
  measure <- function(f) apply(draws, c(2, 3), function(v) f(matrix(v, ncol = 2)))
  expect_equal(fit$posterior$rhat, measure(posterior::rhat))
  expect_equal(fit$posterior$ess, suppressWarnings(measure(posterior::ess_bulk)))
  expect_equal(fit$posterior$effects_mean, apply(fit$posterior$effects, c(2, 3), mean))
  expect_equal(fit$posterior$effects_sd, apply(fit$posterior$effects, c(2, 3), sd))
  mean_effect <- which(fit$posterior$names == "mean_r_donor__Intercept")
  expect_equal(draws[, mean_effect, ], apply(fit$posterior$effects, c(1, 3), mean))
})

test_that("approximated genes are close to sampled ones, and bad approximations are replaced", {
  skip_on_cran()
  run <- function(method) {
    twill_genes(gene_counts(40), ~ condition + (1 + condition || donor), col_data = gene_samples(), seed = 1, silent = 2,
                share = "none", method = method)
  }
  nuts <- run("nuts")
  laplace <- run("laplace")
  auto <- run("auto")
  effect <- function(fit) fit$posterior$mean[2, ]
  expect_gt(cor(effect(nuts), effect(laplace)), 0.98)
  expect_true(all(is.finite(laplace$posterior$khat)))
  expect_identical(auto$posterior$khat, laplace$posterior$khat)
  expect_true(all(auto$posterior$khat[auto$posterior$status == "ok"] <= 0.7))
  expect_true(all(tw_diagnostics(auto)$status %in% c("ok", "refined", "high_rhat")))
  expect_true(all(nuts$posterior$khat[nuts$posterior$status == "ok"] %in% NaN))
})

# z of a variable's means over genes is standard normal if the samplers agree: its mean is within 4 standard errors of 0
# and its sd within 4 of 1.
test_that("trajectories of one length sample what NUTS samples", {
  skip_on_cran()
  run <- function(method) {
    fit <- twill_genes(gene_counts(40), ~ condition + (1 + condition || donor), col_data = gene_samples(), seed = 1,
                       iter = 1200, warmup = 200, silent = 2, share = "none", method = method)
    one <- function(v, g) {
      draws <- matrix(fit$posterior$draws[, v, g], ncol = 2)
      c(mean(draws), posterior::mcse_mean(draws))
    }
    outer <- expand.grid(v = seq_along(fit$posterior$names), g = 1:40)
    array(mapply(one, outer$v, outer$g), c(2, length(fit$posterior$names), 40))
  }
  hmc <- run("hmc")
  nuts <- run("nuts")
  z <- (hmc[1, , ] - nuts[1, , ]) / sqrt(hmc[2, , ]^2 + nuts[2, , ]^2)
  expect_lt(max(abs(rowMeans(z))), 4 / sqrt(40))
  expect_lt(max(apply(z, 1, stats::sd)), 1 + 4 / sqrt(80))
})

# Counts that break optimisers.
odd_counts <- function() {
  counts <- gene_counts(10)
  stim <- gene_samples()$condition == "stim"
  counts[1, stim] <- 0L
  counts[2, ] <- c(7L, integer(9))
  counts[3, ] <- rep(c(0L, 1L), 5)
  counts[4, ] <- 4L
  storage.mode(counts) <- "double"
  counts[5, ] <- counts[5, ] * 1e6
  counts[6, ] <- c(1e9, numeric(9))
  counts[7, ] <- c(rep(0, 8), 3, 2)
  counts
}

test_that("every gene has finite results, whatever its counts", {
  fit <- twill_genes(odd_counts(), ~ condition + (1 + condition || donor), col_data = gene_samples(), seed = 1, silent = 2,
                     size_factors = "none")
  expect_true(all(is.finite(fit$posterior$draws)))
  res <- tw_contrast(fit)
  expect_true(all(is.finite(res$log2FoldChange)) && all(is.finite(res$lfcSE)) && all(is.finite(res$lfsr)))
  status <- tw_diagnostics(fit)$status
  expect_identical(status[1:2], c("separated", "few_counts"))
  expect_false(any(status %in% c("no_start", "failed")))
})

test_that("the engine refuses arrays that do not fit, by name", {
  model <- quiet_if(2, new_gene_model(response_formula(~ condition + (1 | donor)), gene_samples(), negbinomial(), NULL, NULL, 2))
  part <- list(settings = gene_settings("nuts", 1, 40, 20, 1, 1, NULL, list(), 1), keep = "draws")
  genes <- list(counts = list(dense = as.double(t(gene_counts(2)))), offset = double(), weights = double(), index = 0:1,
                priors = list())
  run <- function(...) {
    given <- list(...)
    genes[names(given)] <- given
    engine_genes(model$spec_json, spec_arrays(model$design), genes, gene_settings_json(part), NULL)
  }
  expect_null(run()$err)
  expect_match(run(offset = 1)$err, "offset")
  expect_match(run(index = 0:2)$err, "counts")
  expect_match(run(index = -1:0)$err, "index")
  expect_match(run(priors = list(list(name = "b_x", arg = 0L, values = c(0, 0))))$err, "b_x")
  expect_match(run(counts = list(p = c(0L, 1L, 1L), i = 99L, x = 1))$err, "observation 99")
})

test_that("draws that no memory holds are refused before R is asked for them", {
  model <- quiet_if(2, new_gene_model(response_formula(~ condition + (1 | donor)), gene_samples(), negbinomial(), NULL, NULL, 2))
  part <- list(settings = gene_settings("nuts", 1, 40, 20, 1, 1, NULL, list(), 1), keep = "draws")
  genes <- list(counts = list(dense = as.double(t(gene_counts(2)))), offset = double(), weights = double(), index = 0:1,
                priors = list())
  # More bytes than there are addresses.
  settings <- sub("\"iter\": *40", "\"iter\":4000000000000", gene_settings_json(part))
  result <- engine_genes(model$spec_json, spec_arrays(model$design), genes, settings, NULL)
  expect_match(result$err, "no memory for [0-9]+ numbers")
  expect_identical(result$kind, "spec")
})

test_that("arguments of the wrong type are refused by name, whatever they hold", {
  counts <- list(p = c(0L, 1L), i = 0L, x = 1)
  cells <- list(leaf = 0L, log_capture = 0, sd = 0, total = 1)
  expect_match(engine_capture(counts, 0L, 0, "5%s%n", 1L, NULL)$err, "'sd' must be one number")
  expect_match(engine_capture(counts, 0L, 0, 1, "5%s%n", NULL)$err, "'threads'")
  expect_match(engine_capture(counts, 0L, 0, 1, 0L, NULL)$err, "'threads'")
  expect_match(engine_compress(counts, cells, "5%s%n", NULL)$err, "'threads'")
  expect_match(engine_compress(counts, utils::modifyList(cells, list(total = "5%s%n")), 1L, NULL)$err, "'total'")
})
