# Sign rates of effects under a prior that is learned over genes: a share without effect and normals of many sizes, around zero
# and away from it.
#
# As in adaptive shrinkage (Stephens 2017), but the likelihood of each gene's effect is the t that its draws look like:
# with few donors their tails are heavier than a normal's. A t is a mixture of normals, so that all integrals are closed.
# Genes with few counts on one side of the contrast have a likelihood of their own (contrast-density.R).

# Genes without effect that the prior takes for granted: as in Stephens 2017 ten, which are the prior where genes are few (a
# single gene has an effect with probability one in eleven at most, before its own data are seen), and one in 25 more, which
# makes up for posterior sds that are estimates.
genes_without_effect <- function(n) 10 + n / 25

# list(centres, sizes): the components. Normals around zero grow in steps of sqrt(2) up to twice the largest effect. Below the
# smallest posterior sd no effect can be told from none, and what is called small there is the error of the sds. Pairs of
# normals around +- centre, a third of it wide and in steps of two, let effects leave a gap around zero. Normals around zero
# alone would fill it, and take genes without effect for small ones: of simulated effects of at least 0.2, with posterior sds
# of 0.12, 5.4, 10.8 and 21.7 % of the calls at 0.05, 0.1 and 0.2 were wrong. Up and down are alike: equal evidence for either
# gives equal rates.
effect_components <- function(mean, sd) {
  smallest <- stats::quantile(sd, 0.02, names = FALSE)
  largest <- 2 * sqrt(max(mean^2 - sd^2, (2 * smallest)^2))
  around_zero <- smallest * sqrt(2)^(0:ceiling(2 * log2(largest / smallest)))
  pairs <- around_zero[seq(2, length(around_zero), by = 2)]
  pairs <- pairs[pairs <= max(abs(mean))]
  list(centres = c(0, 0 * around_zero, pairs), sizes = c(0, around_zero, pairs / 3))
}

# The same with pairs told apart: half of their shares each. `of` is the component. Mixtures that were given (tw_normal_mixture())
# have no pairs.
apart <- function(components) {
  pairs <- if (isFALSE(components$paired)) integer() else which(components$centres > 0)
  of <- c(seq_along(components$sizes), pairs)
  half <- ifelse(seq_along(components$sizes) %in% pairs, 0.5, 1)
  lower <- rep(c(1, -1), c(length(components$sizes), length(pairs)))
  list(of = of, centres = lower * components$centres[of], sizes = components$sizes[of], half = half[of],
       shares = (components$shares * half)[of])
}

# Log likelihoods of components from those of their normals, genes x normals.
pair_likelihoods <- function(values, parts) {
  whole <- values[, seq_len(max(parts$of)), drop = FALSE]
  upper <- parts$of[duplicated(parts$of)]
  lower <- values[, duplicated(parts$of), drop = FALSE]
  high <- pmax(whole[, upper], lower)
  whole[, upper] <- high + log(0.5 * (exp(whole[, upper] - high) + exp(lower - high)))
  whole
}

# `nodes` are variances in units of those of the effects, equally likely, or what t_nodes() gives for each effect.
error_variances <- function(sd, nodes) if (is.list(nodes)) sd^2 * nodes$variance else outer(sd^2, nodes)

# Log densities of the means under effects from N(centre, size^2), genes x nodes.
node_densities <- function(mean, sd, centre, size, nodes) {
  variance <- error_variances(sd, nodes) + size^2
  density <- -0.5 * ((mean - centre)^2 / variance + log(2 * pi * variance))
  if (is.list(nodes)) density + nodes$log_weight else density
}

# Log marginal likelihoods, genes x components. `densities` replace the t of some genes.
component_likelihoods <- function(mean, sd, components, nodes, densities = NULL) {
  one <- function(centre, size) {
    values <- node_densities(mean, sd, centre, size, nodes)
    top <- row_maxima(values)
    top + log(rowMeans(exp(values - top)))
  }
  parts <- apart(components)
  out <- matrix(unlist(Map(one, parts$centres, parts$sizes)), length(mean))
  for (own in densities) out[own$gene, ] <- density_likelihoods(own, parts)
  pair_likelihoods(out, parts)
}

# list(centres, sizes, shares, even, df): the prior of the effect over genes; NULL where no gene has an effect. `shares` are for
# signs, and err on the side of no effect; `even` for estimates (contrast-shrunken.R), if they are asked for.
learn_effect_prior <- function(draws, mean, sd, densities = NULL, nodes = NULL, estimates = FALSE) {
  ok <- usable_effects(mean, sd)
  if (!any(ok)) return(NULL)
  densities <- densities_of(densities, which(ok))
  plain <- setdiff(seq_len(sum(ok)), genes_of(densities))
  df <- pooled_df(draws[, which(ok)[plain], drop = FALSE], mean[ok][plain], sd[ok][plain])
  components <- effect_components(mean[ok], sd[ok])
  log_lik <- component_likelihoods(mean[ok], sd[ok], components, nodes_at(nodes, ok) %||% node_variances(df), densities)
  found <- mixture_shares(log_lik, genes_without_effect(sum(ok)))
  if (!found$converged) warn_unlearned(found$gap)
  even <- if (estimates) mixture_shares(log_lik, even_rows(ncol(log_lik)))$shares
  c(components, list(shares = found$shares, even = even, df = df))
}

warn_unlearned <- function(gap) {
  warn_twill("contrast", c("The prior of effects is not at its optimum: it may be {signif(gap, 2)} in log-likelihood below.",
                           "i" = "Rates and s-values are uncertain. {.code adaptive = FALSE} does without the prior."))
}

genes_of <- function(densities) vapply(densities, `[[`, 0L, "gene")

# The densities of the genes `at`, numbered among these.
densities_of <- function(densities, at) {
  kept <- Filter(function(own) own$gene %in% at, densities)
  lapply(kept, function(own) replace(own, "gene", match(own$gene, at)))
}

# list(below, above, zero): per gene, the probabilities that the effect is below and above each of `at` (genes x at) and that
# it is zero, under the prior. Both tails are computed as such: one less the other would be rounding error. `extra`, genes x
# values, are equally likely variances that are added to every effect but none.
adapted_posterior <- function(prior, mean, sd, at, extra = matrix(0, length(mean), 1), densities = NULL, nodes = NULL) {
  nodes <- nodes %||% node_variances(prior$df)
  below <- above <- matrix(0, length(mean), length(at))
  zero <- total <- numeric(length(mean))
  top <- row_maxima(component_likelihoods(mean, sd, prior, nodes))
  parts <- apart(prior)
  for (k in which(parts$shares > 0)) {
    weights <- parts$shares[k] * exp(node_densities(mean, sd, parts$centres[k], parts$sizes[k], nodes) - top)
    variances <- error_variances(sd, nodes)
    for (j in seq_len(ncol(variances))) {
      tails <- tails_in(mean, variances[, j], parts$centres[k], parts$sizes[k]^2, at, extra)
      below <- below + weights[, j] * tails$below
      above <- above + weights[, j] * tails$above
    }
    total <- total + rowSums(weights)
    if (parts$sizes[k] == 0) zero <- rowSums(weights)
  }
  out <- list(below = below / total, above = above / total, zero = zero / total)
  for (own in densities) out <- with_density(out, own, prior, at, extra)
  out
}

# Probabilities that effects are below and above `at`, genes x at, given means of variance `variance` and effects around
# `centre` of variance `size`.
tails_in <- function(mean, variance, centre, size, at, extra) {
  if (size == 0) {
    of_zero <- function(is) matrix(is, length(mean), length(at), byrow = TRUE) + 0
    return(list(below = of_zero(at > 0), above = of_zero(at < 0)))
  }
  share <- size / (variance + size)
  middle <- centre + (mean - centre) * share
  sd <- sqrt(variance * share + extra)
  tail <- function(lower) {
    one <- function(x) rowMeans(matrix(stats::pnorm(x, middle, sd, lower.tail = lower), length(mean)))
    matrix(vapply(at, one, numeric(length(mean))), length(mean))
  }
  list(below = tail(TRUE), above = tail(FALSE))
}

# The rates and probabilities of effect_statistics() under the learned prior. An effect of zero has no sign: any sign that
# is claimed for it is false. `base` is what rate_base() gives.
adapt_statistics <- function(statistics, prior, threshold, base = list(statistics = statistics)) {
  if (is.null(prior)) return(statistics)
  mean <- base$statistics$mean
  sd <- base$statistics$sd
  ok <- usable_effects(mean, sd)
  extra <- if (is.null(base$extra)) matrix(0, sum(ok), 1) else extra_nodes(base$extra[, ok, drop = FALSE])
  found <- adapted_posterior(prior, mean[ok], sd[ok], c(0, threshold, -threshold), extra, densities_of(base$densities, which(ok)),
                             nodes_at(base$nodes, ok))
  statistics$lfsr[ok] <- never_zero(pmin(found$below[, 1], found$above[, 1]) + found$zero) |>
    no_surer_than_draws(statistics$lfsr[ok], statistics$support[ok])
  if (threshold == 0) {
    statistics$fsos[ok] <- statistics$lfsr[ok]
    statistics$prob[ok] <- 1 - found$zero
  } else {
    statistics$fsos[ok] <- never_zero(pmin(found$below[, 2], found$above[, 3])) |>
      no_surer_than_draws(statistics$fsos[ok], statistics$support[ok])
    statistics$prob[ok] <- pmin(1, found$above[, 2] + found$below[, 3])
  }
  statistics
}
