# Are intervals and sign rates of twill_genes() what they say? Simulated experiments with known effects, beside pseudobulk tests.
#
#   Rscript bench/genes-calibration.R [--experiments 100] [--donors 3,5,7,12] [--genes 200] [--cells 100] [--first 1]
#                                     [--sizes true|default] [--peers yes|no] [--method hmc] [--table]
#
# Each experiment appends one row per method to bench-output/genes-calibration.csv, so that runs add up; --table only prints.
# DESeq2, edgeR and limma are Debian's r-bioc-deseq2, r-bioc-edger, r-bioc-limma; those that are missing are left out.
source("bench/calibration.R")
source("bench/genes-data.R")
source("bench/genes-peers.R")
suppressMessages(library(twill))

results_file <- "bench-output/genes-calibration.csv"

measure_twill <- function(sim, seed, sizes, method) {
  fit <- twill_genes(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$samples, size_factors = sizes,
                     seed = seed, cores = 1, silent = 2, min_count = 10, method = method)
  res <- as.data.frame(tw_contrast(fit))
  name <- if (method == "hmc") "twill" else paste("twill", method)
  list(rows = measure_table(name, res, sim$genes), genes = rownames(res))
}

experiment <- function(seed, n_donors, n_genes, n_cells, sizes, with_peers) {
  sim <- simulate_pseudobulk(seed = seed, n_donors = n_donors, n_cells = 2 * n_donors * n_cells, n_genes = n_genes)
  given <- if (sizes == "true") sim$samples$exposure
  ours <- measure_twill(sim, seed, given, option("method", "hmc"))
  peers <- lapply(if (with_peers) peer_methods(), measure_peer, sim$counts[ours$genes, ], sim$samples, sim$genes, given)
  cbind(seed = seed, donors = n_donors, genes = n_genes, sizes = sizes, rbind(ours$rows, do.call(rbind, peers)))
}

run_all <- function() {
  donors <- as.integer(option_list("donors", "3,5,7,12"))
  n <- as.integer(option("experiments", 100))
  first <- as.integer(option("first", 1))
  for (seed in first + seq_len(n) - 1) {
    n_donors <- donors[seed %% length(donors) + 1]
    append_rows(experiment(seed, n_donors, as.integer(option("genes", 200)), as.integer(option("cells", 100)),
                           option("sizes", "true"), option("peers", "yes") == "yes"), results_file)
  }
}

if (!"--table" %in% commandArgs(trailingOnly = TRUE)) run_all()
print(calibration_table(utils::read.csv(results_file), c("sizes", "donors")), row.names = FALSE)
