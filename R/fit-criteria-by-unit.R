# Criteria of predictive accuracy of fits of genes and of cells: units (samples or leaves) left out, gene by gene, and added up.

# loo() of fits of genes and of cells; `names` and `class` as in several_criteria().
loo_of_units <- function(x, dots, by, genes, integrate, compare, names, class) {
  left_out <- if (check_flag(integrate, "integrate")) left_out_log_lik else NULL
  classes <- c("psis_loo", "importance_sampling_loo", "loo")
  compute <- function(fit) {
    out <- unit_criterion(fit, genes, by, loo_units, c("elpd_loo", "p_loo", "looic"), classes, left_out)
    warn_unit_pareto(out)
    out
  }
  several_criteria(x, dots, compute, compare, names, class)
}

# What is left out as one observation.
unit_of <- function(fit) if (has_sample_units(fit)) "sample" else "leaf"

has_sample_units <- function(fit) fit$job$source$kind != "leaves" && !is_rows(fit)

# One row per leaf and gene of a matrix of log-likelihoods: elpd, p, k.
waic_units <- function(log_lik, left_out) {
  p <- column_sds(log_lik)^2
  cbind(log_mean_exp(log_lik) - p, p, NA_real_)
}

# `left_out` holds the log predictive density of each unit without itself, given a draw's other parameters.
loo_units <- function(log_lik, left_out) {
  psis <- suppressWarnings(loo::psis(-left_out, r_eff = rep(1, ncol(left_out))))
  elpd <- log_mean_exp(left_out + stats::weights(psis, normalize = TRUE, log = TRUE)) + log(nrow(left_out))
  cbind(elpd, log_mean_exp(log_lik) - elpd, psis$diagnostics$pareto_k)
}

# Units are added up over leaves or genes, so that rows are what the package loo compares.
unit_criterion <- function(fit, genes, by, units, names, class, left_out = NULL) {
  at <- set_positions(fit, genes)
  values <- in_gene_steps(fit, at, function(some) {
    log_lik <- unit_log_lik(fit, some)
    own <- if (is.null(left_out)) log_lik else left_out(fit, some)
    array(units(matrix(log_lik, dim(log_lik)[1]), matrix(own, dim(own)[1])), c(dim(log_lik)[2:3], 3))
  })
  part <- function(k) do.call(cbind, lapply(values, function(v) matrix(v[, , k], dim(v)[1])))
  over <- if (by == "gene") 2 else 1
  labels <- if (by == "gene") set_genes(fit)[at] else leaf_labels(fit)
  total <- function(k) apply(part(k), over, sum)
  k <- part(3)
  if (is_screen(fit)) return(screen_criterion(fit, at, by, total, k, names, class))
  dimnames(k) <- list(leaf_labels(fit), set_genes(fit)[at])
  new_criterion(total(1), total(2), k, labels, names, class, n_set_draws(fit), by, unit_of(fit))
}

# Of a screen each count of a guide is left out; rows are genes, or samples with all that their guides have.
screen_criterion <- function(fit, at, by, total, k, names, class) {
  genes <- set_genes(fit)[at]
  by_guide <- guide_values(fit, k, screen_guides(fit, genes), genes)
  add <- if (by == "gene") total else function(k) as.vector(rowsum(total(k), column_samples(fit), reorder = FALSE))
  labels <- if (by == "gene") genes else screen_samples(fit)
  of_rows <- if (by == "gene") k else t(by_guide)
  out <- new_criterion(add(1), add(2), of_rows, labels, names, class, n_set_draws(fit), by, "sample")
  if (!is.null(out$diagnostics)) out$diagnostics$sample_k <- t(by_guide)
  out
}

unit_log_lik <- function(fit, at) if (has_sample_units(fit)) sample_log_lik(fit, at) else leaf_log_lik(fit, at)

# `unit_k` is unit x gene, `unit` a sample or a leaf, and `by` what rows of the criterion are.
new_criterion <- function(elpd, p, unit_k, labels, names, class, n_draws, by, unit) {
  highest <- function(k) if (all(is.na(k))) NA_real_ else max(k, na.rm = TRUE)
  k <- unname(apply(unit_k, if (by == "gene") 2 else 1, highest))
  pointwise <- cbind(elpd, p, -2 * elpd)
  dimnames(pointwise) <- list(labels, names)
  estimates <- cbind(Estimate = colSums(pointwise), SE = sqrt(nrow(pointwise)) * column_sds(pointwise))
  if (class[1] == "psis_loo") {
    pointwise <- cbind(pointwise[, 1, drop = FALSE], mcse_elpd_loo = NA_real_, pointwise[, -1, drop = FALSE],
                       influence_pareto_k = k)
  }
  diagnostics <- list(pareto_k = k, n_eff = rep(NA_real_, length(k)), r_eff = rep(1, length(k)))
  diagnostics[[paste0(unit, "_k")]] <- unit_k
  values <- stats::setNames(as.list(c(estimates)), c(names, paste0("se_", names)))
  out <- c(list(estimates = estimates, pointwise = pointwise, diagnostics = if (class[1] == "psis_loo") diagnostics), values)
  structure(compact(out), dims = c(n_draws, nrow(pointwise)), class = c("tw_leaf_criterion", class), by = by, unit = unit)
}

unit_k_of <- function(loo) loo$diagnostics[[paste0(attr(loo, "unit"), "_k")]]

warn_unit_pareto <- function(loo) {
  k <- unit_k_of(loo)
  unit <- attr(loo, "unit")
  units <- if (unit == "leaf") "leaves" else "samples"
  page <- if (unit == "leaf") "twillcells-loo" else "twillgenes-loo"
  limit <- pareto_limit(loo)
  high <- sum(k > limit, na.rm = TRUE)
  if (high == 0) return(invisible())
  n <- sum(!is.na(k))
  warn_twill("pareto", c("Pareto k is above {round(limit, 2)} in {high} of {n} {units} of genes: these are uncertain.",
                         "i" = "{.code help(\"{page}\")} says why; {.code $diagnostics${unit}_k} which."))
}

left_out_words <- function(x) {
  units <- if (attr(x, "unit") == "leaf") "Leaves" else "Samples"
  if (is.null(attr(x, "K"))) return(paste(units, "left out"))
  by_group <- if (!is.null(attr(x, "group"))) paste(" by", attr(x, "group"))
  sprintf("%s left out%s in %d refits", units, by_group %||% "", attr(x, "K"))
}

#' @rdname twillcells-loo
#' @param digits Number of decimals printed. Default: 1.
#' @method print tw_leaf_criterion
#' @export
print.tw_leaf_criterion <- function(x, digits = 1, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  unit <- attr(x, "unit")
  n <- dim(x)
  cat(sprintf("%s, added up by %s: %s rows, %s draws\n", left_out_words(x), attr(x, "by"), big(n[2]), big(n[1])))
  shown <- x$estimates
  shown[] <- fixed_text(x$estimates, digits, big.mark = ",")
  print(shown, quote = FALSE, right = TRUE)
  k <- unit_k_of(x)
  if (!is.null(k)) {
    limit <- pareto_limit(x)
    cat(sprintf("Pareto k of a %s in a gene: median %.2f; above %s in %.1f%%.\n", unit, stats::median(k, na.rm = TRUE),
                format(limit, digits = 2, decimal.mark = "."), 100 * mean(k > limit, na.rm = TRUE)))
  }
  cat(strwrap("Meant for differences between fits of the same counts, row by row: loo_compare(), $pointwise."), sep = "\n")
  invisible(x)
}
