# Models for simulation-based calibration with a dispersion that differs by level, and with a predictor measured with error.

# With few rows a level, or covariates without bounds, slopes of log sigma reach where one row is fitted exactly: ridges that
# no engine crosses (decision 75).
sbc_models$sigma_levels <- list(
  formula = tw_formula(y ~ x + (1 | g), sigma ~ (1 + x || g)), family = gaussian(), intercept = "raw", thin = 6,
  engines = c("joint", "levels"),
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)",
                          `Intercept::sigma` = "normal(-0.5, 0.5)", `sd::sigma` = "normal(0, 0.5)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 6), each = 12), x = stats::runif(72, -1, 1))
    b <- stats::rnorm(2)
    d <- stats::rnorm(1, -0.5, 0.5)
    g <- sbc_term(data$g, "g", stats::rexp(1))
    sds <- abs(stats::rnorm(2, 0, 0.5))
    u <- cbind(stats::rnorm(6, 0, sds[1]), stats::rnorm(6, 0, sds[2]))
    at <- as.integer(data$g)
    truth <- c(b_Intercept = b[1], b_x = b[2], b_sigma_Intercept = d, sd_g__sigma_Intercept = sds[1], sd_g__sigma_x = sds[2],
               "r_g__sigma[g1,Intercept]" = u[1, 1], "r_g__sigma[g1,x]" = u[1, 2], g$truth)
    sbc_gaussian(data, b[1] + b[2] * data$x + g$rows, exp(d + u[at, 1] + u[at, 2] * data$x), truth)
  })

sbc_models$measured <- list(
  formula = y ~ me(w, s) + (1 | g), family = gaussian(), intercept = "raw", thin = 6, engines = c("joint", "levels"),
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", sigma = "lognormal(-0.5, 0.5)",
                          meanme = "normal(0, 1)", sdme = "lognormal(0, 0.5)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 6), each = 6), s = stats::runif(36, 0.2, 1))
    moments <- c(stats::rnorm(1), stats::rlnorm(1, 0, 0.5))
    true <- stats::rnorm(36, moments[1], moments[2])
    data$w <- stats::rnorm(36, true, data$s)
    b <- stats::rnorm(2)
    sigma <- stats::rlnorm(1, -0.5, 0.5)
    g <- sbc_term(data$g, "g", stats::rexp(1))
    truth <- c(b_Intercept = b[1], bsp_mews = b[2], sigma = sigma, meanme_mew = moments[1], sdme_mew = moments[2],
               "Xme_mew[1]" = true[1], g$truth)
    # log_lik() knows of w, not of the true values.
    share <- moments[2]^2 / (moments[2]^2 + data$s^2)
    mean <- b[1] + b[2] * (moments[1] + share * (data$w - moments[1])) + g$rows
    simulated <- sbc_gaussian(data, b[1] + b[2] * true + g$rows, sigma, truth)
    spread <- sqrt(sigma^2 + b[2]^2 * share * data$s^2)
    simulated$truth[["log_lik"]] <- sum(stats::dnorm(simulated$data$y, mean, spread, log = TRUE))
    simulated
  })
