# Log-likelihood, criteria, predictions and tidy tables of fits of genes: against single fits, refits, and base R.

criticism_data <- function(genes = 12, seed = 1) {
  with_fixed_seed(seed, {
    samples <- data.frame(condition = rep(c("ctrl", "stim"), 6), donor = factor(rep(1:6, each = 2)))
    stim <- 0.5 * (samples$condition == "stim")
    eta <- t(vapply(seq_len(genes), function(g) 3 + rep(rnorm(6, 0, 0.4), each = 2) + stim, numeric(12)))
    counts <- matrix(rnbinom(length(eta), mu = exp(eta), size = 8), genes)
    dimnames(counts) <- list(paste0("g", seq_len(genes)), paste0("s", 1:12))
    list(counts = counts, values = log(counts + 1), samples = samples)
  })
}

fit_criticism <- function(family = "negbinomial", design = ~ condition + (1 | donor), data = criticism_data(), iter = 300, ...) {
  x <- if (family == "gaussian") data$values else data$counts
  twill_genes(x, design, family, col_data = data$samples, iter = iter, seed = 1, silent = 2, ...)
}

test_that("log-likelihoods are those of base R at each draw, in every family", {
  data <- criticism_data()
  for (family in c("gaussian", "negbinomial", "poisson")) {
    fit <- fit_criticism(family, data = data)
    draws <- as_draws_matrix(fit, genes = "g3", variable = variables(fit))
    effects <- draws[, paste0("r_donor[", data$samples$donor, ",Intercept]")]
    x <- rep(data$samples$condition == "stim", each = nrow(draws))
    size <- if (family == "gaussian") 0 else log(BiocGenerics::sizeFactors(fit))
    eta <- c(draws[, "b_Intercept"]) + x * c(draws[, "b_conditionstim"]) + effects + rep(size, each = nrow(draws))
    y <- rep(if (family == "gaussian") data$values["g3", ] else data$counts["g3", ], each = nrow(draws))
    expected <- switch(family, gaussian = dnorm(y, eta, c(draws[, "sigma"]), log = TRUE),
                       poisson = dpois(y, exp(eta), log = TRUE),
                       negbinomial = dnbinom(y, mu = exp(eta), size = c(draws[, "shape"]), log = TRUE))
    expect_equal(unname(log_lik(fit, genes = "g3")), matrix(expected, nrow(draws)), tolerance = 1e-10)
    expect_equal(log_lik(fit)[, , "g3"], log_lik(fit, genes = "g3"))
    # Predictions are the same linear predictor.
    expect_equal(unname(posterior_linpred(fit, genes = "g3")), matrix(eta, nrow(draws)), tolerance = 1e-10)
    inverse <- if (family == "gaussian") identity else exp
    expect_equal(posterior_epred(fit)[, , "g3"], inverse(posterior_linpred(fit, genes = "g3")))
    yrep <- posterior_predict(fit, genes = "g3", seed = 1)
    error <- apply(yrep, 2, sd) / sqrt(nrow(yrep))
    expect_true(all(abs(colMeans(yrep) - colMeans(posterior_epred(fit, genes = "g3"))) < 4.5 * error))
    expect_equal(unname(predictive_error(fit, genes = "g3", seed = 1) + yrep), matrix(y, nrow(yrep)))
  }
})

# elpd of each sample of one gene.
unit_elpd <- function(fit, gene) suppressWarnings(loo(fit, genes = gene, by = "sample"))$pointwise[, "elpd_loo"]

test_that("leaving out a sample is what a fit without it predicts", {
  data <- criticism_data(4)
  for (family in c("gaussian", "negbinomial", "poisson")) {
    fit <- fit_criticism(family, ~ condition + (1 + condition || donor), data, 1000, share = "none")
    criterion <- suppressWarnings(loo(fit, genes = "g2"))
    one <- tw_gene(fit, "g2", iter = 2000, seed = 2, silent = 2)
    expected <- vapply(c(1, 4, 8, 11), function(i) {
      without <- update(one, newdata = one$data[-i, ], seed = 3, silent = 2)
      held <- log_lik(without, newdata = one$data[i, ], allow_new_levels = TRUE)
      log(mean(exp(held)))
    }, 0)
    elpd <- unit_elpd(fit, "g2")[c(1, 4, 8, 11)]
    # A thousand draws on either side have an error of some hundredths each, and a k above 0.6 a bias of 0.2; weights alone are
    # off by half a unit.
    k <- criterion$diagnostics$sample_k[c(1, 4, 8, 11), 1]
    expect_true(all(abs(elpd - expected)[k < 0.6] < 0.25))
    expect_gte(sum(k < 0.7), 3)
    expect_equal(sum(unit_elpd(fit, "g2")), criterion$estimates["elpd_loo", "Estimate"])
  }
})

test_that("criteria add up, compare and name what is wrong", {
  fit <- fit_criticism()
  fit0 <- fit_criticism(design = ~ (1 | donor))
  by_gene <- suppressWarnings(loo(fit))
  by_sample <- suppressWarnings(loo(fit, by = "sample"))
  expect_equal(by_gene$estimates[, "Estimate"], by_sample$estimates[, "Estimate"])
  expect_identical(rownames(by_gene$pointwise), rownames(fit))
  expect_identical(rownames(by_sample$pointwise), colnames(fit))
  expect_identical(dim(by_gene$diagnostics$sample_k), c(12L, 12L))
  # The criterion of waic, from log_lik() by the formulas of Watanabe.
  log_lik <- log_lik(fit)
  expected <- apply(log_lik, 3, function(l) sum(log(colMeans(exp(l))) - apply(l, 2, var)))
  expect_silent(criterion <- waic(fit))
  expect_equal(unname(criterion$pointwise[, 1]), unname(expected), tolerance = 1e-8)
  both <- suppressWarnings(loo_compare(fit, fit0))
  elpd <- c(fit = by_gene$estimates["elpd_loo", "Estimate"], fit0 = suppressWarnings(loo(fit0))$estimates["elpd_loo", "Estimate"])
  expect_identical(rownames(both), names(sort(elpd, decreasing = TRUE)))
  expect_equal(both[2, "elpd_diff"], min(elpd) - max(elpd))
  expect_error(loo(fit, genez = 1), class = "twill_error_argument")
  for (compare in c(loo, loo_compare)) {
    expect_error(compare(fit, shared_fit("sleep")), "another of class <twillfit>", class = "twill_error_argument")
  }
  expect_error(loo(fit, by = "leaf"), class = "twill_error")
  expect_output(print(by_gene), "Samples left out, added up by gene: 12 rows")
})

test_that("predictions of new samples have size factor one, and new donors the spread of donors", {
  fit <- fit_criticism()
  new <- data.frame(condition = c("ctrl", "stim"), donor = "new", row.names = c("a", "b"))
  population <- posterior_linpred(fit, newdata = new, re_formula = NA, genes = "g5")
  draws <- as_draws_matrix(fit, genes = "g5")
  expect_equal(unname(population[, "a"]), c(draws[, "b_Intercept"]))
  expect_equal(unname(population[, "b"]), c(draws[, "b_Intercept"] + draws[, "b_conditionstim"]))
  donors <- posterior_linpred(fit, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian", genes = "g5", seed = 1)
  expect_equal(var(donors[, "a"]), var(population[, "a"]) + mean(draws[, "sd_donor__Intercept"]^2), tolerance = 0.35)
  expect_equal(posterior_linpred(fit, newdata = new, re_formula = NA, genes = "g5", offset = 1), population + 1)
  summary <- predict(fit, new, allow_new_levels = TRUE, seed = 1)
  expect_identical(dim(summary), c(12L, 4L, 2L))
  expect_identical(dimnames(summary)[[3]], c("a", "b"))
  expect_error(predict(fit, new), class = "twill_error_newdata")
  expect_error(predict(fit, new["donor"], re_formula = NA), class = "twill_error_newdata")
})

test_that("tidy tables hold what fixef, VarCorr and fitted hold", {
  fit <- fit_criticism()
  table <- tidy(fit)
  slope <- table[table$term == "conditionstim", ]
  expect_identical(slope$gene, rownames(fit))
  expect_equal(slope$estimate, unname(fixef(fit)[, "Estimate", "conditionstim"]))
  expect_equal(slope$conf.low, unname(fixef(fit)[, "Q2.5", "conditionstim"]))
  sds <- table[table$term == "sd__(Intercept)", ]
  expect_equal(sds$estimate, unname(VarCorr(fit)$donor$sd[, "Estimate", "Intercept"]))
  levels <- ranef(fit, genes = "g2")$donor["g2", "Estimate", , "Intercept"]
  expect_equal(tidy(fit, "ran_vals", genes = "g2")$estimate, unname(levels))
  expect_equal(tidy(fit, "fixed", exponentiate = TRUE)$estimate, exp(tidy(fit, "fixed")$estimate))
  one <- tidy(gene_view(fit, 3))
  expect_equal(table[table$gene == "g3", "estimate"], one$estimate)
  expect_identical(glance(fit)$max_rhat, tw_diagnostics(fit)$rhat)
  rows <- augment(fit, genes = c("g1", "g4"))
  expect_equal(rows$.observed, as.numeric(t(criticism_data()$counts[c("g1", "g4"), ])))
  expect_equal(rows$.fitted[1:12], unname(colMeans(posterior_epred(fit, genes = "g1"))))
  draws <- as_draws_matrix(fit, genes = "g2", variable = c("b_Intercept", "b_conditionstim"))
  expect_equal(unname(vcov(fit, genes = "g2")[1, , ]), unname(cov(unclass(draws))[1:2, 1:2]), ignore_attr = TRUE)
  rhats <- posterior::summarise_draws(as_draws(fit, genes = "g2", variable = "shape"), "rhat")
  expect_equal(unname(rhat(fit, genes = "g2", pars = "shape")[1, 1]), as.numeric(rhats$rhat), tolerance = 0.02)
  expect_equal(posterior_interval(fit, 0.8), confint(fit, level = 0.8))
  r2 <- bayes_R2(fit)
  expect_true(all(r2[, "Estimate"] > 0 & r2[, "Estimate"] < 1))
  expect_error(tidy(fit, "all"), class = "twill_error_argument")
  expect_error(rhat(fit, "b_stim"), class = "twill_error_variable")
})

test_that("approximations, missing values and screens answer as well", {
  data <- criticism_data()
  svi <- fit_criticism(method = "svi", data = data)
  expect_identical(dim(posterior_epred(svi, genes = 1:2))[2:3], c(12L, 2L))
  expect_true("pareto_k" %in% names(glance(svi)))
  expect_error(rhat(svi), class = "twill_error_method")
  # Of one draw there is nothing to compare.
  short <- twill_genes(matrix(c(3, 5, 8, 2, 6, 9), 1), ~1, col_data = data.frame(x = 1:6), chains = 1, iter = 2, warmup = 1,
                       seed = 1, silent = 2, size_factors = "none")
  expect_true(all(is.na(rhat(short)) & !is.nan(rhat(short))))
  expect_true(!any(is.nan(neff_ratio(short))))
  data$values["g2", 5] <- NA
  fit <- fit_criticism("gaussian", data = data)
  expect_true(all(is.na(log_lik(fit, genes = "g2")[, 5])))
  expect_false(anyNA(log_lik(fit, genes = "g2")[, -5]))
  expect_true(all(is.na(posterior_epred(fit, genes = "g2")[, 5])))
  expect_identical(nrow(augment(fit, genes = "g2")), 11L)
  expect_true(is.finite(suppressWarnings(loo(fit, genes = "g2"))$estimates["elpd_loo", "Estimate"]))
})

test_that("checks are drawn, for one gene or for some", {
  fit <- fit_criticism()
  some <- pp_check(fit, seed = 1)
  expect_s3_class(some, "ggplot")
  expect_gte(nlevels(some$data$group), 7)
  expect_s3_class(pp_check(fit, "dens_overlay", genes = "g1", ndraws = 20, seed = 1), "ggplot")
  expect_s3_class(pp_check(fit, "stat", genes = c("g1", "g2"), ndraws = 20, seed = 1), "ggplot")
  expect_error(pp_check(fit, "rootogram"), "Checks of one gene", class = "twill_error_plot")
})
