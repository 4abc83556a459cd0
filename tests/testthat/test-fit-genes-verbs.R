# Verbs of stats and of single fits on fits of genes: the right numbers or the way out, never NULL and no riddle.

test_that("fitted values and residuals are those of the posterior means", {
  fit <- fake_set()
  counts <- gene_counts()
  samples <- gene_samples()
  draws <- colMeans(as_draws_matrix(fit, genes = "gene2", variable = c("b_Intercept", "b_conditionstim")))
  effects <- ranef(fit, genes = "gene2")$donor["gene2", "Estimate", , ]
  stim <- as.numeric(samples$condition == "stim")
  donor <- as.character(samples$donor)
  eta <- draws[[1]] + draws[[2]] * stim + effects[donor, "Intercept"] + effects[donor, "conditionstim"] * stim
  mean <- exp(eta) * fit$job$sizes$values
  expect_equal(fitted(fit)["gene2", ], mean, ignore_attr = "names")
  expect_identical(dimnames(fitted(fit)), dimnames(counts))
  expect_equal(residuals(fit), counts - fitted(fit))
  shape <- mean(as_draws_matrix(fit, genes = "gene2", variable = "shape"))
  pearson <- (counts["gene2", ] - mean) / sqrt(mean + mean^2 / shape)
  expect_equal(residuals(fit, genes = "gene2", type = "pearson")[1, ], pearson)
  u <- pnorm(residuals(fit, genes = "gene2", type = "quantile", seed = 1)[1, ])
  y <- counts["gene2", ]
  expect_true(all(u >= pnbinom(y - 1, mu = mean, size = shape) - 1e-8 & u <= pnbinom(y, mu = mean, size = shape) + 1e-8))
})

test_that("weights, offsets by gene and Gaussian values come in", {
  counts <- gene_counts(6)
  offset <- matrix(with_fixed_seed(1, rnorm(length(counts), 0, 0.5)), nrow(counts))
  weights <- matrix(with_fixed_seed(2, runif(length(counts))), nrow(counts))
  fit <- fake_set(counts = counts, offset = offset, weights = weights, size_factors = "none")
  plain <- fake_set(counts = counts, size_factors = "none")
  plain$posterior <- fit$posterior
  expect_equal(fitted(fit) / fitted(plain), exp(offset), ignore_attr = TRUE)
  expect_equal(weights(fit), weights, ignore_attr = TRUE)
  expect_identical(dimnames(weights(fit)), dimnames(fit))
  expect_identical(weights(plain), stats::setNames(rep(1, 10), colnames(counts)))
  gaussian <- fake_set(counts = log(counts + 1), family = "gaussian")
  expect_identical(names(sigma(gaussian)), rownames(counts))
  expect_equal(residuals(gaussian, type = "pearson"), residuals(gaussian) / sigma(gaussian))
  expect_identical(c(df.residual(gaussian), sigma(fit)), c(8, 1))
})

test_that("sizes of the fit and intervals of coefficients are there", {
  fit <- fake_set()
  expect_identical(c(ndraws(fit), nchains(fit) * niterations(fit)), rep(n_set_draws(fit), 2))
  expect_identical(nvariables(fit), length(variables(fit)))
  expect_identical(ngrps(fit), list(donor = 5L))
  expect_identical(attr(terms(fit), "term.labels"), "condition")
  bounds <- confint(fit, "conditionstim", level = 0.8, genes = "gene3")
  draws <- fixef(fit, genes = "gene3", summary = FALSE)[, 1, "conditionstim"]
  expect_equal(as.vector(bounds), as.vector(column_quantiles(cbind(draws), c(0.1, 0.9), few_draws_type)))
  expect_error(confint(fit, "conditionstm"), "conditionstm", class = "twill_error_variable")
  expect_identical(confint(fit, 2, level = 0.8, genes = "gene3"), bounds)
  expect_error(confint(fit, 3), "number them from 1 to 2.*supplied 3", class = "twill_error_variable")
})

test_that("fits of cells say what a cell is expected to hold", {
  data <- cell_data()
  fit <- cells_fit(data)
  mean <- fitted(fit, genes = "gene2")
  expect_identical(dimnames(mean), list("gene2", colnames(data$counts)))
  leaf <- exp(mean_predictor(fit, 2))[, 1]
  expect_equal(mean[1, ], leaf[fit$job$cells$leaf] * data$capture, ignore_attr = TRUE)
  one <- which(model.frame(fit)$condition == "stim" & model.frame(fit)$donor == "d2")
  log_mu <- mean(vapply(seq_len(n_set_draws(fit)), plain_log_mu, 0, fit = fit, gene = "gene2", leaf = one))
  expect_equal(log(leaf[one]), log_mu)
  expect_error(fitted(fit), "tw_means", class = "twill_error_genes")
})

# Generics that users of stats, lme4, brms and easystats try on a fit.
tried_verbs <- list(
  stats = c("residuals", "fitted", "weights", "df.residual", "deviance", "logLik", "AIC", "BIC", "anova", "simulate", "predict",
            "vcov", "confint", "coef", "sigma", "nobs", "formula", "terms", "family", "model.frame", "model.matrix"),
  base = c("summary", "as.matrix", "as.data.frame", "as.array", "dim", "print"), graphics = "pairs",
  twill = c("fixef", "ranef", "VarCorr", "ngrps", "as_draws", "as_draws_array", "as_draws_df", "as_draws_list",
            "as_draws_matrix", "as_draws_rvars", "variables", "nvariables", "ndraws", "nchains", "niterations",
            "posterior_predict", "posterior_epred", "posterior_linpred", "posterior_interval", "predictive_error",
            "predictive_interval", "log_lik", "bayes_R2", "loo_R2", "loo_predict", "prior_summary", "loo", "waic", "kfold",
            "loo_compare", "pp_check", "nuts_params", "log_posterior", "rhat", "neff_ratio", "tidy", "glance", "augment"),
  brms = c("conditional_effects", "hypothesis", "mcmc_plot", "posterior_summary", "ngrps"), posterior = "rhat")

# Verb by verb, what is neither an answer nor an error of ours.
riddles <- function(fit) {
  out <- character()
  for (package in names(tried_verbs)) {
    if (!requireNamespace(package, quietly = TRUE)) next
    for (verb in tried_verbs[[package]]) {
      ask <- function() suppressMessages(suppressWarnings(capture_silently(getExportedValue(package, verb)(fit))))
      answer <- tryCatch(ask(), error = identity)
      fine <- if (inherits(answer, "error")) inherits(answer, "twill_error") else !is.null(answer)
      if (!fine) out <- c(out, paste(verb, if (is.null(answer)) "NULL" else conditionMessage(answer)))
    }
  }
  out
}

capture_silently <- function(code) {
  value <- NULL
  utils::capture.output(value <- code)
  value
}

test_that("no verb answers with NULL or a riddle, by any door", {
  expect_identical(riddles(fake_set(counts = gene_counts(6))), character())
  expect_identical(riddles(cells_fit(cell_data(3))), character())
  sim <- simulate_cells(n_genes = 3, n_cells = 80)
  sim$cells$cycle <- with_fixed_seed(3, rnorm(80))
  rows <- suppressWarnings(twill_cells(sim$counts, ~ condition + cycle + (1 | donor), col_data = sim$cells,
                                       capture = exp(sim$log_capture), method = "laplace", seed = 1, silent = 2))
  expect_identical(riddles(rows), character())
})

test_that("what is refused says how to ask", {
  fit <- fake_set()
  expect_error(loo_R2(fit), "tw_gene\\(fit, \"NAME\"\\)", class = "twill_error_method")
  expect_error(as.data.frame(fit), "tw_contrast", class = "twill_error_method")
  for (verb in list(tw_conditional_effects, tw_hypothesis, tw_log_prob, tw_forest)) {
    expect_error(verb(fit), "tw_gene\\(fit, \"NAME\"\\)", class = "twill_error_argument")
  }
  expect_error(simulate(fit), "posterior_predict", class = "twill_error_method")
  skip_if_not_installed("emmeans")
  expect_error(suppressMessages(emmeans::emmeans(fit, ~condition)), "tw_contrast")
  expect_error(deviance(shared_fit("sleep")), "loo", class = "twill_error_method")
  expect_error(AIC(shared_fit("sleep")), "loo_compare", class = "twill_error_method")
})

test_that("screens have fitted values and residuals, without those of guides that are not there", {
  counts <- with_fixed_seed(1, matrix(rpois(7 * 4, 100), 7, dimnames = list(paste0("g", 1:7), paste0("s", 1:4))))
  local_engine(fake_engine)
  fit <- twill_screen(counts, ~arm, gene = rep(c("A", "B"), c(4, 3)), col_data = data.frame(arm = gl(2, 2)), iter = 60, seed = 1,
                   silent = 2, share = "none")
  expect_identical(dimnames(fitted(fit)), dimnames(counts))
  expect_identical(sum(!is.na(residuals(fit))), length(counts))
  expect_identical(is.na(fitted(fit)), is.na(residuals(fit)))
})

test_that("what is not there for cells is refused with verbs that answer, by both doors", {
  sim <- simulate_cells(n_genes = 3, n_cells = 80)
  sim$cells$quality <- with_fixed_seed(1, rnorm(80))
  rows <- twill_cells(sim$counts, ~ condition + quality + (1 | donor), col_data = sim$cells, capture = exp(sim$log_capture),
                      iter = 20, seed = 1, silent = 2, method = "laplace", share = "none")
  for (fit in list(cells_fit(cell_data(3)), rows)) {
    for (verb in list(predict, posterior_epred, posterior_linpred, posterior_predict, predictive_error, predictive_interval,
                      bayes_R2, augment)) {
      expect_error(verb(fit), "not there for fits of cells.*tw_means.*fitted.*pp_check", class = "twill_error_method")
    }
    for (verb in list(weights, df.residual)) {
      expect_error(verb(fit), "not there for fits of cells.*The data are cells.*summary", class = "twill_error_method")
    }
    expect_gt(nrow(tw_means(fit)), 0)
    expect_identical(dim(fitted(fit, genes = 1)), c(1L, length(fit$job$cells$names)))
    expect_s3_class(pp_check(fit, genes = 1), "ggplot")
  }
  expect_output(print(summary(rows)), "3 negbinomial models, 80 cells")
})
