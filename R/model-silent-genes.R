# Genes of continuous values that tell nothing of an effect or of its error: no values in an arm, no spread within arms.

# Genes whose values a design explains without a rest: the residual standard deviation would go to zero, and any effect be exact.
genes_without_spread <- function(source, model) {
  columns <- list(model$design$x, explaining_columns(model$design))
  in_block <- function(block) {
    y <- dense_block(block) - model$design$offset
    Reduce(`|`, lapply(compact(columns), function(x) exact_genes(x, y)))
  }
  unlist(over_blocks(source, in_block))
}

# Population-level columns and those of the levels of groups; NULL where there are too many to ask.
explaining_columns <- function(design, most = 5e6) {
  n <- nrow(design$x)
  width <- sum(vapply(design$terms, function(term) length(term$levels) * ncol(term$z), 0))
  if (width == 0 || (ncol(design$x) + width) * n > most) return(NULL)
  of_term <- function(term) {
    level <- outer(term$codes, seq_along(term$levels), `==`) + 0
    do.call(cbind, lapply(seq_len(ncol(term$z)), function(j) level * term$z[, j]))
  }
  do.call(cbind, c(list(design$x), lapply(design$terms, of_term)))
}

# Whether each column of y is a combination of columns of x, though it has more values than these can always explain.
exact_genes <- function(x, y) {
  pattern <- missing_patterns(is.na(y))
  out <- logical(ncol(y))
  for (genes in split(seq_len(ncol(y)), pattern)) {
    used <- !is.na(y[, genes[1]])
    decomposed <- qr(x[used, , drop = FALSE])
    if (decomposed$rank >= sum(used)) next
    values <- y[used, genes, drop = FALSE]
    rest <- colSums(qr.resid(decomposed, values)^2)
    centred <- values - rep(colMeans(values), each = nrow(values))
    # What rounding leaves, of the values and of their differences.
    out[genes] <- rest <= pmax(1e-26 * colSums(values^2), 1e-20 * colSums(centred^2))
  }
  out
}

# A number for each column of a logical matrix, the same where columns are the same.
missing_patterns <- function(missing) {
  keys <- rep("", ncol(missing))
  some <- which(colSums(missing) > 0)
  keys[some] <- apply(missing[, some, drop = FALSE], 2, function(column) paste(which(column), collapse = " "))
  match(keys, unique(keys))
}

# Genes whose samples with values leave a coefficient without data: it is the prior's alone.
genes_without_arm <- function(x, weights) {
  if (is.null(weights)) return(FALSE)
  unused <- weights == 0
  pattern <- missing_patterns(unused)
  first <- match(seq_len(max(pattern)), pattern)
  lost <- vapply(first, function(g) qr(x[!unused[, g], , drop = FALSE])$rank < ncol(x), TRUE)
  lost[pattern]
}
