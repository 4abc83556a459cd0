# What users of brms found: update(), folds, families, responses of new rows.

rows <- with_fixed_seed(1, {
  data <- data.frame(x = stats::rnorm(60), f = factor(sample(letters[1:3], 60, TRUE)), g = factor(rep(1:6, 10)), s = 0.4,
                     w = sample(1:3, 60, TRUE), e = exp(stats::rnorm(60)), time = 1:60)
  data$y <- data$x + stats::rnorm(6)[data$g] + stats::rnorm(60)
  data$k <- stats::rpois(60, exp(0.3 * data$x) * data$e)
  data
})

# With its own call, by which update() finds the data again.
fitted_to <- function(...) {
  call <- as.call(c(list(quote(twill)), as.list(substitute(list(...)))[-1], list(chains = 2, iter = 600, seed = 1, silent = 2)))
  eval(call, parent.frame())
}

# By refits without the fold, and draws of new levels.
elpd_by_hand <- function(formula, data, folds, ...) {
  sum(vapply(sort(unique(folds)), function(k) {
    refit <- twill(formula, data[folds != k, ], chains = 2, iter = 4000, seed = 1, silent = 2, ...)
    new <- log_lik(refit, newdata = data[folds == k, ], allow_new_levels = TRUE, sample_new_levels = "gaussian", seed = 1)
    sum(log_mean_exp(new))
  }, 0))
}

test_that("folds without a level have the density of their rows, with effects on the dispersion and errors of predictors", {
  formulas <- list(tw_formula(y ~ x + (1 | g), sigma ~ 1 + (1 | g)), y ~ me(x, s) + (1 | g))
  for (formula in formulas) {
    found <- suppressWarnings(kfold(fitted_to(formula, rows), group = "g", seed = 1))
    expect_lt(abs(found$estimates["elpd_kfold", 1] - elpd_by_hand(formula, rows, as.integer(rows$g))), 6)
  }
})

test_that("the density of a new level is integrated over the level and over errors of predictors", {
  fit <- fitted_to(y ~ me(x, s) + (1 | g), transform(rows, s = 0.9))
  new <- data.frame(y = 2, x = 1.5, s = 0.9, g = paste0("new", 1:300))
  found <- unseen_log_lik(fit, new[1, ])
  # Each of many levels is drawn by itself.
  drawn <- log_lik(fit, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian", seed = 1)
  by_draw <- apply(exp(drawn), 1, mean)
  expect_lt(abs(mean(exp(found)) / mean(by_draw) - 1), 0.02)
  expect_gt(stats::cor(exp(found[, 1]), by_draw), 0.95)
})

test_that("a prior of one parameter stays one of that parameter in updates", {
  fit <- fitted_to(y ~ x, rows, prior = tw_prior("normal(0, 0.001)", coef = "x"))
  table <- prior_summary(update(fit, . ~ . + f, silent = 2))
  expect_identical(table$source[match(c("x", "fb", "fc"), table$coef)], c("user", "default", "default"))
  fit <- fitted_to(y ~ x + (1 | g), rows, prior = tw_prior("exponential(50)", class = "sd", group = "g"))
  table <- prior_summary(update(fit, . ~ . + (1 | f), silent = 2))
  expect_identical(table$prior[table$class == "sd" & table$group == "g"], "exponential(50)")
  expect_identical(table$source[table$class == "sd" & table$group == "f"], "default")
  # One of a class is for what is added, too.
  fit <- fitted_to(y ~ x, rows, prior = tw_prior("normal(0, 0.001)"))
  table <- prior_summary(update(fit, . ~ . + f, silent = 2))
  expect_identical(table$prior[table$coef == "fb"], "normal(0, 0.001)")
})

test_that("priors are kept under contrasts and of free means", {
  fit <- fitted_to(y ~ x + f, rows, contrasts = list(f = "contr.sum"), prior = tw_prior("normal(0, 0.001)", coef = "f1"))
  expect_lt(abs(fixef(update(fit, iter = 700, silent = 2))["f1", "Estimate"]), 0.001)
  fit <- fitted_to(y ~ 0 + tw_re(1 + x | g), rows, prior = tw_prior("normal(0, 0.001)", class = "mu", group = "g", coef = "x"))
  expect_lt(abs(fixef(update(fit, iter = 700, silent = 2))["mu_g__x", "Estimate"]), 0.001)
})

test_that("columns come before objects of their name in updates", {
  fit <- fitted_to(y ~ x, rows)
  w <- rep(100, 60)
  expect_equal(fixef(update(fit, weights = w, silent = 2)), fixef(fitted_to(y ~ x, rows, weights = w)))
  expect_false(isTRUE(all.equal(fixef(update(fit, weights = w, silent = 2)), fixef(fit))))
  # stats::time() is no column.
  expect_true("time" %in% rownames(fixef(update(fit, . ~ . + time, silent = 2))))
  expect_equal(nobs(update(fit, subset = time > 30, silent = 2)), 30)
})

test_that("na.exclude is kept", {
  holes <- rows
  holes$x[1:2] <- NA
  fit <- fitted_to(y ~ x, holes, na.action = na.exclude)
  expect_length(residuals(fit, type = "quantile"), 60)
  expect_equal(nrow(fitted(update(fit, iter = 700, silent = 2))), 60)
})

test_that("a response that is scaled keeps the scale of the fit in new rows", {
  fit <- fitted_to(scale(y) ~ x, rows)
  expect_equal(residuals(fit, newdata = rows[1:3, ])[, 1], residuals(fit)[1:3, 1], ignore_attr = TRUE)
  expect_warning(tw_default_prior(I(y - mean(y)) ~ x, rows), "depends on the other rows", class = "twill_warning_term")
})

test_that("families that say more than twill takes are told or refused", {
  expect_warning(fitted_to(k ~ x, rows, family = MASS::negative.binomial(2)), "constant\\(2\\)", class = "twill_warning_family")
  identity <- list(family = "gaussian", link = "identity", link_sigma = "identity")
  expect_error(fitted_to(y ~ x, rows, family = identity), "logarithm", class = "twill_error_family")
  expect_warning(tw_prior("", class = "sd"), "flat", class = "twill_warning_prior")
})

test_that("the prior of draws is that of parameters, not of effects on the dispersion", {
  prior <- priors_by_class(b = "normal(0, 1)", Intercept = "normal(0, 2)", `Intercept::sigma` = "normal(0, 1)",
                           `sd::sigma` = "exponential(1)")
  draws <- as.matrix(fitted_to(tw_formula(y ~ x, sigma ~ 1 + (1 | g)), rows, prior = prior, intercept = "raw"))
  expected <- dnorm(draws[, "b_Intercept"], 0, 2, log = TRUE) + dnorm(draws[, "b_x"], log = TRUE) +
    dnorm(draws[, "b_sigma_Intercept"], log = TRUE) + dexp(draws[, "sd_g__sigma_Intercept"], log = TRUE)
  expect_equal(unname(draws[, "lprior"]), unname(expected), tolerance = 1e-8)
})

test_that("fits of other rows or weights are not compared without a word", {
  fit <- fitted_to(y ~ x, rows)
  expect_error(loo_compare(fit, fitted_to(y ~ x, rows[1:50, ])), "50", class = "twill_error_argument")
  expect_warning(loo_compare(fit, fitted_to(y ~ x, rows, weights = w)), "different weights", class = "twill_warning_weights")
  expect_error(tw_conditional_effects(fit, conditions = data.frame(row.names = "1")), "0 column", class = "twill_error_effects")
})
