# The plot of effects on one scale against another.

# CLR against expression. With `results` on the scale of CLR only the other table is made.
clr_plot <- function(fit, results, contrast, alpha, n_labels, ...) {
  given <- list(...)
  clr <- results %||% do.call(tw_contrast, c(list(fit, contrast, scale = "clr"), given))
  if (!identical(table_fact(clr, "scale"), "clr")) {
    abort_twill("plot", "{.arg results} must be a table of {.fn tw_contrast} with {.code scale = \"clr\"}.")
  }
  expression <- do.call(tw_contrast, c(list(fit, contrast), given[setdiff(names(given), "reference")]))
  table <- scale_points(expression, clr, alpha, n_labels)
  draw_scales(table, clr) + ggplot2::labs(subtitle = wrap_label(scales_subtitle(table, clr, alpha)))
}

scale_points <- function(expression, clr, alpha, n_labels) {
  effect <- function(results) results[[intersect(effect_names, names(results))]]
  rows <- match(rownames(clr), rownames(expression))
  table <- data.frame(gene = rownames(clr), expression = effect(expression)[rows], clr = effect(clr), lfsr = clr$lfsr,
                      called = clr$svalue <= alpha, called_expression = expression$svalue[rows] <= alpha)
  table$sureness <- abs(table$clr) / clr$lfcSE
  table <- table[is.finite(table$expression) & is.finite(table$clr), ]
  table$label <- ifelse(rank(-table$sureness) <= n_labels, table$gene, "")
  table[order(table$sureness), ]
}

scales_subtitle <- function(table, clr, alpha) {
  counts <- c(sum(table$called_expression), sum(table$called), sum(table$called & table$called_expression))
  sprintf("%s; s-value at most %g: %d genes on expression, %d on CLR, %d on both", effect_label(clr), alpha, counts[1],
          counts[2], counts[3])
}

draw_scales <- function(table, clr) {
  shade <- bayesplot::color_scheme_get()
  ggplot2::ggplot(table, ggplot2::aes(x = .data$expression, y = .data$clr, colour = .data$lfsr)) +
    ggplot2::geom_hline(yintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_abline(intercept = mean(table$clr - table$expression), slope = 1, colour = "grey60", linetype = 2) +
    ggplot2::geom_point(size = point_size(table), alpha = 0.8) + gene_labels(table$expression) + room_above() +
    ggplot2::scale_colour_gradientn(colours = c(shade[["dark_highlight"]], shade[["mid"]], "grey80"), values = c(0, 0.1, 1),
                                    limits = c(0, max(0.5, table$lfsr)), name = "lfsr (CLR)") +
    plot_theme() + subtitle_theme() + ggplot2::theme(legend.position = "right") +
    ggplot2::labs(x = sub(", CLR", " of expression", effect_axis(clr), fixed = TRUE), y = effect_axis(clr))
}
