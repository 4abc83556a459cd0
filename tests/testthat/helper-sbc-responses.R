# Models for simulation-based calibration with two responses whose effects are correlated; in one relatives have one row each, in
# one the second response has missing values and predicts the first.

sbc_models$two_responses <- list(
  formula = tw_formula(y1 ~ x + (1 + x |p| g)) + tw_formula(y2 ~ w + (1 |p| g)), family = gaussian(), intercept = "centred",
  thin = 6, engines = c("collapsed", "joint", "levels"),
  prior = c(priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", cor = "lkj(1.5)"),
            tw_prior("lognormal(-0.5, 0.5)", class = "sigma", resp = "y1"),
            tw_prior("exponential(1)", class = "sigma", resp = "y2")),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 8), each = 6), x = stats::rnorm(48), w = stats::runif(48))
    sds <- stats::rexp(3)
    cor <- sbc_lkj(3, 1.5)
    u <- matrix(stats::rnorm(24), 8) %*% chol(diag(sds) %*% cor %*% diag(sds))
    sigma <- c(stats::rlnorm(1, -0.5, 0.5), stats::rexp(1))
    b <- stats::rnorm(2)
    a <- stats::rnorm(2) - b * c(mean(data$x), mean(data$w))
    at <- as.integer(data$g)
    mean <- cbind(a[1] + b[1] * data$x + u[at, 1] + u[at, 2] * data$x, a[2] + b[2] * data$w + u[at, 3])
    data$y1 <- stats::rnorm(48, mean[, 1], sigma[1])
    data$y2 <- stats::rnorm(48, mean[, 2], sigma[2])
    log_lik <- sum(stats::dnorm(data$y1, mean[, 1], sigma[1], log = TRUE)) +
      sum(stats::dnorm(data$y2, mean[, 2], sigma[2], log = TRUE))
    truth <- c(b_y1_Intercept = a[1], b_y1_x = b[1], b_y2_Intercept = a[2], b_y2_w = b[2], sigma_y1 = sigma[1],
               sigma_y2 = sigma[2], sbc_scales("g", sds, c("y1_Intercept", "y1_x", "y2_Intercept"), cor),
               "r_g__y1[g1,Intercept]" = u[1, 1], "r_g__y1[g2,x]" = u[2, 2], "r_g__y2[g1,Intercept]" = u[1, 3],
               log_lik = log_lik)
    list(data = data, truth = truth)
  })

# One row of each of sixteen relatives.
sbc_traits <- local({
  K <- 0.7^abs(outer(1:16, 1:16, "-"))
  dimnames(K) <- rep(list(paste0("g", 1:16)), 2)
  K
})

sbc_models$two_traits <- list(
  formula = mvbind(y1, y2) ~ 1 + (1 |p| gr(g, cov = K)), family = gaussian(), intercept = "raw", thin = 6,
  engines = c("collapsed", "joint"), data2 = list(K = sbc_traits),
  prior = c(priors_by_class(Intercept = "normal(0, 1)", sd = "exponential(1)", cor = "lkj(1.5)"),
            tw_prior("exponential(1)", class = "sigma", resp = c("y1", "y2"))),
  simulate = function() {
    data <- data.frame(g = rownames(sbc_traits))
    sds <- stats::rexp(2)
    cor <- sbc_lkj(2, 1.5)
    u <- unname(t(chol(sbc_traits))) %*% matrix(stats::rnorm(32), 16) %*% chol(diag(sds) %*% cor %*% diag(sds))
    sigma <- stats::rexp(2)
    a <- stats::rnorm(2)
    data$y1 <- stats::rnorm(16, a[1] + u[, 1], sigma[1])
    data$y2 <- stats::rnorm(16, a[2] + u[, 2], sigma[2])
    log_lik <- sum(stats::dnorm(data$y1, a[1] + u[, 1], sigma[1], log = TRUE)) +
      sum(stats::dnorm(data$y2, a[2] + u[, 2], sigma[2], log = TRUE))
    truth <- c(b_y1_Intercept = a[1], b_y2_Intercept = a[2], sigma_y1 = sigma[1], sigma_y2 = sigma[2],
               sbc_scales("g", sds, c("y1_Intercept", "y2_Intercept"), cor), "r_g__y1[g1,Intercept]" = u[1, 1],
               "r_g__y2[g9,Intercept]" = u[9, 2], log_lik = log_lik)
    list(data = data, truth = truth)
  })

sbc_models$imputed <- list(
  formula = tw_formula(y ~ mi(x) + (1 |p| g)) + tw_formula(x | mi() ~ z + (1 |p| g)), family = gaussian(), intercept = "raw",
  thin = 6, engines = c("joint", "levels"),
  prior = c(priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", cor = "lkj(1.5)"),
            tw_prior("lognormal(-0.5, 0.5)", class = "sigma", resp = "y"),
            tw_prior("lognormal(0, 0.5)", class = "sigma", resp = "x")),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 8), each = 6), z = stats::rnorm(48))
    sds <- stats::rexp(2)
    cor <- sbc_lkj(2, 1.5)
    u <- matrix(stats::rnorm(16), 8) %*% chol(diag(sds) %*% cor %*% diag(sds))
    sigma <- stats::rlnorm(2, c(-0.5, 0), 0.5)
    b <- stats::rnorm(4)
    at <- as.integer(data$g)
    mean_x <- b[3] + b[4] * data$z + u[at, 2]
    x <- stats::rnorm(48, mean_x, sigma[2])
    data$y <- stats::rnorm(48, b[1] + b[2] * x + u[at, 1], sigma[1])
    is_missing <- seq_len(48) %in% c(1:3, sample(4:48, 17))
    data$x <- replace(x, is_missing, NA)
    # log_lik() knows of what was seen.
    mean <- b[1] + b[2] * ifelse(is_missing, mean_x, x) + u[at, 1]
    spread <- sqrt(sigma[1]^2 + ifelse(is_missing, b[2]^2 * sigma[2]^2, 0))
    log_lik <- sum(stats::dnorm(data$y, mean, spread, log = TRUE)) +
      sum(stats::dnorm(x, mean_x, sigma[2], log = TRUE)[!is_missing])
    truth <- c(b_y_Intercept = b[1], bsp_y_mix = b[2], b_x_Intercept = b[3], b_x_z = b[4], sigma_y = sigma[1],
               sigma_x = sigma[2], sbc_scales("g", sds, c("y_Intercept", "x_Intercept"), cor),
               "r_g__y[g1,Intercept]" = u[1, 1], "r_g__x[g2,Intercept]" = u[2, 2], "Ymi_x[1]" = x[1], "Ymi_x[2]" = x[2],
               log_lik = log_lik)
    list(data = data, truth = truth)
  })
