# Designs: model matrices, group codes, rows used, and the same on new data.

set.seed(11)
rows <- data.frame(y = rnorm(48, 5), x = rnorm(48), f = gl(3, 16, labels = c("a", "b c", "d")), g = gl(6, 8),
                   h = rep(c("u", "v"), 24), e = runif(48, 1, 2), w = rep(1:2, 24), n = rpois(48, 4))

new_input <- function(formula, data = rows, na_action = stats::na.omit, silent = 2, ...) {
  prepare_input(tw_formula(formula), data, na_action, list(...), globalenv(), silent)
}

built <- function(formula, data = rows, family = gaussian(), contrasts = NULL, ...) {
  input <- new_input(formula, data, ...)
  new_design(input$formula, input$data, as_twill_family(family), contrasts)
}

# As much of a fit as design_newdata() reads.
unfitted <- function(formula, data = rows, family = gaussian(), contrasts = NULL) {
  input <- new_input(formula, data)
  family <- as_twill_family(family)
  structure(list(formula = input$formula, family = family, data = input$data,
                 design = new_design(input$formula, input$data, family, contrasts)), class = c("twillfit", "twill_model"))
}

bare <- function(x) unname(as.matrix(x))

test_that("x is the model matrix, named as in brms", {
  formula <- y ~ poly(x, 2) * f + I(x^2) + log(e)
  design <- built(formula)
  expect_equal(bare(design$x), bare(model.matrix(formula, rows)), ignore_attr = TRUE)
  expect_identical(design$coef_names[1:4], c("b_Intercept", "b_polyx21", "b_polyx22", "b_fbc"))
  skip_if_not_installed("brms")
  expect_identical(colnames(design$x), colnames(brms::make_standata(formula, rows)$X))
})

test_that("contrasts and cell means are respected", {
  helmert <- rows
  contrasts(helmert$f) <- "contr.helmert"
  expect_equal(bare(built(y ~ f, helmert)$x), bare(model.matrix(y ~ f, helmert)), ignore_attr = TRUE)
  summed <- built(y ~ f, contrasts = list(f = "contr.sum"))
  expect_equal(bare(summed$x), bare(model.matrix(y ~ f, rows, contrasts.arg = list(f = "contr.sum"))), ignore_attr = TRUE)
  expect_identical(built(y ~ 0 + f)$coef_names, c("b_fa", "b_fbc", "b_fd"))
  expect_error(built(y ~ x, contrasts = list(q = "contr.sum")), "contrasts", class = "twill_error_design")
})

test_that("group-level terms agree with lme4's matrix Z", {
  formula <- y ~ x + (1 + x | g) + (1 | g:h)
  design <- built(formula)
  z <- as.matrix(Matrix::t(lme4::lFormula(formula, rows)$reTrms$Zt))
  term <- design$terms[[which(vapply(design$terms, function(t) t$group == "g", TRUE))]]
  effects <- rnorm(12)
  by_code <- rowSums(term$z * matrix(effects, 6, byrow = TRUE)[term$codes, ])
  group_columns <- if (ncol(z) == 24) which(colnames(z) %in% levels(rows$g))
  expect_equal(by_code, as.vector(z[, group_columns] %*% effects), ignore_attr = TRUE)
})

test_that("combinations of factors are the observed ones, joined by _", {
  some_rows <- rows[!(rows$g == "2" & rows$h == "u"), ]
  term <- built(y ~ (1 | g:h), some_rows)$terms[[1]]
  expect_identical(term$levels[1:4], c("1_u", "1_v", "2_v", "3_u"))
  expect_identical(term$levels[term$codes], paste(some_rows$g, some_rows$h, sep = "_"))
  skip_if_not_installed("brms")
  expect_equal(length(term$levels), as.numeric(brms::make_standata(y ~ (1 | g:h), some_rows)$N_1))
})

test_that("labels of levels have no blanks and are not confused", {
  tricky <- transform(rows, k = rep(c("a b", "a.b", "c%s{d}"), 16))
  term <- built(y ~ (1 | k), tricky)$terms[[1]]
  expect_identical(term$level_names, c("a b", "a.b", "c%s{d}"))
  expect_identical(anyDuplicated(term$levels), 0L)
  expect_false(any(grepl(" ", term$levels)))
})

test_that("free means are columns of x, not subject to the rank check", {
  design <- built(y ~ 0 + tw_re(g, mean = "normal(0, 5)") + tw_re(1 + x | h, mean = c(x = "normal(0, 1)")))
  expect_identical(colnames(design$x), c("mu_g__Intercept", "mu_h__x"))
  expect_identical(design$coef_names, colnames(design$x))
  expect_equal(design$x[, 2], rows$x)
  expect_identical(aliased_columns(cbind(a = 1:3, b = c(2, 4, 6), c = c(1, 0, 0))), "b")
  expect_error(built(y ~ tw_re(g, mean = c(z = "normal(0, 1)"))), "coefficient", class = "twill_error_formula")
})

test_that("uncorrelated factor columns stay in one term without correlations", {
  terms <- built(y ~ (1 + f || g))$terms
  expect_length(terms, 1)
  expect_identical(terms[[1]]$coefs, c("Intercept", "fbc", "fd"))
  expect_false(terms[[1]]$cor)
})

test_that("a group may have several terms with different coefficients", {
  expect_length(built(y ~ (1 | g) + (0 + x | g))$terms, 2)
  expect_error(built(y ~ (1 | g) + (x | g)), "different coefficients", class = "twill_error_formula")
})

test_that("0 + Intercept makes a column of ones", {
  design <- built(y ~ 0 + Intercept + x)
  expect_identical(design$coef_names, c("b_Intercept", "b_x"))
  expect_identical(design$coefficients$class, c("b", "b"))
})

test_that("weights, standard errors and offsets are evaluated", {
  design <- built(y | weights(2 * w) + se(e, sigma = TRUE) ~ x + offset(log(e)))
  expect_equal(design$weights, 2 * rows$w)
  expect_equal(design$se, rows$e)
  expect_equal(design$offset, log(rows$e))
  expect_identical(design$dispersion, "sigma")
  expect_null(built(y | se(e) ~ x)$dispersion)
  two <- built(n ~ x + offset(e) + offset(log(e)), family = poisson())
  expect_equal(two$offset, rows$e + log(rows$e))
})

test_that("arguments become parts of the formula", {
  design <- built(n ~ x, family = poisson(), offset = quote(log(e)), weights = quote(w))
  expect_equal(design$offset, log(rows$e))
  expect_equal(design$weights, rows$w)
  by_value <- built(n ~ x, family = poisson(), offset = log(rows$e), subset = quote(w == 1))
  expect_equal(by_value$offset, log(rows$e)[rows$w == 1])
  expect_length(by_value$y, 24)
  expect_length(built(y ~ x, subset = 1:10)$y, 10)
  input <- new_input(n ~ x, offset = quote(log(e)))
  expect_identical(deparse1(input$formula$formula), "n ~ x")
})

test_that("rows with missing values are dropped with a count", {
  holes <- rows
  holes$x[c(2, 5)] <- NA
  holes$y[5] <- NaN
  holes$g[9] <- NA
  expect_message(input <- new_input(y ~ x + (1 | g), holes, silent = 1), "3 of 48", class = "twill_message_missing")
  expect_silent(new_input(y ~ x + (1 | g), holes, silent = 2))
  expect_identical(nrow(input$data), 45L)
  expect_identical(attr(input$data, "na.action"), structure(c(`2` = 2L, `5` = 5L, `9` = 9L), class = "omit"))
  expect_message(new_input(y ~ log(x), rows, silent = 1), "log\\(x\\)", class = "twill_message_missing")
  expect_error(new_input(y ~ x, holes, na_action = na.fail), "row", class = "twill_error_data")
  expect_error(new_input(y ~ x, holes, na_action = "na.pass"), "na.omit", class = "twill_error_data")
  expect_s3_class(attr(new_input(y ~ x, holes, na_action = na.exclude)$data, "na.action"), "exclude")
})

test_that("unused levels go, contrasts stay", {
  some_rows <- rows[rows$f != "d", ]
  contrasts(some_rows$f) <- "contr.sum"
  input <- new_input(y ~ f + (1 | g), some_rows)
  expect_identical(levels(input$data$f), c("a", "b c"))
  expect_identical(attr(input$data$f, "contrasts"), "contr.sum")
})

test_that("tibbles, characters and matrix columns are fine", {
  data <- rows
  data$m <- cbind(p = rows$x, q = rows$e)
  expect_identical(built(y ~ m + h, data)$coef_names, c("b_Intercept", "b_mp", "b_mq", "b_hv"))
  skip_if_not_installed("tibble")
  expect_equal(built(y ~ x + h, tibble::as_tibble(rows))$x, built(y ~ x + h)$x)
})

test_that("the environment of the formula is left behind", {
  make <- function() {
    ballast <- rnorm(1e6)
    degree <- 2
    double <- function(v) 2 * v
    new_input(y ~ poly(x, degree) + double(e) + (1 | g))
  }
  input <- make()
  expect_lt(length(serialize(input, NULL)), 1e5)
  design <- new_design(input$formula, input$data, as_twill_family(gaussian()))
  expect_lt(length(serialize(design, NULL)), 1e5)
  expect_identical(colnames(design$x)[2:4], c("polyxdegree1", "polyxdegree2", "doublee"))
})

test_that("thousands of levels are coded in a moment", {
  n <- 2e5
  big <- data.frame(y = rnorm(n), g = sample(5e4, n, TRUE), h = sample(20, n, TRUE))
  seconds <- system.time(design <- built(y ~ (1 | g) + (1 | g:h), big))[["elapsed"]]
  expect_lt(seconds, 20)
  expect_identical(length(design$terms[[1]]$levels), length(unique(big$g)))
})

# New data -------------------------------------------------------------------------------------------------------

test_that("the rows of the fit come back from its own data", {
  fit <- unfitted(y ~ poly(x, 2) * f + scale(e) + offset(log(e)) + (1 + x | g) + (0 + f || g:h))
  known <- design_newdata(fit)
  again <- design_newdata(fit, rows)
  expect_equal(again$x, known$x)
  expect_equal(again$offset, known$offset)
  expect_equal(again$terms, known$terms)
})

test_that("bases are predicted safely on a few rows", {
  fit <- unfitted(y ~ poly(x, 2) + scale(e) + splines::ns(x, 3) + f)
  expect_equal(design_newdata(fit, rows[c(3, 40), ])$x, fit$design$x[c(3, 40), ])
  as_text <- transform(rows[c(3, 40), ], f = as.character(f))
  expect_equal(design_newdata(fit, as_text)$x, fit$design$x[c(3, 40), ])
})

test_that("re_formula chooses terms and coefficients", {
  fit <- unfitted(y ~ x + (1 + x | g) + (1 | h))
  chosen <- function(re_formula, newdata = NULL) {
    terms <- design_newdata(fit, newdata, re_formula)$terms
    stats::setNames(lapply(terms, `[[`, "coefs"), vapply(terms, `[[`, "", "group"))
  }
  expect_identical(chosen(NULL), list(g = c("Intercept", "x"), h = "Intercept"))
  expect_length(chosen(NA), 0)
  expect_length(chosen(~0), 0)
  expect_identical(chosen(~ (1 | g)), list(g = "Intercept"))
  expect_identical(chosen(~ (0 + x | g) + (1 | h), rows[1:3, ]), list(g = "x", h = "Intercept"))
  expect_error(chosen(~ (1 | f)), "not in the model", class = "twill_error_newdata")
  expect_error(chosen("g"), "re_formula", class = "twill_error_newdata")
})

test_that("new levels are named, or refused", {
  fit <- unfitted(y ~ x + (1 | g) + (1 | g:h))
  new <- data.frame(x = 1:3, g = c("1", "zz", "2"), h = c("u", "u", "q%s"))
  expect_error(design_newdata(fit, new), "zz", class = "twill_error_newdata")
  terms <- design_newdata(fit, new, allow_new_levels = TRUE)$terms
  expect_identical(terms[[1]]$codes, c(1L, NA, 2L))
  expect_identical(terms[[1]]$new_levels, c(NA, "zz", NA))
  expect_identical(terms[[2]]$new_levels, c(NA, "zz_u", "2_q%s"))
  expect_length(design_newdata(fit, new["x"], NA)$terms, 0)
  expect_error(design_newdata(fit, new["x"]), "lacks", class = "twill_error_newdata")
  missing <- design_newdata(fit, new["x"], allow_new_levels = TRUE)$terms[[1]]
  expect_true(all(is.na(missing$codes)) && !anyNA(missing$new_levels))
})

test_that("free means stay in x when group-level terms are left out", {
  fit <- unfitted(y ~ 0 + tw_re(1 + x | g, mean = "normal(0, 1)") + (1 | h))
  new <- design_newdata(fit, data.frame(x = c(2, 3)), NA)
  expect_equal(new$x, cbind(mu_g__Intercept = 1, mu_g__x = c(2, 3)))
})

test_that("bad new data are refused with the reason", {
  fit <- unfitted(tw_formula(n ~ x + f + offset(log(e)) + (1 | g), shape ~ h), family = negbinomial())
  refused <- function(message, ...) {
    new <- transform(rows[1:3, ], ...)
    expect_error(design_newdata(fit, new), message, class = "twill_error_newdata")
  }
  expect_identical(colnames(design_newdata(fit, rows[1:3, ])$x_disp), c("Intercept", "hv"))
  refused("\"e\"", e = NULL)
  refused("Not seen: \"zz\"", f = "zz")
  refused("missing or infinite", x = c(1, NA, 2))
  refused("missing or infinite", x = c(1, Inf, 2))
  expect_error(design_newdata(fit, transform(rows[1:3, ], e = 1e300^2)), class = "twill_error")
  expect_error(design_newdata(fit, list(x = 1)), "data frame", class = "twill_error_newdata")
})

test_that("many correlations of few levels are told, with the way out", {
  rows <- data.frame(y = sin(1:60), x = gl(12, 1, 60), g = gl(5, 12), many = gl(20, 3))
  expect_message(built(y ~ 1 + (1 + x | g), rows), "12 coefficients and 66.*5 levels.*[|][|]",
                 class = "twill_message_correlations")
  expect_no_message(built(y ~ 1 + (1 + x || g), rows))
  expect_no_message(built(y ~ 1 + (1 + x | many), rows))
  expect_no_message(twill(y ~ 1 + (1 + x | g), rows, chains = 1, iter = 10, seed = 1, silent = 2))
})
