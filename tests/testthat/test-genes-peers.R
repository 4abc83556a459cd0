# Genes without group-level terms beside generalised linear models by maximum likelihood.

arms_data <- function() {
  with_fixed_seed(41, {
    condition <- rep(0:1, 6)
    size <- exp(rnorm(12, 0, 0.4))
    mean <- exp(runif(150, 3, 7) + outer(rnorm(150, 0, 0.5), condition)) * rep(size, each = 150)
    counts <- matrix(rnbinom(1800, mu = mean, size = exp(rnorm(150, log(8), 0.4))), 150)
  })
  dimnames(counts) <- list(paste0("g", 1:150), paste0("s", 1:12))
  list(counts = counts, samples = data.frame(condition = factor(condition)), size = size)
}

# The Monte Carlo error of 2000 draws is 0.025 of a standard error; the largest of 150 is within 0.1, with room for the skewness
# of means of counts of twenty. Their dispersions have one value, ours a posterior given 10 degrees of freedom and the other
# genes: sds are larger by at most sqrt(10 / 8) in the middle.
expect_like_glm <- function(ours, estimate, se) {
  expect_lt(max(abs(ours[, "Estimate"] - estimate) / ours[, "Est.Error"]), 0.12)
  if (!is.null(se)) {
    ratio <- stats::median(ours[, "Est.Error"] / se)
    expect_gt(ratio, 0.98)
    expect_lt(ratio, sqrt(10 / 8))
  }
}

test_that("without group-level terms coefficients are those of DESeq2, edgeR and glmGamPoi", {
  skip_on_cran()
  data <- arms_data()
  fit <- twill_genes(data$counts, ~condition, col_data = data$samples, size_factors = data$size, iter = 1100, warmup = 100,
                     seed = 1, silent = 2)
  ours <- fixef(fit)[, , "condition1"]
  if (requireNamespace("DESeq2", quietly = TRUE)) {
    set <- suppressMessages(DESeq2::DESeqDataSetFromMatrix(data$counts, data$samples, ~condition))
    DESeq2::sizeFactors(set) <- data$size
    theirs <- DESeq2::results(suppressMessages(DESeq2::DESeq(set, fitType = "mean", quiet = TRUE)))
    expect_like_glm(ours, theirs$log2FoldChange * log(2), theirs$lfcSE * log(2))
  }
  if (requireNamespace("edgeR", quietly = TRUE)) {
    design <- stats::model.matrix(~condition, data$samples)
    set <- edgeR::DGEList(data$counts)
    offset <- matrix(log(data$size), 150, 12, byrow = TRUE)
    set$offset <- offset
    set <- edgeR::estimateDisp(set, design)
    expect_like_glm(ours, edgeR::glmFit(set, design, prior.count = 0)$coefficients[, 2], NULL)
  }
  if (requireNamespace("glmGamPoi", quietly = TRUE)) {
    theirs <- glmGamPoi::glm_gp(data$counts, ~condition, col_data = data$samples, size_factors = data$size)
    expect_like_glm(ours, theirs$Beta[, 2], NULL)
  }
  # All may be missing.
  expect_identical(dim(ours), c(150L, 4L))
})
