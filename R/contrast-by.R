# tw_contrast(by = ): the effect of every gene in each level of a group: in each donor, by each guide.

#' @section Effects in levels:
#' `by = "donor"` asks for the effect in each donor of the data: \eqn{c'\beta_g + d_k' b_{gkj}} in donor j, with the donor's own
#' effects of all terms that `by` makes levels of, averaged over the levels that one of `by` has in them (donor:batch by
#' donor). The other groups are as `estimand` says: at their centre (`"population"`), at the mean of their levels
#' (`"observed"`), or new (`"new_donor"`). On scales other than that of expression, and with weights or the noise of cells,
#' the effect is the mean over what the data have of the level, and `estimand` must be `"observed"`. Levels of groups such as
#' donor:condition that the data do not have on all sides of the contrast are left out; a donor who was seen under one condition
#' only is kept, with the response that the other donors and their spread tell. What coefficients say stays as the contrast has
#' it: covariates of a donor that it does not name are at their reference, see [tw_groups()] for the donors as they are.
#'
#' Effects in levels are estimates that the genes' own spread over levels has drawn to the population's effect. `lfsr` and
#' `svalue` are over all rows: genes and levels.
#' @rdname tw_contrast
#' @name tw_contrast
NULL

contrast_by <- function(fit, contrast, weights, ask, by, unit, threshold, prob, adaptive, shrink) {
  plan <- by_plan(fit, weights, by, ask)
  mask <- ask$mask[plan$gene]
  effect <- by_effect(fit, contrast, weights, ask, plan)
  own <- statistics <- effect_statistics(effect, threshold, prob)
  if (!is.null(effect$extra)) own <- effect_statistics(effect["draws"], threshold, prob)
  prior <- if (adaptive) learn_effect_prior(effect$draws, own$mean, own$sd, estimates = shrink)
  base <- list(statistics = own, extra = effect$extra)
  statistics <- adapt_statistics(statistics, prior, threshold, base)
  table <- contrast_table(fit, unmask(statistics, mask), weights, unit, threshold > 0, ask$mask, plan$gene)
  table <- cbind(gene = set_genes(fit)[plan$gene], plan$labels, table)
  rownames(table) <- NULL
  list(table = table, statistics = statistics, prior = prior, by = names(plan$labels), error = interval_error(effect, prob),
       base = base, mask = mask)
}

# Which levels ----------------------------------------------------------------------------------------------------------

# list(vars, values, terms, gene, level, labels): the variables that make levels, their values by level, the terms that have
# them, and for each row of the table its gene, level, and the values as columns.
by_plan <- function(fit, weights, by, ask) {
  if (length(ask$extra)) abort_twill("contrast", "{.arg extra} is of whole contrasts: leave it out with {.arg by}.")
  model <- model_of(fit)
  vars <- by_variables(model, by)
  of_level <- vapply(model$design$terms, function(term) any(term$vars %in% vars), NA)
  if (any(vapply(model$design$terms[of_level], has_members, NA))) {
    abort_twill("contrast", c("{.arg by} needs rows of one level each, and those of {.fn mm} belong to several.",
                              "i" = "{.fn coef} has the coefficients of single levels."))
  }
  check_varies(model, weights, of_level, by, ask$estimand)
  data <- model$data[vars]
  first <- match(levels(joined_values(data)), joined_values(data))
  values <- lapply(first, function(row) lapply(data, function(column) column[[row]]))
  plan <- list(vars = vars, terms = which(of_level), first = first, values = values)
  plan$usable <- which(vapply(seq_along(first), function(l) has_sides(fit, weights, plan, l), NA))
  if (length(plan$usable) == 0) {
    abort_twill("contrast", "No level of {.field {by}} has all sides of the contrast in the data.")
  }
  c(plan, by_rows(fit, plan, data))
}

by_variables <- function(model, by) {
  groups <- group_names(model)
  known <- unique(c(groups, group_variables(model)))
  if (length(known) == 0) {
    abort_twill("contrast", c("{.arg by} needs a group of the design, and it has none.",
                              "i" = "Group-level terms such as {.code (1 + condition || donor)} make one."))
  }
  if (is.character(by) && length(by) == 1 && by %in% groups) return(model$design$terms[[match(by, groups)]]$vars)
  if (is.character(by) && length(by) > 0 && all(by %in% group_variables(model))) return(unique(by))
  wrong <- if (is.character(by)) setdiff(by, known) else given_value(by)
  is_factor <- is.character(by) && any(by %in% population_variables(model))
  abort_twill("contrast", c("{.arg by} must name a group of the design.", "x" = "It is {.val {wrong}}.",
                            if (is.character(by)) did_you_mean(wrong[1], known), "i" = "Groups are {.val {known}}.",
                            if (is_factor) c("i" = "Levels of other variables are named in {.fn cond}.")))
}

check_varies <- function(model, weights, of_level, by, estimand) {
  varies <- vapply(weights$terms, function(part) any(part$weights != 0), NA)
  if (!any(varies & of_level)) {
    abort_twill("contrast", c("The contrast does not vary over {.field {by}}: it is the same in all levels.",
                              "i" = "A random slope is needed, such as {.code (1 + condition || donor)}."))
  }
  if (estimand == "new_donor" && !any(varies & !of_level)) {
    abort_twill("contrast", c(paste("{.code estimand = \"new_donor\"} is about a level that has not been seen, {.arg by} about",
                                    "those that have."), "i" = "Leave one of them out."))
  }
  invisible()
}

# Levels of a term that a side of the contrast is about, in a level of `by`.
side_levels <- function(fit, k, values, plan, level) {
  shared <- intersect(model_of(fit)$design$terms[[k]]$vars, plan$vars)
  levels_with(fit, k, c(values[setdiff(names(values), shared)], plan$values[[level]][shared]))
}

# Whether the data have all sides of the contrast in a level; a side that names another level of `by` itself is in none.
has_sides <- function(fit, weights, plan, level) {
  all(vapply(plan$terms, function(k) {
    part <- weights$terms[[k]]
    sides <- which(rowSums(part$weights != 0) > 0)
    all(vapply(part$values[sides], function(values) length(side_levels(fit, k, values, plan, level)) > 0, NA))
  }, NA))
}

# Rows of the table, genes first: all levels of each gene, or of a screen those of the guides that the gene has, by their names.
by_rows <- function(fit, plan, data) {
  n <- length(all_genes(fit))
  rows <- data.frame(gene = rep(seq_len(n), each = length(plan$usable)), level = rep(plan$usable, n))
  labels <- data[plan$first[rows$level], , drop = FALSE]
  if (is_screen(fit) && "guide" %in% plan$vars) {
    guides <- fit$screen$guides
    own <- match(paste(set_genes(fit)[rows$gene], labels$guide), paste(guides$gene, slot_names(guides$slot)))
    labels$guide <- guides$guide[own]
    rows <- rows[!is.na(own), ]
    labels <- labels[!is.na(own), , drop = FALSE]
  }
  list(gene = rows$gene, level = rows$level, labels = labels)
}

# Draws -----------------------------------------------------------------------------------------------------------------

# As asked_effect(), a column per row of the table whose gene is not masked.
by_effect <- function(fit, contrast, weights, ask, plan) {
  rows <- which(!ask$mask[plan$gene])
  genes <- sort(unique(plan$gene[rows]))
  column <- match(plan$gene[rows], genes)
  if (is_plain(ask)) {
    rest <- contrast_effect(fit, without_terms(weights, plan$terms), ask$estimand)
    need_by_draws(rest)
    of_level <- function(l) level_part(fit, weights, plan, l, genes)
    draws <- rest$draws[, plan$gene[rows], drop = FALSE]
    extra <- if (!is.null(rest$extra)) rest$extra[, plan$gene[rows], drop = FALSE]
  } else {
    if (ask$estimand != "observed") {
      abort_twill("contrast", c("{.arg by} on this scale is about donors in the data: say {.code estimand = \"observed\"}."))
    }
    whole <- scale_plan(fit, contrast, ask)
    of_level <- function(l) level_on_scale(fit, whole, ask, plan, l)[, genes, drop = FALSE]
    draws <- 0
    extra <- NULL
  }
  own <- NULL
  for (l in unique(plan$level[rows])) {
    here <- plan$level[rows] == l
    found <- of_level(l)
    if (is.null(own)) own <- matrix(0, nrow(found), length(rows))
    own[, here] <- found[, column[here]]
  }
  list(draws = draws + own, extra = extra)
}

need_by_draws <- function(effect) {
  if (is.null(effect$draws)) abort_twill("draws", c("{.arg by} needs draws.", "i" = "Fit with {.code keep = {.val effects}}."))
}

without_terms <- function(weights, terms) {
  for (k in terms) weights$terms[[k]]$weights[] <- 0
  weights
}

# draws x genes of what the effects of a level add.
level_part <- function(fit, weights, plan, level, genes) {
  total <- 0
  for (k in plan$terms) {
    term <- model_of(fit)$design$terms[[k]]
    part <- weights$terms[[k]]
    for (i in which(rowSums(part$weights != 0) > 0)) {
      levels <- term$levels[side_levels(fit, k, part$values[[i]], plan, level)]
      for (coef in colnames(part$weights)[part$weights[i, ] != 0]) {
        effects <- draws_of(fit, effect_variables(term$group, levels, coef), genes)
        total <- total + part$weights[i, coef] * mean_over_levels(effects)
      }
    }
  }
  total
}

# draw x level x gene -> draws x genes.
mean_over_levels <- function(effects) {
  Reduce(`+`, lapply(seq_len(dim(effects)[2]), function(j) matrix(effects[, j, ], dim(effects)[1]))) / dim(effects)[2]
}

# draws x all genes: the effect in what the data have of a level.
level_on_scale <- function(fit, whole, ask, plan, level) {
  data <- model_of(fit)$data[plan$vars]
  keys <- joined_values(data)
  whole$leaves <- whole$leaves[keys[whole$leaves$row] == keys[plan$first[level]], ]
  whole$leaves$weight <- whole$leaves$weight / stats::ave(whole$leaves$share, whole$leaves$arm, FUN = sum)
  passed <- scale_pass(fit, whole, ask)
  passed$draws - scale_shift(passed, whole, ask)
}
