# What a family is: its distribution given the mean and the dispersion (sigma or shape), the only place that tells families apart
# by name; those who read a fit ask here.

family_records <- list(
  gaussian = list(
    is_count = FALSE,
    log_density = function(y, mean, dispersion) stats::dnorm(y, mean, dispersion, log = TRUE),
    cdf = function(y, mean, dispersion) stats::pnorm(y, mean, dispersion),
    random = function(mean, dispersion) stats::rnorm(length(mean), mean, dispersion),
    sd = function(mean, dispersion) dispersion),
  poisson = list(
    is_count = TRUE,
    log_density = function(y, mean, dispersion) stats::dpois(y, mean, log = TRUE),
    cdf = function(y, mean, dispersion) stats::ppois(y, mean),
    random = function(mean, dispersion) stats::rpois(length(mean), mean),
    sd = function(mean, dispersion) sqrt(mean),
    log_zero = function(mean, dispersion) -mean,
    # The mean of a rate given a count of it at some capture: Poisson rates do not vary.
    rate_given = function(y, capture, mean, dispersion) mean),
  negbinomial = list(
    is_count = TRUE,
    # dnbinom() with mu itself is exact for large sizes too.
    log_density = function(y, mean, dispersion) stats::dnbinom(y, mu = mean, size = dispersion, log = TRUE),
    cdf = function(y, mean, dispersion) stats::pnbinom(y, mu = mean, size = dispersion),
    random = function(mean, dispersion) stats::rnbinom(length(mean), mu = mean, size = dispersion),
    sd = function(mean, dispersion) sqrt(mean + mean^2 / dispersion),
    log_zero = function(mean, dispersion) -dispersion * log1p(mean / dispersion),
    rate_given = function(y, capture, mean, dispersion) (y + dispersion) / (dispersion + capture * mean) * mean))

family_record <- function(family) family_records[[family$family]]

# Fits of genes hold sizes for all counts, infinite ones for Poisson.
is_poisson_size <- function(size) is.infinite(size[1])

count_record <- function(size) family_records[[if (is_poisson_size(size)) "poisson" else "negbinomial"]]
