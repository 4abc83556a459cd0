# Gaussian targets without groups that are hard to sample: collinear and badly scaled covariates, two rows, a horseshoe.

nasty_gaussian <- list()

#' A regression exact by integration over log sigma. `sd` are the prior sds of the columns of `x`.
regression_target <- function(formula, data, x, prior, sd, log_sigma, slow = FALSE) {
  gaussian_target(formula, data, c(prior, sigma = "exponential(1)"), x, function(v) list(u = sd^2, y = rep(v[[1]]^2, nrow(x))),
                  list(`log(sigma)` = log_sigma), "sigma", slow)
}

#' Two covariates that differ by 1e-4 of their spread.
nasty_gaussian$collinear <- function() {
  data <- with_fixed_seed(11, {
    x1 <- stats::rnorm(40)
    data.frame(x1 = x1, x2 = x1 + 1e-4 * stats::rnorm(40), y = 1 + 2 * x1 + stats::rnorm(40))
  })
  regression_target(y ~ x1 + x2, data, cbind(b_Intercept = 1, b_x1 = data$x1, b_x2 = data$x2),
                    c(Intercept = "normal(0, 5)", b = "normal(0, 10)"), c(5, 10, 10), span(-1, 1, 81))
}

#' Covariates of size 1e-6 and 1e6.
nasty_gaussian$wild_scales <- function() {
  data <- with_fixed_seed(12, data.frame(small = 1e-6 * stats::rnorm(30), large = 1e6 * stats::rnorm(30), y = stats::rnorm(30)))
  data$y <- data$y + 1 + 2e6 * data$small - 3e-6 * data$large
  regression_target(y ~ small + large, data, cbind(b_Intercept = 1, b_small = data$small, b_large = data$large),
                    c(Intercept = "normal(0, 5)", `b:small` = "normal(0, 5e6)", `b:large` = "normal(0, 5e-6)"),
                    c(5, 5e6, 5e-6), span(-1, 1, 81))
}

#' Two rows and two coefficients: sigma may be zero.
nasty_gaussian$two_rows <- function() {
  data <- data.frame(y = c(-0.5, 1.5), x = c(0, 1))
  regression_target(y ~ x, data, cbind(b_Intercept = 1, b_x = data$x), c(Intercept = "normal(0, 2)", b = "normal(0, 2)"),
                    c(2, 2), span(-13, 3, 301), slow = TRUE)
}

#' Weights stand for repeated rows; here 1 to 4 of them.
nasty_gaussian$weights <- function() {
  data <- data.frame(y = c(0.1, 1.4, 2.2, 2.6, 4.5), x = 1:5, w = c(1, 4, 2, 1, 3))
  all <- data[rep(1:5, data$w), ]
  target <- regression_target(y | weights(w) ~ x, all, cbind(b_Intercept = 1, b_x = all$x),
                              c(Intercept = "normal(0, 5)", b = "normal(0, 5)"), c(5, 5), span(-3, 1.5, 121))
  target$call$data <- data
  target
}

#' sigma ~ x: a spread that grows a thousandfold.
nasty_gaussian$sigma_regression <- function() {
  data <- with_fixed_seed(14, data.frame(x = span(-1, 1, 30), y = stats::rnorm(30)))
  data$y <- 1 + data$x + exp(-1 + 3.5 * data$x) * data$y
  vague <- "normal(0, 5)"
  gaussian_target(
    tw_formula(y ~ x, sigma ~ x), data, c(Intercept = vague, b = vague, `Intercept::sigma` = vague, `b::sigma` = vague),
    cbind(b_Intercept = 1, b_x = data$x), function(v) list(u = c(25, 25), y = exp(2 * (v[[1]] + v[[2]] * data$x))),
    list(b_sigma_Intercept = span(-2, 0.4, 41), b_sigma_x = span(1.5, 5.5, 41)), c("Intercept::sigma", "b::sigma"),
    engines = c("joint", "levels"))
}

# A horseshoe on six columns of three rows -------------------------------------------------------------------------

#' Each row has two columns of its own, so that given the common scales the rows are independent and their two local
#' scales can be integrated out.
nasty_gaussian$horseshoe <- function() {
  data <- data.frame(y = c(3, 0.3, -1), s = 0.5, a = diag(3), b = 2 * diag(3))
  names(data)[3:8] <- columns <- c("a1", "a2", "a3", "b1", "b2", "b3")
  prior <- c(b = "horseshoe(3, scale_global = 0.5, df_global = 3, scale_slab = 2, df_slab = 4)")
  call <- list(formula = stats::reformulate(c("0", columns), quote(y | se(s))), data = data, intercept = "raw",
               prior = priors_by_class(prior))
  list(call = call, engines = c("collapsed", "joint", "levels"), slow = TRUE,
       exact = function() horseshoe_exact(data$y, c(a = 1, b = 2)))
}

horseshoe_exact <- function(y, multiple) {
  axes <- list(`log(hs_b_global)` = span(-7, 3, 41), `log(hs_b_slab)` = span(-1.5, 4.5, 31))
  grid <- expand.grid(axes)
  row_at <- function(y, i) horseshoe_row(y, exp(grid[[1]][i]), exp(grid[[2]][i]), multiple)
  rows <- lapply(y, function(y) t(vapply(seq_len(nrow(grid)), function(i) row_at(y, i), numeric(5))))
  # c^2 ~ inverse gamma(2, 2 * 2^2), with the Jacobian of log(c).
  prior <- stats::dt(exp(grid[[1]]) / 0.5, 3, log = TRUE) + grid[[1]] - 4 * grid[[2]] - 8 * exp(-2 * grid[[2]])
  effects <- function(mean, variance) lapply(rows, function(r) list(mean = r[, mean], variance = r[, variance]))
  moments <- stats::setNames(c(effects(2, 3), effects(4, 5)), paste0("b_", rep(names(multiple), each = 3), seq_along(y)))
  grid_posterior(axes, prior + Reduce(`+`, lapply(rows, function(r) r[, 1])), moments)
}

#' Log density of one row, and mean and variance of its two coefficients, over a grid of its two local scales.
horseshoe_row <- function(y, global, slab, multiple) {
  t <- span(-9, 7, 65)
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
