# A hundred random calls, over all doors: each ends in a classed error or in a finite result. `make fuzz` makes 10,000 of them.

fuzz_folder <- function() testthat::test_path("..", "..", "tools", "fuzz")

test_that("random calls end in a classed error or in a finite result", {
  skip_on_cran()
  skip_if_not(dir.exists(fuzz_folder()), "the fuzzer is part of a checkout alone")
  reader <- new.env()
  sys.source(file.path(fuzz_folder(), "all.R"), reader)
  fuzz <- reader$read_fuzzer(fuzz_folder())
  for (door in fuzz$doors) {
    findings <- fuzz$fuzz_door(door, seed = 1, calls = 25)
    expect_identical(paste(findings, collapse = "\n"), "", label = door)
  }
})

test_that("the fuzzer sees an unclassed error, a warning and a number that is not finite", {
  skip_if_not(dir.exists(fuzz_folder()), "the fuzzer is part of a checkout alone")
  reader <- new.env()
  sys.source(file.path(fuzz_folder(), "all.R"), reader)
  fuzz <- reader$read_fuzzer(fuzz_folder())
  kinds <- function(code) vapply(fuzz$judge(code, globalenv())$findings, `[[`, "", "kind")
  expect_identical(kinds(quote(stop("no class"))), "error")
  expect_identical(kinds(quote(sqrt(-1))), c("warning", "not finite"))
  expect_identical(kinds(quote(list(a = 1, b = list(1, Inf)))), "not finite")
  expect_identical(kinds(quote(twill::tw_prior("normal(0)"))), character())
  expect_identical(kinds(quote(twill::tw_prior("normal(0, 1)"))), character())
})
