# Predictors that are measured with error, me(x, sdx): posteriors against quadrature, densities against their definition.

# The summary statistics of MR Locus' vignette.
loci <- data.frame(bhat_a = c(.746, 1.685, 3.046, 3.76), bhat_b = c(.149, 1.017, 1.73, 1.668), se_a = .25, se_b = .25)
sd_a <- 2 * max(abs(loci$bhat_a))
sd_alpha <- 2 * abs(unname(coef(lm(bhat_b ~ 0 + bhat_a, loci))))
sd_sigma <- max(2 * sd(loci$bhat_b), max(abs(loci$bhat_b)))
locus_prior <- c(tw_prior(sprintf("normal(0, %.15g)", sd_alpha), coef = "mebhat_ase_a"),
                 tw_prior("constant(0)", class = "meanme"),
                 tw_prior(sprintf("constant(%.15g)", sd_a), class = "sdme"),
                 tw_prior(sprintf("normal(0, %.15g)", sd_sigma), class = "sigma"))

# Mass over a grid of alpha and sigma of the slope model, its b_a and b_b integrated out.
locus_grid <- function() {
  grid <- expand.grid(alpha = seq(-0.8, 1.8, length.out = 800), log_sigma = seq(log(1e-5), log(12), length.out = 800))
  sigma <- exp(grid$log_sigma)
  log_density <- dnorm(grid$alpha, 0, sd_alpha, log = TRUE) + dnorm(sigma, 0, sd_sigma, log = TRUE) + grid$log_sigma
  for (i in seq_len(nrow(loci))) {
    vaa <- sd_a^2 + loci$se_a[i]^2
    vab <- grid$alpha * sd_a^2
    vbb <- grid$alpha^2 * sd_a^2 + sigma^2 + loci$se_b[i]^2
    log_density <- log_density +
      dnorm(loci$bhat_b[i], vab / vaa * loci$bhat_a[i], sqrt(vbb - vab^2 / vaa), log = TRUE)
  }
  weight <- exp(log_density - max(log_density))
  data.frame(alpha = grid$alpha, sigma = sigma, weight = weight / sum(weight))
}

grid_quantile <- function(x, weight, p) {
  order <- order(x)
  x[order][findInterval(p, cumsum(weight[order])) + 1]
}

test_that("the slope model of MR Locus has the posterior of quadrature", {
  skip_on_cran()
  fit <- twill(bhat_b | se(se_b, sigma = TRUE) ~ 0 + me(bhat_a, se_a), loci, prior = locus_prior, iter = 4000, seed = 1,
               silent = 2)
  grid <- locus_grid()
  draws <- list(alpha = fit$draws[, , "bsp_mebhat_ase_a"], sigma = fit$draws[, , "sigma"])
  for (name in names(draws)) {
    x <- draws[[name]]
    mean <- sum(grid$weight * grid[[name]])
    expect_lt(abs(mean(x) - mean) / posterior::mcse_mean(x), 4)
    sd <- sqrt(sum(grid$weight * grid[[name]]^2) - mean^2)
    expect_lt(abs(sd(x) - sd) / posterior::mcse_sd(x), 4)
    expect_lt(posterior::rhat(x), 1.01)
    for (p in c(.025, .1, .5, .9, .975)) {
      error <- posterior::mcse_quantile(x, p)
      expect_lt(abs(quantile(x, p) - grid_quantile(grid[[name]], grid$weight, p)) / error, 4)
    }
  }
  expect_equal(sum(fit$sampler[, , "divergent__"]), 0)
  # The figures that others have printed for it.
  expect_equal(sum(grid$weight * grid$alpha), 0.4942, tolerance = 1e-3)
  expect_equal(sum(grid$weight * grid$sigma), 0.3165, tolerance = 1e-3)
})

# Densities --------------------------------------------------------------------------------------------------------------

set.seed(3)
n <- 40
measured <- data.frame(g = factor(rep(1:8, 5)), w = rnorm(n), z = rnorm(n, 2), sdz = runif(n, 0.2, 0.6), sdx = runif(n, 0.3, 0.9))
true_x <- rnorm(n, 5, 1.5)
measured$x <- rnorm(n, true_x, measured$sdx)
measured$y <- rnorm(n, 1 + 0.8 * true_x + rnorm(8)[measured$g], 0.5)
measured$count <- rpois(n, exp(-1 + 0.4 * true_x))

# Log densities of what was measured and of the response given it, per draw: `loading` is draws x rows for each predictor.
given_measured <- function(fit, name, x, sdx) {
  d <- as.matrix(fit)
  total2 <- outer(d[, paste0("sdme_", name)]^2, sdx^2, "+")
  share <- d[, paste0("sdme_", name)]^2 / total2
  deviation <- matrix(x, nrow(d), length(x), byrow = TRUE) - d[, paste0("meanme_", name)]
  list(mean = d[, paste0("meanme_", name)] + share * deviation, variance = share * rep(sdx^2, each = nrow(d)),
       density = rowSums(array(dnorm(deviation, 0, sqrt(total2), log = TRUE), dim(total2))))
}

# What lp__ has besides: the same in all draws.
expect_constant <- function(rest) expect_lt(diff(range(rest)), 1e-6 * max(1, abs(mean(rest))))

quick <- function(..., iter = 120) twill(..., chains = 1, iter = iter, seed = 1, silent = 2)

test_that("the density of a Gaussian model is that of response and measurements", {
  fit <- quick(y ~ w + me(x, sdx) * z + (1 | g), measured)
  d <- as.matrix(fit)
  expect_true(all(c("bsp_mexsdx", "bsp_mexsdx:z", "b_z", "meanme_mex", "sdme_mex", "Xme_mex[40]") %in% variables(fit)))
  given <- given_measured(fit, "mex", measured$x, measured$sdx)
  loading <- d[, "bsp_mexsdx"] + outer(d[, "bsp_mexsdx:z"], measured$z)
  eta <- d[, "b_Intercept"] + outer(d[, "b_w"], measured$w) + outer(d[, "b_z"], measured$z) +
    d[, sprintf("r_g[%s,Intercept]", measured$g)] + loading * given$mean
  sd <- sqrt(d[, "sigma"]^2 + loading^2 * given$variance)
  y <- rep(measured$y, each = nrow(d))
  rows <- matrix(dnorm(y, eta, sd, log = TRUE), nrow(d))
  expect_equal(log_lik(fit), rows, ignore_attr = TRUE)
  standard <- d[, sprintf("r_g[%d,Intercept]", 1:8)] / d[, "sd_g__Intercept"]
  logs <- rowSums(log(d[, c("sigma", "sdme_mex", "sd_g__Intercept")]))
  effects <- rowSums(array(dnorm(standard, log = TRUE), dim(standard)))
  expect_constant(d[, "lp__"] - d[, "lprior"] - logs - rowSums(rows) - given$density - effects)
  # Given the response, draw by draw.
  residual <- matrix(y, nrow(d)) - (eta - loading * given$mean) - loading * given$mean
  gain <- loading * given$variance / sd^2
  x <- d[, sprintf("Xme_mex[%d]", 1:40)]
  standard <- (x - given$mean - gain * residual) / sqrt(given$variance * (1 - gain * loading))
  expect_lt(abs(mean(standard)) * sqrt(length(standard)), 4)
  expect_lt(abs(mean(standard^2) - 1) * sqrt(length(standard) / 2), 4)
  expect_equal(posterior_linpred(fit), eta + loading * (x - given$mean), ignore_attr = TRUE)
})

test_that("several predictors with errors, standard errors and constants", {
  prior <- c(tw_prior("constant(0.5)", coef = "mezsdz"), tw_prior("constant(2)", class = "meanme", coef = "mez"))
  fit <- quick(y | se(w^2 + 0.1, sigma = TRUE) ~ me(x, sdx) + me(z, sdz), measured, prior = prior)
  d <- as.matrix(fit)
  expect_equal(range(d[, "bsp_mezsdz"]), c(0.5, 0.5))
  expect_equal(range(d[, "meanme_mez"]), c(2, 2))
  of_x <- given_measured(fit, "mex", measured$x, measured$sdx)
  of_z <- given_measured(fit, "mez", measured$z, measured$sdz)
  eta <- d[, "b_Intercept"] + d[, "bsp_mexsdx"] * of_x$mean + 0.5 * of_z$mean
  variance <- outer(d[, "sigma"]^2, (measured$w^2 + 0.1)^2, "+") + d[, "bsp_mexsdx"]^2 * of_x$variance + 0.25 * of_z$variance
  rows <- matrix(dnorm(rep(measured$y, each = nrow(d)), eta, sqrt(variance), log = TRUE), nrow(d))
  expect_equal(log_lik(fit), rows, ignore_attr = TRUE)
  logs <- rowSums(log(d[, c("sigma", "sdme_mex", "sdme_mez")]))
  expect_constant(d[, "lp__"] - d[, "lprior"] - logs - rowSums(rows) - of_x$density - of_z$density)
  # Together they make the response: what is left of it has the residual variance.
  left <- rep(measured$y, each = nrow(d)) - posterior_linpred(fit)
  sd <- sqrt(outer(d[, "sigma"]^2, (measured$w^2 + 0.1)^2, "+"))
  expect_lt(abs(mean((left / sd)^2) - 1), 0.25)
})

# Log of the integral of exp(f(x)) over the line, about its mode.
log_integral <- function(f, at, sd) {
  top <- optimize(f, at + c(-12, 12) * sd, maximum = TRUE)$maximum
  height <- f(top)
  height + log(integrate(function(x) exp(f(x) - height), top - 10 * sd, top + 10 * sd, rel.tol = 1e-10)$value)
}

test_that("counts are integrated over what was not measured", {
  for (family in c("poisson", "negbinomial")) {
    fit <- quick(count ~ me(x, sdx), measured, family = family, iter = 60)
    d <- as.matrix(fit)
    given <- given_measured(fit, "mex", measured$x, measured$sdx)
    log_density <- function(y, eta, s) {
      if (family == "poisson") dpois(y, exp(eta), log = TRUE) else dnbinom(y, size = d[s, "shape"], mu = exp(eta), log = TRUE)
    }
    row <- function(s, i) {
      m <- given$mean[s, i]
      sd <- sqrt(given$variance[s, i])
      f <- function(x) {
        log_density(measured$count[i], d[s, "b_Intercept"] + d[s, "bsp_mexsdx"] * x, s) + dnorm(x, m, sd, log = TRUE)
      }
      log_integral(Vectorize(f), m, sd)
    }
    rows <- outer(1:30, 1:n, Vectorize(row))
    expect_equal(log_lik(fit), rows, ignore_attr = TRUE, tolerance = 1e-7)
    logs <- rowSums(log(d[, intersect(c("shape", "sdme_mex"), colnames(d)), drop = FALSE]))
    expect_constant(d[, "lp__"] - d[, "lprior"] - logs - rowSums(rows) - given$density)
    # The predictor given the count, against a fine grid.
    x <- d[, sprintf("Xme_mex[%d]", 1:n)]
    score <- function(s, i) {
      at <- given$mean[s, i] + sqrt(given$variance[s, i]) * seq(-8, 8, length.out = 2000)
      f <- log_density(measured$count[i], d[s, "b_Intercept"] + d[s, "bsp_mexsdx"] * at, s) +
        dnorm(at, given$mean[s, i], sqrt(given$variance[s, i]), log = TRUE)
      weight <- exp(f - max(f)) / sum(exp(f - max(f)))
      (x[s, i] - sum(weight * at)) / sqrt(sum(weight * at^2) - sum(weight * at)^2)
    }
    scores <- outer(1:30, 1:n, Vectorize(score))
    expect_lt(abs(mean(scores)) * sqrt(length(scores)), 4)
    expect_lt(abs(mean(scores^2) - 1) * sqrt(length(scores) / 2), 4)
  }
})

# Methods -------------------------------------------------------------------------------------------------------------------

test_that("new rows are predicted from what was measured of them", {
  fit <- quick(y ~ me(x, sdx), measured, iter = 1000)
  d <- as.matrix(fit)
  exact <- posterior_epred(fit, newdata = data.frame(x = c(4, 6), sdx = 0))
  expect_equal(exact, d[, "b_Intercept"] + outer(d[, "bsp_mexsdx"], c(4, 6)), ignore_attr = TRUE)
  new <- data.frame(x = rep(7, 2000), sdx = 1, y = 6)
  share <- d[, "sdme_mex"]^2 / (d[, "sdme_mex"]^2 + 1)
  mean <- d[, "b_Intercept"] + d[, "bsp_mexsdx"] * (d[, "meanme_mex"] + share * (7 - d[, "meanme_mex"]))
  variance <- d[, "bsp_mexsdx"]^2 * share
  drawn <- posterior_epred(fit, newdata = new, draw_ids = 1:5, seed = 1)
  expect_lt(max(abs(rowMeans(drawn) - mean[1:5]) / sqrt(variance[1:5] / 2000)), 4)
  expect_lt(max(abs(apply(drawn, 1, var) / variance[1:5] - 1)), 4 * sqrt(2 / 2000))
  expect_equal(log_lik(fit, newdata = new[1, ])[, 1], dnorm(6, mean, sqrt(d[, "sigma"]^2 + variance), log = TRUE),
               ignore_attr = TRUE)
  expect_error(posterior_epred(fit, newdata = data.frame(x = 1)), "sdx", class = "twill_error_newdata")
  expect_error(posterior_epred(fit, newdata = data.frame(x = 1, sdx = -1)), "zero or positive", class = "twill_error_newdata")
  expect_s3_class(suppressWarnings(loo(fit)), "loo")
  expect_equal(suppressWarnings(loo(fit, pointwise = TRUE))$estimates, suppressWarnings(loo(fit))$estimates)
  expect_equal(rownames(fixef(fit)), c("Intercept", "mexsdx"))
  expect_output(print(fit), "Predictors measured with error")
  curve <- tw_conditional_effects(fit)
  expect_named(curve, "x")
  at <- range(curve$x$x)
  line <- apply(d[, "b_Intercept"] + outer(d[, "bsp_mexsdx"], at), 2, median)
  expect_equal(range(curve$x$estimate__), line, tolerance = 1e-10)
  expect_equal(dim(posterior_predict(fit, ndraws = 5)), c(5, n))
  expect_equal(dim(residuals(fit)), c(n, 4))
})

test_that("draws of predictors can be left out, and approximations have them", {
  fit <- quick(y ~ me(x, sdx), measured, save_pars = tw_save(group = FALSE))
  expect_false(any(startsWith(variables(fit), "Xme_")))
  expect_equal(dim(log_lik(fit)), c(60, n))
  expect_error(fitted(fit), "tw_save", class = "twill_error_draws")
  expect_equal(dim(fitted(fit, newdata = measured)), c(n, 4))
  approximate <- quick(y ~ me(x, sdx), measured, method = "laplace", iter = 2000)
  expect_true("Xme_mex[1]" %in% variables(approximate))
  sampled <- quick(y ~ me(x, sdx), measured, iter = 2000)
  difference <- fixef(approximate)[, "Estimate"] - fixef(sampled)[, "Estimate"]
  expect_lt(max(abs(difference) / fixef(sampled)[, "Est.Error"]), 0.25)
  prior <- quick(y ~ me(x, sdx), measured, sample_prior = "only")
  expect_gt(sd(as.matrix(prior, "meanme_mex")), 1)
  both <- quick(y ~ me(x, sdx), measured, sample_prior = "yes")
  expect_true(all(c("prior_meanme_mex", "prior_sdme_mex") %in% variables(both)))
  expect_gt(min(as.matrix(both, "prior_sdme_mex")), 0)
})

test_that("rows without a measurement or its error are dropped, and the seed alone decides", {
  holes <- measured
  holes$x[3] <- NA
  holes$sdx[7] <- NA
  expect_equal(nobs(quick(y ~ me(x, sdx), holes)), 38)
  one <- twill(count ~ me(x, sdx), measured, poisson(), chains = 2, iter = 60, seed = 9, silent = 2, cores = 1)
  two <- twill(count ~ me(x, sdx), measured, poisson(), chains = 2, iter = 60, seed = 9, silent = 2, cores = 2)
  expect_identical(one$draws, two$draws)
})

test_that("what does not go with me() is refused by name", {
  refused <- function(formula, text, class = "twill_error_formula", ...) {
    expect_error(twill(formula, measured, silent = 2, ...), text, class = class)
  }
  refused(y ~ me(x, sdx):me(z, sdz), "Products of two")
  refused(y ~ me(x, sdx) * me(z, sdz), "Products of two")
  refused(y ~ (1 + me(x, sdx) | g), "population-level predictor")
  refused(me(y, sdx) ~ w, "by itself")
  refused(y ~ log(me(x, sdx)), "by itself")
  refused(y ~ I(me(x, sdx)^2), "by itself")
  refused(y ~ me(x), "standard deviation of its error")
  refused(y ~ me(x, sdx, gr = g), "gr")
  refused(y ~ me(x, sdx) + me(x, sdz), "one error")
  refused(y | weights(w^2) ~ me(x, sdx), "Weights")
  refused(tw_formula(y ~ w, sigma ~ me(x, sdx)), "population-level predictor")
  refused(tw_formula(count ~ me(x, sdx), shape ~ w), "shape", family = negbinomial())
  refused(y ~ me(x, 0 * sdx), "positive and finite", "twill_error_data")
  refused(y ~ me(x, w), "positive and finite", "twill_error_data")
  refused(y ~ me(x, 1 / (sdx - sdx)), "positive|infinite", "twill_error_data")
  refused(y ~ me(g, sdx), "numbers")
  refused(y ~ mi(x), "needs a formula")
  refused(y ~ x + me(x, sdx), "do not tell", "twill_error_design")
  counts <- matrix(rpois(200, 5), 5, dimnames = list(letters[1:5], NULL))
  expect_error(twill_genes(counts, ~ me(x, sdx), col_data = measured, silent = 2), "me", class = "twill_error_formula")
})

test_that("gradients are those of the density", {
  models <- list(list(y ~ me(x, sdx) * w + me(z, sdz) + (1 | g), "gaussian"), list(count ~ me(x, sdx) * w + (1 | g), "poisson"),
                 list(count ~ me(x, sdx), "negbinomial"), list(tw_formula(y ~ me(x, sdx), sigma ~ w), "gaussian"))
  for (model in models) {
    fit <- quick(model[[1]], measured, family = model[[2]], iter = 20)
    dim <- length(log_density_at(fit, rep(0, fit$info$dim))$gradient)
    position <- c(0.2, 0.3, rep_len(c(0.2, -0.1, 0.4), dim - 2))
    at <- log_density_at(fit, position)
    slope <- vapply(seq_len(dim), function(i) {
      h <- 1e-5 * (seq_len(dim) == i)
      (log_density_at(fit, position + h)$log_density - log_density_at(fit, position - h)$log_density) / 2e-5
    }, 0)
    expect_equal(at$gradient, slope, tolerance = 1e-5)
  }
})
