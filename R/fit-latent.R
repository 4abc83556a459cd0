# Predictors that are measured with error, me(x, sdx), or imputed, mi(x), in the posterior: their draws, and what they add to
# predictions.

# Those of some rows; NULL where these have none.
some_latents <- function(latents, i) {
  out <- compact(lapply(latents, function(latent) {
    if (!is.null(latent$places)) return(some_imputed(latent, i))
    latent[c("observed", "error", "values")] <- lapply(latent[c("observed", "error", "values")], `[`, i)
    latent$loadings <- latent$loadings[i, , drop = FALSE]
    latent
  }))
  if (length(out) > 0) out
}

some_imputed <- function(latent, i) {
  found <- match(i, latent$places)
  keep <- found[!is.na(found)]
  if (length(keep) == 0) return(NULL)
  latent[c("observed", "error", "values")] <- lapply(latent[c("observed", "error", "values")], `[`, keep)
  latent$loadings <- latent$loadings[keep, , drop = FALSE]
  latent$imputing <- picked_rows(latent$imputing, keep)
  latent$places <- which(!is.na(found))
  latent
}

# The rows of a prediction that have it.
latent_places <- function(latent) latent$places %||% seq_along(latent$observed)

# Of each predictor given its measurement alone: draws x rows of `loading`, `mean` less what was measured, and `variance`.
latent_moments <- function(prediction, latent) {
  loading <- latent_loading(prediction, latent)
  scales <- latent_scales(prediction, latent)
  error2 <- rep(latent$error^2, each = nrow(loading))
  share <- scales$sd^2 / (scales$sd^2 + error2)
  list(loading = loading, move = (1 - share) * (scales$mean - rep(latent$observed, each = nrow(loading))),
       variance = ifelse(is.finite(error2), share * error2, scales$sd^2))
}

# Draws of mean and sd before it was measured: parameters, or what the formula says that imputes it, draws x rows.
latent_scales <- function(prediction, latent) {
  if (is.null(latent$imputed)) {
    scales <- draw_matrix(prediction$fit, paste0(c("meanme_", "sdme_"), latent$name), prediction$ids)
    return(list(mean = scales[, 1], sd = scales[, 2]))
  }
  whole <- if (has_responses(prediction$fit)) prediction$fit else prediction$fit$whole
  own <- response_view(whole, latent$by)
  if (length(all_terms(latent$imputing))) own <- with_effects(own)
  own <- list(fit = own, input = latent$imputing, ids = prediction$ids, how_new = "gaussian")
  list(mean = known_predictor(own), sd = full_dispersion(own))
}

# What such predictors add to draws x rows of the linear predictor: rows of the fit have their own draws, given the response;
# others are drawn given what was measured.
add_latents <- function(eta, prediction) {
  for (latent in prediction$input$latents) {
    at <- latent_places(latent)
    if (is.null(latent$values)) {
      moments <- latent_moments(prediction, latent)
      move <- moments$loading * (moments$move + sqrt(moments$variance) * stats::rnorm(length(eta)))
    } else {
      observed <- rep(latent$observed, each = nrow(eta))
      move <- latent_loading(prediction, latent) * (latent_draws(prediction, latent) - observed)
    }
    eta[, at] <- eta[, at] + move
  }
  eta
}

# Draws x rows of what multiplies it.
latent_loading <- function(prediction, latent) {
  fit <- prediction$fit
  variables <- fit$design$coef_names[match(colnames(latent$loadings), colnames(fit$design$x))]
  unname(draw_matrix(fit, variables, prediction$ids) %*% t(latent$loadings))
}

latent_draws <- function(prediction, latent) {
  if (all(latent$values %in% variables(prediction$fit))) {
    return(unname(draw_matrix(prediction$fit, latent$values, prediction$ids)))
  }
  abort_twill("draws", c("The draws of {.code {latent$label}} were not kept.",
                         "i" = "Fit again with {.code save_pars = tw_save(group = TRUE)}, or give the rows as {.arg newdata}."))
}

# Mean and variance that such predictors give the linear predictor, given what was measured: list(eta, spread).
with_latent_spread <- function(eta, prediction) {
  spread <- array(0, dim(eta))
  for (latent in prediction$input$latents) {
    moments <- latent_moments(prediction, latent)
    at <- latent_places(latent)
    eta[, at] <- eta[, at] + moments$loading * moments$move
    spread[, at] <- spread[, at] + moments$loading^2 * moments$variance
  }
  list(eta = eta, spread = spread)
}
# Columns of the data that are errors and nothing else.
error_columns <- function(fit) {
  errors <- unlist(lapply(fit$formula$latents, function(latent) variables_in(latent$sdx)))
  others <- lapply(fit$formula$latents, function(latent) variables_in(latent$x))
  plain <- lapply(as.list(attr(fit$design$blueprint$terms, "variables"))[-1], function(v) {
    if (!is_call_to(v, "me")) variables_in(v)
  })
  setdiff(errors, c(unlist(others), unlist(plain)))
}
