# Data that come in pieces: the posterior is that of the data frame, whatever the pieces are.

rows <- local({
  set.seed(1)
  n <- 600
  d <- data.frame(x = rnorm(n, 3), o = rnorm(n), g = sample(sprintf("g%02d", 1:12), n, TRUE), h = sample(5L, n, TRUE),
                  f = factor(sample(c("low", "mid", "high"), n, TRUE), levels = c("mid", "low", "high")),
                  w = sample(1:2, n, TRUE))
  d$y <- 100 + 0.5 * d$x + rnorm(12)[as.integer(factor(d$g))] + 0.3 * (d$f == "high") + d$o + rnorm(n)
  d$count <- rpois(n, exp(0.2 + 0.3 * (d$f == "low")))
  d
})

one_by_one <- function(pieces) {
  state <- new.env()
  state$k <- 0
  function() {
    state$k <- state$k + 1
    if (state$k <= length(pieces)) pieces[[state$k]]
  }
}

# A function that yields the rows in pieces of these sizes, then NULL.
in_pieces <- function(data, sizes) {
  ends <- cumsum(sizes)
  stopifnot(ends[length(ends)] == nrow(data))
  one_by_one(lapply(seq_along(sizes), function(k) data[seq_len(sizes[k]) + ends[k] - sizes[k], , drop = FALSE]))
}

short <- function(formula, data, ...) {
  suppressWarnings(twill(formula, data, ..., chains = 1, iter = 40, seed = 1, silent = 2), classes = "twill_warning")
}

# Log densities at the same positions are equal to rounding, and so are priors and names: the posterior is one.
expect_same_posterior <- function(fit, whole, tolerance = 1e-9) {
  expect_equal(prior_summary(fit), prior_summary(whole))
  expect_identical(variables(fit), variables(whole))
  expect_equal(nobs(fit), nobs(whole))
  dim <- length(log_density_at(whole, rep(0, length(log_density_names(whole))))$gradient)
  set.seed(2)
  for (k in 1:3) {
    position <- rnorm(dim, sd = 0.3)
    a <- log_density_at(fit, position)
    b <- log_density_at(whole, position)
    expect_equal(a$log_density, b$log_density, tolerance = tolerance)
    expect_equal(a$gradient, b$gradient, tolerance = tolerance)
  }
}

# The engine names positions in an error-free call of the right length only: it says the length where that is wrong.
log_density_names <- function(fit) {
  why <- tryCatch(log_density_at(fit, 0), error = conditionMessage)
  if (is.list(why)) return(why$names)
  character(as.integer(sub(".* where ([0-9]+) are needed.*", "\\1", gsub("\n", " ", why))))
}

sizes <- list(600, c(250, 0, 250, 100), c(1, 2, 3, 4, 90, 500), rep(40, 15))

test_that("a Gaussian posterior does not depend on the pieces", {
  formula <- y ~ x + f + offset(o) + (1 + x | g) + (1 | h)
  whole <- short(formula, rows)
  for (size in sizes) {
    fit <- short(formula, in_pieces(rows, size))
    expect_same_posterior(fit, whole)
    expect_lt(nrow(fit$data), 500)
  }
})

test_that("pieces are merged while they are read", {
  local_function("fewest_pending", 50)
  formula <- y ~ x + (1 + x | h) + (1 | f)
  fit <- short(formula, in_pieces(rows, rep(10, 60)))
  expect_same_posterior(fit, short(formula, rows))
  # Two rows for each combination of the levels: the mean of x, and its spread.
  expect_equal(nrow(fit$data), 30)
  expect_output(print(fit), "Number of observations: 600, merged to 30 rows")
})

test_that("draws agree to rounding where rows are merged, and to the bit where none can be", {
  fit <- short(y ~ x + f + (1 | g), in_pieces(rows, c(100, 500)))
  expect_equal(as.matrix(fit), as.matrix(short(y ~ x + f + (1 | g), rows)), tolerance = 1e-4)
  single <- rows[!duplicated(rows[c("g", "h", "f")]), ]
  formula <- y ~ x + f + (1 | g) + (1 | h)
  fit <- short(formula, in_pieces(single, c(50, nrow(single) - 50)))
  expect_identical(as.array(fit), as.array(short(formula, single)))
})

test_that("weights, known errors, and a dispersion of rows keep rows apart that differ in them", {
  for (formula in list(y | weights(w) ~ x + (1 | h), y | se(w) ~ x + f + (1 | h), y | se(w, sigma = TRUE) ~ x + (1 | h),
                       tw_formula(y ~ x + (1 | h), sigma ~ f))) {
    fit <- short(formula, in_pieces(rows, c(300, 300)))
    expect_same_posterior(fit, short(formula, rows))
    expect_lt(nrow(fit$data), 100)
  }
  fit <- short(y ~ x + (1 | h), in_pieces(rows, c(300, 300)), weights = w, offset = o, subset = x > 2)
  expect_same_posterior(fit, short(y ~ x + (1 | h), rows, weights = w, offset = o, subset = x > 2))
})

test_that("numbers in functions and products are not merged by their moments", {
  for (formula in list(y ~ I(x^2) + (1 | h), y ~ x * o + (1 | h), log(y) ~ f + (1 | h), y ~ w + (1 | w))) {
    expect_same_posterior(short(formula, in_pieces(rows, c(200, 400))), short(formula, rows))
  }
})

test_that("a number that weighs, groups, bends or spreads rows beside its slope keeps them apart", {
  data <- transform(rows, k = sample(5L, nrow(rows), TRUE), x = round(x, 1))
  formulas <- list(y | weights(w) ~ w + (1 | h), y | se(w) ~ w + (1 | h), y ~ x + I(x^2) + (1 | h), log(o + 9) ~ f + o + (1 | h),
                   y ~ w + o + (1 | mm(h, k, weights = cbind(w, 1))), tw_formula(y ~ x + (1 | h), sigma ~ x),
                   tw_formula(y ~ x + (1 | h), sigma ~ (0 + x | h)))
  for (formula in formulas) expect_same_posterior(short(formula, in_pieces(data, c(200, 400))), short(formula, data))
})

test_that("counts that are equal are merged", {
  fit <- short(count ~ f + (1 | h), in_pieces(rows, c(10, 590)), family = negbinomial())
  expect_same_posterior(fit, short(count ~ f + (1 | h), rows, family = negbinomial()))
  expect_lt(nrow(fit$data), 150)
})

test_that("levels are those of all pieces: of texts in their order, of factors as they come", {
  sorted <- rows[order(rows$g, decreasing = TRUE), ]
  sorted$g <- as.character(sorted$g)
  fit <- short(y ~ f + (1 | g), in_pieces(sorted, rep(100, 6)))
  expect_identical(levels(fit$data$g), sort(unique(rows$g)))
  expect_same_posterior(fit, short(y ~ f + (1 | g), sorted))
  parts <- split(rows, rows$h)
  parts <- lapply(parts, function(part) transform(part, g = factor(g, levels = unique(g))))
  bound <- do.call(rbind, unname(parts))
  fit <- short(y ~ (1 | g), one_by_one(parts))
  expect_identical(levels(fit$data$g), levels(bound$g))
  expect_same_posterior(fit, short(y ~ (1 | g), bound))
})

test_that("rows with missing values are dropped in each piece, and counted", {
  holes <- rows
  holes$x[c(3, 101:200)] <- NA
  holes$y[c(5, 590)] <- NA
  whole <- short(y ~ x + (1 | h), holes)
  expect_message(fit <- twill(y ~ x + (1 | h), in_pieces(holes, rep(100, 6)), chains = 1, iter = 40, seed = 1, refresh = 0) |>
                   suppressWarnings(), "Dropped 103 of 600 rows with missing values: \"y \\(2\\)\" and \"x \\(101\\)\"")
  expect_same_posterior(fit, whole)
  expect_output(print(fit), "merged to 10 rows; 103 rows with missing")
  expect_error(short(y ~ x, in_pieces(holes, rep(100, 6)), na.action = na.fail), "missing values.*piece 1",
               class = "twill_error_data")
  holes$x <- NA_real_
  expect_error(short(y ~ x, in_pieces(holes, rep(100, 6))), "Every row has a missing value", class = "twill_error_data")
  expect_error(short(y ~ x, function() NULL), "0 pieces", class = "twill_error_data")
})

test_that("what cannot be taken from pieces is refused by name", {
  refused <- function(pattern, code, kind = "data") expect_error(code, pattern, class = paste0("twill_error_", kind))
  other <- function(column) one_by_one(list(rows[1:300, ], replace(rows[301:600, ], names(column), column)))
  refused("x.*numeric before, and is text or a factor here.*a1.*piece 2", short(y ~ x, other(list(x = rep("a1", 300)))))
  refused("g.*text or a factor before, and is numeric here", short(y ~ (1 | g), other(list(g = 1:300))))
  refused("does not have.*x.*piece 2", short(y ~ x, other(list(x = NULL))))
  refused("subset.*columns", short(y ~ x, in_pieces(rows, 600), subset = 1:10))
  refused("weights.*columns", short(y ~ x, in_pieces(rows, 600), weights = rep(1, 600)))
  # R warns of an argument that failed once and is asked for again.
  for (code in expression(short(y ~ x, in_pieces(rows, 600), subset = nowhere),
                          short(y ~ x, in_pieces(rows, 600), weights = nowhere),
                          short(y ~ x, in_pieces(rows, 600), offset = nowhere))) {
    expect_warning(refused("nowhere", eval(code)), NA)
  }
  refused("poly\\(x, 2\\).*depends on all rows", short(y ~ poly(x, 2), in_pieces(rows, 600)), "formula")
  refused("x - mean\\(x\\).*depends on all rows", short(y ~ I(x - mean(x)), in_pieces(rows, 600)), "formula")
  refused("me.*all rows at once", short(y ~ me(x, w), in_pieces(rows, 600)))
  refused("fails.*out of rows", short(y ~ x, function() stop("out of rows")))
  refused("of class.*list", short(y ~ x, function() list(1)))
  refused("Not there: .*nowhere", short(y ~ x, "nowhere.rds"))
  refused("matrix", short(y ~ m, in_pieces(data.frame(y = rows$y, m = I(cbind(rows$x, rows$o))), 600)))
})

test_that("files are read one after the other, tables some rows at a time", {
  local_function("rows_at_a_time", 64)
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE), add = TRUE)
  for (k in 1:3) saveRDS(rows[1:200 + 200 * (k - 1), ], file.path(folder, paste0(k, ".rds")))
  formula <- y ~ x + (1 | g)
  whole <- short(formula, rows)
  expect_same_posterior(short(formula, folder), whole)
  table <- file.path(folder, "all.csv.gz")
  write.csv(rows, gzfile(table), row.names = FALSE)
  expect_same_posterior(short(formula, table), whole)
  whole <- file.path(folder, "exact.csv")
  write.csv(rows[1:128, ], whole, row.names = FALSE)
  expect_equal(nobs(short(formula, whole)), 128)
  writeLines("text", file.path(folder, "note.txt"))
  expect_error(short(formula, folder), "note.txt", class = "twill_error_data")
})

test_that("a query is read to its end", {
  skip_if_not_installed("RSQLite")
  local_function("rows_at_a_time", 100)
  connection <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  on.exit(DBI::dbDisconnect(connection), add = TRUE)
  DBI::dbWriteTable(connection, "rows", transform(rows, f = as.character(f)))
  result <- DBI::dbSendQuery(connection, "SELECT y, x, g FROM rows")
  on.exit(DBI::dbClearResult(result), add = TRUE, after = FALSE)
  expect_same_posterior(short(y ~ x + (1 | g), result), short(y ~ x + (1 | g), rows))
})

test_that("what needs rows says so, and what does not works", {
  fit <- short(y ~ x + f + (1 | g), in_pieces(rows, c(100, 500)))
  whole <- short(y ~ x + f + (1 | g), rows)
  expect_refused <- function(code) expect_error(code, "pieces", class = "twill_error_method")
  expect_refused(loo(fit))
  expect_refused(waic(fit))
  expect_refused(kfold(fit))
  expect_refused(residuals(fit))
  expect_refused(pp_check(fit))
  expect_refused(update(fit))
  expect_refused(fitted(fit))
  expect_refused(posterior_predict(fit))
  expect_refused(bayes_R2(fit))
  expect_refused(log_lik(fit))
  expect_refused(model.frame(fit))
  expect_refused(tw_conditional_effects(fit))
  expect_equal(fitted(fit, newdata = rows), fitted(whole, newdata = rows), tolerance = 1e-3)
  expect_equal(dim(log_lik(fit, newdata = rows[1:5, ])), c(20, 5))
  expect_equal(fixef(fit), fixef(whole), tolerance = 1e-3)
  expect_equal(sigma(fit), sigma(whole), tolerance = 1e-3)
  expect_identical(df.residual(fit), df.residual(whole))
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(fit, path)
  expect_identical(ranef(readRDS(path)), ranef(fit))
})

test_that("default priors are those of all rows, of very many to a hundred-thousandth of their spread", {
  expect_equal(tw_default_prior(y ~ x + f + (1 | g), in_pieces(rows, rep(60, 10))), tw_default_prior(y ~ x + f + (1 | g), rows))
  local_function("most_responses", 200)
  held <- new_response_values()
  reader <- list(formula = tw_formula(y ~ 1), family = as_twill_family(gaussian()), response = held)
  for (k in 1:6) add_response(reader, rows[1:100 + 100 * (k - 1), ])
  found <- response_summary(held)
  exact <- response_numbers(rows$y)
  expect_equal(unlist(found)[c("median", "mad")], unlist(exact)[c("median", "mad")], tolerance = 1e-4)
  expect_equal(unlist(found)[c("sd", "root_mean_square")], unlist(exact)[c("sd", "root_mean_square")], tolerance = 1e-12)
})

# The part of arrow's interface that is used; the package itself is not on every machine.
fake_reader <- function(pieces) {
  next_piece <- one_by_one(pieces)
  structure(list(read_next_batch = function() next_piece()), class = c("RecordBatchReader", "ArrowObject"))
}

test_that("tables of arrow and Parquet files are read batch by batch", {
  pieces <- list(rows[1:250, ], rows[251:600, ])
  whole <- short(y ~ x + (1 | g), rows)
  expect_same_posterior(short(y ~ x + (1 | g), fake_reader(pieces)), whole)
  arrow <- list(open_dataset = function(files) structure(list(files), class = "Dataset"),
                as_record_batch_reader = function(data) fake_reader(lapply(pieces, cbind, from = data[[1]])))
  table <- structure(list("table"), class = c("Table", "ArrowTabular"))
  expect_same_posterior(short(y ~ x + (1 | g), arrow_pieces(table, arrow)), whole)
  ask <- parquet_pieces("a.parquet", arrow)
  expect_identical(unique(ask()$from), "a.parquet")
  expect_identical(nrow(ask()), 350L)
  expect_null(ask())
})

test_that("what arrow cannot read, or is not there to read, is said", {
  broken <- structure(list(read_next_batch = function() stop("truncated")), class = "RecordBatchReader")
  expect_error(short(y ~ x, broken), "truncated", class = "twill_error_data")
  expect_error(parquet_pieces("a.parquet", list(open_dataset = function(files) stop("no magic"))), "no magic",
               class = "twill_error_data")
  skip_if(requireNamespace("arrow", quietly = TRUE))
  file <- withr::local_tempfile(fileext = ".parquet")
  writeLines("", file)
  expect_error(short(y ~ x, file), "arrow.*not installed.*duckdb", class = "twill_error_data")
  expect_error(short(y ~ x, structure(list(), class = "Dataset")), "not installed", class = "twill_error_data")
})
