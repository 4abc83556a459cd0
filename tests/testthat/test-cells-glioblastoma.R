# The single cells shipped with the package: what they hold, and what is known of the drug comes out of them.

test_that("glioblastoma is the paired design that its help describes", {
  expect_s4_class(glioblastoma$counts, "dgCMatrix")
  expect_equal(dim(glioblastoma$counts), c(200, 5000))
  expect_equal(colnames(glioblastoma$counts), rownames(glioblastoma$cells))
  expect_equal(as.vector(table(glioblastoma$cells$donor, glioblastoma$cells$condition)), rep(500, 10))
  expect_true(all(Matrix::colSums(glioblastoma$counts) <= glioblastoma$cells$total_counts_300))
  expect_equal(sum(glioblastoma$counts["MT2A", ]), 95215)
})

# Captures are found from all genes, sixteen are fitted: three metallothioneins, which panobinostat raises in every patient
# (Zhao et al. 2021), and others of all kinds.
test_that("panobinostat raises metallothioneins in every donor", {
  metallothioneins <- c("MT2A", "MT1E", "MT1G")
  others <- c("PMP2", "NEAT1", "CALM1", "GFAP", "CD44", "ENO1", "RPL3", "RPS3", "CKB", "TXN", "PKM", "FTL", "GLUL")
  fit <- twill_cells(glioblastoma$counts, ~ condition + (1 + condition || donor), col_data = glioblastoma$cells,
                     genes = c(metallothioneins, others), iter = 150, seed = 1, silent = 2)
  res <- as.data.frame(tw_contrast(fit, adaptive = FALSE))[metallothioneins, ]
  expect_true(all(res$lower > 0.5))
  expect_true(all(res$log2FoldChange > 1 & res$log2FoldChange < 4))
  response <- "conditionpanobinostat"
  donors <- ranef(fit)$donor[metallothioneins, "Estimate", , response] + fixef(fit)[metallothioneins, "Estimate", response]
  expect_gt(min(donors), 0)
})
