# Counts of guides in genes, crossed with lines: all effects together, which "auto" takes, beside level by level (decision 104).
#
#   Rscript bench/nested-counts.R [--genes 50,100] [--lines 20] [--methods nuts,hmc,svi,laplace] [--iter 400]
#
# Two chains on one core; processor seconds of the call, the smallest bulk ESS of scales and coefficients, their largest R-hat,
# k-hat, and the means of the standard deviations, which were simulated as 0.5, 0.2, 0.1, 0.3 and 0.2.
source("bench/process.R")
suppressPackageStartupMessages(library(twill))

simulate_screen <- function(n_genes, n_lines) {
  rows <- expand.grid(line = seq_len(n_lines), guide = 1:4, gene = seq_len(n_genes))
  guide <- (rows$gene - 1) * 4 + rows$guide
  of_lines <- function() matrix(rnorm(n_genes * n_lines), n_genes)[cbind(rows$gene, rows$line)]
  rows$rna <- of_lines()
  rows$cn <- of_lines()
  of_genes <- function(mean, sd) rnorm(n_genes, mean, sd)[rows$gene]
  eta <- of_genes(-0.3, 0.5) + of_genes(0, 0.2) * rows$rna + of_genes(-0.1, 0.1) * rows$cn +
    rnorm(4 * n_genes, 0, 0.3)[guide] + rnorm(n_lines, 0, 0.2)[rows$line]
  rows$before <- rlnorm(4 * n_genes, 6, 0.6)[guide]
  rows$y <- rnbinom(nrow(rows), mu = rows$before * exp(eta), size = 10)
  rows$guide <- guide
  rows
}

one_fit <- function(data, engine, method, iter) {
  clock <- proc.time()
  fit <- suppressWarnings(twill(
    y ~ rna + cn + (1 + rna + cn || gene) + (1 | guide) + (1 | line) + offset(log(before)), data, "negbinomial", method = method,
    chains = 2, iter = iter, cores = 1, seed = 1, silent = 2, refresh = 0, control = list(engine = engine)))
  seconds <- sum((proc.time() - clock)[1:2])
  kept <- grepl("^(sd_|b_|shape)", posterior::variables(fit))
  summary <- posterior::summarise_draws(posterior::as_draws_array(fit)[, , kept], "mean", "ess_bulk", "rhat")
  sds <- summary$mean[startsWith(summary$variable, "sd_")]
  is_sampled <- method %in% c("nuts", "hmc")
  data.frame(engine = fit$info$engine, method, seconds, ess = if (is_sampled) as.numeric(min(summary$ess_bulk)) else NA,
             rhat = if (is_sampled) as.numeric(max(summary$rhat)) else NA, khat = if (is_sampled) NA else fit$info$pareto_k,
             sds = paste(signif(as.numeric(sds), 2), collapse = " "))
}

listed <- function(name, default) strsplit(option(name, default), ",")[[1]]
for (n_genes in as.integer(listed("genes", "50,100"))) {
  set.seed(1)
  data <- simulate_screen(n_genes, as.integer(option("lines", 20)))
  cat(sprintf("\n%d genes, %d rows\n", n_genes, nrow(data)))
  ways <- expand.grid(method = listed("methods", "nuts,hmc,svi,laplace"), engine = c("auto", "levels"), stringsAsFactors = FALSE)
  rows <- Map(function(engine, method) one_fit(data, engine, method, as.integer(option("iter", 400))), ways$engine, ways$method)
  print(do.call(rbind, unname(rows)), digits = 3, row.names = FALSE)
}
