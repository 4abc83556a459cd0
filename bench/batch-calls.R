# How many calls are wrong where a batch is left out of the design, where it is in it, and does the check say so?
#
#   Rscript bench/batch-calls.R [--experiments 12] [--first 1] [--genes 500] [--donors 6] [--sd 0.4] [--table]
#
# Paired donors, one half of the samples of either condition in a second batch that moves every gene by N(0, sd^2), natural log.
# Beside edgeR QL with and without the batch. Rows are added to bench-output/batch-calls.csv: calls at an s-value (adjusted
# p-value) of 0.05, those that are wrong (no effect, or the other sign), and whether tw_shared_variation() found the batch.
source("bench/calibration.R")
source("bench/batch-data.R")
suppressMessages(library(twill))

results_file <- "bench-output/batch-calls.csv"

row_of <- function(method, estimate, rate, effect, ...) {
  called <- which(rate <= 0.05)
  data.frame(method, called = length(called), wrong = sum(sign(estimate[called]) != sign(effect[called])),
             effects = sum(effect != 0), found = sum(effect[called] != 0), ...)
}

of_twill <- function(name, design, counts, samples, effect) {
  fit <- suppressWarnings(suppressMessages(twill_genes(counts, design, col_data = samples, seed = 1, silent = 2)))
  table <- as.data.frame(tw_contrast(fit, "conditiontreated"))
  first <- summary(tw_shared_variation(fit))[1, ]
  row_of(name, table$log2FoldChange, table$svalue, effect[rownames(table)], seen = isTRUE(first$found),
         column = paste(first$column))
}

of_edger <- function(name, formula, counts, samples, effect) {
  x <- stats::model.matrix(formula, samples)
  y <- edgeR::calcNormFactors(edgeR::DGEList(counts))
  fit <- edgeR::glmQLFit(edgeR::estimateDisp(y, x), x)
  table <- edgeR::glmQLFTest(fit, coef = "conditiontreated")$table
  row_of(name, table$logFC, stats::p.adjust(table$PValue, "BH"), effect[rownames(table)], seen = NA, column = NA)
}

experiment <- function(seed, n_genes, n_donors, sd) {
  sim <- simulate_samples(seed, case("crossed", "slope", n_donors, n_genes, sd))
  counts <- counts_of(sim)
  counts <- counts[rowSums(counts) >= 20, ]
  effect <- stats::setNames(sim$genes$effect, paste0("g", seq_len(n_genes)))
  samples <- transform(sim$samples, donor = factor(donor))
  with_slope <- ~ condition + (1 + condition || donor)
  rows <- rbind(of_twill("twill", with_slope, counts, samples, effect),
                of_twill("twill + (1 | batch)", ~ condition + (1 + condition || donor) + (1 | batch), counts, samples, effect),
                of_twill("twill + batch", ~ condition + batch + (1 + condition || donor), counts, samples, effect),
                of_edger("edgeR QL", ~ donor + condition, counts, samples, effect),
                of_edger("edgeR QL + batch", ~ donor + condition + batch, counts, samples, effect))
  cbind(seed, genes = n_genes, donors = n_donors, sd, rows)
}

calls_table <- function(results) {
  do.call(rbind, lapply(split(results, results[c("method", "sd", "donors", "genes")], drop = TRUE), function(g) {
    data.frame(g[1, c("genes", "donors", "sd", "method")], experiments = nrow(g), called = sum(g$called), wrong = sum(g$wrong),
               percent = round(100 * sum(g$wrong) / sum(g$called), 1), error = ratio_error(g$wrong, g$called),
               power = round(100 * sum(g$found) / sum(g$effects)), batch_seen = round(100 * mean(g$seen & g$column == "batch")))
  }))
}

if (!"--table" %in% commandArgs(trailingOnly = TRUE)) {
  for (seed in as.integer(option("first", 1)) + seq_len(as.integer(option("experiments", 12))) - 1) {
    rows <- experiment(seed, as.integer(option("genes", 500)), as.integer(option("donors", 6)), as.numeric(option("sd", 0.4)))
    append_rows(rows, results_file)
  }
}
print(calls_table(utils::read.csv(results_file)), row.names = FALSE)
