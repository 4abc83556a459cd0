# How far do the ends of 95 % intervals move from seed to seed? The same simulated counts, fitted with the default draws under
# many seeds and once with many draws; ends of tables and the draws' own quantiles, in posterior standard deviations.
#
#   Rscript bench/interval-ends.R [--seeds 20] [--iter 350] [--genes 60]
#
# Prints the mean over genes of the sd of the ends over seeds, their mean distance from those of the long run, and the share of
# its draws that intervals hold.
source("bench/process.R")
suppressMessages(library(twill))

simulate <- function(design, n_genes) {
  set.seed(11)
  paired <- design == "paired"
  samples <- if (paired) expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:6)) else
    data.frame(donor = paste0("d", rep(1:12, each = 2)), condition = rep(c("ctrl", "stim"), each = 12))
  donor <- as.integer(factor(samples$donor, unique(samples$donor)))
  treated <- as.integer(samples$condition == "stim")
  few <- n_genes %/% 4
  mu <- exp(c(runif(n_genes - few, log(20), log(500)), runif(few, log(1), log(10))))
  beta <- sample(c(rnorm(n_genes %/% 2), rep(0, n_genes - n_genes %/% 2)))
  baseline <- matrix(rnorm(n_genes * max(donor), 0, 0.4), n_genes)
  response <- matrix(rnorm(n_genes * max(donor), 0, if (paired) 0.3 else 0), n_genes)
  eta <- log(mu) + outer(beta, treated) + baseline[, donor] + response[, donor] * rep(treated, each = n_genes)
  counts <- matrix(rnbinom(length(eta), mu = exp(eta), size = exp(rnorm(n_genes, log(10), 0.4))), n_genes,
                   dimnames = list(paste0("gene", seq_len(n_genes)), NULL))
  list(counts = counts, samples = samples,
       design = if (paired) ~ condition + (1 + condition || donor) else ~ condition + (1 | donor))
}

# gene x (lower, upper, lower of the draws, upper of the draws), and draws x gene, in log2.
ends <- function(data, seed, ...) {
  fit <- twill_genes(data$counts, data$design, col_data = data$samples, size_factors = "none", seed = seed, silent = 2,
                     check = FALSE, ...)
  table <- as.data.frame(tw_contrast(fit, "conditionstim"))
  draws <- vapply(rownames(fit), function(gene) {
    as.vector(as_draws_matrix(fit, genes = gene, variable = "b_conditionstim")) / log(2)
  }, numeric(ndraws(fit)))
  own <- t(apply(draws, 2, quantile, c(0.025, 0.975), type = 6))
  list(table = cbind(table$lower, table$upper), draws = own, all = draws)
}

report <- function(design, runs, long, which) {
  values <- simplify2array(lapply(runs, `[[`, which))
  scale <- apply(long$all, 2, sd)
  held <- vapply(seq_along(runs), function(k) {
    e <- values[, , k]
    mean(vapply(seq_len(nrow(e)), function(g) mean(long$all[, g] > e[g, 1] & long$all[, g] < e[g, 2]), 0))
  }, 0)
  data.frame(design, ends = which, moved = round(mean(apply(values, 1:2, sd) / scale), 3),
             off = round(mean((apply(values, 1:2, mean) - long$draws) / scale), 3), held = round(100 * mean(held), 2))
}

n_seeds <- as.integer(option("seeds", 20))
iter <- as.integer(option("iter", 350))
rows <- lapply(c("paired", "nested"), function(design) {
  data <- simulate(design, as.integer(option("genes", 60)))
  runs <- lapply(seq_len(n_seeds), function(seed) ends(data, seed, iter = iter))
  long <- ends(data, 100, iter = 6000, warmup = 500)
  rbind(report(design, runs, long, "table"), report(design, runs, long, "draws"))
})
print(do.call(rbind, rows), row.names = FALSE)
