# Posterior standard deviations of twill_cells(method = "svi") beside those of NUTS under the same hyper-parameters.
#
#   Rscript bench/cells-svi.R [--cells 3000] [--genes 400] [--donors 7] [--draws 4000] [--threads 2] [--seed 1]
#                             [--folder bench-output]
#
# Captures and hyper-parameters are found once, by the fit with svi. Then every gene gets plain draws of its guide (none is
# replaced by chains, which is what a user gets where k-hat is above 0.7), and four chains of NUTS. Ratios of sds, svi over NUTS,
# are tabled by parameter, counts and k-hat. `noise` is the standard deviation of a ratio by Monte Carlo error alone: of
# NUTS from the effective draws of the sd (posterior::mcse_sd), of the guide from the kurtosis of its independent draws. What is
# in the table goes to cells-svi.csv, gene by gene.
source("bench/calibration.R")
source("bench/cells-data.R")
suppressMessages(library(twill))
options(width = 130)

folder <- option("folder", "bench-output")
n_draws <- as.integer(option("draws", 4000))
warmup <- 500

# Parameters whose scale is a logarithm in the guide are compared there.
wanted <- c(effect = "b_conditiontreated", intercept = "b_Intercept", `log sd intercept` = "sd_donor__Intercept",
            `log sd effect` = "sd_donor__conditiontreated", `log shape` = "shape")
on_its_scale <- function(x, name) if (startsWith(name, "log")) log(x) else x

# A piece (R/run-blocks.R) of all genes under what the fit has learned.
run_method <- function(fit, method) {
  part <- twill:::job_part(fit$job, which(fit$job$reason == ""))
  part$keep <- "draws"
  part$settings[c("method", "chains", "iter", "warmup", "n_draws")] <- list(method, 4, warmup + n_draws / 4, warmup, n_draws)
  part$settings$refine <- FALSE
  took <- system.time(piece <- twill:::run_part(part))
  cat(sprintf("%s: %d genes, %.0f s of processor time\n", method, length(piece$status), sum(took[1:2])))
  piece
}

# draws x chains of one parameter of one gene; of a guide one chain.
draws_of <- function(piece, name, g, chains) {
  matrix(on_its_scale(piece$draws[, match(wanted[[name]], piece$names), g], name), ncol = chains)
}

one_ratio <- function(name, g, svi, nuts) {
  a <- draws_of(svi, name, g, 1)[, 1]
  b <- draws_of(nuts, name, g, 4)
  noise_svi <- sqrt((mean((a - mean(a))^4) / stats::var(a)^2 - 1) / (4 * length(a)))
  noise_nuts <- posterior::mcse_sd(b) / stats::sd(b)
  data.frame(parameter = name, ratio = stats::sd(a) / stats::sd(b), shift = (mean(a) - mean(b)) / stats::sd(b),
             noise = sqrt(noise_svi^2 + noise_nuts^2), noise_nuts = noise_nuts, ess = posterior::ess_bulk(b),
             rhat = posterior::rhat(b))
}

all_ratios <- function(fit, svi, nuts) {
  rows <- which(fit$job$reason == "")
  of_gene <- function(g) {
    ratios <- do.call(rbind, lapply(names(wanted), one_ratio, g = g, svi = svi, nuts = nuts))
    cbind(gene = fit$job$source$genes[rows[g]], total = fit$job$scan$total[rows[g]], khat = svi$khat[g],
          divergent = nuts$divergent[g], ratios)
  }
  do.call(rbind, lapply(seq_along(rows), of_gene))
}

describe <- function(part) {
  q <- stats::quantile(part$ratio, c(0.05, 0.5, 0.95), names = FALSE)
  data.frame(genes = nrow(part), median = q[2], p5 = q[1], p95 = q[3], within_10 = mean(abs(part$ratio - 1) <= 0.1),
             within_20 = mean(abs(part$ratio - 1) <= 0.2), noise = stats::median(part$noise),
             shift = stats::median(abs(part$shift)))
}

# One row per parameter and level of `by`.
table_by <- function(ratios, by) {
  parts <- split(ratios, list(factor(ratios$parameter, names(wanted)), by), drop = TRUE, sep = "; ")
  table <- do.call(rbind, lapply(parts, describe))
  print(cbind(genes = table$genes, round(table[-1], 3)))
}

main <- function() {
  sim <- simulate_large(as.integer(option("cells", 3000)), as.integer(option("genes", 400)), as.integer(option("donors", 7)),
                        seed = as.integer(option("seed", 1)))
  fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells, method = "svi",
                     seed = as.integer(option("seed", 1)), cores = as.integer(option("threads", 2)), silent = 2)
  ratios <- all_ratios(fit, run_method(fit, "svi"), run_method(fit, "nuts"))
  append_rows(ratios, file.path(folder, "cells-svi.csv"))
  n_divergent <- length(unique(ratios$gene[ratios$divergent > 0]))
  cat(sprintf("NUTS: R-hat at most %.3f, divergences in %d of %d genes\n", max(ratios$rhat), n_divergent,
              length(unique(ratios$gene))))
  cat(sprintf("Monte Carlo error of its sds: %.3f at the median, %.3f at the 95th percentile\n", stats::median(ratios$noise_nuts),
              stats::quantile(ratios$noise_nuts, 0.95)))
  table_by(ratios, "all")
  table_by(ratios, cut(ratios$total, c(0, 100, 1000, Inf), c("counts to 100", "to 1,000", "more"), right = TRUE))
  table_by(ratios, ifelse(ratios$khat <= 0.7, "k-hat to 0.7", "k-hat above"))
}

main()
