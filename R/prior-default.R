# Default priors: proper, weak, and scaled to the data; and the table of the parameters that have a prior.

#' Parameters of a model and their default priors
#'
#' The defaults are proper and weak. With r the response on the scale of the link less the offset (`y`, or
#' `log(max(y, 0.1))`), they are, s being `max(mad(r), sd(r) / 4)` for Gaussian models, so that a change of units changes
#' nothing, and 2.5 for counts:
#'
#' * `Intercept`: `student_t(3, median(r), s)` for counts, `normal(median(r), 2.5 s)` for Gaussian models (a normal
#'   prior is integrated out exactly); with `intercept = "raw"` s is widened to what the slopes' priors let the response
#'   at x = 0 be.
#' * `sd` and `sigma`: `student_t(3, 0, s)`, truncated to positive values (for `sigma` with `fcor(V)`, s over the root of the mean
#'   diagonal of V; for `sd` of effects on `sigma` or `shape`, 2.5 in the place of s); `shape`: `inv_gamma(0.4, 0.3)`;
#'   `cor`: `lkj(1)`. For the `sd` of slopes on a column whose values differ by 0.1 at most s is ten times as large, by 0.01 at
#'   most a hundred times, and so on: effects of a dose in kilograms are larger numbers than of one in grams.
#' * `b`: normal around 0 with standard deviation `2.5 sd(y) / sd(x)` (Gaussian) or `2.5 / sd(x)` (counts) for each
#'   column x. For counts, columns with two values at distance d get at most `5 / d`, so that rare indicators do not
#'   get vague priors. Of a column that the others nearly determine (a tenth of its variance or less is left), such as `year:f`
#'   beside `year` and `f` where years are far from zero, or `x^2` beside `x`, sd(x) is that given the others. Without an
#'   intercept root mean squares replace standard deviations, because the coefficients then carry the level of the response.
#' * `mu`: `normal(median(r) / K, s)` for each of K free means of intercepts; as `b` for slopes.
#' * `meanme` and `sdme` of [`me(x, sdx)`][tw_formula]: `normal(mean(x), 2.5 sd(x))` and `student_t(3, 0, sd(x))`.
#' * Regressions of `sigma` or `shape`: `Intercept` `student_t(3, log(mad(y)), 2.5)` or `student_t(3, 0, 2.5)`, at the
#'   means of the other columns as that of the response, `b` normal with standard deviation `1 / sd(x)`, at most `2 / d`
#'   for columns with two values.
#'
#' Scales are rounded. [twill()] uses these priors wherever `prior` says nothing, and `prior_summary()` of the fit
#' shows what was used.
#'
#' @inheritParams twill
#' @param ... Must be empty.
#' @return A table of class `twill_prior`, one row per parameter (see [tw_prior()]). Errors are those of [twill()].
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' tw_default_prior(Reaction ~ Days + (1 + Days | Subject), lme4::sleepstudy)
#' tw_default_prior(TICKS ~ YEAR + (1 | BROOD), lme4::grouseticks, family = negbinomial())
#' @export
tw_default_prior <- function(formula, data, family = gaussian(), intercept = c("centred", "raw"),
                             na.action = stats::na.omit, contrasts = NULL, data2 = NULL, ...) {
  check_no_dots(...)
  old <- plain_options()
  on.exit(options(old))
  family <- as_twill_family(family)
  formula <- tw_formula(formula)
  if (has_responses(formula)) {
    return(default_priors_of_responses(formula, data, family, check_intercept(intercept), na.action, contrasts, data2))
  }
  input <- if (is_source(data)) prepare_source(formula, data, family, na.action, silent = 2) else
    prepare_input(formula, data, na.action, silent = 2)
  design <- new_design(input$formula, input$data, family, contrasts, new_relations(formula, data2, silent = 2),
                       new_errors(input, family, data2), input$merged)
  parameters <- parameter_table(design, family, check_intercept(intercept))
  resolve_priors(parameters, formula_means(design))$table
}

# One row per parameter with a prior, in the order of the draws: class, coef, group, dpar, the coefficient
# whose prior it takes where it has none of its own, the name of its draws and the text of its default prior.
parameter_table <- function(design, family, intercept = "centred") {
  scales <- response_scales(design, family)
  scales$is_raw <- intercept == "raw"
  rbind(coefficient_parameters(design, scales), dispersion_parameters(design, family, scales),
        term_parameters(design, scales), latent_parameters(design))
}

parameter_rows <- function(class, variable, default, coef = "", group = "", dpar = "") {
  n <- length(variable)
  data.frame(class = rep_len(class, n), coef = rep_len(coef, n), group = rep_len(group, n), resp = rep_len("", n),
             dpar = rep_len(dpar, n),
             of_all = rep_len(coef, n), variable = variable, default = rep_len(default, n), stringsAsFactors = FALSE)
}

# Level and spread of the response on the scale of the link.
response_scales <- function(design, family) {
  is_log <- is_count_family(family)
  r <- design$merged$response %||% response_numbers((if (is_log) log(pmax(design$y, 0.1)) else design$y) - design$offset)
  spread <- if (is_log) 2.5 else gaussian_spread(r)
  size <- if (is_log) 1 else positive_or_one(r$sd)
  size_without_level <- if (is_log) max(1, abs(r$median) / 2.5) else positive_or_one(r$root_mean_square)
  list(is_log = is_log, location = round(r$median, rounding_digits(spread)), spread = spread, size = size,
       size_without_level = size_without_level, log_sd = round(log(spread), 1))
}

# As response_summary() of rows that come in pieces.
response_numbers <- function(r) {
  list(median = stats::median(r), mad = stats::mad(r), sd = stats::sd(r), root_mean_square = sqrt(mean(r^2)))
}

# Of values of any unit. Where most of them are (nearly) the same, their mad says nothing of the others.
gaussian_spread <- function(r) {
  spread <- positive_or_one(max(r$mad, r$sd / 4))
  round(spread, rounding_digits(spread))
}

# Digits after the point that leave two of a number of this size, one at least: priors are read by people.
rounding_digits <- function(size) max(1, 1 - floor(log10(size)))

positive_or_one <- function(x) if (is.finite(x) && x > 0) x else 1

# Population-level coefficients ----------------------------------------------------------------------------------

coefficient_parameters <- function(design, scales) {
  table <- design$coefficients
  is_constant <- constant_columns(design$x)
  has_level <- any(table$class == "Intercept" | is_constant)
  default <- slope_priors(design$x, has_level, scales, design$merged$count)
  is_intercept <- table$class == "Intercept" | (table$class == "b" & is_constant)
  default[is_intercept] <- intercept_prior(scales, intercept_scale(design$x, has_level, scales, design$merged$count))
  is_level <- table$class == "mu" & is_constant
  share <- if (any(is_intercept)) 0 else round(scales$location / max(1, sum(is_level)), 1)
  default[is_level] <- normal_prior(share, scales$spread)
  coef <- ifelse(table$class == "Intercept", "", table$coef)
  parameter_rows(table$class, table$variable, default, coef, table$group)
}

intercept_prior <- function(scales, scale) {
  if (scales$is_log) student_prior(scales$location, scale) else normal_prior(scales$location, 2.5 * scale)
}

constant_columns <- function(x) {
  vapply(seq_len(ncol(x)), function(j) x[1, j] != 0 && all(x[, j] == x[1, j]), TRUE)
}

# Where the prior is on the raw intercept, the response at x = 0 can be far from the data: as far as the slopes' priors
# reach over the means of their columns.
intercept_scale <- function(x, has_level, scales, count = NULL) {
  if (!scales$is_raw) return(scales$spread)
  reach <- ifelse(constant_columns(x), 0, slope_scales(x, has_level, scales, count) * column_means(x, count))
  signif(sqrt(scales$spread^2 + sum(reach^2)), 3)
}

slope_priors <- function(x, has_level, scales, count = NULL) normal_prior(0, slope_scales(x, has_level, scales, count))

slope_scales <- function(x, has_level, scales, count = NULL) {
  unit <- if (has_level) scales$size else scales$size_without_level
  scales_of_slopes(x, has_level, 2.5 * unit, if (scales$is_log && has_level) 5 else Inf, count)
}

# Standard deviations of columns; without a level in the model, distances from zero. Given the others where these nearly determine
# a column.
column_sizes <- function(x, has_level, count = NULL) sizes_of_columns(x, has_level, count)$size

sizes_of_columns <- function(x, has_level, count = NULL) {
  size <- if (has_level) counted_sds(x, count) else sqrt(column_means(x^2, count))
  own <- determined_sizes(x, size, count)
  list(size = vapply(pmin(size, own), positive_or_one, 0), is_determined = is.finite(own))
}

# `reach` over the sizes of columns; of two values at distance d at most `cap / d`, unless the others determine the column.
scales_of_slopes <- function(x, has_level, reach, cap, count = NULL) {
  of <- sizes_of_columns(x, has_level, count)
  pmin(reach / of$size, ifelse(of$is_determined, Inf, two_value_cap(x, cap)))
}

# The part of a column's variance below which the others nearly determine it, such as year:f beside year and f where years are far
# from zero, or x^2 beside x. Its coefficient is about the small part that is left, and can be large.
nearly_determined <- 0.1

# Of a column's size: with less left, coefficients of size one in the range of the data would need sums that cancel to the digit,
# and their priors would let chains without data run off.
least_own_size <- 1e-3

# Sizes of columns given the others, infinite but for those that are nearly determined.
determined_sizes <- function(x, size, count = NULL) {
  nothing <- rep(Inf, ncol(x))
  are_finite <- all(vapply(seq_len(ncol(x)), function(j) all(is.finite(x[, j])), NA))
  if (ncol(x) < 2 || nrow(x) < ncol(x) || !are_finite) return(nothing)
  n <- if (is.null(count)) nrow(x) else sum(count)
  weighed <- few_rows(x, count)
  length <- sqrt(colSums(weighed^2))
  decomposed <- qr(weighed / rep(ifelse(length > 0, length, 1), each = nrow(weighed)), LAPACK = TRUE)
  if (any(diag(qr.R(decomposed)) == 0)) return(nothing)
  inverse <- backsolve(qr.R(decomposed), diag(ncol(x)))
  own <- numeric(ncol(x))
  own[decomposed$pivot] <- length[decomposed$pivot] / sqrt(rowSums(inverse^2) * max(n - 1, 1))
  ifelse(own^2 < nearly_determined * size^2, pmax(own, least_own_size * size), Inf)
}

# By what columns are to be divided so that what is said of effects without looking at their columns, such as spreads of slopes,
# is about them: how far their values reach (from zero, where no column is constant). Default priors keep to the numbers that are
# in common use, and take powers of ten for what reaches 0.1 at most; what is learned has the reach itself.
column_units <- function(x, is_learned = FALSE) {
  is_constant <- constant_columns(x)
  has_level <- any(is_constant)
  reach <- vapply(seq_len(ncol(x)), function(j) if (has_level) diff(range(x[, j])) else max(abs(x[, j])), 0)
  ifelse(is_constant, 1, unit_of_reach(reach, is_learned))
}

unit_of_reach <- function(reach, is_learned) {
  # Products of larger or smaller numbers are beyond what double precision holds.
  reach <- ifelse(is.finite(reach) & reach > 0, pmin(pmax(reach, 1e-70), 1e70), 1)
  if (is_learned) reach else pmin(10^ceiling(log10(reach) - 1e-9), 1)
}

# Of a term's coefficients: of their columns, and of the matrix that relates levels, whose effects are multiples of the root of
# its diagonal.
term_units <- function(term, is_learned = FALSE) {
  column_units(term$z, is_learned) * unit_of_reach(term$reach %||% 1, is_learned)
}

# Of rows that stand for `count` rows each, if that is given.
column_means <- function(x, count = NULL) {
  if (is.null(count)) return(colMeans(x))
  sums <- vapply(seq_len(ncol(x)), function(j) sum(count * x[, j]), 0)
  stats::setNames(sums / sum(count), colnames(x))
}

counted_sds <- function(x, count = NULL) {
  if (is.null(count)) return(apply(x, 2, stats::sd))
  mean <- column_means(x, count)
  squares <- vapply(seq_len(ncol(x)), function(j) sum(count * (x[, j] - mean[j])^2), 0)
  stats::setNames(sqrt(squares / (sum(count) - 1)), colnames(x))
}

# `cap` over the distance of the two values of a column, infinite for columns with more values.
two_value_cap <- function(x, cap) {
  vapply(seq_len(ncol(x)), function(j) {
    range <- range(x[, j])
    is_two <- range[1] < range[2] && all(x[, j] == range[1] | x[, j] == range[2])
    if (is_two) cap / diff(range) else Inf
  }, 0)
}

# Dispersion and terms -------------------------------------------------------------------------------------------

dispersion_parameters <- function(design, family, scales) {
  name <- design$dispersion
  if (is.null(name)) return(parameter_rows(character(), character(), character()))
  if (!is.null(design$x_disp)) return(dispersion_regression_parameters(design, name, scales))
  default <- if (name == "sigma") student_prior(0, sigma_scale(design, scales)) else "inv_gamma(0.4, 0.3)"
  parameter_rows(name, name, default)
}

# With fcor(V) the errors' standard deviations are sigma times the roots of V's diagonal.
sigma_scale <- function(design, scales) {
  if (is.null(design$errors)) return(scales$spread)
  scale <- scales$spread / sqrt(mean(Matrix::diag(design$errors$covariance)))
  round(scale, rounding_digits(scale))
}

dispersion_classes <- function(x) ifelse(colnames(x) == "Intercept" & constant_columns(x), "Intercept", "b")

dispersion_regression_parameters <- function(design, name, scales) {
  x <- design$x_disp
  coef <- colnames(x)
  is_intercept <- dispersion_classes(x) == "Intercept"
  slope_scale <- scales_of_slopes(x, any(is_intercept), 1, 2, design$merged$count)
  default <- normal_prior(0, slope_scale)
  reach <- if (scales$is_raw) ifelse(is_intercept, 0, slope_scale * column_means(x, design$merged$count)) else 0
  scale <- signif(sqrt(2.5^2 + sum(reach^2)), 3)
  default[is_intercept] <- student_prior(if (name == "sigma") scales$log_sd else 0, scale)
  parameter_rows(ifelse(is_intercept, "Intercept", "b"), design$disp_names, default,
                 ifelse(is_intercept, "", coef), dpar = name)
}

term_parameters <- function(design, scales) {
  rows <- lapply(all_terms(design), function(term) {
    spread <- if (is.null(term$dpar)) scales$spread else 2.5
    default <- student_prior(0, rep_len(spread / term_units(term), length(sd_names(term))))
    sds <- parameter_rows("sd", sd_names(term), default, class_coefs(term), term_factor(term), term$dpar %||% "")
    # As in brms a prior of a coefficient is that of all classes.
    sds$of_all <- rep(term$coefs, length.out = nrow(sds))
    cor <- if (term$cor) parameter_rows("cor", paste0("cor_", term$group), "lkj(1)", group = term$group)
    # As in brms.
    df <- if (has_df(term)) parameter_rows("df", df_name(term$group), "gamma(2, 0.1)", group = term$group)
    rbind(sds, cor, df)
  })
  do.call(rbind, rows)
}

# The priors that tw_re(mean = ) states, as rows of class "mu".
formula_means <- function(design) {
  stated <- lapply(design$terms, function(term) {
    mean <- term$mean[nzchar(term$mean)]
    if (length(mean) > 0) tw_prior(unname(mean), class = "mu", coef = names(mean), group = term$group)
  })
  do.call(bind_priors, stated)
}

# What the user says in `prior` beats what stands in the formula.
add_formula_means <- function(user, means) {
  key <- function(table) paste(table$class, table$group, table$coef, sep = "\r")
  bind_priors(user, means[!key(means) %in% key(user), ])
}

# Texts ----------------------------------------------------------------------------------------------------------

number_text <- function(x) {
  one <- function(v) format(v, scientific = abs(v) >= 1e7 || (v != 0 && abs(v) < 1e-5), digits = 15, decimal.mark = ".")
  vapply(x, one, "")
}
normal_prior <- function(mean, sd) sprintf("normal(%s, %s)", number_text(mean), number_text(signif(sd, 3)))
student_prior <- function(location, scale) sprintf("student_t(3, %s, %s)", number_text(location), number_text(scale))
