# The heatmap of a table of contrasts: genes in rows, donors, types of cells or contrasts in columns.

contrast_heatmap <- function(results, alpha, n_genes) {
  if (is.null(levels_of_rows(results))) {
    abort_twill("plot", c("A heatmap needs a table of several contrasts, types of cells or levels.",
                          "i" = "Say {.code tw_contrast(fit, ..., by = \"donor\")}, or give a list of contrasts."))
  }
  table <- forest_points(results, alpha)
  n_all <- length(unique(table$gene))
  genes <- surest_genes(table, max(1, n_genes))
  table <- table[table$gene %in% genes, ]
  table$gene <- factor(table$gene, rev(like_together(table)))
  limit <- colour_limit(table$effect)
  table$shown <- pmin(limit, pmax(-limit, table$effect))
  what <- effect_label(results)
  note <- c(if (nzchar(what)) what, sprintf("dots: s-value at most %g", alpha),
            if (length(genes) < n_all) sprintf("the %d surest of %s", length(genes), big(n_all)))
  ggplot2::ggplot(table, ggplot2::aes(x = .data$level, y = .data$gene)) +
    ggplot2::geom_tile(ggplot2::aes(fill = .data$shown), colour = "white", linewidth = 0.3) +
    ggplot2::geom_point(data = function(t) t[t$called, ], size = 0.9) +
    ggplot2::scale_fill_gradient2(low = "#2166ac", mid = "#f7f7f7", high = "#b2182b", limits = c(-limit, limit)) +
    ggplot2::labs(x = NULL, y = NULL, fill = heat_title(results), subtitle = wrap_label(paste(note, collapse = "; "))) +
    plot_theme() + subtitle_theme() +
    ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 45, hjust = 1), panel.grid = ggplot2::element_blank())
}

heat_title <- function(results) {
  unit <- table_fact(results, "unit")
  if (is.null(unit)) "effect" else sub(", ", ",\n", sub("log2 fold", "log2 fold\n", unit_words(unit)))
}

# A few effects far out would leave no colours for the others.
colour_limit <- function(effect) max(stats::quantile(abs(effect), 0.98, names = FALSE), 1e-12)

# Genes in the order of a tree of their effects over the columns; what a column lacks is taken for no effect.
like_together <- function(table) {
  effects <- tapply(table$effect, list(as.character(table$gene), as.character(table$level)), mean)
  effects[is.na(effects)] <- 0
  if (nrow(effects) < 3) return(rownames(effects))
  rownames(effects)[stats::hclust(stats::dist(effects), "average")$order]
}
