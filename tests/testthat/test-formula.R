# Formulas: what each term of the grammar becomes, and what is refused.

bar_table <- function(formula) {
  bars <- tw_formula(formula)$bars
  data.frame(group = vapply(bars, `[[`, "", "group"), rhs = vapply(bars, function(bar) deparse1(bar$rhs), ""),
             cor = vapply(bars, `[[`, TRUE, "cor"))
}

test_that("group-level terms are taken apart", {
  table <- bar_table(y ~ x + (1 + x | g) + (1 + f || a:b) + (0 + x | h))
  expect_setequal(table$group, c("g", "a:b", "h"))
  table <- table[match(c("g", "a:b", "h"), table$group), ]
  expect_identical(table$rhs, c("~1 + x", "~1 + f", "~0 + x"))
  expect_identical(table$cor, c(TRUE, FALSE, TRUE))
})

test_that("nested factors are named as in brms, outer factor first", {
  expect_identical(bar_table(y ~ (1 | a/b/c))$group, c("a", "a:b", "a:b:c"))
  expect_identical(bar_table(y ~ (1 | (a:b)/c))$group, c("a:b", "a:b:c"))
})

test_that("the population-level part is what lme4 leaves", {
  fixed <- function(formula) deparse1(tw_formula(formula)$fixed)
  expect_identical(fixed(y ~ (1 | g)), "y ~ 1")
  expect_identical(fixed(y ~ 0 + (1 | g)), "y ~ 0")
  expect_identical(fixed(log(y) ~ a * b + (1 | g) + offset(log(e))), "log(y) ~ a * b + offset(log(e))")
  expect_identical(fixed(y ~ 0 + tw_re(g)), "y ~ 0")
  expect_identical(fixed(y ~ x + (1 | g) - 1), "y ~ x - 1")
})

test_that("weights and standard errors are read from the response", {
  formula <- tw_formula(y | weights(w) + se(s, sigma = TRUE) ~ x)
  expect_identical(formula$response, quote(y))
  expect_identical(formula$addition, list(weights = quote(w), se = quote(s), sigma = TRUE))
  expect_false(tw_formula(y | se(s) ~ x)$addition$sigma)
  expect_true(tw_formula(y ~ x)$addition$sigma)
  expect_identical(tw_formula(y | resp_weights(w) ~ x)$addition$weights, quote(w))
})

test_that("a free mean is kept with its term", {
  prior <- "normal(0, 3)"
  bars <- tw_formula(y ~ 0 + tw_re(g, mean = prior) + tw_re(1 + x || h, mean = c(x = "normal(0, 1)")) + tw_re(k) + (1 | l))$bars
  names(bars) <- vapply(bars, `[[`, "", "group")
  expect_identical(bars$g$mean, "normal(0, 3)")
  expect_identical(bars$h$mean, c(x = "normal(0, 1)"))
  expect_false(bars$h$cor)
  expect_identical(bars$k$mean, "")
  expect_null(bars$l$mean)
})

test_that("a plain gr() is its grouping factor", {
  table <- bar_table(y ~ (1 + x | gr(g)) + (1 + x | gr(h, cor = FALSE)))
  expect_setequal(table$group, c("g", "h"))
  expect_identical(table$cor[table$group == "h"], FALSE)
  expect_identical(tw_formula(y ~ (1 | gr(g, by = x)))$bars[[1]]$by, "x")
  expect_error(tw_formula(y ~ (1 | gr(g, id = x))), class = "twill_error_formula")
})

test_that("dispersion formulas are read, also those of brms", {
  formula <- tw_formula(y ~ x, shape ~ z)
  expect_identical(formula$dpar, "shape")
  expect_identical(deparse1(formula$dispersion), "~z")
  expect_identical(format(formula), c("y ~ x", "shape ~z"))
  skip_if_not_installed("brms")
  of_brms <- tw_formula(brms::bf(y ~ x, shape ~ z))
  expect_identical(format(of_brms), format(formula))
  expect_error(tw_formula(brms::bf(y ~ a, a ~ 1, nl = TRUE)), "nonlinear", class = "twill_error_formula")
  expect_error(tw_formula(brms::bf(y ~ a, sigma = 2)), "fixed", class = "twill_error_formula")
})

test_that("what is not in the grammar is refused with the way out", {
  refused <- function(formula, message) expect_error(tw_formula(formula), message, class = "twill_error_formula")
  refused(~x, "response")
  refused("y ~", "This text is none")
  refused(3, "numeric")
  refused(y ~ ., "reformulate")
  refused(y ~ s(x), "smooth")
  refused(y ~ mo(x) + (1 | g), "monotonic")
  refused(y ~ (1 + me(x, s) | g), "measurement error")
  refused(y ~ 1 | g, "parentheses")
  refused(y ~ x * (1 | g), "parentheses")
  refused(y ~ x - (1 | g), "parentheses")
  expect_identical(tw_formula(y ~ (1 | i | g))$bars[[1]]$label, "i")
  refused(y ~ (1 | factor(g)), "column")
  refused(y ~ (1 | mm(a, b):c), "stands by itself")
  refused(y ~ (offset(z) | g), "offset")
  refused(y | trials(n) ~ x, "[Bb]inomial")
  refused(y | rate(e) ~ x, "offset")
  refused(y | se(s, 2) ~ x, "TRUE or FALSE")
  refused(y | weights(w) | se(s) ~ x, "Join")
  refused(y ~ tw_re(g, mean = 3), "text of a prior")
  expect_error(tw_formula(y ~ x, phi ~ z), "sigma", class = "twill_error_formula")
  expect_error(tw_formula(y ~ x, sigma ~ tw_re(g)), "tw_re", class = "twill_error_formula")
  expect_error(tw_formula(y ~ x, sigma ~ 1, shape ~ 1), "one", class = "twill_error_formula")
  expect_error(tw_re(g), class = "twill_error_formula")
})

test_that("user text in errors is never read as a format", {
  expect_error(tw_formula("y ~ {stop('x')} %s%n ~"), "{stop('x')} %s%n", fixed = TRUE, class = "twill_error_formula")
})

test_that("group-level terms are taken apart as lme4 does", {
  skip_if_not_installed("lme4")
  formulas <- list(y ~ x + (1 | g), y ~ (1 | g), y ~ 0 + x + (1 + x | g) + (0 + x | h), y ~ x * z + (x || g), y ~ x,
                   y ~ (1 | g) + offset(z) + x, y ~ x + (1 | g) - z, y ~ (x + z) + (1 | g), y ~ -1 + x + (1 | g))
  for (formula in formulas) {
    bars <- suppressMessages(suppressWarnings(lme4::findbars(formula)))
    if (!grepl("||", deparse1(formula), fixed = TRUE)) {
      expect_identical(vapply(as.list(group_bars(formula[[3]])), deparse1, ""), vapply(as.list(bars), deparse1, ""))
    }
    expect_identical(deparse1(without_bars(formula[[3]])), deparse1(lme4::nobars(formula)[[3]]))
  }
  # lme4 loses the minus of what is left.
  expect_identical(without_bars(quote((1 | g) - 1)), quote(-1))
  expect_identical(without_bars(quote(tw_re(g) + x)), quote(x))
})
