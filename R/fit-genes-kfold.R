# K-fold cross-validation of fits of genes, of cells and of screens: all genes fitted again without some samples.

#' K-fold cross-validation of fits of genes
#'
#' Fits all genes again without one fold of the samples (or leaves of cells) in turn, hyper-parameters that genes share included,
#' and asks how well the samples left out are predicted. With `group = "donor"` all samples of a donor are left out together: the
#' question is how well a donor is predicted that the fit has not seen.
#'
#' @details
#' A sample's value is the log of its density, averaged over the draws of a fit without it. Effects of levels that are left out
#' altogether are integrated over their distribution in the population, \eqn{N(0, S R S)} at the draw's own standard deviations
#' (of one donor all samples one by one, not jointly), by adaptive Gauss-Hermite quadrature, which is exact for Gaussian values.
#' Effects of levels with known relations keep their draws given their relatives. Size factors, captures and offsets are those of
#' the fit.
#'
#' @param x A fit of class `twillgenes`, from [twill_genes()], [twill_screen()] or [twill_cells()].
#' @param ... Must be empty.
#' @param K,folds,group As in [kfold.twillfit()], with one value per sample or leaf; `group` names a variable of the samples.
#' @param by What the rows of `pointwise` are: `"gene"` (default), or `"sample"`, for cells `"leaf"`.
#' @param genes Names or numbers of genes, or a condition. Default: all. What genes share is learned from all of them in any case.
#' @param save_fits Keep the refits? Default: no.
#' @param seed Seed of the choice of folds and of the refits. Default: drawn from R's random numbers.
#' @return An object of class `c("tw_leaf_criterion", "kfold", "loo")` for [loo_compare()]: `estimates`; `pointwise`, with
#'   `elpd_kfold`, `p_kfold`, `kfoldic` and `se`, the standard error of a gene's `elpd_kfold` over the levels of `group`, else
#'   over its samples; `units`, the values of samples, a matrix sample x gene; `folds`, of each sample; with `save_fits` the
#'   refits in `fits`. Natural logarithms. Genes that could not be fitted in some fold are left out with a warning. Errors have
#'   class `twill_error_folds` or `twill_error_genes`.
#' @seealso [loo()][twillgenes-loo], which leaves out samples one at a time without refits.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' kfold(fit, group = "donor", seed = 1)
#' @method kfold twillgenes
#' @export
kfold.twillgenes <- function(x, ..., K = NULL, folds = NULL, group = NULL, by = c("gene", unit_of(x)), genes = NULL,
                             save_fits = FALSE, seed = NULL) {
  check_no_dots(...)
  check_flag(save_fits, "save_fits")
  by <- check_choice(by, "by", c("gene", unit_of(x)))
  x <- x[set_positions(x, genes), ]
  seed <- seed %||% draw_seed()
  values <- if (!is.null(group)) fold_group(x, group, fold_columns(x))
  n <- length(unit_labels(x))
  ids <- with_seed(seed, choose_folds(n, K, folds, group, function() values %||% fold_group(x, group, fold_columns(x))))
  columns <- rep_len(ids, n_samples(x$job$source))
  runs <- lapply(sort(unique(ids)), run_genes_fold, fit = x, ids = columns, seed = seed)
  out <- kfold_criterion(x, runs, columns, values %||% seq_len(n), by)
  attr(out, "model_name") <- model_label(substitute(x), x)
  if (save_fits) out$fits <- lapply(runs, `[[`, "fit")
  out$folds <- ids
  structure(out, K = length(unique(ids)), group = group, yhash = response_hash(x))
}

# Samples as users count them: of a screen each has a column per slot.
unit_labels <- function(fit) if (is_screen(fit)) screen_samples(fit) else leaf_labels(fit)

# What is known of the samples or leaves, by which they may be grouped: of leaves nothing where a cell lacks its value, and shares
# of categories that differ within a leaf.
fold_columns <- function(fit) {
  out <- as.data.frame(model.frame.twillgenes(fit))
  own <- as.list(fit$job$columns)
  own <- own[!vapply(own, function(column) is.null(column) || length(dim(column)) > 1, NA)]
  own <- own[setdiff(names(own), c(names(out), response_name))]
  out[names(own)] <- own
  out[seq_along(unit_labels(fit)), , drop = FALSE]
}

# One fold: list(rows, elpd = unit x gene, fit), the elpd of the columns left out.
run_genes_fold <- function(fold, fit, ids, seed) {
  units <- which(ids == fold)
  refit <- refit_without(fit, units, fold_seed(seed, fold), fold)
  held <- refit
  held$job <- fit$job
  held$job$shared <- refit$job$shared
  elpd <- do.call(cbind, in_gene_steps(held, seq_along(fit$posterior$rows), function(at) held_elpd(held, at, units)))
  list(rows = units, elpd = elpd, fit = refit)
}

refit_without <- function(fit, units, seed, fold) {
  job <- without_units(fit$job, units)
  job$keep <- "effects"
  job$settings$seed <- seed
  job$shared <- tryCatch(learn_shared(job, which(job$reason == ""), learning_run(2, NULL, NULL)),
                         twill_error_interrupt = function(e) abort_fold(fold))
  rows <- fit$posterior$rows
  blocks <- block_plan(rows, "auto", job$source, 1, FALSE)
  pieces <- run_blocks(job, blocks, vector("list", length(blocks)), NULL, NULL, 2, NULL)
  if (length(pieces) < length(blocks) || any(vapply(pieces, function(p) isTRUE(p$interrupted), NA))) abort_fold(fold)
  fit$job <- job
  fit$posterior <- bind_pieces(pieces)
  fit$info["folder"] <- list(NULL)
  fit$info$seed <- seed
  fit
}

# The job as if these samples or leaves had no counts: weight zero in every gene.
without_units <- function(job, units) {
  n <- n_samples(job$source)
  common <- job$model$design$weights %||% rep(1, n)
  job$weights <- job$weights %||% matrix(common, n_genes(job$source), n, byrow = TRUE)
  job$weights[, units] <- 0
  kept <- seq_len(n)[-units]
  if (job$source$kind == "leaves") {
    job$source$data <- without_leaves(job$source$data, units)
    job$scan$base_mean <- unname(colMeans(job$source$data$sums[kept, , drop = FALSE] / job$sizes$values[kept]))
  }
  # As large as those of all samples would be.
  job$scan$total <- total_of(job, kept) * n / length(kept)
  job
}

# What genes are ranked by when what they share is learned.
total_of <- function(job, kept) {
  if (job$source$kind == "leaves") return(unname(colSums(job$source$data$sums)))
  scan_source(source_samples(job$source, kept), of_counts(job$model))$total
}

# Density --------------------------------------------------------------------------------------------------------------

# unit x gene: log of the mean density of units that `fit` was not given.
held_elpd <- function(fit, at, units) {
  log_lik <- unit_log_lik(fit, at)
  unseen <- lapply(units, unseen_terms, fit = fit, units = units)
  usable <- fit$posterior$usable[at]
  by_gene <- lapply(seq_along(at), function(k) {
    if (!usable[k]) return(rep(NA_real_, length(units)))
    values <- matrix(log_lik[, units, k], dim(log_lik)[1])
    log_mean_exp(integrated(fit, at[k], values, units, unseen))
  })
  matrix(unlist(by_gene), length(units))
}

# Terms whose level at a unit has no other unit than those left out.
unseen_terms <- function(unit, fit, units) {
  is_unseen <- function(term) {
    any(term$z[unit, ] != 0) && !term$codes[unit] %in% term$codes[-units] && is.null(term$precision)
  }
  which(vapply(model_of(fit)$design$terms, is_unseen, NA))
}

# draw x unit, with what unseen levels add integrated out.
integrated <- function(fit, at, log_lik, units, unseen) {
  if (all(lengths(unseen) == 0)) return(log_lik)
  n_draws <- nrow(log_lik)
  functions <- if (has_sample_units(fit)) sample_functions else leaf_functions
  gene <- functions(fit, at, matrix(leaf_log_mu(fit, at), n_draws), matrix(leaf_sizes(fit, at), n_draws))
  for (k in which(lengths(unseen) > 0)) {
    unit <- units[k]
    prior <- leaf_prior(fit, at, list(leaves = unit, terms = unseen[[k]]))
    # The draw has an effect of the level, which is taken away.
    own <- prior$effect[, 1]
    value <- function(d) gene$value(unit, d - own)
    slope <- function(d) gene$slope(unit, d - own)
    log_lik[, k] <- log_lik[, k] - gene$value(unit, 0) + log_normal_mean(value, slope, prior$covariance[, 1, 1])
  }
  log_lik
}

# Criterion ------------------------------------------------------------------------------------------------------------

# `sets` are the groups of units that a gene's standard error is over.
kfold_criterion <- function(fit, runs, ids, sets, by) {
  elpd <- matrix(NA_real_, length(ids), length(fit$posterior$rows))
  for (run in runs) elpd[run$rows, ] <- run$elpd
  genes <- set_genes(fit)
  fine <- colSums(!is.finite(elpd)) == 0
  warn_unfitted(genes[!fine])
  fit <- fit[which(fine), ]
  elpd <- elpd[, fine, drop = FALSE]
  density <- do.call(cbind, in_gene_steps(fit, seq_along(fit$posterior$rows), function(at) {
    values <- unit_log_lik(fit, at)
    matrix(log_mean_exp(matrix(values, dim(values)[1])), dim(values)[2])
  }))
  by_unit <- function(values) rowsum(values, rep_len(seq_along(unit_labels(fit)), nrow(values)))
  add <- function(values) if (by == "gene") colSums(values) else rowSums(by_unit(values))
  labels <- if (by == "gene") genes[fine] else unit_labels(fit)
  names <- c("elpd_kfold", "p_kfold", "kfoldic")
  unknown <- matrix(NA_real_, nrow(elpd), ncol(elpd))
  out <- new_criterion(add(elpd), add(density) - add(elpd), unknown, labels, names, c("kfold", "loo"), n_set_draws(fit), by,
                       unit_of(fit))
  units <- by_unit(elpd)
  dimnames(units) <- list(unit_labels(fit), genes[fine])
  parts <- if (by == "gene") rowsum(units, as.character(sets)) else t(units)
  out$pointwise <- cbind(out$pointwise, se = sqrt(nrow(parts)) * column_sds(parts))
  out$units <- units
  out
}

warn_unfitted <- function(genes) {
  if (length(genes) == 0) return(invisible())
  warn_twill("fold", c("{length(genes)} gene{?s} could not be fitted in some fold, and {?is/are} left out.",
                       "x" = "{?It is/They are} {.val {some(genes, 5)}}."))
}
