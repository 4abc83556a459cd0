# Families: their own, those of other packages, and what is refused.

test_that("families are known by object, function and name", {
  name <- function(family) as_twill_family(family)$family
  expect_identical(name(gaussian()), "gaussian")
  expect_identical(name(poisson), "poisson")
  expect_identical(name("negbinomial"), "negbinomial")
  expect_identical(name("neg_binomial_2"), "negbinomial")
  expect_identical(name(negbinomial()), "negbinomial")
  expect_identical(name(negbinomial), "negbinomial")
  expect_identical(name(negbinomial(log)), "negbinomial")
})

test_that("families of other packages are known by name", {
  name <- function(family) as_twill_family(family)$family
  skip_if_not_installed("MASS")
  expect_identical(name(MASS::negative.binomial(2)), "negbinomial")
  skip_if_not_installed("brms")
  expect_identical(name(brms::negbinomial()), "negbinomial")
  skip_if_not_installed("rstanarm")
  expect_identical(name(rstanarm::neg_binomial_2), "negbinomial")
})

test_that("a family holds its link as stats does", {
  family <- negbinomial()
  expect_s3_class(family, "family")
  expect_equal(family$linkinv(family$linkfun(3)), 3)
  expect_equal(family$mu.eta(log(2)), 2)
  expect_identical(family$dispersion, "shape")
  expect_null(as_twill_family(poisson())$dispersion)
  expect_identical(stats::family(family), family)
})

test_that("other families and links are refused", {
  refused <- function(family, message) expect_error(as_twill_family(family), message, class = "twill_error_family")
  refused(binomial(), "binomial")
  refused(gaussian("log"), "identity")
  refused(poisson("sqrt"), "sqrt")
  refused("poison", "Did you mean")
  refused(3, "numeric")
  expect_error(negbinomial("sqrt"), class = "twill_error_family")
})
