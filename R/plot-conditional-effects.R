# How conditional effects are drawn.

#' @rdname tw_conditional_effects
#' @method plot tw_conditional_effects
#' @export
plot.tw_conditional_effects <- function(x, points = FALSE, plot = TRUE, ask = interactive(), ...) {
  check_no_dots(...)
  check_flag(points, "points")
  check_flag(plot, "plot")
  check_flag(ask, "ask")
  plots <- lapply(stats::setNames(nm = names(x)), function(name) {
    draw_effect(x[[name]], y_label(x), if (points) attr(x, "points"))
  })
  if (plot) show_pages(plots, ask)
  invisible(plots)
}

#' @rdname tw_conditional_effects
#' @method print tw_conditional_effects
#' @export
print.tw_conditional_effects <- function(x, ...) {
  plot.tw_conditional_effects(x, ...)
  invisible(x)
}

y_label <- function(x) {
  response <- attr(x, "response")
  if (attr(x, "method") == "posterior_linpred") paste("linear predictor of", response) else response
}

draw_effect <- function(table, label, points) {
  effect <- attr(table, "effects")
  if (isTRUE(attr(table, "stands_for_levels"))) table$effect1__ <- level_factor(table$effect1__)
  is_along <- !is_category(table$effect1__)
  has_second <- !is.null(table$effect2__)
  table$series__ <- if (has_second) table$effect2__ else factor("")
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$effect1__, y = .data$estimate__))
  if (!is.null(points)) plot <- plot + point_layer(points, effect, is_along)
  plot <- plot + if (!is_along) bar_layers(has_second) else
    if (is.null(attr(table, "spaghetti"))) ribbon_layers() else spaghetti_layers(table)
  plot <- plot + series_colours(nlevels(table$series__), has_second, if (has_second) effect[2]) +
    ggplot2::labs(x = effect[1], y = label) + plot_theme()
  if (nlevels(table$cond__) > 1) plot + ggplot2::facet_wrap(ggplot2::vars(.data$cond__)) else plot
}

ribbon_layers <- function() {
  list(ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$lower__, ymax = .data$upper__, fill = .data$series__), alpha = 0.25),
       ggplot2::geom_line(ggplot2::aes(colour = .data$series__), linewidth = 0.9))
}

bar_layers <- function(has_second) {
  aes <- ggplot2::aes(ymin = .data$lower__, ymax = .data$upper__, colour = .data$series__)
  list(ggplot2::geom_pointrange(aes, position = ggplot2::position_dodge(if (has_second) 0.4 else 0), size = 0.5))
}

spaghetti_layers <- function(table) {
  draws <- attr(table, "spaghetti")
  long <- table[rep(seq_len(nrow(table)), each = nrow(draws)), c("effect1__", "series__", "cond__")]
  long$value <- as.vector(draws)
  long$line <- interaction(rep(seq_len(nrow(draws)), nrow(table)), long$series__, long$cond__, drop = TRUE)
  list(ggplot2::geom_line(ggplot2::aes(y = .data$value, group = .data$line, colour = .data$series__), data = long,
                          alpha = 0.15, linewidth = 0.3),
       ggplot2::geom_line(ggplot2::aes(colour = .data$series__), linewidth = 0.9))
}

point_layer <- function(points, effect, is_along) {
  points$effect1__ <- if (is_along) points[[effect[1]]] else level_factor(points[[effect[1]]])
  jitter <- ggplot2::position_jitter(width = if (is_along) 0 else 0.15, height = 0, seed = 1)
  ggplot2::geom_point(ggplot2::aes(x = .data$effect1__, y = .data$resp__), data = points, colour = "grey40", alpha = 0.4,
                      size = 1, position = jitter, inherit.aes = FALSE)
}

# One series in the colour of the bayesplot scheme, several in colours that the colour-blind can tell apart.
series_colours <- function(n, has_second, title) {
  colours <- if (n == 1) bayesplot::color_scheme_get()[["dark"]] else
    grDevices::hcl.colors(n, "Dark 3")
  guide <- if (has_second) "legend" else "none"
  list(ggplot2::scale_colour_manual(title, values = colours, guide = guide),
       ggplot2::scale_fill_manual(title, values = colours, guide = guide))
}
