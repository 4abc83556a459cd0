# Draws of the linear predictor and of the dispersion, for the fitted rows or for other data.

prediction_arguments <- c("newdata", "re_formula", "ndraws", "draw_ids", "allow_new_levels", "sample_new_levels", "offset")

# Resolves what all prediction methods share into list(fit, input, ids, how_new): the design,
# and the numbers of the draws to use. Unknown arguments are refused, because a misspelt
# `re_formula` would otherwise change the answer silently.
prepare_prediction <- function(fit, newdata = NULL, re_formula = NULL, ndraws = NULL, draw_ids = NULL,
                               re.form = NULL, draws = NULL, allow_new_levels = FALSE,
                               sample_new_levels = c("uncertainty", "gaussian", "old_levels"),
                               offset = NULL, sort = FALSE, resp = NULL, nlpar = NULL, cores = NULL,
                               ntrys = NULL, ...) {
  if (...length() > 0) refuse_unused(...names() %||% "", prediction_arguments)
  if (!is.null(resp)) check_own_response(resp, fit)
  how_new <- check_choice(sample_new_levels, "sample_new_levels", c("uncertainty", "gaussian", "old_levels"))
  input <- with_plain_options(design_newdata(fit, newdata, re_formula %||% re.form, allow_new_levels, offset))
  if (needs_effects(all_terms(input), how_new)) fit <- with_effects(fit)
  out <- list(fit = fit, input = input, ids = choose_draws(fit, ndraws %||% draws, draw_ids), how_new = how_new)
  # A new level is one and the same in the mean and in the dispersion.
  if (length(input$disp_terms)) out$plan <- plan_new_levels(out)
  out
}

# New levels from the normal distribution of a term need its parameters alone.
needs_effects <- function(terms, how_new) {
  length(terms) > 0 && (how_new != "gaussian" || any(vapply(terms, function(term) !all(is.na(term$codes)), NA)))
}

# A fit of one response has no other.
check_own_response <- function(resp, fit) {
  if (!has_responses(fit)) check_resp(resp, stats::setNames(list(fit$formula), response_label(fit$formula$response)))
}

# The draws to use: those of `draw_ids` as they come, `ndraws` at random, or all.
choose_draws <- function(fit, ndraws = NULL, draw_ids = NULL) {
  # By its full name: the argument may be anything, a function too.
  total <- posterior::ndraws(fit)
  if (!is.null(draw_ids)) return(check_draw_ids(draw_ids, total))
  if (is.null(ndraws)) return(seq_len(total))
  sort(sample.int(total, check_whole(ndraws, "ndraws", 1, total)))
}

check_draw_ids <- function(draw_ids, total, name = "draw_ids") {
  fine <- is.numeric(draw_ids) && length(draw_ids) > 0 && !anyNA(draw_ids) &&
    all(draw_ids == round(draw_ids) & draw_ids >= 1 & draw_ids <= total)
  if (fine) return(as.integer(draw_ids))
  given <- given_value(draw_ids)
  abort_twill("argument", c("{.arg {name}} must hold numbers of draws, from 1 to {total}.", "x" = "You supplied {.val {given}}."))
}

# The one linear predictor: draw x row x gene of o + x beta + sum_k z_k b_k. `beta` is draw x coefficient x gene, `rows` has x,
# terms and maybe an offset, and `effects(term)` gives draw x level x gene for each of a term's coefficients. Group terms are
# looked up by level, never multiplied by an indicator matrix, so that thousands of levels cost no more than few.
linear_predictor <- function(rows, beta, effects = NULL) {
  size <- c(dim(beta)[1], nrow(rows$x), dim(beta)[3])
  eta <- array(0, size)
  for (g in seq_len(size[3])) eta[, , g] <- matrix(beta[, , g], size[1]) %*% t(rows$x)
  if (!is.null(rows$offset)) eta <- eta + rep(rows$offset, each = size[1])
  for (term in rows$terms) eta <- add_term(eta, term, effects(term))
  eta
}

add_term <- function(eta, term, effects) {
  for (j in seq_along(effects)) {
    used <- which(term$z[, j] != 0)
    if (length(used) == 0) next
    part <- effects[[j]][, term$codes[used], , drop = FALSE]
    z <- term$z[used, j]
    if (any(z != 1)) part <- part * rep(z, each = nrow(eta))
    if (length(used) == nrow(term$z)) eta <- eta + part else eta[, used, ] <- eta[, used, , drop = FALSE] + part
  }
  eta
}

# draws x rows of a prediction.
predicted_eta <- function(prediction) add_latents(known_predictor(prediction), prediction)

# Without what predictors that are measured with error add beyond what was measured.
known_predictor <- function(prediction) {
  predictor_of(prediction, prediction$input[c("x", "terms", "offset")], prediction$fit$design$coef_names)
}

predictor_of <- function(prediction, rows, coefs) {
  plan <- if (length(rows$terms)) prediction$plan %||% plan_new_levels(prediction)
  beta <- draws_of(prediction$fit, coefs)
  if (!is.null(prediction$ids)) beta <- beta[prediction$ids, , , drop = FALSE]
  # What is sampled as a positive parameter is no logarithm, as the others are.
  positive <- which(coefs %in% prediction$fit$design$disp_names[as.logical(prediction$fit$design$disp_positive)])
  beta[, positive, ] <- log(beta[, positive, ])
  rows$terms <- lapply(rows$terms, function(term) with_new_codes(term, plan[[term_factor(term)]]))
  effects <- function(term) {
    lapply(term_effects(term, prediction, plan[[term_factor(term)]]), function(part) array(part, c(dim(part), 1)))
  }
  eta <- linear_predictor(rows, beta, effects)
  matrix(eta, nrow(eta))
}

# New levels come after those of the fit.
with_new_codes <- function(term, plan) {
  is_new <- is.na(term$codes)
  term$codes[is_new] <- plan$n_levels + match(term$new_levels[is_new], plan$new)
  term
}

# One matrix draws x (levels, then new levels) per coefficient of the term.
term_effects <- function(term, prediction, plan) {
  known <- lapply(term$coefs, function(coef) {
    draw_matrix(prediction$fit, effect_names_of(term, plan$levels, coef), prediction$ids)
  })
  if (length(plan$new) == 0) return(known)
  new <- if (is.null(plan$pick)) gaussian_effects(term, prediction, plan) else
    lapply(known, picked_effects, pick = plan$pick)
  Map(cbind, known, new)
}

# For each group: its levels, the new ones, and (unless drawn from the normal) which known level
# stands in for each new one in each draw. Terms of one group share the pick, so that a level's
# coefficients come from one and the same level.
plan_new_levels <- function(prediction) {
  terms <- all_terms(prediction$input)
  groups <- unique(vapply(terms, term_factor, ""))
  plans <- lapply(groups, function(group) {
    levels <- if (has_group_effects(prediction$fit)) group_terms(prediction$fit, group)[[1]]$levels
    mine <- terms[vapply(terms, function(term) term_factor(term) == group, NA)]
    new <- unique(unlist(lapply(mine, function(term) term$new_levels[is.na(term$codes)])))
    class <- mine[[1]]$new_class[match(new, mine[[1]]$new_levels)]
    own <- (if (length(levels) > 0) group_terms(prediction$fit, group)[[1]]$by$of_level) %||% rep(1L, length(levels))
    pick <- pick_levels(prediction$how_new, length(prediction$ids), own, class %||% rep(1L, length(new)))
    list(levels = levels, n_levels = length(levels), new = new, pick = pick, class = class)
  })
  stats::setNames(plans, groups)
}

# Known levels that stand in for new ones of the same class: draws x new levels.
pick_levels <- function(how, n_draws, class, new_class) {
  if (length(new_class) == 0 || how == "gaussian") return(NULL)
  pick <- matrix(0L, n_draws, length(new_class))
  for (one in unique(new_class)) {
    levels <- which(class == one)
    new <- which(new_class == one)
    draw <- function(n) levels[sample.int(length(levels), n, TRUE)]
    pick[, new] <- if (how == "old_levels") rep(draw(length(new)), each = n_draws) else draw(n_draws * length(new))
  }
  pick
}

picked_effects <- function(effects, pick) {
  matrix(effects[cbind(as.vector(row(pick)), as.vector(pick))], nrow(pick))
}

# New levels from the fitted normal: sd * (Cholesky factor of the correlations) * standard normal.
gaussian_effects <- function(term, prediction, plan) {
  if (is.null(term$by)) return(class_effects(term, prediction, length(plan$new)))
  out <- lapply(term$coefs, function(coef) matrix(0, length(prediction$ids), length(plan$new)))
  for (class in unique(plan$class)) {
    own <- which(plan$class == class)
    effects <- class_effects(in_class(term, class), prediction, length(own))
    for (j in seq_along(out)) out[[j]][, own] <- effects[[j]]
  }
  out
}

class_effects <- function(term, prediction, n_new) {
  coefs <- scale_coefs(term)
  q <- length(coefs)
  ids <- prediction$ids
  sd <- draw_matrix(prediction$fit, sd_names(term), ids)
  z <- array(stats::rnorm(length(ids) * n_new * q), c(length(ids), n_new, q))
  if (q > 1 && is.null(term$dpar)) {
    z <- correlate(z, correlation_draws(prediction$fit, term$group, coefs)[ids, , , drop = FALSE])
  }
  multiple <- tail_multiples(term, prediction, n_new)
  lapply(seq_len(q), function(j) matrix(z[, , j], length(ids)) * sd[, j] * multiple)
}

# draws x new levels: what their normal effects are multiplied with; one where effects are normal.
tail_multiples <- function(term, prediction, n_new) {
  if (!has_tails(term)) return(1)
  df <- if (has_df(term)) draw_matrix(prediction$fit, df_name(term$group), prediction$ids)[, 1]
  n_draws <- length(prediction$ids)
  matrix(tail_records[[term$dist]]$draw(n_draws * n_new, df), n_draws)
}

correlate <- function(z, cor) {
  for (s in seq_len(dim(z)[1])) {
    z[s, , ] <- matrix(z[s, , ], dim(z)[2]) %*% chol(cor[s, , ])
  }
  z
}

# Draws of sigma or shape: a vector of one per draw where it is constant, draws x rows where it
# has a regression, NULL where the family has none (or the residual sd is known).
dispersion_draws <- function(prediction) {
  fit <- prediction$fit
  names <- fit$design$disp_names
  if (!is.null(names) && !is.null(fit$design$x_disp)) {
    return(exp(predictor_of(prediction, list(x = prediction$input$x_disp, terms = prediction$input$disp_terms), names)))
  }
  name <- intersect(fit$family$dispersion, variables(fit))
  if (length(name)) unname(draw_matrix(fit, name, prediction$ids)[, 1])
}

# draws x rows (or one per draw): sqrt(se^2 + sigma^2) of a Gaussian model, or sigma sqrt(V_ii) with fcor(V).
residual_sd <- function(prediction) {
  need_own_errors(prediction)
  sigma <- dispersion_draws(prediction)
  if (has_related_errors(prediction$fit) && !is.null(sigma)) {
    return(outer(sigma, sqrt(Matrix::diag(prediction$input$errors$covariance))))
  }
  if (is.null(prediction$fit$formula$addition$se)) return(sigma)
  se <- need_column(prediction$input$se, prediction$fit$formula$addition$se)
  known <- rep(se^2, each = length(prediction$ids))
  matrix(sqrt(known + if (is.null(sigma)) 0 else sigma^2), length(prediction$ids))
}

# What only some predictions need of new data (response, standard errors), asked for when they do.
need_column <- function(values, expression) {
  if (inherits(values, "twill_error")) stop(values)
  if (!is.null(values)) return(values)
  needed <- variables_in(expression)
  abort_twill("newdata", "{.arg newdata} lacks the column{?s} {.val {needed}}: response and known errors are needed here.")
}
