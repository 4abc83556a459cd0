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
