# Several contrasts in one call: lists, each level against others, long tables, what they are called, sorting and pictures.

dose_fit <- function(design = ~ dose * sex + (1 + dose || donor), ...) {
  counts <- with_fixed_seed(1, matrix(rnbinom(8 * 24, mu = 60, size = 10), 8, dimnames = list(paste0("gene", 1:8), NULL)))
  fake_set(counts = counts, design = design, col_data = three_by_two(), ...)
}

test_that("a list of contrasts is one table, each part that of its own call", {
  fit <- dose_fit(~dose)
  asked <- list(low = cond(dose = "low") - cond(dose = "none"), "dosehigh", c("dose", "high", "low"))
  table <- tw_contrast(fit, asked, lfc_threshold = 0.2)
  expect_s3_class(table, "tw_contrast")
  expect_identical(names(table)[1:2], c("contrast", "gene"))
  expect_identical(levels(table$contrast), c("low", "dosehigh", "dose: high vs low"))
  for (k in 1:3) {
    alone <- tw_contrast(fit, asked[[k]], lfc_threshold = 0.2)
    rows <- which(as.integer(table$contrast) == k)
    expect_identical(table$gene[rows], rownames(alone))
    for (name in names(alone)) expect_identical(table[[name]][rows], alone[[name]])
  }
  expect_equal(table$svalue_all, vapply(table$fsos, function(rate) mean(table$fsos[table$fsos <= rate + 1e-12]), 0))
  # One label would be wrong for two of three.
  expect_null(attr(table, "contrast"))
  expect_identical(attr(table, "description")[["log2FoldChange"]], "posterior mean of population effect, log2")
  expect_output(print(table), "24 rows by contrast and gene")
})

test_that("each level is compared with the mean of the others, with one, or in pairs", {
  fit <- dose_fit(~dose)
  at <- function(level) cond(dose = level)
  rest <- tw_contrast(fit, tw_each("dose"))
  expect_identical(levels(rest$contrast), c("none vs rest", "low vs rest", "high vs rest"))
  by_hand <- tw_contrast(fit, at("low") - (at("none") + at("high")) / 2)
  expect_equal(rest$log2FoldChange[rest$contrast == "low vs rest"], by_hand$log2FoldChange)
  # Differences from the mean of the others sum to zero over levels.
  expect_lt(max(abs(tapply(rest$log2FoldChange, rest$gene, sum))), 1e-12)
  pairs <- tw_contrast(fit, tw_each("dose", "pairs"))
  expect_identical(levels(pairs$contrast), c("low vs none", "high vs none", "high vs low"))
  expect_equal(pairs$log2FoldChange[pairs$contrast == "high vs low"], tw_contrast(fit, at("high") - at("low"))$log2FoldChange)
  against <- tw_contrast(fit, list(tw_each("dose", "low"), all = tw_each("dose", "none")))
  expect_identical(levels(against$contrast), c("none vs low", "high vs low", "low vs none", "high vs none"))
})

test_that("what interacts is said once, or averaged over", {
  fit <- dose_fit()
  expect_message(table <- tw_contrast(fit, tw_each("dose", "none")), "sex = f", class = "twill_message_reference")
  expect_length(testthat::capture_messages(tw_contrast(fit, tw_each("dose", "none"))), 1)
  averaged <- tw_contrast(fit, tw_each("dose", "none", .average = TRUE))
  by_hand <- tw_contrast(fit, cond(dose = "high", .average = TRUE) - cond(dose = "none", .average = TRUE))
  expect_equal(averaged$log2FoldChange[averaged$contrast == "high vs none"], by_hand$log2FoldChange)
})

test_that("lists that say nothing, or the same twice, are refused by name", {
  fit <- dose_fit(~dose)
  expect_error(tw_contrast(fit, list()), "empty", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, list("doselow", "doselow")), "doselow", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, tw_each("does")), "dose", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, tw_each("dose", "medium")), "medium", class = "twill_error_contrast")
  expect_error(tw_contrast(dose_fit(~ age), tw_each("age")), "number", class = "twill_error_contrast")
  expect_error(tw_each(1), "variable", class = "twill_error_contrast")
  expect_error(tw_each("dose", NA), "against", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, list("doselow", 1:7)), "weights", class = "twill_error_contrast")
})

test_that("levels of groups and sets of genes have long tables too", {
  fit <- dose_fit(~ dose + (1 + dose || donor), keep = "effects")
  table <- tw_contrast(fit, list(low = "doselow", high = "dosehigh"), by = "donor")
  expect_identical(names(table)[1:3], c("contrast", "gene", "donor"))
  expect_identical(nrow(table), 2L * 8L * 4L)
  expect_output(print(table), "rows by contrast, donor and gene")
  sets <- list(a = c("gene1", "gene2"), b = paste0("gene", 3:8))
  long <- tw_gene_sets(fit, list(low = "doselow", high = "dosehigh"), sets, donors = "independent")
  expect_identical(names(long)[1:2], c("contrast", "set"))
  expect_identical(long$log2FoldChange[4], tw_gene_sets(fit, "dosehigh", sets, donors = "independent")$log2FoldChange[2])
  expect_s3_class(plot(long), "ggplot")
})

# Symbols ---------------------------------------------------------------------------------------------------------------

test_that("symbols are carried along, and are what plots call genes", {
  fit <- dose_fit(~dose)
  symbols <- c(gene1 = "TP53", gene2 = "MX1", gene3 = "MX1", gene4 = "", other = "X")
  table <- tw_contrast(fit, "doselow", symbols = symbols)
  expect_identical(names(table)[1], "symbol")
  expect_identical(table$symbol, c("TP53", "MX1", "MX1", rep(NA, 5)))
  expect_identical(rownames(table), paste0("gene", 1:8))
  expect_identical(shown_genes(table)[1:4], c("TP53", "MX1 (gene2)", "MX1 (gene3)", "gene4"))
  expect_true("TP53" %in% plot(table, n_labels = 8)$data$label)
  long <- tw_contrast(fit, tw_each("dose"), symbols = symbols)
  expect_identical(names(long)[1:3], c("contrast", "gene", "symbol"))
  expect_true("TP53" %in% levels(plot(long, "heatmap")$data$gene))
  expect_true(all(c("TP53", "MX1 (gene2)") %in% levels(plot(long, "forest")$data$gene)))
  expect_error(tw_contrast(fit, "doselow", symbols = "symbol"), "rowData", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, "doselow", symbols = c(a = "b")), "names", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, "doselow", symbols = 1), "neither", class = "twill_error_contrast")
  sets <- list(mx = c("MX1", "TP53"), plain = "gene8")
  of_symbols <- tw_gene_sets(fit, "doselow", sets, symbols = symbols)
  expect_identical(of_symbols$genes, c(3L, 1L))
  expect_equal(of_symbols$log2FoldChange[1], mean(table$log2FoldChange[1:3]))
})

test_that("symbols of an experiment are those of its rowData, in both doors", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- gene_counts(8)
  rows <- data.frame(symbol = paste0("S", 1:8), status = "a", length = 1:8, row.names = rownames(counts))
  se <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = gene_samples(), rowData = rows)
  local_engine(fake_engine)
  fit <- twill_genes(se, ~condition, genes = c(2, 5), iter = 100, seed = 1, silent = 2, share = "none")
  expect_identical(tw_contrast(fit, symbols = "symbol")$symbol, c("S2", "S5"))
  # The table has a status of its own.
  expect_identical(tw_contrast(fit[2, ], symbols = "status")$symbol, "a")
  expect_error(tw_contrast(fit, symbols = "symbols"), "symbol", class = "twill_error_contrast")
  many <- se[, rep(1:10, each = 6)]
  cells <- twill_cells(many, ~condition, capture = rep(0.1, 60), gene_coverage = 0.9, iter = 100, seed = 1, silent = 2,
                       share = "none", check = FALSE)
  expect_identical(tw_contrast(cells, symbols = "symbol")["gene2", "symbol"], "S2")
})

# Sorted tables and pictures ----------------------------------------------------------------------------------------------

test_that("a sorted table keeps all genes, those without an s-value last", {
  table <- tw_contrast(fake_set(), stim_effect(), mask = paste0("gene", 1:30) %in% c("gene3", "gene7"))
  sorted <- sort(table)
  expect_s3_class(sorted, "tw_contrast")
  expect_setequal(rownames(sorted), rownames(table))
  expect_setequal(tail(rownames(sorted), 2), c("gene3", "gene7"))
  expect_false(is.unsorted(sorted$svalue[1:28]))
  # Sure effects have the same rate: the larger one, in its sds, first.
  tied <- table[c(5, 9, 11), ]
  tied$svalue <- tied$lfsr <- 1e-300
  expect_identical(order(rownames(sort(tied))), order(rownames(tied)[order(-abs(tied$log2FoldChange / tied$lfcSE))]))
  expect_identical(sort(table, TRUE, by = "baseMean")$baseMean, sort(table$baseMean, TRUE))
  expect_error(sort(table, by = "pvalue"), "pvalue", class = "twill_error_argument")
})

test_that("a heatmap has genes of like effects together, and marks those that are sure", {
  fit <- fake_set(keep = "effects")
  table <- tw_contrast(fit, stim_effect(), by = "donor")
  plot <- plot(table, "heatmap", n_labels = 12)
  expect_s3_class(plot, "ggplot")
  expect_identical(nlevels(plot$data$gene), 12L)
  expect_identical(levels(plot$data$level), paste0("d", 1:5))
  expect_true(all(abs(plot$data$shown) <= max(abs(plot$data$effect))))
  built <- ggplot2::ggplot_build(plot)
  expect_identical(nrow(built$data[[2]]), sum(plot$data$svalue <= 0.05))
  panels <- plot(table, "volcano")
  expect_identical(length(unique(ggplot2::ggplot_build(panels)$data[[3]]$PANEL)), 5L)
  expect_false(any(grepl("d1", panels$data$gene)))
  expect_error(plot(tw_contrast(fit, stim_effect()), "heatmap"), "several", class = "twill_error_plot")
})
