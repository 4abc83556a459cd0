# Files of fits and folders of blocks: what is read back is what was asked for, whole, and nothing is lost.

rows <- with_fixed_seed(1, data.frame(y = rnorm(30), x = rnorm(30), z = rnorm(30), g = gl(5, 6)))

file_fit <- function(formula = y ~ x, data = rows, ..., iter = 40, seed = 1) {
  suppressWarnings(twill(formula, data, chains = 1, iter = iter, seed = seed, silent = 2, ...),
                   classes = c("twill_warning_partial", "twill_warning_rhat", "twill_warning_ess"))
}

flip_bit <- function(path, bit) {
  bytes <- readBin(path, "raw", file.size(path))
  at <- bit %/% 8 + 1
  bytes[at] <- xor(bytes[at], as.raw(bitwShiftL(1L, bit %% 8)))
  writeBin(bytes, path)
}

local_folder <- function(env = parent.frame()) {
  folder <- tempfile("files")
  dir.create(folder)
  withr::defer(unlink(folder, recursive = TRUE), env)
  folder
}

# Sealed files -----------------------------------------------------------------------------------------------------

test_that("every flipped bit of a file is seen, and the file is one of readRDS()", {
  path <- file.path(local_folder(), "value.rds")
  value <- list(numbers = c(1, NA, pi), text = "a", range = 1:10)
  for (compress in c(FALSE, TRUE)) {
    expect_true(write_rds(value, path, compress))
    expect_identical(readRDS(path), value)
    expect_identical(seal_state(path), "whole")
    bits <- with_fixed_seed(2, sample(8 * file.size(path), 100)) - 1
    for (bit in bits) {
      flip_bit(path, bit)
      expect_null(read_sealed(path))
      flip_bit(path, bit)
    }
    expect_identical(read_sealed(path), value)
  }
})

test_that("a file that was cut short is not put in the place of a whole one", {
  path <- file.path(local_folder(), "value.rds")
  write_rds("earlier", path)
  for (left in c(0, 5, 30)) {
    local_function("write_gzip", function(value, path, compress) {
      saveRDS(value, path)
      bytes <- readBin(path, "raw", left)
      writeBin(bytes, path)
      TRUE
    })
    expect_false(write_rds(rnorm(10), path))
    expect_identical(readRDS(path), "earlier")
  }
  expect_identical(list.files(dirname(path)), "value.rds")
})

# file = -----------------------------------------------------------------------------------------------------------

test_that("an earlier fit outlives a disk that is full", {
  path <- file.path(local_folder(), "fit.rds")
  first <- file_fit(file = path)
  local_function("write_gzip", function(value, path, compress) file.create(path))
  expect_warning(file_fit(file = path, seed = 2, file_refit = "always"), "could be saved", class = "twill_warning_file")
  expect_identical(readRDS(path)$draws, first$draws)
})

test_that("a fit of another call is returned with what differs, and fitted again on request", {
  path <- file.path(local_folder(), "fit.rds")
  first <- file_fit(file = path)
  says <- function(what, ...) {
    expect_warning(fit <- file_fit(..., file = path), what, class = "twill_warning_file")
    expect_identical(fit$draws, first$draws)
  }
  says("formula", y ~ z)
  says("data", data = transform(rows, x = x + 1))
  says("seed", seed = 2)
  says("prior", prior = tw_prior("normal(0, 1)"))
  says("iter", iter = 50)
  says("family", data = transform(rows, y = as.integer(g)), family = "poisson")
  says("weights", weights = x^2)
  says("fails", y ~ nowhere)
  expect_silent(again <- file_fit(file = path))
  expect_identical(again, first)
  expect_silent(file_fit(file = path, seed = NULL, cores = 1))
  changed <- file_fit(y ~ z, file = path, file_refit = "on_change")
  expect_true("b_z" %in% variables(changed))
  expect_silent(expect_identical(file_fit(y ~ z, file = path, file_refit = "on_change"), changed))
})

test_that("a damaged file is an error, not a fit", {
  path <- file.path(local_folder(), "fit.rds")
  file_fit(file = path)
  flip_bit(path, 4000)
  expect_error(file_fit(file = path), "damaged", class = "twill_error_file")
  expect_s3_class(file_fit(file = path, file_refit = "always"), "twillfit")
  expect_s3_class(file_fit(file = path), "twillfit")
})

# folder = ---------------------------------------------------------------------------------------------------------

small_set <- function(folder = NULL, ..., counts = gene_counts(12), seed = 1, silent = 2) {
  local_engine(fake_engine)
  twill_genes(counts, ~ condition, col_data = gene_samples(), iter = 20, warmup = 10, share = "none", block_size = 4,
              folder = folder, seed = seed, silent = silent, ...)
}

# Other counts with the same sums of rows and columns.
same_margins <- function(counts) {
  counts[1:2, 1:2] <- counts[1:2, 1:2] + c(1, -1, -1, 1)
  counts
}

test_that("blocks of other counts with the same sums are refused", {
  folder <- local_folder()
  ones <- rep(1, 10)
  small_set(folder, size_factors = ones)
  expect_error(small_set(folder, counts = same_margins(gene_counts(12)), size_factors = ones), "counts",
               class = "twill_error_file")
  sparse <- methods::as(gene_counts(12), "CsparseMatrix")
  other <- local_folder()
  small_set(other, counts = sparse, size_factors = ones)
  expect_error(small_set(other, counts = same_margins(sparse), size_factors = ones), "counts", class = "twill_error_file")
})

test_that("blocks of another run in the folder are not taken for this one's", {
  mine <- local_folder()
  other <- local_folder()
  first <- small_set(mine)
  small_set(other, seed = 2)
  file.copy(block_path(other, 2), block_path(mine, 2), overwrite = TRUE)
  expect_warning(again <- small_set(mine), "block-00002", class = "twill_warning_file")
  expect_identical(again$posterior$draws, first$posterior$draws)
  expect_silent(small_set(mine))
})

test_that("a folder that lost its plan belongs to the run of its blocks", {
  folder <- local_folder()
  first <- small_set(folder)
  before <- file.mtime(block_files(folder))
  for (damage in list(unlink, function(path) flip_bit(path, 500))) {
    damage(plan_path(folder))
    expect_error(small_set(folder, seed = 2), "seed", class = "twill_error_file")
    again <- suppressWarnings(small_set(folder), classes = "twill_warning_file")
    expect_identical(again$posterior$draws, first$posterior$draws)
  }
  expect_identical(file.mtime(block_files(folder)), before)
})

test_that("blocks with a flipped bit are fitted again", {
  folder <- local_folder()
  first <- small_set(folder)
  bits <- with_fixed_seed(3, sample(8 * file.size(block_path(folder, 1)), 8)) - 1
  for (bit in bits) {
    flip_bit(block_path(folder, 1), bit)
    expect_warning(again <- small_set(folder), "block-00001", class = "twill_warning_file")
    expect_identical(again$posterior$draws, first$posterior$draws)
  }
})

test_that("resuming says what was found, and takes the seed of the plan", {
  folder <- local_folder()
  expect_no_message(first <- small_set(folder, seed = NULL, silent = 1), class = "twill_message_file")
  unlink(block_path(folder, 3))
  expect_message(again <- small_set(folder, seed = NULL, silent = 1),
                 sprintf("2 of 3 blocks from.*seed %d", first$info$seed), class = "twill_message_file")
  expect_identical(again$posterior$draws, first$posterior$draws)
  unlink(plan_path(folder))
  expect_identical(small_set(folder, seed = NULL)$posterior$draws, first$posterior$draws)
  expect_error(small_set(folder, seed = 7), "seed", class = "twill_error_file")
})

test_that("a folder of cells is resumed without a seed, and refuses other counts", {
  folder <- local_folder()
  cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:3), cell = 1:10)
  counts <- with_fixed_seed(4, matrix(rpois(6 * 60, 4), 6, dimnames = list(paste0("gene", 1:6), NULL)))
  run <- function(counts, ...) {
    local_engine(fake_engine)
    twill_cells(counts, ~ condition, col_data = cells, capture = rep(0.1, 60), iter = 20, warmup = 10, share = "none",
                folder = folder, silent = 2, ...)
  }
  first <- run(counts, block_size = 3)
  expect_identical(run(counts)$posterior$draws, first$posterior$draws)
  # The first two cells are of different leaves: sums over all cells stay.
  other <- counts
  other[1:2, 1:2] <- other[2:1, 1:2]
  expect_error(run(other), "These differ", class = "twill_error_file")
})

test_that("a second process on a folder is told, and one that was killed leaves no lock", {
  skip_on_os("windows")
  folder <- local_folder()
  path <- lock_path(normalizePath(folder))
  code <- c(sprintf(".libPaths(%s)", deparse1(.libPaths())),
            sprintf("twill:::open_folder('%s'); cat(Sys.getpid(), file = '%s.pid'); Sys.sleep(60)", folder, folder))
  script <- file.path(folder, "script.R")
  writeLines(code, script)
  pid_file <- paste0(folder, ".pid")
  withr::defer(unlink(pid_file))
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = FALSE, stderr = FALSE, wait = FALSE)
  started <- proc.time()[["elapsed"]]
  while (!isTRUE(file.size(pid_file) > 0) && proc.time()[["elapsed"]] - started < 60) Sys.sleep(0.05)
  pid <- as.integer(readLines(pid_file, warn = FALSE))
  expect_error(small_set(folder), sprintf("process %d", pid), class = "twill_error_file")
  expect_length(block_files(folder), 0)
  tools::pskill(pid, tools::SIGKILL)
  Sys.sleep(0.3)
  expect_s3_class(small_set(folder), "twillgenes")
  # Given back at the end, also of a call that fails.
  expect_error(small_set(folder, seed = 2), class = "twill_error_file")
  expect_s3_class(small_set(folder), "twillgenes")
})

test_that("blocks that could not be saved are counted, and the fit is whole", {
  folder <- local_folder()
  whole <- small_set()
  local_function("write_gzip", function(value, path, compress) stop("No space left on device"))
  warnings <- capture_warnings(fit <- small_set(folder))
  expect_match(warnings, "plan.rds", all = FALSE)
  expect_match(warnings, "3 of 3 blocks could not be saved", all = FALSE)
  expect_identical(fit$posterior$draws, whole$posterior$draws)
  expect_identical(list.files(folder), character())
})

test_that("an interrupted run says that its blocks are kept", {
  folder <- local_folder()
  local_engine(function(spec_json, arrays, genes, ...) {
    result <- fake_engine(spec_json, arrays, genes, ...)
    result$ok$status[genes$index >= 10] <- 3L
    result$ok$interrupted <- any(genes$index >= 10)
    result
  })
  expect_warning(fit <- twill_genes(gene_counts(12), ~ condition, col_data = gene_samples(), iter = 20, share = "none",
                                    block_size = 4, folder = folder, seed = 1),
                 "2 finished blocks are in", class = "twill_warning_partial")
  expect_s3_class(fit, "twill_partial")
})

# Fits whose folder is gone ----------------------------------------------------------------------------------------

test_that("a fit whose folder lost its draws prints, and says so where it needs them", {
  folder <- local_folder()
  fit <- small_set(folder, keep = "moments")
  whole <- small_set()
  copy <- local_folder()
  file.copy(list.files(folder, full.names = TRUE), copy)
  restore <- function() file.copy(list.files(copy, full.names = TRUE), folder, overwrite = TRUE)
  damages <- list(`is not there` = function() unlink(folder, recursive = TRUE),
                  `has lost block-00002` = function() unlink(block_path(folder, 2)),
                  plan = function() flip_bit(plan_path(folder), 800),
                  `damaged blocks` = function() flip_bit(block_path(folder, 3), 9000),
                  `another run` = function() {
                    unlink(c(plan_path(folder), block_files(folder)))
                    small_set(folder, seed = 2)
                  })
  local_engine(fake_engine)
  for (what in names(damages)) {
    damages[[what]]()
    expect_output(print(fit), "12 negbinomial models")
    expect_output(print(summary(fit)), "Posterior means")
    expect_equal(as_draws(fit, genes = "gene9"), as_draws(whole, genes = "gene9"))
    local_function("max_repeated", 2)
    expect_error(as_draws(fit), what, class = "twill_error_draws")
    local_function("max_repeated", 200)
    dir.create(folder, showWarnings = FALSE)
    restore()
  }
  unlink(folder, recursive = TRUE)
  expect_warning(tw_contrast(fit), "Normal approximations.*is not there", class = "twill_warning_draws")
})

# Long runs --------------------------------------------------------------------------------------------------------

test_that("without a terminal a long run writes lines now and then, a short one none", {
  skip_if(cli::is_dynamic_tty())
  lines_of <- function(silent, refresh = NULL) {
    progress <- new_progress(silent, refresh, "Genes")
    capture.output(for (done in c(0, 100, 250, 260, 400)) if (!is.null(progress$report)) progress$report(done, 1000, 2),
                   type = "message")
  }
  expect_identical(lines_of(1), character())
  expect_identical(lines_of(2), character())
  expect_match(lines_of(0), "^Genes: (100|250|400) of 1,000 \\([124][05] %\\), 2 divergent, 0[.][0-9] s$")
  expect_length(lines_of(0), 3)
  local_function("log_every", 0)
  expect_gte(length(lines_of(1)), 3)
  expect_identical(lines_of(1, refresh = 0), character())
})

test_that("lines become rarer in long runs", {
  expect_true(is_line_due(31, 31, 0.01, 1))
  expect_false(is_line_due(29, 29, 0.5, 1))
  expect_false(is_line_due(31, 3600, 0.01, 1))
  expect_true(is_line_due(31, 3600, 0.2, 1))
  expect_true(is_line_due(1, 3600, 0.2, 0))
})

test_that("the time of a fit of genes is that of the call, from its start", {
  started <- proc.time()[["elapsed"]]
  fit <- small_set(counts = {
    Sys.sleep(0.6)
    gene_counts(12)
  })
  expect_gte(fit$info$elapsed, 0.6)
  expect_lte(fit$info$elapsed, proc.time()[["elapsed"]] - started)
})

# What is saved ----------------------------------------------------------------------------------------------------

saved_size <- function(value) {
  path <- tempfile()
  on.exit(unlink(path))
  saveRDS(value, path, compress = FALSE)
  file.size(path)
}

# The value of an expression where there are 8 MB of other things.
beside_ballast <- function(expression) {
  f <- function() NULL
  body(f) <- call("{", quote(ballast <- rnorm(1e6)), substitute(expression))
  f()
}

test_that("what is saved holds nothing of where it was made", {
  for (size in list(
    saved_size(beside_ballast(do.call(twill, list(y ~ x, rows, chains = 1, iter = 20, silent = 2)))),
    saved_size(beside_ballast(do.call(twill, list(tw_formula(y ~ x), rows, chains = 1, iter = 20, silent = 2)))),
    saved_size(beside_ballast(do.call(twill, list(y ~ g, rows, chains = 1, iter = 20, silent = 2,
                                                  na.action = function(x) na.omit(x),
                                                  contrasts = list(g = function(n, ...) contr.sum(n)))))),
    saved_size(beside_ballast({
      local_engine(fake_engine)
      do.call(twill_genes, list(gene_counts(12), ~ condition, col_data = gene_samples(), iter = 20, share = "none", silent = 2,
                                contrasts = list(condition = function(n, ...) contr.sum(n))))
    })))) expect_lt(size, 1e6)
})

test_that("calls made by do.call() can be updated", {
  fit <- do.call(twill, list(y ~ x, rows, chains = 1, iter = 20, silent = 2, seed = 1, control = list(adapt_delta = 0.9)))
  expect_identical(suppressWarnings(update(fit, iter = 30))$info$iter, 30)
  expect_identical(fit$call$data, quote(data))
  local_engine(fake_engine)
  set <- do.call(twill_genes, list(gene_counts(12), ~ condition, col_data = gene_samples(), iter = 20, share = "none",
                                   silent = 2))
  expect_identical(update(set, iter = 40)$job$settings$iter, 40)
})

test_that("groups of a fit are saved with one fit", {
  fit <- fake_set(counts = gene_counts(12))
  groups <- tw_groups(fit, "donor")
  expect_length(groups, 5)
  expect_lt(saved_size(groups), 1.2 * saved_size(fit))
  path <- file.path(local_folder(), "group.rds")
  saveRDS(groups$d2, path)
  again <- readRDS(path)
  expect_identical(again$fit$posterior, fit$posterior)
  expect_identical(again[["stim", "ctrl"]], groups$d2[["stim", "ctrl"]])
  expect_output(print(again), "ctrl")
  expect_identical(nrow(summary(again, contrast = c("stim", "ctrl"), genes = 1:3)), 3L)
})

test_that("a fit without its draws says so, whatever is asked of it", {
  fit <- file_fit(y ~ x + (1 | g))
  fit$draws <- NULL
  for (ask in list(print, summary, as_draws, fixef, predict, variables, ndraws, rhat, loo, plot, coef, vcov)) {
    expect_error(capture.output(ask(fit)), "no draws", class = "twill_error_draws")
  }
})
