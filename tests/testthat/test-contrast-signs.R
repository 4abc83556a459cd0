# Sign rates under a prior learned over genes: against simulation, and against integrals.

# Means and posterior sds of effects of which a share is zero.
simulated_effects <- function(n = 4000, df = Inf, share = 0.8, seed = 1) {
  with_fixed_seed(seed, {
    truth <- ifelse(runif(n) < share, 0, rnorm(n, 0, 1.5))
    scale <- runif(n, 0.2, 0.6)
    error <- if (is.finite(df)) rt(n, df) else rnorm(n)
    unit <- if (is.finite(df)) sqrt(df / (df - 2)) else 1
    list(truth = truth, mean = truth + scale * error, sd = scale * unit)
  })
}

adapted <- function(x, df, threshold = 0) {
  components <- effect_components(x$mean, x$sd)
  log_lik <- component_likelihoods(x$mean, x$sd, components, node_variances(df))
  prior <- c(components, list(shares = mixture_shares(log_lik, genes_without_effect(length(x$mean)))$shares, df = df))
  list(prior = prior, out = adapt_statistics(list(mean = x$mean, sd = x$sd), prior, threshold))
}

test_that("sign rates are calibrated where most genes have no effect", {
  for (df in c(Inf, 5)) {
    x <- simulated_effects(df = df)
    fit <- adapted(x, df)
    # Small effects pass for none.
    expect_lt(abs(fit$prior$shares[1] - 0.8), 0.15)
    wrong <- sign(x$mean) != sign(x$truth)
    called <- s_values(fit$out$lfsr) <= 0.05
    expect_gt(sum(called & !wrong), 150)
    expect_lt(mean(wrong[called]), 0.07)
    middle <- fit$out$lfsr > 0.05 & fit$out$lfsr < 0.3
    expect_lt(abs(mean(wrong[middle]) - mean(fit$out$lfsr[middle])), 0.1)
  }
})

test_that("a threshold asks for large effects", {
  x <- simulated_effects()
  fit <- adapted(x, Inf, threshold = 1)
  small <- abs(x$truth) <= 1 | sign(x$mean) != sign(x$truth)
  called <- s_values(fit$out$fsos) <= 0.05
  expect_lt(mean(small[called]), 0.07)
  expect_true(all(fit$out$prob <= adapted(x, Inf)$out$prob + 1e-12))
})

test_that("mixtures are integrals of a t against the prior", {
  nodes <- node_variances(6)
  expect_equal(mean(nodes), 1, tolerance = 0.1)
  expect_identical(node_variances(Inf), 1)
  for (centre in c(0, 0.4)) {
    prior <- list(centres = c(0, centre), sizes = c(0, 0.7), shares = c(0.4, 0.6), df = Inf)
    got <- adapted_posterior(prior, 0.9, 0.5, c(0, 0.3))
    expect_equal(drop(got$below) + drop(got$above) + c(got$zero, 0), c(1, 1))
    effects <- function(b) 0.6 * (dnorm(b, centre, 0.7) + dnorm(b, -centre, 0.7)) / 2
    part <- function(at) integrate(function(b) effects(b) * dnorm(0.9, b, 0.5), -Inf, at, rel.tol = 1e-9)$value
    whole <- 0.4 * dnorm(0.9, 0, 0.5) + part(Inf)
    expect_equal(sum(exp(component_likelihoods(0.9, 0.5, prior, 1)) * prior$shares), whole, tolerance = 1e-6)
    below <- function(at) part(at) / whole
    expect_equal(got$zero, 0.4 * dnorm(0.9, 0, 0.5) / whole)
    expect_equal(drop(got$below), c(below(0), below(0.3) + got$zero), tolerance = 1e-6)
  }
})

test_that("degrees of freedom are those of the tails", {
  normal <- with_fixed_seed(1, matrix(rnorm(2e5), 400))
  expect_gte(pooled_df(normal, numeric(500), rep(1, 500)), 30)
  heavy <- with_fixed_seed(1, matrix(rt(2e5, 5), 400))
  expect_true(pooled_df(heavy, numeric(500), rep(sqrt(5 / 3), 500)) %in% 4:8)
  expect_identical(pooled_df(NULL, 0, 1), Inf)
})

test_that("tables adapt, and say so", {
  fit <- fake_set(counts = gene_counts(120), share = "none")
  own <- tw_contrast(fit, adaptive = FALSE)
  adapted <- tw_contrast(fit)
  expect_identical(own$lower, adapted$lower)
  expect_true(all(adapted$lfsr >= own$lfsr - 1e-8))
  expect_gt(mean(adapted$lfsr - own$lfsr), 0.05)
  skip_if_not_installed("S4Vectors")
  expect_match(S4Vectors::mcols(adapted)["lfsr", "description"], "learned over genes")
})

test_that("a new donor's rates are integrals of the widened mixture", {
  prior <- list(centres = c(0, 0), sizes = c(0, 0.7), shares = c(0.4, 0.6), df = Inf)
  tau <- c(0.1, 0.5)
  found <- adapt_statistics(list(mean = 0, sd = 0, lfsr = 0, fsos = 0, prob = 0), prior, 0.3,
                            list(statistics = list(mean = 0.9, sd = 0.5), extra = matrix(tau^2, 2)))
  whole <- 0.4 * dnorm(0.9, 0, 0.5) + 0.6 * dnorm(0.9, 0, sqrt(0.25 + 0.49))
  zero <- 0.4 * dnorm(0.9, 0, 0.5) / whole
  below <- function(at) {
    one <- function(b) 0.6 * dnorm(b, 0, 0.7) * dnorm(0.9, b, 0.5) * (pnorm(at, b, tau[1]) + pnorm(at, b, tau[2])) / 2
    integrate(one, -6, 6, rel.tol = 1e-9)$value / whole
  }
  expect_equal(found$lfsr, zero + below(0), tolerance = 1e-6)
  expect_equal(found$fsos, zero + below(0.3), tolerance = 1e-6)
  expect_equal(found$prob, 1 - zero - below(0.3) + below(-0.3), tolerance = 1e-6)
  # Draws of the added variance are stood for by means of those alike.
  extra <- with_fixed_seed(1, matrix(rexp(300 * 3), 300))
  expect_equal(unname(extra_nodes(extra[1:296, ])[2, ]), colMeans(matrix(sort(extra[1:296, 2]), 37)))
  expect_equal(unname(extra_nodes(extra)[2, c(1, 8)]), c(mean(sort(extra[, 2])[1:37]), mean(sort(extra[, 2])[263:300])))
  expect_equal(dim(extra_nodes(extra)), c(3L, 8L))
  expect_identical(extra_nodes(matrix(0, 1, 5)), matrix(0, 5, 1))
})

test_that("no statement about a new donor is surer than the same about the population", {
  fit <- fake_set(counts = gene_counts(120), share = "none")
  at <- match("b_conditionstim", fit$posterior$names)
  fit$posterior$draws[, at, 1:40] <- fit$posterior$draws[, at, 1:40] + rep(seq(-2, 2, length.out = 40), each = 100)
  ask <- function(...) tw_contrast(fit, stim_effect(), ...)
  for (adaptive in c(TRUE, FALSE)) for (threshold in c(0, 0.5)) for (scale in c("expression", "composition", "clr")) {
    population <- ask(adaptive = adaptive, lfc_threshold = threshold, scale = scale)
    new <- ask(adaptive = adaptive, lfc_threshold = threshold, scale = scale, estimand = "new_donor")
    expect_true(all(new$lfsr >= population$lfsr - 1e-12))
    expect_true(all(sort(new$svalue) >= sort(population$svalue) - 1e-12))
    expect_gte(sum(population$svalue <= 0.05), 10)
    if (scale == "expression") expect_gt(mean((new$lfsr - population$lfsr)[1:40]), 0.05)
    if (threshold > 0) expect_true(all(new$fsos >= population$fsos - 1e-12))
  }
  # Without a response that differs by donor both are the same question.
  same <- fake_set(counts = gene_counts(120), share = "none", design = ~ condition + (1 | donor))
  expect_equal(tw_contrast(same, stim_effect(), estimand = "new_donor")$lfsr, tw_contrast(same, stim_effect())$lfsr)
})

test_that("a new donor's sign rates are calibrated", {
  counts <- Reduce(`+`, lapply(1:5, function(seed) {
    x <- simulated_effects(n = 8000, seed = seed)
    tau <- with_fixed_seed(100 + seed, runif(length(x$truth), 0.1, 0.8))
    donor <- with_fixed_seed(200 + seed, x$truth + ifelse(x$truth == 0, 0, tau) * rnorm(length(tau)))
    prior <- adapted(x, Inf)$prior
    rate <- adapt_statistics(list(), prior, 0, list(statistics = x[c("mean", "sd")], extra = matrix(tau^2, 1)))$lfsr
    wrong <- sign(x$mean) != sign(donor)
    called <- s_values(rate) <= 0.05
    c(called = sum(called), false = sum(wrong[called]), wrong = sum(wrong[rate < 0.3]), expected = sum(rate[rate < 0.3]))
  }))
  expect_gt(counts[["called"]], 2500)
  expect_lt(abs(counts[["false"]] - 0.05 * counts[["called"]]), 3 * sqrt(0.05 * counts[["called"]]))
  # Of some 190 wrong signs; by EM from equal shares there were 1.25 times as many as expected.
  expect_lt(abs(counts[["wrong"]] - counts[["expected"]]), 3 * sqrt(counts[["expected"]]))
})

# An experiment of the size of a transcriptome, nine tenths of it without effect; with a `gap`, effects are at least as large,
# and more go up than down.
transcriptome <- function(n, share = 0.9, seed = 1, gap = 0) {
  with_fixed_seed(seed, {
    effect <- if (gap > 0) sample(c(1, 1, -1), n, TRUE) * (gap + rgamma(n, 2, scale = 0.3)) else rnorm(n, 0, 0.8)
    truth <- ifelse(runif(n) < share, 0, effect)
    sd <- exp(rnorm(n, log(0.15), 0.6))
    list(truth = truth, mean = rnorm(n, truth, sd), sd = sd)
  })
}

rates_of <- function(x) {
  prior <- learn_effect_prior(NULL, x$mean, x$sd)
  list(prior = prior, lfsr = adapt_statistics(x[c("mean", "sd")], prior, 0)$lfsr)
}

# c(called, wrong) at each s-value.
calls_at <- function(x, rates = c(0.01, 0.05, 0.1, 0.2)) {
  svalue <- s_values(rates_of(x)$lfsr)
  wrong <- sign(x$mean) != sign(x$truth)
  vapply(rates, function(rate) c(called = sum(svalue <= rate), wrong = sum(wrong[svalue <= rate])), numeric(2))
}

test_that("s-values are what they say for 30 to 20,000 genes", {
  for (n in c(3000, 20000)) {
    x <- transcriptome(n)
    expect_lt(abs(rates_of(x)$prior$shares[1] - 0.9), 0.03)
    calls <- calls_at(x)
    expected <- c(0.01, 0.05, 0.1, 0.2) * calls["called", ]
    # Three binomial standard errors; by EM from equal shares, the share of 15,000 genes was 0.40 and 32 % were wrong at 0.2.
    expect_true(all(abs(calls["wrong", ] - expected) < 3 * sqrt(expected) + 1))
  }
  # With few genes the ten that are taken for granted make them err on the side of doubt: never more than they say.
  for (n in c(30, 200)) {
    calls <- Reduce(`+`, lapply(seq_len(3000 / n), function(seed) calls_at(transcriptome(n, seed = seed))))
    expected <- c(0.01, 0.05, 0.1, 0.2) * calls["called", ]
    expect_true(all(calls["wrong", ] < expected + 3 * sqrt(expected) + 1))
    expect_gt(calls["called", 2], 0.8 * 3000 * 0.1 * 0.6)
  }
})

test_that("effects that leave a gap around zero have s-values that hold", {
  calls <- Reduce(`+`, lapply(1:20, function(seed) calls_at(transcriptome(3000, seed = seed, gap = 0.3))))
  expected <- c(0.01, 0.05, 0.1, 0.2) * calls["called", ]
  # With normals around zero alone 5.2, 10.9 and 21.9 % at 0.05, 0.1 and 0.2.
  expect_true(all(calls["wrong", ] < expected + 2 * sqrt(expected)))
  expect_gt(calls["called", 2], 0.75 * 20 * 300)
})

test_that("one to nine rows have s-values that hold, by the prior's own genes without effect", {
  for (n in c(1, 4, 8)) {
    calls <- Reduce(`+`, lapply(seq_len(1200 / n), function(seed) calls_at(transcriptome(n, share = 0.75, seed = seed))))
    expect_gt(calls["called", 2], 60)
    expect_lt(calls["wrong", 2], 0.05 * calls["called", 2] + 3 * sqrt(0.05 * calls["called", 2]))
  }
})

test_that("up and down are treated alike, and no probability is below zero", {
  x <- list(mean = c(-40, -9, -3, 0.1, 3, 9, 40, rnorm(40)), sd = rep(1, 47))
  mirrored <- list(mean = -x$mean, sd = x$sd)
  for (threshold in c(0, 1)) {
    prior <- learn_effect_prior(NULL, x$mean, x$sd)
    up <- adapt_statistics(x, prior, threshold)
    down <- adapt_statistics(mirrored, prior, threshold)
    expect_equal(up, replace(down, "mean", list(x$mean)))
    for (rate in c("lfsr", "fsos", "prob")) expect_true(all(up[[rate]] >= 0 & up[[rate]] <= 1))
    expect_equal(log(up$lfsr[c(1, 2)]), log(up$lfsr[c(7, 6)]))
    expect_true(all(diff(up$lfsr[4:7]) <= 0))
  }
  # Beyond what a double can hold, which is not zero.
  far <- adapt_statistics(list(mean = c(-90, 60), sd = c(1, 1)), prior, 0)
  expect_true(all(far$lfsr > 0 & far$lfsr < 1e-300))
  expect_true(all(effect_columns(60, 1, cbind(59, 61), list(below = matrix(0, 1, 3), above = matrix(1, 1, 3)))$lfsr > 0))
  # Of draws alone, too, and no surer than a normal of their moments where no draw has been.
  draws <- with_fixed_seed(1, matrix(rnorm(300 * 4), 300))
  draws <- scale(draws) + rep(c(-5.7, -30, 5.7, 30), each = 300)
  own <- effect_statistics(list(draws = draws), 0, 0.95)
  expect_true(all(own$lfsr[1:2] >= pnorm(c(-5.7, -30)) & own$lfsr[1:2] < 1 / 300))
  expect_equal(log(own$lfsr[3:4]), log(own$lfsr[1:2]), tolerance = 1e-6)
})

test_that("a prior that is not at its optimum is told", {
  x <- transcriptome(500)
  log_lik <- component_likelihoods(x$mean, x$sd, effect_components(x$mean, x$sd), 1)
  early <- mixture_shares(log_lik, 10, steps = 3)
  expect_false(early$converged)
  expect_warning(warn_unlearned(early$gap), "in log-likelihood below", class = "twill_warning_contrast")
})
