# tw_contrast(): a contrast of all genes, as a table made from draws.

#' Contrasts of genes
#'
#' Answers one question about every gene from the posterior draws of its coefficients: by how much do two conditions
#' differ, and how sure is that.
#'
#' @section Estimands:
#' With \eqn{c} the weights of the population-level coefficients and \eqn{d_k} those of term k's effects:
#' * `"population"`: \eqn{c'\beta_g}, the mean effect in the population of donors (levels). Its posterior sd contains the
#'   spread between donors, about `sd / sqrt(donors)`.
#' * `"observed"`: \eqn{c'\beta_g + \sum_k d_k' \bar b_{gk}}, the mean over the donors in the data, each counting once.
#' * `"new_donor"`: \eqn{c'\beta_g + \sum_k d_k' b_{gk}} with b of a level that has not been seen, for every group.
#'
#' @section Probabilities:
#' `lfsr`, the local false sign rate, is the probability that the likelier sign is wrong; `svalue` is the mean of `lfsr`
#' over all genes with one at most as large, the expected share of wrong signs among them (Stephens 2017). With
#' `lfc_threshold` above zero, `fsos` is the probability that the effect has the other sign or is smaller than the
#' threshold, and `svalue` is made of it.
#'
#' Taken gene by gene, these cannot know that most genes do not respond: of those, one in ten has an `lfsr` below 0.05.
#' With `adaptive = TRUE` and at least 100 genes, `lfsr`, `fsos`, `svalue` and `prob` are therefore under a prior of the
#' effect learned over the genes of the fit: a share without effect, and zero-mean normals of many sizes (the mixture of
#' Stephens 2017, by EM), with a t in place of each gene's likelihood whose degrees of freedom are those of the draws'
#' tails. A sign claimed for a gene without effect counts as wrong. The description of `lfsr` says what share that is.
#' Estimates and intervals stay those of the gene's own posterior.
#'
#' Without, probabilities are shares of draws under a normal kernel that keeps mean and standard deviation; below one over
#' the number of draws they rank genes and are not exact.
#'
#' @param fit A fit of class `twillset`, from [twill_genes()] or [tw_screen()].
#' @param contrast A difference of [cond()]s; the name of a coefficient or a linear expression of names
#'   (`"dose2 - dose1"`); weights of the coefficients; or `c("condition", "stim", "ctrl")`. Default: the only
#'   coefficient besides the intercept.
#' @param lfc_threshold Size of effects worth knowing, in the units of the table. Default: 0.
#' @param estimand `"population"` (default), `"observed"` or `"new_donor"`.
#' @param level Probability of the intervals. Default: 0.95.
#' @param adaptive Learn a prior of the effect over genes for the probabilities? Default: yes, see below; never for
#'   `"new_donor"`.
#' @param log2 Logarithms in base 2 for counts? Default: yes. Gaussian models have the units of their values.
#' @param names `"twill"` (default), or `"limma"` for the column names `logFC` and `AveExpr`.
#' @return An S4Vectors `DataFrame` with descriptions in `mcols()`, or without that package a data frame with the attribute
#'   `description`. One row per gene, in the order of the fit: `baseMean`, `log2FoldChange` (posterior mean), `lfcSE`
#'   (posterior sd), `lower`, `upper`, `lfsr`, `fsos` (with a threshold), `svalue`, `prob` (that the size of the effect
#'   exceeds the threshold), `sd_<group>` (posterior mean of the effect's sd over the levels of each group), `rhat` and
#'   `ess` (the worst of the parameters involved; `khat` for approximations), `status`. Errors have class
#'   `twill_error_contrast`.
#' @references Stephens M (2017). False discovery rates: a new deal. *Biostatistics* 18, 275-294.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' tw_contrast(fit, cond(condition = "stim") - cond(condition = "ctrl"), lfc_threshold = 0.5)
#' @export
tw_contrast <- function(fit, contrast = NULL, lfc_threshold = 0, estimand = c("population", "observed", "new_donor"),
                        level = 0.95, log2 = TRUE, adaptive = TRUE, names = c("twill", "limma")) {
  check_set(fit)
  estimand <- check_choice(estimand, "estimand", c("population", "observed", "new_donor"))
  names <- check_choice(names, "names", c("twill", "limma"))
  check_threshold(lfc_threshold)
  check_probs(level)
  weights <- resolve_contrast(fit$job$model, contrast %||% only_coefficient(fit$job$model))
  unit <- if (check_flag(log2, "log2") && family(fit)$link == "log") log(2) else 1
  effect <- contrast_effect(fit, weights, estimand)
  statistics <- effect_statistics(effect, lfc_threshold * unit, level, fit$job$settings$seed)
  adapts <- check_flag(adaptive, "adaptive") && estimand != "new_donor"
  prior <- if (adapts) learn_effect_prior(effect$draws, statistics$mean, statistics$sd)
  statistics <- adapt_statistics(statistics, prior, lfc_threshold * unit)
  table <- contrast_table(fit, statistics, weights, unit, lfc_threshold > 0)
  described_table(table, column_texts(fit, weights, estimand, unit, level, lfc_threshold, prior), names)
}

check_threshold <- function(x) {
  if (is_number(x) && x >= 0) return(invisible())
  given <- if (is.atomic(x) && length(x) > 0) some(x) else class(x)[1]
  abort_twill("contrast", c("{.arg lfc_threshold} must be a number that is not negative.", "x" = "It is {.val {given}}."))
}

only_coefficient <- function(model) {
  known <- contrast_coefs(model)
  others <- setdiff(known, "Intercept")
  if (length(others) == 1) return(others)
  if (length(others) == 0) return(known[1])
  abort_twill("contrast", c("{.arg contrast} is missing, and the design has several coefficients.",
                            "i" = "They are {.val {some(others, 20)}}.",
                            "i" = "Say {.code cond(x = \"a\") - cond(x = \"b\")}, or name one."))
}

# Draws of the effect ----------------------------------------------------------------------------------------------

# list(draws, extra, mean, sd): draws x genes of what is sampled, and the variance that a new level adds, draw by draw;
# or, for fits without draws, the mean and sd of a normal.
contrast_effect <- function(fit, weights, estimand) {
  linear <- linear_weights(fit, weights, estimand)
  if (!has_draws(fit)) return(normal_effect(fit, linear, weights, estimand))
  at <- seq_along(fit$posterior$rows)
  draws <- weighted_draws(fit, linear, at)
  if (estimand == "observed") draws <- add_level_means(draws, fit, weights, at)
  extra <- if (estimand == "new_donor") new_level_variance(fit, weights, at)
  list(draws = draws, extra = extra)
}

# Weights of population-level variables, named, without zeros. Averages over all levels are variables of the posterior.
linear_weights <- function(fit, weights, estimand) {
  out <- stats::setNames(weights$x, fit$job$model$design$coef_names)
  if (estimand == "observed") {
    for (k in seq_along(weights$terms)) {
      w <- weights$terms[[k]]$weights
      if (nrow(w) == 1) out[paste0("mean_r_", fit$job$model$design$terms[[k]]$group, "__", colnames(w))] <- w[1, ]
    }
  }
  out[out != 0]
}

weighted_draws <- function(fit, linear, at) {
  if (length(linear) == 0) abort_twill("contrast", "{.arg contrast} is zero for every gene: its two sides are the same.")
  draws <- set_draws(fit, names(linear), at)
  size <- dim(draws)
  out <- matrix(0, size[1], size[3])
  for (j in seq_along(linear)) out <- out + linear[[j]] * draws[, j, ]
  out
}

# Where the sides of a contrast are about different levels of a group (donor:condition), the averages are over the levels
# of each side, which needs the effects themselves.
add_level_means <- function(draws, fit, weights, at) {
  for (k in seq_along(weights$terms)) {
    part <- weights$terms[[k]]
    if (nrow(part$weights) < 2 || all(part$weights == 0)) next
    draws <- draws + side_means(fit, k, part, at)
  }
  draws
}

side_means <- function(fit, k, part, at) {
  term <- fit$job$model$design$terms[[k]]
  sides <- lapply(seq_len(nrow(part$weights)), function(i) {
    levels <- term$levels[levels_with(fit, k, part$values[[i]])]
    sums <- lapply(colnames(part$weights), function(coef) {
      effects <- effect_draws(fit, effect_variables(term$group, levels, coef), at)
      part$weights[i, coef] * apply(effects, c(1, 3), mean)
    })
    Reduce(`+`, sums)
  })
  Reduce(`+`, sides)
}

# The levels of a term whose variables have these values.
levels_with <- function(fit, k, values) {
  term <- fit$job$model$design$terms[[k]]
  first <- match(seq_along(term$levels), term$codes)
  fits <- vapply(names(values), function(name) {
    as.character(fit$job$model$data[[name]][first]) == as.character(values[[name]])
  }, logical(length(first)))
  which(rowSums(!matrix(fits, length(first))) == 0)
}

# Variance of sum_k d_k' b for new levels: d' S R S d, one summand for each level that the contrast tells apart.
new_level_variance <- function(fit, weights, at) {
  total <- 0
  for (k in seq_along(weights$terms)) total <- total + term_variance(fit, k, weights$terms[[k]]$weights, at)
  if (length(total) == 1) matrix(0, 1, length(at)) else total
}

term_variance <- function(fit, k, weights, at) {
  term <- fit$job$model$design$terms[[k]]
  used <- colnames(weights)[colSums(weights != 0) > 0]
  if (length(used) == 0) return(0)
  names <- paste0("sd_", term$group, "__", used)
  sds <- set_draws(fit, names, at)
  total <- 0
  for (i in seq_len(nrow(weights))) for (a in seq_along(used)) for (b in seq_len(a)) {
    both <- weights[i, used[a]] * weights[i, used[b]] * (if (a == b) 1 else 2)
    if (both == 0 || (a != b && !term$cor)) next
    total <- total + both * sds[, a, ] * sds[, b, ] * (if (a == b) 1 else correlation_of(fit, term, used[b], used[a], at))
  }
  matrix(total, dim(sds)[1])
}

correlation_of <- function(fit, term, first, second, at) {
  name <- paste0("cor_", term$group, "__", c(paste0(first, "__", second), paste0(second, "__", first)))
  set_draws(fit, intersect(name, fit$posterior$names), at)[, 1, ]
}

# Without draws: normal with the mean and variance of the contrast.
normal_effect <- function(fit, linear, weights, estimand) {
  if (estimand == "new_donor") {
    abort_twill("draws", c("The estimand {.val new_donor} needs draws, and the fit has moments only.",
                           "i" = "Fit with {.code keep = \"draws\"}, or with {.arg folder}."))
  }
  rows <- match(names(linear), fit$posterior$names)
  mean <- drop(linear %*% fit$posterior$mean[rows, , drop = FALSE])
  quadratic <- function(v) drop(linear %*% matrix(v, length(linear)) %*% linear)
  variance <- apply(fit$posterior$cov[rows, rows, , drop = FALSE], 3, quadratic)
  list(mean = mean, sd = sqrt(variance))
}
