# tw_calibration(): what was observed in each leaf against what the posterior predicts for it.

#' Calibration of means and zeros
#'
#' Compares each gene in each leaf (combination of the design's variables) with the posterior: the mean count per cell with
#' its prediction, or the share of cells without a count with its. With \eqn{n_l} cells \eqn{c} of capture \eqn{\nu_c} in
#' leaf \eqn{l},
#'
#' ```
#' mean:   sum_c u_cg / n_l        predicted  E[mu_gl] sum_c nu_c / n_l
#' zeros:  #(u_cg = 0) / n_l       predicted  E[sum_c (1 + nu_c mu_gl / shape_g)^(-shape_g)] / n_l
#' ```
#'
#' with the mean E over draws. Means that are off tell of a model of the mean that is too stiff, such as donors who respond
#' differently without a random slope; zeros that are off while means are right, of a wrong dispersion.
#'
#' @param fit A fit of class `twillcells` or `twillrows`, from [twill_cells()].
#' @param what `"mean"` (default) or `"zeros"`.
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param x A table made by `tw_calibration()`.
#' @param n How many leaves `plot()` shows, those with the worst median ratio where there are more. Default: 30.
#' @param ... Not used.
#' @return A [tw_table] of class `tw_calibration` with one row per gene and leaf: `gene`, `leaf`, the variables of the design,
#'   `cells`, `observed` and `predicted`. `summary()` gives one row per leaf: `correlation` (of logarithms; of shares for
#'   zeros), `ratio` (median over genes of predicted over observed) and its 5 and 95 percent quantiles, over genes with a
#'   count in the leaf. `plot()`: a ggplot with a panel per leaf, groups of the design in columns.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' calibration <- tw_calibration(fit)
#' calibration
#' plot(calibration)
#' @export
tw_calibration <- function(fit, what = c("mean", "zeros"), genes = NULL, ...) {
  check_no_dots(...)
  check_cells(fit)
  what <- check_choice(what, "what", c("mean", "zeros"))
  at <- set_positions(fit, genes)
  predict <- if (what == "mean") predicted_means else predicted_zeros
  predicted <- do.call(cbind, in_gene_steps(fit, at, function(some) predict(fit, some)))
  observe <- if (what == "mean") observed_means else observed_zeros
  observed <- observe(fit, at)
  leaves <- row(predicted)
  variables <- other_variables(cell_leaves(fit), calibration_columns)
  table <- data.frame(gene = rep(set_genes(fit)[at], each = nrow(predicted)), leaf = leaf_factor(fit, as.vector(leaves)),
                      variables[as.vector(leaves), , drop = FALSE], cells = fit$job$cells$n[as.vector(leaves)],
                      observed = as.vector(observed), predicted = as.vector(predicted), row.names = NULL, check.names = FALSE)
  title <- if (what == "mean") "Observed against predicted mean count per cell" else "Observed against predicted share of zeros"
  texts <- c(cells = "number of cells of the leaf", observed = "observed", predicted = "posterior mean of its prediction")
  new_table(table, "calibration", title, "rows by gene and leaf", texts, list(what = what, panels = leaf_factors(fit)),
            names(variables))
}

calibration_columns <- c("gene", "leaf", "cells", "observed", "predicted")

leaf_factor <- function(fit, leaf) factor(cell_labels(fit)[leaf], cell_labels(fit))

observed_means <- function(fit, at) leaf_count_sums(fit, at) / fit$job$cells$n

# leaf x gene of the posterior mean of the mean count.
predicted_means <- function(fit, at) {
  if (is_rows(fit)) return(row_prediction(fit, at, function(mean, size) mean))
  mu <- exp(leaf_log_mu(fit, at))
  matrix(colMeans(mu), dim(mu)[2]) * (leaf_exposures(fit) / fit$job$cells$n)
}

observed_zeros <- function(fit, at) {
  n <- fit$job$cells$n
  zeros <- vapply(fit$posterior$rows[at], function(row) gene_histogram(fit, row)$number[1, ], numeric(length(n)))
  matrix(zeros, length(n)) / n
}

# By the Gauss rules of the captures: the probability of a zero is as smooth in log capture as what they were made for.
predicted_zeros <- function(fit, at) {
  if (is_rows(fit)) return(row_prediction(fit, at, zero_probability))
  mu <- exp(leaf_log_mu(fit, at))
  size <- leaf_sizes(fit, at)
  rule <- fit$job$source$data$rule
  out <- array(0, dim(mu)[2:3])
  for (j in seq_along(rule$at)) {
    l <- rule$leaf[j] + 1L
    out[l, ] <- out[l, ] + rule$mass[j] * colMeans(zero_probability(exp(rule$at[j]) * mu[, l, ], size[, l, ]))
  }
  out / fit$job$cells$n
}

zero_probability <- function(mean, size) {
  matrix(exp(count_record(size)$log_zero(mean, size)), nrow = NROW(mean))
}

# By leaf ------------------------------------------------------------------------------------------------------------

#' @rdname tw_calibration
#' @param object A table made by `tw_calibration()`.
#' @method summary tw_calibration
#' @export
summary.tw_calibration <- function(object, ...) {
  check_no_dots(...)
  is_mean <- attr(object, "what") == "mean"
  by_leaf <- lapply(split(seq_len(nrow(object)), object$leaf), function(rows) {
    part <- plain_table(object)[rows, ]
    used <- if (is_mean) part$observed > 0 & part$predicted > 0 else part$observed < 1 & part$observed > 0
    scale <- if (is_mean) log else identity
    related <- correlation_if_any(scale(part$observed[used]), scale(part$predicted[used]))
    ratio <- stats::quantile((part$predicted / part$observed)[used], c(0.5, 0.05, 0.95), names = FALSE)
    data.frame(leaf = part$leaf[1], cells = part$cells[1], genes = sum(used), correlation = related, ratio = ratio[1],
               low = ratio[2], high = ratio[3])
  })
  out <- do.call(rbind, by_leaf)
  rownames(out) <- NULL
  out
}

# What print() shows of a whole table.
calibration_body <- function(x, n) {
  table <- summary.tw_calibration(x)
  all <- nrow(table)
  table <- worst_leaves(table, n)
  cat(big(length(unique(x$gene))), " genes in ", all, " leaves",
      if (all > n) sprintf("; the %d with the worst median ratio", n), "\n", sep = "")
  shown <- data.frame(leaf = as.character(table$leaf), cells = big(table$cells), genes = big(table$genes),
                      correlation = sprintf("%.3f", table$correlation), "median ratio" = sprintf("%.3f", table$ratio),
                      "5%" = sprintf("%.2f", table$low), "95%" = sprintf("%.2f", table$high), check.names = FALSE)
  print(shown, row.names = FALSE)
  note <- "Ratios are predicted over observed, over genes with counts in the leaf. Next: plot(), as.data.frame()."
  cat(strwrap(note, screen_width()), sep = "\n")
}

#' @exportS3Method
whole_body.tw_calibration <- function(x) list(columns = calibration_columns, print = calibration_body)

# NA for fewer than three values, or where one side does not vary.
correlation_if_any <- function(a, b) {
  if (length(a) > 2 && stats::sd(a) > 0 && stats::sd(b) > 0) stats::cor(a, b) else NA_real_
}

# All leaves in their order, or the worst.
worst_leaves <- function(table, n) {
  if (nrow(table) <= n) table else table[utils::head(order(-abs(log(table$ratio))), n), ]
}

# Plot ---------------------------------------------------------------------------------------------------------------

#' @rdname tw_calibration
#' @method plot tw_calibration
#' @export
plot.tw_calibration <- function(x, n = 30, ...) {
  check_no_dots(...)
  need_columns(x, calibration_columns, "{.fn tw_calibration}.")
  calibration_panels(x, n)
}

calibration_panels <- function(x, n) {
  is_mean <- attr(x, "what") == "mean"
  shown <- panel_labels(x, check_whole(n, "n", 1, 1000))
  table <- plain_table(x)
  table <- table[table$leaf %in% shown$leaf, ]
  if (is_mean) table <- table[table$observed > 0 & table$predicted > 0, ]
  note <- paste0("Each point is a gene; r: correlation, ratio: median of predicted over observed",
                 if (nrow(shown) < nlevels(x$leaf)) sprintf("; the %d worst leaves", nrow(shown)))
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$observed, y = .data$predicted)) + calibration_points(table) +
    ggplot2::geom_abline(colour = "black", linewidth = 0.3, linetype = 2) +
    ggplot2::geom_text(ggplot2::aes(label = .data$label), data = shown, x = -Inf, y = Inf, hjust = -0.08, vjust = 1.3,
                       size = 2.8, lineheight = 0.95, inherit.aes = FALSE)
  headed(plot + leaf_panels(attr(x, "panels"), table) + calibration_axes(table, is_mean), attr(x, "title"), note) +
    ggplot2::theme(panel.border = ggplot2::element_rect(colour = "grey80", fill = NA))
}

calibration_axes <- function(table, is_mean) {
  unit <- if (is_mean) "mean count per cell" else "share of cells without a count"
  titles <- ggplot2::labs(x = paste("observed", unit), y = paste("predicted", unit))
  # Few, as panels are narrow.
  if (!is_mean) return(list(titles, ggplot2::scale_x_continuous(breaks = c(0, 0.5, 1), labels = c("0", "0.5", "1"))))
  both <- c(table$observed, table$predicted)
  list(titles, power_of_ten(ggplot2::scale_x_log10, both), power_of_ten(ggplot2::scale_y_log10, both))
}

# Powers of ten that leave room between labels.
power_of_ten <- function(scale, values) {
  range <- log10(range(values))
  step <- max(1, ceiling(diff(range) / 3))
  powers <- step * seq(floor(range[1] / step), ceiling(range[2] / step))
  powers <- powers[powers >= range[1] & powers <= range[2]]
  if (length(powers) < 2) return(scale())
  scale(breaks = 10^powers, labels = parse(text = sprintf("10^%d", as.integer(powers))))
}

# Beyond some thousand points density shows more.
calibration_points <- function(table) {
  if (nrow(table) <= 3000 * nlevels(droplevels(table$leaf))) {
    return(ggplot2::geom_point(size = 0.8, alpha = 0.4, colour = twill_colours[1]))
  }
  list(ggplot2::geom_bin_2d(bins = 70),
       ggplot2::scale_fill_viridis_c(trans = "log10", name = "genes", option = "mako", direction = -1, begin = 0.1, end = 0.85))
}

panel_labels <- function(x, n) {
  table <- worst_leaves(summary.tw_calibration(x), n)
  first <- plain_table(x)[match(table$leaf, x$leaf), ]
  first$label <- sprintf("r = %.3f\nratio %.2f", table$correlation, table$ratio)
  first
}

# Groups of the design in columns, other variables in rows; where that would be too wide, leaves one after the other.
leaf_panels <- function(panels, table) {
  n_columns <- nrow(unique(table[panels$groups]))
  if (length(panels$groups) == 0 || length(panels$others) == 0 || n_columns > 8) return(ggplot2::facet_wrap("leaf"))
  symbols <- function(names) ggplot2::vars(!!!lapply(names, function(name) as.name(name)))
  ggplot2::facet_grid(rows = symbols(panels$others), cols = symbols(panels$groups))
}
