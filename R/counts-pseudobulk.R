# Pseudobulk: counts of cells summed by donor, condition and whatever else makes a sample.

#' Pseudobulk samples
#'
#' Adds up the counts of all cells with the same values in some columns of `colData(x)`, by
#' [scuttle::aggregateAcrossCells()]. Sample j of gene g gets \eqn{\sum_{i \in j} y_{gi}}, which is negative binomial or
#' close to it where the cells are, and has the library size \eqn{\sum_g \sum_{i \in j} y_{gi}}.
#'
#' @param x A SingleCellExperiment, or a SummarizedExperiment with cells as columns.
#' @param by Names of columns of `colData(x)`, such as `c("donor", "condition")`. Samples are their observed combinations.
#' @param assay Name of the assay of counts. Default: `"counts"`.
#' @param min_cells Samples of fewer cells are left out, with a message that names them. Default: 10.
#' @param ... Must be empty.
#' @return A SingleCellExperiment with one column per sample, named by the values of `by` joined with `"_"` (with `" | "` where
#'   two samples would have the same name). Its `colData` holds `by`, other columns that are constant within samples, and
#'   `ncells`; size factors of the cells are dropped, with a message. Errors have class
#'   `twill_error_genes` or `twill_error_package`.
#' @seealso [twill_genes()]
#' @examplesIf requireNamespace("scuttle", quietly = TRUE)
#' counts <- matrix(rpois(600, 2), 10, dimnames = list(paste0("g", 1:10), NULL))
#' cells <- S4Vectors::DataFrame(donor = gl(3, 20), condition = rep(c("ctrl", "stim"), 30))
#' sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = cells)
#' tw_pseudobulk(sce, by = c("donor", "condition"))
#' @export
tw_pseudobulk <- function(x, by, assay = "counts", min_cells = 10, ...) {
  check_no_dots(...)
  need_package("scuttle", "to add up cells")
  if (!is_experiment(x)) refuse_pseudobulk(x)
  min_cells <- check_whole(min_cells, "min_cells", 0, 1e9)
  assay <- pick_assay(assay, x)
  data <- plain_columns(SummarizedExperiment::colData(x), NULL)
  by <- check_by(by, names(SummarizedExperiment::colData(x)), data)
  if (!inherits(x, "SingleCellExperiment")) x <- methods::as(x, "SingleCellExperiment")
  known <- which(stats::complete.cases(data[by]))
  say_without_by(nrow(data) - length(known), by)
  drop_small_samples(add_up_cells(x[, known], data[known, , drop = FALSE], by, assay), min_cells)
}

say_without_by <- function(n, by) {
  if (n > 0) inform_twill("missing", "Dropped {n} cell{?s} with a missing value in {.field {by}}.")
}

# Columns are merged here and not by scuttle, which repeats `by` and cannot take all kinds.
add_up_cells <- function(x, data, by, assay) {
  if (ncol(x) == 0) abort_twill("genes", "{.arg x} has no cell with known {.field {by}}: there is nothing to add up.")
  ids <- S4Vectors::DataFrame(data[by], check.names = FALSE)
  SummarizedExperiment::colData(x) <- ids
  # scuttle asks for the assays' names.
  if (is.null(SummarizedExperiment::assayNames(x))) SummarizedExperiment::assayNames(x)[assay] <- "counts"
  bulk <- scuttle::aggregateAcrossCells(x, ids, use.assay.type = assay, use.altexps = FALSE, use.dimred = FALSE)
  keys <- function(columns) do.call(paste, c(lapply(by, function(name) as.character(columns[[name]])), sep = "\r"))
  sample <- match(keys(data), keys(SummarizedExperiment::colData(bulk)))
  n_cells <- bulk$ncells
  columns <- S4Vectors::DataFrame(sample_columns(data, sample, by), ncells = n_cells, check.names = FALSE)
  SummarizedExperiment::colData(bulk) <- columns
  colnames(bulk) <- sample_names(columns[by])
  bulk
}

# Of each sample the values that its cells have in common. Size factors of cells mean nothing for their sums.
sample_columns <- function(data, sample, by) {
  if (!is.null(carried_sizes(data))) {
    inform_twill("sizes", c("The size factors of the cells are dropped: they mean nothing for sums.",
                            "i" = "{.fn twill_genes} finds those of the samples."))
  }
  first <- match(seq_len(max(sample)), sample)
  is_constant <- function(column) identical(as.vector(column), as.vector(column)[first[sample]])
  kept <- vapply(data, is_constant, TRUE) & !names(data) %in% c("sizeFactor", "ncells")
  data[first, kept | names(data) %in% by, drop = FALSE]
}

# "a_b" with "c" and "a" with "b_c" would have one name.
sample_names <- function(columns) {
  joined <- function(sep) do.call(paste, c(lapply(as.list(unname(columns)), level_text), sep = sep))
  names <- joined("_")
  if (anyDuplicated(names)) make.unique(joined(" | ")) else names
}

refuse_pseudobulk <- function(x) {
  given <- class(x)[1]
  abort_twill("genes", c("{.arg x} must be a SingleCellExperiment or a SummarizedExperiment.",
                         "x" = "It is of class {.cls {given}}.",
                         "i" = if (is_seurat(x)) "{.code Seurat::as.SingleCellExperiment(x)} makes one."))
}

check_by <- function(by, known, data, where = "colData(x)") {
  unknown <- if (is.character(by)) setdiff(by, known)
  fine <- is.character(by) && length(by) > 0 && length(unknown) == 0
  if (fine && all(by %in% names(data))) return(unique(by))
  if (fine) refuse_odd_columns(by, data, sprintf("`%s`", where))
  given <- if (is.character(by)) some(unknown) else class(by)[1]
  abort_twill("genes", c("{.arg by} must name columns of {.code {where}}.", "x" = "There is no {.val {given}}.",
                         if (length(unknown)) did_you_mean(unknown[1], known), "i" = "There are {.val {some(known, 20)}}."))
}

drop_small_samples <- function(bulk, min_cells) {
  small <- bulk$ncells < min_cells
  if (!any(small)) return(bulk)
  if (all(small)) abort_twill("genes", "No sample has {.arg min_cells} = {min_cells} cells: the largest has {max(bulk$ncells)}.")
  shown <- sprintf("%s (%d)", colnames(bulk)[small], as.integer(bulk$ncells[small]))
  inform_twill("genes", "Left out {sum(small)} sample{?s} of fewer than {min_cells} cells: {.val {some(shown, 10)}}.")
  bulk[, !small]
}
