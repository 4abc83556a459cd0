# Fits of cells that tests share, and the same sums over cells by plain loops.

# Counts of cells of a paired design, with captures; genes x cells as a dense matrix.
cell_data <- function(n_genes = 6, n_donors = 3, cells_per_leaf = 12, seed = 1) {
  with_fixed_seed(seed, {
    cells <- expand.grid(cell = seq_len(cells_per_leaf), condition = factor(c("ctrl", "stim")),
                         donor = factor(paste0("d", seq_len(n_donors))))[-1]
    # One leaf has fewer cells, and cells are in no order.
    cells <- cells[sample(nrow(cells))[-seq_len(4)], ]
    rownames(cells) <- NULL
    capture <- exp(rnorm(nrow(cells), -2, 0.5))
    log_mean <- seq(1, 5, length.out = n_genes)
    donor <- matrix(rnorm(n_genes * n_donors, 0, 0.4), n_genes)
    effect <- rep(c(0, 1, -1), length.out = n_genes)
    mu <- exp(log_mean + donor[, as.integer(cells$donor)] + outer(effect, as.integer(cells$condition) - 1))
    counts <- matrix(rnbinom(length(mu), mu = mu * rep(capture, each = n_genes), size = 2), n_genes,
                     dimnames = list(paste0("gene", seq_len(n_genes)), paste0("cell", seq_len(nrow(cells)))))
    list(counts = counts, cells = cells, capture = capture)
  })
}

# A fit of twill_genes() to the cells dressed as one of leaves. Nodes and rules are the cells themselves, so that sums over cells
# are exact. Without an engine draws are made up.
cells_fit <- function(data = cell_data(), design = ~ condition + (1 + condition || donor), family = "negbinomial",
                      sampled = FALSE, iter = 80, seed = 1, ...) {
  code <- as.integer(interaction(rev(data$cells), drop = TRUE, lex.order = FALSE))
  leaves <- data$cells[match(seq_len(max(code)), code), , drop = FALSE]
  rownames(leaves) <- NULL
  sums <- t(rowsum(t(data$counts), code))
  fit_counts <- function(counts, col_data, exposure) {
    twill_genes(unname(counts), design, family = family, col_data = col_data, offset = log(exposure), size_factors = "none",
                keep = "effects", share = "none", iter = iter, seed = seed, silent = 2, ...)
  }
  posterior <- if (sampled) fit_counts(data$counts, data$cells, data$capture)$posterior
  local_engine(fake_engine)
  fit <- fit_counts(sums, leaves, as.numeric(rowsum(data$capture, code)))
  if (sampled) fit$posterior <- posterior
  fit$job$source <- list(kind = "leaves", genes = rownames(data$counts), may_miss = FALSE,
                         samples = do.call(paste, c(lapply(leaves, as.character), sep = " | ")),
                         data = leaf_statistics(data, code, t(sums)))
  fit$job$cells <- list(leaf = code, log_capture = log(data$capture), sd = numeric(), total = colSums(data$counts),
                        names = colnames(data$counts), n = tabulate(code), how = "given", rows = seq_along(code), other = list())
  class(fit) <- c("twillcells", class(fit))
  fit
}

leaf_statistics <- function(data, code, sums) {
  n_genes <- nrow(data$counts)
  positive <- lapply(seq_len(n_genes), function(g) which(data$counts[g, ] > 0))
  cell <- unlist(positive)
  nodes <- list(p = c(0L, cumsum(lengths(positive))), leaf = code[cell] - 1L, at = log(data$capture)[cell],
                mass = unlist(lapply(seq_len(n_genes), function(g) data$counts[g, positive[[g]]])))
  tables <- lapply(seq_len(n_genes), function(g) {
    cell <- positive[[g]]
    as.data.frame(table(leaf = code[cell], value = data$counts[g, cell]), stringsAsFactors = FALSE)
  })
  tables <- lapply(tables, function(t) t[t$Freq > 0, ])
  all <- do.call(rbind, tables)
  histogram <- list(p = c(0L, cumsum(vapply(tables, nrow, 0L))), leaf = as.integer(all$leaf) - 1L, value = as.numeric(all$value),
                    number = as.numeric(all$Freq))
  list(sums = unname(sums), nodes = nodes, rule = list(leaf = code - 1L, at = log(data$capture), mass = rep(1, length(code))),
       histogram = histogram)
}

# Log mean of one leaf and gene in draw s, written out from the names of draws.
plain_log_mu <- function(fit, gene, leaf, s) {
  draws <- as_draws_matrix(fit, genes = gene)[s, ]
  row <- model.frame(fit)[leaf, ]
  stim <- as.numeric(row$condition == "stim")
  value <- function(name) as.numeric(draws[, name])
  donor <- as.character(row$donor)
  value("b_Intercept") + stim * value("b_conditionstim") + value(sprintf("r_donor[%s,Intercept]", donor)) +
    stim * value(sprintf("r_donor[%s,conditionstim]", donor))
}

plain_shape <- function(fit, gene, s) as.numeric(as_draws_matrix(fit, genes = gene)[s, "shape"])
