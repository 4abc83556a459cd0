# Records of prior distributions: each one distribution, however it is asked.

known_args <- list(normal = c(0.4, 1.5), student_t = c(4, -0.5, 2), cauchy = c(1, 0.5), double_exponential = c(0.3, 2),
                   exponential = 1.5, gamma = c(2, 3), inv_gamma = c(3, 2), lognormal = c(0.2, 0.8), uniform = c(-1, 3),
                   horseshoe_scale = c(0.4, 2))

test_that("density, quantile and probability of a prior are of one distribution", {
  with_quantile <- names(Filter(function(record) !is.null(record$quantile), prior_records))
  expect_setequal(with_quantile, names(known_args))
  p <- c(0.05, 0.3, 0.62, 0.9)
  for (name in names(known_args)) {
    record <- prior_records[[name]]
    a <- known_args[[name]]
    x <- record$quantile(p, a)
    # dQ / dp = 1 / density, up to one constant.
    slope <- (record$quantile(p + 1e-6, a) - record$quantile(p - 1e-6, a)) / 2e-6
    expect_equal(diff(record$log_density(x, a)), diff(-log(slope)), tolerance = 1e-5, info = name)
    if (record$needs_positive) expect_gte(record$quantile(1e-12, a), 0)
    else expect_equal(vapply(x, record$probability, 0, a), p, info = name)
    expect_length(a, length(record$args))
  }
})

test_that("records say where a prior may stand, and the core knows each by its name", {
  for (name in names(prior_records)) {
    record <- prior_records[[name]]
    expect_true(all(record$positive %in% record$args), info = name)
    if (record$location > 0) expect_identical(record$args[record$location + 1], "location")
  }
  expect_error(tw_prior("gamma(1, 1)", class = "b"), "zero below 0", class = "twill_error_prior")
  expect_error(tw_prior("uniform(-2, -1)", class = "sd"), "positive", class = "twill_error_prior")
  expect_error(tw_prior("lkj(1)", class = "sd"), "correlations", class = "twill_error_prior")
  expect_error(tw_prior("normal(0, 1)", class = "cor"), "lkj", class = "twill_error_prior")
  expect_error(tw_prior("horseshoe(1)", class = "Intercept"), "horseshoe", class = "twill_error_prior")
  expect_error(tw_prior("uniform(2, 1)", class = "b"), "below", class = "twill_error_prior")
})

test_that("families are what their records say", {
  for (name in names(family_records)) {
    family <- as_twill_family(name)
    record <- family_record(family)
    expect_identical(family[c("link", "dispersion")], record[c("link", "dispersion")])
    eta <- c(-1, 0.5, 2)
    expect_equal(record$inverse_link(eta), family$linkinv(eta))
    expect_identical(record$is_count, name != "gaussian")
    mean <- record$inverse_link(eta)
    # Means within four errors of theirs, spreads within what kurtosis allows.
    draws <- with_fixed_seed(1, matrix(record$random(rep(mean, each = 3e4), 2), 3e4))
    error <- record$sd(mean, 2) / sqrt(3e4)
    expect_true(all(abs(colMeans(draws) - mean) < 4 * error), info = name)
    expect_equal(apply(draws, 2, stats::sd), rep_len(record$sd(mean, 2), 3), tolerance = 0.05)
  }
})
