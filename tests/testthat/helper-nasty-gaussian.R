# Gaussian targets that are hard to sample, each with its exact posterior: list(call, engines, exact).

nasty_gaussian <- list()

log_normal_prior <- function(t, meanlog, sdlog) stats::dnorm(t, meanlog, sdlog, log = TRUE)
# Of log(x) where x has density d.
log_scale <- function(t, log_d) log_d(exp(t)) + t

#' Neal's funnel: log sd ~ N(0, 1.5), effects N(0, sd), and data that say little.
nasty_funnel <- function(y) {
  n <- length(y)
  data <- data.frame(y = y, s = 3, g = gl(n, 1, labels = letters[seq_len(n)]))
  list(call = list(formula = y | se(s) ~ 1 + (1 | g), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 1)", "Intercept") + tw_prior("lognormal(0, 1.5)", "sd")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() {
         x <- cbind(b_Intercept = 1, indicators(data$g, "g"))
         gaussian_posterior(y, x, function(t) list(u = c(1, rep(exp(2 * t[[1]]), n)), y = rep(9, n)),
                            list(`log(sd_g__Intercept)` = seq(-9, 7, length.out = 201)),
                            function(grid) log_normal_prior(grid[[1]], 0, 1.5))
       })
}

nasty_gaussian$funnel_two_levels <- nasty_funnel(c(-1, 2))
nasty_gaussian$funnel_three_levels <- nasty_funnel(c(-4, 0, 5))

#' Two crossed factors of two and three levels, one row per cell, nothing known but weak priors.
nasty_gaussian$funnels_crossed <- local({
  data <- expand.grid(a = gl(2, 1, labels = c("p", "q")), b = gl(3, 1, labels = c("u", "v", "w")))
  data$y <- c(0.3, -0.2, 1.1, 0.9, -0.4, 0.1)
  list(call = list(formula = y ~ 1 + (1 | a) + (1 | b), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("student_t(3, 0, 2.5)", "sd") +
                     tw_prior("student_t(3, 0, 2.5)", "sigma")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() {
         x <- cbind(b_Intercept = 1, indicators(data$a, "a"), indicators(data$b, "b"))
         variance <- function(t) {
           v <- exp(2 * unlist(t))
           list(u = c(25, rep(v[1], 2), rep(v[2], 3)), y = rep(v[3], 6))
         }
         half_t <- function(t) log_scale(t, function(s) stats::dt(s / 2.5, 3, log = TRUE))
         axes <- list(`log(sd_a__Intercept)` = seq(-10, 5, length.out = 31), `log(sd_b__Intercept)` = seq(-10, 5, length.out = 31),
                      `log(sigma)` = seq(-3.5, 2.5, length.out = 25))
         gaussian_posterior(data$y, x, variance, axes, function(grid) half_t(grid[[1]]) + half_t(grid[[2]]) + half_t(grid[[3]]))
       })
})

#' True sd 0: the group means agree better than chance would have them.
nasty_gaussian$zero_sd <- local({
  data <- data.frame(g = gl(6, 5, labels = letters[1:6]), y = rep(stats::qnorm((1:5 - 0.5) / 5), 6))
  list(call = list(formula = y ~ 1 + (1 | g), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("student_t(3, 0, 2.5)", "sd") +
                     tw_prior("student_t(3, 0, 2.5)", "sigma")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() {
         half_t <- function(t) log_scale(t, function(s) stats::dt(s / 2.5, 3, log = TRUE))
         axes <- list(`log(sd_g__Intercept)` = seq(-12, 1.5, length.out = 91), `log(sigma)` = seq(-0.9, 0.7, length.out = 31))
         gaussian_posterior(data$y, cbind(b_Intercept = 1, indicators(data$g, "g")), function(t) {
           list(u = c(25, rep(exp(2 * t[[1]]), 6)), y = rep(exp(2 * t[[2]]), 30))
         }, axes, function(grid) half_t(grid[[1]]) + half_t(grid[[2]]))
       })
})

#' sd 1000, sigma 0.01: effects are known to 1e-5 of their spread.
nasty_gaussian$huge_sd <- local({
  means <- c(-1403, 250, 981, -612, 1733, 88)
  data <- data.frame(g = gl(6, 4, labels = letters[1:6]), y = rep(means, each = 4) + 0.01 * c(-1.2, 0.4, 1.3, -0.5))
  list(call = list(formula = y ~ 1 + (1 | g), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 2000)", "Intercept") + tw_prior("student_t(3, 0, 1000)", "sd") +
                     tw_prior("exponential(1)", "sigma")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() {
         x <- cbind(b_Intercept = 1, indicators(data$g, "g"))
         axes <- list(`log(sd_g__Intercept)` = seq(5, 10, length.out = 51), `log(sigma)` = seq(-5.7, -3.3, length.out = 41))
         gaussian_posterior(data$y, x, function(t) list(u = c(4e6, rep(exp(2 * t[[1]]), 6)), y = rep(exp(2 * t[[2]]), 24)),
                            axes, function(grid) {
           log_scale(grid[[1]], function(s) stats::dt(s / 1000, 3, log = TRUE)) + log_scale(grid[[2]], function(s) -s)
         })
       })
})

#' A regression with known prior: exact by integration over sigma.
regression_target <- function(data, x, u, engines = c("collapsed", "joint", "levels"), log_sigma, prior, formula) {
  force(list(data, x, u, log_sigma))
  list(call = list(formula = formula, data = data, intercept = "raw", prior = prior), engines = engines,
       exact = function() {
         gaussian_posterior(data$y, x, function(t) list(u = u, y = rep(exp(2 * t[[1]]), nrow(x))),
                            list(`log(sigma)` = log_sigma), function(grid) log_scale(grid[[1]], function(s) -s))
       })
}

#' Two covariates that differ by 1e-4 of their spread.
nasty_gaussian$collinear <- with_fixed_seed(11, local({
  x1 <- stats::rnorm(40)
  data <- data.frame(x1 = x1, x2 = x1 + 1e-4 * stats::rnorm(40))
  data$y <- 1 + 2 * x1 + stats::rnorm(40)
  x <- cbind(b_Intercept = 1, b_x1 = data$x1, b_x2 = data$x2)
  prior <- tw_prior("normal(0, 5)", "Intercept") + tw_prior("normal(0, 10)", "b") + tw_prior("exponential(1)", "sigma")
  regression_target(data, x, c(25, 100, 100), log_sigma = seq(-1, 1, length.out = 81), prior = prior, formula = y ~ x1 + x2)
}))

#' Covariates of size 1e-6 and 1e6.
nasty_gaussian$wild_scales <- with_fixed_seed(12, local({
  data <- data.frame(small = 1e-6 * stats::rnorm(30), large = 1e6 * stats::rnorm(30))
  data$y <- 1 + 2e6 * data$small - 3e-6 * data$large + stats::rnorm(30)
  x <- cbind(b_Intercept = 1, b_small = data$small, b_large = data$large)
  prior <- tw_prior("normal(0, 5)", "Intercept") + tw_prior("normal(0, 5e6)", coef = "small") +
    tw_prior("normal(0, 5e-6)", coef = "large") + tw_prior("exponential(1)", "sigma")
  regression_target(data, x, c(25, 25e12, 25e-12), log_sigma = seq(-1, 1, length.out = 81), prior = prior,
                    formula = y ~ small + large)
}))

#' Two rows.
nasty_gaussian$two_rows <- local({
  data <- data.frame(y = c(-0.5, 1.5), x = c(0, 1))
  prior <- tw_prior("normal(0, 2)", "Intercept") + tw_prior("normal(0, 2)", "b") + tw_prior("exponential(1)", "sigma")
  regression_target(data, cbind(b_Intercept = 1, b_x = data$x), c(4, 4), log_sigma = seq(-13, 3, length.out = 301),
                    prior = prior, formula = y ~ x)
})

#' Two rows and a factor that has a level for each.
nasty_gaussian$two_rows_factor <- local({
  data <- data.frame(y = c(-0.5, 1.5), g = gl(2, 1, labels = c("a", "b")))
  list(call = list(formula = y ~ 1 + (1 | g), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 2)", "Intercept") + tw_prior("exponential(1)", "sd") + tw_prior("exponential(1)", "sigma")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() {
         axes <- list(`log(sd_g__Intercept)` = seq(-12, 3.5, length.out = 121), `log(sigma)` = seq(-12, 3.5, length.out = 121))
         gaussian_posterior(data$y, cbind(b_Intercept = 1, indicators(data$g, "g")), function(t) {
           list(u = c(4, rep(exp(2 * t[[1]]), 2)), y = rep(exp(2 * t[[2]]), 2))
         }, axes, function(grid) grid[[1]] - exp(grid[[1]]) + grid[[2]] - exp(grid[[2]]))
       })
})

#' Known standard errors from 1e-6 to 1e6.
nasty_gaussian$wild_errors <- local({
  data <- data.frame(y = c(1.2, 0.4, -0.3, 2.5, 1e6, -4e5), s = c(1e-6, 1e-3, 0.1, 1, 1e6, 1e6), g = gl(6, 1, labels = letters[1:6]))
  list(call = list(formula = y | se(s) ~ 1 + (1 | g), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("student_t(3, 0, 2.5)", "sd")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() {
         gaussian_posterior(data$y, cbind(b_Intercept = 1, indicators(data$g, "g")), function(t) {
           list(u = c(25, rep(exp(2 * t[[1]]), 6)), y = data$s^2)
         }, list(`log(sd_g__Intercept)` = seq(-2.5, 4, length.out = 161)),
         function(grid) log_scale(grid[[1]], function(s) stats::dt(s / 2.5, 3, log = TRUE)))
       })
})

#' As many levels as rows: only sd^2 + sigma^2 is known.
nasty_gaussian$level_per_row <- with_fixed_seed(13, local({
  n <- 300
  data <- data.frame(y = stats::rnorm(n, 1, 2), g = factor(seq_len(n)))
  exact <- function() {
    axes <- list(`log(sd_g__Intercept)` = seq(-9, 1, length.out = 301), `log(sigma)` = seq(-9, 1, length.out = 301))
    log_lik <- function(v) {
      # y ~ N(0, v I + 25 J), by the eigenvalues of its covariance.
      -(n - 1) / 2 * log(v) - sum((data$y - mean(data$y))^2) / (2 * v) - log(v + 25 * n) / 2 - n * mean(data$y)^2 / (2 * (v + 25 * n))
    }
    total <- function(grid) exp(2 * grid[[1]]) + exp(2 * grid[[2]])
    grid_posterior(axes, function(grid) log_lik(total(grid)) + grid[[1]] - exp(grid[[1]]) + grid[[2]] - exp(grid[[2]]), function(grid) {
      precision <- n / total(grid) + 1 / 25
      list(b_Intercept = list(mean = sum(data$y) / total(grid) / precision, variance = 1 / precision))
    })
  }
  list(call = list(formula = y ~ 1 + (1 | g), data = data, intercept = "raw",
                   prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("exponential(1)", "sd") + tw_prior("exponential(1)", "sigma")),
       engines = c("collapsed", "joint", "levels"), exact = exact)
}))

#' Weights stand for repeated rows; here 1 to 4 of them.
nasty_gaussian$weights <- local({
  data <- data.frame(y = c(0.1, 1.4, 2.2, 2.6, 4.5), x = 1:5, w = c(1, 4, 2, 1, 3))
  all <- data[rep(1:5, data$w), ]
  target <- regression_target(all, cbind(b_Intercept = 1, b_x = all$x), c(25, 25), log_sigma = seq(-3, 1.5, length.out = 121),
                              prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("normal(0, 5)", "b") +
                                tw_prior("exponential(1)", "sigma"), formula = y | weights(w) ~ x)
  target$call$data <- data
  target
})

#' sigma ~ x: a spread that grows a thousandfold.
nasty_gaussian$sigma_regression <- with_fixed_seed(14, local({
  data <- data.frame(x = seq(-1, 1, length.out = 30))
  data$y <- 1 + data$x + exp(-1 + 3.5 * data$x) * stats::rnorm(30)
  list(call = list(formula = tw_formula(y ~ x, sigma ~ x), data = data, intercept = "raw",
                   prior = tw_prior(rep("normal(0, 5)", 2), c("Intercept", "b")) +
                     tw_prior(rep("normal(0, 5)", 2), c("Intercept", "b"), dpar = "sigma")),
       engines = c("joint", "levels"),
       exact = function() {
         axes <- list(b_sigma_Intercept = seq(-2, 0.4, length.out = 41), b_sigma_x = seq(1.5, 5.5, length.out = 41))
         gaussian_posterior(data$y, cbind(b_Intercept = 1, b_x = data$x), function(t) {
           list(u = c(25, 25), y = exp(2 * (t[[1]] + t[[2]] * data$x)))
         }, axes, function(grid) -(grid[[1]]^2 + grid[[2]]^2) / 50)
       })
}))

#' A horseshoe on six columns of three rows: each row has two columns of its own, so that given the common scales the
#' rows are independent and their two local scales can be integrated out.
nasty_gaussian$horseshoe <- local({
  y <- c(3, 0.3, -1)
  data <- data.frame(y = y, s = 0.5, a = diag(3), b = 2 * diag(3))
  names(data)[3:8] <- columns <- c("a1", "a2", "a3", "b1", "b2", "b3")
  formula <- stats::reformulate(c("0", columns), quote(y | se(s)))
  list(call = list(formula = formula, data = data, intercept = "raw",
                   prior = tw_prior("horseshoe(3, scale_global = 0.5, df_global = 3, scale_slab = 2, df_slab = 4)", "b")),
       engines = c("collapsed", "joint", "levels"),
       exact = function() horseshoe_exact(y, c(a = 1, b = 2)))
})

horseshoe_exact <- function(y, multiple) {
  axes <- list(`log(hs_b_global)` = seq(-7, 3, length.out = 41), `log(hs_b_slab)` = seq(-1.5, 4.5, length.out = 31))
  grid <- expand.grid(axes)
  rows <- lapply(y, function(y) {
    t(vapply(seq_len(nrow(grid)), function(i) horseshoe_row(y, exp(grid[[1]][i]), exp(grid[[2]][i]), multiple), numeric(5)))
  })
  log_prior <- function(grid) {
    # c^2 ~ inverse gamma(2, 2 * 2^2), with the Jacobian of log(c).
    log_scale(grid[[1]], function(g) stats::dt(g / 0.5, 3, log = TRUE)) - 4 * grid[[2]] - 8 * exp(-2 * grid[[2]])
  }
  moments <- function(j) list(mean = j[[1]], variance = j[[2]])
  effects <- c(lapply(rows, function(r) moments(list(r[, 2], r[, 3]))), lapply(rows, function(r) moments(list(r[, 4], r[, 5]))))
  names(effects) <- paste0("b_", outer(seq_along(y), names(multiple), function(i, m) paste0(m, i)))
  log_lik <- Reduce(`+`, lapply(rows, function(r) r[, 1]))
  grid_posterior(axes, function(grid) log_lik + log_prior(grid), function(grid) effects)
}

#' Log density of one row, and mean and variance of its two coefficients, over a grid of its two local scales.
horseshoe_row <- function(y, global, slab, multiple) {
  t <- seq(-9, 7, length.out = 65)
  mass <- exp_normalised(stats::dt(exp(t), 3, log = TRUE) + t)
  v <- (global * exp(t))^2 * slab^2 / (slab^2 + (global * exp(t))^2)
  v_a <- rep(v, 65)
  v_b <- rep(v, each = 65)
  total <- 0.25 + multiple[[1]]^2 * v_a + multiple[[2]]^2 * v_b
  weight <- outer(mass, mass) * stats::dnorm(y, 0, sqrt(total))
  moments <- function(v, m) {
    mixture_moments(list(mean = y * m * v / total, variance = v - (m * v)^2 / total), weight / sum(weight))^c(1, 2)
  }
  c(log(sum(weight)), moments(v_a, multiple[[1]]), moments(v_b, multiple[[2]]))
}
