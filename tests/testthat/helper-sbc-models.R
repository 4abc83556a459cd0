# Models for simulation-based calibration. Each simulates parameters from its priors and data from the parameters,
# without the package: list(formula, family, prior, intercept, thin, engines, simulate).

sbc_gaussian_engines <- c("collapsed", "joint", "levels", "guided")
sbc_count_engines <- c("joint", "levels")

# Building blocks -------------------------------------------------------------------------------------------------

half <- function(x) abs(x)

#' Effects of one term: their contribution to the rows, and the true values by the names of the draws. Of the effects
#' those of two levels are kept: all would repeat the same test.
sbc_term <- function(group, name, sd, x = list(Intercept = rep(1, length(group))), cor = diag(length(sd))) {
  levels <- levels(group)
  root <- t(chol(diag(sd, length(sd)) %*% cor %*% diag(sd, length(sd))))
  effects <- t(root %*% matrix(stats::rnorm(length(sd) * length(levels)), length(sd)))
  rows <- Reduce(`+`, lapply(seq_along(sd), function(j) effects[as.integer(group), j] * x[[j]]))
  kept <- expand.grid(level = seq_len(min(2, length(levels))), coef = seq_along(sd))
  r <- effects[as.matrix(kept)]
  names(r) <- sprintf("r_%s[%s,%s]", name, levels[kept$level], names(x)[kept$coef])
  list(rows = rows, truth = c(sbc_scales(name, sd, names(x), cor), r))
}

sbc_scales <- function(name, sd, coefs, cor) {
  names(sd) <- sprintf("sd_%s__%s", name, coefs)
  pairs <- which(upper.tri(cor), arr.ind = TRUE)
  rho <- cor[pairs]
  names(rho) <- sprintf("cor_%s__%s__%s", name, coefs[pairs[, 1]], coefs[pairs[, 2]])
  c(sd, if (any(rho != 0)) rho)
}

#' A correlation matrix from LKJ(eta), eta >= 1, by rejection: the density is proportional to det(R)^(eta - 1).
sbc_lkj <- function(q, eta) {
  repeat {
    cor <- diag(q)
    cor[upper.tri(cor)] <- stats::runif(q * (q - 1) / 2, -1, 1)
    cor[lower.tri(cor)] <- t(cor)[lower.tri(cor)]
    is_valid <- min(eigen(cor, TRUE, only.values = TRUE)$values) > 0
    if (is_valid && stats::runif(1) < det(cor)^(eta - 1)) return(cor)
  }
}

#' Scales under the regularised horseshoe; see ?tw_prior for the parameters.
sbc_horseshoe <- function(n, df, df_global, scale_global, df_slab, scale_slab) {
  global <- scale_global * half(stats::rt(1, df_global))
  slab <- scale_slab * sqrt(df_slab / stats::rchisq(1, df_slab))
  local <- half(stats::rt(n, df))
  list(global = global, slab = slab, scales = global * local * slab / sqrt(slab^2 + global^2 * local^2))
}

sbc_gaussian <- function(data, eta, sigma, truth) {
  data$y <- stats::rnorm(length(eta), eta, sigma)
  list(data = data, truth = c(truth, log_lik = sum(stats::dnorm(data$y, eta, sigma, log = TRUE))))
}

sbc_negbinomial <- function(data, eta, shape, truth) {
  data$y <- stats::rnbinom(length(eta), mu = exp(eta), size = shape)
  log_lik <- sum(stats::dnbinom(data$y, mu = exp(eta), size = shape, log = TRUE))
  list(data = data, truth = c(truth, log_lik = log_lik))
}

sbc_poisson <- function(data, eta, truth) {
  data$y <- stats::rpois(length(eta), exp(eta))
  list(data = data, truth = c(truth, log_lik = sum(stats::dpois(data$y, exp(eta), log = TRUE))))
}

#' The raw intercept whose value at the means of the columns of `x` is `centred`.
sbc_raw_intercept <- function(centred, b, x) centred - sum(b * colMeans(x))

sbc_levels <- function(prefix, n) factor(paste0(prefix, seq_len(n)), paste0(prefix, seq_len(n)))

# Models ----------------------------------------------------------------------------------------------------------

sbc_models <- list()

sbc_models$crossed_gaussian <- list(
  formula = y ~ x + (1 | a) + (1 | b), family = gaussian(), intercept = "centred", thin = 6,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 2)", b = "normal(0, 1)", sd = "normal(0, 1)", sigma = "exponential(1)"),
  simulate = function() {
    data <- expand.grid(a = sbc_levels("a", 7), b = sbc_levels("b", 5))
    data$x <- stats::rnorm(nrow(data), 1)
    a <- sbc_term(data$a, "a", half(stats::rnorm(1)))
    b <- sbc_term(data$b, "b", half(stats::rnorm(1)))
    slope <- stats::rnorm(1)
    intercept <- sbc_raw_intercept(stats::rnorm(1, 0, 2), slope, data["x"])
    sigma <- stats::rexp(1)
    sbc_gaussian(data, intercept + slope * data$x + a$rows + b$rows, sigma,
                 c(b_Intercept = intercept, b_x = slope, sigma = sigma, a$truth, b$truth))
  })

sbc_models$nested_gaussian <- list(
  formula = y ~ 1 + offset(shift) + (1 | a / b), family = gaussian(), intercept = "raw", thin = 6,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(1, 1)", sd = "student_t(4, 0, 0.5)", sigma = "lognormal(-0.5, 0.5)"),
  simulate = function() {
    data <- expand.grid(copy = 1:2, b = sbc_levels("b", 3), a = sbc_levels("a", 6))
    data$shift <- stats::runif(nrow(data), -1, 1)
    cell <- factor(paste(data$a, data$b, sep = "_"), unique(paste(data$a, data$b, sep = "_")))
    a <- sbc_term(data$a, "a", 0.5 * half(stats::rt(1, 4)))
    b <- sbc_term(cell, "a:b", 0.5 * half(stats::rt(1, 4)))
    intercept <- stats::rnorm(1, 1)
    sigma <- stats::rlnorm(1, -0.5, 0.5)
    sbc_gaussian(data, data$shift + intercept + a$rows + b$rows, sigma,
                 c(b_Intercept = intercept, sigma = sigma, a$truth, b$truth))
  })

sbc_models$correlated_slopes <- list(
  formula = y ~ x + w + (1 + x + w | g), family = gaussian(), intercept = "raw", thin = 6,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "gamma(2, 2)", cor = "lkj(1.5)",
                          sigma = "normal(0.5, 0.5)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 9), each = 6), x = stats::rnorm(54), w = stats::runif(54, -1, 2))
    sigma <- stats::qnorm(stats::runif(1, stats::pnorm(0, 0.5, 0.5), 1), 0.5, 0.5)
    g <- sbc_term(data$g, "g", stats::rgamma(3, 2, 2), list(Intercept = rep(1, 54), x = data$x, w = data$w),
                  sbc_lkj(3, 1.5))
    b <- stats::rnorm(3)
    sbc_gaussian(data, b[1] + b[2] * data$x + b[3] * data$w + g$rows, sigma,
                 c(b_Intercept = b[1], b_x = b[2], b_w = b[3], sigma = sigma, g$truth))
  })

sbc_models$nb_crossed <- list(
  formula = y ~ x + offset(log_size) + (1 | a) + (1 | b), family = "negbinomial", intercept = "centred", thin = 6,
  engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 0.5)", sd = "exponential(2)", shape = "gamma(3, 1)"),
  simulate = function() {
    data <- expand.grid(a = sbc_levels("a", 8), b = sbc_levels("b", 6))
    data$x <- rep(0:1, length.out = nrow(data))
    data$log_size <- stats::rnorm(nrow(data), 1, 0.5)
    a <- sbc_term(data$a, "a", stats::rexp(1, 2))
    b <- sbc_term(data$b, "b", stats::rexp(1, 2))
    slope <- stats::rnorm(1, 0, 0.5)
    intercept <- sbc_raw_intercept(stats::rnorm(1), slope, data["x"])
    shape <- stats::rgamma(1, 3, 1)
    sbc_negbinomial(data, data$log_size + intercept + slope * data$x + a$rows + b$rows, shape,
                    c(b_Intercept = intercept, b_x = slope, shape = shape, a$truth, b$truth))
  })

sbc_models$nb_slope <- list(
  formula = y ~ x + (1 + x || donor), family = "negbinomial", intercept = "raw", thin = 6, engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "student_t(5, 1, 0.5)", b = "normal(0, 0.5)", sd = "normal(0, 0.7)",
                          shape = "inv_gamma(3, 4)"),
  simulate = function() {
    data <- data.frame(donor = rep(sbc_levels("d", 7), each = 6), x = rep(0:1, 21))
    shape <- 1 / stats::rgamma(1, 3, 4)
    donor <- sbc_term(data$donor, "donor", 0.7 * half(stats::rnorm(2)), list(Intercept = rep(1, 42), x = data$x))
    b <- c(1 + 0.5 * stats::rt(1, 5), stats::rnorm(1, 0, 0.5))
    sbc_negbinomial(data, b[1] + b[2] * data$x + donor$rows, shape,
                    c(b_Intercept = b[1], b_x = b[2], shape = shape, donor$truth))
  })

#' Standard deviations of four crossed terms share a horseshoe: half-normal around its scales.
simulate_horseshoe_terms <- function(data, unit) {
  hs <- sbc_horseshoe(4, df = 3, df_global = 3, scale_global = 0.5 * unit, df_slab = 6, scale_slab = 1)
  sd <- hs$scales * half(stats::rnorm(4))
  terms <- Map(function(name, sd) sbc_term(data[[name]], name, sd), c("a", "b", "c", "d"), sd)
  list(rows = Reduce(`+`, lapply(terms, `[[`, "rows")),
       truth = c(hs_sd_global = hs$global, hs_sd_slab = hs$slab, unlist(unname(lapply(terms, `[[`, "truth")))))
}

horseshoe_data <- function() {
  data <- expand.grid(a = sbc_levels("a", 5), b = sbc_levels("b", 4), c = sbc_levels("c", 3))
  data$d <- sbc_levels("d", 6)[rep_len(c(1:6, 3, 1, 5, 2, 6, 4, 2), nrow(data))]
  data
}

horseshoe_prior <- "horseshoe(3, df_global = 3, scale_global = 0.5, df_slab = 6, scale_slab = 1)"

sbc_models$horseshoe_sds <- list(
  formula = y ~ 1 + (1 | a) + (1 | b) + (1 | c) + (1 | d), family = gaussian(), intercept = "raw", thin = 10,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", sd = horseshoe_prior, sigma = "lognormal(0, 0.5)"),
  simulate = function() {
    data <- horseshoe_data()
    sigma <- stats::rlnorm(1, 0, 0.5)
    terms <- simulate_horseshoe_terms(data, unit = sigma)
    intercept <- stats::rnorm(1)
    sbc_gaussian(data, intercept + terms$rows, sigma, c(b_Intercept = intercept, sigma = sigma, terms$truth))
  })
