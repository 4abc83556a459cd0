# Moves of the sampler of guides that fail (fit-screen-failing.R): effects of guides, labels, and what genes have of their own.

means_of <- function(t, data) exp(pmin(data$offset + t %*% t(data$x), 700))

# Log-likelihood of guides, but for what does not depend on the means.
guide_log_lik <- function(mu, shape, data) rowSums(data$known * (data$y * log(mu) - (data$y + shape) * log(mu + shape)))

# Slope and expected information of each guide in its effect j.
guide_slopes <- function(mu, shape, data, j) {
  x <- rep(data$x[, j], each = nrow(mu))
  share <- mu / (mu + shape)
  list(slope = rowSums(data$known * x * (data$y - (data$y + shape) * share)),
       information = rowSums(data$known * x^2 * shape * share))
}

# Variance of effect j of each guide about its gene's: its gene's own, and how working guides differ in efficacy.
guide_variance <- function(state, data, j, works = state$w) {
  exp(2 * state$log_sd[data$gene, j]) + works * (state$kappa * state$beta[data$gene, j])^2
}

# Log density of the effects of guides that are `deviation` from their mean.
log_normal_density <- function(deviation, variance) -0.5 * (log(variance) + deviation^2 / variance)

# The same of effect j of all guides, in a state of the chain.
deviation_log_density <- function(state, data, j) {
  log_normal_density(state$t[, j] - state$w * state$beta[data$gene, j], guide_variance(state, data, j))
}

shapes_of <- function(state, data) exp(state$log_shape)[data$gene]

accepts <- function(log_ratio) {
  taken <- log(stats::runif(length(log_ratio))) < log_ratio
  taken & !is.na(taken)
}

# Normal proposals by one of Newton's steps, and the log ratio of their densities; `at(value)` gives list(slope, information).
newton_proposal <- function(value, here) {
  move <- pmin(pmax(here$slope / here$information, -3), 3)
  list(mean = value + move, sd = 1 / sqrt(here$information))
}

# Effect j of each guide, given its gene.
move_effects <- function(state, data, j) {
  shape <- shapes_of(state, data)
  mean <- state$w * state$beta[data$gene, j]
  precision <- 1 / guide_variance(state, data, j)
  step <- function(t, mu) {
    slopes <- guide_slopes(mu, shape, data, j)
    newton_proposal(t, list(slope = slopes$slope + precision * (mean - t), information = slopes$information + precision))
  }
  old <- state$t[, j]
  there <- step(old, state$mu)
  new <- stats::rnorm(length(old), there$mean, there$sd)
  t <- state$t
  t[, j] <- new
  mu <- means_of(t, data)
  back <- step(new, mu)
  log_ratio <- guide_log_lik(mu, shape, data) - guide_log_lik(state$mu, shape, data) -
    precision / 2 * ((new - mean)^2 - (old - mean)^2) +
    stats::dnorm(old, back$mean, back$sd, log = TRUE) - stats::dnorm(new, there$mean, there$sd, log = TRUE)
  taken <- accepts(log_ratio)
  state$t[taken, j] <- new[taken]
  state$mu[taken, ] <- mu[taken, ]
  state
}

# Log odds of failing over working, without the prior.
log_odds_failing <- function(state, data) {
  total <- 0
  for (j in seq_len(ncol(data$x))) {
    total <- total + log_normal_density(state$t[, j], guide_variance(state, data, j, 0)) -
      log_normal_density(state$t[, j] - state$beta[data$gene, j], guide_variance(state, data, j, 1))
  }
  total
}

draw_labels <- function(state, data) {
  log_odds <- log_odds_failing(state, data) + log1p(-state$works) - log(state$works)
  failing <- gene_sums(data, (1 - state$w) * data$seen)
  for (slot in unique(data$guides$slot)) {
    at <- which(data$guides$slot == slot & data$seen)
    gene <- data$gene[at]
    others <- failing[gene] - (1 - state$w[at])
    fails <- accepts(-log1p(exp(-log_odds[at]))) & others < data$most_failing[gene]
    state$w[at] <- 1 - fails
    failing[gene] <- others + fails
  }
  state
}

beta_log_prior <- function(beta, data) {
  centred <- beta %*% data$to_centred
  total <- 0
  for (j in seq_along(data$coef_priors)) total <- total + gene_prior_density(data$coef_priors[[j]], centred[, j])
  total
}

# Given effects beta is nearly normal: about their mean, weighted.
move_beta_given_effects <- function(state, data) {
  for (j in seq_len(ncol(state$beta))) {
    proposal <- function(state) {
      weight <- state$w / guide_variance(state, data, j)
      total <- gene_sums(data, weight)
      list(mean = gene_sums(data, weight * state$t[, j]) / total, sd = 1 / sqrt(total))
    }
    there <- proposal(state)
    new <- state
    new$beta[, j] <- stats::rnorm(nrow(new$beta), there$mean, there$sd)
    back <- proposal(new)
    log_density <- function(state) {
      deviation <- state$t[, j] - state$beta[data$gene, j]
      gene_sums(data, state$w * log_normal_density(deviation, guide_variance(state, data, j))) + beta_log_prior(state$beta, data)
    }
    log_ratio <- log_density(new) - log_density(state) + stats::dnorm(state$beta[, j], back$mean, back$sd, log = TRUE) -
      stats::dnorm(new$beta[, j], there$mean, there$sd, log = TRUE)
    taken <- accepts(log_ratio)
    state$beta[taken, j] <- new$beta[taken, j]
  }
  state
}

sd_log_prior <- function(log_sd, state, data, j) {
  prior <- data$other_priors[[j + 1]]
  if (data$learns[j]) prior$args <- matrix(state$shared[[j]], length(log_sd), 2, byrow = TRUE)
  gene_prior_density(prior, exp(log_sd)) + log_sd
}

move_sd_given_effects <- function(state, data, j) {
  log_density <- function(state) {
    sd_log_prior(state$log_sd[, j], state, data, j) + gene_sums(data, deviation_log_density(state, data, j))
  }
  new <- state
  new$log_sd[, j] <- new$log_sd[, j] + stats::rnorm(nrow(state$beta), 0, sample(c(0.3, 0.8), 1))
  taken <- accepts(log_density(new) - log_density(state))
  state$log_sd[taken, j] <- new$log_sd[taken, j]
  state
}

# The gene with all guides that work, their deviations held.
move_gene <- function(state, data, j) {
  shape <- shapes_of(state, data)
  step <- function(beta, mu) {
    slopes <- guide_slopes(mu, shape, data, j)
    newton_proposal(beta, list(slope = gene_sums(data, state$w * slopes$slope),
                               information = gene_sums(data, state$w * slopes$information) + 0.1))
  }
  beta <- state$beta
  there <- step(state$beta[, j], state$mu)
  beta[, j] <- stats::rnorm(nrow(beta), there$mean, there$sd)
  t <- state$t
  t[, j] <- t[, j] + state$w * (beta[, j] - state$beta[, j])[data$gene]
  mu <- means_of(t, data)
  back <- step(beta[, j], mu)
  deviation <- state$t[, j] - state$w * state$beta[data$gene, j]
  density <- function(state) log_normal_density(deviation, guide_variance(state, data, j))
  own <- guide_log_lik(mu, shape, data) - guide_log_lik(state$mu, shape, data) +
    density(replace(state, "beta", list(beta))) - density(state)
  log_ratio <- gene_sums(data, own) + beta_log_prior(beta, data) - beta_log_prior(state$beta, data) +
    stats::dnorm(state$beta[, j], back$mean, back$sd, log = TRUE) - stats::dnorm(beta[, j], there$mean, there$sd, log = TRUE)
  taken <- accepts(log_ratio)
  take_genes(state, data, taken, t, mu, beta = beta)
}

take_genes <- function(state, data, taken, t, mu, ...) {
  guides <- taken[data$gene]
  state$t[guides, ] <- t[guides, ]
  state$mu[guides, ] <- mu[guides, ]
  for (name in ...names()) state[[name]][taken, ] <- list(...)[[name]][taken, ]
  state
}

move_sd_given_deviations <- function(state, data, j) {
  new <- state
  new$log_sd[, j] <- new$log_sd[, j] + stats::rnorm(nrow(new$beta), 0, sample(c(0.3, 1), 1))
  new <- rescale_deviations(new, state, data, j)
  log_ratio <- gene_sums(data, log_lik_gain(new, state, data)) + sd_log_prior(new$log_sd[, j], state, data, j) -
    sd_log_prior(state$log_sd[, j], state, data, j)
  take_genes(state, data, accepts(log_ratio), new$t, new$mu, log_sd = new$log_sd)
}

# Deviations of effect j in their own standard deviations as they were in `old`: their density and the change of measure cancel.
rescale_deviations <- function(new, old, data, j) {
  mean <- new$w * new$beta[data$gene, j]
  new$t[, j] <- mean + (new$t[, j] - mean) * sqrt(guide_variance(new, data, j) / guide_variance(old, data, j))
  new$mu <- means_of(new$t, data)
  new
}

log_lik_gain <- function(new, old, data) {
  shape <- shapes_of(old, data)
  guide_log_lik(new$mu, shape, data) - guide_log_lik(old$mu, shape, data)
}

move_shape <- function(state, data) {
  log_density <- function(log_shape) {
    shape <- exp(log_shape)[data$gene]
    terms <- lgamma(data$y + shape) - lgamma(shape) + shape * log(shape) - (data$y + shape) * log(state$mu + shape)
    gene_sums(data, rowSums(data$known * terms)) + gene_prior_density(data$other_priors[[1]], exp(log_shape)) + log_shape
  }
  new <- state$log_shape + stats::rnorm(length(state$log_shape), 0, 0.5)
  taken <- accepts(log_density(new) - log_density(state$log_shape))
  state$log_shape[taken] <- new[taken]
  state
}
