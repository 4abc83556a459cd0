# Tidy tables, convergence and covariances of fits of genes, under the generics that single fits have.

#' Tidy tables and convergence of fits of genes
#'
#' As [tidy.twillfit()] and its companions, with a column (or a dimension) more: the gene.
#'
#' @param object,x A fit of class `twillgenes`, from [twill_genes()], [twill_cells()] or [twill_screen()].
#' @param effects Which parameters: any of `"fixed"`, `"ran_pars"` and `"ran_vals"`, as in [tidy.twillfit()]. Default: the first
#'   two.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param conf.int Give intervals? Default: yes.
#' @param conf.level,prob Probability of the intervals. Default: 0.95.
#' @param conf.method `"quantile"` (default), or `"HPDinterval"`, the shortest interval.
#' @param exponentiate Exponentiate the coefficients, as rate ratios of counts? Default: no.
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param pars Names of variables. Default: all that were monitored.
#' @param correlation Correlations in the place of covariances? Default: no.
#' @param ... Not used.
#' @return
#' * `tidy()`: a data frame with one row per gene and parameter: gene, effect, component, group, level (for `"ran_vals"`), term,
#'   estimate, std.error, conf.low, conf.high, on the scale of the link (natural log for counts). Effects are neither shrunken nor
#'   signed: [tw_contrast()] has s-values.
#' * `glance()`: a data frame with one row per gene: gene, algorithm, pss (number of draws), nobs, n_divergent, max_rhat, min_ess;
#'   of an approximation pareto_k in the place of the last three; and `status`, as in [tw_diagnostics()].
#' * `augment()`: a data frame with one row per gene and sample: gene, sample, the variables of the design, the count (or value)
#'   as `.observed`, `.fitted`, `.se.fit` and `.resid`. Fits of cells do not have it.
#' * `rhat()`, `neff_ratio()`: a matrix gene x variable.
#' * `vcov()`: array gene x coefficient x coefficient. `posterior_interval()`: array gene x bounds x coefficient.
#'
#' Errors have class `twill_error_genes` or `twill_error_argument`.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' head(tidy(fit, effects = "fixed"))
#' head(glance(fit))
#' head(augment(fit, genes = "gene1"))
#' rhat(fit)
#' vcov(fit, genes = "gene1")
#' @name twillgenes-tidy
NULL

#' @rdname twillgenes-tidy
#' @method tidy twillgenes
#' @export
tidy.twillgenes <- function(x, effects = c("fixed", "ran_pars"), robust = FALSE, conf.int = TRUE, conf.level = 0.95,
                          conf.method = c("quantile", "HPDinterval"), exponentiate = FALSE, genes = NULL, ...) {
  check_no_dots(...)
  conf.method <- check_choice(conf.method, "conf.method", c("quantile", "HPDinterval"))
  at <- set_positions(x, genes)
  labels <- tidy_label_table(gene_view(x, at[1]), effects)
  # The guides of a screen are each gene's own.
  own <- if (is_screen(x) && "ran_vals" %in% effects) labels$effect == "ran_vals" else FALSE
  guides <- if (any(own)) tidy_guides(x, at, robust, conf.int, conf.level, conf.method)
  labels <- labels[!own, , drop = FALSE]
  tables <- lapply(seq_len(nrow(labels)), function(k) {
    variable <- labels$variable[k]
    draws <- draws_of(x, variable, at)
    estimates <- tidy_estimates(matrix(draws, dim(draws)[1]), robust, conf.int, conf.level, conf.method, few_draws_type)
    cbind(gene = set_genes(x)[at], labels[k, setdiff(names(labels), "variable")], estimates, row.names = NULL)
  })
  out <- do.call(rbind, c(tables, list(guides)))
  if (check_flag(exponentiate, "exponentiate")) out <- exponentiate_fixed(out)
  # Gene by gene, and within these in the order of parameters.
  out <- out[order(match(out$gene, set_genes(x))), ]
  rownames(out) <- NULL
  out
}

tidy_guides <- function(fit, at, robust, conf.int, conf.level, conf.method) {
  tables <- over_views(fit, at, function(view) {
    labels <- tidy_label_table(view, "ran_vals")
    draws <- draw_matrix(view, labels$variable)
    cbind(labels[names(labels) != "variable"],
          tidy_estimates(draws, robust, conf.int, conf.level, conf.method, few_draws_type), row.names = NULL)
  })
  do.call(rbind, Map(function(gene, table) cbind(gene = gene, table), set_genes(fit)[at], tables))
}

#' @rdname twillgenes-tidy
#' @method glance twillgenes
#' @export
glance.twillgenes <- function(x, genes = NULL, ...) {
  check_no_dots(...)
  at <- set_positions(x, genes)
  status <- tw_diagnostics(x)[at, ]
  method <- x$job$settings$method
  out <- data.frame(gene = set_genes(x)[at], algorithm = if (is_sampled(x)) toupper(method) else method, pss = ndraws(x),
                    nobs = status$n_used)
  quality <- if (is_sampled(x)) data.frame(n_divergent = status$divergent, max_rhat = status$rhat, min_ess = status$ess) else
    data.frame(pareto_k = status$khat)
  cbind(out, quality, status = status$status)
}

#' @rdname twillgenes-tidy
#' @method augment twillgenes
#' @export
augment.twillgenes <- function(x, genes = NULL, ...) {
  check_no_dots(...)
  at <- dense_positions(x, genes, n_samples(x$job$source) * 8)
  samples <- column_samples(x)
  variables <- names(model.frame.twillgenes(x))
  tables <- over_views(x, at, function(view) {
    stats <- fitted.twillfit(view)
    data.frame(view$data[variables], .observed = view$design$y, .fitted = stats[, "Estimate"], .se.fit = stats[, "Est.Error"],
               .resid = view$design$y - stats[, "Estimate"], row.names = NULL, check.names = FALSE)
  })
  rows <- lapply(seq_along(at), function(k) {
    known <- which(!has_no_count(x, at[k]))
    data.frame(gene = set_genes(x)[at[k]], sample = samples[known], tables[[k]], row.names = NULL, check.names = FALSE)
  })
  do.call(rbind, rows)
}
