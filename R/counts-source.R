# Sources of counts: sparse, dense or on disk, genes x observations outside, read as observations x genes in blocks.

# list(kind, data, genes, may_miss, samples). Sparse counts are turned once, so that those of a gene lie together, and are never
# made dense. Arrays on disk stay there.
# `may_miss` says that missing counts are rows that do not exist (and not mistakes).
new_source <- function(x, may_miss = FALSE) {
  x <- plain_column(x)
  kind <- source_kind(x)
  check_any_row(x)
  data <- switch(kind, sparse = Matrix::t(as_compressed(x)), dense = unname(as.matrix(x)), delayed = x)
  list(kind = kind, data = data, genes = gene_names(rownames(x), nrow(x)), may_miss = may_miss,
       samples = colnames(x) %||% sprintf("sample%d", seq_len(ncol(x))))
}

check_any_row <- function(x) {
  if (nrow(x) > 0) return(invisible())
  abort_twill("genes", c("{.arg x} has no rows: there is no gene.", "i" = "Genes are its rows, samples its columns."))
}

source_kind <- function(x) {
  if (inherits(x, "DelayedMatrix")) return("delayed")
  if (inherits(x, "sparseMatrix")) return("sparse")
  if ((is.matrix(x) && (is.numeric(x) || is.logical(x))) || inherits(x, "Matrix")) return("dense")
  given <- if (is.matrix(x)) paste(typeof(x), "matrix") else class(x)[1]
  kinds <- paste("It may be a SummarizedExperiment, a SingleCellExperiment, a matrix, a sparse matrix or a DelayedMatrix;",
                 "{.fn twill_genes} also takes a data frame with one row per gene and sample ({.arg gene}).")
  abort_twill("genes", c("{.arg x} must hold numbers, one row per gene and one column per sample or cell.",
                         "x" = "It is of class {.cls {given}}.", "i" = way_to_matrix(x) %||% kinds))
}

# How to make a matrix of what people have, as a cli message. Other things get none.
way_to_matrix <- function(x) {
  if (is.data.frame(x)) return(table_to_matrix(x))
  if (is.matrix(x) && is.character(x)) return("{.code storage.mode(x) <- \"numeric\"} makes numbers of text.")
  if (is.character(x) && length(x) == 1) return("Is it a file? Read it: {.code as.matrix(read.csv(x, row.names = 1))}.")
  if (is.numeric(x) && is.null(dim(x))) {
    return("A matrix of one column is {.code as.matrix(x)}, but a model needs several samples.")
  }
  if (is.numeric(x) && length(dim(x)) > 2) return(cli_verbatim("It has %s dimensions and must have two.", length(dim(x))))
}

# Names of genes stand in a column of text, or as row names.
table_to_matrix <- function(x) {
  named <- which(vapply(x, function(column) is.character(column) || is.factor(column), TRUE))
  if (length(named) == 0) return("Make a matrix of a table with one column per sample: {.code as.matrix(x)}.")
  drop <- if (length(named) == 1) unname(named) else sprintf("c(%s)", toString(named))
  cli_verbatim("Make a matrix of a table with one column per sample: {.code m <- as.matrix(x[, -%s]); rownames(m) <- x[[%s]]}.",
               as.character(drop), as.character(named[[1]]))
}

# Any sparse class as dgCMatrix, by the steps that old and new versions of Matrix share.
as_compressed <- function(x) {
  if (inherits(x, "dgCMatrix")) return(x)
  methods::as(methods::as(methods::as(x, "dMatrix"), "generalMatrix"), "CsparseMatrix")
}

gene_names <- function(names, n) {
  if (is.null(names)) return(sprintf("gene%d", seq_len(n)))
  nameless <- is.na(names) | names == ""
  unique <- unique_names(names, n)
  twice <- base::unique(names[duplicated(names) & !nameless])
  if (any(nameless)) {
    warn_twill("genes", c("{sum(nameless)} row{?s} of {.arg x} {?has/have} no name.",
                          "i" = "{?It is/They are} called {.val {some(unique[nameless])}}."))
  }
  if (length(twice)) {
    warn_twill("genes", c("{length(twice)} gene name{?s} stand{?s/} for more than one row: {.val {some(twice)}}.",
                          "i" = "The later rows are called {.val {unique[names %in% twice[1]][2]}} and so on."))
  }
  unique
}

# One name per row, none of them missing or empty: what a row of `x` is called in a fit.
unique_names <- function(names, n) {
  if (is.null(names)) return(sprintf("gene%d", seq_len(n)))
  nameless <- is.na(names) | names == ""
  free <- setdiff(sprintf("NA.%d", seq_len(n)), names)
  names[nameless] <- utils::head(free, sum(nameless))
  make.unique(names, sep = ".")
}

n_genes <- function(source) length(source$genes)
n_samples <- function(source) length(source$samples)

source_genes <- function(source, rows) {
  data <- source$data
  load_class(data)
  source$data <- switch(source$kind, sparse = data[, rows, drop = FALSE], leaves = leaf_genes(data, rows),
                        data[rows, , drop = FALSE])
  source$genes <- source$genes[rows]
  source
}

# The values of a source that is in memory, genes x samples.
source_matrix <- function(source) {
  load_class(source$data)
  if (source$kind == "sparse") Matrix::t(source$data) else source$data
}

source_samples <- function(source, columns) {
  if (identical(as.integer(columns), seq_len(n_samples(source)))) return(source)
  data <- source$data
  source$data <- if (source$kind == "sparse") data[columns, , drop = FALSE] else data[, columns, drop = FALSE]
  source$samples <- source$samples[columns]
  source
}

# Blocks -----------------------------------------------------------------------------------------------------------

# The counts of all genes of a source as list(n, genes, counts), in the form that the engine takes: compressed columns
# (p, i, x) of an observations x genes matrix, or the dense matrix column by column.
read_block <- function(source) {
  if (source$kind == "leaves") return(leaf_block(source))
  data <- source$data
  is_delayed <- source$kind == "delayed"
  is_sparse <- if (is_delayed) DelayedArray::is_sparse(data) else source$kind == "sparse"
  if (is_delayed) data <- if (is_sparse) Matrix::t(methods::as(data, "dgCMatrix")) else as.matrix(data)
  counts <- if (is_sparse) sparse_slots(data) else list(dense = as.double(t(data)))
  list(n = n_samples(source), genes = source$genes, counts = counts, may_miss = source$may_miss)
}

sparse_slots <- function(m) list(p = m@p, i = m@i, x = m@x)

is_dense_block <- function(block) !is.null(block$counts$dense)

block_values <- function(block) block$counts$dense %||% block$counts$x

dense_block <- function(block) {
  if (is_dense_block(block)) return(matrix(block$counts$dense, block$n))
  at <- cbind(block$counts$i + 1L, block_columns(block))
  out <- matrix(0, block$n, length(block$genes))
  out[at] <- block$counts$x
  out
}

# The gene of each stored value.
block_columns <- function(block) rep(seq_along(block$genes), diff(block$counts$p))

zero_missing <- function(block) {
  where <- if (is_dense_block(block)) "dense" else "x"
  block$counts[[where]][is.na(block$counts[[where]])] <- 0
  block
}

# Sums over the observations of each gene of f(value, observation), for an f that is zero at zero. `f` is given vectors.
block_gene_sums <- function(block, f = function(value, i) value) {
  n <- length(block$genes)
  if (is_dense_block(block)) {
    value <- f(block$counts$dense, rep(seq_len(block$n), n))
    return(colSums(matrix(value, block$n)))
  }
  sums_by(f(block$counts$x, block$counts$i + 1L), block_columns(block), n)
}

block_sample_sums <- function(block) {
  if (is_dense_block(block)) return(rowSums(matrix(block$counts$dense, block$n)))
  sums_by(block$counts$x, block$counts$i + 1L, block$n)
}

sums_by <- function(values, index, n) {
  out <- numeric(n)
  if (length(values) == 0) return(out)
  sums <- rowsum(values, index, reorder = FALSE)
  out[as.integer(rownames(sums))] <- sums[, 1]
  out
}

# Ranges of genes for work in steps: so many that a dense block would stay below `cells` numbers.
gene_ranges <- function(n_genes, n_samples, cells = 2e7, most = Inf) {
  size <- max(1, min(most, floor(cells / max(1, n_samples))))
  starts <- seq(1, n_genes, by = size)
  lapply(starts, function(start) seq(start, min(n_genes, start + size - 1)))
}

# Numbers in a block. Of arrays on disk DelayedArray says how many (setAutoBlockSize()).
block_cells <- function(data, otherwise) {
  if (!inherits(data, "DelayedMatrix")) return(otherwise)
  DelayedArray::getAutoBlockLength(DelayedArray::type(data))
}

# Applies a function of a block to all genes of a source, block by block.
over_blocks <- function(source, f) {
  ranges <- gene_ranges(n_genes(source), n_samples(source), block_cells(source$data, 2e7))
  lapply(ranges, function(rows) f(read_block(source_genes(source, rows))))
}

# First look at all values -----------------------------------------------------------------------------------------

# list(total, n_nonzero, n_missing, is_constant by gene; sample_total), after a check of every value.
scan_source <- function(source, is_count) {
  parts <- over_blocks(source, function(block) scan_block(block, is_count, source$samples))
  by_gene <- function(name) unlist(lapply(parts, `[[`, name))
  list(total = by_gene("total"), n_nonzero = by_gene("n_nonzero"), n_missing = by_gene("n_missing"),
       is_constant = by_gene("is_constant"), sample_total = Reduce(`+`, lapply(parts, `[[`, "sample_total")))
}

scan_block <- function(block, is_count, samples) {
  if (is_count) check_block_counts(block, samples) else check_block_finite(block, samples)
  known <- zero_missing(block)
  list(total = block_gene_sums(known), sample_total = block_sample_sums(known),
       is_constant = !is_count & constant_genes(block),
       n_nonzero = block_gene_sums(known, function(value, i) as.numeric(value != 0)),
       n_missing = block_gene_sums(block, function(value, i) as.numeric(is.na(value))))
}

# Compared value by value: a variance computed from sums would not be exactly zero.
constant_genes <- function(block) {
  if (!is_dense_block(block)) return(constant_sparse_genes(block))
  apply(matrix(block$counts$dense, block$n), 2, function(v) length(unique(v[!is.na(v)])) < 2)
}

# Of compressed columns: all stored and equal, or none but zeros.
constant_sparse_genes <- function(block) {
  stored <- diff(block$counts$p)
  first <- block$counts$x[block$counts$p[-length(block$counts$p)] + 1L]
  first[stored == 0] <- 0
  differs <- block_gene_sums(block, function(value, i) as.numeric(value != first[block_columns(block)] | is.na(value)))
  differs == 0 & (stored == block$n | first == 0)
}

# NA where a value is missing.
is_no_count <- function(value) value < 0 | value != round(value) | value > 2^53

check_block_counts <- function(block, samples) {
  value <- block_values(block)
  bad <- which(if (block$may_miss) is_no_count(value) else is.na(value) | is_no_count(value))
  if (length(bad) == 0) return(invisible())
  at <- value_place(block, bad[1])
  abort_twill("genes", c("The counts in {.arg x} must be whole numbers from 0 to 2^53.",
                         "x" = "Gene {.val {block$genes[at$gene]}} has {.val {value[bad[1]]}} in {.val {samples[at$sample]}}.",
                         "i" = "Round expected counts with {.fn round}; for normalised values say {.code family = gaussian()}."))
}

# Missing values of a Gaussian response are left out, row by row and gene by gene.
check_block_finite <- function(block, samples) {
  bad <- which(is.infinite(block_values(block)))
  if (length(bad) == 0) return(invisible())
  at <- value_place(block, bad[1])
  abort_twill("genes", c("The values in {.arg x} must be finite.",
                         "x" = "Gene {.val {block$genes[at$gene]}} is infinite in {.val {samples[at$sample]}}."))
}

value_place <- function(block, position) {
  if (!is_dense_block(block)) {
    return(list(sample = block$counts$i[position] + 1L, gene = block_columns(block)[position]))
  }
  list(sample = (position - 1L) %% block$n + 1L, gene = (position - 1L) %/% block$n + 1L)
}
