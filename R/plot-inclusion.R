# The plot of tw_inclusion(): one locus, probabilities of its variants.

#' @rdname tw_inclusion
#' @method plot tw_inclusion
#' @export
plot.tw_inclusion <- function(x, ...) {
  check_no_dots(...)
  need_columns(x, "variant", "{.fn tw_inclusion}.")
  if (length(unique(x$locus)) > 1) {
    abort_twill("plot", c("A plot shows one locus.", "i" = "Choose: {.code plot(x[x$locus == {.val {x$locus[1]}}, ])}."))
  }
  studies <- attr(x, "studies")
  suffix <- if (length(studies) == 2) paste0("_", studies) else ""
  parts <- lapply(seq_along(suffix), function(s) {
    data.frame(place = seq_len(nrow(x)), variant = x$variant, pip = x[[paste0("pip", suffix[s])]],
               in_set = x[[paste0("in_set", suffix[s])]], panel = if (length(studies) == 2) studies[s] else "effect")
  })
  if (length(studies) == 2) parts <- c(parts, list(data.frame(place = seq_len(nrow(x)), variant = x$variant, pip = x$both,
                                                              in_set = FALSE, panel = "both")))
  table <- do.call(rbind, parts)
  table$panel <- factor(table$panel, unique(table$panel))
  labelled <- table[table$pip >= max(0.1, sort(table$pip, decreasing = TRUE)[min(5, nrow(table))]), ]
  level <- sprintf("%g %%", 100 * attr(x, "prob"))
  plot <- ggplot2::ggplot(table, ggplot2::aes(.data$place, .data$pip)) +
    ggplot2::geom_segment(ggplot2::aes(xend = .data$place, yend = 0), colour = "grey70") +
    ggplot2::geom_point(ggplot2::aes(colour = .data$in_set), size = 1.8) +
    ggplot2::geom_text(ggplot2::aes(label = .data$variant), data = labelled, vjust = -0.7, size = 3) +
    ggplot2::scale_colour_manual(values = c(`FALSE` = "grey55", `TRUE` = "#B2182B"), name = paste(level, "set"),
                                labels = c(`FALSE` = "not in it", `TRUE` = "in it")) +
    ggplot2::scale_y_continuous(limits = c(0, 1.12), breaks = seq(0, 1, 0.25)) +
    ggplot2::labs(x = "variant, in the order given", y = "probability of an effect") + plot_theme()
  if (length(studies) == 2) plot <- plot + ggplot2::facet_wrap(ggplot2::vars(.data$panel), ncol = 1)
  plot
}
