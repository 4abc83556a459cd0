# What can be said of every gene without a question: status and shares of the variance.

#' Statuses of genes
#'
#' @param fit A fit of class `twillgenes`, from [twill_genes()]; or several by type, see [twill_by].
#' @param all Also the genes that were not fitted? Default: no.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_diagnostics` with one row per gene: `status` (see [twill_genes()]; `"skipped"` with the
#'   reason as `message`), `rhat` and `ess` (the worst of its parameters), `divergent` (transitions), `khat` (approximations),
#'   `n_used` and `n_nonzero` (samples used, with counts), `total` (counts), `n_gradients`, `seconds` and `message`.
#' @examples
#' set.seed(1)
#' counts <- matrix(rpois(40, c(50, 20, 1, 0)), 4, dimnames = list(paste0("gene", 1:4), NULL))
#' fit <- twill_genes(counts, ~ x, col_data = data.frame(x = gl(2, 5)), iter = 200, seed = 1)
#' tw_diagnostics(fit, all = TRUE)
#' @export
tw_diagnostics <- function(fit, all = FALSE, ...) {
  check_no_dots(...)
  if (is_by_type(fit)) return(tables_by(fit, function(one) tw_diagnostics(one, all)))
  check_set(fit)
  check_flag(all, "all")
  p <- fit$posterior
  worst <- function(values, f) apply(values, 2, function(v) if (all(is.na(v))) NA_real_ else f(v, na.rm = TRUE))
  table <- data.frame(status = p$status, rhat = worst(p$rhat, max), ess = worst(p$ess, min), divergent = p$divergent,
                      khat = nan_to_na(p$khat), n_used = p$n_used, n_nonzero = p$n_nonzero, total = fit$job$scan$total[p$rows],
                      n_gradients = p$n_gradients, seconds = p$seconds, message = p$message, row.names = set_genes(fit))
  if (all) table <- rbind(table, skipped_genes(fit, names(table)))
  minor <- c("n_used", "n_nonzero", "n_gradients", "seconds")
  new_table(table, "diagnostics", "Diagnostics", "genes", diagnostic_texts, minor = minor)
}

diagnostic_texts <- c(
  status = "see ?tw_diagnostics", rhat = "worst R-hat of the parameters",
  ess = "smallest bulk effective sample size of the parameters",
  divergent = "divergent transitions", khat = "Pareto k-hat of the approximation", n_used = "samples used",
  n_nonzero = "samples with counts", total = "sum of counts", n_gradients = "gradients computed", seconds = "time to fit",
  message = "why the gene has this status")

skipped_genes <- function(fit, columns) {
  rows <- setdiff(which(fit$job$reason != ""), fit$posterior$rows)
  table <- data.frame(gene = fit$job$source$genes[rows], reason = fit$job$reason[rows], total = fit$job$scan$total[rows],
                      n_nonzero = fit$job$scan$n_nonzero[rows])
  table <- rbind(table, fit$job$cells$left_out[names(table)])
  if (nrow(table) == 0) return(NULL)
  known <- list(status = "skipped", n_nonzero = table$n_nonzero, total = table$total, message = table$reason)
  values <- lapply(stats::setNames(columns, columns), function(name) rep_len(known[[name]] %||% NA_real_, nrow(table)))
  data.frame(values, row.names = table$gene)
}

# Why genes are not in the fit, as parts of a sentence; those that nobody asked for are in none.
left_out_parts <- function(job, with_pooled = TRUE) {
  left_out <- job$cells$left_out
  reason <- c(job$reason, left_out$reason[with_pooled | !as.logical(left_out$pooled)])
  few <- sum(grepl("counts in all", reason))
  outside <- sum(grepl("^outside of the coverage", reason))
  other <- sum(!reason %in% c("", "not chosen", "not finished")) - few - outside
  c(if (few) sprintf("%s with fewer than %g counts", big(few), job$min_count),
    if (outside) sprintf("%s outside of the coverage", big(outside)), if (other) sprintf("%s without variation", big(other)))
}

say_left_out <- function(job, silent) {
  parts <- left_out_parts(job)
  if (length(parts) == 0) return(invisible())
  inform_twill("left_out", c("Left out genes: {parts}.", "i" = "{.code tw_diagnostics(fit, all = TRUE)} names them."), silent)
}

# Variance partition -----------------------------------------------------------------------------------------------

#' Partition of the variance of genes
#'
#' The share of each part of the model in the variance of a gene over samples, on the scale of the link. In draw s, with X_f
#' the columns of population-level term f and z_ki the row of term k of sample i,
#'
#' ```
#' fixed term f:   mean_i((X_fi beta_f - mean_i(X_fi beta_f))^2)
#' random term k:  mean_i(z_ki' S_k R_k S_k z_ki)               each coefficient by itself where they are uncorrelated
#' noise:          trigamma(1 / (1 / baseMean + 1 / shape))     negative binomial, Poisson with 1 / shape = 0
#'                 sigma^2                                      Gaussian
#' ```
#'
#' Fixed and random parts are both means over the samples: the sum of squares of a fixed term is divided by their number,
#' not by one less. The noise of counts is the variance of the logarithm of a gamma variable with the squared coefficient of
#' variation of a count at the gene's mean (Nakagawa, Johnson and Schielzeth 2017). Shares are parts over their sum;
#' covariances between parts are left out.
#'
#' @param fit A fit of class `twillgenes` with draws, from [twill_genes()].
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param long One row per gene and part? Default: no, one row per gene.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_variance` with genes in rows and the posterior mean of each share in the columns; or with
#'   `long = TRUE` one with `gene`, `part`, `estimate`, `lower`, `upper`.
#' @references Nakagawa S, Johnson PCD, Schielzeth H (2017). The coefficient of determination R2 and intra-class
#'   correlation coefficient from generalized linear mixed-effects models revisited and expanded. *Journal of the Royal
#'   Society Interface* 14, 20170213.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' tw_variance(fit)
#' @export
tw_variance <- function(fit, genes = NULL, prob = 0.95, long = FALSE, ...) {
  check_no_dots(...)
  check_set(fit)
  at <- set_positions(fit, genes)
  parts <- variance_parts(fit, at)
  total <- Reduce(`+`, parts)
  shares <- lapply(parts, function(part) part / total)
  names <- set_genes(fit)[at]
  facts <- list(unit = "shares of the variance", prob = prob)
  if (check_flag(long, "long")) {
    rows <- variance_rows(shares, names, prob)
    return(new_table(rows, "variance", "Variance", "rows by gene and part", share_texts(prob), facts))
  }
  table <- data.frame(lapply(shares, colMeans), row.names = names, check.names = FALSE)
  texts <- stats::setNames(sprintf("posterior mean of the share of %s in the variance", names(shares)), names(shares))
  new_table(table, "variance", "Variance", "genes", texts, facts["unit"])
}

share_texts <- function(prob) {
  c(part = "part of the model", estimate = "posterior mean of the part's share in the variance", interval_texts(prob))
}

variance_rows <- function(shares, genes, prob) {
  check_level(prob, "prob")
  rows <- lapply(names(shares), function(part) {
    bounds <- column_quantiles(shares[[part]], c(1 - prob, 1 + prob) / 2, few_draws_type)
    data.frame(gene = genes, part = part, estimate = colMeans(shares[[part]]), lower = bounds[, 1], upper = bounds[, 2])
  })
  out <- do.call(rbind, rows)
  rownames(out) <- NULL
  out[order(match(out$gene, genes)), ]
}

# One matrix draws x genes per part, named.
variance_parts <- function(fit, at) {
  design <- model_of(fit)$design
  fixed <- fixed_variances(fit, at)
  random <- lapply(seq_along(design$terms), function(k) random_variances(fit, k, at))
  c(fixed, unlist(random, recursive = FALSE), list(noise = noise_variance(fit, at)))
}

# One part for a correlated term, else one per coefficient.
random_variances <- function(fit, k, at) {
  term <- model_of(fit)$design$terms[[k]]
  parts <- if (term$cor) list(seq_along(term$coefs)) else as.list(seq_along(term$coefs))
  names(parts) <- vapply(parts, function(part) {
    coefs <- term$coefs[part]
    if (identical(coefs, "Intercept")) term$group else paste0(term$group, ":", paste(coefs, collapse = "+"))
  }, "")
  lapply(parts, function(part) random_variance(fit, term, part, at))
}

fixed_variances <- function(fit, at) {
  design <- model_of(fit)$design
  blueprint <- design$blueprint
  x <- part_matrix(blueprint, model_of(fit)$data)
  labels <- attr(blueprint$terms, "term.labels")
  # Of a term that others determine no column may be left.
  here <- intersect(seq_along(labels), attr(x, "assign"))
  lapply(stats::setNames(here, labels[here]), function(f) {
    columns <- which(attr(x, "assign") == f)
    covariance <- mean_products(about_means(design$x[, columns, drop = FALSE]))
    draws <- draws_of(fit, design$coef_names[columns], at)
    quadratic_form(draws, covariance)
  })
}

mean_products <- function(x) crossprod(x) / nrow(x)

about_means <- function(x) x - rep(colMeans(x), each = nrow(x))

# draws x genes of b' V b, for draws x coefficient x gene.
quadratic_form <- function(draws, v) {
  out <- 0
  for (a in seq_len(nrow(v))) for (b in seq_len(nrow(v))) out <- out + v[a, b] * draws[, a, ] * draws[, b, ]
  matrix(out, dim(draws)[1])
}

random_variance <- function(fit, term, part, at) {
  by_class <- lapply(classes_of(term), function(class) {
    rows <- term$codes %in% class$levels
    class_moments(fit, class$term, part, at, crossprod(term$z[rows, , drop = FALSE]) / nrow(term$z))
  })
  Reduce(`+`, by_class)
}

class_moments <- function(fit, term, part, at, moments) {
  sds <- draws_of(fit, sd_names(term)[part], at)
  out <- 0
  for (a in seq_along(part)) for (b in seq_len(a)) {
    share <- moments[part[a], part[b]] * sds[, a, ] * sds[, b, ]
    out <- out + if (a == b) share else 2 * share * correlation_of(fit, term, term$coefs[part[b]], term$coefs[part[a]], at)
  }
  matrix(out, dim(sds)[1])
}

noise_variance <- function(fit, at) {
  dispersion <- dispersion_of(fit, at)
  if (!has_counts(fit)) return(dispersion^2)
  n_draws <- nrow(dispersion %||% draws_of(fit, fit$posterior$names[1], at))
  mean <- rep(fit$posterior$base_mean[at], each = n_draws)
  inverse <- if (is.null(dispersion)) 0 else 1 / dispersion
  matrix(trigamma(1 / (1 / mean + inverse)), n_draws)
}

# draws x genes of sigma or shape; at the mean of its covariates where it has a regression.
dispersion_of <- function(fit, at) {
  design <- model_of(fit)$design
  if (is.null(design$dispersion)) return(NULL)
  if (is.null(design$x_disp)) return(matrix(draws_of(fit, design$dispersion, at), ncol = length(at)))
  exp(weighted_sum(draws_of(fit, design$disp_names, at), colMeans(design$x_disp)))
}

# Posterior means of 1 / shape, or of sigma.
set_dispersions <- function(fit) {
  is_shape <- model_of(fit)$design$dispersion == "shape"
  if (!has_draws(fit)) {
    mean <- fit$posterior$mean[match(model_of(fit)$design$dispersion, fit$posterior$names), ]
    return(if (is_shape) 1 / mean else mean)
  }
  draws <- dispersion_of(fit, seq_along(fit$posterior$rows))
  colMeans(if (is_shape) 1 / draws else draws)
}
