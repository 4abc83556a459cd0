# tw_variance(): which part of the model the variance of a response, or of each gene, is due to.

#' Partition of the variance
#'
#' The share of each part of the model in the variance of a response over its rows, or of each gene over the samples, on the scale
#' of the link. In draw s, with X_f the columns of population-level term f and z_ki the row of term k of row i,
#'
#' ```
#' fixed term f:   mean_i((X_fi beta_f - mean_i(X_fi beta_f))^2)
#' random term k:  mean_i(z_ki' S_k R_k S_k z_ki)               each coefficient by itself where they are uncorrelated
#' noise:          trigamma(1 / (1 / mean + 1 / shape))         negative binomial, Poisson with 1 / shape = 0
#'                 sigma^2 + mean_i(se_i^2)                     Gaussian
#' ```
#'
#' Fixed and random parts are both means over the rows: the sum of squares of a fixed term is divided by their number,
#' not by one less. `mean` is the mean of the counts, of genes that over size factors; shape and sigma with a formula are taken
#' at the mean of its columns. The effects of levels that are related by a covariance have the variance of a level with 1 on its
#' diagonal, so that of a pedigree the share is the heritability in the base population. The noise of counts is the variance of
#' the logarithm of a gamma variable with the squared coefficient of variation of a count at that mean (Nakagawa, Johnson and
#' Schielzeth 2017). Shares are parts over their sum; covariances between parts are left out.
#'
#' @param fit A fit with draws: from [twill()], of one response and without `me()` and `mi()`, or from [twill_genes()].
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param long One row per gene and part? Default: no, one row per gene. One response always has a row per part.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_variance` with genes in rows and the posterior mean of each share in the columns; or with
#'   `long = TRUE` one with `gene`, `part`, `estimate`, `lower`, `upper`. Of one response, `part`, `estimate`, `lower`, `upper`.
#'   Errors have class `twill_error_argument`, `twill_error_resp` or `twill_error_variance`.
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
  if (is_one(fit)) return(variance_of_one(fit, genes, prob, long))
  check_set(fit, also = "twill")
  at <- set_positions(fit, genes)
  shares <- variance_shares(fit, at)
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

variance_of_one <- function(fit, genes, prob, long) {
  refuse_of_genes(c(if (!is.null(genes)) "genes", if (check_flag(long, "long")) "long"))
  need_one_response(fit, "tw_variance")
  if (length(fit$design$latents) > 0) {
    abort_twill("variance", c("Predictors of {.fn me} and {.fn mi} vary from draw to draw: {.fn tw_variance} is not defined.",
                              "i" = "{.fn bayes_R2} takes them in."))
  }
  if (!is.null(fit$design$errors)) {
    abort_twill("variance", c("{.fn tw_variance} is not defined where errors are related: {.fn fcor}.",
                              "i" = "{.fn VarCorr} has the variances of the terms."))
  }
  tailed <- Find(has_tails, fit$design$terms)
  if (!is.null(tailed)) {
    abort_twill("variance", c("Effects with heavy tails have no variance: those of {.field {tailed$group}}.",
                              "i" = "{.fn bayes_R2} takes the effects themselves."))
  }
  # Without the column of genes.
  rows <- variance_rows(variance_shares(fit, 1), "", prob)[-1]
  new_table(rows, "variance", "Variance", "rows by part", share_texts(prob), list(unit = "shares of the variance", prob = prob))
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

variance_shares <- function(fit, at) {
  parts <- variance_parts(fit, at)
  total <- Reduce(`+`, parts)
  lapply(parts, function(part) part / total)
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
    covariance <- mean_products(design$x[, columns, drop = FALSE], design$merged$count)
    draws <- draws_of(fit, design$coef_names[columns], at)
    quadratic_form(draws, covariance)
  })
}

# Mean squares and products about the means. A row may stand for as many as `count` says.
mean_products <- function(x, count = NULL) {
  if (!is.null(count)) return(stats::cov.wt(x, count / sum(count), method = "ML")$cov)
  crossprod(x - rep(colMeans(x), each = nrow(x))) / nrow(x)
}

# draws x genes of b' V b, for draws x coefficient x gene.
quadratic_form <- function(draws, v) {
  out <- 0
  for (a in seq_len(nrow(v))) for (b in seq_len(nrow(v))) out <- out + v[a, b] * draws[, a, ] * draws[, b, ]
  matrix(out, dim(draws)[1])
}

random_variance <- function(fit, term, part, at) {
  z <- if (has_members(term)) term$z * member_sizes(term) else term$z
  count <- model_of(fit)$design$merged$count %||% rep(1, nrow(z))
  by_class <- lapply(classes_of(term), function(class) {
    rows <- if (is.null(term$by)) seq_len(nrow(z)) else which(term$codes %in% class$levels)
    class_moments(fit, class$term, part, at, crossprod(sqrt(count[rows]) * z[rows, , drop = FALSE]) / sum(count))
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
  if (!has_counts(fit)) return((dispersion %||% 0)^2 + known_variance(fit))
  n_draws <- nrow(dispersion %||% draws_of(fit, model_of(fit)$design$coef_names[1], at))
  mean <- rep(if (is_one(fit)) mean_response(fit) else fit$posterior$base_mean[at], each = n_draws)
  inverse <- if (is.null(dispersion)) 0 else 1 / dispersion
  matrix(trigamma(1 / (1 / mean + inverse)), n_draws)
}

mean_response <- function(fit) stats::weighted.mean(fit$design$y, fit$design$merged$count %||% rep(1, length(fit$design$y)))

# Means of the squared standard errors that came with the data.
known_variance <- function(fit) {
  se <- model_of(fit)$design$se
  if (length(se) == 0) 0 else mean(se^2)
}
