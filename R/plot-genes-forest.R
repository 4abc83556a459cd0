# The forest of one gene: the effect in each level of a group (a donor, a guide), in the population and in a new level.

gene_forest <- function(fit, gene, contrast, group, prob, prob_outer) {
  if (is.null(gene)) {
    abort_twill("plot", c("{.arg gene} is missing: {.code type = \"forest\"} shows one gene.",
                          "i" = "For example {.code plot(fit, \"forest\", gene = \"{set_genes(fit)[1]}\")}."))
  }
  at <- set_positions(fit, gene, "gene")
  if (length(at) != 1) abort_twill("plot", "{.arg gene} must be one gene, not {length(at)}.")
  contrast <- contrast %||% only_coefficient(model_of(fit))
  weights <- resolve_contrast(model_of(fit), contrast)
  say_reference_levels(model_of(fit), contrast)
  k <- forest_term(fit, weights, group)
  unit <- effect_unit(fit)
  levels <- level_intervals(fit, weights, k, at, c(prob, prob_outer))
  name <- model_of(fit)$design$terms[[k]]$group
  table <- rbind(levels[order(levels$estimate), ], population_intervals(fit, weights, at, c(prob, prob_outer), name))
  numeric <- vapply(table, is.numeric, TRUE)
  table[numeric] <- table[numeric] / unit
  axis <- unit_words(table_unit(fit))
  subtitle <- sprintf("%s; median, %g%% and %g%% intervals", weights$label, 100 * prob, 100 * prob_outer)
  draw_forest(table, set_genes(fit)[at], wrap_label(subtitle), own = FALSE, axis) + subtitle_theme()
}

level_intervals <- function(fit, weights, k, at, probs) {
  term <- model_of(fit)$design$terms[[k]]
  w <- weights$terms[[k]]$weights[1, ]
  used <- names(w)[w != 0]
  population <- weighted_draws(fit, linear_weights(fit, weights, "population"), at)[, 1]
  names <- unlist(lapply(used, effect_variables, group = term$group, levels = term$levels))
  effects <- array(draws_of(fit, names, at), c(length(population), length(term$levels), length(used)))
  draws <- population + Reduce(`+`, lapply(seq_along(used), function(j) w[used[j]] * effects[, , j]))
  colnames(draws) <- term$level_names
  interval_table(own_levels_of(fit, term, at, draws), probs[1], probs[2])
}

# Genes of a screen have guides of their own, which share the levels of one term.
own_levels_of <- function(fit, term, at, draws) {
  if (!is_screen(fit) || !has_guides(term)) return(draws)
  levels <- guide_levels(fit, term$group, at)
  draws <- draws[, levels$level, drop = FALSE]
  colnames(draws) <- own_level_names(fit, term$group, at)
  draws
}

population_intervals <- function(fit, weights, at, probs, group) {
  one <- fit[at, ]
  population <- contrast_effect(one, weights, "population")$draws
  new <- noisy_draws(contrast_effect(one, weights, "new_donor"), fit$job$settings$seed)
  draws <- cbind(population[, 1], new[, 1])
  colnames(draws) <- c("(population)", sprintf("(new %s)", group))
  interval_table(draws, probs[1], probs[2])
}
