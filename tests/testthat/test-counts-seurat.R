# Seurat objects at both doors.

test_that("without SeuratObject the way out is told, at both doors", {
  local_function("has_seurat_object", function() FALSE)
  object <- structure(list(), class = "Seurat")
  for (door in list(twill_genes, twill_cells)) {
    expect_error(door(object, ~arm), "install.packages.*col_data", class = "twill_error_package")
  }
})

test_that("Seurat objects are read like their parts", {
  skip_if_not_installed("SeuratObject")
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, Matrix::Matrix(matrix(rpois(120, 20), 6, dimnames = list(paste0("g", 1:6), paste0("c", 1:20))),
                                              sparse = TRUE))
  data <- data.frame(arm = gl(2, 10), row.names = colnames(counts))
  object <- suppressWarnings(SeuratObject::CreateSeuratObject(counts, meta.data = data))
  other <- counts[1:3, ] * 2
  object[["ADT"]] <- suppressWarnings(SeuratObject::CreateAssayObject(other))
  run <- function(door, x, ...) door(x, ~arm, ..., iter = 100, seed = 1, silent = 2, share = "none", check = FALSE)
  for (door in list(twill_genes, twill_cells)) {
    expect_identical(run(door, object)$posterior, run(door, counts, col_data = data)$posterior)
    expect_identical(run(door, object, assay = "ADT")$posterior, run(door, other, col_data = data)$posterior)
    expect_error(run(door, object, assay = "SCT"), "RNA.*ADT", class = "twill_error_genes")
    expect_error(run(door, object, col_data = data), "has its own", class = "twill_error_genes")
  }
  if (utils::packageVersion("SeuratObject") >= "5") {
    # Of older versions the data of a new object are its counts.
    expect_error(run(twill_genes, object, family = "gaussian"), "NormalizeData", class = "twill_error_genes")
    object <- SeuratObject::SetAssayData(object, layer = "data", new.data = counts)
  }
  gaussian <- run(twill_genes, object, family = "gaussian")
  expect_equal(unname(as.matrix(set_counts(gaussian))), unname(as.matrix(counts)))
  expect_error(tw_pseudobulk(object, "arm"), "as.SingleCellExperiment", class = "twill_error_genes")
})

test_that("a layer per sample is told how to become one, and then read", {
  skip_if_not_installed("SeuratObject", "5")
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, Matrix::Matrix(matrix(rpois(120, 20), 6, dimnames = list(paste0("g", 1:6), paste0("c", 1:20))),
                                              sparse = TRUE))
  data <- data.frame(arm = gl(2, 10), row.names = colnames(counts))
  object <- SeuratObject::CreateSeuratObject(counts, meta.data = data)
  apart <- object
  apart[["RNA"]] <- split(apart[["RNA"]], f = rep(c("a", "b"), 10))
  run <- function(x, ...) twill_cells(x, ~arm, ..., iter = 100, seed = 1, silent = 2, share = "none", check = FALSE)
  expect_error(run(apart), "They are in 2.*JoinLayers", class = "twill_error_genes")
  expect_identical(run(SeuratObject::JoinLayers(apart))$posterior, run(counts, col_data = data)$posterior)
})
