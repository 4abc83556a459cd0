# Plots of effects on several scales: what is drawn where, and that no name is cut.

plot_fit <- function() {
  fake_set(counts = gene_counts(40), iter = 60, design = ~ condition + (1 + condition | donor), keep = "effects")
}

test_that("volcano and MA plots take tables on any scale, masked ones and sets", {
  fit <- plot_fit()
  mask <- seq_len(40) %in% 1:5
  volcano <- plot(fit, "volcano", scale = "composition", mask = mask)
  expect_identical(nrow(volcano$data), 35L)
  expect_match(volcano$labels$x, "composition")
  res <- tw_contrast(fit, scale = "clr", estimand = "observed")
  ma <- plot(fit, "ma", results = res)
  expect_setequal(ma$data$effect, res$log2FoldChange)
  expect_match(ma$labels$y, "CLR")
  sets <- tw_gene_sets(fit, sets = list(a = "gene1", b = paste0("gene", 2:9)))
  expect_identical(nrow(plot(fit, "volcano", results = sets, alpha = 1)$data), 2L)
  expect_error(plot(fit, "ma", results = sets), "means", class = "twill_error_plot")
  for (plot in list(volcano, ma)) expect_no_warning(ggplot2::ggplotGrob(plot))
})

test_that("names stay inside of the panel, also without ggrepel", {
  local_function("has_ggrepel", function() FALSE)
  fit <- plot_fit()
  at <- match("b_conditionstim", fit$posterior$names)
  draws <- fit$posterior$draws[, at, ]
  fit$posterior$draws[, at, ] <- draws / 10 + rep(seq(-2, 2, length.out = 40), each = nrow(draws))
  built <- ggplot2::ggplot_build(plot(fit, "volcano", n_labels = 40))
  names <- Filter(function(layer) "label" %in% names(layer), built$data)[[1]]
  expect_equal(names$hjust[which.min(names$x)], 0, tolerance = 0.05)
  expect_equal(names$hjust[which.max(names$x)], 1, tolerance = 0.05)
  expect_lt(max(names$y), built$layout$panel_params[[1]]$y.range[2])
})

test_that("with ggrepel all names are drawn", {
  skip_if_not_installed("ggrepel")
  plot <- plot(plot_fit(), "volcano", alpha = 1, n_labels = 40)
  expect_true(any(vapply(plot$layers, function(layer) inherits(layer$geom, "GeomTextRepel"), NA)))
  expect_no_warning(ggplot2::ggplotGrob(plot))
})

# A table of results with s-values from 1 down to a power of ten.
wide_results <- function(lowest) {
  results <- as.data.frame(tw_contrast(plot_fit()))
  results$log2FoldChange <- rep(c(-1, 1), 20) * rep(1:20, each = 2)
  results$svalue <- 10^-rep(seq(0, lowest, length.out = 20), each = 2)
  results
}

test_that("volcanoes use the room they have, up and down alike", {
  heights <- function(lowest) {
    built <- ggplot2::ggplot_build(plot(plot_fit(), "volcano", results = wide_results(lowest)))
    points <- Filter(function(layer) "shape" %in% names(layer) && !"label" %in% names(layer), built$data)[[1]]
    range <- built$layout$panel_params[[1]]$y.range
    list(y = points$y, of_range = (points$y - range[1]) / diff(range), x = points$x, shape = points$shape)
  }
  low <- heights(3)
  expect_equal(max(low$y), 3)
  expect_gt(max(low$of_range), 0.85)
  high <- heights(300)
  expect_equal(max(high$y), sqrt(50))
  # More than draws tell is an order alone.
  given <- wide_results(300)
  expect_identical(sum(high$shape == 17), sum(given$svalue < table_fact(given, "support")))
  expect_equal(sort(high$y[high$x > 0]), sort(high$y[high$x < 0]))
  # A gene at the threshold of 0.05 is told from the axis.
  middle <- heights(40)
  expect_gt(min(middle$of_range[middle$y >= sqrt(1.3)]), 0.15)
})

test_that("axes name contrast and unit", {
  labels <- function(fit, type, ...) plot(fit, type, ...)$labels
  expect_identical(labels(plot_fit(), "volcano")$x, "log2 fold change: conditionstim")
  expect_identical(labels(plot_fit(), "ma")[c("x", "y")],
                   list(x = "mean of counts over size factors", y = "log2 fold change: conditionstim"))
  expect_identical(labels(plot_fit(), "volcano", log2 = FALSE)$x, "log fold change (base e):\nconditionstim")
  gaussian <- fake_set(counts = log(gene_counts(6) + 1), family = "gaussian", keep = "effects")
  expect_identical(labels(gaussian, "volcano")$x, "difference, in units of the values:\nconditionstim")
  expect_identical(labels(gaussian, "forest", gene = 1)$x, "difference, in units of the values")
  expect_identical(labels(fake_set(counts = gene_counts(6), keep = "effects"), "forest", gene = 1)$x, "log2 fold change")
  bare <- wide_results(3)
  attr(bare, "unit") <- NULL
  expect_identical(labels(plot_fit(), "volcano", results = bare)$x, "log2FoldChange")
})

test_that("CLR stands against expression, coloured by its own false sign rate", {
  fit <- plot_fit()
  found <- plot(fit, "clr", reference = c("gene1", "gene2"))$data
  clr <- tw_contrast(fit, scale = "clr", reference = c("gene1", "gene2"))
  expect_equal(found$clr[match(rownames(clr), found$gene)], clr$log2FoldChange)
  expect_equal(found$expression[match(rownames(clr), found$gene)], tw_contrast(fit)$log2FoldChange)
  expect_equal(diff(range(found$clr - found$expression)), 0)
  expect_equal(plot(fit, "clr", results = clr)$data, found)
  expect_error(plot(fit, "clr", results = tw_contrast(fit)), "clr", class = "twill_error_plot")
})
