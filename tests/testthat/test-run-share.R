# Hyper-parameters learned from draws, on draws of known posteriors: no engine takes part.

# Draws of the posterior of log shape of each gene, when a normal measurement with error `se` is all that is known and the
# prior is normal(centre, spread): normal again.
normal_posterior <- function(measured, se, centre, spread, n_draws) {
  precision <- 1 / se^2 + 1 / spread^2
  mean <- (measured / se^2 + centre / spread^2) / precision
  t(matrix(rnorm(length(measured) * n_draws, mean, 1 / sqrt(precision)), length(measured)))
}

# Draws of the posterior of an sd given normal effects, under a prior density, from a fine grid.
sd_posterior <- function(effects, prior, n_draws, grid = exp(seq(log(1e-4), log(20), length.out = 3000))) {
  width <- diff(c(0, grid))
  log_lik <- -length(effects) * log(grid) - sum(effects^2) / (2 * grid^2)
  weight <- exp(log_lik - max(log_lik) + log(prior(grid)) + log(width))
  sample(grid, n_draws, TRUE, weight)
}

half_t_density <- function(scale) function(x) 2 / scale * dt(x / scale, 3)

flat_hyper <- function(n) list(mean = numeric(n), sd = rep(100, n))

test_that("the trend and spread of dispersions are recovered, and are the maximum of the exact marginal likelihood", {
  with_fixed_seed(11, {
    n <- 400
    x <- trend_basis(runif(n, 0, 8), c(0.2, 7.8))
    truth <- c(2, 0.4, -0.03, log(0.4))
    log_shape <- drop(x %*% truth[1:3]) + rnorm(n, 0, exp(truth[4]))
    se <- runif(n, 0.3, 0.8)
    measured <- log_shape + rnorm(n, 0, se)
    part <- list(kind = "dispersion", variable = "shape")
    par <- part_start(part)
    # A few rounds, as with an engine.
    for (round in 1:4) {
      draws <- normal_posterior(measured, se, drop(x %*% par[1:3]), exp(par[4]), 300)
      learned <- learn_round(list(part), list(draws), list(part), list(par), list(par), flat_hyper(4), x)
      par <- learned$par[[1]]
    }
  })
  exact <- optim(truth, function(p) sum(dnorm(measured, x %*% p[1:3], sqrt(se^2 + exp(2 * p[4])), log = TRUE)),
                 control = list(fnscale = -1, maxit = 5000, reltol = 1e-12), method = "BFGS")
  # The remaining difference is Monte Carlo error of 300 draws a gene: below a fifth of the estimate's own standard error.
  se_exact <- sqrt(diag(solve(-optimHess(exact$par, function(p) {
    sum(dnorm(measured, x %*% p[1:3], sqrt(se^2 + exp(2 * p[4])), log = TRUE))
  }))))
  expect_true(all(abs(par - exact$par) < 0.2 * se_exact))
  expect_true(all(abs(par - truth) < 4 * se_exact))
  expect_gt(median(learned$ess), 0.9)
})

test_that("the scale of standard deviations is the maximum of their marginal likelihood", {
  with_fixed_seed(12, {
    sd <- abs(0.3 * rt(500, 3))
    effects <- lapply(sd, function(s) rnorm(8, 0, s))
    part <- list(kind = "half_t", variable = "sd_donor__Intercept")
    par <- part_start(part)
    for (round in 1:4) {
      draws <- vapply(effects, sd_posterior, numeric(300), prior = half_t_density(exp(par)), n_draws = 300)
      par <- learn_round(list(part), list(draws), list(part), list(par), list(par), flat_hyper(1), matrix(0, 500, 3))$par[[1]]
    }
  })
  grid <- exp(seq(log(1e-4), log(20), length.out = 1500))
  width <- diff(c(0, grid))
  likelihood <- vapply(effects, function(e) exp(-8 * log(grid) - sum(e^2) / (2 * grid^2)) * width, numeric(1500))
  exact <- optimize(function(s) sum(log(crossprod(half_t_density(exp(s))(grid), likelihood))), c(-4, 2), maximum = TRUE)$maximum
  # The log scale of 500 genes is known to about 0.07.
  expect_lt(abs(par - exact), 0.03)
  expect_lt(abs(par - log(0.3)), 0.25)
})

test_that("the logarithm of a mean of few ratios is corrected for its bias, and its derivative with it", {
  with_fixed_seed(15, log_ratios <- matrix(rnorm(40 * 5000, 0, 0.5), 40))
  # E exp(x) = exp(0.5^2 / 2); the plain logarithm is lower by 0.0035.
  expect_lt(abs(mean(weigh_columns(log_ratios)$log_mean) - 0.125), 0.0015)
  # Four times as wide, most coefficients of variation are above one, from where on the correction is constant.
  for (some in list(log_ratios[, 1:20], 4 * log_ratios[, 1:20])) {
    moved <- function(h) sum(weigh_columns(some * (1 + h))$log_mean)
    expect_equal(sum(weigh_columns(some)$scores * some), (moved(1e-5) - moved(-1e-5)) / 2e-5, tolerance = 1e-6)
  }
  expect_equal(weigh_columns(matrix(0, 10, 2))$square, c(0.1, 0.1))
})

test_that("a horseshoe is learned from draws made under a half-t", {
  with_fixed_seed(13, {
    tau <- 0.1
    slab <- 2
    sd <- 1 / sqrt(1 / slab^2 + 1 / (tau * abs(rcauchy(600)))^2)
    effects <- lapply(sd, function(s) rnorm(10, 0, s))
    proxy <- list(kind = "half_t", variable = "sd")
    draws <- vapply(effects, sd_posterior, numeric(400), prior = half_t_density(0.2), n_draws = 400)
    part <- list(kind = "horseshoe", variable = "sd")
    learned <- learn_round(list(part), list(draws), list(proxy), list(c(scale = log(0.2))), list(part_start(part)), flat_hyper(2),
                           matrix(0, 600, 3))
  })
  expect_lt(abs(learned$par[[1]][["tau"]] - log(tau)), 0.3)
  expect_lt(abs(learned$par[[1]][["slab"]] - log(slab)), 0.4)
})

test_that("scores are the derivatives of the densities", {
  with_fixed_seed(14, {
    values <- matrix(abs(rnorm(40, 0, 0.5)), 10)
    weights <- matrix(runif(40), 10)
    x <- trend_basis(c(1, 3, 5, 6), c(1, 6))
  })
  for (kind in c("dispersion", "half_normal", "half_t", "horseshoe", "normal", "student_t")) {
    part <- list(kind = kind)
    par <- part_start(part) + 0.1
    total <- function(p) sum(weights * part_density(part, values, p, x))
    numeric <- vapply(seq_along(par), function(j) {
      step <- replace(numeric(length(par)), j, 1e-6)
      (total(par + step) - total(par - step)) / 2e-6
    }, 0)
    expect_equal(unname(part_score(part, values, par, x, weights)), numeric, tolerance = 1e-5)
  }
})

test_that("densities of the shared priors integrate to one", {
  density <- function(part, par) function(v) exp(part_density(part, matrix(v), par, matrix(0, 1, 3)))
  area <- function(part, par, upper) integrate(density(part, par), 0, upper)$value
  expect_equal(area(list(kind = "half_normal"), log(0.4), Inf) * sqrt(2 / pi), 1, tolerance = 1e-6)
  expect_equal(area(list(kind = "half_t"), log(0.4), Inf), 1 / (2 * dt(0, 3)), tolerance = 1e-6)
  # Its mass near the slab is integrable but infinite in density: quadrature up to the quantile of 99 percent.
  end <- prior_records$horseshoe_scale$quantile(0.99, c(0.2, 3))
  expect_equal(area(list(kind = "horseshoe"), log(c(0.2, 3)), end), 0.99, tolerance = 1e-5)
})

test_that("beyond the learned range the trend is constant", {
  basis <- trend_basis(c(-10, 0, 1, 2, 50), c(0, 2))
  expect_equal(basis[1, ], basis[2, ])
  expect_equal(basis[5, ], basis[4, ])
  expect_equal(basis[3, ], c(1, 0, 0))
})

test_that("only parameters with default priors are pooled", {
  model <- quiet_if(2, new_gene_model(response_formula(~ condition + (1 + condition || donor)), gene_samples(), negbinomial(),
                                      tw_prior("exponential(1)", class = "sd", coef = "conditionstim"), NULL, 2))
  variables <- function(...) vapply(shared_parts(model, ...), `[[`, "", "variable")
  expect_identical(variables(c("dispersion", "sd"), "half_t", "weak"), c("shape", "sd_donor__Intercept"))
  expect_identical(variables("none", "half_t", "normal"), "b_conditionstim")
  expect_length(shared_parts(model, character(), "half_t", "weak"), 0)
})

test_that("learned values enter the priors of the model and of each gene", {
  model <- quiet_if(2, new_gene_model(response_formula(~ condition + (1 | donor)), gene_samples(), negbinomial(), NULL, NULL, 2))
  parts <- shared_parts(model, c("dispersion", "sd"), "horseshoe", "student_t")
  trend <- c(level = 2, slope = 0.5, bend = 0, spread = log(0.3))
  shared <- list(parts = parts, range = c(1, 5), par = list(trend, log(c(tau = 0.1, slab = 2)), c(scale = log(0.7))))
  applied <- apply_shared(model, shared)
  spec <- jsonlite::fromJSON(applied$spec_json, simplifyVector = FALSE)
  expect_equal(spec$dispersion$prior, list(dist = "lognormal", args = list(2, 0.3)))
  expect_equal(spec$terms[[1]]$sd_priors[[1]], list(dist = "horseshoe_scale", args = list(0.1, 2)))
  expect_equal(spec$coefficients[[2]]$prior, list(dist = "student_t", args = list(3, 0, 0.7)))
  by_gene <- trend_priors(applied, shared, exp(c(2, 4, 100)))
  expect_identical(by_gene[[1]]$name, "shape")
  expect_equal(by_gene[[1]]$values, c(2 - 0.5, 2 + 0.5, 2 + 0.5 * 2))
  expect_identical(applied$prior$source[applied$prior$class == "sd"], "shared")
})

test_that("rounds go on until the draws suffice, over genes of all means", {
  rounds <- fake_shared_set()$job$shared$rounds
  # Of a thousand draws enough are left in the second round; of twenty there never are 25.
  n_draws <- learning_settings(fake_set()$job$settings, 1e4)$n_draws
  expect_gt(rounds$ess[2] * n_draws, learning_ess)
  expect_identical(nrow(rounds), 2L)
  job <- fake_shared_set()$job
  few <- function(job, rows, n_draws) {
    job$settings$iter <- job$settings$warmup + 10
    run_part(job_part(job, rows))
  }
  local_engine(fake_engine)
  expect_identical(nrow(learn_shared(job, 1:12, few)$rounds), length(learning_sizes))
  expect_true(all(rounds$n_genes == 12))
  job <- fake_set()$job
  expect_identical(learning_rows(job, 1:30, 30), 1:30)
  chosen <- learning_rows(job, 1:30, 5)
  expect_setequal(chosen, order(job$scan$total)[round(seq(1, 30, length.out = 5))])
  expect_null(fake_set(share = "none")$job$shared)
})

test_that("where no gene can be sampled nothing is learned, and why is said", {
  failing <- function(which, messages) function(spec_json, arrays, genes, settings_json, progress) {
    out <- fake_engine(spec_json, arrays, genes, settings_json, progress)
    bad <- genes$index %in% which
    out$ok$messages[bad] <- messages
    out$ok$draws[, , bad] <- NaN
    out
  }
  run <- function(engine, ...) {
    local_engine(engine)
    twill_genes(gene_counts(12), ~ condition + (1 | donor), col_data = gene_samples(), iter = 60, seed = 4, silent = 2, ...)
  }
  expect_error(run(failing(0:11, "no {mode} there")), "No gene could be sampled.*x no \\{mode\\} there.*i .*share = \"none\"",
               class = "twill_error_start")
  silent <- tryCatch(run(failing(0:11, "")), twill_error_start = conditionMessage)
  expect_no_match(silent, "\nx")
  # Those that can be are learned from.
  expect_identical(run(failing(0:8, "no mode"))$job$shared$n_genes, 3L)
  expect_identical(unname(tw_diagnostics(run(failing(0:11, "no mode"), share = "none"))$message), rep("no mode", 12))
})

test_that("priors of genes carry the error of what they share", {
  with_fixed_seed(17, {
    se <- runif(30, 0.2, 0.4)
    measured <- rnorm(30, -2, 0.5) + rnorm(30, 0, se)
    part <- list(kind = "lognormal", variable = "sd_donor__Intercept")
    par <- c(location = -2, spread = log(0.7))
    for (round in 1:4) {
      draws <- exp(normal_posterior(measured, se, rep(par[[1]], 30), exp(par[[2]]), 4000))
      hyper <- list(mean = c(log(0.2), log(0.5)), sd = c(1.5, 0.7))
      learned <- learn_round(list(part), list(draws), list(part), list(par), list(par), hyper, matrix(0, 30, 3))
      par <- learned$par[[1]]
    }
  })
  integrated <- integrate_part(part, par, learned$covariance(), NULL)
  # By quadrature: what the genes say of location and spread, and the variance of the mixture over both.
  grid <- expand.grid(location = seq(-4, 0, length.out = 201), spread = seq(-3, 1, length.out = 201))
  sds <- sqrt(outer(exp(2 * grid$spread), se^2, "+"))
  density <- dnorm(rep(measured, each = nrow(grid)), grid$location, sds, log = TRUE)
  log_density <- rowSums(matrix(density, nrow(grid))) +
    dnorm(grid$location, log(0.2), 1.5, log = TRUE) + dnorm(grid$spread, log(0.5), 0.7, log = TRUE)
  weight <- exp(log_density - max(log_density)) / sum(exp(log_density - max(log_density)))
  mean <- sum(weight * grid$location)
  exact <- sqrt(sum(weight * exp(2 * grid$spread)) + sum(weight * (grid$location - mean)^2))
  expect_lt(abs(par[[1]] - mean), 0.03)
  # The normal approximation of 30 genes is right to a few percent; the maximum alone is 5 % too narrow.
  expect_lt(abs(exp(integrated[[2]]) / exact - 1), 0.03)
  expect_lt(exp(par[[2]]) / exact, 0.95)
})

test_that("widened priors have the variance of their mixture over what is not known", {
  covariance <- diag(c(0.04, 0.1))
  of_spread <- integrate(function(s) exp(2 * s) * dnorm(s, log(0.5), sqrt(0.1)), -5, 4, rel.tol = 1e-9)$value
  wider <- integrate_part(list(kind = "lognormal"), c(-1, log(0.5)), covariance, NULL)
  expect_equal(wider, c(-1, log(of_spread + 0.04) / 2), tolerance = 1e-6)
  # Of a trend, the mean over genes of the variance where their means are.
  x <- trend_basis(c(0, 1, 3), c(0, 3))
  covariance <- rbind(cbind(crossprod(x) / 50, 0), c(0, 0, 0, 0.1))
  trend <- integrate_part(list(kind = "dispersion"), c(1, 0.2, 0, log(0.5)), covariance, x)
  at_genes <- vapply(1:3, function(g) drop(x[g, ] %*% covariance[1:3, 1:3] %*% x[g, ]), 0)
  expect_equal(trend, c(1, 0.2, 0, log(of_spread + mean(at_genes)) / 2), tolerance = 1e-6)
  # A scale of zero-centred values takes its mean square.
  expect_equal(integrate_part(list(kind = "half_t"), log(0.5), matrix(0.1), NULL), log(of_spread) / 2, tolerance = 1e-6)
})

test_that("what genes do not tell is no wider than its own prior", {
  hyper <- list(mean = numeric(2), sd = c(1.5, 0.7))
  expect_equal(posterior_covariance(diag(c(2, -8)), hyper), diag(c(1.5^2, 1 / 8)))
  expect_equal(posterior_covariance(-matrix(c(4, 1, 1, 3), 2), hyper), solve(matrix(c(4, 1, 1, 3), 2)))
})
