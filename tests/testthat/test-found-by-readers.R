# What newcomers found who followed the pages: verbs of one fit, in small.

model <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy, chains = 2, iter = 400, seed = 1, silent = 2)

test_that("prob is not taken for probs", {
  for (verb in list(fixef, ranef, coef, VarCorr, fitted, predict, bayes_R2)) {
    expect_error(verb(model, prob = 0.9), "no argument `prob`.*c\\(0.05, 0.95\\)", class = "twill_error_argument")
  }
  expect_identical(colnames(fixef(model, probs = c(0.05, 0.95)))[3:4], c("Q5", "Q95"))
  expect_identical(colnames(posterior_interval(model, prob = 0.9)), c("5%", "95%"))
  expect_error(predict(model, type = "response"), "fitted.*posterior_linpred", class = "twill_error_argument")
})

test_that("tables of parameters are exponentiated, or refuse what they do not know", {
  skip_if_not_installed("parameters")
  table <- parameters::model_parameters(model, exponentiate = TRUE)
  plain <- parameters::model_parameters(model)
  expect_equal(log(table$Median), plain$Median)
  expect_equal(log(table$CI_high), plain$CI_high)
  expect_error(parameters::model_parameters(model, bogus = 3), "no argument `bogus`", class = "twill_error_argument")
  all <- parameters::model_parameters(model, effects = "all", exponentiate = TRUE)
  expect_identical(all$Effects, ifelse(startsWith(all$Parameter, "sd_"), "random", "fixed"))
  expect_equal(all$Median[all$Parameter == "sigma"], stats::median(as.matrix(model, "sigma")))
})

test_that("dates stand at their mean in contrasts, and matter only where they interact", {
  data <- data.frame(a = rep(c("u", "v"), 30), day = as.Date("2024-01-01") + rep(0:5, each = 10), g = rep(1:10, 6),
                     y = with_fixed_seed(1, stats::rnorm(60)))
  data$time <- as.POSIXct("2024-01-01", tz = "UTC") + 3600 * rep(0:5, each = 10)
  fit <- function(formula) twill(formula, data, chains = 2, iter = 400, seed = 1, silent = 2)
  for (formula in list(y ~ a + day + (1 | g), y ~ a + time + (1 | g))) {
    expect_no_message(tw_contrast(fit(formula), c("a", "v", "u")), "twill_message_reference")
  }
  crossed <- fit(y ~ a * day + (1 | g))
  expect_message(at_mean <- tw_contrast(crossed, c("a", "v", "u")), "day = 2024-01-03", class = "twill_message_reference")
  expect_lt(at_mean$se, 0.5)
  averaged <- tw_contrast(crossed, cond(a = "v", .average = TRUE) - cond(a = "u", .average = TRUE))
  expect_equal(averaged$estimate, at_mean$estimate, tolerance = 1e-8)
})

test_that("what cancels in an average over levels has no spread", {
  data <- data.frame(a = rep(c("u", "v"), 30), of = rep(c("lo", "mid", "hi"), 20), g = rep(1:10, 6),
                     y = with_fixed_seed(1, stats::rnorm(60)))
  fit <- twill(y ~ a * of + (1 | g), data, chains = 2, iter = 400, seed = 1, silent = 2)
  expect_false("sd_g" %in% names(tw_contrast(fit, cond(a = "v", .average = TRUE) - cond(a = "u", .average = TRUE))))
  varying <- twill(y ~ a * of + (1 + a | g), data, chains = 2, iter = 400, seed = 1, silent = 2)
  expect_gt(tw_contrast(varying, cond(a = "v", .average = TRUE) - cond(a = "u", .average = TRUE))$sd_g, 0)
})

test_that("a decimal comma leaves prints as they are", {
  old <- options(OutDec = ",")
  on.exit(options(old))
  expect_no_warning(text <- capture.output(print(summary(model)), print(model)))
  expect_false(any(grepl("[0-9],[0-9]{2}\\b", text)))
  expect_no_warning(capture.output(print(tw_diagnostics(fake_set()))))
})

test_that("rows without their predictors are augmented by nothing", {
  data <- lme4::sleepstudy
  data$Days[5] <- NA
  out <- augment(model, data = data)
  expect_identical(which(is.na(out$.fitted)), 5L)
  expect_equal(out$.fitted[-5], unname(fitted(model)[-5, "Estimate"]))
})

test_that("some draws of effects are enough for checks, and none for levels from the normal", {
  data <- with_fixed_seed(2, data.frame(x = stats::rnorm(200), g = sample(letters[1:10], 200, TRUE)))
  data$y <- data$x + with_fixed_seed(3, stats::rnorm(200))
  fit <- function(group) {
    twill(y ~ x + (1 | g), data, chains = 2, iter = 600, seed = 1, silent = 2, save_pars = tw_save(group = group))
  }
  some <- fit(50)
  expect_s3_class(pp_check(some), "ggplot")
  expect_s3_class(pp_check(some, ndraws = 10), "ggplot")
  none <- fit(FALSE)
  new <- data.frame(x = 1, g = "new")
  drawn <- posterior_linpred(none, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian")
  expected <- posterior_linpred(some, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian")
  expect_equal(stats::sd(drawn), stats::sd(expected), tolerance = 0.3)
  expect_error(posterior_linpred(none, newdata = data.frame(x = 1, g = "a")), "not kept", class = "twill_error_group")
})

test_that("an approximation has as many draws as were asked for", {
  fit <- twill(Reaction ~ Days + (1 | Subject), lme4::sleepstudy, method = "svi", chains = 1, iter = 1, warmup = 0, seed = 1,
               silent = 2)
  expect_equal(ndraws(fit), 1)
})

test_that("titles of reports are text, not marks", {
  expect_identical(as_plain_html("Dose <low> & *x*"), "Dose &#60;low&#62; &#38; &#42;x&#42;")
  skip_if_not_installed("rmarkdown")
  skip_if_not(rmarkdown::pandoc_available("1.12.3"))
  file <- tw_report(model, tempfile(fileext = ".html"), title = "Dose <low> *x*")
  expect_true(any(grepl("Dose &lt;low&gt; \\*x\\*</h1>", readLines(file))))
})

test_that("genes are fitted again only while their counts are there", {
  fit <- fake_set()
  fit$call <- quote(twill_genes(x = counts, design = ~condition))
  # A function of that name are no counts.
  counts <- function(object) object
  expect_error(update(fit, iter = 50), "no object.*counts", class = "twill_error_argument")
})
