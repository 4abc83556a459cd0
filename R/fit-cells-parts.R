# What the readers of a fit of cells share: leaves by name, captures, the counts of a gene, work in steps.

check_cells <- function(fit, argument = "fit") {
  if (is_cells(fit)) return(invisible(fit))
  caller <- sys.call(-1)
  given <- class(fit)[1]
  abort_twill("argument", c("{.arg {argument}} must be a fit of class {.cls twillcells}, made by {.fn twill_cells}.",
                            "x" = "It is of class {.cls {given}}.", if (is_one(fit)) of_one_response(caller)))
}

leaf_labels <- function(fit) fit$job$source$samples

# Variables of the design that are categories: those of groups, which become columns of panels, and the others, rows.
leaf_factors <- function(fit) {
  data <- model.frame.twillgenes(fit)
  if (is_rows(fit)) data <- cell_leaves(fit)
  names <- names(data)[vapply(data, is_category, TRUE)]
  groups <- unlist(lapply(model_of(fit)$design$terms, `[[`, "vars"))
  list(groups = intersect(names, groups), others = setdiff(names, groups))
}

# Leaves by label, number, or values of the design's variables, c(donor = "D1", condition = "ctrl").
pick_leaves <- function(fit, leaf, data = model.frame.twillgenes(fit), known = column_samples(fit)) {
  if (is.null(leaf)) return(seq_along(known))
  if (length(leaf) > 0 && !is.null(names(leaf))) return(leaves_with(leaf, data, known))
  if (is.character(leaf) && length(leaf) > 0 && all(leaf %in% known)) return(columns_of(leaf, known))
  labels <- if (is_screen(fit)) unique(known) else known
  if (is.numeric(leaf) && length(leaf) > 0 && all(leaf %in% seq_along(labels))) {
    return(if (is_screen(fit)) columns_of(labels[leaf], known) else leaf)
  }
  given <- given_value(leaf)
  abort_twill("leaf", c("{.arg leaf} must name values of the design's variables, or leaves.", "x" = "It is {.val {given}}.",
                        "i" = "Leaves are {.val {some(labels, 20)}}.",
                        "i" = "Say {.code c({names(data)[1]} = )} for all that have a value."))
}

# Of a screen a sample has a column per guide.
columns_of <- function(names, known) unlist(lapply(names, function(name) which(known == name)))

leaves_with <- function(leaf, data, known) {
  unknown <- setdiff(names(leaf), names(data))
  if (length(unknown) > 0) {
    abort_twill("leaf", c("{.arg leaf} names what is no variable of the design: {.val {unknown}}.",
                          did_you_mean(unknown[1], names(data)), "i" = "Its variables are {.val {names(data)}}."))
  }
  same <- lapply(names(leaf), function(name) level_text(data[[name]]) %in% text_like(leaf[[name]], data[[name]]))
  found <- which(Reduce(`&`, same))
  if (length(found) > 0) return(found)
  given <- paste(names(leaf), "=", vapply(leaf, toString, ""))
  abort_twill("leaf", c("There is no leaf with {.val {given}}.", "i" = "There are {.val {some(unique(known), 20)}}."))
}

# Sums of captures of the cells of each leaf.
leaf_exposures <- function(fit) {
  cells <- fit$job$cells
  sums_by(exp(cells$log_capture), cells$leaf, length(leaf_labels(fit)))
}

# Applies f to genes in steps, so that draws x leaves x genes stay small, and returns the list of its values.
in_gene_steps <- function(fit, at, f, numbers = 4e6) {
  size <- max(1, floor(numbers / (n_set_draws(fit) * length(leaf_labels(fit)))))
  lapply(unname(split(at, ceiling(seq_along(at) / size))), f)
}

# Draws evenly spaced over the posterior.
spaced_draws <- function(fit, ndraws) {
  all <- n_set_draws(fit)
  unique(round(seq(1, all, length.out = min(all, check_whole(ndraws, "ndraws", 1, 1e6)))))
}

# Sums of counts, leaf x gene.
leaf_count_sums <- function(fit, at) {
  if (is_rows(fit)) return(row_sums_by_leaf(fit, row_counts(fit, at)))
  fit$job$source$data$sums[, fit$posterior$rows[at], drop = FALSE]
}

# How many cells have which count of a gene: list(value, number), `number` a matrix value x leaf. Zero always comes first.
gene_histogram <- function(fit, row, leaves = seq_along(fit$job$cells$n)) {
  if (is_rows(fit)) return(row_histogram(fit, row, leaves))
  if (has_sample_units(fit)) return(sample_histogram(fit, row))
  h <- fit$job$source$data$histogram
  at <- gene_places(h, row)
  at <- at[(h$leaf[at] + 1L) %in% leaves]
  value <- c(0, sort(unique(h$value[at])))
  number <- matrix(0, length(value), length(leaves))
  number[cbind(match(h$value[at], value), match(h$leaf[at] + 1L, leaves))] <- h$number[at]
  number[1, ] <- fit$job$cells$n[leaves] - colSums(number)
  list(value = value, number = number)
}

# The captures of a leaf's cells in groups of equal size: list(capture, number). Up to `n` cells stand for themselves.
capture_groups <- function(fit, leaf, n = 40) {
  capture <- sort(exp(fit$job$cells$log_capture[fit$job$cells$leaf == leaf]))
  group <- ceiling(seq_along(capture) * min(1, n / length(capture)))
  list(capture = as.numeric(tapply(capture, group, mean)), number = as.numeric(table(group)))
}

# The values of one gene of a block.
block_column <- function(block, k) {
  if (is_dense_block(block)) return(block$counts$dense[(k - 1) * block$n + seq_len(block$n)])
  at <- gene_places(block$counts, k)
  out <- numeric(block$n)
  out[block$counts$i[at] + 1L] <- block$counts$x[at]
  out
}

# The counts of these genes in the cells of the fit, as a block. Other rows are never read or turned.
cell_counts <- function(fit, x, genes, assay) {
  input <- suppressWarnings(read_cells(x, assay, NULL))
  rows <- match(genes, input$genes)
  if (anyNA(rows)) {
    missing <- genes[is.na(rows)]
    abort_twill("genes", c("{.arg x} has no row {.val {some(missing)}}.",
                           if (any(pooled_gene(fit) %in% missing)) {
                             c("i" = "{.val {pooled_gene(fit)}} stands for the genes that were pooled.")
                           }))
  }
  block <- read_block(new_source(input$counts[rows, columns_of_cells(fit, input$names), drop = FALSE]))
  check_fitted_counts(fit, genes, vapply(seq_along(genes), block_column, numeric(block$n), block = block))
  block
}

# Where in `x`, whose columns have these names, the cells of the fit are: by name, so that the whole serves a fit of one type, and
# without names where they were.
columns_of_cells <- function(fit, names) {
  own <- fit$job$cells$names
  used <- fit$job$cells$rows
  found <- match(own, names)
  is_clear <- anyDuplicated(own) == 0 && anyDuplicated(names) == 0
  if (is_clear && !anyNA(found)) return(found)
  has_names <- function(names, at) !identical(names, sprintf("cell%d", at))
  if (is_clear && has_names(own, used) && has_names(names, seq_along(names))) {
    missing <- own[is.na(found)]
    abort_twill("genes", c("{.arg x} must hold the cells of the fit.",
                           "x" = "It lacks {length(missing)} of {length(own)}: {.val {some(missing)}}."))
  }
  if (length(names) >= max(used)) return(used)
  abort_twill("genes", c("{.arg x} must hold the cells of the fit.",
                         "x" = "It has {length(names)} column{?s}, and the fit used column {max(used)}."))
}

# Counts, cell x gene, against the sums of leaves that the fit has.
check_fitted_counts <- function(fit, genes, counts) {
  known <- leaf_count_sums(fit, match(genes, set_genes(fit)))
  off <- which(colSums(abs(row_sums_by_leaf(fit, counts) - known) > 1e-6 * pmax(1, abs(known))) > 0)
  if (length(off) > 0) abort_counts(genes[off[1]])
}

abort_counts <- function(gene) {
  abort_twill("genes", c("{.arg x} does not hold the counts that were fitted.", "x" = "It differs in gene {.val {gene}}.",
                         "i" = "Without names of cells, {.arg x} has the columns of the fit in their order."))
}
