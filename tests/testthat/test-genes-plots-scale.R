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
  sets <- tw_sets(fit, sets = list(a = "gene1", b = paste0("gene", 2:9)))
  expect_identical(nrow(plot(fit, "volcano", results = sets, alpha = 1)$data), 2L)
  expect_error(plot(fit, "ma", results = sets), "means", class = "twill_error_plot")
  for (plot in list(volcano, ma)) expect_no_warning(ggplot2::ggplotGrob(plot))
})

test_that("names stay inside of the panel", {
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
