# Methods for the generics of Bioconductor, set when those packages are loaded: none of them is needed to use this one.

# Where the methods live: a namespace is closed by the time that BiocGenerics may be loaded.
bioc_methods <- new.env()

.onLoad <- function(libname, pkgname) {
  for (owner in names(bioc_definitions)) when_loaded(owner)
  set_refused_verbs()
  set_tidy_methods()
}

when_loaded <- function(owner) {
  force(owner)
  if (isNamespaceLoaded(owner)) return(set_bioc_methods(owner))
  setHook(packageEvent(owner, "onLoad"), function(...) set_bioc_methods(owner))
}

set_bioc_methods <- function(owner) {
  methods::setOldClass("twillgenes", where = bioc_methods)
  for (class in c("twillcells", "twillrows", "twill_screen", "twill_partial")) {
    methods::setOldClass(c(class, "twillgenes"), where = bioc_methods)
  }
  for (name in names(bioc_definitions[[owner]])) {
    methods::setMethod(getExportedValue(owner, name), "twillgenes", bioc_definitions[[owner]][[name]], where = bioc_methods)
  }
}

#' Fits of genes and the generics of Bioconductor
#'
#' When BiocGenerics is loaded, fits of class `twillgenes` answer to `sizeFactors()` (one number per sample), `counts()` (genes x
#' samples, sparse if the data were; for fits of cells sums over the cells of each leaf, and `sizeFactors()` are their summed
#' captures, as the counts of single cells are not kept), `design()`, `plotMA(fit, results, alpha)` and `plotDispEsts()` (see
#' [plot.twillgenes()]); when DESeq2 is, also to its `dispersions()` (posterior means of `1 / shape`, or of `sigma`).
#'
#' @name twillgenes-bioconductor
#' @examplesIf requireNamespace("BiocGenerics", quietly = TRUE)
#' counts <- matrix(rpois(60, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ x, col_data = data.frame(x = gl(2, 5)), iter = 200, seed = 1)
#' BiocGenerics::sizeFactors(fit)
#' BiocGenerics::design(fit)
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
    sizeFactors = of_set(function(fit) stats::setNames(fit$job$sizes$values, fit$job$source$samples)),
    counts = of_set(function(fit) set_counts(fit)), design = of_set(function(fit) formula.twillgenes(fit)),
    plotDispEsts = of_set(function(fit) dispersion_plot(fit)),
    plotMA = function(object, results = NULL, alpha = 0.05, ...) {
      plot.twillgenes(check_set(object), "ma", results, alpha = alpha, ...)
    }),
  DESeq2 = list(dispersions = of_set(function(fit) stats::setNames(set_dispersions(fit), set_genes(fit)))))

# The values that were fitted, genes x samples.
set_counts <- function(fit) {
  source <- source_genes(fit$job$source, fit$posterior$rows)
  counts <- if (source$kind == "leaves") t(source$data$sums) else source_matrix(source)
  dimnames(counts) <- list(set_genes(fit), source$samples)
  counts
}
