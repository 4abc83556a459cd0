# The plot of a table of tw_spread(): both spreads against the effect.

#' @rdname tw_spread
#' @method plot tw_spread
#' @export
plot.tw_spread <- function(x, n_labels = 8, ...) {
  check_no_dots(...)
  need_columns(x, c("effect", "baseline", "response", "ratio"), "{.fn tw_spread}.")
  spread_points(x, n_labels)
}

# Plots are made in functions of their own: the frame of a method knows that of its caller, which would be saved with the plot.
spread_points <- function(x, n_labels) {
  group <- attr(x, "group")
  kinds <- c(baseline = "baseline", response = "response")
  long <- data.frame(effect = abs(rep(x$effect, 2)), sd = c(x$baseline, x$response), kind = rep(kinds, each = nrow(x)))
  top <- utils::head(order(-x$response), check_whole(n_labels, "n_labels", 0, 1e4))
  named <- data.frame(effect = abs(x$effect[top]), sd = x$response[top], label = rownames(x)[top])
  named$kind <- rep("response", nrow(named))
  named$across <- sqrt(named$effect / max(abs(x$effect)))
  unit <- if (attr(x, "unit") == "log2") " (log2)" else ""
  plot <- ggplot2::ggplot(long[is.finite(long$sd), ], ggplot2::aes(x = .data$effect, y = .data$sd)) +
    spread_layers(max(0.5, 2 - log10(nrow(x)) / 4), named) +
    ggplot2::labs(x = sprintf("size of the effect%s, square-root axes", unit), y = paste0("sd over ", group, unit))
  headed(plot, sprintf("Spread over %s at baseline and in the response", group),
         sprintf("%s. Response sd over baseline sd: median %.2f. Dashed: sd equal to effect", attr(x, "contrast"),
                 stats::median(x$ratio, na.rm = TRUE)))
}

spread_names <- function(named) {
  if (!has_ggrepel()) {
    return(ggplot2::geom_text(ggplot2::aes(label = .data$label, hjust = .data$across), data = named, size = 2.8, vjust = -0.6,
                              check_overlap = TRUE))
  }
  repelled_names(named)
}

# Under the root the line of equal values stays straight, and small effects are told apart.
spread_layers <- function(size, named) {
  list(ggplot2::geom_point(ggplot2::aes(colour = .data$kind), size = size, alpha = 0.6, show.legend = FALSE),
       ggplot2::geom_abline(linewidth = 0.3, linetype = 2), ggplot2::facet_wrap("kind"),
       spread_names(named),
       ggplot2::scale_colour_manual(values = twill_colours[1:2]), ggplot2::scale_x_continuous(trans = "sqrt"),
       ggplot2::scale_y_continuous(trans = "sqrt"))
}
