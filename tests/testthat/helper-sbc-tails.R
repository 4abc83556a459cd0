# Models for simulation-based calibration with classes of levels and with heavy tails.

sbc_models$tails_by_gaussian <- list(
  formula = y ~ x + (1 + x | gr(g, by = f, dist = "student")), family = gaussian(), intercept = "raw", thin = 6,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", cor = "lkj(1)",
                          sigma = "lognormal(-0.5, 0.5)", df = "gamma(2, 0.1)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 10), each = 5), x = stats::rnorm(50, 0.5))
    data$f <- ifelse(as.integer(data$g) <= 5, "u", "v")
    repeat if ((df <- stats::rgamma(1, 2, 0.1)) > 1) break
    lambda <- sqrt(df / stats::rchisq(10, df))
    rows <- numeric(50)
    truth <- numeric()
    for (class in c("u", "v")) {
      own <- data$f == class
      levels <- unique(as.integer(data$g[own]))
      sd <- stats::rexp(2)
      cor <- sbc_lkj(2, 1)
      effects <- lambda[levels] * matrix(stats::rnorm(10), 5) %*% chol(diag(sd) %*% cor %*% diag(sd))
      at <- match(as.integer(data$g[own]), levels)
      rows[own] <- effects[at, 1] + effects[at, 2] * data$x[own]
      r <- effects[1, ]
      names(r) <- sprintf("r_g[g%d,%s]", levels[1], c("Intercept", "x"))
      truth <- c(truth, sbc_scales("g", sd, sprintf(c("Intercept:f%s", "x:f%s"), class), cor), r)
    }
    b <- stats::rnorm(2)
    sigma <- stats::rlnorm(1, -0.5, 0.5)
    sbc_gaussian(data, b[1] + b[2] * data$x + rows, sigma, c(b_Intercept = b[1], b_x = b[2], sigma = sigma, df_g = df, truth))
  })

sbc_models$tails_poisson <- list(
  formula = y ~ 1 + (1 | gr(g, dist = "student")), family = "poisson", intercept = "raw", thin = 6, engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(1, 1)", sd = "exponential(4)", df = "gamma(4, 0.4)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 8), each = 4))
    repeat if ((df <- stats::rgamma(1, 4, 0.4)) > 1) break
    sd <- stats::rexp(1, 4)
    effects <- sd * stats::rt(8, df)
    b <- stats::rnorm(1, 1)
    truth <- c(b_Intercept = b, df_g = df, sd_g__Intercept = sd, "r_g[g1,Intercept]" = effects[1])
    sbc_poisson(data, b + effects[as.integer(data$g)], truth)
  })

sbc_models$horseshoe_levels <- list(
  formula = y ~ 1 + (1 | gr(g, dist = "horseshoe")), family = gaussian(), intercept = "raw", thin = 8,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", sd = "exponential(2)", sigma = "lognormal(-0.5, 0.5)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 10), each = 4))
    sd <- stats::rexp(1, 2)
    effects <- sd * abs(stats::rcauchy(10)) * stats::rnorm(10)
    b <- stats::rnorm(1)
    sigma <- stats::rlnorm(1, -0.5, 0.5)
    truth <- c(b_Intercept = b, sigma = sigma, sd_g__Intercept = sd, "r_g[g1,Intercept]" = effects[1])
    sbc_gaussian(data, b + effects[as.integer(data$g)], sigma, truth)
  })
