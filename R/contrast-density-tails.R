# Integrals over the posterior density of an effect on a grid (contrast-density.R): tails, alone and under the learned prior.

# Log integrals of rows of log densities over the grid, by straight lines in between: int exp(a + b x) is closed.
log_masses <- function(grid, value) {
  masses <- cell_masses(grid, value)
  masses$top + log(rowSums(masses$mass))
}

# list(top, mass): rows x cells; mass is exp(-top) times the integral over each cell of the grid.
cell_masses <- function(grid, value) {
  value <- rbind(value)
  n <- ncol(value)
  top <- row_maxima(value)
  high <- pmax(value[, -1, drop = FALSE], value[, -n, drop = FALSE])
  drop <- abs(value[, -1, drop = FALSE] - value[, -n, drop = FALSE])
  share <- ifelse(drop < 1e-8, 1, -expm1(-drop) / drop)
  share[!is.finite(high)] <- 0
  list(top = top, mass = exp(high - top) * share * rep(diff(grid), each = nrow(value)))
}

# Log marginal likelihoods of one gene under each normal, the first of which is zero: int p(t) N(t | centre, size^2) dt.
density_likelihoods <- function(own, parts) {
  c(own$log_density[own$at == 0], log_masses(own$at, do.call(rbind, density_products(own, parts)[-1])))
}

# Log p(t) N(t | centre, size^2) on the grid, per normal.
density_products <- function(own, parts) {
  one <- function(centre, size) own$log_density + stats::dnorm(own$at, centre, size, log = TRUE)
  Map(one, parts$centres, parts$sizes)
}

# The row of one gene in what adapted_posterior() gives.
with_density <- function(out, own, prior, at, extra) {
  parts <- apart(prior)
  log_lik <- density_likelihoods(own, parts)
  products <- density_products(own, parts)
  top <- max(log_lik[parts$shares > 0])
  zero <- if (parts$sizes[1] == 0) parts$shares[1] * exp(log_lik[1] - top) else 0
  mass <- 0
  for (one in which(parts$shares > 0 & parts$sizes > 0)) {
    cells <- cell_masses(own$at, products[[one]])
    mass <- mass + parts$shares[one] * exp(cells$top - top) * drop(cells$mass)
  }
  total <- zero + sum(mass)
  tails <- density_tails(own$at, mass, at, extra[own$gene, ])
  out$below[own$gene, ] <- (tails$below + zero * (at > 0)) / total
  out$above[own$gene, ] <- (tails$above + zero * (at < 0)) / total
  out$zero[own$gene] <- zero / total
  out
}

# Masses of cells below and above points; cells spread by the variances `extra`, equally likely.
density_tails <- function(grid, mass, at, extra = 0) {
  middle <- (grid[-1] + grid[-length(grid)]) / 2
  tail <- function(lower) {
    vapply(at, function(x) {
      share <- vapply(extra, function(v) {
        if (v > 0) stats::pnorm(x, middle, sqrt(v), lower.tail = lower) else as.numeric(if (lower) middle < x else middle > x)
      }, middle)
      sum(mass * rowMeans(matrix(share, length(middle))))
    }, 0)
  }
  list(below = tail(TRUE), above = tail(FALSE))
}

# Quantiles of the gene's own density: the distribution function goes straight from one point of the grid to the next.
own_quantiles <- function(own, probs) {
  mass <- drop(cell_masses(own$at, own$log_density)$mass)
  below <- c(0, cumsum(mass)) / sum(mass)
  stats::approx(below, own$at, probs, ties = "ordered")$y
}

# Probabilities below and above points under the gene's own density alone.
own_tails <- function(own, at) {
  cells <- cell_masses(own$at, own$log_density)
  tails <- density_tails(own$at, drop(cells$mass) / sum(cells$mass), at)
  list(below = tails$below, above = tails$above)
}
