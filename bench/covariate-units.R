# The same covariate in other units: does the effect asked for, its standard error and coverage stay what they are?
#
#   Rscript bench/covariate-units.R [--units 1,0.1,0.01,1e-5,1e4,1e8] [--seed 7]
#
# 80 genes of 8 donors at four doses, a quarter with an effect of 1 (natural log, from no dose to the full one), slopes of donors
# with an sd of 0.5; the doses times each unit. One data set: coverages have a standard error of 2.4 percent.
source("bench/process.R")
suppressMessages(library(twill))

set.seed(as.integer(option("seed", 7)))
n_genes <- 80
samples <- expand.grid(dose = c(0, 0.33, 0.67, 1), donor = paste0("d", 1:8))
effect <- rep(c(1, 0), c(20, 60))
of_donors <- function(sd) matrix(rnorm(n_genes * 8, sd = sd), n_genes)[, samples$donor]
eta <- (effect + of_donors(0.5)) * rep(samples$dose, each = n_genes) + of_donors(0.3)
values <- 8 + eta + rnorm(length(eta), sd = 0.2)
counts <- matrix(rnbinom(length(eta), mu = 100 * exp(eta), size = 20), n_genes)
dimnames(counts) <- dimnames(values) <- list(paste0("g", seq_len(n_genes)), paste0("s", seq_len(nrow(samples))))

designs <- list("negative binomial" = list(x = counts), Gaussian = list(x = values, family = "gaussian"),
                "nothing shared" = list(x = counts, share = "none"), "effects shared" = list(x = counts, effect_prior = "normal"))

of_unit <- function(name, unit) {
  call <- c(designs[[name]], list(design = ~ x + (1 + x || donor), col_data = transform(samples, x = dose * unit), seed = 1,
                                  check = FALSE, silent = 2))
  table <- tw_contrast(do.call(twill_genes, call), cond(x = unit) - cond(x = 0), log2 = FALSE)
  cat(sprintf("| %s | %s | %.3f | %.1f | %d |\n", name, format(unit), median(table$lfcSE),
              100 * mean(table$lower <= effect & effect <= table$upper), sum(table$svalue[effect == 0] < 0.05)))
}

cat("| genes | unit | median standard error | coverage, % | false calls |\n|---|---|---|---|---|\n")
for (name in names(designs)) for (unit in as.numeric(option_list("units", "1,0.1,0.01,1e-5,1e4,1e8"))) of_unit(name, unit)
