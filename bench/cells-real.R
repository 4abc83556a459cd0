# twill_cells() on real data with known answers: panobinostat in glioblastoma, interferon in blood cells; single genes by
# twill() and against reference posteriors.
#
#   Rscript bench/cells-real.R [glioblastoma] [kang] [genes] [reference]        TWILL_SHARED is the folder of the shared data
suppressMessages(library(twill))
source("bench/real-data.R")

columns <- c("baseMean", "log2FoldChange", "lower", "upper", "lfsr", "svalue", "sd_donor", "status")

show <- function(res, genes) {
  res <- as.data.frame(res)
  print(format(res[intersect(genes, rownames(res)), intersect(columns, names(res))], digits = 2))
}

seconds <- function(code) system.time(code)[["elapsed"]]

# Genes whose direction the analyses of the whole experiment give (75,551 cells, seven donors), as far as they are among the 200.
published <- list(up = c("MT2A", "MT1E", "MT1G", "KNG1", "IER3", "PI3", "NEAT1", "FTH1P10", "FLNC"),
                  down = c("MT-RNR2", "MT-CO1", "PMP2", "APOC1", "MDM2", "SPP1"),
                  myeloid = c("CD74", "HLA-DRA", "HLA-DRB1", "CCL3", "CCL4", "APOE", "SPP1", "APOC1"))

fit_glioblastoma <- function(design, ...) {
  twill_cells(glioblastoma$counts, design, col_data = glioblastoma$cells, seed = 1, silent = 2, ...)
}

glioblastoma_genes <- function() {
  fits <- list()
  time <- seconds(fits$slope <- fit_glioblastoma(~ condition + (1 + condition || donor)))
  fits$no_slope <- fit_glioblastoma(~ condition + (1 | donor))
  print(fits$slope)
  tables <- lapply(fits, tw_contrast)
  for (name in names(published)) {
    cat("\nPublished as", name, "\n")
    show(tables$slope, published[[name]])
  }
  cat("\nWithout the slope\n")
  show(tables$no_slope, unlist(published[1:2]))
  compare_slopes(tables)
  cat("\nDonors disagree most\n")
  spread <- tw_spread(fits$slope)
  print(spread)
  print(format(utils::head(spread[order(-spread$response), ], 10), digits = 2))
  cat(sprintf("\nFit with the slope: %.0f s\n", time))
  print(loo::loo_compare(lapply(fits, waic)))
}

# How many genes are called, and how wide the intervals are.
compare_slopes <- function(tables) {
  for (name in names(tables)) {
    res <- as.data.frame(tables[[name]])
    called <- res$svalue <= 0.05
    cat(sprintf("%-9s called at s <= 0.05: %d up, %d down; median width of 95 %% intervals %.2f\n", name,
                sum(called & res$log2FoldChange > 0), sum(called & res$log2FoldChange < 0), stats::median(res$upper - res$lower)))
  }
}

# Blood cells --------------------------------------------------------------------------------------------------------

read_kang <- function() {
  counts <- methods::as(Matrix::readMM(gzfile(shared("kang", "counts.mtx.gz"))), "CsparseMatrix")
  genes <- utils::read.csv(shared("kang", "genes.csv"))
  cells <- utils::read.csv(shared("kang", "cells.csv"))
  dimnames(counts) <- list(make.unique(genes$symbol), cells$cell)
  list(counts = counts, cells = cells, signature = rownames(counts)[genes$ifn_signature == 1])
}

kang <- function() {
  data <- read_kang()
  for (type in unique(data$cells$cell_type)) {
    own <- data$cells$cell_type == type
    time <- seconds(fit <- twill_cells(data$counts[, own], ~ condition + (1 | donor), col_data = data$cells[own, ], seed = 1,
                                       silent = 2))
    res <- as.data.frame(tw_contrast(fit))
    ifn <- rownames(res) %in% data$signature
    called <- res$svalue <= 0.05
    up <- res$log2FoldChange > 0
    text <- "%-18s %4d cells, %4d genes, %3.0f s; signature %d: AUC %.3f, up at s <= 0.05: %d, down: %d; others called %d of %d\n"
    cat(sprintf(text, type, sum(own), nrow(res), time, sum(ifn), area_under_curve(res$log2FoldChange, ifn),
                sum(ifn & called & up), sum(ifn & called & !up), sum(!ifn & called), sum(!ifn)))
    print(table(res$status))
  }
}

# Single genes -------------------------------------------------------------------------------------------------------

# Differences of posterior means in units of their Monte Carlo error, and of posterior sds as ratios.
compare_draws <- function(a, b, shared) {
  summary <- function(x) posterior::summarise_draws(posterior::subset_draws(x, shared), "mean", "sd", "mcse_mean")
  a <- summary(a)
  b <- summary(b)
  data.frame(variable = a$variable, ours = a$mean, twill = b$mean, z = (a$mean - b$mean) / sqrt(a$mcse_mean^2 + b$mcse_mean^2),
             sd_ratio = a$sd / b$sd)
}

genes <- function() {
  fit <- fit_glioblastoma(~ condition + (1 + condition || donor), iter = 1200, genes = c("MT2A", "SPP1", "MT-CO1", "CALM1"))
  for (gene in rownames(fit)) {
    time <- seconds(one <- tw_gene(fit, gene, x = glioblastoma$counts, refresh = 0, silent = 2))
    shared <- c("b_Intercept", "b_conditionpanobinostat", "sd_donor__Intercept", "sd_donor__conditionpanobinostat", "shape")
    cat(sprintf("\n%s beside twill(), %d cells in %.0f s\n", gene, stats::nobs(one), time))
    print(format(compare_draws(as_draws(fit, genes = gene), as_draws(one), shared), digits = 3))
  }
}

# Against reference posteriors made elsewhere, with their priors and offsets.
reference <- function() {
  tests <- new.env()
  files <- list.files("tests/testthat", "^helper-(models|reference.*)[.]R$", full.names = TRUE)
  for (file in files) sys.source(file, tests)
  sets <- list(kang_mono = c("ISG15", "FTL", "LY6E"), glioblastoma = c("SPP1", "MT2A"))
  for (prefix in names(sets)) {
    data <- tests$reference_genes(prefix, sets[[prefix]])
    fit <- tests$reference_cells(data, tests$reference_designs[[prefix]])
    for (gene in sets[[prefix]]) {
      posterior <- tests$reference_posterior(data$models[[paste0(prefix, "_", gene)]])
      table <- tests$reference_compare(tests$as_reference(as_draws(fit, genes = gene)), posterior)
      cat(sprintf("%-6s %2d parameters: largest |z| of means %.2f, of sds %.2f\n", gene, nrow(table), max(abs(table$z_mean)),
                  max(abs(table$z_sd), na.rm = TRUE)))
    }
  }
}

chosen <- commandArgs(trailingOnly = TRUE)
known <- list(glioblastoma = glioblastoma_genes, kang = kang, genes = genes, reference = reference)
for (name in if (length(chosen)) chosen else names(known)) known[[name]]()
