# Priors of genes: those of their coefficients, where their intercept is centred, and what is a gene's own.

coefficient_priors <- function(fit) {
  model <- if (is.null(fit$job$shared)) model_of(fit) else apply_shared(model_of(fit), fit$job$shared)
  model$parameters$parsed[match(model$design$coef_names, model$parameters$variable)]
}

# list(columns, shift, priors): prior k is that of beta' columns[, k] - shift[k]. A joint normal prior is standard normal so.
coefficient_frame <- function(fit) {
  frame <- mvn_frame(fit$job$shared)
  priors <- coefficient_priors(fit)
  if (is.null(frame)) return(list(columns = centred_columns(model_of(fit)), shift = numeric(length(priors)), priors = priors))
  columns <- t(solve(frame$root))
  list(columns = columns, shift = drop(frame$mean %*% columns),
       priors = rep(list(list(dist = "normal", args = c(0, 1), half = FALSE)), length(priors)))
}

# Arguments of a prior with those that the gene has of its own (gene_priors()).
overridden <- function(args, overrides, name, g) {
  for (one in overrides) if (one$name == name) args[one$arg + 1] <- one$values[g]
  args
}
