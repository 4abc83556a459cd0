# Tests that nothing is said can fail.

test_that("a message fails the expectation of none, by class, and nothing else does", {
  say <- function(class = NULL) {
    cli::cli_inform("said", class = class)
    3
  }
  expect_failure(expect_no_message(message("said")), "said")
  expect_failure(expect_no_message(say("twill_message_run"), class = "twill_message_run"), "said")
  expect_success(suppressMessages(expect_no_message(say("twill_message_run"), class = "twill_message_file")))
  expect_success(expect_identical(expect_no_message(3), 3))
})
