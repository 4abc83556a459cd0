# tw_shrink() and shrunken columns of contrasts: against integrals, against simulation, and errors.

# Posterior of one effect by quadrature: atom `none`, normals of shares w, sds s and means m, a t likelihood.
by_quadrature <- function(estimate, se, df, none, w, s, m) {
  density <- function(t) vapply(t, function(x) sum(w * dnorm(x, m, s)) * dt((estimate - x) / se, df) / se, 0)
  integral <- function(f, from = -Inf, to = Inf) {
    ends <- sort(unique(pmin(pmax(c(from, -8, 0, estimate, 8, to), from), to)))
    sum(mapply(function(a, b) integrate(function(t) f(t) * density(t), a, b, rel.tol = 1e-9)$value, head(ends, -1), ends[-1]))
  }
  one <- function(t) 1 + 0 * t
  zero <- none * dt(estimate / se, df) / se
  total <- zero + integral(one)
  mean <- integral(identity) / total
  below <- integral(one, to = 0) / total
  above <- integral(one, 0) / total
  quantile <- function(p) {
    if (p > below && p < below + zero / total) return(0)
    uniroot(function(x) (integral(one, to = x) + zero * (x >= 0)) / total - p, c(-8, 8), tol = 1e-9)$root
  }
  c(mean = mean, sd = sqrt(integral(function(t) t^2) / total - mean^2), lower = quantile(0.05), upper = quantile(0.95),
    lfsr = zero / total + min(below, above), prob = 1 - zero / total)
}

test_that("posteriors under a given mixture are those of quadrature, with normal and t errors", {
  prior <- tw_normal_mixture(weights = c(0.3, 0.2), sd = c(0.5, 1), mean = c(0, 0.4))
  cases <- data.frame(estimate = c(1, 0.2, -2, 3, 0.1), se = c(0.3, 0.5, 0.4, 0.3, 0.05), df = c(4, Inf, 2, 6, 15))
  found <- tw_shrink(cases$estimate, cases$se, cases$df, prior = prior, prob = 0.9)
  for (k in seq_len(nrow(cases))) {
    known <- with(cases[k, ], by_quadrature(estimate, se, df, 0.5, c(0.3, 0.2), c(0.5, 1), c(0, 0.4)))
    expect_equal(unlist(found[k, names(known)]), known, tolerance = 1e-4)
  }
})

test_that("one normal prior is conjugate, whatever the mode", {
  prior <- tw_normal_mixture(1, 2)
  found <- tw_shrink(c(a = 4, b = -1), c(1, 3), mode = 1, prior = prior)
  precision <- 1 / 4 + 1 / c(1, 9)
  mean <- 1 + c(3, -2) / c(1, 9) / precision
  expect_equal(found$mean, mean)
  expect_equal(found$sd, 1 / sqrt(precision))
  expect_equal(found$upper, mean + qnorm(0.975) / sqrt(precision), tolerance = 1e-7)
  expect_equal(found$lfsr, pnorm(-abs(mean - 1) * sqrt(precision)))
  expect_identical(rownames(found), c("a", "b"))
})

test_that("thresholds are distances from the mode", {
  prior <- tw_normal_mixture(1, 2)
  found <- tw_shrink(4, 1, mode = 1, prior = prior, threshold = 1.5)
  centre <- 3 * 4 / 5
  expect_equal(found$fsos, pnorm(1.5, centre, sqrt(4 / 5)))
  expect_equal(found$prob, 1 - pnorm(1.5, centre, sqrt(4 / 5)) + pnorm(-1.5, centre, sqrt(4 / 5)))
})

test_that("a t by nodes is a t", {
  for (df in c(2, 3, 5)) {
    nodes <- t_nodes(df)
    z <- c(0, 1, 3, 6, 10, 30)
    expect_equal(vapply(z, function(x) mean(exp(node_densities(x, 1, 0, 0, nodes))), 0) / dt(z, df), rep(1, 6), tolerance = 1e-4)
  }
  expect_identical(t_nodes(c(Inf, Inf)), 1)
})

simulated_table <- function(n, share, size, seed) {
  with_fixed_seed(seed, {
    effect <- ifelse(runif(n) < share, 0, rnorm(n, 0, size))
    se <- runif(n, 0.2, 0.6)
    data.frame(effect, estimate = rnorm(n, effect, se), se)
  })
}

test_that("intervals cover and estimates gain, from eight rows to thousands", {
  # 95 % of binomially many, with 4 standard errors and two points for a prior that is learned (docs/decisions, 64).
  for (n in c(8, 200, 4000)) for (share in c(0.8, 0.5)) {
    tables <- lapply(seq_len(max(1, 1600 %/% n)), function(seed) {
      x <- simulated_table(n, share, 0.5, seed)
      cbind(x, as.data.frame(tw_shrink(x$estimate, x$se))[c("mean", "lower", "upper", "svalue")])
    })
    x <- do.call(rbind, tables)
    covered <- mean(x$lower <= x$effect & x$effect <= x$upper)
    expect_gt(covered, 0.93 - 4 * sqrt(0.05 * 0.95 / nrow(x)))
    expect_lt(mean((x$mean - x$effect)^2), 0.6 * mean((x$estimate - x$effect)^2))
    called <- x$svalue <= 0.05
    wrong <- sum(called & sign(x$mean) != sign(x$effect))
    expect_lt(wrong, 0.05 * sum(called) + 3 * sqrt(0.05 * sum(called)) + 1)
  }
})

test_that("a learned prior can be used again", {
  x <- simulated_table(300, 0.8, 1, 1)
  first <- tw_shrink(x$estimate, x$se)
  again <- tw_shrink(x$estimate, x$se, prior = attr(first, "prior"))
  expect_equal(again$mean, first$mean)
  expect_equal(again$upper, first$upper)
  signs <- tw_shrink(x$estimate, x$se, prior = attr(first, "prior_of_signs"))
  expect_equal(signs$lfsr, first$lfsr)
})

test_that("rates of normal errors are those that tw_contrast() would give", {
  x <- simulated_table(300, 0.8, 1, 2)
  prior <- learn_effect_prior(NULL, x$estimate, x$se)
  known <- adapt_statistics(list(), prior, 0, list(statistics = list(mean = x$estimate, sd = x$se)))
  expect_equal(tw_shrink(x$estimate, x$se)$lfsr, known$lfsr)
})

test_that("shares are those of mixsqp with the same rows", {
  skip_if_not_installed("mixsqp")
  x <- simulated_table(500, 0.7, 1, 3)
  likelihood <- component_likelihoods(x$estimate, x$se, effect_components(x$estimate, x$se), 1)
  k <- ncol(likelihood)
  found <- mixture_shares(likelihood, even_rows(k))
  other <- mixsqp::mixsqp(rbind(exp(likelihood), diag(k)), c(rep(1, 500), even_rows(k)), control = list(verbose = FALSE))
  expect_equal(found$shares, other$x, tolerance = 0.01)
})

test_that("tables of other packages are known", {
  x <- simulated_table(50, 0.5, 1, 4)
  known <- tw_shrink(x$estimate, x$se)
  same <- function(table, ...) expect_equal(tw_shrink(table, ...)$mean, known$mean)
  same(data.frame(log2FoldChange = x$estimate, lfcSE = x$se))
  same(data.frame(logFC = x$estimate, t = x$estimate / x$se))
  same(data.frame(term = paste0("t", 1:50), estimate = x$estimate, std.error = x$se))
  same(cbind(Estimate = x$estimate, "Std. Error" = x$se))
  same(data.frame(yi = x$estimate, sei = x$se))
  same("beta", "beta_se", data = data.frame(beta = x$estimate, beta_se = x$se))
  same(data.frame(estimate = x$estimate, error = x$se), "error")
  with_df <- data.frame(estimate = x$estimate, std.error = x$se, df = 5)
  expect_equal(tw_shrink(with_df)$mean, tw_shrink(x$estimate, x$se, df = 5)$mean)
  expect_equal(tw_shrink(with_df, df = Inf)$mean, known$mean)
  fit <- lm(mpg ~ ., mtcars)
  expect_identical(rownames(tw_shrink(coef(summary(fit))[-1, ], df = df.residual(fit))), names(coef(fit))[-1])
  skip_if_not_installed("S4Vectors")
  same(S4Vectors::DataFrame(log2FoldChange = x$estimate, lfcSE = x$se))
})

test_that("rows without a value stay, and are NA", {
  found <- tw_shrink(c(a = 1, b = NA, c = 0.1), c(0.2, 0.2, NA))
  expect_identical(is.na(found$mean), c(FALSE, TRUE, TRUE))
  expect_identical(is.na(found$svalue), c(FALSE, TRUE, TRUE))
  expect_true(all(is.na(tw_shrink(c(NA_real_, NA), 1)$mean)))
})

test_that("what makes no sense is refused by name", {
  refused <- function(expr, text) expect_error(expr, text, class = "twill_error_shrink")
  refused(tw_shrink(1:3), "se.*missing")
  refused(tw_shrink(1:3, c(1, 0, 1)), "positive.*row 2")
  refused(tw_shrink(c(a = 1, b = Inf), 1), "finite")
  refused(tw_shrink(c(1, 1e200), 1), "1e50 in size")
  refused(tw_shrink(c(1, 1), c(1, 1e-200)), "between 1e-50")
  refused(tw_shrink(1:3, 1:2), "2 values")
  refused(tw_shrink(1:3, 1, df = -1), "df")
  refused(tw_shrink("a", 1), "no table")
  refused(tw_shrink(letters, 1), "numbers")
  refused(tw_shrink(data.frame(logFC = 1, logCPM = 2, "F" = 3)), "edgeR have no standard errors")
  refused(tw_shrink("b", "s", data = data.frame(beta = 1, se = 1)), "no column")
  refused(tw_shrink(1:3, 1, prior = 3), "tw_normal_mixture")
  refused(tw_shrink(1:3, 1, mode = NA), "mode")
  refused(tw_shrink(1:3, 1, mode = 1e308), "mode")
  refused(tw_normal_mixture(1, sd = 1e300), "sd")
  refused(tw_normal_mixture(c(0.5, 0.5), sd = c(1, 1e-300)), "sd")
  refused(tw_normal_mixture(c(0.9, 0.2), 1), "sum to")
  refused(tw_normal_mixture(1, -1), "negative")
  refused(tw_normal_mixture(c(0.5, 0.5), c(0, 1), c(1, 1)), "mean")
  refused(tw_normal_mixture(0.5, c(1, 2)), "weights")
})

test_that("a mixture leaves what is not in its weights without effect", {
  mixture <- tw_normal_mixture(0.01 * c(0.2, 0.8), sd = c(0.03, 0.01))
  expect_equal(mixture$weights, c(0.99, 0.002, 0.008))
  expect_output(print(mixture), "99% without effect")
  expect_output(print(tw_shrink(c(0.04, 0.01), 0.008, prior = mixture)), "given prior: 99% without effect")
})

test_that("contrasts have shrunken columns, in their units", {
  fit <- fake_set(counts = gene_counts(120), share = "none")
  at <- match("b_conditionstim", fit$posterior$names)
  fit$posterior$draws[, at, 1:30] <- fit$posterior$draws[, at, 1:30] + rep(seq(-2, 2, length.out = 30), each = 100)
  plain <- tw_contrast(fit)
  table <- tw_contrast(fit, shrink = TRUE)
  expect_identical(as.data.frame(table)[names(plain)], as.data.frame(plain), ignore_attr = TRUE)
  expect_lt(mean(table$shrunken[-(1:30)]^2), mean(table$log2FoldChange[-(1:30)]^2))
  expect_true(all(table$shrunken_lower <= table$shrunken_upper))
  # Where most of the posterior is at zero, so is an end of the interval or both, and the mean of the rest can be beyond it.
  inside <- table$shrunken_lower <= table$shrunken & table$shrunken <= table$shrunken_upper
  expect_true(all(inside | table$shrunken_lower == 0 | table$shrunken_upper == 0))
  natural <- tw_contrast(fit, shrink = TRUE, log2 = FALSE)
  expect_equal(natural$shrunken, table$shrunken * log(2))
  # The same posterior as of the table of means and sds, where draws look normal and counts are many.
  wider <- tw_contrast(fit, shrink = TRUE, estimand = "new_donor")
  expect_gt(mean(wider$shrunkenSE), mean(table$shrunkenSE))
  expect_match(attr(table, "description")[["shrunken"]], "learned prior")
  masked <- tw_contrast(fit, shrink = TRUE, mask = tw_mask(fit, genes = set_genes(fit)[1:2]))
  expect_true(all(is.na(masked$shrunken[masked$status == "masked"])))
  expect_error(tw_contrast(fit, shrink = TRUE, adaptive = FALSE), "learned prior", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, shrink = TRUE, cell_noise = TRUE), "means", class = "twill_error_contrast")
})

test_that("effects with a density of their own are shrunk by it", {
  prior <- list(centres = c(0, 0, 0.6), sizes = c(0, 0.4, 1), shares = c(0.5, 0.3, 0.2), df = Inf)
  grid <- sort(c(0, seq(-4, 6, length.out = 2000)))
  own <- list(gene = 1L, at = grid, log_density = dnorm(grid, 1.2, 0.5, log = TRUE))
  extra <- matrix(c(0.1, 0.3), 1)
  for (added in list(NULL, extra)) {
    closed <- shrunken_effects(prior, 1.2, 0.5, c(0.025, 0.975), added)
    numeric <- shrunken_effects(prior, 1.2, 0.5, c(0.025, 0.975), added, list(own))
    expect_equal(numeric, closed, tolerance = 1e-3)
  }
})

test_that("NaN is a missing value", {
  found <- tw_shrink(c(1, NaN, 2), c(1, 1, NaN))
  expect_false(any(vapply(as.data.frame(found), function(column) any(is.nan(column)), NA)))
  expect_identical(is.na(found$mean), c(FALSE, TRUE, TRUE))
})
