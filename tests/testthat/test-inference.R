# Settings of the sampler, and what they do to a fit.

settings <- function(chains = 4, iter = 2000, warmup = NULL, thin = 1, cores = 2, threads = NULL, control = list(),
                     init = "mode", seed = 1, save_pars = NULL) {
  new_settings(chains, iter, warmup, thin, cores, threads, control, init, seed, save_pars)
}

test_that("defaults are brms', apart from the target of acceptance", {
  s <- settings()
  expect_identical(s$warmup, 1000)
  expect_identical(s$threads, 2)
  expect_identical(s$adapt_delta, list(0.65, 0.9, 0.99))
  expect_identical(s$max_treedepth, 10)
  expect_true(s$save_effects)
})

test_that("spellings of other packages are understood", {
  expect_identical(settings(control = list(metric = "diag_e"))$metric, "diag")
  expect_identical(settings(init = 0)$init, list(kind = "random", radius = 0))
  expect_identical(settings(init = "random")$init$radius, 2)
  expect_null(settings(seed = NA)$seed)
  expect_identical(settings(threads = 1)$threads, 1)
  expect_identical(settings(cores = 8, chains = 2)$threads, 2)
  expect_identical(check_intercept("centered"), "centred")
  expect_identical(check_sample_prior(TRUE), "yes")
  skip_if_not_installed("brms")
  expect_false(settings(save_pars = brms::save_pars(group = FALSE))$save_effects)
  expect_identical(settings(threads = brms::threading(1))$threads, 1)
})

test_that("settings out of range are refused by name", {
  refused <- function(message, ...) expect_error(settings(...), message, class = "twill_error_setting")
  refused("chains", chains = 0)
  refused("chains", chains = c(1, 2))
  refused("iter", iter = 1.5)
  refused("warmup", warmup = 2000)
  refused("warmup", warmup = -1)
  refused("thin", thin = 0)
  refused("thin", thin = 1001)
  refused("cores", cores = "two")
  refused("threads", threads = 0)
  refused("seed", seed = -1)
  refused("seed", seed = 2^31)
  refused("adapt_delta", control = list(adapt_delta = 1))
  refused("rising numbers", control = list(adapt_delta = c(0.9, 0.8)))
  refused("rising numbers", control = list(adapt_delta = numeric()))
  refused("max_treedepth", control = list(max_treedepth = 0))
  refused("Did you mean", control = list(adapt_dela = 0.9))
  refused("named list", control = 0.9)
  refused("metric", control = list(metric = "dense_e"))
  refused("init", init = "zero")
  refused("Lists", init = list(b = 1))
  refused("save_pars", save_pars = TRUE)
  expect_error(tw_save(group = NA), "group", class = "twill_error_setting")
  expect_error(check_silent(3), "silent", class = "twill_error_setting")
})

small <- data.frame(y = c(2.1, 3.9, 6.2, 7.8, 9.9, 12.3, 13.8, 16.1, 18, 20.2), x = 1:10, g = gl(5, 2), n = c(0:8, 12))
quick <- function(formula = y ~ x + (1 | g), ..., chains = 2, iter = 100, seed = 1, silent = 2) {
  twill(formula, small, chains = chains, iter = iter, seed = seed, silent = silent, ...)
}

test_that("a fit holds what it promises", {
  fit <- quick(thin = 3)
  expect_s3_class(fit, "twillfit")
  expect_identical(dim(fit$draws)[1:2], c(17L, 2L))
  expect_identical(dimnames(fit$draws)[[3]][1:5], c("b_Intercept", "b_x", "sigma", "sd_g__Intercept", "r_g[1,Intercept]"))
  expect_identical(dim(fit$sampler), c(17L, 2L, 6L))
  expect_identical(fit$info$seed, 1)
  expect_false(fit$info$partial)
  expect_null(fit$warmup_draws)
  expect_s3_class(fit$prior, "twill_prior")
  expect_identical(names(fit$data), c("y", "x", "g"))
})

test_that("the same seed gives the same draws on any number of threads", {
  expect_identical(quick(cores = 1)$draws, quick(cores = 2)$draws)
  expect_false(identical(quick(seed = 2)$draws, quick(seed = 1)$draws))
})

test_that("set.seed() governs without a seed, and with one R's generator is not touched", {
  set.seed(7)
  first <- quick(seed = NULL)
  set.seed(7)
  expect_identical(quick(seed = NULL)$draws, first$draws)
  before <- .Random.seed
  quick(seed = 3, sample_prior = "yes")
  expect_identical(.Random.seed, before)
})

test_that("the engine's log density is the model's", {
  fit <- quick(y ~ x, prior = c(tw_prior("normal(0, 3)"), tw_prior("normal(1, 2)", class = "Intercept"),
                                tw_prior("exponential(1)", class = "sigma")), intercept = "raw")
  at <- c(1.5, 1.8, log(0.7))
  expected <- sum(dnorm(small$y, 1.5 + 1.8 * small$x, 0.7, log = TRUE)) + dnorm(1.5, 1, 2, log = TRUE) +
    dnorm(1.8, 0, 3, log = TRUE) + dexp(0.7, 1, log = TRUE) + log(0.7)
  expect_equal(log_density_at(fit, at)$log_density, expected, tolerance = 1e-10)
  centred <- quick(y ~ x, prior = c(tw_prior("normal(0, 3)"), tw_prior("normal(1, 2)", class = "Intercept"),
                                    tw_prior("exponential(1)", class = "sigma")))
  shift <- dnorm(1.5 + 1.8 * mean(small$x), 1, 2, log = TRUE) - dnorm(1.5, 1, 2, log = TRUE)
  expect_equal(log_density_at(centred, at)$log_density, expected + shift, tolerance = 1e-10)
})

test_that("the prior alone can be sampled", {
  fit <- quick(y ~ x, sample_prior = "only", iter = 2000, intercept = "raw",
               prior = c(tw_prior("normal(5, 0.1)"), tw_prior("exponential(2)", class = "sigma")))
  expect_equal(mean(fit$draws[, , "b_x"]), 5, tolerance = 0.01)
  expect_equal(mean(fit$draws[, , "sigma"]), 0.5, tolerance = 0.1)
})

test_that("draws of the priors are added on request", {
  fit <- quick(sample_prior = "yes")
  expect_true(all(c("prior_Intercept", "prior_b_x", "prior_sigma", "prior_sd_g__Intercept") %in% dimnames(fit$draws)[[3]]))
})

test_that("what is kept can be chosen", {
  fit <- quick(save_pars = tw_save(group = FALSE, warmup = TRUE))
  expect_false(any(grepl("^r_", dimnames(fit$draws)[[3]])))
  expect_identical(dim(fit$warmup_draws)[1:2], c(50L, 2L))
})

test_that("silent = 2 prints nothing", {
  expect_silent(quick(iter = 20))
  expect_message(suppressWarnings(quick(silent = 0)), "seed 1")
})

test_that("a saved fit is small and survives a trip to a file", {
  make <- function() {
    ballast <- rnorm(1e6)
    quick(y ~ x)
  }
  fit <- make()
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(fit, path)
  expect_lt(file.size(path), 1e5)
  again <- readRDS(path)
  expect_equal(again$draws, fit$draws)
  expect_equal(log_density_at(again, c(1, 2, 0)), log_density_at(fit, c(1, 2, 0)))
})

test_that("files are read, refitted and refused as file_refit says", {
  path <- tempfile()
  on.exit(unlink(paste0(path, ".rds")))
  first <- quick(file = path)
  expect_true(file.exists(paste0(path, ".rds")))
  expect_warning(expect_identical(quick(file = path, seed = 2)$draws, first$draws), class = "twill_warning_file")
  expect_identical(quick(file = path, seed = NULL, file_refit = "on_change")$draws, first$draws)
  expect_false(identical(quick(file = path, seed = 2, file_refit = "on_change")$draws, first$draws))
  changed <- quick(y ~ 1, file = path, file_refit = "on_change")
  expect_false("b_x" %in% dimnames(changed$draws)[[3]])
  expect_true("b_x" %in% dimnames(quick(file = path, file_refit = "always")$draws)[[3]])
})

test_that("errors of the engine become conditions, whatever their text", {
  raised <- function(kind) unwrap_engine(list(ok = NULL, err = "100%s%n {stop()}", kind = kind))
  expect_error(raised("spec"), "100%s%n {stop()}", fixed = TRUE, class = "twill_error_spec")
  expect_error(raised("start"), class = "twill_error_start")
  expect_error(raised("interrupt"), class = "twill_error_interrupt")
  expect_error(raised("panic"), class = "twill_error_engine")
})

test_that("engines give the same posterior and are named", {
  engines <- c("collapsed", "joint", "levels")
  fits <- lapply(engines, function(engine) quick(control = list(engine = engine), chains = 4, iter = 2000))
  expect_identical(vapply(fits, function(fit) fit$info$engine, ""), engines)
  for (other in fits[-1]) {
    a <- posterior::summarise_draws(fits[[1]]$draws, "mean", "mcse_mean")
    b <- posterior::summarise_draws(other$draws, "mean", "mcse_mean")
    expect_lt(max(abs(a$mean - b$mean) / sqrt(a$mcse_mean^2 + b$mcse_mean^2)), 4.5)
  }
  expect_error(quick(control = list(engine = "magic")), "control\\$engine", class = "twill_error_setting")
})

test_that("a huge count among small ones does not keep chains from starting", {
  d <- data.frame(y = c(2, 0, 1428, 1, 0, 0, 6, 3, 3, 0, 99, 55, 88, 26, 2, 1, 0, 4, 0, 10), row = factor(1:20))
  for (engine in c("joint", "levels")) {
    fit <- twill(y ~ 1 + (1 | row), d, poisson(), chains = 2, iter = 600, seed = 1, silent = 2, control = list(engine = engine))
    # Row 3 says what its own rate is: log(1428), give or take 1 / sqrt(1428).
    rate <- fit$draws[, , "b_Intercept"] + fit$draws[, , "r_row[3,Intercept]"]
    expect_equal(mean(rate), log(1428), tolerance = 0.002)
  }
})

# One row per level: sd and sigma share one variance, and their posterior is a narrow ridge with a corner. A target of 0.1 makes
# steps so long that chains diverge with any seed.
one_row_per_level <- function(adapt_delta, ...) {
  set.seed(1)
  data <- data.frame(y = stats::rnorm(100), g = factor(1:100))
  control <- list(adapt_delta = adapt_delta)
  twill(y ~ 1 + (1 | g), data, chains = 2, iter = 600, seed = 1, refresh = 0, control = control, ...)
}

test_that("chains that diverge begin again with smaller steps, the same for any number of threads", {
  expect_message(fit <- suppressWarnings(one_row_per_level(c(0.1, 0.9), silent = 1)), class = "twill_message_escalated")
  expect_identical(fit$info$adapt_delta, 0.9)
  expect_match(capture_output(print(summary(fit))), "begun again with smaller steps: adapt_delta")
  alone <- one_row_per_level(c(0.1, 0.9), silent = 2, cores = 1)
  expect_identical(alone$draws, fit$draws)
  expect_identical(alone$info$adapt_delta, fit$info$adapt_delta)
})

test_that("one target of acceptance is kept, and divergences are told", {
  warned <- capture_warnings(fit <- suppressMessages(one_row_per_level(0.1)))
  expect_match(warned, "diverged", all = FALSE)
  expect_identical(fit$info$adapt_delta, 0.1)
  expect_gt(sum(nuts_params(fit, pars = "divergent__")$Value), 0)
})

test_that("checks of packages have two threads at most", {
  old <- Sys.getenv("_R_CHECK_LIMIT_CORES_", NA)
  on.exit(if (is.na(old)) Sys.unsetenv("_R_CHECK_LIMIT_CORES_") else Sys.setenv("_R_CHECK_LIMIT_CORES_" = old))
  threads <- function(limit) {
    Sys.setenv("_R_CHECK_LIMIT_CORES_" = limit)
    c(check_threads(8, NULL, 8), gene_settings("hmc", 2, 100, 50, 1, 8, NULL, list(), 1)$threads,
      new_settings(8, 100, 50, 1, 8, NULL, list(), "mode", 1, NULL, "svi")$threads)
  }
  expect_equal(threads("true"), c(2, 2, 2))
  expect_equal(threads("warn"), c(2, 2, 2))
  expect_equal(threads("FALSE"), c(8, 8, 8))
})

test_that("trajectories of one length sample the same posterior, three gradients a draw", {
  fit <- function(...) twill(y ~ trt + lage + (1 | subject), MASS::epil, negbinomial(), seed = 1, silent = 2, iter = 1500, ...)
  nuts <- fit()
  hmc <- fit(method = "hmc")
  expect_identical(hmc$info$method, "hmc")
  expect_lt(mean(hmc$sampler[, , "n_leapfrog__"]), 5)
  main <- grep("^(b_|sd_|shape)", posterior::variables(nuts$draws), value = TRUE)
  summary_of <- function(fit) {
    posterior::summarise_draws(posterior::subset_draws(fit$draws, main), "mean", "sd", "mcse_mean", "rhat")
  }
  a <- summary_of(nuts)
  b <- summary_of(hmc)
  expect_true(all(abs(a$mean - b$mean) < 4.5 * sqrt(a$mcse_mean^2 + b$mcse_mean^2)))
  expect_true(all(abs(log(a$sd / b$sd)) < 0.12))
  expect_lt(max(b$rhat), 1.02)
  shown <- paste(capture.output(print(hmc)), collapse = "\n")
  expect_match(shown, "4 chains by hmc")
  expect_no_match(shown, "tree depth")
  expect_identical(glance(hmc)$algorithm, "HMC")
  evidence <- lapply(list(nuts, hmc), tw_log_evidence, silent = 2)
  expect_lt(abs(evidence[[1]]$log_evidence - evidence[[2]]$log_evidence), 4.5 * sqrt(evidence[[1]]$mcse^2 + evidence[[2]]$mcse^2))
})

test_that("hmc keeps its settings, and takes those that it has", {
  fit <- function(...) twill(mpg ~ wt, datasets::mtcars, seed = 1, silent = 2, chains = 2, iter = 300, method = "hmc", ...)
  expect_identical(fit()$draws, fit(cores = 1)$draws)
  expect_identical(update(fit(), silent = 2)$draws, fit()$draws)
  expect_identical(update(fit(), method = "nuts", silent = 2)$info$method, "nuts")
  expect_error(fit(control = list(max_treedepth = 12)), "max_treedepth", class = "twill_error_setting")
  expect_identical(dim(posterior::as_draws_array(fit(save_pars = tw_save(warmup = TRUE)), inc_warmup = TRUE))[1], 300L)
})
