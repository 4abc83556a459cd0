# The plot of effects on one scale against another.

# CLR against expression. With `results` on the scale of CLR only the other table is made.
clr_plot <- function(fit, results, contrast, n_labels, ...) {
  given <- list(...)
  clr <- results %||% do.call(tw_contrast, c(list(fit, contrast, scale = "clr"), given))
  if (!grepl("effect on centred log-ratios", effect_label(clr))) {
    abort_twill("plot", "{.arg results} must be a table of {.fn tw_contrast} with {.code scale = \"clr\"}.")
  }
  expression <- do.call(tw_contrast, c(list(fit, contrast), given[setdiff(names(given), "reference")]))
  table <- scale_points(expression, clr, n_labels)
  draw_scales(table, clr) + ggplot2::labs(subtitle = wrap_label(scales_subtitle(table, clr)))
}

scale_points <- function(expression, clr, n_labels) {
  effect <- function(results) results[[intersect(c("log2FoldChange", "logFC"), names(results))]]
  rows <- match(rownames(clr), rownames(expression))
  table <- data.frame(gene = rownames(clr), expression = effect(expression)[rows], clr = effect(clr), lfsr = clr$lfsr,
                      sd = clr$lfcSE)
  table <- table[is.finite(table$expression) & is.finite(table$clr), ]
  table$label <- ""
  surest <- utils::head(order(-abs(table$clr) / table$sd), n_labels)
  table$label[surest] <- table$gene[surest]
  table[order(-table$lfsr), ]
}

scales_subtitle <- function(table, clr) {
  agreement <- stats::cor(table$expression, table$clr, method = "spearman")
  sprintf("%s; Spearman correlation %.2f with the effect on expression", effect_label(clr), agreement)
}

draw_scales <- function(table, clr) {
  shade <- bayesplot::color_scheme_get()
  ggplot2::ggplot(table, ggplot2::aes(x = .data$expression, y = .data$clr, colour = .data$lfsr)) +
    ggplot2::geom_hline(yintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_abline(intercept = mean(table$clr - table$expression), slope = 1, colour = "grey60", linetype = 2) +
    ggplot2::geom_point(size = point_size(table), alpha = 0.8) + gene_labels(table$expression) +
    ggplot2::scale_colour_gradientn(colours = c(shade[["dark_highlight"]], shade[["mid"]], "grey80"), values = c(0, 0.1, 1),
                                    limits = c(0, 0.5), name = "lfsr (CLR)") +
    plot_theme() + subtitle_theme() + ggplot2::theme(legend.position = "right") +
    ggplot2::labs(x = paste(sub(", CLR", "", effect_axis(clr)), "of expression"), y = effect_axis(clr))
}
