# Directions of samples that residuals of many genes share, against chance.
#
# Without a shared cause the residuals r_g of a gene (check-shared-residuals.R) have the covariance P_g D P_g, with P_g the
# projection to what the design leaves and D a diagonal: samples may be more or less noisy than the model says. What
# S = mean_g r_g r_g' has beyond that, in the direction where it has most, is the size of the first component.

# list(size, direction, noise, values): `values` are all eigenvalues of the excess, over the mean variance.
shared_excess <- function(s, mixing, projected) {
  noise <- unit_noise(s, mixing)
  unit <- sum(diag(s)) / sum(mixing)
  split <- eigen((s - projected(noise)) / unit, symmetric = TRUE)
  list(size = split$values[1], vectors = split$vectors, values = split$values, noise = noise / unit)
}

# Moments: diag(E S) = mean_g (P_g o P_g) d. Where samples cannot be told apart, as the two of a donor whose difference is all
# that is left, they share what they have.
unit_noise <- function(s, mixing) {
  common <- sum(diag(s)) / sum(mixing)
  split <- eigen(mixing, symmetric = TRUE)
  kept <- split$values > 0.1 * split$values[1]
  vectors <- split$vectors[, kept, drop = FALSE]
  own <- vectors %*% (crossprod(vectors, diag(s) - common * rowSums(mixing)) / split$values[kept])
  pmax(drop(common + own), 0.05 * common)
}

# Of observed residuals, with each gene's own projection.
observed_excess <- function(r, q) {
  n <- ncol(r)
  mixing <- mean_over(q, function(q) (diag(n) - tcrossprod(q))^2)
  # P D P = D - QQ'D - DQQ' + QQ'DQQ'
  projected <- function(d) {
    mean_over(q, function(q) {
      half <- q %*% crossprod(q, diag(d, n))
      diag(d, n) - half - t(half) + half %*% tcrossprod(q)
    })
  }
  shared_excess(crossprod(r) / nrow(r), mixing, projected)
}

# The projection nearest to those of the genes.
mean_projection <- function(q, n) {
  rank <- max(vapply(q, ncol, 1L))
  basis <- eigen(mean_over(q, tcrossprod), symmetric = TRUE)$vectors[, seq_len(rank), drop = FALSE]
  diag(n) - tcrossprod(basis)
}

# Sizes and noises of `n_sets` sets of genes that share nothing: list(size, noise), noise set x unit.
chance_excess <- function(left, n_genes, noise, n_sets) {
  root <- sqrt(noise) * left
  sets <- replicate(n_sets, simplify = FALSE, {
    r <- matrix(stats::rnorm(n_genes * length(noise)), n_genes) %*% root
    shared_excess(crossprod(r) / n_genes, left^2, function(d) left %*% (d * left))[c("size", "noise")]
  })
  list(size = vapply(sets, `[[`, 0, "size"), noise = do.call(rbind, lapply(sets, `[[`, "noise")))
}

# Upper tail of a gamma distribution with the three moments of the draws: finer than their number allows.
upper_tail <- function(value, draws) {
  spread <- stats::sd(draws)
  skew <- max(mean((draws - mean(draws))^3) / spread^3, 0.05)
  shape <- 4 / skew^2
  stats::pgamma(shape + (value - mean(draws)) * sqrt(shape) / spread, shape, lower.tail = FALSE)
}

# Columns that go with a direction -----------------------------------------------------------------------------------

# One row per column, with `r2` of the direction given the column, which `carry` takes to where the direction is, of `df`
# dimensions, and the p-value of the F test, the best first. Columns that the design has, or that leave no sample over, are not
# tried.
matching_columns <- function(direction, columns, carry, df) {
  rows <- lapply(columns, function(x) {
    x <- column_matrix(x)
    if (is.null(x)) return(NULL)
    x <- carry %*% x
    k <- matrix_rank(x)
    if (k == 0 || k > df - 2) return(NULL)
    inside <- sum(direction^2)
    r2 <- 1 - sum(stats::lm.fit(x, direction)$residuals^2) / inside
    data.frame(r2 = r2, p = stats::pf(r2 / k / ((1 - r2) / (df - k)), k, df - k, lower.tail = FALSE))
  })
  names <- names(columns)[!vapply(rows, is.null, TRUE)]
  table <- do.call(rbind, rows)
  if (is.null(table)) return(NULL)
  table <- data.frame(column = names, table)
  table$p <- pmin(1, table$p * nrow(table))
  table[order(table$p, -table$r2), ]
}

# NULL for what tells nothing of samples: a constant, or a name for each.
column_matrix <- function(x) {
  if (is.matrix(x)) return(scale(x, scale = FALSE))
  if (anyNA(x) || length(unique(x)) < 2) return(NULL)
  if (is.numeric(x) || inherits(x, c("Date", "POSIXct", "difftime"))) return(cbind(as.numeric(x) - mean(as.numeric(x))))
  if (!is_category(x) || length(unique(x)) == length(x)) return(NULL)
  # A level may be NA.
  scale(stats::model.matrix(~ 0 + factor(x, exclude = NULL)), scale = FALSE)
}
