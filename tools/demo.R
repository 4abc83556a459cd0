# The main job on real data: single cells of five donors, from counts to differential expression. Prints what is found and writes
# plots to demo-output/. Run by `make demo`; needs the installed package.
library(twill)
library(ggplot2)

output <- "demo-output"
dir.create(output, showWarnings = FALSE)
threads <- max(1L, parallel::detectCores(), na.rm = TRUE)

heading <- function(text) cat("\n", text, "\n", strrep("-", 78), "\n", sep = "")

save_plot <- function(name, plot, width = 7, height = 4) {
  path <- file.path(output, paste0(name, ".png"))
  suppressMessages(ggsave(path, plot, width = width, height = height, dpi = 120, bg = "white"))
  normalizePath(path)
}

fit_cells <- function() {
  twill_cells(glioblastoma$counts, ~ condition + (1 + condition || donor), col_data = glioblastoma$cells, threads = threads,
              seed = 1, refresh = 0)
}

# The genes with the smallest expected share of false signs, in columns that fit.
print_surest <- function(res, n = 8) {
  columns <- c("baseMean", "log2FoldChange", "lower", "upper", "lfsr", "svalue", "sd_donor")
  print(utils::head(sort(res)[columns], n), digits = 2)
}

heading("5,000 cells of glioblastoma: five donors, panobinostat against vehicle")
print(fit <- fit_cells())

heading("Panobinostat against vehicle, in the population of donors (log2)")
res <- tw_contrast(fit, cond(condition = "panobinostat") - cond(condition = "ctrl"))
print_surest(res)
cat(sum(res$svalue <= 0.05), "of", nrow(res), "genes have an s-value of at most 0.05.\n")

paths <- c(save_plot("calibration", plot(tw_calibration(fit)), width = 9, height = 4.5),
           save_plot("volcano", plot(fit, "volcano", results = res, n_labels = 15)),
           save_plot("donors-MT2A", plot(fit, "forest", gene = "MT2A"), height = 3),
           save_plot("spread", plot(fit, "spread")))
heading("Plots: calibration of the means, volcano, MT2A in each donor, how much donors differ")
cat(paths, sep = "\n")
