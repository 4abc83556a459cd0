# The two (or more) sides of a contrast as conditions in which all genes have a mean, and the donors that each side has.

# One list per condition of a contrast: weight, x (row of the population-level columns), z (one row per group-level term),
# x_disp (row of a regression of the dispersion, NULL if unknown) and values (what the user said of it).
contrast_arms <- function(model, contrast) {
  if (is_level_triple(model, contrast)) contrast <- triple_cond(contrast)
  if (inherits(contrast, "tw_cond")) cond_arms(model, contrast) else coefficient_arms(model, contrast)
}

cond_arms <- function(model, cond) {
  cond <- average_cond(model, cond)
  frame <- cond_frame(model, cond)
  blueprint <- model$design$blueprint
  x <- cond_rows(model, frame)
  z <- lapply(blueprint$groups, cond_part, frame = frame)
  x_disp <- if (!is.null(blueprint$dispersion)) cond_part(blueprint$dispersion, frame)
  lapply(seq_along(cond$weights), function(i) {
    list(weight = cond$weights[i], x = x[i, ], z = lapply(z, function(rows) rows[i, ]), x_disp = x_disp[i, ],
         values = cond$values[[i]])
  })
}

# A contrast of coefficients is between the reference with what has positive weights, and that with what has negative ones.
coefficient_arms <- function(model, contrast) {
  weights <- resolve_contrast(model, contrast)
  intercept <- match("Intercept", contrast_coefs(model))
  if (is.na(intercept) || weights$x[intercept] != 0) refuse_arms(weights$label)
  reference <- cond_arms(model, cond())[[1]]
  lapply(c(1, -1), function(sign) {
    z <- Map(function(row, term) row + pmax(sign * term$weights[1, names(row)], 0), reference$z, weights$terms)
    list(weight = sign, x = reference$x + pmax(sign * weights$x, 0), z = z, values = list())
  })
}

refuse_arms <- function(label) {
  abort_twill("contrast", c("{.arg contrast} must say which conditions it compares: their compositions are needed.",
                            "x" = "It is {.val {label}}.",
                            "i" = "Write {.code cond(x = \"a\") - cond(x = \"b\")}, or {.code cond(x = \"a\")} for one."))
}

# Donors -----------------------------------------------------------------------------------------------------------

# The rows of the data that have these values.
rows_with <- function(data, values) {
  same <- function(name) level_text(data[[name]]) == text_like(values[[name]], data[[name]])
  fits <- vapply(names(values), same, logical(nrow(data)))
  which(rowSums(!matrix(fits, nrow(data))) == 0)
}

group_variables <- function(model) unique(unlist(lapply(model$design$terms, `[[`, "vars")))

# Values that a condition has of variables of groups: "stim" for the levels of donor:condition.
own_values <- function(arm, model) arm$values[intersect(names(arm$values), group_variables(model))]

# What makes a donor: the variables of groups that no condition names.
donor_variables <- function(model, arms) setdiff(group_variables(model), unlist(lapply(arms, function(arm) names(arm$values))))

donor_keys <- function(model, arms) {
  variables <- donor_variables(model, arms)
  if (length(variables) == 0) return(rep("", nrow(model$data)))
  combined_texts(lapply(as.list(model$data[variables]), as.character), "_")
}

# One data frame per arm: `donor`, `row` (of the data, one for each combination of levels) and `share`, which sum to one.
# Donors that some arms lack are left out, unless none is complete (donors nested within conditions).
arm_donors <- function(fit, arms, donor_weights) {
  model <- model_of(fit)
  keys <- donor_keys(model, arms)
  codes <- do.call(paste, c(lapply(model$design$terms, `[[`, "codes"), sep = " "))
  found <- lapply(arms, function(arm) {
    rows <- rows_with(model$data, own_values(arm, model))
    rows <- rows[!duplicated(codes[rows])]
    data.frame(donor = keys[rows], row = rows)[order(keys[rows]), ]
  })
  shared <- Reduce(intersect, lapply(found, `[[`, "donor"))
  if (length(shared) > 0) found <- lapply(found, function(table) table[table$donor %in% shared, ])
  size <- donor_sizes(fit, arms, donor_weights, keys)
  lapply(found, function(table) {
    copies <- stats::ave(table$row, table$donor, FUN = length)
    weight <- if (is.null(size)) 1 else size[table$donor] / copies
    table$share <- checked_shares(rep_len(weight, nrow(table)))
    table
  })
}

checked_shares <- function(weight) {
  if (sum(weight) > 0) return(weight / sum(weight))
  abort_twill("contrast", c("No level of the groups has a positive weight in {.arg donor_weights}.",
                            "i" = "With {.val harmonic} levels need cells on all sides of the contrast."))
}

# Weights by donor; NULL where all count the same.
donor_sizes <- function(fit, arms, donor_weights, keys) {
  if (identical(donor_weights, "uniform")) return(NULL)
  donors <- unique(keys)
  if (is.numeric(donor_weights)) return(given_sizes(donor_weights, donors))
  if (donor_weights == "harmonic" && all(lengths(lapply(arms, `[[`, "values")) == 0)) refuse_arms("a contrast of coefficients")
  cells <- if (fit$job$source$kind == "leaves") fit$job$cells$n else rep(1, length(keys))
  counts <- vapply(arms, function(arm) {
    rows <- rows_with(model_of(fit)$data, arm$values[intersect(names(arm$values), names(model_of(fit)$data))])
    tapply(cells[rows], factor(keys[rows], donors), sum, default = 0)
  }, numeric(length(donors)))
  counts <- matrix(counts, length(donors))
  size <- if (donor_weights == "cells") rowSums(counts) else 1 / rowSums(1 / counts)
  stats::setNames(size, donors)
}

given_sizes <- function(weights, donors) {
  missing <- setdiff(donors, names(weights))
  unknown <- setdiff(names(weights), donors)
  if (length(missing) + length(unknown) == 0 && all(is.finite(weights) & weights >= 0)) return(weights)
  abort_twill("contrast", c("{.arg donor_weights} must hold one number per level, named and not negative.",
                            if (length(missing)) c("x" = "{.val {some(missing)}} {?has/have} none."),
                            if (length(unknown)) c("x" = "There is no level {.val {some(unknown)}}.")))
}
