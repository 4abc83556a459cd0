# More models for simulation-based calibration: the parts of the grammar that the main models leave out.

sbc_models$poisson_rows <- list(
  formula = y ~ x + (1 | g) + (1 | row), family = "poisson", intercept = "raw", thin = 6, engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(1, 0.5)", b = "double_exponential(0, 0.5)", sd = "exponential(2)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 6), each = 5), row = sbc_levels("i", 30), x = stats::runif(30, -1, 1))
    g <- sbc_term(data$g, "g", stats::rexp(1, 2))
    row <- sbc_term(data$row, "row", stats::rexp(1, 2))
    slope <- stats::rexp(1, 2) * sample(c(-1, 1), 1)
    intercept <- stats::rnorm(1, 1, 0.5)
    sbc_poisson(data, intercept + slope * data$x + g$rows + row$rows,
                c(b_Intercept = intercept, b_x = slope, g$truth, row$truth))
  })

sbc_models$nb_correlated <- list(
  formula = y ~ x + (1 + x | g), family = "negbinomial", intercept = "raw", thin = 6, engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(1, 0.5)", b = "normal(0, 0.5)", sd = "lognormal(-1, 0.5)", cor = "lkj(1)",
                          shape = "lognormal(1, 0.5)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 8), each = 6), x = stats::rnorm(48, 0.5))
    shape <- stats::rlnorm(1, 1, 0.5)
    g <- sbc_term(data$g, "g", stats::rlnorm(2, -1, 0.5), list(Intercept = rep(1, 48), x = data$x), sbc_lkj(2, 1))
    b <- c(stats::rnorm(1, 1, 0.5), stats::rnorm(1, 0, 0.5))
    sbc_negbinomial(data, b[1] + b[2] * data$x + g$rows, shape,
                    c(b_Intercept = b[1], b_x = b[2], shape = shape, g$truth))
  })

sbc_models$horseshoe_b <- list(
  formula = y ~ x1 + x2 + x3 + x4 + x5 + (1 | g), family = gaussian(), intercept = "raw", thin = 10,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", b = horseshoe_prior, sd = "exponential(1)",
                          sigma = "lognormal(0, 0.5)"),
  simulate = function() {
    x <- matrix(stats::rnorm(24 * 5), 24, dimnames = list(NULL, paste0("x", 1:5)))
    data <- data.frame(x, g = rep(sbc_levels("g", 6), 4))
    sigma <- stats::rlnorm(1, 0, 0.5)
    hs <- sbc_horseshoe(5, df = 3, df_global = 3, scale_global = 0.5 * sigma, df_slab = 6, scale_slab = 1)
    b <- stats::setNames(hs$scales * stats::rnorm(5), paste0("b_x", 1:5))
    g <- sbc_term(data$g, "g", stats::rexp(1))
    intercept <- stats::rnorm(1)
    sbc_gaussian(data, drop(intercept + x %*% b + g$rows), sigma,
                 c(b_Intercept = intercept, b, sigma = sigma, hs_b_global = hs$global, hs_b_slab = hs$slab, g$truth))
  })

sbc_models$nb_horseshoe <- list(
  formula = y ~ 1 + (1 | a) + (1 | b) + (1 | c) + (1 | d), family = "negbinomial", intercept = "raw", thin = 10,
  engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(1, 0.5)", sd = horseshoe_prior, shape = "gamma(3, 1)"),
  simulate = function() {
    data <- horseshoe_data()
    terms <- simulate_horseshoe_terms(data, unit = 1)
    intercept <- stats::rnorm(1, 1, 0.5)
    shape <- stats::rgamma(1, 3, 1)
    sbc_negbinomial(data, intercept + terms$rows, shape, c(b_Intercept = intercept, shape = shape, terms$truth))
  })

sbc_models$sigma_regression <- list(
  formula = tw_formula(y ~ x + (1 | g), sigma ~ x), family = gaussian(), intercept = "centred", thin = 6,
  engines = c("joint", "levels"),
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)",
                          `Intercept::sigma` = "normal(-0.5, 0.5)", `b::sigma` = "normal(0, 0.5)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 6), each = 6), x = stats::runif(36, 2, 4))
    b <- stats::rnorm(2)
    d <- c(stats::rnorm(1, -0.5, 0.5), stats::rnorm(1, 0, 0.5))
    b[1] <- sbc_raw_intercept(b[1], b[2], data["x"])
    d[1] <- sbc_raw_intercept(d[1], d[2], data["x"])
    g <- sbc_term(data$g, "g", stats::rexp(1))
    sbc_gaussian(data, b[1] + b[2] * data$x + g$rows, exp(d[1] + d[2] * data$x),
                 c(b_Intercept = b[1], b_x = b[2], b_sigma_Intercept = d[1], b_sigma_x = d[2], g$truth))
  })

sbc_models$shape_regression <- list(
  formula = tw_formula(y ~ x + (1 | g), shape ~ x), family = "negbinomial", intercept = "centred", thin = 6,
  engines = sbc_count_engines,
  prior = priors_by_class(Intercept = "normal(1.5, 0.5)", b = "normal(0, 0.5)", sd = "exponential(2)",
                          `Intercept::shape` = "normal(0.5, 0.7)", `b::shape` = "normal(0, 0.7)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 6), each = 7), x = stats::runif(42, 2, 4))
    b <- stats::rnorm(2, c(1.5, 0), 0.5)
    d <- stats::rnorm(2, c(0.5, 0), 0.7)
    b[1] <- sbc_raw_intercept(b[1], b[2], data["x"])
    d[1] <- sbc_raw_intercept(d[1], d[2], data["x"])
    g <- sbc_term(data$g, "g", stats::rexp(1, 2))
    sbc_negbinomial(data, b[1] + b[2] * data$x + g$rows, exp(d[1] + d[2] * data$x),
                    c(b_Intercept = b[1], b_x = b[2], b_shape_Intercept = d[1], b_shape_x = d[2], g$truth))
  })

sbc_models$known_errors <- list(
  formula = y | se(s) ~ 1 + (1 | study) + (1 | lab), family = gaussian(), intercept = "raw", thin = 6,
  engines = sbc_gaussian_engines,
  prior = priors_by_class(Intercept = "normal(0, 1)", sd = "student_t(3, 0, 0.5)"),
  simulate = function() {
    data <- data.frame(study = sbc_levels("s", 15), lab = rep(sbc_levels("l", 5), 3), s = stats::runif(15, 0.1, 1))
    study <- sbc_term(data$study, "study", 0.5 * half(stats::rt(1, 3)))
    lab <- sbc_term(data$lab, "lab", 0.5 * half(stats::rt(1, 3)))
    intercept <- stats::rnorm(1)
    sbc_gaussian(data, intercept + study$rows + lab$rows, data$s,
                 c(b_Intercept = intercept, study$truth, lab$truth))
  })

sbc_models$errors_and_sigma <- list(
  formula = y | se(s, sigma = TRUE) ~ x + (1 | g), family = gaussian(), intercept = "centred", thin = 6,
  engines = c("joint", "levels"),
  prior = priors_by_class(Intercept = "normal(0, 1)", b = "normal(0, 1)", sd = "exponential(1)", sigma = "exponential(1)"),
  simulate = function() {
    data <- data.frame(g = rep(sbc_levels("g", 6), each = 5), x = stats::rnorm(30, 2), s = stats::runif(30, 0.1, 1))
    slope <- stats::rnorm(1)
    intercept <- sbc_raw_intercept(stats::rnorm(1), slope, data["x"])
    g <- sbc_term(data$g, "g", stats::rexp(1))
    sigma <- stats::rexp(1)
    sbc_gaussian(data, intercept + slope * data$x + g$rows, sqrt(data$s^2 + sigma^2),
                 c(b_Intercept = intercept, b_x = slope, sigma = sigma, g$truth))
  })

sbc_models$free_means <- list(
  formula = y ~ 0 + tw_re(a, mean = "normal(1, 1)") + tw_re(b, mean = "normal(-1, 0.5)"), family = gaussian(),
  intercept = "raw", thin = 6, engines = sbc_gaussian_engines,
  prior = priors_by_class(sd = "exponential(1)", sigma = "exponential(1)"),
  simulate = function() {
    data <- expand.grid(a = sbc_levels("a", 6), b = sbc_levels("b", 5))
    a <- sbc_term(data$a, "a", stats::rexp(1))
    b <- sbc_term(data$b, "b", stats::rexp(1))
    mu <- stats::rnorm(2, c(1, -1), c(1, 0.5))
    sigma <- stats::rexp(1)
    sbc_gaussian(data, sum(mu) + a$rows + b$rows, sigma,
                 c(mu_a__Intercept = mu[1], mu_b__Intercept = mu[2], sigma = sigma, a$truth, b$truth))
  })

# Levels enough for a polynomial that stands for the log density of the scales.
sbc_models$ratings <- list(
  formula = y ~ 1 + (1 | user) + (1 | item), family = gaussian(), intercept = "raw", thin = 1, engines = "guided",
  prior = priors_by_class(Intercept = "normal(3, 1)", sd = "gamma(8, 16)", sigma = "lognormal(-0.5, 0.3)"),
  simulate = function() {
    n <- 4000
    data <- data.frame(user = factor(c(1:300, sample(300, n - 300, TRUE))),
                       item = factor(c(rep(1:230, 2), sample(230, n - 460, TRUE))))
    user <- sbc_term(data$user, "user", stats::rgamma(1, 8, 16))
    item <- sbc_term(data$item, "item", stats::rgamma(1, 8, 16))
    intercept <- stats::rnorm(1, 3)
    sigma <- stats::rlnorm(1, -0.5, 0.3)
    sbc_gaussian(data, intercept + user$rows + item$rows, sigma,
                 c(b_Intercept = intercept, sigma = sigma, user$truth, item$truth))
  })
