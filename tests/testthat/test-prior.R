# Priors: their texts, their tables, which parameter gets which, and the defaults.

study <- data.frame(y = c(1, 4, 2, 8, 5, 7, 3, 6), x = c(0, 1, 2, 3, 4, 5, 6, 8), f = gl(2, 4, labels = c("a", "b")),
                    g = gl(4, 2), h = gl(2, 1, 8), n = c(0, 3, 1, 12, 5, 4, 9, 2))

design_of <- function(formula, data = study, family = gaussian(), ...) {
  input <- prepare_input(tw_formula(formula), data, silent = 2, ...)
  new_design(input$formula, input$data, as_twill_family(family))
}

prior_of <- function(formula, prior = NULL, data = study, family = gaussian(), intercept = "centred") {
  design <- design_of(formula, data, family)
  user <- add_formula_means(as_twill_prior(prior), formula_means(design))
  resolve_priors(parameter_table(design, as_twill_family(family), intercept), user)
}

text_of <- function(variable, formula, prior = NULL, ...) {
  parameters <- prior_of(formula, prior, ...)$parameters
  parameters$prior[match(variable, parameters$variable)]
}

test_that("texts are parsed to distribution and arguments", {
  parse <- function(text) parse_prior(text)[c("dist", "args")]
  expect_identical(parse("normal(0, 2.5)"), list(dist = "normal", args = c(0, 2.5)))
  expect_identical(parse("normal(-1,1/4)"), list(dist = "normal", args = c(-1, 0.25)))
  expect_identical(parse("normal(sd = 2, mean = 1)"), list(dist = "normal", args = c(1, 2)))
  expect_identical(parse(" student_t(3, 0, 2.5) "), list(dist = "student_t", args = c(3, 0, 2.5)))
  expect_identical(parse(""), list(dist = "flat", args = numeric()))
  expect_identical(parse("flat"), list(dist = "flat", args = numeric()))
  expect_identical(parse("std_normal()"), list(dist = "normal", args = c(0, 1)))
  expect_identical(parse("half_normal(5)"), list(dist = "normal", args = c(0, 5)))
  expect_identical(parse("half_student_t(3, 2)"), list(dist = "student_t", args = c(3, 0, 2)))
  expect_identical(parse("lkj_corr_cholesky(2)"), list(dist = "lkj", args = 2))
  expect_identical(parse("horseshoe(3, df_slab = 5)")$args,
                   list(df = 3, scale_global = 1, df_global = 1, scale_slab = 2, df_slab = 5, autoscale = TRUE))
})

test_that("priors that mean nothing are refused when they are made", {
  refused <- function(message, ...) expect_error(tw_prior(...), message, class = "twill_error_prior")
  refused("normal\\(mean, sd\\)", "normal(0)")
  refused("wrong arguments", "normal(0, 1, 2)")
  refused("positive", "normal(0, -1)")
  refused("positive", "student_t(0, 0, 1)", class = "sd")
  refused("Did you mean", "norml(0, 1)")
  refused("finite numbers", "normal(a, 1)")
  refused("finite numbers", "normal(Inf, 1)")
  refused("below", "uniform(2, 1)", class = "sd")
  refused("unknown `class`", "normal(0, 1)", class = "bb")
  refused("cor", "lkj(2)")
  refused("lkj", "normal(0, 1)", class = "cor")
  refused("below 0", "exponential(1)")
  refused("below 0", "half_normal(1)")
  refused("wrong arguments", "constant(1, 2, 3)")
  refused("positive", "constant(0)", class = "sd")
  refused("between -1 and 1", "constant(1)", class = "cor")
  refused("horseshoe", "R2D2(0.5)")
  refused("horseshoe", "horseshoe(1)", class = "Intercept")
  refused("proper", "", class = "mu")
  refused("must be text", 3)
  refused("[Bb]ounds", "normal(0, 1)", lb = 0)
  refused("dpar", "normal(0, 1)", dpar = "mu")
  refused("%s", "%s{x}")
  expect_s3_class(tw_prior("normal(0, 1)", class = "sd", lb = 0), "twill_prior")
})

test_that("priors combine, and a target may stand once", {
  both <- c(tw_prior("normal(0, 1)"), tw_prior("exponential(1)", class = "sd"))
  expect_s3_class(both, "twill_prior")
  expect_identical(both$class, c("b", "sd"))
  expect_equal(tw_prior("normal(0, 1)") + tw_prior("exponential(1)", class = "sd"), both)
  expect_error(c(both, tw_prior("normal(0, 2)")), "more than one", class = "twill_error_prior")
  expect_identical(names(both), c("prior", "class", "coef", "group", "resp", "dpar", "nlpar", "lb", "ub", "source"))
  expect_output(print(both), "exponential\\(1\\) +sd")
})

test_that("the closest target wins", {
  prior <- c(tw_prior("normal(0, 1)"), tw_prior("normal(0, 2)", coef = "x"))
  expect_identical(text_of(c("b_x", "b_fb"), y ~ x + f, prior), c("normal(0, 2)", "normal(0, 1)"))
  prior <- c(tw_prior("exponential(1)", class = "sd"), tw_prior("exponential(2)", class = "sd", group = "g"),
             tw_prior("exponential(3)", class = "sd", group = "g", coef = "x"))
  variables <- c("sd_g__Intercept", "sd_g__x", "sd_h__Intercept")
  expect_identical(text_of(variables, y ~ x + (1 + x | g) + (1 | h), prior),
                   c("exponential(2)", "exponential(3)", "exponential(1)"))
})

test_that("a prior that matches nothing names what exists", {
  refused <- function(message, ...) {
    expect_error(prior_of(y ~ x + (1 | g), tw_prior(...)), message, class = "twill_error_prior")
  }
  refused("coef \"x\"", "normal(0, 1)", coef = "z")
  refused("class = \"Intercept\"", "normal(0, 1)", coef = "Intercept")
  refused("group \"g\"", "exponential(1)", class = "sd", group = "h")
  refused("matches no parameter", "lkj(1)", class = "cor")
  refused("matches no parameter", "exponential(1)", class = "shape")
})

test_that("tables of brms are taken as they are", {
  skip_if_not_installed("brms")
  prior <- c(brms::set_prior("normal(0, 3)", class = "b"), brms::set_prior("lkj(2)", class = "cor"),
             brms::set_prior("student_t(3, 0, 2.5)", class = "sd", group = "g", lb = 0))
  expect_identical(text_of(c("b_x", "cor_g", "sd_g__x"), y ~ x + (1 + x | g), prior),
                   c("normal(0, 3)", "lkj(2)", "student_t(3, 0, 2.5)"))
  # The whole table of a model: brms' flat prior on b included.
  table <- brms::get_prior(y ~ x + (1 + x | g), study)
  expect_identical(text_of("b_x", y ~ x + (1 + x | g), table), "")
  expect_match(text_of("sigma", y ~ x + (1 + x | g), table), "student_t\\(3, 0, ")
})

test_that("defaults are scaled to the data", {
  spread <- round(max(mad(study$y), sd(study$y) / 4), 1)
  location <- median(study$y)
  expect_identical(text_of("b_Intercept", y ~ x), sprintf("normal(%s, %s)", location, signif(2.5 * spread, 3)))
  expect_identical(text_of("b_x", y ~ x), sprintf("normal(0, %s)", signif(2.5 * sd(study$y) / sd(study$x), 3)))
  expect_identical(text_of(c("sigma", "sd_g__x"), y ~ x + (1 + x | g)), rep(sprintf("student_t(3, 0, %s)", spread), 2))
  expect_identical(text_of("cor_g", y ~ x + (1 + x | g)), "lkj(1)")
})

test_that("defaults of counts are on the log scale and know the offset", {
  counts <- transform(study, e = exp(3))
  location <- round(median(log(pmax(study$n, 0.1))), 1)
  expect_identical(text_of("b_Intercept", n ~ x, family = poisson()), sprintf("student_t(3, %s, 2.5)", location))
  expect_identical(text_of("b_Intercept", n ~ x + offset(log(e)), data = counts, family = poisson()),
                   sprintf("student_t(3, %s, 2.5)", round(median(log(pmax(study$n, 0.1))) - 3, 1)))
  expect_identical(text_of("shape", n ~ x, family = negbinomial()), "inv_gamma(0.4, 0.3)")
  expect_identical(text_of("b_x", n ~ x, family = poisson()), sprintf("normal(0, %s)", signif(2.5 / sd(study$x), 3)))
  # An indicator of one row in a hundred gets the prior of a balanced one, not one eight times as wide.
  rare <- data.frame(n = rep(0:9, 10), r = rep(c(1, 0), c(1, 99)))
  expect_identical(text_of("b_r", n ~ r, data = rare, family = poisson()), "normal(0, 5)")
})

test_that("without an intercept the coefficients can carry the level", {
  far <- transform(study, y = y + 1000)
  scale <- parse_prior(text_of("b_fa", y ~ 0 + f, data = far))$args[2]
  expect_gt(scale, 1000)
  expect_identical(text_of("b_Intercept", y ~ 0 + Intercept + x, data = far), "normal(1004.5, 7.5)")
})

test_that("the raw intercept's default reaches as far as the slopes let it", {
  far <- transform(study, x = x + 1000)
  raw <- parse_prior(text_of("b_Intercept", y ~ x, data = far, intercept = "raw"))$args[2]
  slope <- parse_prior(text_of("b_x", y ~ x, data = far))$args[2]
  expect_equal(raw, 2.5 * slope * mean(far$x), tolerance = 0.01)
})

test_that("free means take the formula's prior, and the user's before it", {
  formula <- y ~ 0 + tw_re(g, mean = "normal(0, 7)") + tw_re(h)
  expect_identical(text_of("mu_g__Intercept", formula), "normal(0, 7)")
  expect_match(text_of("mu_h__Intercept", formula), "^normal\\(2.2, ")
  expect_identical(text_of("mu_g__Intercept", formula, tw_prior("normal(1, 1)", class = "mu", group = "g", coef = "Intercept")),
                   "normal(1, 1)")
})

test_that("the table of a fit can be given to another", {
  formula <- n ~ x + f + (1 + x | g)
  prior <- c(tw_prior("horseshoe(1)"), tw_prior("exponential(2)", class = "sd"))
  first <- prior_of(formula, prior, family = negbinomial())
  again <- prior_of(formula, first$table, family = negbinomial())
  expect_equal(again$table$prior[order(again$table$class)], first$table$prior[order(first$table$class)])
  expect_identical(again$parameters$prior, first$parameters$prior)
  expect_identical(first$parameters$horseshoe, c(NA, 1L, 1L, NA, NA, NA, NA))
})

test_that("tw_default_prior() lists all parameters", {
  table <- tw_default_prior(n ~ x + (1 + x | g), study, negbinomial())
  expect_identical(table$class, c("Intercept", "b", "shape", "sd", "sd", "cor"))
  expect_true(all(table$source == "default"))
})

test_that("draws of priors have the prior's quantiles, and leave R's generator alone", {
  prior <- c(tw_prior("normal(1, 2)"), tw_prior("exponential(0.5)", class = "sd"), tw_prior("lkj(2)", class = "cor"),
             tw_prior("normal(-1, 1)", class = "sigma"))
  formula <- y ~ x + (1 + x | g)
  resolved <- prior_of(formula, prior)
  set.seed(5)
  before <- .Random.seed
  draws <- prior_draws_array(resolved$parameters, design_of(formula), "centred", 5000, 4, seed = 1)
  expect_identical(.Random.seed, before)
  expect_identical(dim(draws)[1:2], c(5000L, 4L))
  expect_true("prior_Intercept" %in% dimnames(draws)[[3]])
  tested <- function(name, cdf, ...) expect_gt(suppressWarnings(ks.test(as.vector(draws[, , name]), cdf, ...))$p.value, 1e-4)
  tested("prior_b_x", pnorm, 1, 2)
  tested("prior_sd_g__x", pexp, 0.5)
  tested("prior_sigma", function(q) 1 - pnorm(q, -1, 1, lower.tail = FALSE) / pnorm(0, -1, 1, lower.tail = FALSE))
  tested("prior_cor_g", function(q) pbeta((q + 1) / 2, 2, 2))
})

test_that("one prior for several classes is kept for each", {
  both <- tw_prior("normal(0, 5)", class = c("Intercept", "b"))
  expect_identical(both$class, c("Intercept", "b"))
  expect_identical(both$prior, rep("normal(0, 5)", 2))
})

test_that("the text of a prior is arithmetic, and no other call in it is run", {
  mark <- tempfile()
  touch <- sprintf("file.create(%s)", dQuote(mark, FALSE))
  for (argument in c(sprintf("{%s; 1}", touch), touch, sprintf("(function() %s)()", touch), sprintf("base::%s", touch),
                     sprintf("log(%s)", touch), sprintf("if (%s) 1 else 2", touch), "get('pi')", "x <- 1", "'a'", "1i", "letters",
                     "(exp)(1)", "`+`", "quote(1)", "2 %% 3", "1:2")) {
    for (text in c("normal(0, %s)", "normal(mean = %s, 1)", "horseshoe(%s)", "half_normal(%s)")) {
      expect_error(tw_prior(sprintf(text, argument), class = if (grepl("half", text)) "sd" else "b"), "finite numbers",
                   class = "twill_error_prior")
    }
  }
  expect_error(tw_prior(sprintf("{%s}(0, 1)", touch)), class = "twill_error_prior")
  expect_error(tw_formula(sprintf("y ~ tw_re(g, mean = 'normal(0, {%s; 1})')", gsub('"', "`", touch))) |> prior_of(),
               class = "twill_error_prior")
  expect_error(tw_formula(sprintf("{%s; y ~ x}", touch)), class = "twill_error_formula")
  expect_error(tw_formula(sprintf("(%s)", touch)), class = "twill_error_formula")
  expect_error(tw_formula(sprintf("y | se(x, sigma = %s) ~ 1", touch)), class = "twill_error_formula")
  expect_error(tw_formula(sprintf("y ~ (1 | gr(g, cor = %s))", touch)), class = "twill_error_formula")
  expect_false(file.exists(mark))
  expect_equal(parse_prior("normal(-log(2) + pi, 2 * (1 + 3)^2 / 4)")$args, c(pi - log(2), 8))
  expect_equal(parse_prior("normal(plogis(0), pmax(1e-3, sqrt(4)))")$args, c(0.5, 2))
  expect_false(parse_prior("horseshoe(1, autoscale = F)")$args$autoscale)
})

test_that("the texts of a table of priors are read back as what is sampled", {
  user <- c(tw_prior("normal(1/3, exp(1))", coef = "x"), tw_prior("student_t(3, 0, 1e-7)", class = "sd"))
  priors <- prior_of(y ~ x + f + (1 | g), user, data = transform(study, x = x * 1e-9 / 7))
  for (i in which(nzchar(priors$parameters$prior))) {
    expect_identical(parse_prior(priors$parameters$prior[i])$args, priors$parameters$parsed[[i]]$args)
  }
  expect_true("normal(1/3, exp(1))" %in% priors$table$prior)
})
