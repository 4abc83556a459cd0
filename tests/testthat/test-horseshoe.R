# horseshoe() priors of coefficients beside an intercept whose prior is at the means of their columns.

test_that("the prior of a centred intercept holds under a horseshoe of the coefficients, by every engine", {
  data <- with_fixed_seed(1, {
    data <- data.frame(g = gl(10, 6), a = rnorm(60, 3), b = rnorm(60, -2))
    transform(data, y = 1 + 0.3 * a + rnorm(10)[g] + rnorm(60))
  })
  fit_of <- function(engine, ...) {
    prior <- c(tw_prior("horseshoe(1)", class = "b"), tw_prior("normal(3, 0.05)", class = "Intercept"))
    twill(y ~ a + b + (1 | g), data, prior = prior, chains = 2, iter = 1500, seed = 1, silent = 2, ...,
          control = list(engine = engine))
  }
  # So sure a prior stays what it is: the intercept at the means is normal(3, 0.05) but for what the data say.
  for (engine in c("auto", "joint", "levels")) {
    fit <- suppressWarnings(fit_of(engine))
    b <- as_draws_matrix(fit, c("b_Intercept", "b_a", "b_b"))
    centred <- drop(unclass(b) %*% c(1, mean(data$a), mean(data$b)))
    expect_lt(abs(mean(centred) - 3), 0.05)
    expect_lt(abs(stats::sd(centred) / 0.05 - 1), 0.15)
  }
  expect_identical(fit_of("auto")$info$engine, "joint")
  expect_error(fit_of("collapsed"), "horseshoe", class = "twill_error_spec")
  expect_identical(suppressWarnings(fit_of("collapsed", intercept = "raw"))$info$engine, "collapsed")
})

test_that("draws of the prior beside the posterior are those of the model without data: scales in sigma, and shared by members", {
  data <- with_fixed_seed(1, data.frame(a = rnorm(40, 3), b = rnorm(40), g = gl(8, 5)))
  data$y <- data$a + with_fixed_seed(2, rnorm(40))
  prior <- c(tw_prior("horseshoe(3, scale_global = 0.5, df_global = 3, df_slab = 6, scale_slab = 2)"),
             tw_prior("horseshoe(3, scale_global = 0.2, autoscale = FALSE)", class = "sd"),
             tw_prior("lognormal(1.5, 0.3)", class = "sigma"))
  fit_of <- function(sample_prior, iter, ...) {
    twill(y ~ a + b + (1 | g), data, prior = prior, sample_prior = sample_prior, iter = iter, seed = 1, silent = 2, ...)
  }
  only <- fit_of("only", 4000, chains = 4)
  beside <- suppressWarnings(fit_of("yes", 20000, chains = 2, method = "laplace"))
  # Shares of draws below quantiles of the others, in units of their error.
  off <- function(engine, own) {
    at <- c(0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    below <- vapply(stats::quantile(engine, at), function(q) mean(own <= q), 0)
    effective <- posterior::ess_quantile(engine, at)
    max(abs(below - at) / sqrt(at * (1 - at) * (1 / effective + 1 / length(own))))
  }
  engine <- function(name) unclass(only$draws)[, , name]
  own <- function(name) unclass(beside$draws)[, , paste0("prior_", name)]
  for (name in c("sigma", "b_a", "b_b", "sd_g__Intercept")) expect_lt(off(engine(name), own(name)), 4.5)
  # Jointly, as hypotheses about differences need them.
  joint <- list(function(x) x("b_a") - x("b_b"), function(x) abs(x("b_a")) + abs(x("b_b")),
                function(x) abs(x("b_a")) / x("sigma"))
  for (f in joint) expect_lt(off(f(engine), f(own)), 4.5)
})

test_that("a horseshoe in units of a constant sigma has draws, and in units of one without a proper prior none", {
  data <- with_fixed_seed(1, data.frame(a = rnorm(30), y = rnorm(30), z = rnorm(30)))
  prior_of <- function(sigma, formula = y ~ a) {
    prior <- c(tw_prior("horseshoe(3, df_global = 3)"), if (!is.null(sigma)) tw_prior(sigma, class = "sigma"))
    suppressWarnings(twill(formula, data, prior = prior, sample_prior = "yes", chains = 1, iter = 4000, seed = 1, silent = 2,
                           method = "laplace"))
  }
  size <- function(fit) stats::median(abs(draws_in(fit, "prior_b_a")))
  # In units of sigma but for the slab, which is far out.
  expect_equal(size(prior_of("constant(0.02)")) / size(prior_of("constant(0.01)")), 2, tolerance = 0.01)
  expect_false(any(grepl("prior_b_a", variables(prior_of("flat")))))
  expect_true("prior_Intercept" %in% variables(prior_of("flat")))
  expect_true("prior_b_a" %in% variables(prior_of(NULL, tw_formula(y ~ a, sigma ~ z))))
})
