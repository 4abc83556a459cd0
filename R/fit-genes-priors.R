# Priors of the coefficients of genes, and where their intercept is centred.

coefficient_priors <- function(fit) {
  model <- if (is.null(fit$job$shared)) fit$job$model else apply_shared(fit$job$model, fit$job$shared)
  model$parameters$parsed[match(model$design$coef_names, model$parameters$variable)]
}

# Coefficients x coefficients: the intercept's prior is on the value at the means of the columns.
centred_columns <- function(model) {
  design <- model$design
  out <- diag(length(design$coef_names))
  at <- which(design$coefficients$class == "Intercept")
  if (length(at) == 1 && identical(model$intercept, "centred")) out[, at] <- colMeans(design$x)
  out
}
