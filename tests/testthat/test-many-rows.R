# Many rows: model matrices made part by part, levels found by values, and memory given back are what they are for few rows.

rows <- local({
  set.seed(1)
  n <- 500
  data.frame(x = rnorm(n), day = sample(as.Date("2024-02-27") + 0:4, n, TRUE), site = sample(c("b", "a", "c", "10"), n, TRUE),
             dose = factor(sample(c("low", "mid", "high"), n, TRUE), levels = c("mid", "low", "high")),
             is_old = sample(c(TRUE, FALSE), n, TRUE), level = ordered(sample(1:3, n, TRUE)), y = rnorm(n),
             w = runif(n, 1, 2), g = sample(c(10L, 9L, 100L), n, TRUE), h = sample(c(1.5, NA, 0.1 + 0.2, 0.3), n, TRUE))
})

formulas <- list(y ~ x, y ~ site + dose + is_old, y ~ site * x + poly(x, 2), y ~ 0 + level + offset(w), y ~ 1,
                 y ~ I(x^2) + splines::ns(x, 3) + day, y ~ dose:site)

test_that("parts of a model matrix are those of the whole", {
  part <- function(formula, contrasts = NULL) {
    twill:::model_part(formula, rows, contrasts)[c("x", "columns", "contrasts", "offset", "xlevels")]
  }
  # The first rows lack a site and a dose.
  rows <- rows[order(rows$site, rows$dose), ]
  stated <- list(dose = "contr.sum", site = contr.helmert(4))
  whole <- c(lapply(formulas, part), list(part(y ~ dose + site, stated)))
  for (size in c(7, 100, 499)) {
    local_function("rows_at_once", size)
    expect_identical(c(lapply(formulas, part), list(part(y ~ dose + site, stated))), whole)
  }
})

test_that("a triangle of parts has the cross-products, and finds the columns that others determine", {
  x <- cbind(1, a = rows$x, b = rows$w, c = 2 * rows$x - rows$w, d = rows$y)
  colnames(x)[1] <- "Intercept"
  sizes <- twill:::determined_sizes(x[, -4], twill:::counted_sds(x[, -4]))
  counted <- twill:::determined_sizes(x[, -4], twill:::counted_sds(x[, -4], rows$w), rows$w)
  local_function("rows_at_once", 64)
  expect_equal(crossprod(twill:::few_rows(x, rows$w)), crossprod(x * sqrt(rows$w)))
  expect_lt(nrow(twill:::few_rows(x)), 50)
  expect_identical(twill:::aliased_columns(x), "c")
  expect_equal(twill:::determined_sizes(x[, -4], twill:::counted_sds(x[, -4])), sizes)
  expect_equal(twill:::determined_sizes(x[, -4], twill:::counted_sds(x[, -4], rows$w), rows$w), counted)
})

test_that("levels are found by values, in the order of these", {
  by_rows <- function(column) {
    text <- twill:::level_text(column)
    factor(text, levels = unique(text[order(column, na.last = NA)]))
  }
  times <- as.POSIXct("2024-03-30 23:30", tz = "Europe/Berlin") + c(7200, 0, 3600, 0, NA)
  columns <- list(rows$g, rows$h, rows$day, rows$is_old, times, as.difftime(c(2, 1, NA, 2), units = "hours"), -rows$g,
                  c(1e5, 123456.789, 1e-20, NaN, 1e5))
  for (column in columns) expect_identical(twill:::level_factor(column), by_rows(column))
})

test_that("a fit of many rows is that of few, and what it read is given back", {
  data <- rows[!is.na(rows$h), ]
  short <- function() {
    fit <- twill(y ~ x + dose + (1 + x | site) + (1 | g), data, chains = 1, iter = 40, seed = 1, silent = 2)
    fit[c("draws", "prior", "spec_json")]
  }
  whole <- short()
  released <- new.env()
  released$n <- 0
  release <- twill:::engine_release_memory
  local_function("rows_at_once", 50)
  local_function("fewest_rows_to_release", 100)
  local_function("engine_release_memory", function() {
    released$n <- released$n + 1
    release()
  })
  expect_equal(short(), whole)
  expect_gte(released$n, 3)
})

test_that("rows that nothing has merged are merged by the engine, and others are not looked through again", {
  data <- rows[!is.na(rows$h), ]
  in_two <- function() {
    state <- new.env()
    state$k <- 0
    function() {
      state$k <- state$k + 1
      if (state$k <= 2) data[seq_len(nrow(data)) %% 2 == state$k - 1, ]
    }
  }
  short <- function(formula) twill(formula, in_two(), chains = 1, iter = 40, seed = 1, silent = 2)
  by_moments <- short(y ~ dose + (1 | g))
  expect_equal(by_moments$info$rows, 9)
  expect_true(is.double(twill:::spec_arrays(by_moments$design)$squares))
  by_value <- short(exp(y) ~ dose + (1 | g))
  expect_equal(nrow(by_value$data), nrow(data))
  expect_equal(by_value$info$rows, 9)
  expect_null(twill:::spec_arrays(by_value$design)$squares)
})
