# Verbs that a fit does not have: refused with the way to ask, where R would answer NULL or a riddle.

one_gene_hint <- sub("[.]$", ", which has {.fn {verb}}.", one_model_hint)
criterion_hint <- "{.fn loo}, {.fn waic} and {.fn kfold} measure fit and compare models: {.code loo_compare(fit, simpler)}."

prediction_verbs <- c("posterior_epred", "posterior_linpred", "posterior_predict", "predictive_error", "predictive_interval",
                      "bayes_R2")

# Predictions of fits of genes are of samples; cells differ in their capture.
cell_refusals <- function(data) {
  of_cells <- c("{.fn tw_means} has the means of leaves, {.fn fitted} those of cells.", "{.fn pp_check} draws counts of cells.")
  list(list("stats", c("weights", "df.residual"), data), list("stats", "predict", of_cells),
       list("rstantools", prediction_verbs, of_cells),
       list("generics", "augment", of_cells))
}

# Rows that came in pieces have been merged: none is there by itself.
merged_hints <- c("The rows came in pieces and were merged: {.fn predict} and {.fn fitted} take {.arg newdata}.",
                  "Give {.arg data} as one data frame to have {.fn {verb}}.")

responses_hint <- "One response is a fit of its own: {.code tw_response(fit, \"{first_response(list(...)[[1]])}\")}."

# The name of a response, for examples.
first_response <- function(fit) names(fit$responses)[1] %||% "y"

# By class of fit: the generics, as list(package, verbs, hints).
refused_verbs <- list(
  twillgenes = list(
    list("stats", "simulate", "{.fn posterior_predict} draws new responses."),
    list("stats", c("logLik", "deviance", "anova"), "{.fn loo} compares models: {.code loo_compare(fit, simpler)}."),
    list("base", c("as.matrix", "as.array", "as.data.frame"),
         c("{.fn tw_contrast} makes the table of effects, {.fn tidy} that of parameters, {.fn fitted} a matrix of means.",
           "{.code as_draws_matrix(fit, genes = )} and {.fn as_draws_df} hold draws.")),
    list("rstantools", c("loo_R2", "loo_predict"), one_gene_hint),
    list("bayesplot", c("nuts_params", "log_posterior"), one_gene_hint),
    list("graphics", "pairs", one_gene_hint),
    list("brms", c("conditional_effects", "hypothesis", "mcmc_plot", "posterior_summary"), one_gene_hint)),
  twillcells = cell_refusals("The data are cells; {.fn summary} has the numbers of each leaf."),
  twillrows = cell_refusals("The data are cells; {.fn summary} has their numbers."),
  twill_merged = list(
    list("stats", c("residuals", "weights", "model.frame", "model.matrix", "update"), merged_hints),
    list("loo", c("loo", "waic", "kfold"), merged_hints), list("rstantools", c("loo_R2", "loo_predict"), merged_hints),
    list("bayesplot", "pp_check", merged_hints), list("brms", "conditional_effects", merged_hints),
    list("insight", c("get_data", "get_response", "get_residuals", "get_variance", "get_loglikelihood"), merged_hints)),
  twill_responses = list(
    list("loo", "kfold", "{.fn loo} takes each row, with all its responses, given the others, without fitting again."),
    list("insight", c("find_formula", "model_info", "get_data", "get_response", "get_residuals", "get_variance", "get_predicted",
                      "get_loglikelihood"), responses_hint),
    list("performance", c("r2", "r2_posterior", "model_performance"), responses_hint),
    list("marginaleffects", c("get_predict", "get_coef", "get_vcov"), responses_hint)),
  twillfit = list(
    list("stats", c("logLik", "deviance", "anova"), criterion_hint),
    list("stats", "simulate", "{.fn posterior_predict} draws new responses.")))

# What easystats asks of one model: a fit of genes has one per gene.
easystats_verbs <- list(
  insight = c("model_info", "find_formula", "find_parameters", "get_parameters", "get_data", "get_response", "get_predicted",
              "get_priors", "get_variance", "get_residuals", "get_varcov", "get_loglikelihood"),
  parameters = c("model_parameters", "standard_error", "p_value"),
  bayestestR = c(draws_verbs, names(range_verbs), "effective_sample", "mcse", "describe_prior", "diagnostic_posterior",
                 "bayesfactor_parameters"),
  performance = c("r2", "model_performance", "check_model", "check_convergence", "check_singularity", "check_collinearity",
                  "check_overdispersion", "check_zeroinflation", "check_predictions", "performance_rmse"),
  marginaleffects = c("get_predict", "get_coef", "get_vcov"))

easystats_hints <- c("{.fn tw_contrast} and {.fn tidy} make tables of all genes; {.fn loo} and {.fn bayes_R2} judge fits.",
                     one_gene_hint)

refusing <- function(verb, class, hints) {
  force(verb)
  what <- switch(class, twillgenes = "fits of genes", twillfit = "fits of this kind", twill_by = "several fits by type",
                 twill_merged = "data that come in pieces", twill_responses = "fits of several responses", "fits of cells")
  function(...) {
    abort_twill("method", c("{.fn {verb}} is not there for {what}.", stats::setNames(hints, rep("i", length(hints)))))
  }
}

set_refused_verbs <- function() {
  for (class in names(refused_verbs)) for (entry in refused_verbs[[class]]) set_when_loaded(entry, class)
  for (package in names(easystats_verbs)) {
    set_when_loaded(list(package, easystats_verbs[[package]], easystats_hints), "twillgenes")
  }
  set_refused_by_type()
}

types_hints <- c("Each type has a fit of its own: {.code fits[[1]]} is one, {.code lapply(fits, {verb})} asks all.",
                 "{.fn tw_contrast} and {.fn tw_diagnostics} make one long table of all.")

# What a fit answers, fits by type do not: R would answer for a list.
set_refused_by_type <- function() {
  for (verb in setdiff(names(verb_doors), c("print", verbs_of_many))) {
    generic <- get(verb, asNamespace("twill"))
    home <- if (is.primitive(generic)) baseenv() else topenv(environment(generic))
    refusal <- refusing(verb, "twill_by", types_hints)
    # For a generic of our own registerS3method() would put the function among the names of our methods.
    if (identical(home, topenv())) assign(paste0(verb, ".twill_by"), refusal, envir = home$.__S3MethodsTable__.) else
      registerS3method(verb, "twill_by", refusal, envir = home)
  }
}

set_when_loaded <- function(entry, class) {
  force(class)
  on_load(entry[[1]], function(...) {
    for (verb in entry[[2]]) {
      if (!exists(verb, asNamespace(entry[[1]]), inherits = FALSE)) next
      registerS3method(verb, class, refusing(verb, class, entry[[3]]), envir = asNamespace(entry[[1]]))
    }
  })
}
