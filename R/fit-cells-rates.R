# Means and sizes of leaves, draw by draw: the model's linear predictor without captures, and the dispersion.

# draw x leaf x gene of x_l beta_g + sum_k z_lk b_gk. For fits of twill_genes() samples are leaves.
leaf_log_mu <- function(fit, at) {
  design <- fit$job$model$design
  beta <- set_draws(fit, design$coef_names, at)
  n_draws <- dim(beta)[1]
  out <- array(0, c(n_draws, nrow(design$x), length(at)))
  for (g in seq_along(at)) out[, , g] <- matrix(beta[, , g], n_draws) %*% t(design$x)
  for (term in design$terms) for (coef in colnames(term$z)) {
    effects <- effect_draws(fit, effect_variables(term$group, term$levels, coef), at)
    rows <- which(term$z[, coef] != 0)
    if (length(rows) == 0) next
    z <- rep(term$z[rows, coef], each = n_draws)
    out[, rows, ] <- out[, rows, , drop = FALSE] + effects[, term$codes[rows], , drop = FALSE] * as.vector(z)
  }
  out
}

# draw x leaf x gene of the negative binomial size, Inf for Poisson counts.
leaf_sizes <- function(fit, at) {
  design <- fit$job$model$design
  n <- length(leaf_labels(fit))
  if (is.null(design$dispersion)) return(array(Inf, c(n_set_draws(fit), n, length(at))))
  draws <- set_draws(fit, if (is.null(design$x_disp)) design$dispersion else design$disp_names, at)
  size <- c(dim(draws)[1], n, length(at))
  if (is.null(design$x_disp)) return(array(draws[, rep(1, n), ], size))
  by_gene <- lapply(seq_along(at), function(g) exp(matrix(draws[, , g], size[1]) %*% t(design$x_disp)))
  array(unlist(by_gene), size)
}

# list(mu, size), each draw x leaf: one gene in some draws.
gene_rates <- function(fit, at, ids) {
  pick <- function(values) matrix(values[ids, , 1], length(ids))
  list(mu = exp(pick(leaf_log_mu(fit, at))), size = pick(leaf_sizes(fit, at)))
}
