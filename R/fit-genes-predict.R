# Predictions and checks of genes: what a single fit predicts, gene by gene, from the draws of the set.

#' Predictions and predictive checks of fits of genes
#'
#' For every gene what [posterior_epred.twillfit()], [predict.twillfit()] and [bayes_R2.twillfit()] are for a single fit, from the
#' draws that the set has: nothing is sampled again.
#'
#' @details
#' Predictions of the samples of the fit have their size factors and offsets. Samples of `newdata` have size factor one, so that
#' expected counts are comparable; `offset =` gives them others (natural log). Arguments and their meaning are those of
#' [posterior_epred.twillfit()], new levels and `re_formula` included.
#'
#' `pp_check()` compares the counts of some genes with replicated ones, a panel each, by any grouped check of bayesplot
#' ([bayesplot::PPC-overview]) or, for one gene, by any check. The default shows each sample's count within the 50 and 90 %
#' intervals of its replicates.
#'
#' @param object A fit of class `twillgenes`, from [twill_genes()] or [twill_screen()].
#' @param transform Give the mean in the place of the linear predictor? Default: no.
#' @param newdata Data frame of the design's variables. Default: the samples of the fit.
#' @param genes Names or numbers of genes, or a condition. Default: all; `pp_check()` takes up to nine evenly spaced over the
#'   logarithms of their means.
#' @param summary Summarise the draws? Default: yes.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param probs Probabilities of the quantiles. Default: `c(0.025, 0.975)`.
#' @param prob Probability of the intervals. Default: 0.9.
#' @param type Kind of check. Default: `"intervals"`.
#' @param ndraws Number of draws to use. Default: all; for `pp_check()` 200.
#' @param seed A whole number, for what is drawn: responses, new levels, draws. Default: R's generator.
#' @param ... Arguments of [posterior_epred.twillfit()]: `re_formula`, `draw_ids`, `allow_new_levels`, `sample_new_levels`,
#'   `offset`, `dpar`. For `pp_check()` arguments of the bayesplot function.
#' @return
#' * `posterior_linpred()` (natural log of the mean of counts), `posterior_epred()`, `posterior_predict()`,
#'   `predictive_error()`: array draw x sample x gene, for one gene a matrix draw x sample; `NA` where a gene of a screen has no
#'   guide.
#' * `predict()`: array gene x (Estimate, Est.Error, quantiles) x sample. `predictive_interval()`: array gene x bounds x sample.
#' * `bayes_R2()`: matrix gene x (Estimate, Est.Error, quantiles).
#' * `pp_check()`: a ggplot.
#'
#' Errors have class `twill_error_genes` and those of the verb for single fits.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' dim(posterior_predict(fit, genes = "gene2", seed = 1))
#' new <- data.frame(condition = c("ctrl", "stim"), donor = "d9")
#' predict(fit, new, genes = 1:2, allow_new_levels = TRUE, seed = 1)
#' bayes_R2(fit)
#' pp_check(fit, genes = c("gene1", "gene3"), seed = 1)
#' @name twillgenes-predict
NULL

#' @rdname twillgenes-predict
#' @method posterior_linpred twillgenes
#' @export
posterior_linpred.twillgenes <- function(object, transform = FALSE, newdata = NULL, ..., genes = NULL, seed = NULL) {
  check_transform(transform)
  draws_over_genes(object, genes, newdata, posterior_linpred.twillfit, list(transform = transform, ...), seed)
}

#' @rdname twillgenes-predict
#' @method posterior_epred twillgenes
#' @export
posterior_epred.twillgenes <- function(object, newdata = NULL, ..., genes = NULL, seed = NULL) {
  draws_over_genes(object, genes, newdata, posterior_epred.twillfit, list(...), seed)
}

#' @rdname twillgenes-predict
#' @method posterior_predict twillgenes
#' @export
posterior_predict.twillgenes <- function(object, newdata = NULL, ..., genes = NULL, seed = NULL) {
  draws_over_genes(object, genes, newdata, posterior_predict.twillfit, list(...), seed)
}

#' @rdname twillgenes-predict
#' @method predictive_error twillgenes
#' @export
predictive_error.twillgenes <- function(object, ..., genes = NULL, seed = NULL) {
  draws_over_genes(object, genes, NULL, predictive_error.twillfit, list(...), seed)
}

#' @rdname twillgenes-predict
#' @method predict twillgenes
#' @export
predict.twillgenes <- function(object, newdata = NULL, ..., genes = NULL, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975),
                             seed = NULL) {
  if (!check_flag(summary, "summary")) return(posterior_predict.twillgenes(object, newdata, ..., genes = genes, seed = seed))
  check_probs(probs)
  check_flag(robust, "robust")
  summary_over_genes(object, genes, newdata, predict.twillfit, list(..., robust = robust, probs = probs), seed)
}

#' @rdname twillgenes-predict
#' @method predictive_interval twillgenes
#' @export
predictive_interval.twillgenes <- function(object, prob = 0.9, ..., genes = NULL, seed = NULL) {
  check_level(prob, "prob")
  verb <- function(view, newdata, ...) predictive_interval.twillfit(view, prob, newdata = newdata, ...)
  summary_over_genes(object, genes, list(...)$newdata, verb, list(...)[names(list(...)) != "newdata"], seed)
}

#' @rdname twillgenes-predict
#' @method bayes_R2 twillgenes
#' @export
bayes_R2.twillgenes <- function(object, ..., genes = NULL, summary = TRUE, robust = FALSE, probs = c(0.025, 0.975)) {
  at <- set_positions(object, genes)
  values <- over_views(object, at, function(view) bayes_R2.twillfit(view, summary, robust, probs, ...))
  if (!summary) return(matrix(unlist(values), ncol = length(at), dimnames = list(NULL, set_genes(object)[at])))
  out <- do.call(rbind, values)
  rownames(out) <- set_genes(object)[at]
  out
}

# draw x row x gene, or of one gene draw x row.
draws_over_genes <- function(fit, genes, newdata, verb, dots, seed) {
  at <- prediction_positions(fit, genes, newdata, dots)
  values <- values_over_genes(fit, at, newdata, verb, dots, seed)
  names <- prediction_names(fit, newdata)
  values <- lapply(seq_along(at), function(k) all_rows(fit, at[k], values[[k]], newdata))
  if (is_screen(fit) && is.null(newdata)) {
    return(guide_draws_by_sample(fit, array(unlist(values), c(dim(values[[1]]), length(at))), set_genes(fit)[at]))
  }
  if (length(at) == 1) return(matrix(values[[1]], ncol = length(names), dimnames = list(NULL, names)))
  array(unlist(values), c(dim(values[[1]]), length(at)), list(NULL, names, set_genes(fit)[at]))
}

# gene x statistic x row.
summary_over_genes <- function(fit, genes, newdata, verb, dots, seed) {
  at <- prediction_positions(fit, genes, newdata, dots)
  values <- values_over_genes(fit, at, newdata, verb, dots, seed, rows = 1)
  statistics <- colnames(values[[1]])
  values <- lapply(seq_along(at), function(k) all_rows(fit, at[k], t(values[[k]]), newdata))
  out <- array(unlist(values), c(dim(values[[1]]), length(at)))
  if (is_screen(fit) && is.null(newdata)) {
    out <- aperm(guide_draws_by_sample(fit, out, set_genes(fit)[at]), c(3, 1, 2))
    dimnames(out)[[2]] <- statistics
    return(out)
  }
  out <- aperm(out, c(3, 1, 2))
  array(out, dim(out), list(set_genes(fit)[at], statistics, prediction_names(fit, newdata)))
}

# Of each gene draws x rows, or with `rows = 1` rows x statistics.
values_over_genes <- function(fit, at, newdata, verb, dots, seed, rows = 2) {
  of_gene <- function(view) {
    other <- other_guides(fit, view, newdata)
    if (any(other)) newdata$guide <- replace(level_text(newdata$guide), other, levels(view$data$guide)[1])
    values <- do.call(verb, c(list(view), list(newdata = newdata), dots), quote = TRUE)
    if (rows == 1) values[other, ] <- NA else values[, other] <- NA
    values
  }
  with_seed(seed, over_views(fit, at, of_gene))
}

# Rows of new data that are of guides of other genes: the gene has no value there.
other_guides <- function(fit, view, newdata) {
  if (!is_screen(fit) || !is.data.frame(newdata) || !"guide" %in% names(newdata)) return(FALSE)
  guide <- level_text(newdata$guide)
  guide %in% fit$screen$guides$guide & !guide %in% levels(view$data$guide)
}

prediction_names <- function(fit, newdata) {
  if (is.null(newdata)) fit$job$source$samples else rownames(newdata) %||% as.character(seq_len(NROW(newdata)))
}

# Columns of a gene's own samples among those of all samples.
all_rows <- function(fit, at, values, newdata) {
  if (!is.null(newdata)) return(values)
  known <- which(!has_no_count(fit, at))
  if (length(known) == ncol(values) && ncol(values) == n_samples(fit$job$source)) return(values)
  out <- matrix(NA_real_, nrow(values), n_samples(fit$job$source))
  out[, known] <- values
  out
}

# Genes few enough for an array of all draws.
prediction_positions <- function(fit, genes, newdata, dots) {
  n <- if (is.null(newdata)) n_samples(fit$job$source) else NROW(newdata)
  draws <- if (is.numeric(dots$ndraws)) dots$ndraws else if (!is.null(dots$draw_ids)) length(dots$draw_ids) else n_set_draws(fit)
  dense_positions(fit, genes, n * draws[1])
}
