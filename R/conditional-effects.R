# The model's mean along one or two predictors, the others held fixed: data frames and their plots.

#' Conditional effects of predictors
#'
#' Predictions along one predictor, or two that interact, while the others are fixed: numbers
#' at their mean, factors at their first level, numbers of offsets at their mean, too. A number that the formula
#' makes a factor of, as in `factor(cyl)`, counts as one. Combinations of which the data say nothing are left out, with a message.
#'
#' @param x,fit A fit of class `twillfit`, or for `plot()` and `print()` what `tw_conditional_effects()` made.
#' @param effects Names of predictors, or pairs such as `"x:z"`. Default: all main effects and
#'   interactions of two.
#' @param conditions A data frame: for each of its rows, predictions with the predictors fixed
#'   at its values. Default: one, as said above.
#' @param int_conditions Named list of the values of a second numeric predictor. Default: its
#'   mean and one standard deviation to each side.
#' @param re_formula Group-level terms to use, as in [posterior_epred()]. Default: none (`NA`).
#'   With `NULL`, groups that `conditions` does not name are a new level.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param robust Use median and MAD (default), or mean and standard deviation?
#' @param method `"posterior_epred"` (default), `"posterior_linpred"` or `"posterior_predict"`.
#' @param spaghetti Show draws as lines in place of intervals? Default: no.
#' @param resolution Number of values of a numeric predictor. Default: 100.
#' @param ndraws Number of draws. Default: all, 100 for spaghetti.
#' @param points Show the data? Default: no.
#' @param plot Draw the plots? Default: yes. If not, they are only returned.
#' @param ask Wait before each plot after the first? Default: in interactive sessions.
#' @param resp Of a fit of several responses the one that is shown.
#' @param ... Further arguments of the prediction, such as `seed`.
#' @return `tw_conditional_effects()`, and the method of `brms::conditional_effects()`, which is the same: a
#'   list of class `tw_conditional_effects` with a data frame per effect, holding the predictors,
#'   `effect1__`, `effect2__`, `cond__`, `estimate__`, `se__`, `lower__` and `upper__`. `plot()`:
#'   a list of ggplots, invisibly. Errors have class `twill_error_effects`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' effects <- tw_conditional_effects(fit)
#' head(effects$Days[c("effect1__", "estimate__", "lower__", "upper__")])
#' plot(effects, points = TRUE)
#' @export
tw_conditional_effects <- function(fit, effects = NULL, conditions = NULL, int_conditions = list(), re_formula = NA,
                                   prob = 0.95, robust = TRUE,
                                   method = c("posterior_epred", "posterior_linpred", "posterior_predict"),
                                   spaghetti = FALSE, resolution = 100, ndraws = NULL, ..., resp = NULL) {
  check_fit(fit)
  if (has_responses(fit)) fit <- need_resp(resp, fit, "tw_conditional_effects")
  else if (!is.null(resp)) check_own_response(resp, fit)
  need_rows(fit, "{.fn tw_conditional_effects}")
  method <- check_choice(method, "method", c("posterior_epred", "posterior_linpred", "posterior_predict"))
  check_level(prob, "prob")
  check_flag(robust, "robust")
  check_flag(spaghetti, "spaghetti")
  effects <- if (is.null(effects)) default_effects(fit) else check_effects(effects, fit)
  conditions <- condition_rows(fit, conditions)
  ids <- choose_draws(fit, ndraws %||% if (spaghetti) min(100, ndraws(fit)))
  predict <- function(newdata) {
    getExportedValue("rstantools", method)(fit, newdata = newdata, re_formula = re_formula, draw_ids = ids,
                                           allow_new_levels = TRUE, ...)
  }
  tables <- lapply(effects, function(effect) {
    grid <- effect_grid(fit, effect, conditions, int_conditions %||% list(), check_whole(resolution, "resolution", 2, 1e4))
    effect_table(grid, predict(grid), effect, prob, robust, spaghetti)
  })
  names(tables) <- vapply(effects, paste, "", collapse = ":")
  structure(tables, class = "tw_conditional_effects", response = deparse1(fit$formula$response), method = method,
            points = cbind(fit$data, resp__ = fit$design$y))
}

#' @rdname tw_conditional_effects
#' @exportS3Method brms::conditional_effects
conditional_effects.twillfit <- function(x, effects = NULL, conditions = NULL, int_conditions = NULL,
                                         re_formula = NA, prob = 0.95, robust = TRUE,
                                         method = "posterior_epred", spaghetti = FALSE, resolution = 100, ...) {
  tw_conditional_effects(x, effects, conditions, int_conditions, re_formula, prob, robust, method, spaghetti, resolution, ...)
}

# Columns that predict: of the population-level part (and the dispersion's), not the response or groups only.
predictor_names <- function(fit) {
  parts <- list(fit$formula$fixed[[3]], fit$formula$dispersion)
  intersect(unlist(lapply(parts, all.vars)), names(fit$data))
}

default_effects <- function(fit) {
  labels <- attr(stats::terms(fit$formula$fixed), "term.labels")
  # Of a matrix nothing can be drawn along.
  known <- Filter(function(name) NCOL(fit$data[[name]]) == 1, names(fit$data))
  variables <- lapply(labels, function(label) {
    found <- setdiff(intersect(variables_in(str2lang(label)), names(fit$data)), error_columns(fit))
    if (all(found %in% known)) found
  })
  variables <- unique(variables[lengths(variables) %in% 1:2])
  if (length(variables) == 0) {
    abort_twill("effects", c("The model has no population-level predictors to show.",
                             "i" = "{.fn tw_forest} shows group-level effects."))
  }
  variables
}

check_effects <- function(effects, fit) {
  if (!is.character(effects)) abort_twill("effects", c("{.arg effects} must be names of predictors.",
                                                        "x" = "It is {.val {given_value(effects)}}.",
                                                        "i" = "They are {.val {predictor_names(fit)}}."))
  effects <- strsplit(effects, ":", fixed = TRUE)
  unknown <- setdiff(unlist(effects), predictor_names(fit))
  if (length(unknown) || !all(lengths(effects) %in% 1:2)) {
    several <- vapply(effects[lengths(effects) > 2], paste, "", collapse = ":")
    abort_twill("effects", c("{.arg effects} must name one predictor, or two joined by a colon.",
                             "x" = if (length(unknown)) "Not among the predictors: {.val {unknown}}." else
                               "{.val {several}} {?is/are} of more than two: {.arg conditions} holds values of the others.",
                             "i" = "They are {.val {predictor_names(fit)}}."))
  }
  effects
}

# One row per condition, with a value for every column of the data but the response; NA for groups.
condition_rows <- function(fit, conditions) {
  response <- variables_in(fit$formula$response)
  groups <- setdiff(unlist(lapply(fit$design$terms, `[[`, "vars")), predictor_names(fit))
  names <- setdiff(names(fit$data), c(response, groups))
  typical <- lapply(stats::setNames(nm = names), function(name) typical_value(fit$data[[name]], levels_of_number(fit, name)))
  # Curves are of the predictor itself, not of measurements of it.
  typical[intersect(error_columns(fit), names)] <- 0
  typical <- c(typical, stats::setNames(rep(list(NA_character_), length(groups)), groups))
  if (is.null(conditions)) conditions <- data.frame(cond__ = "1")
  unknown <- setdiff(names(conditions), c(names(fit$data), "cond__"))
  if (!is.data.frame(conditions) || nrow(conditions) == 0 || ncol(conditions) == 0 || length(unknown)) {
    abort_twill("effects", c("{.arg conditions} must be a data frame of columns of the data.",
                             "x" = if (is.data.frame(conditions) && length(unknown)) "Not among them: {.val {unknown}}." else
                               paste("It is of class {.cls {class(conditions)[1]}} and has {NROW(conditions)} row{?s}",
                                     "and {NCOL(conditions)} column{?s}.")))
  }
  if (ncol(conditions) == 1 && !is.null(conditions$cond__)) typical <- observed_typical(fit, typical)
  label <- conditions$cond__ %||% condition_labels(conditions)
  rows <- as.data.frame(c(typical[setdiff(names(typical), names(conditions))], as.list(conditions)), optional = TRUE)
  rows$cond__ <- factor(label, levels = unique(label))
  rows
}

# Where factors depend on each other their first levels may never meet: then the first combination that is there.
observed_typical <- function(fit, typical) {
  blueprint <- fit$design$blueprint
  if (is.null(blueprint$null)) return(typical)
  rows <- as.data.frame(typical, optional = TRUE)
  design <- suppressWarnings(design_newdata(fit, rows, NA), classes = "twill_warning_design")
  if (!not_estimable(blueprint, design$whole)) return(typical)
  names <- Filter(function(name) is_category(typical[[name]]), intersect(names(typical), predictor_names(fit)))
  first <- do.call(order, unname(as.list(fit$data[names])))[1]
  typical[names] <- lapply(fit$data[names], `[`, first)
  typical
}

condition_labels <- function(conditions) {
  do.call(paste, c(Map(function(name, value) paste(name, "=", format(value, digits = 3, trim = TRUE, decimal.mark = ".")),
                       names(conditions), conditions), sep = ", "))
}

# `choices`: the values of a number that stands for levels, NULL for others.
typical_value <- function(x, choices = NULL) {
  if (is.factor(x)) return(all_levels(x)[1])
  if (is.logical(x)) return(FALSE)
  if (is.matrix(x)) return(I(matrix(colMeans(x), 1)))
  choices[1] %||% mean(x)
}

all_levels <- function(x) factor(levels(x), levels = levels(x), exclude = NULL)

# Every value of the effect's predictors under every condition.
effect_grid <- function(fit, effect, conditions, int_conditions, resolution) {
  choices <- lapply(effect, levels_of_number, fit = fit)
  first <- if (is.null(choices[[1]])) along(fit$data[[effect[1]]], resolution) else sort(choices[[1]])
  values <- stats::setNames(list(first), effect[1])
  if (length(effect) == 2) {
    second <- if (is.null(choices[[2]])) few_values(fit$data[[effect[2]]]) else sort(choices[[2]])
    values[[effect[2]]] <- int_conditions[[effect[2]]] %||% second
  }
  grid <- expand.grid(c(values, list(row__ = seq_len(nrow(conditions)))), KEEP.OUT.ATTRS = FALSE, stringsAsFactors = FALSE)
  others <- conditions[grid$row__, setdiff(names(conditions), effect), drop = FALSE]
  grid <- cbind(grid[effect], others)
  rownames(grid) <- NULL
  structure(new_levels_by(fit, known_cells(fit, grid, effect)), stands_for_levels = !is.null(choices[[1]]))
}

# A level has one class: where classes differ over rows, so does the level that stands for new ones.
new_levels_by <- function(fit, grid) {
  for (term in Filter(function(term) !is.null(term$by), fit$design$terms)) {
    name <- term$vars[1]
    if (!all(is.na(grid[[name]]))) next
    class <- match(level_text(grid[[term$by$var]]), term$by$levels)
    grid[[name]] <- if (is.numeric(fit$data[[name]])) max(fit$data[[name]]) + class else paste("new", term$by$levels[class])
  }
  grid
}

# The observed values of a number that the formula makes a factor of, as in factor(cyl), that of the first level first; NULL
# for numbers between whose values there is something, as in cut(x, breaks).
levels_of_number <- function(fit, name) {
  x <- fit$data[[name]]
  if (!is.numeric(x) || is.matrix(x)) return(NULL)
  blueprint <- fit$design$blueprint
  for (part in compact(c(list(blueprint, blueprint$dispersion), blueprint$groups))) {
    expressions <- as.list(attr(part$terms, "variables"))[-1]
    for (expression in Filter(function(e) is.call(e) && name %in% variables_in(e), expressions)) {
      levels <- part$xlevels[[deparse1(expression)]]
      own <- as.character(eval(expression, fit$data, environment(part$terms)))
      if (!is.null(levels) && has_gaps(expression, fit, name, levels, environment(part$terms))) {
        return(unique(c(x[match(levels[1], own)], sort(unique(x)))))
      }
    }
  }
  NULL
}

# Whether values between the observed ones have no level.
has_gaps <- function(expression, fit, name, levels, env) {
  x <- fit$data[[name]]
  between <- fit$data[rep(1, 100), , drop = FALSE]
  between[[name]] <- along(x, 100)
  found <- tryCatch(as.character(eval(expression, between, env)), error = function(e) NA)
  !all(found %in% levels)
}

along <- function(x, resolution = 100) {
  if (is.factor(x)) return(all_levels(x))
  if (is.logical(x)) return(c(FALSE, TRUE))
  like_values(seq(min(as.numeric(x)), max(as.numeric(x)), length.out = resolution), x)
}

few_values <- function(x) {
  if (is.factor(x) || is.logical(x)) return(along(x))
  like_values(mean(as.numeric(x)) + c(-1, 0, 1) * stats::sd(as.numeric(x)), x)
}

# Numbers as dates, times or differences of these, as `x` is.
like_values <- function(numbers, x) {
  if (inherits(x, c("Date", "POSIXct", "difftime"))) attributes(numbers) <- attributes(x[1])
  numbers
}

# Without combinations of which the data say nothing.
known_cells <- function(fit, grid, effect) {
  blueprint <- fit$design$blueprint
  if (is.null(blueprint$null)) return(grid)
  design <- suppressWarnings(design_newdata(fit, grid, NA), classes = "twill_warning_design")
  lost <- not_estimable(blueprint, design$whole)
  if (!any(lost)) return(grid)
  what <- paste(effect, collapse = ":")
  if (all(lost)) abort_twill("effects", "The data say nothing of {.val {what}} under these conditions.")
  inform_twill("effects", "Left out {sum(lost)} of {nrow(grid)} row{?s} of {.val {what}}: the data say nothing of them.")
  grid <- grid[!lost, , drop = FALSE]
  rownames(grid) <- NULL
  grid
}

effect_table <- function(grid, draws, effect, prob, robust, spaghetti) {
  stats <- summarise_columns(draws, robust, c(1 - prob, 1 + prob) / 2)
  stands_for_levels <- attr(grid, "stands_for_levels")
  grid$effect1__ <- grid[[effect[1]]]
  if (length(effect) == 2) grid$effect2__ <- second_effect(grid[[effect[2]]])
  grid[c("estimate__", "se__", "lower__", "upper__")] <- as.data.frame(stats)
  if (spaghetti) attr(grid, "spaghetti") <- draws
  structure(grid, effects = effect, stands_for_levels = stands_for_levels)
}

# Numbers become labels, from the largest down as their lines usually lie.
second_effect <- function(x) {
  if (!is.numeric(x)) return(factor(x))
  text <- function(x) format(x, digits = 3, trim = TRUE, decimal.mark = ".")
  factor(text(x), levels = text(sort(unique(x), decreasing = TRUE)))
}
