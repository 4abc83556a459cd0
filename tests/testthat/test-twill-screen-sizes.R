# Size factors of screens: essential genes, however many up to nearly half, do not move them.

# A library of genes x guides; a share of the genes loses its guides.
simulated_library <- function(share, seed = 1, genes = 1000, guides = 4) {
  with_fixed_seed(seed, {
    gene <- rep(sprintf("g%04d", seq_len(genes)), each = guides)
    fold <- ifelse(runif(genes) < share, -runif(genes, 0.5, 3), 0)[as.integer(factor(gene))]
    plasmid <- round(rlnorm(length(gene), log(300), 0.5)) + 30
    sample <- function(s) rnbinom(length(gene), mu = s * plasmid * exp(fold), size = 15)
    counts <- vapply(c(0.5, 1, 2), sample, numeric(length(gene)))
    list(gene = gene, plasmid = plasmid, counts = counts, samples = paste0("s", 1:3))
  })
}

test_that("a third of essential genes moves size factors by three percent at most", {
  for (share in c(0, 0.1, 0.33)) for (seed in 1:3) {
    found <- screen_sizes(simulated_library(share, seed), NULL, NULL)$values
    # Medians of negative binomial counts are three percent below their means.
    expect_lt(max(abs(log(found / c(0.5, 1, 2)) + 0.03)), 0.03)
  }
  # The median of guides, which stood here, is a fifth low.
  library <- simulated_library(0.33)
  expect_lt(stats::median(library$counts[, 2] / library$plasmid), 0.85)
})

test_that("controls and small libraries keep the median over guides", {
  library <- simulated_library(0.33)
  controls <- unique(library$gene)[1:20]
  rows <- library$gene %in% controls
  expected <- apply((library$counts[rows, ] + 0.5) / library$plasmid[rows], 2, stats::median)
  expect_equal(screen_sizes(library, NULL, controls)$values, expected, ignore_attr = TRUE)
})

test_that("the shortest half is found", {
  found <- shortest_half(c(0, 10, 10.1, 10.2, 10.3, 50))
  expect_equal(found, list(middle = mean(c(10, 10.1, 10.2, 10.3)), width = 0.3))
})
