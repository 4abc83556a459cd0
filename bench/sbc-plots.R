# Plots of the ranks of simulation-based calibration: two per model, a panel per quantity, a line per engine.

engine_colours <- c(collapsed = "#0072B2", joint = "#D55E00", levels = "#009E73")

# Differences of the ranks' empirical distribution from the uniform one, one row per step and quantity.
ecdf_differences <- function(run) {
  z <- seq_len(sbc_draws) / (sbc_draws + 1)
  one <- function(quantity) {
    counts <- sbc_counts(run$ranks[, quantity], sbc_draws)
    data.frame(engine = run$engine, quantity = quantity, z = z, difference = counts / nrow(run$ranks) - z)
  }
  do.call(rbind, lapply(colnames(run$ranks), one))
}

envelope <- function(n) {
  z <- seq_len(sbc_draws) / (sbc_draws + 1)
  bounds <- sbc_envelope(n, sbc_draws) / n
  data.frame(z = z, lower = bounds[1, ] - z, upper = bounds[2, ] - z)
}

plot_ecdf <- function(runs, model) {
  differences <- stack_runs(runs, ecdf_differences)
  n <- nrow(runs[[1]]$ranks)
  dress(ggplot(differences, aes(z)) +
          geom_ribbon(aes(ymin = lower, ymax = upper), envelope(n), fill = "grey88") +
          geom_hline(yintercept = 0, colour = "grey60") +
          geom_step(aes(y = difference, colour = engine)) +
          scale_x_continuous(breaks = c(0, 0.5, 1), labels = c("0", "0.5", "1")),
        title = sprintf("%s: ranks of the truth in %d replications", model, n),
        subtitle = "Empirical distribution less the uniform one. Band: 95 % of all paths stay inside all along",
        x = "Rank / 100", y = "Difference")
}

# Counts of ten ranks each, as outlines of histograms.
rank_counts <- function(run) {
  edges <- seq(0, sbc_draws + 1, length.out = 11)
  one <- function(quantity) {
    counts <- tabulate(findInterval(run$ranks[, quantity], edges), 10)
    data.frame(engine = run$engine, quantity = quantity, rank = edges, count = c(counts, counts[10]))
  }
  do.call(rbind, lapply(colnames(run$ranks), one))
}

plot_histogram <- function(runs, model) {
  counts <- stack_runs(runs, rank_counts)
  n <- nrow(runs[[1]]$ranks)
  limits <- stats::qbinom(c(0.005, 0.995), n, 1 / 10)
  dress(ggplot(counts, aes(rank)) +
          annotate("rect", xmin = 0, xmax = sbc_draws + 1, ymin = limits[1], ymax = limits[2], fill = "grey88") +
          geom_hline(yintercept = n / 10, colour = "grey60") +
          geom_step(aes(y = count, colour = engine)) +
          scale_x_continuous(breaks = c(0, 50, 100)) +
          expand_limits(y = 0),
        title = sprintf("%s: ranks of the truth in %d replications", model, n),
        subtitle = "Band: 99 % of the counts of one bin", x = "Rank among 99 draws", y = "Replications")
}

stack_runs <- function(runs, rows_of) {
  rows <- do.call(rbind, lapply(runs, rows_of))
  rows$quantity <- factor(rows$quantity, unique(rows$quantity))
  rows
}

dress <- function(plot, ...) {
  plot + scale_colour_manual(values = engine_colours) + facet_wrap(~quantity) + labs(colour = NULL, ...) +
    theme_bw() +
    theme(legend.position = "top", legend.justification = "left", panel.grid.minor = element_blank(),
          panel.spacing.x = grid::unit(0.8, "lines"))
}

save_plots <- function(runs, model, folder) {
  panels <- ncol(runs[[1]]$ranks)
  height <- 2 + 1.6 * grDevices::n2mfrow(panels)[1]
  path <- function(kind) file.path(folder, sprintf("%s-%s.png", model, kind))
  ggsave(path("ecdf"), plot_ecdf(runs, model), width = 10, height = height, dpi = 90)
  ggsave(path("histogram"), plot_histogram(runs, model), width = 10, height = height, dpi = 90)
}
