# Help pages of the data sets shipped with the package.

#' A slice of a pooled CRISPR knock-out screen
#'
#' Twelve genes in twenty cancer cell lines, each gene knocked out by four guides
#' and each line screened twice: guides are nested in genes and crossed with cell
#' lines. All genes are on DepMap's list of candidate expression addictions, genes
#' that cells need more where they express them more, such as `SOX10` in melanoma.
#' The twelve were picked to show both: a slope of the response on `rna` that is
#' clearly negative (`SOX10`, `HNF1B`, `PAX8`, ...) and one near zero (`GNS`, `LYL1`,
#' `TNS4`). They are an example, not a sample from which to estimate how common
#' such dependence is.
#'
#' `lfc` is log2(reads per million + 1) of the sample, less the mean of the same
#' over the plasmid samples of its batch: negative where cells without the gene
#' were lost. The lines were chosen by quality and by `rna` (for every gene the
#' two lines that express it most, then others by name), not by the response.
#'
#' @format A data frame with 1920 rows and 7 columns:
#' \describe{
#'   \item{gene}{factor, 12 levels: gene symbol}
#'   \item{guide}{factor, 48 levels: sequence of the guide, each in one gene}
#'   \item{cell_line}{factor, 20 levels: DepMap identifier of the cell line}
#'   \item{replicate}{factor, 2 levels: screen replicate within cell line}
#'   \item{lfc}{log2 fold change of the guide from plasmid to final time point}
#'   \item{rna}{expression of the gene in the line, log2(TPM + 1)}
#'   \item{copy_number}{copy number of the gene in the line, relative to diploid (1)}
#' }
#' @source DepMap, Broad Institute (public data, CC BY 4.0), in the form that
#'   accompanies the program Chronos (copyright Joshua M. Dempster, BSD licence),
#'   <https://github.com/broadinstitute/chronos>. Terms and citation:
#'   `system.file("extdata", "README.md", package = "twill")`.
#' @references
#' Dempster JM et al. (2021). Chronos: a cell population dynamics model of CRISPR
#' experiments that improves inference of gene fitness effects. *Genome Biology*
#' 22, 343. \doi{10.1186/s13059-021-02540-7}
#' @examples
#' str(depmap_screen)
#' with(depmap_screen, tapply(lfc, gene, mean))
#' @name depmap_screen
#' @docType data
#' @usage depmap_screen
#' @keywords datasets
NULL

#' Single cells of glioblastoma, treated and not
#'
#' Slices of the tumours of five patients, each kept with vehicle (`ctrl`) or with 0.2 uM of the histone deacetylase
#' inhibitor panobinostat, then single-cell RNA sequencing: the paired design, donor by condition. Of each of the ten
#' samples 500 cells; of the genes 200, taken from the 300 with most counts. Cells are a mix of types (tumour, myeloid
#' and others), which the data do not name. It is an example, small enough to fit in seconds: the genes were chosen for
#' their counts, so that many are ribosomal, and a change of the library as a whole cannot be seen in them.
#'
#' Known of this experiment: metallothioneins (`MT2A`, `MT1E`, `MT1G`) go up, mitochondrial transcripts (`MT-RNR2`,
#' `MT-CO1`) and genes of myeloid cells (`SPP1`, `APOC1`) go down.
#'
#' @format A list of two:
#' \describe{
#'   \item{counts}{sparse matrix (`dgCMatrix`) of UMI counts, 200 genes (symbols) x 5000 cells}
#'   \item{cells}{data frame with one row per cell: factors `donor` (5 levels), `condition` (`ctrl`, `panobinostat`),
#'     `sample` (10, donor and run), `run` (identifier of the treatment in the source) and `sex`; `age` in years;
#'     `total_counts_300` and `genes_detected_300`, counts and genes of the cell among the source's 300}
#' }
#' The attribute `methods_of` has Matrix loaded with the data.
#' @source Data set `glioblastoma_example_data` of the Bioconductor package lemur (copyright lemur authors, MIT licence),
#'   <https://github.com/const-ae/lemur>. Terms: `system.file("extdata", "README.md", package = "twill")`.
#' @references
#' Zhao W et al. (2021). Deconvolution of cell type-specific drug responses in human tumor tissue with single-cell
#' RNA-seq. *Genome Medicine* 13, 82. \doi{10.1186/s13073-021-00894-y}
#' @examples
#' with(glioblastoma$cells, table(donor, condition))
#' glioblastoma$counts[c("MT2A", "SPP1"), 1:6]
#'
#' # As Bioconductor has it
#' \donttest{
#' if (requireNamespace("SingleCellExperiment", quietly = TRUE)) {
#'   SingleCellExperiment::SingleCellExperiment(list(counts = glioblastoma$counts),
#'                                              colData = glioblastoma$cells)
#' }
#' }
#' @name glioblastoma
#' @docType data
#' @usage glioblastoma
#' @keywords datasets
NULL
