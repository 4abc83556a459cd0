# The package's help page, the registration of its compiled library, and what is set when it is loaded.

#' twill: crossed hierarchical models, of one response, of genes, and of single cells
#'
#' [twill()] fits Gaussian, negative binomial and Poisson models with any number of
#' crossed and nested group-level terms. Formulas are those of lme4 and brms. The
#' posterior is sampled by the No-U-Turn sampler in a compiled core; nothing is
#' compiled when a model is fitted. The fit answers to the generics of brms,
#' rstanarm and lme4, and its draws are [posterior][posterior::draws] objects.
#'
#' [twill_genes()] fits such a model to each of thousands of genes, which share
#' hyper-parameters, and [twill_cells()] to the genes of single cells, whose capture
#' differs; [tw_contrast()] asks these fits what differs between conditions.
#'
#' Start with `vignette("twill")`.
#'
#' @references
#' Hoffman MD, Gelman A (2014). The No-U-Turn sampler: adaptively setting path
#' lengths in Hamiltonian Monte Carlo. *Journal of Machine Learning Research* 15,
#' 1593-1623. <https://jmlr.org/papers/v15/hoffman14a.html>
#'
#' Betancourt M (2017). A conceptual introduction to Hamiltonian Monte Carlo.
#' \doi{10.48550/arXiv.1701.02434}
#'
#' Vehtari A, Gelman A, Simpson D, Carpenter B, Buerkner P-C (2021).
#' Rank-normalization, folding, and localization: an improved R-hat for assessing
#' convergence of MCMC. *Bayesian Analysis* 16, 667-718. \doi{10.1214/20-BA1221}
#'
#' @name twill-package
#' @keywords internal package
#' @importFrom ggplot2 .data
#' @importFrom stats gaussian coef fitted predict simulate logLik anova
#' @useDynLib twill, .registration = TRUE
NULL

# Methods for packages that need not be there.
.onLoad <- function(libname, pkgname) {
  set_bioconductor_methods()
  set_methods_of_tables()
  set_refused_verbs()
  on_load("bayestestR", set_draws_verbs)
  on_load("marginaleffects", set_marginal_methods)
}

on_load <- function(package, set) if (isNamespaceLoaded(package)) set() else setHook(packageEvent(package, "onLoad"), set)
