# Many processes: every back end of BiocParallel gives the draws of one process, and a killed run goes on where it was.

parallel_set <- function(...) {
  twill_genes(gene_counts(12), ~ condition + (1 | donor), col_data = gene_samples(), iter = 60, seed = 4, silent = 2, ...)
}

expect_same_draws <- function(a, b) {
  expect_identical(a$posterior$draws, b$posterior$draws)
  expect_identical(a$posterior$effects_mean, b$posterior$effects_mean)
  expect_identical(a$job$shared$par, b$job$shared$par)
  expect_identical(rownames(a), rownames(b))
}

test_that("back ends of BiocParallel give the draws of one process", {
  skip_on_cran()
  skip_if_not_installed("BiocParallel")
  # Threads first: forked workers must not wait for threads of their parent.
  alone <- parallel_set(cores = 2)
  expect_same_draws(parallel_set(BPPARAM = BiocParallel::SerialParam()), alone)
  expect_same_draws(parallel_set(BPPARAM = BiocParallel::SnowParam(2), cores = 1), alone)
  skip_on_os("windows")
  expect_same_draws(parallel_set(BPPARAM = BiocParallel::MulticoreParam(2), cores = 2), alone)
})

test_that("so does a cluster engine, by its local back ends", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  skip_if_not_installed("batchtools")
  alone <- parallel_set(share = "none")
  for (cluster in c("interactive", "multicore")) {
    registry <- BiocParallel::batchtoolsRegistryargs(file.dir = tempfile("registry"), work.dir = tempdir(), packages = "twill")
    param <- BiocParallel::BatchtoolsParam(2, cluster, registryargs = registry, saveregistry = FALSE, progressbar = FALSE)
    suppressMessages(expect_same_draws(parallel_set(BPPARAM = param, cores = 1, share = "none"), alone))
  }
})

test_that("asking for draws from several processes leaves R's generator as it was", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  set.seed(9)
  expected <- runif(1)
  set.seed(9)
  parallel_set(BPPARAM = BiocParallel::MulticoreParam(2), cores = 1, share = "none")
  expect_identical(runif(1), expected)
})

test_that("workers write their blocks themselves, and finished ones are not fitted again", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  folder <- tempfile("blocks")
  on.exit(unlink(folder, recursive = TRUE))
  run <- function() parallel_set(BPPARAM = BiocParallel::MulticoreParam(2), cores = 1, folder = folder, block_size = 4,
                                 share = "none")
  first <- run()
  blocks <- file.path(folder, sprintf("block-%05d.rds", 1:3))
  expect_setequal(list.files(folder, full.names = TRUE), c(file.path(folder, "plan.rds"), blocks))
  unlink(blocks[2])
  before <- file.mtime(blocks[-2])
  expect_same_draws(run(), first)
  expect_identical(file.mtime(blocks[-2]), before)
  expect_true(file.exists(blocks[2]))
})

# A run of its own process, killed as soon as it has written two blocks; its number stands in a file of the folder's name.
killed_run <- function(folder, job) {
  script <- tempfile(fileext = ".R")
  saveRDS(job, paste0(folder, ".job"))
  code <- c(sprintf(".libPaths(%s)", deparse1(.libPaths())), "cat(Sys.getpid(), file = '%s.pid')", "job <- readRDS('%s.job')",
            "do.call(twill::twill_genes, c(job, folder = '%s'))")
  writeLines(gsub("%s", folder, code, fixed = TRUE), script)
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = FALSE, stderr = FALSE, wait = FALSE)
  finished <- function() sum(file.exists(file.path(folder, sprintf("block-%05d.rds", 1:2))))
  started <- proc.time()[["elapsed"]]
  while (finished() < 2 && proc.time()[["elapsed"]] - started < 60) Sys.sleep(0.01)
  tools::pskill(as.integer(readLines(paste0(folder, ".pid"), warn = FALSE)), tools::SIGKILL)
  finished()
}

test_that("a killed run goes on from its finished blocks, to the same draws", {
  skip_on_cran()
  skip_on_os("windows")
  folder <- tempfile("killed")
  on.exit(unlink(c(folder, paste0(folder, c(".pid", ".job"))), recursive = TRUE))
  job <- list(x = gene_counts(120), design = ~ condition + (1 | donor), col_data = gene_samples(), iter = 400, seed = 5,
              silent = 2, block_size = 2, share = "none", cores = 1)
  expect_identical(killed_run(folder, job), 2L)
  Sys.sleep(0.2)
  blocks <- list.files(folder, "^block-[0-9]+[.]rds$", full.names = TRUE)
  expect_lt(length(blocks), 60)
  before <- file.mtime(blocks)
  resumed <- do.call(twill_genes, c(job, folder = folder))
  expect_identical(file.mtime(blocks), before)
  expect_length(list.files(folder, "^block-"), 60)
  expect_identical(resumed$posterior$draws, do.call(twill_genes, job)$posterior$draws)
})

test_that("a block that fails on a worker is fitted in this process", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  here <- Sys.getpid()
  fragile <- function(spec_json, arrays, genes, settings_json, progress) {
    if (4L %in% genes$index && Sys.getpid() != here) stop("no memory on {this} worker")
    fake_engine(spec_json, arrays, genes, settings_json, progress)
  }
  run <- function(engine, ...) {
    local_engine(engine)
    parallel_set(cores = 1, share = "none", block_size = 4, ...)
  }
  expect_warning(fit <- run(fragile, BPPARAM = BiocParallel::MulticoreParam(2)), "1 of 3 blocks.*no memory on \\{this\\} worker",
                 class = "twill_warning_workers")
  expect_identical(fit$posterior$draws, run(fake_engine)$posterior$draws)
})

test_that("a block that fails here as well costs its genes only; where all fail there is no fit", {
  failing <- function(which) function(spec_json, arrays, genes, settings_json, progress) {
    if (any(which %in% genes$index)) stop("odd block")
    fake_engine(spec_json, arrays, genes, settings_json, progress)
  }
  run <- function(engine) {
    local_engine(engine)
    parallel_set(share = "none", block_size = 4)
  }
  expect_warning(fit <- run(failing(5)), "1 of 3 blocks of genes failed.*odd block", class = "twill_warning_genes")
  expect_s3_class(fit, "twill_partial")
  expect_identical(rownames(fit), paste0("gene", c(1:4, 9:12)))
  expect_error(run(failing(0:11)), "odd block")
})

test_that("a worker that is killed ends the run with what to do, and finished blocks are kept", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("BiocParallel")
  here <- Sys.getpid()
  open <- nrow(showConnections())
  deadly <- function(spec_json, arrays, genes, settings_json, progress) {
    if (4L %in% genes$index && Sys.getpid() != here) tools::pskill(Sys.getpid(), tools::SIGKILL)
    fake_engine(spec_json, arrays, genes, settings_json, progress)
  }
  run <- function(engine, ...) {
    local_engine(engine)
    parallel_set(cores = 1, share = "none", block_size = 4, ...)
  }
  two <- BiocParallel::MulticoreParam(2)
  expect_error(run(deadly, BPPARAM = two),
               "workers of `BPPARAM` stopped.*With `folder`, finished blocks are kept.*smaller `block_size`",
               class = "twill_error_workers")
  # Nothing is left of them, and the same back end serves again.
  expect_false(BiocParallel::bpisup(two))
  expect_identical(nrow(showConnections()), open)
  folder <- tempfile("blocks")
  on.exit(unlink(folder, recursive = TRUE))
  expect_error(run(deadly, BPPARAM = two, folder = folder), "Finished blocks are in `folder`: the same call goes on",
               class = "twill_error_workers")
  # That of the killed worker is not among them, and the same call adds it.
  blocks <- list.files(folder, "^block-")
  expect_false("block-00002.rds" %in% blocks)
  before <- file.mtime(file.path(folder, blocks))
  expect_same_draws(run(fake_engine, BPPARAM = two, folder = folder), run(fake_engine))
  expect_identical(file.mtime(file.path(folder, blocks)), before)
  expect_false(BiocParallel::bpisup(two))
  # Also one that the user had started.
  expect_error(run(deadly, BPPARAM = BiocParallel::bpstart(two)), class = "twill_error_workers")
  expect_same_draws(run(fake_engine, BPPARAM = two), run(fake_engine))
  expect_identical(nrow(showConnections()), open)
})

test_that("what a worker is sent finds the package wherever this process has it, and carries nothing else", {
  local_engine(fake_engine)
  job <- parallel_set(share = "none")$job
  task <- list(part = job_part(job, 1:2), store = NULL, block = 1L, libraries = .libPaths())
  expect_identical(send_task(task)$draws, run_task(task)$draws)
  expect_identical(environment(send_task), baseenv())
  expect_setequal(setdiff(all.vars(body(send_task)), ls(baseenv())), c("package", "task", "libraries"))
})
