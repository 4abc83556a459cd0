# Makes data/glioblastoma.rda, the single cells of glioblastoma shipped with the package.
#
#   Rscript data-raw/glioblastoma.R FOLDER
#
# FOLDER holds tables cut, unchanged, from the data set glioblastoma_example_data of the Bioconductor package lemur
# (see inst/extdata/README.md), two of every three of its genes:
#   counts.mtx.gz       genes x cells
#   genes.csv           gene (Ensembl), symbol, chromosome
#   cells.csv.gz        cell, donor, condition, sample, run, age, sex, total_counts_300, genes_detected_300

read_glioblastoma <- function(folder) {
  counts <- methods::as(Matrix::readMM(gzfile(file.path(folder, "counts.mtx.gz"))), "CsparseMatrix")
  genes <- read.csv(file.path(folder, "genes.csv"))
  cells <- read.csv(file.path(folder, "cells.csv.gz"), row.names = "cell")
  dimnames(counts) <- list(genes$symbol, rownames(cells))
  factors <- c("donor", "condition", "sample", "run", "sex")
  cells[factors] <- lapply(cells[factors], factor)
  list(counts = counts, cells = cells)
}

folder <- commandArgs(trailingOnly = TRUE)
stopifnot("Give the folder with the source tables." = length(folder) == 1)
glioblastoma <- read_glioblastoma(folder)
str(glioblastoma)
stopifnot(!anyNA(glioblastoma$cells), !anyDuplicated(rownames(glioblastoma$counts)))
# Whoever reads the data loads Matrix by this reference: R finds no method for the first `[` of a class of a package that it
# has not loaded, and the package itself loads Matrix when it is needed.
attr(glioblastoma, "methods_of") <- asNamespace("Matrix")
save(glioblastoma, file = "data/glioblastoma.rda", version = 3, compress = "xz")
