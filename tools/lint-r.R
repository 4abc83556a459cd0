# R style, the light part of it: what a reader would stumble over, found without a parser.
generated <- "R/extendr-wrappers.R"
files <- setdiff(list.files(c("R", "tools", "tools/fuzz", "bench", "bench/peers", "data-raw", "tests/testthat"),
                            pattern = "\\.R$",
                            full.names = TRUE), generated)

at_lines <- function(file, found, complaint) {
  if (any(found)) sprintf("%s:%d: %s", file, which(found), complaint)
}

# Code without strings and comments, so that words in messages are not taken for code.
code_of <- function(lines) {
  lines <- gsub("\\\\.", "", lines)
  sub("#.*$", "", gsub("\"[^\"]*\"|'[^']*'|`[^`]*`", "\"\"", lines))
}

complaints_about <- function(file) {
  lines <- readLines(file, warn = FALSE, encoding = "UTF-8")
  code <- code_of(lines)
  c(if (!grepl("^#( |!)", lines[1])) paste0(file, ":1: must open with a comment on its purpose"),
    if (length(lines) > 400) paste0(file, ": has ", length(lines), " lines, at most 400"),
    at_lines(file, nchar(lines) > 130, "line longer than 130 characters"),
    at_lines(file, grepl("\t", lines), "tab"),
    at_lines(file, grepl("[ \t]+$", lines), "white space at the end"),
    at_lines(file, grepl("(^|[^._[:alnum:]$@])[TF]([^._[:alnum:](]|$)", code), "T or F for TRUE or FALSE"),
    at_lines(file, grepl("\\bsapply\\(", code), "sapply(): use vapply()"),
    at_lines(file, grepl("(^|[^<])<<-", code), "assignment outside the function"),
    at_lines(file, grepl("\\b(TO[D]O|FIX[M]E)\\b(?!.*#[0-9])", lines, perl = TRUE), "open task without issue number"))
}

# What a family or a prior distribution is, its record says: elsewhere its name is compared with nothing.
records <- c("R/family.R", "R/family-record.R", "R/prior-record.R")
compared_names <- paste0(
  "\\b(family|dist|link) *(==|!=|%in%) *(c\\()?\"",                          # family$family == "gaussian"
  "|(==|!=) *\"(poisson|negbinomial|student_t|lkj|inv_gamma|horseshoe_scale)\"", # kind != "poisson"
  "|identical\\([^\"]*\\b(family|dist|link), *\"",                             # identical(model$family$link, "log")
  "|switch\\([^\",]*\\b(family|dist|link),")                                  # switch(parsed$dist, ...)

complaints_about_records <- function(file) {
  lines <- sub("^\\s*#.*$", "", readLines(file, warn = FALSE, encoding = "UTF-8"))
  at_lines(file, grepl(compared_names, lines, perl = TRUE), "compares the name of a family or prior: ask its record")
}

# Which kind a fit is, R/model-fit.R tells; draws of a fit are taken by draws_of(), whatever has them.
kinds_of_fits <- "inherits[(,].*\"twill(fit|genes|cells|rows|_screen|_by|_partial|_model)\""
of_draws <- c("R/fit-draws-of.R", "R/fit-genes-draws.R")

complaints_about_fits <- function(file) {
  lines <- sub("^\\s*#.*$", "", readLines(file, warn = FALSE, encoding = "UTF-8"))
  c(if (file != "R/model-fit.R") at_lines(file, grepl(kinds_of_fits, lines), "tells a fit's kind by class: ask R/model-fit.R"),
    if (!file %in% of_draws) at_lines(file, grepl("posterior\\$(draws|effects)\\[", lines), "takes draws itself: ask draws_of()"))
}

# A function of the package that has two definitions: the file that is read last wins, unseen.
defined_in <- function(file) {
  lines <- readLines(file, warn = FALSE)
  defined <- sub(" <- function.*$", "", grep("^[A-Za-z._][A-Za-z0-9._]* <- function", lines, value = TRUE))
  stats::setNames(defined, rep(file, length(defined)))
}

complaints_about_names <- function(files) {
  defined <- unlist(lapply(files, defined_in))
  twice <- defined[duplicated(defined) | duplicated(defined, fromLast = TRUE)]
  if (length(twice)) sprintf("%s: %s() is defined more than once in the package", names(twice), twice)
}

of_package <- files[startsWith(files, "R/")]
found <- c(unlist(lapply(files, complaints_about)), complaints_about_names(of_package),
           unlist(lapply(setdiff(of_package, records), complaints_about_records)),
           unlist(lapply(of_package, complaints_about_fits)))
if (length(found)) writeLines(found)
quit(status = as.integer(length(found) > 0))
