# Plots of tables of effects: MA and volcano, and which points are named.

#' @rdname tw_table
#' @method plot tw_contrast
#' @export
plot.tw_contrast <- function(x, type = NULL, alpha = 0.05, n_labels = NULL, ...) {
  check_no_dots(...)
  types <- if (is_of_one(x)) "forest" else c("volcano", "ma", "forest", "heatmap")
  type <- check_choice(type %||% if (is_of_one(x) || length(columns_of_levels(x))) "forest" else "volcano", "type", types)
  if (is_of_one(x)) forest_of_one(x) else effects_plot(x, type, alpha, n_labels)
}

#' @rdname tw_table
#' @method plot tw_gene_sets
#' @export
plot.tw_gene_sets <- function(x, type = NULL, alpha = 0.05, n_labels = NULL, ...) {
  check_no_dots(...)
  type <- type %||% if (length(columns_of_levels(x))) "forest" else "volcano"
  effects_plot(x, check_choice(type, "type", c("volcano", "forest", "heatmap")), alpha, n_labels)
}

# Columns that, beside the gene, say what a row is of.
columns_of_levels <- function(results) intersect(table_fact(results, "by"), names(results))

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
