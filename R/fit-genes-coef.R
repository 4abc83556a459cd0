# coef() of a fit of genes: the coefficients of every level of a group, population and deviation added up.

#' @rdname twillgenes-effects
#' @method coef twillgenes
#' @export
coef.twillgenes <- function(object, summary = TRUE, probs = c(0.025, 0.975), groups = NULL, genes = NULL, ...) {
  check_no_dots(...)
  need_set_groups(object)
  check_probs(probs, open = is.null(object$posterior$effects))
  at <- set_positions(object, genes)
  groups <- pick_groups(model_of(object), groups)
  if (!check_flag(summary, "summary")) return(lapply(groups, level_coef_draws, fit = object, at = at))
  if (is.null(object$posterior$effects) && length(at) > max_repeated) say_means_alone()
  lapply(groups, level_coef_array, fit = object, at = at, probs = probs)
}

say_means_alone <- function() {
  inform_twill("draws", c("The effects of single levels were not kept: only estimates are given, errors are {.val {NA}}.",
                          "i" = "Fit with {.code keep = \"effects\"}, or name at most {max_repeated} {.arg genes}."))
}

# What a level's coefficients are made of, by coefficient: list(fixed, effects), names of variables of the posterior. Those
# that do not vary over the group stay in, equal for all levels, as in lme4 and brms.
level_coef_parts <- function(fit, group) {
  design <- model_of(fit)$design
  terms <- group_terms(model_of(fit), group)
  varying <- unlist(lapply(terms, `[[`, "coefs"))
  coefs <- union(population_names(model_of(fit), group), varying)
  parts <- lapply(coefs, function(coef) {
    list(fixed = intersect(c(paste0("b_", coef), mean_names(group, coef)), design$coef_names),
         effects = if (coef %in% varying) effect_variables(group, terms[[1]]$levels, coef))
  })
  list(parts = stats::setNames(parts, coefs), levels = terms[[1]]$level_names)
}

# draw x gene x level x coefficient.
level_coef_draws <- function(fit, group, at) {
  plan <- level_coef_parts(fit, group)
  draws <- lapply(plan$parts, level_coef_values, fit = fit, at = at, n_levels = length(plan$levels))
  n_draws <- dim(draws[[1]])[1]
  array(unlist(draws), c(n_draws, length(at), length(plan$levels), length(draws)),
        list(NULL, set_genes(fit)[at], plan$levels, names(draws)))
}

# draw x gene x level of one coefficient.
level_coef_values <- function(part, fit, at, n_levels) {
  fixed <- if (length(part$fixed)) apply(draws_of(fit, part$fixed, at), c(1, 3), sum) else 0
  if (is.null(part$effects)) return(array(fixed, c(dim(fixed), n_levels)))
  aperm(draws_of(fit, part$effects, at), c(1, 3, 2)) + as.vector(fixed)
}

# gene x (Estimate, Est.Error, quantiles) x level x coefficient.
level_coef_array <- function(fit, group, at, probs) {
  plan <- level_coef_parts(fit, group)
  size <- c(length(plan$levels), length(plan$parts))
  statistics <- c("Estimate", "Est.Error", quantile_names(probs))
  if (is.null(fit$posterior$effects) && length(at) > max_repeated) {
    values <- vapply(plan$parts, level_coef_means, matrix(0, length(at), size[1]), fit = fit, at = at, n_levels = size[1])
    values <- c(values, rep(NA_real_, (length(statistics) - 1) * length(values)))
    values <- aperm(array(values, c(length(at), size, length(statistics))), c(1, 4, 2, 3))
  } else {
    values <- level_coef_statistics(fit, group, at, probs, prod(size))
    values <- aperm(array(values, c(size, length(statistics), length(at))), c(4, 3, 1, 2))
  }
  array(values, dim(values), list(set_genes(fit)[at], statistics, plan$levels, names(plan$parts)))
}

# Posterior means need no draws: gene x level.
level_coef_means <- function(part, fit, at, n_levels) {
  mean <- function(variables, names, table) table[match(variables, names), at, drop = FALSE]
  p <- fit$posterior
  fixed <- colSums(mean(part$fixed, p$names, p$mean))
  if (is.null(part$effects)) return(matrix(fixed, length(at), n_levels))
  t(mean(part$effects, p$effect_names, p$effects_mean)) + fixed
}

# level and coefficient x statistic x gene, in steps of genes, so that draws of all never stand together.
level_coef_statistics <- function(fit, group, at, probs, n_values) {
  steps <- gene_ranges(length(at), n_set_draws(fit) * n_values)
  unlist(lapply(steps, function(some) {
    draws <- aperm(level_coef_draws(fit, group, at[some]), c(1, 3, 4, 2))
    values <- summarise_columns(matrix(draws, dim(draws)[1]), probs = probs, type = few_draws_type)
    aperm(array(values, c(n_values, length(some), ncol(values))), c(1, 3, 2))
  }))
}
