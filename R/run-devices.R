# GPUs: what is there, and the `device` argument.

#' Devices to compute on
#'
#' Says on what twill can compute on this machine, and of a GPU that cannot be used, why not and what to do.
#'
#' @section What is computed on a GPU:
#' [twill_genes()] and [twill_cells()] with `device = "cuda"` search the modes of all genes, take the steps of their guides,
#' and draw from these (`method = "svi"`) or sample by eight chains in their frames (`method = "hmc"`), on the GPU: a block of
#' threads per gene, many steps per launch. Noise and stopping rules are those of the CPU, and so are the results, but for
#' rounding: exponentials and logarithms of rows with counts up to 1,000 are taken in single precision, all else in double.
#' Many iterations on, a chain may so take another turn: draws then are as good as the CPU's and not the same. The same seed
#' gives the same bits on the same card. Diagnostics, the genes that are sampled again because of these, and what is learned
#' over genes are the CPU's.
#' Where covariates differ from cell to cell, each cell is a row of each gene, on the GPU as on the CPU.
#' Models of genes that the kernels do not cover (correlated effects, a regression of the dispersion,
#' Gaussian responses; for chains, more than 40 parameters), and other methods, compute on the CPU.
#'
#' [twill()] with `method = "svi"` keeps the rows of the data on the GPU, or passes them through it in blocks if they are more
#' than its memory holds. It computes there the log-likelihood of all rows, and its gradient, at all draws of a step, and the
#' likelihoods of the draws for k-hat: of any family, with crossed terms, correlated slopes, a regression of the dispersion and
#' known standard errors. Mode, priors, coordinates and the steps of the guide are the CPU's, on `threads` threads. Data are
#' kept in single precision as differences from the mode, so that errors are small beside the posterior's spread; sums
#' are in double precision and in a fixed order.
#'
#' @section When it pays:
#' For genes: with many thousands of them on a machine with few processors. Of a gene with 19 parameters and 135 rows one
#' processor keeps 0.05 ms (`"svi"`: its arrays and k-hat) or 0.1 ms (`"hmc"`: R-hat and effective draws of seven
#' variables) of about 2 or 4 ms; reading and compressing counts, captures, and what is learned over genes stay as well.
#'
#' For one model: with 100,000 rows or more after rows of the same design are merged, as with a covariate that differs from row
#' to row. **Counted, not measured:** a step of four draws on a million rows with three columns and two crossed terms reads and
#' writes 0.09 GB, 0.02 to 0.2 ms at 4 to 0.5 TB/s, and makes about 2e8 operations in double precision, 0.2 ms on cards for
#' games and nothing on others; launches and transfers take about 0.1 ms. One processor needs 0.9 ms for 10,000 such rows
#' (measured), so 90 ms for a million. What else the CPU does in a step then takes longer than the GPU, and so does the search
#' for the mode, which is the CPU's. Below about 20,000 rows launches should cost more than they save: `"auto"` stays on the CPU.
#'
#' `make bench-gpu` in the sources measures all this on your machine. **Nothing of it has run on a GPU so far**: the kernels are
#' tested on the CPU, compiled from the same source, and compiled for compute capability 8.0 and 9.0.
#'
#' @section What is needed:
#' An NVIDIA GPU of compute capability 7.5 (Turing, 2018) or newer with a driver of version 525 or newer. No CUDA toolkit
#' is needed, neither to install twill nor to run it. Where NVIDIA's run-time compiler NVRTC is installed, the kernels are
#' compiled for the very card, and kept in the folder `tools::R_user_dir("twill", "cache")`, or in that of the environment
#' variable `TWILL_CACHE_DIR`, which may be empty for none. An installation with `TWILL_CUDA=false` in the environment has
#' no support of GPUs.
#'
#' Genes go to the card in blocks that fit its free memory, however many there are. Processes may share a card as long as
#' its memory suffices. If it does not, or if the card is lost, the fit stops with an error of class `twill_error_device`, or
#' with `device = "auto"` goes on on the CPU with a message; finished blocks in a `folder` serve on any device.
#'
#' @param ... Must be empty.
#' @return A data frame of class `tw_devices` with a row per device: `device` (`"cpu"` or `"cuda"`), `name`, `usable`,
#'   `memory` (bytes, `NA` for the CPU) and `detail` (what it is, or why it cannot be used).
#' @examples
#' tw_devices()
#' @export
tw_devices <- function(...) {
  check_no_dots(...)
  found <- unwrap_engine(engine_devices())
  found$memory[found$device == "cpu" | found$memory == 0] <- NA
  structure(as.data.frame(found), class = c("tw_devices", "data.frame"))
}

#' @method print tw_devices
#' @export
print.tw_devices <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  for (i in seq_len(nrow(x))) print_device(x[i, ])
  invisible(x)
}

print_device <- function(device) {
  memory <- if (is.na(device$memory)) "" else sprintf(", %.0f GB", device$memory / 1e9)
  name <- if (nzchar(device$name)) paste0(" (", device$name, memory, ")") else ""
  cat(sprintf("%-5s", device$device), if (device$usable) "usable" else "not usable", name, "\n", sep = "")
  cat(paste0("     ", strsplit(device$detail, "\n", fixed = TRUE)[[1]], "\n"), sep = "")
}

# "cpu" or "cuda" from the argument of a fit; "auto" takes a GPU where there is one and otherwise says once why not.
check_device <- function(device, silent = 1) {
  device <- check_choice(device, "device", c("cpu", "cuda", "auto"))
  if (device == "cpu") return(device)
  checked <- engine_check_device("cuda")
  if (is.null(checked$err)) return("cuda")
  if (device == "cuda") unwrap_engine(checked)
  inform_fallback(checked$err, silent)
  "cpu"
}

# Settings that say where a fit is computed, and so do not change its draws but for rounding.
placement <- c("threads", "device", "fallback", "kernel_cache", "checkpoint")

# Those of a fit by `method`, of which a GPU has some.
fit_device <- function(device, method, silent, on_gpu = "svi") {
  asked <- check_choice(device, "device", c("cpu", "cuda", "auto"))
  has_it <- method %in% on_gpu
  if (asked == "cuda" && !has_it) {
    abort_twill("setting", c("On a GPU {.arg method} is {.or {.val {on_gpu}}}.", "x" = "You supplied {.val {method}}."))
  }
  if (!has_it || check_device(asked, silent) == "cpu") return(list(device = "cpu"))
  list(device = "cuda", fallback = asked == "auto", kernel_cache = kernel_cache())
}

# The engine's result for a part; a GPU that fails leaves it to the CPU if the user left the choice.
run_on_device <- function(run, part) {
  with_fallback(part$settings, function(settings) {
    part$settings <- settings
    run(gene_settings_json(part))
  })
}

# The engine's result by `run`, a function of settings, likewise.
with_fallback <- function(settings, run, silent = 1) {
  result <- run(settings)
  if (!identical(result$kind, "device") || !isTRUE(settings$fallback)) return(result)
  inform_fallback(result$err, silent)
  settings$device <- "cpu"
  run(settings)
}

# Once per session: the next fit would say the same.
inform_fallback <- function(why, silent, what = "Computing on the CPU, no GPU can be used:") {
  why <- strsplit(why, "\n", fixed = TRUE)[[1]][1]
  if (identical(device_state$told, why)) return(invisible())
  device_state$told <- why
  inform_twill("device", c("i" = "{what} {why}",
                           "i" = "{.fn tw_devices} tells more; {.code device = \"cpu\"} is silent."), silent)
}
device_state <- new.env(parent = emptyenv())

# Where compiled kernels are kept. The engine takes "~" for a name.
kernel_cache <- function() {
  path.expand(Sys.getenv("TWILL_CACHE_DIR", tools::R_user_dir("twill", "cache")))
}
