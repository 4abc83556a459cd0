# Checks of arguments that are neither data, model nor settings: names that no argument has, and two choices of twill().

binomial_way_out <- paste("Binomial responses are not there: {.pkg brms} and {.pkg glmmTMB} have them.",
                          "For rare events {.code poisson()} with {.code offset(log(trials))} comes close.")

# Arguments of other packages' functions that people try, with what to do here.
foreign_arguments <- c(
  inits = "It is called {.arg init}.", adapt_delta = "Say {.code control = list(adapt_delta = )}.",
  max_treedepth = "Say {.code control = list(max_treedepth = )}.",
  iter_warmup = "Say {.arg warmup}.", iter_sampling = "Say {.arg iter}, which includes {.arg warmup}.",
  parallel_chains = "Say {.arg cores}.", backend = "There is one engine, and it needs no backend.",
  algorithm = "Say {.code method = \"nuts\"}, {.val laplace} or {.val svi}.", prior_PD = "Say {.code sample_prior = \"only\"}.",
  prior_intercept = "Say {.code tw_prior(..., class = \"Intercept\")}.",
  prior_aux = "Say {.code tw_prior(..., class = \"sigma\")} or {.val shape}.",
  prior_covariance = "Say {.code tw_prior(..., class = \"sd\")} and {.val cor}.",
  save_warmup = "Say {.code save_pars = tw_save(warmup = TRUE)}.",
  save_ranef = "Say {.code save_pars = tw_save(group = FALSE)}.",
  stanvars = "Models cannot be extended with Stan code.",
  autocor = "Autocorrelation is not supported.", cov_ranef = "Say {.code (1 | gr(g, cov = K))} and {.arg data2}.",
  sparse = "Not needed: group-level terms are always sparse.",
  ziformula = "Zero inflation is not there: {.code negbinomial()} has many zeros where {.field shape} is small.",
  random = "Say it in {.arg formula}: {.code y ~ x + (1 | g)}.", correlation = "Autocorrelation is not supported.",
  nAGQ = "Not needed: posteriors are sampled.", verbose = "Say {.arg silent}.", trials = binomial_way_out,
  dispersion = "Say {.code tw_formula(y ~ x, shape ~ x)}.", dispformula = "Say {.code tw_formula(y ~ x, shape ~ x)}.",
  REML = "Posteriors know no REML.")

# `door` is the function that the user called.
check_dots <- function(dots, names, door = "twill") {
  if (length(dots) == 0) return(invisible())
  name <- names[[1]] %||% ""
  if (is.na(name) || name == "") {
    abort_twill("setting", "Arguments after {.arg {argument_before_dots(door)}} must be named: one is not.")
  }
  hint <- if (name %in% names(foreign_arguments)) c("i" = foreign_arguments[[name]]) else control_hint(name, door)
  known <- setdiff(names(formals(door)), "...")
  abort_twill("setting", c("{.fn {door}} has no argument {.arg {name}}.", hint %||% did_you_mean(name, known)))
}

# What stands in `control` only.
control_hint <- function(name, door) {
  known <- c(unlist(lapply(control_defaults, names)), unlist(control_extras))
  if (door == "twill" && name %in% known) c("i" = sprintf("Say {.code control = list(%s = )}.", name))
}

argument_before_dots <- function(door) {
  arguments <- names(formals(door))
  arguments[match("...", arguments) - 1]
}

# TRUE and FALSE are brms' older spelling.
check_sample_prior <- function(sample_prior) {
  if (is.logical(sample_prior) && length(sample_prior) == 1) sample_prior <- if (isTRUE(sample_prior)) "yes" else "no"
  check_choice(sample_prior, "sample_prior", c("no", "yes", "only"))
}

check_intercept <- function(intercept) {
  if (identical(intercept, "centered")) intercept <- "centred"
  check_choice(intercept, "intercept", c("centred", "raw"))
}

# Arguments without effect ---------------------------------------------------------------------------------------------

# What was asked for and changes nothing is told: `reasons` are ends of sentences, named by the arguments.
say_unused <- function(reasons, silent) {
  for (name in names(reasons)) inform_twill("unused", c("i" = "{.arg {name}} has no effect: {reasons[[name]]}."), silent)
}

# Of twill(): what goes with chains, or with a file.
unused_by_twill <- function(init, save_pars, control, file_refit, path, method) {
  has_chains <- method %in% chain_methods
  copies <- control$checkpoint
  of_steps <- if (identical(control$engine, "guided")) {
    c(if (check_init(init)$kind != "mode") "init",
      paste0("control$", intersect(names(control), c("adapt_delta", "max_treedepth", "metric")), recycle0 = TRUE))
  }
  c(if (!has_chains && check_init(init)$kind != "mode") c(init = "approximations start at the mode"),
    if (!has_chains && check_save(save_pars)$warmup) c(save_pars = "approximations have no warm-up whose draws could be kept"),
    if (is.null(path) && file_refit != "never") c(file_refit = "there is no `file`"),
    if (is.null(path) && !is.null(copies) && copies != control_defaults$nuts$checkpoint) {
      c("control$checkpoint" = "chains are copied to a folder beside `file`, and there is none")
    },
    stats::setNames(rep("a guide makes no trajectories (unless NUTS takes over)", length(of_steps)), of_steps))
}

# Of doors of many genes: what goes with counts, and what `control` says of steps that are hardly made, or not at all.
# A lowest count of zero asks for nothing; `slow_guide` as by has_slow_guide(), which is asked only where it matters.
unused_by_genes <- function(family, control, settings, min_count = 0, slow_guide = FALSE) {
  is_svi <- settings$method == "svi"
  stop_rule <- intersect(names(control), c("max_steps", "tolerance"))
  of <- function(names, why) {
    names <- intersect(names(control), names)
    stats::setNames(rep(why, length(names)), paste0("control$", names, recycle0 = TRUE))
  }
  c(if (!is_count_family(family) && !identical(as.numeric(min_count), 0)) c(min_count = "Gaussian models have no counts"),
    if (is_svi && !settings$refine) of(c("adapt_delta", "max_treedepth"), "nothing is sampled with `refine = FALSE`")
    else if (settings$method != "nuts") of("max_treedepth", "trajectories of one length have no tree (unless NUTS takes over)"),
    if (is_svi && length(stop_rule) > 0 && slow_guide) {
      of(stop_rule, "guides of large models, and of those with related levels or known scales, stop by a rule of their own")
    })
}
