# Masks: genes left out by coverage, names and expression.

named_counts <- function() {
  counts <- gene_counts(12)
  rownames(counts)[c(1, 2, 3, 12)] <- c("MT-CO1", "RPL3", "HBEGF", "_other")
  counts
}

# A fit whose last gene stands for others, as twill_cells() makes them; in that of twill_genes() a gene of this name is one.
pooled_set <- function() {
  fit <- fake_set(counts = named_counts(), iter = 4)
  fit$job$cells$other <- list(name = "_other", genes = c("a", "b"))
  fit
}

test_that("coverage keeps the smallest set of genes that holds the share, in any condition", {
  counts <- named_counts()
  fit <- pooled_set()
  rate <- function(level) {
    chosen <- gene_samples()$condition == level
    rowSums(counts[, chosen]) / sum(fit$job$sizes$values[chosen])
  }
  smallest <- function(rate, share) {
    sorted <- sort(rate, decreasing = TRUE)
    names(sorted)[seq_len(which(cumsum(sorted) >= share * sum(sorted))[1])]
  }
  for (share in c(0.5, 0.8, 0.95)) {
    kept <- union(smallest(rate("ctrl"), share), smallest(rate("stim"), share))
    expect_setequal(names(which(!tw_mask(fit, share))), setdiff(kept, "_other"))
  }
  expect_identical(names(which(tw_mask(fit, 1))), "_other")
  most <- pmax(rate("ctrl"), rate("stim"))
  expect_setequal(names(which(tw_mask(fit, 1, min_expression = 50))), union("_other", names(which(most < 50))))
})

test_that("names are matched at their beginning", {
  fit <- pooled_set()
  mask <- tw_mask(fit, 1, drop = c("MT-", "RP[LS]", "HB[ABDEGMQZ]\\d?$"), genes = "gene5")
  expect_identical(names(which(mask)), c("MT-CO1", "RPL3", "gene5", "_other"))
  expect_output(print(mask), "Mask of 4 of 12 genes\n  names: 2\n  chosen: 1\n  _other: 1")
  expect_error(tw_mask(fit, drop = "("), "\\(", class = "twill_error_mask")
  expect_error(tw_mask(fit, drop = 3), class = "twill_error_mask")
  expect_error(tw_mask(fit, coverage = 2), "2", class = "twill_error_mask")
  expect_error(tw_mask(fit, min_expression = -1), class = "twill_error_mask")
  expect_error(tw_mask(fit, genes = "gene55"), "gene55", class = "twill_error_genes")
})

test_that("a mask goes by names where it has them", {
  fit <- fake_set(counts = named_counts(), iter = 4)
  mask <- tw_mask(fit, 1, genes = c("gene5", "gene7"))
  expect_identical(check_mask(fit[c("gene8", "gene7"), ], mask), c(FALSE, TRUE))
  expect_identical(check_mask(fit, NULL), logical(12))
  expect_error(check_mask(fit, c(TRUE, FALSE)), "2", class = "twill_error_mask")
  expect_error(check_mask(fit, 1:12), class = "twill_error_mask")
  expect_error(check_mask(fit, rep(TRUE, 12)), "no gene", class = "twill_error_mask")
  expect_error(check_mask(fit, c(gene5 = TRUE)), "11 genes", class = "twill_error_mask")
})
