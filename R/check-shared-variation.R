# tw_shared_variation(): whether samples share over genes what the design leaves out, such as a batch, and what it goes with.

#' Variation that samples share
#'
#' A batch that the design leaves out moves many genes in the same samples. Each gene takes it for noise of its own, so
#' calibration gene by gene looks good, while effects of the genes are wrong together wherever the batch is uneven over the
#' conditions. This looks at all genes at once, for directions of samples in which residuals vary more than chance allows. It runs
#' after each fit of [twill_genes()], [twill_screen()] and [twill_cells()], with a warning if it finds one.
#'
#' @section How:
#' Residuals are quantile residuals (Dunn and Smyth 1996) at posterior means, on the scale of the logarithm, of samples or of
#' leaves of cells. What the design tells is projected out, gene by gene, and with it the levels of groups that leave all effects
#' to be told (baselines of paired donors); other effects of groups (responses of donors) are noise and stay, whitened
#' by the fitted standard deviations. So are the genes' dispersions. With r_g the residuals, P_g the projection,
#'
#' ```
#' r_g ~ Normal(0, P_g D P_g)                 without shared variation; D diagonal: samples may be more or less noisy
#' S = mean_g r_g r_g'                        E S = mean_g P_g D P_g, which gives D by moments
#' size = largest eigenvalue of S - E S       over the mean variance
#' ```
#'
#' A component is said to be there if its size has a p-value of at most 0.01 among 100 sets of genes drawn from that normal
#' distribution (a parallel analysis, which respects the design). Along it a comparison of samples has errors that are
#' `sqrt(1 + size)` times those that the fit tells. From a size of 0.5 on that is a warning, below a message.
#' A shift that all genes of a sample have in common is a matter of size factors and is taken out.
#' Up to 1000 genes are looked at, those with more counts, evenly spaced over their means.
#'
#' A component goes with the column of `col_data` (or `colData(x)`) for which the F test of its loadings, given the column, has
#' the smallest p-value, if that is below 0.05 after Bonferroni's correction.
#'
#' @section What it cannot see:
#' * A batch that is the same as, or a sum of, columns of the design: one condition per batch.
#' * A batch of whole donors where donors have levels of their own, `(1 | donor)`, and conditions are compared within donors:
#'   the levels take it up, and it does no harm to that comparison.
#' * Anything with fewer than three directions left: samples less columns of the design, less donors whose levels are taken out.
#'   Four paired donors leave three directions, and in few directions one batch looks like some noisy samples.
#' * Which of the two samples of a paired donor is a bad one: only their difference is left.
#' * Whether it is technical. Sex, age, the mixture of cells, or one pathway that all genes follow are shared as well, and effects
#'   are as uncertain without them.
#'
#' @param fit A fit of class `twillgenes`, from [twill_genes()], [twill_screen()] or [twill_cells()].
#' @param genes Names or numbers of genes, or a condition. Default: up to 1000, see below.
#' @param seed A whole number. Default: the fit's.
#' @param ... Not used.
#' @param x,object A table made by `tw_shared_variation()`.
#' @param component Number of the component to plot. Default: 1.
#' @return A [tw_table] of class `tw_shared_variation` with one row per sample (or leaf): `sample`, `noise`, its standard
#'   deviation in units of the mean sample's, and the loadings of components that are there, `component1` and so on.
#'   `summary()`: a data frame with one row per component, the first in any case: `size`, `share` of the variance left,
#'   `chance` (its 99 percent quantile by chance), `p`, `found`, `column`, `r2` and `is_category`. `plot()`: a ggplot of loadings,
#'   coloured by that column. Errors have class `twill_error_genes` or `twill_error_plot`.
#' @references
#' Dunn PK, Smyth GK (1996). Randomized quantile residuals. *Journal of Computational and Graphical Statistics* 5, 236-244.
#' Buja A, Eyuboglu N (1992). Remarks on parallel analysis. *Multivariate Behavioral Research* 27, 509-540. Leek JT, Storey JD
#' (2007). Capturing heterogeneity in gene expression studies by surrogate variable analysis. *PLoS Genetics* 3, e161.
#' @examples
#' set.seed(1)
#' samples <- data.frame(condition = rep(c("ctrl", "stim"), 6), batch = rep(c("a", "b"), each = 6))
#' samples$batch[c(1, 8)] <- c("b", "a")
#' shift <- outer(rnorm(60, 0, 0.5), samples$batch == "b")
#' counts <- matrix(rnbinom(60 * 12, mu = 100 * exp(shift), size = 20), 60,
#'                  dimnames = list(paste0("gene", 1:60), paste0("s", 1:12)))
#' fit <- twill_genes(counts, ~condition, col_data = samples, iter = 200, seed = 1)
#' shared <- tw_shared_variation(fit)
#' shared
#' plot(shared)
#' better <- update(fit, design = ~ condition + (1 | batch))
#' @export
tw_shared_variation <- function(fit, genes = NULL, seed = NULL, ...) {
  check_no_dots(...)
  check_set(fit)
  started <- proc.time()[["elapsed"]]
  at <- if (is.null(genes)) residual_genes(fit) else set_positions(fit, genes)
  parts <- residual_parts(fit)
  df <- length(parts$units$labels) - parts$rank
  if (df < 3 || length(at) < min_shared_genes) return(nothing_shared(parts, df, length(at)))
  found <- with_seed(check_seed(seed) %||% fit$job$settings$seed, shared_components(fit, at, parts))
  found$seconds <- proc.time()[["elapsed"]] - started
  new_shared_variation(parts$units$labels, found, df, length(at))
}

min_shared_genes <- 20
chance_sets <- 100
component_level <- 0.01

# list(excess, chance, carry, columns, seen) of residuals of some genes; `seen` are units that have a weight.
shared_components <- function(fit, at, parts) {
  residuals <- shared_residuals(fit, at, parts)
  excess <- observed_excess(residuals$r, residuals$q)
  left <- mean_projection(residuals$q, ncol(residuals$r))
  chance <- chance_excess(left, nrow(residuals$r), excess$noise, chance_sets)
  seen <- rowSums(as.matrix(unit_sums(parts, row_weights(fit, fit$posterior$rows[at])))) > 0
  list(excess = excess, chance = chance, carry = residuals$carry, columns = unit_columns(fit, parts), seen = seen)
}

new_shared_variation <- function(units, found, df, n_genes) {
  values <- found$excess$values[seq_len(min(5, df - 1))]
  p <- vapply(values, upper_tail, 0, draws = found$chance$size)
  is_found <- cumprod(p <= component_level) == 1
  shown <- seq_len(max(1, sum(is_found)))
  vectors <- apply(found$excess$vectors[, shown, drop = FALSE], 2, function(v) v * sign(v[which.max(abs(v))]))
  matches <- lapply(shown, function(k) matching_columns(vectors[, k], found$columns, found$carry, df))
  best <- lapply(matches, function(table) if (!is.null(table) && table$p[1] <= 0.05) table[1, ])
  pick <- function(name, otherwise) vapply(best, function(row) row[[name]] %||% otherwise, otherwise)
  components <- data.frame(component = shown, size = values[shown], share = values[shown] / df, p = p[shown],
                           found = is_found[shown], chance = stats::quantile(found$chance$size, 0.99, names = FALSE) / df,
                           column = pick("column", NA_character_), r2 = pick("r2", NA_real_))
  is_category <- vapply(found$columns[components$column], function(v) is.matrix(v) || is_category(v), TRUE)
  components$is_category <- ifelse(is.na(components$column), NA, is_category)
  table <- data.frame(sample = units, noise = ifelse(found$seen, sqrt(found$excess$noise), NA))
  loadings <- vectors[, is_found[shown], drop = FALSE]
  table[sprintf("component%d", seq_len(ncol(loadings)))] <- loadings
  shared_table(table, list(components = components, matches = matches, df = df, n_genes = n_genes, noisy = noisy_units(found),
                           columns = found$columns, seconds = found$seconds))
}

shared_table <- function(table, facts) {
  loadings <- grep("^component", names(table), value = TRUE)
  texts <- c("noise of the sample, 1 being that of its model", sub("component", "loading on component ", loadings))
  names(texts) <- c("noise", loadings)
  facts$samples <- table$sample
  new_table(table, "shared_variation", "Variation that samples share", "samples", texts, facts)
}

# What cannot be looked at.
nothing_shared <- function(parts, df, n_genes) {
  components <- data.frame(component = integer(), size = numeric(), share = numeric(), p = numeric(), found = logical(),
                           chance = numeric(), column = character(), r2 = numeric(), is_category = logical())
  table <- data.frame(sample = parts$units$labels, noise = NA_real_)
  shared_table(table, list(components = components, matches = list(), df = df, n_genes = n_genes, noisy = integer(),
                           columns = list(), seconds = 0))
}

# Samples with so much more noise than the median sample, beyond what chance makes of their own estimates.
max_noise <- 1.75

noisy_units <- function(found) {
  noise <- found$excess$noise
  error <- apply(found$chance$noise, 2, stats::sd)
  middle <- stats::median(noise[found$seen])
  which(noise > max_noise^2 * middle & noise - 4 * error > middle)
}

# Columns that describe samples, by unit.
unit_columns <- function(fit, parts) {
  columns <- lapply(fit$job$columns, unit_column, of = parts$units$of, n = length(parts$units$labels))
  columns[!vapply(columns, is.null, TRUE)]
}
