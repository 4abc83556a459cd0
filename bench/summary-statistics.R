# Figures of models of summary statistics: MR Locus's slope over seeds beside quadrature, and the time of tw_inclusion().
#
#   Rscript bench/summary-statistics.R [--seeds 12] [--part slope|inclusion]
#
# The clusters and the quadrature are those of MR Locus's vignette (mrlocus 0.0.26), as in tests/testthat/test-measured.R.
source("bench/process.R")
suppressMessages(library(twill))

part <- option("part", "")

slope_over_seeds <- function(n_seeds) {
  loci <- data.frame(a = c(0.746, 1.685, 3.046, 3.760), b = c(0.149, 1.017, 1.730, 1.668), se_a = 0.25, se_b = 0.25)
  slope <- abs(coef(lm(b ~ 0 + a, loci)))
  normal <- function(sd) sprintf("normal(0, %.10g)", sd)
  prior <- c(tw_prior(normal(2 * slope), class = "b"), tw_prior(normal(max(2 * sd(loci$b), abs(loci$b))), class = "sigma"),
             tw_prior("constant(0)", class = "meanme"),
             tw_prior(sprintf("constant(%.10g)", 2 * max(abs(loci$a))), class = "sdme"))
  found <- vapply(seq_len(n_seeds), function(seed) {
    fit <- twill(b | se(se_b, sigma = TRUE) ~ 0 + me(a, se_a), loci, prior = prior, iter = 4000, seed = seed, silent = 2)
    draws <- as.matrix(fit, variable = c("bsp_mease_a", "sigma"))
    c(colMeans(draws), apply(draws, 2, sd), quantile(draws[, 2], c(0.025, 0.5, 0.9, 0.975)))
  }, numeric(8))
  exact <- c(0.4942, 0.3165, 0.1017, 0.3304, 0.0100, 0.2219, 0.6910, 1.2103)
  error <- apply(found, 1, sd) / sqrt(n_seeds)
  what <- c("mean of alpha", "mean of sigma", "sd of alpha", "sd of sigma", paste("sigma,", c("2.5 %", "50 %", "90 %", "97.5 %")))
  table <- data.frame(what, exact, twill = rowMeans(found), error, z = (rowMeans(found) - exact) / error)
  print(table, digits = 3, row.names = FALSE)
}

time_of_inclusion <- function() {
  sizes <- data.frame(variants = c(100, 100, 1000), max = c(2, 3, 2))
  sizes$seconds <- vapply(seq_len(nrow(sizes)), function(i) {
    m <- sizes$variants[i]
    z <- matrix(rnorm(2 * m), m)
    ld <- 0.95^abs(outer(seq_len(m), seq_len(m), "-"))
    system.time(tw_inclusion(z, ld, tw_spike_slab(max = sizes$max[i]), share = 0.3))[["elapsed"]]
  }, 0)
  cat("\nTwo studies, by the clock:\n")
  print(sizes, digits = 2, row.names = FALSE)
}

if (part %in% c("", "slope")) slope_over_seeds(as.integer(option("seeds", 12)))
if (part %in% c("", "inclusion")) time_of_inclusion()
