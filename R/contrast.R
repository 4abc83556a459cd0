# tw_contrast(): a contrast of one response or of all genes, as a table made from draws.

#' Contrasts of conditions
#'
#' Answers one question about every gene, or about the one response of a fit of [twill()], from the posterior draws of the
#' coefficients: by how much do two conditions differ, and how sure is that.
#'
#' @section Estimands:
#' With \eqn{c} the weights of the population-level coefficients and \eqn{d_k} those of term k's effects:
#' * `"population"`: \eqn{c'\beta_g}, the mean effect in the population of donors (levels). Its posterior sd contains the
#'   spread between donors, about `sd / sqrt(donors)`.
#' * `"observed"`: \eqn{c'\beta_g + \sum_k d_k' \bar b_{gk}}, the mean over the donors in the data, each counting once, or
#'   weighted by `donor_weights`.
#' * `"new_donor"`: \eqn{c'\beta_g + \sum_k d_k' b_{gk}} with b of a level that has not been seen, for every group.
#'
#' @section One response:
#' A fit of [twill()] is asked by `contrast`, `estimand`, `by`, `lfc_threshold`, `prob` and `log2`: the others are about many
#' genes and refused. The table has `estimate` and `se` (posterior mean and sd), `lower` and `upper` (quantiles of the draws; for
#' `"new_donor"` of the normals around them from which a new level is drawn), `lfsr`, the posterior probability that the sign is
#' the other one, with a threshold `fsos` and `prob`, `sd_<group>`, and `rhat` and `ess` of the effect itself. No prior of effects
#' is learned, as there is one.
#'
#' @section Scales:
#' A contrast has conditions a with weights \eqn{w_a} (1 and -1 for a difference). In condition a and donor j gene g has the mean
#' \eqn{\mu_{gaj} = \exp(x_a'\beta_g + \sum_k z_{ak}' b_{gkj})}, without size factors, capture and offsets. With \eqn{v_j} the
#' donors' weights, every effect is
#' \deqn{\sum_j v_j \sum_a w_a \, y_{gaj}}{sum_j v_j sum_a w_a y_gaj}
#' where the *scale* says what \eqn{y} is,
#' * `"expression"`: \eqn{y_{gaj} = \log \mu_{gaj}}, the expression itself. It is interpretable only if size factors or
#'   captures make the conditions comparable;
#' * `"composition"`: \eqn{y_{gaj} = \log(\mu_{gaj} / \sum_h \mu_{haj})}, the share of the gene in all genes of the fit. A few
#'   strong genes that rise make all others fall;
#' * `"clr"`: \eqn{y_{gaj} = \log \mu_{gaj} - \mathrm{mean}_{h \in R} \log \mu_{haj}}, centred log-ratios to the mean of a
#'   reference R. It does not change when one condition as a whole is multiplied by a number. Masked genes are in R as one
#'   gene, whose \eqn{\mu} is the sum of theirs;
#'
#' and the *estimand* which donors j there are: `"observed"` those in the data (their combinations, with several groups),
#' `"population"` the one whose effects b are all zero, the centre of the population, and `"new_donor"` one whose effects are
#' drawn anew for every draw, independently for each gene, the same in all conditions unless the group's levels differ between
#' them. On the scales of expression and CLR (without a mask) the effect at the centre is the mean of the effect over the
#' population. On the composition scale this holds only approximately, as \eqn{\log\sum\exp} is not linear: there
#' `"population"` is the effect
#' in the typical donor, and the mean over donors differs by an amount that is common to all genes, about half the change of
#' the abundance-weighted variance of donor effects.
#'
#' All of this is computed draw by draw, with the same draw of every gene. Genes are independent given the hyper-parameters,
#' which [twill_genes()] holds constant, so that any pairing of their draws is a draw of all of them. Genes that were not
#' fitted, and those of `fit` that were taken out by `[`, are in no sum.
#'
#' `cell_noise = TRUE` replaces \eqn{\mu_{gaj}} by the rate of one cell, \eqn{\mathrm{Gamma}(r_g, r_g / \mu_{gaj})}, drawn
#' independently for each gene, condition and donor: the question is then about single cells, and no number of donors makes
#' the answer sure. In fits of pseudobulk a cell is a sample.
#'
#' @section Intervals:
#' `lower` and `upper` are quantiles of the smooth distribution that the draws look like: mean and sd of the gene's draws, tails
#' of a t with the degrees of freedom of all genes' draws, and the gene's skewness as far as it is more than Monte Carlo error.
#' Quantiles of the draws themselves, of which seven of 300 lie beyond an end, would move by a fifth of a posterior sd from
#' seed to seed. Genes with few counts on one side have ends of the density below. Where the draws of all genes together have
#' tails heavier than those of a t with five degrees of freedom (as with two or three donors), they keep their own quantiles
#' (of type 6, see [stats::quantile()]), and normal posteriors without draws theirs. The attribute `error`, which `print()` shows,
#' is the Monte Carlo error of the ends in posterior sds, the median over genes, from ten parts of the draws; it falls with the
#' root of `iter`.
#'
#' @section Calls:
#' The genes with `svalue <= rate` are the largest set in which the expected share of wrong signs is at most `rate`. With a
#' threshold, those of genes with a wrong sign or an effect below it.
#'
#' @section Probabilities:
#' `lfsr`, the local false sign rate, is the probability that the likelier sign is wrong; `svalue` is the mean of `lfsr`
#' over all genes with one at most as large, the expected share of wrong signs among them (Stephens 2017). With
#' `lfc_threshold` above zero, `fsos` is the probability that the effect has the other sign or is smaller than the
#' threshold, and `svalue` is made of it.
#'
#' Draws tell of no probability below one over their number (over all genes of the table): smaller ones are the tail of a t of
#' as few degrees of freedom as all draws allow, which serves to order genes, and are printed as `<8e-06`. Taken
#' gene by gene, rates cannot know that most genes do not respond: of those, one in ten has an `lfsr` below 0.05. With
#' `adaptive = TRUE`, `lfsr`, `fsos`, `svalue` and `prob` are therefore under a prior of the effect learned over the genes
#' of the fit: a share without effect, and zero-mean normals of many sizes (the mixture of Stephens 2017, at the optimum of
#' its likelihood; a warning says if that was not reached), with a t in place of each gene's likelihood whose degrees of freedom
#' are those of the draws' tails. A sign claimed for a gene without effect counts as wrong. Some genes without effect are taken
#' for granted, \eqn{10 + G / 25} of G: where genes are few they are the prior, so that even for a single one an
#' s-value errs on the side of doubt. The description of `lfsr` says what share is without effect. Estimates and intervals stay
#' those of the gene's own posterior.
#'
#' A gene with few counts on one side of the contrast (a knock-out, a gene that is silent without the stimulus) has an effect
#' that the data bound on one side and the prior alone on the other. No t looks like that: on the scale of expression, and with
#' draws, its likelihood is computed along a line through its draws, down to zero and beyond.
#'
#' For `"new_donor"` the same posterior of the population's effect \eqn{\theta_g} is widened by what a donor adds. With \eqn{\pi}
#' the weights of its normal components \eqn{\theta_g \sim N(m_i, v_i)}, \eqn{\pi_0} that of no effect, and \eqn{\tau^2} the
#' variance over donors, averaged over its draws,
#' \deqn{\mathrm{lfsr} = \pi_0 + \sum_i \pi_i \, E_\tau \Phi\left(-|m_i| / \sqrt{v_i + \tau^2}\right),}{lfsr =
#' pi_0 + sum_i pi_i E Phi(-|m_i| / sqrt(v_i + tau^2)),}
#' which is the population's at \eqn{\tau = 0} and grows with \eqn{\tau}: a statement about one more donor is never surer than
#' the same about the population. A gene without effect in the population counts as wrong for a new donor too. `fsos` is
#' made likewise, and is at least the population's.
#'
#' Without, probabilities are shares of draws under a normal kernel that keeps mean and standard deviation; below one over
#' the number of draws they are at least those of a normal with these, rank genes and are not exact.
#'
#' @param fit A fit of class `twillgenes`, from [twill_genes()] or [twill_screen()]; several by type, see [twill_by]; or a fit of
#'   [twill()] of one response.
#' @param contrast A difference of [cond()]s; the name of a coefficient or a linear expression of names
#'   (`"dose2 - dose1"`); weights of the coefficients; or `c("condition", "stim", "ctrl")`. Default: the only
#'   coefficient besides the intercept. A list of such contrasts, best with names, and [tw_each()], each level against others,
#'   give one long table.
#' @param lfc_threshold Size of effects worth knowing, in the units of the table. Default: 0.
#' @param estimand `"population"` (default), `"observed"` or `"new_donor"`.
#' @param scale `"expression"` (default), `"composition"` or `"clr"`, see below. The last two need counts and draws of all
#'   genes, and for `"observed"` a fit with `keep = "effects"`. Contrasts of coefficients are taken at the reference levels of
#'   all variables.
#' @param prob Probability of the intervals, see below. Default: 0.95.
#' @param adaptive Learn a prior of the effect over genes for the probabilities? Default: yes, see below; never with
#'   `cell_noise`.
#' @param log2 Logarithms in base 2 for counts? Default: yes. Gaussian models have the units of their values.
#' @param names `"twill"` (default), or `"limma"` for the column names `logFC` and `AveExpr`.
#' @param donor_weights For `"observed"`: `"uniform"` (default), `"cells"` (the number of cells, or samples, in the conditions
#'   of the contrast), `"harmonic"` (its harmonic mean over the conditions), or numbers named by levels. Donors without a
#'   level on one side (groups such as donor:condition) are left out, unless no donor has all.
#' @param reference For `"clr"`: `"all"` (default; genes that are not masked, and the masked ones as one), `"iqr"` (genes
#'   whose variance over samples of the centred `log(count + 0.5)` is between its quartiles), or names of genes.
#' @param mask Genes to leave out, made by [tw_mask()]. Their rows are `NA`, with status `"masked"`. Default: none.
#' @param cell_noise Add the noise of single cells? Default: no.
#' @param extra Further columns, of the scale of expression: `"kl"`, the symmetric Kullback-Leibler divergence
#'   \eqn{KL(a, b) + KL(b, a)} between the Gamma distributions of the cells' rates, shape r and mean \eqn{\mu}, in the two
#'   conditions (posterior median, in nats; it does not depend on capture, and is \eqn{r (\rho + 1/\rho - 2)} for a ratio
#'   \eqn{\rho} of means and one shape); `"lvr"`, the log ratio of the variances \eqn{\mu + \mu^2 / r}, as `lvr`, `lvrSE` and
#'   `lvr_lfsr`. Both are means over donors. Default: none.
#' @param by Name of a group (`"donor"`, `"guide"`), or of variables that make levels of groups: the effect in each of their
#'   levels, one row per gene and level, with columns `gene` and those of `by` before the others. Needs the effects of levels
#'   (`keep = "effects"`, or up to 200 genes). Default: none.
#' @param shrink Add columns of shrunken effects, see below? Default: no.
#' @param symbols What genes are called in a column of the table, which plots show in place of row names: the name of a column of
#'   texts in the `rowData()` of the experiment that was fitted, such as `"symbol"`; or texts named by genes. Default: none.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_contrast` with genes as row names, in the order of the fit: `baseMean`, `log2FoldChange`
#'   (posterior mean), `lfcSE` (posterior sd), `lower`, `upper`, `lfsr`, `fsos` (with a threshold), `svalue`, `prob` (that the
#'   size of the effect exceeds the threshold), `sd_<group>` (posterior mean of the effect's sd over the levels of each group),
#'   `rhat` and `ess` (the worst of the parameters involved; `khat` for approximations), columns of `shrink` and `extra`,
#'   `status`. For several contrasts and for fits by type the columns `contrast` or those of `by`, and `gene`, come first, and
#'   `svalue_all` is the s-value over all rows.
#'   `sd_<group>` is of the scale of expression on all scales. The column keeps its name where values are no log2: natural
#'   logarithms with `log2 = FALSE`, units of the values in Gaussian fits. The attribute `unit` and the printed header say which;
#'   rename it before you write it to a file. Errors have class `twill_error_contrast`.
#' @references Stephens M (2017). False discovery rates: a new deal. *Biostatistics* 18, 275-294.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' stim <- cond(condition = "stim") - cond(condition = "ctrl")
#' tw_contrast(fit, stim, lfc_threshold = 0.5)
#' tw_contrast(fit, stim, scale = "clr", estimand = "new_donor")
#' tw_contrast(fit, stim, by = "donor")
#' tw_contrast(fit, stim, shrink = TRUE)[, c("log2FoldChange", "shrunken", "shrunkenSE")]
#'
#' # One response.
#' donors <- data.frame(donor = gl(6, 4), dose = rep(c(0, 0, 1, 1), 6), y = rnorm(24))
#' fit <- twill(y ~ dose + (1 + dose || donor), donors, chains = 2, iter = 400, seed = 1, silent = 2)
#' tw_contrast(fit, cond(dose = 1) - cond(dose = 0), estimand = "new_donor")
#' @export
tw_contrast <- function(fit, contrast = NULL, lfc_threshold = 0, estimand = c("population", "observed", "new_donor"),
                        prob = 0.95, log2 = TRUE, adaptive = TRUE, names = c("twill", "limma"),
                        scale = c("expression", "composition", "clr"), donor_weights = c("uniform", "cells", "harmonic"),
                        reference = "all", mask = NULL, cell_noise = FALSE, extra = NULL, by = NULL, shrink = FALSE,
                        symbols = NULL, ...) {
  check_no_dots(...)
  again <- function(fit, contrast) {
    tw_contrast(fit, contrast, lfc_threshold, estimand, prob, log2, adaptive, names, scale, donor_weights, reference, mask,
                cell_noise, extra, by, shrink, symbols)
  }
  if (is_by_type(fit)) return(tables_by(fit, function(one) again(one, contrast)))
  if (is_one(fit)) {
    of_genes <- setdiff(names(match.call())[-1], c("fit", "contrast", "lfc_threshold", "estimand", "prob", "log2", "by"))
    return(contrast_of_one(fit, contrast, lfc_threshold, estimand, prob, log2, by, of_genes))
  }
  check_set(fit, also = "twill")
  if (is_several(contrast)) return(several_contrasts(fit, contrast, function(one) again(fit, one)))
  estimand <- check_choice(estimand, "estimand", c("population", "observed", "new_donor"))
  names <- check_choice(names, "names", c("twill", "limma"))
  check_not_negative(lfc_threshold, "lfc_threshold", "contrast")
  check_level(prob, "prob")
  contrast <- contrast %||% only_coefficient(model_of(fit))
  weights <- resolve_contrast(model_of(fit), contrast)
  check_not_zero(weights, estimand, of_levels = !is.null(by))
  say_reference_levels(model_of(fit), contrast)
  ask <- check_scale(fit, estimand, scale, donor_weights, reference, mask, cell_noise, extra)
  unit <- effect_unit(fit, log2)
  prior <- check_flag(adaptive, "adaptive") && !cell_noise
  shrink <- check_shrink(shrink, adaptive, cell_noise)
  symbols <- resolve_symbols(fit, symbols)
  answer <- if (is.null(by)) contrast_answer(fit, contrast, weights, ask, lfc_threshold * unit, prob, prior, shrink) else
    contrast_by(fit, contrast, weights, ask, by, unit, lfc_threshold * unit, prob, prior, shrink)
  facts <- contrast_facts(weights, ask, table_unit(fit, log2), prob, lfc_threshold, answer$error,
                          known_support(answer$statistics))
  facts$by <- answer$by
  table <- answer$table %||% contrast_table(fit, answer$statistics, weights, unit, lfc_threshold > 0, ask$mask)
  if (shrink) table <- insert_before_status(table, shrunken_columns(answer$prior, answer$base, prob, answer$mask) / unit)
  table <- insert_before_status(table, extra_columns(fit, contrast, ask, unit))
  facts$label <- if (!is.null(symbols)) symbol_column(table, symbols)
  table <- with_symbols(table, symbols, set_genes(fit))
  new_effect_table(table, column_texts(fit, facts, ask, answer$prior), names, facts)
}

# list(statistics, prior, error, base, mask): of all genes, with a prior learned over those that are not masked if `adaptive`;
# `base` is of these.
contrast_answer <- function(fit, contrast, weights, ask, threshold, level, adaptive, shrink) {
  effect <- asked_effect(fit, contrast, weights, ask)
  effect$densities <- effect_densities(fit, weights, ask, effect, threshold)
  statistics <- effect_statistics(effect, threshold, level)
  base <- rate_base(fit, contrast, weights, ask, effect, statistics, threshold, level)
  prior <- if (adaptive) learn_effect_prior(base$draws, base$statistics$mean, base$statistics$sd, base$densities,
                                            estimates = shrink)
  statistics <- adapt_statistics(statistics, prior, threshold, base)
  if (!is.null(base$extra)) statistics <- no_surer(statistics, adapt_statistics(base$statistics, prior, threshold,
                                                                                base[c("statistics", "densities")]))
  list(statistics = unmask(statistics, ask$mask), prior = prior, error = interval_error(effect, level), base = base,
       mask = ask$mask)
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

