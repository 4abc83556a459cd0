# Pseudobulk tests of other packages, each as a function of counts, samples and size factors (NULL: the package's own).
#
# Each returns a data frame with log2 `estimate`, `padj`, and an interval if the package has a standard error.

deseq2_test <- function(design) function(counts, samples, sizes) {
  samples$donor <- factor(samples$donor)
  data <- DESeq2::DESeqDataSetFromMatrix(counts, samples, design)
  if (is.null(sizes)) data <- DESeq2::estimateSizeFactors(data) else DESeq2::sizeFactors(data) <- sizes / exp(mean(log(sizes)))
  res <- DESeq2::results(DESeq2::DESeq(data, quiet = TRUE), name = "condition_treated_vs_control", independentFiltering = FALSE)
  data.frame(estimate = res$log2FoldChange, padj = stats::p.adjust(res$pvalue, "BH"),
             lower = res$log2FoldChange - 1.96 * res$lfcSE, upper = res$log2FoldChange + 1.96 * res$lfcSE)
}

edger_test <- function(counts, samples, sizes) {
  design <- stats::model.matrix(~ donor + condition, samples)
  data <- edgeR_list(counts, sizes)
  fit <- edgeR::glmQLFit(edgeR::estimateDisp(data, design), design)
  table <- edgeR::glmQLFTest(fit, coef = "conditiontreated")$table
  data.frame(estimate = table$logFC, padj = stats::p.adjust(table$PValue, "BH"), lower = NA, upper = NA)
}

edgeR_list <- function(counts, sizes) {
  data <- edgeR::DGEList(counts)
  if (is.null(sizes)) return(edgeR::calcNormFactors(data))
  data$samples$norm.factors <- sizes / data$samples$lib.size / exp(mean(log(sizes / data$samples$lib.size)))
  data
}

limma_test <- function(counts, samples, sizes) {
  design <- stats::model.matrix(~ donor + condition, samples)
  fit <- limma::eBayes(limma::lmFit(limma::voom(edgeR_list(counts, sizes), design), design))
  table <- limma::topTable(fit, coef = "conditiontreated", number = Inf, sort.by = "none", confint = TRUE)
  data.frame(estimate = table$logFC, padj = table$adj.P.Val, lower = table$CI.L, upper = table$CI.R)
}

# Those that are installed.
peer_methods <- function() {
  known <- list(
    list(name = "DESeq2", package = "DESeq2", test = deseq2_test(~ donor + condition)),
    list(name = "DESeq2 without donor", package = "DESeq2", test = deseq2_test(~condition)),
    list(name = "edgeR QL", package = "edgeR", test = edger_test),
    list(name = "limma voom", package = "edgeR", test = limma_test))
  Filter(function(peer) requireNamespace(peer$package, quietly = TRUE), known)
}
