# Effects of genes with few counts on one side: their own density against long runs, closed forms and what more counts must do.

arms <- function(n = 3) data.frame(condition = rep(c("a", "b"), each = n))
pairs_of_donors <- function(n = 6) expand.grid(condition = c("a", "b"), donor = paste0("d", seq_len(n)))

# Nulls, and before them genes with the counts `low` in every sample of a and about `high` in those of b.
few_count_matrix <- function(col_data, low, high, n_null = 60, seed = 1) {
  with_fixed_seed(seed, {
    null <- matrix(rnbinom(n_null * nrow(col_data), mu = rep(exp(rnorm(n_null, 4, 1)), nrow(col_data)), size = 10), n_null)
    noise <- rnbinom(nrow(col_data), mu = 1000, size = 10) / 1000
    of_gene <- function(l, h) ifelse(col_data$condition == "a", l, round(h * noise))
    counts <- rbind(t(mapply(of_gene, low, high)), null)
    dimnames(counts) <- list(paste0("g", seq_len(nrow(counts))), NULL)
    counts
  })
}

effect_of <- function(fit, contrast = "conditionb", adaptive = TRUE) {
  suppressMessages(as.data.frame(tw_contrast(fit, contrast, adaptive = adaptive)))
}

quiet_genes <- function(..., seed = 1) suppressWarnings(twill_genes(..., seed = seed, silent = 2))

test_that("a gene without counts in one arm is called, in either direction and every design", {
  designs <- list(list(arms(), ~condition), list(pairs_of_donors(), ~ condition + (1 | donor)),
                  list(pairs_of_donors(), ~ condition + (1 + condition || donor)))
  for (design in designs) {
    counts <- few_count_matrix(design[[1]], low = c(0, 0, 0), high = c(34, 50, 500))
    up <- effect_of(quiet_genes(counts, design[[2]], col_data = design[[1]]))
    expect_true(all(up$svalue[1:3] < 0.01))
    expect_true(all(up$log2FoldChange[1:3] > 0))
    own <- effect_of(quiet_genes(counts, design[[2]], col_data = design[[1]]), adaptive = FALSE)
    expect_true(all(own$lfsr[1:3] < 1e-8))
    # None of the genes without effect.
    expect_lt(sum(up$svalue[-(1:3)] <= 0.05), 2)
    swapped <- design[[1]]
    swapped$condition <- factor(swapped$condition, c("b", "a"))
    down <- effect_of(quiet_genes(counts, design[[2]], col_data = swapped), "conditiona")
    expect_true(all(down$svalue[1:3] < 0.01))
    expect_true(all(down$log2FoldChange[1:3] < 0))
  }
})

test_that("more evidence makes no sign less sure", {
  fit <- quiet_genes(few_count_matrix(arms(), low = 0, high = c(0, 4, 8, 16, 34, 70, 150, 500, 5000)), ~condition,
                     col_data = arms(), min_count = 0)
  for (adaptive in c(FALSE, TRUE)) expect_true(all(diff(log(effect_of(fit, adaptive = adaptive)$lfsr[2:9])) < 0.01))
  # Molecules on the lesser side: 0 against 101 are surer than 1, 3, 9 against 101, and than 3 against 130.
  fit <- quiet_genes(few_count_matrix(arms(), low = c(0, 1, 3, 9, 20), high = rep(34, 5)), ~condition, col_data = arms())
  expect_true(all(diff(log(effect_of(fit, adaptive = FALSE)$lfsr[1:5])) > 0))
  fit <- quiet_genes(few_count_matrix(arms(), low = c(0, 1), high = c(34, 43)), ~condition, col_data = arms())
  expect_lt(effect_of(fit)$lfsr[1], effect_of(fit)$lfsr[2])
})

# The density of the first gene's effect.
first_density <- function(fit, contrast = "conditionb") {
  weights <- resolve_contrast(fit$job$model, contrast)
  ask <- check_scale(fit, "population", "expression", "uniform", "all", NULL, FALSE, NULL)
  effect <- contrast_effect(fit, weights, "population")
  found <- effect_densities(fit, weights, ask, effect, 0)
  list(own = Filter(function(one) one$gene == 1, found)[[1]], draws = effect$draws[, 1])
}

test_that("the density is that of long runs", {
  for (design in list(~condition, ~ condition + (1 + condition || donor))) {
    samples <- pairs_of_donors(4)
    counts <- few_count_matrix(samples, low = 0, high = 20, n_null = 15)
    # Over seeds, as an average over 100 draws of the other parameters is off by up to a fifth of a posterior sd in the tails;
    # each against a long run of the same model, with the hyper-parameters that were learned.
    at <- c(0.01, 0.1, 0.5, 0.9, 0.99)
    off <- vapply(1:3, function(seed) {
      density_of <- function(...) first_density(quiet_genes(counts, design, col_data = samples, seed = seed, ...))
      draws <- density_of(iter = 4000)$draws
      own <- density_of()$own
      vapply(at, function(p) qnorm(own_tails(own, quantile(draws, p))$below) - qnorm(p), 0)
    }, at)
    expect_lt(max(abs(rowMeans(off))), 0.2)
  }
})

test_that("without group-level terms, far tails are those of the exact integral", {
  # Three Poisson counts per arm, none and 24 in all; the intercept's prior is at the mean of the arms.
  counts <- rbind(few = c(0, 0, 0, 9, 7, 8), matrix(60, 12, 6))
  prior <- c(tw_prior("normal(0, 3)", class = "b"), tw_prior("normal(0, 3)", class = "Intercept"))
  own <- lapply(1:4, function(seed) {
    fit <- quiet_genes(counts, ~condition, col_data = arms(), family = "poisson", size_factors = rep(1, 6), prior = prior,
                       seed = seed)
    first_density(fit)$own
  })
  log_joint <- function(a, t) 24 * (a + t) - 3 * exp(a + t) - 3 * exp(a) - ((a + t / 2)^2 + t^2) / 18
  a <- seq(-16, 4, length.out = 4001)
  marginal <- function(t) vapply(t, function(one) sum(exp(log_joint(a, one) - 24)), 0)
  whole <- integrate(marginal, -3, 18, rel.tol = 1e-8, subdivisions = 500)$value
  exact <- function(t) integrate(marginal, -3, t, rel.tol = 1e-8, subdivisions = 500)$value / whole
  # Where few draws reach, one fit is off by half a unit.
  for (t in c(0, 0.7, 1.4, 2.5, 5, 8)) {
    found <- mean(vapply(own, function(one) log(own_tails(one, t)$below), 0))
    expect_equal(found, log(exact(t)), tolerance = 0.1)
  }
})

test_that("a normal density gives what the normal's closed forms give", {
  at <- sort(unique(c(seq(-1, 4, length.out = 200), 0, 0.3, -0.3, 0.02 * sqrt(2)^(0:16), -0.02 * sqrt(2)^(0:16))))
  own <- list(gene = 1L, at = at, log_density = dnorm(at, 1.2, 0.5, log = TRUE))
  prior <- list(centres = numeric(3), sizes = c(0, 0.1, 0.7), shares = c(0.4, 0.2, 0.4), df = Inf)
  expect_equal(density_likelihoods(own, prior), dnorm(1.2, 0, sqrt(0.25 + prior$sizes^2), log = TRUE), tolerance = 0.02)
  for (extra in list(matrix(0, 1, 1), matrix(c(0.1, 0.4), 1))) {
    closed <- adapted_posterior(prior, 1.2, 0.5, c(0, 0.3, -0.3), extra)
    numeric <- adapted_posterior(prior, 1.2, 0.5, c(0, 0.3, -0.3), extra, list(own))
    for (part in names(closed)) expect_equal(numeric[[part]], closed[[part]], tolerance = 0.03)
  }
})

test_that("cells without counts in one arm are called", {
  cells <- expand.grid(cell = 1:40, condition = c("a", "b"), donor = paste0("d", 1:5))
  counts <- with_fixed_seed(1, matrix(rnbinom(25 * nrow(cells), mu = 0.5, size = 2), 25))
  counts[1, cells$condition == "a"] <- 0
  fit <- suppressWarnings(twill_cells(counts, ~ condition + (1 + condition || donor), col_data = cells[-1], seed = 1, silent = 2))
  res <- effect_of(fit)
  expect_lt(res$svalue[1], 0.01)
  expect_lt(sum(res$svalue[-1] <= 0.05), 2)
})
