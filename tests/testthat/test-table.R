# Tables of results: one class, which carries what was asked through verbs of data frames, prints units, and can be drawn.

table_fit <- function(...) fake_set(counts = gene_counts(12), keep = "effects", ...)

gaussian_fit <- function() table_fit_of(log(gene_counts(12) + 1), family = "gaussian")
table_fit_of <- function(counts, ...) fake_set(counts = counts, keep = "effects", ...)

facts <- function(x) attributes(x)[c("contrast", "estimand", "scale", "unit", "prob")]

test_that("every table is a data frame of one class that says what was asked", {
  fit <- table_fit()
  sets <- list(a = paste0("gene", 1:4))
  tables <- list(contrast = tw_contrast(fit), gene_sets = tw_gene_sets(fit, sets = sets), means = tw_means(fit),
                 variance = tw_variance(fit), variance = tw_variance(fit, long = TRUE), diagnostics = tw_diagnostics(fit),
                 spread = tw_spread(fit), means = summary(tw_groups(fit)$d1),
                 contrast = summary(tw_groups(fit)$d1, contrast = c("stim", "ctrl")))
  for (k in seq_along(tables)) {
    expect_s3_class(tables[[k]], c(paste0("tw_", names(tables)[k]), "tw_table", "data.frame"), exact = TRUE)
    texts <- attr(tables[[k]], "description")
    expect_true(all(names(texts) %in% names(tables[[k]])))
  }
  expect_identical(facts(tw_contrast(fit, estimand = "observed", scale = "clr", prob = 0.5)),
                   list(contrast = "conditionstim", estimand = "observed", scale = "clr", unit = "log2", prob = 0.5))
  expect_identical(attr(tw_contrast(fit, log2 = FALSE), "unit"), "natural log")
  expect_identical(attr(tw_contrast(gaussian_fit()), "unit"), "values")
  expect_identical(attr(tw_contrast(fit, lfc_threshold = 1), "threshold"), 1)
  # The probability of the intervals and the base of the logarithm are said of columns and axes too.
  for (half in list(tw_contrast(fit, prob = 0.5), tw_means(fit, prob = 0.5))) {
    expect_match(attr(half, "description")[["upper"]], "upper end of the 50% interval", fixed = TRUE)
  }
  expect_match(plot(tw_contrast(fit, log2 = FALSE))$labels$x, "(base e)", fixed = TRUE)
  expect_match(plot(tw_contrast(gaussian_fit()))$labels$x, "units of the values", fixed = TRUE)
})

test_that("rows, columns and verbs of dplyr keep a table what it is, and it can still be drawn", {
  fit <- table_fit()
  res <- tw_contrast(fit)
  is_kept <- function(x) {
    expect_s3_class(x, class(res), exact = TRUE)
    expect_identical(facts(x), facts(res))
    expect_match(plot(fit, "volcano", results = x)$labels$x, "log2 fold change: conditionstim", fixed = TRUE)
    expect_s3_class(plot(x), "ggplot")
  }
  is_kept(res[order(res$svalue), ])
  is_kept(res[c("log2FoldChange", "lfcSE", "svalue", "lower", "upper")])
  is_kept(head(res, 3))
  is_kept(subset(res, lfcSE > 0))
  res_more <- res
  res_more$mine <- 1
  is_kept(res_more)
  expect_identical(res[, "svalue"], res$svalue)
  expect_identical(res[["svalue"]], res$svalue)
  skip_if_not_installed("dplyr")
  is_kept(dplyr::filter(res, lfcSE > 0))
  is_kept(dplyr::arrange(res, svalue))
  is_kept(dplyr::mutate(res, mine = 1))
  is_kept(dplyr::select(res, log2FoldChange, lfcSE, svalue, lower, upper))
  expect_identical(rownames(dplyr::arrange(res, svalue)), rownames(res)[order(res$svalue)])
  expect_null(attr(dplyr::bind_rows(res, tw_contrast(fit, "Intercept")), "contrast"))
})

test_that("plain data frames and tables put together keep what is true of all of them", {
  fit <- table_fit()
  res <- tw_contrast(fit)
  plain <- as.data.frame(res)
  expect_identical(class(plain), "data.frame")
  expect_match(plot(fit, "volcano", results = plain)$labels$x, "log2 fold change: conditionstim", fixed = TRUE)
  both <- rbind(res[1:2, ], tw_contrast(fit, "Intercept")[3:4, ])
  expect_s3_class(both, "tw_contrast")
  expect_identical(rownames(both), paste0("gene", 1:4))
  expect_null(attr(both, "contrast"))
  expect_identical(attr(both, "unit"), "log2")
  expect_null(attr(rbind(res, tw_contrast(fit, log2 = FALSE)), "unit"))
  expect_identical(facts(rbind(res[1:2, ], res[3:12, ])), facts(res))
  expect_identical(rbind(res[1:2, ], res[3:12, ]), res)
})

test_that("tables of every kind describe their columns as DataFrames", {
  skip_if_not_installed("S4Vectors")
  tables <- list(tw_design(mean = 10, shape = 10, sd_donor = 0.3, donors = 4), tw_inclusion(c(1, 5, 2), diag(3)))
  for (table in tables) expect_true(all(c("type", "description") %in% names(S4Vectors::mcols(methods::as(table, "DataFrame")))))
  # Whoever makes a table of a new kind names it there.
  code <- unlist(lapply(ls(asNamespace("twill"), all.names = TRUE), function(name) {
    f <- get(name, asNamespace("twill"))
    if (is.function(f)) deparse(body(f))
  }))
  made <- unlist(regmatches(code, gregexpr("new_table\\([^\"]*, \"[a-z_]+\"", code)))
  kinds <- paste0("tw_", unique(sub(".*\"([a-z_]+)\"$", "\\1", made)))
  expect_gt(length(kinds), 9)
  expect_equal(setdiff(kinds, twill:::table_kinds), character())
})

test_that("DataFrames describe their columns", {
  skip_if_not_installed("S4Vectors")
  res <- tw_contrast(table_fit())
  out <- methods::as(res, "DataFrame")
  expect_true(methods::is(out, "DataFrame"))
  texts <- S4Vectors::mcols(out)$description
  expect_match(texts[names(out) == "lower"], "95% interval")
  expect_true(all(nzchar(texts)))
  expect_identical(S4Vectors::metadata(out)$unit, "log2")
  expect_identical(rownames(out), rownames(res))
  expect_identical(S4Vectors::mcols(res)$description, texts)
  # Plots read them too.
  expect_match(plot(table_fit(), "volcano", results = out)$labels$x, "log2 fold change: conditionstim", fixed = TRUE)
})

test_that("tables print their units within 80 columns", {
  withr::local_options(width = 80)
  fit <- table_fit()
  shown <- function(x, ...) {
    lines <- utils::capture.output(print(x, ...))
    expect_lte(max(nchar(lines)), 80)
    paste(lines, collapse = "\n")
  }
  expect_match(shown(tw_contrast(fit)),
               "Effects, 12 genes: conditionstim\n.*log2 units(; |\n)95% intervals.*further columns: .*status")
  expect_match(shown(tw_contrast(fit, log2 = FALSE)), "natural log units")
  expect_match(shown(tw_contrast(gaussian_fit())), "units of the values")
  expect_match(shown(tw_contrast(fit, stim_effect(), scale = "clr", estimand = "observed", extra = c("kl", "lvr"),
                                 lfc_threshold = 0.5, donor_weights = "cells")), "scale of clr.*threshold 0.5.*weighted by cells")
  expect_match(shown(tw_means(fit)), "Means, 120 rows by gene and leaf.*110 more rows")
  expect_no_match(shown(tw_means(fit), n = 200), "more rows")
  tables <- list(tw_means(fit), tw_contrast(fit), tw_diagnostics(fit))
  for (width in 40:100) for (table in tables) {
    lines <- withr::with_options(list(width = width), utils::capture.output(print(table, n = 3)))
    expect_true(any(grepl("print(x, n = )", lines, fixed = TRUE)), label = width)
    expect_lte(max(nchar(lines[startsWith(lines, "# ")])), width)
  }
  # As many rows as are said, the first ones, and numbers of effects of either sign at that s-value.
  rows_shown <- function(...) sum(grepl("^gene", utils::capture.output(print(tw_contrast(fit), ...))))
  expect_identical(c(rows_shown(), rows_shown(n = 3), rows_shown(n = 50)), c(10L, 3L, 12L))
  res <- tw_contrast(fit)
  res$svalue[] <- rep(c(0.01, 0.05, 0.2), 4)
  res$log2FoldChange[] <- c(1, 2, -1, -1, -2, -3, 3, 1, -2, 1, 1, 1)
  res$status[3] <- "masked"
  expect_match(shown(res), "s-value at most 0.05: 6 up, 2 down; 1 with a status")
  expect_match(shown(tw_contrast(fit)["gene1", ]), "Effects, 1 gene:")
  expect_match(shown(tw_contrast(fit)[0, ]), "No rows")
  others <- list(tw_variance(fit), tw_variance(fit, long = TRUE), tw_diagnostics(fit), tw_spread(fit), head(tw_spread(fit)))
  for (x in others) shown(x)
  # Long names are cut, and wide ones that leave no room for a second column still are shown.
  named <- gene_counts(3)
  rownames(named) <- c(strrep("long", 20), "b", "c")
  shown(tw_contrast(table_fit_of(named)))
})

test_that("numbers are told to their digits, small ones by powers of ten", {
  expect_identical(trimws(number_texts(c(1234.5, 12.345, 0.01234, 1e-5, 0, NA), 3, FALSE)),
                   c("1,234", "12.3", "0.0123", "1e-05", "0", NA))
  expect_identical(trimws(number_texts(c(-1.234, 12.3), 3, TRUE)), c("-1.23", "12.30"))
  expect_identical(number_texts(c(2, 3000), 3, FALSE), c("2", "3,000"))
})

test_that("plots of tables by themselves, also with BiocGenerics attached", {
  fit <- table_fit()
  expect_s3_class(plot(tw_contrast(fit)), "ggplot")
  expect_s3_class(plot(tw_contrast(fit), "ma"), "ggplot")
  expect_s3_class(plot(tw_gene_sets(fit, sets = list(a = "gene1", b = c("gene2", "gene3")))), "ggplot")
  expect_error(plot(tw_variance(fit)), "no plot of a table of variance", class = "twill_error_plot")
  expect_error(plot(tw_spread(fit)["ratio"]), "effect", class = "twill_error_plot")
  expect_error(plot(tw_contrast(fit)["svalue"]), "log2FoldChange", class = "twill_error_plot")
  # Generics of S4 that other packages make of plot() hand tables on to it.
  skip_if_not_installed("BiocGenerics")
  loadNamespace("BiocGenerics")
  expect_s3_class(plot(tw_contrast(fit)), "ggplot")
})

test_that("lines of a heading break between what they say", {
  expect_identical(joined_lines(c("aaaa", "bbbb", "cccc"), 10), c("aaaa; bbbb", "cccc"))
  expect_identical(joined_lines(c("aaaa", "bbbb", "cccc"), 80), "aaaa; bbbb; cccc")
  expect_identical(joined_lines(character(), 80), character())
  shown <- {
    old <- options(width = 80)
    on.exit(options(old))
    utils::capture.output(print(tw_contrast(fake_set(), lfc_threshold = log2(1.5))))
  }
  expect_true(any(grepl("threshold 0.585$", shown)) && any(grepl("^95% intervals", shown)))
})
