# Exact posteriors of small models by numerical integration, from which hard targets are built.
#
# A posterior is a matrix with a row per variable and the columns mean and sd. A variable is named as in the draws;
# log(v) and atanh(v) are functions of it that have moments where v itself may not, and that are smooth to integrate.
#
# A target is list(call = arguments of twill(), engines, exact = function() its posterior, slow).

#' Means and sds over a regular grid. The sum over a grid that covers the mass converges faster than any power of the
#' spacing for smooth densities.
#'
#' @param axes Named list of equally spaced values. An axis whose name starts with a dot is no variable of the draws.
#' @param log_density One value per row of `expand.grid(axes)`, up to a constant.
#' @param moments Named list of list(mean, variance), each given the point of the grid.
grid_posterior <- function(axes, log_density, moments = NULL) {
  weight <- exp_normalised(log_density)
  check_covered(weight, axes)
  own <- lapply(expand.grid(axes), function(x) list(mean = x, variance = 0))
  all <- c(own[!startsWith(names(axes), ".")], moments)
  t(vapply(all, mixture_moments, c(mean = 0, sd = 0), weight = weight))
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

#' Equally spaced values of an axis.
span <- function(from, to, n) seq(from, to, length.out = n)

# Priors ----------------------------------------------------------------------------------------------------------

#' Values of a grid on their natural scale: "log(sigma)" gives sigma, under the same name.
natural <- function(grid) {
  back <- list(log = exp, atanh = tanh)
  for (name in grep("^(log|atanh)[(]", names(grid), value = TRUE)) {
    grid[[name]] <- back[[sub("[(].*", "", name)]](grid[[name]])
  }
  grid
}

#' Sum of the log prior densities of a grid's axes, with their Jacobians. `classes` says which element of `prior`, texts
#' as for tw_prior(), each axis has.
log_prior <- function(grid, prior, classes) {
  values <- natural(grid)
  one <- function(i) {
    jacobian <- switch(sub("[(].*", "", names(grid)[i]), log = grid[[i]], atanh = log1p(-values[[i]]^2), 0)
    log_prior_density(prior[[classes[i]]], values[[i]]) + jacobian
  }
  Reduce(`+`, lapply(seq_along(grid), one))
}

#' Log density at `x` of a prior given as text, up to a constant; half of it for what is positive.
log_prior_density <- function(text, x) {
  p <- vapply(as.list(str2lang(text))[-1], eval, 0)
  switch(sub("[(].*", "", text), normal = stats::dnorm(x, p[1], p[2], log = TRUE),
         student_t = stats::dt((x - p[2]) / p[3], p[1], log = TRUE), exponential = -p[1] * x,
         lognormal = stats::dlnorm(x, p[1], p[2], log = TRUE), gamma = stats::dgamma(x, p[1], p[2], log = TRUE),
         inv_gamma = -(p[1] + 1) * log(x) - p[2] / x, lkj = (p[1] - 1) * log1p(-x^2), stop("no density of ", text))
}

# Gaussian models -------------------------------------------------------------------------------------------------

#' A Gaussian target: effects and coefficients, with prior means zero, integrated out at each point of a grid of scales.
#'
#' @param prior Named texts, see priors_by_class().
#' @param x Design, its columns named as in the draws.
#' @param variance Function of a point of the grid on the natural scale: list(u = prior variances of the columns of x,
#'   or their covariance matrix, y = error variances).
#' @param axes,classes Of the grid, and their priors.
gaussian_target <- function(formula, data, prior, x, variance, axes, classes, slow = FALSE,
                            engines = c("collapsed", "joint", "levels")) {
  force(list(x, variance, axes, classes))
  call <- list(formula = formula, data = data, intercept = "raw", prior = priors_by_class(prior))
  exact <- function() {
    grid <- expand.grid(axes)
    points <- as.matrix(natural(grid))
    variances <- lapply(seq_len(nrow(points)), function(i) variance(points[i, ]))
    gaussian_posterior(data$y, x, axes, variances, log_prior(grid, prior, classes))
  }
  list(call = call, engines = engines, exact = exact, slow = slow)
}

gaussian_posterior <- function(y, x, axes, variances, log_prior) {
  points <- lapply(variances, function(variance) gaussian_conditional(y, x, variance))
  log_lik <- vapply(points, `[[`, 0, "log_lik")
  moment <- function(j) {
    list(mean = vapply(points, function(p) p$mean[j], 0), variance = vapply(points, function(p) p$variance[j], 0))
  }
  columns <- stats::setNames(lapply(seq_len(ncol(x)), moment), colnames(x))
  grid_posterior(axes, log_lik + log_prior, columns)
}

gaussian_conditional <- function(y, x, variance) {
  u <- variance$u
  if (!is.matrix(u)) u <- diag(u, length(u))
  xu <- x %*% u
  root <- chol(tcrossprod(xu, x) + diag(variance$y, length(y)))
  half <- backsolve(root, cbind(y, xu), transpose = TRUE)
  list(log_lik = -sum(log(diag(root))) - sum(half[, 1]^2) / 2, mean = drop(crossprod(half[, -1], half[, 1])),
       variance = diag(u) - colSums(half[, -1, drop = FALSE]^2))
}

#' Columns of indicators named like the draws of a term's effects.
indicators <- function(group, name) {
  x <- outer(as.character(group), levels(group), `==`) + 0
  colnames(x) <- sprintf("r_%s[%s,Intercept]", name, levels(group))
  x
}

# One-dimensional integrals ---------------------------------------------------------------------------------------

#' log of the integral of exp(log_density(z)) dnorm(z), and the mean and variance of z, at each point of a grid.
#'
#' @param log_density Function of a vector of z, one per point, concave; -Inf is fine.
normal_integral <- function(log_density, n_points) {
  f <- function(z) log_density(z) - z^2 / 2
  centre <- concave_mode(f, n_points)
  width <- curvature_width(f, centre)
  steps <- span(-14, 14, 281)
  z <- outer(width, steps) + centre
  value <- matrix(vapply(seq_along(steps), function(j) f(z[, j]), numeric(n_points)), n_points)
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
