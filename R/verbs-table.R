# Which generic answers for fits of which door: the source of the help page, and what a test holds every fit to.

# s: a single fit of twill(); g: genes and screens; c: cells with leaves.
verb_doors <- c(
  print = "sgc", summary = "sgc", plot = "sgc", pairs = "s", formula = "sgc", family = "sgc", terms = "sgc", nobs = "sgc",
  model.frame = "sgc", model.matrix = "sgc", weights = "sg", df.residual = "sg", sigma = "sgc", prior_summary = "sgc",
  fixef = "sgc", ranef = "sgc", coef = "sgc", VarCorr = "sgc", vcov = "sgc", confint = "sgc", posterior_interval = "sgc",
  ngrps = "sgc", as_draws = "sgc", as_draws_array = "sgc", as_draws_df = "sgc", as_draws_list = "sgc", as_draws_matrix = "sgc",
  as_draws_rvars = "sgc", as.matrix = "s", as.array = "s", as.data.frame = "s", variables = "sgc", nvariables = "sgc",
  ndraws = "sgc", nchains = "sgc", niterations = "sgc",
  fitted = "sgc", predict = "sg", residuals = "sgc", posterior_linpred = "sg",
  posterior_epred = "sg", posterior_predict = "sg", predictive_error = "sg", predictive_interval = "sg", log_lik = "sgc",
  loo = "sgc", waic = "sgc", loo_compare = "sgc", kfold = "sgc", bayes_R2 = "sg", loo_R2 = "s", loo_predict = "s",
  pp_check = "sgc",
  rhat = "sgc", neff_ratio = "sgc", nuts_params = "s", log_posterior = "s", tidy = "sgc", glance = "sgc", augment = "sg",
  update = "sgc", simulate = "", logLik = "", anova = "", dim = "gc", dimnames = "gc", `[` = "gc", c = "gc")

# Of one model R's own answers stand.
verbs_of_many <- c("dim", "dimnames", "[", "c")

# What a verb does, where that is not in its name, by groups of the help page.
verb_groups <- list(
  "Look" = c("print", "summary", "plot", "pairs"),
  "The model" = c("formula", "family", "terms", "nobs", "model.frame", "model.matrix", "weights", "df.residual", "prior_summary",
                  "update"),
  "Estimates" = c("fixef", "ranef", "coef", "VarCorr", "vcov", "confint", "posterior_interval", "ngrps", "sigma", "tidy",
                  "glance"),
  "Draws" = c("as_draws", "as_draws_array", "as_draws_df", "as_draws_list", "as_draws_matrix", "as_draws_rvars", "as.matrix",
              "as.array", "as.data.frame", "variables", "nvariables", "ndraws", "nchains", "niterations"),
  "Predictions" = c("fitted", "residuals", "predict", "posterior_linpred", "posterior_epred", "posterior_predict",
                    "predictive_error", "predictive_interval", "augment"),
  "Criticism" = c("log_lik", "loo", "waic", "loo_compare", "kfold", "bayes_R2", "loo_R2", "loo_predict", "pp_check"),
  "Convergence" = c("rhat", "neff_ratio", "nuts_params", "log_posterior"),
  "Genes as rows" = verbs_of_many,
  "Refused" = c("simulate", "logLik", "anova"))

verb_labels <- function(verbs) ifelse(verbs == "[", verbs, paste0(verbs, "()"))

# Rows of the help page.
verb_rows <- function(letter) {
  mark <- function(verbs) ifelse(grepl(letter, verb_doors[verbs], fixed = TRUE), "yes", "-")
  unlist(lapply(verb_groups, mark), use.names = FALSE)
}

verb_help <- function() {
  verbs <- unlist(verb_groups, use.names = FALSE)
  row <- function(...) paste(..., sep = " \\tab ")
  rows <- row(sprintf("\\code{%s}", verb_labels(verbs)), verb_rows("s"), verb_rows("g"), verb_rows("c"))
  head <- row("\\strong{verb}", "\\code{twill()}", "\\code{twill_genes()}, \\code{twill_screen()}", "\\code{twill_cells()}")
  c("@details", "\\tabular{lccc}{", paste(c(head, rows), collapse = " \\cr\n"), "}")
}

#' Which verb answers for which fit
#'
#' One verb has one meaning for every fit. Fits of genes and of cells give what a single fit gives, with a dimension (or a column)
#' more: the gene. Where a verb has no meaning it is refused by an error of class `twill_error_method` that says how to ask.
#'
#' @section Units:
#' Verbs of brms and lme4 speak the scale of the link, natural logarithms for counts. Tables of `tw_*` functions are in log2 for
#' counts and in the units of the values for Gaussian fits; their headers say which.
#'
#' @section Arguments:
#' `genes` chooses genes; `prob` is the probability of an interval, but for `level` in `confint()` and `conf.level` in `tidy()`,
#' as their generics have it; `summary`, `robust` and `probs` are those of brms. Arguments that a verb does not have are refused.
#'
#' @section Verbs of one gene:
#' [tw_gene()] fits one gene as a model of its own, with the priors learned over genes: it answers all of the first column.
#'
#' @seealso [twill-draws], [twill-predict], [twill-loo], [twillgenes-effects], [twillgenes-predict], [twillgenes-loo],
#'   [twillgenes-tidy], [twillgenes-fitted]
#' @eval verb_help()
#' @aliases twill_model-class twillfit-class twillgenes-class twillcells-class twillrows-class twill_screen-class
#' @name twill-verbs
NULL
