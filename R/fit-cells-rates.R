# Means and sizes of leaves, draw by draw: the model's linear predictor without captures, and the dispersion.

# draw x leaf x gene of x_l beta_g + sum_k z_lk b_gk. For fits of twill_genes() samples are leaves.
leaf_log_mu <- function(fit, at) {
  design <- model_of(fit)$design
  effects <- function(term) lapply(colnames(term$z), function(coef) {
    draws_of(fit, effect_variables(term$group, term$levels, coef), at)
  })
  linear_predictor(design[c("x", "terms")], draws_of(fit, design$coef_names, at), effects)
}

# draw x leaf x gene of the negative binomial size, Inf for Poisson counts.
leaf_sizes <- function(fit, at) {
  design <- model_of(fit)$design
  n <- length(leaf_labels(fit))
  if (is.null(design$dispersion)) return(array(Inf, c(n_set_draws(fit), n, length(at))))
  if (!is.null(design$x_disp)) return(exp(linear_predictor(list(x = design$x_disp), draws_of(fit, design$disp_names, at))))
  draws <- draws_of(fit, design$dispersion, at)
  array(draws[, rep(1, n), ], c(dim(draws)[1], n, length(at)))
}

# list(mu, size), each draw x leaf: one gene in some draws.
gene_rates <- function(fit, at, ids) {
  pick <- function(values) matrix(values[ids, , 1], length(ids))
  list(mu = exp(pick(leaf_log_mu(fit, at))), size = pick(leaf_sizes(fit, at)))
}
