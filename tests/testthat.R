# Entry point of R CMD check.
library(testthat)
library(twill)

test_check("twill")
