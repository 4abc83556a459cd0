# Tables of contrasts: statistics of draws, columns with descriptions, and the way back into an experiment.

# mean, sd, bounds and tail probabilities of the effect of each gene: below and above 0, `threshold` and -`threshold`. Genes
# in `effect$densities` have their own (contrast-density.R).
effect_statistics <- function(effect, threshold, level) {
  probs <- c(1 - level, 1 + level) / 2
  at <- c(0, threshold, -threshold)
  if (is.null(effect$draws)) return(normal_statistics(effect, at, probs))
  mean <- colMeans(effect$draws)
  sd <- column_sds(effect$draws)
  total <- if (is.null(effect$extra)) sd else sqrt(sd^2 + colMeans(effect$extra))
  df <- heaviest_df(effect$draws, mean, sd)
  tail <- function(lower) kernel_tails(effect, mean, sd, total, at, lower, df)
  tails <- list(below = tail(TRUE), above = tail(FALSE))
  bounds <- steady_quantiles(effect$draws, probs, effect$extra)
  if (is.null(effect$extra)) for (own in effect$densities) {
    found <- own_tails(own, at)
    for (side in names(tails)) tails[[side]][own$gene, ] <- found[[side]]
    bounds[own$gene, ] <- own_quantiles(own, probs)
  }
  c(effect_columns(mean, total, bounds, tails), list(support = 0 * mean + least_supported(effect)))
}

normal_statistics <- function(effect, at, probs) {
  tail <- function(lower) matrix(vapply(at, stats::pnorm, effect$mean, effect$mean, effect$sd, lower), length(effect$mean))
  bounds <- effect$mean + outer(effect$sd, stats::qnorm(probs))
  effect_columns(effect$mean, effect$sd, bounds, list(below = tail(TRUE), above = tail(FALSE)))
}

# Both tails as such, so that small ones are not rounding error: genes x (0, threshold, -threshold).
effect_columns <- function(mean, sd, bounds, tails) {
  below <- tails$below
  above <- tails$above
  list(mean = mean, sd = sd, lower = bounds[, 1], upper = bounds[, 2], lfsr = never_zero(pmin(below[, 1], above[, 1])),
       fsos = never_zero(pmin(below[, 2], above[, 3])), prob = pmin(1, above[, 2] + below[, 3]))
}

# A rate too small for a double is the smallest one: no sign is certain.
never_zero <- function(rate) pmax(rate, .Machine$double.xmin)

# Shares of a smoothed sample below (`lower`) or above points, genes x points: each draw is pulled towards the mean and
# widened, so that mean and standard deviation stay. Bandwidth of the normal reference rule. Where less than one draw is left,
# kernels fall faster than any posterior: there, at least the tail of a t, as far as that is less than one draw too.
kernel_tails <- function(effect, mean, sd, total, at, lower, df) {
  n <- nrow(effect$draws)
  h <- 0.9 * n^-0.2
  centre <- rep(mean, each = n)
  pulled <- centre + (effect$draws - centre) / sqrt(1 + h^2)
  width <- rep(h / sqrt(1 + h^2) * sd, each = n)
  if (!is.null(effect$extra)) width <- sqrt(width^2 + effect$extra)
  width <- pmax(width, .Machine$double.xmin)
  one <- function(x) {
    share <- colMeans(matrix(stats::pnorm(x, pulled, width, lower.tail = lower), n))
    pmax(share, pmin(1 / n, unit_t_tail((x - mean) / pmax(total, .Machine$double.xmin), df, lower)))
  }
  matrix(vapply(at, one, numeric(length(mean))), length(mean))
}

# Statistics of the genes that a mask keeps, with NA for the others.
unmask <- function(statistics, mask) {
  if (!any(mask)) return(statistics)
  lapply(statistics, function(values) replace(rep(NA_real_, length(mask)), !mask, values))
}

# One row per gene, or per value of `at`, numbers of genes.
contrast_table <- function(fit, statistics, weights, unit, has_threshold, mask, at = seq_along(mask)) {
  s <- statistics
  posterior <- fit$posterior
  table <- data.frame(baseMean = posterior$base_mean[at], log2FoldChange = s$mean / unit, lfcSE = s$sd / unit,
                      lower = s$lower / unit, upper = s$upper / unit, lfsr = s$lfsr)
  if (has_threshold) table$fsos <- s$fsos
  table$svalue <- s_values(if (has_threshold) s$fsos else s$lfsr)
  table$prob <- s$prob
  table <- cbind(table, cbind(spread_columns(fit, weights, unit), worst_columns(fit, weights))[at, , drop = FALSE])
  table[mask[at], -1] <- NA
  table$status <- ifelse(mask, "masked", posterior$status)[at]
  rownames(table) <- if (identical(at, seq_along(mask))) set_genes(fit)
  table
}

# Posterior mean of the standard deviation of the effect over the levels of each group that it varies over.
spread_columns <- function(fit, weights, unit) {
  terms <- model_of(fit)$design$terms
  columns <- lapply(seq_along(terms), function(k) {
    w <- weights$terms[[k]]$weights
    if (nrow(w) > 1 || all(w == 0)) return(NULL)
    stats::setNames(list(mean_spread(fit, k, w) / unit), paste0("sd_", terms[[k]]$group))
  })
  columns <- as.data.frame(unlist(columns, recursive = FALSE), optional = TRUE)
  if (length(columns)) columns else data.frame(row.names = all_genes(fit))
}

mean_spread <- function(fit, k, w) {
  at <- all_genes(fit)
  if (has_draws(fit)) return(colMeans(sqrt(term_variance(fit, k, w, at))))
  used <- colnames(w)[w[1, ] != 0]
  variances <- lapply(classes_of(model_of(fit)$design$terms[[k]]), function(class) {
    rows <- match(sd_names(class$term, used), fit$posterior$names)
    class$share * colSums((fit$posterior$mean[rows, , drop = FALSE] * w[1, used])^2)
  })
  sqrt(Reduce(`+`, variances))
}

worst_columns <- function(fit, weights) {
  posterior <- fit$posterior
  used <- match(model_of(fit)$design$coef_names[weights$x != 0], posterior$names)
  # None where the contrast is zero in the population.
  worst <- function(values, f) if (length(used)) nan_to_na(apply(values[used, , drop = FALSE], 2, f)) else NA_real_
  columns <- data.frame(rhat = worst(posterior$rhat, max), ess = worst(posterior$ess, min))
  if (!is_sampled(fit)) columns$khat <- nan_to_na(posterior$khat)
  columns
}

# What effects are divided by for the user: logarithms of counts are given in base 2.
effect_unit <- function(fit, log2 = TRUE) unit_size(table_unit(fit, log2))

# Descriptions -----------------------------------------------------------------------------------------------------

# What a table of effects carries as attributes.
contrast_facts <- function(weights, ask, unit, prob, threshold, error, support = NULL) {
  list(contrast = weights$label, estimand = ask$estimand, scale = ask$scale, unit = unit, prob = prob, error = error,
       support = support, threshold = if (threshold > 0) threshold, note = ask_note(ask))
}

column_texts <- function(fit, facts, ask, prior = NULL) {
  level <- if (length(facts$by)) paste(" in each", paste(facts$by, collapse = " and "))
  kind <- if (is.null(level)) paste0(sub("_", " ", facts$estimand), " effect") else paste0("effect", level)
  what <- sprintf("%s; %s%s, %s", facts$contrast, kind, scale_text(ask), unit_short(facts$unit))
  approximate <- if (!has_draws(fit)) " (normal with the posterior's moments)" else ""
  c(baseMean = if (has_counts(fit)) "mean of counts over size factors" else "mean of the values",
    log2FoldChange = paste0("posterior mean of ", what), lfcSE = paste0("posterior sd of ", what),
    interval_texts(facts$prob, approximate),
    lfsr = paste0("local false sign rate: posterior probability of the other sign", prior_note(prior),
                  support_note(facts$support)),
    threshold_texts(facts$threshold),
    svalue = sprintf("mean %s of all genes with one at most as large", if (is.null(facts$threshold)) "lfsr" else "fsos"),
    rhat = "worst R-hat of the coefficients involved", ess = "smallest bulk effective sample size of the coefficients involved",
    khat = "Pareto k-hat of the approximation; NA where the gene was sampled", extra_texts(facts$unit),
    shrunken_texts(facts$unit, facts$prob),
    status = "see ?tw_diagnostics")
}

threshold_texts <- function(threshold) {
  what <- sprintf("threshold %g", threshold %||% 0)
  c(fsos = paste("probability of the other sign or a size below the", what),
    prob = paste("probability of a size above the", what))
}

sd_texts <- function(names) {
  spread <- names[startsWith(names, "sd_")]
  stats::setNames(paste("posterior mean of the sd of the effect over", sub("^sd_", "", spread), recycle0 = TRUE), spread)
}

# What is unusual about an effect: its scale, weights of donors, cells.
scale_text <- function(ask) {
  scale <- switch(ask$scale, composition = " of composition", clr = paste(" on centred log-ratios to", reference_text(ask)))
  paste(c(scale, if (!identical(ask$donor_weights, "uniform")) paste(" with", weights_text(ask)),
          if (ask$cell_noise) " of single cells"), collapse = "")
}

reference_text <- function(ask) if (identical(ask$reference, "all")) "all genes" else sprintf("%d genes", length(ask$reference))

weights_text <- function(ask) {
  paste("donors weighted by", if (is.numeric(ask$donor_weights)) "given numbers" else ask$donor_weights)
}

# The same as a line of a print; NULL where all is as usual.
ask_note <- function(ask) {
  note <- c(if (ask$scale == "clr") paste("reference:", reference_text(ask)),
            if (!identical(ask$donor_weights, "uniform")) weights_text(ask), if (ask$cell_noise) "single cells")
  if (length(note)) paste(note, collapse = "; ")
}

prior_note <- function(prior) {
  if (is.null(prior)) return("")
  sprintf(", or none, under a prior learned over genes: %.0f%% without effect", 100 * prior$shares[1])
}

# The table of effects, with names in the habit of other packages if asked for.
new_effect_table <- function(table, texts, names, facts) {
  texts <- c(texts, sd_texts(names(table)))
  if (names == "limma") {
    renamed <- c(baseMean = "AveExpr", log2FoldChange = "logFC")
    in_habit <- function(names) ifelse(names %in% names(renamed), renamed[names], names)
    names(table) <- in_habit(names(table))
    names(texts) <- in_habit(names(texts))
  }
  rows <- if (is.null(facts$by)) "genes" else paste("rows by", joined_words(c("gene", facts$by)))
  new_table(table, "contrast", "Effects", rows, texts, facts)
}

#' Put results into an experiment
#'
#' Adds a table of [tw_contrast()], [tw_diagnostics()] or [tw_variance()] to the `rowData` of the experiment that was fitted.
#'
#' @param x A SummarizedExperiment or SingleCellExperiment.
#' @param results A table with genes as row names, those of `x` or what the fit made of them (`"g1.1"` for the second `"g1"`,
#'   `"NA.1"` for one without a name). The `_other` of [twill_cells()] is left out.
#' @param prefix Put before the names of the columns. Default: `"twill_"`.
#' @param ... Must be empty.
#' @return `x` with new columns in its `rowData`, described in `mcols(rowData(x))`: rows that the table does not have, such as
#'   genes that were not fitted, are `NA`, with status `"skipped"`. Columns of the same name are replaced. Errors have class
#'   `twill_error_genes` or `twill_error_package`.
#' @examplesIf requireNamespace("SummarizedExperiment", quietly = TRUE)
#' counts <- matrix(rpois(60, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' col_data <- data.frame(x = gl(2, 5))
#' se <- SummarizedExperiment::SummarizedExperiment(list(counts = counts), colData = col_data)
#' fit <- twill_genes(se, ~ x, iter = 200, seed = 1)
#' se <- tw_row_data(se, tw_contrast(fit, "x2"))
#' SummarizedExperiment::rowData(se)
#' @export
tw_row_data <- function(x, results, prefix = "twill_", ...) {
  check_no_dots(...)
  need_package("SummarizedExperiment", "to write into {.arg x}")
  if (!is_experiment(x)) abort_twill("genes", "{.arg x} must be a SummarizedExperiment, not of class {.cls {class(x)[1]}}.")
  check_results(results)
  known <- unique_names(rownames(x), nrow(x))
  unknown <- setdiff(rownames(results), c(known, setdiff(other_name(known), known)))
  if (length(unknown) > 0) {
    abort_twill("genes", c("{.arg results} has genes that {.arg x} does not have: {.val {some(unknown)}}."))
  }
  data <- experiment_rows(x)
  columns <- paste0(prefix, names(results))
  rows <- match(known, rownames(results))
  for (k in seq_along(columns)) data[[columns[k]]] <- table_column_at(results[[k]], rows, names(results)[k])
  S4Vectors::mcols(x) <- describe_columns(data, columns, table_texts(results))
  x
}

# A column of a table by rows of an experiment.
table_column_at <- function(values, rows, name) {
  out <- values[rows]
  if (name == "status" && is.character(out)) out[is.na(rows)] <- "skipped"
  out
}

check_results <- function(results) {
  if ((is.data.frame(results) || inherits(results, "DFrame")) && !is.null(rownames(results))) return(invisible())
  given <- class(results)[1]
  abort_twill("genes", c("{.arg results} must be a table with one row per gene, such as {.fn tw_contrast} makes.",
                         "x" = "It is of class {.cls {given}}."))
}

# Descriptions stand in the metadata of columns, as in results of DESeq2.
describe_columns <- function(data, columns, texts) {
  if (!any(nzchar(texts))) return(data)
  known <- S4Vectors::mcols(data)
  if (is.null(known)) known <- S4Vectors::DataFrame(row.names = names(data))
  for (name in c("type", "description")) if (is.null(known[[name]])) known[[name]] <- rep(NA_character_, length(names(data)))
  known$description[match(columns, names(data))] <- ifelse(nzchar(texts), texts, NA)
  known$type[match(columns, names(data))] <- "results"
  S4Vectors::mcols(data) <- known
  data
}
