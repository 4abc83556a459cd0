# The shape of a gene integrated out of the predictive density of a leaf, over a grid of its logarithm.
#
# With rho = log shape, p(y_l | y_-l, ...) = int p(rho) F(rho) prod_j p(y_j | rho) / the same without leaf l, where F is the
# integral over the line d (fit-cells-integrate.R) and j the leaves that do not move. The grid is common to all leaves and draws.
# F is exact at a few shapes; in between, its ratio to the likelihood at the draw's own effects is interpolated.

# A sigma of Gaussian values is integrated out alike.

has_one_shape <- function(fit) {
  model <- model_of(fit)
  has_one <- isTRUE(model$design$dispersion %in% c("shape", "sigma")) && is.null(model$design$x_disp)
  has_one && !is_known_prior(model$parameters$parsed[[match(model$design$dispersion, model$parameters$variable)]])
}

# One function per gene: log density of log shape.
shape_priors <- function(fit, at) {
  part <- job_part(fit$job, fit$posterior$rows[at])
  view <- part_view(part)
  table <- view$model$parameters
  name <- model_of(fit)$design$dispersion
  parsed <- table$parsed[[match(name, table$variable)]]
  overrides <- gene_priors(view$model, part, view$levels)
  lapply(seq_along(at), function(g) {
    args <- overridden(parsed$args, overrides, name, g)
    function(rho) record_of_prior(parsed)$log_density(exp(rho), args) + rho
  })
}

# Adds `shapes`: the grid `rho`, log `prior` at it, `rising` shape x leaf, `values` draw x leaf x shape and their `total` over
# leaves, and the `constant` of each leaf.
add_shapes <- function(gene, fit, prior) {
  alone <- shape_terms(gene, fit)
  rising <- alone$rising
  leaves <- seq_len(ncol(gene$log_mu))
  values <- function(r) vapply(leaves, function(l) gene$value(l, 0, r), numeric(nrow(gene$log_mu)))
  rho <- shape_grid(gene, prior, rising)
  by_shape <- vapply(exp(rho), values, gene$log_mu)
  total <- Reduce(`+`, lapply(leaves, function(l) by_shape[, l, ]))
  gene$shapes <- list(rho = rho, prior = prior(rho), rising = rising(rho), values = by_shape, total = total,
                      constant = alone$constant)
  gene
}

# list(rising, constant): the terms of leaves' log-likelihoods that depend on the shape alone, shape x leaf, and on nothing.
shape_terms <- function(gene, fit) {
  n <- ncol(gene$log_mu)
  if (!has_counts(fit)) return(list(rising = function(rho) matrix(0, length(rho), n), constant = numeric(n)))
  h <- gene_histogram(fit, gene$row)
  list(rising = function(rho) leaf_rising(h$value, h$number, matrix(exp(rho), length(rho), n)),
       constant = -colSums(h$number * lgamma(h$value + 1)))
}

# Steps of 1.2 standard deviations, wherever the shape may be with any one leaf left out.
shape_grid <- function(gene, prior, rising) {
  by_leaf <- function(rho) rising(rho) + values_at_mean(gene, rho)
  draws <- log(gene$size[, 1])
  rho <- mean(draws) + 1.2 * shape_spread(draws, function(rho) rowSums(by_leaf(rho)) + prior(rho)) * (-20:20)
  each <- by_leaf(rho)
  without <- rowSums(each) - cbind(0, each) + prior(rho)
  is_near <- apply(without, 2, function(v) v > max(v[is.finite(v)]) - 16)
  range <- range(which(rowSums(is_near & is.finite(without)) > 0))
  rho[seq(range[1], range[2])]
}

# The standard deviation of log shape: that of the draws, or what the bend of its log density says where that is less.
shape_spread <- function(draws, log_density) {
  sd <- stats::sd(draws)
  # One draw, or the same many times.
  if (is.na(sd) || sd == 0) sd <- 0.5
  near <- log_density(mean(draws) + c(-1, 0, 1) * sd)
  bend <- 2 * near[2] - near[1] - near[3]
  if (is.finite(bend) && bend > 1) sd / sqrt(bend) else sd
}

# shape x leaf of the leaves' log-likelihoods at the mean of the draws of their log means.
values_at_mean <- function(gene, rho) {
  shift <- colMeans(gene$log_mu) - gene$log_mu[1, ]
  of_leaf <- function(l) vapply(exp(rho), function(r) gene$value(l, shift[l], r)[1], 0)
  vapply(seq_along(shift), of_leaf, numeric(length(rho)))
}

# Shapes at which the integral over the line is taken exactly.
n_exact_shapes <- 7

# draws of log p(y_l | y_-l, ...): `leaves` are the leaf and those that move with it; `with` and `without` give draws of the
# log integrals over the line at a shape.
over_shapes <- function(gene, leaves, with, without) {
  s <- gene$shapes
  leaf <- leaves[1]
  n <- nrow(gene$log_mu)
  at <- chebyshev_points(range(s$rho), min(n_exact_shapes, length(s$rho)))
  weights <- lagrange_weights(at, s$rho)
  smooth <- function(f, moving) vapply(exp(at), function(r) f(r) - values_at_shape(gene, moving, r), numeric(n)) %*% weights
  others <- rep(s$prior + rowSums(s$rising[, -leaf, drop = FALSE]), each = n) + s$total - s$values[, leaf, ]
  own <- rep(s$rising[, leaf], each = n) + s$values[, leaf, ]
  log_row_sums(others + own + smooth(with, leaves)) - log_row_sums(others + smooth(without, leaves[-1])) + s$constant[leaf]
}

# draws of the log-likelihood of leaves at the draw's own effects and one shape.
values_at_shape <- function(gene, leaves, r) {
  Reduce(`+`, lapply(leaves, function(l) gene$value(l, 0, r)), numeric(nrow(gene$log_mu)))
}

chebyshev_points <- function(range, n) {
  if (n == 1) return(mean(range))
  mean(range) - diff(range) / 2 * cos((2 * seq_len(n) - 1) * pi / (2 * n)) / cos(pi / (2 * n))
}

# Matrix point x place: polynomial interpolation.
lagrange_weights <- function(points, places) {
  one <- function(i) {
    others <- points[-i]
    vapply(places, function(x) prod((x - others) / (points[i] - others)), 0)
  }
  matrix(vapply(seq_along(points), one, numeric(length(places))), length(points), byrow = TRUE)
}
