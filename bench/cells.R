# How fast is twill_cells(), and how much memory does it need? One large experiment, and curves over cells and genes.
#
#   Rscript bench/cells.R [--cases full|cells|genes|small] [--methods hmc,nuts,svi] [--threads 2] [--folder bench-output]
#   Rscript bench/cells.R --cells 20000 --genes 2000 [--methods hmc]
#   Rscript bench/cells.R --table
#
# cells is a curve from 1e3 to 1e5 cells of 2,000 genes (or --genes), genes one from 100 to 20,000 genes in 5,000 cells (or
# --cells).
# full is 75,551 cells x 17,528 genes in 14 leaves with a tenth of the counts above zero. hmc runs with its defaults (300 draws),
# nuts with 4 chains of 250 kept draws. The data of a case are drawn and saved by one process, and read and fitted by another, so
# that its peak memory (VmHWM) is that of the fit. Seconds are wall-clock; run it on a quiet machine. Peaks of stages need Linux,
# where a process may reset its own. `cpu` are seconds of processor time of all threads, which other work disturbs less. Each fit
# appends a row to bench-output/cells.csv.
source("bench/calibration.R")
source("bench/cells-data.R")

folder <- option("folder", "bench-output")
results_file <- file.path(folder, "cells.csv")

number <- function(name, default) as.numeric(option(name, default))

# Cells and genes.
sizes_of <- function(case) {
  switch(case, full = list(c(75551, 17528)), small = list(c(2000, 500)),
         one = list(c(number("cells", 2000), number("genes", 2000))),
         cells = lapply(round(10^seq(3, 5, 0.5)), c, number("genes", 2000)),
         genes = lapply(c(100, 500, 2000, 7000, 20000), function(n) c(number("cells", 5000), n)),
         stop("--cases must be full, cells, genes or small"))
}

# Functions of the package by stage.
stages <- list(input = c("read_cells", "use_cells", "cover_genes"), capture = "find_capture", compression = "leaf_source",
               learning = "learn_shared", fitting = "run_blocks")

data_file <- function(size) file.path(folder, sprintf("cells-%d-%d.rds", size[1], size[2]))

# For a peak_memory() of what comes after.
reset_peak <- function() suppressWarnings(try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE))

# Seconds and peaks by stage; a stage within another one counts as part of that.
clock <- new.env()
clock$inside <- FALSE

timed <- function(stage, f) {
  if (clock$inside) return(f())
  clock$inside <- TRUE
  on.exit(clock$inside <- FALSE)
  reset_peak()
  took <- system.time(result <- f(), gcFirst = FALSE)
  clock$seconds[stage] <- sum(clock$seconds[stage], took[["elapsed"]], na.rm = TRUE)
  clock$cpu[stage] <- sum(clock$cpu[stage], took[1:2], na.rm = TRUE)
  clock$peak[stage] <- max(clock$peak[stage], peak_memory(), na.rm = TRUE)
  result
}

watch_stages <- function() {
  for (stage in names(stages)) for (name in stages[[stage]]) local({
    own <- stage
    f <- utils::getFromNamespace(name, "twill")
    utils::assignInNamespace(name, function(...) {
      given <- list(...)
      timed(own, function() do.call(f, given))
    }, "twill")
  })
}

fit_case <- function(size, method, threads) {
  suppressMessages(library(twill))
  watch_stages()
  sim <- timed("reading", function() readRDS(data_file(size)))
  density <- length(sim$counts@x) / prod(dim(sim$counts))
  is_long <- method == "nuts"
  took <- system.time(fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells,
                                         method = method, chains = if (is_long) 4 else 2, iter = if (is_long) 300 else 200,
                                         warmup = 50, seed = 1, cores = threads, silent = 1, refresh = 0))
  row <- data.frame(cells = size[1], genes = size[2], density = round(density, 3), method = method, threads = threads,
                    reading = round(clock$seconds[["reading"]], 1))
  for (stage in names(stages)) row[stage] <- round(clock$seconds[stage], 1)
  row$seconds <- round(took[["elapsed"]], 1)
  for (stage in c("capture", "compression", "learning", "fitting")) row[paste0("cpu_", stage)] <- round(clock$cpu[stage], 1)
  row$cpu <- round(sum(took[1:2]), 1)
  for (stage in c("reading", names(stages))) row[paste0("mb_", stage)] <- clock$peak[stage]
  row$mb_peak <- max(clock$peak, peak_memory(), na.rm = TRUE)
  cbind(row, of_fit(fit))
}

of_fit <- function(fit) {
  status <- tw_diagnostics(fit)
  column <- function(name) if (is.null(status[[name]])) NA else status[[name]]
  data.frame(fitted = sum(!is.na(column("seconds"))), gradients = round(mean(column("n_gradients"), na.rm = TRUE)),
             engine = round(sum(column("seconds"), na.rm = TRUE), 1),
             ess_p10 = round(stats::quantile(column("ess"), 0.1, names = FALSE, na.rm = TRUE)),
             rhat_p99 = round(stats::quantile(column("rhat"), 0.99, names = FALSE, na.rm = TRUE), 3),
             not_ok = sum(status$status %in% c("high_rhat", "no_start", "failed")),
             nodes = round(mean(diff(fit$job$source$data$nodes$p)), 1), rule = length(fit$job$source$data$rule$at),
             load = as.numeric(strsplit(readLines("/proc/loadavg"), " ")[[1]][1]))
}

# This script again, in a process of its own.
again <- function(...) {
  args <- c("bench/cells.R", "--folder", folder, "--threads", option("threads", "2"), ...)
  status <- system2(file.path(R.home("bin"), "Rscript"), args)
  if (status != 0) warning("failed: ", paste(args, collapse = " "))
}

run_sizes <- function(sizes, methods) {
  dir.create(folder, showWarnings = FALSE)
  for (size in sizes) {
    numbers <- format(size, scientific = FALSE, trim = TRUE)
    if (!file.exists(data_file(size))) again("--draw", numbers)
    for (method in methods) again("--fit", numbers, method)
  }
}

print_table <- function() {
  table <- utils::read.csv(results_file)
  print(table[order(table$method, table$cells, table$genes), ], row.names = FALSE)
}

main <- function(given) {
  after <- function(name) given[match(name, given) + 1:2]
  if ("--draw" %in% given) {
    size <- as.numeric(after("--draw"))
    return(saveRDS(simulate_large(size[1], size[2]), data_file(size), compress = FALSE))
  }
  if ("--fit" %in% given) {
    row <- fit_case(as.numeric(after("--fit")), given[match("--fit", given) + 3], as.integer(option("threads", 2)))
    print(row, row.names = FALSE)
    return(append_rows(row, results_file))
  }
  methods <- option_list("methods", "hmc")
  case <- option("cases", if ("--cells" %in% given) "one" else "small")
  if (!"--table" %in% given) run_sizes(sizes_of(case), methods)
  print_table()
}

main(commandArgs(trailingOnly = TRUE))
