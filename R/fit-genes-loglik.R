# Log-likelihood of samples, gene by gene, and the criteria of predictive accuracy made of it.

#' Log-likelihood and predictive accuracy of fits of genes
#'
#' `log_lik()` is \eqn{w_{gi} \log p(y_{gi} | \theta_{gs})} of gene g in sample i and draw s, as for a single fit
#' ([log_lik.twillfit()]). `loo()` and `waic()` ask how well a model predicts a sample that it has not seen, gene by gene. The
#' values of a gene's samples are added up (`by = "gene"`, the default: genes are what standard errors are over), or those of a
#' sample's genes (`by = "sample"`).
#'
#' @details
#' A sample of a paired design is nearly all that tells of its own effects: leaving it out by weights fails, with Pareto k above
#' 0.7 nearly everywhere. `loo()` therefore integrates out, draw by draw, the sample's effects and the gene's `shape`, as it does
#' for leaves of cells: `help("twillcells-loo")` has the formulas. `integrate = FALSE` takes the draws as they are.
#' [`kfold(fit, group = "donor")`][kfold.twillgenes] leaves out donors, by refits.
#'
#' @param object,x A fit of class `twillgenes`, from [twill_genes()] or [twill_screen()].
#' @param ... Further fits of the same counts to compare with; for `log_lik()` not used.
#' @param genes Names or numbers of genes, or a condition. Default: all. `log_lik()` needs 8 bytes times draws times samples times
#'   genes; `loo()` with integration about half a second per gene of a dozen samples and ten of a hundred: of thousands of
#'   genes name some hundred, and where each cell is a sample leave the integrals out.
#' @param by What the rows of `pointwise` are: `"gene"` (default) or `"sample"`.
#' @param integrate Integrate out what only the sample itself tells of? Default: yes. Gaussian and count models alike.
#' @param compare Compare the fits where there are several? Default: yes.
#' @return `log_lik()`: an array draw x sample x gene, for one gene a matrix draw x sample; `NA` where a gene has no count, as
#'   guides that a gene of a screen does not have. `loo()`, `waic()`: an object of class `tw_leaf_criterion` and of the classes of
#'   the package loo, for [loo_compare()], with `estimates`, `pointwise` and, for `loo()`, `diagnostics$leaf_k`, Pareto's k in a
#'   matrix sample x gene. Natural logarithms. For several fits a list of class `tw_loo_list`. Errors have class
#'   `twill_error_genes`.
#' @references Vehtari A, Gelman A, Gabry J (2017). Practical Bayesian model evaluation using leave-one-out cross-validation and
#'   WAIC. *Statistics and Computing* 27, 1413-1432.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' dim(log_lik(fit))
#' loo(fit)
#' fit0 <- update(fit, ~ (1 | donor))
#' loo_compare(fit, fit0)
#' @name twillgenes-loo
NULL

#' @rdname twillgenes-loo
#' @method log_lik twillgenes
#' @export
log_lik.twillgenes <- function(object, genes = NULL, ...) {
  check_no_dots(...)
  at <- set_positions(object, genes)
  out <- sample_log_lik(object, at)
  for (k in seq_along(at)) out[, has_no_count(object, at[k]), k] <- NA
  if (is_screen(object)) return(guide_draws_by_sample(object, out, set_genes(object)[at]))
  dimnames(out) <- list(NULL, object$job$source$samples, set_genes(object)[at])
  if (length(at) == 1) matrix(out, dim(out)[1], dimnames = dimnames(out)[1:2]) else out
}

#' @rdname twillgenes-loo
#' @method waic twillgenes
#' @export
waic.twillgenes <- function(x, ..., by = c("gene", "sample"), genes = NULL, compare = TRUE) {
  by <- check_choice(by, "by", c("gene", "sample"))
  compute <- function(fit) unit_criterion(fit, genes, by, waic_units, c("elpd_waic", "p_waic", "waic"), c("waic", "loo"))
  several_criteria(x, list(...), compute, compare, substitute(list(x, ...)), "twillgenes")
}

#' @rdname twillgenes-loo
#' @method loo twillgenes
#' @export
loo.twillgenes <- function(x, ..., by = c("gene", "sample"), genes = NULL, integrate = TRUE, compare = TRUE) {
  by <- check_choice(by, "by", c("gene", "sample"))
  loo_of_units(x, list(...), by, genes, integrate, compare, substitute(list(x, ...)), "twillgenes")
}

#' @rdname twill-loo-compare
#' @method loo_compare twillgenes
#' @export
loo_compare.twillgenes <- function(x, ..., criterion = c("loo", "waic", "kfold"), model_names = NULL) {
  criterion <- check_choice(criterion, "criterion", c("loo", "waic", "kfold"))
  compare_fits(x, list(...), criterion, model_names, substitute(list(x, ...)), "twillgenes")
}

# Samples of a gene as the leaves of fit-cells-integrate.R ------------------------------------------------------------------

# Samples without a count of a gene: guides that a gene of a screen does not have, and missing values.
has_no_count <- function(fit, at) drop(is.na(sample_counts(fit, at)) | sample_weights(fit, at) == 0)

# list(y, weights, offset) of one gene; a sample without a count weighs nothing.
sample_data <- function(fit, at) {
  y <- sample_counts(fit, at)[, 1]
  weights <- sample_weights(fit, at)[, 1]
  weights[is.na(y)] <- 0
  y[is.na(y)] <- 0
  list(y = y, weights = weights, offset = sample_offsets(fit, at)[, 1])
}

# draw x sample x gene; zero where there is no count.
sample_log_lik <- function(fit, at) {
  eta <- leaf_log_mu(fit, at)
  dispersion <- leaf_sizes(fit, at)
  n_draws <- dim(eta)[1]
  for (k in seq_along(at)) {
    data <- sample_data(fit, at[k])
    each <- function(values) rep(values, each = n_draws)
    value <- row_log_density(family(fit), each(data$y), eta[, , k] + each(data$offset), dispersion[, , k])
    eta[, , k] <- value * each(data$weights)
  }
  eta
}

# As leaf_functions(), of samples: the terms that depend on the linear predictor.
sample_functions <- function(fit, at, eta, size) {
  data <- sample_data(fit, at)
  eta <- eta + rep(data$offset, each = nrow(eta))
  family <- family_record(family(fit))
  value <- function(l, d, r = size[, l]) data$weights[l] * family$varying_log_density(data$y[l], eta[, l] + d, r)
  slope <- function(l, d, mean_only = FALSE) {
    where <- if (mean_only) mean(eta[, l]) else eta[, l] + d
    r <- if (mean_only) exp(mean(log(size[, l]))) else size[, l]
    lapply(family$slopes(data$y[l], where, r), `*`, data$weights[l])
  }
  list(value = value, slope = slope, log_mu = eta, size = size, row = fit$posterior$rows[at])
}

# As gene_histogram(): each sample is one count, as often as it weighs.
sample_histogram <- function(fit, row) {
  data <- sample_data(fit, match(row, fit$posterior$rows))
  value <- sort(unique(c(0, data$y)))
  number <- matrix(0, length(value), length(data$y))
  number[cbind(match(data$y, value), seq_along(data$y))] <- data$weights
  list(value = value, number = number)
}
