# A Gaussian response in other units: the posterior follows, from picometres to light years.

test_that("a Gaussian posterior is multiplied with its response", {
  data <- property_data()
  in_units <- function(unit, ...) property_fit("gaussian", transform(data, y = y * unit), iter = 600, chains = 2, ...)
  fit <- in_units(1)
  for (k in c(-12, -9, -3, 3, 9, 12)) {
    scaled <- in_units(10^k)
    same_unit <- scaled$draws
    same_unit[] <- same_unit / 10^k
    expect_lt(largest_z(same_unit, fit), 4.5, label = paste("10^", k))
    expect_lt(max(rhat(scaled)), 1.1)
  }
})

# Default priors are rounded for the eye, so these are given in the unit of the response.
test_that("the density of a Gaussian model follows the unit of its response to rounding", {
  data <- property_data()
  in_units <- function(unit) {
    prior <- c(tw_prior(sprintf("normal(0, %.17g)", 2 * unit)), tw_prior(sprintf("normal(0, %.17g)", 3 * unit),
                                                                          class = "Intercept"),
               tw_prior(sprintf("student_t(3, 0, %.17g)", unit), class = "sd"),
               tw_prior(sprintf("student_t(3, 0, %.17g)", unit), class = "sigma"))
    property_fit("gaussian", transform(data, y = y * unit), prior = prior)
  }
  fit <- in_units(1)
  positions <- positions_of(fit)
  for (k in c(-12, -9, -3, 3, 9, 12)) {
    # Three coefficients first, the logarithms of sd_g and sigma last.
    moved <- positions
    moved[, 1:3] <- moved[, 1:3] * 10^k
    moved[, 10:11] <- moved[, 10:11] + log(10^k)
    expect_equal(log_densities(in_units(10^k), moved), log_densities(fit, positions), tolerance = 1e-9, label = paste("10^", k))
  }
})

test_that("values in other units give effects in these units", {
  values <- log(gene_counts(6, n_responding = 2, seed = 4) + 1) + with_fixed_seed(3, rnorm(60, 0, 0.2))
  fit_of <- function(values) {
    twill_genes(values, ~ condition + (1 | donor), "gaussian", col_data = gene_samples(), iter = 400, share = "none", seed = 1,
                silent = 2)
  }
  fit <- fit_of(values)
  effect <- tw_contrast(fit)
  for (k in c(-12, -6, 6, 12)) {
    scaled <- tw_contrast(fit_of(values * 10^k))
    z <- (scaled$log2FoldChange / 10^k - effect$log2FoldChange) / (effect$lfcSE * sqrt(2 / 100))
    expect_lt(max(abs(z)), 4.5, label = paste("10^", k))
    expect_lt(max(abs(log(scaled$lfcSE / 10^k / effect$lfcSE))), 0.3)
  }
})
