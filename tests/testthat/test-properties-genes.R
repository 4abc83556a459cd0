# What must not change a fit of twill_genes() and twill_screen(): orders, labels, forms of the matrix, blocks, threads; more
# counts.

property_counts <- function(n_genes = 6) gene_counts(n_genes, n_responding = 2, seed = 4)

# Hyper-parameters are fixed, so that a gene knows nothing of the others.
property_set <- function(counts = property_counts(), data = gene_samples(), design = ~ condition + (1 | donor),
                         family = "negbinomial",
                         iter = 100, share = "none", seed = 1, size_factors = "none", ...) {
  twill_genes(counts, design, family, col_data = data, iter = iter, share = share, seed = seed, size_factors = size_factors,
              silent = 2, ...)
}

# Draws of a gene by its name, draw x variable.
draws_of_gene <- function(fit, gene) as_draws_matrix(fit, genes = gene)

same_gene_draws <- function(a, b, genes = rownames(a)) {
  for (gene in genes) expect_identical(draws_of_gene(a, gene), draws_of_gene(b, gene), label = gene)
}

largest_gene_z <- function(a, b, genes = rownames(a)) {
  max(vapply(genes, function(gene) largest_z(draws_of_gene(a, gene), draws_of_gene(b, gene)), 0))
}

gene_families <- c("negbinomial", "poisson", "gaussian")

# Counts, or values such as logarithms of intensities.
counts_for <- function(family) {
  if (family == "gaussian") log(property_counts() + 1) + with_fixed_seed(3, rnorm(60, 0, 0.2)) else property_counts()
}

test_that("the form of the matrix, the size of blocks and the number of threads change no bit", {
  for (family in gene_families) {
    counts <- counts_for(family)
    fit <- property_set(counts, family = family)
    forms <- list(methods::as(counts, "CsparseMatrix"), methods::as(counts, "TsparseMatrix"))
    if (requireNamespace("DelayedArray", quietly = TRUE)) forms <- c(forms, DelayedArray::DelayedArray(counts))
    for (form in forms) same_gene_draws(property_set(form, family = family), fit)
    for (size in c(1, 4)) same_gene_draws(property_set(counts, family = family, block_size = size), fit)
    for (threads in c(1, 4)) same_gene_draws(property_set(counts, family = family, cores = threads), fit)
  }
})

test_that("a gene is fitted the same alone, among others, and taken out of a fit", {
  for (method in c("hmc", "nuts", "svi", "laplace")) {
    fit <- property_set(method = method)
    few <- property_set(method = method, genes = c("gene2", "gene5"))
    same_gene_draws(few, fit, c("gene2", "gene5"))
    same_gene_draws(fit[c("gene5", "gene2"), ], fit, c("gene2", "gene5"))
    effect <- tw_contrast(fit, adaptive = FALSE)$log2FoldChange
    expect_identical(tw_contrast(fit[2:3, ], adaptive = FALSE)$log2FoldChange, effect[2:3])
  }
})

# Genes have streams of random numbers by their rows, so another order gives other draws of the same posterior.
test_that("the orders of genes and of samples change Monte Carlo error alone", {
  for (family in gene_families) {
    counts <- counts_for(family)
    fit <- property_set(counts, family = family, iter = 400)
    expect_lt(largest_gene_z(property_set(counts[6:1, ], family = family, iter = 400), fit), 4.5)
    shuffled <- with_fixed_seed(1, sample(10))
    expect_lt(largest_gene_z(property_set(counts[, shuffled], gene_samples()[shuffled, ], family = family, iter = 400), fit), 4.5)
  }
})

test_that("exchanging the names of arms turns effects around and leaves their sureness", {
  turned <- gene_samples()
  turned$condition <- factor(ifelse(turned$condition == "ctrl", "stim", "ctrl"))
  for (family in gene_families) {
    counts <- counts_for(family)
    fit <- property_set(counts, family = family, iter = 600)
    other <- property_set(counts, turned, family = family, iter = 600)
    up <- tw_contrast(fit, c("condition", "stim", "ctrl"))
    down <- tw_contrast(fit, c("condition", "ctrl", "stim"))
    # The same draws read the other way round: exactly.
    for (column in c("lfcSE", "lfsr", "svalue", "baseMean", "status")) {
      expect_equal(down[[column]], up[[column]], tolerance = 1e-12)
    }
    expect_equal(down$log2FoldChange, -up$log2FoldChange)
    expect_equal(down$lower, -up$upper)
    # Another fit: the intercept is that of the other arm, everything else within Monte Carlo error.
    kept <- setdiff(fit$posterior$names, "b_Intercept")
    flipped <- lapply(list(fit, other), function(f) as_draws_array(f, variable = kept))
    effects <- grep("^b_condition", dimnames(flipped[[2]])[[3]])
    flipped[[2]][, , effects] <- -flipped[[2]][, , effects]
    expect_lt(largest_z(flipped[[1]], flipped[[2]]), 4.5)
    expect_lt(max(abs(tw_contrast(other, adaptive = FALSE)$lfsr - tw_contrast(fit, adaptive = FALSE)$lfsr)), 0.1)
  }
})

test_that("factors, text and ordered factors of the samples give the same draws", {
  data <- gene_samples()
  fit <- property_set(data = data)
  as_text <- data.frame(lapply(data, as.character))
  as_ordered <- data.frame(lapply(data, factor, ordered = TRUE))
  same_gene_draws(property_set(data = as_text), fit)
  same_gene_draws(property_set(data = as_ordered, contrasts = list(condition = "contr.treatment")), fit)
})

test_that("a sample twice is a sample of weight two", {
  counts <- property_counts()
  data <- gene_samples()
  twice <- property_set(cbind(counts, counts), rbind(data, data), design = ~condition, iter = 600)
  weighted <- property_set(counts, data, design = ~condition, weights = rep(2, 10), iter = 600)
  expect_lt(largest_gene_z(weighted, twice), 4.5)
})

test_that("a fit that was saved and read again is the same", {
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  fit <- property_set(keep = "effects")
  saveRDS(fit, path)
  again <- readRDS(path)
  same_gene_draws(again, fit)
  expect_identical(as.data.frame(tw_contrast(again)), as.data.frame(tw_contrast(fit)))
  expect_identical(utils::capture.output(print(again)), utils::capture.output(print(fit)))
})

test_that("what is kept of the draws changes no estimate", {
  all <- property_set(keep = "effects")
  expect_identical(fixef(property_set(keep = "draws")), fixef(all))
  expect_equal(fixef(property_set(keep = "moments"))[, 1:2, ], fixef(all)[, 1:2, ])
})

test_that("more counts against none make a sign no less sure", {
  # Arms of five samples; the total of the first arm rises from gene to gene, the second is silent.
  totals <- c(5, 10, 20, 50, 100, 500, 2000)
  counts <- cbind(outer(totals, rep(0.2, 5)), matrix(0, length(totals), 5))
  rownames(counts) <- paste0("gene", seq_along(totals))
  data <- data.frame(arm = rep(c("a", "b"), each = 5))
  for (family in c("poisson", "negbinomial")) {
    fit <- property_set(counts, data, ~arm, family, iter = 1000)
    lfsr <- tw_contrast(fit, adaptive = FALSE)$lfsr
    expect_true(all(diff(lfsr) < 0.01), label = paste(family, paste(signif(lfsr, 2), collapse = " ")))
    expect_true(all(lfsr >= 0 & lfsr <= 0.5))
  }
})

test_that("orders of guides and forms of a screen change no more than Monte Carlo error", {
  gene <- rep(c("A", "B", "C"), each = 4)
  plasmid <- with_fixed_seed(1, rpois(12, 300))
  counts <- with_fixed_seed(2, matrix(rnbinom(36, mu = plasmid * exp(rep(c(-1.5, 0, 0.5), each = 4)), size = 20), 12))
  dimnames(counts) <- list(paste0("guide", 1:12), paste0("rep", 1:3))
  screen <- function(rows = 1:12, x = counts[rows, ]) {
    twill_screen(x, gene = gene[rows], plasmid = plasmid[rows], iter = 400, seed = 1, silent = 2, share = "none")
  }
  fit <- screen()
  expect_identical(fit$posterior$draws, screen(x = methods::as(counts, "CsparseMatrix"))$posterior$draws)
  rows <- with_fixed_seed(3, sample(12))
  shuffled <- screen(rows)
  expect_setequal(rownames(shuffled), rownames(fit))
  # Guides are numbered within their gene, so only what is of the gene can be compared.
  variables <- c("b_Intercept", "sd_guide__Intercept", "shape")
  for (g in rownames(fit)) {
    expect_lt(largest_z(as_draws_matrix(fit, genes = g, variable = variables),
                        as_draws_matrix(shuffled, genes = g, variable = variables)), 4.5)
  }
})
