# tw_shrink(): estimates and standard errors of any package under a prior that is learned over them, as contrasts of genes have
# it.

#' Shrink estimates of other packages
#'
#' Takes estimates with standard errors, one per gene (cell type, site, study), and gives their posterior under a prior that
#' is learned over them: a share without effect and normals of many sizes, as in adaptive shrinkage (Stephens 2017). It is what
#' [tw_contrast()] does for fits of genes, for results that were made elsewhere.
#'
#' @details
#' With \eqn{\theta_i} the effect less `mode`, the likelihood is normal, \eqn{\hat\theta_i \sim N(\theta_i, s_i^2)}, or a t with
#' `df` degrees of freedom, \eqn{(\hat\theta_i - \theta_i) / s_i \sim t_{df}}. Errors are taken for independent.
#'
#' Signs and sizes are different questions, and each has shares of its own. For `lfsr`, `fsos`, `svalue` and `prob`,
#' \eqn{10 + n / 25} rows without effect are taken for granted beside the n that are given. Where rows are few they are the prior:
#' below ten rows an effect has a probability of less than one half before the estimates are seen, so that s-values err on
#' the side of doubt. For `mean`, `sd`, `lower` and `upper` it is one row without effect and three of any size: intervals then
#' cover close to what they say, also of eight rows (92 to 98 % in simulations). Where no effect is
#' likelier than `prob`, the interval is `mode` alone, and the mean can lie beside it.
#'
#' @section Tables:
#' `tw_shrink(table)` knows the columns of
#' \itemize{
#'   \item DESeq2: `log2FoldChange` and `lfcSE`, not shrunken before (`results()`, not `lfcShrink()`);
#'   \item limma and dreamlet, `topTable()`: `logFC` and `logFC / t` for the standard error; give `df`, such as `fit$df.total`;
#'   \item broom: `estimate`, `std.error` and, where it is there, `df`;
#'   \item `coef(summary())` of lm, lme4 and lmerTest: `Estimate`, `Std. Error`, and `df`;
#'   \item metafor and others: `estimate` or `yi`, and `se` or `sei`;
#'   \item [tw_contrast()]: `log2FoldChange` and `lfcSE`, which do not know of this prior.
#' }
#' Columns of other names are given as `tw_shrink("beta", "beta_se", data = table)`. Tables of edgeR have no standard errors:
#' take `logFC` and, from a quasi-likelihood test with one degree of freedom, `abs(logFC) / sqrt(F)`.
#'
#' @param estimate Estimates: numbers, with names for the rows of the result; the name of a column of `data`; or a table, see
#'   below.
#' @param se Standard errors, one for each estimate or one for all; or the name of a column.
#' @param df Degrees of freedom of the standard errors, one for each estimate or one for all; or the name of a column.
#'   Default: `Inf`, normal.
#' @param mode What effects are shrunk to, and what signs are relative to. Default: 0.
#' @param prior Default: learned. Or a mixture that is known, [tw_normal_mixture()], such as the attribute `prior` of another
#'   result.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param threshold Size of effects (distance from `mode`) worth knowing. Default: 0.
#' @param data A data frame or DataFrame with the columns that are named. Default: none.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_shrink`, with rows in the order given: `estimate` and `se` as given, `mean`, `sd`, `lower`
#' and
#'   `upper` of the posterior, `lfsr` (the probability that the sign is not the likelier one: none, or the other), `fsos` (with
#'   a threshold, that of the other sign or a smaller effect), `svalue` (the mean `lfsr`, or `fsos`, of all rows with one at most
#'   as large), `prob` (that there is an effect, or one beyond the threshold). Rows with a missing value are `NA`. The
#'   attribute `prior` is the mixture of the estimates, `prior_of_signs` that of the rates. Errors have class
#'   `twill_error_shrink`.
#' @references Stephens M (2017). False discovery rates: a new deal. *Biostatistics* 18, 275-294.
#'
#'   Zhang Y, Qi G, Park JH, Chatterjee N (2018). Estimation of complex effect-size distributions using summary-level statistics
#'   from genome-wide association studies across 32 complex traits. *Nature Genetics* 50, 1318-1326.
#' @examples
#' set.seed(1)
#' effect <- ifelse(runif(200) < 0.8, 0, rnorm(200))
#' res <- tw_shrink(rnorm(200, effect, 0.3), 0.3)
#' res
#' attr(res, "prior")
#'
#' # A table, with the degrees of freedom of its tests.
#' fit <- lm(mpg ~ ., mtcars)
#' tw_shrink(coef(summary(fit))[-1, ], df = df.residual(fit))
#'
#' # The distribution of effects of a trait (Zhang et al. 2018): 1 % of markers, of two sizes.
#' genesis <- tw_normal_mixture(weights = 0.01 * c(0.2, 0.8), sd = c(0.03, 0.01))
#' tw_shrink(c(rs1 = 0.04, rs2 = 0.01), 0.008, prior = genesis)
#' @export
tw_shrink <- function(estimate, se = NULL, df = Inf, mode = 0, prior = NULL, prob = 0.95, threshold = 0, data = NULL, ...) {
  check_no_dots(...)
  given <- shrink_columns(estimate, se, df, data, missing(df))
  mode <- check_number_of(mode, "mode")
  check_level(prob, "prob")
  check_not_negative(threshold, "threshold", "shrink")
  values <- list(mean = given$estimate - mode, sd = given$se)
  nodes <- t_nodes(given$df)
  prior <- if (is.null(prior)) learn_effect_prior(NULL, values$mean, values$sd, nodes = nodes, estimates = TRUE) else
    check_mixture(prior)
  shrunken_table(given, values, nodes, prior, mode, prob, threshold)
}

shrunken_table <- function(given, values, nodes, prior, mode, prob, threshold) {
  ok <- usable_effects(values$mean, values$sd)
  empty <- rep(NA_real_, length(ok))
  s <- list(lfsr = empty, fsos = empty, prob = empty)
  moments <- list(mean = empty, sd = empty, bounds = matrix(NA_real_, length(ok), 2))
  if (!is.null(prior)) {
    s <- adapt_statistics(s, prior, threshold, list(statistics = values, nodes = nodes))
    found <- shrunken_effects(prior, values$mean[ok], values$sd[ok], c(1 - prob, 1 + prob) / 2, nodes = nodes_at(nodes, ok))
    moments$mean[ok] <- found$mean + mode
    moments$sd[ok] <- found$sd
    moments$bounds[ok, ] <- found$bounds + mode
  }
  table <- data.frame(estimate = given$estimate, se = given$se, mean = moments$mean, sd = moments$sd, lower = moments$bounds[, 1],
                      upper = moments$bounds[, 2], lfsr = s$lfsr)
  if (threshold > 0) table$fsos <- s$fsos
  table$svalue <- s_values(if (threshold > 0) s$fsos else s$lfsr)
  table$prob <- s$prob
  if (!is.null(given$names)) rownames(table) <- given$names
  facts <- list(prob = prob, threshold = if (threshold > 0) threshold, note = prior_line(prior, mode),
                prior = if (!is.null(prior)) as_mixture(prior_of_estimates(prior)), prior_of_signs = as_mixture(prior))
  new_table(table, "shrink", "Shrunken effects", "rows", shrunken_column_texts(facts, mode), facts, c("estimate", "se"))
}

prior_line <- function(prior, mode) {
  if (is.null(prior)) return("no row has an estimate")
  none <- function(prior) 100 * sum(prior$shares[prior$sizes == 0])
  sprintf("%s prior: %.3g%% %s%s", if (is.null(prior$even)) "given" else "learned", none(prior_of_estimates(prior)),
          if (mode == 0) "without effect" else sprintf("at %g", mode),
          if (is.null(prior$even)) "" else sprintf("; for rates %.3g%%", none(prior)))
}

shrunken_column_texts <- function(facts, mode) {
  than <- if (mode == 0) "" else sprintf(" relative to %g", mode)
  c(estimate = "estimate as given", se = "standard error as given", mean = "posterior mean under the prior",
    sd = "posterior sd under the prior", interval_texts(facts$prob),
    lfsr = paste0("probability that the sign", than, " is not the likelier one: none, or the other"),
    fsos = sprintf("probability of the other sign or a size below the threshold %g", facts$threshold %||% 0),
    svalue = sprintf("mean %s of all rows with one at most as large", if (is.null(facts$threshold)) "lfsr" else "fsos"),
    prob = if (is.null(facts$threshold)) "probability of an effect" else
      sprintf("probability of a size above the threshold %g", facts$threshold))
}
