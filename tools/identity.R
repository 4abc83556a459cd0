# Who maintains twill and where it lives, from the one place that says so, tools/identity.dcf, to the files that others read.
#
#   Rscript tools/identity.R            fills DESCRIPTION, CITATION.cff and .ci/r-universe/packages.json
#   Rscript tools/identity.R --check    names those that say something else; exit status 1 if any does
#
# inst/CITATION has no names of its own: it reads DESCRIPTION.

identity <- as.list(read.dcf("tools/identity.dcf")[1L, ])
description <- as.list(read.dcf("DESCRIPTION", fields = c("Package", "Title", "Version", "License"))[1L, ])

# A field of DESCRIPTION on one line, put in before another where it is not yet there.
with_field <- function(lines, name, value, before = "Encoding") {
  field <- paste0(name, ": ", value)
  at <- grep(paste0("^", name, ": "), lines)
  if (length(at)) return(replace(lines, at, field))
  append(lines, field, grep(paste0("^", before, ": "), lines) - 1L)
}

filled_description <- function() {
  lines <- readLines("DESCRIPTION")
  lines <- sub('email = "[^"]*"', sprintf('email = "%s"', identity$Email), lines)
  person <- sprintf('person("%s", role = c("aut", "cre")', identity$Maintainer)
  lines <- sub('person\\("[^"]*", role = c\\("aut", "cre"\\)', person, lines)
  with_field(with_field(lines, "URL", identity$URL), "BugReports", identity$BugReports)
}

filled_citation <- function() {
  c("cff-version: 1.2.0",
    "message: If you use this software, please cite it as below.",
    "type: software",
    sprintf("title: \"%s: %s\"", description$Package, description$Title),
    sprintf("version: %s", description$Version),
    "authors:",
    sprintf("  - name: %s", identity$Maintainer),
    sprintf("    email: %s", identity$Email),
    "license: GPL-3.0-or-later",
    sprintf("url: %s", identity$URL),
    sprintf("repository-code: %s", identity$Repository),
    "keywords:",
    paste("  -", c("hierarchical models", "Bayesian inference", "differential expression", "single-cell", "CRISPR screens")))
}

filled_universe <- function() {
  c("[", sprintf("  {\"package\": \"%s\", \"url\": \"%s\"}", description$Package, identity$Repository), "]")
}

files <- list("DESCRIPTION" = filled_description(), "CITATION.cff" = filled_citation(),
              ".ci/r-universe/packages.json" = filled_universe())
is_same <- function(path) file.exists(path) && identical(readLines(path), files[[path]])
changed <- Filter(Negate(is_same), names(files))
if ("--check" %in% commandArgs(TRUE)) {
  if (length(changed)) cat("Not as tools/identity.dcf says:", changed, "\nRun Rscript tools/identity.R\n")
  quit(status = as.integer(length(changed) > 0L))
}
for (path in changed) {
  dir.create(dirname(path), FALSE, TRUE)
  writeLines(files[[path]], path)
  cat("wrote", path, "\n")
}
