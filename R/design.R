# The design of a model: response, offsets, model matrices and group codes, with the blueprint that rebuilds them.

# `x` holds the population-level columns, then one column per free mean; `coefficients` says of each its class (Intercept, b,
# mu), coef, group and the name of its draws, which are `coef_names` too. `dispersion` is the name of the dispersion parameter,
# `x_disp` and `disp_names` are those of its regression; `terms` are made by new_term(), `disp_terms` by dispersion_term(),
# `blueprint` by new_blueprint(), `errors` by new_errors(). Rows that stand for many have `merged`, of prepare_source().
# `whole` are the rows of all responses where there are several, which share the levels of grouping factors.
new_design <- function(formula, data, family, contrasts = NULL, relations = list(), errors = NULL, merged = NULL, whole = NULL) {
  check_contrasts(contrasts, formula, data)
  y <- response_values(formula, data, family)
  fixed <- model_part(formula$fixed, data, contrasts)
  release_memory(nrow(data))
  dispersion <- new_dispersion(formula, data, family, contrasts, whole)
  terms <- new_terms(formula$bars, data, contrasts, relations, whole)
  means <- mean_columns(terms$design)
  x <- cbind(fixed$x, means$x)
  design <- list(y = y, offset = checked_offset(fixed$offset, family, data), weights = checked_weights(formula, data),
                 se = checked_se(formula, data, family), x = x,
                 coefficients = rbind(fixed_coefficients(fixed), means$coefficients),
                 x_disp = dispersion$x, disp_names = dispersion$names, dispersion = dispersion$name, terms = terms$design)
  if (length(dispersion$terms$design) > 0) design$disp_terms <- dispersion$terms$design
  design$coef_names <- design$coefficients$variable
  design$errors <- errors
  if (!is.null(merged)) design <- with_merged_rows(design, merged)
  if (!is.null(formula$latents)) design <- add_latents_to(design, new_latents(formula, data, family, fixed))
  c(design, list(blueprint = new_blueprint(fixed, dispersion, terms)))
}

# Weights multiply the log-likelihood of a row: those of rows that stand for many multiply theirs.
with_merged_rows <- function(design, merged) {
  if (any(design$weights != 1)) {
    merged$squares <- merged$squares * design$weights
    design$weights <- design$weights * merged$count
  } else {
    design$weights <- merged$count
  }
  design$merged <- merged
  design
}

# What is needed to build the same columns from other data. `terms`, `xlevels` and `contrasts` are those of the
# population-level part.
new_blueprint <- function(fixed, dispersion, terms) {
  keep <- c("terms", "xlevels", "contrasts", "columns", "used", "null")
  c(fixed[keep], list(dispersion = dispersion$part[keep], groups = c(terms$blueprint, dispersion$terms$blueprint)))
}

# Model matrices -------------------------------------------------------------------------------------------------

# One vector of numbers each: R adds them up.
check_offset_types <- function(frame, terms) {
  for (k in attr(terms, "offset")) {
    value <- frame[[k]]
    if (is.numeric(value) && NCOL(value) == 1) next
    given <- if (is.null(dim(value))) class(value)[1] else "matrix"
    abort_twill("data", c("An offset must hold one number per row.",
                          "x" = "{.code {names(frame)[k]}} is of class {.cls {given}}."))
  }
}

# What a model matrix has in columns of indicators.
is_category <- function(v) is.factor(v) || is.character(v) || is.logical(v)

check_factor_levels <- function(frame, terms) {
  predictors <- frame[setdiff(seq_along(frame), attr(terms, "response"))]
  is_categorical <- vapply(predictors, function(v) is.factor(v) || is.character(v), TRUE)
  for (name in names(predictors)[is_categorical]) {
    levels <- levels(as.factor(predictors[[name]]))
    if (length(levels) >= 2) next
    abort_twill("design", c("A factor among the covariates must have at least two levels.",
                            "x" = "{.field {name}} has one in the rows used: {.val {levels}}.",
                            "i" = "Remove it from {.arg formula}, or add data from other levels."))
  }
}

fixed_coefficients <- function(fixed) {
  is_intercept <- attr(fixed$terms, "intercept") == 1 & seq_along(fixed$columns) == 1 & is.null(fixed$ordinary)
  coefficient_rows(ifelse(is_intercept, "Intercept", "b"), fixed$columns, "", paste0("b_", fixed$columns, recycle0 = TRUE))
}

# Coefficients of predictors with errors have brms' prefix.
add_latents_to <- function(design, latents) {
  is_latent <- design$coefficients$coef %in% latent_columns(latents) & design$coefficients$class == "b"
  design$coefficients$variable[is_latent] <- paste0("bsp_", design$coefficients$coef[is_latent])
  design$coef_names <- design$coefficients$variable
  design$latents <- latents
  design
}

# Names of coefficients without the prefix of their class.
bare_coef <- function(variable) sub("^b(sp)?_", "", variable)

coefficient_rows <- function(class, coef, group, variable) {
  data.frame(class = class, coef = coef, group = rep_len(group, length(coef)), variable = variable,
             stringsAsFactors = FALSE)
}

# Group-level terms ----------------------------------------------------------------------------------------------

new_terms <- function(bars, data, contrasts, relations, whole = NULL) {
  built <- lapply(bars, new_term, data = data, contrasts = contrasts, relations = relations, whole = whole)
  check_disjoint(lapply(built, `[[`, "design"))
  check_one_relation(lapply(built, `[[`, "design"))
  check_one_by(lapply(built, `[[`, "design"))
  check_one_tail(lapply(built, `[[`, "design"))
  list(design = lapply(built, `[[`, "design"), blueprint = lapply(built, `[[`, "blueprint"))
}

new_term <- function(bar, data, contrasts, relations, whole = NULL) {
  part <- model_part(bar$rhs, data, contrasts)
  release_memory(nrow(data))
  if (ncol(part$x) == 0) abort_twill("formula", "The group-level term of {.field {bar$group}} has no coefficients.")
  inform_far_from_zero(part, bar$group)
  relation <- relation_of(bar, relations)
  shared <- if (is.null(whole)) data else rows_with_groups(whole, bar)
  if (isTRUE(relation$observed)) relation <- observed_relation(relation, shared[[bar$vars]])
  groups <- groups_of_term(bar, shared, relation)
  if (!is.null(whole)) groups <- groups_of_rows(groups, shared, data)
  mean <- free_means(bar, part$columns)
  design <- list(group = bar$group, vars = bar$vars, levels = groups$labels, level_names = groups$names,
                 coefs = part$columns, cor = bar$cor && length(part$columns) > 1, codes = groups$codes, z = part$x,
                 mean = mean)
  if (design$cor) hint_at_correlations(bar$group, length(part$columns), length(groups$labels))
  design$weights <- groups$weights
  design$precision <- relation$precision
  design$root <- checked_root(relation, bar)
  design$reach <- relation$reach
  design$by <- new_classes(bar, data, groups)
  design$dist <- bar$dist
  design$label <- bar$label
  design$known_codes <- groups$known_codes
  blueprint <- c(part[c("terms", "xlevels", "contrasts", "columns")],
                 list(group = bar$group, vars = bar$vars, keys = groups$keys, means = names(mean),
                      related = !is.null(relation) && is.null(bar$members), scheme = groups$scheme,
                      by = design$by[c("var", "levels", "suffix")], dist = bar$dist, twins = relation$twins))
  list(design = design, blueprint = blueprint)
}

# Coefficients of a term from which on its correlations take long: 46 of them in 92 Gaussian rows a minute, without correlations
# a second.
many_correlated <- 10

# Fewer levels than coefficients leave most of the correlations to their prior.
hint_at_correlations <- function(group, n_coefs, n_levels) {
  if (n_coefs < many_correlated || n_levels > n_coefs) return(invisible())
  inform_twill("correlations", c("The term of {.field {group}} has {n_coefs} coefficients and {n_coefs * (n_coefs - 1) / 2}
                                  correlations: its {n_levels} level{?s} can tell little of them, and they take long.",
                                 "i" = "{.code ||} in place of {.code |} has coefficients without correlations."))
}

# list(codes, keys, names, labels): levels of a term, and that of each row.
groups_of_term <- function(bar, data, relation) {
  if (!is.null(bar$members)) return(member_groups(bar, data, relation))
  if (is.null(relation)) return(new_groups(data[bar$vars], bar$group))
  related_groups(data[[bar$vars]], bar$group, relation)
}

# Prior texts of the free means by coefficient; NULL if the term has none.
free_means <- function(bar, coefs) {
  mean <- bar$mean
  if (is.null(mean)) return(NULL)
  if (is.null(names(mean)) && length(mean) == 1) return(stats::setNames(rep(mean, length(coefs)), coefs))
  unknown <- setdiff(names(mean), coefs)
  if (length(unknown) == 0 && !is.null(names(mean))) return(mean[intersect(coefs, names(mean))])
  abort_twill("formula", c("{.arg mean} of {.fn tw_re} must be one prior, or be named by the term's coefficients.",
                           "x" = "The term of {.field {bar$group}} has the coefficient{?s} {.val {coefs}}."))
}

check_disjoint <- function(terms) {
  names <- unlist(lapply(terms, function(term) paste0("sd_", term$group, "__", term$coefs)))
  twice <- unique(names[duplicated(names)])
  if (length(twice) == 0) return(invisible())
  abort_twill("formula", c("Terms of the same grouping factor must have different coefficients.",
                           "x" = "More than one term has {.val {twice}}.", way_out_of_twice(terms)))
}

way_out_of_twice <- function(terms) {
  is_related <- !vapply(lapply(terms, `[[`, "precision"), is.null, NA)
  if (!any(is_related) || all(is_related)) {
    return(c("i" = "Write {.code (1 | g) + (0 + x | g)}, not {.code (1 | g) + (x | g)}."))
  }
  group <- terms[[which(is_related)[1]]]$group
  copy <- sprintf("data$%s2 <- data$%s", group, group)
  c("i" = sprintf("For effects that are not related beside those that are, copy the column: {.code %s}.", copy))
}

# Effects of a level are looked up by its number, so all terms of a group must have the same levels.
check_one_relation <- function(terms) {
  group <- differing_group(terms, "levels")
  if (is.null(group)) return(invisible())
  abort_twill("formula", c("Terms of the same grouping factor must have the same matrix of relations.",
                           "x" = "The terms of {.field {group}} have different levels.",
                           "i" = "Copy the column under another name for the term with independent levels."))
}

# The first group whose terms differ in this part; NULL if none does.
differing_group <- function(terms, part) {
  groups <- vapply(terms, `[[`, "", "group")
  Find(function(group) length(unique(lapply(terms[groups == group], `[[`, part))) > 1, unique(groups))
}

# Levels are the observed combinations of the variables, in the order of their own levels. `keys` identify them in
# other data, `names` show them, `labels` stand in the names of draws (without blanks, as in brms).
new_groups <- function(columns, group) {
  groups <- level_groups(columns)
  check_group_levels(group, length(groups$names), groups$texts)
  groups
}

level_groups <- function(columns) {
  factors <- lapply(columns, function(column) drop_unused_levels(level_factor(column)))
  codes <- combined_codes(factors)
  texts <- if (length(factors) == 1) lapply(factors, levels) else {
    first <- which(!duplicated(codes))
    first <- first[order(codes[first])]
    lapply(factors, function(f) as.character(f[first]))
  }
  names <- combined_texts(texts, "_")
  labels <- level_labels(names)
  list(codes = codes, keys = level_keys(texts), names = names, labels = labels, texts = texts)
}

level_labels <- function(names) make.unique(gsub("[ \t\r\n]", ".", iconv(names, to = "UTF-8", sub = "byte")), sep = "_")

# One text per combination of levels. A level NA, as addNA() makes it, is not the text "NA".
level_keys <- function(texts) {
  texts <- lapply(texts, function(text) ifelse(is.na(text), "\001NA", text))
  do.call(paste, c(unname(texts), sep = "\r"))
}

check_group_levels <- function(group, n_levels, texts) {
  if (n_levels >= 2) return(invisible())
  level <- unlist(texts)
  abort_twill("design", c("Each grouping factor must have at least two levels.",
                          "x" = "{.field {group}} has {n_levels} in the rows used: {.val {level}}.",
                          "i" = "Remove its term from {.arg formula}, or add data from more levels."))
}

# Free means are columns of x equal to the term's own columns.
mean_columns <- function(terms) {
  with_means <- Filter(function(term) !is.null(term$mean), terms)
  x <- lapply(with_means, mean_column)
  coefficients <- lapply(with_means, function(term) {
    coefs <- names(term$mean)
    coefficient_rows("mu", coefs, term$group, mean_names(term$group, coefs))
  })
  list(x = do.call(cbind, x), coefficients = do.call(rbind, coefficients))
}

mean_column <- function(term) {
  x <- term$z[, names(term$mean), drop = FALSE]
  colnames(x) <- mean_names(term$group, names(term$mean))
  x
}

mean_names <- function(group, coefs) paste0("mu_", group, "__", coefs)

contrast_coefs <- function(model) sub("^b_", "", model$design$coef_names)
