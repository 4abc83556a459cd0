# Errors of rows with a known covariance, fcor(V), in the posterior.

# draws x rows, each given all other rows: list(mean, sd), from P = V^-1 (Buerkner, Gabry and Vehtari 2020, equations 9 and 10):
# y_i - (P r)_i / P_ii and sigma / sqrt(P_ii), r = y - eta.
rows_given_others <- function(prediction, eta) {
  errors <- prediction$input$errors
  precision <- row_precision(errors)
  own <- Matrix::diag(precision)
  residuals <- rep(prediction$input$y, each = nrow(eta)) - eta
  pull <- as.matrix(residuals %*% precision)
  sigma <- dispersion_draws(prediction) %||% 1
  list(mean = rep(prediction$input$y, each = nrow(eta)) - pull / rep(own, each = nrow(eta)),
       sd = matrix(sigma, nrow(eta), ncol(eta)) / rep(sqrt(own), each = nrow(eta)))
}

row_precision <- function(errors) {
  p <- errors$precision
  Matrix::sparseMatrix(p$rows + 1L, p$columns + 1L, x = p$values, dims = dim(errors$covariance), symmetric = TRUE)
}

# sigma times draws of N(0, V), draws x rows: rows of a block together.
draw_errors <- function(prediction, n_draws) {
  errors <- prediction$input$errors
  out <- matrix(0, n_draws, nrow(errors$covariance))
  for (rows in related_rows(errors$covariance)) {
    root <- chol(as.matrix(errors$covariance[rows, rows, drop = FALSE]))
    out[, rows] <- matrix(stats::rnorm(n_draws * length(rows)), n_draws) %*% root
  }
  out * (dispersion_draws(prediction) %||% 1)
}

# Of whole blocks.
some_errors <- function(errors, rows) {
  if (is.null(errors)) return(NULL)
  covariance <- errors$covariance[rows, rows, drop = FALSE]
  list(name = errors$name, covariance = covariance, precision = precision_of_errors(covariance, errors$name))
}

has_related_errors <- function(fit) !is.null(fit$formula$fcor)

# New rows have no place in the matrix of the fit.
need_own_errors <- function(prediction) {
  if (!has_related_errors(prediction$fit) || !is.null(prediction$input$errors)) return(invisible())
  name <- prediction$fit$formula$fcor
  abort_twill("newdata", c("How the errors of {.arg newdata} are related is not known: {.val {name}} is of the rows of the fit.",
                           "i" = "{.fn posterior_epred} and {.fn posterior_linpred} do not need it."))
}
