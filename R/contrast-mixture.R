# Shares of the components of a mixture by maximum likelihood: a convex problem, solved to its optimum.
#
# With l_ik the likelihood of observation i under component k, the shares x maximise
#   f(x) = sum_i log(sum_k l_ik x_k) + a log(x_1)      over x >= 0, sum_k x_k = 1,
# where a is the number of observations more that are known to come from the first component (Stephens 2017, his lambda_0 -
# 1), or, as a vector, from each. As f(c x) = f(x) + (n + a) log c, the simplex can be traded for the term -(n + a) sum_k x_k
# (Kim, Carbonetto, Stephens
# and Anitescu 2020, eq. 10): x >= 0 is the only constraint left, and a primal-dual interior-point method (Nocedal and Wright
# 2006, ch. 19) needs about 15 steps of one K x K system each. EM needs thousands: neighbouring components are nearly alike.

# The gradient bounds what is missing (Lindsay 1983): f(optimum) - f(x) <= max_k sum_i l_ik / (l x)_i - (n + a).
mixture_gap_limit <- 0.01
mixture_steps <- 200

# list(shares, gap, converged). `log_lik` is observations x components, up to a constant per observation.
mixture_shares <- function(log_lik, extra = 0, steps = mixture_steps) {
  lik <- exp(log_lik - row_maxima(log_lik))
  weights <- rep(1, nrow(lik))
  added <- which(extra > 0)
  if (length(added)) {
    lik <- rbind(lik, diag(1, ncol(lik))[added, , drop = FALSE])
    weights <- c(weights, extra[added])
  }
  found <- interior_shares(lik, weights, steps)
  list(shares = sparse_shares(found$x, sum(weights)), gap = found$gap, converged = found$gap <= mixture_gap_limit)
}

row_maxima <- function(x) x[cbind(seq_len(nrow(x)), max.col(x, "first"))]

# list(x, gap). The dual variables z belong to x >= 0; `target` is what x_k z_k is driven to.
interior_shares <- function(lik, weights, steps) {
  total <- sum(weights)
  x <- rep(1 / ncol(lik), ncol(lik))
  z <- NULL
  for (step in seq_len(steps)) {
    mixed <- drop(lik %*% x)
    slope <- drop(crossprod(lik, weights / mixed))
    gap <- max(slope) - total
    if (gap <= 1e-4 * mixture_gap_limit) break
    z <- z %||% (pmax(total - slope, 0) + 0.1 * total)
    target <- 0.1 * mean(x * z)
    hessian <- crossprod(lik * (sqrt(weights) / mixed))
    diag(hessian) <- diag(hessian) + z / x
    move <- tryCatch(solve(hessian, slope - total + target / x, tol = 0), error = function(e) NULL)
    if (is.null(move) || !all(is.finite(move))) break
    dual <- target / x - z - z / x * move
    x <- x + inside(x, move) * move
    z <- z + inside(z, dual) * dual
    x <- x / sum(x)
  }
  list(x = x, gap = gap)
}

# What stands for less than a thousandth of an observation is what the interior point leaves of zero.
sparse_shares <- function(x, total) {
  x[x * total < 1e-3] <- 0
  x / sum(x)
}
