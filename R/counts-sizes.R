# Size factors: how much of each sample was sequenced, given or estimated, and the offsets made of them.

size_factor_kinds <- c("sizeFactors", "typical", "normed_sum", "ratio", "poscounts", "none")

# list(values, how): one positive number per sample; `x` is the design, one row per sample.
resolve_size_factors <- function(size_factors, source, scan, own, is_count, has_offset, x) {
  how <- size_factors %||% default_size_factors(own, is_count, has_offset, sum(scan$n_nonzero == n_samples(source)))
  if (is.null(size_factors) && how == "normed_sum") check_enough_for_sums(length(scan$n_nonzero))
  if (is.numeric(how)) return(list(values = check_size_factors(how, "size_factors", source$samples), how = "given"))
  how <- check_choice(how, "size_factors", size_factor_kinds)
  values <- switch(how,
    none = rep(1, n_samples(source)),
    typical = typical_size_factors(source, x),
    sizeFactors = own_size_factors(own, source$samples),
    normed_sum = sum_size_factors(scan$sample_total, source$samples),
    ratio = ratio_size_factors(source),
    poscounts = poscounts_size_factors(source))
  list(values = check_size_factors(values, "size_factors", source$samples), how = how)
}

# Size factors divide counts; of other values their logarithms would be taken off, whatever scale these are on.
refuse_sizes_of_values <- function(size_factors) {
  if (is.null(size_factors) || identical(size_factors, "none")) return(invisible())
  abort_twill("genes", c("{.arg size_factors} divide counts: Gaussian models have none.",
                         "i" = "What a sample's values have in common goes into {.arg offset}, on their own scale."))
}

# The typical gene does not move when some respond in one direction, as sums and, less, medians do, but needs genes without zeros.
default_size_factors <- function(own, is_count, has_offset, n_without_zeros) {
  if (!is_count || has_offset) return("none")
  if (!is.null(own)) return("sizeFactors")
  if (n_without_zeros >= min_level_genes) "typical" else "normed_sum"
}

# A gene's response moves the sum of few genes as well, and is then taken off the others and itself.
fewest_for_sums <- 10

check_enough_for_sums <- function(n) {
  if (n >= fewest_for_sums) return(invisible())
  ways <- c("i" = "Give {.arg size_factors} or {.arg offset} from all genes, or all genes with {.code genes =} for those to fit.",
            "i" = "{.code size_factors = \"none\"} takes samples as sequenced alike.")
  if (n == 1) {
    abort_twill("genes", c("Size factors cannot be told from one gene: they would take its own response off it.", ways))
  }
  warn_twill("sizes", c("Size factors are the sums of {n} genes: the response of one takes about 1/{n} of it off each.", ways))
}

check_size_factors <- function(values, name, samples, what = "{.arg {name}}") {
  if (length(values) != length(samples)) {
    abort_twill("genes", c(paste(what, "must hold one number per column of {.arg x}."),
                           "x" = "There are {length(samples)} column{?s} and {length(values)} value{?s}."))
  }
  if (!is.numeric(values)) {
    given <- class(values)[1]
    abort_twill("genes", c(paste(what, "must be positive numbers."), "x" = "It is of class {.cls {given}}.",
                           "i" = "{.fn as.numeric} makes numbers of text."))
  }
  bad <- !is.finite(values) | values <= 0
  if (!any(bad)) return(as.numeric(values))
  given <- values[bad]
  abort_twill("genes", c(paste(what, "must be positive numbers."),
                         "x" = "{sum(bad)} sample{?s} {?has/have} another: {.val {some(samples[bad])}} ({.val {some(given)}}).",
                         "i" = "Samples without counts must be removed, or get a size factor of their own."))
}

# The size factors that an experiment carries, under the one name that Bioconductor gives them: `$` would take any that begins so.
carried_sizes <- function(data) data[["sizeFactor"]]

# Of sums of cells a column `sizeFactor` is left from the cells: by default it is not used.
forget_cell_sizes <- function(input, given, family, silent) {
  is_default <- is.null(given$size_factors) && is.null(given$offset) && is_count_family(family)
  if (!is_default || is.null(input$sizes) || is.null(input$data[["ncells"]])) return(input)
  inform_twill("sizes", c("The column {.field sizeFactor} of {.code colData(x)} is not used: {.field ncells} says that samples are
                           sums of cells, and size factors of cells mean nothing for sums.",
                          "i" = "{.code size_factors = \"sizeFactors\"} uses it."), silent)
  input["sizes"] <- list(NULL)
  input
}

own_size_factors <- function(own, samples) {
  if (!is.null(own)) return(check_size_factors(own, "sizeFactor", samples, "{.field {name}} of {.code colData(x)}"))
  abort_twill("genes", c("{.arg x} has no size factors.",
                         "i" = "Set them with {.code sizeFactors(x) <-}, or say {.code size_factors = \"normed_sum\"}."))
}

sum_size_factors <- function(total, samples) {
  check_size_factors(total, "size_factors", samples)
  total / exp(mean(log(total)))
}

# The shifts of the gene that does not respond to the design (counts-typical-shifts.R), of genes without a zero.
typical_size_factors <- function(source, x) exp(typical_shifts(log_ratios(source, "typical"), x))

# Median over genes of the ratio to the gene's geometric mean, of genes without a zero (Anders and Huber 2010, eq. 5).
ratio_size_factors <- function(source) exp(apply(log_ratios(source, "ratio"), 1, stats::median))

# Samples x genes without a zero.
log_ratios <- function(source, how) {
  log_ratio <- do.call(cbind, over_blocks(source, positive_log_ratios))
  if (ncol(log_ratio) > 0) return(log_ratio)
  abort_twill("genes", c("{.code size_factors = \"{how}\"} needs genes with counts in every sample: there is none.",
                         "i" = "Say {.val poscounts} or {.val normed_sum}."))
}

positive_log_ratios <- function(block) {
  is_positive <- block_gene_sums(block, function(value, i) as.numeric(value > 0)) == block$n
  logs <- log(dense_block(block_subset(block, which(is_positive))))
  logs - rep(colMeans(logs), each = block$n)
}

# Genes of a block.
block_subset <- function(block, genes) {
  if (is_dense_block(block)) {
    counts <- list(dense = as.double(matrix(block$counts$dense, block$n)[, genes]))
  } else {
    kept <- block_columns(block) %in% genes
    counts <- list(p = c(0L, cumsum(diff(block$counts$p)[genes])), i = block$counts$i[kept], x = block$counts$x[kept])
  }
  list(n = block$n, genes = block$genes[genes], counts = counts, may_miss = block$may_miss)
}

# As "ratio", with the geometric mean over all samples of the positive counts alone (zeros count as one), and ratios of
# positive counts, scaled to a geometric mean of 1. For counts with zeros in every gene.
poscounts_size_factors <- function(source) {
  parts <- over_blocks(source, positive_ratio_table)
  sample <- unlist(lapply(parts, `[[`, "sample"))
  log_ratio <- unlist(lapply(parts, `[[`, "log_ratio"))
  by_sample <- split(log_ratio, factor(sample, seq_len(n_samples(source))))
  sizes <- vapply(by_sample, stats::median, 0)
  check_size_factors(exp(sizes), "size_factors", source$samples)
  unname(exp(sizes - mean(sizes)))
}

positive_ratio_table <- function(block) {
  value <- block_values(block)
  positive <- value > 0
  if (is_dense_block(block)) {
    sample <- rep(seq_len(block$n), length(block$genes))
    gene <- rep(seq_along(block$genes), each = block$n)
  } else {
    sample <- block$counts$i + 1L
    gene <- block_columns(block)
  }
  logs <- log(value[positive])
  centre <- sums_by(logs, gene[positive], length(block$genes)) / block$n
  list(sample = sample[positive], log_ratio = logs - centre[gene[positive]])
}

# Offsets and weights ------------------------------------------------------------------------------------------------

# NULL, one number per sample, or a matrix genes x samples.
check_gene_matrix <- function(value, name, source) {
  if (is.null(value)) return(NULL)
  size <- c(n_genes(source), n_samples(source))
  fits <- is.numeric(value) && (length(value) == size[2] && is.null(dim(value)) || identical(dim(value), size))
  if (fits && all(is.finite(value))) return(value)
  shape <- if (is.null(dim(value))) length(value) else paste(dim(value), collapse = " x ")
  trouble <- if (fits) "It has values that are not finite." else "It is of class {.cls {class(value)[1]}} and size {shape}."
  abort_twill("genes", c("{.arg {name}} must hold one number per sample, or be a matrix like {.arg x}, {size[1]} x {size[2]}.",
                         "x" = trouble))
}
