# A change of units of a Gaussian response changes nothing; covariates far from zero are fitted well or refused; responses
# that are fitted without error are refused, and rows that are levels are pointed out.

response <- function() {
  with_fixed_seed(26, {
    g <- gl(12, 10)
    u <- rnorm(12)[g]
    x <- rnorm(120)
    data.frame(y = 1 + x + u + rnorm(120), x, g)
  })
}

in_units <- function(k, formula = y ~ x + (1 | g), ...) {
  data <- response()
  data$y <- k * data$y
  twill(formula, data, iter = 600, chains = 2, seed = 1, silent = 2, ...)
}

# Differences of posterior means of independent runs, in units of their error: 600 draws with ESS of 300 or more each.
expect_same_fit <- function(fit, reference, k, limit = 0.35) {
  names <- c("b_Intercept", "b_x", "sigma", "sd_g__Intercept")
  draws <- draws_by_hand(fit, names) / k
  expected <- draws_by_hand(reference, names)
  expect_lt(max(abs(colMeans(draws) - colMeans(expected)) / apply(expected, 2, sd)), limit)
  expect_lt(max(abs(log(apply(draws, 2, sd) / apply(expected, 2, sd)))), 0.3)
}

test_that("a change of units of the response changes nothing", {
  reference <- in_units(1)
  for (k in 10^c(-12, -9, -7, -3, 4, 12)) expect_same_fit(in_units(k), reference, k)
  for (engine in c("joint", "levels")) {
    for (k in c(1e-9, 1e7)) expect_same_fit(in_units(k, control = list(engine = engine)), reference, k)
  }
  for (k in c(1e-10, 1e10)) expect_same_fit(in_units(k, method = "laplace"), reference, k)
  slopes <- in_units(1, y ~ x + (1 + x | g))
  for (k in c(1e-7, 1e7)) expect_same_fit(in_units(k, y ~ x + (1 + x | g)), slopes, k)
})

test_that("default priors scale with the response", {
  scales <- function(k) {
    data <- response()
    data$y <- k * data$y
    table <- resolve_priors(parameter_table(new_design(tw_formula(y ~ x + (1 | g)), data, as_twill_family("gaussian")),
                                            as_twill_family("gaussian")), NULL)$parameters
    unlist(lapply(table$parsed, `[[`, "args"))
  }
  reference <- scales(1)
  is_scale <- reference != 3
  for (k in 10^c(-100, -12, -5, -1, 2, 12, 100)) expect_equal(scales(k)[is_scale] / k, reference[is_scale], tolerance = 0.06)
  # Half of the values are zero.
  expect_gt(gaussian_spread(response_numbers(c(rep(0, 60), 1:40))), 2)
})

test_that("genes of any unit have the same effects", {
  data <- with_fixed_seed(3, {
    samples <- data.frame(condition = gl(2, 8))
    list(samples = samples, values = matrix(rnorm(30 * 16, 5), 30) + outer(rnorm(30), as.numeric(samples$condition)))
  })
  effects <- function(k) {
    fit <- twill_genes(k * data$values, ~ condition, family = gaussian(), col_data = data$samples, iter = 300, seed = 1,
                       silent = 2)
    colMeans(draws_of(fit, "b_condition2", 1:30)[, 1, ]) / k
  }
  reference <- effects(1)
  for (k in c(1e-12, 1e-6, 1e6, 1e12)) expect_lt(max(abs(effects(k) - reference)), 0.15)
})

test_that("covariates far from zero are as good as lm's, or refused with a way out", {
  data <- response()
  slope <- function(k, engine = "auto") {
    data$x <- k + data$x
    fit <- twill(y ~ x + (1 | g), data, iter = 1000, chains = 2, seed = 1, silent = 2, control = list(engine = engine))
    b <- draws_by_hand(fit, "b_x")
    c(mean(b), sd(b))
  }
  expected <- slope(0)
  for (k in c(1e5, 1e6)) for (engine in c("collapsed", "joint", "levels")) {
    expect_lt(abs(slope(k, engine)[1] - expected[1]) / expected[2], 0.2)
  }
  for (k in c(1e7, 1e8)) expect_error(slope(k), "mean\\(x\\)", class = "twill_error_design")
})

test_that("responses far from zero keep their effects", {
  data <- response()
  reference <- in_units(1)
  data$y <- data$y + 1e8
  fit <- twill(y ~ x + (1 | g), data, iter = 600, chains = 2, seed = 1, silent = 2)
  expect_lt(abs(mean(draws_by_hand(fit, "b_x")) - mean(draws_by_hand(reference, "b_x"))), 0.04)
})

test_that("a response without error is refused, and said why", {
  data <- with_fixed_seed(27, {
    g <- gl(12, 5)
    data.frame(g, x = rnorm(60), s = rep(rnorm(12), each = 5), y = rep(rnorm(12), each = 5))
  })
  fit <- function(formula, ..., data. = data) twill(formula, data., iter = 200, chains = 1, seed = 1, silent = 2, ...)
  refused <- function(message, ...) expect_error(fit(...), message, class = "twill_error_data")
  refused("'g'", y ~ x + (1 | g))
  refused("'g'", y ~ s + (1 | g))
  refused("'g'", y ~ 1 + (1 | g), method = "laplace")
  refused("exactly", y ~ x, data. = transform(data, y = 2 + 3 * x))
  refused("exactly", y ~ x + (1 | g), data. = transform(data, y = y + 3 * x))
  refused("exactly", y ~ x + (1 + x | g), data. = transform(data, y = y * x))
  refused("'g'", tw_formula(y ~ x + (1 | g), sigma ~ x))
  # Errors that are known, and priors that keep sigma from zero, leave a posterior.
  expect_s3_class(fit(y | se(s, sigma = TRUE) ~ x + (1 | g), data. = transform(data, s = abs(s) + 1)), "twillfit")
  expect_s3_class(fit(y ~ x + (1 | g), prior = tw_prior("lognormal(0, 1)", class = "sigma")), "twillfit")
  expect_s3_class(fit(y ~ x + (1 | g), data. = transform(data, y = y + 1e-3 * rnorm(60))), "twillfit")
})

test_that("genes without error are left out, the others fitted", {
  samples <- data.frame(donor = gl(5, 3), x = sin(1:15))
  values <- with_fixed_seed(1, rbind(noisy = rnorm(15), flat = rep(rnorm(5), each = 3), line = 2 + 3 * samples$x))
  fit <- twill_genes(values, ~ x + (1 | donor), family = gaussian(), col_data = samples, iter = 200, seed = 1, silent = 2,
                     share = "none")
  status <- tw_diagnostics(fit, all = TRUE)$status
  expect_identical(status[1], "ok")
  expect_true(all(status[2:3] %in% c("skipped", "failed")))
})

test_that("levels with one row each are pointed out where sigma is estimated", {
  data <- data.frame(y = rnorm(20), x = rnorm(20), row = factor(1:20), g = gl(5, 4), s = 1)
  fit <- function(formula, ...) twill(formula, data, iter = 100, chains = 1, seed = 1, silent = 1, refresh = 0, ...)
  told <- function(...) {
    warnings <- testthat::capture_warnings(suppressMessages(fit(...)))
    sum(grepl("one row", warnings))
  }
  expect_identical(told(y ~ x + (1 | row)), 1L)
  expect_identical(told(y ~ x + (1 | g) + (1 | row)), 1L)
  expect_identical(told(y ~ x + (1 | g)), 0L)
  expect_identical(told(y | se(s) ~ x + (1 | row)), 0L)
})
