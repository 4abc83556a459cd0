# Makes data/depmap_screen.rda, the slice of the DepMap screen shipped with the package.
#
#   Rscript data-raw/depmap_screen.R FOLDER
#
# FOLDER holds tables cut, unchanged, from Data/SampleData of
# https://github.com/broadinstitute/chronos (see inst/extdata/README.md):
#   counts.csv.gz       guide, gene, one column of raw reads per sample
#   samples.csv         sample, cell_line ("pDNA" for plasmid pools), replicate, pDNA_batch,
#                       passes_qc, total_reads
#   expression.csv.gz   cell_line, then log2(TPM + 1), one column per gene
#   copy_number.csv.gz  cell_line, then relative copy number, one column per gene

# From DepMap's list of candidate expression addictions: nine whose knock-out clearly costs more
# where they are more expressed, and three (GNS, LYL1, TNS4) for which it does not. Picked for
# illustration, with a look at the response.
genes <- c("BCL2", "CCND2", "ESR1", "GATA3", "GNS", "HNF1B", "KLF5", "KRAS", "LYL1", "PAX8",
           "SOX10", "TNS4")
n_cell_lines <- 20

read_tables <- function(folder) {
  read <- function(file) read.csv(file.path(folder, file), check.names = FALSE)
  list(counts = read("counts.csv.gz"), samples = read("samples.csv"),
       rna = read("expression.csv.gz"), copy_number = read("copy_number.csv.gz"))
}

# log2(reads per million + 1), less its mean over the plasmid samples of the same batch.
log_fold_change <- function(counts, samples) {
  reads <- as.matrix(counts[, samples$sample])
  log_rpm <- log2(sweep(reads, 2, samples$total_reads / 1e6, "/") + 1)
  is_plasmid <- samples$cell_line == "pDNA"
  plasmid <- vapply(samples$pDNA_batch, function(batch) {
    rowMeans(log_rpm[, is_plasmid & samples$pDNA_batch == batch, drop = FALSE])
  }, numeric(nrow(reads)))
  log_rpm - plasmid
}

long_screen <- function(tables) {
  lfc <- log_fold_change(tables$counts, tables$samples)
  in_slice <- tables$counts$gene %in% genes
  n_samples <- nrow(tables$samples)
  guides <- tables$counts[in_slice, c("gene", "guide")]
  row <- rep(seq_len(n_samples), each = nrow(guides))
  data.frame(guides[rep(seq_len(nrow(guides)), n_samples), ],
             tables$samples[row, c("cell_line", "replicate", "passes_qc")],
             lfc = as.vector(lfc[in_slice, ]), row.names = NULL)
}

add_covariate <- function(screen, table, name) {
  rows <- match(screen$cell_line, table$cell_line)
  screen[[name]] <- as.matrix(table[, -1])[cbind(rows, match(screen$gene, names(table)[-1]))]
  screen
}

# Lines screened in exactly two replicates of good quality. For every gene the two that express
# it most, so that each slope on rna is informed; then the others, by name. The response plays no
# part in the choice.
choose_cell_lines <- function(samples, rna) {
  good <- samples[samples$cell_line != "pDNA", ]
  ok <- tapply(good$passes_qc == "True", good$cell_line, function(x) all(x) && length(x) == 2)
  rna <- rna[rna$cell_line %in% names(which(ok)), ]
  top <- lapply(genes, function(gene) rna$cell_line[order(-rna[[gene]])[1:2]])
  chosen <- unique(c(unlist(top), sort(rna$cell_line)))
  sort(chosen[seq_len(max(n_cell_lines, length(unique(unlist(top)))))])
}

make_screen <- function(folder) {
  tables <- read_tables(folder)
  cell_lines <- choose_cell_lines(tables$samples, tables$rna)
  screen <- long_screen(tables)
  screen <- screen[screen$cell_line %in% cell_lines & !is.na(screen$lfc), ]
  screen <- add_covariate(screen, tables$rna, "rna")
  screen <- add_covariate(screen, tables$copy_number, "copy_number")
  screen[c("gene", "guide", "cell_line", "replicate")] <-
    lapply(screen[c("gene", "guide", "cell_line", "replicate")], factor)
  screen[c("lfc", "rna", "copy_number")] <-
    lapply(screen[c("lfc", "rna", "copy_number")], round, digits = 4)
  screen <- screen[order(screen$gene, screen$guide, screen$cell_line, screen$replicate), ]
  rownames(screen) <- NULL
  screen[c("gene", "guide", "cell_line", "replicate", "lfc", "rna", "copy_number")]
}

folder <- commandArgs(trailingOnly = TRUE)
stopifnot("Give the folder with the source tables." = length(folder) == 1)
depmap_screen <- make_screen(folder)
str(depmap_screen)
stopifnot(!anyNA(depmap_screen))
save(depmap_screen, file = "data/depmap_screen.rda", version = 3, compress = "xz")
