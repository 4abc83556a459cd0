# What must not change a result: data of three families and comparisons that tests of such properties share.

# Rows of two arms in six groups; y is Gaussian, n are counts.
property_data <- function(n_rows = 48) {
  with_fixed_seed(11, {
    data <- data.frame(arm = rep(c("ctrl", "stim"), n_rows / 2), g = rep(letters[1:6], each = n_rows / 6), x = rnorm(n_rows))
    eta <- 1 + 0.6 * (data$arm == "stim") + 0.3 * data$x + rep(rnorm(6, 0, 0.4), each = n_rows / 6)
    data$y <- eta + rnorm(n_rows, 0, 0.5)
    data$n <- rnbinom(n_rows, mu = exp(eta), size = 5)
    data
  })
}

property_models <- list(
  gaussian = list(formula = y ~ arm + x + (1 | g), family = gaussian()),
  negbinomial = list(formula = n ~ arm + x + (1 | g), family = negbinomial()),
  poisson = list(formula = n ~ arm + x + (1 | g), family = poisson()))

property_fit <- function(family = "gaussian", data = property_data(), iter = 40, chains = 1, seed = 1, ...) {
  model <- property_models[[family]]
  twill(model$formula, data, model$family, chains = chains, iter = iter, seed = seed, silent = 2, ...)
}

# Some positions of the sampler's scale around zero, one per row.
positions_of <- function(fit, n = 4) {
  size <- length(fit$design$coef_names) + 6 + 1 + !is.null(fit$design$dispersion)
  with_fixed_seed(5, matrix(rnorm(n * size, 0, 0.5), n))
}

# Log densities up to a constant, which a change of units or of weights may shift.
log_densities <- function(fit, positions) {
  values <- apply(positions, 1, function(q) tw_log_prob(fit, q))
  values - values[1]
}

# The largest difference of means of draws, in units of its Monte Carlo error.
largest_z <- function(a, b) {
  statistics <- function(fit) {
    draws <- if (inherits(fit, "draws")) fit else as_draws_array(fit)
    # posterior warns where draws are more effective than independent ones.
    suppressWarnings(posterior::summarise_draws(draws, "mean", error = posterior::mcse_mean))
  }
  a <- statistics(a)
  b <- statistics(b)
  b <- b[match(a$variable, b$variable), ]
  kept <- !a$variable %in% c("lp__", "lprior")
  max(abs(a$mean - b$mean)[kept] / sqrt(a$error^2 + b$error^2)[kept])
}
