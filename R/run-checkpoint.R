# Copies of running chains beside the file of a fit: a run that was killed goes on from them, with the same draws.

checkpoint_folder <- function(path) paste0(path, ".chains")

# list(folder, key, seconds) for the engine; NULL where there is no file, nothing is to be copied, or no chain runs.
new_checkpoint <- function(path, model, settings) {
  if (is.null(path) || !isTRUE(settings$checkpoint > 0)) return(NULL)
  others <- settings[setdiff(names(settings), c(placement, "seed"))]
  key <- value_hash(list(as.character(utils::packageVersion("twill")), model$spec_json, spec_arrays(model$design), others))
  # Folders are made with the first copy, and by then the working directory may be another.
  list(folder = file.path(normalizePath(dirname(path)), basename(checkpoint_folder(path))), key = key,
       seconds = settings$checkpoint)
}

# What the copies in the folder are of: list(key, seed, n), NULL without any.
found_copies <- function(checkpoint) {
  files <- if (!is.null(checkpoint)) list.files(checkpoint$folder, "^chain-[0-9]+$", full.names = TRUE)
  for (file in files) {
    lines <- tryCatch(suppressWarnings(readLines(file, 4, skipNul = TRUE)), error = function(e) NULL)
    seed <- suppressWarnings(as.numeric(lines[3]))
    if (identical(lines[1], "a chain of twill") && isTRUE(is.finite(seed))) {
      return(list(key = lines[2], seed = seed, n = length(files)))
    }
  }
}

# The seed of the run: the user's, else that of a run with the same key that did not end, else a new one.
checkpoint_seed <- function(seed, checkpoint, silent) {
  found <- found_copies(checkpoint)
  goes_on <- identical(found$key, checkpoint$key) && (is.null(seed) || identical(as.numeric(seed), found$seed))
  if (is.null(found)) return(seed %||% draw_seed())
  folder <- checkpoint$folder
  if (goes_on) {
    inform_twill("file", "{found$n} chain{?s} go{?es/} on from {.file {folder}}, seed {found$seed}.", silent)
    return(found$seed)
  }
  inform_twill("file", "Chains of another call are replaced: {.file {folder}}.", silent)
  unlink(folder, recursive = TRUE)
  seed %||% draw_seed()
}

# Copies are for fits that are not there yet.
drop_checkpoint <- function(checkpoint) if (!is.null(checkpoint)) unlink(checkpoint$folder, recursive = TRUE)

warn_uncopied <- function(checkpoint, n) {
  if (is.null(checkpoint) || n == 0) return(invisible())
  folder <- checkpoint$folder
  warn_twill("file", c("{n} cop{?y/ies} of running chains could not be written to {.file {folder}}.",
                       "i" = "Is the disk full? The draws are as they would be."))
}
