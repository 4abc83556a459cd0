# Time to load the package in fresh processes, and what comes with it.
#
#     Rscript bench/load.R [--times 5]
#
# Seconds of the processor, those of an empty session taken off, and elapsed ones, which depend on what else the machine does;
# the least of all runs.
arguments <- commandArgs(TRUE)
at <- match("--times", arguments)
times <- if (is.na(at)) 5L else as.integer(arguments[[at + 1L]])

run_once <- function(code) {
  script <- sprintf("t <- system.time({%s}); cat(sum(t[1:2]), t[[3]], length(loadedNamespaces()))", code)
  as.numeric(strsplit(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(script)), stdout = TRUE), " ")[[1]])
}

least_of <- function(code) do.call(pmin, lapply(seq_len(times), function(i) run_once(code)))

empty <- least_of("NULL")
loaded <- least_of("suppressPackageStartupMessages(library(twill))")
cat(sprintf("library(twill): %.2f s of the processor, %.2f s elapsed, %d namespaces more\n", loaded[1] - empty[1],
            loaded[2] - empty[2], as.integer(loaded[3] - empty[3])))
