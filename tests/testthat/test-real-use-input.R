# What people hand to the doors of genes and cells, after public reports: names that only look alike, sums of normalised cells,
# genes without names, tables in place of matrices, values without spread.

counted_cells <- function(n = 240, n_genes = 8, seed = 1) {
  with_fixed_seed(seed, {
    cells <- data.frame(donor = rep(paste0("d", 1:4), length.out = n), condition = rep(c("ctrl", "stim"), each = n / 2))
    counts <- matrix(rpois(n_genes * n, 2), n_genes, dimnames = list(paste0("g", seq_len(n_genes)), NULL))
    list(counts = counts, cells = cells)
  })
}

cell_experiment <- function(...) {
  made <- counted_cells()
  SingleCellExperiment::SingleCellExperiment(list(counts = made$counts), colData = S4Vectors::DataFrame(made$cells, ...))
}

test_that("only a column called exactly sizeFactor holds size factors", {
  skip_if_not_installed("SingleCellExperiment")
  odd <- rep(c(1, 50), 5)
  of <- function(...) {
    data <- S4Vectors::DataFrame(gene_samples(), ...)
    sce <- SingleCellExperiment::SingleCellExperiment(list(counts = gene_counts(8)), colData = data)
    fake_set(counts = sce, col_data = NULL)$job$sizes
  }
  plain <- of()
  expect_identical(plain$how, "typical")
  expect_identical(of(sizeFactor_old = odd), plain)
  expect_identical(of(sizeFactors = odd), plain)
  expect_identical(of(sizeFactorX = as.character(odd)), plain)
  expect_identical(of(sizeFactor = odd), list(values = odd, how = "sizeFactors"))
  bad <- list(replace(odd, 1, NA), replace(odd, 1, 0), as.character(odd), factor(odd), odd > 1)
  for (values in bad) expect_error(of(sizeFactor = values), "sizeFactor of `colData", class = "twill_error_genes")
  made <- counted_cells()
  run <- function(...) {
    twill_cells(made$counts, ~ condition, col_data = cbind(made$cells, ...), capture = "sizeFactors", iter = 100, silent = 2)
  }
  expect_error(run(sizeFactor_x = rep(1, 240)), "no size factors", class = "twill_error_genes")
  expect_error(run(sizeFactor = rep(factor("1"), 240)), "sizeFactor", class = "twill_error_genes")
})

test_that("pseudobulk drops size factors of cells and keeps one column of each name", {
  skip_if_not_installed("scuttle")
  sce <- cell_experiment(sizeFactor = runif(240, 0.5, 2), batch = rep(c("x", "y"), 120), nested = I(matrix(0, 240, 2)))
  expect_message(bulk <- tw_pseudobulk(sce, c("donor", "condition", "donor")), "dropped", class = "twill_message_sizes")
  expect_identical(names(SummarizedExperiment::colData(bulk)), c("donor", "condition", "batch", "ncells"))
  expect_identical(fake_set(counts = bulk, col_data = NULL)$job$sizes$how, "typical")
  expect_error(tw_pseudobulk(sce, "nested"), "matrix of 2 columns|AsIs of 2 columns", class = "twill_error_data")
  sce$donor[1:3] <- NA
  expect_message(suppressMessages(tw_pseudobulk(sce, "donor"), "twill_message_sizes"), "Dropped 3 cells",
                 class = "twill_message_missing")
})

test_that("samples of pseudobulk have names of their own", {
  skip_if_not_installed("scuttle")
  sce <- cell_experiment()
  sce$donor <- rep(c("a", "a_b"), 120)
  sce$part <- rep(c("b_c", "c"), 120)
  bulk <- tw_pseudobulk(sce, c("donor", "part"))
  expect_identical(colnames(bulk), c("a | b_c", "a_b | c"))
  expect_identical(colnames(tw_pseudobulk(cell_experiment(), c("donor", "condition")))[1], "d1_ctrl")
})

test_that("size factors that sums of cells carry over are not used by themselves", {
  skip_if_not_installed("scuttle")
  sce <- cell_experiment(sizeFactor = rep(c(1, 4), each = 120))
  bulk <- scuttle::aggregateAcrossCells(sce, SummarizedExperiment::colData(sce)[c("donor", "condition")])
  local_engine(fake_engine)
  run <- function(...) twill_genes(bulk, ~ condition + (1 | donor), iter = 100, seed = 1, share = "none", ...)
  expect_message(fit <- run(), "sums of cells", class = "twill_message_sizes")
  expect_identical(fit$job$sizes$how, "typical")
  expect_identical(run(size_factors = "sizeFactors")$job$sizes$values, rep(c(1, 4), 4))
})

test_that("genes without a name, with that of another or of the pooled ones have one of their own, in every verb", {
  names <- c("A", NA, "", "A", "A.1", "NA", "_other", "B")
  expect_warning(unique <- gene_names(names[-4], 7), "2 rows of `x` have no name", class = "twill_warning_genes")
  expect_identical(unique, c("A", "NA.1", "NA.2", "A.1", "NA", "_other", "B"))
  expect_warning(gene_names(names[2:5], 4), "They are called", class = "twill_warning_genes")
  expect_warning(gene_names(names[c(2, 4)], 2), "1 row of `x` has no name.*It is called \"NA.1\"", class = "twill_warning_genes")
  counts <- gene_counts(8)
  rownames(counts) <- names
  fit <- suppressWarnings(fake_set(counts = counts))
  known <- c("A", "NA.1", "NA.2", "A.2", "A.1", "NA", "_other", "B")
  expect_identical(rownames(fit), known)
  expect_identical(rownames(tw_contrast(fit)), known)
  expect_identical(rownames(tw_diagnostics(fit)), known)
  for (gene in known) expect_identical(rownames(fit[gene, ]), gene)
  expect_error(suppressWarnings(fake_set(counts = counts, genes = "Q")), "not there", class = "twill_error_genes")
})

test_that("the pooled gene of cells has a name that no gene has", {
  made <- counted_cells()
  made$counts <- made$counts * c(50L, 40L, 30L, 1L, 1L, 1L, 1L, 30L)
  rownames(made$counts)[1] <- "_other"
  fit <- twill_cells(made$counts, ~ condition, col_data = made$cells, gene_coverage = 0.8, iter = 100, seed = 1, silent = 2,
                     method = "laplace")
  expect_true(all(c("_other", "_other.1") %in% rownames(fit)))
  expect_identical(names(which(tw_mask(fit, coverage = 1))), "_other.1")
  expect_identical(twill:::gene_counts(fit, "_other", made$counts), as.numeric(made$counts[1, ]))
  pooled <- setdiff(rownames(made$counts), rownames(fit))
  expect_identical(twill:::gene_counts(fit, "_other.1", made$counts), as.numeric(colSums(made$counts[pooled, ])))
  skip_if_not_installed("SingleCellExperiment")
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = made$counts))
  told <- SummarizedExperiment::rowData(tw_row_data(sce, tw_diagnostics(fit)))$twill_status
  expect_identical(sum(told != "skipped"), 8L - length(pooled))
})

test_that("results go back into the rows that they were made of, with their descriptions", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- gene_counts(4)
  rownames(counts) <- c("g1", "g1", "", "g2")
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = gene_samples())
  SummarizedExperiment::rowData(sce)$length <- 1:4
  fit <- suppressWarnings(fake_set(counts = sce, col_data = NULL))
  results <- tw_contrast(fit)
  data <- SummarizedExperiment::rowData(tw_row_data(sce, results))
  expect_identical(data$twill_log2FoldChange, results$log2FoldChange)
  texts <- stats::setNames(S4Vectors::mcols(data)$description, names(data))
  expect_identical(texts[["length"]], NA_character_)
  expect_match(texts[["twill_lfcSE"]], "posterior sd")
  expect_error(tw_row_data(sce, 1:4), "table", class = "twill_error_genes")
})

test_that("tables in place of matrices are told how to become one", {
  counts <- gene_counts(3)
  wide <- as.data.frame(counts)
  named <- cbind(symbol = rownames(counts), wide)
  genes <- function(x) fake_set(counts = x)
  cells <- function(x) twill_cells(x, ~ condition, col_data = gene_samples(), silent = 2)
  for (door in list(genes, cells)) {
    expect_error(door(wide), "as.matrix(x)", fixed = TRUE, class = "twill_error_genes")
    expect_error(door(named), "rownames(m) <- x[[1]]", fixed = TRUE, class = "twill_error_genes")
    expect_error(door(apply(counts, 2, as.character)), "storage.mode", class = "twill_error_genes")
    expect_error(door(array(counts, c(3, 10, 1))), "3 dimensions", class = "twill_error_genes")
    expect_error(door(counts[, 1]), "one column", class = "twill_error_genes")
    expect_error(door("counts.csv"), "read.csv", class = "twill_error_genes")
    expect_error(door(NULL), "SummarizedExperiment", class = "twill_error_genes")
  }
})

test_that("matrices, tables and lists among the columns of samples are named for what they are", {
  skip_if_not_installed("SingleCellExperiment")
  data <- S4Vectors::DataFrame(gene_samples())
  data$pair <- matrix(0, 10, 2)
  data$list <- as.list(1:10)
  data$table <- S4Vectors::DataFrame(a = 1:10)
  data$scaled <- scale(1:10)
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = gene_counts(3)), colData = data)
  doors <- list(function(f) fake_set(counts = sce, col_data = NULL, design = f), function(f) twill_cells(sce, f, silent = 2))
  for (door in doors) {
    expect_error(door(~ pair), "pair is a matrix of 2 columns.*x\\$pair1 <- x\\$pair\\[, 1\\]", class = "twill_error_data")
    expect_error(door(~ condition + list), "list is a list", class = "twill_error_data")
    expect_error(door(~ condition + (1 | table)), "table is a DFrame", class = "twill_error_data")
  }
  fit <- fake_set(counts = sce, col_data = NULL, design = ~ scaled)
  expect_identical(unname(model.matrix(fit)[, 2]), as.vector(scale(1:10)))
  long <- data.frame(g = "a", count = 1:4, x = I(list(1, 2, 3, 4)))
  expect_error(twill_genes(long, count ~ x, gene = "g"), "list", class = "twill_error_data")
})

test_that("genes of continuous values without spread or without an arm are said to be that", {
  samples <- gene_samples(6)
  values <- with_fixed_seed(1, matrix(rnorm(12 * 9, 8), 9, dimnames = list(paste0("p", 1:9), NULL)))
  is_stim <- samples$condition == "stim"
  values[1, is_stim] <- NA
  values[2, ] <- ifelse(is_stim, 7, 5)
  values[3, -(1:2)] <- NA
  values[4, ] <- as.integer(samples$donor) + 2.3 * is_stim
  values[5, ] <- 1e6 + 1e-3 * values[6, ]
  values[8, ] <- replace(values[2, ], 3, NA)
  for (x in list(values, Matrix::Matrix(values, sparse = TRUE))) {
    fit <- fake_set(counts = x, col_data = samples, family = "gaussian", design = ~ condition + (1 | donor))
    status <- tw_diagnostics(fit, all = TRUE)[rownames(values), ]
    expect_identical(status$status, c("separated", "skipped", "few_counts", "skipped", "ok", "ok", "ok", "skipped", "ok"))
    expect_match(status$message[c(2, 4, 8)], "no spread")
  }
  expect_true(genes_without_arm(cbind(1, 1:4, c(0, 0, 1, 1)), cbind(c(1, 1, 0, 1)))[1] == FALSE)
  expect_true(genes_without_arm(cbind(1, 1:4, c(0, 0, 1, 1)), cbind(c(1, 1, 0, 0))))
})

test_that("constant genes are found in sparse values too", {
  values <- Matrix::Matrix(rbind(0, c(2, 2, 2, 2), c(0, 2, 2, 0), c(1, 2, 3, 4)), sparse = TRUE)
  expect_identical(constant_genes(read_block(new_source(values))), c(TRUE, TRUE, FALSE, FALSE))
})

test_that("library sizes in place of their logarithms are recognised", {
  counts <- gene_counts(8)
  samples <- cbind(gene_samples(), lib = colSums(counts))
  run <- function(..., silent = 1, design = ~ condition) {
    local_engine(fake_engine)
    twill_genes(counts, design, col_data = samples, iter = 100, seed = 1, share = "none", silent = silent, ...)
  }
  expect_error(run(offset = samples$lib), "log\\(size\\)", class = "twill_error_genes")
  expect_error(run(offset = samples$lib / 1e3), "in proportion to the counts", class = "twill_error_genes")
  expect_error(run(design = ~ condition + offset(lib / 1e3)), "in proportion", class = "twill_error_genes")
  expect_error(run(offset = seq(0, 60, length.out = 10)), "a factor of e", class = "twill_error_genes")
  expect_message(run(size_factors = samples$lib), "library sizes", class = "twill_message_sizes")
  expect_warning(run(size_factors = 1 / samples$lib), "1 / size_factors", class = "twill_warning_sizes")
  expect_warning(run(size_factors = log(samples$lib)), "logarithms", class = "twill_warning_sizes")
  expect_no_condition(run(size_factors = samples$lib / mean(samples$lib)), class = "twill_condition")
  for (how in list(NULL, "ratio", "normed_sum")) expect_no_warning(run(size_factors = how))
  expect_no_warning(run(offset = log(samples$lib)))
})
