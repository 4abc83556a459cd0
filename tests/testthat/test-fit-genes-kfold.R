# K-fold cross-validation of fits of genes, cells and screens: against closed forms, base R's quadrature, and one refit by hand.

kfold_data <- function() {
  with_fixed_seed(1, {
    samples <- data.frame(x = rep(c(0, 1), 6), donor = factor(rep(1:6, each = 2)))
    values <- t(vapply(1:3, function(g) 2 + 0.5 * samples$x + rep(rnorm(6, 0, 0.5), each = 2) + rnorm(12, 0, 0.3), numeric(12)))
    dimnames(values) <- list(paste0("g", 1:3), paste0("s", 1:12))
    list(samples = samples, values = values)
  })
}

known_priors <- function() {
  c(tw_prior("normal(2, 1)", class = "Intercept"), tw_prior("normal(0, 1)", class = "b"),
    tw_prior("constant(0.5)", class = "sd"), tw_prior("constant(0.3)", class = "sigma"))
}

# Log density of each row given all rows of other groups, where coefficients are normal and all scales are known.
exact_left_out <- function(y, x, group, mean = c(2, 0)) {
  # The prior of the intercept is where predictors are at their means.
  centred <- cbind(1, x - base::mean(x))
  covariance <- tcrossprod(centred) + 0.25 * outer(group, group, `==`) + diag(0.09, length(y))
  fitted <- drop(centred %*% mean)
  vapply(seq_along(y), function(i) {
    others <- which(group != group[i])
    gain <- covariance[i, others] %*% solve(covariance[others, others])
    dnorm(y[i], fitted[i] + drop(gain %*% (y - fitted)[others]),
          sqrt(covariance[i, i] - drop(gain %*% covariance[others, i])), log = TRUE)
  }, 0)
}

test_that("left-out groups of Gaussian models have their closed form, by either door", {
  data <- kfold_data()
  exact <- t(apply(data$values, 1, exact_left_out, x = data$samples$x, group = data$samples$donor))
  fit <- twill_genes(data$values, ~ x + (1 | donor), "gaussian", col_data = data$samples, prior = known_priors(), iter = 1500,
                     seed = 1, silent = 2, check = FALSE)
  found <- kfold(fit, group = "donor", seed = 1)
  # 2,250 draws: a value moves by the sd of the density's logarithm, about 0.5, over their root.
  expect_lt(max(abs(t(found$units) - exact)), 0.06)
  expect_lt(max(abs(found$pointwise[, "elpd_kfold"] - rowSums(exact))), 0.12)
  by_donor <- rowsum(t(exact), data$samples$donor)
  expect_equal(unname(found$pointwise[, "se"]), unname(sqrt(6) * apply(by_donor, 2, sd)), tolerance = 0.05)
  one <- twill(y ~ x + (1 | donor), cbind(data$samples, y = data$values[1, ]), prior = known_priors(), iter = 1500, chains = 2,
               seed = 1, silent = 2)
  single <- kfold(one, group = "donor", seed = 1)
  expect_lt(max(abs(single$pointwise[, "elpd_kfold"] - exact[1, ])), 0.06)
  # Two donors at a time.
  pairs <- kfold(one, K = 3, group = "donor", seed = 1)
  expect_identical(unname(c(table(tapply(pairs$folds, data$samples$donor, unique)))), c(2L, 2L, 2L))
})

test_that("refits know nothing of what is left out, hyper-parameters included", {
  counts <- gene_counts(12)
  changed <- counts
  changed[, 1:2] <- changed[, 1:2] * 5L
  refit <- function(x, family = "negbinomial") {
    sizes <- if (family != "gaussian") rep(1, 10)
    fit <- twill_genes(x, ~ condition + (1 | donor), family, col_data = gene_samples(), size_factors = sizes, iter = 200,
                       seed = 1, silent = 2, check = FALSE)
    kfold(fit, group = "donor", save_fits = TRUE, seed = 3, genes = 1:2)$fits[[1]]$posterior$draws
  }
  expect_true(identical(refit(counts), refit(changed)))
  expect_true(identical(refit(Matrix::Matrix(counts, sparse = TRUE)), refit(Matrix::Matrix(changed, sparse = TRUE))))
  expect_true(identical(refit(log(counts + 1), "gaussian"), refit(log(changed + 1), "gaussian")))
})

# log of the mean over draws of E f(d), d ~ N(0, sd^2), by base R.
mean_density <- function(log_density, sd) {
  one <- function(s) {
    top <- optimise(function(d) log_density(s, d) + dnorm(d, 0, sd[s], TRUE), c(-6, 6) * sd[s], maximum = TRUE)$objective
    f <- Vectorize(function(d) exp(log_density(s, d) + dnorm(d, 0, sd[s], TRUE) - top))
    top + log(integrate(f, -8 * sd[s], 8 * sd[s], subdivisions = 1000L)$value)
  }
  values <- vapply(seq_along(sd), one, 0)
  max(values) + log(mean(exp(values - max(values))))
}

test_that("counts of an unseen donor are integrated over the population", {
  fit <- twill_genes(gene_counts(6), ~ condition + (1 | donor), col_data = gene_samples(), iter = 100, seed = 1, silent = 2,
                     check = FALSE)
  found <- kfold(fit, group = "donor", genes = 2:3, save_fits = TRUE, seed = 1)
  draws <- as_draws_matrix(found$fits[[4]], genes = "gene3")
  y <- gene_counts(6)["gene3", 8]
  eta <- c(draws[, "b_Intercept"]) + c(draws[, "b_conditionstim"]) + log(BiocGenerics::sizeFactors(fit)[8])
  size <- c(draws[, "shape"])
  expected <- mean_density(function(s, d) dnbinom(y, mu = exp(eta[s] + d), size = size[s], log = TRUE),
                           c(draws[, "sd_donor__Intercept"]))
  expect_equal(found$units["s8", "gene3"], expected, tolerance = 1e-4)
  expect_identical(dim(found$units), c(10L, 2L))
  by_sample <- kfold(fit, group = "donor", genes = 2:3, by = "sample", seed = 1)
  expect_equal(unname(by_sample$pointwise[, "elpd_kfold"]), unname(rowSums(found$units)))
  expect_output(print(found), "left out by donor in 5 refits")
})

test_that("leaves of cells and guides of screens are left out as well", {
  s <- simulate_cells(4, 200)
  fit <- twill_cells(s$counts, ~ condition + (1 | donor), col_data = s$cells, capture = exp(s$log_capture), iter = 100, seed = 1,
                     silent = 2, check = FALSE)
  found <- kfold(fit, group = "donor", genes = 2, save_fits = TRUE, seed = 1)
  draws <- as_draws_matrix(found$fits[[1]], genes = "gene2")
  cells <- which(s$cells$donor == "d1" & s$cells$condition == "ctrl")
  y <- s$counts["gene2", cells]
  eta <- c(draws[, "b_Intercept"])
  size <- c(draws[, "shape"])
  density <- function(k, d) sum(dnbinom(y, mu = exp(eta[k] + d + s$log_capture[cells]), size = size[k], log = TRUE))
  expect_equal(found$units["ctrl | d1", "gene2"], mean_density(density, c(draws[, "sd_donor__Intercept"])), tolerance = 1e-4)
  expect_error(kfold(fit, group = "donr"), "donr", class = "twill_error_folds")
  expect_error(kfold(fit, by = "sample"), class = "twill_error_setting")

  counts <- gene_counts(6)
  data <- data.frame(arm = gl(2, 4), rep = gl(4, 2))
  screen <- twill_screen(counts[, 1:8], ~ arm + (1 | rep), gene = rep(c("A", "B"), 3), col_data = data, iter = 100, seed = 1,
                         silent = 2, check = FALSE)
  found <- kfold(screen, group = "rep", seed = 1)
  expect_identical(dim(found$units), c(8L, 2L))
  expect_true(all(is.finite(found$pointwise[, "elpd_kfold"])))
})

test_that("fits are compared by their folds, and bad groups refused", {
  fit <- twill_genes(gene_counts(6), ~ condition + (1 | donor), col_data = gene_samples(), iter = 100, seed = 1, silent = 2,
                     check = FALSE)
  fit0 <- update(fit, ~ (1 | donor))
  compared <- loo_compare(fit, fit0, criterion = "kfold", group = "donor", seed = 1)
  expect_identical(rownames(compared)[1], "fit")
  folds <- kfold(fit, K = 2, seed = 4)$folds
  expect_identical(sort(unique(folds)), 1:2)
  one <- fit
  one$job$columns$batch <- "same"
  expect_error(kfold(one, group = "batch"), "two levels", class = "twill_error_folds")
  expect_error(kfold(fit, folds = 1:3), class = "twill_error_folds")
  expect_error(kfold(fit, nonsense = 1), class = "twill_error_argument")
})
