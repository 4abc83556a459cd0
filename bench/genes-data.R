# Simulated cells and pseudobulk of several donors under two conditions, with the truth, for the benches.

# The generator of the shared data folder: TWILL_SHARED, or beside the repository.
genes_generator <- function() {
  folder <- Sys.getenv("TWILL_SHARED", "../shared")
  path <- file.path(folder, "data", "simulate", "simulate_multidonor.R")
  if (!file.exists(path)) stop("No ", path, ": set TWILL_SHARED to the folder of the shared data.")
  env <- new.env()
  sys.source(path, env)
  env$simulate_multidonor
}

# list(counts, samples, genes, donor_effects): counts summed over the cells of each sample; `genes$beta` is the true effect,
# `samples$exposure` the true size factor.
simulate_pseudobulk <- function(..., simulator = genes_generator()) sum_cells(simulator(...))

sum_cells <- function(sim) {
  sample <- factor(sim$cells$sample, unique(sim$cells$sample))
  counts <- as.matrix(sim$counts %*% Matrix::sparseMatrix(seq_along(sample), as.integer(sample), x = 1))
  dimnames(counts) <- list(sim$genes$gene, levels(sample))
  first <- match(levels(sample), sim$cells$sample)
  samples <- sim$cells[first, c("donor", "condition")]
  samples$condition <- factor(samples$condition, c("control", "treated"))
  samples$exposure <- as.numeric(tapply(exp(sim$cells$log_capture), sample, sum))
  rownames(samples) <- levels(sample)
  list(counts = counts, samples = samples, genes = sim$genes, donor_effects = sim$donor_effects)
}
