# Copies the small data sets and reference posteriors that the tests need from the complete collections.
#
# Run from the root of the repository: TWILL_SHARED=... Rscript tools/reference-data.R (default ../shared). Large data
# (radon_all) are not copied. gzfile() writes no time stamp, so unchanged data give unchanged files.

library(testthat)
source("tests/testthat/helper-reference.R")
source("tests/testthat/helper-reference-models.R")

copy_table <- function(table, what, name) {
  path <- reference_folder(what, paste0(name, ".csv.gz"))
  dir.create(dirname(path), showWarnings = FALSE, recursive = TRUE)
  file <- gzfile(path, "wb", compression = 9)
  on.exit(close(file))
  writeLines(table, file)
}

copy_model <- function(model) {
  if (!model$stored || shared_file(model$posterior, "data") == "") return(invisible())
  copy_table(readLines(shared_file(model$posterior, "data")), "data", model$data)
  copy_table(readLines(shared_file(model$posterior, "reference")), "posterior", model$posterior)
}

# The summaries printed by the original program of the simulated screens, with 3 decimals: their Monte Carlo error is
# the larger of the printed one (often one digit) and sd / sqrt(ESS), with the rounding error of a mean,
# 0.001 / sqrt(12).
# The error of an sd is that of a normal variable; the sds of groups are skewed, so theirs is left out.
printed_names <- function(parameter) {
  names <- c(mu_alpha = "mu_gene__Intercept", sigma_alpha = "sd_gene__Intercept", mu_beta = "mu_cell_line__Intercept",
             sigma_beta = "sd_cell_line__Intercept", sigma = "sigma")
  own <- sprintf("coef_gene[gene%s|%s]", LETTERS[1 + as.integer(gsub("\\D", "", parameter))],
                 ifelse(startsWith(parameter, "alpha"), "Intercept", "rna"))
  ifelse(parameter %in% names(names), names[parameter], own)
}

copy_printed <- function(dataset, name) {
  table <- utils::read.csv(file.path(shared_folder(), "data", "crispr_sim", "expected.csv"))
  table <- table[table$dataset == dataset, ]
  rounding <- 0.001 / sqrt(12)
  out <- data.frame(parameter = table$parameter, effect = printed_names(table$parameter), mean = table$mean,
                    sd = table$sd,
                    mcse = sqrt(pmax(table$mcse_mean, table$sd / sqrt(table$ess_bulk))^2 + rounding^2),
                    mcse_sd = sqrt(table$sd^2 / (2 * table$ess_tail) + rounding^2))
  out$mcse_sd[startsWith(out$effect, "sd_")] <- NA
  text <- utils::capture.output(utils::write.csv(out, row.names = FALSE, quote = FALSE))
  copy_table(text, "posterior", name)
}

invisible(lapply(reference_models(), copy_model))
copy_printed("crossed_crispr_10x3x3", "crispr_sim_printed_crossed")
copy_printed("varying_slope_5x30", "crispr_sim_printed_slope")
