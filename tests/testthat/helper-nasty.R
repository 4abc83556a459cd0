# Exact posteriors of small models by numerical integration, and the comparison of fits with them.
#
# An "exact" posterior is a matrix with a row per variable and the columns mean and sd. A variable is named as in the
# draws; "log(v)" is the logarithm of v, which has moments where v itself may not.

#' Means and sds over a regular grid. The sum over a grid that covers the mass converges faster than any power of the
#' spacing for smooth densities.
#'
#' @param axes Named list of equally spaced values.
#' @param log_density Function of the grid (a data frame), up to a constant.
#' @param moments Function of the grid: a named list of list(mean, variance), each given the point. Default: the axes.
grid_posterior <- function(axes, log_density, moments = function(grid) NULL) {
  grid <- expand.grid(axes)
  weight <- exp_normalised(log_density(grid))
  check_covered(weight, axes)
  own <- lapply(grid, function(x) list(mean = x, variance = 0))
  t(vapply(c(own, moments(grid)), mixture_moments, c(mean = 0, sd = 0), weight = weight))
}

exp_normalised <- function(x) {
  weight <- exp(x - max(x))
  weight / sum(weight)
}

mixture_moments <- function(conditional, weight) {
  mean <- sum(weight * conditional$mean)
  c(mean = mean, sd = sqrt(sum(weight * (conditional$variance + (conditional$mean - mean)^2))))
}

#' A grid that cuts mass off, or is so coarse that a few points carry it, is a mistake in the test.
check_covered <- function(weight, axes) {
  weight <- array(weight, lengths(axes))
  for (i in seq_along(axes)) {
    margin <- apply(weight, i, sum)
    stopifnot(margin[1] < 1e-4, margin[length(margin)] < 1e-4, max(margin) < 0.5)
  }
}

#' Exact posterior of a Gaussian model: effects and coefficients integrated out at each point of a grid of scales.
#'
#' @param y,x Response less offset, design.
#' @param variance Function of a row of the grid: list(u = prior variances of the columns of x, y = error variances).
#' @param mean Prior means of the columns of x.
#' @param log_prior Function of the grid, with the Jacobians of its axes.
gaussian_posterior <- function(y, x, variance, axes, log_prior, mean = rep(0, ncol(x))) {
  grid <- expand.grid(axes)
  points <- lapply(seq_len(nrow(grid)), function(i) gaussian_conditional(y - x %*% mean, x, variance(grid[i, , drop = FALSE])))
  log_lik <- vapply(points, `[[`, 0, "log_lik")
  moment <- function(j) {
    list(mean = mean[j] + vapply(points, function(p) p$mean[j], 0), variance = vapply(points, function(p) p$variance[j], 0))
  }
  columns <- stats::setNames(lapply(seq_len(ncol(x)), moment), colnames(x))
  grid_posterior(axes, function(grid) log_lik + log_prior(grid), function(grid) columns)
}

gaussian_conditional <- function(residual, x, variance) {
  xu <- sweep(x, 2, variance$u, `*`)
  root <- chol(xu %*% t(x) + diag(variance$y, length(residual)))
  half <- backsolve(root, cbind(residual, xu), transpose = TRUE)
  list(log_lik = -sum(log(diag(root))) - sum(half[, 1]^2) / 2, mean = drop(crossprod(half[, -1], half[, 1])),
       variance = variance$u - colSums(half[, -1, drop = FALSE]^2))
}

#' Columns of indicators named like the draws of a term's effects.
indicators <- function(group, name) {
  x <- outer(as.character(group), levels(group), `==`) + 0
  colnames(x) <- sprintf("r_%s[%s,Intercept]", name, levels(group))
  x
}

#' log of the integral of exp(log_density(z)) dnorm(z), and the mean and variance of z, at each point of a grid.
#'
#' @param log_density Function of a vector of z, one per point, concave; -Inf is fine.
normal_integral <- function(log_density, n_points) {
  f <- function(z) log_density(z) - z^2 / 2
  centre <- concave_mode(f, n_points)
  width <- curvature_width(f, centre)
  steps <- seq(-14, 14, length.out = 281)
  z <- outer(width, steps) + centre
  value <- vapply(seq_along(steps), function(j) f(z[, j]), numeric(n_points))
  value <- matrix(value, n_points)
  top <- apply(value, 1, max)
  weight <- exp(value - top)
  total <- rowSums(weight)
  mean <- rowSums(weight * z) / total
  list(log = top + log(total * width * (steps[2] - steps[1])) - log(2 * pi) / 2, mean = mean,
       variance = rowSums(weight * (z - mean)^2) / total)
}

#' Golden section search on (-40, 40), all points at once: slow and safe.
concave_mode <- function(f, n) {
  ratio <- (sqrt(5) - 1) / 2
  lower <- rep(-40, n)
  upper <- rep(40, n)
  for (i in 1:50) {
    left <- upper - ratio * (upper - lower)
    right <- lower + ratio * (upper - lower)
    goes_left <- f(left) > f(right)
    upper <- ifelse(goes_left, right, upper)
    lower <- ifelse(goes_left, lower, left)
  }
  (lower + upper) / 2
}

curvature_width <- function(f, centre) {
  h <- 1e-3
  1 / sqrt(pmax((2 * f(centre) - f(centre + h) - f(centre - h)) / h^2, 1e-8))
}

# Comparison ------------------------------------------------------------------------------------------------------

#' A fit, and the classes of the warnings that it gave.
fit_and_warnings <- function(...) {
  given <- character()
  fit <- withCallingHandlers(twill(..., refresh = 0), twill_warning = function(w) {
    given <<- c(given, class(w)[1])
    invokeRestart("muffleWarning")
  })
  list(fit = fit, warnings = given)
}

#' Differences in units of Monte Carlo error, one row per variable.
compare_with_exact <- function(fit, exact) {
  rows <- lapply(rownames(exact), function(v) {
    x <- draws_of_expression(fit, v)
    data.frame(variable = v, mean = mean(x), exact_mean = exact[v, "mean"], sd = stats::sd(x), exact_sd = exact[v, "sd"],
               z_mean = (mean(x) - exact[v, "mean"]) / posterior::mcse_mean(x),
               z_sd = (stats::sd(x) - exact[v, "sd"]) / posterior::mcse_sd(x), rhat = posterior::rhat(x))
  })
  do.call(rbind, rows)
}

draws_of_expression <- function(fit, v) {
  is_log <- startsWith(v, "log(")
  name <- if (is_log) sub("\\)$", "", sub("^log\\(", "", v)) else v
  x <- as.matrix(unclass(fit$draws)[, , name])
  if (is_log) log(x) else x
}
