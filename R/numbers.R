# Small computations that several stages share.

# The longest step that keeps values positive.
inside <- function(values, move) min(1, 0.99 / max(-move / values, 1e-300))

# draws x variable x gene -> draws x gene.
weighted_sum <- function(draws, weights) {
  size <- dim(draws)
  out <- matrix(0, size[1], size[3])
  for (j in which(weights != 0)) out <- out + weights[j] * draws[, j, ]
  out
}

# Logarithm of the mean of exp(x), and its Monte Carlo error for independent draws. What is not finite has no mass.
mean_of_ratios <- function(x) {
  top <- max(x[is.finite(x)], -Inf)
  if (top == -Inf) return(list(value = -Inf, error = NA_real_))
  ratios <- ifelse(is.finite(x), exp(x - top), 0)
  list(value = top + log(mean(ratios)), error = stats::sd(ratios) / mean(ratios) / sqrt(length(x)))
}

# log of the mean of exp(x) over each column, without overflow.
log_mean_exp <- function(x) {
  highest <- apply(x, 2, max)
  highest + log(colMeans(exp(x - rep(highest, each = nrow(x)))))
}

# One draw has no spread, nor have infinite ones. Column by column, since a matrix of means takes longer to make than all else.
column_sds <- function(draws) {
  if (nrow(draws) < 2) return(rep(NA_real_, ncol(draws)))
  mean <- colMeans(draws)
  squares <- vapply(seq_along(mean), function(j) sum((draws[, j] - mean[j])^2), 0)
  stats::setNames(nan_to_na(sqrt(squares / (nrow(draws) - 1))), names(mean))
}

# Of `known`, n whose levels are evenly spaced, from the lower tenth to the highest.
evenly_spaced <- function(known, level, n) {
  wanted <- seq(stats::quantile(level, 0.1, names = FALSE), max(level), length.out = n)
  unique(known[vapply(wanted, function(w) which.min(abs(level - w)), 1L)])
}

whole_breaks <- function(limits) unique(round(pretty(pmax(limits, 0), 4)))

# Leaves R's generator as it was, also its kind.
with_local_seed <- function(seed, code) {
  old <- get0(".Random.seed", envir = globalenv(), inherits = FALSE)
  on.exit(if (is.null(old)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", old, envir = globalenv()))
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  force(code)
}

# The engine says NaN of what a gene does not have; tables say NA.
nan_to_na <- function(x) replace(x, is.nan(x), NA_real_)

# exp() of more than 709 overflows; 500 leaves room for the rest of the linear predictor.
largest_offset <- 500

# Mean of the rates of all genes with a rate at most as large. Genes without draws have none.
s_values <- function(rate) {
  sorted <- order(rate, na.last = NA)
  running <- cumsum(rate[sorted]) / seq_along(sorted)
  # Genes with the same rate are in it together.
  last <- stats::ave(seq_along(sorted), rate[sorted], FUN = max)
  out <- rep(NA_real_, length(rate))
  out[sorted] <- running[last]
  out
}

mean_over <- function(q, f) {
  total <- 0
  for (one in q) total <- total + f(one)
  total / length(q)
}

as_array_of_draws <- function(x) {
  names(dimnames(x)) <- c("iteration", "chain", "variable")
  structure(x, class = c("draws_array", "draws", "array"))
}

# Appends variables to draws.
bind_draws_arrays <- function(draws, more) {
  variables <- c(dimnames(draws)[[3]], dimnames(more)[[3]])
  dims <- c(dim(draws)[1:2], length(variables))
  as_array_of_draws(array(c(draws, more), dims, c(dimnames(draws)[1:2], list(variables))))
}
