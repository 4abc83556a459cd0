# What twill() says about input it cannot use: the class of the condition, the culprit, and the way out.

set.seed(21)
rows <- data.frame(y = rnorm(30, 5), x = rnorm(30), g = gl(5, 6), h = rep(c("u", "v"), 15), e = runif(30, 1, 2),
                   n = rpois(30, 4))

refused <- function(kind, message, formula, ..., data = rows) {
  expect_error(twill(formula, data, ..., silent = 2), message, class = paste0("twill_error_", kind))
}

with_value <- function(column, row, value) {
  rows[[column]][row] <- value
  rows
}

test_that("errors name the function the user called and have both classes", {
  error <- tryCatch(twill(y ~ q, rows), error = identity)
  expect_s3_class(error, c("twill_error_data", "twill_error"), exact = FALSE)
  expect_identical(as.character(error$call[[1]]), "twill")
})

test_that("data that are none are refused", {
  refused("data", "missing", y ~ x, data = NULL)
  refused("data", "data frame", y ~ x, data = as.list(rows))
  refused("data", "data frame", y ~ x, data = as.matrix(rows[c("y", "x")]))
  refused("data", "0 rows", y ~ x, data = rows[0, ])
  refused("data", "0 rows", y ~ x, subset = x > 100)
  refused("data", "Every row", y ~ x, data = transform(rows, x = NA_real_))
})

test_that("columns that are missing are named, with those that are near", {
  refused("data", "\"yy\"", yy ~ x)
  refused("data", "Did you mean", y ~ xx + (1 | gg))
  outside <- rnorm(30)
  refused("data", "add \"outside\"", y ~ outside)
  refused("formula", "could not find function", y ~ no_such_function(x))
})

test_that("responses that cannot be used are refused with their rows", {
  refused("data", "logical", y > 5 ~ x)
  refused("data", "factor", g ~ x)
  refused("data", "factor", h ~ x)
  refused("data", "matrix", cbind(y, x) ~ 1)
  refused("data", "infinite", y ~ x, data = with_value("y", 3, Inf))
  refused("data", "negative.*\"3\"", n ~ x, data = with_value("n", 3, -1), family = poisson())
  refused("data", "not whole.*\"3\"", n ~ x, data = with_value("n", 3, 1.5), family = negbinomial())
  refused("data", "too large", n ~ x, data = with_value("n", 3, 2^54), family = negbinomial())
})

test_that("covariates that cannot be used are refused with their rows", {
  refused("data", "infinite in 1 row: \"4\"", y ~ x, data = with_value("x", 4, -Inf))
  refused("data", "log", y ~ log(x - x))
  refused("data", "na.omit", y ~ x, data = with_value("x", 4, NA), na.action = na.fail)
  refused("setting", "na.action", y ~ x, na.action = "na.whatever")
  nested <- rows
  nested$l <- as.list(1:30)
  refused("data", "list", y ~ l, data = nested)
  refused("design", "two levels", y ~ q, data = transform(rows, q = "only"))
  refused("design", "contrasts", y ~ x, contrasts = list(zz = "contr.sum"))
})

test_that("grouping factors need two levels", {
  refused("design", "two levels.*only", y ~ (1 | q), data = transform(rows, q = "only"))
})

test_that("dependent columns are named", {
  doubled <- transform(rows, x2 = 2 * x)
  dropped <- function(...) {
    expect_message(fit <- twill(y ~ x + x2, doubled, ..., chains = 1, iter = 20, seed = 1), "Dropped 1 column.*\"x2\"",
                   class = "twill_message_design") |> suppressWarnings()
    expect_identical(rownames(fixef(fit)), c("Intercept", "x"))
  }
  dropped()
  dropped(prior = tw_prior("flat"))
  expect_warning(twill(y ~ x + x2, doubled, prior = tw_prior("normal(0, 1)"), chains = 1, iter = 20, seed = 1),
                 "Only the priors", class = "twill_warning_design") |> suppressWarnings()
})

test_that("beside columns that a prior holds others are dropped, and new rows are told that need these", {
  data <- transform(rows, b = x, h = 2 * x, i = 3 * x)
  prior <- tw_prior("normal(0, 1)", class = "b", coef = "h")
  fit_of <- function(formula, ...) twill(formula, data, prior = prior, chains = 1, iter = 40, seed = 1, ...)
  expect_message(expect_warning(fit_of(y ~ x + b + h + i), "linearly dependent: \"h\"", class = "twill_warning_design") |>
                   suppressWarnings(), "Dropped 2 columns.*\"b\" and \"i\"", class = "twill_message_design")
  fit <- suppressWarnings(fit_of(y ~ x + b + h + i, silent = 2))
  expect_identical(fit$draws, suppressWarnings(fit_of(y ~ x + h, silent = 2))$draws)
  new <- data.frame(x = 1, b = 1, h = 2, i = 3)
  expect_no_warning(got <- posterior_epred(fit, newdata = new))
  expect_equal(got[, 1], drop(draws_by_hand(fit, c("b_Intercept", "b_x", "b_h")) %*% c(1, 1, 2)))
  # The prior speaks of "h", and nothing of the others.
  expect_no_warning(posterior_epred(fit, newdata = transform(new, h = 5)))
  for (column in c("b", "i")) {
    new[[column]] <- new[[column]] + 1
    expect_warning(posterior_epred(fit, newdata = new), "say nothing of 1 row", class = "twill_warning_design")
    new[[column]] <- new[[column]] - 1
  }
  # A column of zeros alone.
  none <- suppressWarnings(twill(y ~ 0 + z, transform(rows, z = 0), chains = 1, iter = 40, seed = 1, silent = 2))
  expect_identical(nrow(fixef(none)), 0L)
  expect_warning(posterior_epred(none, newdata = data.frame(z = 1)), "say nothing", class = "twill_warning_design")
})

test_that("all-zero counts and constant responses are told, and fitted where there is a posterior", {
  zero <- transform(rows, n = 0)
  expect_warning(fit <- twill(n ~ 1, zero, poisson(), chains = 1, iter = 40, seed = 1), "All counts are zero",
                 class = "twill_warning_data") |> suppressWarnings()
  expect_s3_class(fit, "twillfit")
  expect_warning(twill(n ~ 1, transform(rows, n = 3), poisson(), chains = 1, iter = 40, seed = 1), "same value",
                 class = "twill_warning_data") |> suppressWarnings()
  refused("data", "no proper posterior", y ~ 1, data = transform(rows, y = 3))
})

test_that("offsets, weights and standard errors are checked", {
  refused("data", "offset\\(log\\(size\\)\\)", n ~ x + offset(1000 * e), family = poisson())
  refused("data", "infinite", n ~ x + offset(log(e - e)), family = poisson())
  refused("data", "one value per row", n ~ x, offset = 1:3, family = poisson())
  refused("data", "one value per row", n ~ x, offset = "e", family = poisson())
  refused("data", "negative", y ~ x, weights = e - 10)
  refused("data", "zero", y | weights(0 * e) ~ x)
  refused("data", "twice", y | weights(e) ~ x, weights = e)
  refused("data", "positive", y | se(x) ~ 1)
  refused("formula", "gaussian", n | se(e) ~ 1, family = poisson())
  refused("data", "subset", y ~ x, subset = "x")
})

test_that("dispersion formulas must fit the family", {
  refused("formula", "known", tw_formula(y | se(e) ~ 1, sigma ~ x))
  refused("formula", "\"sigma\"", tw_formula(y ~ 1, shape ~ x))
  refused("formula", "no dispersion", tw_formula(n ~ 1, shape ~ x), family = poisson())
})

test_that("priors are checked against the model", {
  refused("prior", "coef \"x\"", y ~ x, prior = tw_prior("normal(0, 1)", coef = "z"))
  refused("prior", "tw_prior", y ~ x, prior = 3)
  refused("prior", "Flat: \"b_x\"", y ~ x, prior = tw_prior("flat"), sample_prior = "only")
})

test_that("arguments out of range are refused by name", {
  refused("setting", "chains", y ~ x, chains = 0)
  refused("setting", "iter", y ~ x, iter = "many")
  refused("setting", "warmup", y ~ x, iter = 100, warmup = 100)
  refused("setting", "cores", y ~ x, cores = -1)
  refused("setting", "seed", y ~ x, seed = 1.5)
  refused("setting", "adapt_delta", y ~ x, control = list(adapt_delta = 2))
  refused("setting", "sample_prior", y ~ x, sample_prior = "maybe")
  refused("setting", "intercept", y ~ x, intercept = "middle")
  refused("setting", "nuts", y ~ x, method = "magic")
  refused("setting", "adapt_delta", y ~ x, method = "svi", control = list(adapt_delta = 0.9))
  refused("setting", "guide", y ~ x, method = "svi", control = list(guide = "dense"))
  refused("setting", "svi", y ~ x, device = "cuda")
  refused("setting", "file_refit", y ~ x, file_refit = "sometimes")
  refused("family", "gaussian", y ~ x, family = binomial())
})

test_that("arguments that do not exist are refused with the one that does", {
  refused("setting", "Did you mean \"chains\"", y ~ x, chain = 3)
  refused("setting", "control = list", y ~ x, adapt_delta = 0.9)
  expect_error(twill(y ~ x, rows, gaussian(), NULL, 4), "must be named", class = "twill_error_setting")
})

test_that("files that hold no fit are refused and left alone", {
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  writeLines("no fit", path)
  refused("file", "always", y ~ x, file = path)
  saveRDS(1:3, path)
  refused("file", "integer", y ~ x, file = path)
  expect_identical(readRDS(path), 1:3)
  refused("file", "folder", y ~ x, file = file.path(tempdir(), "no", "such", "folder"))
  refused("file", "one path", y ~ x, file = 3)
})

test_that("names and values with percent signs and braces are shown as they are", {
  odd <- rows
  odd[["50%s {x}"]] <- "a{b}%n"
  expect_error(twill(y ~ `50%s {x}`, odd), "50%s {x}", fixed = TRUE, class = "twill_error_design")
  expect_error(twill(y ~ `50%s {x}`, odd), "a{b}%n", fixed = TRUE, class = "twill_error_design")
  expect_error(twill(y ~ `no%s{q}`, rows), "no%s{q}", fixed = TRUE, class = "twill_error_data")
})

test_that("slopes of a factor with a level in each row are refused, by every door", {
  data <- with_fixed_seed(3, data.frame(x = factor(1:24), g = rep(c("a", "b", "c"), 8), y = rnorm(24), u = rnorm(24)))
  counts <- with_fixed_seed(4, matrix(rpois(72, 20), 3))
  refused <- function(code) expect_error(code, "fewer coefficients than the response has", class = "twill_error_design")
  refused(twill(y ~ x + (1 + x || g), data, iter = 20))
  refused(twill(y ~ 1 + (0 + x | g), data, iter = 20))
  refused(twill(mvbind(y, u) ~ 1 + (1 + x |p| g), data, iter = 20))
  refused(twill_genes(counts, ~ x + (1 + x || g), col_data = data, iter = 20))
  refused(twill_cells(counts, ~ x + (1 + x || g), col_data = data, iter = 20))
  # Leaves are not cells: six of them, with four cells each, have slopes of three levels.
  data$x <- gl(3, 1, 24)
  data$g <- gl(2, 12)
  fit <- twill_cells(counts, ~ x + (1 + x || g), col_data = data, method = "laplace", chains = 1, iter = 20, seed = 1, silent = 2)
  expect_identical(dim(fit)[2], 6L)
})

test_that("what stands in control is told so where it is given beside", {
  data <- data.frame(y = rnorm(9), g = gl(3, 3))
  for (name in c("engine", "metric", "adapt_delta", "batch")) {
    call <- function() do.call(twill, c(list(y ~ (1 | g), data), stats::setNames(list(1), name)))
    expect_error(call(), sprintf("control = list\\(%s = \\)", name), class = "twill_error_setting")
  }
})
