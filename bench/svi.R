# twill(method = "svi") on the models of the benchmark: how far the guide is from the posterior, and what it costs.
#
#   Rscript bench/svi.R [--models a,b] [--seed 1] [--evidence FILE]
#
# Columns: parameters approximated, steps, seconds of the processor for the whole call and, of these, for the search and its
# draws in the core (`core`; both of the second call of two), log evidence less ELBO (over the last fifty steps), Pareto k-hat,
# and effective draws per hundred proposals. The evidence is that of NUTS by bridge sampling, which
# takes minutes for the large models; it is kept in FILE (bench-output/evidence.csv) and read from there when it is known.
source("bench/models.R")
source("bench/process.R")
suppressMessages(library(twill))

chosen <- option_list("models", paste(names(benchmark_models), collapse = ","))
seed <- as.numeric(option("seed", 1))
file <- option("evidence", "bench-output/evidence.csv")

fit_of <- function(model, data, ...) {
  twill(model$formula, data, benchmark_family(model), prior = benchmark_prior(model), seed = seed, silent = 2, ...)
}

known_evidence <- function(name, model, data) {
  known <- if (file.exists(file)) utils::read.csv(file) else data.frame()
  at <- match(name, known$model)
  if (!is.na(at)) return(known[at, ])
  if (!"tw_log_evidence" %in% getNamespaceExports("twill")) return(data.frame(log_evidence = NA, mcse = NA))
  found <- suppressWarnings(tw_log_evidence(fit_of(model, data), silent = 2))
  row <- data.frame(model = name, log_evidence = found$log_evidence, mcse = found$mcse)
  dir.create(dirname(file), FALSE, TRUE)
  utils::write.csv(rbind(known, row), file, row.names = FALSE)
  row
}

processor <- function(code) sum(system.time(code)[c("user.self", "sys.self")])

# The engine's own seconds are kept aside.
in_core <- new.env()
engine <- utils::getFromNamespace("engine_approximate", "twill")
utils::assignInNamespace("engine_approximate", function(...) {
  in_core$seconds <- in_core$seconds + processor(out <- engine(...))
  out
}, "twill")

row_of <- function(name) {
  model <- benchmark_models[[name]]
  data <- model$data()
  approximate <- function() suppressWarnings(fit_of(model, data, method = "svi"))
  in_core$seconds <- 0
  approximate()
  in_core$seconds <- 0
  seconds <- processor(fit <- approximate())
  evidence <- known_evidence(name, model, data)
  info <- fit$info
  row <- data.frame(
    model = name, parameters = info$dim, steps = length(info$elbo), seconds = round(seconds, 3),
    core = round(in_core$seconds, 3),
    gap = round(evidence$log_evidence - mean(utils::tail(info$elbo, 50)), 2), mcse = round(evidence$mcse, 2),
    khat = round(info$pareto_k, 2),
    efficiency = round(100 * info$ess_proposals / if (is.null(info$proposals)) 4 * info$settings$n_kept else info$proposals))
  cat(sprintf("| %s |\n", paste(unlist(row), collapse = " | ")))
  row
}

cat("| model | parameters | steps | seconds | core | gap | its error | k-hat | efficiency |\n",
    strrep("|---", 9), "|\n", sep = "")
invisible(lapply(chosen, row_of))
