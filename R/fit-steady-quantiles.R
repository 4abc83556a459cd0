# Ends of intervals from few draws: quantiles of the smooth distribution that draws look like, in the place of order statistics.
#
# With the default 600 draws the 2.5 percent quantile stands on fifteen of them, and moves by a seventh of a posterior sd from
# seed to seed. Mean and sd use all draws. What else the quantile depends on is shape, which genes have in common for the most
# part:
#   end = mean + sd K(z, skew)
# with z the quantile of a t of unit variance whose degrees of freedom are those of all genes' tails (as sign rates take it), and
# K the frequency factor of Pearson's type III (Wilson and Hilferty's approximation), which bends z by the skewness of the gene.

# Ends of the columns of draws, columns x probs. `extra`, draws x columns, are variances that are added to each draw.
steady_quantiles <- function(draws, probs, extra = NULL) {
  mean <- colMeans(draws)
  sd <- column_sds(draws)
  added <- if (is.null(extra)) 0 else colMeans(extra)
  total <- sqrt(sd^2 + added)
  fine <- usable_effects(mean, sd)
  of_draws <- function() column_quantiles(noisy_draws(list(draws = draws, extra = extra), 1), probs, few_draws_type)
  if (nrow(draws) < least_steady_draws || !any(fine)) return(of_draws())
  df <- pooled_df(draws[, fine, drop = FALSE], mean[fine], sd[fine])
  if (df < least_steady_df) return(of_draws())
  skew <- shrunk_skewness(draws, mean, sd, fine) * (sd / total)^3
  z <- if (is.null(extra)) matrix(unit_t_quantile(probs, df), length(mean), length(probs), byrow = TRUE) else
    sum_quantiles(probs, df, (sd / total)^2, t(extra_nodes(extra)) / rep(total^2, each = min(nrow(extra), n_extra_nodes)))
  out <- mean + total * bent(z, skew)
  out[!is.finite(mean), ] <- NA
  out[is.finite(mean) & !fine & total == 0, ] <- mean[is.finite(mean) & !fine & total == 0]
  unname(out)
}

# Fewer draws have no shape, and of a t with fewer degrees of freedom the sd is no better known than a quantile.
least_steady_draws <- 40
least_steady_df <- 5

# Monte Carlo error of such ends, in posterior sds: from ten parts of the draws, the median over columns. NA for few draws.
interval_error <- function(effect, prob) {
  draws <- effect$draws
  if (is.null(draws) || nrow(draws) < least_steady_draws) return(NULL)
  part <- ceiling(10 * seq_len(nrow(draws)) / nrow(draws))
  z <- stats::qnorm((1 + prob) / 2)
  ends <- lapply(1:10, function(k) {
    rows <- part == k
    some <- draws[rows, , drop = FALSE]
    added <- if (is.null(effect$extra)) 0 else colMeans(effect$extra[rows, , drop = FALSE])
    spread <- z * sqrt(column_sds(some)^2 + added)
    c(colMeans(some) - spread, colMeans(some) + spread)
  })
  added <- if (is.null(effect$extra)) 0 else colMeans(effect$extra)
  error <- apply(do.call(cbind, ends), 1, stats::sd) / sqrt(10) / rep(sqrt(column_sds(draws)^2 + added), 2)
  if (any(is.finite(error))) stats::median(error[is.finite(error)])
}

unit_t_quantile <- function(probs, df) if (is.finite(df)) stats::qt(probs, df) * sqrt((df - 2) / df) else stats::qnorm(probs)

# Pearson's type III of mean 0, variance 1 and this skewness.
bent <- function(z, skew) {
  skew <- matrix(pmin(2, pmax(-2, skew)), nrow(z), ncol(z))
  small <- abs(skew) < 1e-3
  g <- ifelse(small, 1, skew)
  k <- 2 / g * ((1 + g * z / 6 - g^2 / 36)^3 - 1)
  ifelse(small, z + (z^2 - 1) / 6 * skew, k)
}

# Third moments of 600 draws have an error of 0.10. How much of what is found is there, two halves of the draws tell over genes;
# what is far beyond the error in a gene is its own in any case.
shrunk_skewness <- function(draws, mean, sd, fine) {
  third <- function(rows) {
    part <- draws[rows, , drop = FALSE]
    centre <- colMeans(part)
    colMeans((part - rep(centre, each = nrow(part)))^3) / sd^3
  }
  n <- nrow(draws)
  skew <- third(seq_len(n))
  known <- list(centre = 0, kept = 0, error = 6 / n)
  if (sum(fine) >= 20) {
    known <- skewness_over_genes(skew[fine], third(seq_len(n %/% 2))[fine], third(seq(n %/% 2 + 1, n))[fine], n)
  }
  own <- pmax(0, 1 - 6 * known$error / skew^2)
  ifelse(fine, known$centre + pmax(known$kept, own) * (skew - known$centre), 0)
}

# list(centre, kept, error): mean, the share of what is found that both halves have, and the variance of the error, which
# heavy tails raise above a normal's 6 / n (the median of a squared normal is 0.455).
skewness_over_genes <- function(skew, first, second, n) {
  kept <- max(0, min(1, stats::cov(first, second) / stats::var(skew)))
  list(centre = mean(skew), kept = kept, error = max(6 / n, stats::median((first - second)^2 / 4) / 0.455))
}

# Quantiles of the sum of a t of variance `share` and a normal whose variance is one of `added`, values x genes, which have unit
# variance together: genes x probs, by Newton's method on a mixture of normals.
sum_quantiles <- function(probs, df, share, added) {
  nodes <- node_variances(df)
  nodes <- nodes / mean(nodes)
  sds <- sqrt(do.call(cbind, lapply(nodes, function(node) node * share + t(added))))
  columns <- vapply(probs, function(p) {
    q <- rep(stats::qnorm(p), length(share))
    for (step in 1:8) {
      value <- rowMeans(stats::pnorm(q / sds)) - p
      slope <- rowMeans(stats::dnorm(q / sds) / sds)
      q <- q - pmax(-0.5, pmin(0.5, value / pmax(slope, 1e-12)))
    }
    q
  }, share)
  matrix(columns, length(share))
}

# Degrees of freedom that the tails of all genes' draws have together; Inf for normal ones. `draws` is draws x genes.
pooled_df <- function(draws, mean, sd) {
  if (is.null(draws) || length(mean) == 0) return(Inf)
  z <- abs(draws - rep(mean, each = nrow(draws))) / rep(sd, each = nrow(draws))
  found <- stats::quantile(z, 0.99, names = FALSE)
  candidates <- c(3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
  of_t <- stats::qt(0.995, candidates) * sqrt((candidates - 2) / candidates)
  if (found <= stats::qnorm(0.995)) Inf else candidates[which.min(abs(of_t - found))]
}

usable_effects <- function(mean, sd) is.finite(mean) & is.finite(sd) & sd > 0

# Variances of the nodes, in units of the posterior variance.
node_variances <- function(df) {
  if (!is.finite(df)) return(1)
  precision <- stats::qgamma((seq_len(n_t_nodes) - 0.5) / n_t_nodes, df / 2, df / 2)
  (df - 2) / df / precision
}

# With the variance of a new level: one normal deviate per draw, spread evenly over its quantiles.
noisy_draws <- function(effect, seed) {
  if (is.null(effect$extra)) return(effect$draws)
  n <- nrow(effect$draws)
  z <- with_local_seed(seed, sample(stats::qnorm((seq_len(n) - 0.5) / n)))
  effect$draws + sqrt(effect$extra) * z
}

extra_nodes <- function(extra) {
  if (nrow(extra) <= n_extra_nodes) return(t(extra))
  group <- ceiling(seq_len(nrow(extra)) * n_extra_nodes / nrow(extra))
  sorted <- apply(extra, 2, function(v) if (anyNA(v)) rep(NA_real_, length(v)) else sort(v))
  t(rowsum(sorted, group) / as.vector(table(group)))
}

# Few values that stand for the draws of the added variance, genes x values: means of draws that follow one another in size.
n_extra_nodes <- 8

# Normals that stand for a t: equally likely values of the inverse variance.
n_t_nodes <- 20
