# Group-level terms of the dispersion: against quadrature, in new data, and what is refused.

# Posterior of log dispersions a + u_j, u_j ~ N(0, s), at known means: the likelihood of group j at log dispersion e is
# integrated over u_j on a grid, then (a, log s) lie on a grid of their own. Returns moments of a, s and the u_j.
dispersion_by_quadrature <- function(log_lik, n_groups, log_prior_a, log_prior_s, a, log_s) {
  z <- seq(-6, 6, length.out = 121)
  weight <- stats::dnorm(z) * (z[2] - z[1])
  grid <- expand.grid(a = a, log_s = log_s)
  s <- exp(grid$log_s)
  total <- log_prior_a(grid$a) + log_prior_s(s) + grid$log_s
  means <- matrix(0, nrow(grid), n_groups)
  for (j in seq_len(n_groups)) {
    # [grid, z]
    u <- outer(s, z)
    value <- matrix(log_lik(j, as.vector(grid$a + u)), nrow(grid))
    top <- apply(value, 1, max)
    mass <- exp(value - top) * rep(weight, each = nrow(grid))
    total <- total + top + log(rowSums(mass))
    means[, j] <- rowSums(mass * u) / rowSums(mass)
  }
  p <- exp(total - max(total))
  p <- p / sum(p)
  # Tails are so long that the standard deviation's Monte Carlo error cannot be told from draws.
  moments <- function(x) c(mean = sum(p * x), deviation = sum(p * abs(x - sum(p * x))))
  list(a = moments(grid$a), s = moments(s), u = colSums(p * means))
}

# In units of Monte Carlo error.
expect_moments <- function(draws, expected) {
  expect_lt(abs(mean(draws) - expected[["mean"]]) / posterior::mcse_mean(draws), 4)
  away <- abs(draws - expected[["mean"]])
  expect_lt(abs(mean(away) - expected[["deviation"]]) / posterior::mcse_mean(away), 4)
}

one_draws <- function(fit, name) posterior::extract_variable_matrix(posterior::as_draws(fit), name)

noisy_data <- function(n_each = 12, sd = 0.7) {
  with_fixed_seed(11, {
    g <- rep(c("a", "b", "c", "d", "e"), each = n_each)
    log_sigma <- stats::setNames(0.3 + sd * c(-1, -0.3, 0.2, 0.5, 1.4), unique(g))
    data.frame(g = g, x = rep(0:1, length.out = length(g)), y = stats::rnorm(length(g), 0, exp(log_sigma[g])))
  })
}

test_that("sigma of groups agrees with quadrature, with much and with little data", {
  for (n_each in c(3, 60)) {
    data <- noisy_data(n_each)
    fit <- twill(tw_formula(y ~ 0, sigma ~ (1 | g)), data, seed = 1, silent = 2, iter = 4000, chains = 2,
                 prior = c(tw_prior("normal(0, 1)", class = "Intercept", dpar = "sigma"),
                           tw_prior("student_t(3, 0, 1)", class = "sd", dpar = "sigma")))
    squares <- tapply(data$y^2, data$g, sum)
    n <- tapply(data$y, data$g, length)
    expected <- dispersion_by_quadrature(function(j, e) -n[[j]] * e - squares[[j]] * exp(-2 * e) / 2, 5,
                                         function(a) stats::dnorm(a, log = TRUE), function(s) stats::dt(s, 3, log = TRUE),
                                         seq(-3, 4, length.out = 141), seq(-7, 3.5, length.out = 141))
    expect_moments(one_draws(fit, "b_sigma_Intercept"), expected$a)
    expect_moments(one_draws(fit, "sd_g__sigma_Intercept"), expected$s)
    effects <- ranef(fit)$g[, "Estimate", "sigma_Intercept"]
    for (j in 1:5) {
      draws <- one_draws(fit, sprintf("r_g__sigma[%s,Intercept]", letters[j]))
      expect_lt(abs(effects[[j]] - expected$u[j]) / posterior::mcse_mean(draws), 4)
    }
    expect_lt(max(rhat(fit), na.rm = TRUE), 1.02)
  }
})

test_that("shapes of groups agree with quadrature", {
  data <- with_fixed_seed(12, {
    g <- rep(c("a", "b", "c", "d"), each = 30)
    data.frame(g = g, y = stats::rnbinom(120, mu = 8, size = exp(c(a = -0.5, b = 0.5, c = 1, d = 2)[g])))
  })
  fit <- twill(tw_formula(y ~ 0 + offset(rep(log(8), 120)), shape ~ (1 | g)), data, family = negbinomial(), seed = 1,
               silent = 2, iter = 4000, chains = 2,
               prior = c(tw_prior("normal(0, 2)", class = "Intercept", dpar = "shape"),
                         tw_prior("normal(0, 1)", class = "sd", dpar = "shape")))
  rows <- split(data$y, data$g)
  log_lik <- function(j, e) {
    counts <- table(rows[[j]])
    y <- as.numeric(names(counts))
    Reduce(`+`, lapply(seq_along(y), function(i) counts[[i]] * stats::dnbinom(y[i], mu = 8, size = exp(e), log = TRUE)))
  }
  expected <- dispersion_by_quadrature(log_lik, 4, function(a) stats::dnorm(a, 0, 2, log = TRUE),
                                       function(s) stats::dnorm(s, log = TRUE), seq(-4, 5, length.out = 91),
                                       seq(-6, 2, length.out = 91))
  expect_moments(one_draws(fit, "b_shape_Intercept"), expected$a)
  expect_moments(one_draws(fit, "sd_g__shape_Intercept"), expected$s)
})

test_that("every reader knows effects on the dispersion", {
  data <- noisy_data()
  formula <- tw_formula(y ~ x + (1 | g), sigma ~ x + (1 + x || g))
  fit <- twill(formula, data, seed = 1, silent = 2, iter = 200, chains = 1)
  draws <- as.matrix(fit)
  effect <- function(coef) draws[, sprintf("r_g__sigma[%s,%s]", data$g, coef)]
  sigma <- exp(draws[, "b_sigma_Intercept"] + outer(draws[, "b_sigma_x"], data$x) + effect("Intercept") +
                 effect("x") * rep(data$x, each = nrow(draws)))
  expect_equal(posterior_epred(fit, dpar = "sigma"), unname(sigma), ignore_attr = TRUE)
  expect_equal(posterior_epred(fit, dpar = "sigma", newdata = data), unname(sigma), ignore_attr = TRUE)
  alone <- exp(draws[, "b_sigma_Intercept"] + outer(draws[, "b_sigma_x"], data$x))
  expect_equal(posterior_epred(fit, dpar = "sigma", re_formula = NA), unname(alone), ignore_attr = TRUE)
  mean <- draws[, "b_Intercept"] + outer(draws[, "b_x"], data$x) + draws[, sprintf("r_g[%s,Intercept]", data$g)]
  expect_equal(log_lik(fit), matrix(stats::dnorm(rep(data$y, each = nrow(draws)), mean, sigma, log = TRUE), nrow(draws)),
               ignore_attr = TRUE)
  expect_identical(dimnames(ranef(fit)$g)[[3]], c("Intercept", "sigma_Intercept", "sigma_x"))
  expect_equal(coef(fit)$g["a", "Estimate", "sigma_x"], mean(draws[, "b_sigma_x"] + draws[, "r_g__sigma[a,x]"]))
  expect_identical(rownames(VarCorr(fit)$g$sd), c("Intercept", "sigma_Intercept", "sigma_x"))
  expect_identical(rownames(summary(fit)$random$g), c("sd(Intercept)", "sd(sigma_Intercept)", "sd(sigma_x)"))
  expect_identical(ngrps(fit)$g, 5L)
  expect_true("sd__sigma_x" %in% tidy(fit, effects = "ran_pars")$term)
  expect_output(print(fit), "sigma ~ x \\+ \\(1 \\+ x \\|\\| g\\)")
})

test_that("a new level is one and the same in the mean and in the dispersion", {
  data <- noisy_data()
  fit <- twill(tw_formula(y ~ (1 | g), sigma ~ (1 | g)), data, seed = 1, silent = 2, iter = 200, chains = 1)
  new <- data.frame(g = c("a", "new"))
  expect_error(posterior_predict(fit, newdata = new), "new", class = "twill_error_newdata")
  expect_identical(dim(posterior_predict(fit, newdata = new, allow_new_levels = TRUE)), c(ndraws(fit), 2L))
  prediction <- prepare_prediction(fit, newdata = new, allow_new_levels = TRUE)
  draws <- as.matrix(fit)
  shift <- predicted_eta(prediction)[, 2] - draws[, "b_Intercept"]
  of_levels <- draws[, sprintf("r_g[%s,Intercept]", letters[1:5])]
  level <- vapply(seq_along(shift), function(s) which.min(abs(of_levels[s, ] - shift[s])), 0L)
  own <- draws[cbind(seq_along(level), match(sprintf("r_g__sigma[%s,Intercept]", letters[level]), colnames(draws)))]
  expect_equal(log(dispersion_draws(prediction)[, 2]), unname(draws[, "b_sigma_Intercept"] + own), tolerance = 1e-6)
  expect_identical(dim(posterior_predict(fit, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian")),
                   c(ndraws(fit), 2L))
  folds <- suppressWarnings(kfold(fit, folds = "grouped", group = "g", K = 5, chains = 1, iter = 100, silent = 2))
  expect_true(all(is.finite(folds$pointwise[, "elpd_kfold"])))
})

test_that("what the dispersion cannot have is refused by name", {
  data <- noisy_data()
  expect_error(twill(tw_formula(y ~ x, sigma ~ (1 + x | g)), data), "uncorrelated", class = "twill_error_formula")
  expect_error(tw_formula(y ~ x, sigma ~ (1 | gr(g, cov = K))), "gr", class = "twill_error_formula")
  expect_error(tw_formula(y ~ x, sigma ~ x + offset(x)), "offset", class = "twill_error_formula")
  counts <- matrix(stats::rpois(40, 20), 4, 10, dimnames = list(letters[1:4], paste0("s", 1:10)))
  samples <- data.frame(g = rep(c("a", "b"), 5), row.names = colnames(counts))
  expect_error(twill_genes(counts, ~1, col_data = samples, dispersion = ~ (1 | g)), "population-level",
               class = "twill_error_formula")
})
