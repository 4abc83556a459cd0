# What hyper-parameters are not known to goes into the priors that they give: empirical Bayes with its own error.
#
# With eta ~ Normal(eta_hat, V) after all genes, the prior of one gene's parameter is the mixture of p(phi | eta) over eta (Kass
# and Steffey 1989). Mean and variance of a normal with unknown location and spread are exact; scales take their mean square.

integrate_shared <- function(shared, log_mean) {
  covariance <- shared$covariance()
  shared$covariance <- NULL
  at <- split_by(seq_along(unlist(shared$par)), lengths(shared$par))
  x <- trend_basis(log_mean, shared$range)
  own <- function(i) covariance[i, i, drop = FALSE]
  shared$par <- Map(function(part, par, i) integrate_part(part, par, own(i), x), shared$parts, shared$par, at)
  shared
}

integrate_part <- function(part, par, covariance, x) {
  switch(part$kind,
    dispersion = replace(par, 4, wider_spread(par[[4]], covariance[4, 4], mean(rowSums((x %*% covariance[1:3, 1:3]) * x)))),
    lognormal = replace(par, 2, wider_spread(par[[2]], covariance[2, 2], covariance[1, 1])),
    horseshoe = par,
    mvn = integrate_mvn(par, covariance),
    par + covariance[1, 1])
}

# Logarithm of the spread of a normal whose log spread has a variance, as has its location.
wider_spread <- function(log_spread, variance, of_location) 0.5 * log(exp(2 * log_spread + 2 * variance) + of_location)
