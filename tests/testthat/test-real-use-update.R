# update() after lm()'s habits: what is stated replaces, NULL removes, and nothing counts twice.

counts_data <- function() {
  with_fixed_seed(40, {
    data <- data.frame(x = rnorm(80), z = rnorm(80), e = runif(80, 1, 9), w = runif(80), f = gl(2, 40), g = gl(8, 10))
    transform(data, n = rpois(80, e * exp(0.2 * x)))
  })
}

d <- counts_data()

quick <- function(formula, ..., data = d) {
  twill(formula, data, family = poisson(), chains = 1, iter = 40, seed = 1, silent = 2, method = "laplace", ...)
}

again <- function(fit, ...) update(fit, ..., silent = 2)

offsets <- function(fit) fit$design$offset

test_that("an offset or weights that are stated replace those of the fit, and NULL removes them", {
  fits <- list(argument = quick(n ~ x + (1 | g), offset = log(e), weights = w),
               formula = quick(n | weights(w) ~ x + offset(log(e)) + (1 | g)))
  for (fit in fits) {
    expect_equal(offsets(again(fit, newdata = d)), log(d$e))
    expect_equal(offsets(again(fit, offset = 2 * log(e))), 2 * log(d$e))
    expect_equal(offsets(again(fit, offset = log(e))), log(d$e))
    expect_equal(offsets(again(again(fit, offset = log(e)), . ~ . + z, newdata = d)), log(d$e))
    expect_equal(offsets(again(fit, offset = NULL)), rep(0, 80))
    expect_equal(offsets(again(again(fit, offset = NULL), iter = 60)), rep(0, 80))
    expect_equal(again(fit, weights = w / 2)$design$weights, d$w / 2)
    expect_null(weights(again(fit, weights = NULL)))
    expect_equal(weights(again(fit, offset = NULL)), d$w)
    expect_equal(offsets(again(fit, weights = NULL)), log(d$e))
    expect_equal(weights(again(again(fit, . ~ . - x), . ~ . + x, newdata = d)), d$w)
  }
  expect_message(update(fits$formula, offset = NULL, silent = 1), "replaces", class = "twill_message_update")
  expect_false(grepl("offset", deparse1(formula(again(fits$formula, offset = NULL)))))
  expect_equal(offsets(again(fits$formula, . ~ . - offset(log(e)))), rep(0, 80))
})

test_that("offsets and weights that were vectors stay, and give way", {
  outside <- log(d$e)
  fit <- quick(n ~ x, offset = outside, weights = d$w)
  expect_equal(offsets(again(fit, . ~ . + (1 | g), newdata = cbind(d, .offset = outside, .weights = 1))), outside)
  expect_equal(offsets(again(fit, iter = 60)), outside)
  expect_equal(offsets(again(fit, offset = 2 * outside)), 2 * outside)
  expect_equal(offsets(again(fit, offset = NULL)), rep(0, 80))
  data <- "hides nothing"
  twice <- 2 * outside
  expect_equal(offsets(again(fit, offset = twice)), twice)
})

test_that("factors that an update takes away take their contrasts along", {
  fit <- quick(n ~ x + f + (1 | g))
  expect_identical(rownames(fixef(again(fit, . ~ . - f))), c("Intercept", "x"))
  expect_identical(rownames(fixef(again(fit, n ~ f))), c("Intercept", "f2"))
  expect_identical(rownames(fixef(again(fit, newdata = transform(d, f = as.numeric(f))))), c("Intercept", "x", "f"))
})

test_that("functions may pass their own dots and data on", {
  wrapped <- function(...) again(...)
  fit <- quick(n ~ x + (1 | g), offset = log(e))
  expect_equal(offsets(wrapped(fit, offset = 2 * log(e))), 2 * log(d$e))
  expect_equal(offsets(wrapped(fit, offset = NULL)), rep(0, 80))
  inside <- function() {
    own <- counts_data()
    fit <- quick(n ~ x + (1 | g), data = own)
    rm(own)
    again(fit, . ~ . - x)
  }
  expect_identical(deparse1(formula(inside())), "n ~ (1 | g)")
})

test_that("data and subset replace those of the fit", {
  fit <- twill(n ~ x, d, family = poisson(), subset = x > 0, chains = 1, iter = 40, seed = 1, silent = 2, method = "laplace")
  positive <- sum(d$x > 0)
  expect_identical(nobs(fit), positive)
  expect_identical(nobs(again(fit, data = d[1:40, ])), sum(d$x[1:40] > 0))
  expect_identical(nobs(again(fit, newdata = d[1:40, ], subset = NULL)), 40L)
  expect_identical(nobs(again(fit, subset = x < 0)), 80L - positive)
  expect_identical(nobs(again(fit, subset = NULL)), 80L)
  expect_identical(nobs(again(again(fit, subset = NULL), subset = z > 0)), sum(d$z > 0))
  expect_identical(nobs(again(fit, . ~ . + z)), positive)
  expect_true("b_z" %in% variables(again(fit, . ~ . + z)))
  expect_true(all(is.finite(suppressWarnings(kfold(fit, K = 2, seed = 1))$pointwise)))
  # Data of the same name that are others are not taken for those of the fit.
  elsewhere <- function(d) update(fit, . ~ . + z, silent = 2)
  expect_error(elsewhere(transform(d, x = x + 1)), "has not kept", class = "twill_error_data")
  expect_error(elsewhere(NULL), "newdata", class = "twill_error_data")
})

test_that("the call of an update can be evaluated, and formulas print without environments", {
  fit <- quick(n ~ x + (1 | g))
  updated <- again(fit, . ~ . + z, newdata = d)
  expect_identical(getCall(updated)$formula, n ~ x + (1 | g) + z, ignore_attr = TRUE)
  expect_no_match(capture.output(print(formula(fit))), "environment")
  expect_no_match(capture.output(print(formula(updated))), "environment")
  made_inside <- (function(k) quick(n ~ poly(x, k)))(2)
  expect_identical(nobs(again(made_inside, . ~ . + z, newdata = d)), 80L)
})
