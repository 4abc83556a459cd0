# Are s-values what they say, from a panel to a transcriptome? Simulated pseudobulk with known effects, beside edgeR and DESeq2.
#
#   Rscript bench/genes-signs.R [--sizes 200,3000,15000] [--experiments 8] [--donors 8] [--slope 0.12] [--first 1]
#                               [--peers yes|no] [--door genes|cells] [--cells 50000] [--table]
#
# Nine tenths of the genes have no effect, `slope` is the typical sd of donors' responses. Each experiment appends to bench-
# output/genes-signs.csv, so that runs add up; --table only prints: of all calls at an s-value (others: adjusted p-value),
# the share that is wrong, in percent, and its standard error with experiments as units. A call of a gene without effect is
# wrong, as is a wrong sign. Rows "new donor" are about the effect in a donor more; `doubt` are the wrong signs among genes
# with lfsr < 0.3 and `expected` the sum of their lfsr.
source("bench/calibration.R")
source("bench/genes-peers.R")
source("bench/cells-data.R")
suppressMessages(library(twill))

results_file <- "bench-output/genes-signs.csv"
rates <- c(0.01, 0.05, 0.1, 0.2)

# The model of the shared generator (simulate_multidonor.R), drawn as sums over the cells of a sample: a sum of negative binomial
# counts with captures s has the mean and the variance of one with size phi (sum s)^2 / sum s^2.
simulate_samples <- function(seed, n_genes, n_donors, slope, cells_per_sample = 100) {
  set.seed(seed)
  samples <- expand.grid(condition = factor(c("control", "treated")), donor = sprintf("donor%02d", seq_len(n_donors)))
  n_cells <- pmax(2, rmultinom(1, cells_per_sample * nrow(samples), rgamma(nrow(samples), 5))[, 1])
  capture <- lapply(n_cells, function(n) exp(rnorm(1, 0, 0.25) + rnorm(n, 0, 0.4)))
  total <- vapply(capture, sum, 0)
  evenness <- total^2 / vapply(capture, function(s) sum(s^2), 0)
  profile <- rgamma(n_genes, 0.6) + 1e-3
  mean <- profile / sum(profile) * min(n_genes, 5000)
  beta <- ifelse(runif(n_genes) < 0.1, ifelse(runif(n_genes) < 0.6, 1, -1) * (0.2 + rgamma(n_genes, 2, scale = 0.3)), 0)
  spread <- lapply(c(donor = 0.25, slope = slope), function(sd) sd * exp(rnorm(n_genes, 0, 0.4)))
  effects <- function(sd) matrix(rnorm(n_genes * n_donors), n_genes) * sd
  phi <- exp(-log(0.15 + 0.1 / (mean + 0.05)) - rnorm(n_genes, 0, 0.35))
  donor <- as.integer(samples$donor)
  treated <- rep(as.numeric(samples$condition == "treated"), each = n_genes)
  log_mean <- log(mean) + effects(spread$donor)[, donor] + (beta + effects(spread$slope)[, donor]) * treated
  mu <- exp(log_mean) * rep(total, each = n_genes)
  counts <- matrix(rnbinom(length(mu), size = outer(phi, evenness), mu = mu), n_genes)
  dimnames(counts) <- list(sprintf("gene%05d", seq_len(n_genes)), paste0("s", seq_len(nrow(samples))))
  new_donor <- ifelse(beta == 0, 0, beta + spread$slope * rnorm(n_genes))
  list(counts = counts, samples = samples, truth = data.frame(beta, new_donor, row.names = rownames(counts)) / log(2))
}

rows_of <- function(method, estimate, rate, truth, covered = NA, lfsr = NA) {
  wrong <- sign(estimate) != sign(truth)
  called <- function(limit) rate <= limit & !is.na(rate)
  data.frame(method = method, rate = rates, called = vapply(rates, function(r) sum(called(r)), 0),
             wrong = vapply(rates, function(r) sum(wrong[called(r)]), 0), effects = sum(truth != 0),
             found = vapply(rates, function(r) sum(called(r) & !wrong), 0), covered = mean(covered),
             doubt = sum(wrong[which(lfsr < 0.3)]), expected = sum(lfsr[which(lfsr < 0.3)]))
}

of_table <- function(method, res, truth) {
  rows_of(method, res$log2FoldChange, res$svalue, truth, res$lower <= truth & truth <= res$upper, res$lfsr)
}

experiment <- function(seed, n_genes, n_donors, slope, with_peers) {
  sim <- simulate_samples(seed, n_genes, n_donors, slope)
  fit <- twill_genes(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$samples, seed = seed, silent = 2)
  cbind(seed = seed, genes = n_genes, donors = n_donors, slope = slope,
        measured(fit, "twill", sim$truth, sim$counts, sim$samples, with_peers))
}

# Rows of a fit, for the population and, where `truth` has it, a new donor, and of the peers on the same genes.
measured <- function(fit, name, truth, counts, samples, with_peers) {
  truth <- truth[rownames(fit), , drop = FALSE]
  ours <- of_table(name, as.data.frame(tw_contrast(fit)), truth$beta)
  if (!is.null(truth$new_donor)) {
    new <- as.data.frame(tw_contrast(fit, estimand = "new_donor"))
    ours <- rbind(ours, of_table(paste(name, "new donor"), new, truth$new_donor))
  }
  kept <- Filter(function(peer) peer$name %in% c("DESeq2", "edgeR QL"), if (with_peers) peer_methods())
  others <- lapply(kept, function(peer) {
    table <- suppressWarnings(suppressMessages(peer$test(counts[rownames(fit), ], samples, NULL)))
    rows_of(peer$name, table$estimate, table$padj, truth$beta)
  })
  rbind(ours, do.call(rbind, others))
}

# From raw counts of single cells; peers get the sums of the samples.
cell_experiment <- function(seed, n_genes, n_donors, n_cells, with_peers) {
  sim <- simulate_large(n_cells, n_genes, n_donors, seed = seed)
  fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells, seed = seed, silent = 2)
  truth <- stats::setNames(sim$effect / log(2), rownames(sim$counts))
  sample <- interaction(sim$cells$condition, sim$cells$donor, drop = TRUE)
  sums <- as.matrix(sim$counts %*% Matrix::sparseMatrix(seq_along(sample), as.integer(sample), x = 1))
  colnames(sums) <- levels(sample)
  samples <- data.frame(sim$cells[match(levels(sample), sample), c("donor", "condition")], row.names = levels(sample))
  cbind(seed = seed, genes = n_genes, donors = n_donors, slope = 0.12,
        measured(fit, "twill_cells", data.frame(beta = truth), sums, samples, with_peers))
}

signs_table <- function(results) {
  groups <- split(results, results[c("method", "genes", "slope", "rate")], drop = TRUE)
  table <- do.call(rbind, lapply(groups, function(g) {
    data.frame(genes = g$genes[1], slope = g$slope[1], method = g$method[1], rate = g$rate[1], experiments = nrow(g),
               called = sum(g$called),
               wrong = round(100 * sum(g$wrong) / max(1, sum(g$called)), 1), wrong_se = ratio_error(g$wrong, g$called),
               power = round(100 * sum(g$found) / sum(g$effects), 1), coverage = round(100 * mean(g$covered), 1),
               doubt = sum(g$doubt), expected = round(sum(g$expected)))
  }))
  table[order(table$genes, table$slope, table$method %in% c("DESeq2", "edgeR QL"), table$method, table$rate), ]
}

if (!"--table" %in% commandArgs(trailingOnly = TRUE)) {
  first <- as.integer(option("first", 1))
  n_donors <- as.integer(option("donors", 8))
  peers <- option("peers", "yes") == "yes"
  for (n_genes in as.integer(option_list("sizes", "200,3000,15000"))) {
    for (seed in first + seq_len(as.integer(option("experiments", 8))) - 1) {
      rows <- if (option("door", "genes") == "cells") {
        cell_experiment(seed, n_genes, n_donors, as.integer(option("cells", 50000)), peers)
      } else {
        experiment(seed, n_genes, n_donors, as.numeric(option("slope", 0.12)), peers)
      }
      append_rows(rows, results_file)
    }
  }
}
print(signs_table(utils::read.csv(results_file)), row.names = FALSE)
