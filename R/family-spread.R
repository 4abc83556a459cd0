# Log densities of counts whose linear predictor is normal: integrals over it, as of predictors that are measured with error.

n_normal_nodes <- 21

# Nodes and masses of the standard normal distribution (Golub and Welsch 1969).
normal_rule <- function(k) {
  jacobi <- matrix(0, k, k)
  degree <- seq_len(k - 1)
  jacobi[cbind(degree, degree + 1)] <- jacobi[cbind(degree + 1, degree)] <- sqrt(degree)
  decomposition <- eigen(jacobi, symmetric = TRUE)
  list(at = decomposition$values, mass = decomposition$vectors[1, ]^2)
}

# Log of the integral of p(y | eta + sqrt(spread) z) over a standard normal z, about its mode; matrices draws x rows, `shape` NULL
# for Poisson, else one per draw.
log_density_with_spread <- function(y, eta, spread, shape = NULL) {
  s <- sqrt(spread)
  family <- if (is.null(shape)) "poisson" else "negbinomial"
  record <- family_record(list(family = family))
  value <- function(z) record$log_density(y, exp(eta + s * z), shape) - 0.5 * z^2
  mode <- mode_of_spread(y, eta, s, shape)
  width <- 1 / sqrt(1 - spread * count_slopes(y, eta + s * mode, shape)$bend)
  top <- value(mode)
  rule <- normal_rule(n_normal_nodes)
  total <- 0
  for (k in seq_len(n_normal_nodes)) {
    total <- total + rule$mass[k] * exp(value(mode + width * rule$at[k]) - top + 0.5 * rule$at[k]^2)
  }
  matrix(top + log(width * total), nrow(eta))
}

# Newton's steps, of at most three in eta: what is climbed falls by one at least.
mode_of_spread <- function(y, eta, s, shape) {
  z <- array(0, dim(eta))
  longest <- 3 / pmax(s, 1e-12)
  for (step in 1:100) {
    slopes <- count_slopes(y, eta + s * z, shape)
    move <- (s * slopes$slope - z) / (1 - s^2 * slopes$bend)
    z <- z + pmin(pmax(move, -longest), longest)
    if (all(abs(move) < 1e-9)) break
  }
  z
}

# First and second derivative of a count's log density in eta.
count_slopes <- function(y, eta, shape) {
  if (is.null(shape)) return(list(slope = y - exp(eta), bend = -exp(eta)))
  share <- stats::plogis(eta - log(shape))
  list(slope = y - (y + shape) * share, bend = -(y + shape) * share * (1 - share))
}
