# Genes of related donors: seconds of the processor a gene, by the number of donors. Families of four, two parents and two
# children, with one sample a donor; kinship from genotypes, dense.
#
#     Rscript bench/kinship.R [--genes 100] [--donors 50,100,200] [--method hmc]

suppressPackageStartupMessages(library(twill))
source("bench/process.R")

simulate_families <- function(n_genes, n_donors) {
  set.seed(1)
  genotypes <- matrix(stats::rbinom(n_donors * 2000, 2, 0.3), n_donors)
  for (first in seq(1, n_donors - 3, by = 4)) {
    passed <- function(parent) stats::rbinom(2000, 1, genotypes[parent, ] / 2)
    for (child in first + 2:3) genotypes[child, ] <- passed(first) + passed(first + 1)
  }
  kinship <- tcrossprod(scale(genotypes)) / 2000 + diag(1e-3, n_donors)
  dimnames(kinship) <- rep(list(sprintf("d%04d", seq_len(n_donors))), 2)
  samples <- data.frame(donor = rownames(kinship), x = stats::rnorm(n_donors))
  effects <- 0.5 * t(chol(kinship)) %*% matrix(stats::rnorm(n_donors * n_genes), n_donors)
  eta <- stats::rnorm(n_genes, 4) + t(effects) + outer(stats::rnorm(n_genes, 0, 0.2), samples$x)
  counts <- matrix(stats::rnbinom(length(eta), mu = exp(eta), size = 8), n_genes)
  rownames(counts) <- sprintf("g%04d", seq_len(n_genes))
  list(counts = counts, samples = samples, kinship = kinship)
}

for (n_donors in as.integer(option_list("donors", "50,100,200"))) {
  sim <- simulate_families(as.integer(option("genes", 100)), n_donors)
  clock <- proc.time()
  fit <- twill_genes(sim$counts, ~ x + (1 | gr(donor, cov = K)), col_data = sim$samples, data2 = list(K = sim$kinship), seed = 1,
                     silent = 2, cores = 1, method = option("method", "hmc"))
  spent <- sum((proc.time() - clock)[c("user.self", "sys.self")])
  table <- as.data.frame(tw_diagnostics(fit))
  cat(sprintf("%d donors, %d genes: %.3f s a gene; bulk ESS at least %.0f, median %.0f; R-hat at most %.3f\n", n_donors,
              nrow(table), spent / nrow(table), min(table$ess), stats::median(table$ess), max(table$rhat)))
}
