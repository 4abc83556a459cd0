# What genes share of their guides, in the sampler of guides that fail (fit-screen-failing.R): spreads, and how many work.

# What genes share: the log-normal of each sd, and how many guides work, the labels summed over.
learn_guides <- function(state, data) {
  for (j in which(data$learns)) state <- learn_spread(state, data, j)
  if (!data$learns_all) return(state)
  learn_works(learn_kappa(state, data), data)
}

# The log-normal of the sds: given them, then with their places in it held, of effects that stand and of deviations that stand.
learn_spread <- function(state, data, j) {
  x <- state$log_sd[, j]
  n <- length(x)
  spread <- sqrt(sum((x - mean(x))^2) / stats::rchisq(1, n - 1))
  # As under a flat prior of location and log spread.
  new <- c(stats::rnorm(1, mean(x), spread / sqrt(n)), spread)
  if (accepts(spread_prior_gain(new, state$shared[[j]], data, j))) state$shared[[j]] <- new
  move_spread(move_spread(state, data, j, FALSE), data, j, TRUE)
}

# Log ratio of the densities of location and log spread, which are those of genes (part_hyperprior()): where guides do not differ
# the location would be anywhere below.
spread_prior_gain <- function(new, old, data, j) {
  if (new[2] < least_spread) return(-Inf)
  hyper <- data$hyper[[j]]
  log_density <- function(par) sum(stats::dnorm(c(par[1], log(par[2])), hyper$mean, hyper$sd, log = TRUE))
  log_density(new) - log_density(old)
}

# Of the log of sds over genes: below it chains would stick, and sds are then alike.
least_spread <- 0.25

move_spread <- function(state, data, j, holds_deviations) {
  old <- state$shared[[j]]
  step <- sample(c(0.03, 0.15, 0.6), 1)
  new <- c(old[1] + stats::rnorm(1, 0, step), old[2] * exp(stats::rnorm(1, 0, min(step, 0.15))))
  gain <- spread_prior_gain(new, old, data, j)
  if (gain == -Inf) return(state)
  moved <- state
  moved$shared[[j]] <- new
  moved$log_sd[, j] <- new[1] + (state$log_sd[, j] - old[1]) * new[2] / old[2]
  move_all(state, moved, data, j, holds_deviations, gain)
}

# A move of what all genes share of effect j (or of several), effects or standardised deviations held.
move_all <- function(state, moved, data, j, holds_deviations, log_prior = 0) {
  if (holds_deviations) {
    for (one in j) moved <- rescale_deviations(moved, state, data, one)
    log_ratio <- sum(log_lik_gain(moved, state, data))
  } else {
    log_ratio <- 0
    for (one in j) log_ratio <- log_ratio + sum(deviation_log_density(moved, data, one) - deviation_log_density(state, data, one))
  }
  if (accepts(log_ratio + log_prior)) moved else state
}

# How working guides differ in efficacy, as a share of their gene's effect: half-normal. It is one number for all effects of a
# gene.
learn_kappa <- function(state, data) {
  effects <- seq_len(ncol(data$x))
  for (holds_deviations in c(FALSE, TRUE)) {
    moved <- state
    moved$kappa <- state$kappa * exp(stats::rnorm(1, 0, sample(c(0.25, 1), 1)))
    log_prior <- (state$kappa^2 - moved$kappa^2) / (2 * kappa_scale^2) + log(moved$kappa / state$kappa)
    state <- move_all(state, moved, data, effects, holds_deviations, log_prior)
  }
  state
}

kappa_scale <- 0.3

# Genes whose effect, in the state of the chain, is four times what a guide without effect shows. Others do not say how many
# guides work, but would seem to: with fewer guides that work the effect of a gene without one is less certain, and so fits its
# wide prior better.
has_clear_effect <- function(state, data) {
  clear <- rep(FALSE, length(data$genes))
  shape <- shapes_of(state, data)
  for (j in seq_len(ncol(data$x))) {
    information <- pmax(guide_slopes(state$mu, shape, data, j)$information, 1e-8)
    noise <- gene_sums(data, pmin(1 / information, 1e4) * data$seen) / pmax(gene_sums(data, as.numeric(data$seen)), 1)
    clear <- clear | abs(state$beta[, j]) > 4 * sqrt(exp(2 * state$log_sd[, j]) + noise)
  }
  clear
}

learn_works <- function(state, data) {
  tells <- has_clear_effect(state, data)
  sums <- log_label_sums(log_odds_failing(state, data), data)[tells, , drop = FALSE]
  none <- data$no_odds[tells, , drop = FALSE]
  log_density <- function(works) {
    sum(log_share(sums, works) - log_share(none, works)) + stats::dbeta(works, works_prior[1], works_prior[2], log = TRUE) +
      log(works) + log1p(-works)
  }
  for (turn in 1:2) {
    new <- stats::plogis(stats::qlogis(state$works) + stats::rnorm(1, 0, 0.4))
    if (accepts(log_density(new) - log_density(state$works))) state$works <- new
  }
  state
}

# Genes x (0, 1, ... failing guides): logs of the elementary symmetric sums of the odds of failing.
log_label_sums <- function(log_odds, data) {
  most <- max(data$most_failing)
  sums <- matrix(-Inf, length(data$genes), most + 1)
  sums[, 1] <- 0
  for (slot in unique(data$guides$slot)) {
    at <- which(data$guides$slot == slot & data$seen)
    gene <- data$gene[at]
    for (f in rev(seq_len(most))) sums[gene, f + 1] <- log_plus(sums[gene, f + 1], sums[gene, f] + log_odds[at])
  }
  sums[col(sums) - 1 > data$most_failing] <- -Inf
  sums
}

log_plus <- function(a, b) {
  top <- pmax(a, b)
  ifelse(is.infinite(top), top, top + log(exp(a - top) + exp(b - top)))
}

# Log of the sum over labels, per gene, but for works^guides.
log_share <- function(sums, works) {
  values <- sums + rep((seq_len(ncol(sums)) - 1) * (log1p(-works) - log(works)), each = nrow(sums))
  top <- do.call(pmax, lapply(seq_len(ncol(values)), function(f) values[, f]))
  top + log(rowSums(exp(values - top)))
}
