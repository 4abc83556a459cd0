# Log-likelihood and log prior of one gene along a line in its coefficients and effects (contrast-density.R), draw by draw.

# function(linear, slope, move, draws): draw x point of the log-likelihood of all samples, whose linear predictors without
# offsets are `linear` (draw x sample) and move by `slope`.
line_likelihoods <- function(fit, at) {
  size <- leaf_sizes(fit, at)
  one <- function(g) if (fit$job$source$kind == "leaves") leaf_likelihood(fit, at[g]) else count_likelihood(fit, at[g])
  lapply(seq_along(at), function(g) {
    value <- one(g)
    sizes <- matrix(size[, , g], dim(size)[1])
    function(linear, slope, move, draws) {
      total <- 0
      for (i in which(slope != 0)) total <- total + value(i, linear[, i] + slope[i] * move, sizes[draws, i])
      total
    }
  })
}

leaf_likelihood <- function(fit, at) {
  row <- fit$posterior$rows[at]
  nodes <- gene_nodes(fit, row)
  total <- fit$job$source$data$sums[, row]
  function(i, log_mu, size) one_log_lik(fit, i, total[i], nodes, log_mu, size)
}

count_likelihood <- function(fit, at) {
  view <- part_view(job_part(fit$job, fit$posterior$rows[at]))
  design <- model_of(fit)$design
  y <- drop(dense_block(view$block))
  offset <- design$offset + drop(view$offset %||% 0)
  weights <- design$weights * drop(view$weights %||% 1)
  function(i, log_mu, size) {
    weights[i] * count_record(size)$log_density(y[i], exp(log_mu + offset[i]), size)
  }
}

# function(p, u, move, draws): draw x point of the log prior of coefficients and effects on the line.
line_priors <- function(fit, at) {
  model <- model_of(fit)
  part <- job_part(fit$job, fit$posterior$rows[at])
  view <- part_view(part)
  overrides <- gene_priors(view$model, part, view$levels)
  frame <- coefficient_frame(fit)
  priors <- frame$priors
  names <- model$design$coef_names
  of_coefs <- function(g) {
    args <- lapply(seq_along(priors), function(k) overridden(priors[[k]]$args, overrides, names[k], g))
    function(p, u, move) {
      total <- 0
      for (k in seq_along(priors)) {
        if (!is_proper_prior(priors[[k]])) next
        weights <- frame$columns[, k]
        here <- drop(p[, seq_along(names), drop = FALSE] %*% weights) - frame$shift[k]
        on_line <- here + sum(u[seq_along(names)] * weights) * move
        total <- total + record_of_prior(priors[[k]])$log_density(on_line, args[[k]])
      }
      total
    }
  }
  lapply(seq_along(at), function(g) {
    coefs <- of_coefs(g)
    effects <- effect_prior_on_line(fit, at[g])
    function(p, u, move, draws) coefs(p, u, move) + effects(p, u, move, draws)
  })
}

# -(1/2) sum_jk Q_jk b_j' (S R S)^-1 b_k over levels, Q the identity where they are independent; draw by draw, on the line.
effect_prior_on_line <- function(fit, at) {
  design <- model_of(fit)$design
  classes <- unlist(lapply(design$terms, classes_of), recursive = FALSE)
  terms <- lapply(classes, function(class) {
    term <- class$term
    term$levels <- term$levels[class$levels]
    identity <- diag(length(term$coefs))
    dimnames(identity) <- list(NULL, term$coefs)
    of_coef <- function(coef) match(effect_variables(term$group, term$levels, coef), fit$posterior$effect_names)
    places <- vapply(term$coefs, of_coef, integer(length(term$levels)))
    list(covariance = function() array(term_covariance(fit, term, identity, at), c(n_set_draws(fit), rep(length(term$coefs), 2))),
         places = matrix(places, length(term$levels)) + length(design$coef_names), precision = precision_matrix(term))
  })
  function(p, u, move, draws) {
    total <- 0
    for (term in terms) {
      covariance <- term$covariance()[draws, , , drop = FALSE]
      levels <- seq_len(nrow(term$places))
      d <- lapply(levels, function(level) matrix(u[term$places[level, ]], nrow(p), ncol(term$places), byrow = TRUE))
      b <- lapply(levels, function(level) p[, term$places[level, ], drop = FALSE])
      scaled <- function(values) related_values(lapply(values, function(y) solve_draws(covariance, y)), term$precision)
      pulled_b <- scaled(b)
      pulled_d <- scaled(d)
      for (level in levels) {
        total <- total - rowSums(d[[level]] * pulled_b[[level]]) * move - rowSums(d[[level]] * pulled_d[[level]]) * move^2 / 2
      }
    }
    total
  }
}

# One matrix per level, mixed by a precision; as they are without.
related_values <- function(values, precision) {
  if (is.null(precision)) return(values)
  lapply(seq_along(values), function(level) Reduce(`+`, Map(`*`, values, precision[level, ])))
}
