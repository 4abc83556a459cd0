# Residual sds of several responses, or of groups of rows: effects are integrated out, with an information for each.

one_row_each <- function(n = 30, seed = 5) {
  with_fixed_seed(seed, {
    K <- 0.6^abs(outer(seq_len(n), seq_len(n), "-"))
    dimnames(K) <- rep(list(sprintf("i%02d", seq_len(n))), 2)
    u <- crossprod(chol(K), matrix(stats::rnorm(2 * n), n))
    data <- data.frame(id = rownames(K), f = gl(2, 1, n, labels = c("a", "b")))
    data$y1 <- 1 + u[, 1] + stats::rnorm(n, 0, 0.8)
    data$y2 <- -1 + 1.5 * u[, 2] + stats::rnorm(n, 0, 0.5)
    list(data = data, K = K)
  })
}

test_that("with one row of each relative, traits have the posterior of dense matrices, by every engine", {
  x <- one_row_each()
  n <- nrow(x$data)
  prior <- c(tw_prior("normal(0, 3)", class = "Intercept"), tw_prior("exponential(1)", class = "sigma", resp = c("y1", "y2")),
             tw_prior("constant(1)", class = "sd", resp = "y1"), tw_prior("constant(1.5)", class = "sd", resp = "y2"))
  design <- cbind(diag(2) %x% rep(1, n), diag(2 * n))
  covariance <- as.matrix(Matrix::bdiag(diag(9, 2), x$K, 1.5^2 * x$K))
  parts <- function(a, c) list(residual = rep(exp(2 * c(a, c)), each = n), covariance = covariance)
  log_prior <- function(a, c) a + c - exp(a) - exp(c)
  grid <- seq(-6, 1.2, length.out = 40)
  exact <- exact_moments(c(x$data$y1, x$data$y2), design, grid, grid, log_prior, parts)
  for (engine in c("auto", "joint")) {
    fit <- twill(mvbind(y1, y2) ~ 1 + (1 | gr(id, cov = K)), x$data, data2 = x["K"], prior = prior, intercept = "raw", seed = 1,
                 silent = 2, iter = 3000, chains = 2, control = list(engine = engine, adapt_delta = 0.9))
    expect_identical(fit$info$engine, if (engine == "auto") "collapsed" else "joint")
    draws <- list(a = log(of_draws(fit, "sigma_y1")), c = log(of_draws(fit, "sigma_y2")))
    # The ends of the grid hold no mass that matters.
    for (of in names(draws)) expect_near(pmax(draws[[of]], -6), exact[[of]][["mean"]], exact[[of]][["sd"]])
    names <- c("b_y1_Intercept", "b_y2_Intercept", "r_id__y1[i01,Intercept]", "r_id__y1[i17,Intercept]",
               "r_id__y2[i30,Intercept]")
    at <- c(1, 2, 3, 19, 2 + 2 * n)
    for (k in seq_along(at)) expect_near(of_draws(fit, names[k]), exact$mean[at[k]], exact$sd[at[k]])
  }
})

test_that("the evidence of responses without effects in common is the product of theirs, by every way", {
  x <- one_row_each()
  prior <- c(tw_prior("normal(0, 2)", class = "Intercept"), tw_prior("exponential(1)", class = "sd"),
             tw_prior("exponential(1)", class = "sigma"))
  of_both <- c(tw_prior("normal(0, 2)", class = "Intercept"), tw_prior("exponential(1)", class = "sd"),
               tw_prior("exponential(1)", class = "sigma", resp = c("y1", "y2")))
  fit <- function(formula, prior, ...) {
    twill(formula, x$data, data2 = x["K"], prior = prior, intercept = "raw", seed = 1, silent = 2, ...)
  }
  alone <- lapply(list(y1 ~ 1 + (1 | gr(id, cov = K)), y2 ~ 1 + (1 | gr(id, cov = K))),
                  function(formula) tw_log_evidence(fit(formula, prior), silent = 2))
  expected <- sum(vapply(alone, `[[`, 0, "log_evidence"))
  both <- mvbind(y1, y2) ~ 1 + (1 | gr(id, cov = K))
  found <- list(tw_log_evidence(fit(both, of_both), silent = 2),
                suppressWarnings(tw_log_evidence(fit(both, of_both, method = "svi")), classes = "twill_warning_khat"))
  for (value in found) expect_lt(abs(value$log_evidence - expected), 0.05)
})

test_that("groups of rows with sds of their own are as many rows of their own responses", {
  x <- one_row_each()
  fit <- function(...) {
    twill(tw_formula(y1 ~ 1 + (1 | gr(id, cov = K)), sigma ~ 0 + f), x$data, data2 = x["K"], seed = 1, silent = 2, ...,
          prior = tw_prior("normal(-0.5, 0.5)", class = "b", dpar = "sigma"))
  }
  fits <- list(fit(), fit(control = list(engine = "joint")), fit(control = list(engine = "levels")))
  expect_identical(vapply(fits, function(f) f$info$engine, ""), c("collapsed", "joint", "levels"))
  for (name in c("b_Intercept", "sd_id__Intercept", "b_sigma_fa", "b_sigma_fb", "r_id[i03,Intercept]")) {
    draws <- lapply(fits, of_draws, name)
    for (other in draws[-1]) {
      error <- sqrt(posterior::mcse_mean(draws[[1]])^2 + posterior::mcse_mean(other)^2)
      expect_lt(abs(mean(draws[[1]]) - mean(other)) / error, 4.5)
    }
  }
})

test_that("beside a predictor with errors, effects of single rows leave sigma where it is", {
  x <- one_row_each(60, seed = 8)
  x$data$seen <- with_fixed_seed(9, x$data$y2 + stats::rnorm(60, 0, 0.3))
  x$data$y <- 1 + 0.5 * x$data$y2 + x$data$y1
  fits <- lapply(c("joint", "levels"), function(engine) {
    twill(y ~ me(seen, 0.3) + (1 | gr(id, cov = K)), x$data, data2 = x["K"], seed = 1, silent = 2, iter = 3000, chains = 2,
          prior = tw_prior("exponential(1)", class = "sd"), control = list(engine = engine, adapt_delta = 0.9))
  })
  for (name in c("sigma", "sd_id__Intercept", "bsp_meseen0.3")) {
    draws <- lapply(fits, of_draws, name)
    expect_lt(posterior::rhat(draws[[1]]), 1.05)
    error <- sqrt(sum(vapply(draws, posterior::mcse_mean, 0)^2))
    expect_lt(abs(mean(draws[[1]]) - mean(draws[[2]])) / error, 4.5)
  }
  expect_gt(stats::median(of_draws(fits[[1]], "sigma")), 0.2)
})
