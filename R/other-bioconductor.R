# Methods for the generics of Bioconductor, set when those packages are loaded: none of them is needed to use this one.

# S4 methods and slots see fits by these names, whatever stands first in the class of one.
methods::setOldClass(c("twillfit", "twill_model"))
methods::setOldClass(c("twillgenes", "twill_model"))
methods::setOldClass(c("twillcells", "twillgenes"))
methods::setOldClass(c("twillrows", "twillgenes"))
methods::setOldClass(c("twill_screen", "twillgenes"))
methods::setOldClass(c("twill_partial", "twillgenes"))

set_bioconductor_methods <- function() {
  for (owner in names(bioc_definitions)) when_loaded(owner, set_bioc_methods)
  for (class in names(bioc_experiments)) when_loaded(bioc_experiments[[class]], set_coercion, class)
}

when_loaded <- function(owner, set, what = owner) {
  force(set)
  force(what)
  on_load(owner, function(...) set(what))
}

set_bioc_methods <- function(owner) {
  for (name in names(bioc_definitions[[owner]])) {
    methods::setMethod(getExportedValue(owner, name), "twillgenes", bioc_definitions[[owner]][[name]], where = bioc_methods)
  }
}

set_coercion <- function(class) {
  methods::setAs("twillgenes", class, function(from) as_experiment(from, class), where = bioc_methods)
}

#' Fits of genes and Bioconductor
#'
#' Fits by [twill_genes()], [twill_cells()] and [twill_screen()] answer to the generics of Bioconductor once the packages that own
#' these are loaded, before this one or after it, and become experiments by `as(fit, "SummarizedExperiment")`.
#'
#' @details
#' With BiocGenerics `counts()` (rows x columns as fitted, sparse or on disk if the data were), `sizeFactors()` (one number per
#' column), `design()`, `plotMA(fit, results, alpha)` and `plotDispEsts()` (see [plot.twillgenes()]); with DESeq2 `dispersions()`
#' (posterior means of `1 / shape`, or of `sigma`, one per gene); with SummarizedExperiment `colData()`, `rowData()`, `assay()`,
#' `assays()` and `assayNames()` of what the fit is as an experiment.
#'
#' With SummarizedExperiment loaded `as(fit, "SummarizedExperiment")` (also `"RangedSummarizedExperiment"`, and with its package
#' `"SingleCellExperiment"`) has
#' * the assay that was fitted, `counts` or for Gaussian models `logcounts`. Sparse counts stay sparse, those on disk stay there.
#'   `twill_cells()` does not keep the counts of single cells: columns are its leaves, such as donor by condition, with the sums
#'   over their cells, a pseudobulk. Where covariates differ from cell to cell, columns are cells.
#' * `colData()`: what is known of each column, and its `sizeFactor`. Of leaves also `ncells`, `median_total` and
#'   `median_capture` of their cells; their size factors are summed captures.
#' * `rowData()`: `status` with `message`, `rhat`, `ess`, `divergent`, `khat`, `n_used`, `n_nonzero`, `total`, `baseMean` and
#'   `dispersion`, described in `mcols()`. Genes that were not fitted keep their row, with status `"skipped"`, the reason as
#'   `message`, and `NA` elsewhere. A fit that was cut by `[` has the rows of its own genes.
#' * `metadata()`: `design`, `family` and `seed`.
#'
#' Rows of a screen are guides, with `gene`, `guide` and mean `plasmid` counts before the values of their gene; columns are
#' samples.
#'
#' [tw_row_data()] puts tables of results beside the data of an experiment.
#'
#' @name twillgenes-bioconductor
#' @rawNamespace exportClasses(twill_model, twillfit, twillgenes, twillcells, twillrows, twill_screen)
#' @examplesIf requireNamespace("SummarizedExperiment", quietly = TRUE)
#' counts <- matrix(rpois(60, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ x, col_data = data.frame(x = gl(2, 5)), iter = 200, seed = 1)
#' BiocGenerics::sizeFactors(fit)
#' BiocGenerics::design(fit)
#' as(fit, "SummarizedExperiment")
NULL

# A method that takes the fit alone.
of_set <- function(f) {
  force(f)
  function(object, ...) {
    check_no_dots(...)
    f(check_set(object))
  }
}

bioc_definitions <- list(
  BiocGenerics = list(
    sizeFactors = of_set(function(fit) column_size_factors(fit)), counts = of_set(function(fit) fitted_counts(fit)),
    design = of_set(function(fit) formula.twill_model(fit)), plotDispEsts = of_set(function(fit) dispersion_plot(fit)),
    plotMA = function(object, results = NULL, alpha = 0.05, ...) {
      plot.twillgenes(check_set(object), "ma", results, alpha = alpha, ...)
    }),
  DESeq2 = list(dispersions = of_set(function(fit) stats::setNames(set_dispersions(fit), set_genes(fit)))),
  # Arguments are those of the generics.
  SummarizedExperiment = list(
    colData = function(x, ...) {
      check_no_dots(...)
      column_data(x)
    },
    rowData = function(x, use.names = TRUE, ...) { # nolint
      check_no_dots(...)
      described_rows(x, own_rows(x))
    },
    assayNames = function(x, ...) {
      check_no_dots(...)
      default_assay(family(x))
    },
    assays = function(x, withDimnames = TRUE, ...) { # nolint
      check_no_dots(...)
      S4Vectors::SimpleList(stats::setNames(list(fitted_counts(x)), default_assay(family(x))))
    },
    assay = function(x, i, withDimnames = TRUE, ...) { # nolint
      check_no_dots(...)
      known <- default_assay(family(x))
      if (missing(i) || i %in% c(known, 1)) return(fitted_counts(x))
      abort_twill("genes", c("A fit has one assay, {.val {known}}.", "x" = "You asked for {.val {i}}."))
    }))

# What a fit can become, by the package that owns the class.
bioc_experiments <- c(SummarizedExperiment = "SummarizedExperiment", RangedSummarizedExperiment = "SummarizedExperiment",
                      SingleCellExperiment = "SingleCellExperiment")

# limma's generic is one of S3, and masks that of BiocGenerics where it is attached later.
#' @exportS3Method limma::plotMA
plotMA.twillgenes <- function(object, ...) bioc_definitions$BiocGenerics$plotMA(object, ...) # nolint
