# Random verbs on a fit of the fuzzer: what is read from fits of one response, of genes and of cells.

ids <- any_of(1:3, 0, 1e6, "1")
draws_wanted <- any_of(5, 1, 0, 1e6)
re_formulas <- any_of(NULL, NA, ~ (1 | g), ~ (1 | nothing), ~0, "g")
probabilities <- any_of(0.5, c(0.1, 0.9), 0, 1, 2, -0.1, numeric(0))
variables <- any_of("b_Intercept", "sigma", "^b_", "nothing", "sd_g__Intercept", "lp__", character(0), "(")
yes_no <- any_of(TRUE, FALSE)
new_data <- quote(newdata)
group_names <- any_of("g", "h", "nothing", "g:h")
selection <- list(variable = variables, regex = yes_no)
summaries <- list(summary = yes_no, robust = yes_no, probs = probabilities)
new_levels <- list(allow_new_levels = any_of(TRUE, TRUE, FALSE, NA),
                   sample_new_levels = any_of("uncertainty", "gaussian", "old_levels", "nothing"))
# Arguments of verbs about rows: of several responses also which of them.
responses_wanted <- any_of("y", "u", c("y", "u"), "nothing", 1)
prediction <- c(list(newdata = new_data, re_formula = re_formulas, ndraws = draws_wanted, draw_ids = ids, seed = any_of(1, "a"),
                     offset = any_of(0, c(1, 2), "a", NA), resp = responses_wanted), new_levels)

# Each verb: its optional arguments; `object` is the fit.
twill_verbs <- list(
  print = list(digits = any_of(2, 0, 100)), summary = list(priors = yes_no, prob = probabilities, robust = yes_no,
                                                           mc_se = yes_no),
  fixef = c(summaries, list(pars = any_of("x", "Intercept", "nothing"))), ranef = c(summaries, list(groups = group_names)),
  coef = summaries, VarCorr = c(summaries, list(sigma = any_of(1, 2, -1))), ngrps = list(), formula = list(), terms = list(),
  family = list(),
  nobs = list(), df.residual = list(), model.frame = list(), model.matrix = list(), weights = list(), sigma = list(),
  vcov = list(correlation = yes_no, pars = any_of("x", "nothing")), prior_summary = list(all = yes_no),
  as_draws_array = c(selection, list(inc_warmup = yes_no)), as_draws_df = selection, as_draws_rvars = selection,
  as.matrix = c(selection, list(draw = ids)),
  as.data.frame = selection, as.array = selection, variables = list(), nvariables = list(), ndraws = list(),
  niterations = list(),
  posterior_interval = c(selection, list(prob = probabilities)), confint = list(parm = variables, level = probabilities),
  posterior_linpred = c(prediction, list(transform = yes_no, dpar = any_of("sigma", "shape", "mu", "nothing"))),
  posterior_epred = c(prediction, list(dpar = any_of("sigma", "shape"))), posterior_predict = prediction,
  predict = c(prediction[1:2], summaries), fitted = c(prediction[1:2], summaries, list(scale = any_of("response", "linear"))),
  predictive_error = prediction, predictive_interval = list(prob = probabilities, newdata = new_data),
  residuals = c(prediction[1:2], summaries, list(method = any_of("posterior_epred", "posterior_predict"),
                                                 type = any_of("ordinary", "pearson", "quantile"))),
  log_lik = prediction, loo = list(pointwise = yes_no, save_psis = yes_no, cores = any_of(1, 0)), waic = list(pointwise = yes_no),
  bayes_R2 = summaries, loo_R2 = summaries, loo_predict = list(type = any_of("mean", "var", "quantile"), probs = probabilities),
  kfold = list(K = any_of(2, 3, 1, 1000), group = any_of("g", "h", "f", "nothing", "g:h", 1, NA), save_fits = yes_no, seed = 1,
               folds = any_of(1:2, "random", "stratified", "grouped", "nothing", rep(1:2, length.out = nobs(fit)), NA)),
                   nuts_params = list(pars = variables), log_posterior = list(),
  rhat = list(pars = variables),
  neff_ratio = list(pars = variables), tidy = list(effects = any_of("fixed", "ran_pars", "ran_vals", "nothing"),
                                                   conf.level = probabilities,
                                                   conf.method = any_of("HPDinterval", "quantile"), exponentiate = yes_no,
                                                     rhat = yes_no, ess = yes_no),
  glance = list(looic = yes_no), augment = list(newdata = new_data, data = new_data),
  update = list(formula. = any_of(~ . + x, . ~ 1, ~ . - f, y ~ nothing, "y ~ 1"), newdata = new_data, iter = 20,
                prior = random_prior, weights = any_of(w, 1, nothing), offset = any_of(x, log(w), NULL),
                subset = any_of(x > 0, 1:5)),
  tw_hypothesis = list(class = any_of("b", "sd", NULL), group = any_of("g", "nothing"), scope = any_of("standard", "ranef",
      "coef"), alpha = probabilities,
                       robust = yes_no),
  tw_conditional_effects = list(effects = any_of("x", "f", "x:f", "f:x", "nothing"), conditions = new_data,
                    re_formula = re_formulas, prob = probabilities,
                    method = any_of("posterior_linpred", "posterior_predict"), spaghetti = yes_no, resolution = any_of(5, 1, 0),
                      ndraws = draws_wanted),
  plot = c(selection, list(combo = any_of("hist", c("dens", "trace"), "nothing"), nvariables = any_of(2, 0, 50))),
  pairs = selection,
  tw_mcmc_plot = c(selection, list(type = any_of("areas", "trace", "nuts_energy", "rank_overlay", "acf", "nothing"))),
  tw_forest = list(group = group_names, coef = any_of("x", "Intercept", "nothing"), own = yes_no, n = any_of(2, 1, 0),
                   prob = probabilities),
  pp_check = list(type = any_of("dens_overlay", "hist", "stat", "scatter_avg", "intervals", "bars", "rootogram", "stat_grouped",
                                "error_hist", "nothing"),
                  ndraws = draws_wanted, group = any_of("f", "g", "nothing"), x = any_of("x", "nothing"), newdata = new_data,
                    prefix = any_of("ppd", "ppc")),
  tw_log_prob = list(gradient = yes_no), tw_log_evidence = list(cores = any_of(1, 2, 0, "a"), silent = any_of(2, 0)),
  tw_contrast = c(one_contrasts, list(names = any_of("limma", "twill"), mask = 1, scale = any_of("clr", "expression"))),
  tw_variance = list(prob = probabilities, long = yes_no, genes = 1),
  `emmeans::emmeans` = list(),
  tw_response = list(), tw_report = list(title = any_of("a", 1), n = any_of(2, 0)), simulate = list(), logLik = list(),
    anova = list(),
  loo_compare = list(criterion = any_of("loo", "waic", "kfold", "nothing")), nchains = list(),
  as_draws_list = selection, as_draws_matrix = selection, as_draws = selection, tw_diagnostics = list(),
  `coda::as.mcmc` = selection, `posterior::summarise_draws` = list(), `insight::get_parameters` = list(),
  `insight::get_predicted` = list(data = new_data), `insight::get_variance` = list(), `insight::find_formula` = list(),
  `insight::get_data` = list(), `insight::model_info` = list(), `performance::r2` = list(), `performance::icc` = list(),
  `bayestestR::hdi` = list(ci = any_of(0.9, 0)), `parameters::model_parameters` = list())

gene_selection <- any_of(1, 1:2, "gene1", "nothing", c(TRUE, FALSE), 0, -1, 100, NA, "g1", character(0))
contrasts_wanted <- any_of(c("f", "l2", "l1"), "fl2", "x", cond(f = "l2") - cond(f = "l1"), cond(x = 1) - cond(x = 0),
                           "fl2 - x", 1, c(1, -1), c(0, 1),
                           "nothing", cond(f = "l1"), cond(), "Intercept", cond(f = "l2") / 0,
                             cond(f = "nothing") - cond(f = "l1"), c("f", "l2"),
                           cond(nothing = 1) - cond(nothing = 0), cond(f = "l2", x = Inf) - cond(f = "l1"), NULL)
contrast_options <- list(
  contrast = contrasts_wanted, lfc_threshold = any_of(0.5, 0, -1), estimand = any_of("observed", "new_donor", "population"),
  prob = probabilities,
  log2 = yes_no, scale = any_of("composition", "clr", "expression"), donor_weights = any_of("cells", "harmonic", c(l1 = 1), 1),
  reference = any_of("iqr", "all", "gene1"), cell_noise = yes_no)

set_verbs <- list(
  print = list(), summary = list(), tw_contrast = c(contrast_options, list(adaptive = yes_no, names = any_of("limma", "twill"),
                                                                           extra = any_of("kl", "lvr"),
                                                    mask = any_of(tw_mask(fit), "gene1"))),
  tw_gene_sets = contrast_options, tw_diagnostics = list(all = yes_no),
  tw_variance = list(genes = gene_selection, prob = probabilities, long = yes_no),
  tw_spread = list(contrast = contrasts_wanted, group = group_names), tw_draws = list(genes = gene_selection),
  tw_means = list(genes = gene_selection, leaf = any_of(1, "l1", "nothing"), summary = yes_no, prob = probabilities),
  tw_groups = list(by = group_names),
  tw_mask = list(coverage = probabilities, drop = any_of("gene1", "nothing"), min_expression = any_of(1, -1),
                 genes = gene_selection),
  tw_residuals = list(genes = gene_selection, ndraws = draws_wanted, seed = 1), tw_gene = list(x = quote(x)),
  tw_calibration = list(what = any_of("mean", "zeros"), genes = gene_selection),
  tw_denoised = list(ndraws = draws_wanted), coef = c(summaries, list(groups = group_names, genes = gene_selection)),
  fixef = c(summaries[c(1, 3)], list(genes = gene_selection)), ranef = list(groups = group_names, genes = gene_selection),
  VarCorr = c(summaries[c(1, 3)], list(genes = gene_selection)), variables = list(), as_draws_array = c(selection,
      list(genes = gene_selection)),
  as_draws_df = c(selection, list(genes = gene_selection)), dim = list(), dimnames = list(),
  update = list(genes = gene_selection, iter = 20, design = any_of(~1, ~f)),
  formula = list(), family = list(), model.matrix = list(), model.frame = list(), nobs = list(), prior_summary = list(),
  plot = list(type = any_of("ma", "volcano", "clr", "dispersion", "forest", "loss", "calibration", "nothing"),
              contrast = contrasts_wanted, alpha = probabilities,
              n_labels = any_of(0, 5), gene = gene_selection, group = group_names, prob = probabilities),
  tw_design = list(contrast = contrasts_wanted, effect = any_of(1, 0.2, 0, -1), donors = any_of(c(4, 8), 2, 1),
                   per_donor = any_of(1, 50, 0), genes = gene_selection, prob = probabilities, power = probabilities,
                   group = group_names, depth = any_of(1, 0.5, 0)),
  `[` = list(), c = list(), tw_guides = list(coef = any_of("x", "Intercept", "nothing"), genes = gene_selection,
                                             prob = probabilities))

# Verbs of fits of genes that answer for samples.
row_verbs <- lapply(list(
  fitted = list(), residuals = list(type = any_of("ordinary", "pearson", "quantile", "nothing"), seed = 1),
  predict = c(summaries, list(newdata = quote(newdata))),
  posterior_linpred = prediction, posterior_epred = prediction, posterior_predict = prediction, predictive_error = list(seed = 1),
  predictive_interval = list(prob = probabilities), log_lik = list(), loo = list(by = any_of("gene", "sample", "leaf", "nothing"),
                                                                                integrate = yes_no, compare = yes_no),
  waic = list(by = any_of("gene", "sample", "leaf")), bayes_R2 = summaries,
  kfold = list(K = any_of(2, 3, 1, 1000), group = any_of("g", "h", "f", "nothing", 1), by = any_of("gene", "sample", "leaf"),
               save_fits = yes_no, folds = any_of(1:2, "nothing", rep(1:2, length.out = dim(fit)[2]), NA)),
  loo_compare = list(criterion = any_of("loo", "waic", "kfold")), pp_check = list(type = any_of("intervals", "hist",
      "nothing", "stat"), ndraws = draws_wanted), tidy = list(effects = any_of("fixed", "ran_pars", "nothing"),
                                                            conf.level = probabilities,
                                                  conf.int = yes_no, robust = yes_no), glance = list(), augment = list(),
  vcov = list(correlation = yes_no), confint = list(parm = variables, level = probabilities),
  posterior_interval = list(prob = probabilities), rhat = list(pars = variables), neff_ratio = list(pars = variables),
  as_draws_rvars = selection, as_draws_list = selection, as_draws_matrix = selection, tw_shared_variation = list(seed = 1)),
  function(arguments) c(arguments, list(genes = gene_selection)))
row_verbs <- c(row_verbs, list(
  weights = list(), sigma = list(), df.residual = list(), ngrps = list(), ndraws = list(), nchains = list(), niterations = list(),
  terms = list(), nvariables = list(), tw_effect_prior = list(), tw_report = list(n = any_of(2, 0)), simulate = list(),
  as.data.frame = list(), pairs = list(), nuts_params = list(), tw_log_evidence = list(), tw_status = list(all = yes_no)))

cell_verbs <- list(
  residuals = list(x = quote(x), ndraws = draws_wanted), log_lik = list(x = quote(x)),
  loo = list(by = any_of("gene", "leaf", "nothing"), integrate = yes_no, compare = yes_no), waic = list(by = any_of("gene",
      "leaf")),
  pp_check = list(type = any_of("hist", "mean", "zeros", "nothing"), genes = gene_selection, ndraws = draws_wanted,
      cut = probabilities))

table_verbs <- list(print = list(n = any_of(1, 0, 5, "all"), digits = any_of(2, 0)), summary = list(), as.data.frame = list(),
                    plot = list(type = any_of("forest", "power", "nothing"), alpha = probabilities), dim = list())

# Verbs of fits by type, and some that must be asked of one of them.
by_verbs <- list(
  print = list(), summary = list(), tw_contrast = set_verbs$tw_contrast, tw_diagnostics = set_verbs$tw_diagnostics,
  tw_gene_sets = contrast_options, `[` = list(), `[[` = list(), c = list(), names = list(), length = list(), fixef = list(),
  plot = list(), tw_variance = list(), tw_means = list(), loo = list(), update = list(iter = 20), posterior_predict = list(),
  tw_gene = list(), as_draws_df = list(), tw_report = list(), tw_spread = list(), coef = list(), tw_design = list())

# What a verb cannot do without, besides the fit.
verb_needs <- list(
  tw_hypothesis = list(any_of("x > 0", "Intercept = 0", "nothing > 1", "x", "exp(x) > 1", "x > ", "fl2 = x", "", c("x > 0",
      "x < 0"))),
  tw_log_prob = list(any_of(0, numeric(0), rep(0, 3), "a", NA)), `emmeans::emmeans` = list(any_of("f", ~f, ~ f | g, "nothing",
      "x")),
  tw_gene_sets = list(sets = any_of(list(a = c("gene1", "gene2")), list(a = "nothing"), list(), list(a = character(0)), c("gene1",
      "gene2"), NULL, list("gene1"))),
  tw_draws = list(any_of("f", "x", "g", "Intercept", "nothing")), tw_gene = list(any_of("gene1", 1, "nothing", 0, "g1")),
  tw_denoised = list(quote(x), genes = gene_selection), residuals = list(genes = gene_selection),
  loo = list(genes = gene_selection),
  log_lik = list(genes = gene_selection), tw_response = list(responses_wanted),
    tw_report = list(quote(tempfile(fileext = ".html"))),
  waic = list(genes = gene_selection), `[` = list(gene_selection), c = list(quote(fit)), `[[` = list(1),
  loo_compare = list(quote(fit)))

verbs_of <- function(door) {
  switch(door, twill = twill_verbs, cells = c(set_verbs, row_verbs[setdiff(names(row_verbs), names(cell_verbs))], cell_verbs),
         tables = table_verbs, by = by_verbs, c(set_verbs, row_verbs))
}

random_verb <- function(door) {
  if (door %in% c("genes", "cells", "screen") && chance(0.25)) return(random_chain(door))
  if (door == "by" && chance(0.3)) return(verb_on(quote(fit[[1]]), "genes"))
  verb_on(quote(fit), door)
}

# A verb of a door on a fit, given as code.
verb_on <- function(fit, door, verbs = verbs_of(door)) {
  name <- element_of(names(verbs))
  # The generics of loo and others want no more than the fit of one response; genes have to be named.
  needs <- if (door == "twill" && name %in% names(cell_verbs)) list() else verb_needs[[name]]
  random_call(name, c(list(fit), needs), verbs[[name]])
}
