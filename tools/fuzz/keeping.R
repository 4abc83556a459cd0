# What the fuzzer asks of ways to keep and share out work, none of which may change a number: files and folders that are taken
# up again, workers, fits by type; and of objects that bring their own columns.

# Decorations of a call ----------------------------------------------------------------------------------------------------

# Arguments that say where blocks are kept, who computes them, and which columns are fits of their own.
kept_settings <- function() {
  workers <- if (requireNamespace("BiocParallel", quietly = TRUE)) list(
    BPPARAM = any_of(BiocParallel::SerialParam(), BiocParallel::MulticoreParam(2), "nothing", NULL))
  c(workers, list(
    folder = any_of(tempfile("blocks"), tempfile("no such folder/"), "", NA, c("a", "b"), tempdir(), "/proc/nothing"),
    by = any_of("f", "h", "g", c("f", "h"), "nothing", 1, x), block_size = any_of(1, 2)))
}

file_settings <- list(
  file = any_of(tempfile("fit"), tempfile("fit", fileext = ".rds"), tempfile("no such folder/"), "", NA, c("a", "b"),
      tempdir(), 1),
  file_refit = any_of("never", "on_change", "always", "nothing"), control = any_of(list(checkpoint = 0), list(checkpoint = 60),
                                                                                   list(checkpoint = -1)))

# An argument of a call for each of up to two of these, in a quarter of the calls.
kept <- function(code, settings, p = 0.25) {
  if (!chance(p)) return(code)
  chosen <- some_of(settings, sample(1:2, 1))
  if (mood$decent) chosen <- chosen[names(chosen) %in% c("folder", "BPPARAM", "by", "block_size")]
  for (name in names(chosen)) code[name] <- list(if (mood$decent) decent_settings[[name]]() else chosen[[name]]())
  code
}

decent_settings <- list(
  folder = any_of(tempfile("blocks")), BPPARAM = any_of(BiocParallel::SerialParam(), BiocParallel::MulticoreParam(2)),
  by = any_of("f", "h", "g", c("f", "h")), block_size = any_of(1, 2))

# Objects with columns of their own ------------------------------------------------------------------------------------------

brings_columns <- function(x) is_seurat(x) || methods::is(x, "SummarizedExperiment")

is_seurat <- function(x) inherits(x, "Seurat")

# As SeuratObject makes them, of the version that is installed and, where it is 5, of the one before.
as_seurat <- function(x, col_data) {
  if (is.null(rownames(x)) || !is.data.frame(col_data) || anyDuplicated(colnames(x))) return(x)
  rownames(col_data) <- colnames(x)
  counts <- methods::as(x, "CsparseMatrix")
  if (chance(0.5)) return(try_or(SeuratObject::CreateSeuratObject(counts, meta.data = col_data), x))
  old <- function() {
    assay <- SeuratObject::CreateAssayObject(counts)
    SeuratObject::CreateSeuratObject(assay, assay = one_of("RNA", "other"), meta.data = col_data)
  }
  try_or(old(), x)
}

# Properties -------------------------------------------------------------------------------------------------------------------

# The draws of all genes, or of one response.
all_draws <- function(fit) if (inherits(fit, "twillgenes")) fit$posterior$draws else fit$draws

without <- function(code, names) {
  for (name in names) code[[name]] <- NULL
  code
}

# The call again with other arguments.
call_with <- function(case, env, ...) {
  code <- case$code
  for (name in ...names()) code[name] <- list(...elt(match(name, ...names())))
  eval(code, env)
}

kept_properties <- list(
  "a folder is nothing to the draws, nor is a block that was lost" = function(fit, case, env) {
    if (!chance(0.3) || any(c("by", "keep", "folder") %in% names(case$code))) return(TRUE)
    folder <- tempfile("blocks")
    on.exit(unlink(folder, recursive = TRUE))
    first <- call_with(case, env, folder = folder, block_size = 1)
    blocks <- list.files(folder, "block", full.names = TRUE)
    if (length(blocks)) unlink(element_of(blocks))
    again <- call_with(case, env, folder = folder, block_size = 1)
    all_true(c(same_numbers(all_of(first), all_of(fit), 0), same_numbers(all_of(again), all_of(fit), 0)))
  },
  "workers are nothing to the draws" = function(fit, case, env) {
    if (!chance(0.2) || "by" %in% names(case$code) || !requireNamespace("BiocParallel", quietly = TRUE)) return(TRUE)
    other <- call_with(case, env, BPPARAM = BiocParallel::MulticoreParam(2), block_size = 1)
    same_numbers(all_of(other), all_of(fit), 0)
  })

# Coefficients of all genes, by their draws, wherever these are kept.
all_of <- function(fit) fixef(fit, summary = FALSE)

file_properties <- list(
  "a file gives back the fit, and changes nothing" = function(fit, case, env) {
    if (!chance(0.3) || "file" %in% names(case$code)) return(TRUE)
    file <- tempfile("fit", fileext = ".rds")
    on.exit(unlink(file))
    case$code[c("file", "file_refit")] <- NULL
    first <- call_with(case, env, file = file)
    again <- call_with(case, env, file = file)
    all_true(c(same_numbers(first$draws, fit$draws, 0), same_numbers(again$draws, fit$draws, 0)))
  },
  "draws of running chains are taken up" = function(fit, case, env) {
    if (!chance(0.2) || any(c("file", "control", "method") %in% names(case$code))) return(TRUE)
    file <- tempfile("fit", fileext = ".rds")
    other <- call_with(case, env, file = file, control = list(checkpoint = 1e-3))
    left <- file.exists(paste0(file, ".chains"))
    unlink(file)
    all_true(c(same_numbers(other$draws, fit$draws, 0), if (left) "copies of chains are left" else TRUE))
  })

# Fits by type: each is that of its own columns, and tables are theirs, one below the other.
by_properties <- list(
  "each is a fit of its own columns" = function(fit, case, env) {
    one <- fit[[1]]
    if (!inherits(one, "twillgenes") || "folder" %in% names(case$code)) return(TRUE)
    other <- tryCatch(eval(one$call, env), error = function(e) e)
    if (inherits(other, "error")) return(paste("its call:", first_line(other)))
    same_numbers(all_of(other), all_of(one), 0)
  },
  "parts are joined again" = function(fit, case, env) {
    if (length(fit) < 2) return(TRUE)
    whole <- c(fit[1], fit[-1])
    if (identical(names(whole), names(fit)) && identical(attr(whole, "keys"), attr(fit, "keys"))) TRUE else "keys differ"
  },
  "a table is its parts, one below the other" = function(fit, case, env) {
    table <- as.data.frame(tw_contrast(fit, adaptive = FALSE))
    parts <- lapply(fit, function(one) as.data.frame(tw_contrast(one, adaptive = FALSE)))
    same_numbers(table$lfsr, unlist(lapply(parts, `[[`, "lfsr")))
  })
