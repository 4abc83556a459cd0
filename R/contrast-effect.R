# Draws of the effect that a contrast is about: in the population, in observed levels, in new ones.

# list(draws, extra, mean, sd): draws x genes of what is sampled, and the variance that a new level adds, draw by draw;
# or, for fits without draws, the mean and sd of a normal.
contrast_effect <- function(fit, weights, estimand) {
  linear <- linear_weights(fit, weights, estimand)
  if (!has_draws(fit)) return(normal_effect(fit, linear, estimand))
  at <- all_genes(fit)
  draws <- weighted_draws(fit, linear, at)
  if (estimand == "observed") draws <- add_level_means(draws, fit, weights, at)
  extra <- if (estimand == "new_donor") new_level_variance(fit, weights, at)
  # One row of zeros: the contrast is the same for all donors.
  if (NROW(extra) < nrow(draws)) extra <- NULL
  list(draws = draws, extra = extra)
}

# Weights of population-level variables, named, without zeros. Averages over all levels are variables of a posterior of genes.
linear_weights <- function(fit, weights, estimand) {
  out <- stats::setNames(weights$x, model_of(fit)$design$coef_names)
  if (estimand == "observed" && !is_one(fit)) {
    for (k in seq_along(weights$terms)) {
      w <- weights$terms[[k]]$weights
      if (nrow(w) == 1) out[paste0("mean_r_", model_of(fit)$design$terms[[k]]$group, "__", colnames(w))] <- w[1, ]
    }
  }
  out[out != 0]
}

# Zeros where nothing is weighted: of a slope without a mean over levels, `(1 + x | g)` without `x`, levels alone have effects.
weighted_draws <- function(fit, linear, at) {
  if (length(linear) > 0) return(weighted_sum(draws_of(fit, names(linear), at), linear))
  matrix(0, ndraws(fit), length(at))
}

# Of a contrast that is zero in the population only the effects of levels can be asked.
check_not_zero <- function(weights, estimand, of_levels = FALSE) {
  varies <- any(unlist(lapply(weights$terms, `[[`, "weights")) != 0)
  if (any(weights$x != 0) || (varies && (of_levels || estimand != "population"))) return(invisible())
  abort_twill("contrast", c("{.arg contrast} is zero in the population: its two sides are the same.",
                            "i" = if (varies) "It differs between levels: say {.arg by}, or another {.arg estimand}." else
                              "Name different levels: {.code cond(x = \"a\") - cond(x = \"b\")}."))
}

# Where the sides of a contrast are about different levels of a group (donor:condition), the averages are over the levels
# of each side, which needs the effects themselves. One response has no averages among its variables.
add_level_means <- function(draws, fit, weights, at) {
  for (k in seq_along(weights$terms)) {
    part <- weights$terms[[k]]
    if ((nrow(part$weights) < 2 && !is_one(fit)) || all(part$weights == 0)) next
    draws <- draws + side_means(fit, k, part, at)
  }
  draws
}

side_means <- function(fit, k, part, at) {
  term <- model_of(fit)$design$terms[[k]]
  found <- levels_of_sides(fit, k, part)
  sides <- lapply(seq_len(nrow(part$weights)), function(i) {
    levels <- term$levels[found[[i]]]
    sums <- lapply(colnames(part$weights), function(coef) {
      effects <- draws_of(fit, effect_variables(term$group, levels, coef), at)
      part$weights[i, coef] * apply(effects, c(1, 3), mean)
    })
    Reduce(`+`, sums)
  })
  Reduce(`+`, sides)
}

# By side of the contrast the levels of a term, of donors that have levels on all sides, unless there are none.
levels_of_sides <- function(fit, k, part) {
  model <- model_of(fit)
  term <- model$design$terms[[k]]
  found <- lapply(part$values, function(values) levels_with(fit, k, values))
  others <- setdiff(term$vars, unlist(lapply(part$values, names)))
  used <- rowSums(part$weights != 0) > 0
  if (length(others) == 0 || sum(used) < 2) return(found)
  rows <- model$data[match(seq_along(term$levels), term$codes), others, drop = FALSE]
  keys <- level_keys(lapply(as.list(rows), as.character))
  shared <- Reduce(intersect, lapply(found[used], function(levels) keys[levels]))
  if (length(shared) == 0) return(found)
  lapply(found, function(levels) levels[keys[levels] %in% shared])
}

# The levels of a term whose variables have these values.
levels_with <- function(fit, k, values) {
  term <- model_of(fit)$design$terms[[k]]
  first <- match(seq_along(term$levels), term$codes)
  rows_with(model_of(fit)$data[first, , drop = FALSE], values)
}

# Variance of sum_k d_k' b for new levels: d' S R S d, one summand for each level that the contrast tells apart.
new_level_variance <- function(fit, weights, at) {
  total <- 0
  for (k in seq_along(weights$terms)) total <- total + new_term_variance(fit, k, weights$terms[[k]], at)
  if (length(total) == 1) matrix(0, 1, length(at)) else total
}

new_term_variance <- function(fit, k, part, at) {
  term <- model_of(fit)$design$terms[[k]]
  if (is.null(term$by) || all(part$weights == 0)) return(term_variance(fit, k, part$weights, at))
  used <- colnames(part$weights)[colSums(part$weights != 0) > 0]
  rows <- lapply(seq_len(nrow(part$weights)), function(i) {
    class_variance(fit, class_of_condition(term, part$values[[i]]), part$weights[i, , drop = FALSE], used, at)
  })
  Reduce(`+`, rows)
}

# Where levels are of several classes the mean over them.
term_variance <- function(fit, k, weights, at) {
  term <- model_of(fit)$design$terms[[k]]
  used <- colnames(weights)[colSums(weights != 0) > 0]
  if (length(used) == 0) return(0)
  by_class <- lapply(classes_of(term), function(class) class$share * class_variance(fit, class$term, weights, used, at))
  Reduce(`+`, by_class)
}

class_variance <- function(fit, term, weights, used, at) {
  sds <- draws_of(fit, sd_names(term, used), at)
  total <- 0
  for (i in seq_len(nrow(weights))) for (a in seq_along(used)) for (b in seq_len(a)) {
    both <- weights[i, used[a]] * weights[i, used[b]] * (if (a == b) 1 else 2)
    if (both == 0 || (a != b && !term$cor)) next
    total <- total + both * sds[, a, ] * sds[, b, ] * (if (a == b) 1 else correlation_of(fit, term, used[b], used[a], at))
  }
  matrix(total, dim(sds)[1])
}

# Without draws: normal with the mean and variance of the contrast.
normal_effect <- function(fit, linear, estimand) {
  if (estimand == "new_donor") {
    abort_twill("draws", c("The estimand {.val new_donor} needs draws, and the fit has moments only.", lost_folder(fit),
                           "i" = "Fit with {.code keep = \"draws\"}, or with {.arg folder}."))
  }
  if (!is.null(fit$info$folder)) warn_twill("draws", c("Normal approximations stand for draws.", lost_folder(fit)))
  rows <- match(names(linear), fit$posterior$names)
  mean <- drop(linear %*% fit$posterior$mean[rows, , drop = FALSE])
  quadratic <- function(v) drop(linear %*% matrix(v, length(linear)) %*% linear)
  variance <- apply(fit$posterior$cov[rows, rows, , drop = FALSE], 3, quadratic)
  list(mean = mean, sd = sqrt(variance))
}
