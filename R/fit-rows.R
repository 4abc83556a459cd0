# Fits of cells whose covariates differ from cell to cell: no leaves are in the model, so cells are grouped by the other
# variables of the design to be looked at, and their counts are read cell by cell.

# The variables of each group of cells, with labels as row names: leaves of the model where it has any.
cell_leaves <- function(fit) {
  if (!is_rows(fit)) return(structure(model.frame.twillgenes(fit), row.names = make.unique(leaf_labels(fit))))
  table <- fit$job$cells$capture
  table <- table[setdiff(names(table), c("cells", "median_total", "median_capture"))]
  if (!identical(names(table), ".all")) return(table)
  data.frame(leaf = factor("all cells"), row.names = "all cells")
}

cell_labels <- function(fit) if (is_rows(fit)) rownames(cell_leaves(fit)) else leaf_labels(fit)

# Which column of leaf_log_mu() is a cell's.
mean_of_cell <- function(fit) if (is_rows(fit)) seq_along(fit$job$cells$leaf) else fit$job$cells$leaf

# cell x gene.
row_counts <- function(fit, at) as.matrix(fit$job$source$data[, fit$posterior$rows[at], drop = FALSE])

row_sums_by_leaf <- function(fit, values) {
  sums <- rowsum(values, fit$job$cells$leaf)
  unname(sums[order(as.integer(rownames(sums))), , drop = FALSE])
}

# leaf x gene: posterior mean of f(mean, size) of a cell's count, averaged over the cells of the leaf.
row_prediction <- function(fit, at, f) {
  capture <- exp(fit$job$cells$log_capture)
  of_gene <- function(g) {
    mean <- exp(matrix(leaf_log_mu(fit, g), ncol = length(capture))) * rep(capture, each = n_set_draws(fit))
    colMeans(f(mean, matrix(leaf_sizes(fit, g), ncol = length(capture))))
  }
  row_sums_by_leaf(fit, vapply(at, of_gene, capture)) / fit$job$cells$n
}

# As gene_histogram().
row_histogram <- function(fit, row, leaves) {
  leaf <- fit$job$cells$leaf
  count <- fit$job$source$data[, row]
  value <- c(0, setdiff(sort(unique(count[leaf %in% leaves])), 0))
  number <- vapply(leaves, function(l) tabulate(match(count[leaf == l], value), length(value)), value)
  list(value = value, number = matrix(number, length(value)))
}

need_leaves <- function(what) {
  abort_twill("argument", c("{.fn {what}} needs leaves: cells that share all variables of the design.",
                            "x" = "Here they differ from cell to cell, and the cells were fitted one by one.",
                            "i" = "Fit without those variables, or with values in a few classes ({.fn cut})."))
}
