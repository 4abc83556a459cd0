# Predictors that are measured with error, me(x, sdx), in the posterior: their draws, and what they add to predictions.

some_latents <- function(latents, i) {
  lapply(latents, function(latent) {
    latent[c("observed", "error", "rows")] <- lapply(latent[c("observed", "error", "rows")], `[`, i)
    latent$loadings <- latent$loadings[i, , drop = FALSE]
    latent
  })
}

# Of each predictor given its measurement alone: draws x rows of `loading`, `mean` less what was measured, and `variance`.
latent_moments <- function(prediction, latent) {
  fit <- prediction$fit
  variables <- fit$design$coef_names[match(colnames(latent$loadings), colnames(fit$design$x))]
  loading <- draw_matrix(fit, variables, prediction$ids) %*% t(latent$loadings)
  scales <- draw_matrix(fit, paste0(c("meanme_", "sdme_"), latent$name), prediction$ids)
  error2 <- rep(latent$error^2, each = nrow(loading))
  share <- scales[, 2]^2 / (scales[, 2]^2 + error2)
  list(loading = unname(loading), move = (1 - share) * (scales[, 1] - rep(latent$observed, each = nrow(loading))),
       variance = share * error2)
}

# What predictors with errors add to draws x rows of the linear predictor: rows of the fit have their own draws, given the
# response; others are drawn given what was measured.
add_latents <- function(eta, prediction) {
  for (latent in prediction$input$latents) {
    moments <- latent_moments(prediction, latent)
    move <- if (is.null(latent$rows)) moments$move + sqrt(moments$variance) * stats::rnorm(length(eta)) else
      latent_draws(prediction, latent) - rep(latent$observed, each = nrow(eta))
    eta <- eta + moments$loading * move
  }
  eta
}

latent_draws <- function(prediction, latent) {
  names <- sprintf("Xme_%s[%d]", latent$name, latent$rows)
  if (all(names %in% variables(prediction$fit))) return(unname(draw_matrix(prediction$fit, names, prediction$ids)))
  abort_twill("draws", c("The draws of {.code {latent$label}} were not kept.",
                         "i" = "Fit again with {.code save_pars = tw_save(group = TRUE)}, or give the rows as {.arg newdata}."))
}

# Mean and variance that predictors with errors give the linear predictor, given what was measured: list(eta, spread).
with_latent_spread <- function(eta, prediction) {
  spread <- array(0, dim(eta))
  for (latent in prediction$input$latents) {
    moments <- latent_moments(prediction, latent)
    eta <- eta + moments$loading * moments$move
    spread <- spread + moments$loading^2 * moments$variance
  }
  list(eta = eta, spread = spread)
}

# Columns of the data that are errors and nothing else.
error_columns <- function(fit) {
  errors <- unlist(lapply(fit$formula$latents, function(latent) all.vars(latent$sdx)))
  others <- lapply(fit$formula$latents, function(latent) all.vars(latent$x))
  plain <- lapply(as.list(attr(fit$design$blueprint$terms, "variables"))[-1], function(v) {
    if (!is_call_to(v, "me")) all.vars(v)
  })
  setdiff(errors, c(unlist(others), unlist(plain)))
}
