# Input of twill_genes(): every container gives the same counts, and mistakes are named.

blocks_of <- function(source) dense_block(read_block(source))

test_that("dense, sparse and delayed matrices give the same blocks and sums", {
  counts <- gene_counts(12)
  counts[counts < 20] <- 0L
  sparse <- new_source(Matrix::Matrix(counts, sparse = TRUE))
  sources <- list(new_source(counts), sparse, new_source(methods::as(sparse$data, "TsparseMatrix") |> Matrix::t()))
  if (requireNamespace("HDF5Array", quietly = TRUE)) {
    on_disk <- HDF5Array::writeHDF5Array(counts)
    dimnames(on_disk) <- dimnames(counts)
    sources <- c(sources, list(new_source(on_disk), new_source(HDF5Array::writeHDF5Array(counts, as.sparse = TRUE))))
  }
  for (source in sources) {
    expect_equal(blocks_of(source), unname(t(counts)))
    expect_equal(blocks_of(source_genes(source, c(3, 1))), unname(t(counts[c(3, 1), ])))
    expect_equal(blocks_of(source_samples(source, 2:4)), unname(t(counts[, 2:4])))
    scan <- scan_source(source, TRUE)
    expect_equal(scan$total, unname(rowSums(counts)))
    expect_equal(scan$sample_total, unname(colSums(counts)))
    expect_equal(scan$n_nonzero, unname(rowSums(counts > 0)))
  }
})

test_that("sparse counts reach the engine as compressed columns", {
  counts <- gene_counts(12)
  counts[counts < 30] <- 0L
  block <- read_block(new_source(Matrix::Matrix(counts, sparse = TRUE)))
  expect_identical(length(block$counts$x), sum(counts > 0))
  expect_identical(reference_column(block$counts, 4, ncol(counts)), as.numeric(counts[4, ]))
  some_genes <- block_subset(block, c(5, 7))
  expect_equal(dense_block(some_genes), unname(t(counts[c(5, 7), ])))
  weights <- seq_len(ncol(counts)) / 3
  expect_equal(block_gene_sums(block, function(value, i) value * weights[i]), unname(drop(counts %*% weights)))
})

test_that("work in blocks of genes gives what one block gives", {
  expect_identical(unlist(gene_ranges(10, 4, cells = 12)), 1:10)
  expect_identical(lengths(gene_ranges(10, 4, cells = 12)), c(3L, 3L, 3L, 1L))
  expect_identical(lengths(block_plan(1:10, 4, 5, 1, FALSE)), c(4L, 4L, 2L))
})

test_that("an experiment is read by assay, with its samples and size factors", {
  skip_if_not_installed("SingleCellExperiment")
  counts <- gene_counts(8)
  data <- S4Vectors::DataFrame(gene_samples(), run = S4Vectors::Rle(rep(c("a", "b"), 5)), row.names = colnames(counts))
  sce <- SingleCellExperiment::SingleCellExperiment(list(other = counts + 1L, counts = counts), colData = data)
  SingleCellExperiment::sizeFactors(sce) <- 1:10 / 5
  input <- read_genes(sce, "counts", NULL)
  expect_equal(blocks_of(input$source), unname(t(counts)))
  expect_identical(input$data$run, rep(c("a", "b"), 5))
  expect_identical(input$sizes, 1:10 / 5)
  expect_identical(input$source$genes, rownames(counts))
  expect_error(read_genes(sce, "count", NULL), "counts", class = "twill_error_genes")
  expect_error(read_genes(sce, "counts", data), "colData", class = "twill_error_genes")
  fit <- fake_set(counts = sce, col_data = NULL)
  expect_identical(fit$job$sizes, list(values = 1:10 / 5, how = "sizeFactors"))
})

test_that("long data give the matrix they were made of", {
  counts <- gene_counts(6)
  samples <- gene_samples()
  long <- data.frame(g = rep(rownames(counts), ncol(counts)), n = as.vector(counts),
                     samples[rep(seq_len(10), each = 6), ])
  shuffled <- long[with_fixed_seed(2, sample(nrow(long))), ]
  input <- read_long(shuffled, n ~ condition + (1 | donor), "g")
  key <- match(paste(input$data$condition, input$data$donor), paste(samples$condition, samples$donor))
  expect_setequal(key, 1:10)
  expect_equal(blocks_of(source_genes(input$source, match(rownames(counts), input$source$genes))), unname(t(counts[, key])))
  # Without the donor, samples of a condition are replicates; a missing row is a missing value.
  replicates <- read_long(long[-1, ], n ~ condition, "g")
  expect_identical(as.vector(table(replicates$data$condition)), c(5L, 5L))
  expect_identical(sum(is.na(blocks_of(replicates$source))), 1L)
  expect_error(read_long(long, n ~ condition, "gene"), "gene", class = "twill_error_genes")
  expect_error(read_long(long, nn ~ condition, "g"), class = "twill_error_genes")
  expect_error(read_long(long, n ~ kondition, "g"), "condition", class = "twill_error_data")
})

test_that("missing rows of long data get weight zero", {
  counts <- gene_counts(6)
  long <- data.frame(g = rep(rownames(counts), ncol(counts)), n = as.vector(counts), gene_samples()[rep(1:10, each = 6), ])
  seen <- new.env()
  local_engine(function(spec_json, arrays, genes, ...) {
    seen$weights <- genes$weights
    fake_engine(spec_json, arrays, genes, ...)
  })
  fit <- twill_genes(long[-1, ], n ~ condition + (1 | donor), gene = "g", iter = 60, seed = 1, silent = 2)
  weights <- matrix(seen$weights, 10)
  expect_identical(sum(weights == 0), 1L)
  expect_identical(fit$posterior$n_used[match("gene1", rownames(fit))], 9)
  expect_identical(fit$job$sizes$how, "none")
})

test_that("size factors are those of their definitions", {
  counts <- gene_counts(40)
  counts[1:10, 1] <- 0L
  source <- new_source(counts)
  scan <- scan_source(source, TRUE)
  get <- function(how) resolve_size_factors(how, source, scan, NULL, TRUE, FALSE, cbind(rep(1, 10)))$values
  total <- unname(colSums(counts))
  expect_equal(get("normed_sum"), total / exp(mean(log(total))))
  positive <- counts[apply(counts > 0, 1, all), ]
  expect_equal(get("ratio"), unname(exp(apply(log(positive) - rowMeans(log(positive)), 2, median))))
  geometric <- apply(counts, 1, function(y) sum(log(y[y > 0])) / length(y))
  pos <- exp(apply(counts, 2, function(y) median((log(y) - geometric)[y > 0])))
  expect_equal(get("poscounts"), unname(pos / exp(mean(log(pos)))))
  expect_equal(get("none"), rep(1, 10))
  expect_equal(get("typical"), typical_size_factors(source, cbind(rep(1, 10))))
  sparse <- new_source(Matrix::Matrix(counts, sparse = TRUE))
  for (how in c("typical", "ratio", "poscounts")) {
    expect_equal(resolve_size_factors(how, sparse, scan, NULL, TRUE, FALSE, cbind(rep(1, 10)))$values, get(how))
  }
  expect_identical(default_size_factors(1:3, TRUE, FALSE), "sizeFactors")
  expect_identical(default_size_factors(NULL, TRUE, TRUE), "none")
})

test_that("DESeq2 agrees on size factors", {
  skip_if_not_installed("DESeq2")
  counts <- gene_counts(40)
  get <- function(how) resolve_size_factors(how, new_source(counts), NULL, NULL, TRUE, FALSE, cbind(rep(1, 10)))$values
  expect_equal(get("ratio"), unname(DESeq2::estimateSizeFactorsForMatrix(counts)))
  counts[1:10, 1:2] <- 0L
  theirs <- unname(DESeq2::estimateSizeFactorsForMatrix(counts, type = "poscounts"))
  expect_equal(get("poscounts"), theirs / exp(mean(log(theirs))))
})

test_that("bad counts are named by gene and sample", {
  counts <- gene_counts(8) + 0
  bad <- function(value) replace(counts, cbind(3, 4), value)
  expect_error(fake_set(counts = bad(1.5)), "gene3.*1.5.*s4", class = "twill_error_genes")
  expect_error(fake_set(counts = bad(-1)), "gene3", class = "twill_error_genes")
  expect_error(fake_set(counts = bad(NA)), "gene3", class = "twill_error_genes")
  expect_error(fake_set(counts = Matrix::Matrix(bad(0.5), sparse = TRUE)), "gene3.*s4", class = "twill_error_genes")
  expect_error(fake_set(counts = bad(Inf), family = "gaussian"), "gene3.*s4", class = "twill_error_genes")
  expect_error(fake_set(counts = matrix("a", 2, 10)), "character", class = "twill_error_genes")
  expect_error(fake_set(counts = list(1)), "list", class = "twill_error_genes")
})

test_that("bad samples and size factors are named", {
  expect_error(fake_set(col_data = gene_samples()[-1, ]), "9 rows", class = "twill_error_genes")
  turned <- gene_samples()
  rownames(turned) <- rev(colnames(gene_counts()))
  expect_error(fake_set(col_data = turned), "col_data\\[colnames", class = "twill_error_genes")
  expect_error(fake_set(col_data = 1:10), "integer", class = "twill_error_genes")
  expect_error(fake_set(design = ~ kondition), "condition", class = "twill_error_data")
  expect_error(fake_set(design = y ~ condition), "no response", class = "twill_error_formula")
  for (wrong in list(c(0, rep(1, 9)), c(NA, rep(1, 9)), c(-1, rep(1, 9)))) {
    expect_error(fake_set(size_factors = wrong), "s1", class = "twill_error_genes")
  }
  expect_error(fake_set(size_factors = 1:3), "10 columns", class = "twill_error_genes")
  expect_error(fake_set(size_factors = "sizeFactors"), "normed_sum", class = "twill_error_genes")
  expect_error(fake_set(size_factors = "deconvolution"), class = "twill_error_setting")
  empty <- gene_counts()
  empty[, 2] <- 0L
  expect_error(fake_set(counts = empty), "s2", class = "twill_error_genes")
  expect_error(fake_set(offset = matrix(0, 2, 2)), "30 x 10", class = "twill_error_genes")
  expect_error(fake_set(weights = rep(-1, 10)), "negative", class = "twill_error_genes")
})

test_that("designs that cannot be fitted are errors of the front half", {
  one <- gene_samples()
  one$donor <- factor("d1")
  expect_error(fake_set(col_data = one), "at least two levels", class = "twill_error_design")
  one_arm <- gene_samples()
  one_arm$condition <- factor("ctrl")
  expect_error(fake_set(col_data = one_arm), "condition", class = "twill_error_design")
  expect_error(fake_set(counts = gene_counts()[, 1, drop = FALSE], col_data = gene_samples()[1, ]), class = "twill_error_genes")
  # A donor in one condition is no error.
  expect_s3_class(fake_set(counts = gene_counts()[, -1], col_data = gene_samples()[-1, ]), "twillgenes")
})

test_that("samples without covariates are dropped from counts, offsets and size factors alike", {
  samples <- gene_samples()
  samples$condition[3] <- NA
  offset <- seq(0, 0.9, 0.1)
  fit <- fake_set(col_data = samples, offset = offset, size_factors = 1:10)
  expect_identical(dim(fit), c(30L, 9L))
  expect_identical(fit$job$source$samples, paste0("s", 1:10)[-3])
  expect_equal(fit$job$model$design$offset, (offset + log(1:10))[-3])
})

test_that("genes are left out with a reason, and some must be left", {
  counts <- gene_counts(8)
  counts[2, ] <- 0L
  counts[3, ] <- c(4L, integer(9))
  fit <- fake_set(counts = counts)
  expect_identical(rownames(fit), rownames(counts)[-(2:3)])
  status <- tw_diagnostics(fit, all = TRUE)
  expect_identical(status[c("gene2", "gene3"), "status"], c("skipped", "skipped"))
  expect_identical(status[c("gene2", "gene3"), "message"], c("0 counts in all", "4 counts in all"))
  expect_identical(rownames(fake_set(counts = counts, min_count = 4)), rownames(counts)[-2])
  expect_error(fake_set(counts = counts, min_count = 1e9), "few counts \\(8\\)", class = "twill_error_genes")
  expect_error(fake_set(counts = counts, min_count = -1), class = "twill_error_setting")
  expect_identical(rownames(fake_set(counts = counts, genes = c("gene5", "gene1"))), c("gene1", "gene5"))
  expect_error(fake_set(counts = counts, genes = "gene55"), "gene5", class = "twill_error_genes")
})

test_that("constant Gaussian rows are left out, and missing values are not counted", {
  values <- log(gene_counts(6) + 1)
  values[2, ] <- 3
  values[4, 1:2] <- NA
  fit <- fake_set(counts = values, family = "gaussian")
  expect_identical(tw_diagnostics(fit, all = TRUE)["gene2", "message"], "constant")
  expect_identical(tw_diagnostics(fit)["gene4", "n_used"], 8)
  expect_equal(fit$posterior$base_mean[rownames(fit) == "gene4"], mean(values[4, -(1:2)]))
})

test_that("duplicated gene names are made unique with a warning", {
  counts <- gene_counts(5)
  rownames(counts)[3] <- "gene1"
  expect_warning(source <- new_source(counts), "gene1", class = "twill_warning_genes")
  expect_identical(source$genes, c("gene1", "gene2", "gene1.1", "gene4", "gene5"))
  expect_identical(new_source(unname(counts))$genes[2], "gene2")
})

test_that("pseudobulk adds up cells", {
  skip_if_not_installed("scuttle")
  cells <- S4Vectors::DataFrame(donor = rep(paste0("d", 1:3), each = 20), condition = rep(c("a", "b"), 30),
                                batch = rep(1:3, each = 20))
  counts <- with_fixed_seed(1, matrix(rpois(600, 2), 10, dimnames = list(paste0("g", 1:10), NULL)))
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = Matrix::Matrix(counts, sparse = TRUE)), colData = cells)
  bulk <- tw_pseudobulk(sce, c("donor", "condition"))
  expect_identical(dim(bulk), c(10L, 6L))
  expect_equal(unname(as.matrix(SummarizedExperiment::assay(bulk, "counts")[, "d2_b"])[, 1]),
               unname(rowSums(counts[, cells$donor == "d2" & cells$condition == "b"])))
  expect_true(all(bulk$ncells == 10))
  expect_identical(bulk$batch[bulk$donor == "d3"], c(3L, 3L))
  expect_message(few <- tw_pseudobulk(sce[, -(1:3)], c("donor", "condition")), "d1_a", class = "twill_message_genes")
  expect_identical(ncol(few), 4L)
  expect_error(tw_pseudobulk(sce, "donors"), "donor", class = "twill_error_genes")
  expect_error(tw_pseudobulk(counts, "donor"), "matrix", class = "twill_error_genes")
  expect_error(tw_pseudobulk(sce, "donor", assay = "count"), "counts", class = "twill_error_genes")
})

test_that("what the samples lack is said in the words of the call", {
  run <- function(design, x = gene_counts(3), data = gene_samples()) fake_set(counts = x, design = design, col_data = data)
  expect_error(run(~ condition + (1 | donr)), "`design` names.*`col_data` does not have: \"donr\"", class = "twill_error_data")
  expect_error(run(~ condition, data = transform(gene_samples(), condition = "ctrl")), "Remove it from `design`",
               class = "twill_error_design")
  expect_error(run(~ condition, x = gene_counts(3)[0, ]), "no rows", class = "twill_error_genes")
})

test_that("the numbers of long data are numbers, not codes of levels, dates or columns side by side", {
  long <- data.frame(gene = rep(c("a", "b"), each = 4), f = rep(c("u", "v"), 4))
  odd <- list(matrix(1:16, 8), letters[1:8], factor(1:8), as.list(1:8), as.Date("2020-01-01") + 1:8, complex(real = 1:8),
              as.difftime(1:8, units = "mins"), rep(TRUE, 8))
  for (y in odd) {
    long$y <- y
    expect_error(twill_genes(long, y ~ f, gene = "gene", seed = 1, silent = 2), "must hold numbers", class = "twill_error_genes")
  }
})
