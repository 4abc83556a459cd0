# Laplace and variational approximations: near NUTS where they say so, and honest where they are not.

approximated <- function(method, ..., seed = 1) {
  twill(Reaction ~ Days + (1 + Days | Subject), lme4::sleepstudy, method = method, seed = seed, silent = 2, ...)
}

# Means and sds of an approximation in units of the sds of NUTS.
distance <- function(fit, exact) {
  main <- grep("^(b_|sd_|cor_|sigma|shape)", posterior::variables(exact), value = TRUE)
  a <- posterior::summarise_draws(posterior::subset_draws(fit$draws, main), "mean", "sd")
  b <- posterior::summarise_draws(posterior::subset_draws(exact$draws, main), "mean", "sd")
  list(mean = max(abs(a$mean - b$mean) / b$sd), sd = max(abs(log(a$sd / b$sd))))
}

test_that("approximations agree with NUTS where k-hat is good", {
  exact <- approximated("nuts")
  for (method in c("laplace", "svi")) {
    fit <- approximated(method)
    expect_lt(fit$info$pareto_k, 0.7)
    expect_true(fit$info$is_resampled)
    d <- distance(fit, exact)
    expect_lt(d$mean, 0.2)
    expect_lt(d$sd, 0.2)
  }
})

test_that("counts are approximated, with every guide", {
  model <- function(...) twill(y ~ trt + lage + (1 | subject), MASS::epil, negbinomial(), seed = 1, silent = 2, ...)
  exact <- model()
  for (guide in c("fullrank", "lowrank", "meanfield")) {
    fit <- model(method = "svi", control = list(guide = guide))
    expect_true(fit$info$converged)
    expect_gt(length(fit$info$elbo), 100)
    d <- distance(fit, exact)
    expect_lt(d$mean, 0.3)
  }
})

test_that("the same seed gives the same draws", {
  expect_identical(approximated("svi")$draws, approximated("svi")$draws)
  expect_identical(approximated("laplace")$draws, approximated("laplace")$draws)
})

test_that("an approximation is used like any fit, and says what it is", {
  fit <- approximated("laplace", iter = 600)
  expect_equal(posterior::ndraws(fit), 1200)
  shown <- paste(capture.output(print(fit)), collapse = "\n")
  expect_match(shown, "by laplace")
  expect_match(shown, "k-hat")
  expect_no_match(shown, "Rhat")
  expect_identical(dim(posterior_epred(fit, ndraws = 10)), c(10L, 180L))
  expect_error(nuts_params(fit), "laplace", class = "twill_error_method")
  sampled <- update(fit, method = "nuts", chains = 2, iter = 200, silent = 2)
  expect_identical(sampled$info$method, "nuts")
})

test_that("a poor approximation is named as one", {
  weights <- smoothed_weights(c(rep(0, 500), 50))
  expect_gt(weights$khat, 0.7)
  fit <- approximated("laplace", iter = 400)
  fit$info$is_resampled <- FALSE
  fit$info$pareto_k <- 1.3
  expect_warning(warn_approximation(fit), "1.30", class = "twill_warning_khat")
  expect_warning(approximated("svi", control = list(max_steps = 10)) |> warn_approximation(), class = "twill_warning_elbo") |>
    suppressWarnings()
})

test_that("resampling takes each draw as often as its weight says", {
  weights <- c(0.5, 0.25, 0.25, 0)
  expect_identical(as.vector(table(factor(resample(weights, 400, 1), levels = 1:4))), c(200L, 100L, 100L, 0L))
})
