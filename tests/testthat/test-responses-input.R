# What several responses take from the call and the data: contrasts, priors without a mass, rows, labels; and verbs of vectors.

rows_of_two <- function(seed = 4) {
  with_fixed_seed(seed, {
    data <- data.frame(f = gl(3, 1, 24, labels = c("a", "b", "c")), x = stats::rnorm(24), g = gl(4, 6))
    transform(data, y1 = as.integer(f) + x + stats::rnorm(24), y2 = 2 * as.integer(f) + stats::rnorm(24, 0, 0.5))
  })
}

short_fit <- function(...) twill(..., chains = 1, iter = 60, seed = 1, silent = 2)

test_that("contrasts are those of the call for the responses that have the factor, and of no other", {
  data <- rows_of_two()
  sums <- list(f = stats::contr.sum(3))
  fit <- short_fit(tw_formula(y1 ~ f) + tw_formula(y2 ~ x), data, contrasts = sums)
  expect_true(all(c("b_y1_f1", "b_y1_f2", "b_y2_x") %in% variables(fit)))
  b <- as_draws_matrix(fit, c("b_y1_Intercept", "b_y1_f1", "b_y1_f2"))
  by_hand <- unclass(b) %*% t(stats::model.matrix(~ f, data, contrasts.arg = sums))
  expect_equal(posterior_epred(fit, resp = "y1"), unname(by_hand), ignore_attr = TRUE)
  expect_equal(posterior_epred(fit, newdata = data[2:3, ], resp = "y1"), unname(by_hand[, 2:3]), ignore_attr = TRUE)
  expect_true("b_y2_fb" %in% variables(short_fit(mvbind(y1, y2) ~ f, data)))
})

test_that("a flat prior cannot be drawn from alone, whatever response has it", {
  prior <- tw_prior("flat", coef = "x", resp = "y2")
  expect_error(short_fit(mvbind(y1, y2) ~ x, rows_of_two(), prior = prior, sample_prior = "only"), "Flat: \"b_y2_x\"",
               class = "twill_error_prior")
  expect_s3_class(short_fit(mvbind(y1, y2) ~ x, rows_of_two(), prior = prior), "twill_responses")
})

test_that("verbs that give a value a row give a column a response", {
  data <- rows_of_two()
  data$y2[5] <- NA
  fit <- short_fit(mvbind(y1, y2) ~ x, data)
  found <- residuals(fit, type = "quantile")
  expect_identical(dim(found), c(24L, 2L))
  expect_identical(colnames(found), c("y1", "y2"))
  expect_identical(which(is.na(found[, "y2"])), 5L, ignore_attr = TRUE)
  for (resp in c("y1", "y2")) {
    own <- stats::na.omit(found[, resp])
    expect_gt(stats::cor(own, stats::na.omit(residuals(fit)[, "Estimate", resp])), 0.95)
  }
  expect_equal(unname(residuals(fit, type = "quantile", resp = c("y2", "y1"))), unname(found[, 2:1]))
})

test_that("rows that no response has are told and known by their names", {
  data <- rows_of_two()
  data$y1[c(2, 9)] <- NA
  data$y2[c(9, 11)] <- NA
  rownames(data) <- paste0("row", 1:24)
  fit <- short_fit(mvbind(y1, y2) ~ x, data)
  expect_identical(stats::na.action(fit$data), structure(c(row9 = 9L), class = "omit"))
  expect_null(stats::na.action(short_fit(mvbind(y1, y2) ~ x, rows_of_two())$data))
  expect_identical(nrow(fit$data), 23L)
})

test_that("a label is one word, and effects that share it are correlated", {
  data <- rows_of_two()
  label <- function(...) lapply(tw_formula(...)$bars, `[[`, "label")
  expect_identical(label(y1 ~ (1 |p| g)), list("p"))
  expect_identical(label(y1 ~ (1 |1| g)), list("1"))
  expect_identical(label(y1 ~ (1 | "a b" | g)), list("a b"))
  expect_null(unlist(label(y1 ~ (1 | g))))
  refused <- function(formula) expect_error(tw_formula(formula), "one label", class = "twill_error_formula")
  refused(y1 ~ (1 |p| q | g))
  refused(y1 ~ (1 |p + q| g))
  refused(y1 ~ (1 || p | g))
  refused(y1 ~ (1 | p || g))
  fit <- short_fit(tw_formula(y1 ~ (1 |1| g)) + tw_formula(y2 ~ (1 |1| g)), data)
  expect_true("cor_g__y1_Intercept__y2_Intercept" %in% variables(fit))
})

test_that("one response that is fitted without error is refused, and one sigma of several", {
  data <- rows_of_two()
  data$twice <- 2 * data$x
  expect_error(short_fit(tw_formula(twice ~ x) + tw_formula(y2 ~ f), data), "without error", class = "twill_error_data")
  expect_error(short_fit(tw_formula(y2 ~ f) + tw_formula(twice ~ x), data), "without error", class = "twill_error_data")
  kept <- tw_prior("lognormal(0, 1)", class = "sigma", resp = "twice")
  expect_s3_class(suppressWarnings(short_fit(tw_formula(y2 ~ f) + tw_formula(twice ~ x), data, prior = kept)), "twill_responses")
  flat <- tw_prior("student_t(3, 0, 1)", class = "b", dpar = "sigma")
  exact <- transform(data, y1 = ifelse(f == "b", 3, y1))
  expect_error(short_fit(tw_formula(y1 ~ f, sigma ~ 0 + f), exact, prior = flat), "without error", class = "twill_error_data")
  expect_s3_class(suppressWarnings(short_fit(tw_formula(y1 ~ f, sigma ~ 0 + f), data, prior = flat)), "twillfit")
})
