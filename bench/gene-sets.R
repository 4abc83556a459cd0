# How often random sets of genes are called by tw_gene_sets(against = "rest") and by limma's camera at 5 %: genes of a set move
# together from sample to sample, effects vary over genes, and no set has more of them.
#
#   Rscript bench/gene-sets.R [datasets]
library(twill)
n_data <- as.integer(c(commandArgs(TRUE), 20)[1])

# 240 genes, half of them in 12 sets of ten that share a third of their noise; `paired` donors see both conditions, and genes of a
# set share a third of the variance of the donors' responses.
simulate_values <- function(seed, paired) {
  set.seed(seed)
  set <- rep(1:12, each = 10)
  donor <- if (paired) rep(1:6, 2) else 1:12
  x <- rep(0:1, each = 6)
  together <- function(n) {
    out <- matrix(rnorm(240 * n), 240)
    out[1:120, ] <- sqrt(1 / 3) * matrix(rnorm(12 * n), 12)[set, ] + sqrt(2 / 3) * out[1:120, ]
    out
  }
  values <- 5 + outer(rnorm(240, 0.3, 0.5), x) + (if (paired) 0.3 else 1) * together(12)
  if (paired) values <- values + together(6)[, donor] + together(6)[, donor] * rep(x, each = 240)
  dimnames(values) <- list(paste0("gene", 1:240), paste0("s", 1:12))
  list(values = values, data = data.frame(x, donor = factor(donor)), sets = split(rownames(values)[1:120], set))
}

called <- function(seed, paired) {
  d <- simulate_values(seed, paired)
  design <- if (paired) ~ x + (1 + x || donor) else ~x
  fit <- twill_genes(d$values, design, family = "gaussian", col_data = d$data, iter = 300, seed = seed, silent = 2,
                     keep = "effects")
  outside <- function(...) {
    res <- tw_gene_sets(fit, "x", d$sets, against = "rest", adaptive = FALSE, ...)
    sum(res$lower > 0 | res$upper < 0)
  }
  x <- model.matrix(if (paired) ~ donor + x else ~x, d$data)
  camera <- function(cor) sum(limma::camera(d$values, d$sets, x, ncol(x), inter.gene.cor = cor)$PValue < 0.05)
  c(twill = outside(), independent = outside(donors = "independent"), camera = camera(NA), "camera, 0.01" = camera(0.01))
}

for (paired in c(FALSE, TRUE)) {
  total <- rowSums(vapply(seq_len(n_data), called, numeric(4), paired = paired))
  n <- 12 * n_data
  cat(if (paired) "paired donors" else "independent samples", sprintf("%s %.1f %%", names(total), 100 * total / n), sep = "; ")
  cat(sprintf(" of %d random sets (5 %% +- %.1f)\n", n, 100 * sqrt(0.05 * 0.95 / n)))
}
