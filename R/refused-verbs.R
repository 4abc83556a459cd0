# Verbs that a fit does not have: refused with the way to ask, where R would answer NULL or a riddle.

one_gene_hint <- "{.code tw_gene(fit, \"NAME\")} fits one gene as a model of its own, which has {.fn {verb}}."
criterion_hint <- "{.fn loo}, {.fn waic} and {.fn kfold} measure fit and compare models: {.code loo_compare(fit, simpler)}."

# By class of fit: the generics, as list(package, verbs, hints).
refused_verbs <- list(
  twillset = list(
    list("stats", c("predict", "simulate"), c(one_gene_hint, "{.fn fitted} and {.fn tw_means} hold for all genes.")),
    list("stats", "vcov", "{.code fixef(fit, summary = FALSE)} gives draws; {.fn tw_contrast} and {.fn cond} compare them."),
    list("stats", c("logLik", "deviance", "anova"), "{.code loo(tw_gene(fit, \"NAME\"))} compares models of one gene."),
    list("base", c("as.matrix", "as.array", "as.data.frame"),
         c("{.fn tw_contrast} makes the table of effects, {.fn fitted} a matrix of means.",
           "{.code as_draws_matrix(fit, genes = )} and {.fn as_draws_df} hold draws.")),
    list("rstantools", c("posterior_epred", "posterior_linpred", "posterior_predict", "predictive_error", "predictive_interval"),
         c(one_gene_hint, "{.fn fitted} and {.fn tw_means} hold for all genes.")),
    list("rstantools", "posterior_interval", "{.code confint(fit)} has intervals of coefficients, {.fn tw_contrast} of effects."),
    list("rstantools", c("log_lik", "bayes_R2", "loo_R2", "loo_predict"), one_gene_hint),
    list("loo", c("loo", "waic", "kfold", "loo_compare"), one_gene_hint),
    list("bayesplot", c("pp_check", "nuts_params", "log_posterior"), one_gene_hint),
    list("bayesplot", c("rhat", "neff_ratio"), "{.fn tw_status} has R-hat and effective sample sizes of every gene."),
    list("posterior", "rhat", "{.fn tw_status} has R-hat and effective sample sizes of every gene."),
    list("graphics", "pairs", one_gene_hint),
    list("generics", c("tidy", "glance", "augment"),
         c("{.fn tw_contrast} makes the table of effects, {.fn tw_status} that of fits.", one_gene_hint)),
    list("brms", c("conditional_effects", "hypothesis", "mcmc_plot", "posterior_summary"), one_gene_hint)),
  twillcells = list(
    list("stats", c("weights", "df.residual"), "The data are cells; {.fn summary} has the numbers of each leaf."),
    list("loo", "kfold", "{.fn loo} leaves out leaves.")),
  twillrows = list(
    list("stats", c("weights", "df.residual"), "The data are cells; {.fn summary} has their numbers."),
    list("loo", "kfold", "Fits whose cells make up leaves have {.fn loo}.")),
  twillfit = list(
    list("stats", c("logLik", "deviance", "anova"), criterion_hint),
    list("stats", "simulate", "{.fn posterior_predict} draws new responses."),
    list("parameters", "model_parameters", "{.fn tidy} and {.fn summary} make that table.")))

refusing <- function(verb, class, hints) {
  force(verb)
  what <- switch(class, twillset = "fits of genes", twillfit = "fits of this kind", "fits of cells")
  function(...) {
    abort_twill("method", c("{.fn {verb}} is not there for {what}.", stats::setNames(hints, rep("i", length(hints)))))
  }
}

set_refused_verbs <- function() {
  for (class in names(refused_verbs)) for (entry in refused_verbs[[class]]) set_when_loaded(entry, class)
  on_load("bayestestR", set_draws_verbs)
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

on_load <- function(package, set) if (isNamespaceLoaded(package)) set() else setHook(packageEvent(package, "onLoad"), set)
