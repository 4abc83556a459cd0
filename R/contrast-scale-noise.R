# What is drawn on top of a posterior: effects of donors that have not been seen, and single cells.

# Effects of new levels, independent between genes. Conditions about the same level of a group have the same effects.
add_new_levels <- function(base, fit, arms, at) {
  terms <- model_of(fit)$design$terms
  for (k in seq_along(terms)) {
    key <- own_levels(c(terms[[k]]$vars, terms[[k]]$by$var), lapply(arms, `[[`, "values"))$key
    for (level in unique(key)) {
      of_level <- class_of_condition(terms[[k]], arms[[match(level, key)]]$values)
      effects <- new_level_effects(fit, of_level, at)
      for (a in which(key == level)) base[[a]] <- base[[a]] + Reduce(`+`, Map(`*`, effects, arms[[a]]$z[[k]]))
    }
  }
  base
}

# One matrix draws x genes per coefficient of a term: S L u with R = LL'.
new_level_effects <- function(fit, term, at) {
  sds <- draws_of(fit, sd_names(term), at)
  size <- dim(sds)[c(1, 3)]
  u <- lapply(term$coefs, function(coef) matrix(stats::rnorm(prod(size)), size[1]))
  if (term$cor) u <- correlated(u, correlation_factor(fit, term, at))
  lapply(seq_along(u), function(j) u[[j]] * sds[, j, ])
}

correlated <- function(u, factor) {
  lapply(seq_along(u), function(i) Reduce(`+`, lapply(seq_len(i), function(j) factor[[i]][[j]] * u[[j]])))
}

# The Cholesky factor of the correlations of every draw and gene, element by element: factor[[i]][[j]], j <= i.
correlation_factor <- function(fit, term, at) {
  factor <- list()
  for (i in seq_along(term$coefs)) {
    row <- list()
    for (j in seq_len(i - 1)) {
      known <- Reduce(`+`, lapply(seq_len(j - 1), function(m) row[[m]] * factor[[j]][[m]]), 0)
      row[[j]] <- (correlation_of(fit, term, term$coefs[j], term$coefs[i], at) - known) / factor[[j]][[j]]
    }
    rest <- 1 - Reduce(`+`, lapply(row, function(value) value^2), 0)
    factor[[i]] <- c(row, list(sqrt(pmax(rest, 1e-12))))
  }
  factor
}

# Cells --------------------------------------------------------------------------------------------------------------

# The log of Gamma(r, r) on top of each leaf's log mean: the rate of one cell, independent between leaves and genes.
add_cell_noise <- function(leaves, fit, plan, at) {
  shapes <- arm_shapes(fit, plan$arms, at)
  lapply(seq_along(leaves), function(l) leaves[[l]] + log_gamma_noise(shapes[[plan$leaves$arm[l]]]))
}

# By Gamma(r) = Gamma(r + 1) U^(1 / r), which does not underflow where r is small.
log_gamma_noise <- function(shape) {
  n <- length(shape)
  missing <- is.na(shape)
  shape[missing] <- 1
  noise <- log(stats::rgamma(n, shape + 1)) + log(stats::runif(n)) / shape - log(shape)
  noise[missing] <- NA
  noise
}

# draws x genes of the shape in each arm.
arm_shapes <- function(fit, arms, at) {
  design <- model_of(fit)$design
  if (is.null(design$x_disp)) {
    shape <- matrix(draws_of(fit, design$dispersion, at), ncol = length(at))
    return(rep(list(shape), length(arms)))
  }
  known <- !vapply(arms, function(arm) is.null(arm$x_disp), TRUE)
  if (!all(known)) refuse_arms("a contrast of coefficients")
  draws <- draws_of(fit, design$disp_names, at)
  lapply(arms, function(arm) exp(weighted_sum(draws, arm$x_disp)))
}
