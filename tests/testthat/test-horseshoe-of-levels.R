# gr(g, dist = "horseshoe"): levels of which most have hardly an effect, against integration over their multiples.

estimates <- with_fixed_seed(5, data.frame(snp = rep(paste0("rs", 1:6), each = 2), trait = rep(c("a", "b"), 6),
                                           se = rep(c(0.5, 0.8), 6),
                                           y = c(0.2, -0.4, 5.1, 3.9, -0.3, 0.9, 0.6, 0.1, -3.2, 0.4, 0.3, -0.7)))

# Of log lambda under a half-Cauchy, on a grid.
log_lambda <- seq(-14, 14, 0.02)
lambda_weight <- 2 / pi * exp(log_lambda) / (1 + exp(2 * log_lambda)) * 0.02

fit_horseshoe <- function(formula, ..., engine = "auto", iter = 4000) {
  twill(formula, estimates, ..., chains = 2, iter = iter, warmup = 1000, seed = 1, silent = 2, control = list(engine = engine))
}

test_that("levels share a multiple over traits, and scales and effects are those of integration, by every engine", {
  # Given lambda and the scales tau of both traits, estimates are normal and effects shrunken ones.
  by_level <- split(estimates, estimates$snp)
  level_moments <- function(rows, tau) {
    variance <- outer(exp(2 * log_lambda), tau^2)
    total <- t(t(variance) + rows$se^2)
    density <- exp(rowSums(-0.5 * log(2 * pi * total) - t(rows$y^2 / t(total)) / 2)) * lambda_weight
    c(sum(density), colSums(density * variance / total * rep(rows$y, each = nrow(variance))))
  }
  taus <- exp(seq(log(0.002), log(40), length.out = 40))
  grid <- expand.grid(a = taus, b = taus)
  log_density <- 0
  effects <- list()
  for (name in names(by_level)) {
    moments <- vapply(seq_len(nrow(grid)), function(i) level_moments(by_level[[name]], unlist(grid[i, ])), numeric(3))
    log_density <- log_density + log(moments[1, ])
    effects[[name]] <- t(moments[2:3, ]) / moments[1, ]
  }
  # Equal steps of the logs; half-Cauchy scales.
  prior <- rowSums(log(as.matrix(grid)) - log1p(as.matrix(grid)^2))
  weight <- grid_weights(log_density + prior)
  for (engine in c("collapsed", "joint", "levels")) {
    fit <- fit_horseshoe(y | se(se) ~ 0 + (0 + trait || gr(snp, dist = "horseshoe")),
                         prior = tw_prior("cauchy(0, 1)", class = "sd"), engine = engine)
    expect_identical(fit$info$engine, engine)
    expect_grid(draws_in(fit, "sd_snp__traita"), grid$a, weight)
    expect_grid(draws_in(fit, "sd_snp__traitb"), grid$b, weight)
    for (name in c("rs2", "rs4", "rs5")) for (j in 1:2) {
      draws <- draws_in(fit, sprintf("r_snp[%s,%s]", name, c("traita", "traitb")[j]))
      expect_posterior(draws, sum(weight * effects[[name]][, j]), sd(draws))
    }
  }
})

test_that("a new level has a horseshoe's effect, and what does not go is refused", {
  prior <- c(tw_prior("constant(0.5)", class = "sd"), tw_prior("constant(0)", class = "Intercept"))
  fit <- fit_horseshoe(y | se(se) ~ 1 + (1 | gr(snp, dist = "horseshoe")), prior = prior)
  eta <- with_fixed_seed(2, posterior_linpred(fit, newdata = data.frame(snp = "new", se = 1), allow_new_levels = TRUE,
                                              sample_new_levels = "gaussian"))
  # P(|u| < c) by integration over lambda.
  for (c in c(0.05, 0.5, 5)) {
    expected <- sum(lambda_weight * (2 * pnorm(c / (0.5 * exp(log_lambda))) - 1))
    expect_lt(abs(mean(abs(eta) < c) - expected), 4.5 * sqrt(expected * (1 - expected) / length(eta)))
  }
  expect_false("df_snp" %in% variables(fit))
  expect_error(twill(y ~ 1 + (1 | gr(snp, dist = "cauchy")), estimates), "horseshoe", class = "twill_error_formula")
  expect_error(twill(y ~ 1 + (1 | gr(snp, dist = "horseshoe")) + (0 + se | snp), estimates), "one term",
               class = "twill_error_formula")
  expect_error(twill_genes(matrix(1:12, 2, dimnames = list(c("a", "b"), NULL)), ~ (1 | gr(g, dist = "horseshoe")),
                           col_data = data.frame(g = gl(3, 2))), "horseshoe.*not supported", class = "twill_error_formula")
  expect_error(twill(y ~ 1 + (1 | gr(snp, dist = "horseshoe")), estimates, prior = tw_prior("gamma(2, 1)", class = "df")), "df",
               class = "twill_error_prior")
})

test_that("variants in linkage disequilibrium share a multiple over studies: the colocalisation of MR Locus", {
  ld <- matrix(c(1, 0.8, 0.1, 0.8, 1, 0.3, 0.1, 0.3, 1), 3, dimnames = rep(list(c("v1", "v2", "v3")), 2))
  data <- data.frame(snp = rep(rownames(ld), 2), study = rep(c("eqtl", "gwas"), each = 3), se = rep(c(0.3, 0.2), each = 3),
                     y = c(1.4, 1.9, 0.5, 0.5, 0.9, 0.2))
  tau <- c(0.5, 0.4)
  prior <- c(tw_prior("constant(0.5)", class = "sd", coef = "studyeqtl"),
             tw_prior("constant(0.4)", class = "sd", coef = "studygwas"))
  # Given the three multiples both studies are normal regressions.
  log_lambda <- seq(-9, 9, 0.3)
  grid <- as.matrix(expand.grid(log_lambda, log_lambda, log_lambda))
  moments <- function(lambda) {
    parts <- lapply(1:2, function(s) {
      at <- 3 * s - 2:0
      within <- ld %*% (lambda^2 * tau[s]^2 * ld) + diag(data$se[at]^2)
      root <- chol(within)
      half <- backsolve(root, data$y[at], transpose = TRUE)
      c(-sum(log(diag(root))) - sum(half^2) / 2, lambda^2 * tau[s]^2 * (ld %*% backsolve(root, half)))
    })
    c(parts[[1]][1] + parts[[2]][1], parts[[1]][-1], parts[[2]][-1])
  }
  found <- apply(exp(grid), 1, moments)
  weight <- grid_weights(found[1, ] + rowSums(grid - log1p(exp(2 * grid))))
  expected <- drop(found[-1, ] %*% weight)
  fit <- twill(y | se(se) ~ 0 + (0 + study || mm(snp, weights = R, dist = "horseshoe")), data, data2 = list(R = ld),
               prior = prior, chains = 4, iter = 4000, warmup = 1000, seed = 1, silent = 2)
  for (i in 1:6) {
    draws <- draws_in(fit, sprintf("r_mmsnp[%s,study%s]", data$snp[i], data$study[i]))
    expect_posterior(draws, expected[i], sd(draws))
  }
  expect_error(twill(y ~ 1 + (1 | mm(snp, study, dist = "cauchy")), data), "cauchy", class = "twill_error_formula")
})
