# testthat 3.1.6, which Debian 12 has, lets every message pass its own expectation of this name.
expect_no_message <- function(object, class = "message") {
  said <- new.env()
  value <- withCallingHandlers(object, message = function(m) {
    if (!inherits(m, class)) return()
    assign("text", conditionMessage(m), said)
    invokeRestart("muffleMessage")
  })
  expect(is.null(said$text), paste("Expected no message, but got:", said$text))
  invisible(value)
}
