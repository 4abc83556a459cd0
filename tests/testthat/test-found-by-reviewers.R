# What users of lme4, emmeans and Bioconductor ran into.

doses <- function(k = 1, n_donors = 8) {
  samples <- expand.grid(dose = c(0, 0.33, 0.67, 1) * k, donor = paste0("d", seq_len(n_donors)))
  samples$y <- with_fixed_seed(2, {
    own <- stats::rnorm(n_donors, 0, 0.5)[samples$donor]
    8 + (0.4 + own) * samples$dose / k + stats::rnorm(n_donors, 0, 0.3)[samples$donor] + stats::rnorm(nrow(samples), 0, 0.2)
  })
  samples
}

dose_counts <- function() {
  with_fixed_seed(7, {
    samples <- doses()
    slopes <- matrix(stats::rnorm(40 * 8, rep(c(1, 0), c(10, 30)), 0.5), 40)[, samples$donor]
    mu <- 100 * exp(slopes * rep(samples$dose, each = 40) + matrix(stats::rnorm(40 * 8, 0, 0.3), 40)[, samples$donor])
    matrix(stats::rnbinom(length(mu), mu = mu, size = 20), 40, dimnames = list(paste0("g", 1:40), paste0("s", 1:32)))
  })
}

test_that("effects of a covariate do not depend on its unit, be it in grams or tonnes", {
  counts <- dose_counts()
  fit_of <- function(k, ...) {
    twill_genes(counts, ~ dose + (1 + dose || donor), col_data = doses(k), seed = 1, iter = 200, check = FALSE, silent = 2, ...)
  }
  same <- c("log2FoldChange", "lfcSE", "lower", "upper", "lfsr")
  effects <- function(k, ...) {
    as.data.frame(tw_contrast(fit_of(k, ...), cond(dose = k) - cond(dose = 0)))[same]
  }
  # In powers of ten down to a billionth nothing but rounding changes, and where the search for what genes share ends.
  for (how in list(list(), list(share = "none"), list(effect_prior = "normal"), list(sd_prior = "half_t"))) {
    plain <- do.call(effects, c(list(1), how))
    for (k in c(1e-3, 1e-9)) expect_equal(do.call(effects, c(list(k), how)), plain, tolerance = 0.02, label = paste(how, k))
  }
  expect_equal(effects(1e-3, effect_prior = "mvn"), effects(1, effect_prior = "mvn"), tolerance = 0.01)
  # Large numbers, of which priors in common use are wide.
  ends <- c("lower", "upper")
  expect_equal(effects(1e8)[ends], effects(10)[ends], tolerance = 0.02)
  expect_lt(max(abs(as.matrix(effects(1e8)[ends] - effects(1)[ends]))), 0.35)
  spread <- function(k) {
    fit <- twill(y ~ dose + (1 + dose || donor), doses(k), seed = 1, silent = 2, chains = 2, iter = 2000)
    c(fixef(fit)["dose", "Est.Error"], VarCorr(fit)$donor$sd["dose", "Estimate"]) * k
  }
  expect_equal(spread(1e-4), spread(1), tolerance = 0.1)
  priors <- tw_default_prior(y ~ dose + (1 + dose || donor), doses(1e-2))
  scale_of <- function(coef) {
    as.numeric(sub("\\)", "", sub(".*, ", "", priors$prior[priors$class == "sd" & priors$coef == coef])))
  }
  expect_equal(scale_of("dose"), 100 * scale_of("Intercept"))
})

test_that("units of columns are powers of ten, one for what reaches a tenth, and the reach itself where they are learned", {
  x <- cbind(1, c(0, 1, 0.5), c(0, 0.1, 0.05), c(0, 0.11, 0), 1 + c(0, 0.01, 0.005), 1e6 * (1:3))
  expect_equal(column_units(x), c(1, 1, 0.1, 1, 0.01, 1))
  expect_equal(column_units(x, TRUE), c(1, 1, 0.1, 0.11, 0.01, 2e6))
  expect_equal(column_units(cbind(1, c(0, 10), c(0, 11), c(0, 100)), TRUE), c(1, 10, 11, 100))
  # Without a level it is how far the column reaches that counts.
  expect_equal(column_units(x[, 5, drop = FALSE]), 1)
  expect_equal(column_units(x[, 3, drop = FALSE]), 0.1)
  expect_length(column_units(x[, 0]), 0)
  expect_equal(column_units(cbind(1, c(0, 1e-200), c(0, 1e99)), TRUE), c(1, 1e-70, 1e70))
})

test_that("names of values that go by position are not ignored", {
  counts <- gene_counts()
  samples <- gene_samples()
  sizes <- stats::setNames(seq(0.5, 1.5, length.out = 10), colnames(counts))
  fit_of <- function(...) twill_genes(counts, ~condition, col_data = samples, iter = 60, seed = 1, silent = 2, check = FALSE, ...)
  expect_s3_class(fit_of(size_factors = sizes), "twillgenes")
  # Names of other things do not matter.
  expect_s3_class(fit_of(size_factors = stats::setNames(sizes, samples$donor)), "twillgenes")
  expect_error(fit_of(size_factors = rev(sizes)), "size_factors\\[colnames\\(x\\)\\]", class = "twill_error_genes")
  expect_error(fit_of(offset = log(rev(sizes))), "offset\\[colnames", class = "twill_error_genes")
  expect_error(fit_of(weights = rev(sizes)), "weights\\[colnames", class = "twill_error_genes")
  offsets <- matrix(0, nrow(counts), ncol(counts), dimnames = dimnames(counts))
  expect_error(fit_of(offset = offsets[, 10:1]), "offset\\[, colnames", class = "twill_error_genes")
  expect_error(fit_of(offset = offsets[30:1, ]), "offset\\[rownames\\(x\\), \\]", class = "twill_error_genes")
  expect_error(fit_of(size_factors = stats::setNames(sizes, rep("s1", 10))), "size_factors", class = "twill_error_genes")

  cells <- cell_data()
  capture <- stats::setNames(cells$capture, colnames(cells$counts))
  expect_error(twill_cells(cells$counts, ~condition, col_data = cells$cells, capture = rev(capture), iter = 60),
               "capture\\[colnames", class = "twill_error_genes")

  guides <- matrix(stats::rpois(48, 100), 12, dimnames = list(paste0("g", 1:12), paste0("s", 1:4)))
  gene <- stats::setNames(rep(c("A", "B", "C"), each = 4), rownames(guides))
  screen <- function(...) twill_screen(guides, ~1, iter = 60, seed = 1, silent = 2, check = FALSE, ...)
  expect_error(screen(gene = rev(gene)), "gene\\[rownames", class = "twill_error_genes")
  plasmid <- stats::setNames(rep(100, 12), rownames(guides))
  expect_error(screen(gene = gene, plasmid = rev(plasmid)), "plasmid\\[rownames", class = "twill_error_genes")
  expect_error(screen(gene = gene, size_factors = stats::setNames(1:4, paste0("s", 4:1))), "size_factors\\[colnames",
               class = "twill_error_genes")
})

test_that("signs and intervals of a contrast are those of its multiples", {
  fit <- twill_genes(gene_counts(60, 5, effect = 0.6, n_responding = 20), ~ condition + (1 + condition || donor),
                     col_data = gene_samples(), seed = 1, iter = 200, silent = 2, check = FALSE)
  one <- cond(condition = "stim") - cond(condition = "ctrl")
  plain <- as.data.frame(tw_contrast(fit, one))
  for (k in c(0.01, 0.5, 2, 1000)) {
    other <- as.data.frame(tw_contrast(fit, k * one))
    expect_equal(other[c("lfsr", "svalue")], plain[c("lfsr", "svalue")], tolerance = 1e-8)
    expect_equal(other[c("lower", "upper")] / k, plain[c("lower", "upper")], tolerance = 1e-8)
  }
})

test_that("sums of few genes are no size factors without a word", {
  counts <- gene_counts(12, effect = 1.5, n_responding = 1)
  fit_of <- function(x, ...) twill_genes(x, ~condition, col_data = gene_samples(), iter = 60, seed = 1, check = FALSE, ...)
  expect_error(fit_of(counts[1, , drop = FALSE], silent = 2), "one gene", class = "twill_error_genes")
  expect_warning(fit_of(counts[1:3, ], silent = 2), "1/3", class = "twill_warning_sizes")
  expect_no_warning(fit_of(counts[1:3, ], silent = 2, size_factors = "none"))
  expect_no_warning(fit_of(counts, silent = 2, genes = "gene1"))
})

test_that("samples of no weight are no measure of the noise of others", {
  counts <- gene_counts(40, 5)
  fit <- twill_genes(counts, ~ condition + (1 + condition || donor), col_data = gene_samples(), weights = rep(c(1, 0), each = 5),
                     iter = 200, seed = 1, silent = 2, check = FALSE)
  expect_length(attr(tw_shared_variation(fit), "noisy"), 0)
})

test_that("what goes with a category may be the question", {
  counts <- gene_counts(40, 6, n_responding = 20)
  samples <- gene_samples(6)
  samples$x <- with_fixed_seed(1, stats::rnorm(12))
  expect_warning(twill_genes(counts, ~x, col_data = samples, iter = 150, seed = 1, silent = 1),
                 "\\+ condition. if its effect is the question", class = "twill_warning_shared")
})

test_that("formulas use generics of S4, and functions that are handed over", {
  data <- property_data()
  fit_of <- function(formula) twill(formula, data, chains = 1, iter = 40, seed = 1, silent = 2)
  methods::setGeneric("centre_of", function(x) standardGeneric("centre_of"), where = globalenv())
  on.exit(methods::removeGeneric("centre_of", where = globalenv()))
  methods::setMethod("centre_of", "numeric", function(x) base::mean(x), where = globalenv())
  plain <- fit_of(y ~ I(x - mean(x)) + (1 | g))
  generic <- fit_of(y ~ I(x - centre_of(x)) + (1 | g))
  expect_equal(unname(fixef(generic)), unname(fixef(plain)))
  # What a package has is not saved with a fit.
  expect_false(exists("centre_of", generic$formula$env, inherits = FALSE))
  square <- function(u) u^2
  expected <- unname(fixef(fit_of(y ~ I(x^2) + (1 | g))))
  for (formula in list(y ~ I(vapply(x, function(u) u^2, 1)) + (1 | g), y ~ I(vapply(x, square, 1)) + (1 | g),
                       y ~ I(unlist(Map(square, x))) + (1 | g), y ~ I(unlist(lapply(x, FUN = square))) + (1 | g))) {
    fit <- fit_of(formula)
    expect_equal(unname(fixef(fit)), expected, label = deparse1(formula))
    expect_identical(dim(posterior_epred(fit, data[1:3, ])), c(20L, 3L))
  }
  data$arm <- factor(data$arm)
  expect_equal(fixef(fit_of(y ~ C(arm, contr.sum) + (1 | g)))[, 1], fixef(fit_of(y ~ C(arm, "contr.sum") + (1 | g)))[, 1],
               ignore_attr = TRUE)
  # A column that is not there is none of R's functions.
  expect_error(fit_of(y ~ log(df) + (1 | g)), "df", class = "twill_error_data")
  expect_identical(variables_in(quote(f(x, function(u, v = w) u + v + z))), c("x", "w", "z"))
})

test_that("emmeans answers for the dispersion, and asks for none of its columns otherwise", {
  skip_if_not_installed("emmeans")
  data <- property_data()
  data$z <- with_fixed_seed(4, stats::rnorm(nrow(data)))
  fit <- twill(tw_formula(y ~ arm + (1 | g), sigma ~ z), data, chains = 2, iter = 400, seed = 1, silent = 2)
  means <- as.data.frame(emmeans::emmeans(fit, ~arm))
  expect_equal(means$emmean, unname(cumsum(apply(as.matrix(fit)[, c("b_Intercept", "b_armstim")], 2, stats::median))),
               tolerance = 0.1)
  at <- as.data.frame(emmeans::emmeans(fit, ~z, dpar = "sigma", at = list(z = c(0, 2))))
  draws <- as.matrix(fit)[, c("b_sigma_Intercept", "b_sigma_z")]
  expect_equal(at$emmean, c(stats::median(draws[, 1]), stats::median(draws[, 1] + 2 * draws[, 2])))
  expect_output(expect_error(emmeans::emmeans(fit, ~arm, dpar = "shape")), NA)
  both <- twill(mvbind(y, x) ~ arm + (1 | p | g), data, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_error(emmeans::emmeans(both, ~arm), "tw_response(fit, \"y\")", fixed = TRUE)
  expect_error(insight::find_formula(both), "tw_response(fit, \"y\")", fixed = TRUE, class = "twill_error_method")
})

test_that("contrasts ask nothing of offsets, and levels of a logical are named as those of a factor", {
  data <- transform(property_data(), size = rep(1:4, 12), is_stim = arm == "stim")
  fit <- twill(n ~ arm + offset(log(size)) + (1 | g), data, poisson(), chains = 2, iter = 200, seed = 1, silent = 2)
  expect_equal(tw_contrast(fit, cond(arm = "stim") - cond(arm = "ctrl"))$estimate, fixef(fit)["armstim", 1] / log(2))
  logical <- twill(n ~ is_stim + (1 | g), data, poisson(), chains = 2, iter = 200, seed = 1, silent = 2)
  expect_equal(tw_contrast(logical, c("is_stim", "TRUE", "FALSE"))$estimate, fixef(logical)["is_stimTRUE", 1] / log(2))
  expect_error(tw_contrast(logical, c("is_stim", "yes", "no")), class = "twill_error_contrast")
})

test_that("update() for other data says what of the fit was about its own rows", {
  data <- transform(property_data(), w = rep(1:2, 24))
  weights <- data$w
  weighted <- twill(n ~ x + (1 | g), data, poisson(), weights = weights, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_error(update(weighted, newdata = data[1:24, ]), "weights = NULL", class = "twill_error_argument")
  expect_identical(nobs(update(weighted, newdata = data[1:24, ], weights = weights[1:24], silent = 2)), 24L)
  expect_identical(nobs(update(weighted, newdata = data[1:24, ], weights = NULL, silent = 2)), 24L)
  fit_where <- function(cut) twill(y ~ x + (1 | g), data, subset = x > cut, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_error(update(fit_where(-1), newdata = data[1:24, ]), "cut", class = "twill_error_argument")
  first <- twill(y ~ x + (1 | g), data, subset = 5:40, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_error(update(first, newdata = data[1:24, ]), "by their numbers", class = "twill_error_argument")
  expect_identical(nobs(update(first, newdata = data[1:24, ], subset = NULL, silent = 2)), 24L)
  column <- twill(y ~ x + (1 | g), data, subset = w == 1, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_identical(nobs(update(column, newdata = data[1:24, ], silent = 2)), 12L)
})

test_that("conditional effects of new levels have the class of each row", {
  data <- transform(property_data(), arm = ifelse(g %in% c("a", "b", "c"), "ctrl", "stim"), donor = match(g, letters))
  for (formula in list(y ~ arm + (1 | gr(g, by = arm)), y ~ arm + (1 | gr(donor, by = arm)))) {
    fit <- twill(formula, data, chains = 1, iter = 60, seed = 1, silent = 2)
    effects <- tw_conditional_effects(fit, re_formula = NULL)$arm
    expect_identical(nrow(effects), 2L)
    expect_true(all(is.finite(effects$estimate__)))
    levels <- new_levels_by(fit, data.frame(arm = c("ctrl", "stim"), g = NA, donor = NA))[[fit$design$terms[[1]]$vars]]
    expect_length(unique(levels), 2)
    expect_false(any(levels %in% data[[fit$design$terms[[1]]$vars]]))
  }
  fit <- twill(y ~ arm * x * donor + (1 | g), data, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_error(tw_conditional_effects(fit, "arm:x:donor"), "more than two", class = "twill_error_effects")
})

test_that("na.exclude leaves the places of rows that were left out", {
  data <- property_data()
  data$x[3] <- NA
  fit <- twill(y ~ x + (1 | g), data, na.action = na.exclude, chains = 1, iter = 40, seed = 1, silent = 2)
  for (table in list(fitted(fit), residuals(fit), predict(fit))) {
    expect_identical(nrow(table), nrow(data))
    expect_identical(which(is.na(table[, 1])), 3L)
  }
  expect_identical(nrow(fitted(fit, newdata = data[1:2, ])), 2L)
})

test_that("tables and names of screens are told by what is wrong with them", {
  table <- data.frame(sgRNA = paste0("s", 1:12), Gene = rep(c("A", "B", "C"), each = 4), plasmid = 100, a = 101:112, b = 112:101)
  fit_of <- function(table, ...) twill_screen(table, ~1, iter = 60, seed = 1, silent = 2, check = FALSE, ...)
  expect_error(fit_of(transform(table, plasmid = 99:110, len = 20), plasmid = "plasmid"), "len", class = "twill_error_genes")
  twice <- transform(table, plasmid = 99:110, sgRNA = replace(sgRNA, 2, "s1"))
  expect_error(fit_of(twice, plasmid = "plasmid"), "\"s1\"", class = "twill_error_genes")
  counts <- as.matrix(table[c("a", "b")])
  samples <- data.frame(drug = 0:1, row.names = c("a", "b"))
  expect_error(twill_screen(cbind(plasmid = 99:110, counts), ~drug, gene = table$Gene, plasmid = "Plasmid", col_data = samples),
               "Did you mean", class = "twill_error_genes")
  expect_error(twill_screen(counts, ~1, gene = replace(table$Gene, 5, NA)), "row 5", class = "twill_error_genes")
  expect_error(twill_screen(counts, ~1, gene = replace(table$Gene, c(2, 5), "")), "rows 2 and 5", class = "twill_error_genes")
})

test_that("a fit whose chains do not agree says so in its first line", {
  fit <- property_fit(iter = 40, chains = 2)
  fit$draws[, 2, "sigma"] <- fit$draws[, 2, "sigma"] + 3
  expect_match(capture.output(print(fit))[1], "^NOT CONVERGED: .*R-hat [0-9.]+, sigma")
  expect_false(any(grepl("NOT CONVERGED", capture.output(print(property_fit(iter = 2000, chains = 2))))))
})

test_that("criteria of predictions are not for draws from the prior", {
  fit <- property_fit(sample_prior = "only", prior = c(tw_prior("normal(0, 1)"), tw_prior("normal(0, 1)", class = "Intercept")))
  expect_error(loo(fit), "from the prior", class = "twill_error_method")
  expect_error(waic(fit), "from the prior", class = "twill_error_method")
})

test_that("variables are found in formulas and their terms as in calls", {
  for (formula in list(~ ordered(f) + x, ~ f:g + poly(z, 2), y ~ I(vapply(x, function(u) u + k, 1)), ~ C(f, contr.sum))) {
    expect_identical(variables_in(terms(formula)), variables_in(formula))
    expect_identical(call_names(terms(formula)), call_names(formula))
  }
  expect_identical(variables_in(~ f:g + poly(z, 2)), c("f", "g", "z"))
  expect_identical(variables_in(y ~ I(vapply(x, function(u) u + k, 1))), c("y", "x", "k"))
})

test_that("size factors of another level, such as library sizes, change nothing", {
  counts <- gene_counts(60, 6, n_responding = 15)
  library <- colSums(counts)
  fit_of <- function(k) {
    fit <- twill_genes(counts, ~ condition + (1 + condition || donor), col_data = gene_samples(6), iter = 200, seed = 1,
                       silent = 2, size_factors = k * library / exp(mean(log(library))), check = FALSE)
    as.data.frame(tw_contrast(fit))[c("log2FoldChange", "lfcSE", "lower", "upper", "lfsr")]
  }
  plain <- fit_of(1)
  for (k in c(1e-3, 1e5)) expect_equal(fit_of(k), plain, tolerance = 1e-3, label = k)
})

test_that("samples of no weight, and offsets of values, are nothing to what genes share", {
  counts <- gene_counts(60, 6)
  samples <- gene_samples(6)
  odd <- counts
  odd[, 3] <- odd[, 3] * 1000L
  range_of <- function(x, samples, ...) {
    fit <- twill_genes(x, ~ condition + (1 | donor), col_data = samples, iter = 60, seed = 1, silent = 2, check = FALSE, ...)
    fit$job$shared$range
  }
  expect_equal(range_of(odd, samples, weights = replace(rep(1, 12), 3, 0), size_factors = rep(1, 12)),
               range_of(counts[, -3], samples[-3, ], size_factors = rep(1, 11)), tolerance = 0.01)
  values <- log(counts + 1)
  shift <- 10 * (1:12)
  expect_equal(range_of(values + rep(shift, each = 60), samples, offset = shift, family = gaussian()),
               range_of(values, samples, family = gaussian()), tolerance = 1e-6)
})

test_that("typical size factors are those of a design however it is coded", {
  counts <- gene_counts(40, 8, n_responding = 10)
  samples <- transform(gene_samples(8), sex = ifelse(donor %in% paste0("d", 1:4), "f", "m"))
  samples$both <- paste(samples$condition, samples$sex)
  sizes <- function(design) {
    twill_genes(counts, design, col_data = samples, iter = 60, seed = 1, silent = 2, check = FALSE)$job$sizes$values
  }
  plain <- sizes(~ condition * sex + (1 | donor))
  for (design in list(~ both + (1 | donor), ~ 0 + both + (1 | donor))) expect_equal(sizes(design), plain, tolerance = 1e-8)
  # What the design explains of the shifts is a sum of its columns.
  steep <- with_fixed_seed(2, cbind(1, matrix(stats::rnorm(24), 12)))
  shifts <- typical_shifts(steep %*% with_fixed_seed(3, matrix(stats::rnorm(150, 0, c(1, 0.3, 2)), 3)), steep)
  expect_lt(max(abs(stats::lm.fit(steep, shifts)$residuals)), 1e-10)
  expect_gt(stats::sd(shifts), 0.01)
  # Of two arms it is the location of the genes' effects.
  logs <- with_fixed_seed(1, matrix(stats::rnorm(12 * 50), 12))
  x <- cbind(1, rep(0:1, 6))
  slopes <- stats::lm.fit(x, logs)$coefficients[2, ]
  shifts <- typical_shifts(logs, x)
  expect_equal(mean(shifts[x[, 2] == 1]) - mean(shifts[x[, 2] == 0]), redescending_location(slopes), tolerance = 1e-6)
})

test_that("a set of genes does not depend on which other sets are asked for", {
  fit <- twill_genes(gene_counts(40, 5), ~ condition + (1 + condition || donor), col_data = gene_samples(), iter = 100, seed = 1,
                     silent = 2, keep = "effects", check = FALSE)
  sets <- list(a = paste0("gene", 1:10), b = paste0("gene", 11:30), one = "gene3")
  for (arguments in list(list(), list(estimand = "new_donor"), list(against = "rest"))) {
    table <- function(sets) {
      found <- do.call(tw_gene_sets, c(list(fit, "conditionstim", sets), arguments))
      as.data.frame(found)[c("a", "one"), c("log2FoldChange", "lfcSE", "lower", "upper")]
    }
    expect_equal(table(rev(sets)), table(sets))
    # Ends of intervals know what all sets share.
    expect_equal(table(sets[c("a", "one")])[1:2], table(sets)[1:2])
  }
})

test_that("insight tells coefficients of the dispersion from those of the mean", {
  skip_if_not_installed("insight")
  data <- property_data()
  fit <- twill(tw_formula(y ~ arm + (1 | g), sigma ~ x), data, chains = 1, iter = 40, seed = 1, silent = 2)
  found <- insight::find_parameters(fit)
  expect_identical(found$conditional, c("b_Intercept", "b_armstim"))
  expect_identical(found$sigma, c("b_sigma_Intercept", "b_sigma_x"))
  expect_named(insight::get_parameters(fit), found$conditional)
  expect_true(all(found$sigma %in% names(insight::get_parameters(fit, effects = "all"))))
  expect_identical(insight::find_parameters(property_fit())$sigma, "sigma")
})

test_that("products and powers of numbers far from zero have priors of what is left of them", {
  data <- with_fixed_seed(11, {
    data <- data.frame(year = sample(2000:2020, 150, TRUE), f = sample(c("a", "b"), 150, TRUE),
                       g = sample(letters[1:10], 150, TRUE))
    since <- data$year - 2010
    data$y <- 5 + 0.05 * since + 0.1 * (data$f == "b") * since + 0.01 * since^2 + stats::rnorm(150, 0, 0.5)
    data$n <- stats::rpois(150, exp(1 + 0.02 * since + 0.06 * (data$f == "b") * since))
    data
  })
  cases <- list(list(y ~ year * f, gaussian(), "year:fb"), list(y ~ year + I(year^2), gaussian(), "IyearE2"),
                list(n ~ year * f, poisson(), "year:fb"))
  for (case in cases) {
    own <- if (grepl("^n", deparse1(case[[1]]))) stats::glm(case[[1]], stats::poisson(), data) else stats::lm(case[[1]], data)
    expected <- unname(utils::tail(stats::coef(own), 1))
    error <- sqrt(utils::tail(diag(stats::vcov(own)), 1))
    fit <- twill(case[[1]], data, case[[2]], chains = 2, iter = 1500, seed = 1, silent = 2)
    expect_lt(abs(fixef(fit)[case[[3]], "Estimate"] - expected) / error, 0.5, label = deparse1(case[[1]]))
    expect_lt(max(rhat(fit)), 1.05)
  }
  # Ordinary columns keep the priors of their own standard deviations.
  ordinary <- tw_default_prior(y ~ f + x, transform(data, x = with_fixed_seed(3, stats::rnorm(150))))
  x <- cbind(1, data$f == "b")
  expect_identical(determined_sizes(x, c(0, stats::sd(x[, 2]))), c(Inf, Inf))
  expect_match(ordinary$prior[ordinary$coef == "fb"], "^normal\\(0, ")
  short <- function(formula) suppressWarnings(twill(formula, data, chains = 1, iter = 20, seed = 1, silent = 1))
  expect_message(short(y ~ year + (1 + year | g)), "Centre it", class = "twill_message_far")
  expect_no_message(short(y ~ f + (1 + f | g)), "twill_message_far")
})

test_that("an offset of the formula and the same as argument are two", {
  data <- transform(property_data(), o = seq(-1, 1, length.out = 48))
  fit_of <- function(formula, ...) fixef(twill(formula, data, poisson(), chains = 2, iter = 400, seed = 1, silent = 2, ...))[, 1]
  expect_equal(fit_of(n ~ x + offset(o), offset = o), fit_of(n ~ x + offset(2 * o)))
  twice <- twill(n ~ x + offset(o), data, poisson(), offset = o, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_identical(update(twice, seed = 1, silent = 2)$draws, twice$draws)
})

test_that("ratios of a few proposals are no approximation", {
  expect_identical(smoothed_weights(c(0, rep(-Inf, 99)))$khat, Inf)
  expect_identical(smoothed_weights(c(0, 0.1, rep(-Inf, 99)))$khat, Inf)
  expect_lt(smoothed_weights(rep(0, 100))$khat, 0)
})

test_that("R2 that overflows and flags that are none are refused by name", {
  data <- transform(property_data(), year = 2001 + seq_len(48) %% 18)
  prior <- c(tw_prior("normal(0, 1e4)"), tw_prior("normal(0, 1)", class = "Intercept"))
  fit <- suppressWarnings(twill(n ~ year + (1 | g), data, negbinomial(), sample_prior = "only", prior = prior, chains = 1,
                                iter = 60, seed = 1, silent = 2))
  skip_if_not_installed("performance")
  expect_error(performance::r2(fit), "overflow", class = "twill_error_method")
  expect_error(posterior_predict(property_fit(), property_data(), allow_new_levels = "yes"), "allow_new_levels",
               class = "twill_error_setting")
})
