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
#' @param newdata New data. Default: the rows of the fit, which keeps only the columns it uses.
#' @param recompile Not needed: nothing is compiled. Part of the habit.
#' @param ... Arguments of [twill()] to change, such as `iter`, `chains`, `control`, `prior`.
#' @return A fit of class `twillfit`. Errors are those of [twill()].
#' @examples
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' formula(update(fit, . ~ . - Days))
#' ndraws(update(fit, iter = 600))
#' @method update twillfit
#' @export
#' @importFrom stats update
update.twillfit <- function(object, formula. = NULL, newdata = NULL, recompile = NULL, ...) {
  dots <- as.list(match.call(expand.dots = FALSE)$...)
  # weights, offset and subset are evaluated in the data, by twill().
  late <- names(dots) %in% c("weights", "offset", "subset")
  changes <- lapply(dots[!late], eval, parent.frame())
  formula <- updated_formula(object$formula, formula.)
  data <- newdata %||% object$data
  if (is.null(newdata)) check_kept_columns(formula, data)
  arguments <- kept_arguments(object, formula, data, changes)
  if (is.list(changes$control)) changes$control <- utils::modifyList(arguments$control, changes$control)
  arguments[names(changes)] <- changes
  symbols <- stats::setNames(lapply(names(arguments), as.name), names(arguments))
  call <- as.call(c(list(twill), symbols, dots[late]))
  fit <- eval(call, list2env(arguments, parent = parent.frame()))
  fit$call <- updated_call(object$call, formula., dots)
  fit
}

updated_call <- function(call, formula., dots) {
  if (!is.null(formula.)) call$formula <- formula.
  for (name in names(dots)) call[[name]] <- dots[[name]]
  small_call(call)
}

# The new formula, with the weights and the offset that were arguments of the first fit, and its dispersion model.
updated_formula <- function(old, change) {
  if (is.null(change)) return(old)
  if (inherits(change, "formula")) {
    change <- stats::update(old$formula, change)
    environment(change) <- old$env
  }
  new <- tw_formula(change)
  plain <- new_twill_formula(old$formula)
  if (is.null(new$addition$weights) && is.null(plain$addition$weights)) new$addition$weights <- old$addition$weights
  is_folded <- !identical(old$fixed[[3]], plain$fixed[[3]])
  if (is_folded) new <- fold_offset(new, old$fixed[[3]][[3]][[2]])
  if (is.null(new$dispersion)) new[c("dispersion", "dpar")] <- old[c("dispersion", "dpar")]
  new
}

check_kept_columns <- function(formula, data) {
  absent <- setdiff(formula_variables(formula), names(data))
  absent <- absent[!vapply(absent, exists, NA, envir = formula$env)]
  if (length(absent) == 0) return(invisible())
  abort_twill("data", c("{.arg formula.} names columns that the fit has not kept: {.val {absent}}.",
                        "i" = "Supply the data again: {.code update(fit, formula., newdata = )}."))
}

# The arguments of twill() that made the fit.
kept_arguments <- function(fit, formula, data, changes) {
  used <- fit$info$settings
  arguments <- list(
    formula = formula, data = data, family = fit$family, prior = kept_prior(fit, formula, data, changes),
    intercept = fit$intercept, contrasts = kept_contrasts(fit, data), chains = used$chains, iter = used$iter,
    thin = used$thin, cores = used$threads, init = if (used$init$kind == "mode") "mode" else used$init$radius,
    method = fit$info$method, control = kept_control(used, changes), sample_prior = fit$info$sample_prior,
    save_pars = tw_save(used$save_effects, used$save_warmup))
  # Without a warm-up of its own the call had half of the iterations, and so has the new one.
  if (is.null(changes$iter) || !is.null(fit$call$warmup)) arguments$warmup <- used$warmup
  if (!is.null(fit$call$seed)) arguments$seed <- fit$info$seed
  compact(arguments)
}

# Settings of one method mean nothing to another.
kept_control <- function(used, changes) {
  if (!is.null(changes$method) && changes$method != (used$method %||% "nuts")) return(list())
  if (!is.null(used$control)) return(used$control)
  used$adapt_delta <- unlist(used$adapt_delta)
  used[c("adapt_delta", "max_treedepth", "engine", "metric")]
}

kept_contrasts <- function(fit, data) {
  contrasts <- fit$design$blueprint$contrasts
  contrasts <- contrasts[names(contrasts) %in% names(data) | grepl("(", names(contrasts), fixed = TRUE)]
  if (length(contrasts)) contrasts
}

# The user's priors, as far as the changed model has their parameters. A prior that all parameters of a class have in
# common is for the class, so that it also holds for coefficients that are added.
kept_prior <- function(fit, formula, data, changes) {
  user <- fit$prior[fit$prior$source != "default", , drop = FALSE]
  user <- user[user$class != "mu", , drop = FALSE]
  if (nrow(user) == 0 || "prior" %in% names(changes)) return(NULL)
  classes <- split(user, paste(user$class, user$dpar), drop = TRUE)
  user <- do.call(rbind, lapply(classes, shared_prior, all = fit$prior))
  parameters <- tryCatch(tw_default_prior(formula, data, changes$family %||% fit$family), twill_error = function(e) NULL)
  if (is.null(parameters)) return(user)
  exists <- vapply(seq_len(nrow(user)), function(i) any(targets(user[i, ], parameters)), NA)
  user[exists, , drop = FALSE]
}

shared_prior <- function(rows, all) {
  same_class <- all[all$class == rows$class[1] & all$dpar == rows$dpar[1], ]
  if (nrow(rows) < nrow(same_class) || length(unique(rows$prior)) > 1) return(rows)
  row <- rows[1, , drop = FALSE]
  row[c("coef", "group")] <- ""
  row
}

targets <- function(row, parameters) {
  parameters$class == row$class & parameters$dpar == row$dpar &
    (row$coef == "" | parameters$coef == row$coef) & (row$group == "" | parameters$group == row$group)
}
