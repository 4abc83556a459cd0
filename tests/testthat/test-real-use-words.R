# What is said of things that a formula or a family cannot take: what the thing is, and the way out.

odd_data <- function() {
  with_fixed_seed(17, {
    data <- data.frame(x = rep(1:4, 15), g = rep(1:6, each = 10))
    data$y <- data$x + rnorm(6)[data$g] + rnorm(60)
    data$m <- matrix(rnorm(120), 60, dimnames = list(NULL, c("a", "b")))
    data$one <- scale(data$x + rnorm(60))
    data$words <- matrix("a", 60, 2)
    data$l <- as.list(1:60)
    data$inner <- data.frame(q = 1:60)
    data$z <- 1i
    data$bytes <- as.raw(1)
    data$lt <- as.POSIXlt(as.POSIXct("2024-01-01", tz = "UTC") + 3600 * data$x)
    data
  })
}

odd_fit <- function(formula, data = odd_data(), ...) {
  twill(formula, data, ..., chains = 1, iter = 40, seed = 1, silent = 2, method = "laplace")
}

test_that("columns that cannot be used are called what they are, with how to convert them", {
  refused <- function(formula, pattern) expect_error(odd_fit(formula), pattern, class = "twill_error_data")
  refused(y ~ l, "a list.*unlist\\(data\\$l\\)")
  refused(y ~ inner, "a data frame.*data\\$inner\\$q")
  refused(y ~ z, "complex.*Re")
  refused(y ~ lt, "POSIXlt.*as.POSIXct\\(data\\$lt\\)")
  refused(y ~ bytes, "raw.*as.numeric\\(data\\$bytes\\)")
  refused(y ~ words, "a matrix.*data\\$words\\[, 1\\]")
  refused(y ~ x + (1 | m), "grouping factor.*matrix of 2 columns.*data\\$m\\[, 1\\]")
  refused(y ~ x + (1 | l), "a list")
  refused(y ~ x + (1 | g:inner), "a data frame")
  refused(m ~ x, "a matrix, with 2 columns.*twill_genes")
})

test_that("numeric matrices are covariates, with a coefficient per column", {
  data <- odd_data()
  fit <- odd_fit(y ~ m + (m || g), data)
  expect_identical(rownames(fixef(fit)), c("Intercept", "ma", "mb"))
  expect_equal(posterior_epred(fit, newdata = data), posterior_epred(fit))
  expect_error(posterior_epred(fit, newdata = transform(data, m = 1)), "a matrix in the fit", class = "twill_error_newdata")
  scaled <- odd_fit(y ~ one + (1 | g), data)
  expect_identical(rownames(fixef(scaled)), c("Intercept", "one"))
  expect_equal(posterior_epred(scaled, newdata = data), posterior_epred(scaled))
  plain <- transform(data, one = as.vector(data$one))
  expect_equal(posterior_epred(scaled, newdata = plain), posterior_epred(scaled))
  expect_equal(posterior_epred(odd_fit(y ~ one + (1 | g), plain), newdata = data), posterior_epred(scaled))
  expect_named(tw_conditional_effects(scaled), "one")
})

test_that("binomial responses are told that there is no such family, and where there is", {
  data <- transform(odd_data()[c("x", "y", "g")], yes = y > 3, k = rpois(60, 2), n = 10)
  for (formula in list(yes ~ x, factor(yes) ~ x, cbind(k, n - k) ~ x, as.character(yes) ~ x)) {
    error <- expect_error(odd_fit(formula, data), "Binomial responses are not there.*brms.*offset", class = "twill_error_data")
    expect_no_match(conditionMessage(error), "as.numeric")
  }
  expect_error(odd_fit(cut(y, 3) ~ x, data), "Categories", class = "twill_error_data")
  for (family in list(binomial(), "binomial", "bernoulli", binomial)) {
    expect_error(odd_fit(as.integer(yes) ~ x, data, family = family), "Binomial.*glmmTMB.*poisson", class = "twill_error_family")
  }
  expect_error(odd_fit(y ~ x, data, family = "zero_inflated_poisson"), "negbinomial", class = "twill_error_family")
  expect_error(odd_fit(y ~ x, data, family = Gamma()), "logarithm", class = "twill_error_family")
  expect_error(odd_fit(k | trials(n) ~ x, data), "Binomial", class = "twill_error_formula")
  expect_error(odd_fit(y ~ x, data, family = "guassian"), "Did you mean", class = "twill_error_family")
})

test_that("arguments of other packages are answered, not taken for misspelt ones", {
  error <- expect_error(odd_fit(y ~ x, ziformula = ~1), "Zero inflation", class = "twill_error_setting")
  expect_no_match(conditionMessage(error), "Did you mean")
  expect_error(odd_fit(y ~ x, random = ~ 1 | g), "formula", class = "twill_error_setting")
})

test_that("help pages show whole terms", {
  page <- help("tw_formula", package = "twill")
  skip_if(length(page) == 0, "help pages are not installed")
  text <- paste(capture.output(tools::Rd2txt(utils:::.getHelpFile(page))), collapse = " ")
  for (term in c("(1 + x | g)", "(1 + x || g)", "(1 | a:b)", "(1 | a/b)")) expect_match(text, term, fixed = TRUE)
})
