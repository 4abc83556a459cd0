# Which of correlated variants have an effect: sums over all sets of at most a few of them, for one study or two.
#
# With z ~ N(R lambda, R), lambda_j = gamma_j N(0, phi), the Bayes factor of a set c of variants against none is
# (Hormozdiari et al. 2016, in closed form)
#   log BF(c) = 1/2 z_c' (R_cc + I / phi)^-1 z_c - 1/2 log |I + phi R_cc|,
# which needs R_cc alone: variants that are copies of each other do no harm.
#
# Two studies: gamma_1j and gamma_2j are both 1 with probability p11, one of them with p10 each. The prior of a pair of sets is
# o^(|c1| + |c2|) k^|c1 n c2| up to a constant, o = p10 / p00, k = p11 p00 / p10^2. As k^n = sum over subsets S of the
# intersection of (k - 1)^|S|,
#   sum over c1, c2 of w1(c1) w2(c2) k^|c1 n c2| = sum over S of (k - 1)^|S| T1(S) T2(S),   T(S) = sum of w(c) over c that hold S,
# so that pairs of sets are never listed.

# Sets of at most `max` of m variants, by size: matrices with a set per column, rows ascending. Sets of none come first.
variant_sets <- function(m, max) {
  lapply(0:min(m, max), function(k) if (k == 0) matrix(0L, 0, 1) else utils::combn(m, k))
}

# Place of each set (column) among those of its size in the order of combn().
set_rank <- function(sets, m) {
  k <- nrow(sets)
  if (k == 0) return(rep(1L, ncol(sets)))
  # Sets after it in lexicographic order: of the larger choices at each place.
  after <- Reduce(`+`, lapply(seq_len(k), function(i) choose(m - sets[i, ], k - i + 1)))
  as.integer(round(choose(m, k) - after))
}

# list(log_bf, mean, variance) of sets of one size; the last two are [set, place] of the effects given the set.
set_posteriors <- function(sets, z, correlation, phi) {
  k <- nrow(sets)
  if (k == 0) return(list(log_bf = 0, mean = matrix(0, 1, 0), variance = matrix(0, 1, 0)))
  entry <- function(a, b) correlation[cbind(sets[a, ], sets[b, ])] + (a == b) / phi
  l <- matrix(list(), k, k)
  for (a in seq_len(k)) for (b in seq_len(a)) {
    rest <- Reduce(`+`, lapply(seq_len(b - 1), function(i) l[[a, i]] * l[[b, i]]), 0)
    l[[a, b]] <- if (a > b) (entry(a, b) - rest) / l[[b, b]] else safe_roots(entry(a, a) - rest, sets)
  }
  forward <- function(x) {
    for (a in seq_len(k)) x[[a]] <- (x[[a]] - Reduce(`+`, lapply(seq_len(a - 1), function(i) l[[a, i]] * x[[i]]), 0)) / l[[a, a]]
    x
  }
  w <- forward(lapply(seq_len(k), function(a) z[sets[a, ]]))
  unit <- function(a) forward(lapply(seq_len(k), function(i) rep(as.numeric(i == a), ncol(sets))))
  inverse <- lapply(seq_len(k), unit)
  product <- function(x, y) Reduce(`+`, Map(`*`, x, y))
  list(log_bf = product(w, w) / 2 - Reduce(`+`, lapply(seq_len(k), function(a) log(l[[a, a]]))) - k * log(phi) / 2,
       mean = vapply(inverse, product, numeric(ncol(sets)), y = w) |> matrix(ncol(sets)),
       variance = vapply(inverse, function(x) product(x, x), numeric(ncol(sets))) |> matrix(ncol(sets)))
}

safe_roots <- function(x, sets) {
  if (all(x > 0)) return(sqrt(x))
  found <- sets[, which(x <= 0)[1]]
  abort_twill("inclusion", c("{.arg correlation} is not a correlation matrix: it is not positive semidefinite.",
                             "x" = "Seen among the variants {.val {found}}.",
                             "i" = "Correlations of a small panel may need shrinking: {.code 0.9 * R + 0.1 * diag(nrow(R))}."))
}

# The study's sets with weights up to a common factor: list(sets, size, weight, mean, variance, log_scale), by size.
weigh_sets <- function(sets, z, correlation, phi, log_odds) {
  of_size <- lapply(sets, set_posteriors, z = z, correlation = correlation, phi = phi)
  log_weight <- Map(function(posterior, k) posterior$log_bf + k * log_odds, of_size, seq_along(sets) - 1)
  top <- max(unlist(log_weight))
  list(weight = lapply(log_weight, function(x) exp(x - top)), log_scale = top, mean = lapply(of_size, `[[`, "mean"),
       variance = lapply(of_size, `[[`, "variance"))
}

# For all sets of size k (at place k + 1) and each choice of places in them, list(size, at): which subset of that size this is.
subsets_of_sets <- function(sets, m) {
  lapply(sets, function(s) {
    k <- nrow(s)
    unlist(lapply(0:k, function(size) lapply(subsets_of_places(k, size), function(places) {
      list(size = size, at = set_rank(s[places, , drop = FALSE], m))
    })), recursive = FALSE)
  })
}

subsets_of_places <- function(k, size) if (size == 0) list(integer()) else utils::combn(k, size, simplify = FALSE)

# T(S) for all S by size: sums of the weights of the sets that hold S.
sums_over_supersets <- function(weight, subsets) {
  total <- lapply(weight, function(w) numeric(length(w)))
  for (k in seq_along(weight)) for (subset in subsets[[k]]) {
    n <- length(total[[subset$size + 1]])
    total[[subset$size + 1]] <- total[[subset$size + 1]] + if (n == 1) sum(weight[[k]]) else
      if (subset$size == k - 1) weight[[k]] else sums_at(weight[[k]], subset$at, n)
  }
  total
}

sums_at <- function(x, at, n) {
  out <- numeric(n)
  sums <- rowsum(x, at)
  out[as.integer(rownames(sums))] <- sums
  out
}

# What the other study says of a set c: sum over subsets S of c of (k - 1)^|S| T(S) / T(none).
factor_of_other <- function(subsets, total, more) {
  lapply(subsets, function(of_size) {
    Reduce(`+`, lapply(of_size, function(subset) more^subset$size * total[[subset$size + 1]][subset$at])) / total[[1]]
  })
}

# Per variant, the probability that it has an effect in both studies, times the sum of all weights.
both_mass <- function(sets, totals, more, m) {
  out <- numeric(m)
  for (k in seq_along(sets)[-1] - 1) {
    mass <- (1 + more) * more^(k - 1) * totals[[1]][[k + 1]] * totals[[2]][[k + 1]]
    for (place in seq_len(k)) out <- out + sums_at(mass, sets[[k + 1]][place, ], m)
  }
  out
}

# Sum over S of (k - 1)^|S| T1(S) T2(S).
pair_mass <- function(totals, more) {
  sum(vapply(seq_along(totals[[1]]), function(i) more^(i - 1) * sum(totals[[1]][[i]] * totals[[2]][[i]]), 0))
}

# The same with all Bayes factors 1: the prior's mass of sets of at most `max` variants.
prior_mass <- function(m, max, odds, more, n_studies) {
  sizes <- 0:min(m, max)
  total <- vapply(sizes, function(s) sum(choose(m - s, sizes[sizes >= s] - s) * odds^sizes[sizes >= s]), 0)
  if (n_studies == 1) total[1] else sum(more^sizes * choose(m, sizes) * total^2)
}
