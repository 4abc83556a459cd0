# Models for simulation-based calibration with levels that are related.

#' Nine relatives: a chain, whose covariance falls with distance and whose precision meets neighbours only.
sbc_relatives <- local({
  levels <- paste0("g", 1:9)
  covariance <- 0.7^abs(outer(1:9, 1:9, "-"))
  dimnames(covariance) <- list(levels, levels)
  list(K = covariance, Q = solve(covariance))
})

#' As sbc_term(), with the covariance `k` between levels; `kept` are numbers of levels.
sbc_related_term <- function(group, name, sd, x, cor, k, kept) {
  root <- chol(diag(sd, length(sd)) %*% cor %*% diag(sd, length(sd)))
  effects <- t(chol(k)) %*% matrix(stats::rnorm(length(sd) * nrow(k)), nrow(k)) %*% root
  codes <- match(group, rownames(k))
  rows <- Reduce(`+`, lapply(seq_along(sd), function(j) effects[codes, j] * x[[j]]))
  places <- expand.grid(level = kept, coef = seq_along(sd))
  r <- effects[as.matrix(places)]
  names(r) <- sprintf("r_%s[%s,%s]", name, rownames(k)[places$level], names(x)[places$coef])
  list(rows = rows, truth = c(sbc_scales(name, sd, names(x), cor), r))
}

# The last two levels have no rows.
sbc_related_data <- function() {
  data <- data.frame(g = rep(paste0("g", 1:7), each = 6), x = stats::rnorm(42, 0.5))
  data[sample(42), ]
}

sbc_models$related_gaussian <- list(
  formula = y ~ x + (1 + x | gr(g, cov = K)), family = gaussian(), intercept = "raw", thin = 6, engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", cor = "lkj(1)",
                          sigma = "lognormal(-0.5, 0.5)"),
  data2 = sbc_relatives["K"],
  simulate = function() {
    data <- sbc_related_data()
    g <- sbc_related_term(data$g, "g", stats::rexp(2), list(Intercept = rep(1, 42), x = data$x), sbc_lkj(2, 1), sbc_relatives$K,
                          kept = c(2, 9))
    b <- stats::rnorm(2)
    sigma <- stats::rlnorm(1, -0.5, 0.5)
    sbc_gaussian(data, b[1] + b[2] * data$x + g$rows, sigma, c(b_Intercept = b[1], b_x = b[2], sigma = sigma, g$truth))
  })

sbc_models$related_poisson <- list(
  formula = y ~ x + (1 | gr(g, prec = Q)), family = "poisson", intercept = "raw", thin = 6, engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(1, 1)", b = "normal(0, 0.5)", sd = "exponential(2)"),
  data2 = sbc_relatives["Q"],
  simulate = function() {
    data <- sbc_related_data()
    g <- sbc_related_term(data$g, "g", stats::rexp(1, 2), list(Intercept = rep(1, 42)), diag(1), sbc_relatives$K, kept = c(2, 9))
    b <- c(stats::rnorm(1, 1), stats::rnorm(1, 0, 0.5))
    sbc_poisson(data, b[1] + b[2] * data$x + g$rows, c(b_Intercept = b[1], b_x = b[2], g$truth))
  })

#' Errors of 24 rows, related within blocks of three that cut across levels.
sbc_errors <- local({
  sd <- rep(c(0.5, 1), 12)
  as.matrix(Matrix::bdiag(rep(list(0.6^abs(outer(1:3, 1:3, "-"))), 8))) * outer(sd, sd)
})

sbc_models$related_errors <- list(
  formula = y ~ x + (1 | g) + fcor(V), family = gaussian(), intercept = "raw", thin = 6, engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", sigma = "lognormal(-0.5, 0.5)"),
  data2 = list(V = sbc_errors),
  simulate = function() {
    data <- data.frame(g = rep(paste0("g", 1:6), 4), x = stats::rnorm(24, 0.5))
    b <- stats::rnorm(2)
    sd <- stats::rexp(1)
    effects <- stats::rnorm(6, 0, sd)
    sigma <- stats::rlnorm(1, -0.5, 0.5)
    data$y <- b[1] + b[2] * data$x + effects[match(data$g, paste0("g", 1:6))] +
      sigma * drop(crossprod(chol(sbc_errors), stats::rnorm(24)))
    list(data = data, truth = c(b_Intercept = b[1], b_x = b[2], sigma = sigma, sd_g__Intercept = sd,
                                "r_g[g2,Intercept]" = effects[2]))
  })
