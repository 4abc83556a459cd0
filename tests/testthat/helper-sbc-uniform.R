# Whether ranks are uniform: exact p-values and envelopes for their empirical distribution, and chi-square.
#
# With `n` ranks on 0, ..., n_draws, the count C_i of ranks below i is Binomial(n, z_i), z_i = i / (n_draws + 1), and a
# Markov chain in i. The statistic of Saeilynoja, Buerkner and Vehtari (2022, eq. 12) is the smallest two-sided binomial
# tail probability over all i; the chain gives its distribution exactly, without simulation.

#' p-values of the ranks of one quantity.
sbc_p_values <- function(ranks, n_draws) {
  counts <- sbc_counts(ranks, n_draws)
  chain <- sbc_chain(length(ranks), n_draws)
  gamma <- min(chain$tail[cbind(counts + 1, seq_along(counts))])
  c(ecdf = 1 - sbc_coverage(gamma, chain), chi_square = sbc_chi_square(ranks, n_draws))
}

#' Number of ranks below 1, ..., n_draws.
sbc_counts <- function(ranks, n_draws) cumsum(tabulate(ranks + 1, n_draws + 1))[seq_len(n_draws)]

# The chain only depends on the two numbers, and takes a second to build.
sbc_chains <- new.env()

#' `tail[c + 1, i]`, the two-sided tail probability of count c at step i, and the transition matrices between steps.
sbc_chain <- function(n, n_draws) {
  key <- paste(n, n_draws)
  if (is.null(sbc_chains[[key]])) sbc_chains[[key]] <- new_sbc_chain(n, n_draws)
  sbc_chains[[key]]
}

new_sbc_chain <- function(n, n_draws) {
  z <- seq_len(n_draws) / (n_draws + 1)
  count <- 0:n
  tail <- outer(count, z, function(c, z) pmin(1, 2 * pmin(stats::pbinom(c, n, z), 1 - stats::pbinom(c - 1, n, z))))
  step <- diff(c(0, z)) / (1 - c(0, z[-n_draws]))
  # Given `from` ranks below step i, those of the other n - from that fall into the next step are binomial.
  transition <- lapply(step, function(p) outer(count, count, function(from, to) stats::dbinom(to - from, n - from, p)))
  list(tail = tail, transition = transition, z = z, n = n)
}

#' Probability that all tail probabilities are above `gamma`.
sbc_coverage <- function(gamma, chain) {
  mass <- c(1, rep(0, chain$n))
  for (i in seq_along(chain$z)) {
    mass <- drop(mass %*% chain$transition[[i]]) * (chain$tail[, i] > gamma)
  }
  sum(mass)
}

#' Counts that bound the middle `level` of all paths at once: a matrix with rows lower and upper.
sbc_envelope <- function(n, n_draws, level = 0.95) {
  chain <- sbc_chain(n, n_draws)
  gamma <- stats::uniroot(function(g) sbc_coverage(g, chain) - level, c(1e-8, 0.5), tol = 1e-8)$root
  inside <- chain$tail > gamma
  apply(inside, 2, function(is_in) range(which(is_in) - 1))
}

#' Pearson's test in the most bins that divide the ranks evenly and expect 8 or more of them.
sbc_chi_square <- function(ranks, n_draws) {
  n_values <- n_draws + 1
  bins <- Filter(function(b) n_values %% b == 0 && length(ranks) / b >= 8, 2:20)
  n_bins <- max(bins)
  observed <- tabulate(floor(ranks * n_bins / n_values) + 1, n_bins)
  stats::chisq.test(observed)$p.value
}
