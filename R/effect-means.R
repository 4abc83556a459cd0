# tw_means(): the mean of every gene in every leaf, with its uncertainty, as a table or as draws.

#' Means of leaves
#'
#' The mean expression \eqn{\mu_{gl} = \exp(x_l \beta_g + \sum_k z_{lk} b_{gk})} of each gene in each leaf, a combination of
#' the design's variables that occurs: molecules per cell before capture, in the units that the captures fix; the mean at a
#' size factor (and offset) of one for fits of [twill_genes()], whose leaves are their samples. Gaussian models have no
#' exponential: means are in the units of the values.
#'
#' @param fit A fit of class `twillcells` or `twillgenes` with effects kept, or one group of [tw_groups()].
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param leaf Which leaves: values of the design's variables, `c(donor = "D1")`, or labels. Default: all.
#' @param summary Summarise the draws? Default: yes.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_means` with one row per gene and leaf: `gene`, `leaf`, the variables of the design,
#'   `estimate` (posterior mean), `sd`, `lower`, `upper`, and for cells `cells` and `observed` (counts over summed captures).
#'   With `summary = FALSE` an array draw x gene x leaf. Of a screen rows are by guide and sample (columns `guide` and `sample`),
#'   and the array is draw x guide x sample, with `NA` where a guide has no counts. Errors have class `twill_error_genes`,
#'   `twill_error_leaf` or `twill_error_draws`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' head(tw_means(fit))
#' dim(tw_means(fit, genes = "gene1", summary = FALSE))
#' @export
tw_means <- function(fit, genes = NULL, leaf = NULL, summary = TRUE, prob = 0.95, ...) {
  check_no_dots(...)
  leaves <- NULL
  if (inherits(fit, "tw_group")) {
    leaves <- unname(fit$leaves)
    fit <- fit$fit
  }
  check_set(fit)
  check_level(prob, "prob")
  at <- set_positions(fit, genes)
  leaves <- if (is.null(leaf)) leaves %||% seq_along(leaf_labels(fit)) else check_within(pick_leaves(fit, leaf), leaves)
  if (!check_flag(summary, "summary")) return(mean_draws(fit, at, leaves))
  probs <- c(1 - prob, 1 + prob) / 2
  statistics <- do.call(rbind, in_gene_steps(fit, at, function(some) mean_statistics(fit, some, leaves, probs)))
  table <- mean_table(fit, at, leaves, statistics)
  unit <- if (!is.null(fit$screen$plasmid)) "counts over plasmid counts" else if (has_counts(fit)) "counts" else "values"
  rows <- if (is_screen(fit)) "rows by guide and sample" else "rows by gene and leaf"
  new_table(table, "means", "Means", rows, mean_texts(fit, prob), list(unit = unit, prob = prob),
            names(model.frame.twillgenes(fit)))
}

mean_texts <- function(fit, prob) {
  what <- if (is_leaves(fit)) "molecules per cell before capture" else
    if (has_counts(fit)) "mean count at a size factor of one" else "mean of the values"
  c(leaf = "combination of the variables of the design", estimate = paste("posterior mean of the", what), sd = "posterior sd",
    interval_texts(prob), cells = "number of cells", observed = "counts over summed captures")
}

check_within <- function(leaves, allowed) {
  both <- if (is.null(allowed)) leaves else intersect(leaves, allowed)
  if (length(both) > 0) return(both)
  abort_twill("leaf", c("{.arg leaf} names leaves outside of the group that {.arg fit} is.",
                        "i" = "Give the whole fit, or leaves of this group."))
}

# draw x gene x leaf.
mean_draws <- function(fit, at, leaves) {
  draws <- inverse_link(fit, leaf_log_mu(fit, at)[, leaves, , drop = FALSE])
  if (is_screen(fit)) return(mean_draws_of_guides(fit, at, leaves, draws))
  draws <- aperm(draws, c(1, 3, 2))
  array(draws, dim(draws), list(NULL, set_genes(fit)[at], leaf_labels(fit)[leaves]))
}

# One row per gene and leaf, leaves first.
mean_statistics <- function(fit, at, leaves, probs) {
  eta <- leaf_log_mu(fit, at)[, leaves, , drop = FALSE]
  eta <- matrix(eta, dim(eta)[1])
  mean <- inverse_link(fit, eta)
  # Ends go through the link as they are, from the scale on which the posterior is nearly normal.
  cbind(colMeans(mean), column_sds(mean), inverse_link(fit, steady_quantiles(eta, probs)))
}

columns_of_means <- c("gene", "leaf", "guide", "sample", "estimate", "sd", "lower", "upper", "cells", "observed")

mean_table <- function(fit, at, leaves, statistics) {
  l <- rep(leaves, length(at))
  g <- rep(at, each = length(leaves))
  if (is_screen(fit)) return(guide_mean_table(fit, g, l, statistics))
  variables <- other_variables(model.frame.twillgenes(fit), columns_of_means)
  table <- data.frame(gene = set_genes(fit)[g], leaf = leaf_labels(fit)[l], variables[l, , drop = FALSE],
                      estimate = statistics[, 1], sd = statistics[, 2], lower = statistics[, 3], upper = statistics[, 4],
                      row.names = NULL, check.names = FALSE)
  if (!is_leaves(fit)) return(table)
  table$cells <- fit$job$cells$n[l]
  table$observed <- fit$job$source$data$sums[cbind(l, fit$posterior$rows[g])] / leaf_exposures(fit)[l]
  table
}

# One row per guide and sample that there is.
guide_mean_table <- function(fit, g, l, statistics) {
  known <- fit$job$weights[cbind(fit$posterior$rows[g], l)] > 0
  samples <- screen_samples(fit)
  slot <- (l - 1) %/% length(samples) + 1
  guides <- screen_guides(fit)
  guide <- guides$guide[match(paste(set_genes(fit)[g], slot), paste(guides$gene, guides$slot))]
  variables <- other_variables(model.frame.twill_screen(fit), columns_of_means)
  table <- data.frame(gene = set_genes(fit)[g], guide = guide, sample = column_samples(fit)[l],
                      variables[(l - 1) %% length(samples) + 1, , drop = FALSE], estimate = statistics[, 1],
                      sd = statistics[, 2], lower = statistics[, 3], upper = statistics[, 4], row.names = NULL,
                      check.names = FALSE)
  table <- table[known, ]
  rownames(table) <- NULL
  table
}

# draw x guide x sample, these in the order of `leaves`.
mean_draws_of_guides <- function(fit, at, leaves, draws) {
  all <- array(NA_real_, c(dim(draws)[1], length(leaf_labels(fit)), length(at)))
  all[, leaves, ] <- draws
  out <- aperm(guide_draws_by_sample(fit, all, set_genes(fit)[at]), c(1, 3, 2))
  out[, , unique(column_samples(fit)[leaves]), drop = FALSE]
}

# Variables of a design but those that have the name of a column of the table.
other_variables <- function(variables, columns) variables[setdiff(names(variables), columns)]
