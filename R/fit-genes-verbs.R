# What users of stats ask a fit of genes for: fitted values and residuals of all genes at once, and the sizes of the fit.

#' Fitted values, residuals and sizes of a fit of genes
#'
#' With \eqn{\hat\beta_g} and \eqn{\hat b_{gj}} the posterior means of a gene's coefficients and effects, the fitted value of
#' gene g in sample i is \eqn{\hat\mu_{gi} = \exp(o_{gi} + x_i \hat\beta_g + \sum_k z_{ki} \hat b_{gk})}, where \eqn{o} holds
#' size factor and offset (and without the exponential for Gaussian values). [tw_means()] has the posterior means of
#' \eqn{\mu} and their intervals. Residuals are those of [residuals.twillfit()], at the posterior means: `"ordinary"`,
#' \eqn{y - \hat\mu}; `"pearson"`, divided by \eqn{\hat\sigma}, \eqn{\sqrt{\hat\mu}} or
#' \eqn{\sqrt{\hat\mu + \hat\mu^2 / shape}}; `"quantile"`, standard normal where the model is right.
#'
#' @param object,x A fit of class `twillgenes`, from [twill_genes()].
#' @param genes Names or numbers of genes, or a condition. Default: all; of fits of [twill_cells()] they must be named.
#' @param type Kind of residual. Default: `"ordinary"`.
#' @param seed Seed of the random part of quantile residuals of counts. Default: R's generator.
#' @param parm Names or numbers of the coefficients to keep. Default: all.
#' @param level Probability of the intervals. Default: 0.95.
#' @param ... Not used.
#' @return
#' * `fitted()`, `residuals()`: a matrix genes x samples, `NA` for guides that a gene of a screen does not have. `fitted()` of
#'   fits of [twill_cells()] is a matrix genes x cells; [tw_residuals()] describes the residuals of cells.
#' * `weights()`: the weights, one per sample, or a matrix genes x samples where they differ by gene; one where none were given.
#' * `df.residual()`: number of samples less number of population-level coefficients.
#' * `sigma()`: posterior means of `sigma` of Gaussian genes; 1 for counts.
#' * `confint()`: array gene x (lower, upper) x coefficient.
#' * `terms()`, `ngrps()`: as for a single fit.
#' * `ndraws()`, `nchains()`, `niterations()`, `nvariables()`: of each gene.
#'
#' Errors have class `twill_error_genes`; verbs that only single fits have are refused by an error of class
#' `twill_error_method`, which says how to ask.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' dim(fitted(fit))
#' residuals(fit, type = "pearson", genes = "gene2")
#' confint(fit)["gene2", , ]
#' @name twillgenes-fitted
NULL

#' @rdname twillgenes-fitted
#' @method fitted twillgenes
#' @export
fitted.twillgenes <- function(object, genes = NULL, ...) {
  check_no_dots(...)
  at <- dense_positions(object, genes, n_samples(object$job$source))
  known_values(object, at, inverse_link(object, full_predictor(object, at)))
}

#' @rdname twillgenes-fitted
#' @method fitted twillcells
#' @export
fitted.twillcells <- function(object, genes, ...) {
  check_no_dots(...)
  if (missing(genes)) {
    abort_twill("genes", c("{.arg genes} is missing: fitted values have one number per gene and cell, so name some.",
                           "i" = "{.fn tw_means} has those of leaves."))
  }
  at <- set_positions(object, genes)
  capture <- exp(object$job$cells$log_capture)
  mean <- exp(mean_predictor(object, at))[mean_of_cell(object), , drop = FALSE] * capture
  matrix(t(mean), length(at), dimnames = list(set_genes(object)[at], object$job$cells$names))
}

#' @rdname twillgenes-fitted
#' @method fitted twillrows
#' @export
fitted.twillrows <- fitted.twillcells

#' @rdname twillgenes-fitted
#' @method residuals twillgenes
#' @export
residuals.twillgenes <- function(object, genes = NULL, type = c("ordinary", "pearson", "quantile"), seed = NULL, ...) {
  check_no_dots(...)
  type <- check_choice(type, "type", c("ordinary", "pearson", "quantile"))
  at <- dense_positions(object, genes, n_samples(object$job$source))
  mean <- inverse_link(object, full_predictor(object, at))
  y <- t(as.matrix(set_counts(object[at, ])))
  out <- switch(type, ordinary = y - mean, pearson = (y - mean) / sample_sd(object, at, mean),
                quantile = with_seed(seed, sample_quantile_residuals(object, at, y, mean)))
  known_values(object, at, out)
}

# As named_values(). In a screen genes have as many samples as the one with most guides: others have none there, of weight 0.
known_values <- function(fit, at, values) {
  if (is_screen(fit)) values[t(fit$job$weights[fit$posterior$rows[at], , drop = FALSE]) == 0] <- NA
  named_values(fit, at, values)
}

# Positions of genes, few enough for a dense matrix of all samples.
dense_positions <- function(fit, genes, n) {
  at <- set_positions(fit, genes)
  if (length(at) * n <= 2e8) return(at)
  abort_twill("genes", c("{length(at)} genes in {n} samples are too many values for one matrix.",
                         "i" = "Name some {.arg genes}."))
}

# genes x samples, from samples x genes.
named_values <- function(fit, at, values) {
  matrix(t(values), length(at), dimnames = list(set_genes(fit)[at], fit$job$source$samples))
}

# sample x gene: the linear predictor at posterior means, without offsets and captures. Of fits of cells, leaf x gene. Genes stand
# in the place of draws, as each has one value of a variable.
mean_predictor <- function(fit, at) {
  design <- model_of(fit)$design
  p <- fit$posterior
  as_draws <- function(means) array(t(means), c(length(at), nrow(means), 1))
  effects <- function(term) lapply(colnames(term$z), function(coef) {
    as_draws(p$effects_mean[match(effect_variables(term$group, term$levels, coef), p$effect_names), at, drop = FALSE])
  })
  eta <- linear_predictor(design[c("x", "terms")], as_draws(p$mean[match(design$coef_names, p$names), at, drop = FALSE]), effects)
  t(matrix(eta, length(at)))
}

full_predictor <- function(fit, at) {
  own <- fit$job$offset
  eta <- mean_predictor(fit, at) + model_of(fit)$design$offset
  if (is.null(own)) eta else eta + unname(t(own[fit$posterior$rows[at], , drop = FALSE]))
}

# sample x gene: shape or sigma at posterior means.
mean_dispersion <- function(fit, at) {
  design <- model_of(fit)$design
  p <- fit$posterior
  value <- function(names) p$mean[match(names, p$names), at, drop = FALSE]
  if (!is.null(design$x_disp)) return(unname(exp(design$x_disp %*% value(design$disp_names))))
  matrix(value(design$dispersion), nrow(design$x), length(at), byrow = TRUE)
}

# NULL where a family has no dispersion.
own_dispersion <- function(fit, at) if (!is.null(family(fit)$dispersion)) mean_dispersion(fit, at)

sample_sd <- function(fit, at, mean) family_record(family(fit))$sd(mean, own_dispersion(fit, at))

sample_quantile_residuals <- function(fit, at, y, mean) {
  record <- family_record(family(fit))
  dispersion <- own_dispersion(fit, at)
  if (!record$is_count) return((y - mean) / dispersion)
  z <- draw_quantile_residuals(record$cdf(y - 1, mean, dispersion), record$cdf(y, mean, dispersion))
  matrix(z, nrow(mean))
}

#' @rdname twillgenes-fitted
#' @method weights twillgenes
#' @export
weights.twillgenes <- function(object, ...) {
  check_no_dots(...)
  own <- object$job$weights
  if (!is.null(own)) return(named_values(object, seq_len(dim(object)[1]), t(own[object$posterior$rows, , drop = FALSE])))
  n <- n_samples(object$job$source)
  stats::setNames(as.numeric(rep_len(model_of(object)$design$weights %||% 1, n)), object$job$source$samples)
}

#' @rdname twillgenes-fitted
#' @method sigma twillgenes
#' @export
sigma.twillgenes <- function(object, ...) {
  check_no_dots(..., allow = "use.fallback")
  if (family_record(family(object))$is_count) return(1)
  stats::setNames(colMeans(mean_dispersion(object, seq_len(dim(object)[1]))), set_genes(object))
}

#' @rdname twillgenes-fitted
#' @method confint twillgenes
#' @export
confint.twillgenes <- function(object, parm = NULL, level = 0.95, genes = NULL, ...) {
  check_no_dots(...)
  check_level(level, "level")
  out <- fixef.twillgenes(object, probs = c(1 - level, 1 + level) / 2, genes = genes)
  known <- dimnames(out)[[3]]
  if (is.numeric(parm)) parm <- numbered(parm, known)
  if (!is.null(parm)) known <- names(pick_coefficients(stats::setNames(paste0("b_", known), known), parm, "parm"))
  out[, -(1:2), known, drop = FALSE]
}

#' @rdname twillgenes-fitted
#' @method terms twillgenes
#' @export
terms.twillgenes <- function(x, ...) {
  check_no_dots(...)
  stats::delete.response(stats::terms(model_of(x)$formula$fixed))
}

#' @rdname twillgenes-fitted
#' @method ndraws twillgenes
#' @export
ndraws.twillgenes <- function(x) as.integer(n_set_draws(x))

#' @rdname twillgenes-fitted
#' @method nchains twillgenes
#' @export
nchains.twillgenes <- function(x) as.integer(draw_chains(x, n_set_draws(x)))

#' @rdname twillgenes-fitted
#' @method niterations twillgenes
#' @export
niterations.twillgenes <- function(x) as.integer(n_set_draws(x) / draw_chains(x, n_set_draws(x)))

