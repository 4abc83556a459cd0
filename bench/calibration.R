# What calibration benches share: what is counted in an experiment with known effects, and the table of all of them.
source("bench/process.R")

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

# Of a table of tw_contrast().
measure_table <- function(method, res, genes) {
  truth <- genes$beta[match(rownames(res), genes$gene)] / log(2)
  rows <- measure(method, res$log2FoldChange, res$svalue <= 0.05, truth, res$lower, res$upper, res$lfsr <= 0.05)
  rows$bad <- sum(!res$status %in% c("ok", "refined", "few_counts", "separated"))
  rows
}

# Of a pseudobulk test (genes-peers.R).
measure_peer <- function(peer, counts, samples, genes, sizes) {
  res <- suppressWarnings(suppressMessages(peer$test(counts, samples, sizes)))
  truth <- genes$beta[match(rownames(counts), genes$gene)] / log(2)
  cbind(measure(peer$name, res$estimate, res$padj <= 0.05, truth, res$lower, res$upper), bad = NA)
}

append_rows <- function(rows, file) {
  dir.create(dirname(file), showWarnings = FALSE)
  is_new <- !file.exists(file)
  utils::write.table(rows, file, append = !is_new, col.names = is_new, row.names = FALSE, sep = ",", quote = FALSE)
}

# Pooled over experiments, one row per combination of the columns `by` and method, with ours first: shares in percent.
calibration_table <- function(results, by) {
  groups <- split(results, results[c(by, "method")], drop = TRUE)
  table <- do.call(rbind, lapply(groups, pooled_rates, by = by))
  table <- table[do.call(order, c(unname(table[by]), list(!startsWith(table$method, "twill"), table$method))), ]
  rownames(table) <- NULL
  table
}

pooled_rates <- function(g, by) {
  s <- colSums(g[vapply(g, is.numeric, TRUE)])
  share <- function(a, b) if (s[[b]] > 0) round(100 * s[[a]] / s[[b]], 1) else NA
  interval <- function(a, of) if (all(g$has_interval)) round(100 * s[[a]] / of, 1) else NA
  data.frame(g[1, by, drop = FALSE], method = g$method[1], experiments = nrow(g), genes = s[["n"]],
             coverage = interval("n_covered", s[["n"]]), coverage_se = ratio_error(g$n_covered, g$n),
             null = interval("n_covered_null", s[["n"]] - s[["n_effects"]]),
             effect = interval("n_covered_effect", s[["n_effects"]]), called = s[["n_called"]],
             false = share("n_wrong", "n_called"), false_se = ratio_error(g$n_wrong, g$n_called),
             power = share("n_true", "n_effects"),
             lfsr_false = share("n_doubtful_wrong", "n_doubtful"), bias = round(mean(g$bias), 3))
}

# Standard error of sum(a) / sum(b), in percent, with experiments as units: genes of one share hyper-parameters and sizes.
ratio_error <- function(a, b) {
  if (sum(b) == 0 || length(a) < 2) return(NA)
  round(100 * sqrt(sum((a - sum(a) / sum(b) * b)^2)) / sum(b), 1)
}
