# tw_spread(): how much donors differ at baseline and in their response, beside the size of the effect.

#' Spread over donors
#'
#' Two standard deviations over the levels of a group (donors): of their baseline, \eqn{sd_{g,Intercept}}, and of their
#' response to what a contrast compares, \eqn{\sqrt{d' S_g R_g S_g d}} with d the weights of the group's slopes. Genes whose
#' response sd exceeds the effect are those in which donors do not agree on the sign.
#'
#' @param fit A fit of class `twillcells` or `twillgenes` with draws and a random slope.
#' @param contrast A contrast as in [tw_contrast()]. Default: the only coefficient besides the intercept.
#' @param group Name of the group. Default: the first that the contrast varies over.
#' @param x A table made by `tw_spread()`.
#' @param n_labels For `plot()`: number of genes to name, those with the largest response sd. Default: 8.
#' @param ... Not used.
#' @return A [tw_table] of class `tw_spread` with genes as row names: `mean` (baseMean), `effect` (posterior mean of the effect
#'   in the population), `baseline` and `response` (posterior means of the standard deviations), `ratio` (response over
#'   baseline) and `agreement` (probability that a new donor responds with the sign of the population). For counts in base
#'   2. `print()` shows how the parts compare over genes, `plot()` both spreads against the effect. Errors have class
#'   `twill_error_contrast`, `twill_error_draws` or `twill_error_plot`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' spread <- tw_spread(fit)
#' spread
#' plot(spread)
#' @export
tw_spread <- function(fit, contrast = NULL, group = NULL, ...) {
  check_no_dots(...)
  check_set(fit)
  if (!has_draws(fit)) {
    abort_twill("draws", c("{.fn tw_spread} needs the draws, which this fit has not kept.", lost_folder(fit),
                           "i" = "Fit with {.code keep = \"draws\"} or {.val effects}."))
  }
  contrast <- contrast %||% only_coefficient(model_of(fit))
  weights <- resolve_contrast(model_of(fit), contrast)
  say_reference_levels(model_of(fit), contrast)
  term <- model_of(fit)$design$terms[[forest_term(fit, weights, group)]]
  unit <- effect_unit(fit)
  at <- seq_along(fit$posterior$rows)
  effect <- weighted_draws(fit, linear_weights(fit, weights, "population"), at)
  variance <- response_variance(fit, weights, term$group, at)
  table <- data.frame(mean = fit$posterior$base_mean, effect = colMeans(effect) / unit,
                      baseline = baseline_spread(fit, term$group) / unit, response = colMeans(sqrt(variance)) / unit)
  table$ratio <- table$response / table$baseline
  sign <- rep(sign(table$effect), each = nrow(effect))
  table$agreement <- colMeans(matrix(stats::pnorm(sign * effect / sqrt(variance)), nrow(effect)))
  rownames(table) <- set_genes(fit)
  facts <- list(contrast = weights$label, unit = table_unit(fit), group = term$group)
  new_table(table, "spread", paste("Spread over", term$group), "genes", spread_texts, facts)
}

spread_texts <- c(
  mean = "mean of counts over size factors, or of values", effect = "posterior mean of the effect in the population",
  baseline = "posterior mean of the sd of baselines", response = "posterior mean of the sd of responses",
  ratio = "response over baseline", agreement = "probability that a new level responds with the sign of the population")

# Over all terms of the group: uncorrelated coefficients may stand in terms of their own.
response_variance <- function(fit, weights, group, at) {
  same <- which(group_names(model_of(fit)) == group)
  Reduce(`+`, lapply(same, function(k) term_variance(fit, k, weights$terms[[k]]$weights, at)))
}

baseline_spread <- function(fit, group) {
  terms <- group_terms(model_of(fit), group)
  term <- Find(function(term) "Intercept" %in% term$coefs, terms)
  if (is.null(term)) return(NA_real_)
  of_class <- function(class) {
    sd <- fit$posterior$mean[match(sd_names(class$term, "Intercept"), fit$posterior$names), ]
    if (class$share == 1) sd else class$share * sd^2
  }
  parts <- lapply(classes_of(term), of_class)
  if (length(parts) == 1) parts[[1]] else sqrt(Reduce(`+`, parts))
}

# What print() shows of a whole table.
spread_body <- function(x, n) {
  columns <- c("|effect|" = "effect", "baseline sd" = "baseline", "response sd" = "response", "response / baseline" = "ratio",
               agreement = "agreement")
  quantiles <- t(vapply(columns, function(name) stats::quantile(abs(x[[name]]), c(0.05, 0.25, 0.5, 0.75, 0.95), na.rm = TRUE),
                        numeric(5)))
  shown <- matrix(fixed_text(quantiles, 2), nrow(quantiles))
  dimnames(shown) <- list(names(columns), paste0(c(5, 25, 50, 75, 95), "%"))
  print(shown, quote = FALSE, right = TRUE)
  cat(sprintf("Response sd above half of the effect in %.0f%% of genes, above the effect in %.0f%%.\n",
              100 * mean(x$response > abs(x$effect) / 2), 100 * mean(x$response > abs(x$effect))))
  cat("Next: plot(), head(x[order(-x$response), ]).\n")
}

#' @exportS3Method
whole_body.tw_spread <- function(x) list(columns = spread_columns_shown, print = spread_body)

spread_columns_shown <- c("effect", "baseline", "response", "ratio", "agreement")

forest_term <- function(fit, weights, group) {
  if (!is.null(group)) group <- check_name(group, "group")
  varies <- vapply(weights$terms, function(part) nrow(part$weights) == 1 && any(part$weights != 0), TRUE)
  k <- which(varies & (if (is.null(group)) TRUE else group_names(model_of(fit)) == group))
  if (length(k) > 0) return(k[1])
  what <- if (is.null(group)) "any group" else paste("group", group)
  abort_twill("plot", c("The contrast does not vary over {what}: there is nothing to show by level.",
                        "i" = "A random slope is needed, such as {.code (1 + condition || donor)}."))
}
