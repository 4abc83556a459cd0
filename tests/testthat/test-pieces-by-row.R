# What depends on other rows is refused where data come in pieces, wherever it stands and however small the pieces are.

rows <- with_fixed_seed(1, data.frame(g = sample(letters[1:5], 400, TRUE), x = round(stats::rnorm(400), 1),
                                      w = stats::runif(400)))
rows$y <- with_fixed_seed(2, stats::rnorm(400)) + rows$x
rows <- rows[order(rows$y), ]
rows$t <- rep(c("u", "v", "w", "z"), each = 100)

pieces_of <- function(data, sizes) {
  parts <- split(data, rep(seq_along(sizes), sizes))
  state <- list2env(list(at = 0))
  function() {
    state$at <- state$at + 1
    if (state$at <= length(parts)) parts[[state$at]]
  }
}

k <- 2

whole_pieces <- function() pieces_of(rows, rep(100, 4))

# The first piece has one row, of which nothing can be told.
with_small_piece <- function() pieces_of(rbind(rows[400, ], rows), c(1, rep(100, 4)))

short <- function(...) twill(..., chains = 1, iter = 20, warmup = 10, seed = 1, silent = 2)

test_that("a subset that depends on other rows is refused", {
  refused <- function(code) expect_error(code, "in `subset` depends on all rows", class = "twill_error_data")
  refused(short(y ~ x + (1 | g), whole_pieces(), subset = y > mean(y)))
  refused(short(y ~ x + (1 | g), whole_pieces(), subset = !duplicated(g)))
  refused(short(y ~ x + (1 | g), whole_pieces(), subset = x < quantile(x, 0.9)))
  # The same in each piece, and not over all of them.
  refused(short(y ~ x + (1 | g), whole_pieces(), subset = t == t[1]))
  expect_error(short(y ~ x + (1 | g), whole_pieces(), subset = which(x > 0)), "numbers of rows", class = "twill_error_data")
  expect_equal(nobs(short(y ~ x + (1 | g), whole_pieces(), subset = x > 0 & t != "u")), sum(rows$x > 0 & rows$t != "u"))
})

test_that("weights, errors, offsets and responses that depend on other rows are refused", {
  refused <- function(code) expect_error(code, "depends on all rows", class = "twill_error")
  refused(short(y ~ x + (1 | g), whole_pieces(), weights = w / mean(w)))
  refused(short(y ~ x + (1 | g), whole_pieces(), weights = k * w / mean(w)))
  refused(short(y | se(w / mean(w)) ~ x + (1 | g), whole_pieces()))
  refused(short(y ~ x + offset(w - mean(y)) + (1 | g), with_small_piece()))
  refused(short(I(y / max(y)) ~ x + (1 | g), with_small_piece()))
  expect_equal(nobs(short(y ~ x + (1 | g), whole_pieces(), weights = k * w)), 400)
})

test_that("terms that depend on other rows are refused after a piece of one row, too", {
  formulas <- list(y ~ rank(x) + (1 | g), y ~ I((x - mean(x))^2) + (1 | g), y ~ I(x - ave(x, g)) + (1 | g),
                   y ~ cumsum(x) + (1 | g),
                   y ~ seq_along(x) + (1 | g), y ~ scale(x) + (1 | g), y ~ x + (0 + rank(x) | g),
                   tw_formula(y ~ x + (1 | g), sigma ~ I((x - mean(x))^2)))
  for (formula in formulas) {
    expect_error(short(formula, with_small_piece()), "depends on all rows.*piece 2", class = "twill_error_formula")
  }
  expect_error(short(y ~ poly(x, 2) + (1 | g), with_small_piece()), "must be a column of it", class = "twill_error_formula")
  expect_equal(nobs(short(y ~ log(w) + I(x^2) + factor(t) + (0 + abs(x) | g), whole_pieces())), 400)
})

test_that("sums over the rows before are told in a data frame", {
  expect_warning(tw_default_prior(y ~ cumsum(x) + (1 | g), rows), "depends on the other rows", class = "twill_warning_term")
})
