# The forest of a table of contrasts: effects with their intervals, gene by gene, in each level that the table has.

contrast_forest <- function(results, alpha, n_genes) {
  table <- forest_points(results, alpha)
  genes <- surest_genes(table, max(1, n_genes))
  n_all <- length(unique(table$gene))
  table <- table[table$gene %in% genes, ]
  by <- columns_of_levels(results)
  # A gene in its panel, its levels on the axis; without levels genes are on it, the largest effect on top.
  table$gene <- factor(table$gene, genes)
  table$row <- if (length(by)) factor(table$level, rev(unique(as.character(table$level)))) else
    factor(table$gene, unique(table$gene[order(table$effect)]))
  plot <- forest_of_effects(table, alpha)
  if (length(by)) plot <- plot + ggplot2::facet_wrap("gene")
  what <- effect_label(results)
  prob <- table_fact(results, "prob")
  note <- paste(c(if (nzchar(what)) what, if (!is.null(prob)) sprintf("%g%% intervals", 100 * prob),
                  if (length(genes) < n_all) sprintf("the %d surest of %s genes", length(genes), big(n_all))), collapse = "; ")
  plot + ggplot2::labs(x = effect_axis(results), y = if (length(by)) paste(by, collapse = ", "), title = NULL,
                       subtitle = wrap_label(note)) + subtitle_theme()
}

forest_points <- function(results, alpha) {
  effect <- intersect(effect_names, names(results))
  need_columns(results, c(if (length(effect) == 0) effect_names[1], "lfcSE", "lower", "upper", "svalue"), "{.fn tw_contrast}.")
  table <- data.frame(gene = shown_genes(results), level = levels_of_rows(results) %||% "", effect = results[[effect[1]]],
                      sd = results$lfcSE, low = results$lower, high = results$upper, svalue = results$svalue)
  table <- table[is.finite(table$effect), ]
  table$called <- !is.na(table$svalue) & table$svalue <= alpha
  table
}

# Genes by their surest row, called ones first.
surest_genes <- function(table, n) {
  sure <- order(!table$called, -abs(table$effect) / table$sd)
  utils::head(unique(table$gene[sure]), n)
}

forest_of_effects <- function(table, alpha) {
  ggplot2::ggplot(table, ggplot2::aes(x = .data$effect, y = .data$row, colour = .data$called)) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$low, xmax = .data$high), linewidth = 0.8) +
    ggplot2::geom_point(size = 1.6) + called_colours(alpha) + plot_theme() + ggplot2::theme(legend.position = "top")
}

# One response ---------------------------------------------------------------------------------------------------------------

is_of_one <- function(results) "estimate" %in% names(results)

# Contrasts, and levels, are rows, in the order of the table.
forest_of_one <- function(results) {
  need_columns(results, c("lower", "upper"), "{.fn tw_contrast}.")
  label <- levels_of_rows(results) %||% rep("", nrow(results))
  table <- data.frame(effect = results$estimate, low = results$lower, high = results$upper,
                      row = factor(label, rev(unique(as.character(label)))))
  what <- c(sub("_", " ", table_fact(results, "estimand")), sprintf("%g%% intervals", 100 * table_fact(results, "prob")))
  ggplot2::ggplot(table, ggplot2::aes(x = .data$effect, y = .data$row)) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_pointrange(ggplot2::aes(xmin = .data$low, xmax = .data$high), colour = bayesplot::color_scheme_get()[["dark"]],
                             size = 0.3) +
    ggplot2::labs(x = effect_axis(results), y = if (any(label != "")) paste(columns_of_levels(results), collapse = ", "),
                  subtitle = wrap_label(paste(what, collapse = "; "))) + plot_theme() + subtitle_theme()
}
