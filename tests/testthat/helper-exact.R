# Posteriors of Gaussian models by dense matrices and a grid of scales, and draws beside them.

# Moments of two unknown scales (on a grid, with their log prior) and of coefficients and effects given them, which are normal:
# y ~ N(X b, V), by dense matrices. `parts(a, c)` gives list(residual variances, covariance of (b, u)), `design` is [X Z].
exact_moments <- function(y, design, a, c, log_prior, parts) {
  grid <- expand.grid(a = a, c = c)
  found <- lapply(seq_len(nrow(grid)), function(i) {
    p <- parts(grid$a[i], grid$c[i])
    v <- design %*% p$covariance %*% t(design) + diag(p$residual)
    root <- chol(v)
    whitened <- backsolve(root, y, transpose = TRUE)
    gain <- p$covariance %*% t(design)
    half <- backsolve(root, t(gain), transpose = TRUE)
    list(log = -sum(log(diag(root))) - sum(whitened^2) / 2, mean = drop(crossprod(half, whitened)),
         variance = diag(p$covariance) - colSums(half^2))
  })
  total <- vapply(found, `[[`, 0, "log") + log_prior(grid$a, grid$c)
  weight <- exp(total - max(total))
  weight <- weight / sum(weight)
  means <- vapply(found, `[[`, numeric(ncol(design)), "mean")
  variances <- vapply(found, `[[`, numeric(ncol(design)), "variance")
  mean <- drop(means %*% weight)
  scale <- function(x) c(mean = sum(weight * x), sd = sqrt(sum(weight * x^2) - sum(weight * x)^2))
  list(a = scale(grid$a), c = scale(grid$c), mean = mean, sd = sqrt(drop((variances + means^2) %*% weight) - mean^2))
}

# In units of Monte Carlo error.
expect_near <- function(draws, mean, sd) {
  expect_lt(abs(mean(draws) - mean) / posterior::mcse_mean(draws), 4.5)
  expect_lt(abs(stats::sd(draws) - sd) / posterior::mcse_sd(draws), 4.5)
}

of_draws <- function(fit, name) posterior::extract_variable_matrix(posterior::as_draws(fit), name)
