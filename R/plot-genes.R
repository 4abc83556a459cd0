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

effects_plot <- function(results, type, alpha, n_labels) {
  alpha <- check_share(alpha, "alpha", "plot")
  if (!is.null(n_labels)) n_labels <- check_whole(n_labels, "n_labels", 0, 1e4)
  if (type == "forest") return(contrast_forest(results, alpha, n_labels %||% 10))
  if (type == "heatmap") return(contrast_heatmap(results, alpha, n_labels %||% 30))
  table <- effect_points(results, alpha, n_labels %||% 10)
  if (type == "ma") ma_plot(table, results, alpha) else volcano_plot(table, results, alpha)
}

# The columns of a result that plots need, from either set of names.
effect_points <- function(results, alpha, n_labels) {
  column <- function(names) results[[intersect(names, names(results))[1]]]
  effect <- intersect(effect_names, names(results))
  need_columns(results, c(if (length(effect) == 0) effect_names[1], "lfcSE", "svalue"),
               "{.fn tw_contrast} or {.fn tw_gene_sets}.")
  panel <- row_panels(results)
  table <- data.frame(gene = row_labels(results, !is.null(panel)), panel = panel %||% "",
                      mean = column(c("baseMean", "AveExpr")) %||% NA_real_, effect = column(effect_names),
                      svalue = results$svalue, sd = results$lfcSE)
  table <- table[is.finite(table$effect), ]
  table$called <- !is.na(table$svalue) & table$svalue <= alpha
  surest <- unlist(lapply(split(seq_len(nrow(table)), table$panel), function(rows) rows[surest_points(table[rows, ], n_labels)]))
  table$label <- ""
  table$label[surest] <- table$gene[surest]
  # The surest last, so that they lie on top.
  table[order(table$called, abs(table$effect) / table$sd), ]
}

# A handful, such as sets of genes, are all named.
surest_points <- function(table, n_labels) {
  n_named <- if (nrow(table) <= n_labels) nrow(table) else min(n_labels, sum(table$called))
  utils::head(order(!table$called, -abs(table$effect) / table$sd), n_named)
}

max_panels <- 12

# Contrasts, types or levels of a table have a panel each, unless they are many; NULL for those and where there are none.
row_panels <- function(results) {
  keys <- levels_of_rows(results)
  if (!is.null(keys) && nlevels(keys) %in% 2:max_panels) keys
}

# What, beside the gene, a row is of, in the order of the table; NULL where that is nothing.
levels_of_rows <- function(results) {
  by <- columns_of_levels(results)
  if (length(by) == 0) return(NULL)
  text <- do.call(paste, lapply(by, function(key) as.character(results[[key]])))
  factor(text, unique(text))
}

# What a point is called: its gene, with what else makes a row.
row_labels <- function(results, in_panels = FALSE) {
  genes <- shown_genes(results)
  keys <- if (!in_panels) levels_of_rows(results)
  if (is.null(keys)) genes else paste(genes, keys)
}

# Genes, or sets, by their symbols where the table has some; one that several genes have stands with their names.
shown_genes <- function(results) {
  genes <- as.character(if ("gene" %in% names(results)) results$gene else if ("set" %in% names(results)) results$set else
    rownames(results))
  column <- intersect(table_fact(results, "label"), names(results))
  if (length(column) == 0) return(genes)
  symbols <- as.character(results[[column]])
  pairs <- unique(data.frame(genes, symbols)[!is.na(symbols), ])
  shared <- symbols %in% pairs$symbols[duplicated(pairs$symbols)]
  ifelse(is.na(symbols), genes, ifelse(shared, sprintf("%s (%s)", symbols, genes), symbols))
}

# What a column of a result is, in words; "" where the table has lost its description.
result_text <- function(results, columns) unname(table_texts(results)[intersect(columns, names(results))[1]])

# "conditionstim; population effect, log2"
effect_label <- function(results) sub("^posterior mean of ", "", result_text(results, effect_names))

called_colours <- function(alpha) {
  shade <- bayesplot::color_scheme_get()
  labels <- c("FALSE" = sprintf("s-value above %g", alpha), "TRUE" = sprintf("s-value at most %g", alpha))
  ggplot2::scale_colour_manual(values = c("FALSE" = "grey65", "TRUE" = shade[["dark"]]), labels = labels,
                               breaks = names(labels), name = NULL)
}

points_with_labels <- function(plot, alpha, x, y_axis = room_above()) {
  panels <- if (is.factor(plot$data$panel)) ggplot2::facet_wrap("panel")
  plot + ggplot2::geom_point(size = point_size(plot$data), alpha = 0.8) + gene_labels(x) + y_axis + panels +
    called_colours(alpha) + plot_theme() + subtitle_theme() + ggplot2::theme(legend.position = "top")
}

point_size <- function(table) max(0.3, 1.6 - log10(nrow(table)) / 4)

# Names of the surest points, which come last in the data. With ggrepel all are drawn, clear of each other; without it names stand
# above their points, flush with those at the edges so that nothing is cut, and of two that overlap the surer one stays.
gene_labels <- function(x) {
  named <- function(table) {
    table$across <- (x - min(x)) / max(diff(range(x)), 1e-300)
    table[rev(which(table$label != "")), ]
  }
  text <- if (has_ggrepel()) {
    repelled_names(named)
  } else {
    ggplot2::geom_text(ggplot2::aes(label = .data$label, hjust = .data$across), data = named, vjust = -0.7, size = 3,
                       colour = "black", check_overlap = TRUE)
  }
  list(text, ggplot2::coord_cartesian(clip = "off"))
}

has_ggrepel <- function() requireNamespace("ggrepel", quietly = TRUE)

# On a white edge, so that names can be read on a cloud of points.
repelled_names <- function(data, size = 2.8) {
  ggrepel::geom_text_repel(ggplot2::aes(label = .data$label), data = data, size = size, colour = "black", bg.colour = "white",
                           bg.r = 0.12, max.overlaps = Inf, force = 3, box.padding = 0.3, max.iter = 20000, max.time = 3,
                           min.segment.length = 0.2, segment.colour = "grey50", segment.size = 0.3, seed = 1)
}

room_above <- function(...) ggplot2::scale_y_continuous(expand = ggplot2::expansion(mult = c(0.05, 0.1)), ...)

ma_plot <- function(table, results, alpha) {
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$mean, y = .data$effect, colour = .data$called)) +
    ggplot2::geom_hline(yintercept = 0, colour = "grey60", linewidth = 0.3)
  if (anyNA(table$mean)) {
    abort_twill("plot", c("{.arg results} has no means of genes, which {.code type = \"ma\"} shows.",
                          "i" = "Tables of {.fn tw_gene_sets} have none: say {.code type = \"volcano\"}."))
  }
  is_positive <- all(table$mean > 0) && mean_axis(results) != "mean of the values"
  if (is_positive) plot <- plot + ggplot2::scale_x_log10()
  points_with_labels(plot, alpha, if (is_positive) log(table$mean) else table$mean) +
    ggplot2::labs(x = mean_axis(results), y = effect_axis(results), subtitle = result_subtitle(results))
}

mean_axis <- function(results) {
  text <- result_text(results, c("baseMean", "AveExpr"))
  if (isTRUE(nzchar(text))) text else "mean"
}

# Heights from 0 to 20 are drawn as they are; where some are higher, under the square root, so that the middle keeps its room.
# The highest that is told apart is 50; what lies above is drawn there, as triangles.
highest_told <- 50

volcano_plot <- function(table, results, alpha) {
  # Without an s-value there is no height.
  table <- table[!is.na(table$svalue), ]
  height <- -log10(pmax(table$svalue, 1e-300))
  table$height <- pmin(height, highest_told)
  table$edge <- height > highest_told
  top <- max(table$height, -log10(alpha))
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$effect, y = .data$height, colour = .data$called, shape = .data$edge)) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_hline(yintercept = -log10(alpha), colour = "grey60", linewidth = 0.3, linetype = 2) +
    ggplot2::scale_shape_manual(values = c("FALSE" = 16, "TRUE" = 17), guide = "none")
  points_with_labels(plot, alpha, table$effect, volcano_axis(top)) +
    ggplot2::labs(x = effect_axis(results), y = volcano_title(table$edge), subtitle = result_subtitle(results))
}

volcano_title <- function(edge) {
  if (any(edge)) sprintf("-log10 s-value (triangles: above %g)", highest_told) else "-log10 s-value"
}

volcano_axis <- function(top) {
  if (top <= 20) return(room_above(limits = c(0, NA)))
  room_above(trans = "sqrt", limits = c(0, NA), breaks = c(0, 1, 2, 5, 10, 20, 30, 40, 50))
}

result_subtitle <- function(results) {
  label <- effect_label(results)
  if (nzchar(label)) wrap_label(label)
}

wrap_label <- function(text) paste(strwrap(text, 68), collapse = "\n")

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

# Long subtitles fit at this size.
subtitle_theme <- function() ggplot2::theme(plot.subtitle = ggplot2::element_text(size = ggplot2::rel(0.75)))

# Dispersion -------------------------------------------------------------------------------------------------------

dispersion_plot <- function(fit) {
  design <- fit$job$model$design
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
  centre <- sign * trend_at(shared, k, trend_input(fit$job$model, mean, shared$unit %||% 1))
  spread <- 2 * exp(shared$par[[k]][4])
  line <- data.frame(mean = mean, value = exp(centre), low = exp(centre - spread), high = exp(centre + spread))
  plot + ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$low, ymax = .data$high), data = line, alpha = 0.2,
                              fill = bayesplot::color_scheme_get()[["mid"]]) +
    ggplot2::geom_line(data = line, colour = bayesplot::color_scheme_get()[["dark"]], linewidth = 0.8)
}

# Posterior means of 1 / shape, or of sigma.
set_dispersions <- function(fit) {
  is_shape <- fit$job$model$design$dispersion == "shape"
  if (!has_draws(fit)) {
    mean <- fit$posterior$mean[match(fit$job$model$design$dispersion, fit$posterior$names), ]
    return(if (is_shape) 1 / mean else mean)
  }
  draws <- dispersion_of(fit, seq_along(fit$posterior$rows))
  colMeans(if (is_shape) 1 / draws else draws)
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
