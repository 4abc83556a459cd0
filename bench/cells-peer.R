# SVI of twill_cells() beside numpyro's of the same model: seconds per step, and until a bound on the evidence is reached.
#
#   Rscript bench/cells-peer.R [--cells 1000,3000,10000] [--genes 200] [--guides mean,full,centred] [--rates 0.03]
#                              [--steps 1000] [--particles 1] [--limit 60] [--check yes] [--evaluate yes]
#                              [--folder bench-output]
#   Rscript bench/cells-peer.R --table
#
# The rate of Adam falls tenfold over the steps; all pairs of --rates and --steps are tried. With --evaluate no, for times per
# step alone, no bounds are computed.
# Captures are the true ones and hyper-parameters those of twill's fit, so that both fit the same posterior of each gene.
# numpyro's rows are all cells of all genes, its guides per gene: mean field (AutoNormal), full covariances with effects
# non-centred, and with effects centred. Both have the cores of the machine (two threads for twill). A time per step is
# the least over the parts of the run, and `cpu_ms` its processor time: other work disturbs these less. What is compared is
# checked first: see bench/cells-peer-density.R. Each fit appends a row to cells-peer.csv. Needs bench/setup.sh.
source("bench/calibration.R")
source("bench/cells-data.R")
source("bench/exchange.R")
source("bench/cells-peer-density.R")
suppressMessages(library(twill))

results_file <- file.path(option("folder", "bench-output"), "cells-peer.csv")
python <- option("python", "bench-output/venv/bin/python")

# What the peer is told of the genes that were fitted.
peer_settings <- function(fit, sim, folder) {
  rows <- which(fit$job$reason == "")
  part <- twill:::job_part(fit$job, rows)
  view <- twill:::part_view(part)
  prior <- function(name) view$model$parameters$parsed[[match(name, view$model$parameters$variable)]]$args
  own <- twill:::gene_priors(view$model, part, view$levels)
  values <- function(name) Filter(function(p) p$name == name, own)[[1]]$values
  sds <- vapply(c("sd_donor__Intercept", "sd_donor__conditiontreated"), prior, numeric(2))
  cells <- sim$cells[fit$job$cells$rows, ]
  counts <- as.matrix(sim$counts[fit$job$source$genes[rows], fit$job$cells$rows])
  writeBin(as.integer(counts), file.path(folder, "counts.i32"), endian = "little")
  list(counts = file.path(folder, "counts.i32"), cells = ncol(counts), genes = nrow(counts), donors = nlevels(cells$donor),
       donor = as.integer(cells$donor) - 1L, treated = as.integer(cells$condition == "treated"),
       log_capture = fit$job$cells$log_capture, level = values("b_Intercept"), log_shape = values("shape"),
       shape_spread = prior("shape")[2], effect_sd = prior("b_conditiontreated")[2], sd_location = unname(sds[1, ]),
       sd_spread = unname(sds[2, ]), output = file.path(folder, "fit.json"))
}

run_python <- function(settings, folder) {
  write_json(settings, folder, "settings.json")
  failed <- system2(python, c("bench/peers/run_cells.py", file.path(folder, "settings.json")))
  if (failed != 0) stop("the peer failed")
  jsonlite::read_json(settings$output, simplifyVector = TRUE)
}

# Twill --------------------------------------------------------------------------------------------------------------

# Seconds of the compression.
clock <- new.env()

watch_compression <- function() {
  compress <- utils::getFromNamespace("leaf_source", "twill")
  utils::assignInNamespace("leaf_source", function(...) {
    took <- system.time(out <- compress(...), gcFirst = FALSE)
    clock$compression <- took[["elapsed"]]
    out
  }, "twill")
}

# Guides are not replaced by chains, and 2,000 draws of each are kept for the checks.
fit_twill <- function(sim) {
 twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells, iter = 1050, warmup = 50,
              capture = exp(sim$cells$log_capture), method = "svi", control = list(refine = FALSE), seed = 1, cores = 2,
              silent = 2)
}

# Seconds of all guides given what is shared (starts, steps, 300 draws), least of five; and gradients of eight draws.
time_guides <- function(fit, max_steps) {
  part <- twill:::job_part(fit$job, which(fit$job$reason == ""))
  part$settings[c("max_steps", "iter", "n_draws")] <- list(max_steps, 200, 300)
  took <- vapply(1:5, function(i) system.time(twill:::run_part(part), gcFirst = FALSE)[1:3], numeric(3))
  list(seconds = min(took[3, ]), cpu = min(colSums(took[1:2, ])), steps = sum(twill:::run_part(part)$n_gradients) / 8)
}

# The engine's own trace of the bound, gene by gene.
twill_traces <- function(fit) {
  lapply(which(fit$job$reason == ""), function(row) twill:::run_part(twill:::job_part(fit$job, row))$elbo)
}

# list(row, bounds): the bound of a gene is the mean over the last 16 steps, of eight draws each.
measure_twill <- function(fit) {
  whole <- time_guides(fit, 400)
  few <- time_guides(fit, 8)
  traces <- twill_traces(fit)
  ms_per_step <- function(what) signif(1e3 * (whole[[what]] - few[[what]]) / (whole$steps - few$steps) * length(traces), 3)
  bounds <- vapply(traces, function(trace) mean(utils::tail(trace, 16)), 0)
  row <- data.frame(cells = length(fit$job$cells$rows), genes = length(traces), who = "twill", rate = NA, draws = 8,
                    ms_per_step = ms_per_step("seconds"), cpu_ms = ms_per_step("cpu"), before = round(clock$compression, 2),
                    steps = round(mean(lengths(traces)), 1), seconds = signif(whole$seconds, 3), steps_to_match = NA,
                    to_match = signif(whole$seconds, 3), elbo = round(mean(bounds), 3), ratio = NA, shift = NA, sd_ratio = NA,
                    load = load_now())
  list(row = row, bounds = bounds)
}

load_now <- function() as.numeric(strsplit(readLines("/proc/loadavg"), " ")[[1]][1])

# Peer ---------------------------------------------------------------------------------------------------------------

# Seconds until the mean bound is within a nat of ours; means less ours in units of our sd, and ratios of sds, of the effect.
measure_peer_fit <- function(settings, guide, rate, steps, fit, ours) {
  more <- list(guide = guide, rate = rate, steps = as.integer(steps), seed = 1, particles = as.integer(option("particles", 1)),
               limit = as.numeric(option("limit", 60)), evaluate = option("evaluate", "yes") == "yes")
  facts <- run_python(c(settings, more), dirname(settings$output))
  facts <- utils::modifyList(list(trace = NA, elbo = NA, mean = NA, sd = NA), facts)
  matched <- facts$at[which(facts$trace >= ours$elbo - 1)[1], 1]
  seconds <- matched * facts$seconds_per_step
  effect <- lapply(fit$posterior[c("mean", "sd")], function(x) x[match("b_conditiontreated", fit$posterior$names), ])
  data.frame(cells = settings$cells, genes = settings$genes, who = paste("numpyro", guide), rate = rate,
             draws = more$particles,
             ms_per_step = signif(1e3 * facts$seconds_per_step, 3), cpu_ms = signif(1e3 * facts$cpu / facts$steps, 3),
             before = round(facts$compile, 2), steps = facts$steps,
             seconds = signif(facts$steps * facts$seconds_per_step, 3), steps_to_match = matched,
             to_match = signif(seconds, 3), elbo = round(mean(facts$elbo), 3), ratio = signif(seconds / ours$seconds, 3),
             shift = round(stats::median(abs(facts$mean - effect$mean) / effect$sd), 3),
             sd_ratio = round(stats::median(facts$sd / effect$sd), 3), load = load_now())
}

main <- function() {
  folder <- file.path(dirname(results_file), "work", "cells-peer")
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  folder <- normalizePath(folder)
  for (n_cells in as.integer(option_list("cells", "1000,3000,10000"))) {
    sim <- simulate_large(n_cells, as.integer(option("genes", 200)))
    fit <- fit_twill(sim)
    settings <- peer_settings(fit, sim, folder)
    ours <- measure_twill(fit)
    append_rows(ours$row, results_file)
    if (option("check", "yes") == "yes") print_checks(fit, settings, ours$bounds)
    runs <- expand.grid(rate = as.numeric(option_list("rates", "0.03")), steps = as.numeric(option_list("steps", "1000")),
                        guide = option_list("guides", "mean,full,centred"), stringsAsFactors = FALSE)
    for (k in seq_len(nrow(runs))) {
      run <- runs[k, ]
      append_rows(measure_peer_fit(settings, run$guide, run$rate, run$steps, fit, ours$row), results_file)
    }
  }
}

watch_compression()
if (!"--table" %in% commandArgs(trailingOnly = TRUE)) main()
print(utils::read.csv(results_file), row.names = FALSE)
