# tw_gene_sets(against = "rest"): are the genes of a set more changed than the others.

# Noise of two kinds is added to draws of a set's mean less that of the other genes: of which genes make a set, and, where the
# donors have not told of it already, of genes that move together from sample to sample.
compete <- function(effect, fit, contrast, weights, ask, members, inflate) {
  genes <- asked_effect(fit, contrast, weights, ask)$draws
  usable <- which(!is.na(colSums(genes)))
  kept <- lapply(lapply(members, match, which(!ask$mask)), intersect, usable)
  size <- lengths(kept)
  variance <- gene_variance(fit, genes[, usable, drop = FALSE]) * (1 / size + 1 / (length(usable) - size))
  with_local_seed(fit$job$settings$seed, {
    draws <- if (inflate) inflate_draws(effect$draws, fit, members) else effect$draws
    noise <- stats::rnorm(nrow(draws))
  })
  effect$draws <- draws + noise * rep(sqrt(variance), each = nrow(draws))
  effect
}

# Variance over genes of their true effects, without the error of the estimates: its moment estimator by Paule and Mandel (1982).
# Under a prior of effects that is learned over genes posterior means are drawn together by what the posterior variances say.
gene_variance <- function(fit, draws) {
  mean <- colMeans(draws)
  error <- column_sds(draws)^2
  if (fit$job$sharing$effect_prior != "weak") return(mean((mean - mean(mean))^2 + error))
  excess <- function(variance) {
    w <- 1 / (error + variance)
    sum(w * (mean - sum(w * mean) / sum(w))^2) - (length(mean) - 1)
  }
  if (length(mean) < 2 || excess(0) <= 0) return(0)
  stats::uniroot(excess, c(0, 2 * stats::var(mean) + 1e-12), extendInt = "downX", tol = 1e-8)$root
}

# Deviations of draws from their mean times the root of the variance inflation of the set. Of the latter there is an estimate from
# df residuals of samples, so that its posterior under the reference prior is df * estimate / chi^2_df, below that of genes that
# move as one.
inflate_draws <- function(draws, fit, members) {
  found <- set_inflation(fit, members)
  if (found$df < 2) {
    warn_twill("donors", c("Genes of a set are taken as independent: too few samples tell how they move together.",
                           "x" = "The design leaves {found$df} of them."))
    return(draws)
  }
  centre <- rep(colMeans(draws), each = nrow(draws))
  by_draw <- function(x) matrix(x, nrow(draws), length(x), byrow = TRUE)
  most <- sqrt(pmax(1, lengths(members)))
  centre + (draws - centre) * bounded_sigma(by_draw(found$df * found$inflation), found$df, by_draw(most))
}

# list(inflation, df): the variance over samples of the mean of a set's standardised residuals less that of other genes, in units
# of that of independent genes: near 1 + (m - 1) rho of Wu and Smyth (2012) with rho the mean correlation of the set's genes,
# where the others are many and do not move together.
set_inflation <- function(fit, members) {
  parts <- residual_parts(fit)
  df <- length(parts$units$labels) - parts$rank
  if (df < 2) return(list(inflation = rep(1, length(members)), df = df))
  others <- residual_genes(fit)
  at <- sort(union(unlist(members), others))
  r <- standard_residuals(fit, at, parts, df)
  at <- at[is.finite(rowSums(r))]
  r <- r[is.finite(rowSums(r)), , drop = FALSE]
  mean_of <- function(genes) colMeans(r[match(genes, at), , drop = FALSE])
  inflation <- vapply(members, function(set) {
    set <- intersect(set, at)
    rest <- setdiff(intersect(others, at), set)
    if (length(set) == 0 || length(rest) == 0) return(1)
    sum((mean_of(set) - mean_of(rest))^2) / df / (1 / length(set) + 1 / length(rest))
  }, 0)
  list(inflation = inflation, df = df)
}

# gene x unit: whitened residuals with a mean square of 1 over df. In steps, because a gene takes a matrix of units.
standard_residuals <- function(fit, at, parts, df) {
  steps <- gene_ranges(length(at), length(parts$units$labels)^2)
  r <- do.call(rbind, lapply(steps, function(step) {
    response <- unit_responses(fit, at[step], parts)
    t(vapply(seq_along(step), function(g) whiten_gene(response, parts, g)$r, numeric(length(parts$units$labels))))
  }))
  r / sqrt(rowSums(r^2) / df)
}
