# tw_contrast() of one response: the estimands of many genes, without what is learned over these.

contrast_of_one <- function(fit, contrast, lfc_threshold, estimand, prob, log2, by, given) {
  refuse_of_genes(given)
  need_one_response(fit, "tw_contrast")
  again <- function(one) contrast_of_one(fit, one, lfc_threshold, estimand, prob, log2, by, NULL)
  if (is_several(contrast)) return(several_contrasts(fit, contrast, again, row = NULL))
  ask <- list(estimand = check_choice(estimand, "estimand", c("population", "observed", "new_donor")), scale = "expression",
              donor_weights = "uniform", cell_noise = FALSE, mask = FALSE, reference = "all")
  check_not_negative(lfc_threshold, "lfc_threshold", "contrast")
  check_level(prob, "prob")
  contrast <- contrast %||% only_coefficient(fit)
  weights <- resolve_contrast(fit, contrast)
  check_not_zero(weights, ask$estimand, of_levels = !is.null(by))
  say_reference_levels(fit, contrast)
  refuse_new_tails(fit, weights, ask$estimand)
  unit <- effect_unit(fit, log2)
  # Of effects some draws may be kept, which then are those of the coefficients too.
  if (ask$estimand == "observed" || !is.null(by)) if (length(fit$design$terms) > 0) fit <- with_effects(fit)
  plan <- if (!is.null(by)) by_plan(fit, weights, by, ask)
  effect <- if (is.null(by)) contrast_effect(fit, weights, ask$estimand) else by_effect(fit, contrast, weights, ask, plan)
  columns <- columns_of_one(fit, effect, lfc_threshold * unit, prob, unit)
  spread <- if (is.null(by)) spread_columns(fit, weights, unit)
  if (length(spread)) columns <- insert_before(columns, "rhat", spread)
  table <- if (is.null(by)) columns else cbind(plan$labels, columns)
  rownames(table) <- NULL
  facts <- contrast_facts(weights, ask, table_unit(fit, log2), prob, lfc_threshold, NULL, least_supported(effect))
  facts$scale <- NULL
  facts$by <- names(plan$labels)
  # In each level: not of the population.
  if (!is.null(by) && ask$estimand == "population") facts$estimand <- NULL
  new_table(table, "contrast", "Effects", if (is.null(by)) "rows" else paste("rows by", joined_words(facts$by)),
            texts_of_one(table, facts), facts)
}

# One row per column of draws.
columns_of_one <- function(fit, effect, threshold, prob, unit) {
  ends <- c(1 - prob, 1 + prob) / 2
  s <- effect_statistics(effect, threshold, prob)
  bounds <- if (is.null(effect$extra)) column_quantiles(effect$draws, ends, fit$quantile_type %||% 7) else
    mixture_quantiles(effect, ends)
  table <- data.frame(estimate = s$mean, se = s$sd, lower = bounds[, 1], upper = bounds[, 2]) / unit
  table$lfsr <- s$lfsr
  if (threshold > 0) table[c("fsos", "prob")] <- s[c("fsos", "prob")]
  if (fit$info$method %in% c("nuts", "hmc")) {
    # Chains one after the other.
    by_chain <- function(f) apply(effect$draws, 2, function(draws) f(matrix(draws, ncol = dim(fit_draws(fit))[2])))
    table$rhat <- by_chain(posterior::rhat)
    table$ess <- by_chain(posterior::ess_bulk)
  }
  table
}

# Quantiles of normals around the draws, of which each has its variance.
mixture_quantiles <- function(effect, probs) {
  one <- function(k) {
    mean <- effect$draws[, k]
    sd <- sqrt(effect$extra[, k])
    range <- range(mean - 9 * sd, mean + 9 * sd)
    share <- function(x, p) mean(stats::pnorm(x, mean, sd)) - p
    vapply(probs, function(p) stats::uniroot(share, range, p = p, tol = 1e-6 * diff(range))$root, 0)
  }
  t(vapply(seq_len(ncol(effect$draws)), one, probs))
}

texts_of_one <- function(table, facts) {
  level <- if (length(facts$by)) paste(" in each", paste(facts$by, collapse = " and ")) else ""
  what <- sprintf("%s; %s%s, %s", facts$contrast, trimws(paste(sub("_", " ", facts$estimand %||% ""), "effect")), level,
                  unit_short(facts$unit))
  c(estimate = paste("posterior mean of", what), se = paste("posterior sd of", what), interval_texts(facts$prob),
    lfsr = paste0("posterior probability of the other sign", support_note(facts$support)), threshold_texts(facts$threshold),
    rhat = "R-hat of the effect",
    ess = "bulk effective sample size of the effect", sd_texts(names(table)))
}

# What is refused ----------------------------------------------------------------------------------------------------------

# A new level is drawn from a normal, which such effects are not.
refuse_new_tails <- function(fit, weights, estimand) {
  varies <- vapply(weights$terms, function(part) any(part$weights != 0), NA)
  tailed <- Filter(has_tails, fit$design$terms[varies])
  if (estimand != "new_donor" || length(tailed) == 0) return(invisible())
  group <- tailed[[1]]$group
  abort_twill("contrast", c("{.code estimand = \"new_donor\"} is for normal effects: those of {.field {group}} have heavy tails.",
                            "i" = "{.code posterior_linpred(fit, newdata = , allow_new_levels = TRUE)} draws their new levels."))
}
