# What fits of screens answer in terms of guides and samples.

#' Guides and samples of a screen
#'
#' A fit by [twill_screen()] has genes as rows and samples as columns: `dim()` counts these. What belongs to single guides goes by
#' their names; guides of one name in two genes are `gene:guide`.
#'
#' @param x,object,formula A fit of class `twill_screen`.
#' @param genes,groups,summary,probs,type,seed As in [fixef.twillgenes()] and [fitted.twillgenes()].
#' @param ... Not used.
#' @return
#' * `dim()`, `dimnames()`, `nobs()`: genes and samples; the number of samples.
#' * `ranef()`, `coef()`: list by group; for guides an array guide x (Estimate, Est.Error, quantiles) x coefficient, with
#'   `summary = FALSE` draw x guide x coefficient, and for other groups as for [ranef.twillgenes()].
#' * `fitted()`, `residuals()`, `weights()`: matrix guides x samples; `NA` (weight zero) where a guide has no count.
#' * `posterior_linpred()`, `posterior_epred()`, `posterior_predict()`, `predictive_error()`, `log_lik()`: array draw x sample x
#'   guide; `predict()`, `predictive_interval()`: array guide x statistic x sample. With `newdata`, which names guides in
#'   its column `guide`, the third (first) dimension is genes, `NA` for guides of others.
#' * `variables()`, `as_draws()` and the other formats: effects of guides by name, `r_guide[sg1,Intercept]`, of several genes
#'   `r_guide[gene,sg1,Intercept]`.
#' * `model.frame()`, `model.matrix()`: one row per sample. `ngrps()`: numbers of levels, all guides of these genes.
#'   `df.residual()`: by gene, values used less population-level coefficients.
#' @seealso [tw_guides()] for the effect of each guide, [as(fit, "SummarizedExperiment")][twillgenes-bioconductor].
#' @examples
#' set.seed(1)
#' plasmid <- rpois(8, 300)
#' counts <- matrix(rnbinom(16, mu = plasmid * c(0.2, 0.2, 0.2, 0.8, 1, 1, 1, 1), size = 20), 8,
#'                  dimnames = list(paste0("sg", 1:8), c("rep1", "rep2")))
#' fit <- twill_screen(counts, gene = rep(c("A", "B"), each = 4), plasmid = plasmid,
#'                     iter = 200, seed = 1)
#' fit
#' dim(fit)
#' ranef(fit)$guide[, "Estimate", ]
#' round(residuals(fit, genes = "A", type = "pearson"), 1)
#' @name twill_screen-methods
NULL

#' @rdname twill_screen-methods
#' @method dim twill_screen
#' @export
dim.twill_screen <- function(x) c(length(x$posterior$rows), length(screen_samples(x)))

#' @rdname twill_screen-methods
#' @method dimnames twill_screen
#' @export
dimnames.twill_screen <- function(x) list(set_genes(x), screen_samples(x))

#' @rdname twill_screen-methods
#' @method nobs twill_screen
#' @export
nobs.twill_screen <- function(object, ...) {
  check_no_dots(..., allow = "use.fallback")
  length(screen_samples(object))
}

#' @rdname twill_screen-methods
#' @method df.residual twill_screen
#' @export
df.residual.twill_screen <- function(object, ...) {
  check_no_dots(...)
  stats::setNames(object$posterior$n_used - length(model_of(object)$design$coef_names), set_genes(object))
}

#' @rdname twill_screen-methods
#' @method model.frame twill_screen
#' @export
model.frame.twill_screen <- function(formula, ...) screen_frame(formula, model.frame.twillgenes(formula, ...))

#' @rdname twill_screen-methods
#' @method model.matrix twill_screen
#' @export
model.matrix.twill_screen <- function(object, ...) {
  model.matrix.twill_model(object, ...)[seq_along(screen_samples(object)), , drop = FALSE]
}

#' @rdname twill_screen-methods
#' @method weights twill_screen
#' @export
weights.twill_screen <- function(object, ...) {
  check_no_dots(...)
  out <- guide_values(object, t(object$job$weights), screen_guides(object))
  replace(out, is.na(out), 0)
}

#' @rdname twill_screen-methods
#' @method ngrps twill_screen
#' @export
#' @rawNamespace S3method(brms::ngrps, twill_screen)
#' @rawNamespace S3method(lme4::ngrps, twill_screen)
ngrps.twill_screen <- function(object, ...) {
  out <- ngrps.twill_model(object, ...)
  at <- seq_along(object$posterior$rows)
  for (group in guide_groups(object)) out[[group]] <- nrow(guide_levels(object, group, at))
  out
}

# Groups whose levels are of guides.
guide_groups <- function(fit) {
  terms <- model_of(fit)$design$terms
  unique(vapply(terms[vapply(terms, has_guides, TRUE)], `[[`, "", "group"))
}

#' @rdname twill_screen-methods
#' @method ranef twill_screen
#' @export
ranef.twill_screen <- function(object, groups = NULL, genes = NULL, summary = TRUE, probs = c(0.025, 0.975), ...) {
  by_guide(object, genes, summary, ranef.twillgenes(object, groups, genes, summary, probs, ...))
}

#' @rdname twill_screen-methods
#' @method coef twill_screen
#' @export
coef.twill_screen <- function(object, summary = TRUE, probs = c(0.025, 0.975), groups = NULL, genes = NULL, ...) {
  by_guide(object, genes, summary, coef.twillgenes(object, summary, probs, groups, genes, ...))
}

# Effects by group, of guides in the place of slots.
by_guide <- function(fit, genes, summary, effects) {
  at <- set_positions(fit, genes)
  for (group in intersect(guide_groups(fit), names(effects))) {
    levels <- guide_levels(fit, group, at)
    own <- of_own_levels(effects[[group]], levels, if (summary) 1 else 2, 3)
    effects[[group]] <- if (summary) own else aperm(own, c(2, 1, 3))
  }
  effects
}

#' @rdname twill_screen-methods
#' @method fitted twill_screen
#' @export
fitted.twill_screen <- function(object, genes = NULL, ...) {
  guide_matrix(object, genes, fitted.twillgenes(object, genes, ...))
}

#' @rdname twill_screen-methods
#' @method residuals twill_screen
#' @export
residuals.twill_screen <- function(object, genes = NULL, type = c("ordinary", "pearson", "quantile"), seed = NULL, ...) {
  guide_matrix(object, genes, residuals.twillgenes(object, genes, type, seed, ...))
}

# Guides x samples, of genes x columns.
guide_matrix <- function(fit, genes, values) {
  names <- set_genes(fit)[set_positions(fit, genes)]
  guide_values(fit, t(values), screen_guides(fit, names), names)
}

#' @rdname twill_screen-methods
#' @method variables twill_screen
#' @export
variables.twill_screen <- function(x, ...) {
  check_no_dots(...)
  p <- x$posterior
  at <- seq_along(p$rows)
  terms <- model_of(x)$design$terms
  by_term <- lapply(terms, function(term) {
    levels <- if (has_guides(term)) level_labels(unique(own_level_names(x, term$group, at))) else term$levels
    unlist(lapply(term$coefs, effect_variables, group = term$group, levels = levels))
  })
  c(p$names, unlist(by_term))
}

# Names of the levels that genes have, as their draws have them: without the gene.
own_level_names <- function(fit, group, at) {
  if (!identical(group_terms(model_of(fit), group)[[1]]$vars, "guide")) return(guide_levels(fit, group, at)$label)
  guides <- screen_guides(fit, set_genes(fit)[at])
  unlist(unname(lapply(split(guides$guide, factor(guides$gene, unique(guides$gene))), make.unique)))
}

# Draws of genes with the names of their guides.
screen_draws <- function(fit, at, variable, regex) {
  asked <- if (!is.null(variable)) select_variables(fit, variable, regex)
  wanted <- function(view) if (is.null(asked)) variables(view) else intersect(variables(view), asked)
  parts <- over_views(fit, at, function(view) view$draws[, , wanted(view), drop = FALSE])
  names <- lapply(seq_along(at), function(k) {
    own <- dimnames(parts[[k]])[[3]]
    if (length(at) == 1) own else indexed_names(own, set_genes(fit)[at[k]])
  })
  if (length(unlist(names)) == 0) abort_no_variable(variable, unique(unlist(over_views(fit, at, variables))))
  size <- dim(parts[[1]])[1:2]
  as_array_of_draws(array(unlist(lapply(parts, unclass)), c(size, length(unlist(names))), list(NULL, NULL, unlist(names))))
}
