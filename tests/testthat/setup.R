# What a test draws without a device of its own goes nowhere: R would leave Rplots.pdf.
local({
  old <- options(device = function(...) grDevices::pdf(NULL))
  withr::defer(options(old), testthat::teardown_env())
})
