# twill_genes() on real data with known answers: interferon in blood cells, panobinostat in glioblastoma, knock-out screens.
#
#   Rscript bench/genes-real.R [kang] [glioblastoma] [crispr] [depmap]        TWILL_SHARED is the folder of the shared data
suppressMessages(library(twill))
source("bench/real-data.R")

read_counts <- function(folder) {
  counts <- methods::as(Matrix::readMM(gzfile(shared(folder, "counts.mtx.gz"))), "CsparseMatrix")
  genes <- utils::read.csv(shared(folder, "genes.csv"))
  cells <- utils::read.csv(list.files(shared(folder), "^cells", full.names = TRUE))
  rownames(counts) <- make.unique(genes$symbol)
  list(counts = counts, cells = cells, genes = genes)
}

pseudobulk <- function(counts, cells) {
  sample <- factor(cells$sample)
  sums <- as.matrix(counts %*% Matrix::sparseMatrix(seq_along(sample), as.integer(sample), x = 1))
  samples <- cells[match(levels(sample), cells$sample), c("donor", "condition")]
  samples[] <- lapply(samples, factor)
  colnames(sums) <- rownames(samples) <- levels(sample)
  list(counts = sums, samples = samples)
}

kang <- function() {
  data <- read_counts("kang")
  for (type in unique(data$cells$cell_type)) {
    own <- data$cells$cell_type == type
    bulk <- pseudobulk(data$counts[, own], data$cells[own, ])
    fit <- twill_genes(bulk$counts, ~ condition + (1 | donor), col_data = bulk$samples, seed = 1, silent = 2)
    res <- as.data.frame(tw_contrast(fit))
    ifn <- data$genes$ifn_signature[match(rownames(res), rownames(data$counts))] == 1
    called <- res$svalue <= 0.05
    text <- "kang, %-18s %4d genes; interferon signature %d: AUC %.3f, up at s <= 0.05: %d, down: %d; others called %d of %d\n"
    up <- res$log2FoldChange > 0
    cat(sprintf(text, type, nrow(res), sum(ifn), area_under_curve(res$log2FoldChange, ifn), sum(ifn & called & up),
                sum(ifn & called & !up), sum(!ifn & called), sum(!ifn)))
    print(table(res$status))
  }
}

glioblastoma <- function() {
  data <- read_counts("glioblastoma")
  bulk <- pseudobulk(data$counts, data$cells)
  totals <- tapply(data$cells$total_counts_300, factor(data$cells$sample), sum)
  sizes <- totals / exp(mean(log(totals)))
  fit <- twill_genes(bulk$counts, ~ condition + (1 + condition || donor), col_data = bulk$samples,
                     size_factors = as.numeric(sizes), seed = 1, silent = 2)
  print(fit)
  res <- as.data.frame(tw_contrast(fit))
  columns <- c("baseMean", "log2FoldChange", "lower", "upper", "lfsr", "svalue", "sd_donor", "status")
  print(format(res[grep("^MT[12]", rownames(res)), columns], digits = 2))
  cat("Genes whose response varies most over donors:\n")
  print(format(utils::head(res[order(-res$sd_donor), columns], 5), digits = 2))
}

# Essential against non-essential genes; medians of guides' log fold changes beside.
crispr <- function(n_genes = 600) {
  data <- utils::read.csv(shared("crispr_hap1", "counts.csv.gz"))
  lists <- lapply(c("essential", "nonessential"), function(kind) {
    utils::read.csv(shared("crispr_hap1", sprintf("%s_genes.csv", kind)))$gene
  })
  known <- lapply(lists, function(genes) utils::head(intersect(genes, data$gene), n_genes / 2))
  data <- data[data$gene %in% unlist(known), ]
  counts <- as.matrix(data[c("T0", "T18A", "T18B", "T18C")])
  rownames(counts) <- data$guide
  controls <- intersect(lists[[2]], data$gene)
  ask <- function() twill_screen(counts, gene = data$gene, plasmid = "T0", controls = controls, seed = 1, silent = 2)
  seconds <- system.time(fit <- ask())[["elapsed"]]
  print(fit)
  res <- as.data.frame(tw_contrast(fit))
  essential <- rownames(res) %in% lists[[1]]
  sizes <- colSums(counts) / mean(colSums(counts))
  lfc <- log2((rowMeans(sweep(counts[, -1], 2, sizes[-1], "/")) + 1) / (counts[, 1] / sizes[1] + 1))
  median_lfc <- tapply(lfc, data$gene, stats::median)[rownames(res)]
  called <- res$svalue <= 0.05 & res$log2FoldChange < 0
  text <- "crispr_hap1, %d genes, %.0f s: AUC %.3f (median of guides %.3f); depleted: %d of %d essential, %d of %d not\n"
  cat(sprintf(text,
              nrow(res), seconds, area_under_curve(-res$log2FoldChange, essential), area_under_curve(-median_lfc, essential),
              sum(called & essential), sum(essential), sum(called & !essential), sum(!essential)))
}

# DepMap's essential against non-essential genes over cell lines of one plasmid batch, whose effects vary over lines; the median
# over guides and lines of log fold changes beside. Lines are added one by one: with all of them both rank nearly perfectly.
depmap <- function(n_lines = c(1, 3, 10)) {
  samples <- utils::read.csv(shared("crispr_depmap", "samples.csv"))
  counts <- utils::read.csv(shared("crispr_depmap", "counts.csv.gz"), check.names = FALSE)
  genes <- utils::read.csv(shared("crispr_depmap", "genes.csv"))
  counts <- counts[counts$gene %in% genes$gene[genes$common_essential == 1 | genes$nonessential == 1], ]
  batch <- samples[samples$pDNA_batch == "Avana-3", ]
  lines <- setdiff(unique(batch$cell_line), "pDNA")
  for (n in n_lines) depmap_lines(counts, genes, batch[batch$cell_line %in% c("pDNA", utils::head(lines, n)), ], n)
}

depmap_lines <- function(counts, genes, samples, n) {
  values <- as.matrix(counts[samples$sample])
  known <- rowSums(is.na(values)) == 0
  values <- values[known, ]
  gene <- counts$gene[known]
  rownames(values) <- counts$guide[known]
  samples$cell_line <- factor(samples$cell_line)
  design <- if (n > 1) ~ 1 + (1 | cell_line) else ~1
  seconds <- system.time(fit <- twill_screen(values, design, gene = gene, plasmid = samples$sample[samples$cell_line == "pDNA"],
                                          col_data = samples["cell_line"], controls = genes$gene[genes$nonessential == 1],
                                          seed = 1, silent = 2))[["elapsed"]]
  res <- as.data.frame(tw_contrast(fit, "Intercept"))
  essential <- genes$common_essential[match(rownames(res), genes$gene)] == 1
  per_million <- log2(sweep(values, 2, colSums(values) / 1e6, "/") + 1)
  lfc <- per_million[, samples$cell_line != "pDNA", drop = FALSE] - per_million[, samples$cell_line == "pDNA"]
  median_lfc <- tapply(lfc, gene[row(lfc)], stats::median)[rownames(res)]
  mean_of_medians <- tapply(apply(lfc, 1, stats::median), gene, mean)[rownames(res)]
  called <- res$svalue <= 0.05 & res$log2FoldChange < 0
  text <- paste("crispr_depmap, %d genes, %d lines, %d samples, %.0f s: AUC %.4f (median over guides and samples %.4f, mean over",
                "guides of medians %.4f); depleted: %d of %d essential, %d of %d not\n")
  area <- function(score) area_under_curve(-score, essential)
  cat(sprintf(text, nrow(res), n, sum(samples$cell_line != "pDNA"), seconds, area(res$log2FoldChange), area(median_lfc),
              area(mean_of_medians), sum(called & essential), sum(essential), sum(called & !essential), sum(!essential)))
  print(table(res$status))
}

chosen <- commandArgs(trailingOnly = TRUE)
known <- list(kang = kang, glioblastoma = glioblastoma, crispr = crispr, depmap = depmap)
for (name in if (length(chosen)) chosen else names(known)) known[[name]]()
