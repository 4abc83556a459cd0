# Priors of genes: those of their coefficients, where their intercept is centred, and what is a gene's own.

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

# Arguments of a prior with those that the gene has of its own (gene_priors()).
overridden <- function(args, overrides, name, g) {
  for (one in overrides) if (one$name == name) args[one$arg + 1] <- one$values[g]
  args
}
