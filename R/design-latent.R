# Predictors that are measured with error, me(x, sdx): what a formula says of them, and their part of the design.

# Formula -------------------------------------------------------------------------------------------------------------

# One list per me() of the population-level part, in its order: `label`, the term as R writes it; `name`, that in the names
# of draws ("mex"); the expressions `x` and `sdx`. NULL without.
latents_of <- function(fixed) {
  if (!"me" %in% call_names(fixed)) return(NULL)
  terms <- stats::terms(fixed)
  variables <- as.list(attr(terms, "variables"))[-1]
  is_me <- vapply(variables, is_call_to, TRUE, names = "me")
  is_nested <- vapply(variables, function(v) "me" %in% call_names(v), TRUE) & !is_me
  if (attr(terms, "response") > 0) is_nested[1] <- is_nested[1] || is_me[1]
  if (any(is_nested)) refuse_nested_me(variables[[which(is_nested)[1]]])
  latents <- lapply(variables[is_me], parse_me)
  check_products(attr(terms, "factors"), vapply(latents, `[[`, "", "label"), attr(terms, "term.labels"))
  names <- vapply(latents, `[[`, "", "name")
  twice <- names[duplicated(names)]
  if (length(twice) > 0) {
    labels <- vapply(latents[names == twice[1]], `[[`, "", "label")
    abort_twill("formula", c("A predictor is measured with one error: {.code {labels}} say two of one.",
                             "i" = "Two measurements of the same thing are two columns under two names."))
  }
  latents
}

parse_me <- function(call) {
  text <- deparse1(call)
  parsed <- tryCatch(match.call(function(x, sdx = NULL, gr = NULL) NULL, call), error = function(e) NULL)
  if (is.null(parsed$x) || is.null(parsed$sdx)) {
    abort_twill("formula", c("{.fn me} takes a predictor and the standard deviation of its error: {.code me(x, sdx)}.",
                             "x" = "It is {.code {text}}."))
  }
  if (!is.null(parsed$gr)) {
    abort_twill("formula", c("{.arg gr} of {.fn me} is not supported: each row has a value of its own.",
                             "x" = "It is in {.code {text}}.",
                             "i" = "Where rows share a measured value, fit one row per value: their means, with {.fn se}."))
  }
  list(label = text, name = coef_name(paste0("me", deparse1(parsed$x))), x = parsed$x, sdx = parsed$sdx)
}

refuse_nested_me <- function(expression) {
  text <- deparse1(expression)
  abort_twill("formula", c("{.fn me} must be a predictor by itself, or in an interaction with predictors without error.",
                           "x" = "It is inside {.code {text}}.",
                           "i" = "Compute first, measured value and error: {.code me(log(x), sdx / x)}."))
}

check_products <- function(factors, labels, terms) {
  if (length(factors) == 0) return(invisible())
  n_latents <- colSums(factors[rownames(factors) %in% labels, , drop = FALSE] > 0)
  if (all(n_latents < 2)) return(invisible())
  term <- terms[n_latents > 1][1]
  abort_twill("formula", c("Products of two predictors that are measured with error are not supported.",
                           "x" = "It is {.code {term}}.",
                           "i" = "Add them: {.code me(x, sdx) + me(z, sdz)}; or leave the smaller error out."))
}

# Elsewhere than among the population-level predictors of a mean.
refuse_me <- function(formula) {
  text <- deparse1(formula)
  abort_twill("formula", c("{.fn me} (measurement error) can only be a population-level predictor of the mean.",
                           "x" = "It is in {.code {text}}.",
                           "i" = "Slopes by level: {.code me(x, sdx):g} has one for each of a few levels, as coefficients.",
                           "i" = "Of many levels take the slope of what was measured: {.code (1 + x | g)}."))
}

# What a model frame has for me(x, sdx).
measured_values <- function(x, sdx) {
  if (!is.numeric(x) || !is.numeric(sdx)) {
    abort_twill("data", "{.fn me} takes numbers, and {if (is.numeric(x)) 'its error' else 'its predictor'} holds none.")
  }
  x <- as.numeric(x)
  x[rep_len(is.na(sdx), length(x))] <- NA
  x
}

refuse_latents <- function(formula, where) {
  if (is.null(formula$latents)) return(formula)
  abort_twill("formula", c("{.fn me} is not supported for {where}.", "i" = "{.fn twill} has it, for one response."))
}

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
# columns), and `loadings`, rows x columns of the design that have it: what multiplies it there.
new_latents <- function(formula, data, family, fixed) {
  check_latents(formula, family)
  lapply(formula$latents, function(latent) {
    observed <- as.numeric(evaluate_term(latent$x, data, formula$env))
    error <- rep_len(as.numeric(evaluate_term(latent$sdx, data, formula$env)), nrow(data))
    check_errors_of(latent, error, rownames(data))
    if (length(unique(observed)) < 2) {
      abort_twill("data", c("A predictor must vary.", "x" = "{.code {latent$label}} is {.val {observed[1]}} in all rows used."))
    }
    frame <- evaluate_frame(formula$fixed, data, drop.unused.levels = TRUE)
    loadings <- latent_loadings(fixed, frame, latent)
    c(latent, list(observed = observed, error = error, loadings = loadings, rows = seq_along(observed)),
      spread_of_latent(observed, error))
  })
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
    columns <- colnames(latent$loadings)
    x[, columns] <- latent$loadings * latent$expected
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
    list(name = unbox(latent$name), mean = prior("meanme", latent), sd = prior("sdme", latent),
         columns = columns[!is.na(columns)], centre = unbox(latent$centre), scale = unbox(latent$scale),
         rows = unbox(length(latent$observed)))
  })
}

latent_arrays <- function(design) {
  sampled <- colnames(design$x)[sampled_columns(design)]
  lapply(design$latents, function(latent) {
    is_sampled <- colnames(latent$loadings) %in% sampled
    known <- design$known$value[match(colnames(latent$loadings)[!is_sampled], colnames(design$x))]
    fixed <- drop(latent$loadings[, !is_sampled, drop = FALSE] %*% as.numeric(known))
    list(observed = latent$observed, error = latent$error, expected = latent$expected,
         loadings = as.double(latent$loadings[, is_sampled]), fixed = as.double(fixed))
  })
}

latent_parameters <- function(design) {
  rows <- lapply(design$latents, function(latent) {
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

# The same of new rows, without `rows`, because they have no draws of their own.
new_rows_of_latents <- function(fit, newdata) {
  lapply(fit$design$latents, function(latent) {
    observed <- new_values(latent$x, fit, newdata)
    error <- new_values(latent$sdx, fit, newdata)
    check_errors_of(latent, error, rownames(newdata), "newdata", may_be_zero = TRUE)
    blueprint <- fit$design$blueprint
    terms <- stats::delete.response(blueprint$terms)
    frame <- evaluate_new(stats::model.frame(terms, newdata, na.action = stats::na.pass, xlev = blueprint$xlevels))
    latent[c("observed", "error")] <- list(observed, error)
    latent$loadings <- latent_loadings(blueprint, frame, latent)[, colnames(latent$loadings), drop = FALSE]
    latent$rows <- NULL
    latent
  })
}

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
