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
    expect_identical(fit$info$optimiser, if (guide == "fullrank") "natural" else "adam")
    expect_gt(length(fit$info$elbo), if (guide == "fullrank") 30 else 100)
    d <- distance(fit, exact)
    expect_lt(d$mean, 0.3)
  }
})

test_that("a dense guide is as near as its evidence, in few steps", {
  fits <- list(gaussian = approximated("svi"),
               counts = twill(y ~ trt + lage + (1 | subject), MASS::epil, negbinomial(), seed = 1, silent = 2, method = "svi"))
  for (fit in fits) {
    expect_identical(fit$info$optimiser, "natural")
    expect_lt(length(fit$info$elbo), 200)
    expect_lt(fit$info$pareto_k, 0.7)
    # The importance ratios know the evidence to a hundredth.
    expect_lt(abs(fit$info$log_evidence - mean(tail(fit$info$elbo, 20)) - 0.1), 0.2)
  }
})

test_that("who speaks of Adam's steps gets Adam, and update() keeps it", {
  fit <- approximated("svi", control = list(n_draws = 2, max_steps = 600))
  expect_identical(fit$info$optimiser, "adam")
  expect_identical(update(fit, silent = 2)$draws, fit$draws)
  expect_identical(update(fit, control = list(max_steps = 400), silent = 2)$info$optimiser, "adam")
  near <- approximated("svi")
  expect_identical(update(near, silent = 2)$draws, near$draws)
  expect_error(approximated("svi", control = list(natural = TRUE)), "natural", class = "twill_error_setting")
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

test_that("ratios that hardly vary are trusted whatever the shape of their tail", {
  heavy <- (1000 / 1:1000)^3
  even <- smoothed_weights(1e-13 * heavy)
  expect_identical(even$khat, -Inf)
  expect_gt(1 / sum(even$weights^2), 999.9)
  expect_gt(smoothed_weights(1e-8 * heavy)$khat, khat_limit)
  # As they come from a run: trusted, and said so without a warning.
  result <- list(log_ratios = 1e-13 * heavy, draws = array(1:1000, c(1000, 1, 1), list(1:1000, "1", "a")), elbo = NULL,
                 info = "{\"note\":\"\"}")
  output <- approximation_output(result, list(n_kept = 250, seed = 1))
  expect_true(output$info$is_resampled)
})

test_that("draws outside the support of a prior have weight zero", {
  weights <- smoothed_weights(c(-Inf, 0, 0.1, -Inf, rep(0.05, 96)))
  expect_identical(weights$weights[c(1, 4)], c(0, 0))
  expect_equal(sum(weights$weights), 1)
  expect_identical(smoothed_weights(rep(-Inf, 10))$khat, Inf)
  prior <- tw_prior("uniform(0, 60)", class = "sd")
  # Steps of NUTS over the edge of a uniform prior diverge, and with some seeds a chain stays there.
  exact <- approximated("hmc", prior = prior)
  for (method in c("laplace", "svi")) {
    fit <- approximated(method, prior = prior)
    expect_lt(distance(fit, exact)$mean, 0.25)
    expect_lt(max(draws_by_hand(fit, c("sd_Subject__Intercept", "sd_Subject__Days"))), 60)
  }
  # Not to be trusted, and inside all the same.
  result <- list(log_ratios = c(-Inf, 3 * (100 / 1:99)^2), draws = array(1:100, c(100, 1, 1), list(1:100, "1", "a")), elbo = NULL,
                 info = "{\"note\":\"\"}")
  output <- approximation_output(result, list(n_kept = 25, seed = 1))
  expect_false(output$info$is_resampled)
  expect_identical(as.vector(output$draws), 2:26)
})

test_that("resampling takes each draw as often as its weight says", {
  weights <- c(0.5, 0.25, 0.25, 0)
  expect_identical(as.vector(table(factor(resample(weights, 400, 1), levels = 1:4))), c(200L, 100L, 100L, 0L))
  # One offset for all: each draw of 300 floor(n w) or ceiling(n w) times, where offsets of their own would miss some.
  uneven <- with_fixed_seed(1, stats::rexp(300))
  uneven <- uneven / sum(uneven)
  times <- tabulate(resample(uneven, 900, 1), 300)
  expect_true(all(times == floor(900 * uneven) | times == ceiling(900 * uneven)))
})

# 3,000 counts with a covariate of their own each, so that nothing compresses.
uncompressed <- local({
  with_seed_of <- function(seed, code) { set.seed(seed); code }
  with_seed_of(11, {
    d <- data.frame(x = stats::rnorm(3000), g = factor(rep(1:20, 150)))
    d$y <- stats::rnbinom(3000, mu = exp(0.5 + 0.3 * d$x + stats::rnorm(20, 0, 0.5)[d$g]), size = 2)
    d
  })
})

test_that("batches of rows give the posterior of all rows", {
  model <- function(...) twill(y ~ x + (1 | g), uncompressed, negbinomial(), seed = 3, silent = 2, ...)
  exact <- model()
  all <- model(method = "svi")
  batched <- model(method = "svi", control = list(batch = 150))
  # Resampled draws of four thousand: the Monte Carlo error of a mean is 0.03 of the posterior's sd, of an sd's log 0.02.
  # The k-hat of both is near 0.7, on either side of it.
  for (fit in list(all, batched)) {
    expect_lt(fit$info$pareto_k, 0.9)
    d <- distance(fit, exact)
    expect_lt(d$mean, 0.15)
    expect_lt(d$sd, 0.15)
  }
  expect_lt(abs(batched$info$elbo_all_rows - all$info$elbo_all_rows), 0.5)
  expect_match(paste(capture.output(print(batched)), collapse = "\n"), "steps of 150 rows")
  expect_identical(batched$draws, model(method = "svi", control = list(batch = 150), cores = 1)$draws)
})

test_that("a Gaussian model in batches keeps its effects", {
  fit <- approximated("svi", control = list(batch = 60))
  expect_identical(fit$info$engine, "joint")
  expect_lt(distance(fit, approximated("nuts"))$mean, 0.3)
})

test_that("batches that cannot be drawn are refused", {
  refused <- function(batch, ...) approximated("svi", control = list(batch = batch, ...))
  expect_error(refused(-1), "control\\$batch", class = "twill_error_setting")
  expect_error(refused(2.5), "control\\$batch", class = "twill_error_setting")
  expect_error(refused("ten"), "control\\$batch", class = "twill_error_setting")
  expect_error(refused(181), "180 rows", class = "twill_error_setting")
  expect_error(refused(20, engine = "collapsed"), "collapsed", class = "twill_error_setting")
  expect_identical(refused(NULL)$info$settings$control$batch, 0)
})

test_that("batches are suggested where rows are many and do not compress", {
  settings <- list(method = "svi", control = list(batch = 0))
  info <- list(rows = 2e5, uses_rows = TRUE, elbo = numeric(400))
  expect_message(suggest_batch(info, settings), "batch = 5000", class = "twill_message_batch")
  expect_no_message(suggest_batch(utils::modifyList(info, list(rows = 1000)), settings))
  expect_no_message(suggest_batch(utils::modifyList(info, list(uses_rows = FALSE)), settings))
  expect_no_message(suggest_batch(info, list(method = "svi", control = list(batch = 100))))
})

test_that("an approximation whose draws are not finite is an error", {
  draws <- array(c(1, Inf), c(2, 1, 1), list(NULL, NULL, "b_x"))
  result <- list(log_ratios = c(0, 0), draws = draws, info = "{}", elbo = numeric())
  expect_error(approximation_output(result, list(n_kept = 2, seed = 1)), "not finite", class = "twill_error_start")
})
