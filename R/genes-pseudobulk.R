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
#' @return A SingleCellExperiment with one column per sample, named by the values of `by` joined with `"_"`. Its `colData`
#'   holds `by`, other columns that are constant within samples, and `ncells`. Errors have class
#'   `twill_error_genes` or `twill_error_package`.
#' @seealso [twill_genes()]
#' @examplesIf requireNamespace("scuttle", quietly = TRUE)
#' counts <- matrix(rpois(600, 2), 10, dimnames = list(paste0("g", 1:10), NULL))
#' cells <- S4Vectors::DataFrame(donor = gl(3, 20), condition = rep(c("ctrl", "stim"), 30))
#' sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = cells)
#' tw_pseudobulk(sce, by = c("donor", "condition"))
#' @export
tw_pseudobulk <- function(x, by, assay = "counts", min_cells = 10) {
  need_package("scuttle", "to add up cells")
  if (!is_experiment(x)) refuse_pseudobulk(x)
  assay <- pick_assay(assay, SummarizedExperiment::assayNames(x))
  check_by(by, names(SummarizedExperiment::colData(x)))
  ids <- SummarizedExperiment::colData(x)[by]
  if (!inherits(x, "SingleCellExperiment")) x <- methods::as(x, "SingleCellExperiment")
  bulk <- scuttle::aggregateAcrossCells(x, ids, use.assay.type = assay, use.altexps = FALSE, use.dimred = FALSE)
  bulk$ids <- NULL
  colnames(bulk) <- do.call(paste, c(lapply(by, function(name) level_text(bulk[[name]])), sep = "_"))
  drop_small_samples(bulk, check_whole(min_cells, "min_cells", 0, 1e9))
}

refuse_pseudobulk <- function(x) {
  given <- class(x)[1]
  abort_twill("genes", c("{.arg x} must be a SingleCellExperiment or a SummarizedExperiment.",
                         "x" = "It is of class {.cls {given}}."))
}

check_by <- function(by, known) {
  unknown <- if (is.character(by)) setdiff(by, known)
  if (is.character(by) && length(by) > 0 && length(unknown) == 0) return(invisible())
  given <- if (is.character(by)) some(unknown) else class(by)[1]
  abort_twill("genes", c("{.arg by} must name columns of {.code colData(x)}.", "x" = "There is no {.val {given}}.",
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
