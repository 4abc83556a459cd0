# The dispersion's part of a design: its matrix, and group-level terms of its logarithm.

# list(name, x, names, part): the name of the dispersion parameter, NULL if there is none to estimate; for a
# regression its matrix, the names of its coefficients, the model part and the group-level terms as list(design, blueprint).
new_dispersion <- function(formula, data, family, contrasts, whole = NULL) {
  is_known <- !is.null(formula$addition$se) && !formula$addition$sigma
  name <- if (!is_known) family$dispersion
  if (is.null(formula$dispersion)) return(list(name = name))
  check_dispersion_name(formula$dpar, name, is_known, family)
  part <- drop_aliased(model_part(formula$dispersion, data, contrasts), paste("of the formula of", name))
  terms <- dispersion_terms(formula$dispersion_bars, data, contrasts, name, whole)
  list(name = name, x = part$x, names = paste0("b_", name, "_", colnames(part$x), recycle0 = TRUE), part = part, terms = terms)
}

check_dispersion_name <- function(given, name, is_known, family) {
  if (identical(given, name)) return(invisible())
  why <- if (is_known) "With {.code se()} and {.code sigma = FALSE} the standard errors are known: there is no sigma." else
    if (is.null(name)) "The {family$family} family has no dispersion parameter." else
      "The dispersion of the {family$family} family is {.val {name}}."
  abort_twill("formula", c("The formula for {.val {given}} does not fit the model.", "i" = why))
}

# As new_terms(): effects u ~ N(0, sd) of levels on the log dispersion, named as in brms: r_g__sigma[level,Intercept] with
# sd_g__sigma_Intercept.
dispersion_terms <- function(bars, data, contrasts, name, whole) {
  built <- lapply(bars, dispersion_term, data = data, contrasts = contrasts, name = name, whole = whole)
  check_disjoint(lapply(built, `[[`, "design"))
  list(design = lapply(built, `[[`, "design"), blueprint = lapply(built, `[[`, "blueprint"))
}

dispersion_term <- function(bar, data, contrasts, name, whole = NULL) {
  term <- new_term(bar, data, contrasts, list(), whole)
  if (term$design$cor) {
    coefs <- term$design$coefs
    abort_twill("formula", c("Effects of one level on the dispersion must be uncorrelated.",
                             "x" = "The term of {.field {bar$group}} in the formula of {name} has {.val {coefs}}.",
                             "i" = "Write {.code (1 + x || {bar$group})}."))
  }
  term$design$factor <- bar$group
  term$design$dpar <- name
  term$design$group <- paste0(bar$group, "__", name)
  term
}

# Group-level terms of the mean, then those of the dispersion.
all_terms <- function(design) c(design$terms, design$disp_terms)

# The grouping factor, whatever the term is about.
term_factor <- function(term) term$factor %||% term$group

# What coefficients of a term are called beside those of the mean: sigma_x.
shown_coefs <- function(term, coefs = term$coefs) if (is.null(term$dpar)) coefs else paste0(term$dpar, "_", coefs)

# Columns of the engine's matrix for the dispersion's terms: one per level and coefficient, level by level.
dispersion_columns <- function(term) {
  n_levels <- length(term$levels)
  out <- matrix(0, nrow(term$z), n_levels * ncol(term$z))
  for (j in seq_len(ncol(term$z))) out[cbind(seq_along(term$codes), (term$codes - 1) * ncol(term$z) + j)] <- term$z[, j]
  out
}

# The engine's matrix of the dispersion: coefficients, then effects.
engine_dispersion <- function(design) {
  x <- design$x_disp
  if (!is.null(design$centred) && !is.null(x)) x <- less_their_means(x, design$centred$x_disp)
  do.call(cbind, c(list(x), lapply(design$disp_terms, dispersion_columns)))
}

# About what rows tell of each effect, level by level. A Gaussian row tells 2 of its log sigma; a count y at most 1/2 of its log
# shape, and the less the smaller it is.
dispersion_information <- function(term, design, is_count) {
  each <- design$weights * if (is_count) 0.5 * (design$y / (1 + design$y))^2 else 2
  levels <- factor(term$codes, seq_along(term$levels))
  of_coef <- function(j) tapply(each * term$z[, j]^2, levels, sum, default = 0)
  as.vector(do.call(rbind, lapply(seq_len(ncol(term$z)), of_coef)))
}
