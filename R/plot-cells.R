# Plots of a fit of cells by name: calibration, effects, spread, library sizes and captures.

#' Plots of a fit of cells
#'
#' * `"calibration"` (default): observed against predicted mean counts, a panel per leaf, see [tw_calibration()].
#' * `"effects"`: histogram over genes of the effects of a term, see [tw_draws()].
#' * `"spread"`: how much donors differ, at baseline and in their response, against the effect, see [tw_spread()].
#' * `"library"`: cumulative distribution of the counts of cells, a line per leaf.
#' * `"capture"`: captures of the cells of each leaf.
#' * the types of [plot.twillgenes()]: `"ma"`, `"volcano"`, `"dispersion"`, `"forest"` and others.
#'
#' @param x A fit of class `twillcells` or `twillrows`, from [twill_cells()].
#' @param type Which plot; see above.
#' @param term For `"effects"`: the term of [tw_draws()]. Default: the first of the design.
#' @param ... For the functions named above: `contrast`, `results`, `group`, `genes` and others.
#' @return A ggplot. Errors have class `twill_error_plot`, `twill_error_effect` or `twill_error_contrast`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' plot(fit)
#' plot(fit, "spread")
#' plot(fit, "library")
#' @method plot twillcells
#' @export
plot.twillcells <- function(x, type = "calibration", term = NULL, ...) {
  own <- c("calibration", "effects", "spread", "library", "capture")
  others <- eval(formals(plot.twillgenes)$type)
  type <- check_choice(type, "type", c(own, setdiff(others, own)))
  taken <- switch(type, calibration = tw_calibration, effects = tw_draws, spread = spread_plot, library = library_plot,
                  capture = capture_plot)
  if (!is.null(taken)) check_dots_of(list(...), taken)
  switch(type,
    calibration = plot.tw_calibration(tw_calibration(x, ...)),
    effects = plot.tw_draws(tw_draws(x, term %||% known_effects(x)[1], ...)),
    spread = spread_plot(x, ...),
    library = library_plot(x),
    capture = capture_plot(x),
    plot.twillgenes(x, type, ...))
}

spread_plot <- function(x, contrast = NULL, group = NULL, n_labels = 8) plot.tw_spread(tw_spread(x, contrast, group), n_labels)

# Library sizes and captures -----------------------------------------------------------------------------------------

# One row per cell: leaf, the arm that colours it, total and capture.
cell_frame <- function(fit) {
  facts <- fit$job$cells
  data <- cell_leaves(fit)
  others <- leaf_factors(fit)$others
  arm <- if (length(others)) joined_values(data[others]) else factor(rep("all cells", nrow(data)))
  groups <- leaf_factors(fit)$groups
  group <- if (length(groups)) joined_values(data[groups]) else leaf_factor(fit, seq_len(nrow(data)))
  data.frame(leaf = leaf_factor(fit, facts$leaf), arm = arm[facts$leaf], group = group[facts$leaf], total = facts$total,
             capture = exp(facts$log_capture))
}

arm_scale <- function(table, fit, which = ggplot2::scale_colour_manual) {
  which(values = category_colours(nlevels(table$arm)), name = paste(leaf_factors(fit)$others, collapse = " | "))
}

library_plot <- function(fit) {
  table <- cell_frame(fit)
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$total, colour = .data$arm, group = .data$leaf)) +
    ggplot2::stat_ecdf(linewidth = 0.5, pad = FALSE) + ggplot2::scale_x_log10(labels = function(v) big(v)) +
    arm_scale(table, fit) + ggplot2::labs(x = "counts of a cell", y = "share of the leaf's cells")
  headed(plot, "Library sizes", sprintf("Share of cells with at most so many counts; a line per leaf (%d)", nlevels(table$leaf)))
}

capture_plot <- function(fit) {
  table <- cell_frame(fit)
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$group, y = .data$capture, fill = .data$arm)) +
    ggplot2::geom_boxplot(outlier.size = 0.3, outlier.alpha = 0.3, linewidth = 0.3, alpha = 0.85,
                          position = ggplot2::position_dodge2(preserve = "single")) +
    ggplot2::scale_y_log10() + arm_scale(table, fit, ggplot2::scale_fill_manual) +
    ggplot2::labs(x = paste(leaf_factors(fit)$groups, collapse = " | "), y = "capture")
  how <- if (fit$job$cells$how == "model") "Posterior means" else "As they were given"
  plot <- headed(plot, "Captures of cells", sprintf("%s; box: quartiles, whiskers: up to 1.5 times the box", how))
  if (max(nchar(levels(table$group))) * nlevels(table$group) < 90) return(plot)
  plot + ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 45, hjust = 1))
}
