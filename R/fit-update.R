# Fitting again with some things changed.

#' Fit a model again with changes
#'
#' Everything that is not changed is taken from the fit: formula, data, family, the user's
#' priors, and settings. Priors of parameters that the changed model does not have are dropped.
#' The seed is kept only if it was given in the call of the fit.
#'
#' @param object A fit of class `twillfit`.
#' @param formula. Changes of the formula as in [stats::update.formula()], where `.` stands for
#'   what there is; or a new formula, also one made by [tw_formula()].
#' @param newdata New data, also called `data`; the condition `subset` of the fit holds for them too, unless `subset` is
#'   given. Default: the rows of the fit, which keeps only the columns it uses; where other columns are asked for, the data
#'   that the call of the fit names, if they are still there and the same.
#' @param recompile Not needed: nothing is compiled. Part of the habit.
#' @param ... Arguments of [twill()] to change, such as `iter`, `chains`, `control`, `prior`. `weights`, `offset` and
#'   `subset` replace those of the fit, whether these were arguments or stood in the formula; `NULL` removes them.
#' @return A fit of class `twillfit`. Errors are those of [twill()].
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' formula(update(fit, . ~ . - Days))
#' ndraws(update(fit, iter = 600))
#' @method update twillfit
#' @export
#' @importFrom stats update
update.twillfit <- function(object, formula. = NULL, newdata = NULL, recompile = NULL, ...) {
  # The expressions that the user wrote, also where a function passes its own dots on.
  dots <- as.list(substitute(list(...)))[-1]
  env <- parent.frame()
  # weights, offset and subset are evaluated in the data, by twill().
  late <- dots[names(dots) %in% late_arguments]
  changes <- lapply(stats::setNames(nm = setdiff(names(dots), late_arguments)), function(name) ...elt(match(name, names(dots))))
  if (is.null(formula.)) formula. <- changes[["formula"]]
  # Not `$`, which would take data2 for it.
  newdata <- newdata %||% changes[["data"]]
  changes[c("formula", "data")] <- NULL
  formula <- updated_formula(object$formula, formula., names(late))
  # Looked for, and compared with the rows of the fit, where something of it is asked for.
  delayedAssign("whole", if (is.null(newdata)) original_data(object, env))
  late <- lapply(stats::setNames(nm = names(late)), function(name) {
    late_argument(late[[name]], c(names(newdata %||% object$data), names(whole)), newdata %||% object$data, env,
                  function() ...elt(match(name, names(dots))))
  })
  data <- newdata %||% updated_data(object, formula, late, whole)
  say_replaced(object, formula, names(late), changes$silent %||% 1)
  # The rows of the fit have its condition behind them; for other data it holds again.
  is_same <- identical(data, object$data)
  if (!is_same && !"subset" %in% names(late)) late$subset <- repeated_subset(object$call$subset, data, env)
  if (!is_same) refuse_vectors_of_rows(formula, data)
  arguments <- kept_arguments(object, formula, data, changes)
  if (is.list(changes$control)) changes$control <- utils::modifyList(arguments$control, changes$control)
  arguments[names(changes)] <- changes
  # Names of their own, so that they hide nothing from what the user's arguments are evaluated in.
  symbols <- stats::setNames(lapply(paste0(".twill_", names(arguments)), as.name), names(arguments))
  call <- as.call(c(list(twill), symbols, compact(late)))
  fit <- eval(call, list2env(stats::setNames(arguments, paste0(".twill_", names(arguments))), parent = env))
  fit$call <- updated_call(object$call, fit, formula., dots)
  if (is_same && !"na.action" %in% names(changes)) attr(fit$data, "na.action") <- attr(object$data, "na.action")
  fit
}

# What stood in the formula is replaced too, so that nothing counts twice.
say_replaced <- function(object, formula, stated, silent) {
  before <- deparse1(object$formula$formula)
  if (length(stated) == 0 || identical(before, deparse1(formula$formula))) return(invisible())
  if (!grepl("offset(", before, fixed = TRUE) && !grepl("weights(", before, fixed = TRUE)) return(invisible())
  inform_twill("update", c("{.arg {setdiff(stated, \"subset\")}} of the update replaces what the formula says:",
                           "i" = "It was {.code {before}}, and is {.code {deparse1(formula$formula)}}."), silent)
}

late_arguments <- c("weights", "offset", "subset")

# The condition of the fit for other data: of their columns, and of numbers that are still there.
repeated_subset <- function(expression, data, env) {
  if (is.null(expression) || !is.data.frame(data)) return(expression)
  variables <- variables_in(expression)
  is_there <- function(name) name %in% names(data) || is.atomic(get0(name, env)) && !is.null(get0(name, env))
  lost <- Filter(Negate(is_there), variables)
  if (length(lost) == 0 && any(variables %in% names(data))) return(expression)
  why <- if (length(lost)) "{.code {lost}} {?is/are} neither {?a column/columns} of the new data nor known here." else
    "It is about rows of the data of the fit by their numbers."
  abort_twill("argument", c("The {.arg subset} of the fit cannot be repeated for other data.",
                            "x" = "It was {.code {deparse1(expression)}}.", "x" = why,
                            "i" = "Give {.arg subset} for these data, or {.code subset = NULL} for all rows."))
}

# Weights or an offset that were vectors are of the rows of the fit.
refuse_vectors_of_rows <- function(formula, data) {
  if (!is.data.frame(data) || has_responses(formula)) return(invisible())
  values <- vapply(formula$arguments, function(term) is.name(term) && as.character(term) %in% c(".weights", ".offset"), NA)
  lost <- setdiff(names(formula$arguments)[as.logical(values)], sub(".", "", names(data), fixed = TRUE))
  if (length(lost) == 0) return(invisible())
  abort_twill("argument", c("{cli::qty(lost)}The {.arg {lost}} of the fit {?was/were} computed for its own rows.",
                            "i" = "Give {.arg {lost}} for these data too, or {.code {lost[1]} = NULL} to do without."))
}

updated_call <- function(call, fit, formula., dots) {
  parts <- as.list(call)
  if (!is.null(formula.)) parts$formula <- if (is.null(fit$formula$dispersion)) formula.twill_model(fit) else formula.
  for (name in setdiff(names(dots), "formula")) parts[[name]] <- dots[[name]]
  small_call(as.call(parts))
}

# The new formula with the dispersion model of the first fit, and with its weights and offset as far as they are kept: those
# that the update states replace them, wherever they stood.
updated_formula <- function(old, change, stated) {
  if (has_responses(old)) return(updated_formulas(old, change, stated))
  if (inherits(change, "formula")) {
    own <- environment(change)
    change <- removed_offsets(old$formula, change)
    environment(change) <- joined_env(old$env, own)
  }
  new <- if (is.null(change)) tw_formula(old$formula) else tw_formula(change)
  if (is.null(new$dispersion)) {
    parts <- intersect(c("dispersion", "dpar", "dispersion_bars", "dispersion_text"), names(old))
    new[parts] <- old[parts]
  }
  folded <- folded_arguments(old)
  new$arguments <- folded[setdiff(names(folded), stated)]
  if ("weights" %in% stated) new <- without_weights(new) else if (is.null(new$addition$weights) && !is.null(folded$weights)) {
    new <- fold_weights(new, folded$weights)
  }
  if ("offset" %in% stated) without_offset(new) else if (is.null(folded$offset)) new else fold_offset(new, folded$offset)
}

# Of several responses formulas are given whole.
updated_formulas <- function(old, change, stated) {
  row_arguments <- setdiff(stated, "subset")
  if (length(row_arguments) > 0) {
    abort_twill("argument", c("{.arg {row_arguments}} {?is an argument/are arguments} of one response.",
                              "i" = "State {cli::qty(length(row_arguments))}{?it/them} in the formula of each."))
  }
  if (is.null(change)) return(old)
  if ("." %in% if (inherits(change, "formula")) variables_in(change)) {
    abort_twill("formula", c("The formula of several responses is changed as a whole.",
                             "x" = "{.code {deparse1(change)}} has a dot.",
                             "i" = "Give all of it: {.code update(fit, mvbind(y1, y2) ~ x)}."))
  }
  tw_formula(change)
}

# What the formula of the first fit needs besides the data, and where the change was written.
joined_env <- function(old, own) {
  if (length(ls(old, all.names = TRUE)) == 0) return(own %||% old)
  list2env(as.list(old, all.names = TRUE), parent = own %||% globalenv())
}

# stats::update.formula() does not take offsets away.
removed_offsets <- function(old, change) {
  new <- stats::update(old, change)
  gone <- subtracted_offsets(change[[length(change)]])
  if (length(gone) > 0) new[[3]] <- drop_terms(new[[3]], function(term) list(term) %in% gone) %||% 1
  new
}

subtracted_offsets <- function(expression, sign = 1) {
  if (is_call_to(expression, "offset")) return(if (sign < 0) list(expression))
  if (!is_call_to(expression, c("+", "-", "("))) return(NULL)
  parts <- as.list(expression)[-1]
  signs <- if (is_call_to(expression, "-")) replace(rep(sign, length(parts)), length(parts), -sign) else rep(sign, length(parts))
  unlist(Map(subtracted_offsets, parts, signs), recursive = FALSE)
}

# Weights and offset that were arguments of the fit, as expressions.
folded_arguments <- function(old) {
  if (!is.null(old$arguments)) return(old$arguments)
  plain <- new_twill_formula(old$formula)
  right <- old$fixed[[3]]
  is_folded <- is_call_to(right, "+") && identical(right[[2]], plain$fixed[[3]]) && is_call_to(right[[3]], "offset")
  compact(list(weights = if (is.null(plain$addition$weights)) old$addition$weights,
               offset = if (is_folded) right[[3]][[2]]))
}

without_weights <- function(formula) {
  formula$addition$weights <- NULL
  response <- formula$formula[[2]]
  if (is_call_to(response, "|")) {
    rest <- drop_terms(response[[3]], function(term) is_call_to(term, c("weights", "resp_weights")))
    formula$formula[[2]] <- if (is.null(rest)) response[[2]] else call("|", response[[2]], rest)
  }
  formula
}

without_offset <- function(formula) {
  is_offset <- function(term) is_call_to(term, "offset")
  for (part in c("formula", "fixed")) formula[[part]][[3]] <- drop_terms(formula[[part]][[3]], is_offset) %||% 1
  formula
}

# An argument as twill() is to see it: as it was written where it is about columns, else its value.
late_argument <- function(expression, columns, data, env, in_place) {
  if (all(variables_in(expression) %in% columns)) return(expression)
  evaluate_argument(expression, data, env, in_place, function(why) expression)
}

# The rows of the fit, or the whole data of the first call where the fit has not kept what is asked for.
updated_data <- function(object, formula, late, whole) {
  asked <- c(formula_variables(formula), unlist(lapply(compact(late), all.vars)))
  absent <- setdiff(asked, c(names(object$data), "Intercept", "intercept"))
  # Columns come before objects of their name.
  if (length(absent) > 0) absent <- absent[absent %in% names(whole) | !vapply(absent, is_value_in, NA, env = formula$env)]
  is_new_subset <- "subset" %in% names(late) && !is.null(object$call$subset)
  if (length(absent) == 0 && !is_new_subset) return(object$data)
  if (!is.null(whole) && all(absent %in% names(whole))) return(whole)
  abort_twill("data", c(if (length(absent)) "The update names columns that the fit has not kept: {.val {absent}}." else
                          "The fit has kept only the rows of its own {.arg subset}.",
                        "i" = "Supply the data again: {.code update(fit, ..., newdata = )}."))
}

is_value_in <- function(name, env) {
  value <- get0(name, envir = env)
  !is.null(value) && !is.function(value)
}

# The data frame that the call of the fit names, if it still is the one that the fit was made of.
original_data <- function(object, env) {
  data <- tryCatch(as_plain_data(eval(object$call$data, env)), error = function(e) NULL)
  own <- object$data[setdiff(names(object$data), c(".weights", ".offset"))]
  if (is.null(data) || !all(names(own) %in% c(names(data), "Intercept", "intercept"))) return(NULL)
  rows <- match(rownames(own), rownames(data))
  same <- function(name) isTRUE(all.equal(level_text(own[[name]]), level_text(data[[name]][rows])))
  if (!anyNA(rows) && all(vapply(intersect(names(own), names(data)), same, NA))) data
}

# The arguments of twill() that made the fit.
kept_arguments <- function(fit, formula, data, changes) {
  used <- fit$info$settings
  arguments <- list(
    formula = formula, data = data, family = fit$family, prior = kept_prior(fit, formula, data, changes),
    intercept = fit$intercept, contrasts = kept_contrasts(fit, formula, data), chains = used$chains, iter = used$iter,
    thin = used$thin, cores = used$threads, init = if (used$init$kind == "mode") "mode" else used$init$radius,
    method = fit$info$method, control = kept_control(used, changes), sample_prior = fit$info$sample_prior,
    data2 = fit$data2, save_pars = tw_save(if (is.null(used$effects)) used$save_effects else used$effects * used$chains,
                                           used$save_warmup))
  # Without a warm-up of its own the call had half of the iterations, and so has the new one.
  if (is.null(changes$iter) || !is.null(fit$call$warmup)) arguments$warmup <- used$warmup
  if (inherits(attr(fit$data, "na.action"), "exclude")) arguments$na.action <- stats::na.exclude
  if (!is.null(fit$call$seed)) arguments$seed <- fit$info$seed
  compact(arguments)
}

# Settings of one method mean nothing to another.
kept_control <- function(used, changes) {
  if (!is.null(changes$method) && changes$method != method_of(used)) return(list())
  if (!is.null(used$control)) return(used$control)
  used$adapt_delta <- unlist(used$adapt_delta)
  used[intersect(names(control_defaults[[method_of(used)]]), names(used))]
}

kept_contrasts <- function(fit, formula, data) {
  blueprint <- fit$design$blueprint
  contrasts <- c(blueprint$contrasts, blueprint$dispersion$contrasts, unlist(lapply(blueprint$groups, `[[`, "contrasts"), FALSE))
  contrasts <- contrasts[unique(names(contrasts))]
  contrasts <- contrasts[names(contrasts) %in% unlist(contrast_names(formula, data))]
  if (length(contrasts)) contrasts
}

# The priors that the user stated, as far as the changed model has their parameters: those of a class hold for what is added to
# it.
kept_prior <- function(fit, formula, data, changes) {
  user <- fit$stated
  if (NROW(user) == 0 || "prior" %in% names(changes)) return(NULL)
  contrasts <- if ("contrasts" %in% names(changes)) changes$contrasts else kept_contrasts(fit, formula, data)
  parameters <- tryCatch(tw_default_prior(formula, data, changes$family %||% fit$family, contrasts = contrasts,
                                          data2 = changes$data2 %||% fit$data2), twill_error = function(e) NULL)
  if (is.null(parameters)) return(user)
  exists <- vapply(seq_len(nrow(user)), function(i) any(targets(user[i, ], parameters)), NA)
  user[exists, , drop = FALSE]
}
