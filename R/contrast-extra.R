# Further columns of a contrast of counts: divergence of the distributions of cells, and ratio of their variances.

check_extra <- function(fit, extra) {
  if (length(extra) == 0) return(character())
  if (!is.character(extra)) check_choice(extra, "extra", c("kl", "lvr"))
  for (one in extra) check_choice(one, "extra", c("kl", "lvr"))
  if ("kl" %in% extra) need_shape(fit, "extra")
  if (!has_counts(fit)) abort_twill("contrast", c("{.arg extra} needs a model of counts.",
                                                  "x" = "This fit is of the {family(fit)$family} family."))
  unique(extra)
}

# Columns for all genes, made block by block: nothing of draws x genes is kept. In each donor the two sides are compared, and
# the result is the donors' weighted mean.
extra_columns <- function(fit, contrast, ask, unit) {
  if (length(ask$extra) == 0) return(NULL)
  plan <- scale_plan(fit, contrast, ask)
  pairs <- leaf_pairs(plan)
  blocks <- scale_blocks(fit, length(fit$posterior$rows), nrow(plan$leaves))
  parts <- with_local_seed(fit$job$settings$seed, {
    lapply(blocks, function(at) extra_block(fit, plan, pairs, ask$extra, at, unit))
  })
  table <- do.call(rbind, parts)
  table[ask$mask, ] <- NA
  table
}

# Numbers of the leaves of the two sides, donor by donor, and the donors' shares.
leaf_pairs <- function(plan) {
  weight <- vapply(plan$arms, `[[`, 0, "weight")
  sides <- lapply(c(1, -1), function(sign) which(plan$leaves$arm %in% which(weight == sign)))
  leaves <- lapply(sides, function(side) plan$leaves[side, ])
  if (length(weight) != 2 || any(lengths(sides) == 0) || !identical(leaves[[1]]$donor, leaves[[2]]$donor)) {
    abort_twill("contrast", c("{.arg extra} compares two conditions in the same donors.",
                              "i" = "Write {.code cond(x = \"a\") - cond(x = \"b\")}."))
  }
  list(first = sides[[1]], second = sides[[2]], share = leaves[[1]]$share)
}

extra_block <- function(fit, plan, pairs, extra, at, unit) {
  leaves <- leaf_log_means(fit, plan, at)
  shapes <- if (identical(model_of(fit)$design$dispersion, "shape")) arm_shapes(fit, plan$arms, at)
  of_leaf <- function(l) list(mean = leaves[[l]], shape = shapes[[plan$leaves$arm[l]]])
  average <- function(f) {
    one <- function(first, second, share) share * f(of_leaf(first), of_leaf(second))
    Reduce(`+`, Map(one, pairs$first, pairs$second, pairs$share))
  }
  parts <- c(if ("kl" %in% extra) list(kl = column_quantiles(average(gamma_divergence), 0.5)[, 1]),
             if ("lvr" %in% extra) lvr_columns(average(log_variance_ratio), unit))
  as.data.frame(parts)
}

lvr_columns <- function(draws, unit) {
  s <- effect_statistics(list(draws = draws), 0, 0.95)
  list(lvr = s$mean / unit, lvrSE = s$sd / unit, lvr_lfsr = s$lfsr)
}

# Logarithm of (mu + mu^2 / r), first less second.
log_variance_ratio <- function(first, second) {
  log_variance <- function(side) side$mean + if (is.null(side$shape)) 0 else log1p(exp(side$mean) / side$shape)
  log_variance(first) - log_variance(second)
}

# Symmetric (Jeffreys) divergence of the Gamma distributions of the cells' rates, shape r and mean mu, in nats: the sum of
# KL(first, second) and KL(second, first). The terms in ln Gamma cancel.
gamma_divergence <- function(first, second) {
  a <- first$shape
  b <- second$shape
  if (identical(a, b)) return(a * (expm1(second$mean - first$mean) + expm1(first$mean - second$mean)))
  log_rate <- log(a) - first$mean - log(b) + second$mean
  (a - b) * (digamma(a) - digamma(b) - log_rate) + a * expm1(-log_rate) + b * expm1(log_rate)
}

extra_texts <- function(unit) {
  base <- unit_short(unit)
  c(kl = "posterior median of the symmetric Kullback-Leibler divergence of the cells' Gamma rates, in nats",
    lvr = paste0("posterior mean of the log ratio of variances mu + mu^2 / shape, ", base),
    lvrSE = paste0("posterior sd of the log ratio of variances, ", base),
    lvr_lfsr = "probability of the other sign of the log ratio of variances")
}
