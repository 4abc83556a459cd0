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
#' @section Against the other genes:
#' `against = "rest"` asks camera's question: are the genes of the set more changed than the others? The effect is
#' \eqn{\delta_S = \mathrm{mean}_{g \in S}\, \mathrm{effect}_g - \mathrm{mean}_{g \notin S}\, \mathrm{effect}_g} for genes like
#' those of the set and like the others, m and \eqn{G - m} of which happen to be in the data:
#'
#' ```
#' delta_S = d_S + omega sqrt(1 / m + 1 / (G - m)) z                z ~ Normal(0, 1)
#' ```
#'
#' with \eqn{d_S} the draws of the difference of means and \eqn{\omega^2} the variance of true effects over genes (the estimate of
#' Paule and Mandel, from posterior means and variances). That genes of a set move together is in \eqn{d_S}: with donors together,
#' where the contrast varies over donors, as above with \eqn{\theta_{Sj}} the difference of means in donor j; where it does not
#' (independent samples, or a random intercept alone), the deviations of the draws of \eqn{d_S} are multiplied by the root of the
#' variance inflation of Wu and Smyth (2012), from the residuals \eqn{u_{gi}} of the fit, whitened and standardised,
#'
#' ```
#' VIF_S ~ df v / chi^2_df        v = m sum_i (mean_{g in S} u_gi - mean_{g not in S} u_gi)^2 / df,   near 1 + (m - 1) rho
#' ```
#'
#' with df the samples less the columns of the design and rho the mean correlation of the set's genes. The estimates of a set's
#' genes share their error, not their true effects: camera inflates both. Of random sets 6 % have an interval of 95 % without
#' zero in independent samples, and 2 % where six donors see both conditions (`bench/gene-sets.R`). `against = "zero"` takes
#' genes as independent where the contrast does not vary over donors.
#'
#' @inheritParams tw_contrast
#' @param sets A named list of sets, each the names of its genes, or the path of a file of such sets, see [tw_read_gmt()]. Names
#'   that the fit does not have (or that `mask` masks) are left out.
#' @param against `"zero"` (default): the mean effect of the set; `"rest"`: that less the mean of all other genes, see below.
#' @param symbols As in [tw_contrast()]: what the genes are called in `sets`. Genes without a symbol keep their names. Default:
#'   the names of rows.
#' @param donors `"together"` (default) or `"independent"`, see below.
#' @param adaptive Learn a prior of the effect over the sets for `lfsr`, `fsos`, `svalue` and `prob`, as [tw_contrast()] does over
#'   genes? Default: yes, as most sets of a collection have no effect; never with `cell_noise`.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_gene_sets`, as of [tw_contrast()], with one row per set: `genes` (found), `log2FoldChange`,
#'   `lfcSE`, `lower`, `upper`, `lfsr`, `fsos` (with a threshold), `svalue` (over the sets), `prob`, and with donors together
#'   `sd_donors`, the posterior mean of `sigma_S`. Sets without genes are `NA`, and with `against = "rest"` those with all. For
#'   several contrasts and for fits by type the columns `contrast` or those of `by`, and `set`, come first. Errors have class
#'   `twill_error_contrast`, `twill_error_file` or `twill_error_setting`.
#' @references
#' Paule RC, Mandel J (1982). Consensus values and weighting factors. *Journal of Research of the National Bureau of Standards*
#' 87, 377-385. Wu D, Smyth GK (2012). Camera: a competitive gene set test accounting for inter-gene correlation. *Nucleic Acids
#' Research* 40, e133.
#' @seealso [tw_contrast()]
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(64, 50), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1,
#'                    keep = "effects")
#' sets <- list(first = paste0("gene", 1:4), second = c("gene7", "gene8"))
#' tw_gene_sets(fit, sets = sets)
#' tw_gene_sets(fit, sets = sets, against = "rest")
#' @export
tw_gene_sets <- function(fit, contrast = NULL, sets, lfc_threshold = 0, estimand = c("population", "observed", "new_donor"),
                         prob = 0.95, log2 = TRUE, scale = c("expression", "composition", "clr"),
                         donor_weights = c("uniform", "cells", "harmonic"), reference = "all", mask = NULL, cell_noise = FALSE,
                         donors = c("together", "independent"), adaptive = TRUE, against = c("zero", "rest"), symbols = NULL,
                         ...) {
  check_no_dots(...)
  again <- function(fit, contrast) {
    tw_gene_sets(fit, contrast, sets, lfc_threshold, estimand, prob, log2, scale, donor_weights, reference, mask, cell_noise,
                 donors, adaptive, against, symbols)
  }
  if (is_by_type(fit)) return(tables_by(fit, function(one) again(one, contrast), "set"))
  check_set(fit)
  if (is_several(contrast)) return(several_contrasts(fit, contrast, function(one) again(fit, one), "set"))
  check_not_negative(lfc_threshold, "lfc_threshold", "contrast")
  check_level(prob, "prob")
  estimand <- check_choice(estimand, "estimand", c("population", "observed", "new_donor"))
  donors <- check_choice(donors, "donors", c("together", "independent"))
  ask <- check_scale(fit, estimand, scale, donor_weights, reference, mask, cell_noise, NULL)
  contrast <- contrast %||% only_coefficient(model_of(fit))
  ask$against <- against <- check_choice(against, "against", c("zero", "rest"))
  members <- set_members(fit, sets, ask$mask, resolve_symbols(fit, symbols))
  unit <- effect_unit(fit, log2)
  weights <- resolve_contrast(model_of(fit), contrast)
  check_not_zero(weights, estimand)
  say_reference_levels(model_of(fit), contrast)
  effect <- set_effect(fit, contrast, weights, ask, members, donors)
  statistics <- effect_statistics(effect[c("draws", "extra")], lfc_threshold * unit, prob)
  prior <- if (check_flag(adaptive, "adaptive") && !cell_noise) learn_effect_prior(effect$draws, statistics$mean, statistics$sd)
  statistics <- adapt_statistics(statistics, prior, lfc_threshold * unit)
  table <- set_table(statistics, members, unit, lfc_threshold > 0, effect$sigma)
  facts <- contrast_facts(weights, ask, table_unit(fit, log2), prob, lfc_threshold, interval_error(effect, prob),
                          known_support(statistics))
  title <- if (against == "rest") "Mean effects of genes less those of all others" else "Mean effects of genes"
  new_table(table, "gene_sets", title, "sets", set_texts(fit, facts, ask, prior), facts)
}

# Positions of the genes of each set among those of the fit. A symbol stands for all genes that have it.
set_members <- function(fit, sets, mask, symbols = NULL) {
  if (is.character(sets) && length(sets) == 1 && is.null(names(sets))) {
    check_existing_file(sets, "sets")
    sets <- tw_read_gmt(sets)
  }
  fine <- is.list(sets) && length(sets) > 0 && !is.null(names(sets)) && !anyDuplicated(names(sets)) &&
    all(vapply(sets, function(set) is.character(set) || is.factor(set), TRUE))
  if (!fine) abort_twill("setting", c("{.arg sets} must be a list of names of genes, with one name per set.",
                                      "i" = "Or the path of a file: {.code sets = \"sets.gmt\"}."))
  genes <- set_genes(fit)
  named <- if (is.null(symbols)) genes else ifelse(is.na(symbols$texts), genes, symbols$texts)
  where <- split(seq_along(genes)[!mask], named[!mask])
  lapply(sets, function(set) sort(as.integer(unlist(where[intersect(as.character(set), names(where))], use.names = FALSE))))
}

# Draws -----------------------------------------------------------------------------------------------------------------

# list(draws, extra, sigma): draws x sets.
set_effect <- function(fit, contrast, weights, ask, members, donors) {
  if (!has_draws(fit)) {
    abort_twill("draws", c("{.fn tw_gene_sets} needs draws: fit with {.code keep = \"effects\"}.", lost_folder(fit)))
  }
  varies <- any(vapply(weights$terms, function(part) any(part$weights != 0), NA))
  asked <- donors == "together" && varies && ask$estimand != "observed"
  reason <- if (asked) why_not_together(fit, contrast, weights, ask, members)
  if (!is.null(reason)) {
    warn_twill("donors", c("Donors' effects on genes of a set are taken as independent: intervals may be far too narrow.",
                           "x" = reason))
  }
  effect <- if (asked && is.null(reason)) sets_of_donors(fit, contrast, weights, ask, members) else
    independent_sets(fit, contrast, weights, ask, members)
  if (ask$against == "zero") return(effect)
  compete(effect, fit, contrast, weights, ask, members, inflate = donors == "together" && !asked)
}

why_not_together <- function(fit, contrast, weights, ask, members) {
  varies <- vapply(weights$terms, function(part) any(part$weights != 0), NA)
  model <- model_of(fit)
  arms <- contrast_arms(model, contrast)
  known <- donor_variables(model, arms)
  of_donor <- vapply(model$design$terms[varies], function(term) paste(intersect(term$vars, known), collapse = " "), "")
  if (length(unique(of_donor)) != 1) return("The contrast varies over the levels of several groups.")
  needed <- length(genes_of_sets(ask, members))
  if (is.null(fit$posterior$effects) && needed > max_repeated) {
    return("The effects of single donors were not kept: fit with {.code keep = \"effects\"}.")
  }
  found <- arm_donors(fit, arms, "uniform")
  if (length(Reduce(intersect, lapply(found, `[[`, "donor"))) < 2) "No two donors have all conditions of the contrast."
}

# Genes whose effects are needed: of other scales all.
genes_of_sets <- function(ask, members) {
  if (ask$scale != "expression") return(seq_along(ask$mask))
  if (ask$against == "rest") which(!ask$mask) else sort(unique(unlist(members)))
}

# Means over the columns of each set, less those over the other columns for `against = "rest"`; genes without draws are left out.
set_means <- function(draws, members, against = "zero") {
  usable <- !is.na(colSums(draws))
  size <- rep(vapply(members, function(set) sum(usable[set]), 0), each = nrow(draws))
  sums <- vapply(members, function(set) rowSums(draws[, set[usable[set]], drop = FALSE]), numeric(nrow(draws)))
  means <- sums / size
  if (against == "rest") means <- means - (rowSums(draws[, usable, drop = FALSE]) - sums) / (sum(usable) - size)
  matrix(means, nrow(draws), dimnames = list(NULL, names(members)))
}

# Variances of the same means where those of genes add up.
set_variances <- function(variances, members, against) {
  own <- set_means(variances, members) / rep(pmax(1, lengths(members)), each = nrow(variances))
  if (against == "zero") return(own)
  others <- sum(!is.na(colSums(variances))) - rep(lengths(members), each = nrow(variances))
  # The mean of the others is that of the set less the difference.
  own + (set_means(variances, members) - set_means(variances, members, "rest")) / others
}

independent_sets <- function(fit, contrast, weights, ask, members) {
  effect <- asked_effect(fit, contrast, weights, ask)
  kept <- lapply(members, match, which(!ask$mask))
  draws <- set_means(effect$draws, kept, ask$against)
  extra <- effect$extra
  list(draws = draws, extra = if (!is.null(extra)) {
    set_variances(matrix(extra, nrow(draws), ncol(effect$draws)), kept, ask$against)
  })
}

sets_of_donors <- function(fit, contrast, weights, ask, members) {
  if (ask$scale == "expression") {
    used <- genes_of_sets(ask, members)
    fit <- fit[used, ]
    ask$mask <- logical(length(used))
    members <- lapply(members, match, used)
  }
  bound <- 5 * set_means(sqrt(matrix(new_level_variance(fit, weights, seq_along(ask$mask)), ncol = length(ask$mask))), members)
  found <- donor_means(fit, contrast, ask, members)
  n <- length(found$theta)
  mean <- Reduce(`+`, found$theta) / n
  spread <- Reduce(`+`, lapply(found$theta, function(one) (one - mean)^2)) / (n - 1)
  spread <- (n - 1) * unshrunk(spread, found, members, ask$against)
  with_local_seed(fit$job$settings$seed, {
    sigma <- bounded_sigma(spread, n - 1, bound)
    noise <- stats::rnorm(nrow(mean))
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
    draws[, ask$mask] <- NA
    theta[[donor]] <- set_means(draws, members, ask$against)
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
unshrunk <- function(spread, found, members, against) {
  own <- set_variances(found$variance, members, against)
  kept <- apply(found$centres, 2, stats::var) / colMeans(found$variance)
  kept <- vapply(members, function(set) mean(kept[set], na.rm = TRUE), 0)
  shared <- spread - own
  own + shared / ifelse(shared > 0, rep(pmin(1, pmax(0.2, kept))^2, each = nrow(spread)), 1)
}

# sqrt(spread / chi^2), drawn below the bound.
# Sets have the same uniform numbers, so that none depends on which others there are.
bounded_sigma <- function(spread, df, bound) {
  uniform <- rep_len(stats::runif(NROW(spread)), length(spread))
  least <- stats::pchisq(spread / bound^2, df, lower.tail = FALSE, log.p = TRUE)
  chi <- stats::qchisq(log(uniform) + least, df, lower.tail = FALSE, log.p = TRUE)
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
  table[lengths(members) == 0 | is.nan(s$mean), -1] <- NA
  rownames(table) <- names(members)
  table
}

set_texts <- function(fit, facts, ask, prior) {
  texts <- column_texts(fit, facts, ask, prior)
  texts[c("lfsr", "svalue")] <- sub("genes", "sets", texts[c("lfsr", "svalue")])
  c(genes = "number of genes found", texts, sd_donors = "posterior mean of the sd over donors of the set's mean effect")
}
