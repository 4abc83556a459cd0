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
  fit <- if (seal_state(path) == "damaged") simpleError("It is damaged: bytes have changed since it was written.") else
    tryCatch(suppressWarnings(readRDS(path)), error = function(e) e)
  what <- if (inherits(fit, "error")) conditionMessage(fit) else sprintf("It holds an object of class %s.", class(fit)[1])
  if (is_whole_fit(fit)) return(fit)
  abort_twill("file", c("{.arg file} does not hold a fit of twill: {.file {path}}.", "x" = "{what}",
                        "i" = "Remove it, name another file, or say {.code file_refit = \"always\"} to replace it."))
}

is_whole_fit <- function(fit) {
  is_one(fit) && is.list(fit) && all(c("draws", "design", "info", "formula", "spec_json") %in% names(fit))
}

# Whether a fit is of the same model, data and settings. The number of threads does not change the draws, a device their
# rounding only; a seed counts where it is given.
is_fit_of <- function(fit, asked) length(fit_changes(fit, asked)) == 0

# What of a call differs from that of a fit, by the names of arguments. `asked` is list(model, settings, sample_prior).
fit_changes <- function(fit, asked) {
  used <- fit$info$settings
  compared <- setdiff(union(names(asked$settings), "method"), c("seed", placement))
  settings <- compared[!vapply(compared, function(name) identical(used[[name]], asked$settings[[name]]), TRUE)]
  other_seed <- !is.null(asked$settings$seed) && !identical(asked$settings$seed, used$seed)
  c(model_changes(fit, asked$model), settings, if (!identical(fit$info$sample_prior, asked$sample_prior)) "sample_prior",
    if (other_seed) "seed")
}

model_changes <- function(fit, model) {
  same_spec <- identical(fit$spec_json, model$spec_json)
  if (same_spec && identical(spec_arrays(fit$design), spec_arrays(model$design))) return(NULL)
  user <- function(x) x$prior[x$prior$source == "user", , drop = FALSE]
  same <- c(formula = identical(format(fit$formula), format(model$formula)), family = identical(fit$family, model$family),
            data = same_columns(fit$data, model$data), prior = identical(user(fit), user(model)),
            intercept = identical(fit$intercept, model$intercept))
  if (all(same)) "weights, offset or contrasts" else names(same)[!same]
}

# Columns of one formula only are no change of the data.
same_columns <- function(a, b) {
  both <- intersect(names(a), names(b))
  nrow(a) == nrow(b) && identical(unclass(a)[both], unclass(b)[both])
}

# The fit that `file_refit = "never"` returns. It is said what another call asked for; one that is an error by now, such as
# of data that are no longer there, cannot be compared.
keep_cached <- function(fit, ask, path) {
  differs <- tryCatch(suppressMessages(suppressWarnings(fit_changes(fit, ask(2)))), error = identity)
  if (length(differs) == 0) return(fit)
  is_error <- inherits(differs, "error")
  why <- if (is_error) conditionMessage(differs)
  warn_twill("file", c("{.arg file} holds a fit of another call, and that is returned: {.file {path}}.",
                       "x" = if (is_error) "This call fails: {why}" else "These differ: {.val {differs}}.",
                       "i" = "{.code file_refit = \"on_change\"} fits again."))
  fit
}

# Partial fits are not kept: a later call would take them for complete ones.
write_cached <- function(fit, path) {
  if (!is.null(path) && !is_partial(fit) && !write_rds(fit, path, compress = TRUE)) warn_unwritten(path)
  invisible(fit)
}
