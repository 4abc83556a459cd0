# Predictors that are measured with error, me(x, sdx): their part of the design, of the spec and of new rows.

# What goes with it.
check_latents <- function(formula, family) {
  if (is.null(formula$latents)) return(invisible())
  trouble <- c(
    if (!is.null(formula$addition$weights)) "Weights of rows: put them into the standard errors, {.code y | se(s) ~ ...}.",
    if (!is.null(formula$fcor)) "Related errors, {.fn fcor}: the rows must be independent given the predictors.",
    if (!is.null(formula$dispersion) && is_count_family(family)) "A regression of {.field shape}: leave it out.")
  if (length(trouble) == 0) return(invisible())
  abort_twill("formula", c("{.fn me} does not go with another part of the model.", stats::setNames(trouble[1], "x")))
}

# Design --------------------------------------------------------------------------------------------------------------

# Per predictor, beside what the formula says: `observed` and `error` of the rows, `expected` (what the engine has in its
# columns), `loadings`, rows x columns of the design that have it: what multiplies it there, and `values`, the names of its draws.
# What is imputed is completed where all responses are there (design-imputed.R).
new_latents <- function(formula, data, family, fixed) {
  check_latents(formula, family)
  lapply(formula$latents, function(latent) {
    if (!is.null(latent$imputed)) return(latent_of_all_rows(latent, formula, data, fixed))
    observed <- as.numeric(evaluate_term(latent$x, data, formula$env))
    error <- rep_len(as.numeric(evaluate_term(latent$sdx, data, formula$env)), nrow(data))
    check_errors_of(latent, error, rownames(data))
    if (length(unique(observed)) < 2) {
      abort_twill("data", c("A predictor must vary.", "x" = "{.code {latent$label}} is {.val {observed[1]}} in all rows used."))
    }
    values <- sprintf("Xme_%s[%d]", latent$name, seq_along(observed))
    c(latent_of_all_rows(latent, formula, data, fixed), list(error = error, values = values), spread_of_latent(observed, error))
  })
}

latent_of_all_rows <- function(latent, formula, data, fixed) {
  frame <- evaluate_frame(formula$fixed, data, drop.unused.levels = TRUE)
  observed <- as.numeric(evaluate_term(latent$x, data, formula$env))
  c(latent, list(observed = observed, loadings = latent_loadings(fixed, frame, latent)))
}

check_errors_of <- function(latent, error, row_names, kind = "data", may_be_zero = FALSE) {
  bad <- !is.finite(error) | error < 0 | (error == 0 & !may_be_zero)
  if (!any(bad)) return(invisible())
  rows <- row_names[bad]
  values <- error[bad]
  ways <- if (!may_be_zero) c("i" = "A predictor that is known exactly is written as it is, without {.fn me}.",
                              "i" = "Where only some rows are exact, give them an error that is small beside the others.")
  abort_twill(kind, c("The error of {.code {latent$label}} must be {if (may_be_zero) 'zero or ' else ''}positive and finite.",
                      "x" = "It is {.val {some(values)}} in {length(rows)} row{?s}: {.val {some(rows)}}.", ways))
}

# Columns of the design that have the predictor, with ones in its place.
latent_loadings <- function(part, frame, latent) {
  frame[[latent$label]] <- rep(1, nrow(frame))
  terms <- stats::delete.response(part$terms)
  x <- evaluated(stats::model.matrix(terms, frame, contrasts.arg = part$contrasts), latent$x)
  whole <- plain_matrix(x, part$columns)
  has_it <- c(FALSE, attr(terms, "factors")[latent$label, ] > 0)[attr(x, "assign") + 1]
  whole[, has_it, drop = FALSE]
}

# Where its mean is and how much it varies, about, from the measurements: by moments.
spread_of_latent <- function(observed, error) {
  total <- stats::var(observed)
  true <- max(total - mean(error^2), 0.1 * total)
  centre <- mean(observed)
  list(centre = centre, scale = sqrt(true), expected = expected_latent(observed, error, centre, sqrt(true)))
}

expected_latent <- function(observed, error, mean, sd) {
  share <- 1 / (1 + (error / sd)^2)
  mean + share * (observed - mean)
}

# Names of the design's columns that have a predictor with error.
latent_columns <- function(latents) unlist(lapply(latents, function(latent) colnames(latent$loadings)))

# With known means and standard deviations in the place of those by moments.
with_known_latents <- function(design, parameters) {
  constant <- function(class, latent) {
    parsed <- parameters$parsed[[match(paste0(class, "_", latent$name), parameters$variable)]]
    if (is_known_prior(parsed)) parsed$args
  }
  design$latents <- lapply(design$latents, function(latent) {
    latent$centre <- constant("meanme", latent) %||% latent$centre
    latent$scale <- constant("sdme", latent) %||% latent$scale
    latent$expected <- expected_latent(latent$observed, latent$error, latent$centre, latent$scale)
    latent
  })
  design
}

# Columns of the design with what is expected of predictors in the place of what was measured.
columns_with_expected <- function(design) {
  x <- design$x
  for (latent in design$latents) {
    x[latent$places %||% seq_len(nrow(x)), colnames(latent$loadings)] <- latent$loadings * latent$expected
  }
  x
}

# Spec and arrays -------------------------------------------------------------------------------------------------------

spec_latents <- function(design, parameters) {
  sampled <- sampled_columns(design)
  prior <- function(class, latent) {
    spec_prior(parameters$parsed[[match(paste0(class, "_", latent$name), parameters$variable)]])
  }
  lapply(design$latents, function(latent) {
    columns <- match(colnames(latent$loadings), colnames(design$x)[sampled]) - 1L
    scales <- if (is.null(latent$imputed)) {
      list(mean = prior("meanme", latent), sd = prior("sdme", latent), centre = unbox(latent$centre), scale = unbox(latent$scale))
    }
    list(name = unbox(latent$name), scales = scales, columns = columns[!is.na(columns)], rows = unbox(length(latent$observed)))
  })
}

latent_arrays <- function(design) {
  sampled <- colnames(design$x)[sampled_columns(design)]
  lapply(design$latents, function(latent) {
    is_sampled <- colnames(latent$loadings) %in% sampled
    known <- design$known$value[match(colnames(latent$loadings)[!is_sampled], colnames(design$x))]
    fixed <- drop(latent$loadings[, !is_sampled, drop = FALSE] %*% as.numeric(known))
    c(list(observed = latent$observed, error = latent$error, expected = latent$expected,
           loadings = as.double(latent$loadings[, is_sampled]), fixed = as.double(fixed)), rows_of_imputed(latent))
  })
}

latent_parameters <- function(design) {
  measured <- Filter(function(latent) is.null(latent$imputed), design$latents)
  rows <- lapply(measured, function(latent) {
    scale <- positive_or_one(stats::sd(latent$observed))
    digits <- rounding_digits(scale)
    means <- parameter_rows("meanme", paste0("meanme_", latent$name),
                            normal_prior(round(latent$centre, digits), 2.5 * scale), latent$name)
    sds <- parameter_rows("sdme", paste0("sdme_", latent$name), student_prior(0, round(scale, digits)), latent$name)
    rbind(means, sds)
  })
  do.call(rbind, rows)
}

# Predictions -----------------------------------------------------------------------------------------------------------

# The same of new rows, without `values`, because they have no draws of their own. What is imputed in the rows of the fit is given
# in others.
new_rows_of_latents <- function(fit, newdata) {
  measured <- Filter(function(latent) is.null(latent$imputed), fit$design$latents)
  lapply(measured, function(latent) {
    observed <- new_values(latent$x, fit, newdata)
    error <- new_values(latent$sdx, fit, newdata)
    check_errors_of(latent, error, rownames(newdata), "newdata", may_be_zero = TRUE)
    blueprint <- fit$design$blueprint
    terms <- stats::delete.response(blueprint$terms)
    frame <- evaluate_new(stats::model.frame(terms, newdata, na.action = stats::na.pass, xlev = blueprint$xlevels))
    latent[c("observed", "error")] <- list(observed, error)
    latent$loadings <- latent_loadings(blueprint, frame, latent)[, colnames(latent$loadings), drop = FALSE]
    latent$values <- NULL
    latent
  })
}
