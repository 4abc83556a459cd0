# Terms as people write them: factors of numbers, centred terms, ordinary intercepts, bases, and combinations without rows.

terms_data <- function() {
  with_fixed_seed(38, {
    data <- data.frame(x = runif(120, 0, 4), f = gl(3, 40, labels = c("a", "b", "c")), cyl = sample(c(4, 6, 8), 120, TRUE),
                       g = gl(12, 10), day = as.Date("2024-01-01") + rep(0:9, 12))
    data$wait <- as.difftime(data$x * 60, units = "mins")
    data$n <- rpois(120, exp(0.3 * data$x + (data$f == "b") + rnorm(12, sd = 0.2)[data$g]))
    data
  })
}

quick_counts <- function(formula, data = terms_data(), ...) {
  twill(formula, data, family = poisson(), chains = 2, iter = 400, seed = 1, method = "laplace", silent = 2, ...)
}

holey_data <- function() {
  with_fixed_seed(8, {
    data <- expand.grid(time = LETTERS[1:4], lake = c("exposed", "ref1", "ref2"), rep = 1:8)
    data <- subset(data, !(time == "A" & lake == "ref1"))
    transform(data, g = factor(rep), n = rnbinom(nrow(data), mu = 10, size = 5))
  })
}

test_that("emmeans averages over bases of numbers as it does for lme4", {
  skip_if_not_installed("emmeans")
  fit <- quick_counts(n ~ poly(x, 2) + f + (1 | g))
  peer <- lme4::glmer(n ~ poly(x, 2) + f + (1 | g), terms_data(), family = poisson())
  ours <- summary(emmeans::emmeans(fit, "f"))
  theirs <- summary(emmeans::emmeans(peer, "f"))
  # Posterior medians of 400 draws against maximum likelihood with 120 rows.
  expect_lt(max(abs(ours$emmean - theirs$emmean) / theirs$SE), 0.5)
  dated <- quick_counts(n ~ day + wait + f)
  expect_s3_class(summary(emmeans::emmeans(dated, "f")), "summary_emm")
  expect_s4_class(emmeans::emtrends(fit, ~ x, "x", at = list(x = c(1, 3))), "emmGrid")
})

test_that("0 + Intercept is an intercept with an ordinary prior, against which factors are coded", {
  fit <- quick_counts(n ~ 0 + Intercept + f + (1 | g))
  expect_identical(rownames(fixef(fit)), c("Intercept", "fb", "fc"))
  expect_identical(unique(prior_summary(fit)$class[1:3]), "b")
  expect_equal(posterior_epred(fit, newdata = terms_data()), posterior_epred(fit))
  expect_identical(rownames(fixef(quick_counts(n ~ f + x - 1 + Intercept))), c("Intercept", "fb", "fc", "x"))
  expect_identical(colnames(ranef(quick_counts(n ~ 1 + (0 + Intercept + f || g)))$g[, 1, ]), c("Intercept", "fb", "fc"))
  own <- quick_counts(n ~ 0 + Intercept + x, transform(terms_data(), Intercept = 2))
  expect_identical(unname(own$design$x[, 1]), rep(2, 120))
})

test_that("combinations without rows lose their columns, with a message, as in lm()", {
  data <- holey_data()
  expect_message(twill(n ~ time * lake + (1 | g), data, negbinomial(), chains = 1, iter = 40, seed = 1, method = "laplace") |>
                   suppressWarnings(), "Dropped 1 column.*timeD:lakeref1", class = "twill_message_design")
  for (formula in list(n ~ time * lake, n ~ time:lake, n ~ 0 + time:lake, n ~ lake + time + I(2 * rep) + rep)) {
    fit <- quick_counts(update(formula, . ~ . + (1 | g)), data)
    peer <- lm(formula, data)
    expect_identical(rownames(fixef(fit)), coef_name(names(coef(peer))[!is.na(coef(peer))]))
    expect_equal(posterior_epred(fit, newdata = data), posterior_epred(fit))
  }
  fit <- quick_counts(n ~ time * lake + (1 | g), data)
  hole <- data.frame(time = c("A", "B"), lake = "ref1")
  expect_warning(posterior_epred(fit, newdata = hole, re_formula = NA), "say nothing of 1 row", class = "twill_warning_design")
  expect_no_warning(posterior_epred(fit, newdata = hole[2, ], re_formula = NA))
  nested <- transform(data, site = factor(paste(lake, rep %% 2)))
  expect_identical(nrow(fixef(quick_counts(n ~ lake + site, nested))), 6L)
  shaped <- twill(tw_formula(n ~ 1, shape ~ time * lake), data, negbinomial(), chains = 1, iter = 40, seed = 1, silent = 2,
                  method = "laplace")
  expect_identical(length(shaped$design$disp_names), 11L)
  expect_equal(log_lik(shaped, newdata = data), log_lik(shaped))
})

test_that("what was dropped is NonEst in emmeans and left out of conditional effects", {
  data <- holey_data()
  fit <- quick_counts(n ~ time * lake + (1 | g), data)
  cell <- data.frame(time = "B", lake = "ref1")
  draws <- log(posterior_epred(fit, newdata = cell, re_formula = NA))
  if (requireNamespace("emmeans", quietly = TRUE)) {
    means <- as.data.frame(summary(emmeans::emmeans(fit, ~ time | lake)))
    expect_identical(which(is.na(means$emmean)), which(means$time == "A" & means$lake == "ref1"))
    expect_equal(means$emmean[means$time == "B" & means$lake == "ref1"], median(draws))
  }
  expect_message(effects <- tw_conditional_effects(fit, "time:lake"), "Left out 1 of 12", class = "twill_message_effects")
  table <- effects[["time:lake"]]
  expect_identical(nrow(table), 11L)
  confounded <- transform(data, x = rep(1:2, length.out = nrow(data)), time = relevel(time, "B"))
  confounded$site <- factor(paste(confounded$lake, confounded$rep %% 2), levels = rev(unique(paste(data$lake, data$rep %% 2))))
  held <- tw_conditional_effects(quick_counts(n ~ lake + site + x, confounded), "x")$x
  expect_identical(nrow(held), 100L)
  expect_true(startsWith(as.character(held$site[1]), as.character(held$lake[1])))
  expect_equal(table$estimate__[table$time == "B" & table$lake == "ref1"], median(exp(draws)))
})

test_that("a prior of the user's keeps a coefficient that the data do not tell of", {
  fit <- quick_counts(n ~ time * lake, holey_data(), prior = tw_prior("normal(0, 2)", class = "b"))
  expect_identical(nrow(fixef(fit)), 12L)
  one <- quick_counts(n ~ time * lake, holey_data(), prior = tw_prior("normal(0, 2)", class = "b", coef = "timeB"))
  expect_identical(nrow(fixef(one)), 11L)
})

test_that("designs of genes lose such columns too, and contrasts that need them are refused", {
  samples <- transform(expand.grid(time = c("A", "B"), drug = c("u", "v", "w"), donor = 1:3), donor = factor(donor))
  samples <- subset(samples, !(time == "A" & drug == "v"))
  counts <- with_fixed_seed(1, matrix(rnbinom(30 * nrow(samples), mu = 50, size = 5), 30))
  fit <- fake_set(counts = counts, design = ~ time * drug + (1 | donor), col_data = samples)
  expect_identical(sub("b_", "", fit$job$model$design$coef_names), c("Intercept", "timeB", "drugv", "drugw", "timeB:drugw"))
  x <- fit$job$model$design$x
  at <- function(...) resolve_contrast(fit$job$model, cond(...))$x
  for (row in which(!duplicated(samples[1:2]))) {
    expect_equal(at(time = as.character(samples$time[row]), drug = as.character(samples$drug[row])), unname(x[row, ]))
  }
  expect_error(at(time = "A", drug = "v"), "say nothing", class = "twill_error_contrast")
  doubled <- transform(samples, batch = factor(as.integer(donor) > 1), site = factor(as.integer(donor) > 1))
  twice <- fake_set(counts = counts, design = ~ time + batch + site + (1 | donor), col_data = doubled)
  expect_named(tw_variance(twice), c("time", "batch", "donor", "noise"))
  expect_error(tw_contrast(twice, c("site", "TRUE", "FALSE")), "go together.*batchTRUE", class = "twill_error_contrast")
  difference <- cond(time = "B", drug = "v") - cond(time = "B", drug = "u")
  expect_no_error(resolve_contrast(fit$job$model, difference))
})

test_that("a number that the formula makes a factor of has effects at its values", {
  data <- terms_data()
  fit <- quick_counts(n ~ factor(cyl) * x + (1 | g), data)
  effects <- tw_conditional_effects(fit)
  expect_identical(effects$cyl$cyl, c(4, 6, 8))
  expect_identical(sort(unique(effects$`cyl:x`$cyl)), c(4, 6, 8))
  expect_identical(unique(effects$x$cyl), 4)
  expect_equal(effects$cyl$estimate__, apply(posterior_epred(fit, newdata = effects$cyl, re_formula = NA), 2, median))
  expect_s3_class(plot(effects, plot = FALSE, points = TRUE)$cyl, "ggplot")
  reversed <- tw_conditional_effects(quick_counts(n ~ factor(cyl, levels = c(8, 6, 4)) + as.character(cyl > 5) + x, data))
  expect_identical(unique(reversed$x$cyl), 8)
  expect_identical(nrow(tw_conditional_effects(quick_counts(n ~ cut(x, c(-1, 1, 2, 5)), data))$x), 100L)
  expect_identical(nrow(tw_conditional_effects(quick_counts(n ~ day + wait, data))$wait), 100L)
})

test_that("a term that depends on other rows is named when it is fitted", {
  centred <- function(v) v - mean(v)
  data <- terms_data()
  fit <- function(formula) twill(formula, data, family = poisson(), chains = 1, iter = 40, seed = 1, method = "laplace")
  warned <- function(formula) {
    expect_warning(suppressMessages(fit(formula)), "depends on the other rows.*scale", class = "twill_warning_term") |>
      suppressWarnings()
  }
  for (formula in list(n ~ I(x - mean(x)), n ~ centred(x), n ~ I(scale(x)^2), n ~ cut(x, 3), n ~ f + (I(x / max(x)) | g))) {
    warned(formula)
  }
  silent <- n ~ poly(x, 2) + scale(x) + splines::ns(x, 3) + factor(cyl) + log(x + 1) + I(x^2) +
    cut(x, c(-1, 2, 5)) + interaction(f, cyl)
  design <- function(formula) new_design(tw_formula(formula), data, as_twill_family("poisson"))
  expect_no_warning(design(silent))
})

test_that("options of R do not change a fit", {
  data <- transform(terms_data(), id = rep(c(1e5, 2e5, 0.5), 40))
  fit <- function() {
    twill(n ~ x + factor(cyl) + (1 | id), data, family = negbinomial(), chains = 1, iter = 60, seed = 1, silent = 2,
          prior = tw_prior("normal(0, 0.25)", class = "b"))
  }
  same <- c("draws", "prior", "design", "spec_json")
  plain <- fit()
  shown <- function(fit) list(colnames(fixef(fit)), colnames(summary(fit)$fixed), variables(fit))
  predicted <- posterior_epred(plain, newdata = data[1:3, ])
  for (set in list(list(OutDec = ","), list(digits = 3), list(scipen = -5), list(scipen = 50),
                   list(na.action = "na.fail"), list(na.action = "na.exclude"),
                   list(warnPartialMatchDollar = TRUE, warnPartialMatchArgs = TRUE, warnPartialMatchAttr = TRUE))) {
    old <- options(set)
    before <- options()
    other <- suppressWarnings(fit())
    names <- shown(other)
    again <- posterior_epred(plain, newdata = data[1:3, ])
    updated <- update(plain, iter = 60, silent = 2)
    expect_identical(options(), before)
    options(old)
    expect_identical(other[same], plain[same])
    expect_identical(names, shown(plain))
    expect_identical(again, predicted)
    expect_identical(updated$draws, plain$draws)
  }
})

test_that("constants and dots are refused as terms by every door, with what they are", {
  data <- data.frame(x = rep(c(-1, 0, 1), 4), f = gl(2, 6), y = 1:12, g = gl(3, 4))
  counts <- matrix(rep(5:9, length.out = 48), 4, dimnames = list(paste0("g", 1:4), NULL))
  doors <- list(
    function(right) twill(as.formula(call("~", quote(y), right)), data, silent = 2),
    function(right) twill_genes(counts, as.formula(call("~", right)), col_data = data, silent = 2),
    function(right) twill_cells(counts, as.formula(call("~", right)), col_data = data, silent = 2),
    function(right) twill_screen(counts, as.formula(call("~", right)), gene = c("a", "a", "b", "b"), col_data = data, silent = 2))
  right_sides <- expression("x", f + "text", x + 1e5, x:2, x + 2L, x + -3, x + (0 + 2 | g), x:f + ., x + (1 + . | g), x %in% 2)
  for (door in doors) for (right in right_sides) {
    expect_error(door(right), class = "twill_error_formula", info = deparse1(right))
  }
  expect_error(doors[[1]](quote(f + "text")), "\"text\".*is a constant", class = "twill_error_formula")
  expect_error(tw_formula(y ~ x, sigma ~ x + 7), "is a constant", class = "twill_error_formula")
  expect_error(twill_genes(counts, ~x, col_data = data, dispersion = ~"x"), "is a constant", class = "twill_error_formula")
  expect_identical(tw_formula(y ~ (x + f)^2 + 0 + offset(1))$fixed, y ~ (x + f)^2 + 0 + offset(1), ignore_formula_env = TRUE)
})
