# Counts on disk are read in blocks of the size that DelayedArray is told.

skip_if_not_installed("HDF5Array")

local_block_size <- function(size, env = parent.frame()) {
  old <- DelayedArray::getAutoBlockSize()
  suppressMessages(DelayedArray::setAutoBlockSize(size))
  defer_in(env, function() suppressMessages(DelayedArray::setAutoBlockSize(old)))
}

disk_counts <- function(n_genes = 40, n = 60) {
  counts <- with_fixed_seed(1, matrix(rpois(n_genes * n, 2), n_genes))
  dimnames(counts) <- list(paste0("g", seq_len(n_genes)), paste0("c", seq_len(n)))
  storage.mode(counts) <- "integer"
  counts
}

on_disk <- function(counts, chunk) HDF5Array::writeHDF5Array(counts, chunkdim = chunk, with.dimnames = TRUE)

test_that("cells are read along the chunks of their file, in blocks of the size that was set", {
  counts <- disk_counts()
  data <- data.frame(arm = gl(2, 30), row.names = colnames(counts))
  local_engine(fake_engine)
  run <- function(x) twill_cells(x, ~arm, col_data = data, iter = 100, seed = 1, silent = 2, share = "none", check = FALSE)
  expected <- run(counts)
  local_block_size(1600)
  seen <- new.env()
  original <- cell_sums
  for (chunk in list(c(40, 1), c(1, 60), c(10, 10))) {
    seen$sizes <- NULL
    local_function("cell_sums", function(counts, cells) {
      seen$sizes <- rbind(seen$sizes, dim(counts))
      original(counts, cells)
    })
    fit <- run(on_disk(counts, chunk))
    expect_identical(fit$posterior, expected$posterior)
    expect_identical(fit$job$cells$total, expected$job$cells$total)
    # Integers have four bytes.
    expect_lte(max(seen$sizes[, 1] * seen$sizes[, 2]), 400)
    by_cells <- chunk[2] < 60
    expect_equal(unique(seen$sizes[, if (by_cells) 1 else 2]), if (by_cells) 40 else 60)
  }
})

test_that("genes are read in blocks of the size that was set", {
  counts <- disk_counts(30, 10)
  data <- data.frame(arm = gl(2, 5))
  local_engine(fake_engine)
  run <- function(x) twill_genes(x, ~arm, col_data = data, iter = 100, seed = 1, silent = 2, share = "none")
  expected <- run(counts)
  local_block_size(400)
  seen <- new.env()
  original <- read_block
  local_function("read_block", function(source) {
    if (source$kind == "delayed") seen$sizes <- c(seen$sizes, n_genes(source) * n_samples(source))
    original(source)
  })
  expect_identical(run(on_disk(counts, c(5, 5)))$posterior, expected$posterior)
  expect_lte(max(seen$sizes), 100)
})
