# x beta + sum of the indicator matrices times effects, with Matrix, for all draws.
linear_predictor_by_hand <- function(fit, data, fixed, terms) {
  x <- model.matrix(fixed, data)
  eta <- draws_by_hand(fit, fit$design$coef_names) %*% t(x)
  for (term in terms) {
    level <- factor(data[[term$group]], levels = levels(data[[term$group]]))
    for (coef in term$coefs) {
      z <- if (coef == "Intercept") rep(1, nrow(data)) else data[[coef]]
      indicator <- Matrix::sparseMatrix(seq_along(level), as.integer(level), x = z, dims = c(nrow(data), nlevels(level)))
      r <- draws_by_hand(fit, sprintf("r_%s[%s,%s]", term$group, levels(level), coef))
      eta <- eta + as.matrix(r %*% Matrix::t(indicator))
    }
  }
  eta
}

test_that("the linear predictor is x beta plus z r", {
  fit <- shared_fit("sleep")
  terms <- list(list(group = "Subject", coefs = c("Intercept", "Days")))
  by_hand <- linear_predictor_by_hand(fit, lme4::sleepstudy, ~ Days, terms)
  expect_equal(posterior_linpred(fit), by_hand, ignore_attr = TRUE)
  expect_equal(posterior_epred(fit), by_hand, ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, newdata = lme4::sleepstudy[5:9, ]), by_hand[, 5:9], ignore_attr = TRUE)
})

test_that("crossed terms of counts add up on the log scale", {
  fit <- shared_fit("ticks")
  terms <- list(list(group = "BROOD", coefs = "Intercept"), list(group = "LOCATION", coefs = "Intercept"))
  by_hand <- linear_predictor_by_hand(fit, lme4::grouseticks, ~ YEAR + cHEIGHT, terms)
  expect_equal(posterior_linpred(fit), by_hand, ignore_attr = TRUE)
  expect_equal(posterior_epred(fit), exp(by_hand), ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, transform = TRUE), exp(by_hand), ignore_attr = TRUE)
  one <- linear_predictor_by_hand(fit, lme4::grouseticks, ~ YEAR + cHEIGHT, terms[2])
  expect_equal(posterior_linpred(fit, re_formula = ~ (1 | LOCATION)), one, ignore_attr = TRUE)
})

test_that("re_formula and re.form choose the group-level terms", {
  fit <- shared_fit("sleep")
  population <- linear_predictor_by_hand(fit, lme4::sleepstudy, ~ Days, list())
  expect_equal(posterior_linpred(fit, re_formula = NA), population, ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, re_formula = ~0), population, ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, re.form = NA), population, ignore_attr = TRUE)
  slopes <- linear_predictor_by_hand(fit, lme4::sleepstudy, ~ Days, list(list(group = "Subject", coefs = "Days")))
  expect_equal(posterior_linpred(fit, re_formula = ~ (0 + Days | Subject)), slopes, ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, newdata = data.frame(Days = 4), re_formula = NA), population[, 5, drop = FALSE],
               ignore_attr = TRUE)
})

test_that("offsets are added, and can be replaced", {
  fit <- shared_fit("exposure")
  data <- exposure_data()
  terms <- list(list(group = "batch", coefs = "Intercept"))
  levels(data$batch)[1] <- "a.b"
  by_hand <- linear_predictor_by_hand(fit, data, ~ x, terms) + rep(log(data$size), each = ndraws(fit))
  expect_equal(posterior_linpred(fit), by_hand, ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, newdata = exposure_data()[3, ]), by_hand[, 3, drop = FALSE], ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, offset = 0), by_hand - rep(log(data$size), each = ndraws(fit)), ignore_attr = TRUE)
  expect_error(posterior_linpred(fit, offset = 1:2), class = "twill_error_argument")
})

test_that("free means stay when group-level effects are left out", {
  fit <- shared_fit("free_means")
  total <- draws_by_hand(fit, "mu_plate__Intercept") + draws_by_hand(fit, "mu_sample__Intercept")
  expect_equal(posterior_linpred(fit, re_formula = NA)[, 1], total[, 1])
})

test_that("draws are chosen by number", {
  fit <- shared_fit("sleep")
  all <- posterior_linpred(fit)
  expect_equal(posterior_linpred(fit, draw_ids = c(7, 3)), all[c(7, 3), ])
  expect_identical(dim(posterior_epred(fit, ndraws = 11)), c(11L, 180L))
  expect_identical(dim(posterior_epred(fit, draws = 11)), c(11L, 180L))
  expect_identical(posterior_predict(fit, ndraws = 5, seed = 2), posterior_predict(fit, ndraws = 5, seed = 2))
  expect_error(posterior_epred(fit, ndraws = 1e6), class = "twill_error_setting")
  expect_error(posterior_epred(fit, draw_ids = 0), class = "twill_error_argument")
})

test_that("a seed leaves the state of R's generator alone", {
  fit <- shared_fit("sleep")
  set.seed(1)
  state <- .Random.seed
  posterior_predict(fit, seed = 5, ndraws = 2)
  expect_identical(.Random.seed, state)
})

test_that("misspelt arguments are named", {
  expect_error(posterior_epred(shared_fit("sleep"), re_fomula = NA), "re_fomula", class = "twill_error_argument")
})

test_that("unknown levels are refused, or predicted as asked", {
  fit <- shared_fit("sleep")
  new <- data.frame(Days = c(0, 3, 3), Subject = c("new", "new", "other"))
  expect_error(posterior_linpred(fit, newdata = new), "new", class = "twill_error_newdata")
  population <- posterior_linpred(fit, newdata = new, re_formula = NA)
  effects <- posterior_linpred(fit, newdata = new, allow_new_levels = TRUE, seed = 1) - population
  levels <- levels(lme4::sleepstudy$Subject)
  intercepts <- draws_by_hand(fit, sprintf("r_Subject[%s,Intercept]", levels))
  slopes <- draws_by_hand(fit, sprintf("r_Subject[%s,Days]", levels))
  chosen <- vapply(seq_len(400), function(s) which.min(abs(intercepts[s, ] - effects[s, 1])), 1)
  at <- cbind(seq_len(400), chosen)
  expect_equal(effects[, 1], intercepts[at])
  # Both coefficients of a new level come from one and the same known level.
  expect_equal(effects[, 2], intercepts[at] + 3 * slopes[at])
  expect_gt(length(unique(chosen)), 10)
  old <- posterior_linpred(fit, newdata = new, allow_new_levels = TRUE, sample_new_levels = "old_levels", seed = 1) - population
  one <- which.min(colSums(abs(intercepts - old[, 1])))
  expect_equal(old[, 1], intercepts[, one])
})

test_that("gaussian new levels have the fitted covariance", {
  fit <- shared_fit("sleep")
  # A strong correlation, so that one that is lost is seen.
  fit$draws[, , "cor_Subject__Intercept__Days"] <- 0.9
  new <- data.frame(Days = c(0, 1), Subject = "new")
  repeated <- lapply(1:60, function(seed) {
    eta <- posterior_linpred(fit, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian", seed = seed)
    eta - posterior_linpred(fit, newdata = new, re_formula = NA)
  })
  effects <- do.call(rbind, repeated)
  expected <- VarCorr(fit)$Subject$cov[, "Estimate", ]
  found <- cov(cbind(effects[, 1], effects[, 2] - effects[, 1]))
  # 24000 draws: 4 standard errors of a variance are about 4 sqrt(2 / 24000) = 4 percent, more with heavy tails.
  expect_equal(found, unname(expected), tolerance = 0.1)
})

test_that("new responses have the mean and variance of the family", {
  check_moments <- function(fit, variance, ...) {
    draws <- posterior_predict(fit, draw_ids = rep(9, 4000), seed = 1, ...)
    mean <- posterior_epred(fit, draw_ids = 9)[1, ]
    expected <- variance(mean)
    z <- (colMeans(draws) - mean) / sqrt(expected / 4000)
    expect_lt(max(abs(z)), 5)
    expect_equal(mean(apply(draws, 2, var) / expected), 1, tolerance = 0.05)
  }
  sigma <- draws_by_hand(shared_fit("sleep"), "sigma")[9]
  check_moments(shared_fit("sleep"), function(mu) rep(sigma^2, length(mu)))
  shape <- draws_by_hand(shared_fit("ticks"), "shape")[9]
  check_moments(shared_fit("ticks"), function(mu) mu + mu^2 / shape)
  check_moments(shared_fit("ticks_poisson"), identity)
  known <- draws_by_hand(shared_fit("known_errors"), "sigma")[9]
  check_moments(shared_fit("known_errors"), function(mu) school_data()$se^2 + known^2)
})

test_that("the dispersion can be predicted", {
  fit <- shared_fit("dispersion")
  x <- model.matrix(~ YEAR, lme4::grouseticks)
  by_hand <- exp(draws_by_hand(fit, c("b_shape_Intercept", "b_shape_YEAR96", "b_shape_YEAR97")) %*% t(x))
  expect_equal(posterior_epred(fit, dpar = "shape"), by_hand, ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, dpar = "shape"), log(by_hand), ignore_attr = TRUE)
  expect_equal(posterior_epred(fit, newdata = lme4::grouseticks[9, ], dpar = "shape")[, 1], by_hand[, 9])
  expect_equal(posterior_epred(shared_fit("sleep"), dpar = "sigma")[, 180], draws_by_hand(shared_fit("sleep"), "sigma")[, 1])
  expect_error(posterior_epred(fit, dpar = "sigma"), class = "twill_error_argument")
})

test_that("predict and fitted summarise", {
  fit <- shared_fit("ticks")
  draws <- posterior_epred(fit)
  expect_equal(fitted(fit)[, "Estimate"], colMeans(draws))
  expect_equal(fitted(fit)[3, "Q97.5"], quantile(draws[, 3], 0.975), ignore_attr = TRUE)
  expect_equal(fitted(fit, summary = FALSE), draws)
  expect_equal(fitted(fit, scale = "linear")[, "Est.Error"], apply(log(draws), 2, sd))
  expect_equal(predict(fit, seed = 1)[, "Estimate"], colMeans(posterior_predict(fit, seed = 1)))
  interval <- predictive_interval(fit, prob = 0.5, seed = 1)
  expect_equal(interval[4, ], quantile(posterior_predict(fit, seed = 1)[, 4], c(0.25, 0.75)), ignore_attr = TRUE)
})

test_that("errors and residuals are differences from the response", {
  fit <- shared_fit("sleep")
  y <- lme4::sleepstudy$Reaction
  expect_equal(predictive_error(fit, seed = 1), rep(y, each = 400) - posterior_predict(fit, seed = 1))
  expect_equal(residuals(fit)[, "Estimate"], y - colMeans(posterior_epred(fit)))
  pearson <- (y[7] - posterior_epred(fit)[, 7]) / draws_by_hand(fit, "sigma")[, 1]
  expect_equal(residuals(fit, type = "pearson", summary = FALSE)[, 7], pearson)
  expect_error(residuals(fit, newdata = data.frame(Days = 1), re_formula = NA), "Reaction", class = "twill_error_newdata")
  expect_equal(residuals(fit, method = "posterior_predict", summary = FALSE, seed = 1), predictive_error(fit, seed = 1))
})

test_that("quantile residuals lie at the posterior mean of the distribution function", {
  fit <- shared_fit("sleep")
  p <- pnorm(lme4::sleepstudy$Reaction[3], posterior_epred(fit)[, 3], draws_by_hand(fit, "sigma")[, 1])
  expect_equal(residuals(fit, type = "quantile")[3], qnorm(mean(p)))
  ticks <- shared_fit("ticks")
  r <- residuals(ticks, type = "quantile", seed = 1)
  y <- lme4::grouseticks$TICKS
  mu <- posterior_epred(ticks)
  shape <- draws_by_hand(ticks, "shape")[, 1]
  for (i in c(1, 50, 300)) {
    bounds <- c(mean(pnbinom(y[i] - 1, mu = mu[, i], size = shape)), mean(pnbinom(y[i], mu = mu[, i], size = shape)))
    expect_true(pnorm(r[i]) >= bounds[1] && pnorm(r[i]) <= bounds[2])
  }
  expect_lt(abs(mean(r)), 0.2)
})

test_that("data in the place of transform are told where they belong", {
  fit <- shared_fit("sleep")
  expect_error(posterior_linpred(fit, lme4::sleepstudy[1:3, ]), "newdata = ", class = "twill_error_setting")
  expect_error(posterior_linpred(fit, "yes"), "transform")
})
