# Runs tests/testthat on the installed package and writes "passed failed skipped" to a file.
#
#   Rscript tools/run-tests.R COUNTS
#
# A test is one test_that() block: failed if anything in it failed or stopped, else skipped if
# anything in it was skipped, else passed. Each skipped test is named with its reason, each failed one with what failed.
counts_file <- commandArgs(trailingOnly = TRUE)[[1]]

run <- function() {
  reporter <- testthat::MultiReporter$new(reporters = list(
    testthat::SummaryReporter$new(show_praise = FALSE), listed <- testthat::ListReporter$new()))
  testthat::test_dir("tests/testthat", package = "twill", load_package = "installed",
                     reporter = reporter, stop_on_failure = FALSE)
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

tests <- as.data.frame(run())
failed <- tests$failed > 0 | tests$error
skipped <- !failed & tests$skipped
name_skipped(tests, skipped)
name_failed(tests, failed)
writeLines(paste(sum(!failed & !skipped), sum(failed), sum(skipped)), counts_file)
