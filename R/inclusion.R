# tw_inclusion(): which of correlated variants have an effect, in one study or in two.

#' Which of many correlated predictors have an effect
#'
#' For z-scores of variants in linkage disequilibrium, the probability of each variant that it has an effect (posterior inclusion
#' probability, PIP), by enumeration of all sets of at most a few variants: exact, not sampled. With two studies, such as an eQTL
#' and a GWAS, the probability that one and the same variant has an effect in both (the model of eCAVIAR). Over many loci the
#' prior can be learned.
#'
#' @details
#' For study s and a locus of m variants with correlations \eqn{R_s} of their z-scores,
#' \deqn{z_s \sim N(R_s \lambda_s, R_s), \quad \lambda_{sj} = \gamma_{sj} N(0, \phi), \quad
#' P(\gamma_{sj} = 1) = p,}{z_s ~ N(R_s lambda_s, R_s), lambda_sj = gamma_sj N(0, phi), P(gamma_sj = 1) = p,}
#' with \eqn{\phi} the square of `scale` and p `prob`, and at most `max` variants with an effect (Hormozdiari et al. 2014,
#' 2016). A set c of variants has, against none, the Bayes factor
#' \deqn{\log BF(c) = \frac12 z_c' (R_{cc} + I / \phi)^{-1} z_c - \frac12 \log |I + \phi R_{cc}|.}{log BF(c) =
#' z_c' (R_cc + I / phi)^-1 z_c / 2 - log |I + phi R_cc| / 2.}
#'
#' Of two studies, `share` is the probability that a variant with an effect in one has an effect in the other. At `share = prob`,
#' the default, labels are independent, and `both` is `clpp`, the product of the two PIPs (eCAVIAR's colocalisation posterior
#' probability). With a larger one each study says something of the other. Pairs of sets are summed exactly without being listed.
#'
#' With `learn`, the parameters named maximise the product of the loci's evidences: empirical Bayes over loci, as genes
#' learn what they share. Some dozens of loci are needed.
#'
#' Copies of a variant (correlation 1) share its probability. Signs of z and of `correlation` must be for the same alleles.
#'
#' @param z z-scores of the variants: a vector or a matrix with one column, for one study, or two columns, for two. For many loci,
#'   a list of these. For estimates with standard errors: `estimate / se`.
#' @param correlation Correlations of the variants (linkage disequilibrium): a matrix with the variants of `z`; or a list of two,
#'   one per study. For many loci, a list with such an entry for each locus.
#' @param prior Made by `tw_spike_slab()`.
#' @param share See below. Default: `prob`, independent.
#' @param learn Which of `"prob"`, `"scale"` and `"share"` to learn over loci. Default: none.
#' @param level Level of the credible sets. Default: 0.95.
#' @param prob Prior probability that a variant has an effect. Default: 0.01.
#' @param scale Prior standard deviation of an effect, in the units of `z`. Default: \eqn{\sqrt{5.7}}{sqrt(5.7)}, eCAVIAR's, about
#'   2.4.
#' @param max Largest number of variants with an effect in a locus. Default: 2.
#' @param x A table of `tw_inclusion()`.
#' @param ... Must be empty.
#' @return `tw_inclusion()`: a [tw_table] of class `tw_inclusion` with a row per variant: `locus` where there are many,
#'   `variant`, and for each study (with its name as suffix if there are two) `z`, `pip`, `mean` and `sd` of the effect
#'   \eqn{\lambda}{lambda} (which is 0 without one), and `in_set`: whether the variant is in the smallest set, by PIP, that
#'   holds all variants with an effect with probability `level`, given that there is one. With two studies `both`, the
#'   probability of an effect in both, and `clpp`. The attribute `loci` has a row per locus: `log_evidence` (natural
#'   logarithm, against no effect at all), `any` (the probability of some effect, by study) and `shared` (that some variant
#'   has an effect in both); the attribute `prior` is the prior, learned or given, and `share`. Errors have class
#'   `twill_error_inclusion`.
#'
#'   `tw_spike_slab()`: a list of class `tw_spike_slab`. `plot()`: a ggplot.
#' @references Hormozdiari F, Kostem E, Kang EY, Pasaniuc B, Eskin E (2014). Identifying causal variants at loci with multiple
#'   signals of association. *Genetics* 198, 497-508.
#'
#'   Hormozdiari F, van de Bunt M, Segre AV et al. (2016). Colocalization of GWAS and eQTL signals detects target genes.
#'   *American Journal of Human Genetics* 99, 1245-1260.
#' @seealso [tw_shrink()] for estimates with independent errors.
#' @examples
#' # Twenty variants in linkage disequilibrium; the seventh has an effect in both studies.
#' set.seed(1)
#' ld <- 0.9^abs(outer(1:20, 1:20, "-"))
#' dimnames(ld) <- rep(list(paste0("rs", 1:20)), 2)
#' effect <- 6 * (1:20 == 7)
#' noise <- t(chol(ld)) %*% matrix(rnorm(40), 20)
#' z <- drop(ld %*% effect) + noise
#' colnames(z) <- c("eqtl", "gwas")
#' res <- tw_inclusion(z, ld, share = 0.5)
#' res
#' attr(res, "loci")
#' plot(res)
#' @export
tw_inclusion <- function(z, correlation, prior = tw_spike_slab(), share = NULL, learn = character(), level = 0.95, ...) {
  check_no_dots(...)
  if (!inherits(prior, "tw_spike_slab")) abort_twill("inclusion", "{.arg prior} must be made by {.fn tw_spike_slab}.")
  check_level(level)
  loci <- inclusion_loci(z, correlation, prior$max)
  share <- checked_share_of_studies(share, prior, loci, learn)
  if (length(learn) > 0) {
    learned <- learn_inclusion(loci, prior, share, learn)
    prior <- learned$prior
    share <- learned$share
  }
  found <- lapply(loci, solve_locus, prior = prior, share = share, level = level)
  inclusion_table(loci, found, prior, share, learn, level)
}

#' @rdname tw_inclusion
#' @export
tw_spike_slab <- function(prob = 0.01, scale = sqrt(5.7), max = 2, ...) {
  check_no_dots(...)
  if (!is_number(prob) || prob <= 0 || prob >= 0.5) {
    given <- given_value(prob)
    abort_twill("inclusion", c("{.arg prob} must be a number between 0 and 0.5.", "x" = "It is {.val {given}}."))
  }
  structure(list(prob = as.numeric(prob), scale = check_positive(scale, "scale"), max = check_whole(max, "max", 1, 5)),
            class = "tw_spike_slab")
}

#' @method print tw_spike_slab
#' @export
print.tw_spike_slab <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat(spike_slab_text(x), "\n", sep = "")
  invisible(x)
}

spike_slab_text <- function(prior) {
  sprintf("effects with probability %.3g, sd %.3g, at most %d in a locus", prior$prob, prior$scale, as.integer(prior$max))
}

# list(odds, more): o and k - 1 of inclusion-sets.R.
label_odds <- function(prob, share, n_studies) {
  if (n_studies == 1) return(list(odds = prob / (1 - prob), more = 0))
  none <- 1 - 2 * prob + prob * share
  list(odds = prob * (1 - share) / none, more = share * none / (prob * (1 - share)^2) - 1)
}

# Everything about one locus: its table, and log_evidence, any, shared.
solve_locus <- function(locus, prior, share, level) {
  m <- nrow(locus$z)
  n <- ncol(locus$z)
  sets <- locus$sets
  at <- weigh_locus(locus, prior, share)
  studies <- lapply(seq_len(n), function(s) {
    factor <- if (n == 2) factor_of_other(locus$subsets, at$totals[[3 - s]], at$more)
    study_table(locus$z[, s], sets, at$weighed[[s]], factor, level)
  })
  table <- studies[[1]]$table
  if (n == 2) {
    names <- colnames(locus$z)
    both <- both_mass(sets, at$totals, at$more, m) / at$mass
    table <- cbind(stats::setNames(table, paste0(names(table), "_", names[1])),
                   stats::setNames(studies[[2]]$table, paste0(names(studies[[2]]$table), "_", names[2])), both = both,
                   clpp = studies[[1]]$table$pip * studies[[2]]$table$pip)
  }
  list(table = table, log_evidence = at$log_evidence, any = vapply(studies, `[[`, 0, "any"),
       shared = if (n == 2) max(0, 1 - pair_mass(at$totals, -1) / at$mass))
}

# list(weighed, totals, more, mass, log_evidence): the weights of all sets, and their sum.
weigh_locus <- function(locus, prior, share) {
  m <- nrow(locus$z)
  n <- ncol(locus$z)
  own <- label_odds(prior$prob, share, n)
  weighed <- lapply(seq_len(n), function(s) {
    weigh_sets(locus$sets, locus$z[, s], locus$correlation[[s]], prior$scale^2, log(own$odds))
  })
  totals <- lapply(weighed, function(study) sums_over_supersets(study$weight, locus$subsets))
  mass <- if (n == 1) totals[[1]][[1]] else pair_mass(totals, own$more)
  scale <- sum(vapply(weighed, `[[`, 0, "log_scale"))
  list(weighed = weighed, totals = totals, more = own$more, mass = mass,
       log_evidence = log(mass) + scale - log(prior_mass(m, prior$max, own$odds, own$more, n)))
}

study_table <- function(z, sets, weighed, factor, level) {
  m <- length(z)
  weight <- if (is.null(factor)) weighed$weight else Map(`*`, weighed$weight, factor)
  total <- sum(unlist(weight))
  probability <- lapply(weight, `/`, total)
  # [variant]: sums over sets of the probability times a value per place of the set.
  over_sets <- function(value) {
    out <- numeric(m)
    for (k in seq_along(sets)[-1]) for (place in seq_len(k - 1)) {
      out <- out + sums_at(probability[[k]] * value(k, place), sets[[k]][place, ], m)
    }
    out
  }
  pip <- over_sets(function(k, place) 1)
  mean <- over_sets(function(k, place) weighed$mean[[k]][, place])
  square <- over_sets(function(k, place) weighed$mean[[k]][, place]^2 + weighed$variance[[k]][, place])
  list(table = data.frame(z = z, pip = pmin(pip, 1), mean = mean, sd = sqrt(pmax(square - mean^2, 0)),
                          in_set = credible_set(pip, sets, probability, level)),
       any = 1 - probability[[1]])
}

# The fewest variants, by PIP, that hold all of a set with probability `level`, given that the set is not empty.
credible_set <- function(pip, sets, probability, level) {
  place <- rank(-pip, ties.method = "first")
  last <- unlist(lapply(sets[-1], function(s) apply(matrix(place[s], nrow(s)), 2, max)))
  held <- cumsum(sums_at(unlist(probability[-1]), last, length(pip)))
  # Sums of probabilities round.
  place <= which(held >= level * held[length(held)] * (1 - 1e-12))[1]
}
