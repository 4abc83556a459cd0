# Targets with counts and no groups that are hard to sample: separation, offsets, huge counts, shapes without bound.

nasty_grids <- list()

#' Counts without effects on a grid of their parameters; `log_lik` sees the grid.
grid_target <- function(formula, data, prior, axes, classes, log_lik, family = "poisson", slow = FALSE) {
  force(list(prior, axes, classes, log_lik))
  exact <- function() {
    grid <- expand.grid(axes)
    grid_posterior(axes, log_lik(grid) + log_prior(grid, prior, classes))
  }
  count_target(formula, data, prior, exact, family, slow)
}

flat_normal <- c(Intercept = "normal(0, 5)", b = "normal(0, 5)")

# One condition has nothing but zeros: the likelihood has no maximum.
nasty_grids$separation <- function() {
  y <- c(4, 7, 3, 6)
  grid_target(y ~ x, data.frame(y = c(y, 0, 0, 0, 0), x = rep(0:1, each = 4)), flat_normal,
              list(b_Intercept = span(0.2, 2.8, 81), b_x = span(-26, 2, 201)), c("Intercept", "b"),
              function(grid) poisson_log_lik(y)(grid[[1]]) + poisson_log_lik(rep(0, 4))(grid[[1]] + grid[[2]]))
}
nasty_grids$separation_shape <- function() {
  y <- c(4, 17, 3, 1)
  log_lik <- function(grid) {
    negbinomial_log_lik(y, grid[[3]])(grid[[1]]) + negbinomial_log_lik(rep(0, 4), grid[[3]])(grid[[1]] + grid[[2]])
  }
  grid_target(y ~ x, data.frame(y = c(y, 0, 0, 0, 0), x = rep(0:1, each = 4)), c(flat_normal, shape = "gamma(2, 1)"),
              list(b_Intercept = span(-1.5, 7, 61), b_x = span(-28, 6, 81), `log(shape)` = span(-5, 2.8, 61)),
              c("Intercept", "b", "shape"), log_lik, "negbinomial")
}

# Offsets of 60 and of -60: the mean is of order one.
offset_target <- function(offset) {
  y <- c(3, 0, 2, 5)
  shift <- c(0, 0.5, -0.5, 1)
  grid_target(y ~ 1 + offset(o), data.frame(y = y, o = offset + shift), c(Intercept = sprintf("normal(%s, 10)", -offset)),
              list(b_Intercept = span(-3, 3, 301) - offset), "Intercept",
              function(grid) sum(y) * grid[[1]] - exp(grid[[1]] + offset) * sum(exp(shift)))
}
nasty_grids$offset_huge <- function() offset_target(60)
nasty_grids$offset_tiny <- function() offset_target(-60)

#' Two covariates that differ by 1e-4 of their spread: their sum is known, their difference is not.
nasty_grids$collinear_counts <- function() {
  data <- with_fixed_seed(15, {
    x1 <- stats::rnorm(30)
    data.frame(x1 = x1, x2 = x1 + 1e-4 * stats::rnorm(30), y = stats::rpois(30, exp(0.5 + 0.8 * x1)))
  })
  prior <- c(Intercept = "normal(0, 5)", b = "normal(0, 10)")
  axes <- list(b_Intercept = span(-0.8, 1.6, 41), .sum = span(-0.1, 1.7, 41), b_x2 = span(-40, 40, 61))
  exact <- function() {
    grid <- expand.grid(axes)
    b_x1 <- grid[[2]] - grid[[3]]
    eta <- as.matrix(cbind(grid[[1]], b_x1, grid[[3]])) %*% rbind(1, data$x1, data$x2)
    log_lik <- drop(eta %*% data$y) - rowSums(exp(eta))
    prior <- log_prior(data.frame(grid[[1]], b_x1, grid[[3]]), prior, c("Intercept", "b", "b"))
    grid_posterior(axes, log_lik + prior, list(b_x1 = list(mean = b_x1, variance = 0)))
  }
  count_target(y ~ x1 + x2, data, prior, exact, slow = TRUE)
}

#' Counts of ten million.
nasty_grids$huge_counts <- function() {
  y <- c(9.8e6, 1.01e7, 1.2e7, 8e6)
  grid_target(y ~ 1, data.frame(y = y), c(Intercept = "normal(0, 20)", shape = "inv_gamma(0.4, 0.3)"),
              list(b_Intercept = span(15.3, 17, 201), `log(shape)` = span(-2, 8, 201)), c("Intercept", "shape"),
              function(grid) negbinomial_log_lik(y, grid[[2]])(grid[[1]]), "negbinomial")
}

#' One row.
nasty_grids$one_count <- function() {
  grid_target(y ~ 1, data.frame(y = 3), c(Intercept = "normal(0, 1)"), list(b_Intercept = span(-3, 3, 301)), "Intercept",
              function(grid) poisson_log_lik(3)(grid[[1]]))
}

#' Poisson counts under a negative binomial: the shape is only bounded by its prior, whose tail is a power.
nasty_grids$shape_to_infinity <- function() {
  y <- stats::qpois((1:80 - 0.5) / 80, 4)
  # lgamma() loses its digits for large shapes; dnbinom() does not.
  one <- function(v, grid) sum(y == v) * stats::dnbinom(v, size = exp(grid[[2]]), mu = exp(grid[[1]]), log = TRUE)
  grid_target(y ~ 1, data.frame(y = y), c(Intercept = "normal(0, 5)", shape = "inv_gamma(0.4, 0.3)"),
              list(b_Intercept = span(1, 1.8, 61), `log(shape)` = span(0.5, 30, 241)), c("Intercept", "shape"),
              function(grid) Reduce(`+`, lapply(unique(y), one, grid)), "negbinomial")
}

#' shape ~ x, with one condition near the Poisson limit.
nasty_grids$shape_regression <- function() {
  data <- data.frame(y = c(4, 5, 3, 6, 4, 5, 6, 4, 0, 1, 0, 25, 2, 0, 9, 3), x = rep(0:1, each = 8))
  log_lik <- function(grid) {
    negbinomial_log_lik(data$y[data$x == 0], grid[[2]])(grid[[1]]) +
      negbinomial_log_lik(data$y[data$x == 1], grid[[2]] + grid[[3]])(grid[[1]])
  }
  grid_target(tw_formula(y ~ 1, shape ~ x), data,
              c(Intercept = "normal(0, 5)", `Intercept::shape` = "normal(1, 3)", `b::shape` = "normal(0, 3)"),
              list(b_Intercept = span(0.7, 2.6, 41), b_shape_Intercept = span(-1.5, 15, 61), b_shape_x = span(-16, 6, 61)),
              c("Intercept", "Intercept::shape", "b::shape"), log_lik, "negbinomial")
}
