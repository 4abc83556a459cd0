# tw_guides(): the effects of single guides of a screen.

#' Guides of a screen
#'
#' The effect of each guide, `beta + b_k` of [twill_screen()], for one coefficient.
#'
#' @param fit A fit of class `twill_screen`, from [twill_screen()].
#' @param coef Name of a population-level coefficient. Default: the only one besides the intercept, else the intercept.
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_guides` with one row per guide: `gene`, `guide`, `log2FoldChange` (posterior mean), `lfcSE`
#'   (posterior sd), `lower`, `upper`, and `efficacy`, the posterior probability that the guide has at least half of its gene's
#'   effect, in the same direction (it says little about genes without effect). With `guide_dist = "mixture"` also `works`, the
#'   probability that the guide works (about that of any guide, where the gene has no effect). Errors have class
#'   `twill_error_genes`,
#'   `twill_error_contrast` or `twill_error_draws`.
#' @examples
#' set.seed(1)
#' plasmid <- rpois(8, 300)
#' counts <- matrix(rnbinom(16, mu = plasmid * c(0.2, 0.2, 0.2, 0.8, 1, 1, 1, 1), size = 20), 8)
#' fit <- twill_screen(counts, gene = rep(c("A", "B"), each = 4), plasmid = plasmid,
#'                     iter = 200, seed = 1)
#' tw_guides(fit)
#' @export
tw_guides <- function(fit, coef = NULL, genes = NULL, prob = 0.95, ...) {
  check_no_dots(...)
  check_set(fit)
  if (!is_screen(fit)) abort_twill("genes", c("{.arg fit} must be a screen, made by {.fn twill_screen}.",
                                              "x" = "It is of class {.cls {class(fit)[1]}}.",
                                              "i" = "{.code ranef(fit)} has the effects of levels of other fits."))
  check_level(prob, "prob")
  at <- set_positions(fit, genes)
  weights <- resolve_contrast(model_of(fit), coef %||% only_coefficient(model_of(fit)))
  check_not_zero(weights, "population")
  slots <- fit$screen$guides[fit$screen$guides$gene %in% set_genes(fit)[at], ]
  draws <- guide_draws(fit, weights, slots)
  bounds <- steady_quantiles(draws$guide, c(1 - prob, 1 + prob) / 2)
  unit <- effect_unit(fit)
  table <- data.frame(gene = slots$gene, guide = slots$guide, log2FoldChange = colMeans(draws$guide) / unit,
                      lfcSE = column_sds(draws$guide) / unit, lower = bounds[, 1] / unit, upper = bounds[, 2] / unit,
                      efficacy = colMeans(draws$guide / draws$gene > 0.5))
  table$works <- slots$works
  texts <- c(log2FoldChange = "posterior mean of the guide's effect", lfcSE = "posterior sd of the guide's effect",
             interval_texts(prob), efficacy = "probability of at least half of the gene's effect, in the same direction",
             works = if (has_failing_guides(fit)) "probability that the guide works")
  new_table(table, "guides", "Effects", "guides", texts, list(contrast = weights$label, unit = table_unit(fit), prob = prob,
                                                                error = interval_error(list(draws = draws$guide), prob)))
}

# draws x guides of the guide's own effect and of its gene's.
guide_draws <- function(fit, weights, slots) {
  genes <- unique(slots$gene)
  at <- match(genes, set_genes(fit))
  k <- match("guide", group_names(model_of(fit)))
  # Genes of one guide each have no term of guides, and a term may be without this coefficient: guides are as their gene.
  gene <- weighted_draws(fit, linear_weights(fit, weights, "population"), at)[, match(slots$gene, genes), drop = FALSE]
  if (is.na(k) || all(weights$terms[[k]]$weights[1, ] == 0)) return(list(gene = gene, guide = gene))
  w <- weights$terms[[k]]$weights[1, ]
  used <- names(w)[w != 0]
  term <- model_of(fit)$design$terms[[k]]
  names <- unlist(lapply(used, effect_variables, group = term$group, levels = term$levels))
  effects <- array(draws_of(fit, names, at), c(nrow(gene), length(term$levels), length(used), length(genes)))
  own <- lapply(seq_along(used), function(j) w[used[j]] * guide_columns(effects, j, slots, match(slots$gene, genes)))
  list(gene = gene, guide = gene + Reduce(`+`, own))
}

guide_columns <- function(effects, j, slots, gene) {
  out <- vapply(seq_len(nrow(slots)), function(g) effects[, slots$slot[g], j, gene[g]], numeric(dim(effects)[1]))
  matrix(out, dim(effects)[1])
}
