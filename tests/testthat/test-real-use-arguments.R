# Values that no argument takes: refused by name, wherever they would reach another package or R itself.

test_that("arguments of loo, waic and loo_predict are refused by name", {
  fit <- shared_fit("sleep")
  expect_error(loo(fit, save_psis = c(a = 1, b = 2)), "save_psis", class = "twill_error_setting")
  expect_error(loo(fit, pointwise = "yes"), "pointwise", class = "twill_error_setting")
  expect_error(loo(fit, cores = 0), "cores", class = "twill_error_setting")
  expect_error(waic(fit, pointwise = 1), "pointwise", class = "twill_error_setting")
  for (probs in list(2, 0, 1, numeric(0), "a", NA_real_)) {
    expect_error(loo_predict(fit, type = "quantile", probs = probs), "probs", class = "twill_error_argument")
  }
})

test_that("waic row by row is waic", {
  fit <- shared_fit("sleep")
  whole <- suppressWarnings(waic(fit))
  by_row <- suppressWarnings(waic(fit, pointwise = TRUE))
  expect_equal(by_row$pointwise, whole$pointwise, ignore_attr = TRUE)
  expect_equal(by_row$estimates, whole$estimates)
})

test_that("what has no values to show is shown by its class", {
  expect_identical(as.character(some(quote(x))), "name")
  expect_identical(some(mean), "function")
  samples <- data.frame(f = rep(c("a", "b"), 5))
  counts <- matrix(rpois(60, 20), 6, dimnames = list(paste0("g", 1:6), NULL))
  for (genes in list(quote(x), mean, list(1), new.env())) {
    expect_error(twill_genes(counts, ~f, col_data = samples, genes = genes, silent = 2), "genes", class = "twill_error_genes")
    expect_error(twill_screen(counts, ~f, gene = rep(1:3, 2), plasmid = genes, col_data = samples, silent = 2), "plasmid",
                 class = "twill_error_genes")
  }
})

test_that("long data without a complete row are refused", {
  data <- expand.grid(gene = c("a", "b"), sample = 1:6)
  data$y <- rpois(12, 20)
  data$x <- NA_real_
  expect_error(suppressMessages(twill_genes(data, y ~ x, gene = "gene", silent = 2)), "covariate", class = "twill_error_data")
})

test_that("weights of zero are refused, and genes without weight left out", {
  data <- data.frame(y = 1:20 / 7, x = sin(1:20), w = 0)
  expect_error(twill(y ~ x, data, weights = w, silent = 2), "`weights` are zero", class = "twill_error_data")
  samples <- data.frame(f = rep(c("a", "b"), 5))
  counts <- with_fixed_seed(1, matrix(rpois(60, 20), 6, dimnames = list(paste0("g", 1:6), NULL)))
  genes <- function(weights) {
    twill_genes(counts, ~f, col_data = samples, weights = weights, share = "none", iter = 40, seed = 1, silent = 2)
  }
  expect_error(genes(rep(0, 10)), "`weights` are zero", class = "twill_error_genes")
  expect_error(genes(counts * 0), "`weights` are zero", class = "twill_error_genes")
  fit <- genes(pmin(counts * 0 + (1:6 != 3), 1))
  expect_identical(rownames(fit), paste0("g", c(1, 2, 4:6)))
  expect_match(tw_diagnostics(fit, all = TRUE)["g3", "message"], "weights of zero")
})

test_that("a gene that users call `_other` is a gene", {
  counts <- gene_counts(6)
  rownames(counts)[2] <- "_other"
  fit <- fake_set(counts = counts)
  expect_false(any(tw_mask(fit, coverage = 1)))
})

test_that("designs that leave too little to look for shared variation say so", {
  samples <- data.frame(f = rep(c("a", "b"), 2))
  counts <- with_fixed_seed(1, matrix(rnbinom(120, mu = 50, size = 20), 30, dimnames = list(paste0("g", 1:30), NULL)))
  fit <- function(...) {
    suppressWarnings(twill_genes(counts, ~f, col_data = samples, share = "none", method = "laplace", iter = 40, seed = 1, ...))
  }
  expect_message(fit(), "three directions.*leaves 2 of 4 samples", class = "twill_message_shared")
  expect_no_message(fit(check = FALSE), class = "twill_message_shared")
})

test_that("draws that do not vary have no pairs and no E-BFMI", {
  fit <- shared_fit("sleep")
  fit$draws[, , "sigma"] <- 1
  fit$sampler[, 1, "energy__"] <- 3
  expect_message(pairs(fit, variable = c("sigma", "b_Days", "b_Intercept")), "sigma", class = "twill_message_plot")
  expect_error(pairs(fit, variable = c("sigma", "b_Days")), "vary", class = "twill_error_plot")
  expect_identical(is.na(diagnostics(fit)$bfmi), c(TRUE, FALSE))
  expect_false(anyNA(summary(fit)$diagnostics$rhat))
  expect_silent(warn_bfmi(sampler_diagnostics(fit)))
})

test_that("checks of counts refuse continuous responses, and quoted code and functions are no settings", {
  fit <- shared_fit("sleep")
  for (type in c("bars", "rootogram")) {
    expect_error(pp_check(fit, type = type, ndraws = 2), "continuous", class = "twill_error_plot")
  }
  counts <- with_fixed_seed(1, matrix(rpois(8 * 4, 100), 8))
  screen <- function(...) {
    twill_screen(counts, ~arm, gene = rep(c("A", "B"), 4), col_data = data.frame(arm = gl(2, 2)), ..., silent = 2)
  }
  expect_error(screen(iter = quote(x + 1)), "iter", class = "twill_error_argument")
  expect_error(screen(controls = function(x) x), "controls", class = "twill_error_argument")
  expect_identical(correlation_if_any(c(1, 1, 1), 1:3), NA_real_)
})

test_that("offsets that are no numbers, flags that are none and columns that are matrices are named", {
  data <- with_fixed_seed(1, data.frame(y = rnorm(12), f = gl(3, 4), g = gl(4, 3)))
  expect_error(twill(y ~ 1 + (1 | g), data, offset = f, silent = 2), "offset", class = "twill_error_data")
  expect_error(twill(y ~ offset(f) + (1 | g), data, silent = 2), "factor", class = "twill_error_data")
  expect_error(summary(shared_fit("sleep"), priors = c(2, NA)), "priors", class = "twill_error_setting")
  long <- data.frame(y = rpois(8, 20), gene = rep(c("A", "B"), 4))
  long$guide <- matrix(letters[1:16], 8)
  expect_error(twill_screen(long, y ~ 1, gene = "gene", guide = "guide", silent = 2), "guide", class = "twill_error_genes")
})

test_that("slopes are looked for among the columns that are in the design", {
  samples <- data.frame(a = gl(2, 1, 12), g = gl(4, 3))
  samples$b <- samples$a
  counts <- with_fixed_seed(1, matrix(rpois(12 * 8, 50), 8))
  fit <- suppressMessages(suppressWarnings(twill_genes(counts, ~ a + b + (1 | g), col_data = samples, iter = 60, seed = 1)))
  expect_s3_class(fit, "twillgenes")
})

test_that("functions, calls and lists in place of names are refused by name, whatever the verb", {
  fit <- shared_fit("sleep")
  genes <- fake_set()
  verbs <- list(fixef = "pars", ranef = "pars", ranef = "groups", confint = "parm", nuts_params = "pars",
                tw_forest = "own", tw_forest = "group", posterior_epred = "ndraws", posterior_predict = "re_formula",
                loo_predict = "psis_object", as_draws_df = "variable", pp_check = "type", pp_check = "group", plot = "ask")
  for (k in seq_along(verbs)) for (value in list(function(x) x, quote(x), list(1))) {
    given <- stats::setNames(list(fit, value), c("", verbs[[k]]))
    expect_error(do.call(names(verbs)[k], given, quote = TRUE), verbs[[k]], class = "twill_error")
  }
  verbs <- list(ranef = "groups", confint = "parm", rhat = "pars", tw_diagnostics = "all", tw_contrast = "extra")
  for (k in seq_along(verbs)) {
    given <- stats::setNames(list(genes, function(x) x), c("", verbs[[k]]))
    expect_error(do.call(names(verbs)[k], given), verbs[[k]], class = "twill_error")
  }
  for (bad in list("a", NA, c(1, 2), function(x) x, 1e300)) {
    expect_error(print(summary(fit), digits = bad), "digits", class = "twill_error_setting")
    expect_error(print(tw_hypothesis(fit, "Days > 0"), digits = bad), "digits", class = "twill_error_setting")
    expect_error(tw_hypothesis(fit, "Days > 0", alpha = bad), "alpha", class = "twill_error")
    expect_error(tw_hypothesis(fit, "Days > 0", class = if (is.character(bad)) 1 else bad), "class", class = "twill_error")
  }
})

test_that("refresh is a whole number, in every door", {
  for (bad in list("~", -1, NA, c(1, 2), function(x) x)) {
    expect_error(twill(mpg ~ wt, datasets::mtcars, refresh = bad, silent = 2), "refresh", class = "twill_error_setting")
    expect_error(fake_set(refresh = bad), "refresh", class = "twill_error_setting")
    expect_error(cells_fit(refresh = bad), "refresh", class = "twill_error_setting")
  }
})

test_that("a normal distribution has no ends", {
  fit <- fake_set(keep = "moments")
  for (verb in list(fixef, ranef, coef)) expect_error(verb(fit, probs = c(0, 0.5)), "probs", class = "twill_error_argument")
  expect_true(all(is.finite(fixef(fake_set(), probs = c(0, 1)))))
})

test_that("values that only look like an argument are refused by name", {
  data <- data.frame(y = rnorm(8), f = factor(rep(c("a", "b"), 4)))
  expect_error(twill(y ~ f, data, na.action = "~"), "na.action", class = "twill_error_setting")
  expect_error(tw_prior("normal(0, 1)", ub = function(x) x), "`ub` must be a number", class = "twill_error_prior")
  warned <- tryCatch(twill(y ~ 1, data, subset = f > 0), warning = identity)
  expect_s3_class(warned, "twill_warning_data")
})

test_that("levels with commas have one index in rvars", {
  data <- data.frame(y = rnorm(12), g = rep(c("a,b", "c", "d"), 4))
  fit <- twill(y ~ 1 + (1 | g), data, chains = 1, iter = 60, seed = 1, silent = 2)
  rvars <- expect_silent(as_draws_rvars(fit))
  expect_identical(dimnames(rvars$r_g)[[1]], c("a;b", "c", "d"))
  expect_equal(as.vector(posterior::draws_of(rvars$r_g["a;b", 1])), as.vector(as.matrix(fit, variable = "r_g[a,b,Intercept]")))
})

test_that("columns beyond what numbers hold are refused by every door", {
  samples <- data.frame(x = c(1, 2, 3, 4) * 1e150, y = rnorm(4), row.names = paste0("s", 1:4))
  expect_error(twill(y ~ x, samples), "up to 4e\\+150", class = "twill_error_data")
  expect_error(twill(y ~ (1 + x | x), samples), "too large", class = "twill_error_data")
  counts <- matrix(rpois(12, 50), 3, 4, dimnames = list(letters[1:3], rownames(samples)))
  expect_error(twill_genes(counts, ~x, col_data = samples), "too large", class = "twill_error_data")
  expect_error(twill_screen(counts, ~x, gene = 1:3, col_data = samples), "too large", class = "twill_error_data")
})

test_that("an empty table names no leaf", {
  expect_error(tw_means(cells_fit(), leaf = data.frame()), "must name values", class = "twill_error_leaf")
})

test_that("tables of a door have each column once, whatever the variables of a design are called", {
  sim <- simulate_cells(n_genes = 3, n_cells = 80)
  sim$cells$x <- with_fixed_seed(3, rnorm(80))
  sim$cells$cells <- sim$cells$condition
  quick <- function(design) suppressWarnings(twill_cells(sim$counts, design, col_data = sim$cells, capture = exp(sim$log_capture),
                                                         method = "laplace", seed = 1, silent = 2))
  for (fit in list(quick(~x), quick(~ cells + (1 | donor)))) {
    expect_false(anyDuplicated(names(tw_calibration(fit))) > 0)
    expect_false(anyDuplicated(names(tw_means(fit))) > 0)
    grDevices::pdf(NULL)
    expect_no_error(print(plot(fit)))
    grDevices::dev.off()
  }
})

test_that("samples of a screen may be a tibble, with or without the plasmid", {
  skip_if_not_installed("tibble")
  counts <- matrix(rpois(12, 60), 4, 3, dimnames = list(NULL, c("plasmid", "s1", "s2")))
  samples <- tibble::tibble(x = c(0, 1))
  expect_no_warning(twill_screen(counts, ~1, gene = c(1, 1, 2, 2), plasmid = "plasmid", col_data = samples, method = "laplace",
                                 iter = 40, seed = 1, silent = 2))
})

test_that("augment() has residuals where the response is known, and says what is wrong with one that is not numeric", {
  data <- data.frame(y = rep(3:6, 3), x = 1:12)
  fit <- twill(y ~ x, data, family = "poisson", chains = 1, iter = 60, seed = 1, silent = 2)
  expect_equal(augment(fit, newdata = data)$.resid, data$y - augment(fit)$.fitted)
  expect_false(".resid" %in% names(augment(fit, newdata = transform(data, y = NA))))
  expect_false(".resid" %in% names(augment(fit, newdata = data["x"])))
  expect_error(augment(fit, newdata = transform(data, y = as.Date("2020-01-01"))), "y", class = "twill_error_newdata")
  expect_error(augment(fit, newdata = transform(data, y = y + 0.5)), class = "twill_error_data")
  expect_error(tw_log_prob(fit, c(0, 0), gradient = ""), "gradient", class = "twill_error")
})

test_that("a plot without labels can be drawn where genes have no s-value", {
  table <- tw_contrast(fake_set())
  table$svalue[1] <- NA
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_error(suppressWarnings(print(plot(table, n_labels = 0))))
})

test_that("terms and additions have one value per row, also alone in a dispersion formula", {
  data <- data.frame(y = rnorm(6), x = 1:6)
  expect_error(twill(tw_formula(y ~ x, sigma ~ rnorm(2)), data), "2 values for 6 rows", class = "twill_error_formula")
  expect_error(twill(y | weights(c(1, 2)) ~ x, data), "2 values for 6 rows", class = "twill_error_formula")
})

test_that("a response is not a term of its own model", {
  data <- data.frame(y = rnorm(6), x = 1:6)
  expect_error(twill(y ~ x + y, data), "both sides", class = "twill_error_formula")
  expect_error(twill(log(y) ~ x:log(y), data), "both sides", class = "twill_error_formula")
})

test_that("responses whose squares leave double precision are refused with a unit", {
  data <- data.frame(y = c(1, 2, 4, 3) * 1e-150, x = 1:4)
  expect_error(twill(y ~ x, data), "too small to compute with", class = "twill_error_data")
  expect_error(twill(y ~ x, transform(data, y = y * 1e299)), "too large", class = "twill_error_data")
})

test_that("R2 is missing where neither responses nor means vary", {
  data <- data.frame(y = rep(3, 5), x = 1:5)
  fit <- suppressWarnings(twill(y ~ 1, data, family = "poisson", chains = 1, iter = 60, seed = 1, silent = 2))
  expect_identical(unname(is.na(bayes_R2(fit)[1, ])), rep(TRUE, 4))
  expect_false(any(is.nan(bayes_R2(fit, summary = FALSE))))
})

test_that("new data in which a term has no value are refused without a warning of R's", {
  data <- data.frame(y = rnorm(8), x = 1:8)
  fit <- twill(y ~ log(x), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_no_warning(expect_error(predict(fit, newdata = data.frame(x = -1)), "log\\(x\\)", class = "twill_error_newdata"))
})

test_that("priors can be drawn where nothing has one", {
  data <- data.frame(y = rnorm(8), s = 1)
  expect_s3_class(twill(y | se(s) ~ 0, data, chains = 1, iter = 60, seed = 1, silent = 2, sample_prior = "yes"), "twillfit")
})

test_that("what bayesplot refuses is an error of the package", {
  data <- data.frame(y = rnorm(8), x = 1:8)
  fit <- twill(y ~ x, data, chains = 1, iter = 30, seed = 1, silent = 2)
  expect_error(tw_mcmc_plot(fit, type = "acf"), "lags", class = "twill_error_plot")
})

test_that("means of new data beyond what numbers hold are infinite, with missing responses and a warning that names rows", {
  data <- data.frame(y = c(2, 3, 5, 9, 14, 30), x = 1:6)
  fit <- twill(y ~ x, data, family = "negbinomial", chains = 1, iter = 60, seed = 1, silent = 2)
  far <- data.frame(x = c(1, 1e5))
  expect_warning(draws <- posterior_predict(fit, newdata = far, seed = 1), "1 row: 2", class = "twill_warning_prediction")
  expect_identical(colSums(is.na(draws)) > 0, c(FALSE, TRUE))
  expect_false(any(is.nan(draws)))
  expect_identical(unname(fitted(fit, newdata = far)[2, "Est.Error"]), NA_real_)
})

test_that("fits whose standard deviations have half-t priors print them", {
  samples <- data.frame(g = rep(c("a", "b", "c", "d"), each = 2), row.names = paste0("s", 1:8))
  counts <- with_fixed_seed(4, matrix(rpois(96, 40), 12, dimnames = list(paste0("g", 1:12), rownames(samples))))
  fit <- twill_genes(counts, ~ 1 + (1 | g), col_data = samples, sd_prior = "half_t", method = "laplace", iter = 40, seed = 1,
                     silent = 2, check = FALSE)
  expect_output(print(fit), "sd_g__Intercept ~ half-student_t\\(")
})

test_that("a column of guides that is a matrix is refused by name", {
  table <- data.frame(gene = c("a", "a", "b", "b"), s1 = 40:43, s2 = 50:53)
  table$guide <- matrix(1:8, 4)
  expect_error(twill_screen(table, ~1, gene = "gene", guide = "guide"), "2 columns", class = "twill_error_genes")
})

test_that("a formula in the place of the family, and a matrix that is missing, are told the way out", {
  data <- data.frame(y = rnorm(6), x = 1:6, g = gl(2, 3))
  expect_error(twill(y ~ x, sigma ~ x, data = data), "tw_formula\\(", class = "twill_error_family")
  expect_error(twill(y ~ x + (1 | gr(g, cov = K)), data), "gr\\(g, cov = K\\)", class = "twill_error_data2")
})

test_that("families that are missing and weights that are code are refused by name", {
  d <- data.frame(y = rpois(20, 3), x = rnorm(20), g = gl(4, 5))
  expect_error(twill(y ~ x, d, family = NA_character_), "must be one of", class = "twill_error_family")
  for (call in list(quote(twill(y ~ x, d, weights = quote(x))), quote(twill(y | weights(quote(x)) ~ g, d)))) {
    expect_no_warning(expect_error(eval(call), "quote\\(x\\)|weights", class = "twill_error"))
  }
})

test_that("what cannot be computed is NA, not NaN", {
  one <- suppressWarnings(twill(y ~ 1, data.frame(y = 0.4), chains = 1, iter = 60, seed = 1, silent = 2))
  expect_identical(unname(is.nan(loo_R2(one))), matrix(FALSE, 1, 4))
  expect_true(is.na(loo_R2(one)[1, "Estimate"]))
  still <- twill(y ~ 1, data.frame(y = rnorm(9)), chains = 1, iter = 60, seed = 1, silent = 2)
  still$draws[] <- rep(still$draws[1, , ], each = nrow(still$draws))
  found <- suppressWarnings(tryCatch(tw_log_evidence(still), twill_error = function(e) list(log_evidence = NA, mcse = NA)))
  expect_false(is.nan(found$log_evidence) || is.nan(found$mcse))
})
