# Folders of finished blocks: a run that is killed goes on where it stopped.
#
# Every file says which run it belongs to: by hashes of data, model and what was learned, settings, seed and version. A store
# is list(folder, fingerprint, learned), NULL without a folder.

# The folder as path, made if its parent is there; NULL if there is none.
check_folder <- function(folder) {
  if (is.null(folder)) return(NULL)
  check_path(folder, "folder")
  if (!dir.exists(folder) && !(dir.exists(dirname(folder)) && dir.create(folder, showWarnings = FALSE))) {
    abort_twill("file", "{.arg folder} cannot be made: {.file {folder}}.")
  }
  normalizePath(folder)
}

plan_path <- function(folder) file.path(folder, "plan.rds")
block_path <- function(folder, block) file.path(folder, sprintf("block-%05d.rds", block))
block_files <- function(folder) list.files(folder, "^block-[0-9]+[.]rds$", full.names = TRUE)

# Locks ------------------------------------------------------------------------------------------------------------

# The folder, for this process alone until it is given back. The system drops the lock of a process that was killed.
open_folder <- function(folder) {
  folder <- check_folder(folder)
  if (is.null(folder)) return(NULL)
  lock <- ask_lock(lock_path(folder))
  if (lock$state == "taken") abort_taken(folder, lock$owner)
  if (lock$state == "impossible" && file.access(folder, 2) == 0) {
    inform_twill("file", c("i" = "{.file {folder}} cannot be locked here: no other process may use it meanwhile."))
  }
  folder
}

# A process that was killed a moment ago may not be gone: asked for some seconds.
ask_lock <- function(path, tries = 40) {
  owner <- sprintf("process %d on %s", Sys.getpid(), Sys.info()[["nodename"]])
  for (try in seq_len(tries)) {
    lock <- unwrap_engine(engine_lock(path, owner))
    if (lock$state != "taken") break
    Sys.sleep(0.1)
  }
  lock
}

close_folder <- function(folder) if (!is.null(folder)) invisible(engine_unlock(lock_path(folder)))

lock_path <- function(folder) file.path(folder, ".lock")

abort_taken <- function(folder, owner) {
  if (!nzchar(owner)) owner <- "another process"
  abort_twill("file", c("{.arg folder} is in use by {owner}: {.file {folder}}.",
                        "i" = "Wait until that has ended, or name another folder.",
                        "i" = "If it was killed, its workers may still be running: they hold the folder too."))
}

# What a folder belongs to -----------------------------------------------------------------------------------------

new_store <- function(folder, job) if (!is.null(folder)) list(folder = folder, fingerprint = job_fingerprint(job))

# Everything that draws depend on.
job_fingerprint <- function(job) {
  model <- job$model
  list(version = as.character(utils::packageVersion("twill")), spec = value_hash(list(model$spec_json, model$prior)),
       arrays = value_hash(list(spec_arrays(model$design), model$log_size)), sharing = job$sharing, keep = job$keep,
       settings = job$settings[setdiff(names(job$settings), placement)], genes = value_hash(enc2utf8(job$source$genes)),
       total = value_hash(job$scan), counts = counts_hash(job$source), chosen = value_hash(job$reason),
       offset = value_hash(job$offset), weights = value_hash(job$weights))
}

# By steps: a hash takes a copy of what it is of.
counts_hash <- function(source) {
  steps <- gene_ranges(n_genes(source), n_samples(source), most = 1000)
  value_hash(vapply(steps, function(rows) value_hash(read_block(source_genes(source, rows))$counts), ""))
}

# Names of what differs between two fingerprints; of lists the elements.
changed_parts <- function(old, new) {
  parts <- lapply(names(new), function(name) {
    if (identical(old[[name]], new[[name]])) return(NULL)
    if (!is.list(new[[name]])) return(name)
    paste0(name, "$", changed_parts(old[[name]], new[[name]]))
  })
  unlist(parts)
}

# The seed of the run that a folder belongs to, NULL if it is fresh.
folder_seed <- function(folder) {
  if (is.null(folder)) return(NULL)
  run <- read_sealed(plan_path(folder)) %||% first_run(folder)
  run$fingerprint$settings$seed
}

# The content of a file that is whole, NULL where there is none.
read_sealed <- function(path) {
  if (!file.exists(path) || seal_state(path) != "whole") return(NULL)
  value <- tryCatch(readRDS(path), error = function(e) NULL)
  if (is.list(value)) value
}

# Which run the blocks are of, by the first that is whole.
first_run <- function(folder) {
  for (path in block_files(folder)) {
    run <- read_sealed(path)$run
    if (!is.null(run)) return(run)
  }
}

# The plan ---------------------------------------------------------------------------------------------------------

# The plan of an earlier run of the same job in the folder, NULL if the folder is fresh. Without its plan a folder belongs to
# the run of its blocks.
read_plan <- function(store) {
  if (is.null(store)) return(NULL)
  plan <- read_sealed(plan_path(store$folder))
  found <- (plan %||% first_run(store$folder))$fingerprint
  if (!is.null(found) && !identical(found, store$fingerprint)) abort_other_run(store, found)
  is_damaged <- is.null(plan) && file.exists(plan_path(store$folder))
  if (is_damaged && is.null(found)) abort_other_run(store, NULL)
  if (is_damaged) warn_twill("file", "{.file {plan_path(store$folder)}} is damaged, and made again.")
  plan
}

abort_other_run <- function(store, found) {
  differs <- if (!is.null(found)) changed_parts(found, store$fingerprint)
  why <- if (length(differs)) "These differ: {.val {differs}}." else "Its plan is damaged, or was written by other means."
  abort_twill("file", c("{.arg folder} holds blocks of another run: {.file {store$folder}}.", "x" = why,
                        "i" = "Name another folder, or remove this one."))
}

write_plan <- function(store, plan) {
  if (is.null(store)) return(invisible())
  path <- plan_path(store$folder)
  if (!write_rds(c(plan, store["fingerprint"]), path)) warn_unwritten(path)
}

# The store with what the plan has learned: blocks drawn under other priors are of another run.
with_plan <- function(store, plan) {
  if (is.null(store)) return(NULL)
  store$learned <- value_hash(plan$shared)
  store
}

store_run <- function(store) store[c("fingerprint", "learned")]

# Blocks -----------------------------------------------------------------------------------------------------------

# Partial blocks are not kept: a later run would take them for whole ones.
write_block <- function(piece, store, block) {
  if (is.null(store) || isTRUE(piece$interrupted)) return(invisible())
  write_rds(c(piece, list(run = store_run(store))), block_path(store$folder, block))
}

# Finished blocks of an earlier run, NULL for those that are not. Damaged ones and those of other runs are fitted again.
read_blocks <- function(store, plan, keep) {
  pieces <- lapply(seq_along(plan$blocks), function(k) {
    if (!is.null(store)) trim_piece(read_run_block(store$folder, k, plan$blocks[[k]], store_run(store)), keep)
  })
  path <- vapply(which(vapply(pieces, is.null, TRUE)), block_path, "", folder = store$folder %||% "")
  unusable <- if (!is.null(store)) basename(path[file.exists(path)])
  if (length(unusable)) {
    warn_twill("file", c("Damaged, or of another run: {.file {some(unusable)}} in {.arg folder}.",
                         "i" = "What {cli::qty(length(unusable))}{?it has/they have} is fitted again."))
  }
  pieces
}

# A block of this run and these rows, NULL if there is none.
read_run_block <- function(folder, k, rows, run) {
  piece <- read_sealed(block_path(folder, k))
  if (!identical(piece$run, run) || !identical(as.integer(piece$rows), as.integer(rows))) return(NULL)
  piece[setdiff(names(piece), "run")]
}

describe_found <- function(store, pieces, silent) {
  found <- sum(!vapply(pieces, is.null, TRUE))
  seed <- store$fingerprint$settings$seed
  inform_twill("file", "{found} of {length(pieces)} block{?s} from {.file {store$folder}}, seed {seed}.", silent)
}

# Workers' warnings are lost, so this process looks at what they have written.
warn_unkept <- function(store, plan, pieces) {
  if (is.null(store)) return(invisible())
  finished <- unlist(lapply(pieces, function(piece) if (!isTRUE(piece$interrupted)) piece$rows))
  is_finished <- vapply(plan$blocks, function(rows) all(rows %in% finished), TRUE)
  lost <- sum(is_finished & !file.exists(block_path(store$folder, seq_along(plan$blocks))))
  if (lost == 0) return(invisible())
  warn_twill("file", c("{lost} of {length(plan$blocks)} block{?s} could not be saved in {.arg folder}: {.file {store$folder}}.",
                       "i" = "Is the disk full? The fit has {cli::qty(lost)}{?it/them}, but draws are not kept there."))
}
