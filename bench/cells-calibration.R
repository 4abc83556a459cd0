# Are intervals and sign rates of twill_cells() what they say? Simulated cells with known effects, beside pseudobulk tests,
# an analysis that takes cells for replicates (pooled), and a test that knows all but the effect (oracle).
#
#   Rscript bench/cells-calibration.R [--experiments 128] [--first 0] [--methods hmc,svi,pooled,oracle,peers] [--donors 3,5,7,12]
#                                     [--slopes 0,0.12,0.4,0.8] [--captures model,model,model,true] [--genes 150] [--cells 100]
#   Rscript bench/cells-calibration.R --table [--by "capture;slope,donors"]
#
# Experiment number `seed` takes the donors, then the slopes, then the captures in turn, so that 64 in a row have each of all
# combinations. Cells are `--cells` per sample on average, spread unevenly. Each experiment appends one row per method to
# bench-output/cells-calibration.csv, so that runs add up; of rows that repeat the last counts.
source("bench/calibration.R")
source("bench/genes-data.R")
source("bench/genes-peers.R")
source("bench/cells-oracle.R")
suppressMessages(library(twill))

results_file <- option("file", "bench-output/cells-calibration.csv")

# Genes with fewer counts are in no analysis.
min_count <- 10

designs <- list(donors = ~ condition + (1 + condition || donor), pooled = ~condition)

fit_cells <- function(sim, design, seed, method, capture) {
  twill_cells(sim$counts, designs[[design]], col_data = sim$cells, capture = capture, method = method, seed = seed, cores = 1,
              silent = 2, min_count = min_count)
}

# Posterior sd of each effect over that of the first method: median, 5 and 95 %.
compare_sds <- function(rows, res, reference) {
  ratio <- if (is.null(reference)) NA else res$lfcSE / reference$lfcSE
  shares <- stats::quantile(ratio, c(0.5, 0.05, 0.95), na.rm = TRUE, names = FALSE)
  cbind(rows, sd_ratio = shares[1], sd_low = shares[2], sd_high = shares[3])
}

# Error of the log captures beyond a constant: its spread, and that between the arms.
compare_capture <- function(rows, fit, sim) {
  error <- fit$job$cells$log_capture - sim$cells$log_capture[fit$job$cells$rows]
  arm <- tapply(error, sim$cells$condition[fit$job$cells$rows], mean)
  cbind(rows, capture_sd = stats::sd(error), capture_shift = arm[["treated"]] - arm[["control"]])
}

measure_fits <- function(sim, seed, methods, capture) {
  rows <- reference <- NULL
  for (method in methods) {
    is_pooled <- method == "pooled"
    seconds <- system.time(fit <- fit_cells(sim, if (is_pooled) "pooled" else "donors", seed, if (is_pooled) "hmc" else method,
                                            capture))[["elapsed"]]
    res <- as.data.frame(tw_contrast(fit))
    name <- if (is_pooled) "pooled cells" else paste("twill", method)
    row <- compare_sds(measure_table(name, res, sim$genes), res, reference)
    rows <- rbind(rows, cbind(compare_capture(row, fit, sim), seconds = seconds))
    if (is.null(reference)) reference <- res
  }
  rows
}

measure_peers <- function(sim, capture, methods) {
  bulk <- sum_cells(sim)
  sizes <- if (is.numeric(capture)) bulk$samples$exposure
  genes <- rownames(bulk$counts)[rowSums(bulk$counts) >= min_count]
  peers <- if ("peers" %in% methods) Filter(function(peer) peer$name %in% c("DESeq2", "edgeR QL"), peer_methods())
  oracle <- list(name = "oracle", test = function(counts, ...) oracle_test(sim, bulk, rownames(counts)))
  if ("oracle" %in% methods) peers <- c(peers, list(oracle))
  rows <- do.call(rbind, lapply(peers, measure_peer, bulk$counts[genes, ], bulk$samples, sim$genes, sizes))
  if (is.null(rows)) return(NULL)
  cbind(rows, sd_ratio = NA, sd_low = NA, sd_high = NA, capture_sd = NA, capture_shift = NA, seconds = NA)
}

experiment <- function(seed, setting, simulator, methods) {
  sim <- simulator(seed = seed, n_donors = setting$donors, n_cells = 2 * setting$donors * setting$cells,
                   n_genes = setting$genes, slope_sd = setting$slope)
  sim$cells$condition <- factor(sim$cells$condition, c("control", "treated"))
  capture <- if (setting$capture == "true") exp(sim$cells$log_capture) else setting$capture
  ours <- measure_fits(sim, seed, setdiff(methods, c("oracle", "peers")), capture)
  cbind(seed = seed, setting, rbind(ours, measure_peers(sim, capture, methods)))
}

setting_of <- function(seed) {
  all <- expand.grid(donors = as.integer(option_list("donors", "3,5,7,12")),
                     slope = as.numeric(option_list("slopes", "0,0.12,0.4,0.8")),
                     capture = option_list("captures", "model,model,model,true"), stringsAsFactors = FALSE)
  cbind(all[seed %% nrow(all) + 1, ], genes = as.integer(option("genes", 150)), cells = as.integer(option("cells", 100)),
        row.names = NULL)
}

run_all <- function() {
  simulator <- genes_generator()
  for (seed in as.integer(option("first", 0)) + seq_len(as.integer(option("experiments", 128))) - 1) {
    append_rows(experiment(seed, setting_of(seed), simulator, option_list("methods", "hmc,pooled,oracle,peers")), results_file)
  }
}

print_tables <- function() {
  results <- utils::read.csv(results_file)
  again <- duplicated(results[c("seed", "donors", "slope", "capture", "genes", "cells", "method")], fromLast = TRUE)
  results <- results[!again, ]
  for (by in strsplit(option("by", "capture;donors;slope"), ";")[[1]]) {
    print(calibration_table(results, strsplit(by, ",")[[1]]), row.names = FALSE)
  }
}

if (!"--table" %in% commandArgs(trailingOnly = TRUE)) run_all()
print_tables()
