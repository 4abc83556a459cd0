# tw_design(): how precisely a contrast would be known with other numbers of donors and cells, and how often it would be found.

#' How many donors?
#'
#' The standard error of a contrast, the probability that its interval excludes zero (power), and the smallest effect that would
#' be found, as functions of the number of donors and of the cells (or samples) of each: from a fit of pilot data, or from stated
#' values.
#'
#' With D donors, each with R cells (or samples) in each condition \eqn{a}, which has weight \eqn{w_a} in the contrast,
#' \deqn{se^2 = \frac{\tau^2}{D} + \frac{1}{D R} \sum_a w_a^2 v_a,\qquad v_a = \frac{1}{\mu_a} + \frac{1}{shape}}{se^2 =
#' tau^2 / D + sum_a w_a^2 v_a / (D R),   v_a = 1 / mu_a + 1 / shape}
#' for counts, \eqn{v_a = \sigma^2} for Gaussian values. \eqn{\tau^2} is the variance of the effect over donors. Where each donor
#' is in one condition only it is the sum of the variances of the donors' levels over the conditions, and D counts the donors of
#' each condition. \eqn{\mu_a} is the mean count of a cell (or sample). More cells lower the second part alone: `se` has the
#' floor \eqn{\tau / \sqrt{D}}.
#'
#' Power is that of a t-test of size `1 - prob`. Its degrees of freedom are Satterthwaite's: \eqn{\tau^2} is known with those of
#' the donors, D - 1 (2 D - 2 if each is in one condition), and `prior_df` that other genes add; the second part is taken as
#' known. With a fit these are \eqn{1 / (2 s^2)}, where s is the spread over genes of the logarithm of the donors' sd, and power
#' is averaged over draws of the pilot's posterior, so that what a small pilot does not know is part of the answer.
#'
#' Effects and `sd_donor` are in log2 for counts, as in [tw_contrast()], and in the units of the values for Gaussian models.
#' Multiplicity is not accounted for: where most genes do not respond, ask with a larger `prob`, such as 0.999.
#'
#' @param fit A fit of [twill_genes()] or [twill_cells()], the pilot; or `NULL`, and the values below are stated.
#' @param contrast As in [tw_contrast()].
#' @param effect Sizes of the effect, one or more. Default: 1.
#' @param donors Numbers of donors. Default: 3, 4, 6, 8, 12, 16 and 24.
#' @param per_donor Numbers of cells (or samples) of each donor in each condition. Default: the median of the pilot, else 1.
#' @param genes Genes of the fit to average over, by name, number or condition. Default: all; of more than 300 those at equal
#'   steps of the order of the fit.
#' @param prob Probability of the interval that must exclude zero. Default: 0.95.
#' @param power The power wanted, for `detectable` and `share`. Default: 0.8.
#' @param group Which group the donors are, for fits with several; levels of the others stay as many as they are. Default: the
#'   group with the most levels.
#' @param depth Counts per cell (or sample), as a multiple of the pilot's. Default: 1.
#' @param sd_donor Stated: sd of the effect over donors; with `paired = FALSE` sd of the donors' levels within a condition.
#' @param mean,shape Stated: mean count of a cell (or sample) and shape of the negative binomial; `shape = Inf` is Poisson.
#' @param sigma Stated, in place of `mean` and `shape`: residual sd of Gaussian values.
#' @param paired Stated: has each donor all conditions? Default: yes.
#' @param prior_df Stated: degrees of freedom that other genes add to what the donors tell of `sd_donor`. Default: 0.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_design` with one row per effect, number of cells, and number of donors: `effect`,
#'   `per_donor`, `donors`, `se` (median over genes), `power` (mean over genes), `share` (of genes with at least the power wanted)
#'   and `detectable` (the effect found with the power wanted; median over genes). [plot()] draws power over donors. Values
#'   stated as vectors are genes. Errors have class `twill_error_argument`.
#' @examples
#' # Stated: a tenfold range of counts, donors' responses differ by a third of a doubling.
#' plan <- tw_design(mean = c(10, 100), shape = 10, sd_donor = 0.35, effect = 1,
#'                   donors = c(3, 5, 8, 12))
#' plan
#' plot(plan)
#'
#' # From a pilot of four donors.
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rnbinom(10 * 8, mu = 50, size = 10), 10,
#'                  dimnames = list(paste0("gene", 1:10), NULL))
#' pilot <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                      col_data = samples, iter = 200, seed = 1)
#' tw_design(pilot, effect = c(0.5, 1), donors = c(4, 8, 16))
#' @export
tw_design <- function(fit = NULL, contrast = NULL, effect = 1, donors = c(3, 4, 6, 8, 12, 16, 24), per_donor = NULL,
                      genes = NULL, prob = 0.95, power = 0.8, group = NULL, depth = 1, sd_donor = NULL, mean = NULL,
                      shape = NULL, sigma = NULL, paired = TRUE, prior_df = 0, ...) {
  check_no_dots(...)
  check_level(prob, "prob")
  check_level(power, "power")
  check_positive(depth, "depth")
  effect <- abs(check_numbers(effect, "effect", above = -Inf))
  donors <- check_numbers(donors, "donors", above = 1, whole = TRUE)
  stated <- list(sd_donor = sd_donor, mean = mean, shape = shape, sigma = sigma)
  parts <- if (is.null(fit)) stated_parts(stated, paired, prior_df, depth) else
    pilot_parts(fit, contrast, genes, group, depth, stated)
  per_donor <- if (is.null(per_donor)) parts$per_donor else check_numbers(per_donor, "per_donor", above = 0, whole = TRUE)
  rows <- expand.grid(donors = donors, per_donor = per_donor, effect = effect)[3:1]
  found <- lapply(seq_len(nrow(rows)), function(i) design_row(parts, rows[i, ], prob, power))
  facts <- list(contrast = parts$label, unit = parts$unit, prob = prob, power = power, note = parts$note)
  new_table(cbind(rows, do.call(rbind, found)), "design", "Designs", "rows", design_texts(parts, prob, power), facts)
}

design_texts <- function(parts, prob, power) {
  found <- sprintf("the %g%% interval excludes zero", 100 * prob)
  c(effect = paste("size of the effect,", unit_short(parts$unit)),
    per_donor = paste(parts$what, "of each donor in each condition"),
    donors = if (parts$is_paired) "donors, each in all conditions" else "donors of each condition",
    se = "standard error of the effect, median over genes", power = paste("probability that", found, "(mean over genes)"),
    share = sprintf("share of genes with a power of at least %g", power),
    detectable = sprintf("effect found with probability %g, median over genes", power))
}

# Numbers above a bound, distinct and in order.
check_numbers <- function(x, argument, above, whole = FALSE) {
  fine <- is.numeric(x) && length(x) > 0 && all(is.finite(x)) && all(x > above) && (!whole || all(x == round(x)))
  if (fine) return(sort(unique(as.numeric(x))))
  given <- given_value(x)
  kind <- paste0(if (whole) "whole ", "numbers", if (is.finite(above)) sprintf(" above %g", above))
  abort_twill("argument", c("{.arg {argument}} must hold {kind}.", "x" = "It is {.val {given}}."))
}

# The arithmetic -----------------------------------------------------------------------------------------------------

# `parts`: between (variance over donors), within (of one cell of one donor in all conditions), other (what other groups add),
# each draws x genes; prior_df, one per gene; is_paired.
design_row <- function(parts, row, prob, power) {
  between <- parts$between / row$donors
  se2 <- between + parts$within / (row$donors * row$per_donor) + parts$other
  own <- (if (parts$is_paired) 1 else 2) * (row$donors - 1)
  df <- (own + rep(parts$prior_df, each = nrow(se2))) * (se2 / between)^2
  # Without variation between donors nothing is left to be learned from them.
  df[!is.finite(df)] <- 1e8
  df <- pmin(df, 1e8)
  se <- sqrt(se2)
  end <- stats::qt((1 + prob) / 2, df)
  chance <- colMeans(matrix(two_sided_power(row$effect / se, df, end), nrow(se)))
  data.frame(se = stats::median(sqrt(colMeans(se2))), power = mean(chance), share = mean(chance >= power),
             detectable = stats::median(colMeans(matrix((end + stats::qt(power, df)) * se, nrow(se)))))
}

two_sided_power <- function(shift, df, end) {
  # Beyond 37.6 pt() loses precision, and the power is one.
  shift <- pmin(shift, 37)
  stats::pt(end, df, shift, lower.tail = FALSE) + stats::pt(-end, df, shift)
}

# Stated values ------------------------------------------------------------------------------------------------------

stated_parts <- function(stated, paired, prior_df, depth) {
  check_flag(paired, "paired")
  check_not_negative(prior_df, "prior_df")
  is_gaussian <- !is.null(stated$sigma)
  needed <- c("sd_donor", if (is_gaussian) "sigma" else c("mean", "shape"))
  surplus <- setdiff(names(compact(stated)), needed)
  lacking <- setdiff(needed, names(compact(stated)))
  if (length(lacking) || length(surplus)) {
    stated <- "{.arg sd_donor} is stated with {.arg mean} and {.arg shape}, or with {.arg sigma}."
    abort_twill("argument", c(paste("Without {.arg fit},", stated),
                              if (length(lacking)) c("x" = "{.arg {lacking}} {?is/are} missing."),
                              if (length(surplus)) c("x" = "{.arg {surplus}} {?does/do} not go with {.arg sigma}.")))
  }
  for (name in needed) check_stated(stated[[name]], name)
  values <- as.data.frame(lapply(stated[needed], as.numeric))
  unit <- unit_size(if (is_gaussian) "values" else "log2")
  within <- if (is_gaussian) values$sigma^2 else (1 / (values$mean * depth) + 1 / values$shape) / unit^2
  sides <- if (paired) 1 else 2
  list(between = rbind(sides * values$sd_donor^2), within = rbind(2 * within), other = 0,
       prior_df = rep(prior_df, nrow(values)), is_paired = paired, per_donor = 1, what = "cells or samples",
       unit = if (is_gaussian) "values" else "log2",
       note = if (nrow(values) > 1) sprintf("over %d stated genes", nrow(values)))
}

check_stated <- function(x, name) {
  may_be_zero <- name %in% c("sd_donor", "sigma")
  in_range <- function() !anyNA(x) && all(if (may_be_zero) x >= 0 else x > 0) && (name == "shape" || all(is.finite(x)))
  if (is.numeric(x) && length(x) > 0 && in_range()) return(invisible())
  given <- given_value(x)
  abort_twill("argument", c("{.arg {name}} must hold {if (may_be_zero) 'numbers from 0 on' else 'positive numbers'}.",
                            "x" = "It is {.val {given}}."))
}

# A pilot ------------------------------------------------------------------------------------------------------------

pilot_genes <- 300L
pilot_draws <- 20L

pilot_parts <- function(fit, contrast, genes, group, depth, stated) {
  check_set(fit)
  refuse_pilot(fit, stated)
  model <- model_of(fit)
  contrast <- contrast %||% only_coefficient(model)
  at <- set_positions(fit, genes)
  some <- at[unique(round(seq(1, length(at), length.out = min(pilot_genes, length(at)))))]
  draws <- unique(round(seq(1, n_set_draws(fit), length.out = pilot_draws)))
  arms <- contrast_arms(model, contrast)
  terms <- lapply(seq_along(model$design$terms), function(k) pilot_term(fit, k, arms, some))
  donor <- donor_group(terms, group)
  counted <- vapply(terms, function(term) term$group == donor, NA)
  unit <- table_unit(fit)
  pick <- function(x) matrix(x, ncol = length(some))[draws, , drop = FALSE] / unit_size(unit)^2
  total <- function(variances) Reduce(`+`, lapply(variances, pick), 0)
  list(between = total(lapply(terms[counted], `[[`, "variance")),
       other = total(lapply(terms[!counted], function(term) term$variance / term$n)),
       within = pick(pilot_within(fit, arms, some, depth)),
       prior_df = rep(pilot_df(fit, donor), length(some)), is_paired = all_paired(terms[counted]),
       per_donor = pilot_size(terms[counted], arm_rows(fit, arms), fit), what = pilot_what(fit), unit = unit,
       label = resolve_contrast(model, contrast)$label,
       note = sprintf("over %s genes and %d draws of the pilot; donors are levels of %s", big(length(some)), length(draws),
                      donor))
}

refuse_pilot <- function(fit, stated) {
  given <- names(compact(stated))
  if (length(given)) abort_twill("argument", "{.arg {given}} {?is/are} read from {.arg fit}: give a fit or state values.")
  why <- if (is_screen(fit)) "Screens have guides in the place of donors." else
    if (!has_draws(fit)) "The fit has no draws." else
      if (length(model_of(fit)$design$terms) == 0) "The design has no donors: no group-level term such as (1 | donor)."
  if (is.null(why)) return(invisible())
  abort_twill("argument", c("{.arg fit} cannot be a pilot.", "x" = "{why}",
                            "i" = "State {.arg sd_donor}, {.arg mean} and {.arg shape}."))
}

# Rows of the design on each side: those whose columns are as the side has them, where the sides differ. Of numbers that no row
# has, all rows.
arm_rows <- function(fit, arms) {
  x <- model_of(fit)$design$x
  sides <- do.call(rbind, lapply(arms, function(arm) as.numeric(arm$x)))
  differ <- which(apply(sides, 2, function(column) any(column != column[1])))
  rows <- lapply(seq_along(arms), function(i) which(colSums(abs(t(x[, differ, drop = FALSE]) - sides[i, differ])) < 1e-8))
  if (length(differ) == 0 || any(lengths(rows) == 0)) rep(list(seq_len(nrow(x))), length(arms)) else rows
}

# list(group, variance, n, is_paired, codes): variance over the levels of one term of the contrast. Where no level is on all
# sides, each side has levels of its own.
pilot_term <- function(fit, k, arms, at) {
  term <- model_of(fit)$design$terms[[k]]
  codes <- lapply(arm_rows(fit, arms), function(rows) term$codes[rows])
  is_paired <- length(Reduce(intersect, codes)) > 0
  weights <- do.call(rbind, lapply(arms, function(arm) arm$weight * arm$z[[k]][term$coefs]))
  colnames(weights) <- term$coefs
  variance <- term_variance(fit, k, if (is_paired) rbind(colSums(weights)) else weights, at)
  if (length(variance) == 1) variance <- matrix(0, n_set_draws(fit), length(at))
  n <- lengths(lapply(codes, unique))
  list(group = term$group, variance = variance, n = if (is_paired) length(unique(unlist(codes))) else max(n),
       is_paired = is_paired, codes = codes, n_levels = length(term$levels))
}

# Variance of one cell (or sample) of one donor in all conditions of the contrast: draws x genes, in natural logarithms.
pilot_within <- function(fit, arms, at, depth) {
  design <- model_of(fit)$design
  dispersion <- if (!is.null(design$dispersion)) arm_shapes(fit, arms, at)
  beta <- draws_of(fit, design$coef_names, at)
  one <- function(i) {
    arm <- arms[[i]]
    if (!has_counts(fit)) return(arm$weight^2 * dispersion[[i]]^2)
    mu <- exp(weighted_sum(beta, arm$x)) * mean(pilot_exposures(fit)) * depth
    arm$weight^2 * (1 / mu + if (is.null(dispersion)) 0 else 1 / dispersion[[i]])
  }
  Reduce(`+`, lapply(seq_along(arms), one))
}

pilot_exposures <- function(fit) {
  if (pilot_what(fit) == "cells") exp(fit$job$cells$log_capture) else fit$job$sizes$values
}

pilot_what <- function(fit) if (is_cells(fit)) "cells" else "samples"

# Cells (or samples) of a donor in a condition, the median over these.
pilot_size <- function(terms, rows, fit) {
  codes <- terms[[1]]$codes
  cells <- if (is_leaves(fit)) fit$job$cells$n else rep(1, nrow(model_of(fit)$design$x))
  sums <- Map(function(code, row) tapply(cells[row], code, sum), codes, rows)
  max(1, round(stats::median(unlist(sums))))
}

# Degrees of freedom of a scale whose logarithm has this spread over genes.
pilot_df <- function(fit, donor) {
  shared <- fit$job$shared
  is_of <- function(part) part$kind == "lognormal" && startsWith(part$variable, paste0("sd_", donor, "__"))
  k <- which(vapply(shared$parts, is_of, NA))
  if (length(k) == 0) return(0)
  min(vapply(shared$par[k], function(par) 1 / (2 * exp(par[[2]])^2), 0))
}

all_paired <- function(terms) all(vapply(terms, `[[`, NA, "is_paired"))

# The group whose levels are donors. Levels of the others stay as many as they are.
donor_group <- function(terms, group) {
  known <- unique(vapply(terms, `[[`, "", "group"))
  # Of those that the contrast varies over, if it does over any.
  varies <- Filter(function(term) any(term$variance > 0), terms)
  own <- if (length(varies) > 0) varies else terms
  if (is.null(group)) return(own[[which.max(vapply(own, function(term) as.numeric(term$n_levels), 0))]]$group)
  if (is.character(group) && length(group) == 1 && group %in% known) return(group)
  given <- given_value(group)
  abort_twill("argument", c("{.arg group} must name a group of the design.", "x" = "It is {.val {given}}.",
                            "i" = "There {?is/are} {.val {known}}."))
}
