# What transformations of genes and of rows found: zeros with a sign, scales that draws cannot tell, units between powers of ten.

test_that("a zero with a minus is a zero", {
  data <- data.frame(x = rep(round(c(-1.2, -0.4, 0.4, 1.2)), each = 40))
  data$y <- with_fixed_seed(1, stats::rnbinom(160, mu = 8, size = exp(0.5 + 0.5 * data$x)))
  fit <- function(data) {
    twill(tw_formula(y ~ 1, shape ~ x), data, family = negbinomial(), method = "hmc", chains = 4, iter = 600, seed = 1,
          silent = 2)
  }
  # Where rows of one dispersion are one group.
  expect_identical(fit(data)$info$engine, "lanes")
  expect_equal(fixef(fit(data)), fixef(fit(transform(data, x = x + 0))))
})

test_that("so it is in cells", {
  cells <- expand.grid(cell = 1:50, donor = factor(1:4), x = c(-1, 1), dose = 0:1)
  counts <- with_fixed_seed(15, matrix(stats::rnbinom(3 * nrow(cells), mu = 5, size = 2), 3))
  rownames(cells) <- paste0("c", seq_len(nrow(cells)))
  dimnames(counts) <- list(paste0("G", 1:3), rownames(cells))
  shapes <- function(zero) {
    cells$xd <- cells$x * cells$dose + zero
    fit <- twill_cells(Matrix::Matrix(counts, sparse = TRUE), ~ x + dose + (1 | donor), dispersion = ~ dose + xd,
                       col_data = cells, share = "none", iter = 300, seed = 1, silent = 2, check = FALSE)
    fit$posterior$mean[grep("shape", fit$posterior$names), ]
  }
  # 0 and -0: adding -0 keeps the sign.
  expect_equal(shapes(-0), shapes(0))
})

test_that("models without coefficients have lanes", {
  data <- with_fixed_seed(1, data.frame(g = rep(1:6, 10), h = rep(1:5, each = 12), n = stats::rpois(60, 3)))
  fit <- twill(n ~ 0 + (1 | g) + (1 | h), data, family = poisson(), method = "hmc", chains = 1, iter = 60, seed = 1, silent = 2)
  expect_true(all(is.finite(as.matrix(fit))))
  guided <- twill(n ~ 0 + (1 | g) + (1 | h), data, family = poisson(), method = "laplace", seed = 1, silent = 2,
                  control = list(engine = "guided"))
  expect_true(all(is.finite(as.matrix(guided))))
})

no_effect_of_age <- function() {
  with_fixed_seed(1, {
    samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:6))
    samples$age <- c(44, 52, 42, 66, 53, 42)[as.integer(samples$donor)]
    mu <- exp(stats::rnorm(40, 4) + outer(stats::rnorm(40, 0, 0.6), samples$condition == "stim") +
                matrix(stats::rnorm(240, 0, 0.3), 40)[, as.integer(samples$donor)])
    counts <- matrix(stats::rnbinom(480, mu = mu, size = 10), 40, dimnames = list(paste0("g", 1:40), NULL))
    list(counts = counts, samples = samples)
  })
}

test_that("scales that are learned stay where draws can tell of them", {
  made <- no_effect_of_age()
  for (prior in c("mvn", "normal")) for (seed in 3:4) {
    fit <- twill_genes(made$counts, ~ age + condition + (1 | donor), col_data = made$samples, effect_prior = prior,
                       size_factors = rep(1, 12), iter = 400, seed = seed, silent = 2, check = FALSE)
    ends <- confint(fit)[, , "age"]
    expect_lte(sum(ends[, 1] > 0 | ends[, 2] < 0), 2)
    # The mean over genes is known to 0.003; under a flat prior an effect to 0.020.
    expect_gt(mean(fixef(fit)[, "Est.Error", "age"]), 0.006)
  }
})

test_that("floors of scales know the errors of genes", {
  values <- with_fixed_seed(1, matrix(stats::rnorm(4000, 0, 0.2), 1000))
  floors <- scale_floors(list(list(kind = "normal"), list(kind = "lognormal")), list(values, values), c(1, 2))
  expect_equal(floors[[1]], log(0.05), tolerance = 0.05)
  expect_identical(floors[[2]], c(NA_real_, NA_real_))
  par <- c(-4, 1)
  at <- c(-3, NA)
  score <- vapply(1:2, function(j) {
    step <- replace(c(0, 0), j, 1e-5)
    (wall_density(par + step, at) - wall_density(par - step, at)) / 2e-5
  }, 0)
  expect_equal(wall_score(par, at), score, tolerance = 1e-6)
  expect_identical(wall_density(c(-2, 1), at), 0)
})

test_that("what genes learn does not hang on the unit of a covariate", {
  samples <- expand.grid(dose = c(0, 3, 6, 9), donor = paste0("d", 1:5))
  counts <- with_fixed_seed(1, {
    mu <- exp(stats::rnorm(10, 4, 0.5) + outer(stats::rnorm(10, 0, 0.05), samples$dose) +
                matrix(stats::rnorm(50, 0, 0.3), 10)[, as.integer(samples$donor)])
    matrix(stats::rnbinom(200, mu = mu, size = 10), 10, dimnames = list(paste0("g", 1:10), NULL))
  })
  spread <- function(unit, ...) {
    fit <- twill_genes(counts, ~ dose + (1 + dose || donor), col_data = transform(samples, dose = dose / unit),
                       size_factors = rep(1, 20), iter = 300, seed = 1, silent = 2, check = FALSE, ...)
    c(VarCorr(fit)$donor$sd[, 1, "dose"], fixef(fit)[, "Est.Error", "dose"]) / unit
  }
  for (prior in c("weak", "normal")) {
    expect_equal(spread(10, effect_prior = prior), spread(1, effect_prior = prior), tolerance = 1e-4)
    expect_equal(spread(0.3, effect_prior = prior), spread(1, effect_prior = prior), tolerance = 1e-4)
  }
})
