# How small a probability draws can tell of: the one rule for sign rates of all tables.
#
# Of n draws none need have the other sign where its probability is below 1 / n. Beyond, a rate is an extrapolation: by the tail
# of a t of the draws' mean and sd, whose degrees of freedom are the fewest that all draws of the table do not rule out. A normal
# would claim 2e-19 where a t of five degrees of freedom has 4e-5. Values keep their order down to the smallest double;
# prints and plots show none below the least supported one.

# One over all draws of a table: effects of one table share the shape of their tails. NA without draws.
least_supported <- function(effect) if (is.null(effect$draws)) NA_real_ else 1 / max(1, length(effect$draws))

# That of statistics of effects, for a table; NULL without draws.
known_support <- function(statistics) {
  known <- statistics$support[is.finite(statistics$support)]
  if (length(known)) known[1]
}

# The fewest degrees of freedom, with mean and sd those of each column: from the 99 percent quantile of all |z|, two standard
# errors of it up.
heaviest_df <- function(draws, mean, sd) {
  fine <- usable_effects(mean, sd)
  if (!any(fine)) return(least_tail_df)
  z <- abs(draws[, fine, drop = FALSE] - rep(mean[fine], each = nrow(draws))) / rep(sd[fine], each = nrow(draws))
  found <- stats::quantile(z, 0.99, names = FALSE)
  error <- sqrt(0.99 * 0.01 / length(z)) / (2 * stats::dnorm(stats::qnorm(0.995)))
  df_of_quantile(found + 2 * error)
}

least_tail_df <- 3
most_tail_df <- 1000

# The df of the t of unit variance whose |t| has this 99 percent quantile; it falls as df grows.
df_of_quantile <- function(quantile) {
  off <- function(log_df) unit_t_quantile(0.995, exp(log_df)) - quantile
  ends <- log(c(least_tail_df, most_tail_df))
  if (off(ends[1]) <= 0) return(least_tail_df)
  if (off(ends[2]) >= 0) return(most_tail_df)
  exp(stats::uniroot(off, ends, tol = 1e-6)$root)
}

unit_t_tail <- function(z, df, lower) stats::pt(z * sqrt(df / (df - 2)), df, lower.tail = lower)

# A learned prior may not make a rate smaller than the draws themselves do, as far as none of them is left.
no_surer_than_draws <- function(rate, own, support) if (is.null(support)) rate else pmax(rate, pmin(support, own), na.rm = TRUE)
