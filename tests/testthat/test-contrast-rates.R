# How small a probability draws can tell of: rates beyond all draws, their order, and what is shown of them.

test_that("rates beyond the draws are no smaller than those of posteriors with heavy tails", {
  # Effects whose posterior is a t of few degrees of freedom, as with few donors: the exact rate is known. With two standard
  # errors on the safe side one in forty tables falls below it.
  rates <- function(df, z, n, seed) {
    draws <- with_fixed_seed(seed, matrix(rt(n * length(z), df), n)) + rep(z, each = n)
    effect_statistics(list(draws = draws), 0, 0.95)$lfsr
  }
  z <- c(8, 12, 20, 40)
  for (df in c(5, 8, 20)) for (seed in 1:3) {
    expect_true(all(rates(df, z, 1000, seed) > 0.9 * pt(-z, df)), label = paste("df", df, "seed", seed))
    expect_false(is.unsorted(-rates(df, z, 1000, seed)))
  }
})

test_that("rates of many normal draws are those of the normal", {
  draws <- with_fixed_seed(1, scale(matrix(rnorm(2e5 * 4), 2e5))) + rep(c(2, 3, 4, 5), each = 2e5)
  found <- effect_statistics(list(draws = draws), 0, 0.95)$lfsr
  # Bandwidths of kernels, 0.08 sds, keep the variance; 30 draws beyond 3.
  expect_equal(log(found[1:2]), pnorm(c(-2, -3), log.p = TRUE), tolerance = 0.02)
  # Of 800,000 draws 25 and 0.2 are beyond.
  expect_true(all(abs(log(found[3:4] / pnorm(c(-4, -5)))) < log(3)))
})

test_that("one response: the rate of a t posterior, from quadrature", {
  data <- data.frame(y = c(-0.3, 0.4, 0.1, -0.2, 5.3, 4.8, 5.2, 4.9), x = rep(0:1, each = 4))
  fit <- twill(y ~ x, data = data, prior = c(tw_prior("flat", class = "b"), tw_prior("flat", class = "Intercept"),
                                             tw_prior("exponential(0.5)", class = "sigma")),
               chains = 2, iter = 2000, seed = 1, silent = 2)
  residual <- sum(residuals(lm(y ~ x, data))^2)
  # p(sigma | y) with both coefficients integrated out; given sigma the slope is normal of variance sigma^2 / 2.
  log_p <- function(s) -6 * log(s) - residual / (2 * s^2) - 0.5 * s
  p <- function(s) exp(log_p(s) - log_p(0.25))
  slope <- coef(lm(y ~ x, data))[[2]]
  total <- integrate(p, 0, Inf, rel.tol = 1e-10)$value
  exact <- integrate(function(s) p(s) * pnorm(0, slope, s / sqrt(2)), 0, Inf, rel.tol = 1e-10)$value / total
  table <- tw_contrast(fit, "x")
  expect_gt(table$lfsr, exact / 3)
  expect_lt(table$lfsr, 1 / 2000)
  expect_match(paste(capture.output(print(table)), collapse = "\n"), "<0.0005")
  expect_match(attr(table, "description")[["lfsr"]], "below 0.0005.*an order, no finding")
})

test_that("no table shows a rate below one over its draws, and the surest come first", {
  local_engine(fake_engine)
  counts <- with_fixed_seed(1, matrix(rpois(60, 50), 6, dimnames = list(paste0("gene", 1:6), NULL)))
  fit <- twill_genes(counts, ~x, col_data = data.frame(x = gl(2, 5)), iter = 100, seed = 1, silent = 2, share = "none",
      check = FALSE)
  # Effects that are known well, all of them.
  at <- match("b_x2", fit$posterior$names)
  n <- dim(fit$posterior$draws)[1]
  fit$posterior$draws[, at, ] <- with_fixed_seed(2, rnorm(n * 6, rep(c(3, 5, 4, -6, -7, 8), each = n), 0.1))
  support <- 1 / (6 * n)
  shown <- function(table) paste(capture.output(print(table)), collapse = "\n")
  for (adaptive in c(TRUE, FALSE)) {
    table <- tw_contrast(fit, "x2", adaptive = adaptive)
    expect_true(all(table$lfsr > 0 & table$lfsr < support))
    expect_equal(attr(table, "support"), support)
    expect_match(shown(table), paste0("<", formatC(support, digits = 1, format = "g")))
    expect_false(grepl("[0-9]e-[0-9]", gsub("<[0-9.]+(e-[0-9]+)?", "", shown(table))))
    expect_identical(rownames(sort(table)), paste0("gene", c(6, 5, 4, 2, 3, 1)))
  }
  # A learned prior claims no more than the draws do.
  own <- tw_contrast(fit, "x2", adaptive = FALSE)
  expect_true(all(tw_contrast(fit, "x2")$lfsr >= own$lfsr))
  # Several tables as one.
  both <- tw_contrast(fit, list(a = "x2", b = "Intercept"))
  expect_equal(attr(both, "support"), support)
  fewer <- structure(both, support = 2 * support)
  expect_equal(largest_support(list(both, fewer, data.frame())), 2 * support)
  # Plots tell them apart.
  expect_match(plot(table, "volcano")$labels$caption, "Triangles: beyond what so many draws can tell")
})
