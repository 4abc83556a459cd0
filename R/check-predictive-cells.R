# pp_check() of a fit of cells: observed counts of some genes against replicated ones, in all leaves or in some.

#' Posterior predictive checks of cells
#'
#' Draws a new count for every cell, from its leaf's mean and its own capture, in each of some posterior draws, and compares
#' these with the observed counts, gene by gene:
#' * `"hist"`: how many cells have which count, with bands that hold 50, 68 and 95 percent of the replicates;
#' * `"mean"`, `"zeros"`: the mean count, or the share of cells without one, as a histogram over replicates.
#'
#' @param object A fit of class `twillcells` or `twillrows`, from [twill_cells()].
#' @param type `"hist"` (default), `"mean"` or `"zeros"`.
#' @param genes Names or numbers of genes. Default: `n_genes` of them, evenly spaced over the logarithms of the means.
#' @param leaf Which cells: values of the design's variables, `c(donor = "D1", condition = "ctrl")`, or labels of leaves.
#'   Default: all.
#' @param n_genes Number of genes to choose. Default: 9.
#' @param ndraws Number of posterior draws. Default: 200, fewer with more than 20,000 cells but at least 40.
#' @param cut Share of the cells that the axis of `"hist"` shows. Default: 0.99; counts beyond are left out of the picture.
#' @param seed A whole number for the replicates. Default: R's generator.
#' @param ... Not used.
#' @return A ggplot with a panel per gene. Errors have class `twill_error_genes`, `twill_error_leaf` or `twill_error_setting`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' pp_check(fit, n_genes = 4)
#' pp_check(fit, leaf = c(donor = "d1", condition = "ctrl"), type = "zeros", n_genes = 4)
#' @method pp_check twillcells
#' @export
pp_check.twillcells <- function(object, type = c("hist", "mean", "zeros"), genes = NULL, leaf = NULL, n_genes = 9,
                                ndraws = NULL, cut = 0.99, seed = NULL, ...) {
  check_no_dots(...)
  type <- check_choice(type, "type", c("hist", "mean", "zeros"))
  cut <- check_share(cut, "cut")
  leaves <- pick_leaves(object, leaf, cell_leaves(object), cell_labels(object))
  at <- if (is.null(genes)) spread_genes(object, leaves, n_genes) else set_positions(object, genes)
  cells <- which(object$job$cells$leaf %in% leaves)
  ids <- spaced_draws(object, ndraws %||% min(200, max(40, floor(4e6 / length(cells)))))
  check <- function(gene) check_gene(object, gene, leaves, cells, ids, type, cut)
  table <- do.call(rbind, with_seed(seed, lapply(at, check)))
  table$gene <- factor(table$gene, set_genes(object)[at])
  where <- sprintf("%s cells of %s", big(length(cells)), if (is.null(leaf)) "all leaves" else leaves_text(object, leaves))
  if (type == "hist") histogram_check(table, where, length(ids), cut) else statistic_check(table, where, length(ids), type)
}

leaves_text <- function(fit, leaves) {
  labels <- cell_labels(fit)[leaves]
  if (length(labels) > 3) sprintf("%d leaves (%s, ...)", length(labels), toString(labels[1:2])) else toString(labels)
}

# Genes evenly spaced in the logarithm of the mean count in these leaves, from the lower tenth to the highest.
spread_genes <- function(fit, leaves, n_genes) {
  n_genes <- check_whole(n_genes, "n_genes", 1, 100)
  total <- colSums(leaf_count_sums(fit, seq_along(fit$posterior$rows))[leaves, , drop = FALSE])
  known <- which(total > 0 & fit$posterior$usable & !set_genes(fit) %in% pooled_gene(fit))
  if (length(known) == 0) abort_twill("plot", "No gene has a count in these leaves.")
  evenly_spaced(known, log(total[known]), n_genes)
}

# One table per gene of what `type` needs of the replicates.
check_gene <- function(fit, at, leaves, cells, ids, type, cut) {
  h <- gene_histogram(fit, fit$posterior$rows[at], leaves)
  number <- rowSums(h$number)
  bins <- count_bins(h$value, number, cut)
  summarise <- switch(type, hist = function(y) tabulate(findInterval(y, bins$start), length(bins$start) + 1L),
                      mean = mean, zeros = function(y) mean(y == 0))
  replicated <- replicate_counts(fit, at, cells, ids, summarise)
  gene <- set_genes(fit)[at]
  if (type != "hist") {
    observed <- if (type == "mean") sum(h$value * number) / sum(number) else number[1] / sum(number)
    return(data.frame(gene = gene, observed = observed, replicated = as.vector(replicated)))
  }
  observed <- sums_by(number, findInterval(h$value, bins$start), length(bins$start) + 1L)
  histogram_table(gene, bins, observed, replicated)
}

# Bins of counts up to a quantile, each a whole number of counts wide, at most 30. What is beyond falls after the last.
count_bins <- function(value, number, cut) {
  last <- value[which(cumsum(number) >= cut * sum(number))[1]]
  width <- ceiling((last + 1) / 30)
  n <- ceiling((last + 1) / width)
  list(start = (seq_len(n + 1) - 1) * width, width = width, n = n)
}

# summary x draw: `summarise` of a new count for every cell.
replicate_counts <- function(fit, at, cells, ids, summarise) {
  rates <- gene_rates(fit, at, ids)
  leaf <- mean_of_cell(fit)[cells]
  one <- function(s) summarise(draw_counts(draw_captures(fit, cells) * rates$mu[s, leaf], rates$size[s, leaf]))
  do.call(cbind, lapply(seq_along(ids), one))
}

# With what is left uncertain of captures that were modelled.
draw_captures <- function(fit, cells) {
  facts <- fit$job$cells
  noise <- if (length(facts$sd)) facts$sd[cells] * stats::rnorm(length(cells)) else 0
  exp(facts$log_capture[cells] + noise)
}

draw_counts <- function(mean, size) count_record(size)$random(mean, size)

histogram_table <- function(gene, bins, observed, replicated) {
  kept <- seq_len(bins$n)
  probs <- c(0.025, 0.16, 0.25, 0.5, 0.75, 0.84, 0.975)
  bounds <- t(apply(replicated[kept, , drop = FALSE], 1, stats::quantile, probs, names = FALSE))
  colnames(bounds) <- c("low95", "low68", "low50", "middle", "high50", "high68", "high95")
  data.frame(gene = gene, start = bins$start[kept], width = bins$width, observed = observed[kept], bounds)
}

# Plots --------------------------------------------------------------------------------------------------------------

check_bands <- c("95 %" = "#BDD7E7", "68 %" = "#6BAED6", "50 %" = "#2171B5")

histogram_check <- function(table, where, n, cut) {
  band <- function(share) {
    columns <- paste0(c("low", "high"), share)
    ggplot2::geom_rect(ggplot2::aes(xmin = .data$start - 0.5, xmax = .data$start + .data$width - 0.5, ymin = .data[[columns[1]]],
                                    ymax = .data[[columns[2]]], fill = !!paste(share, "%")))
  }
  plot <- ggplot2::ggplot(table) + band("95") + band("68") + band("50") +
    ggplot2::geom_step(ggplot2::aes(x = .data$x, y = .data$observed), data = step_outline(table), linewidth = 0.45) +
    ggplot2::scale_fill_manual(values = check_bands, breaks = names(check_bands), name = "replicates") +
    ggplot2::scale_y_continuous(trans = "sqrt", breaks = root_breaks, labels = function(v) big(v)) +
    ggplot2::scale_x_continuous(breaks = whole_breaks) + ggplot2::facet_wrap("gene", scales = "free") +
    ggplot2::labs(x = "count", y = "number of cells (square-root axis)")
  headed(plot, sprintf("Counts of %s", where),
         sprintf("Black: observed; bands: %d replicates of the data. Counts up to the %g %% quantile", n, 100 * cut))
}

# Few round numbers that are far apart under the root.
root_breaks <- function(limits) {
  top <- max(limits)
  unique(c(0, signif(top * c(0.04, 0.25, 0.64), 1), signif(top * 0.98, 2)))
}

# A bin's height from its left edge to its right one.
step_outline <- function(table) {
  parts <- lapply(split(table, table$gene, drop = TRUE), function(part) {
    end <- part$start[nrow(part)] + part$width[1]
    data.frame(gene = part$gene[1], x = c(part$start, end) - 0.5, observed = c(part$observed, part$observed[nrow(part)]))
  })
  do.call(rbind, parts)
}

statistic_check <- function(table, where, n, type) {
  observed <- table[!duplicated(table$gene), ]
  what <- if (type == "mean") "Mean count" else "Share without a count"
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$replicated)) +
    ggplot2::geom_histogram(bins = 20, fill = check_bands[["68 %"]], colour = "white", linewidth = 0.2) +
    ggplot2::geom_vline(ggplot2::aes(xintercept = .data$observed), data = observed, linewidth = 0.8) +
    ggplot2::scale_x_continuous(n.breaks = 4) + ggplot2::facet_wrap("gene", scales = "free") +
    ggplot2::labs(x = tolower(what), y = "replicates")
  headed(plot, sprintf("%s in %s", what, where), sprintf("Black line: observed; histogram: %d replicates of the data", n))
}
