# Fits every reference model and writes the table of standardised differences to tests/references/results/.
#
# Run from the root of the repository with twill installed:
#   [SEED=1] [ENGINE=auto] Rscript tools/reference-table.R [model ...]
# TWILL_SHARED names the folder with the complete collections (default ../shared); without it the large data are left
# out. The exit status is 1 if a difference is larger than chance allows (Bonferroni at 1e-4 in each model).

library(testthat)
library(twill)
source("tests/testthat/helper-reference.R")
source("tests/testthat/helper-reference-models.R")

seed <- as.integer(Sys.getenv("SEED", "1"))
engine <- Sys.getenv("ENGINE", "auto")

run_model <- function(name, model) {
  if (reference_path(model, "data") == "") return(NULL)
  seconds <- system.time(fit <- reference_fit(model, seed, engine))[["elapsed"]]
  comparison <- reference_compare(fit, reference_posterior(model))
  message(sprintf("%-45s %6.1f s   max |z| %.2f", name, seconds, max(abs(comparison$z_mean))))
  list(summary = reference_summary(name, fit, comparison, seconds), comparison = cbind(model = name, comparison))
}

markdown_table <- function(table) {
  shown <- data.frame(model = table$model, parameters = table$n_parameters,
    "max z, means" = sprintf("%.2f", table$max_z_mean), "max z, sds" = sprintf("%.2f", table$max_z_sd),
    "sd of z" = sprintf("%.2f", table$sd_z_mean), "R-hat" = sprintf("%.3f", table$max_rhat),
    "min ESS" = sprintf("%.0f", table$min_ess), divergences = table$divergences,
    seconds = sprintf("%.1f", table$seconds), check.names = FALSE)
  names(shown) <- sub("max z", "max |z|", names(shown), fixed = TRUE)
  names(shown) <- gsub("|", "\\|", names(shown), fixed = TRUE)
  line <- function(cells) paste0("| ", paste(cells, collapse = " | "), " |")
  c(line(names(shown)), line(rep("---", ncol(shown))), apply(shown, 1, function(row) line(trimws(row))))
}

overall_lines <- function(all, table) {
  z <- all$z_mean
  # Effects of one model share draws, so these shares have larger errors than for independent z.
  means <- paste("All %d means: sd of z %.2f, |z| > 2 for %.1f %% (normal: 4.6 %%), |z| > 3 for %.2f %% (0.27 %%),",
                 "largest %.2f.")
  c("", sprintf(means, length(z), sd(z), 100 * mean(abs(z) > 2), 100 * mean(abs(z) > 3), max(abs(z))),
    sprintf("All %d sds: sd of z %.2f, largest %.2f.", sum(!is.na(all$z_sd)), sd(all$z_sd, na.rm = TRUE),
            max(abs(all$z_sd), na.rm = TRUE)),
    sprintf("Flagged (|z| > 5): %d. Total time of the fits: %.0f s.",
            sum(abs(c(all$z_mean, all$z_sd)) > 5, na.rm = TRUE), sum(table$seconds)))
}

models <- reference_models()
wanted <- commandArgs(trailingOnly = TRUE)
if (length(wanted) > 0) models <- models[wanted]
results <- Filter(Negate(is.null), Map(run_model, names(models), models))
table <- do.call(rbind, lapply(results, `[[`, "summary"))
all <- do.call(rbind, lapply(results, `[[`, "comparison"))
heading <- c("# Differences from the reference posteriors", "",
  "z = (mean - reference mean) / sqrt(mcse^2 + reference mcse^2), for sds likewise.",
  sprintf("4 chains of 1000 warm-up and 1000 kept draws, 2 threads, seed %d, engine \"%s\".", seed, engine), "")
folder <- file.path("tests", "references", "results")
dir.create(folder, showWarnings = FALSE, recursive = TRUE)
text <- c(heading, markdown_table(table), overall_lines(all, table))
writeLines(text, file.path(folder, "reference-table.md"))
utils::write.csv(table, file.path(folder, "reference-table.csv"), row.names = FALSE)
cat(text, sep = "\n")
failed <- table$max_z_mean > table$z_limit | table$max_z_sd > table$z_limit | table$max_rhat > 1.03
if (any(failed)) quit(status = 1)
