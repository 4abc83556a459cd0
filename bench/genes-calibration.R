# Are intervals and sign rates of twill_genes() what they say? Simulated experiments with known effects, beside pseudobulk tests.
#
#   Rscript bench/genes-calibration.R [--experiments 100] [--donors 3,5,7,12] [--genes 200] [--cells 100] [--first 1]
#                                     [--sizes true|default] [--peers yes|no] [--method hmc] [--table]
#
# Each experiment appends one row per method to bench-output/genes-calibration.csv, so that runs add up; --table only prints.
# DESeq2, edgeR and limma are Debian's r-bioc-deseq2, r-bioc-edger, r-bioc-limma; those that are missing are left out.
source("bench/genes-data.R")
source("bench/genes-peers.R")
suppressMessages(library(twill))

results_file <- "bench-output/genes-calibration.csv"

option <- function(name, default) {
  given <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), given)
  if (is.na(at)) default else given[at + 1]
}

# Counts of what was covered, called and wrong. A call of a gene without effect is wrong, as is a wrong sign.
measure <- function(method, estimate, called, truth, lower = NA, upper = NA, doubtful = NA) {
  wrong <- sign(estimate) != sign(truth)
  covered <- lower <= truth & truth <= upper
  count <- function(x) sum(x, na.rm = TRUE)
  data.frame(method = method, n = length(truth), n_effects = sum(truth != 0), n_covered = count(covered),
             n_covered_null = count(covered[truth == 0]), n_covered_effect = count(covered[truth != 0]), n_called = count(called),
             n_wrong = count(called & wrong), n_true = count(called & !wrong), n_doubtful = count(doubtful),
             n_doubtful_wrong = count(doubtful & wrong), has_interval = !all(is.na(lower)), n_missing = sum(is.na(called)),
             bias = mean((estimate - truth)[truth == 0], na.rm = TRUE))
}

measure_twill <- function(sim, seed, sizes, method) {
  fit <- twill_genes(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$samples, size_factors = sizes,
                     seed = seed, cores = 1, silent = 2, min_count = 10, method = method)
  res <- as.data.frame(tw_contrast(fit))
  truth <- sim$genes$beta[match(rownames(res), sim$genes$gene)] / log(2)
  name <- if (method == "hmc") "twill" else paste("twill", method)
  rows <- measure(name, res$log2FoldChange, res$svalue <= 0.05, truth, res$lower, res$upper, res$lfsr <= 0.05)
  rows$bad <- sum(!res$status %in% c("ok", "refined", "few_counts", "separated"))
  list(rows = rows, genes = rownames(res))
}

experiment <- function(seed, n_donors, n_genes, n_cells, sizes, with_peers) {
  sim <- simulate_pseudobulk(seed = seed, n_donors = n_donors, n_cells = 2 * n_donors * n_cells, n_genes = n_genes)
  given <- if (sizes == "true") sim$samples$exposure
  ours <- measure_twill(sim, seed, given, option("method", "hmc"))
  kept <- match(ours$genes, sim$genes$gene)
  sim$counts <- sim$counts[kept, ]
  truth <- sim$genes$beta[kept] / log(2)
  peers <- lapply(if (with_peers) peer_methods(), function(peer) {
    res <- suppressMessages(peer$test(sim$counts, sim$samples, given))
    cbind(measure(peer$name, res$estimate, res$padj <= 0.05, truth, res$lower, res$upper), bad = NA)
  })
  cbind(seed = seed, donors = n_donors, genes = n_genes, sizes = sizes, rbind(ours$rows, do.call(rbind, peers)))
}

append_rows <- function(rows) {
  dir.create(dirname(results_file), showWarnings = FALSE)
  is_new <- !file.exists(results_file)
  utils::write.table(rows, results_file, append = !is_new, col.names = is_new, row.names = FALSE, sep = ",", quote = FALSE)
}

# Standard error of sum(a) / sum(b), in percent, with experiments as units: their genes share hyper-parameters and sizes.
ratio_error <- function(a, b) {
  if (sum(b) == 0 || length(a) < 2) return(NA)
  round(100 * sqrt(sum((a - sum(a) / sum(b) * b)^2)) / sum(b), 1)
}

# Pooled over experiments: shares in percent.
calibration_table <- function(results) {
  groups <- split(results, list(results$method, results$donors, results$sizes), drop = TRUE)
  rows <- lapply(groups, function(g) {
    s <- colSums(g[vapply(g, is.numeric, TRUE)])
    share <- function(a, b) if (s[b] > 0) round(100 * s[[a]] / s[[b]], 1) else NA
    interval <- function(a, of) if (all(g$has_interval)) round(100 * s[[a]] / of, 1) else NA
    data.frame(sizes = g$sizes[1], donors = g$donors[1], method = g$method[1], experiments = nrow(g), genes = s[["n"]],
               coverage = interval("n_covered", s[["n"]]), cov_se = ratio_error(g$n_covered, g$n),
               null = interval("n_covered_null", s[["n"]] - s[["n_effects"]]),
               effect = interval("n_covered_effect", s[["n_effects"]]), called = s[["n_called"]],
               false = share("n_wrong", "n_called"), false_se = ratio_error(g$n_wrong, g$n_called),
               power = share("n_true", "n_effects"),
               lfsr_false = share("n_doubtful_wrong", "n_doubtful"), bias = round(mean(g$bias), 3))
  })
  table <- do.call(rbind, rows)
  table <- table[order(table$sizes, table$donors, !grepl("^twill", table$method), table$method), ]
  rownames(table) <- NULL
  table
}

run_all <- function() {
  donors <- as.integer(strsplit(option("donors", "3,5,7,12"), ",")[[1]])
  n <- as.integer(option("experiments", 100))
  first <- as.integer(option("first", 1))
  for (seed in first + seq_len(n) - 1) {
    n_donors <- donors[seed %% length(donors) + 1]
    append_rows(experiment(seed, n_donors, as.integer(option("genes", 200)), as.integer(option("cells", 100)),
                           option("sizes", "true"), option("peers", "yes") == "yes"))
  }
}

if (!"--table" %in% commandArgs(trailingOnly = TRUE)) run_all()
options(width = 200)
print(calibration_table(utils::read.csv(results_file)), row.names = FALSE)
