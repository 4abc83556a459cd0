# gr(g, dist = "student"): effects with heavy tails, against integration over effects, scales and multiples.

rows <- local({
  set.seed(6)
  data <- data.frame(g = rep(sprintf("g%d", 1:7), each = 3), x = round(rnorm(21), 2))
  u <- c(-0.3, 0.2, 4, 0.1, -0.4, 0.3, -0.1)
  at <- as.integer(factor(data$g))
  data$y <- round(1 + u[at] + rnorm(21, 0, 0.6), 3)
  data$z <- round(1 + u[at] + (0.5 - u[at] / 2) * data$x + rnorm(21, 0, 0.6), 3)
  data$count <- rpois(21, exp(0.7 + u[at] / 3))
  data$f <- ifelse(at <= 4, "a", "b")
  data
})

known <- c(tw_prior("constant(0.6)", class = "sigma"), tw_prior("constant(1)", class = "Intercept"))

fit_tails <- function(formula, prior = known, family = gaussian(), engine = "auto", iter = 2000, ...) {
  twill(formula, rows, family, prior = prior, chains = 2, iter = iter, seed = 1, silent = 2, control = list(engine = engine), ...)
}

# By level, sums over a grid of u of the likelihood times the density of sd t_df.
u_grid <- seq(-12, 12, 0.02)

level_integrals <- function(log_lik, sd, df, f = 1) {
  prior <- stats::dt(u_grid / sd, df) / sd * 0.02
  vapply(log_lik, function(l) sum(exp(l) * prior * f), 0)
}

scales_grid <- function(log_lik) {
  grid <- expand.grid(sd = exp(seq(log(0.01), log(12), length.out = 60)),
                      df = 1 + exp(seq(log(0.01), log(150), length.out = 45)))
  log_density <- vapply(seq_len(nrow(grid)), function(i) sum(log(level_integrals(log_lik, grid$sd[i], grid$df[i]))), 0)
  # Steps of the grid are equal in the logs of sd and df - 1.
  cell <- log(12 / 0.01) / 59 * log(150 / 0.01) / 44 * grid$sd * (grid$df - 1)
  above_one <- stats::pgamma(1, 2, 0.1, lower.tail = FALSE)
  prior <- stats::dexp(grid$sd, 1, log = TRUE) + stats::dgamma(grid$df, 2, 0.1, log = TRUE) - log(above_one)
  total <- log_density + prior + log(cell)
  list(grid = grid, weight = grid_weights(total), evidence = log(sum(exp(total - max(total)))) + max(total))
}

test_that("scales, degrees of freedom, effects and evidence are those of integration, by every engine", {
  log_lik <- lapply(split(rows$y, rows$g), function(y) {
    vapply(u_grid, function(u) sum(dnorm(y, 1 + u, 0.6, log = TRUE)), 0)
  })
  exact <- scales_grid(log_lik)
  ratio <- function(level) {
    sum(exact$weight * vapply(seq_len(nrow(exact$grid)), function(i) {
      at <- exact$grid[i, ]
      level_integrals(log_lik[level], at$sd, at$df, u_grid) / level_integrals(log_lik[level], at$sd, at$df)
    }, 0))
  }
  means <- c(ratio("g1"), ratio("g3"))
  prior <- c(known, tw_prior("exponential(1)", class = "sd"))
  for (engine in c("collapsed", "joint", "levels")) {
    fit <- fit_tails(y ~ 1 + (1 | gr(g, dist = "student")), prior, engine = engine)
    expect_identical(fit$info$engine, engine)
    expect_grid(draws_in(fit, "sd_g__Intercept"), exact$grid$sd, exact$weight)
    expect_grid(draws_in(fit, "df_g"), exact$grid$df, exact$weight)
    for (k in 1:2) {
      draws <- draws_in(fit, c("r_g[g1,Intercept]", "r_g[g3,Intercept]")[k])
      expect_posterior(draws, means[k], sd(draws))
    }
  }
  found <- tw_log_evidence(fit_tails(y ~ 1 + (1 | gr(g, dist = "student")), prior), silent = 2)
  # The grid's own error is below 0.01.
  expect_lt(abs(found$log_evidence - exact$evidence), 5 * found$mcse + 0.01)
})

test_that("counts too", {
  log_lik <- lapply(split(rows$count, rows$g), function(y) {
    vapply(u_grid, function(u) sum(dpois(y, exp(0.7 + u), log = TRUE)), 0)
  })
  exact <- scales_grid(log_lik)
  prior <- c(tw_prior("constant(0.7)", class = "Intercept"), tw_prior("exponential(1)", class = "sd"))
  for (engine in c("joint", "levels")) {
    fit <- fit_tails(count ~ 1 + (1 | gr(g, dist = "student")), prior, poisson(), engine)
    expect_grid(draws_in(fit, "sd_g__Intercept"), exact$grid$sd, exact$weight)
    expect_grid(draws_in(fit, "df_g"), exact$grid$df, exact$weight)
  }
})

test_that("a level has one multiple for all its effects, also where classes differ in scale", {
  prior <- c(known, tw_prior("constant(0)", class = "b"), tw_prior("constant(2)", class = "df"),
             tw_prior("constant(0.5)", class = "sd", coef = "Intercept"), tw_prior("constant(0.4)", class = "sd", coef = "x"),
             tw_prior("constant(0.8)", class = "sd", coef = "x:fb"), tw_prior("constant(-0.5)", class = "cor"))
  # Given lambda a level is a normal regression: the mean of its effects over a grid of log lambda^2.
  exact <- function(level, sd_x) {
    at <- rows$g == level
    design <- cbind(1, rows$x[at])
    within <- diag(c(0.5, sd_x)) %*% matrix(c(1, -0.5, -0.5, 1), 2) %*% diag(c(0.5, sd_x))
    y <- rows$z[at] - 1
    parts <- vapply(seq(-8, 14, 0.05), function(v) {
      covariance <- exp(v) * within
      marginal <- design %*% covariance %*% t(design) + diag(0.36, sum(at))
      # v = log lambda^2, lambda^2 ~ InvGamma(1, 1).
      c(log_normal_density(y, 0, marginal) - v - exp(-v), covariance %*% t(design) %*% solve(marginal, y))
    }, numeric(3))
    drop(parts[2:3, ] %*% grid_weights(parts[1, ]))
  }
  for (engine in c("collapsed", "levels")) {
    fit <- fit_tails(z ~ x + (1 + x | gr(g, by = f, dist = "student")), prior, engine = engine)
    for (level in c("g3", "g6")) {
      means <- exact(level, c(g3 = 0.4, g6 = 0.8)[[level]])
      for (j in 1:2) {
        draws <- draws_in(fit, sprintf("r_g[%s,%s]", level, c("Intercept", "x")[j]))
        expect_posterior(draws, means[j], sd(draws))
      }
    }
  }
})

test_that("new levels are far out as often, with one multiple, and kfold() by group integrates over it", {
  prior <- c(known, tw_prior("constant(0.5)", class = "sd"), tw_prior("constant(3)", class = "df"))
  fit <- fit_tails(y ~ 1 + (1 | gr(g, dist = "student")), prior, iter = 4000)
  set.seed(2)
  eta <- posterior_linpred(fit, newdata = data.frame(g = c("n", "n", "m")), allow_new_levels = TRUE,
                           sample_new_levels = "gaussian")
  expect_identical(eta[, 1], eta[, 2])
  expect_gt(ks.test((eta[, 1] - 1) / 0.5, "pt", 3)$p.value, 1e-4)
  held <- kfold(fit, group = "g", K = 7)
  exact <- vapply(rows$y, function(y) log(sum(dnorm(y, 1 + u_grid, 0.6) * dt(u_grid / 0.5, 3) / 0.5 * 0.02)), 0)
  # Only draws with a large multiple reach the level far out: an error of 0.1 there, of some thousandths elsewhere.
  off <- abs(held$pointwise[, "elpd_kfold"] - exact)
  expect_lt(max(off[rows$g != "g3"]), 0.03)
  expect_lt(max(off), 0.5)
})

test_that("degrees of freedom are in every table, and draws of their prior are above one", {
  prior <- c(known, tw_prior("gamma(1, 0.5)", class = "df", group = "g"))
  fit <- fit_tails(y ~ 1 + (1 | gr(g, dist = "student")), prior, iter = 200, sample_prior = "yes")
  expect_identical(prior_summary(fit)$prior[prior_summary(fit)$class == "df"], "gamma(1, 0.5)")
  expect_true("df" %in% rownames(summary(fit)$random$g))
  expect_true("df" %in% tidy(fit, effects = "ran_pars")$term)
  expect_gt(min(draws_in(fit, "prior_df_g"), draws_in(fit, "df_g")), 1)
  default <- tw_default_prior(y ~ 1 + (1 | gr(g, dist = "student")), rows)
  expect_identical(default$prior[default$class == "df"], "gamma(2, 0.1)")
  expect_identical(variables(fit_tails(y ~ 1 + (1 | gr(g, dist = "gaussian")), iter = 60)),
                   variables(fit_tails(y ~ 1 + (1 | g), iter = 60)))
})

test_that("what cannot have tails is a clear error", {
  ask <- function(formula, ...) twill(formula, rows, silent = 2, ...)
  expect_error(ask(y ~ 1 + (1 | gr(g, dist = "cauchy"))), "cauchy", class = "twill_error_formula")
  expect_error(ask(y ~ 1 + (1 | gr(g, dist = student))), "student", class = "twill_error_formula")
  expect_error(ask(y ~ 1 + (1 | gr(g, dist = "student")) + (0 + x | gr(g, dist = "student"))), "one term",
               class = "twill_error_formula")
  one <- y ~ 1 + (1 | gr(g, dist = "student"))
  expect_error(ask(one, prior = tw_prior("constant(0.5)", class = "df")), "1 or above", class = "twill_error_prior")
  expect_error(ask(one, prior = tw_prior("uniform(0, 1)", class = "df")), "above 1", class = "twill_error_prior")
  expect_error(ask(y ~ 1 + (1 | g), prior = tw_prior("gamma(2, 1)", class = "df")), class = "twill_error_prior")
  for (formula in c(sigma ~ (1 | gr(g, dist = "student")), sigma ~ (1 | gr(g, by = f)))) {
    expect_error(ask(tw_formula(y ~ 1, formula)), "dispersion", class = "twill_error_formula")
  }
  counts <- rbind(one = rows$count, two = rev(rows$count))
  expect_error(twill_genes(counts, ~ 1 + (1 | gr(g, dist = "student")), col_data = rows), "not supported",
               class = "twill_error_formula")
})
