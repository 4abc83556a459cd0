# The plot of tw_design(): power by donors.

#' @rdname tw_design
#' @param x A table made by `tw_design()`.
#' @method plot tw_design
#' @export
plot.tw_design <- function(x, ...) {
  check_no_dots(...)
  need_columns(x, c("effect", "per_donor", "donors", "power"), "{.fn tw_design}.")
  series <- factor(x$per_donor, sort(unique(x$per_donor)))
  data <- data.frame(donors = x$donors, power = x$power, series = series, panel = paste("effect", format(x$effect, trim = TRUE)))
  data$panel <- factor(data$panel, unique(data$panel))
  text <- table_texts(x)
  plot <- ggplot2::ggplot(data, ggplot2::aes(x = .data$donors, y = .data$power, colour = .data$series)) +
    ggplot2::geom_hline(yintercept = table_fact(x, "power") %||% 0.8, linetype = 2, colour = "grey60", linewidth = 0.4) +
    ggplot2::geom_line() + ggplot2::geom_point() + ggplot2::scale_x_continuous(breaks = sort(unique(data$donors))) +
    ggplot2::scale_y_continuous(limits = c(0, 1)) + plot_theme() +
    ggplot2::scale_colour_viridis_d(end = 0.8) + ggplot2::theme(legend.position = "top") +
    ggplot2::labs(x = text[["donors"]], y = "power, mean over genes", colour = text[["per_donor"]], caption = power_caption(x))
  if (nlevels(series) == 1) plot <- plot + ggplot2::guides(colour = "none")
  if (nlevels(data$panel) > 1) plot <- plot + ggplot2::facet_wrap(ggplot2::vars(.data$panel))
  plot
}

# The size of the effects, where panels do not say it.
power_caption <- function(x) {
  unit <- table_texts(x)[["effect"]]
  sizes <- unique(x$effect)
  if (length(sizes) > 1) return(unit)
  paste0(unit, ": ", format(sizes, trim = TRUE))
}
