# Whatever is given to the doors of genes and cells: a fit, or an error that names what is wrong.

small_cells <- function() {
  with_fixed_seed(1, {
    cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), k = 1:15)
    counts <- matrix(rnbinom(1200, mu = 3, size = 2), 10, dimnames = list(paste0("g", 1:10), NULL))
    list(counts = counts, cells = cells)
  })
}

fit_cells <- function(counts = made$counts, design = ~ condition + (1 | donor), cells = made$cells, ..., made = small_cells()) {
  twill_cells(counts, design, col_data = cells, iter = 60, seed = 1, silent = 2, ...)
}

test_that("captures that are none are named by cell and value", {
  n <- 120
  expect_error(fit_cells(capture = rep(0, n)), "120 cells have another.*The values are 0", class = "twill_error_capture")
  expect_error(fit_cells(capture = rep(NA_real_, n)), "The values are NA", class = "twill_error_capture")
  expect_error(fit_cells(capture = c(Inf, rep(1, n - 1))), "1 cell has another.*The value is Inf", class = "twill_error_capture")
})

test_that("counts that are none, no cells and no genes are refused", {
  made <- small_cells()
  for (value in c(Inf, NA, 1.5, -1, 2^60)) {
    counts <- made$counts + 0
    counts[2, 3] <- value
    for (x in list(counts, Matrix::Matrix(counts, sparse = TRUE))) {
      expect_error(fit_cells(x), "g2 in cell 3", class = "twill_error_genes")
      expect_error(twill_genes(x, ~ condition, col_data = made$cells, silent = 2), "g2", class = "twill_error_genes")
    }
  }
  expect_error(fit_cells(made$counts[, 0], cells = made$cells[0, ]), "no cell", class = "twill_error_genes")
  expect_error(fit_cells(made$counts[0, ]), "no gene", class = "twill_error_genes")
  expect_error(fit_cells(genes = rep(FALSE, 10)), "chooses none", class = "twill_error_genes")
})

test_that("one gene with gene_coverage, and donors as many as cells, are fitted", {
  made <- small_cells()
  expect_identical(rownames(fit_cells(made$counts[1, , drop = FALSE], gene_coverage = 0.5)), "g1")
  cells <- transform(made$cells, donor = paste0("d", seq_len(120)))
  sets <- read_cells(made$counts, "counts", cells)
  found <- suppressMessages(use_cells(sets, cell_formula(gene_formula(~ condition + (1 | donor), ~1, negbinomial())), "model", 2))
  expect_false(found$has_leaves)
  expect_identical(found$labels, "1")
  odd <- cbind(made$cells, complex = complex(real = 1:120), raw = as.raw(rep(1:2, 60)))
  for (design in list(~ complex, ~ raw)) expect_error(fit_cells(design = design, cells = odd), class = "twill_error_data")
})

test_that("designs without any column are refused", {
  samples <- gene_samples()
  for (design in list(~ 0, ~ 0 + (1 | donor), ~ -1)) {
    run <- function() twill_genes(gene_counts(3), design, col_data = samples, silent = 2)
    expect_error(run(), "population-level", class = "twill_error_design")
  }
  expect_error(fit_cells(design = ~ 0 + (1 | donor)), "population-level", class = "twill_error_design")
  expect_error(fit_cells(design = ~ 0), class = "twill_error")
})

test_that("workers that were killed do not hide why the run ended", {
  # What BiocParallel raises when it writes to a process that is gone.
  expect_null(stop_workers(NULL, 1, function(...) stop("ignoring SIGPIPE signal")))
})
