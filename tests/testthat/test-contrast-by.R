# Effects in the levels of a group: each row against draws put together by hand.

by_fit <- function(design = ~ condition + (1 + condition || donor), ..., n = 6) {
  fake_set(counts = gene_counts(n), design = design, keep = "effects", ...)
}

named_draws <- function(fit, gene, names) rowSums(unclass(as_draws_matrix(fit, genes = gene))[, names, drop = FALSE])

row_of <- function(table, gene, level) table[table$gene == gene & as.character(table[[2]]) == level, ]

test_that("a table by level says so in its texts", {
  fit <- by_fit()
  expect_match(effect_label(tw_contrast(fit, by = "donor")), "effect in each donor", fixed = TRUE)
  expect_match(effect_label(tw_contrast(fit)), "population effect", fixed = TRUE)
})

test_that("one row per gene and level, with the columns of a contrast, from the level's own draws", {
  fit <- by_fit()
  table <- tw_contrast(fit, by = "donor")
  expect_s3_class(table, "tw_contrast")
  expect_identical(attr(table, "by"), "donor")
  expect_identical(table$gene, rep(paste0("gene", 1:6), each = 5))
  expect_identical(as.character(table$donor), rep(paste0("d", 1:5), 6))
  expect_identical(names(table), c("gene", "donor", names(tw_contrast(fit))))
  own <- named_draws(fit, "gene3", c("b_conditionstim", "r_donor[d2,conditionstim]")) / log(2)
  row <- row_of(table, "gene3", "d2")
  expect_equal(row$log2FoldChange, mean(own))
  expect_equal(row$lfcSE, sd(own))
  expect_equal(c(row$lower, row$upper), quantile(own, c(0.025, 0.975), type = 6), ignore_attr = TRUE, tolerance = 0.25)
  expect_equal(table$svalue, s_values(table$lfsr))
  plain <- tw_contrast(fit, by = "donor", adaptive = FALSE)
  expect_equal(row_of(plain, "gene3", "d2")$lfsr, min(mean(own < 0), mean(own > 0)), tolerance = 0.1)
  expect_match(attr(table, "description")[["lfsr"]], "under a prior learned over genes", fixed = TRUE)
  expect_false(grepl("prior", attr(plain, "description")[["lfsr"]]))
  expect_gt(max(abs(table$lfsr - plain$lfsr)), 1e-3)
  # Probability, threshold and mask reach the rows of the levels.
  asked <- tw_contrast(fit, by = "donor", prob = 0.5, lfc_threshold = 0.5, adaptive = FALSE)
  row <- row_of(asked, "gene3", "d2")
  expect_equal(c(row$lower, row$upper), quantile(own, c(0.25, 0.75), type = 6), ignore_attr = TRUE, tolerance = 0.1)
  expect_equal(row$prob, mean(abs(own) > 0.5), tolerance = 0.1)
  expect_equal(row$fsos, min(mean(own < 0.5), mean(own > -0.5)), tolerance = 0.1)
  masked <- tw_contrast(fit, by = "donor", mask = 1:6 == 2)
  others <- table$gene != "gene2"
  expect_equal(masked[others, c("gene", "donor", "log2FoldChange", "lfcSE")],
               table[others, c("gene", "donor", "log2FoldChange", "lfcSE")], ignore_attr = TRUE)
  # The same whichever way the contrast is said, and in the units that are asked for.
  expect_equal(tw_contrast(fit, stim_effect(), by = "donor")$log2FoldChange, table$log2FoldChange)
  expect_equal(tw_contrast(fit, by = "donor", log2 = FALSE)$log2FoldChange, table$log2FoldChange * log(2))
  expect_output(print(table), "30 rows by gene and donor: conditionstim")
  expect_true("gene3 d2" %in% with(plot(table, "volcano", alpha = 1)$data, paste(gene, panel)))
})

test_that("a table by level is drawn as a forest, whatever verbs of data frames were done to it", {
  fit <- by_fit()
  table <- tw_contrast(fit, by = "donor")
  forest <- plot(table)
  expect_identical(levels(forest$data$row), paste0("d", 5:1))
  expect_setequal(forest$data$gene, paste0("gene", 1:6))
  at <- which(forest$data$gene == "gene3" & forest$data$level == "d2")
  row <- row_of(table, "gene3", "d2")
  expect_equal(unlist(forest$data[at, c("effect", "low", "high")]), unlist(row[c("log2FoldChange", "lower", "upper")]),
               ignore_attr = TRUE)
  expect_match(forest$labels$x, "log2 fold change")
  expect_match(gsub("\\s+", " ", forest$labels$subtitle), "effect in each donor.*95% intervals")
  expect_s3_class(ggplot2::ggplot_build(forest)$plot, "ggplot")
  # The surest genes, as many as asked.
  sure <- table[order(abs(table$log2FoldChange) / table$lfcSE, decreasing = TRUE), ]
  few <- plot(table, alpha = 1e-12, n_labels = 2)
  expect_identical(levels(few$data$gene), unique(sure$gene)[1:2])
  expect_match(gsub("\\s+", " ", few$labels$subtitle), "2 surest of 6 genes")
  expect_identical(plot(table[table$gene == "gene2", ])$data$effect, table$log2FoldChange[table$gene == "gene2"])
  # Without levels genes are on the axis.
  genes <- plot(tw_contrast(fit), "forest")
  expect_identical(levels(genes$data$row), rownames(fit)[order(tw_contrast(fit)$log2FoldChange)])
  # A plain data frame still knows, and so does one by dplyr.
  expect_identical(plot(fit, "forest", results = as.data.frame(table))$data, forest$data)
  expect_error(plot(table[c("gene", "donor", "log2FoldChange")]), "lfcSE", class = "twill_error_plot")
  expect_error(plot(table, "forests"), "type", class = "twill_error")
  skip_if_not_installed("dplyr")
  expect_identical(plot(dplyr::filter(table, lfcSE > 0))$data, forest$data)
  both <- plot(tw_contrast(by_fit(~ condition + (1 + condition || donor) + (0 + condition || sex),
                                  col_data = cbind(gene_samples(), sex = rep(c("f", "m"), 5))), by = c("donor", "sex")))
  expect_match(both$labels$y, "donor, sex", fixed = TRUE)
})

test_that("other groups are as the estimand says", {
  samples <- merge(gene_samples(), data.frame(batch = c("x", "y")))
  counts <- cbind(gene_counts(5), gene_counts(5, seed = 2))
  colnames(counts) <- NULL
  fit <- fake_set(counts = counts, col_data = samples, keep = "effects",
                  design = ~ condition + (1 + condition || donor) + (0 + condition || batch))
  slope <- c("b_conditionstim", "r_donor[d4,conditionstim]")
  # The engine's means over the levels are variables of the posterior.
  batches <- named_draws(fit, "gene2", "mean_r_batch__conditionstim") - named_draws(fit, "gene2", "mean_r_batch__conditionctrl")
  own <- named_draws(fit, "gene2", slope)
  expect_equal(tw_contrast(fit, stim_effect(), by = "donor")$log2FoldChange[4 + 5] * log(2), mean(own))
  observed <- tw_contrast(fit, stim_effect(), by = "donor", estimand = "observed", log2 = FALSE)
  expect_equal(row_of(observed, "gene2", "d4")$log2FoldChange, mean(own + batches))
  sds <- named_draws(fit, "gene2", "sd_batch__conditionstim")^2 + named_draws(fit, "gene2", "sd_batch__conditionctrl")^2
  new <- tw_contrast(fit, stim_effect(), by = "donor", estimand = "new_donor", log2 = FALSE)
  expect_equal(row_of(new, "gene2", "d4")$lfcSE, sqrt(var(own) + mean(sds)))
  both <- tw_contrast(fit, stim_effect(), by = c("donor", "batch"), log2 = FALSE)
  row <- both[both$gene == "gene2" & both$donor == "d4" & both$batch == "y", ]
  change <- named_draws(fit, "gene2", "r_batch[y,conditionstim]") - named_draws(fit, "gene2", "r_batch[y,conditionctrl]")
  expect_equal(row$log2FoldChange, mean(own + change))
  # Levels that one of `by` has in it are averaged.
  within <- fake_set(counts = counts, col_data = samples, keep = "effects", design = ~ condition + (1 + condition || donor:batch))
  halves <- lapply(c("x", "y"), function(b) named_draws(within, "gene2", sprintf("r_donor:batch[d4_%s,conditionstim]", b)))
  by_donor <- tw_contrast(within, stim_effect(), by = "donor", log2 = FALSE)
  expect_equal(row_of(by_donor, "gene2", "d4")$log2FoldChange,
               mean(named_draws(within, "gene2", "b_conditionstim") + (halves[[1]] + halves[[2]]) / 2))
})

test_that("levels of groups made of the condition itself are taken on their own sides", {
  fit <- by_fit(~ condition + (1 | donor:condition))
  row <- row_of(tw_contrast(fit, stim_effect(), by = "donor", log2 = FALSE), "gene1", "d3")
  own <- named_draws(fit, "gene1", c("b_conditionstim", "r_donor:condition[d3_stim,Intercept]")) -
    named_draws(fit, "gene1", "r_donor:condition[d3_ctrl,Intercept]")
  expect_equal(row$log2FoldChange, mean(own))
  # A donor without one of the sides is left out.
  samples <- gene_samples()[-2, ]
  lame <- fake_set(counts = gene_counts(4)[, -2], col_data = samples, design = ~ condition + (1 | donor:condition),
                   keep = "effects")
  expect_identical(unique(as.character(tw_contrast(lame, stim_effect(), by = "donor")$donor)), paste0("d", 2:5))
})

test_that("on the scale of log-ratios the levels are those of the data", {
  fit <- by_fit()
  table <- tw_contrast(fit, by = "donor", scale = "clr", estimand = "observed", log2 = FALSE)
  effects <- vapply(paste0("gene", 1:6), function(gene) {
    named_draws(fit, gene, c("b_conditionstim", "r_donor[d5,conditionstim]"))
  }, numeric(nrow(fit$posterior$draws)))
  expect_equal(table$log2FoldChange[table$donor == "d5"], unname(colMeans(effects - rowMeans(effects))))
  expect_error(tw_contrast(fit, by = "donor", scale = "clr"), "observed", class = "twill_error_contrast")
  masked <- tw_contrast(fit, by = "donor", mask = 1:6 == 2)
  expect_true(all(masked$status[masked$gene == "gene2"] == "masked") && all(is.na(masked$lfsr[masked$gene == "gene2"])))
  expect_false(anyNA(masked$lfsr[masked$gene != "gene2"]))
})

test_that("guides of a screen have their own names, each gene its own guides", {
  plasmid <- with_fixed_seed(1, rpois(8, 300))
  counts <- with_fixed_seed(2, matrix(rnbinom(16, mu = plasmid * c(0.2, 0.2, 0.2, 0.8, 1, 1, 1, 1), size = 20), 8))
  rownames(counts) <- paste0("g", 1:8)
  fit <- twill_screen(counts, gene = c("A", "B", "A", "A", "A", "B", "B", "C"), plasmid = plasmid, iter = 200, seed = 1,
                      silent = 2)
  table <- tw_contrast(fit, by = "guide")
  guides <- tw_guides(fit)
  at <- match(paste(table$gene, table$guide), paste(guides$gene, guides$guide))
  expect_identical(sort(at), 1:8)
  expect_equal(table$log2FoldChange, guides$log2FoldChange[at])
  expect_equal(table$lfcSE, guides$lfcSE[at])
})

test_that("what has no levels is refused by name", {
  fit <- by_fit()
  refused <- function(..., text, of = fit) expect_error(tw_contrast(of, ...), text, class = "twill_error_contrast")
  refused(by = "donr", text = "Did you mean.*donor")
  refused(by = "condition", text = "cond\\(\\)")
  refused(by = 2, text = "2")
  refused(by = "donor", estimand = "new_donor", text = "new_donor")
  refused(by = "donor", extra = "kl", text = "extra")
  refused(by = "donor", of = by_fit(~ condition + (1 | donor)), text = "does not vary over")
  refused(by = "donor", of = by_fit(~ condition), text = "needs a group")
  expect_error(tw_contrast(fake_set(keep = "moments"), by = "donor"), "keep", class = "twill_error_draws")
})
