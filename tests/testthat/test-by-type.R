# by = : several types of cells in one call, against separate calls; long tables; what cannot be fitted.

typed_samples <- function() {
  set.seed(81)
  col_data <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), type = c("B cell", "T cell"))
  # A third of the genes: sizes take what all have alike.
  mu <- outer(exp(runif(12, 3, 5)), rep(1, 16))
  mu[1:4, col_data$condition == "stim" & col_data$type == "T cell"] <- 2.5 * mu[1:4, 1]
  counts <- matrix(rnbinom(length(mu), mu = mu, size = 20), 12)
  dimnames(counts) <- list(paste0("g", 1:12), paste0("s", seq_len(ncol(counts))))
  list(counts = counts, col_data = `rownames<-`(col_data, colnames(counts)))
}

fit_types <- function(data, ..., by = "type") {
  twill_genes(data$counts, ~ condition + (1 | donor), col_data = data$col_data, by = by, iter = 200, seed = 5, silent = 2, ...)
}

test_that("fits by type are those of separate calls, and update() makes them again", {
  data <- typed_samples()
  sizes <- runif(16, 0.8, 1.2)
  fits <- twill_genes(data$counts, ~ condition + (1 | donor), col_data = data$col_data, size_factors = sizes, by = "type",
                      iter = 200, seed = 5, silent = 2)
  expect_named(fits, c("B cell", "T cell"))
  for (k in 1:2) {
    at <- data$col_data$type == names(fits)[k]
    alone <- twill_genes(data$counts[, at], ~ condition + (1 | donor), col_data = data$col_data[at, ],
                         size_factors = sizes[at], iter = 200, seed = 4 + k, silent = 2)
    expect_identical(coef(fits[[k]]), coef(alone))
    expect_identical(tw_contrast(fits[[k]])$lfsr, tw_contrast(alone)$lfsr)
  }
  again <- update(fits[["T cell"]], warmup = 50)
  expect_identical(coef(again), coef(fits[["T cell"]]))
  expect_output(print(fits), "2 fits by type.*B cell +8 samples, 12 genes")
  # What one fit answers, several do not: R would answer for a list.
  for (verb in c("summary", "fixef", "VarCorr", "update", "plot", "loo", "as_draws_matrix", "formula")) {
    expect_error(do.call(verb, list(fits)), "fits by type", class = "twill_error_method", info = verb)
  }
  expect_error(ranef(fits), "fits\\[\\[1\\]\\]", class = "twill_error_method")
  # Taken apart and joined again.
  expect_identical(c(fits[1], fits[2]), fits)
  expect_identical(tw_contrast(c(fits[2], fits[1]))$type, rev(tw_contrast(fits)$type))
  expect_error(c(fits, fits[1]), "B cell.*twice", class = "twill_error_genes")
  expect_error(c(fits, fits[[1]]), "Argument 2", class = "twill_error_genes")
  expect_error(c(fits[[1]], fits), "B cell", class = "twill_error_argument")
})

test_that("contrasts and diagnostics of all types are one long table", {
  fits <- fit_types(typed_samples())
  table <- tw_contrast(fits, "conditionstim", lfc_threshold = 0.5)
  expect_s3_class(table, "tw_contrast")
  expect_identical(names(table)[1:2], c("type", "gene"))
  expect_identical(nrow(table), 24L)
  second <- tw_contrast(fits[[2]], "conditionstim", lfc_threshold = 0.5)
  expect_identical(table$log2FoldChange[table$type == "T cell"], second$log2FoldChange)
  expect_identical(table$svalue[13:24], second$svalue)
  # Over all rows: the mean rate of those with a rate at most as large.
  # The types are not alike, or this would say nothing.
  expect_gt(max(abs(table$svalue_all - table$svalue)), 0.1)
  expect_equal(table$svalue_all, vapply(table$fsos, function(rate) mean(table$fsos[table$fsos <= rate + 1e-9]), 0))
  expect_output(print(table), "rows by type and gene")
  expect_s3_class(plot(table), "ggplot")
  status <- tw_diagnostics(fits)
  expect_identical(as.character(status$type), rep(c("B cell", "T cell"), each = 12))
  expect_identical(nrow(tw_contrast(fits["T cell"], "conditionstim")), 12L)
})

test_that("types that cannot be fitted are named, and the others are fitted", {
  data <- typed_samples()
  data$col_data$type <- as.character(data$col_data$type)
  data$col_data$type[data$col_data$type == "T cell" & data$col_data$condition == "ctrl"] <- "rare"
  data$col_data$type[16] <- NA
  suppressWarnings(expect_warning(fits <- fit_types(data), "rare", class = "twill_warning_genes"))
  expect_true("B cell" %in% names(fits))
  expect_output(print(fits), "Not fitted")
  expect_error(fit_types(data, by = "lane"), "lane", class = "twill_error_genes")
  expect_error(fit_types(data, by = "donor"), "design", class = "twill_error_genes")
  for (col_data in list(quote(x + 1), list(type = 1:16), as.matrix(data$col_data))) {
    expect_error(twill_genes(data$counts, ~condition, col_data = col_data, by = "type"), "must be a data frame",
                 class = "twill_error_genes")
  }
  expect_error(tw_means(fits), "B cell", class = "twill_error_argument")
  expect_error(fits["nobody"], "B cell", class = "twill_error_genes")
  for (i in list(1i, c(-1, 1), list(1), quote(a), 99)) expect_error(fits[i], "B cell", class = "twill_error_genes")
})

test_that("cells, experiments and long tables have types too", {
  set.seed(82)
  cells <- expand.grid(cell = 1:12, condition = c("ctrl", "stim"), donor = paste0("d", 1:3), type = c("a", "b"))
  counts <- Matrix::Matrix(matrix(rpois(6 * nrow(cells), 3), 6), sparse = TRUE)
  dimnames(counts) <- list(paste0("g", 1:6), paste0("c", seq_len(ncol(counts))))
  capture <- runif(nrow(cells), 0.1, 0.2)
  fits <- twill_cells(counts, ~ condition + (1 | donor), col_data = cells, capture = capture, by = "type", iter = 200, seed = 1,
                      silent = 2)
  expect_s3_class(fits[["b"]], "twillcells")
  expect_output(print(fits), "72 cells")
  data <- typed_samples()
  long <- data.frame(gene = rep(rownames(data$counts)[1:3], 16), count = as.vector(data$counts[1:3, ]),
                     data$col_data[rep(1:16, each = 3), ])
  of_long <- twill_genes(long, count ~ condition + (1 | donor), gene = "gene", by = "type", iter = 200, seed = 1, silent = 2)
  expect_named(of_long, c("B cell", "T cell"))
  skip_if_not_installed("SummarizedExperiment")
  se <- SummarizedExperiment::SummarizedExperiment(list(counts = data$counts), colData = data$col_data)
  of_se <- twill_genes(se, ~ condition + (1 | donor), by = "type", iter = 200, seed = 5, silent = 2)
  expect_identical(coef(of_se[[1]]), coef(fit_types(data)[[1]]))
})

test_that("names of columns without quotes are told to have them", {
  counts <- matrix(rpois(40, 5), 4)
  samples <- data.frame(condition = gl(2, 5), cell_type = gl(2, 1, 10))
  for (door in list(twill_genes, twill_cells)) {
    expect_error(door(counts, ~condition, col_data = samples, by = cell_type), "must hold names.*quotes",
                 class = "twill_error_data")
  }
})

test_that("what is no matrix of counts is refused as without types", {
  samples <- data.frame(f = gl(2, 3), g = rep(c("a", "b", "c"), 2))
  expect_error(twill_genes(1:6, ~f, col_data = samples, by = "g", iter = 20, silent = 2), class = "twill_error")
})

test_that("calls of fits by type can be made again where columns have no type, and of Seurat objects", {
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, matrix(rpois(60, 50), 4, dimnames = list(paste0("g", 1:4), paste0("s", 1:15))))
  data <- data.frame(type = c(NA, rep(c("a", "b"), 7)), row.names = colnames(counts))
  again <- function(fits) for (fit in fits) expect_identical(update(fit)$posterior, fit$posterior)
  quick <- list(iter = 100, seed = 1, share = "none", check = FALSE, by = "type")
  run <- function(...) suppressMessages(do.call(twill_genes, c(list(...), quick)))
  again(run(counts, ~1, col_data = data))
  skip_if_not_installed("SeuratObject")
  object <- suppressWarnings(SeuratObject::CreateSeuratObject(methods::as(counts, "CsparseMatrix"), meta.data = data))
  again(run(object, ~1))
})

test_that("one type is chosen by its name or number, and by nothing else", {
  data <- typed_samples()
  local_engine(fake_engine)
  fits <- fit_types(data)
  expect_identical(fits[["T cell"]], unclass(fits)[[2]])
  expect_identical(fits[[2L]], fits[["T cell"]])
  for (bad in list(NULL, NA, 3, "T", c("B cell", "T cell"), character(), list(1))) {
    expect_error(fits[[bad]], "name or number of one type.*B cell", class = "twill_error_genes")
  }
})

test_that("columns and values that do not go with the whole are refused before it is parted", {
  data <- typed_samples()
  run <- function(col_data = data$col_data, ...) {
    twill_genes(data$counts, ~condition, col_data = col_data, by = "type", silent = 2, ...)
  }
  expect_error(run(data$col_data[c(1:16, 16), ]), "one row per column", class = "twill_error_genes")
  # Columns without a row were left out.
  expect_error(run(data$col_data[1:15, ]), "one row per column", class = "twill_error_genes")
  # Types in another order: within one no name agrees, which alone says nothing.
  turned <- data$col_data[order(rev(as.integer(factor(data$col_data$type)))), ]
  rownames(turned) <- colnames(data$counts)[order(rev(as.integer(factor(data$col_data$type))))]
  expect_error(run(turned), "order of the columns", class = "twill_error_genes")
  expect_error(run(weights = rep(1, 8)), "weights.*one value per column", class = "twill_error_genes")
  expect_error(run(size_factors = rep(1, 8)), "size_factors.*one value per column", class = "twill_error_genes")
  cells <- simulate_cells(n_genes = 3, n_cells = 80)
  expect_error(twill_cells(cells$counts, ~condition, col_data = cells$cells[1:70, ], by = "donor", silent = 2),
               "one row per column", class = "twill_error_genes")
})
