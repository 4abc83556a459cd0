# Folders of finished blocks: a run that is killed goes on where it stopped.

# The folder as path, made if its parent is there; NULL if there is none.
check_folder <- function(folder) {
  if (is.null(folder)) return(NULL)
  check_path(folder, "folder")
  if (!dir.exists(folder) && !(dir.exists(dirname(folder)) && dir.create(folder))) {
    abort_twill("file", "{.arg folder} cannot be made: {.file {folder}}.")
  }
  normalizePath(folder)
}

plan_path <- function(folder) file.path(folder, "plan.rds")
block_path <- function(folder, block) file.path(folder, sprintf("block-%05d.rds", block))

# Everything that draws depend on. Counts enter by the sums of each gene and of each sample.
job_fingerprint <- function(job) {
  list(version = 1L, spec = job$model$spec_json, arrays = spec_arrays(job$model$design), sharing = job$sharing, keep = job$keep,
       settings = job$settings[setdiff(names(job$settings), placement)], genes = job$source$genes, total = job$scan$total,
       n_nonzero = job$scan$n_nonzero, sample_total = job$scan$sample_total, reason = job$reason, offset = job$offset,
       weights = job$weights)
}

# The plan of an earlier run of the same job in the folder, NULL if the folder is fresh.
read_plan <- function(folder, job) {
  if (is.null(folder) || !file.exists(plan_path(folder))) return(NULL)
  plan <- tryCatch(readRDS(plan_path(folder)), error = function(e) NULL)
  if (is.list(plan) && identical(plan$fingerprint, job_fingerprint(job))) return(plan)
  differs <- if (is.list(plan)) changed_parts(plan$fingerprint, job_fingerprint(job))
  abort_twill("file", c("{.arg folder} holds blocks of another run: {.file {folder}}.",
                        if (length(differs)) c("x" = "These differ: {.val {differs}}."),
                        "i" = "Name another folder, or remove this one."))
}

changed_parts <- function(old, new) {
  names(new)[!vapply(names(new), function(name) identical(old[[name]], new[[name]]), TRUE)]
}

write_plan <- function(folder, job, plan) {
  if (!is.null(folder)) write_rds(c(plan, list(fingerprint = job_fingerprint(job))), plan_path(folder))
}

# Partial blocks are not kept: a later run would take them for whole ones.
write_block <- function(piece, folder, block) {
  if (is.null(folder) || isTRUE(piece$interrupted)) return(invisible())
  write_rds(piece, block_path(folder, block))
}

# Finished blocks of an earlier run, NULL for those that are not. A file that cannot be read counts as not there.
read_blocks <- function(folder, blocks, keep) {
  lapply(seq_along(blocks), function(k) {
    if (is.null(folder) || !file.exists(block_path(folder, k))) return(NULL)
    piece <- tryCatch(suppressWarnings(readRDS(block_path(folder, k))), error = function(e) NULL)
    if (is.list(piece) && identical(as.integer(piece$rows), as.integer(blocks[[k]]))) trim_piece(piece, keep)
  })
}
