# What a method does not use is refused by name: nothing that a user says is swallowed by the dots of a generic.

# One object of every class that has methods, each made once.
object_makers <- list(
  twillfit = function() shared_fit("sleep"), twillgenes = function() fake_set(), twillcells = function() cells_fit(),
  twillrows = function() rows_fit(), twill_screen = function() verbs_screen()$fit,
  twill_model = function() shared_fit("sleep"), twill_formulas = function() tw_formula(a ~ x) + tw_formula(b ~ x),
  twill_responses = function() {
    twill(mvbind(Reaction, Days) ~ 1, lme4::sleepstudy, chains = 1, iter = 40, seed = 1, silent = 2)
  },
  summary.twill_screen = function() summary(object_of("twill_screen")),
  summary.twillfit = function() summary(shared_fit("sleep")),
  summary.twillgenes = function() summary(object_of("twillgenes")),
  summary.twillcells = function() summary(object_of("twillcells")),
  tw_calibration = function() tw_calibration(object_of("twillcells")), tw_cond = function() cond(condition = "stim"),
  tw_each = function() tw_each("condition"),
  tw_devices = function() tw_devices(), tw_draws = function() tw_draws(object_of("twillcells"), "condition"),
  tw_conditional_effects = function() tw_conditional_effects(shared_fit("sleep"), resolution = 5, ndraws = 10),
  tw_group = function() tw_groups(object_of("twillcells"), "donor")[[1]],
  tw_groups = function() tw_groups(object_of("twillcells"), "donor"),
  tw_hypothesis = function() tw_hypothesis(shared_fit("sleep"), "Days > 0"),
  tw_leaf_criterion = function() waic(object_of("twillcells"), genes = 1:2),
  tw_shared_variation = function() tw_shared_variation(object_of("twillgenes"), seed = 1),
  tw_loo_list = function() waic(shared_fit("sleep"), shared_fit("sleep")),
  tw_mask = function() tw_mask(object_of("twillgenes")),
  tw_spread = function() tw_spread(object_of("twillcells")), tw_contrast = function() tw_contrast(object_of("twillgenes")),
  tw_gene_sets = function() tw_gene_sets(object_of("twillgenes"), sets = list(a = c("gene1", "gene2")), donors = "independent"),
  tw_normal_mixture = function() tw_normal_mixture(0.1, 1), tw_spike_slab = function() tw_spike_slab(),
  tw_effect_prior = function() {
    tw_effect_prior(twill_genes(gene_counts(12), ~condition, col_data = gene_samples(), effect_prior = "mvn", method = "laplace",
                                seed = 1, silent = 2, check = FALSE))
  },
  tw_inclusion = function() tw_inclusion(c(1, 2, 3), diag(3)),
  tw_design = function() tw_design(sd_donor = 0.7, sigma = 0, effect = 1),
  twill_by = function() {
    samples <- data.frame(type = rep(c("a", "b"), each = 4), row.names = paste0("s", 1:8))
    counts <- matrix(rep(40:71, 2)[1:32], 4, dimnames = list(letters[1:4], rownames(samples)))
    twill_genes(counts, ~1, col_data = samples, by = "type", method = "laplace", iter = 40, seed = 1, silent = 2, check = FALSE)
  },
  tw_table = function() tw_variance(object_of("twillgenes")),
  twill_family = function() negbinomial(), twill_formula = function() tw_formula(y ~ x),
  twill_prior = function() tw_prior("normal(0, 1)"))

rows_fit <- function() {
  sim <- simulate_cells(n_genes = 3, n_cells = 80)
  sim$cells$cycle <- with_fixed_seed(3, rnorm(80))
  suppressWarnings(twill_cells(sim$counts, ~ condition + cycle + (1 | donor), col_data = sim$cells,
                               capture = exp(sim$log_capture), method = "laplace", seed = 1, silent = 2))
}

made_objects <- new.env()
object_of <- function(class) {
  if (is.null(made_objects[[class]])) made_objects[[class]] <- suppressWarnings(object_makers[[class]]())
  made_objects[[class]]
}

# Methods that may take any argument, and why.
takes_any <- c("[.tw_table" = "indices of a data frame", "rbind.tw_table" = "the tables that are joined",
               "c.twill_prior" = "the priors that are joined", "c.twillgenes" = "the fits that are joined",
               "c.twill_by" = "the fits that are joined",
               "recover_data.twillfit" = "what emmeans hands on", "recover_data.twillgenes" = "what emmeans hands on",
               "emm_basis.twillfit" = "what emmeans hands on",
               "find_formula.twillfit" = "what insight hands on", "model_info.twillfit" = "what insight hands on",
               "get_data.twillfit" = "what insight hands on", "find_parameters.twillfit" = "what insight hands on",
               "get_parameters.twillfit" = "what insight hands on", "get_variance.twillfit" = "what insight hands on",
               "find_statistic.twillfit" = "what insight hands on", "is_converged.twillfit" = "what performance hands on",
               "find_algorithm.twillfit" = "what easystats hands on",
               "get_residuals.twillfit" = "what easystats hands on",
               "r2_posterior.twillfit" = "what easystats hands on", "mcse.twillfit" = "what easystats hands on",
               "describe_prior.twillfit" = "what easystats hands on", "get_priors.twillfit" = "what easystats hands on",
               "diagnostic_posterior.twillfit" = "what easystats hands on",
               "effective_sample.twillfit" = "what easystats hands on",
               "model_parameters.twillfit" = "what easystats hands on",
               "model_performance.twillfit" = "what easystats hands on",
               "r2.twillfit" = "what performance hands on")

our_methods <- function() {
  table <- as.data.frame(getNamespaceInfo("twill", "S3methods")[, 1:3])
  names(table) <- c("generic", "class", "method")
  has_dots <- vapply(table$method, function(name) "..." %in% names(formals(get(name, asNamespace("twill")))), NA)
  table[has_dots & !table$method %in% names(takes_any), ]
}

test_that("every method refuses an argument that it does not have, by name", {
  table <- our_methods()
  expect_gt(nrow(table), 100)
  expect_identical(setdiff(table$class, names(object_makers)), character())
  swallowed <- character()
  for (k in seq_len(nrow(table))) {
    method <- get(table$method[k], asNamespace("twill"))
    error <- tryCatch(suppressWarnings(method(object_of(table$class[k]), zzz = 1)), error = identity)
    asks_first <- "needs leaves|at least two fits|one response of a fit"
    fine <- inherits(error, "twill_error") && grepl(paste0("zzz|", asks_first), conditionMessage(error))
    if (!fine) swallowed <- c(swallowed, paste(table$method[k], if (inherits(error, "error")) conditionMessage(error)))
  }
  expect_identical(swallowed, character())
})

# Exported functions whose dots are names of the user's own, and what a call of the others needs.
takes_names <- c(cond = "variables of the design", tw_formula = "formulas of the dispersion", tw_gene = "arguments of twill()",
                 ngrps = "a generic")
call_needs <- list(
  tw_conditional_effects = function() list(shared_fit("sleep")), tw_mcmc_plot = function() list(shared_fit("sleep")),
  twill_screen = function() list(matrix(1:8, 4), ~1, c("a", "a", "b", "b")))

# A name with one of its last letters left out, of the longest argument.
misspelt <- function(f) {
  known <- setdiff(names(formals(f)), c("...", "fit", "x", "object"))
  name <- if (length(known)) known[which.max(nchar(known))] else "argument"
  c(name, if (nchar(name) < 3) paste0(name, "z") else sub("(.)(..)$", "\\2", name))
}

test_that("every exported function refuses a misspelt argument, and names the one that was meant", {
  namespace <- asNamespace("twill")
  is_ours <- function(name) {
    f <- get(name, namespace)
    passes_on <- is.function(f) && identical(names(formals(f)), "...")
    is.function(f) && identical(environment(f), namespace) && !name %in% names(takes_names) && !passes_on
  }
  verbs <- Filter(is_ours, getNamespaceExports("twill"))
  expect_gt(length(verbs), 30)
  wrong <- character()
  for (verb in verbs) {
    f <- get(verb, namespace)
    names <- misspelt(f)
    given <- if (verb %in% names(call_needs)) call_needs[[verb]]() else list()
    said <- tryCatch(do.call(f, c(given, stats::setNames(list(1), names[2]))), error = identity)
    has_others <- length(setdiff(names(formals(f))[-1], "...")) > 0
    fine <- inherits(said, "twill_error") && grepl(names[2], conditionMessage(said), fixed = TRUE) &&
      (!has_others || grepl(sprintf("Did you mean [`\"]%s[`\"]", names[1]), conditionMessage(said)))
    if (!fine) wrong <- c(wrong, paste(verb, names[2], if (inherits(said, "error")) conditionMessage(said)))
  }
  expect_identical(wrong, character())
})

test_that("nothing that is unnamed and too much is swallowed", {
  fit <- shared_fit("sleep")
  expect_error(nobs(fit, 3), "too many", class = "twill_error_argument")
  expect_error(residuals(fit, NULL, NULL, "posterior_epred", "ordinary", TRUE, FALSE, 0.5, NULL, NULL, NULL, NULL, NULL, FALSE,
                         "gaussian", NULL, FALSE, 1, 1, 1, 1, 7), class = "twill_error_argument")
})

test_that("the way out is named", {
  fit <- shared_fit("sleep")
  set <- object_of("twillgenes")
  expect_error(summary(fit, probs = 0.9), "`summary\\(\\)` has no argument `probs`", class = "twill_error_argument")
  expect_error(summary(fit, prb = 0.9), "Did you mean `prob`")
  expect_error(as_draws_df(fit, pars = "b_Days"), "Say `variable`")
  expect_error(as.matrix(fit, regex_pars = "^b_"), "regex = TRUE")
  expect_error(fixef(fit, level = 0.9), "probs = c\\(0.05, 0.95\\)")
  expect_error(confint(fit, prob = 0.9), "Say `level`")
  expect_error(ranef(fit, condVar = TRUE), "Est.Error")
  expect_error(loo(fit, moment_match = TRUE), "kfold")
  expect_error(loo(fit, reloo = TRUE), "kfold")
  expect_error(loo(fit, k_threshold = 0.7), "pareto_k")
  expect_error(posterior_epred(fit, re_fromula = NA), "Did you mean `re_formula`")
  expect_error(fitted(fit, re.from = NA), class = "twill_error_argument")
  expect_error(do.call(fixef, list(set, robust = TRUE)), "`fixef\\(\\)` has no argument `robust`")
  expect_error(plot(fit, sizee = 2), "sizee", class = "twill_error_argument")
  expect_error(update(set, itr = 100), "itr", class = "twill_error")
})

test_that("arguments that brms users expect are there", {
  fit <- shared_fit("sleep")
  set <- object_of("twillgenes")
  cells <- object_of("twillcells")
  summary <- ranef(cells, probs = c(0.1, 0.9))$donor
  expect_identical(dimnames(summary)[[2]], c("Estimate", "Est.Error", "Q10", "Q90"))
  draws <- ranef(cells, summary = FALSE)$donor
  expected <- column_quantiles(cbind(draws[, 2, "d1", "Intercept"]), 0.9, few_draws_type)
  expect_equal(unname(summary[2, "Q90", "d1", "Intercept"]), expected[1])
  expect_equal(unname(summary[2, "Estimate", "d1", "Intercept"]), mean(draws[, 2, "d1", "Intercept"]))
  expect_identical(dim(ranef(set, genes = 1:2)$donor)[1:2], c(2L, 4L))
  expect_s3_class(as_draws_rvars(set, genes = 1), "draws_rvars")
  expect_error(fixef(fit, summary = "no"), "summary", class = "twill_error_setting")
  skip_if_not_installed("brms")
  table <- brms::posterior_summary(fit, variable = "^b_", regex = TRUE, probs = 0.5)
  expect_equal(table[, "Estimate"], fixef(fit)[, "Estimate"], ignore_attr = TRUE)
})

test_that("probabilities of intervals are checked in every place", {
  fit <- shared_fit("sleep")
  for (bad in list(95, c(0.5, 0.9), NA, "0.9", 0, 1)) {
    expect_error(summary(fit, prob = bad), "prob", class = "twill_error_argument")
    expect_error(confint(fit, level = bad), "level", class = "twill_error_argument")
    expect_error(tidy(fit, conf.level = bad), "conf.level", class = "twill_error_argument")
    expect_error(posterior_interval(fit, prob = bad), "prob", class = "twill_error_argument")
    expect_error(predictive_interval(fit, prob = bad), "prob", class = "twill_error_argument")
    expect_error(tw_contrast(object_of("twillgenes"), prob = bad), "prob", class = "twill_error_argument")
  }
})

test_that("coda takes the chains", {
  skip_if_not_installed("coda")
  fit <- shared_fit("sleep")
  chains <- coda::as.mcmc.list(fit, variable = c("b_Days", "sigma"))
  expect_s3_class(chains, "mcmc.list")
  expect_identical(c(coda::nchain(chains), coda::niter(chains), coda::nvar(chains)), c(2L, 200L, 2L))
  expect_identical(as.vector(chains[[2]][, "sigma"]), as.vector(unclass(as_draws_array(fit))[, 2, "sigma"]))
  expect_s3_class(coda::as.mcmc(fit), "mcmc.list")
  expect_s3_class(coda::as.mcmc(fit, combine_chains = TRUE), "mcmc")
  expect_s3_class(coda::as.mcmc(object_of("twillgenes"), genes = "gene1"), "mcmc.list")
})

test_that("methods for Bioconductor refuse too", {
  skip_if_not_installed("BiocGenerics")
  fit <- object_of("twillgenes")
  for (verb in c("sizeFactors", "counts", "design", "plotDispEsts", "plotMA")) {
    expect_error(getExportedValue("BiocGenerics", verb)(fit, zzz = 1), "zzz", class = "twill_error_argument")
  }
  expect_error(BiocGenerics::sizeFactors(fit, zzz = 1), "`sizeFactors\\(\\)` has no argument")
})

flags_of <- function(f) Filter(function(arg) isTRUE(formals(f)[[arg]]) || isFALSE(formals(f)[[arg]]), names(formals(f)))

test_that("a flag of a method is TRUE or FALSE, or an error says so by name", {
  table <- as.data.frame(getNamespaceInfo("twill", "S3methods")[, 1:3])
  names(table) <- c("generic", "class", "method")
  ours <- table$method %in% our_methods()$method & table$class %in% names(object_makers)
  wrong <- character()
  for (k in which(ours)) {
    method <- get(table$method[k], asNamespace("twill"))
    for (flag in flags_of(method)) for (value in list("yes", NA, c(TRUE, FALSE), quote(x))) {
      given <- stats::setNames(list(object_of(table$class[k]), value), c("", flag))
      error <- tryCatch(suppressWarnings(do.call(method, given, quote = TRUE)), error = identity)
      if (!inherits(error, "twill_error")) wrong <- c(wrong, sprintf("%s(%s = %s)", table$method[k], flag, deparse1(value)))
    }
  }
  expect_identical(wrong, character())
})
