# tw_draws(): the effects of a factor, a group or an interaction as draws, one matrix per level.

#' Effects of a factor as draws
#'
#' What the levels of one part of the design add to the log mean (the linear predictor), gene by gene:
#' * a population-level term (`"condition"`, `"condition:sex"`): the part of the linear predictor that its coefficients make
#'   at each level. With R's usual treatment contrasts that is the difference from the first level. A number (`"age"`) has
#'   one level, its slope.
#' * a group (`"donor"`): the deviations of its levels' baselines from the population, \eqn{b_{gj}} of the intercept.
#' * a term that varies over a group (`"condition:donor"`): the deviations of each level's effect from that of the
#'   population, so that a donor's own effect is the sum of both. For a group made of both variables, `(1 | donor:condition)`,
#'   the deviations of its levels.
#'
#' @param fit A fit of class `twillcells` or `twillgenes`; for groups and interactions with effects kept.
#' @param term Name of a factor, of a group, or names joined by `:` in any order.
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param log2 Should draws of fits of counts be in base 2, as tables of [tw_contrast()] are? Default: no, natural logarithms, as
#'   the linear predictor is. Those of Gaussian fits are in the units of the values in any case.
#' @param x,object An object made by `tw_draws()`.
#' @param i,j Names or numbers of levels.
#' @param probs Probabilities of quantiles. Default: `c(0.025, 0.975)`.
#' @param ... Not used.
#' @return An object of class `tw_draws`. `effect[["stim"]]` gives draws x genes of a level, `effect[["stim", "ctrl"]]` of the
#'   difference of two, `names()` the levels, `as.array()` all as draw x level x gene, `summary()` a [table][tw_table] with
#'   `level`, `gene`, `estimate`, `sd` and quantiles, and `plot()` a histogram over genes of the estimates, of counts in base 2.
#'   Errors have class `twill_error_effect`.
#' @seealso [tw_contrast()] for tables with false sign rates, [tw_spread()] for standard deviations over groups.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' tw_draws(fit, "condition")
#' response <- tw_draws(fit, "condition:donor")
#' dim(response[["d1", "d2"]])
#' @export
tw_draws <- function(fit, term, genes = NULL, log2 = FALSE, ...) {
  check_no_dots(...)
  check_set(fit)
  parts <- find_effect(fit, term)
  if (is_screen(fit) && "guide" %in% strsplit(term, "[: ]+")[[1]]) refuse_screen(fit, "tw_draws")
  at <- set_positions(fit, genes)
  structure(list(fit = fit, term = term, genes = at, what = parts$what, levels = parts$levels, unit = table_unit(fit, log2)),
            class = "tw_draws")
}

# list(what, levels): `levels` a named list of either weights of coefficients or names of effects.
find_effect <- function(fit, term) {
  if (!is.character(term) || length(term) != 1) abort_twill("effect", "{.arg term} must be one name, such as {.val condition}.")
  wanted <- strsplit(gsub("[[:space:]]", "", term), ":", fixed = TRUE)[[1]]
  found <- fixed_effect(fit, wanted) %||% group_effect(fit, wanted) %||% slope_effect(fit, wanted)
  if (!is.null(found)) return(found)
  known <- known_effects(fit)
  abort_twill("effect", c("{.arg term} must name a term of the design, a group, or both joined by {.code :}.",
                          "x" = "It is {.val {term}}.", did_you_mean(term, known), "i" = "There are {.val {known}}."))
}

known_effects <- function(fit) {
  blueprint <- model_of(fit)$design$blueprint
  slopes <- unlist(lapply(blueprint$groups, function(group) {
    paste(attr(group$terms, "term.labels"), group$group, sep = ":", recycle0 = TRUE)
  }))
  # Terms of which columns are left.
  here <- unique(attr(part_matrix(blueprint, model_of(fit)$data), "assign"))
  unique(c(attr(blueprint$terms, "term.labels")[here], vapply(blueprint$groups, `[[`, "", "group"), slopes))
}

label_variables <- function(label) strsplit(label, ":", fixed = TRUE)[[1]]

# Columns of a part's model matrix that belong to the term with these variables; none if there is none.
term_columns <- function(part, data, wanted) {
  labels <- attr(part$terms, "term.labels")
  f <- which(vapply(labels, function(label) setequal(label_variables(label), wanted), TRUE))
  if (length(f) == 0) return(NULL)
  x <- part_matrix(part, data)
  if (!f[1] %in% attr(x, "assign")) return(NULL)
  list(columns = which(attr(x, "assign") == f[1]), x = x)
}

fixed_effect <- function(fit, wanted) {
  design <- model_of(fit)$design
  data <- model_of(fit)$data
  found <- term_columns(design$blueprint, data, wanted)
  if (is.null(found)) return(NULL)
  coefs <- design$coef_names[found$columns]
  is_level <- all(wanted %in% names(data)) && all(vapply(data[intersect(wanted, names(data))], is_category, TRUE))
  what <- sprintf("%s in the population", paste(wanted, collapse = ":"))
  if (!is_level) return(list(what = what, levels = stats::setNames(lapply(coefs, unit_weight), sub("^b_", "", coefs))))
  value <- joined_values(data[wanted])
  first <- match(levels(value), value)
  weights <- lapply(first, function(row) stats::setNames(found$x[row, found$columns], coefs))
  list(what = what, levels = stats::setNames(lapply(weights, function(w) list(weights = w)), levels(value)))
}

unit_weight <- function(name) list(weights = stats::setNames(1, name))

group_effect <- function(fit, wanted) {
  for (term in model_of(fit)$design$terms) {
    if (!setequal(term$vars, wanted) || !"Intercept" %in% term$coefs) next
    names <- effect_variables(term$group, term$levels, "Intercept")
    levels <- stats::setNames(lapply(names, function(name) list(effect = name)), term$level_names)
    return(list(what = sprintf("%s, each level's baseline as deviation from the population", term$group), levels = levels))
  }
  NULL
}

slope_effect <- function(fit, wanted) {
  design <- model_of(fit)$design
  parts <- lapply(seq_along(design$terms), function(k) slope_levels(fit, k, wanted))
  levels <- unlist(parts, recursive = FALSE)
  if (length(levels) == 0) return(NULL)
  groups <- unique(unlist(lapply(design$terms, `[[`, "vars")))
  what <- paste(c(setdiff(wanted, groups), intersect(wanted, groups)), collapse = ":")
  list(what = sprintf("%s, each level's effect as deviation from the population's", what), levels = levels)
}

# Levels of one coefficient go by their own names, those of several also by the coefficient's.
slope_levels <- function(fit, k, wanted) {
  term <- model_of(fit)$design$terms[[k]]
  if (!all(term$vars %in% wanted)) return(NULL)
  found <- term_columns(model_of(fit)$design$blueprint$groups[[k]], model_of(fit)$data, setdiff(wanted, term$vars))
  if (is.null(found)) return(NULL)
  coefs <- term$coefs[found$columns]
  levels <- lapply(coefs, function(coef) {
    names <- if (length(coefs) == 1) term$level_names else paste(coef, "|", term$level_names)
    stats::setNames(lapply(effect_variables(term$group, term$levels, coef), function(name) list(effect = name)), names)
  })
  unlist(levels, recursive = FALSE)
}

# Draws --------------------------------------------------------------------------------------------------------------

# draws x genes of one level.
effect_level_draws <- function(x, level) {
  part <- x$levels[[level]]
  size <- unit_size(x$unit)
  if (!is.null(part$effect)) return(matrix(draws_of(x$fit, part$effect, x$genes), ncol = length(x$genes)) / size)
  weighted_draws(x$fit, part$weights[part$weights != 0], x$genes) / size
}

#' @rdname tw_draws
#' @method [[ tw_draws
#' @export
`[[.tw_draws` <- function(x, i, j) {
  out <- effect_level_draws(x, effect_level(x, i))
  if (!missing(j)) out <- out - effect_level_draws(x, effect_level(x, j))
  colnames(out) <- set_genes(x$fit)[x$genes]
  out
}

effect_level <- function(x, i) {
  known <- names(x$levels)
  if (is.character(i) && length(i) == 1 && i %in% known) return(match(i, known))
  if (is_number(i) && i %in% seq_along(known)) return(i)
  given <- given_value(i)
  abort_twill("effect", c("There is no level {.val {given}}.", did_you_mean(as.character(given)[1], known),
                          "i" = "Levels are {.val {some(known, 20)}}."))
}

#' @rdname tw_draws
#' @method names tw_draws
#' @export
names.tw_draws <- function(x) names(x$levels)

#' @rdname tw_draws
#' @method length tw_draws
#' @export
length.tw_draws <- function(x) length(x$levels)

#' @rdname tw_draws
#' @method as.array tw_draws
#' @export
as.array.tw_draws <- function(x, ...) {
  check_no_dots(...)
  levels <- names(x$levels)
  draws <- vapply(levels, function(level) effect_level_draws(x, level), matrix(0, n_set_draws(x$fit), length(x$genes)))
  draws <- array(draws, c(n_set_draws(x$fit), length(x$genes), length(levels)))
  out <- aperm(draws, c(1, 3, 2))
  array(out, dim(out), list(NULL, levels, set_genes(x$fit)[x$genes]))
}

#' @rdname tw_draws
#' @method summary tw_draws
#' @export
summary.tw_draws <- function(object, probs = c(0.025, 0.975), ...) {
  check_no_dots(...)
  check_probs(probs)
  genes <- set_genes(object$fit)[object$genes]
  parts <- lapply(names(object$levels), function(level) {
    draws <- effect_level_draws(object, level)
    s <- summarise_columns(draws, probs = probs, type = few_draws_type)
    data.frame(level = level, gene = genes, estimate = s[, 1], sd = s[, 2], s[, -(1:2), drop = FALSE], check.names = FALSE)
  })
  out <- do.call(rbind, parts)
  out$level <- factor(out$level, names(object$levels))
  of_effect <- paste("of the effect,", unit_short(object$unit))
  texts <- c(level = sub(",.*$", "", object$what), estimate = paste("posterior mean", of_effect),
             sd = paste("posterior sd", of_effect))
  new_table(out, "draws_summary", "Effects", "rows by level and gene", texts, list(contrast = object$what, unit = object$unit))
}

#' @rdname tw_draws
#' @method print tw_draws
#' @export
print.tw_draws <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat("Effects: ", x$what, "\n", sep = "")
  cat(sprintf("%s levels x %s genes, %s draws; %s. Posterior means over genes:\n", big(length(x$levels)), big(length(x$genes)),
              big(n_set_draws(x$fit)), unit_short(x$unit)))
  shown <- utils::head(names(x$levels), 20)
  print(effect_rows(x, shown), quote = FALSE, right = TRUE)
  if (length(x$levels) > 20) cat("and", length(x$levels) - 20, "more\n")
  last <- names(x$levels)[length(x$levels)]
  difference <- if (length(x$levels) > 1) sprintf(", [[\"%s\", \"%s\"]] for a difference", last, shown[1])
  cat(strwrap(paste0("Next: [[\"", last, "\"]] for draws", difference, ", summary(), plot().")), sep = "\n")
  invisible(x)
}

effect_rows <- function(x, levels) {
  rows <- vapply(levels, function(level) {
    draws <- effect_level_draws(x, level)
    mean <- colMeans(draws)
    beyond <- sum(abs(mean) * unit_size(x$unit) > log(2))
    c(stats::quantile(mean, c(0.05, 0.5, 0.95), names = FALSE), stats::median(column_sds(draws)), beyond)
  }, numeric(5))
  shown <- matrix(fixed_text(t(rows)[, 1:4, drop = FALSE], 2), length(levels))
  dimnames(shown) <- list(levels, c("5%", "50%", "95%", "median sd"))
  # Folds are ratios of counts.
  if (has_counts(x$fit)) cbind(shown, "beyond 2-fold" = big(rows[5, ])) else shown
}
