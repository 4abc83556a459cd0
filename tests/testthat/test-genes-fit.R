# Runs of genes: blocks, folders, joining, cutting, interrupts; with made-up draws, which depend on seed and gene alone.

parts_equal <- function(a, b) {
  fields <- setdiff(intersect(names(a$posterior), names(gene_dimension)), "seconds")
  for (field in fields) expect_equal(a$posterior[[field]], b$posterior[[field]])
}

test_that("blocks, order and subsets of genes do not change a gene's draws", {
  whole <- fake_set()
  parts_equal(whole, fake_set(block_size = 7))
  some_genes <- fake_set(genes = c(20, 3, 11))
  parts_equal(whole[c(3, 11, 20), ], some_genes)
  sparse <- fake_set(counts = Matrix::Matrix(gene_counts(), sparse = TRUE))
  parts_equal(whole, sparse)
})

test_that("genes are cut by name, number and condition, and joined again", {
  fit <- fake_set()
  expect_identical(dim(fit), c(30L, 10L))
  expect_identical(rownames(fit[c("gene4", "gene2"), ]), c("gene4", "gene2"))
  expect_identical(rownames(fit[tw_contrast(fit)$lfsr < 2, ]), rownames(fit))
  halves <- c(fit[1:10, ], fit[11:30, ])
  parts_equal(fit, halves)
  expect_identical(rownames(c(fit[1:3, ], fit[2:4, ])), paste0("gene", 1:4))
  expect_error(fit[, 1], class = "twill_error_genes")
  expect_error(fit["gene99", ], class = "twill_error_genes")
  expect_error(c(fit, fake_set(seed = 2)), "settings", class = "twill_error_genes")
  expect_error(c(fit, fake_set(design = ~ condition)), "design", class = "twill_error_genes")
})

test_that("[[ of a set has its parts, and says what a gene is had by", {
  fit <- fake_set(counts = gene_counts(4))
  expect_identical(fit[["posterior"]], fit$posterior)
  expect_null(fit[["nothing"]])
  expect_error(fit[["gene2"]], "tw_gene\\(fit, \"gene2\"\\)", class = "twill_error_genes")
})

test_that("update() fits more genes under the same hyper-parameters, and the same ones again with other settings", {
  local_engine(fake_engine)
  counts <- gene_counts()
  samples <- gene_samples()
  fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, genes = 1:12, iter = 60, warmup = 30, seed = 3,
                     silent = 2)
  more <- update(fit, genes = c("gene20", "gene2"))
  expect_identical(rownames(more), paste0("gene", c(1:12, 20)))
  expect_identical(more$job$shared, fit$job$shared)
  expect_equal(more$posterior$draws[, , 1:12], fit$posterior$draws)
  again <- update(fit, iter = 70)
  expect_identical(dim(again$posterior$draws)[1], 80L)
  expect_identical(rownames(again), rownames(fit))
})

test_that("finished blocks in a folder are not fitted again", {
  folder <- tempfile("blocks")
  on.exit(unlink(folder, recursive = TRUE))
  first <- fake_set(folder = folder, block_size = 8, design = ~ condition, share = "dispersion")
  expect_setequal(list.files(folder), c("plan.rds", sprintf("block-%05d.rds", 1:4)))
  unlink(file.path(folder, "block-00002.rds"))
  calls <- new.env()
  calls$index <- NULL
  local_engine(function(spec_json, arrays, genes, ...) {
    calls$index <- c(calls$index, genes$index)
    fake_engine(spec_json, arrays, genes, ...)
  })
  again <- twill_genes(gene_counts(), ~ condition, col_data = gene_samples(), iter = 100, warmup = 50, seed = 1, silent = 2,
                       share = "dispersion", folder = folder, block_size = 3)
  expect_identical(calls$index, 8:15)
  parts_equal(first, again)
  expect_identical(again$job$shared, first$job$shared)
})

test_that("a folder of another run is refused, with what differs", {
  folder <- tempfile("blocks")
  on.exit(unlink(folder, recursive = TRUE))
  fake_set(folder = folder)
  expect_error(fake_set(folder = folder, seed = 2), "settings", class = "twill_error_file")
  expect_error(fake_set(folder = folder, counts = gene_counts(seed = 2)), "total", class = "twill_error_file")
  expect_error(fake_set(folder = file.path(tempdir(), "no", "where")), class = "twill_error_file")
  expect_error(fake_set(folder = 3), class = "twill_error_file")
  # More threads do not change the draws, so they do not make another run.
  expect_s3_class(fake_set(folder = folder, cores = 1), "twillgenes")
})

test_that("moments keep the draws of all genes on disk, and those of few can be had without", {
  folder <- tempfile("blocks")
  on.exit(unlink(folder, recursive = TRUE))
  full <- fake_set(keep = "draws")
  on_disk <- fake_set(keep = "moments", folder = folder, block_size = 8)
  expect_null(on_disk$posterior$draws)
  expect_equal(tw_contrast(on_disk)$lower, tw_contrast(full)$lower)
  expect_equal(as_draws(on_disk, genes = c("gene12", "gene3")), as_draws(full, genes = c("gene12", "gene3")))
  local_engine(fake_engine)
  lean <- fake_set(keep = "moments")
  expect_equal(as_draws(lean, genes = "gene7"), as_draws(full, genes = "gene7"))
  expect_equal(lean$posterior$cov[, , 3], cov(matrix(full$posterior$draws[, , 3], 100)))
})

# An engine that stops after so many genes, as at Ctrl-C.
stopping_engine <- function(n_finished) {
  state <- new.env()
  state$left <- n_finished
  function(spec_json, arrays, genes, settings_json, progress) {
    result <- fake_engine(spec_json, arrays, genes, settings_json, progress)
    n <- length(genes$index)
    cut <- which(seq_len(n) > state$left)
    state$left <- state$left - n
    result$ok$draws[, , cut] <- NaN
    result$ok$status[cut] <- 3L
    result$ok$interrupted <- length(cut) > 0
    result
  }
}

test_that("an interrupt returns the finished genes, and update() the others", {
  fit_with <- function(engine, ..., silent = 2) {
    local_engine(engine)
    twill_genes(gene_counts(), ~ condition + (1 | donor), col_data = gene_samples(), iter = 60, seed = 1, silent = silent,
                share = "none", ...)
  }
  whole <- fit_with(fake_engine)
  expect_warning(partial <- fit_with(stopping_engine(17), block_size = 10, silent = 1), "17 of 30",
                 class = "twill_warning_partial")
  expect_s3_class(partial, c("twill_partial", "twillgenes", "twill_model"), exact = TRUE)
  expect_identical(rownames(partial), paste0("gene", 1:17))
  expect_output(print(partial), "PARTIAL")
  parts_equal(partial, whole[1:17, ])
  expect_identical(tw_diagnostics(partial, all = TRUE)["gene18", "message"], "not finished")
  local_engine(fake_engine)
  done <- update(partial, genes = paste0("gene", 18:30))
  expect_s3_class(done, c("twillgenes", "twill_model"), exact = TRUE)
  parts_equal(done, whole)
  expect_error(fit_with(stopping_engine(0)), class = "twill_error_interrupt")
  local_engine(stopping_engine(40))
  expect_error(twill_genes(gene_counts(), ~ condition, col_data = gene_samples(), iter = 60, seed = 1, silent = 2),
               "was not finished", class = "twill_error_interrupt")
})

test_that("a gene that fails is a status, never the run's end", {
  local_engine(function(spec_json, arrays, genes, ...) {
    result <- fake_engine(spec_json, arrays, genes, ...)
    bad <- which(genes$index %in% c(2, 4, 6))
    result$ok$draws[, , bad] <- NaN
    result$ok$status[bad] <- c(2L, 5L, 4L)[match(genes$index[bad], c(2, 4, 6))]
    result$ok$messages[bad] <- "why it failed"
    result
  })
  run <- function(silent) {
    twill_genes(gene_counts(), ~ condition + (1 | donor), col_data = gene_samples(), iter = 60, seed = 1, silent = silent)
  }
  expect_warning(fit <- run(1), "3 of 30", class = "twill_warning_genes")
  expect_identical(tw_diagnostics(fit)[c("gene3", "gene5", "gene7"), "status"], c("no_start", "failed", "high_rhat"))
  expect_identical(tw_diagnostics(fit)["gene3", "message"], "why it failed")
  res <- tw_contrast(fit)
  expect_identical(which(is.na(res$lfsr)), c(3L, 5L, 7L))
  expect_identical(which(is.na(res$svalue)), c(3L, 5L, 7L))
  expect_output(print(fit), "no_start")
})

test_that("odd counts are told by the status", {
  counts <- gene_counts()
  counts[1, gene_samples()$condition == "ctrl"] <- 0L
  counts[2, ] <- c(0L, 9L, integer(8))
  status <- tw_diagnostics(fake_set(counts = counts))
  expect_identical(status[1:3, "status"], c("separated", "few_counts", "ok"))
  expect_identical(status$total[1], sum(counts[1, ]))
})

test_that("settings are checked", {
  expect_error(fake_set(share = "everything"), class = "twill_error_setting")
  expect_error(fake_set(sd_prior = "cauchy"), class = "twill_error_setting")
  expect_error(fake_set(method = "vb"), class = "twill_error_setting")
  expect_error(fake_set(iter = 10, warmup = 10), class = "twill_error_setting")
  expect_error(fake_set(BPPARAM = 2), "MulticoreParam", class = "twill_error_setting")
  expect_error(fake_set(block_size = 0), class = "twill_error_setting")
  expect_error(fake_set(size_factor = 1), "size_factors", class = "twill_error_setting")
  expect_error(fake_set(dispersion = ~ condition, family = "poisson"), class = "twill_error_formula")
  expect_identical(fake_set(seed = 5)$info$seed, 5)
  set.seed(1)
  a <- fake_set(seed = NULL)
  set.seed(1)
  expect_identical(fake_set(seed = NULL)$info$seed, a$info$seed)
})

test_that("a fit survives saving, without its maker's environment", {
  make <- function() {
    heavy <- rnorm(2e6)
    fake_set()
  }
  fit <- make()
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(fit, path)
  expect_lt(file.size(path), 3e6)
  local_engine(fake_engine)
  again <- readRDS(path)
  expect_equal(tw_contrast(again)$lower, tw_contrast(fit)$lower)
  expect_identical(rownames(update(again[1:3, ], genes = 4)), paste0("gene", 1:4))
})

test_that("progress of a block is that of the run", {
  told <- shifted_report(function(done, total, divergent) c(done, total, divergent), 5, 20)
  # The engine also tells how often chains began again.
  expect_identical(told(3, 10, 1, 0), c(8, 20, 1))
})
