# The plot of hypotheses: densities of the differences of their sides.

#' @rdname tw_hypothesis
#' @method plot tw_hypothesis
#' @export
plot.tw_hypothesis <- function(x, ...) {
  check_no_dots(...)
  hypothesis_plot(x)
}

hypothesis_plot <- function(x) {
  labels <- if (x$scope == "standard") x$hypothesis$Hypothesis else paste0(x$hypothesis$Group, ": ", x$hypothesis$Hypothesis)
  long <- data.frame(value = unlist(x$samples, use.names = FALSE),
                     label = factor(rep(labels, each = nrow(x$samples)), levels = unique(labels)))
  ggplot2::ggplot(long, ggplot2::aes(x = .data$value)) +
    ggplot2::geom_density(fill = bayesplot::color_scheme_get()[["light"]], colour = bayesplot::color_scheme_get()[["dark"]]) +
    ggplot2::geom_vline(xintercept = 0, linetype = "dashed", linewidth = 0.3) +
    ggplot2::facet_wrap(ggplot2::vars(.data$label), scales = "free") +
    ggplot2::labs(x = "difference of the sides", y = "density") + plot_theme()
}
