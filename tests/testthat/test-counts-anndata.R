# AnnData files that anndata 0.12 of Python wrote (anndata/make.py, `python make.py FOLDER`, compressed by xz -9e).

# counts.csv of the same call: cells in rows.
true_counts <- function() {
  counts <- c(2, 1, 1, 1, 0, 2, 1, 1, 1, 0, 1, 3, 1, 0, 2, 2, 1, 1, 0, 2, 0, 2, 1, 3, 1, 0, 3, 0, 0, 3, 0, 3, 2,
             1, 4, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 2, 3, 1, 1, 0, 0, 0, 2, 1, 1, 2, 0, 1, 0, 0)
  matrix(counts, 5, dimnames = list(paste0("ENSG", 0:4), paste0("cell", 0:11)))
}

stored_h5ad <- function(name) {
  skip_if_not_installed("rhdf5")
  skip_if_not_installed("SingleCellExperiment")
  written_file(".h5ad", {
    connection <- xzfile(test_path("anndata", paste0(name, ".h5ad.xz")), "rb")
    writeBin(readBin(connection, "raw", 1e6), file)
    close(connection)
  })
}

counts_of <- function(sce) SummarizedExperiment::assay(sce, "counts")

test_that("counts, obs and var are those that were written", {
  sce <- tw_read_h5ad(stored_h5ad("cells"))
  expect_s4_class(sce, "SingleCellExperiment")
  expect_s4_class(counts_of(sce), "dgCMatrix")
  expect_equal(as.matrix(counts_of(sce)), true_counts())
  obs <- as.data.frame(SummarizedExperiment::colData(sce))
  expect_identical(names(obs), c("condition", "donor", "batch", "n", "share", "doublet", "age", "flag"))
  expect_identical(obs$condition, factor(rep(c("stim", "ctrl"), 6), c("ctrl", "stim")))
  expect_identical(as.character(obs$donor), paste0("d", rep(0:2, each = 4)))
  expect_identical(which(is.na(obs$batch)), 4L)
  expect_equal(obs$n, 0:11)
  expect_equal(obs$share, seq(0, 1, length.out = 12))
  expect_identical(which(obs$doublet), 3L)
  expect_equal(obs$age, c(20, NA, 22:31))
  expect_identical(obs$flag, c(TRUE, FALSE, TRUE, FALSE, TRUE, NA, rep(c(TRUE, FALSE), 3)))
  expect_identical(SummarizedExperiment::rowData(sce)$symbol, paste0("S", 0:4))
})

test_that("layers are found by name, or by what holds counts", {
  file <- stored_h5ad("cells")
  # X is in logarithms, by cells; the layer "counts" is stored by genes.
  logged <- tw_read_h5ad(file, "X")
  expect_equal(as.matrix(counts_of(logged)), log1p(true_counts()), tolerance = 1e-6)
  expect_equal(as.matrix(counts_of(tw_read_h5ad(file, "raw"))), true_counts())
  dense <- tw_read_h5ad(stored_h5ad("dense"))
  expect_s4_class(counts_of(dense), "dgCMatrix")
  expect_equal(as.matrix(counts_of(dense)), true_counts())
  expect_error(tw_read_h5ad(file, "cuonts"), "counts", class = "twill_error_file")
})

test_that("counts can stay on disk", {
  skip_if_not_installed("HDF5Array")
  for (name in c("cells", "dense")) {
    sce <- tw_read_h5ad(stored_h5ad(name), on_disk = TRUE)
    expect_s4_class(counts_of(sce), "DelayedMatrix")
    expect_equal(as.matrix(counts_of(sce)), true_counts())
  }
})

test_that("both doors take the path of a file, with symbols, by type and to be updated", {
  file <- stored_h5ad("cells")
  local_engine(fake_engine)
  fit <- twill_cells(file, ~condition, capture = rep(0.1, 12), min_count = 0, iter = 100, seed = 1, silent = 2, share = "none",
                     check = FALSE)
  expect_identical(rownames(fit), paste0("ENSG", 0:4))
  expect_identical(tw_contrast(fit, symbols = "symbol")$symbol, paste0("S", 0:4))
  genes <- twill_genes(file, ~condition, iter = 100, seed = 1, silent = 2, share = "none")
  expect_identical(fixef(update(genes, seed = 1)), fixef(genes))
  fits <- twill_genes(file, ~condition, by = "donor", iter = 100, seed = 1, silent = 2, share = "none")
  expect_named(fits, c("d0", "d1", "d2"))
  expect_identical(fixef(update(fits[["d1"]])), fixef(fits[["d1"]]))
})

test_that("columns of a compressed matrix may be in any order", {
  m <- compressed_columns(c(0, 2, 2, 3), c(3, 1, 0), c(7, 8, 9), c(4, 3))
  expect_equal(as.matrix(m), matrix(c(0, 8, 0, 7, 0, 0, 0, 0, 9, 0, 0, 0), 4))
  expect_identical(compressed_columns(c(0, 2, 2, 3), c(1, 3, 0), c(8, 7, 9), c(4, 3)), m)
  empty <- compressed_columns(c(0, 0, 0), numeric(), numeric(), c(4, 2))
  expect_identical(sum(empty), 0)
})

test_that("what is no AnnData file is refused", {
  skip_if_not_installed("rhdf5")
  skip_if_not_installed("SingleCellExperiment")
  expect_error(tw_read_h5ad("nowhere.h5ad"), "`file`.*nowhere", class = "twill_error_file")
  for (door in list(twill_cells, twill_genes)) expect_error(door("nowhere.h5ad", ~x), "`x`.*nowhere", class = "twill_error_file")
  expect_error(tw_read_h5ad(written_file(".h5ad", writeLines("a", file))), "HDF5", class = "twill_error_file")
  other <- written_file(".h5ad", {
    rhdf5::h5createFile(file)
    rhdf5::h5write(1:3, file, "X")
  })
  expect_error(tw_read_h5ad(other), "obs", class = "twill_error_file")
  expect_error(twill_genes(other, ~x), "obs", class = "twill_error_file")
})

test_that("files without attributes, as other programs write them, are read", {
  skip_if_not_installed("rhdf5")
  skip_if_not_installed("SingleCellExperiment")
  plain <- written_file(".h5ad", {
    rhdf5::h5createFile(file)
    rhdf5::h5write(matrix(c(1, 0, 2, 0, 0, 5), 2), file, "X")
    for (side in c("obs", "var")) rhdf5::h5createGroup(file, side)
    rhdf5::h5write(c("c1", "c2", "c3"), file, "obs/_index")
    rhdf5::h5write(c("a", "b", "a"), file, "obs/donor")
    rhdf5::h5write(c("IFIT1", "TP53"), file, "var/_index")
  })
  sce <- tw_read_h5ad(plain)
  expect_identical(dim(sce), c(2L, 3L))
  expect_identical(as.character(SummarizedExperiment::colData(sce)$donor), c("a", "b", "a"))
})
