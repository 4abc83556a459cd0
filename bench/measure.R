# What is measured of draws, in the same way for every sampler: bulk ESS and R-hat of all parameters in their natural
# coordinates (coefficients, dispersion, sds, correlations, effects), and whether two samplers agree.

one_parameter <- function(draws, i) matrix(draws[, , i], dim(draws)[1], dim(draws)[2])

# A parameter that never moved has no ESS: 0.
each_parameter <- function(draws, measure) {
  values <- vapply(seq_len(dim(draws)[3]), function(i) measure(one_parameter(draws, i)), 0)
  stats::setNames(values, dimnames(draws)[[3]])
}

measure_draws <- function(draws) {
  ess <- suppressWarnings(each_parameter(draws, posterior::ess_bulk))
  ess[is.na(ess)] <- 0
  rhat <- each_parameter(draws, posterior::rhat)
  list(parameters = length(ess), min_ess = min(ess), worst = names(which.min(ess)), max_rhat = max(rhat, na.rm = TRUE))
}

# Means and Monte Carlo errors of all but the effects.
population_means <- function(draws) {
  draws <- draws[, , !startsWith(dimnames(draws)[[3]], "r_"), drop = FALSE]
  list(mean = each_parameter(draws, mean), mcse = suppressWarnings(each_parameter(draws, posterior::mcse_mean)))
}

# The largest difference of posterior means in units of its Monte Carlo error. Beyond 4 the samplers disagree, or one
# has not converged.
largest_z <- function(a, b) {
  shared <- intersect(names(a$mean), names(b$mean))
  if (length(shared) == 0) return(NA_real_)
  max(abs(a$mean[shared] - b$mean[shared]) / sqrt(a$mcse[shared]^2 + b$mcse[shared]^2))
}

# One row of results: facts of the fit and measures of its draws.
measure_fit <- function(fit) {
  if (is.null(fit$draws)) return(fit$facts)
  measured <- c(fit$facts, measure_draws(fit$draws))
  measured$ess_per_second <- measured$min_ess / measured$seconds_sampling
  measured$ess_per_second_all <- measured$min_ess / measured$seconds_all
  measured
}
