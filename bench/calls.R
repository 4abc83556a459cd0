# Seconds of the processor of whole calls of twill() by default, after a first one that loads what is needed: least and median,
# one thread, as many seeds as calls. To compare two versions run it by turns with R_LIBS set to each one's library.
#
#   Rscript bench/calls.R [--models a,b] [--times 7]
source("bench/models.R")
source("bench/process.R")
suppressMessages(library(twill))

processor <- function(code) sum(system.time(code)[c("user.self", "sys.self")])

seconds_of <- function(name, times) {
  model <- benchmark_models[[name]]
  data <- model$data()
  call <- function(seed) {
    suppressWarnings(twill(model$formula, data, benchmark_family(model), prior = benchmark_prior(model), seed = seed, silent = 2,
                           cores = 1))
  }
  call(1)
  seconds <- vapply(seq_len(times), function(seed) processor(call(seed)), 0)
  cat(sprintf("| %s | %.3f | %.3f |\n", name, min(seconds), stats::median(seconds)))
}

cat("| model | least | median |\n|---|---|---|\n")
small <- "crossed_screen,varying_slope,schools,penicillin,sleepstudy,epil,donors"
invisible(lapply(option_list("models", small), seconds_of, times = as.integer(option("times", 7))))
