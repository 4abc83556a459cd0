# The predictive density of a leaf given all others, with what the leaf alone knows integrated out: for loo() of cells.
#
# b are the effects of the levels that leaf l has, normal given the parameters psi of a draw; t = z_l' b is what they add to
# its log mean. b moves along a line, b(d) = b + u d with z_l' u = 1, and d is integrated out:
#   p(y_l | y_-l, b_perp, psi) = int f(d) p(y_l | d) dd / int f(d) dd,   f(d) = p(b(d) | psi) prod_k p(y_k | d),
# k the other leaves of these levels. Any u that does not depend on b is right. With that of the conditional normal,
# u ~ cov(b | y_-l, psi) z_l, leaf l says next to nothing of what is held, and importance ratios stay finite.
# All of it in terms of leaves: with K their prior covariance and w their information, q = z_l - sum_k alpha_k z_k where
# (1/W + K_oo) alpha = K_ol, and u = S q.

# A shape that all leaves share is integrated out too (fit-cells-integrate-shape.R): thousands of cells tell so much of it that
# one leaf with another dispersion would leave few draws to weigh.

# draw x leaf x gene of log p(y_l | y_-l, b_perp, psi).
left_out_log_lik <- function(fit, at) {
  plan <- lapply(seq_along(leaf_labels(fit)), leaf_siblings, fit = fit)
  log_mu <- leaf_log_mu(fit, at)
  size <- leaf_sizes(fit, at)
  log_lik <- unit_log_lik(fit, at)
  functions <- if (has_sample_units(fit)) sample_functions else leaf_functions
  shape <- if (has_one_shape(fit)) shape_priors(fit, at)
  values <- lapply(seq_along(at), function(k) {
    gene <- functions(fit, at[k], matrix(log_mu[, , k], nrow(log_mu)), matrix(size[, , k], nrow(log_mu)))
    gene$log_lik <- matrix(log_lik[, , k], nrow(log_mu))
    if (!is.null(shape)) gene <- add_shapes(gene, fit, shape[[k]])
    vapply(plan, function(one) left_out_ratio(fit, at[k], gene, one), numeric(nrow(log_mu)))
  })
  array(unlist(values), dim(log_lik))
}

# Levels with more leaves than this are held: one leaf says little of them.
most_siblings <- 12

# list(leaves, terms): the leaf, then those that share a level with it in the terms whose effects move.
leaf_siblings <- function(fit, leaf) {
  terms <- model_of(fit)$design$terms
  active <- which(vapply(terms, function(term) any(term$z[leaf, ] != 0), TRUE))
  together <- lapply(terms[active], function(term) setdiff(which(term$codes == term$codes[leaf]), leaf))
  kept <- lengths(together) <= max(most_siblings, min(lengths(together), Inf))
  list(leaves = c(leaf, sort(unique(unlist(together[kept])))), terms = active[kept])
}

# One gene: value(l, d, size), the log-likelihood of leaf l (without what depends on the size alone) where its log mean is d
# higher, draw by draw, and slope(l, d), its first and second derivative.
leaf_functions <- function(fit, at, log_mu, size) {
  row <- fit$posterior$rows[at]
  all <- gene_nodes(fit, row)
  total <- fit$job$source$data$sums[, row]
  rule <- fit$job$source$data$rule
  value <- function(l, d, r = size[, l]) one_log_lik(fit, l, total[l], all, log_mu[, l] + d, r)
  slope <- function(l, d, mean_only = FALSE) {
    own <- all$leaf == l
    cells <- rule$leaf + 1L == l
    where <- if (mean_only) mean(log_mu[, l]) else log_mu[, l] + d
    r <- if (mean_only) exp(mean(log(size[, l]))) else size[, l]
    log_likelihood_slopes(total[l], all$at[own], all$mass[own], rule$at[cells], rule$mass[cells], where, r)
  }
  list(value = value, slope = slope, log_mu = log_mu, size = size, row = row)
}

# list(first, second) in the log mean; of the negative binomial  sum u - sum (u + r) m / (r + m).
log_likelihood_slopes <- function(total, at, mass, cell_at, cell_mass, log_mu, size) {
  if (is_poisson_size(size)) {
    expected <- exp(log_mu) * sum(cell_mass * exp(cell_at))
    return(list(first = total - expected, second = -expected))
  }
  share <- function(x) 1 / (1 + size * exp(-log_mu - x))
  spread <- function(x) share(x) * (1 - share(x))
  both <- function(f) sum_over_nodes(mass, at, f) + size * sum_over_nodes(cell_mass, cell_at, f)
  list(first = total - both(share), second = -both(spread))
}

# draws of log( int f(d) p(y_l | d) dd / int f(d) dd ).
left_out_ratio <- function(fit, at, gene, plan) {
  if (length(plan$terms)) {
    line <- leaf_line(fit, at, gene, plan)
    with <- log_integral(gene, plan$leaves, line)
    without <- log_integral(gene, plan$leaves[-1], line)
  } else {
    with <- function(r = gene$size[, plan$leaves]) gene$value(plan$leaves, 0, r)
    without <- function(r) numeric(nrow(gene$log_mu))
  }
  if (!is.null(gene$shapes)) return(over_shapes(gene, plan$leaves, with, without))
  with() - without() + gene$log_lik[, plan$leaves[1]] - gene$value(plan$leaves[1], 0)
}

# list(slope, square, linear): draw x leaf, how each leaf's log mean moves with d, and the prior -square d^2 / 2 - linear d.
leaf_line <- function(fit, at, gene, plan) {
  prior <- leaf_prior(fit, at, plan)
  n <- length(plan$leaves)
  alpha <- matrix(0, nrow(prior$effect), n - 1)
  if (n > 1) {
    information <- vapply(plan$leaves[-1], function(l) -gene$slope(l, 0, mean_only = TRUE)$second, 0)
    known <- prior$covariance[, -1, -1, drop = FALSE]
    for (k in seq_len(n - 1)) known[, k, k] <- known[, k, k] + 1 / max(information[k], 1e-8)
    alpha <- solve_draws(known, matrix(prior$covariance[, -1, 1], ncol = n - 1))
  }
  weights <- cbind(1, -alpha)
  moves <- vapply(seq_len(n), function(i) rowSums(matrix(prior$covariance[, i, ], ncol = n) * weights), numeric(nrow(weights)))
  moves <- matrix(moves, ncol = n)
  unit <- pmax(moves[, 1], .Machine$double.xmin)
  list(slope = moves / unit, square = rowSums(weights * moves) / unit^2, linear = rowSums(weights * prior$deviation) / unit)
}

# list(effect, deviation, covariance): draw x leaf of what the moving effects add to the log mean, how far that is from the mean
# of its prior, and the covariance of this.
leaf_prior <- function(fit, at, plan) {
  n <- length(plan$leaves)
  effect <- deviation <- covariance <- 0
  for (k in plan$terms) {
    term <- model_of(fit)$design$terms[[k]]
    z <- term$z[plan$leaves, , drop = FALSE] * (term$codes[plan$leaves] == term$codes[plan$leaves[1]])
    level <- term$codes[plan$leaves[1]]
    own <- level_effects(fit, term, level, at)
    given <- given_relatives(fit, term, level, at)
    effect <- effect + own %*% t(z)
    deviation <- deviation + (own - given$mean) %*% t(z)
    covariance <- covariance + given$share * term_covariance(fit, in_class_of_level(term, level), z, at)
  }
  list(effect = effect, deviation = deviation, covariance = array(covariance, c(nrow(effect), n, n)))
}

# draw x coefficient of one gene.
level_effects <- function(fit, term, level, at) {
  b <- draws_of(fit, effect_variables(term$group, term$levels[level], colnames(term$z)), at)
  matrix(b, dim(b)[1])
}

# Given its relatives the effects of a level are normal about -sum_k Q_jk b_k / Q_jj, with 1 / Q_jj of the covariance.
given_relatives <- function(fit, term, level, at) {
  if (is.null(term$precision)) return(list(mean = 0, share = 1))
  row <- precision_matrix(term)[level, ]
  others <- setdiff(which(row != 0), level)
  parts <- lapply(others, function(k) -row[k] / row[level] * level_effects(fit, term, k, at))
  list(mean = if (length(parts)) Reduce(`+`, parts) else 0, share = 1 / row[level])
}

# draw x leaf x leaf of z S R S z'.
term_covariance <- function(fit, term, z, at) {
  sds <- draws_of(fit, sd_names(term), at)
  coefs <- colnames(term$z)
  out <- 0
  for (a in seq_along(coefs)) for (b in seq_len(a)) {
    if (a != b && !term$cor) next
    both <- sds[, a, 1] * sds[, b, 1] * (if (a == b) 1 else as.vector(correlation_of(fit, term, coefs[b], coefs[a], at)))
    pair <- outer(z[, a], z[, b])
    out <- out + outer(both, as.vector(if (a == b) pair else pair + t(pair)))
  }
  out
}

# Solutions x of m x = y, draw by draw: m is draw x n x n, positive definite.
solve_draws <- function(m, y) {
  n <- ncol(y)
  for (i in seq_len(n)) for (j in seq_len(n)[seq_len(n) > i]) {
    factor <- m[, j, i] / m[, i, i]
    m[, j, ] <- m[, j, ] - factor * m[, i, ]
    y[, j] <- y[, j] - factor * y[, i]
  }
  for (i in rev(seq_len(n))) {
    for (j in seq_len(n)[seq_len(n) > i]) y[, i] <- y[, i] - m[, i, j] * y[, j]
    y[, i] <- y[, i] / m[, i, i]
  }
  y
}

# A function of the size (default: the draws' own) that gives draws of log int exp(-square d^2 / 2 - linear d + sum of leaves'
# log-likelihoods) dd: Gauss-Hermite about the mode.
log_integral <- function(gene, leaves, line, rule = hermite_rule) {
  column <- ncol(line$slope) - length(leaves) + seq_along(leaves)
  at <- integrand_mode(gene, leaves, line, column)
  width <- sqrt(2) * at$sd
  d <- at$mode + outer(width, rule$at)
  prior <- -line$square * d^2 / 2 - line$linear * d + rep(rule$log_weight, each = nrow(d))
  function(r = NULL) {
    value <- prior
    for (k in seq_along(leaves)) {
      size <- r %||% gene$size[, leaves[k]]
      value <- value + gene$value(leaves[k], line$slope[, column[k]] * d, size)
    }
    log_row_sums(value) + log(width)
  }
}

# draws of log E exp(value(d)) over d ~ N(0, variance): `value` and its `slope`, list(first, second), are functions of draws of d.
log_normal_mean <- function(value, slope, variance, rule = hermite_rule) {
  variance <- pmax(variance, 1e-12)
  one <- list(value = function(l, d, size) value(d), slope = function(l, d) slope(d))
  line <- list(slope = matrix(1, length(variance)), square = 1 / variance, linear = numeric(length(variance)))
  log_integral(one, 1, line, rule)() - 0.5 * log(2 * pi * variance)
}

log_row_sums <- function(x) {
  top <- do.call(pmax, as.data.frame(x))
  top + log(rowSums(exp(x - top)))
}

# Newton's steps, at most two units long; the integrand is concave.
integrand_mode <- function(gene, leaves, line, column) {
  d <- numeric(length(line$square))
  for (step in 1:20) {
    first <- -line$square * d - line$linear
    second <- -line$square
    for (k in seq_along(leaves)) {
      slopes <- gene$slope(leaves[k], line$slope[, column[k]] * d)
      first <- first + line$slope[, column[k]] * slopes$first
      second <- second + line$slope[, column[k]]^2 * slopes$second
    }
    move <- pmax(-2, pmin(2, -first / second))
    d <- d + move
    if (max(abs(move) * sqrt(-second)) < 0.05) break
  }
  list(mode = d, sd = 1 / sqrt(-second))
}

# Gauss-Hermite by the eigenvalues of the Jacobi matrix (Golub and Welsch 1969); weights times exp(x^2).
new_hermite_rule <- function(n) {
  jacobi <- matrix(0, n, n)
  jacobi[cbind(1:(n - 1), 2:n)] <- jacobi[cbind(2:n, 1:(n - 1))] <- sqrt(seq_len(n - 1) / 2)
  found <- eigen(jacobi, symmetric = TRUE)
  list(at = found$values, log_weight = log(sqrt(pi) * found$vectors[1, ]^2) + found$values^2)
}

hermite_rule <- new_hermite_rule(9)
