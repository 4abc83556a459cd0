# Environments of formulas: only what a formula needs of the place where it was written.

# Everything in the formula that is evaluated in the data.
formula_expressions <- function(formula) {
  if (has_responses(formula)) return(unlist(unname(lapply(formula$responses, formula_expressions)), recursive = FALSE))
  bars <- unlist(lapply(all_bars(formula), function(bar) list(bar$rhs[[2]], bar$members$weights)), recursive = FALSE)
  dispersion <- if (!is.null(formula$dispersion)) formula$dispersion[[2]]
  compact(c(list(formula$fixed, formula$addition$weights, formula$addition$se, dispersion), bars))
}

formula_variables <- function(formula) {
  groups <- unlist(lapply(all_bars(formula), function(bar) c(bar$vars, bar$by)))
  unique(c(unlist(lapply(formula_expressions(formula), variables_in)), groups))
}

# Replaces the environment of all parts. A formula made inside a function would otherwise drag that function's
# variables into every saved fit.
set_formula_env <- function(formula, env) {
  environment(formula$formula) <- environment(formula$fixed) <- formula$env <- env
  if (!is.null(formula$dispersion)) environment(formula$dispersion) <- env
  for (bars in intersect(c("bars", "dispersion_bars"), names(formula))) formula[[bars]] <- lapply(formula[[bars]], function(bar) {
    environment(bar$rhs) <- env
    bar
  })
  formula
}

# A small environment with only what the formula needs besides the data: functions that are not found from the global
# environment, and constants.
minimal_env <- function(formula, columns) {
  env <- new.env(parent = globalenv())
  expressions <- formula_expressions(formula)
  names <- unique(unlist(lapply(expressions, function(e) setdiff(call_names(e), c("~", "offset")))))
  for (name in names) copy_function(name, formula$env, env)
  if ("me" %in% names) assign("me", measured_values, envir = env)
  if ("mi" %in% names) assign("mi", imputed_values, envir = env)
  for (name in setdiff(formula_variables(formula), columns)) {
    assign(name, get(name, envir = formula$env), envir = env)
  }
  env
}

copy_function <- function(name, from, to) {
  found <- get0(name, envir = from, mode = "function")
  always <- c("base", "stats")
  # Generics of S4 are those of a package, and are nothing without their class.
  if (is.null(found) || isS4(found) || is.primitive(found) || environmentName(environment(found)) %in% always) return(invisible())
  assign(name, portable_function(found), envir = to)
}

# A function of the user's without the variables around it, but for those it uses: its environment would drag them all
# into the saved fit. Functions of packages and of the global environment are saved as references.
portable_function <- function(f, seen = character()) {
  home <- environment(f)
  if (isS4(f) || is.primitive(f) || is_shared_env(home)) return(f)
  env <- new.env(parent = enclosing_shared_env(home))
  used <- setdiff(unique(c(all.names(body(f)), unlist(lapply(formals(f), all.names)))), seen)
  for (name in used) {
    value <- local_value(name, home)
    if (is.function(value)) value <- portable_function(value, c(seen, used))
    if (!is.null(value)) assign(name, value, envir = env)
  }
  f <- utils::removeSource(f)
  environment(f) <- env
  f
}

# Environments that are saved by name: the global one and those of packages.
is_shared_env <- function(env) identical(env, globalenv()) || identical(env, emptyenv()) || isNamespace(env)

enclosing_shared_env <- function(env) if (is_shared_env(env)) env else enclosing_shared_env(parent.env(env))

# What a name stands for between an environment and the shared one around it; NULL if nothing.
local_value <- function(name, env) {
  if (is_shared_env(env)) return(NULL)
  if (exists(name, envir = env, inherits = FALSE)) get(name, envir = env) else local_value(name, parent.env(env))
}
