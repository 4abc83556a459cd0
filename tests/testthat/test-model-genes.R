# What each gene's model is told: levels and priors by gene, offsets, weights.

# The arrays and genes that a fit hands to its engine in the last call.
engine_call <- function(...) {
  calls <- new.env()
  local_engine(function(spec_json, arrays, genes, settings_json, progress) {
    calls$spec <- jsonlite::fromJSON(spec_json, simplifyVector = FALSE)
    calls$arrays <- arrays
    calls$genes <- genes
    calls$settings <- jsonlite::fromJSON(settings_json)
    fake_engine(spec_json, arrays, genes, settings_json, progress)
  })
  calls$fit <- twill_genes(..., iter = 60, warmup = 30, seed = 1, silent = 2)
  calls
}

prior_values <- function(calls, name, arg) {
  Filter(function(prior) prior$name == name && prior$arg == arg, calls$genes$priors)[[1]]$values
}

test_that("the intercept's prior is at the gene's mean for its offsets", {
  counts <- gene_counts()
  calls <- engine_call(counts, ~ condition + (1 | donor), col_data = gene_samples(), share = "none",
                       size_factors = "normed_sum")
  sizes <- colSums(counts) / exp(mean(log(colSums(counts))))
  expect_equal(calls$arrays$offset, log(unname(sizes)))
  expect_equal(prior_values(calls, "b_Intercept", 1), log(unname((rowSums(counts) + 0.5) / sum(sizes))))
  expect_identical(calls$spec$coefficients[[1]]$prior$dist, "student_t")
  expect_identical(calls$genes$index, 0:29)
  expect_length(calls$genes$weights, 0)
  expect_identical(calls$settings$n_draws, 60L)
  # Without an intercept the coefficients carry the level.
  bare <- engine_call(counts, ~ 0 + condition, col_data = gene_samples(), share = "none", size_factors = "normed_sum")
  level <- log(unname((rowSums(counts) + 0.5) / sum(sizes)))
  expect_equal(prior_values(bare, "b_conditionctrl", 1), 2.5 * pmax(1, abs(level) / 2.5) / sqrt(0.5))
})

test_that("priors of the user's are nobody else's", {
  calls <- engine_call(gene_counts(), ~ condition + (1 | donor), col_data = gene_samples(),
                       prior = tw_prior("normal(2, 1)", class = "Intercept") + tw_prior("gamma(2, 0.1)", class = "shape"))
  expect_false(any(c("b_Intercept", "shape") %in% vapply(calls$genes$priors, `[[`, "", "name")))
  expect_identical(calls$spec$dispersion$prior$dist, "gamma")
  expect_identical(calls$spec$coefficients[[1]]$prior, list(dist = "normal", args = list(2L, 1L)))
})

test_that("Gaussian genes get priors in their own units", {
  values <- log(gene_counts() + 1) * 100
  calls <- engine_call(values, ~ condition + (1 | donor), family = "gaussian", col_data = gene_samples(), share = "none")
  expect_equal(prior_values(calls, "b_Intercept", 0), unname(apply(values, 1, median)))
  expect_equal(prior_values(calls, "sigma", 2), 2.5 * unname(apply(values, 1, sd)))
  expect_equal(prior_values(calls, "b_conditionstim", 1), 2.5 * unname(apply(values, 1, sd)) / sd(rep(0:1, 5)))
})

test_that("offsets and weights by gene are given by gene, those of samples once", {
  counts <- gene_counts(6)
  by_gene <- matrix(seq_len(60) / 60, 6)
  calls <- engine_call(counts, ~ condition, col_data = gene_samples(), offset = by_gene, weights = by_gene, share = "none")
  expect_equal(matrix(calls$genes$offset, 10), t(by_gene))
  expect_equal(matrix(calls$genes$weights, 10), t(by_gene))
  expect_equal(calls$arrays$offset, numeric(10))
  total <- counts * exp(-by_gene)
  expect_equal(calls$fit$posterior$base_mean, unname(rowMeans(total) * exp(rowMeans(by_gene))))
  common <- engine_call(counts, ~ condition + offset(log(size)), col_data = cbind(gene_samples(), size = 1:10), offset = 10:1,
                        weights = 1:10 / 10, share = "none")
  expect_equal(common$arrays$offset, log(1:10) + 10:1)
  expect_equal(common$arrays$weights, 1:10 / 10)
  expect_length(common$genes$offset, 0)
})

test_that("the dispersion may have a regression", {
  calls <- engine_call(gene_counts(), ~ condition, col_data = gene_samples(), dispersion = ~ condition)
  expect_identical(calls$spec$dispersion$kind, "regression")
  expect_identical(unlist(calls$spec$dispersion$names), c("b_shape_Intercept", "b_shape_conditionstim"))
  expect_length(prior_values(calls, "b_shape_Intercept", 0), 30)
})

test_that("the table of priors says what differs by gene", {
  priors <- prior_summary(fake_shared_set())
  expect_match(priors$prior[priors$class == "Intercept"], "^student_t\\(3, gene, 2.5\\)$")
  expect_match(priors$prior[priors$class == "shape"], "^lognormal\\(gene, [0-9.]+\\)$")
  expect_identical(priors$source[priors$class == "sd"], c("shared", "shared"))
})

test_that("the prior of the scale of a horseshoe has the quantiles of its definition", {
  with_fixed_seed(3, lambda <- abs(rcauchy(1e5)))
  expect_equal(prior_records$horseshoe_scale$quantile(c(0.1, 0.5, 0.9), c(0.1, 2)),
               unname(quantile(0.1 * lambda * 2 / sqrt(4 + 0.01 * lambda^2), c(0.1, 0.5, 0.9))), tolerance = 0.02)
  expect_error(tw_prior("horseshoe_scale(0.1, 2)", class = "b"), class = "twill_error_prior")
  expect_error(tw_prior("horseshoe_scale(0.1, -2)", class = "sd"), class = "twill_error_prior")
})
