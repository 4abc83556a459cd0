# Ends of intervals from few draws: as steady as they claim, and unbiased for skewed and heavy tails too.

# Ends of 20 sets of n draws: list(sd, bias), in units of the distribution's sd, means over columns.
moved <- function(draw, quantile, n = 300, columns = 30, of = steady_quantiles) {
  with_fixed_seed(1, {
    ends <- replicate(20, of(matrix(draw(n * columns), n), c(0.025, 0.975)))
    size <- sd(draw(1e5))
  })
  list(sd = apply(apply(ends, 1:2, sd), 2, mean) / size, bias = (apply(ends, 2, mean) - quantile(c(0.025, 0.975))) / size)
}

test_that("ends move by half of what quantiles of the draws do, without bias", {
  own <- function(draws, probs) column_quantiles(draws, probs, few_draws_type)
  expect_gt(min(moved(rnorm, qnorm, of = own)$sd), 0.14)
  normal <- moved(rnorm, qnorm)
  expect_lt(max(normal$sd), 0.11)
  expect_lt(max(abs(normal$bias)), 0.03)
  t8 <- moved(function(n) rt(n, 8), function(p) qt(p, 8))
  expect_lt(max(t8$sd), 0.16)
  expect_lt(max(abs(t8$bias)), 0.06)
  # Effects of genes with few counts: bounded on one side, far on the other.
  for (shape in c(2, 5)) {
    skewed <- moved(function(n) log(rgamma(n, shape)), function(p) log(qgamma(p, shape)))
    expect_lt(max(abs(skewed$bias)), 0.1)
  }
})

test_that("a skewed gene among others keeps its shape, and noise of the others does not become theirs", {
  ends <- with_fixed_seed(2, replicate(20, {
    draws <- matrix(rnorm(300 * 60), 300)
    draws[, 1:6] <- log(rgamma(300 * 6, 1))
    steady_quantiles(draws, c(0.025, 0.975))
  }))
  bias <- (apply(ends[1:6, , ], 2, mean) - log(qgamma(c(0.025, 0.975), 1))) / pi * sqrt(6)
  expect_lt(max(abs(bias)), 0.12)
  expect_lt(mean(apply(ends[7:60, 1, ], 1, sd)), 0.12)
})

test_that("variances that are added widen intervals as sums of variables do", {
  ends <- with_fixed_seed(3, {
    draws <- matrix(rnorm(4000 * 4, 1, 2), 4000)
    extra <- matrix(rexp(4000 * 4), 4000)
    list(steady_quantiles(draws, c(0.05, 0.95), extra), quantile(rnorm(1e6, 1, 2) + sqrt(rexp(1e6)) * rnorm(1e6), c(0.05, 0.95)))
  })
  expect_equal(colMeans(ends[[1]]), unname(ends[[2]]), tolerance = 0.02)
})

test_that("few draws, and tails that no sd describes, keep quantiles of the draws; what is not there is NA", {
  draws <- with_fixed_seed(4, matrix(rnorm(60), 20))
  expect_equal(steady_quantiles(draws, c(0.1, 0.9)), column_quantiles(draws, c(0.1, 0.9), few_draws_type))
  heavy <- with_fixed_seed(4, matrix(rt(900, 2), 300))
  expect_equal(steady_quantiles(heavy, c(0.1, 0.9)), column_quantiles(heavy, c(0.1, 0.9), few_draws_type))
  odd <- cbind(with_fixed_seed(4, rnorm(100)), NA, 3)
  expect_equal(steady_quantiles(odd, c(0.1, 0.9))[2:3, ], rbind(c(NA_real_, NA), c(3, 3)))
})

test_that("the Monte Carlo error that tables tell is that of repeated draws", {
  effect <- with_fixed_seed(5, list(draws = matrix(rnorm(300 * 50), 300)))
  expect_equal(interval_error(effect, 0.95), sqrt((1 + 1.96^2 / 2) / 300), tolerance = 0.2)
  fit <- fake_set(iter = 200)
  expect_gt(attr(tw_contrast(fit), "error"), 0)
  expect_output(print(tw_contrast(fit)), "Monte Carlo\\s+error of ends 0[.][0-9]+ sd")
})

test_that("genes of few counts have the ends of their own density", {
  own <- list(at = seq(-6, 6, length.out = 400), log_density = dnorm(seq(-6, 6, length.out = 400), log = TRUE))
  expect_equal(own_quantiles(own, c(0.025, 0.975)), qnorm(c(0.025, 0.975)), tolerance = 1e-3)
})

test_that("by default ends move by less than a tenth of a posterior sd, in each door", {
  defaults <- lapply(list(twill_genes, twill_cells), function(door) {
    asked <- formals(door)[c("chains", "iter")]
    asked$chains * (asked$iter - eval(formals(door)$warmup, asked))
  })
  expect_length(unique(defaults), 1)
  # Independent draws: of chains sds know a little less.
  expect_lt(max(moved(rnorm, qnorm, n = defaults[[1]])$sd), 0.09)
})
