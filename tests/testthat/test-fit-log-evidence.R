# The evidence against integrals by grids, the same by chains and approximations, and refused where there is none.

# Logarithm of the integral of exp(log_density) over a grid of equally spaced points per coordinate: the trapezoidal rule, which
# is exact to many digits for densities that fall off on both sides.
grid_integral <- function(log_density, ...) {
  points <- expand.grid(...)
  values <- vapply(seq_len(nrow(points)), function(i) log_density(unlist(points[i, ])), 0)
  steps <- vapply(list(...), function(x) x[2] - x[1], 0)
  max(values) + log(sum(exp(values - max(values)))) + sum(log(steps))
}

log_normal_vector <- function(y, mean, covariance) {
  root <- chol(covariance)
  -0.5 * sum(backsolve(root, y - mean, transpose = TRUE)^2) - sum(log(diag(root))) - 0.5 * length(y) * log(2 * pi)
}

expect_evidence <- function(found, expected) {
  expect_lt(found$mcse, 0.05)
  expect_lt(abs(found$log_evidence - expected), 0.002 + 4 * found$mcse)
}

groups <- with_fixed_seed(4, {
  d <- data.frame(g = gl(5, 4), z = rnorm(20), exposure = runif(20, 0.5, 2))
  effect <- rnorm(5)
  d$y <- 0.5 + 0.2 * d$z + effect[d$g] + rnorm(20, 0, 0.7)
  d$count <- rnbinom(20, mu = 4 * d$exposure * exp(0.6 * effect[d$g]), size = 3)
  d
})

gaussian_fit <- function(..., iter = 1500) {
  prior <- tw_prior("normal(0, 5)", class = "Intercept") + tw_prior("exponential(1)", class = "sd") +
    tw_prior("normal(0, 2)", class = "sigma")
  twill(y ~ 1 + (1 | g) + offset(0.2 * z), groups, prior = prior, seed = 2, silent = 2, iter = iter, warmup = 500, ...)
}

gaussian_evidence <- function() {
  same <- outer(groups$g, groups$g, `==`)
  grid_integral(function(at) {
    sd <- exp(at[[1]])
    sigma <- exp(at[[2]])
    log_normal_vector(groups$y, 0.2 * groups$z, diag(sigma^2, 20) + sd^2 * same + 25) + dexp(sd, 1, log = TRUE) + at[[1]] +
      log(2) + dnorm(sigma, 0, 2, log = TRUE) + at[[2]]
  }, seq(-12, 5, 0.1), seq(-1.6, 1.6, 0.08))
}

test_that("the evidence of a Gaussian model is its integral, by every engine and approximation", {
  expected <- gaussian_evidence()
  for (engine in c("collapsed", "joint", "levels")) {
    expect_evidence(tw_log_evidence(gaussian_fit(control = list(engine = engine)), silent = 2), expected)
    for (method in c("svi", "laplace")) {
      fit <- gaussian_fit(control = list(engine = engine), method = method)
      # Two scales of five groups: hardly any ratio is large, and these few have a tail.
      expect_evidence(suppressWarnings(tw_log_evidence(fit), classes = "twill_warning_khat"), expected)
      # A lower bound, near where the guide is good.
      if (method == "svi") expect_lt(abs(expected - mean(tail(fit$info$elbo, 50)) - 0.25), 0.35)
    }
  }
})

test_that("the evidence of correlated effects with known errors is their integral", {
  d <- with_fixed_seed(6, data.frame(g = gl(3, 4), x = rep(c(-1, 0, 0.5, 1), 3), y = rnorm(12, 0, 1.5), se = runif(12, 0.3, 0.8)))
  prior <- tw_prior("normal(0, 3)", class = "Intercept") + tw_prior("normal(0, 1)", class = "b") +
    tw_prior("student_t(3, 0, 1)", class = "sd") + tw_prior("lkj(2)", class = "cor")
  z <- outer(d$g, levels(d$g), `==`)
  z <- cbind(z, z * d$x)
  x <- cbind(1, d$x - mean(d$x))
  expected <- grid_integral(function(at) {
    sd <- exp(at[1:2])
    cor <- tanh(at[[3]])
    s <- outer(sd, sd) * matrix(c(1, cor, cor, 1), 2)
    v <- diag(d$se^2) + z %*% kronecker(s, diag(3)) %*% t(z) + x %*% (c(9, 1) * t(x))
    # LKJ(2) of one correlation: 0.75 (1 - cor^2).
    log_normal_vector(d$y, 0, v) + sum(log(2) + dt(sd, 3, log = TRUE) + at[1:2]) + log(0.75) + 2 * log1p(-cor^2)
  }, seq(-8, 4, 0.4), seq(-8, 4, 0.4), seq(-4, 4, 0.4))
  for (method in c("nuts", "svi")) {
    fit <- twill(y | se(se) ~ x + (1 + x | g), d, prior = prior, method = method, seed = 2, silent = 2, iter = 1500)
    expect_evidence(tw_log_evidence(fit, silent = 2), expected)
  }
})

count_fit <- function(family, ...) {
  prior <- tw_prior("normal(1, 2)", class = "Intercept") + tw_prior("exponential(1)", class = "sd")
  if (family$family == "negbinomial") prior <- prior + tw_prior("lognormal(1, 1)", class = "shape")
  twill(count ~ 1 + (1 | g) + offset(log(exposure)), groups, family, prior = prior, seed = 2, silent = 2, iter = 1500, ...)
}

# Each level's effect by itself, over a grid; `log_density` of counts at means and, if there is one, a shape.
count_evidence <- function(log_density, intercept, step, ...) {
  effects <- seq(-6, 6, step)
  grid_integral(function(at) {
    eta <- at[[1]] + log(groups$exposure) + outer(rep(1, 20), exp(at[[2]]) * effects)
    rows <- rowsum(log_density(exp(eta), exp(at[-(1:2)])), groups$g)
    levels <- log(rowSums(exp(rows + rep(dnorm(effects, log = TRUE), each = 5))) * step)
    sum(levels) + dnorm(at[[1]], 1, 2, log = TRUE) + dexp(exp(at[[2]]), 1, log = TRUE) + at[[2]] +
      sum(dlnorm(exp(at[-(1:2)]), 1, 1, log = TRUE) + at[-(1:2)])
  }, intercept, seq(-6, 1.5, 0.25), ...)
}

test_that("the evidence of counts is their integral", {
  of_poisson <- function(mu, shape) dpois(groups$count, mu, log = TRUE)
  of_negbinomial <- function(mu, shape) dnbinom(groups$count, mu = mu, size = shape, log = TRUE)
  expected <- list(poisson = count_evidence(of_poisson, seq(-0.6, 3.4, 0.1), 0.1),
                   negbinomial = count_evidence(of_negbinomial, seq(-1.5, 4, 0.25), 0.2, seq(-1.5, 5, 0.4)))
  for (method in c("nuts", "svi", "laplace")) {
    expect_evidence(tw_log_evidence(count_fit(poisson(), method = method), silent = 2), expected$poisson)
    expect_evidence(tw_log_evidence(count_fit(negbinomial(), method = method), silent = 2), expected$negbinomial)
  }
})

test_that("chains and a guide agree on a model with covariates", {
  fit <- function(...) twill(y ~ trt + lage + (1 | subject), MASS::epil, negbinomial(), seed = 1, silent = 2, ...)
  by_chains <- tw_log_evidence(fit(iter = 1500), silent = 2)
  by_guide <- suppressWarnings(tw_log_evidence(fit(method = "svi")), classes = "twill_warning_khat")
  expect_lt(by_chains$mcse, 0.1)
  expect_lt(abs(by_chains$log_evidence - by_guide$log_evidence), 0.1 + 4 * sqrt(by_chains$mcse^2 + by_guide$mcse^2))
})

test_that("a prior integrates to one", {
  prior <- tw_prior("normal(0, 1)", class = "b") + tw_prior("horseshoe(1)", class = "sd")
  fit <- twill(tw_formula(y ~ z + (1 + z | g), sigma ~ z), groups, prior = prior, sample_prior = "only", seed = 1, silent = 2)
  found <- tw_log_evidence(fit, silent = 2)
  expect_lt(abs(found$log_evidence), 0.01 + 4 * found$mcse)
})

test_that("bridgesampling takes a fit, and finds the same by itself", {
  skip_if_not_installed("bridgesampling")
  fit <- gaussian_fit(control = list(engine = "joint"), chains = 2, iter = 1000)
  found <- bridgesampling::bridge_sampler(fit, silent = 2)
  expect_s3_class(found, "bridge")
  expect_identical(found$logml, tw_log_evidence(fit, silent = 2)$log_evidence)
  expect_lt(bridgesampling::error_measures(found)$cv, 0.1)
  expect_equal(bridgesampling::bf(found, found)$bf, 1)
  # Coefficients, standardised effects, logarithms of scales.
  draws <- posterior::as_draws_matrix(fit$draws)
  sd <- draws[, "sd_g__Intercept"]
  effects <- draws[, grep("^r_g", colnames(draws))]
  positions <- cbind(draws[, "b_Intercept"], effects / as.vector(sd), log(sd), log(draws[, "sigma"]))
  positions <- matrix(positions, nrow(draws), dimnames = list(NULL, paste0("p", seq_len(ncol(positions)))))
  alone <- with_fixed_seed(1, bridgesampling::bridge_sampler(
    positions, log_posterior = function(position, data) tw_log_prob(data, position), data = fit,
    lb = stats::setNames(rep(-Inf, ncol(positions)), colnames(positions)),
    ub = stats::setNames(rep(Inf, ncol(positions)), colnames(positions)), silent = TRUE))
  # Its own account of its error, relative to the evidence.
  error <- bridgesampling::error_measures(alone)$cv
  expect_lt(error, 0.1)
  expect_lt(abs(alone$logml - gaussian_evidence()), 4 * error)
  expect_lt(abs(found$logml - alone$logml), 4 * error)
})

test_that("what has no evidence is refused by name", {
  flat <- twill(y ~ z + (1 | g), groups, prior = tw_prior("", class = "b"), seed = 1, silent = 2, chains = 1, iter = 200)
  expect_error(tw_log_evidence(flat), "b_z", class = "twill_error_prior")
  expect_error(tw_log_evidence(1), class = "twill_error_argument")
  set <- structure(list(), class = "twillgenes")
  expect_error(tw_log_evidence(set), "tw_gene", class = "twill_error_method")
  poor <- gaussian_fit(method = "laplace")
  poor$info$pareto_k <- 1.2
  expect_warning(tw_log_evidence(poor), "1.20", class = "twill_warning_khat")
  if (requireNamespace("bridgesampling", quietly = TRUE)) {
    expect_error(bridgesampling::bridge_sampler(poor), "laplace", class = "twill_error_method")
  }
  poor$info$log_evidence <- NULL
  expect_error(tw_log_evidence(poor), "update", class = "twill_error_argument") |> suppressWarnings()
  expect_named(tw_log_evidence(gaussian_fit(method = "laplace")), c("log_evidence", "mcse", "method", "draws"))
  expect_error(tw_log_evidence(poor, silnt = 2), "Did you mean", class = "twill_error_argument")
})
