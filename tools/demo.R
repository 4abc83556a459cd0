# The main job on real data: fits a CRISPR screen and a set of counts, prints summaries, and writes
# plots to demo-output/. Run by `make demo`; needs the installed package.
library(twill)
library(ggplot2)

output <- "demo-output"
dir.create(output, showWarnings = FALSE)
threads <- max(1L, parallel::detectCores(), na.rm = TRUE)

heading <- function(text) cat("\n", strrep("=", 78), "\n", text, "\n", strrep("=", 78), "\n\n", sep = "")

timed <- function(fit) {
  seconds <- system.time(fit)[["elapsed"]]
  cat(sprintf("Fitted in %.1f seconds.\n\n", seconds))
  invisible(fit)
}

save_plot <- function(name, plot, height = 4) {
  path <- file.path(output, paste0(name, ".png"))
  suppressMessages(ggsave(path, plot, width = 7, height = height, dpi = 120, bg = "white"))
  normalizePath(path)
}

# Expression relative to the gene's own mean: the intercepts then are the effects of the knock-outs
# at usual expression, and better determined.
fit_screen <- function() {
  twill(lfc ~ rna + copy_number + (1 + rna | gene) + (1 | gene:guide) + (1 | cell_line),
        data = transform(depmap_screen, rna = rna - ave(rna, gene)), family = gaussian(),
        prior = tw_prior("normal(0, 1)", class = "b"), chains = 4, threads = threads, seed = 1,
        refresh = 0)
}

fit_ticks <- function() {
  twill(TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), data = lme4::grouseticks,
        family = negbinomial(), chains = 4, threads = threads, seed = 1, refresh = 0)
}

# Each gene's own slope on its expression, population-level slope included.
slope_table <- function(fit) {
  slopes <- as.data.frame(coef(fit)$gene[, , "rna"])
  slopes[order(slopes$Estimate), ]
}

slope_plot <- function(slopes) {
  slopes$gene <- factor(rownames(slopes), rev(rownames(slopes)))
  ggplot(slopes, aes(Estimate, gene, xmin = Q2.5, xmax = Q97.5)) +
    geom_vline(xintercept = 0, colour = "grey60") +
    geom_pointrange() +
    labs(title = "Knock-out effect by expression, per gene",
         x = "change of log2 fold change per doubling of expression (mean, 95 % interval)", y = NULL) +
    theme_minimal()
}

sd_plot <- function(fit) {
  bayesplot::mcmc_combo(posterior::as_draws_array(fit), regex_pars = "^(sd_|sigma)",
                        combo = c("dens_overlay", "trace"))
}

heading("1. CRISPR screen: guides in genes, crossed with cell lines (Gaussian)")
timed(screen <- fit_screen())
print(summary(screen))
cat("\nSlope of the log fold change on expression, by gene:\n")
slopes <- slope_table(screen)
print(round(slopes, 3))

heading("2. Ticks on grouse chicks: broods and locations (negative binomial)")
timed(ticks <- fit_ticks())
print(summary(ticks))

rootogram <- pp_check(ticks, type = "rootogram", ndraws = 100) +
  labs(title = "Observed counts (bars) and predicted ones (line)", x = "ticks on a chick") + theme_minimal()
paths <- c(save_plot("screen-slopes", slope_plot(slopes)),
           save_plot("screen-sds", sd_plot(screen), height = 9),
           save_plot("ticks-rootogram", rootogram),
           save_plot("ticks-sds", sd_plot(ticks), height = 6))
heading("Plots")
cat(paths, sep = "\n")
