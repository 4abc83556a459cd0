# Settings of a fit: chains, iterations, threads, seed and control, checked once; and the checks of single values.

#' What a fit keeps
#'
#' @param group Whether the draws of group-level effects (`r_*`) are kept. Without them a fit of thousands of levels is
#'   small, but predictions for known levels and [loo::loo()] are not possible. Or a number: effects of about so many draws are
#'   kept, evenly spaced in the chains, and means and standard deviations over all draws, which [ranef.twillfit()] gives; its
#'   quantiles, [coef.twillfit()] and all that predicts known levels are of the draws that are kept. Default: `TRUE`.
#' @param warmup Whether the draws of the warm-up are kept, for `as_draws(fit, inc_warmup = TRUE)`. Default: `FALSE`.
#' @param ... Must be empty.
#' @return An object of class `tw_save` for the argument `save_pars` of [twill()], which also takes
#'   `brms::save_pars()`.
#' @examples
#' tw_save(group = FALSE)
#' tw_save(group = 200)
#' @export
tw_save <- function(group = TRUE, warmup = FALSE, ...) {
  check_no_dots(...)
  group <- if (is.numeric(group)) check_whole(group, "group", 1, 1e8) else check_flag(group, "group")
  structure(list(group = group, warmup = check_flag(warmup, "warmup")), class = "tw_save")
}

# The settings that cross to the engine, and `cores`, in which people think of them.
new_settings <- function(chains, iter, warmup, thin, cores, threads, control, init, seed, save_pars, method = "nuts") {
  chains <- check_whole(chains, "chains", 1, 1000)
  iter <- check_whole(iter, "iter", 1, 1e8)
  warmup <- check_warmup(warmup, iter)
  control <- check_control(control, method)
  save <- check_save(save_pars)
  if (!method %in% chain_methods) {
    threads <- check_threads(cores, threads, chains)
    return(approximation_settings(chains, iter, warmup, thin, threads, seed, save, control, method))
  }
  settings <- list(chains = chains, iter = iter, warmup = warmup, thin = check_thin(thin, iter - warmup),
                   threads = check_threads(cores, threads, chains), seed = check_seed(seed),
                   adapt_delta = as.list(control$adapt_delta), max_treedepth = control$max_treedepth, init = check_init(init),
                   save_effects = isTRUE(save$group), save_warmup = save$warmup, engine = control$engine,
                   metric = control$metric, checkpoint = control$checkpoint)
  c(settings, if (is.numeric(save$group)) list(effects = ceiling(save$group / chains)),
    if (method != "nuts") list(sampler = method))
}

# Methods that run chains; the others approximate.
chain_methods <- c("nuts", "hmc")

# The method that settings are of.
method_of <- function(settings) settings$method %||% settings$sampler %||% "nuts"

check_warmup <- function(warmup, iter) {
  warmup <- check_whole(warmup %||% floor(iter / 2), "warmup", 0, 1e8)
  if (warmup < iter) return(warmup)
  abort_twill("setting", c("{.arg warmup} must be smaller than {.arg iter}, which counts the warm-up too.",
                           "x" = "{.arg warmup} is {.val {warmup}} and {.arg iter} is {.val {iter}}."))
}

check_thin <- function(thin, n_draws) {
  thin <- check_whole(thin, "thin", 1, 1e8)
  if (thin <= n_draws) return(thin)
  abort_twill("setting", c("{.arg thin} must not exceed the {n_draws} iteration{?s} after warm-up.",
                           "x" = "It is {.val {thin}}."))
}

# One thread runs one chain, so more threads than chains have nothing to do. Accepts brms::threading(2).
check_threads <- function(cores, threads, chains) {
  if (is.list(threads)) threads <- threads$threads
  cores <- check_whole(cores %||% 2, "cores", 1, 4096)
  threads <- if (is.null(threads)) cores else check_whole(threads, "threads", 1, 4096)
  min(limit_threads(threads), chains)
}

# Checks of packages run on machines that others use too, and say so: two threads at most.
limit_threads <- function(threads) {
  limit <- tolower(Sys.getenv("_R_CHECK_LIMIT_CORES_"))
  if (limit %in% c("", "false")) threads else min(threads, 2)
}

# NULL and NA (brms' default) leave the choice to R's generator.
check_seed <- function(seed) {
  if (is.null(seed) || (is.atomic(seed) && length(seed) == 1 && is.na(seed))) return(NULL)
  check_whole(seed, "seed", 0, .Machine$integer.max)
}

draw_seed <- function() sample.int(.Machine$integer.max, 1)

check_init <- function(init) {
  if (is.null(init) || identical(init, "mode")) return(list(kind = "mode"))
  if (identical(init, "random")) return(list(kind = "random", radius = 2))
  if (identical(init, "0")) init <- 0
  if (is_number(init) && init >= 0) return(list(kind = "random", radius = as.numeric(init)))
  given <- given_value(init)
  abort_twill("setting", c("{.arg init} must be {.val mode}, {.val random} or a radius that is not negative.",
                           "x" = "It is {.val {given}}.", "i" = "Lists of starting values are not supported."))
}

# What `control` may hold, by method.
control_defaults <- list(
  nuts = list(adapt_delta = c(0.65, 0.9, 0.99), max_treedepth = 10, engine = "auto", metric = "auto", checkpoint = 60),
  hmc = list(adapt_delta = c(0.75, 0.9, 0.99), engine = "auto", metric = "auto", checkpoint = 60),
  laplace = list(engine = "auto"),
  svi = list(engine = "auto", guide = "auto", batch = 0, max_steps = 5000))

# And what it may hold without a default of its own.
control_extras <- list(svi = names(adam_defaults))

check_control <- function(control, method = "nuts") {
  defaults <- control_defaults[[method]]
  control <- control %||% list()
  if (!is.list(control) || (length(control) > 0 && is.null(names(control)))) {
    abort_twill("setting", "{.arg control} must be a named list such as {.code list(adapt_delta = 0.95)}.")
  }
  known <- c(names(defaults), control_extras[[method]])
  for (name in setdiff(names(control), known)) refuse_control(name, known, method)
  control <- utils::modifyList(defaults, control)
  control$engine <- check_choice(control$engine, "control$engine", engines_of(method))
  switch(method, nuts = , hmc = check_chain_control(control), svi = check_svi_control(control), control)
}

# A guide takes the place of NUTS and of approximations; trajectories of one length stay what was asked for.
engines_of <- function(method) c("auto", "collapsed", "joint", "levels", if (method != "hmc") "guided")

# Trajectories of one length have no tree; the engine has a number for its depth all the same.
check_chain_control <- function(control) {
  control$adapt_delta <- check_adapt_delta(control$adapt_delta)
  control$max_treedepth <- check_whole(control$max_treedepth %||% 10, "control$max_treedepth", 1, 20)
  control$metric <- check_metric(control$metric)
  control$checkpoint <- check_not_negative(control$checkpoint, "control$checkpoint")
  control
}

refuse_control <- function(name, known, method) {
  abort_twill("setting", c("{.arg control} has an element that method {.val {method}} does not know: {.val {name}}.",
                           did_you_mean(name, known),
                           "i" = if (length(known)) "Its elements are {.val {known}}." else "It has none."))
}

check_adapt_delta <- function(adapt_delta) {
  is_target <- is.numeric(adapt_delta) && length(adapt_delta) > 0 && all(is.finite(adapt_delta))
  rises <- is_target && all(adapt_delta > 0 & adapt_delta < 1) && !is.unsorted(adapt_delta, strictly = TRUE)
  if (rises) return(as.numeric(adapt_delta))
  given <- given_value(adapt_delta)
  abort_twill("setting", c(
    "{.arg control$adapt_delta} must be a number between 0 and 1, or rising numbers to try one after the other.",
    "x" = "It is {.val {given}}."))
}

check_metric <- function(metric) {
  if (identical(metric, "diag_e")) return("diag")
  if (identical(metric, "auto") || identical(metric, "diag")) return(metric)
  given <- some(metric)
  abort_twill("setting", c("{.arg control$metric} must be {.val auto} or {.val diag}.", "x" = "It is {.val {given}}."))
}

check_save <- function(save_pars) {
  if (is.null(save_pars)) return(tw_save())
  if (inherits(save_pars, "tw_save")) return(save_pars)
  if (inherits(save_pars, "save_pars")) return(tw_save(group = isTRUE(save_pars$group)))
  abort_twill("setting", "{.arg save_pars} must be made by {.fn tw_save} or {.fn brms::save_pars}.")
}

# Draws of approximations are independent: fewer of them say what moments of all would.
check_all_effects <- function(group, method) {
  if (!is.numeric(group)) return(group)
  abort_twill("setting", c("A number of draws in {.code tw_save(group = )} is for chains, not for method {.val {method}}.",
                           "i" = "Take fewer draws: {.arg iter}."))
}

# Checks of single values ----------------------------------------------------------------------------------------

is_number <- function(x) is.numeric(x) && length(x) == 1 && is.finite(x)

check_positive <- function(x, name) {
  if (is_number(x) && x > 0) return(as.numeric(x))
  given <- given_value(x)
  abort_twill("setting", c("{.arg {name}} must be a positive number.", "x" = "It is {.val {given}}."))
}

check_not_negative <- function(x, name, kind = "setting") {
  if (is_number(x) && x >= 0) return(as.numeric(x))
  given <- given_value(x)
  abort_twill(kind, c("{.arg {name}} must be a number that is not negative.", "x" = "It is {.val {given}}."))
}

check_share <- function(x, name, kind = "setting") {
  if (is_number(x) && x > 0 && x <= 1) return(as.numeric(x))
  given <- given_value(x)
  abort_twill(kind, c("{.arg {name}} must be a number above 0 and at most 1.", "x" = "It is {.val {given}}."))
}

check_whole <- function(x, name, min, max) {
  if (is_number(x) && x == round(x) && x >= min && x <= max) return(as.numeric(x))
  given <- given_value(x)
  abort_twill("setting", c("{.arg {name}} must be a whole number from {format(min)} to {format(max)}.",
                           "x" = "It is {.val {given}}."))
}

check_flag <- function(x, name) {
  if (isTRUE(x) || isFALSE(x)) return(as.vector(unname(x)))
  given <- given_value(x)
  abort_twill("setting", c("{.arg {name}} must be TRUE or FALSE.", "x" = "It is {.val {given}}."))
}

# Digits of a print.
check_digits <- function(digits) check_whole(digits, "digits", 0, 22)

# One text, which may be empty.
check_name <- function(x, name) {
  if (is.character(x) && length(x) == 1 && !is.na(x)) return(as.vector(x))
  given <- given_value(x)
  abort_twill("setting", c("{.arg {name}} must be one text.", "x" = "It is {.val {given}}."))
}

check_choice <- function(x, name, choices) {
  if (is.character(x) && length(x) >= 1 && (length(x) == 1 || identical(x, choices)) && x[1] %in% choices) return(x[1])
  given <- given_value(x)
  abort_twill("setting", c("{.arg {name}} must be one of {.or {.val {choices}}}.", "x" = "It is {.val {given}}."))
}

# Names of parameters, all of them known.
checked_among <- function(pars, known) {
  unknown <- if (is.character(pars)) setdiff(pars, known) else given_value(pars)
  if (length(unknown) == 0) return(pars)
  abort_twill("variable", c("{.arg pars} must be among {.val {some(known, 20)}}.", "x" = "It is {.val {given_value(pars)}}.",
                            did_you_mean(as.character(unknown)[1], known)))
}

# NULL, or how many iterations lie between reports, of which 0 alone has a meaning here: none.
check_refresh <- function(refresh) if (!is.null(refresh)) check_whole(refresh, "refresh", 0, 1e9)

# TRUE and FALSE are brms' older spelling of 1 and 0.
check_silent <- function(silent) check_whole(if (is.logical(silent)) as.numeric(silent) else silent, "silent", 0, 2)
