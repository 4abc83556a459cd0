# Data and fits of genes that tests share.

# as() to a sparse matrix needs its classes, which twill loads when it meets one.
loadNamespace("Matrix")

gene_samples <- function(n_donors = 5) {
  expand.grid(condition = factor(c("ctrl", "stim")), donor = factor(paste0("d", seq_len(n_donors))))
}

# Negative binomial counts of a paired design; the first genes respond.
gene_counts <- function(n_genes = 30, n_donors = 5, seed = 1, effect = 1, n_responding = 5) {
  with_fixed_seed(seed, {
    samples <- gene_samples(n_donors)
    log_mean <- rnorm(n_genes, 4, 1)
    beta <- ifelse(seq_len(n_genes) <= n_responding, effect, 0)
    donor <- matrix(rnorm(n_genes * n_donors, 0, 0.3), n_genes)
    mu <- exp(log_mean + donor[, samples$donor] + outer(beta, samples$condition == "stim"))
    names <- list(paste0("gene", seq_len(n_genes)), paste0("s", seq_len(nrow(samples))))
    matrix(rnbinom(length(mu), mu = mu, size = 10), n_genes, dimnames = names)
  })
}

# A fit with made-up draws. Learning from them is slow, as they come from no posterior: only tests of sharing ask for it.
fake_set <- function(..., counts = gene_counts(), design = ~ condition + (1 + condition || donor), col_data = gene_samples(),
                     iter = 100, warmup = iter / 2, seed = 1, share = "none") {
  local_engine(fake_engine)
  twill_genes(counts, design, col_data = col_data, iter = iter, warmup = warmup, seed = seed, share = share, silent = 2, ...)
}

# The same with what genes share, made once.
shared_fits <- new.env()
fake_shared_set <- function() {
  if (is.null(shared_fits$fit)) shared_fits$fit <- fake_set(counts = gene_counts(12), share = c("dispersion", "sd"))
  shared_fits$fit
}

stim_effect <- function() cond(condition = "stim") - cond(condition = "ctrl")

has_gene_engine <- function() exists("engine_genes", asNamespace("twill"))

three_by_two <- function() {
  dose <- factor(c("none", "low", "high"), c("none", "low", "high"))
  data <- expand.grid(dose = dose, sex = c("f", "m"), donor = paste0("d", 1:4))
  data$age <- seq_len(nrow(data))
  data
}

# A file that `code` writes to `file`.
written_file <- function(extension, code) {
  file <- tempfile(fileext = extension)
  eval(substitute(code), list(file = file), parent.frame())
  file
}
