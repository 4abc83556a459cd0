# Blocks of genes on workers of BiocParallel: sending them out, taking them back, and what becomes of those that failed.

# Each worker writes its block itself, so that what is finished outlives the process that asked for it. BiocParallel
# draws from R's generator: its state is put back.
run_blocks_elsewhere <- function(job, blocks, todo, store, BPPARAM, silent, refresh) {
  libraries <- .libPaths()
  task <- function(k) list(part = job_part(job, blocks[[k]]), store = store, block = k, libraries = libraries)
  pieces <- with_local_seed(job$settings$seed, send_tasks(lapply(todo, task), BPPARAM, store))
  failed <- which(vapply(pieces, inherits, TRUE, what = "error"))
  if (length(failed) == 0) return(pieces)
  warn_failed_blocks(pieces[failed], length(todo))
  pieces[failed] <- run_blocks_here(job, blocks, todo[failed], store, BPPARAM, silent, refresh)
  pieces
}

# One result or error per task: an error of one must not cost the others.
send_tasks <- function(tasks, BPPARAM, store) {
  stops <- BiocParallel::bpstopOnError(BPPARAM)
  on.exit(BiocParallel::bpstopOnError(BPPARAM) <- stops)
  BiocParallel::bpstopOnError(BPPARAM) <- FALSE
  tryCatch(BiocParallel::bptry(BiocParallel::bplapply(tasks, send_task, BPPARAM = BPPARAM)),
           error = function(e) {
             forget_workers(BPPARAM)
             abort_workers(e, store)
           })
}

# BiocParallel itself gave up, as it does when a worker is killed.
abort_workers <- function(e, store) {
  why <- conditionMessage(e)
  kept <- if (is.null(store)) "With {.arg folder}, finished blocks are kept, and the same call goes on from them." else
    "Finished blocks are in {.arg folder}: the same call goes on from them."
  abort_twill("workers", c("The workers of {.arg BPPARAM} stopped.", "x" = "{why}", "i" = kept,
                           "i" = "Workers short of memory are killed: use fewer, or a smaller {.arg block_size}."))
}

warn_failed_blocks <- function(errors, n) {
  ran <- Filter(function(e) !inherits(e, "unevaluated_error"), errors)
  why <- conditionMessage(c(ran, errors)[[1]])
  warn_twill("workers", c("{length(errors)} of {n} block{?s} failed on the workers, and {?is/are} fitted in this process.",
                          "x" = "{why}"))
}

# What a worker is sent. Its environment is not that of the package, which the worker looks for where this process has it.
send_task <- function(task) {
  package <- loadNamespace("twill", lib.loc = unique(c(.libPaths(), task$libraries)))
  get("run_task", package)(task)
}
environment(send_task) <- baseenv()

# Starts workers that are not running, for all rounds of learning and the blocks, and returns how to stop them.
start_workers <- function(BPPARAM, seed) {
  if (is.null(BPPARAM) || inherits(BPPARAM, "SerialParam")) return(function() NULL)
  need_package("BiocParallel", "for {.arg BPPARAM}")
  if (BiocParallel::bpisup(BPPARAM)) return(function() NULL)
  with_local_seed(seed, BiocParallel::bpstart(BPPARAM))
  function() stop_workers(BPPARAM, seed)
}

# Workers that were killed cannot be told to stop: what is said of them must not hide why the run ended.
stop_workers <- function(BPPARAM, seed, stop = BiocParallel::bpstop) {
  with_local_seed(seed, tryCatch(stop(BPPARAM), error = function(e) forget_workers(BPPARAM, stop)))
}

# One by one, so that those alive are told, and the user's BPPARAM can be started again.
forget_workers <- function(BPPARAM, stop = BiocParallel::bpstop) {
  or_not <- function(code) tryCatch(code, error = function(e) NULL)
  nodes <- or_not(BiocParallel::bpbackend(BPPARAM))
  if (!inherits(nodes, "cluster")) return(invisible())
  for (i in seq_along(nodes)) {
    BiocParallel::bpbackend(BPPARAM) <- nodes[i]
    tryCatch(stop(BPPARAM), error = function(e) or_not(close(nodes[[i]]$con)))
  }
  BiocParallel::bpbackend(BPPARAM) <- nodes[0]
}

run_task <- function(task) {
  finish_block(run_part(task$part), task$part$keep, task$store, task$block)
}

check_bpparam <- function(BPPARAM) {
  if (is.null(BPPARAM) || inherits(BPPARAM, "BiocParallelParam")) return(BPPARAM)
  given <- class(BPPARAM)[1]
  abort_twill("setting", c("{.arg BPPARAM} must come from BiocParallel, such as {.code BiocParallel::MulticoreParam(2)}.",
                           "x" = "It is of class {.cls {given}}."))
}

n_workers <- function(BPPARAM) {
  if (is.null(BPPARAM)) return(1)
  need_package("BiocParallel", "for {.arg BPPARAM}")
  BiocParallel::bpnworkers(BPPARAM)
}
