# Cells of four donors under two conditions, with known captures and effects, made by base R alone.

simulate_cells <- function(n_genes = 8, n_cells = 400, n_donors = 4, seed = 1, depth = 0.4, shape = 2) {
  with_fixed_seed(seed, {
    cells <- data.frame(condition = factor(sample(c("ctrl", "stim"), n_cells, TRUE)),
                        donor = factor(sample(paste0("d", seq_len(n_donors)), n_cells, TRUE)))
    log_capture <- rnorm(n_cells, -2, depth)
    level <- rnorm(n_genes, 3, 1)
    effect <- rep_len(c(0, 0, 0, 0.7), n_genes)
    donor <- matrix(rnorm(n_genes * n_donors, 0, 0.3), n_genes)
    eta <- level + donor[, as.integer(cells$donor)] + outer(effect, as.integer(cells$condition) - 1)
    mu <- exp(eta + rep(log_capture, each = n_genes))
    counts <- matrix(rnbinom(length(mu), mu = mu, size = shape), n_genes)
    dimnames(counts) <- list(paste0("gene", seq_len(n_genes)), paste0("cell", seq_len(n_cells)))
    list(counts = counts, cells = cells, log_capture = log_capture, effect = effect)
  })
}
