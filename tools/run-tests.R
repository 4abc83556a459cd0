# Runs tests/testthat on the installed package and writes "passed failed skipped" to a file.
#
#   Rscript tools/run-tests.R COUNTS [PART N]     PART N: one of N shares of the files, the large ones dealt out first
#
# A test is one test_that() block: failed if anything in it failed or stopped, else skipped if
# anything in it was skipped, else passed. Each skipped test is named with its reason, each failed one with what failed.
arguments <- commandArgs(trailingOnly = TRUE)
counts_file <- arguments[[1]]
share <- as.integer(if (length(arguments) > 1) arguments[2:3] else c(1, 1))

# A pattern for the files of one share, whose names testthat matches without "test-" and ".R".
files_of <- function(part, n) {
  files <- list.files("tests/testthat", "^test-.*[.]R$", full.names = TRUE)
  files <- files[order(-file.size(files), files)]
  names <- sub("^test-(.*)[.]R$", "\\1", basename(files[(seq_along(files) - 1) %% n + 1 == part]))
  paste0("^(", paste(names, collapse = "|"), ")$")
}

run <- function() {
  reporter <- testthat::MultiReporter$new(reporters = list(
    testthat::SummaryReporter$new(show_praise = FALSE), listed <- testthat::ListReporter$new()))
  testthat::test_dir("tests/testthat", package = "twill", load_package = "installed",
                     reporter = reporter, stop_on_failure = FALSE, filter = files_of(share[[1]], share[[2]]))
  listed$get_results()
}

name_skipped <- function(tests, skipped) {
  if (!any(skipped)) return(invisible())
  reason <- vapply(tests$result[skipped], function(results) {
    messages <- Filter(function(x) inherits(x, "expectation_skip"), results)
    sub("^Reason: ", "", conditionMessage(messages[[1]]))
  }, "")
  cat("Skipped:", sprintf("  %s: %s (%s)", tests$file[skipped], tests$test[skipped], reason),
      sep = "\n")
}

# Last, so that the end of a long log tells what went wrong.
name_failed <- function(tests, failed) {
  for (at in which(failed)) {
    problem <- Filter(function(x) inherits(x, c("expectation_failure", "expectation_error")), tests$result[[at]])
    cat("Failed: ", tests$file[at], ": ", tests$test[at], "\n", sep = "")
    for (x in problem) cat(utils::head(strsplit(conditionMessage(x), "\n")[[1]], 12), sep = "\n")
  }
}

name_longest <- function(tests) {
  seconds <- sort(tapply(tests$real, tests$file, sum), decreasing = TRUE)
  cat("Longest:", sprintf("  %s: %.0f s", names(seconds), seconds)[seq_len(min(10, length(seconds)))], sep = "\n")
}

tests <- as.data.frame(run())
name_longest(tests)
failed <- tests$failed > 0 | tests$error
skipped <- !failed & tests$skipped
name_skipped(tests, skipped)
name_failed(tests, failed)
writeLines(paste(sum(!failed & !skipped), sum(failed), sum(skipped)), counts_file)
