# The plot of tw_draws(): effects of the levels of a factor over genes.

#' @rdname tw_draws
#' @method plot tw_draws
#' @export
plot.tw_draws <- function(x, ...) {
  check_no_dots(...)
  draws_plot(x)
}

draws_plot <- function(x) {
  is_log <- has_counts(x$fit)
  table <- as.data.frame(summary.tw_draws(x))
  table$estimate <- table$estimate * unit_size(x$unit) / effect_unit(x$fit)
  varies <- tapply(table$estimate, table$level, function(v) any(v != 0))
  table <- table[table$level %in% names(varies)[varies], ]
  n_levels <- nlevels(droplevels(table$level))
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$estimate)) + effect_histogram(is_log)
  if (n_levels > 1) plot <- plot + ggplot2::facet_wrap("level")
  unit <- unit_words(table_unit(x$fit))
  headed(plot + ggplot2::labs(x = paste(unit, "(posterior mean)"), y = "genes"),
         sprintf("Effects of %s", sub(",.*$", "", x$what)), effect_note(x, table, n_levels, is_log))
}

effect_histogram <- function(is_log) {
  list(ggplot2::geom_histogram(bins = 60, fill = twill_colours[1], colour = "white", linewidth = 0.1),
       ggplot2::geom_vline(xintercept = 0, linewidth = 0.3, colour = "grey40"),
       if (is_log) ggplot2::geom_vline(xintercept = c(-1, 1), linewidth = 0.3, colour = "grey40", linetype = 2))
}

# What the levels are, which would be too long for a title.
effect_note <- function(x, table, n_levels, is_log) {
  what <- if (grepl(",", x$what)) paste0(sub("^(.)", "\\U\\1", sub("^[^,]*, ", "", x$what), perl = TRUE), ". ")
  paste0(what, beyond_text(table, n_levels, is_log))
}

beyond_text <- function(table, n_levels, is_log) {
  if (!is_log) return("Posterior means over genes, in units of the values")
  if (n_levels > 1) return("Posterior means over genes; dashed lines: 2-fold")
  sprintf("%s genes; %s beyond 2-fold up, %s down (dashed lines)", big(nrow(table)), big(sum(table$estimate > 1)),
          big(sum(table$estimate < -1)))
}
