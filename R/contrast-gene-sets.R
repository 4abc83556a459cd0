# tw_gene_sets(): mean effects of sets of genes, with what donors say of a set as a whole.

#' Effects of sets of genes
#'
#' The mean effect of the genes of a set, from the same draws as [tw_contrast()], draw by draw:
#' \eqn{\theta_S = \mathrm{mean}_{g \in S}\, \mathrm{effect}_g}.
#'
#' @section Donors:
#' The effects of a donor on different genes are independent in the model, but genes of one pathway respond together: a donor who
#' responds less does so in all of them. For the estimands `"population"` and `"new_donor"`, the independence would give
#' intervals of means over many genes that are far too narrow. With `donors = "together"` they are made from the donors' own
#' means instead. With \eqn{\theta_{Sj}} the mean effect of the set in donor j of J, a draw of the posterior,
#'
#' ```
#' s_S^2         = v + (var_j theta_Sj - v) / l^2           v = mean_g var_j theta_gj / genes
#' sigma_S^2    ~ (J - 1) s_S^2 / chi^2_(J - 1)
#' population   = mean_j theta_Sj + sigma_S / sqrt(J) z             z ~ Normal(0, 1)
#' new donor    = mean_j theta_Sj + sigma_S sqrt(1 + 1 / J) z
#' ```
#'
#' Each gene's posterior shrinks the effects of donors towards their mean as if the other genes knew nothing of them; l is the
#' share that is left, the mean over genes of the variance over donors of posterior means over that of draws (at least 0.2), and
#' makes up for that in what genes share. The rest is the posterior of a normal mean under the reference prior, so that
#' intervals hold for few donors too. For two or three donors it has no variance: `sigma_S` is kept below five times the mean
#' over genes of the sd over donors, where one times would be that of genes that move as one. Together needs the effects of
#' single donors (`keep = "effects"`, or up to 200 genes in the sets), and a contrast that varies over the levels of one group;
#' a warning says where that is not so. `"independent"` takes the model at its word.
#'
#' @inheritParams tw_contrast
#' @param sets A named list of sets, each the names of its genes. Names that the fit does not have (or that `mask` masks) are
#'   left out.
#' @param donors `"together"` (default) or `"independent"`, see below.
#' @param adaptive Learn a prior of the effect over the sets for `lfsr`, `fsos`, `svalue` and `prob`, as [tw_contrast()] does over
#'   genes? Default: yes, as most sets of a collection have no effect; never with `cell_noise`.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_gene_sets`, as of [tw_contrast()], with one row per set: `genes` (found), `log2FoldChange`,
#'   `lfcSE`, `lower`, `upper`, `lfsr`, `fsos` (with a threshold), `svalue` (over the sets), `prob`, and with donors together
#'   `sd_donors`, the posterior mean of `sigma_S`. Sets without genes are `NA`. Errors have class `twill_error_contrast` or
#'   `twill_error_setting`.
#' @seealso [tw_contrast()]
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(64, 50), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1,
#'                    keep = "effects")
#' tw_gene_sets(fit, sets = list(first = paste0("gene", 1:4), second = c("gene7", "gene8")))
#' @export
tw_gene_sets <- function(fit, contrast = NULL, sets, lfc_threshold = 0, estimand = c("population", "observed", "new_donor"),
                         prob = 0.95, log2 = TRUE, scale = c("expression", "composition", "clr"),
                         donor_weights = c("uniform", "cells", "harmonic"), reference = "all", mask = NULL, cell_noise = FALSE,
                         donors = c("together", "independent"), adaptive = TRUE, ...) {
  check_no_dots(...)
  check_set(fit)
  check_not_negative(lfc_threshold, "lfc_threshold", "contrast")
  check_level(prob, "prob")
  estimand <- check_choice(estimand, "estimand", c("population", "observed", "new_donor"))
  donors <- check_choice(donors, "donors", c("together", "independent"))
  ask <- check_scale(fit, estimand, scale, donor_weights, reference, mask, cell_noise, NULL)
  contrast <- contrast %||% only_coefficient(fit$job$model)
  members <- set_members(fit, sets, ask$mask)
  unit <- effect_unit(fit, log2)
  weights <- resolve_contrast(fit$job$model, contrast)
  say_reference_levels(fit$job$model, contrast)
  effect <- set_effect(fit, contrast, weights, ask, members, donors)
  statistics <- effect_statistics(effect[c("draws", "extra")], lfc_threshold * unit, prob)
  prior <- if (check_flag(adaptive, "adaptive") && !cell_noise) learn_effect_prior(effect$draws, statistics$mean, statistics$sd)
  statistics <- adapt_statistics(statistics, prior, lfc_threshold * unit)
  table <- set_table(statistics, members, unit, lfc_threshold > 0, effect$sigma)
  facts <- contrast_facts(weights, ask, table_unit(fit, log2), prob, lfc_threshold, interval_error(effect, prob))
  new_table(table, "gene_sets", "Mean effects of genes", "sets", set_texts(fit, facts, ask, prior), facts)
}

# Positions of the genes of each set among those of the fit.
set_members <- function(fit, sets, mask) {
  fine <- is.list(sets) && length(sets) > 0 && !is.null(names(sets)) && !anyDuplicated(names(sets)) &&
    all(vapply(sets, function(set) is.character(set) || is.factor(set), TRUE))
  if (!fine) abort_twill("setting", "{.arg sets} must be a list of names of genes, with one name per set.")
  known <- replace(set_genes(fit), mask, NA)
  lapply(sets, function(set) sort(match(unique(as.character(set)), known)))
}

# Draws -----------------------------------------------------------------------------------------------------------------

# list(draws, extra, sigma): draws x sets.
set_effect <- function(fit, contrast, weights, ask, members, donors) {
  if (!has_draws(fit)) {
    abort_twill("draws", c("{.fn tw_gene_sets} needs draws: fit with {.code keep = \"effects\"}.", lost_folder(fit)))
  }
  varies <- vapply(weights$terms, function(part) any(part$weights != 0), TRUE)
  if (ask$estimand == "observed" || !any(varies) || donors == "independent") {
    return(independent_sets(fit, contrast, weights, ask, members))
  }
  reason <- why_not_together(fit, contrast, varies, ask, members)
  if (is.null(reason)) return(sets_of_donors(fit, contrast, weights, ask, members))
  warn_twill("donors", c("Donors' effects on genes of a set are taken as independent: intervals may be far too narrow.",
                         "x" = reason))
  independent_sets(fit, contrast, weights, ask, members)
}

why_not_together <- function(fit, contrast, varies, ask, members) {
  model <- fit$job$model
  arms <- contrast_arms(model, contrast)
  known <- donor_variables(model, arms)
  of_donor <- vapply(model$design$terms[varies], function(term) paste(intersect(term$vars, known), collapse = " "), "")
  if (length(unique(of_donor)) != 1) return("The contrast varies over the levels of several groups.")
  needed <- if (ask$scale == "expression") length(unique(unlist(members))) else length(ask$mask)
  if (is.null(fit$posterior$effects) && needed > max_repeated) {
    return("The effects of single donors were not kept: fit with {.code keep = \"effects\"}.")
  }
  found <- arm_donors(fit, arms, "uniform")
  if (length(Reduce(intersect, lapply(found, `[[`, "donor"))) < 2) "No two donors have all conditions of the contrast."
}

# Means over the columns of each set; genes without draws are left out.
set_means <- function(draws, members) {
  usable <- !is.na(colSums(draws))
  means <- vapply(members, function(set) rowMeans(draws[, set[usable[set]], drop = FALSE]), numeric(nrow(draws)))
  matrix(means, nrow(draws), dimnames = list(NULL, names(members)))
}

independent_sets <- function(fit, contrast, weights, ask, members) {
  effect <- asked_effect(fit, contrast, weights, ask)
  kept <- lapply(members, match, which(!ask$mask))
  draws <- set_means(effect$draws, kept)
  extra <- if (!is.null(effect$extra)) set_means(matrix(effect$extra, nrow(draws), ncol(effect$draws)), kept)
  list(draws = draws, extra = if (!is.null(extra)) extra / rep(pmax(1, lengths(kept)), each = nrow(draws)))
}

sets_of_donors <- function(fit, contrast, weights, ask, members) {
  if (ask$scale == "expression") {
    used <- sort(unique(unlist(members)))
    fit <- fit[used, ]
    ask$mask <- logical(length(used))
    members <- lapply(members, match, used)
  }
  bound <- 5 * set_means(sqrt(matrix(new_level_variance(fit, weights, seq_along(ask$mask)), ncol = length(ask$mask))), members)
  found <- donor_means(fit, contrast, ask, members)
  n <- length(found$theta)
  mean <- Reduce(`+`, found$theta) / n
  spread <- Reduce(`+`, lapply(found$theta, function(one) (one - mean)^2)) / (n - 1)
  spread <- (n - 1) * unshrunk(spread, found, members)
  with_local_seed(fit$job$settings$seed, {
    sigma <- bounded_sigma(spread, n - 1, bound)
    noise <- matrix(stats::rnorm(length(mean)), nrow(mean))
  })
  share <- if (ask$estimand == "population") 1 / n else 1 + 1 / n
  list(draws = mean + sigma * sqrt(share) * noise, sigma = sigma)
}

# list(theta, variance, centres): a matrix draws x sets per donor, mean effects of the sets in the donor; draws x genes, variances
# of the genes' effects over donors; donors x genes, posterior means.
donor_means <- function(fit, contrast, ask, members) {
  ask$estimand <- "observed"
  plan <- scale_plan(fit, contrast, ask)
  theta <- centres <- list()
  sum <- square <- 0
  for (donor in unique(plan$leaves$donor)) {
    draws <- one_donor(fit, plan, ask, donor)
    theta[[donor]] <- set_means(draws, members)
    centres[[donor]] <- colMeans(draws)
    sum <- sum + draws
    square <- square + draws^2
  }
  n <- length(theta)
  list(theta = unname(theta), variance = (square - sum^2 / n) / (n - 1), centres = do.call(rbind, centres))
}

# draws x genes: effects in one donor of a plan.
one_donor <- function(fit, plan, ask, donor) {
  plan$leaves <- plan$leaves[plan$leaves$donor == donor, ]
  plan$leaves$weight <- plan$leaves$weight / stats::ave(plan$leaves$share, plan$leaves$arm, FUN = sum)
  passed <- scale_pass(fit, plan, ask)
  passed$draws - scale_shift(passed, plan, ask)
}

# The variance over donors of a set's mean is (sum_g var_g + sum_gh cov_gh) / n^2. Draws have the right variances, but covariances
# that are too small by the square of what the genes' own posteriors shrink donors' effects by.
unshrunk <- function(spread, found, members) {
  own <- set_means(found$variance, members) / rep(pmax(1, lengths(members)), each = nrow(spread))
  kept <- apply(found$centres, 2, stats::var) / colMeans(found$variance)
  kept <- vapply(members, function(set) mean(kept[set], na.rm = TRUE), 0)
  shared <- spread - own
  own + shared / ifelse(shared > 0, rep(pmin(1, pmax(0.2, kept))^2, each = nrow(spread)), 1)
}

# sqrt(spread / chi^2), drawn below the bound.
bounded_sigma <- function(spread, df, bound) {
  least <- stats::pchisq(spread / bound^2, df, lower.tail = FALSE, log.p = TRUE)
  chi <- stats::qchisq(log(stats::runif(length(spread))) + least, df, lower.tail = FALSE, log.p = TRUE)
  pmin(sqrt(spread / chi), bound)
}

# Table -----------------------------------------------------------------------------------------------------------------

set_table <- function(s, members, unit, has_threshold, sigma) {
  table <- data.frame(genes = lengths(members), log2FoldChange = s$mean / unit, lfcSE = s$sd / unit, lower = s$lower / unit,
                      upper = s$upper / unit, lfsr = s$lfsr)
  if (has_threshold) table$fsos <- s$fsos
  table$svalue <- s_values(if (has_threshold) s$fsos else s$lfsr)
  table$prob <- s$prob
  if (!is.null(sigma)) table$sd_donors <- colMeans(sigma) / unit
  table[lengths(members) == 0, -1] <- NA
  rownames(table) <- names(members)
  table
}

set_texts <- function(fit, facts, ask, prior) {
  texts <- column_texts(fit, facts, ask, prior)
  texts[c("lfsr", "svalue")] <- sub("genes", "sets", texts[c("lfsr", "svalue")])
  c(genes = "number of genes found", texts, sd_donors = "posterior mean of the sd over donors of the set's mean effect")
}
