# What Bioconductor is told of fits of genes, of cells and of screens.

skip_if_not_installed("SummarizedExperiment")

bioc_fit <- function(kind, ...) {
  local_engine(fake_engine)
  ask <- list(iter = 100, seed = 1, silent = 2, share = "none", ...)
  with_fixed_seed(1, switch(kind,
    genes = do.call(twill_genes, c(list(bioc_counts(), ~ arm + (1 | donor), col_data = bioc_samples()), ask)),
    cells = do.call(twill_cells, c(list(bioc_cell_counts(), ~ arm + (1 | donor), col_data = bioc_cells(), check = FALSE), ask)),
    rows = do.call(twill_cells, c(list(bioc_cell_counts(), ~ age, col_data = bioc_cells(), check = FALSE), ask)),
    screen = do.call(twill_screen, c(list(bioc_guides(), ~ arm, gene = bioc_genes, plasmid = rep(c(200, 300), c(4, 3)),
                                          col_data = data.frame(arm = gl(2, 2))), ask))))
}

bioc_samples <- function() data.frame(arm = gl(2, 1, 8), donor = gl(4, 2), batch = gl(2, 4), row.names = paste0("s", 1:8))

bioc_counts <- function() {
  counts <- matrix(rpois(40, 30), 5, dimnames = list(paste0("g", 1:5), paste0("s", 1:8)))
  counts[2, ] <- 0
  Matrix::Matrix(counts, sparse = TRUE)
}

bioc_cells <- function() data.frame(arm = gl(2, 1, 120), donor = gl(4, 30), sex = gl(2, 60), age = sin(1:120))

bioc_cell_counts <- function() {
  counts <- matrix(rpois(6 * 120, 4), 6, dimnames = list(paste0("g", 1:6), paste0("c", 1:120)))
  counts[c(2, 5), ] <- 0
  counts[5, 7] <- 1
  Matrix::Matrix(counts, sparse = TRUE)
}

# Two genes share the name of a guide.
bioc_genes <- c("A", "B", "A", "B", "A", "A", "B")

bioc_guides <- function() {
  matrix(rpois(28, 250), 7, dimnames = list(c("sg1", "sg2", "sg3", "sg4", "sg5", "sg6", "sg7"), paste0("s", 1:4)))
}

experiment_of <- function(fit) methods::as(fit, "SummarizedExperiment")

test_that("a fit of genes is the experiment that was fitted, genes that were not fitted with it", {
  fit <- bioc_fit("genes")
  counts <- with_fixed_seed(1, bioc_counts())
  se <- experiment_of(fit)
  expect_s4_class(SummarizedExperiment::assay(se), "dgCMatrix")
  expect_identical(as.matrix(SummarizedExperiment::assay(se, "counts")), as.matrix(counts))
  rows <- SummarizedExperiment::rowData(se)
  expect_identical(rows$status, c("ok", "skipped", "ok", "ok", "ok"))
  expect_identical(rows$message[2], "0 counts in all")
  expect_identical(rows$rhat[-2], tw_diagnostics(fit)$rhat)
  expect_true(is.na(rows$rhat[2]) && is.na(rows$baseMean[2]) && is.na(rows$dispersion[2]))
  sizes <- exp(fit$job$model$added_offset)
  expect_equal(rows$baseMean[-2], unname(rowMeans(sweep(as.matrix(counts)[-2, ], 2, sizes, `/`))))
  shape <- as.matrix(as_draws_matrix(fit, genes = "g3", variable = "shape"))
  expect_equal(rows["g3", "dispersion"], mean(1 / shape))
  expect_false(anyNA(S4Vectors::mcols(rows)$description))
  columns <- SummarizedExperiment::colData(se)
  expect_identical(columns$batch, bioc_samples()$batch)
  expect_equal(columns$sizeFactor, sizes)
  expect_identical(S4Vectors::metadata(se)$design, formula(fit))
  # Of a fit that was cut its own genes.
  expect_identical(rownames(experiment_of(fit[c("g4", "g1"), ])), c("g4", "g1"))
  asked <- bioc_fit("genes", genes = c("g1", "g5"))
  expect_identical(SummarizedExperiment::rowData(experiment_of(asked))$message, c("", rep("not chosen", 3), ""))
})

test_that("a fit of cells is a pseudobulk of its leaves", {
  fit <- bioc_fit("cells")
  counts <- as.matrix(with_fixed_seed(1, bioc_cell_counts()))
  se <- experiment_of(fit)
  leaf <- paste(bioc_cells()$arm, bioc_cells()$donor, sep = " | ")
  expect_identical(dimnames(se), list(paste0("g", 1:6), unique(leaf)[order(unique(leaf))]))
  sums <- t(rowsum(t(counts), leaf))
  expect_equal(SummarizedExperiment::assay(se), sums[, colnames(se)], ignore_attr = TRUE)
  expect_identical(SummarizedExperiment::rowData(se)$status, c("ok", "skipped", "ok", "ok", "skipped", "ok"))
  columns <- SummarizedExperiment::colData(se)
  expect_identical(columns$ncells, as.integer(table(leaf)[colnames(se)]))
  # What all cells of a leaf share is known of it.
  expect_identical(as.character(columns$sex), as.character(bioc_cells()$sex[match(colnames(se), leaf)]))
  expect_equal(columns$sizeFactor, unname(BiocGenerics::sizeFactors(fit)))
})

test_that("a fit whose covariates differ from cell to cell has cells as columns", {
  fit <- bioc_fit("rows")
  se <- experiment_of(fit)
  expect_s4_class(SummarizedExperiment::assay(se), "dgCMatrix")
  expect_identical(as.matrix(SummarizedExperiment::assay(se)), as.matrix(with_fixed_seed(1, bioc_cell_counts())))
  expect_identical(se$age, bioc_cells()$age)
})

test_that("rows of a screen are its guides, columns its samples", {
  fit <- bioc_fit("screen")
  counts <- with_fixed_seed(1, bioc_guides())
  se <- experiment_of(fit)
  rows <- SummarizedExperiment::rowData(se)
  expect_identical(SummarizedExperiment::assay(se)[rownames(counts), ], counts + 0)
  expect_identical(rows$gene, rep(c("A", "B"), c(4, 3)))
  expect_identical(rows$guide, rownames(se))
  expect_identical(rows$plasmid, c(200, 200, 300, 300, 200, 200, 300))
  expect_identical(rows$rhat, tw_diagnostics(fit)[rows$gene, "rhat"])
  expect_equal(unname(BiocGenerics::sizeFactors(fit)), fit$job$sizes$values)
  expect_identical(names(BiocGenerics::sizeFactors(fit)), paste0("s", 1:4))
  expect_identical(rownames(BiocGenerics::counts(fit["B", ])), c("sg2", "sg4", "sg7"))
})

test_that("accessors of experiments are those of the fit's own rows", {
  for (kind in c("genes", "cells", "rows", "screen")) {
    fit <- bioc_fit(kind)
    expect_identical(rownames(SummarizedExperiment::rowData(fit)), rownames(BiocGenerics::counts(fit)))
    expect_identical(rownames(SummarizedExperiment::colData(fit)), colnames(BiocGenerics::counts(fit)))
    expect_identical(SummarizedExperiment::assay(fit, "counts"), BiocGenerics::counts(fit))
    expect_identical(SummarizedExperiment::assays(fit)[[1]], BiocGenerics::counts(fit))
    expect_true(methods::is(fit, "twillgenes"))
  }
  expect_error(SummarizedExperiment::assay(fit, "logcounts"), "one assay", class = "twill_error_genes")
  skip_if_not_installed("SingleCellExperiment")
  sce <- methods::as(fit, "SingleCellExperiment")
  expect_identical(BiocGenerics::sizeFactors(sce), unname(BiocGenerics::sizeFactors(fit)))
  methods::setClass("twill_test_holder", representation(fit = "twillgenes"), where = environment())
  expect_s4_class(methods::new("twill_test_holder", fit = fit), "twill_test_holder")
})

test_that("counts on disk stay there", {
  skip_if_not_installed("HDF5Array")
  counts <- HDF5Array::writeHDF5Array(as.matrix(with_fixed_seed(1, bioc_counts())), with.dimnames = TRUE)
  local_engine(fake_engine)
  fit <- twill_genes(counts, ~arm, col_data = bioc_samples(), iter = 100, seed = 1, silent = 2, share = "none")
  expect_s4_class(SummarizedExperiment::assay(experiment_of(fit)), "DelayedMatrix")
})

test_that("generics answer in a new process, whichever package is loaded first", {
  skip_on_cran()
  skip_if_not_installed("DESeq2")
  path <- tempfile(fileext = ".rds")
  saveRDS(lapply(c("genes", "cells", "screen"), bioc_fit), path)
  on.exit(unlink(path))
  for (order in list(c("twill", "DESeq2"), c("DESeq2", "twill"), c("twill", "BiocGenerics"))) {
    code <- sprintf(paste("for (p in c(%s)) suppressPackageStartupMessages(library(p, character.only = TRUE));",
                          "for (fit in readRDS(%s)) { stopifnot(nrow(counts(fit)) > 1, sizeFactors(fit) > 0,",
                          "inherits(design(fit), 'formula'), inherits(plotMA(fit), 'ggplot'),",
                          "inherits(plotDispEsts(fit), 'ggplot')); if ('package:DESeq2' %%in%% search())",
                          "stopifnot(dispersions(fit) > 0, is(as(fit, 'SummarizedExperiment'), 'SummarizedExperiment')) }"),
                    toString(shQuote(order)), shQuote(path))
    out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE))
    expect_null(attr(out, "status"), info = c(order, out))
  }
})

test_that("limma's plotMA is the same", {
  skip_if_not_installed("limma")
  expect_s3_class(limma::plotMA(bioc_fit("genes")), "ggplot")
})

test_that("rows that a table does not have are skipped, and descriptions stay", {
  fit <- bioc_fit("genes")
  se <- SummarizedExperiment::SummarizedExperiment(list(counts = with_fixed_seed(1, bioc_counts())), colData = bioc_samples())
  SummarizedExperiment::rowData(se)$symbol <- letters[1:5]
  table <- tw_contrast(fit, "arm2")
  data <- SummarizedExperiment::rowData(tw_row_data(se, table))
  expect_identical(data$twill_status, c("ok", "skipped", "ok", "ok", "ok"))
  expect_identical(is.na(data$twill_log2FoldChange), c(FALSE, TRUE, FALSE, FALSE, FALSE))
  expect_identical(S4Vectors::mcols(data)$type, c(NA, rep("results", length(table))))
  expect_match(S4Vectors::mcols(data)["twill_log2FoldChange", "description"], "posterior mean of arm2")
})
