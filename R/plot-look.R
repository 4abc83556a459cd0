# The look of plots: theme, colours, headings, names of points.

# The look of plots: what the user has set for bayesplot or ggplot2, else bayesplot's own theme, which bayesplot
# itself only uses when it is attached.
plot_theme <- function() {
  theme <- bayesplot::bayesplot_theme_get()
  if (!identical(theme, ggplot2::theme_grey())) return(theme)
  # Without a background a saved picture is black on black in some viewers.
  bayesplot::theme_default(base_family = "sans") +
    ggplot2::theme(plot.background = ggplot2::element_rect(fill = "white", colour = NA))
}

with_plot_theme <- function(code) {
  old <- bayesplot::bayesplot_theme_get()
  theme <- plot_theme()
  if (!identical(theme, old)) {
    bayesplot::bayesplot_theme_set(theme)
    on.exit(bayesplot::bayesplot_theme_set(old))
  }
  tryCatch(withCallingHandlers(suppressMessages(off_screen(code)), warning = bayesplot_warning), error = bayesplot_error)
}

# A plot's heading: what is seen, and how to read it.
headed <- function(plot, title, subtitle = NULL) {
  plot + ggplot2::labs(title = title, subtitle = if (!is.null(subtitle)) paste(strwrap(subtitle, 68), collapse = "\n")) +
    plot_theme() + ggplot2::theme(plot.title = ggplot2::element_text(size = ggplot2::rel(1.05), face = "bold"),
                                  plot.subtitle = ggplot2::element_text(size = ggplot2::rel(0.8)))
}

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
twill_colours <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")

category_colours <- function(n) if (n <= length(twill_colours)) twill_colours[seq_len(n)] else grDevices::hcl.colors(n, "viridis")

wrap_label <- function(text) paste(strwrap(text, 68), collapse = "\n")

# Long subtitles fit at this size.
subtitle_theme <- function() ggplot2::theme(plot.subtitle = ggplot2::element_text(size = ggplot2::rel(0.75)))

point_size <- function(table) max(0.3, 1.6 - log10(nrow(table)) / 4)

has_ggrepel <- function() requireNamespace("ggrepel", quietly = TRUE)

# On a white edge, so that names can be read on a cloud of points.
repelled_names <- function(data, size = 2.8) {
  ggrepel::geom_text_repel(ggplot2::aes(label = .data$label), data = data, size = size, colour = "black", bg.colour = "white",
                           bg.r = 0.12, max.overlaps = Inf, force = 3, box.padding = 0.3, max.iter = 20000, max.time = 3,
                           min.segment.length = 0.2, segment.colour = "grey50", segment.size = 0.3, seed = 1)
}

room_above <- function(...) ggplot2::scale_y_continuous(expand = ggplot2::expansion(mult = c(0.05, 0.1)), ...)

# Grids of plots are measured when they are made, which opens a page: the first of a file would be left empty.
off_screen <- function(code) {
  current <- grDevices::dev.cur()
  grDevices::pdf(NULL)
  own <- grDevices::dev.cur()
  on.exit({
    grDevices::dev.off(own)
    if (current > 1) grDevices::dev.set(current)
  })
  force(code)
}
