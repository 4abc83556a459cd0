# Parameters whose prior is a constant: known, not sampled, with the posterior of all others as it follows.

set.seed(3)
rows <- data.frame(g = gl(6, 4), x = round(rnorm(24), 2))
rows$y <- 1 + 0.5 * rows$x + rep(rnorm(6, 0, 0.7), each = 4) + rnorm(24, 0, 0.5)
rows$count <- rpois(24, exp(rows$y))

fitted_with <- function(formula, prior, family = gaussian(), method = "nuts", engine = "auto", iter = 600, ...) {
  twill(formula, rows, family, prior = prior, chains = 2, iter = iter, seed = 1, silent = 2, method = method,
        control = list(engine = engine), ...)
}

known_scales <- c(tw_prior("constant(0.7)", class = "sd"), tw_prior("constant(0.5)", class = "sigma"),
                  tw_prior("normal(0, 2)", class = "b"), tw_prior("normal(1, 3)", class = "Intercept"))

#' With all scales known a Gaussian model is a regression with known covariance: by lm()'s algebra.
generalised_least_squares <- function(x, y, covariance, prior_mean, prior_sd) {
  precision <- crossprod(x, solve(covariance, x)) + diag(1 / prior_sd^2, ncol(x))
  covariance_of_b <- solve(precision)
  list(mean = drop(covariance_of_b %*% (crossprod(x, solve(covariance, y)) + prior_mean / prior_sd^2)),
       sd = sqrt(diag(covariance_of_b)))
}

same_group <- outer(rows$g, rows$g, "==")
centred <- cbind(1, rows$x - mean(rows$x))

test_that("with all scales known coefficients have the posterior of generalised least squares, by every method", {
  exact <- generalised_least_squares(centred, rows$y, 0.25 * diag(24) + 0.49 * same_group, c(1, 0), c(3, 2))
  ways <- list(c("nuts", "auto"), c("nuts", "levels"), c("hmc", "joint"), c("svi", "auto"), c("laplace", "auto"))
  for (way in ways) {
    fit <- fitted_with(y ~ x + (1 | g), known_scales, method = way[[1]], engine = way[[2]])
    expect_posterior(draws_in(fit, "b_x"), exact$mean[2], exact$sd[2])
    expect_posterior(draws_in(fit, "b_Intercept") + mean(rows$x) * draws_in(fit, "b_x"), exact$mean[1], exact$sd[1])
    expect_identical(unique(draws_in(fit, "sd_g__Intercept")), 0.7)
    expect_identical(unique(round(draws_in(fit, "sigma"), 14)), 0.5)
  }
})

test_that("the log evidence is normalised", {
  # p(y) of a Gaussian model with known scales, in closed form.
  covariance <- 0.25 * diag(24) + 0.49 * same_group + centred %*% diag(c(9, 4)) %*% t(centred)
  root <- chol(covariance)
  exact <- -12 * log(2 * pi) - sum(log(diag(root))) - 0.5 * sum(backsolve(root, rows$y - 1, transpose = TRUE)^2)
  for (method in c("nuts", "laplace")) {
    found <- tw_log_evidence(fitted_with(y ~ x + (1 | g), known_scales, method = method), silent = 2)
    expect_lt(abs(found$log_evidence - exact), 5 * max(found$mcse, 1e-6))
  }
  # And sigma known, sd not: by quadrature over the sd.
  prior <- c(known_scales[-1, ], tw_prior("exponential(2)", class = "sd"))
  density <- function(sd) vapply(sd, function(sd) {
    root <- chol(0.25 * diag(24) + sd^2 * same_group + centred %*% diag(c(9, 4)) %*% t(centred))
    exp(30 - 12 * log(2 * pi) - sum(log(diag(root))) - 0.5 * sum(backsolve(root, rows$y - 1, transpose = TRUE)^2)) * dexp(sd, 2)
  }, 0)
  whole <- integrate(density, 0, 20, rel.tol = 1e-8)$value
  fit <- fitted_with(y ~ x + (1 | g), prior)
  found <- tw_log_evidence(fit, silent = 2)
  expect_lt(abs(found$log_evidence - log(whole) + 30), 5 * found$mcse)
  mean <- integrate(function(sd) sd * density(sd), 0, 20, rel.tol = 1e-8)$value / whole
  second <- integrate(function(sd) sd^2 * density(sd), 0, 20, rel.tol = 1e-8)$value / whole
  expect_posterior(draws_in(fit, "sd_g__Intercept"), mean, sqrt(second - mean^2))
})

test_that("known coefficients are the offset that they make, and draws are of the columns as they are", {
  slope <- c(tw_prior("constant(0.4)", class = "b"), known_scales[known_scales$class != "b", ])
  fit <- fitted_with(y ~ x + (1 | g), slope)
  as_offset <- fitted_with(y ~ 1 + offset(0.4 * x) + (1 | g), known_scales[known_scales$class != "b", ])
  expect_identical(unique(draws_in(fit, "b_x")), 0.4)
  # The intercept's prior is at the mean of x in one and at zero in the other: that moves it by less than its own width does.
  exact <- generalised_least_squares(centred[, 1, drop = FALSE], rows$y - 0.4 * centred[, 2],
                                     0.25 * diag(24) + 0.49 * same_group, 1, 3)
  expect_posterior(draws_in(fit, "b_Intercept"), exact$mean - 0.4 * mean(rows$x), exact$sd)
  expect_lt(abs(mean(draws_in(fit, "b_Intercept")) - mean(draws_in(as_offset, "b_Intercept"))), 0.1)
  expect_equal(colMeans(posterior_epred(fit)), colMeans(posterior_epred(as_offset)), tolerance = 0.02)

  level <- c(tw_prior("constant(1.5)", class = "Intercept"), known_scales[known_scales$class != "Intercept", ])
  fit <- fitted_with(y ~ x + (1 | g), level)
  exact <- generalised_least_squares(centred[, 2, drop = FALSE], rows$y - 1.5, 0.25 * diag(24) + 0.49 * same_group, 0, 2)
  expect_posterior(draws_in(fit, "b_x"), exact$mean, exact$sd)
  expect_equal(draws_in(fit, "b_Intercept"), 1.5 - mean(rows$x) * draws_in(fit, "b_x"))
  raw <- fitted_with(y ~ x + (1 | g), level, intercept = "raw")
  expect_identical(unique(draws_in(raw, "b_Intercept")), 1.5)
  # Nothing but effects is left.
  both <- c(tw_prior("constant(1.5)", class = "Intercept"), slope[slope$class != "Intercept", ])
  fit <- fitted_with(y ~ x + (1 | g), both)
  expect_equal(unique(draws_in(fit, "b_Intercept")), 1.5 - 0.4 * mean(rows$x))
  net <- rows$y - 1.5 - 0.4 * centred[, 2]
  weight <- 4 / 0.25 / (4 / 0.25 + 1 / 0.49)
  expect_posterior(draws_in(fit, "r_g[2,Intercept]"), weight * mean(net[rows$g == 2]), sqrt(0.25 / 4 * weight))
})

test_that("schools with known errors and a known spread shrink as James and Stein say", {
  schools <- data.frame(y = c(28, 8, -3, 7, -1, 1, 18, 12), se = c(15, 10, 16, 11, 9, 11, 10, 18), school = LETTERS[1:8])
  fit <- twill(y | se(se) ~ 1 + (1 | school), schools, chains = 2, iter = 2000, seed = 1, silent = 2,
               prior = c(tw_prior("constant(8)", class = "sd"), tw_prior("constant(5)", class = "Intercept")))
  shrunken <- 64 / (64 + schools$se^2)
  for (j in c(1, 6)) {
    name <- sprintf("r_school[%s,Intercept]", schools$school[j])
    expect_posterior(draws_in(fit, name), shrunken[j] * (schools$y[j] - 5), 8 * sqrt(1 - shrunken[j]))
  }
})

test_that("a known correlation is that of the effects", {
  prior <- c(known_scales, tw_prior("constant(-0.3)", class = "cor"))
  exact_covariance <- 0.25 * diag(24) + same_group * (0.49 * (1 + outer(rows$x, rows$x) - 0.3 * outer(rows$x, rows$x, "+")))
  exact <- generalised_least_squares(centred, rows$y, exact_covariance, c(1, 0), c(3, 2))
  for (engine in c("collapsed", "levels")) {
    with_sigma <- c(prior[prior$class != "sigma", ], tw_prior("normal(0, 1)", class = "sigma"))
    fit <- fitted_with(y ~ x + (1 + x | g), if (engine == "collapsed") with_sigma else prior, engine = engine)
    expect_equal(unique(draws_in(fit, "cor_g__Intercept__x")), -0.3)
  }
  expect_posterior(draws_in(fit, "b_x"), exact$mean[2], exact$sd[2])
  three <- c(known_scales, tw_prior("constant(-0.6)", class = "cor"))
  expect_error(fitted_with(y ~ x + (1 + x + I(x^2) | g), three), "above -0.5", class = "twill_error_prior")
})

test_that("shapes and regressions of the dispersion take constants", {
  shape <- c(tw_prior("constant(3)", class = "shape"), tw_prior("normal(0, 1)", class = "b"),
             tw_prior("normal(1, 1)", class = "Intercept"))
  fit <- twill(count ~ x, rows, negbinomial(), prior = shape, chains = 2, iter = 600, seed = 1, silent = 2)
  grid <- expand.grid(a = seq(-1, 3, 0.02), b = seq(-1.5, 1.5, 0.02))
  log_density <- vapply(seq_len(nrow(grid)), function(i) {
    mu <- exp(grid$a[i] + grid$b[i] * centred[, 2])
    sum(dnbinom(rows$count, mu = mu, size = 3, log = TRUE)) + dnorm(grid$a[i], 1, 1, TRUE) + dnorm(grid$b[i], 0, 1, TRUE)
  }, 0)
  weight <- exp(log_density - max(log_density))
  weight <- weight / sum(weight)
  mean <- sum(weight * grid$b)
  expect_posterior(draws_in(fit, "b_x"), mean, sqrt(sum(weight * (grid$b - mean)^2)))
  expect_equal(unique(draws_in(fit, "shape")), 3)

  slope <- c(tw_prior("constant(0.3)", class = "b", dpar = "sigma"), known_scales[3:4, ])
  fit <- twill(tw_formula(y ~ x, sigma ~ x), rows, prior = slope, chains = 2, iter = 400, seed = 1, silent = 2)
  expect_identical(unique(draws_in(fit, "b_sigma_x")), 0.3)
  expect_gt(sd(draws_in(fit, "b_sigma_Intercept")), 0.05)
})

test_that("summaries show constants as brms does, and nothing warns of them", {
  expect_no_warning(fit <- twill(y ~ x + (1 | g), rows, prior = known_scales, chains = 2, iter = 1000, seed = 1, refresh = 0))
  expect_equal(unname(VarCorr(fit)$g$sd[1, ]), c(0.7, 0, 0.7, 0.7))
  expect_true(is.na(rhat(fit, pars = "sd_g__Intercept")))
  expect_output(print(fit), "0.70")
  expect_identical(grep("constant", prior_summary(fit)$prior, value = TRUE), c("constant(0.5)", "constant(0.7)"))
  expect_false(any(grepl("prior_sd|prior_sigma", variables(update(fit, sample_prior = "yes", silent = 2)))))
  only <- update(fit, sample_prior = "only", silent = 2)
  expect_posterior(draws_in(only, "b_x"), 0, 2)
})

test_that("genes and cells take constants of scales, and say what they do not take", {
  set.seed(5)
  samples <- data.frame(donor = gl(4, 2), arm = rep(c("a", "b"), 4))
  counts <- matrix(rnbinom(20 * 8, mu = 40, size = 5), 20, dimnames = list(paste0("g", 1:20), NULL))
  prior <- c(tw_prior("constant(0.3)", class = "sd"), tw_prior("constant(5)", class = "shape"))
  for (method in c("hmc", "svi", "nuts")) {
    fit <- twill_genes(counts, ~ arm + (1 | donor), col_data = samples, prior = prior, method = method, seed = 1, silent = 2,
                       check = FALSE)
    one <- gene_view(fit, match("g3", set_genes(fit)))
    expect_equal(unique(draws_in(one, "sd_donor__Intercept")), 0.3)
    expect_equal(unique(round(draws_in(one, "shape"), 12)), 5)
  }
  expect_error(twill_genes(counts, ~ arm + (1 | donor), col_data = samples, prior = tw_prior("constant(0)", class = "b"),
                           seed = 1, silent = 2), "offset", class = "twill_error_prior")
})
