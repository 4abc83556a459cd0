# Compressed cells, a source of kind "leaves": sums, nodes and histograms by leaf. See counts-source.R for what a source is.

# A source of kind "leaves": see counts-source.R for what a source is.
leaf_source <- function(input, capture, settings) {
  genes <- c(input$genes[input$kept], if (length(input$other)) other_name(input$genes))
  cells <- list(leaf = input$leaf - 1L, log_capture = as.numeric(capture$log_capture), sd = as.numeric(capture$sd),
                total = max(colSums(input$sums)))
  compressed <- with_progress(settings$progress, "Compressing", function(report) {
    unwrap_engine(engine_compress(sparse_slots(input$columns), cells, as.integer(settings$threads), report))
  })
  data <- c(list(sums = input$sums), compressed)
  list(kind = "leaves", genes = genes, samples = input$labels, may_miss = FALSE, data = data)
}

# Genes of compressed cells.
leaf_genes <- function(data, rows) {
  data$sums <- data$sums[, rows, drop = FALSE]
  data$nodes <- ragged_genes(data$nodes, rows)
  data$histogram <- ragged_genes(data$histogram, rows)
  data
}

# Places of genes in vectors whose parts p[g] + 1, ..., p[g + 1] belong to gene g.
gene_places <- function(part, rows) sequence(part$p[rows + 1L] - part$p[rows], part$p[rows] + 1L)

# Genes of a list of such vectors.
ragged_genes <- function(part, rows) {
  sizes <- diff(part$p)[rows]
  at <- gene_places(part, rows)
  values <- lapply(part[names(part) != "p"], `[`, at)
  c(list(p = c(0L, as.integer(cumsum(sizes)))), values)
}

# Compressed cells in which these leaves have none.
without_leaves <- function(data, leaves) {
  data$sums[leaves, ] <- 0
  is_kept <- function(part) !(part$leaf + 1L) %in% leaves
  for (name in c("nodes", "histogram")) {
    part <- data[[name]]
    kept <- is_kept(part)
    values <- lapply(part[names(part) != "p"], `[`, kept)
    data[[name]] <- c(list(p = c(0L, as.integer(cumsum(kept)))[part$p + 1L]), values)
  }
  data$rule <- lapply(data$rule, `[`, is_kept(data$rule))
  data
}

leaf_block <- function(source) {
  data <- source$data
  counts <- c(list(dense = as.double(data$sums)), data[c("nodes", "rule", "histogram")])
  list(n = n_samples(source), genes = source$genes, counts = counts, may_miss = FALSE)
}
