# Fits kept in files: `file` and `file_refit`.

# The path of the file, NULL if fits are not to be kept. The folder must exist before an hour of sampling, not after.
cache_path <- function(file) {
  if (is.null(file)) return(NULL)
  check_path(file, "file")
  path <- if (grepl("\\.rds$", file, ignore.case = TRUE)) file else paste0(file, ".rds")
  folder <- dirname(path)
  if (!dir.exists(folder)) abort_twill("file", "The folder of {.arg file} does not exist: {.file {folder}}.")
  path
}

check_path <- function(path, name) {
  if (is.character(path) && length(path) == 1 && !is.na(path) && nzchar(path)) return(invisible())
  abort_twill("file", "{.arg {name}} must be one path.")
}

# The fit in the file, or NULL if there is none yet.
read_cached <- function(path) {
  if (is.null(path) || !file.exists(path)) return(NULL)
  fit <- tryCatch(suppressWarnings(readRDS(path)), error = function(e) e)
  what <- if (inherits(fit, "error")) conditionMessage(fit) else sprintf("It holds an object of class %s.", class(fit)[1])
  if (is_fit(fit)) return(fit)
  abort_twill("file", c("{.arg file} does not hold a fit of twill: {.file {path}}.", "x" = "{what}",
                        "i" = "Remove it, name another file, or say {.code file_refit = \"always\"} to replace it."))
}

is_fit <- function(fit) {
  inherits(fit, "twillfit") && is.list(fit) && all(c("draws", "design", "info", "formula", "spec_json") %in% names(fit))
}

# Whether a fit is of the same model, data and settings. The number of threads does not change the draws, a device their
# rounding only; a seed counts where it is given.
is_fit_of <- function(fit, model, settings, sample_prior) {
  used <- fit$info$settings
  same_seed <- is.null(settings$seed) || identical(settings$seed, used$seed)
  compared <- setdiff(names(settings), c("seed", placement))
  same_seed && identical(used[compared], settings[compared]) && identical(fit$info$sample_prior, sample_prior) &&
    identical(fit$spec_json, model$spec_json) && identical(spec_arrays(fit$design), spec_arrays(model$design))
}

# Partial fits are not kept: a later call would take them for complete ones.
write_cached <- function(fit, path) {
  if (!is.null(path) && !is_partial(fit)) write_rds(fit, path, compress = TRUE)
  invisible(fit)
}

# Written beside and renamed, so that an interrupted write cannot leave half a file.
write_rds <- function(value, path, compress = FALSE) {
  beside <- tempfile("twill", dirname(path), ".rds")
  on.exit(unlink(beside))
  written <- tryCatch({
    saveRDS(value, beside, compress = compress)
    file.rename(beside, path)
  }, error = function(e) FALSE, warning = function(w) FALSE)
  if (!written) warn_twill("file", "Nothing could be saved to {.file {path}}.")
  invisible(written)
}
