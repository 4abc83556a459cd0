# SVI of twill_cells() beside numpyro's of the same model: seconds per step and what bound on the evidence they reach.
#
#   Rscript bench/cells-peer.R [--cells 1000,3000,10000] [--genes 200] [--guides mean,full] [--steps 2000] [--limit 120]
#
# Captures and hyper-parameters are those of twill's fit. numpyro's rows are all cells of all genes. Each appends a row to
# bench-output/cells-peer.csv. Needs bench/setup.sh.
source("bench/calibration.R")
source("bench/cells-data.R")
source("bench/exchange.R")
suppressMessages(library(twill))

results_file <- file.path(option("folder", "bench-output"), "cells-peer.csv")
python <- option("python", "bench-output/venv/bin/python")

# What the peer is told of the genes that were fitted.
peer_settings <- function(fit, sim, folder) {
  rows <- which(fit$job$reason == "")
  view <- twill:::part_view(twill:::job_part(fit$job, rows))
  prior <- function(name) view$model$parameters$parsed[[match(name, view$model$parameters$variable)]]$args
  own <- twill:::gene_priors(view$model, twill:::job_part(fit$job, rows), view$levels)
  values <- function(name) Filter(function(p) p$name == name, own)[[1]]$values
  sds <- vapply(c("sd_donor__Intercept", "sd_donor__conditiontreated"), prior, numeric(2))
  cells <- sim$cells[fit$job$cells$rows, ]
  counts <- as.matrix(sim$counts[fit$job$source$genes[rows], fit$job$cells$rows])
  writeBin(as.integer(counts), file.path(folder, "counts.i32"), endian = "little")
  list(counts = file.path(folder, "counts.i32"), cells = ncol(counts), genes = nrow(counts), donors = nlevels(cells$donor),
       donor = as.integer(cells$donor) - 1L, treated = as.integer(cells$condition == "treated"),
       log_capture = fit$job$cells$log_capture, level = values("b_Intercept"), log_shape = values("shape"),
       shape_spread = prior("shape")[2], effect_sd = prior("b_conditiontreated")[2], sd_location = sds[1, ], sd_spread = sds[2, ],
       double = option("double", "no") == "yes", seed = 1, rate = as.numeric(option("rate", 0.01)),
       steps = as.integer(option("steps", 2000)), limit = as.numeric(option("limit", 120)))
}

run_peer <- function(settings, guide, folder) {
  settings$guide <- guide
  settings$output <- file.path(folder, "fit.json")
  write_json(settings, folder, "settings.json")
  failed <- system2(python, c("bench/peers/run_cells.py", file.path(folder, "settings.json")))
  if (failed != 0) return(NULL)
  facts <- jsonlite::read_json(settings$output)
  data.frame(cells = settings$cells, genes = settings$genes, who = paste("numpyro", guide), steps = facts$steps,
             ms_per_step = signif(1e3 * facts$seconds_per_step, 3), cpu_ms_per_step = signif(1e3 * facts$cpu_per_step, 3),
             seconds = round(facts$steps * facts$seconds_per_step, 1), cpu = round(facts$steps * facts$cpu_per_step, 1),
             elbo = round(facts$elbo, 1))
}

# Of ours, the time of the fit without what comes before it.
run_twill <- function(sim, method) {
  took <- system.time(fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells,
                                         method = method, seed = 1, cores = 1, silent = 2))
  status <- tw_status(fit)
  n <- sum(fit$job$reason == "")
  elbo <- fit$posterior$elbo
  # Bounds leave no constant out on either side.
  row <- data.frame(cells = ncol(sim$counts), genes = n, who = paste("twill", method), steps = NROW(elbo), ms_per_step = NA,
                    cpu_ms_per_step = NA, seconds = round(sum(status$seconds, na.rm = TRUE), 2), cpu = round(sum(took[1:2]), 1),
                    elbo = if (is.null(elbo)) NA else round(sum(elbo[NROW(elbo), ], na.rm = TRUE), 1))
  list(row = row, fit = fit)
}

folder <- file.path(dirname(results_file), "work", "cells-peer")
dir.create(folder, recursive = TRUE, showWarnings = FALSE)
for (n_cells in as.integer(option_list("cells", "1000,3000,10000"))) {
  sim <- simulate_large(n_cells, as.integer(option("genes", 200)))
  ours <- run_twill(sim, option("method", "hmc"))
  append_rows(ours$row, results_file)
  settings <- peer_settings(ours$fit, sim, normalizePath(folder))
  for (guide in option_list("guides", "mean,full")) append_rows(run_peer(settings, guide, folder), results_file)
}
print(utils::read.csv(results_file), row.names = FALSE)
