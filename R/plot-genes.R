# Plots of fits of genes: MA, volcano, dispersion and the loss of guides.

#' Plots of a fit of genes
#'
#' * `"ma"`: effect against mean.
#' * `"volcano"`: `-log10(svalue)` against effect. This and the one above colour the genes whose s-value is at most
#'   `alpha` and name the surest ones. Effects may be on any scale; masked genes are left out.
#' * `"clr"`: effects on the scale of centred log-ratios against those on the scale of expression, coloured by the `lfsr` of the
#'   former. The two differ by one number, the dashed line; what changes is which genes are sure to differ from zero, which the
#'   subtitle counts.
#' * `"dispersion"`: posterior means of the dispersion (`1 / shape`, or `sigma`) against the mean, with the learned trend.
#' * `"forest"`: the effect in each level of a group (each donor), that is \eqn{c'\beta + d'b_j}, in one gene, with the effect
#'   in the population and in a new level.
#' * `"loss"`: minus the ELBO, summed over genes, step by step of `method = "svi"`, above its least value.
#'
#' @param x A fit of class `twillgenes`, from [twill_genes()].
#' @param type Which plot; see above. Default: `"ma"`.
#' @param results A table of [tw_contrast()] of this fit, for `"volcano"` also of [tw_gene_sets()]; for `"clr"` one with
#'   `scale = "clr"`. Default: made of `contrast`.
#' @param contrast A contrast as in [tw_contrast()].
#' @param alpha Largest s-value of coloured genes. Default: 0.05.
#' @param n_labels Number of genes that are named. Default: 10.
#' @param gene For `"forest"`: one gene.
#' @param group For `"forest"`: the group. Default: the first that the contrast varies over.
#' @param prob,prob_outer Probabilities of the thick and thin intervals of `"forest"`. Default: 0.5 and 0.95.
#' @param ... For effects: further arguments of [tw_contrast()], such as `scale`, `estimand` and `mask`, where no `results` are
#'   given; for `"clr"` in any case.
#' @return A ggplot. Errors have class `twill_error_plot`, `twill_error_contrast` or `twill_error_genes`.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' plot(fit)
#' plot(fit, "volcano", scale = "composition")
#' plot(fit, "clr")
#' plot(fit, "forest", gene = "gene1")
#' @method plot twillgenes
#' @export
plot.twillgenes <- function(x, type = c("ma", "volcano", "clr", "dispersion", "forest", "loss"), results = NULL, contrast = NULL,
                          alpha = 0.05, n_labels = NULL, gene = NULL, group = NULL, prob = 0.5, prob_outer = 0.95, ...) {
  type <- check_choice(type, "type", c("ma", "volcano", "clr", "dispersion", "forest", "loss"))
  check_dots_of(list(...), if (type %in% c("ma", "volcano", "clr")) tw_contrast else function(x) NULL)
  if (type == "loss") return(gene_loss(x))
  if (type == "dispersion") return(dispersion_plot(x))
  if (type == "forest" && is.null(results)) return(gene_forest(x, gene, contrast, group, prob, prob_outer))
  if (type == "forest" && !is.null(gene)) {
    abort_twill("plot", c("Give either {.arg gene}, for the fit's own draws, or {.arg results}.",
                          "i" = "Rows of {.arg results} can be taken as of any data frame."))
  }
  if (type == "clr") {
    n_labels <- check_whole(n_labels %||% 10, "n_labels", 0, 1e4)
    return(clr_plot(x, results, contrast, check_share(alpha, "alpha", "plot"), n_labels, ...))
  }
  effects_plot(results %||% tw_contrast(x, contrast, ...), type, alpha, n_labels)
}

mean_axis <- function(results) {
  text <- result_text(results, c("baseMean", "AveExpr"))
  if (isTRUE(nzchar(text))) text else "mean"
}

# Heights from 0 to 20 are drawn as they are; where some are higher, under the square root, so that the middle keeps its room.
# The highest that is told apart is 50; what lies above is drawn there. What draws do not support (contrast-rates.R) is an order
# alone: triangles.
highest_told <- 50

volcano_plot <- function(table, results, alpha) {
  # Without an s-value there is no height.
  table <- table[!is.na(table$svalue), ]
  height <- -log10(pmax(table$svalue, 1e-300))
  table$height <- pmin(height, highest_told)
  support <- table_fact(results, "support") %||% 0
  table$edge <- height > min(highest_told, -log10(support))
  top <- max(table$height, -log10(alpha))
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$effect, y = .data$height, colour = .data$called, shape = .data$edge)) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_hline(yintercept = -log10(alpha), colour = "grey60", linewidth = 0.3, linetype = 2) +
    ggplot2::scale_shape_manual(values = c("FALSE" = 16, "TRUE" = 17), guide = "none")
  points_with_labels(plot, alpha, table$effect, volcano_axis(top)) +
    ggplot2::labs(x = effect_axis(results), y = "-log10 s-value", subtitle = result_subtitle(results),
                  caption = volcano_caption(table$edge, support))
}

# What triangles are, where there are some.
volcano_caption <- function(edge, support) {
  if (!any(edge)) return(NULL)
  if (-log10(support) >= highest_told) sprintf("Triangles: above %g.", highest_told) else
    "Triangles: beyond what so many draws can tell (an order only)."
}

volcano_axis <- function(top) {
  if (top <= 20) return(room_above(limits = c(0, NA)))
  room_above(trans = "sqrt", limits = c(0, NA), breaks = c(0, 1, 2, 5, 10, 20, 30, 40, 50))
}

result_subtitle <- function(results) {
  label <- effect_label(results)
  if (nzchar(label)) wrap_label(label)
}

# Unit and contrast, where that is short: "log2 fold change: conditionstim". The subtitle has it in any case.
effect_axis <- function(results) {
  unit <- table_fact(results, "unit")
  if (is.null(unit)) return(intersect(effect_names, names(results))[1])
  unit <- unit_words(unit)
  scale <- switch(table_fact(results, "scale") %||% "expression", clr = ", CLR", composition = ", composition")
  contrast <- table_fact(results, "contrast") %||% ""
  if (nchar(contrast) > 40 || !nzchar(contrast)) return(paste0(unit, scale))
  # On a line of its own where one would be longer than a small plot is high.
  both <- paste0(unit, scale, ": ", contrast)
  if (nchar(both) <= 36) both else paste0(unit, scale, ":\n", contrast)
}

# Dispersion -------------------------------------------------------------------------------------------------------

dispersion_plot <- function(fit) {
  design <- model_of(fit)$design
  if (is.null(design$dispersion)) {
    abort_twill("plot", c("{.code type = \"dispersion\"} needs a family with a dispersion.",
                          "x" = "This fit is of the {family(fit)$family} family."))
  }
  is_shape <- design$dispersion == "shape"
  value <- set_dispersions(fit)
  table <- data.frame(mean = fit$posterior$base_mean, value = value)
  table <- table[is.finite(table$value), ]
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$mean, y = .data$value)) +
    ggplot2::geom_point(size = point_size(table), colour = "grey50", alpha = 0.7) + ggplot2::scale_y_log10()
  if (all(table$mean > 0) && has_counts(fit)) plot <- plot + ggplot2::scale_x_log10()
  add_trend(plot, fit, is_shape) + plot_theme() + subtitle_theme() +
    ggplot2::labs(x = "mean", y = if (is_shape) "dispersion (1 / shape)" else "sigma",
                  subtitle = wrap_label("Posterior means of genes; line and band: the learned trend and twice its spread"))
}

add_trend <- function(plot, fit, is_shape) {
  shared <- fit$job$shared
  k <- which(vapply(shared$parts, function(part) part$kind == "dispersion", TRUE))
  if (length(k) == 0) return(plot + ggplot2::labs(subtitle = "Posterior means of genes"))
  mean <- sort(fit$posterior$base_mean)[round(seq(1, length(fit$posterior$rows), length.out = 100))]
  sign <- if (is_shape) -1 else 1
  centre <- sign * trend_at(shared, k, trend_input(model_of(fit), mean, shared$unit %||% 1))
  spread <- 2 * exp(shared$par[[k]][4])
  line <- data.frame(mean = mean, value = exp(centre), low = exp(centre - spread), high = exp(centre + spread))
  plot + ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$low, ymax = .data$high), data = line, alpha = 0.2,
                              fill = bayesplot::color_scheme_get()[["mid"]]) +
    ggplot2::geom_line(data = line, colour = bayesplot::color_scheme_get()[["dark"]], linewidth = 0.8)
}

# Loss -------------------------------------------------------------------------------------------------------------

# Against the lowest value, so that the last steps of thousands of genes can be told apart.
gene_loss <- function(fit) {
  elbo <- fit$posterior$elbo
  if (is.null(elbo)) {
    abort_twill("plot", c("There is no loss to show: {.arg method} is {.val {fit$job$settings$method}}.",
                          "i" = "Fits by {.code method = \"svi\"} have one."))
  }
  table <- data.frame(step = seq_along(elbo), loss = max(elbo) - elbo)
  ggplot2::ggplot(table, ggplot2::aes(x = .data$step, y = .data$loss)) +
    ggplot2::geom_line(colour = bayesplot::color_scheme_get()[["dark"]]) + plot_theme() + subtitle_theme() +
    ggplot2::labs(x = "step", y = "loss above its least", subtitle = wrap_label("Minus the ELBO in nats, summed over genes"))
}
