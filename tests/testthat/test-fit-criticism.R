# Log-likelihoods against R's densities, criteria against loo, folds, R-squared, diagnostics.

test_that("the log-likelihood is that of R's densities", {
  fit <- shared_fit("sleep")
  y <- lme4::sleepstudy$Reaction
  by_hand <- dnorm(rep(y, each = 400), posterior_epred(fit), draws_by_hand(fit, "sigma")[, 1], log = TRUE)
  expect_equal(as.vector(log_lik(fit)), by_hand)
  ticks <- shared_fit("ticks")
  by_hand <- dnbinom(rep(lme4::grouseticks$TICKS, each = 400), mu = posterior_epred(ticks),
                     size = draws_by_hand(ticks, "shape")[, 1], log = TRUE)
  expect_equal(as.vector(log_lik(ticks)), by_hand)
  poisson <- shared_fit("exposure")
  expect_equal(as.vector(log_lik(poisson)), dpois(rep(exposure_data()$count, each = 400), posterior_epred(poisson), log = TRUE))
})

test_that("the log-likelihood knows standard errors, weights and dispersion models", {
  fit <- shared_fit("known_errors")
  data <- school_data()
  sd <- sqrt(rep(data$se^2, each = 400) + draws_by_hand(fit, "sigma")[, 1]^2)
  by_hand <- dnorm(rep(data$y, each = 400), posterior_epred(fit), sd, log = TRUE) * rep(data$w, each = 400)
  expect_equal(as.vector(log_lik(fit)), by_hand)
  expect_equal(log_lik(fit, newdata = data[10, ])[, 1], log_lik(fit)[, 10])
  dispersion <- shared_fit("dispersion")
  by_hand <- dnbinom(lme4::grouseticks$TICKS[9], mu = posterior_epred(dispersion)[, 9],
                     size = posterior_epred(dispersion, dpar = "shape")[, 9], log = TRUE)
  expect_equal(log_lik(dispersion)[, 9], by_hand)
})

test_that("log_lik takes new data and chosen draws", {
  fit <- shared_fit("ticks")
  all <- log_lik(fit)
  expect_equal(log_lik(fit, newdata = lme4::grouseticks[c(2, 9), ], draw_ids = 3:4), all[3:4, c(2, 9)])
  pointwise <- log_lik(fit, pointwise = TRUE)
  row <- pointwise(data_i = attr(pointwise, "data")[9, , drop = FALSE], draws = attr(pointwise, "draws"))
  expect_equal(as.vector(row), all[, 9])
})

test_that("loo and waic are those of the loo package", {
  fit <- shared_fit("ticks")
  matrix <- log_lik(fit)
  r_eff <- loo::relative_eff(exp(matrix), chain_id = rep(1:2, each = 200))
  expected <- suppressWarnings(loo::loo(matrix, r_eff = r_eff))
  found <- suppressWarnings(loo(fit))
  expect_equal(found$estimates, expected$estimates)
  expect_equal(suppressWarnings(loo(fit, pointwise = TRUE))$estimates, expected$estimates)
  expect_equal(suppressWarnings(waic(fit))$estimates, suppressWarnings(loo::waic(matrix))$estimates)
  if (any(expected$diagnostics$pareto_k > 0.7)) expect_warning(loo(fit), "Pareto k", class = "twill_warning_pareto")
})

# The same criterion, as if of another response.
of_another_response <- function(loo) {
  attr(loo, "yhash") <- "another"
  loo
}

test_that("fits are compared", {
  negbinomial <- suppressWarnings(loo(shared_fit("ticks")))
  poisson <- suppressWarnings(loo(shared_fit("ticks_poisson")))
  comparison <- loo_compare(list(nb = negbinomial, poisson = poisson))
  expect_identical(rownames(comparison), c("nb", "poisson"))
  several <- suppressWarnings(loo(shared_fit("ticks"), shared_fit("ticks_poisson")))
  expect_s3_class(several, "tw_loo_list")
  expect_equal(several$diffs[2, "elpd_diff"], comparison[2, "elpd_diff"])
  expect_output(print(several), "Model comparisons")
  expect_warning(loo_compare(negbinomial, of_another_response(poisson)), "y variable")
})

test_that("comparisons carry the names of the fits", {
  fits <- list(nb = shared_fit("ticks"))
  poisson <- shared_fit("ticks_poisson")
  suppressWarnings({
    a <- loo(fits$nb)
    b <- loo(poisson)
    anonymous <- lapply(unname(fits), function(x) waic(x))[[1]]
  })
  expect_identical(rownames(loo_compare(a, b)), c("fits$nb", "poisson"))
  expect_identical(rownames(loo_compare(anonymous, suppressWarnings(waic(poisson)))),
                   c("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)", "poisson"))
  expect_identical(rownames(loo_compare(list(x = a, y = b))), c("x", "y"))
})

test_that("a comparison by a single unit is refused", {
  of_one_row <- suppressWarnings(twill(y ~ 1, data.frame(y = 3), prior = tw_prior("normal(0, 1)", class = "sigma"), chains = 1,
                                       iter = 40, seed = 1, silent = 2))
  refused <- function(code) expect_error(suppressWarnings(code), "needs two units", class = "twill_error_argument")
  refused(loo_compare(of_one_row, of_one_row, criterion = "waic"))
  refused(waic(of_one_row, of_one_row))
  expect_length(suppressWarnings(waic(of_one_row, of_one_row, compare = FALSE))$loos, 2)
  counts <- with_fixed_seed(1, matrix(rpois(16, 50), 2))
  fit <- twill_genes(counts, ~x, col_data = data.frame(x = 1:8), chains = 1, iter = 60, seed = 1, silent = 2)
  refused(loo_compare(fit, fit, genes = 1))
  expect_identical(dim(suppressWarnings(loo_compare(fit, fit, genes = 1, by = "sample")))[1], 2L)
})

test_that("fits are compared as they are, by each criterion", {
  fit <- shared_fit("regression")
  fit0 <- small_fit(mpg ~ wt, data = datasets::mtcars)
  comparison <- suppressWarnings(loo_compare(fit, fit0))
  expect_equal(comparison, suppressWarnings(loo_compare(loo(fit), loo(fit0))))
  expect_setequal(rownames(comparison), c("fit", "fit0"))
  named <- suppressWarnings(loo_compare(fit, fit0, criterion = "waic", model_names = c("full", "small")))
  expect_setequal(rownames(named), c("full", "small"))
  plain <- suppressWarnings(loo_compare(list(full = waic(fit), small = waic(fit0))))
  expect_equal(named[c("full", "small"), "elpd_waic"], plain[c("full", "small"), "elpd_waic"])
  expect_equal(comparison["fit", "elpd_loo"], suppressWarnings(loo(fit))$estimates["elpd_loo", "Estimate"])
  expect_s3_class(suppressWarnings(loo_compare(loo(fit, fit0))), "compare.loo")
  folds <- rep(1:2, 16)
  expect_setequal(rownames(loo_compare(fit, fit0, criterion = "kfold", folds = folds, seed = 1)), c("fit", "fit0"))
  expect_error(loo_compare(fit), "at least two", class = "twill_error_argument")
  for (names in list("a", c("a", "a"), 1:2)) {
    expect_error(loo_compare(fit, fit0, model_names = names), "model_names", class = "twill_error_argument")
  }
  expect_error(loo_compare(fit, fit0, zzz = 1), "zzz", class = "twill_error_argument")
})

test_that("kfold leaves out the rows of its folds", {
  fit <- shared_fit("regression")
  folds <- rep(1:2, 16)
  criterion <- kfold(fit, folds = folds, save_fits = TRUE, seed = 4)
  expect_s3_class(criterion, c("kfold", "loo"), exact = TRUE)
  refit <- criterion$fits[[1]]
  expect_equal(refit$data$mpg, mtcars$mpg[folds == 2])
  left_out <- log_lik(refit, newdata = fit$data[folds == 1, ])
  expect_equal(criterion$pointwise[folds == 1, "elpd_kfold"], log(colMeans(exp(left_out))))
  expect_equal(criterion$estimates["kfoldic", "Estimate"], -2 * sum(criterion$pointwise[, "elpd_kfold"]))
  expect_identical(kfold(fit, K = 2, seed = 4)$pointwise, kfold(fit, K = 2, seed = 4)$pointwise)
})

test_that("kfold by group keeps levels together", {
  fit <- shared_fit("known_errors")
  alone <- kfold(fit, group = "school", seed = 1, chains = 1, iter = 200)
  expect_identical(alone$folds, as.integer(factor(school_data()$school)))
  grouped <- kfold(fit, K = 3, folds = "grouped", group = "school", seed = 1, chains = 1, iter = 200)
  expect_true(all(tapply(grouped$folds, school_data()$school, function(fold) length(unique(fold))) == 1))
  expect_setequal(grouped$folds, 1:3)
  expect_true(all(is.finite(grouped$pointwise)))
  expect_error(kfold(fit, group = "schol"), "schol", class = "twill_error_folds")
  expect_error(kfold(fit, folds = 1:3), class = "twill_error_folds")
  expect_error(kfold(fit, folds = rep(1, 16)), class = "twill_error_folds")
})

test_that("explained variance is that of its formula", {
  fit <- shared_fit("sleep")
  mu <- posterior_epred(fit)
  explained <- apply(mu, 1, var)
  residual <- apply(rep(lme4::sleepstudy$Reaction, each = 400) - mu, 1, var)
  expect_equal(bayes_R2(fit, summary = FALSE)[, "R2"], explained / (explained + residual))
  expect_equal(bayes_R2(fit)["R2", "Estimate"], mean(explained / (explained + residual)))
  out_of_sample <- with_fixed_seed(1, loo_R2(fit))
  expect_lt(out_of_sample["R2", "Estimate"], bayes_R2(fit)["R2", "Estimate"])
  expect_gt(out_of_sample["R2", "Estimate"], 0.6)
  expect_length(suppressWarnings(loo_predict(fit))$value, 180)
})

test_that("diagnostics name each kind of trouble", {
  fit <- shared_fit("sleep")
  troubled <- fit
  troubled$sampler[1:3, 1, "divergent__"] <- 1
  expect_warning(warn_diagnostics(troubled), "3 of 400", class = "twill_warning_divergent") |> suppressWarnings()
  expect_equal(diagnostics(troubled)$divergent, 3)
  troubled$sampler[, , "treedepth__"] <- 10
  expect_warning(warn_max_depth(sampler_diagnostics(troubled)), "tree depth of 10", class = "twill_warning_treedepth")
  troubled$sampler[, 2, "energy__"] <- cumsum(rep(1, 200))
  expect_warning(warn_bfmi(sampler_diagnostics(troubled)), "chain 2", class = "twill_warning_bfmi")
  troubled$draws[, 1, "b_Days"] <- troubled$draws[, 1, "b_Days"] + 100
  expect_warning(warn_convergence(troubled, sampler_diagnostics(troubled)), "b_Days", class = "twill_warning_rhat") |>
    suppressWarnings()
  expect_warning(warn_ess(c(b_Days = 3), 200, "bulk", "Means", fit), "b_Days", class = "twill_warning_ess")
})

test_that("E-BFMI is small for an energy that moves in small steps", {
  expect_equal(energy_bfmi(c(1, 2, 3, 4)), 3 / 5)
  noise <- with_fixed_seed(1, rnorm(1e4))
  expect_equal(energy_bfmi(noise), 2, tolerance = 0.05)
})

test_that("many group effects are checked in part", {
  fit <- shared_fit("ticks")
  expect_length(checked_variables(fit), length(main_variables(fit)) + 181)
  levels <- sprintf("r_g[%d,Intercept]", 1:2000)
  many <- fit
  many$draws <- posterior::as_draws_array(array(0, c(2, 2, 2001), list(NULL, NULL, c("b_x", levels))))
  expect_length(checked_variables(many), 501)
  expect_match(checked_note(many), "500 of the 2000")
})

test_that("criteria of draws at which a row is impossible are refused by name", {
  d <- data.frame(y = c(rnorm(19), 40))
  fit <- twill(y ~ 1, d, chains = 1, iter = 40, seed = 1, silent = 2)
  fit$draws[3, 1, "sigma"] <- 1e-200
  for (pointwise in c(TRUE, FALSE)) {
    expect_error(loo(fit, pointwise = pointwise), "finite log-likelihood.*row", class = "twill_error_draws")
    expect_error(waic(fit, pointwise = pointwise), "finite log-likelihood.*row", class = "twill_error_draws")
  }
})
