# What a family is: its link, the name of its dispersion, and its distribution given the mean and the dispersion (sigma or shape).
# Those who read a fit ask here, not for the name of its family.
#
# `varying_log_density` is the log density in the linear predictor, up to what depends on the dispersion alone, and `slopes` are
# its first and second derivative.

family_records <- list(
  gaussian = list(
    label = "gaussian", link = "identity", inverse_link = identity, dispersion = "sigma", is_count = FALSE, takes_errors = TRUE,
    log_density = function(y, mean, dispersion) stats::dnorm(y, mean, dispersion, log = TRUE),
    cdf = function(y, mean, dispersion) stats::pnorm(y, mean, dispersion),
    random = function(mean, dispersion) stats::rnorm(length(mean), mean, dispersion),
    sd = function(mean, dispersion) dispersion,
    varying_log_density = function(y, eta, dispersion) stats::dnorm(y, eta, dispersion, log = TRUE),
    slopes = function(y, eta, dispersion) list(first = (y - eta) / dispersion^2, second = -1 / dispersion^2 + 0 * eta)),
  poisson = list(
    label = "poisson", link = "log", inverse_link = exp, dispersion = NULL, is_count = TRUE, takes_errors = FALSE,
    log_density = function(y, mean, dispersion) stats::dpois(y, mean, log = TRUE),
    cdf = function(y, mean, dispersion) stats::ppois(y, mean),
    random = function(mean, dispersion) stats::rpois(length(mean), mean),
    sd = function(mean, dispersion) sqrt(mean),
    varying_log_density = function(y, eta, dispersion) y * eta - exp(eta),
    slopes = function(y, eta, dispersion) list(first = y - exp(eta), second = -exp(eta)),
    log_zero = function(mean, dispersion) -mean,
    # The mean of a rate given a count of it at some capture: Poisson rates do not vary.
    rate_given = function(y, capture, mean, dispersion) mean),
  negbinomial = list(
    label = "negative binomial", link = "log", inverse_link = exp, dispersion = "shape", is_count = TRUE, takes_errors = FALSE,
    # dnbinom() with mu itself is exact for large sizes too.
    log_density = function(y, mean, dispersion) stats::dnbinom(y, mu = mean, size = dispersion, log = TRUE),
    cdf = function(y, mean, dispersion) stats::pnbinom(y, mu = mean, size = dispersion),
    random = function(mean, dispersion) stats::rnbinom(length(mean), mu = mean, size = dispersion),
    sd = function(mean, dispersion) sqrt(mean + mean^2 / dispersion),
    varying_log_density = function(y, eta, dispersion) {
      y * (eta - log(dispersion)) - (y + dispersion) * log1p(exp(eta) / dispersion)
    },
    slopes = function(y, eta, dispersion) {
      share <- 1 / (1 + dispersion * exp(-eta))
      list(first = y - (y + dispersion) * share, second = -(y + dispersion) * share * (1 - share))
    },
    log_zero = function(mean, dispersion) -dispersion * log1p(mean / dispersion),
    rate_given = function(y, capture, mean, dispersion) (y + dispersion) / (dispersion + capture * mean) * mean))

family_record <- function(family) family_records[[family$family]]

is_count_family <- function(family) family_record(family)$is_count

# Whether rows may have errors that are known, by se() or fcor().
takes_errors <- function(family) family_record(family)$takes_errors

# Whether a model or a fit is of counts, whose linear predictor is the logarithm of their mean.
of_counts <- function(model) is_count_family(model$family)
has_counts <- function(fit) is_count_family(family(fit))

# Fits of genes hold sizes for all counts, infinite ones for Poisson.
is_poisson_size <- function(size) is.infinite(size[1])

count_record <- function(size) family_records[[if (is_poisson_size(size)) "poisson" else "negbinomial"]]
