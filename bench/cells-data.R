# A large experiment of single cells, drawn straight as a sparse matrix: donors x 2 conditions, captures of many sizes.
#
# A negative binomial count of mean m and size r is a Poisson number N of clusters, of mean r log(1 + m / r), of sizes that follow
# a logarithmic law with probability m / (m + r). Only clusters are drawn, so that the zeros cost nothing. Captures take some
# dozen values per leaf, so that a gene's clusters are drawn leaf by leaf and value by value, and given to the cells there.

suppressMessages(library(Matrix))

captures_per_leaf <- 64

# list(counts = genes x cells, cells, effect): `density` is the share of counts above zero, `cells` has condition, donor and
# log_capture, `effect` the true effects.
simulate_large <- function(n_cells, n_genes, n_donors = 7, density = 0.10, seed = 1, block = 500) {
  set.seed(seed)
  cells <- large_cells(n_cells, n_donors)
  genes <- large_genes(n_genes, n_donors, cells$bins, density)
  starts <- split(seq_len(n_genes), ceiling(seq_len(n_genes) / block))
  parts <- lapply(starts, function(rows) sparse_block(lapply(rows, one_gene, genes = genes, bins = cells$bins)))
  counts <- join_blocks(parts, n_cells, n_genes)
  rm(parts)
  # Cells are drawn in the order of their leaves.
  list(counts = Matrix::t(counts), cells = cells$table, effect = genes$effect)
}

# Leaves of unequal size; within a leaf, log captures are quantiles of a normal.
large_cells <- function(n_cells, n_donors) {
  leaves <- expand.grid(condition = c("control", "treated"), donor = sprintf("donor%02d", seq_len(n_donors)))
  share <- stats::rgamma(nrow(leaves), 5)
  n <- as.integer(stats::rmultinom(1, n_cells - 20 * nrow(leaves), share)) + 20L
  level <- stats::rnorm(nrow(leaves), 0, 0.25)
  bins <- do.call(rbind, lapply(seq_along(n), function(l) {
    k <- min(captures_per_leaf, n[l])
    size <- diff(round(seq(0, n[l], length.out = k + 1)))
    data.frame(leaf = l, capture = exp(level[l] + stats::qnorm((seq_len(k) - 0.5) / k, 0, 0.5)), n = size)
  }))
  bins$from <- cumsum(bins$n) - bins$n
  bins$treated <- as.numeric(leaves$condition[bins$leaf] == "treated")
  bins$donor <- as.integer(leaves$donor[bins$leaf])
  of <- rep(seq_len(nrow(bins)), bins$n)
  table <- data.frame(leaves[bins$leaf[of], ], log_capture = log(bins$capture[of]),
                      row.names = sprintf("cell%06d", seq_len(n_cells)))
  list(bins = bins, table = table)
}

# Log means from a gamma profile whose scale gives the density; a tenth of the genes respond.
large_genes <- function(n, n_donors, bins, density) {
  profile <- stats::rgamma(n, 0.6) + 1e-3
  size <- exp(stats::rnorm(n, 0.5, 0.5))
  above_zero <- function(log_scale) {
    means <- profile * exp(log_scale)
    mean(vapply(c(0.5, 1, 2), function(capture) mean(1 - (1 + capture * means / size)^-size), 0)) - density
  }
  scale <- exp(stats::uniroot(above_zero, c(-12, 8))$root)
  effect <- ifelse(seq_len(n) %in% sample.int(n, ceiling(n / 10)), stats::rnorm(n, 0, 0.7), 0)
  donor_effects <- function(sd) matrix(stats::rnorm(n * n_donors), n) * sd * exp(stats::rnorm(n, 0, 0.4))
  list(log_mean = log(profile * scale), size = size, effect = effect, donor = donor_effects(0.25), slope = donor_effects(0.12))
}

# Cells (from 0) and counts above zero of a gene.
one_gene <- function(g, genes, bins) {
  eta <- genes$log_mean[g] + genes$donor[g, bins$donor] + bins$treated * (genes$effect[g] + genes$slope[g, bins$donor])
  size <- genes$size[g]
  mean <- bins$capture * exp(eta)
  number <- stats::rpois(nrow(bins), bins$n * size * log1p(mean / size))
  bin <- rep.int(seq_len(nrow(bins)), number)
  cell <- bins$from[bin] + floor(stats::runif(length(bin)) * bins$n[bin])
  sum_by_cell(as.integer(cell), logarithmic_draws((mean / (mean + size))[bin]))
}

# Draws of logarithmic laws with probabilities p (Kemp 1981, algorithm LK).
logarithmic_draws <- function(p) {
  v <- stats::runif(length(p))
  q <- -expm1(log1p(-p) * stats::runif(length(p)))
  ifelse(v <= q^2, floor(1 + log(v) / log(q)), ifelse(v < q, 2, 1))
}

sum_by_cell <- function(cell, value) {
  if (length(cell) == 0) return(list(i = integer(), x = numeric()))
  ranked <- order(cell, method = "radix")
  first <- which(c(TRUE, diff(cell[ranked]) != 0))
  list(i = cell[ranked][first], x = diff(c(0, cumsum(value[ranked]))[c(first, length(cell) + 1)]))
}

sparse_block <- function(genes) {
  list(n = lengths(lapply(genes, `[[`, "i")), i = unlist(lapply(genes, `[[`, "i")), x = unlist(lapply(genes, `[[`, "x")))
}

# Cells x genes.
join_blocks <- function(parts, n_cells, n_genes) {
  all <- function(name) unlist(lapply(parts, `[[`, name), use.names = FALSE)
  starts <- c(0L, as.integer(cumsum(all("n"))))
  methods::new("dgCMatrix", p = starts, i = all("i"), x = all("x"), Dim = as.integer(c(n_cells, n_genes)),
               Dimnames = list(sprintf("cell%06d", seq_len(n_cells)), sprintf("gene%05d", seq_len(n_genes))))
}
