# Tables of text in pieces: types of columns are those of the whole file.

write_rows <- function(data, name = "rows.csv") {
  file <- file.path(withr_folder(), name)
  utils::write.csv(data, file, row.names = FALSE)
  file
}

withr_folder <- function() {
  folder <- tempfile()
  dir.create(folder)
  folder
}

short <- function(...) twill(..., chains = 1, iter = 20, warmup = 10, seed = 1, silent = 2)

test_that("blanks mean the same wherever the file is cut", {
  local_function("rows_at_a_time", 50)
  data <- data.frame(y = with_fixed_seed(1, stats::rnorm(200)), arm = rep(c("", "z"), c(160, 40)), n = c(rep(NA, 60), 1:140),
                     g = gl(4, 50))
  fit <- short(y ~ arm + (1 | g), write_rows(data))
  expect_equal(nobs(fit), 200)
  expect_identical(levels(fit$data$arm), c("", "z"))
  numbers <- short(y ~ n + (1 | g), write_rows(data))
  expect_equal(nobs(numbers), 140)
  # What is blank at first is a number all the same; TRUE and 1 are texts.
  expect_type(numbers$data$n, "double")
  expect_identical(wider_type(wider_type(NULL, "", FALSE), c("1", "2"), FALSE), "integer")
  expect_identical(wider_type(wider_type(NULL, c("T", "F"), FALSE), c("1", "2"), FALSE), "character")
})

test_that("a column has one type in all pieces", {
  local_function("rows_at_a_time", 50)
  data <- with_fixed_seed(2, data.frame(y = stats::rnorm(200), g = c(rep(1:4, 25), rep(paste0("s", 1:4), 25)),
                                        x = c(rep(1:10, 10), stats::rnorm(100)), flag = rep(c(TRUE, FALSE), 100),
                                        mixed = c(rep(c("T", "F"), 50), rep(c("Tx", "1"), 50))))
  fit <- short(y ~ x + flag + mixed + (1 | g), write_rows(data))
  expect_equal(unname(unlist(ngrps(fit))), 8)
  expect_identical(vapply(fit$data[c("x", "flag", "mixed")], typeof, ""), c(x = "double", flag = "logical", mixed = "integer"))
  # Files, too, are one table.
  folder <- withr_folder()
  for (k in 1:2) utils::write.csv(data[100 * (k - 1) + 1:100, ], file.path(folder, paste0(k, ".csv")), row.names = FALSE)
  expect_equal(unname(unlist(ngrps(short(y ~ x + (1 | g), folder)))), 8)
})

test_that("ids that look like numbers stay apart", {
  ids <- c("1E2", "100", "2E1", "20")
  data <- with_fixed_seed(3, data.frame(y = stats::rnorm(80), well = rep(ids, 20), code = rep(c("001", "1", "2", "02"), 20),
                                        long = rep(c("9007199254740992", "9007199254740993", "9007199254740995", "5"), 20),
                                        plain = rep(1:20, 4)))
  fit <- short(y ~ 1 + (1 | well) + (1 | code) + (1 | long) + (1 | plain), write_rows(data))
  expect_equal(unlist(ngrps(fit)), c(well = 4, code = 4, long = 4, plain = 20))
  # Numbers keep their order.
  expect_identical(fit$design$terms[[4]]$level_names, as.character(1:20))
})

test_that("a compressed file that ends too early is refused", {
  data <- with_fixed_seed(4, data.frame(y = round(stats::rnorm(2e4), 3), g = sample(letters, 2e4, TRUE)))
  file <- file.path(withr_folder(), "rows.csv.gz")
  utils::write.csv(data, gzfile(file), row.names = FALSE)
  expect_equal(nobs(short(y ~ 1 + (1 | g), file)), 2e4)
  bytes <- readBin(file, "raw", file.size(file))
  writeBin(bytes[seq_len(length(bytes) %/% 2)], file)
  expect_error(short(y ~ 1 + (1 | g), file), "damaged.*ends before", class = "twill_error_data")
})
