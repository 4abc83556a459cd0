# Gaussian targets with factors that are hard to sample: funnels of few levels, sds near zero and huge ones.

nasty_funnels <- list()

#' y ~ 1 + (1 | g) with prior `normal(0, intercept_sd)` of the intercept and unknown sigma.
one_factor <- function(y, g, prior, log_sd, log_sigma, slow = FALSE) {
  n_levels <- nlevels(g)
  intercept_sd <- as.list(str2lang(prior[["Intercept"]]))[[3]]
  gaussian_target(
    y ~ 1 + (1 | g), data.frame(y = y, g = g), prior, cbind(b_Intercept = 1, indicators(g, "g")),
    variance = function(v) list(u = c(intercept_sd^2, rep(v[[1]]^2, n_levels)), y = rep(v[[2]]^2, length(y))),
    axes = list(`log(sd_g__Intercept)` = log_sd, `log(sigma)` = log_sigma), classes = c("sd", "sigma"), slow = slow)
}

#' y | se(s) ~ 1 + (1 | g) with a row per level.
one_known_factor <- function(y, s, prior, log_sd) {
  n <- length(y)
  data <- data.frame(y = y, s = s, g = gl(n, 1, labels = letters[seq_len(n)]))
  intercept_sd <- as.list(str2lang(prior[["Intercept"]]))[[3]]
  gaussian_target(
    y | se(s) ~ 1 + (1 | g), data, prior, cbind(b_Intercept = 1, indicators(data$g, "g")),
    variance = function(v) list(u = c(intercept_sd^2, rep(v[[1]]^2, n)), y = data$s^2),
    axes = list(`log(sd_g__Intercept)` = log_sd), classes = "sd")
}

# Neal's funnel: log sd ~ N(0, 1.5), effects N(0, sd), and data that say little.
neal <- c(Intercept = "normal(0, 1)", sd = "lognormal(0, 1.5)")
nasty_funnels$funnel_two_levels <- function() one_known_factor(c(-1, 2), 3, neal, span(-9, 7, 201))
nasty_funnels$funnel_three_levels <- function() one_known_factor(c(-4, 0, 5), 3, neal, span(-9, 7, 201))

wild_t <- "student_t(3, 0, 2.5)"
vague <- c(Intercept = "normal(0, 5)", sd = wild_t, sigma = wild_t)

#' Two crossed factors of two and three levels, one row per cell, nothing known but weak priors.
nasty_funnels$funnels_crossed <- function() {
  data <- expand.grid(a = gl(2, 1, labels = c("p", "q")), b = gl(3, 1, labels = c("u", "v", "w")))
  data$y <- c(0.3, -0.2, 1.1, 0.9, -0.4, 0.1)
  gaussian_target(
    y ~ 1 + (1 | a) + (1 | b), data, vague, cbind(b_Intercept = 1, indicators(data$a, "a"), indicators(data$b, "b")),
    variance = function(v) list(u = c(25, rep(v[[1]]^2, 2), rep(v[[2]]^2, 3)), y = rep(v[[3]]^2, 6)),
    axes = list(`log(sd_a__Intercept)` = span(-10, 5, 31), `log(sd_b__Intercept)` = span(-10, 5, 31),
                `log(sigma)` = span(-3.5, 2.5, 25)), classes = c("sd", "sd", "sigma"), slow = TRUE)
}

#' Correlated slopes of two groups, one of which has hardly any data.
nasty_funnels$correlated_two_groups <- function() {
  data <- data.frame(y = c(1.2, 2.9, 4.1, -0.8), s = c(1, 0.8, 1.2, 2), x = c(-1, 0, 1, 0.5), g = factor(c("a", "a", "a", "b")))
  is_a <- data$g == "a"
  x <- cbind(1, is_a, is_a * data$x, !is_a, (!is_a) * data$x)
  colnames(x) <- c("b_Intercept", "r_g[a,Intercept]", "r_g[a,x]", "r_g[b,Intercept]", "r_g[b,x]")
  covariance <- function(sd, rho) {
    u <- diag(25, 5)
    u[2:3, 2:3] <- u[4:5, 4:5] <- outer(sd, sd) * matrix(c(1, rho, rho, 1), 2)
    u
  }
  gaussian_target(
    y | se(s) ~ 1 + (1 + x | g), data, c(Intercept = "normal(0, 5)", sd = "lognormal(0, 1)", cor = "lkj(2)"), x,
    variance = function(v) list(u = covariance(v[1:2], v[[3]]), y = data$s^2),
    axes = list(`log(sd_g__Intercept)` = span(-5, 5, 31), `log(sd_g__x)` = span(-5, 5, 31),
                `atanh(cor_g__Intercept__x)` = span(-3.5, 3.5, 25)), classes = c("sd", "sd", "cor"), slow = TRUE)
}

#' True sd 0: the group means agree better than chance would have them.
nasty_funnels$zero_sd <- function() {
  one_factor(rep(stats::qnorm((1:5 - 0.5) / 5), 6), gl(6, 5, labels = letters[1:6]), vague, span(-12, 1.5, 91),
             span(-0.9, 0.7, 31))
}

#' sd 1000, sigma 0.01: effects are known to 1e-5 of their spread.
nasty_funnels$huge_sd <- function() {
  means <- c(-1403, 250, 981, -612, 1733, 88)
  one_factor(rep(means, each = 4) + 0.01 * c(-1.2, 0.4, 1.3, -0.5), gl(6, 4, labels = letters[1:6]),
             c(Intercept = "normal(0, 2000)", sd = "student_t(3, 0, 1000)", sigma = "exponential(1)"), span(5, 10, 51),
             span(-5.7, -3.3, 41), slow = TRUE)
}

unit <- c(Intercept = "normal(0, 2)", sd = "exponential(1)", sigma = "exponential(1)")

#' Two rows and a factor that has a level for each.
nasty_funnels$two_rows_factor <- function() {
  one_factor(c(-0.5, 1.5), gl(2, 1, labels = c("a", "b")), unit, span(-12, 3.5, 101), span(-12, 3.5, 101), slow = TRUE)
}

#' As many levels as rows: only sd^2 + sigma^2 is known.
nasty_funnels$level_per_row <- function() {
  y <- 1 + 2 * stats::qnorm((1:30 - 0.5) / 30)
  one_factor(y, factor(1:30), unit, span(-11, 1.5, 61), span(-11, 1.5, 61), slow = TRUE)
}

#' Known standard errors from 1e-6 to 1e6.
nasty_funnels$wild_errors <- function() {
  one_known_factor(c(1.2, 0.4, -0.3, 2.5, 1e6, -4e5), c(1e-6, 1e-3, 0.1, 1, 1e6, 1e6),
                   c(Intercept = "normal(0, 5)", sd = wild_t), span(-2.5, 4, 161))
}
