# What must not change a fit of twill_cells(): orders, labels, forms of the matrix, threads, and where it was kept.

property_cells <- function(counts = simulate_cells(6, 200)$counts, cells = simulate_cells(6, 200)$cells,
                           design = ~ condition + (1 | donor), iter = 100, share = "none", seed = 1, ...) {
  twill_cells(counts, design, col_data = cells, iter = iter, share = share, seed = seed, silent = 2, ...)
}

# With a covariate that differs from cell to cell there are no leaves.
row_cells <- function(cells) transform(cells, age = seq_len(nrow(cells)) / nrow(cells))

cell_designs <- list(leaves = ~ condition + (1 | donor), rows = ~ condition + age + (1 | donor))

same_cell_draws <- function(a, b) expect_identical(a$posterior$draws, b$posterior$draws)

largest_cells_z <- function(a, b) largest_z(as_draws_array(a), as_draws_array(b))

test_that("the form of the matrix, the size of blocks and the number of threads change no bit", {
  data <- simulate_cells(6, 200)
  for (design in cell_designs) {
    fit_of <- function(counts = data$counts, ...) property_cells(counts, row_cells(data$cells), design, iter = 40, ...)
    fit <- fit_of()
    forms <- list(methods::as(data$counts, "CsparseMatrix"), methods::as(data$counts, "TsparseMatrix"))
    if (requireNamespace("DelayedArray", quietly = TRUE)) forms <- c(forms, DelayedArray::DelayedArray(data$counts))
    for (form in forms) same_cell_draws(fit_of(form), fit)
    for (size in c(1, 4)) same_cell_draws(fit_of(block_size = size), fit)
    for (threads in c(1, 4)) same_cell_draws(fit_of(cores = threads), fit)
    few <- fit_of(genes = c("gene2", "gene5"))
    expect_identical(few$posterior$draws, fit$posterior$draws[, , c(2, 5)])
    expect_identical(fit[c("gene2", "gene5"), ]$posterior$draws, few$posterior$draws)
  }
})

test_that("the order of cells changes Monte Carlo error alone", {
  data <- simulate_cells(6, 200)
  rows <- with_fixed_seed(1, sample(200))
  for (capture in c("model", "library")) {
    fit <- property_cells(iter = 400, capture = capture)
    other <- property_cells(data$counts[, rows], data$cells[rows, ], iter = 400, capture = capture)
    expect_lt(largest_cells_z(other, fit), 4.5)
    expect_equal(other$job$cells$log_capture, fit$job$cells$log_capture[rows], tolerance = 1e-6)
  }
})

test_that("exchanging the names of arms turns effects around", {
  data <- simulate_cells(6, 200)
  turned <- transform(data$cells, condition = factor(ifelse(condition == "ctrl", "stim", "ctrl")))
  fit <- property_cells(iter = 400)
  other <- property_cells(cells = turned, iter = 400)
  up <- tw_contrast(fit, c("condition", "stim", "ctrl"), adaptive = FALSE)
  down <- tw_contrast(fit, c("condition", "ctrl", "stim"), adaptive = FALSE)
  expect_equal(down$log2FoldChange, -up$log2FoldChange)
  expect_equal(down$lfsr, up$lfsr, tolerance = 1e-12)
  again <- tw_contrast(other, adaptive = FALSE)
  # 100 effective draws of either, at least.
  expect_lt(max(abs(again$log2FoldChange + up$log2FoldChange) / (up$lfcSE * sqrt(2 / 100))), 4.5)
  expect_lt(max(abs(again$lfsr - up$lfsr)), 0.1)
})

test_that("factors, text and ordered factors of cells give the same draws", {
  data <- simulate_cells(6, 200)
  fit <- property_cells(iter = 40)
  same_cell_draws(property_cells(cells = data.frame(lapply(data$cells, as.character)), iter = 40), fit)
  as_ordered <- data.frame(lapply(data$cells, factor, ordered = TRUE))
  same_cell_draws(property_cells(cells = as_ordered, iter = 40, contrasts = list(condition = "contr.treatment")), fit)
})

test_that("a fit that was saved and read again is the same, and its own counts say nothing new", {
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  fit <- property_cells(iter = 40)
  saveRDS(fit, path)
  again <- readRDS(path)
  same_cell_draws(again, fit)
  expect_identical(as.data.frame(tw_contrast(again)), as.data.frame(tw_contrast(fit)))
  criterion <- function(fit) waic(fit, genes = 1:2)
  expect_identical(criterion(again), criterion(fit))
  expect_identical(utils::capture.output(print(again)), utils::capture.output(print(fit)))
  counts <- simulate_cells(6, 200)$counts
  sparse <- methods::as(counts, "CsparseMatrix")
  expect_equal(residuals(fit, genes = 1:2, x = counts, seed = 1), residuals(fit, genes = 1:2, x = sparse, seed = 1))
  expect_equal(tw_denoised(fit, counts, genes = 1:2), tw_denoised(fit, sparse, genes = 1:2))
})
