# The rules of Bioconductor that can be checked from the sources, without network and without a release of Bioconductor.
#
#   Rscript tools/check-bioc.R [TARBALL]     a line per rule; exit status 1 if one that is asked for is broken
#
# "ok" and "BROKEN" are rules that twill keeps (docs/decisions/085); "open" are rules that only a submission to Bioconductor
# needs. BiocCheck itself also wants the package in its own index, and a network: read its messages, not its exit status.

description <- read.dcf("DESCRIPTION")[1L, ]
code_files <- setdiff(list.files("R", "[.]R$", full.names = TRUE), "R/extendr-wrappers.R")
parsed <- lapply(code_files, parse, keep.source = TRUE)
names(parsed) <- code_files
vignettes <- setdiff(list.files("vignettes", "[.]Rmd$", full.names = TRUE), "vignettes/reference.Rmd")

# Files, and what in them breaks a rule.
calls_of <- function(name) {
  found <- lapply(parsed, function(file) {
    tokens <- utils::getParseData(file)
    tokens$line1[tokens$token == "SYMBOL_FUNCTION_CALL" & tokens$text == name]
  })
  unlist(Map(function(file, lines) if (length(lines)) paste0(file, ":", lines), names(found), found), use.names = FALSE)
}

# Definitions at the top of files, as list(name = function).
definitions <- function() {
  out <- list()
  for (file in parsed) for (one in as.list(file)) {
    if (is.call(one) && identical(one[[1L]], quote(`<-`)) && is.name(one[[2L]]) && is.call(one[[3L]]) &&
        identical(one[[3L]][[1L]], quote(`function`))) out[[as.character(one[[2L]])]] <- one[[3L]]
  }
  out
}

exported <- sub("^export\\((.*)\\)$", "\\1", grep("^export\\(", readLines("NAMESPACE"), value = TRUE))
functions <- definitions()
formals_of <- function(name) names(functions[[name]][[2L]])
lines_of <- function(path) readLines(path, warn = FALSE)

# Each rule gives what breaks it; character() if nothing does.
kept <- list(
  "BPPARAM is the last argument of exported functions that have it" = function() {
    Filter(function(name) "BPPARAM" %in% formals_of(name) && utils::tail(formals_of(name), 1L) != "BPPARAM", exported)
  },
  "set.seed() only in with_local_seed() of R/numbers.R, which puts the generator back" = function() {
    Filter(function(at) !startsWith(at, "R/numbers.R"), calls_of("set.seed"))
  },
  "no sapply(), browser(), install.packages(), system() in R/" = function() {
    unlist(lapply(c("sapply", "browser", "install.packages", "system"), calls_of))
  },
  "every vignette ends in sessionInfo()" = function() {
    Filter(function(path) !any(grepl("sessionInfo()", lines_of(path), fixed = TRUE)), vignettes)
  },
  "a vignette has a section on installation" = function() {
    if (!any(vapply(vignettes, function(path) any(grepl("^#+ Installation", lines_of(path))), NA))) "none"
  },
  "biocViews, URL, BugReports are there" = function() setdiff(c("biocViews", "URL", "BugReports"), names(description)),
  "biocViews are of one branch, Software" = function() {
    known <- c("Software", "StatisticalMethod", "Bayesian", "Regression", "GeneExpression", "DifferentialExpression",
               "SingleCell", "RNASeq", "CRISPR", "PooledScreens", "Transcriptomics")
    setdiff(trimws(strsplit(description[["biocViews"]], ",")[[1L]]), known)
  },
  "Description has three sentences or more" = function() {
    text <- gsub("\\s+", " ", description[["Description"]])
    if (lengths(regmatches(text, gregexpr("[a-z]\\. [A-Z]|[a-z]\\.$", text))) < 3L) text
  },
  "NEWS and CITATION are there" = function() Filter(Negate(file.exists), c("NEWS.md", "inst/CITATION", "CITATION.cff")),
  "files of the repository are below 5 MB" = function() {
    files <- system2("git", c("ls-files"), stdout = TRUE)
    files[which(file.size(files) > 5e6)]
  },
  "the tarball is below 5 MB" = function() {
    tarball <- commandArgs(TRUE)
    if (length(tarball) && file.size(tarball[[1L]]) > 5e6) sprintf("%s: %.2f MB", tarball, file.size(tarball) / 1e6)
  })

open <- list(
  "version 0.99.z" = function() if (!startsWith(description[["Version"]], "0.99.")) description[["Version"]],
  "Bioconductor's containers in Imports" = function() {
    setdiff(c("SummarizedExperiment", "SingleCellExperiment", "S4Vectors"), trimws(strsplit(description[["Imports"]], ",")[[1L]]))
  },
  "vignettes in BiocStyle" = function() Filter(function(path) !any(grepl("BiocStyle", lines_of(path))), vignettes),
  "functions below 50 lines" = function() {
    size <- vapply(parsed, function(file) max(0L, vapply(utils::getSrcref(file), function(at) at[[3L]] - at[[1L]], 0L)), 0L)
    names(size)[size > 50L]
  },
  "lines of at most 80 characters" = function() {
    long <- sum(vapply(code_files, function(path) sum(nchar(lines_of(path)) > 80L), 0L))
    if (long) sprintf("%d lines of R/, where %d is the limit of this repository", long, 130L)
  })

report <- function(rules, word) {
  broken <- 0L
  for (name in names(rules)) {
    found <- rules[[name]]()
    cat(sprintf("%-7s %s%s\n", if (length(found)) word else "ok", name,
                if (length(found)) paste0(": ", toString(utils::head(found, 5L))) else ""))
    broken <- broken + (length(found) > 0L)
  }
  broken
}

broken <- report(kept, "BROKEN")
invisible(report(open, "open"))
quit(status = as.integer(broken > 0L))
