# Errors of rows with a known covariance, fcor(V), against dense algebra and quadrature.

trials <- local({
  set.seed(3)
  data <- data.frame(trial = rep(letters[1:7], each = 2), outcome = rep(c("bp", "hr"), 7), se = round(runif(14, 0.2, 0.5), 2))
  data$x <- round(rnorm(14), 2)
  data$y <- round(1 + 0.4 * data$x + rep(rnorm(7, 0, 0.6), each = 2) + rnorm(14, 0, data$se), 2)
  data
})
n <- nrow(trials)
correlation <- as.matrix(Matrix::bdiag(rep(list(matrix(c(1, 0.7, 0.7, 1), 2)), 7)))
covariance <- correlation * outer(trials$se, trials$se)
# Rows of different levels are related too.
dense <- 0.6^abs(outer(1:14, 1:14, "-")) * outer(trials$se, trials$se)

fit_errors <- function(formula, prior, V, data = trials, engine = "auto", iter = 1000, method = "nuts", ...) {
  twill(formula, data, prior = prior, data2 = list(V = V), chains = 2, iter = iter, seed = 1, silent = 2, method = method,
        control = if (method == "nuts") list(engine = engine) else list(), ...)
}

centred <- trials$x - mean(trials$x)
design <- cbind(1, centred, outer(trials$trial, letters[1:7], "==") + 0)
known <- c(tw_prior("constant(0.8)", class = "sd"), tw_prior("normal(0, 2)", class = "b"),
           tw_prior("normal(1, 3)", class = "Intercept"))

#' Posterior of w in y = design w + e, e ~ N(0, V).
errors_posterior <- function(V, prior = c(9, 4, rep(0.64, 7)), centre = c(1, rep(0, 8))) {
  covariance <- diag(prior)
  gain <- covariance %*% t(design) %*% solve(design %*% covariance %*% t(design) + V)
  mean <- centre + drop(gain %*% (trials$y - design %*% centre))
  list(mean = mean, sd = sqrt(diag(covariance - gain %*% design %*% covariance)))
}

expect_errors_posterior <- function(fit, exact) {
  expect_posterior(draws_in(fit, "b_x"), exact$mean[2], exact$sd[2])
  for (level in c(1, 7)) {
    expect_posterior(draws_in(fit, sprintf("r_trial[%s,Intercept]", letters[level])), exact$mean[2 + level], exact$sd[2 + level])
  }
}

test_that("coefficients and effects have the posterior of dense algebra, by every engine and method", {
  for (V in list(covariance, dense)) {
    exact <- errors_posterior(V)
    for (way in list(c("nuts", "auto"), c("nuts", "joint"), c("nuts", "levels"), c("svi", "auto"), c("laplace", "auto"))) {
      fit <- fit_errors(y | se(se) ~ x + (1 | trial) + fcor(V), known, V, method = way[1], engine = way[2])
      expect_errors_posterior(fit, exact)
    }
  }
})

test_that("without se() the covariance is sigma^2 V, and with it a correlation is scaled by the standard errors", {
  fit <- fit_errors(y ~ x + (1 | trial) + fcor(V), c(known, tw_prior("constant(0.5)", class = "sigma")), dense / 0.25)
  expect_errors_posterior(fit, errors_posterior(dense))
  expect_errors_posterior(fit_errors(y | se(se) ~ x + (1 | trial) + fcor(V), known, correlation), errors_posterior(covariance))
  variances <- fit_errors(y | se(se) ~ x + (1 | trial) + fcor(V), known, trials$se^2)
  expect_errors_posterior(variances, errors_posterior(diag(trials$se^2)))
})

test_that("with the effects integrated out, sigma and evidence are those of quadrature", {
  prior <- c(known, tw_prior("exponential(1)", class = "sigma"))
  fixed <- design %*% diag(c(9, 4, rep(0.64, 7))) %*% t(design)
  V <- dense * 10
  density <- function(sigma) vapply(sigma, function(s) {
    root <- chol(fixed + s^2 * V)
    exp(-7 * log(2 * pi) - sum(log(diag(root))) - 0.5 * sum(backsolve(root, trials$y - 1, transpose = TRUE)^2) + 12) * dexp(s)
  }, 0)
  moment <- function(power) integrate(function(s) s^power * density(s), 0, 10, rel.tol = 1e-8)$value
  whole <- moment(0)
  fit <- fit_errors(y ~ x + (1 | trial) + fcor(V), prior, V, iter = 2000)
  expect_identical(fit$info$engine, "collapsed")
  expect_posterior(draws_in(fit, "sigma"), moment(1) / whole, sqrt(moment(2) / whole - (moment(1) / whole)^2))
  found <- tw_log_evidence(fit, silent = 2)
  expect_lt(abs(found$log_evidence - log(whole) + 12), 5 * found$mcse)
})

test_that("slopes of rows that share no level meet through their errors", {
  prior <- c(tw_prior("constant(0.8)", class = "sd"), tw_prior("constant(-0.4)", class = "cor"), known[-1, ])
  within <- 0.64 * matrix(c(1, -0.4, -0.4, 1), 2)
  z <- cbind(design[, 3:9], design[, 3:9] * trials$x)
  all <- cbind(1, centred, z)
  covariance <- as.matrix(Matrix::bdiag(diag(c(9, 4)), kronecker(within, diag(7))))
  gain <- covariance %*% t(all) %*% solve(all %*% covariance %*% t(all) + dense)
  mean <- c(1, rep(0, 15)) + drop(gain %*% (trials$y - 1))
  sd <- sqrt(diag(covariance - gain %*% all %*% covariance))
  fit <- fit_errors(y | se(se) ~ x + (1 + x | trial) + fcor(V), prior, dense)
  expect_posterior(draws_in(fit, "r_trial[c,Intercept]"), mean[5], sd[5])
  expect_posterior(draws_in(fit, "r_trial[c,x]"), mean[12], sd[12])
})

test_that("rows that are left out take their rows of the matrix with them, by order or by name", {
  exact <- fit_errors(y | se(se) ~ x + fcor(V), known[-1, ], dense[-c(2, 9), -c(2, 9)], trials[-c(2, 9), ], iter = 400)
  holes <- trials
  holes$x[2] <- NA
  holes$z <- seq_len(n)
  by_order <- fit_errors(y | se(se) ~ x + fcor(V), known[-1, ], dense, holes, iter = 400, subset = z != 9)
  expect_equal(unclass(by_order$draws), unclass(exact$draws), tolerance = 1e-6)
  names <- paste0("row", c(3, 20, 1:2, 4:14))
  named <- structure(as.matrix(Matrix::bdiag(dense, 1))[c(3, 15, 1:2, 4:14), c(3, 15, 1:2, 4:14)], dimnames = list(names, names))
  rownames(holes) <- paste0("row", 1:14)
  by_name <- fit_errors(y | se(se) ~ x + fcor(V), known[-1, ], named, holes, iter = 400, subset = z != 9)
  expect_equal(unclass(by_name$draws), unclass(exact$draws), tolerance = 1e-6)
  again <- update(by_order, iter = 400, silent = 2)
  expect_identical(unclass(again$draws), unclass(by_order$draws))
})

test_that("log_lik, loo and responses are those of rows that are related", {
  fit <- fit_errors(y ~ x + fcor(V), known[-1, ], dense / 0.25, iter = 1000)
  draws <- unclass(posterior::as_draws_matrix(fit$draws))
  eta <- draws[, "b_Intercept"] + outer(draws[, "b_x"], trials$x)
  V <- dense / 0.25
  by_hand <- function(s, i) {
    weights <- solve(V[-i, -i], V[-i, i])
    mean <- eta[s, i] + sum(weights * (trials$y[-i] - eta[s, -i]))
    dnorm(trials$y[i], mean, draws[s, "sigma"] * sqrt(V[i, i] - sum(weights * V[-i, i])), log = TRUE)
  }
  found <- log_lik(fit)
  for (s in c(1, 500)) for (i in c(1, 8, 14)) expect_equal(found[s, i], by_hand(s, i), tolerance = 1e-8)
  pointwise <- log_lik(fit, pointwise = TRUE)
  expect_equal(pointwise(data.frame(row = 8), attr(pointwise, "draws"))[, 1], found[, 8], tolerance = 1e-8)
  expect_s3_class(suppressWarnings(loo(fit)), "loo")
  new <- posterior_predict(fit, draw_ids = rep(1, 20000), seed = 1)
  expect_lt(max(abs(cov(new) / draws[1, "sigma"]^2 - V)), 5 * max(diag(V)) * sqrt(2 / 20000))
  z <- residuals(fit, type = "pearson", summary = FALSE)
  expect_equal(z[1, ], (trials$y - eta[1, ]) / (draws[1, "sigma"] * sqrt(diag(V))), tolerance = 1e-8, ignore_attr = TRUE)
})

test_that("what cannot be is refused with the way out", {
  refuse <- function(pattern, formula = y | se(se) ~ x + fcor(V), V = dense, class = "twill_error_data2", ...) {
    error <- tryCatch(fit_errors(formula, NULL, V, iter = 200, ...), twill_error = identity)
    expect_s3_class(error, class)
    expect_match(gsub("\\s+", " ", conditionMessage(error)), pattern)
  }
  refuse("6 x 6.*14 rows", V = dense[1:6, 1:6])
  refuse("square", V = dense[, 1:6])
  refuse("symmetric", V = dense + upper.tri(dense))
  refuse("diagonal.*se\\^2", V = 2 * dense)
  refuse("missing or infinite", V = replace(dense, 1, NA))
  twin <- dense
  twin[2, ] <- twin[1, ]
  twin[, 2] <- twin[, 1]
  refuse("eigenvalue.*same errors as another row", y ~ x + fcor(V), V = twin)
  negative <- matrix(-0.5, 14, 14) + diag(1.5, 14)
  refuse("smallest of 14 eigenvalues is -5", y ~ x + fcor(V), V = negative)
  error <- tryCatch(twill(y ~ x + fcor(V), trials, silent = 2), twill_error = identity)
  expect_match(conditionMessage(error), "lacks .*V")
  refused <- function(pattern, ...) refuse(pattern, ..., class = "twill_error_formula")
  refused("whole covariance|variance of its own", y | se(se, sigma = TRUE) ~ x + fcor(V))
  refused("weights", y | weights(se) ~ x + fcor(V))
  refused("sigma", tw_formula(y ~ x + fcor(V), sigma ~ x))
  refused("twice", y ~ fcor(V) + fcor(V))
  refused("name of a matrix", y ~ x + fcor(diag(14)))
  refused("added as a term", y ~ x:fcor(V))
  trials$count <- 1L
  counts <- tryCatch(twill(count ~ x + fcor(V), trials, poisson(), data2 = list(V = dense), silent = 2), twill_error = identity)
  expect_match(conditionMessage(counts), "gaussian")
  genes <- tryCatch(twill_genes(matrix(rpois(56, 5), 4), ~ x + fcor(V), col_data = trials, silent = 2), twill_error = identity)
  expect_match(conditionMessage(genes), "fcor")
  fit <- fit_errors(y ~ x + fcor(V), NULL, dense, iter = 200)
  expect_error(posterior_predict(fit, newdata = trials[1:2, ]), class = "twill_error_newdata")
  expect_error(log_lik(fit, newdata = trials[1:2, ]), class = "twill_error_newdata")
  expect_error(kfold(fit), class = "twill_error_folds")
  expect_identical(dim(posterior_epred(fit, newdata = trials[1:2, ])), c(200L, 2L))
})
