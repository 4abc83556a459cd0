# Which arguments are unknown or without effect, at the borders of each rule. What users see of it: test-arguments-effect.R,
# test-arguments-methods.R and test-twill-errors.R.

refused_dots <- function(name, door = "twill") {
  tryCatch(check_dots(stats::setNames(list(1), name), name, door), twill_error_setting = conditionMessage)
}

test_that("unknown arguments of doors come with the way out, and unnamed ones with where they stand", {
  expect_match(refused_dots("inits"), "`twill\\(\\)` has no argument `inits`.*called `init`")
  expect_match(refused_dots("itter"), "Did you mean \"iter\"")
  expect_match(refused_dots("stepsize"), "has no argument `stepsize`")
  # What stands in `control`, of each method and of all; other doors have arguments of these names, or none.
  expect_match(refused_dots("metric"), "control = list\\(metric = \\)")
  for (name in unlist(control_extras)) expect_match(refused_dots(name), paste0("control = list(", name, " = )"), fixed = TRUE)
  expect_no_match(refused_dots("metric", "twill_genes"), "control")
  for (name in c("", NA)) {
    for (door in c("twill", "twill_genes", "twill_cells")) {
      arguments <- names(formals(door))
      before <- arguments[which(arguments == "...") - 1]
      expect_match(refused_dots(name, door), sprintf("after `%s` must be named", before))
    }
  }
  expect_error(check_dots(list(1), NULL), "must be named: one is not", class = "twill_error_setting")
  expect_null(check_dots(list(), NULL))
})

test_that("older spellings are understood, and nothing else", {
  expect_identical(check_sample_prior(TRUE), "yes")
  expect_identical(check_sample_prior(FALSE), "no")
  expect_identical(check_sample_prior(NA), "no")
  expect_error(check_sample_prior(c(TRUE, FALSE)), "sample_prior", class = "twill_error_setting")
  expect_error(check_intercept("centred "), "intercept", class = "twill_error_setting")
})

test_that("settings of chains, guides and files have an effect where these are", {
  unused <- function(init = NULL, save_pars = NULL, control = list(), file_refit = "never", path = NULL, method = "nuts") {
    sort(as.character(names(unused_by_twill(init, save_pars, control, file_refit, path, method))))
  }
  none <- character()
  expect_identical(unused(), none)
  for (method in chain_methods) expect_identical(unused(init = 0, save_pars = tw_save(warmup = TRUE), method = method), none)
  for (method in c("laplace", "svi")) {
    expect_identical(unused(init = 0, save_pars = tw_save(warmup = TRUE), method = method), c("init", "save_pars"))
    expect_identical(unused(init = "mode", save_pars = tw_save(warmup = FALSE), method = method), none)
  }
  expect_identical(unused(file_refit = "always"), "file_refit")
  expect_identical(unused(file_refit = "on_change", path = "fit.rds"), none)
  default <- control_defaults$nuts$checkpoint
  expect_identical(unused(control = list(checkpoint = default + 1)), "control$checkpoint")
  expect_identical(unused(control = list(checkpoint = default)), none)
  expect_identical(unused(control = list(checkpoint = default + 1), path = "fit.rds"), none)
  steps <- list(adapt_delta = 0.9, max_treedepth = 8, metric = "diag")
  expect_identical(unused(control = steps), none)
  expect_identical(unused(init = 0, control = c(steps, engine = "guided")),
                   c(paste0("control$", c("adapt_delta", "max_treedepth", "metric")), "init"))
})

test_that("settings of steps and counts have an effect on genes that have these", {
  steps <- list(adapt_delta = 0.9, max_treedepth = 8)
  unused <- function(method, refine = TRUE, family = "negbinomial", control = steps, ...) {
    as.character(names(unused_by_genes(list(family = family), control, list(method = method, refine = refine), ...)))
  }
  expect_identical(unused("nuts"), character())
  expect_identical(unused("nuts", refine = FALSE), character())
  expect_identical(unused("hmc"), "control$max_treedepth")
  expect_identical(unused("hmc", refine = FALSE), "control$max_treedepth")
  expect_identical(unused("svi"), "control$max_treedepth")
  expect_identical(unused("svi", refine = FALSE), paste0("control$", names(steps)))
  expect_identical(unused("svi", refine = FALSE, control = list()), character())
  expect_match(unused_by_genes(poisson(), steps, list(method = "hmc", refine = TRUE))[[1]], "no tree")
  expect_match(unused_by_genes(poisson(), steps, list(method = "svi", refine = FALSE))[[1]], "nothing is sampled")
  guide <- list(max_steps = 9, tolerance = 1)
  expect_identical(unused("svi", control = guide, slow_guide = TRUE), paste0("control$", names(guide)))
  expect_identical(unused("svi", control = guide), character())
  expect_identical(unused("nuts", family = "gaussian", min_count = 10), "min_count")
  for (zero in list(0, 0L)) expect_identical(unused("nuts", family = "gaussian", min_count = zero), character())
  expect_identical(unused("nuts", family = "poisson", min_count = 10), character())
})

test_that("what is told to have no effect is told one by one, with its name", {
  said <- testthat::capture_messages(say_unused(c(a = "of {braces} there", "control$b" = "none"), 1))
  expect_length(said, 2)
  expect_match(said[1], "`a` has no effect: of \\{braces\\} there")
  expect_match(said[2], "`control\\$b` has no effect: none")
  expect_no_message(say_unused(c(a = "no"), 2))
})

# Methods --------------------------------------------------------------------------------------------------------------

# A method as they are written, under names that no generic has.
seen_by <- function(f) function(...) tryCatch(f(...), twill_error_argument = conditionMessage)

test_that("methods refuse dots but for those that are handed on, and say what they take", {
  own <- seen_by(function(object, prob = 0.95, ...) check_no_dots(..., allow = "digits"))
  expect_null(own(1))
  expect_null(own(1, digits = 3))
  expect_match(own(1, digits = 3, level = 0.9), "no argument `level`.*Say `prob`.*It takes `prob`[.]")
  expect_match(own(1, 0.9, 7), "an argument too many.*It takes `prob`[.]")
  expect_match(own(1, digits = 2, objct = 2), "no argument `objct`")
  # Only what the verb is of is left out.
  other <- seen_by(function(values, ...) check_no_dots(...))
  expect_match(other(1, vals = 2), "It takes `values`[.]")
  expect_match(seen_by(function(x, ...) check_no_dots(...))(1, n = 2), "It takes no other argument[.]")
})

test_that("words of other packages lead to what the method has, and to nothing that it has not", {
  hint <- function(name, known) paste(argument_hint(name, known), collapse = "")
  expect_match(hint("conf.level", c("genes", "level")), "Say \\{[.]arg level\\}")
  expect_match(hint("regex_pars", "variable"), "regex = TRUE")
  expect_no_match(hint("regex_pars", "prob"), "regex = TRUE")
  expect_match(hint("level", "probs"), "probs = c\\(0.05, 0.95\\)")
  expect_identical(hint("level", "ndraws"), "")
  expect_match(hint("reloo", "x"), "kfold")
  expect_match(hint("ndrws", c("draw_ids", "ndraws")), "Did you mean \\{[.]arg ndraws\\}")
  expect_identical(hint("qqqqq", "ndraws"), "")
})

test_that("dots that are handed on are those that the next function takes", {
  door <- function(fit, colour = "red", ...) check_dots_of(list(...), function(fit, size = 1, ...) NULL)
  # Whom the words are of is known by the package.
  environment(door) <- asNamespace("twill")
  expect_null(door(1))
  expect_null(door(1, size = 2))
  expect_error(door(1, sizze = 2), "no argument `sizze`.*Did you mean `size`.*It takes `colour` and `size`[.]",
               class = "twill_error_argument")
  expect_error(door(1, "red", 2), "too many", class = "twill_error_argument")
  expect_identical(dot_names(list(1, 2)), c("", ""))
  expect_identical(verb_of(summary.twillgenes, quote(twill::summary(x))), "summary")
  expect_identical(verb_of(print.summary.twillgenes, quote(print(x))), "print")
  expect_identical(verb_of(function(x) 0, quote(stats::weights(x))), "weights")
})

test_that("what data.frame() hands on to as.data.frame() is let through", {
  fit <- shared_fit("sleep")
  whole <- as.data.frame(fit)
  expect_identical(as.data.frame(fit, stringsAsFactors = FALSE), whole)
  expect_identical(as.data.frame(fit, make.names = FALSE, cut.names = TRUE, col.names = NULL), whole)
  expect_identical(nrow(data.frame(fit)), nrow(whole))
})
