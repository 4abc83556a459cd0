# Draws of the standard deviations and correlations of group-level effects.

# list(sd = draws x q, cor, cov = draws x q x q); sd alone where nothing is correlated.
group_covariance <- function(fit, group) {
  terms <- group_terms(fit, group)
  coefs <- unlist(lapply(terms, scale_coefs))
  sd <- draw_matrix(fit, unlist(lapply(terms, sd_names)))
  colnames(sd) <- coefs
  if (!any(vapply(terms, `[[`, TRUE, "cor"))) return(list(sd = sd))
  cor <- correlation_draws(fit, group, coefs)
  list(sd = sd, cor = cor, cov = scale_correlation(cor, sd))
}

# Correlations as draws x q x q; coefficients of different terms are independent: zero.
correlation_draws <- function(fit, group, coefs) {
  q <- length(coefs)
  out <- array(0, c(ndraws(fit), q, q), list(NULL, coefs, coefs))
  for (i in seq_len(q)) out[, i, i] <- 1
  for (j in seq_len(q)) for (i in seq_len(j - 1)) {
    name <- paste0("cor_", group, "__", coefs[c(i, j)], "__", coefs[c(j, i)])
    name <- intersect(name, variables(fit))
    if (length(name)) out[, i, j] <- out[, j, i] <- draw_matrix(fit, name[1])
  }
  out
}

scale_correlation <- function(cor, sd) {
  q <- ncol(sd)
  for (i in seq_len(q)) for (j in seq_len(q)) cor[, i, j] <- cor[, i, j] * sd[, i] * sd[, j]
  cor
}

residual_column <- function(fit) {
  names <- residual_variables(fit)
  sd <- draw_matrix(fit, names)
  colnames(sd) <- sub("^sigma_?", "", names)
  sd
}

# Dispersions that are parameters themselves, one for each of several responses.
dispersion_variables <- function(fit) {
  design <- fit$design
  if (is.null(design$responses)) intersect(c("sigma", "shape"), variables(fit)) else design$disp_names[design$disp_positive]
}

residual_variables <- function(fit) grep("^sigma", dispersion_variables(fit), value = TRUE)
