# What goes into a fit and into predictions, as people's own data have it: types of columns, missing columns, odd identifiers.

typed_data <- function() {
  with_fixed_seed(1, {
    data <- data.frame(dose = rep(1:3, 20), trt = factor(rep(c("10", "20"), each = 30)), C = rep(c(TRUE, FALSE), 30),
                       day = as.Date("2020-01-01") + rep(0:9, 6), g = gl(6, 10), e = rep(c(1, 2), 30))
    data$wait <- as.difftime(rep(c(30, 60, 90, 120), 15), units = "mins")
    # Three digits, so that text holds them exactly.
    data$y <- round(10 * data$dose + 5 * data$C + 0.1 * as.numeric(data$wait) + rnorm(60), 3)
    data
  })
}

typed_fits <- new.env()
typed_fit <- function() {
  if (is.null(typed_fits$fit)) {
    typed_fits$fit <- twill(y ~ dose + trt + C + day + wait + offset(log(e)) + (1 + dose | g), typed_data(), chains = 1,
                            iter = 60, seed = 1, silent = 2, method = "laplace")
  }
  typed_fits$fit
}

# Every door of predictions, on the same rows.
prediction_doors <- list(
  epred = function(fit, new) posterior_epred(fit, newdata = new),
  predict = function(fit, new) predict(fit, newdata = new, seed = 1),
  linpred = function(fit, new) posterior_linpred(fit, newdata = new, re_formula = NA),
  log_lik = function(fit, new) log_lik(fit, newdata = new), residuals = function(fit, new) residuals(fit, newdata = new))

test_that("text and factors that are exact numbers, levels or dates are these, by every door", {
  fit <- typed_fit()
  new <- typed_data()[c(2, 7, 33), ]
  same <- function(...) {
    changed <- transform(new, ...)
    for (door in prediction_doors) expect_identical(door(fit, changed), door(fit, new))
  }
  same(dose = as.character(dose))
  same(dose = factor(dose, levels = c("3", "2", "1")))
  same(dose = as.double(dose))
  same(trt = as.character(trt), C = as.character(C), day = as.character(day))
  same(trt = as.numeric(as.character(trt)), g = as.integer(as.character(g)))
  same(wait = structure(as.numeric(wait) / 60, class = "difftime", units = "hours"))
  same(e = as.character(e), y = as.character(y))
})

test_that("other types are refused, with the column and both types", {
  fit <- typed_fit()
  new <- typed_data()[c(2, 7, 33), ]
  refused <- function(pattern, ...) {
    changed <- transform(new, ...)
    for (door in prediction_doors) expect_error(door(fit, changed), pattern, class = "twill_error_newdata")
  }
  refused("dose.*numeric in the fit, and is text here", dose = c("1", "two", "3"))
  refused("dose.*numeric in the fit, and is logical here", dose = TRUE)
  refused("dose.*and is of class Date here", dose = as.Date("2020-01-01"))
  refused("not seen.*10.*20", trt = c(1, 2, 1))
  refused("C.*logical in the fit, and is text here", C = c("yes", "no", "yes"))
  refused("C.*logical in the fit, and is numeric here", C = 1)
  refused("day.*of class Date in the fit, and is numeric", day = 18266)
  refused("day.*and is text", day = "5 January 2020")
  refused("wait.*difftime", wait = 30)
  refused("dose.*a list here", dose = I(list(1, 2, 3)))
  refused("e.*and is text", e = c("a", "b", "c"))
  expect_error(log_lik(fit, newdata = transform(new, y = "high")), "y.*is text here", class = "twill_error_newdata")
  expect_error(log_lik(fit, newdata = transform(new, y = NA)), "complete", class = "twill_error_newdata")
  expect_identical(dim(posterior_epred(fit, newdata = transform(new, y = "unknown"))), c(30L, 3L))
})

test_that("missing columns are named with what they are for", {
  fit <- typed_fit()
  refused <- function(pattern, new) expect_error(posterior_epred(fit, newdata = new), pattern, class = "twill_error_newdata")
  new <- typed_data()[1:2, ]
  refused("lacks 1 column.*\"dose\".*dose: a predictor and the term of g", new[names(new) != "dose"])
  refused("lacks 3 columns.*trt: a predictor.*e: the offset.*g: a grouping factor", new[c("dose", "C", "day", "wait")])
  refused("allow_new_levels", new[names(new) != "g"])
  refused("newdata.*0 rows", new[0, ])
  refused("newdata.*must be a data frame.*matrix", as.matrix(new["dose"]))
  simple <- twill(y ~ dose, typed_data(), chains = 1, iter = 60, seed = 1, silent = 2)
  expect_error(posterior_epred(simple, newdata = data.frame(z = 1)), "dose: a predictor", class = "twill_error_newdata")
  expect_error(fitted(simple, newdata = data.frame(Dose = 1)), "Did you mean", class = "twill_error_newdata")
})

test_that("standard errors, weights and counts of new rows are checked where they are used", {
  data <- transform(typed_data(), se = 0.5, w = 1, n = 1)
  fit <- twill(y | se(se, sigma = TRUE) + weights(w) ~ dose, data, chains = 1, iter = 60, seed = 1, silent = 2)
  new <- data[1:2, ]
  expect_error(log_lik(fit, newdata = transform(new, w = -1)), "w.*negative", class = "twill_error_newdata")
  expect_error(posterior_predict(fit, newdata = transform(new, se = 0)), "se.*positive", class = "twill_error_newdata")
  expect_identical(dim(posterior_epred(fit, newdata = transform(new, se = 0, w = -1))), c(30L, 2L))
  data$n <- rep(1:3, 20)
  counts <- twill(n ~ dose, data, poisson(), chains = 1, iter = 60, seed = 1, silent = 2, method = "laplace")
  expect_error(log_lik(counts, newdata = transform(new, n = 0.5)), "not whole", class = "twill_error")
})

test_that("an offset given to a prediction stands in for the columns of the model's own", {
  fit <- typed_fit()
  new <- typed_data()[1:4, ]
  without <- new[names(new) != "e"]
  expect_equal(posterior_linpred(fit, newdata = without, offset = log(new$e)), posterior_linpred(fit, newdata = new))
  expect_equal(posterior_linpred(fit, newdata = transform(new, e = NA), offset = 0),
               posterior_linpred(fit, newdata = transform(new, e = 1)))
  expect_error(posterior_linpred(fit, newdata = without), "the offset", class = "twill_error_newdata")
})

test_that("identifiers are one level in every spelling, and keep their digits", {
  ids <- c(99999, 1e5, 2e5, 1234567, 3e15 + 1, 0.1 + 0.2)
  data <- data.frame(id = rep(ids, each = 5))
  data$y <- rep(1:6, each = 5) + with_fixed_seed(1, rnorm(30, sd = 0.2))
  fit <- twill(y ~ 1 + (1 | id), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_identical(rownames(ranef(fit)$id)[order(as.numeric(rownames(ranef(fit)$id)))],
                   c("0.3", "99999", "100000", "200000", "1234567", "3000000000000001"))
  p <- function(id) posterior_epred(fit, newdata = data.frame(id = id), draw_ids = 1:5)
  expect_identical(p(c(100000L, 200000L)), p(c(1e5, 2e5)))
  expect_identical(p(c("100000", "1e5", "1e+05", "0100000")), p(rep(1e5, 4)))
  expect_identical(p(factor(c(1e5, 2e5))), p(c(1e5, 2e5)))
  expect_identical(p("3000000000000001"), p(3e15 + 1))
  expect_identical(p(c(0.3, 0.1 + 0.2)), p(c("0.3", "0.3")))
  expect_error(p("3000000000000002"), "not seen", class = "twill_error_newdata")
  data$id <- factor(data$id)
  by_factor <- twill(y ~ 1 + (1 | id), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_identical(posterior_epred(by_factor, newdata = data.frame(id = 100000L)),
                   posterior_epred(by_factor, newdata = data.frame(id = "1e+05")))
})

test_that("times at midnight and other zones are the levels that they were", {
  time <- as.POSIXct("2024-01-01", tz = "UTC") + 3600 * c(0, 5, 24)
  data <- data.frame(time = rep(time, each = 5), y = rnorm(15))
  fit <- twill(y ~ 1 + (1 | time), data, chains = 1, iter = 60, seed = 1, silent = 2)
  own <- posterior_epred(fit)[, c(1, 6, 11)]
  expect_identical(posterior_epred(fit, newdata = data.frame(time = time[1])), own[, 1, drop = FALSE])
  elsewhere <- as.POSIXct(format(time, tz = "Asia/Tokyo"), tz = "Asia/Tokyo")
  expect_identical(posterior_epred(fit, newdata = data.frame(time = elsewhere)), own)
})

test_that("times as covariates are taken from times, whatever their zone, and nothing else", {
  time <- as.POSIXct("2024-01-01", tz = "UTC") + 3600 * (0:14)
  data <- data.frame(time = time, y = with_fixed_seed(1, rnorm(15)))
  fit <- twill(y ~ as.numeric(time), data, chains = 1, iter = 60, seed = 1, silent = 2)
  own <- posterior_epred(fit)
  elsewhere <- time[c(5, 9)]
  attr(elsewhere, "tzone") <- "Asia/Tokyo"
  expect_equal(posterior_epred(fit, newdata = data.frame(time = elsewhere)), own[, c(5, 9)])
  ask <- function(value) posterior_epred(fit, newdata = data.frame(time = value))
  expect_error(ask("2024-01-01 03:00:00"), "of class POSIXct in the fit.*text here.*2024-01-01 03:00:00.*as[.]POSIXct",
               class = "twill_error_newdata")
  expect_error(ask(as.Date("2024-01-02")), "POSIXct in the fit, and is of class Date here", class = "twill_error_newdata")
  expect_error(ask(12), "POSIXct in the fit, and is numeric here", class = "twill_error_newdata")
})

test_that("levels made by addNA() can be predicted, as groups and as covariates", {
  data <- data.frame(g = rep(c("a", "b", NA, "NA"), each = 10), x = rep(1:10, 4))
  data$y <- rep(c(0, 2, 4, 6), each = 10) + with_fixed_seed(1, rnorm(40))
  data$gn <- addNA(factor(data$g))
  for (formula in list(y ~ x + (1 | gn), y ~ gn, y ~ x + (gn | x))) {
    fit <- twill(formula, data, chains = 1, iter = 60, seed = 1, silent = 2, method = "laplace")
    expect_identical(nobs(fit), 40L)
    expect_equal(posterior_epred(fit, newdata = data), posterior_epred(fit))
  }
  fit <- twill(y ~ 1 + (1 | g), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_error(posterior_epred(fit, newdata = data.frame(g = NA_character_)), "not seen", class = "twill_error_newdata")
})

test_that("cross-validation predicts rows as the fit has them", {
  data <- typed_data()
  data$id <- rep(c(1e5, 2e5, 3e5), 20)
  data$gn <- addNA(factor(rep(c("a", NA), 30)))
  fit <- twill(y ~ dose + day + wait + (1 | id) + (1 | gn), data, chains = 1, iter = 60, seed = 1, silent = 2, method = "laplace")
  expect_true(all(is.finite(suppressWarnings(kfold(fit, K = 2, seed = 1))$pointwise)))
})

# As fread() makes it, without bit64: the bits of a 64-bit integer in those of a double.
as_integer64 <- function(x) {
  high <- floor(x / 2^32)
  low <- x - high * 2^32
  low <- ifelse(low >= 2^31, low - 2^32, low)
  words <- rbind(suppressWarnings(as.integer(low)), as.integer(high))
  words[1, low == -2^31] <- NA
  words[, is.na(x)] <- c(0L, NA)
  bytes <- writeBin(as.vector(words), raw(), endian = "little")
  structure(readBin(bytes, "double", length(x), endian = "little"), class = "integer64", dim = dim(x), dimnames = dimnames(x))
}

test_that("integer64 is read bit by bit", {
  x <- c(0, 1, -1, 7e9, -7e9, 2^31, 2^32 - 1, -2^31, 2^53, NA)
  expect_identical(plain_column(as_integer64(x)), x)
  expect_identical(plain_column(as_integer64(x[1:3]), as_text = TRUE), x[1:3])
  skip_if_not_installed("bit64")
  texts <- c("9223372036854775807", "-9223372036854775807", "9007199254740993", "-9007199254740993", "1000000", "-5", "0")
  long <- bit64::as.integer64(texts)
  expect_identical(as.character(plain_column(long, as_text = TRUE)), texts)
  expect_identical(levels(plain_column(long, as_text = TRUE)), texts[c(2, 4, 6, 7, 5, 3, 1)])
  expect_identical(plain_column(bit64::as.integer64(x)), x)
})

test_that("integer64 columns are numbers everywhere in a fit", {
  data <- with_fixed_seed(16, {
    data <- data.frame(x = rep(0:9, 6), g = rep(1:6, each = 10), e = rep(1:3, 20), w = rep(1:2, 30))
    transform(data, n = rpois(60, exp(2 + 0.1 * x)))
  })
  long <- data
  long[] <- lapply(data, as_integer64)
  fit <- function(data) {
    twill(n ~ x + offset(log(e)) + (1 + x || g), data, weights = w, subset = x < 9, family = poisson(), chains = 1, iter = 60,
          seed = 1, silent = 2)
  }
  plain <- fit(data)
  expect_identical(fit(long)$draws, plain$draws)
  expect_identical(posterior_epred(plain, newdata = long), posterior_epred(plain, newdata = data))
  expect_identical(log_lik(plain, newdata = long, offset = as_integer64(rep(0, 60))), log_lik(plain, newdata = data, offset = 0))
  outside <- as_integer64(data$w)
  weighted <- twill(n ~ x, data, weights = outside, family = poisson(), chains = 1, iter = 60, seed = 1, silent = 2)
  expect_equal(weights(weighted), as.numeric(data$w))
})

test_that("identifiers beyond 2^53 are told apart", {
  skip_if_not_installed("bit64")
  data <- data.frame(id = rep(bit64::as.integer64("9007199254740992") + 0:3, each = 5), y = rep(1:4, each = 5) + rnorm(20))
  fit <- twill(y ~ 1 + (1 | id), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_identical(rownames(ranef(fit)$id), paste0("900719925474099", 2:5))
  expect_identical(posterior_epred(fit, newdata = data), posterior_epred(fit))
  expect_identical(posterior_epred(fit, newdata = data.frame(id = "9007199254740993")), posterior_epred(fit)[, 6, drop = FALSE])
  expect_error(posterior_epred(fit, newdata = data.frame(id = "9007199254740996")), "not seen", class = "twill_error_newdata")
})

test_that("genes and cells read integer64 as numbers", {
  samples <- transform(gene_samples(), age = seq_len(10), batch = rep(c(1e5, 2e5), 5))
  long <- transform(samples, age = as_integer64(age), batch = as_integer64(batch))
  design <- ~ condition + age + (1 | batch)
  plain <- fake_set(design = design, col_data = samples)
  expect_identical(fake_set(design = design, col_data = long)$job$model$design, plain$job$model$design)
  expect_identical(fake_set(counts = as_integer64(gene_counts()))$job$source, fake_set()$job$source)
  offset <- rep(1:2, 5)
  expect_identical(fake_set(offset = as_integer64(offset))$job$model$design, fake_set(offset = offset)$job$model$design)
  expect_identical(plain$job$model$design$terms[[1]]$levels, c("100000", "200000"))
})

test_that("conditions take values in the types of their variables", {
  samples <- transform(gene_samples(), age = rep(c(1e5, 2e5, 2e5, 1e5, 3e5), 2),
                       old = rep(c(TRUE, FALSE), each = 5), day = as.Date("2024-01-01") + c(0:7, 0, 3),
                       id = factor(rep(c(1e5, 2e5), c(3, 7))))
  weights <- function(fit, ...) resolve_contrast(fit$job$model, cond(...))$x
  fit <- fake_set(design = ~ condition + age + old + day, col_data = samples)
  expect_identical(weights(fit, age = "100000", old = "TRUE", day = "2024-01-03"),
                   weights(fit, age = 1e5, old = TRUE, day = as.Date("2024-01-03")))
  expect_error(weights(fit, age = "old"), "age.*text", class = "twill_error_contrast")
  expect_error(weights(fit, age = TRUE), "age.*logical", class = "twill_error_contrast")
  expect_error(weights(fit, old = "yes"), "old", class = "twill_error_contrast")
  expect_error(weights(fit, day = 3), "day", class = "twill_error_contrast")
  fit <- fake_set(design = ~ condition + id, col_data = samples)
  expect_identical(weights(fit, id = 2e5), weights(fit, id = "2e+05"))
  expect_error(weights(fit, id = 3e5), "300000", class = "twill_error_contrast")
})
