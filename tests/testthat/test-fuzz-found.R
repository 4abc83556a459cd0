# What random calls of the package found (tools/fuzz.R), reduced: each input once ended in an unclassed error or a wrong number.

test_that("a folder that cannot be made is refused without a warning of R", {
  expect_no_warning(expect_error(check_folder("/proc/nothing/here"), "cannot be made", class = "twill_error_file"))
  skip_if_not(dir.exists("/proc"), "no /proc")
  expect_no_warning(expect_error(check_folder("/proc/nothing"), "cannot be made", class = "twill_error_file"))
})

test_that("experiments whose rows lack names are read and written to", {
  skip_if_not_installed("SummarizedExperiment")
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, matrix(rpois(24, 50), 4, dimnames = list(c("a", NA, "b", "c"), paste0("s", 1:6))))
  data <- data.frame(f = gl(2, 3), row.names = colnames(counts))
  x <- SummarizedExperiment::SummarizedExperiment(list(counts = counts), colData = data)
  expect_warning(fit <- twill_genes(x, ~f, iter = 100, seed = 1, silent = 2, share = "none", check = FALSE), "no name")
  expect_identical(dimnames(fit)[[1]], c("a", "NA.1", "b", "c"))
  table <- tw_contrast(fit, "f2")
  written <- SummarizedExperiment::rowData(tw_row_data(x, table), use.names = FALSE)
  expect_identical(written$twill_log2FoldChange, table$log2FoldChange)
  # Experiments of single cells name the rows of rowData() whatever is asked.
  skip_if_not_installed("SingleCellExperiment")
  cells <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = data)
  S4Vectors::mcols(cells) <- S4Vectors::DataFrame(symbol = LETTERS[1:4])
  again <- suppressWarnings(twill_genes(cells, ~f, iter = 100, seed = 1, silent = 2, share = "none", check = FALSE))
  expect_identical(again$posterior, fit$posterior)
  expect_identical(again$job$row_data$symbol, LETTERS[1:4])
  written <- S4Vectors::mcols(tw_row_data(cells, table), use.names = FALSE)
  expect_identical(written$twill_log2FoldChange, table$log2FoldChange)
  expect_error(suppressWarnings(twill_screen(cells, ~f, gene = "gene", silent = 2)), "There is no.*gene",
               class = "twill_error_genes")
})

test_that("a screen may come as a Seurat object, with genes as a column of its features", {
  skip_if_not_installed("SeuratObject")
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, matrix(rpois(24, 200), 6, dimnames = list(paste0("guide", 1:6), paste0("s", 1:4))))
  data <- data.frame(f = gl(2, 2), row.names = colnames(counts))
  gene <- rep(c("A", "B"), each = 3)
  object <- suppressWarnings(SeuratObject::CreateSeuratObject(methods::as(counts, "CsparseMatrix"), meta.data = data))
  object[["RNA"]][["gene"]] <- stats::setNames(gene, rownames(object))
  run <- function(x, ...) twill_screen(x, ~f, ..., iter = 100, seed = 1, silent = 2, share = "none", check = FALSE)
  plain <- run(counts, gene = gene, col_data = data)
  expect_identical(run(object, gene = gene)$posterior, plain$posterior)
  expect_identical(run(object, gene = "gene")$posterior, plain$posterior)
  expect_error(run(object, gene = "Gene"), "There is no.*Gene", class = "twill_error_genes")
})

test_that("guides that fail need a design that the samples tell apart", {
  gene <- rep(c("A", "B"), each = 3)
  counts <- with_fixed_seed(1, matrix(rpois(18, 200), 6, dimnames = list(paste0("guide", 1:6), paste0("s", 1:3))))
  data <- data.frame(x = c(1, 2, 4), z = c(2, 4, 8))
  expect_error(suppressMessages(twill_screen(counts, ~ x + z, gene = gene, col_data = data, guide_dist = "mixture", iter = 20,
                                             chains = 1, seed = 1, silent = 2, check = FALSE)),
               "columns the samples tell apart.*z", class = "twill_error_setting")
})

test_that("calls of fits by type keep columns as columns", {
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, matrix(rpois(40, 50), 4, dimnames = list(paste0("g", 1:4), paste0("s", 1:10))))
  # A table of one column besides the type's, and one that is the type alone.
  for (data in list(data.frame(type = gl(2, 5)), data.frame(type = gl(2, 5), f = gl(2, 1, 10)))) {
    fits <- twill_genes(counts, ~1, col_data = data, by = "type", iter = 100, seed = 1, silent = 2, share = "none", check = FALSE)
    for (fit in fits) expect_identical(eval(fit$call)$posterior, fit$posterior)
  }
})

test_that("a matrix that is to be imputed is refused by name", {
  data <- with_fixed_seed(1, data.frame(y = rnorm(12), x = rnorm(12), w = 1))
  data$u <- matrix(0, 12, 2)
  model <- tw_formula(y ~ mi(u)) + tw_formula(u | mi(w) ~ x)
  expect_error(twill(model, data = data, silent = 2), "u", class = "twill_error")
})

test_that("a matrix of levels that the data do not have is refused, with what lacks a row", {
  samples <- gene_samples()
  names <- paste0("other", 1:3)
  K <- structure(diag(3), dimnames = list(names, names))
  for (design in list(~ (1 | gr(donor, cov = K)), ~ (1 | gr(donor, prec = K)))) {
    expect_error(twill_genes(gene_counts(3), design, col_data = samples, data2 = list(K = K), silent = 2), "Without a row",
                 class = "twill_error_data2")
    cells <- simulate_cells(n_genes = 3, n_cells = 80)
    expect_error(twill_cells(cells$counts, design, col_data = cells$cells, data2 = list(K = K), silent = 2), "Without a row",
                 class = "twill_error_data2")
  }
})

test_that("columns that lack values, beside the design, do not keep leaves from being grouped", {
  cells <- simulate_cells(n_genes = 3, n_cells = 80)
  columns <- transform(cells$cells, batch = ifelse(donor %in% c("d1", "d2"), "b1", "b2"), age = replace(seq_len(80), 3, NA))
  fit <- twill_cells(cells$counts, ~ condition + (1 | donor), col_data = columns, iter = 60, warmup = 30, chains = 1,
                     capture = exp(cells$log_capture), seed = 1, silent = 2, share = "none", check = FALSE)
  found <- suppressWarnings(kfold(fit, group = "batch", seed = 1))
  # Folds of 2 of 4 donors, each with two leaves.
  expect_identical(as.vector(table(found$folds)), c(4L, 4L))
  expect_error(kfold(fit, group = "age"), "age", class = "twill_error_folds")
})

test_that("experiments whose assays have no names, and those without any", {
  skip_if_not_installed("scuttle")
  counts <- with_fixed_seed(1, matrix(rpois(80, 3), 4, dimnames = list(paste0("g", 1:4), paste0("c", 1:20))))
  cells <- S4Vectors::DataFrame(d = rep(c("a", "b"), 10), row.names = colnames(counts))
  bulk <- tw_pseudobulk(SummarizedExperiment::SummarizedExperiment(list(counts), colData = cells), "d", min_cells = 0)
  expect_equal(SummarizedExperiment::assay(bulk, "counts"), t(rowsum(t(counts), cells$d)), ignore_attr = TRUE)
  # Of several without names none is the one that a name asks for.
  two <- SummarizedExperiment::SummarizedExperiment(list(counts, 2L * counts), colData = cells)
  expect_equal(SummarizedExperiment::assay(tw_pseudobulk(two, "d", assay = 2, min_cells = 0), "counts"),
               2 * SummarizedExperiment::assay(bulk, "counts"), ignore_attr = TRUE)
  expect_error(tw_pseudobulk(two, "d"), "no names: say `assay = 1`", class = "twill_error_genes")
  empty <- SummarizedExperiment::SummarizedExperiment(colData = cells)
  for (run in list(function() tw_pseudobulk(empty, "d"), function() twill_genes(empty, ~d), function() twill_cells(empty, ~d))) {
    expect_error(run(), "has no assay", class = "twill_error_genes")
  }
})
