# Simulation-based calibration of every model by every engine: table, plots and a verdict.
#
#   Rscript bench/sbc.R [REPLICATIONS=200] [FOLDER=bench-output/sbc] [MODEL ...]
#
# Models and statistics are those of the tests (tests/testthat/helper-sbc*.R), with more replications. Ends with an error
# if the ranks of any quantity are not uniform: p-values after Bonferroni's correction over all of them, below 0.01.
library(twill)
library(ggplot2)

tests <- file.path("tests", "testthat")
for (file in c("helper-models.R", sort(list.files(tests, "^helper-sbc.*[.]R$")))) source(file.path(tests, file))

arguments <- commandArgs(trailingOnly = TRUE)
n_replications <- as.integer(c(arguments, 200)[1])
folder <- c(arguments[-1], "bench-output/sbc")[1]
chosen <- if (length(arguments) > 2) arguments[-(1:2)] else names(sbc_models)

# Plots -----------------------------------------------------------------------------------------------------------

# Differences of the ranks' empirical distribution from the uniform one, one row per step and quantity.
ecdf_differences <- function(run) {
  z <- seq_len(sbc_draws) / (sbc_draws + 1)
  one <- function(quantity) {
    counts <- sbc_counts(run$ranks[, quantity], sbc_draws)
    data.frame(engine = run$engine, quantity = quantity, z = z, difference = counts / nrow(run$ranks) - z)
  }
  do.call(rbind, lapply(colnames(run$ranks), one))
}

envelope <- function(n) {
  z <- seq_len(sbc_draws) / (sbc_draws + 1)
  bounds <- sbc_envelope(n, sbc_draws) / n
  data.frame(z = z, lower = bounds[1, ] - z, upper = bounds[2, ] - z)
}

plot_ecdf <- function(runs, model) {
  differences <- do.call(rbind, lapply(runs, ecdf_differences))
  differences$quantity <- factor(differences$quantity, unique(differences$quantity))
  n <- nrow(runs[[1]]$ranks)
  ggplot(differences, aes(z)) +
    geom_ribbon(aes(ymin = lower, ymax = upper), envelope(n), fill = "grey85") +
    geom_step(aes(y = difference, colour = engine)) +
    facet_wrap(~quantity) +
    labs(title = sprintf("%s: ranks of the truth, %d replications", model, n), colour = NULL,
         subtitle = "Difference of the ECDF from uniform; band: 95 % of all paths at once (each panel and engine alone)",
         x = "Normalised rank", y = "ECDF - uniform") +
    theme_bw()
}

plot_histogram <- function(runs, model) {
  ranks <- do.call(rbind, lapply(runs, function(run) {
    data.frame(engine = run$engine, quantity = rep(colnames(run$ranks), each = nrow(run$ranks)), rank = c(run$ranks))
  }))
  ranks$quantity <- factor(ranks$quantity, unique(ranks$quantity))
  n <- nrow(runs[[1]]$ranks)
  limits <- stats::qbinom(c(0.005, 0.5, 0.995), n, 1 / 10)
  ggplot(ranks, aes(rank)) +
    annotate("rect", xmin = -Inf, xmax = Inf, ymin = limits[1], ymax = limits[3], fill = "grey85") +
    geom_hline(yintercept = limits[2], colour = "grey60") +
    geom_histogram(aes(fill = engine), breaks = seq(-0.5, sbc_draws + 0.5, length.out = 11), position = "dodge") +
    facet_wrap(~quantity) +
    labs(title = sprintf("%s: ranks of the truth, %d replications", model, n), fill = NULL,
         subtitle = "Band: 99 % of the counts of one bin", x = "Rank among 99 draws", y = "Replications") +
    theme_bw()
}

save_plots <- function(runs, model) {
  path <- function(kind) file.path(folder, sprintf("sbc-%s-%s.png", model, kind))
  ggsave(path("ecdf"), plot_ecdf(runs, model), width = 11, height = 8, dpi = 80)
  ggsave(path("histogram"), plot_histogram(runs, model), width = 11, height = 8, dpi = 80)
}

# Run -------------------------------------------------------------------------------------------------------------

print_row <- function(table) {
  worst <- table[which.min(pmin(table$p_ecdf, table$p_chi_square)), ]
  cat(sprintf("%-18s %-10s %4d %4d %6d %8d %6.2f %7.3f %9.2g %9.2g %9.2g  %s\n", worst$model, worst$engine, worst$n,
              worst$failed, worst$divergent, worst$at_max_depth, worst$ess, worst$seconds, min(table$p_ecdf),
              min(table$p_chi_square), sbc_verdict(table), worst$quantity))
}

run_model <- function(model) {
  runs <- lapply(sbc_models[[model]]$engines, function(engine) sbc_run(model, engine, n_replications))
  tables <- lapply(runs, sbc_table)
  lapply(tables, print_row)
  save_plots(runs, model)
  do.call(rbind, tables)
}

dir.create(folder, showWarnings = FALSE, recursive = TRUE)
cat(sprintf("%-18s %-10s %4s %4s %6s %8s %6s %7s %9s %9s %9s  %s\n", "model", "engine", "n", "fail", "diverg", "maxdepth",
            "ess", "s/fit", "p ecdf", "p chi2", "corrected", "worst quantity"))
table <- do.call(rbind, lapply(chosen, run_model))
utils::write.csv(table, file.path(folder, "sbc.csv"), row.names = FALSE)
cat(sprintf("%d quantities, smallest p after correction for all of them: %.3g. Table and plots in %s\n", nrow(table),
            sbc_verdict(table), folder))
if (sbc_verdict(table) < 0.01) stop("the ranks are not uniform")
if (any(table$failed > 0)) stop("some fits failed")
