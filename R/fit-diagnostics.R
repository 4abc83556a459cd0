# Whether the draws can be trusted: convergence of the chains and the sampler's own signs of trouble.
#
# Thresholds are those of Vehtari et al. (2021) for R-hat (1.01) and effective sample size (100
# per chain), and of Betancourt (2016) for the fraction of missing information (0.3).

rhat_limit <- 1.01

# Of hundreds of group effects some exceed 1.01 by chance in chains that agree, so theirs is the older, wider limit.
rhat_limit_effects <- 1.05

ess_per_chain <- 100
bfmi_limit <- 0.3

# posterior takes about 5 ms for R-hat and bulk size of one variable of 4000 draws, so that checking
# every level of a large group would take longer than sampling it.
max_checked_effects <- 500

# Measures of a fit. `table` is parameter_summary() of the main parameters, to save computing it twice.
diagnostics <- function(fit, table = parameter_summary(fit, main_variables(fit))) {
  if (is_approximation(fit)) return(approximation_diagnostics(fit))
  out <- c(sampler_diagnostics(fit), list(
    rhat = worst(table, "Rhat", which.max),
    bulk_ess = worst(table, "Bulk_ESS", which.min),
    tail_ess = worst(table, "Tail_ESS", which.min)))
  out$text <- diagnostics_text(out, fit)
  out
}

# The worst value of one measure, named by its variable. A measure that is not finite in any variable
# (a constant variable, too few draws) cannot be worst.
worst <- function(table, measure, which_worst) {
  at <- which_worst(table[[measure]])
  stats::setNames(table[[measure]][at], rownames(table)[at])
}

sampler_diagnostics <- function(fit) {
  record <- function(name) matrix(fit$sampler[, , name], dim(fit$sampler)[1])
  list(n_draws = ndraws(fit), n_chains = nchains(fit), divergent = sum(record("divergent__")),
       at_max_depth = sum(record("treedepth__") >= fit$info$max_treedepth),
       max_treedepth = fit$info$max_treedepth, adapt_delta = fit$info$adapt_delta,
       first_delta = fit$info$settings$adapt_delta[[1]],
       bfmi = if (is_guided(fit)) rep(NA_real_, nchains(fit)) else apply(record("energy__"), 2, energy_bfmi),
       accepted = if (is_guided(fit)) mean(record("accept_stat__")),
       is_taken_over = identical(fit$info$settings$engine, "guided") && !is_guided(fit))
}

# Proposals of a guide have no trajectory: no divergences and no energy that is explored step by step.
is_guided <- function(fit) identical(fit$info$engine, "guided")

# Estimated Bayesian fraction of missing information of one chain (Betancourt 2016, eq. 7); NA where it did not move.
energy_bfmi <- function(energy) nan_to_na(sum(diff(energy)^2) / sum((energy - mean(energy))^2))

# Trajectories of one length have no tree.
tree_text <- function(d, fit) {
  if (identical(fit$info$method, "hmc")) return("")
  sprintf("at maximal tree depth (%d) %d; ", as.integer(d$max_treedepth), as.integer(d$at_max_depth))
}

# What stood for the log density of the scales, and how near it was.
surrogate_text <- function(s) {
  sprintf("  log density of the scales by a polynomial of degree %d through %d values; off by at most %s at %d draws",
          as.integer(s$degree), as.integer(s$values), signif(s$largest_error, 2), as.integer(s$checks))
}

transitions_text <- function(d, fit) {
  if (!is.null(fit$info$surrogate)) return(surrogate_text(fit$info$surrogate))
  if (is_guided(fit)) return(sprintf("  proposals of the guide accepted %.0f %%", 100 * d$accepted))
  sprintf("  divergent transitions %d; %slowest E-BFMI %.2f", as.integer(d$divergent), tree_text(d, fit), min(d$bfmi))
}

diagnostics_text <- function(d, fit) {
  value <- function(x, format) if (length(x)) sprintf(paste0(format, " (%s)"), x, names(x)) else "NA"
  c(if (length(all_terms(fit$design))) "Diagnostics (rhat() and neff_ratio() give those of group effects):" else "Diagnostics:",
    transitions_text(d, fit),
    if (d$is_taken_over) "  no guide came near the posterior: trajectories took over",
    if (is_escalated(d)) sprintf("  begun again with smaller steps: adapt_delta %g after %g", d$adapt_delta, d$first_delta),
    sprintf("  worst R-hat %s", value(d$rhat, "%.3f")),
    sprintf("  smallest bulk ESS %s", value(d$bulk_ess, "%.0f")),
    sprintf("  smallest tail ESS %s", value(d$tail_ess, "%.0f")))
}

is_escalated <- function(d) d$adapt_delta > d$first_delta

# Raises one classed warning per kind of trouble: of main parameters always, of group effects as far as they are
# checked. Called by twill() when sampling has ended.
warn_diagnostics <- function(fit) {
  if (is_approximation(fit)) return(warn_approximation(fit))
  d <- sampler_diagnostics(fit)
  inform_taken_over(d, fit)
  inform_escalated(d)
  warn_divergent(d, walls_met(fit))
  warn_max_depth(d)
  warn_bfmi(d)
  if (niterations(fit) >= 4) warn_convergence(fit, d)
  invisible(fit)
}

inform_escalated <- function(d) {
  if (!is_escalated(d)) return(invisible())
  inform_twill("escalated", c(
    "i" = "A transition diverged, so all chains began again with smaller steps.",
    "i" = "The draws are those at {.arg adapt_delta} {d$adapt_delta}, after {d$first_delta}."))
}

inform_taken_over <- function(d, fit) {
  if (!d$is_taken_over) return(invisible())
  inform_twill("taken_over", c(
    "i" = "No guide came near the posterior of the scales, so trajectories took over: engine {.val {fit$info$engine}}."))
}

# `walls` are coefficients at the end of a uniform prior: there smaller steps are no help.
warn_divergent <- function(d, walls = character()) {
  if (d$divergent == 0) return(invisible())
  if (length(walls) > 0) return(warn_walls(d, walls))
  warn_twill("divergent", c(
    "{d$divergent} of {d$n_draws} transitions after warm-up diverged: parts of the posterior may be missing.",
    "i" = "Raise {.arg adapt_delta} above {d$adapt_delta}: {.code control = list(adapt_delta = {raised_delta(d$adapt_delta)})}.",
    "i" = "If divergences stay, look for a standard deviation near zero ({.code pairs(fit)}) and give it a tighter prior."))
}

warn_walls <- function(d, walls) {
  shown <- some(unname(walls))
  prior <- names(walls)[1]
  warn_twill("divergent", c(
    "{d$divergent} of {d$n_draws} transitions after warm-up diverged or left the prior of {.val {shown}}.",
    "i" = "It ends where the posterior has not: {.code {prior}}. What leaves it is turned down, which is right and slow.",
    "i" = "A prior without ends, such as {.code normal()}, samples faster and tells other divergences apart."))
}

raised_delta <- function(adapt_delta) if (adapt_delta < 0.95) 0.95 else 1 - (1 - adapt_delta) / 5

warn_max_depth <- function(d) {
  if (d$at_max_depth == 0) return(invisible())
  warn_twill("treedepth", c(
    "{d$at_max_depth} of {d$n_draws} transitions after warm-up reached the maximal tree depth of {d$max_treedepth}.",
    "i" = "The draws are valid but correlated. Raise it: {.code control = list(max_treedepth = {d$max_treedepth + 2})}.",
    "i" = "Covariates of very different size are a common reason: rescale them."))
}

warn_bfmi <- function(d) {
  low <- which(d$bfmi < bfmi_limit)
  if (length(low) == 0) return(invisible())
  shown <- paste(sprintf("%.2f in chain %d", d$bfmi[low], low), collapse = ", ")
  warn_twill("bfmi", c(
    "The energy was explored poorly: E-BFMI is {shown}, below {bfmi_limit}.",
    "i" = "Heavy tails are the usual reason. Use tighter priors on standard deviations, and a longer {.arg warmup}."))
}

warn_convergence <- function(fit, d) {
  # Of long chains so many draws, evenly spread, tell whether there are enough.
  if (niterations(fit) > max_engine_draws) {
    some <- round(seq(1, niterations(fit), length.out = max_engine_draws))
    fit$draws <- as_array_of_draws(unclass(fit$draws)[some, , , drop = FALSE])
  }
  variable <- checked_variables(fit)
  table <- convergence_table(fit, variable)
  column <- function(name, of = variable) stats::setNames(table[of, name], of)
  rhat <- column("Rhat")
  warn_stuck(Filter(function(name) is.na(rhat[[name]]) && is_stuck(fit, name), main_variables(fit)), fit)
  warn_rhat(rhat[which(rhat > ifelse(is_group_effect(variable), rhat_limit_effects, rhat_limit))], variable, fit)
  limit <- ess_per_chain * d$n_chains
  bulk <- column("Bulk_ESS")
  warn_ess(bulk[which(bulk < limit)], limit, "bulk", "Means and medians", fit)
  tail <- column("Tail_ESS", main_variables(fit))
  warn_ess(tail[which(tail < limit)], limit, "tail", "Standard deviations and quantiles", fit)
}

# Whether all draws of a parameter are the same, though no prior of its class is a constant.
is_stuck <- function(fit, name) {
  classes <- fit$prior$class[startsWith(as.character(fit$prior$prior), "constant(")]
  known <- any(vapply(classes, function(class) identical(name, class) || startsWith(name, paste0(class, "_")), NA))
  !known && length(unique(as.vector(one_variable(fit, name)))) == 1
}

# A measure of convergence has no value for them, and they are as far from it as can be.
warn_stuck <- function(names, fit) {
  if (length(names) == 0) return(invisible())
  warn_twill("rhat", c(
    "The chains did not move: all draws of {.val {some(names)}} are the same, and say nothing of the posterior.",
    "i" = "With as many effects as rows, or rows that are fitted exactly, the density has a spike where {.field sigma}
           is zero.",
    "i" = "Give {.field sigma} a prior that keeps it from there, such as {.code lognormal()}, or leave out effects that
           only single rows have."))
}

# Main parameters, and group effects: all, or evenly spread ones where they are many.
checked_variables <- function(fit) {
  effects <- Filter(is_group_effect, variables(fit))
  if (length(effects) > max_checked_effects) {
    effects <- effects[round(seq(1, length(effects), length.out = max_checked_effects))]
  }
  c(main_variables(fit), effects)
}

checked_note <- function(fit) {
  n <- sum(is_group_effect(variables(fit)))
  if (n <= max_checked_effects) return(NULL)
  c("i" = sprintf("%d of the %d group effects were checked; {.fn rhat} checks all.", as.integer(max_checked_effects), n))
}

warn_rhat <- function(rhat, variable, fit) {
  if (length(rhat) == 0) return(invisible())
  rhat <- sort(rhat, decreasing = TRUE)
  shown <- first_few(sprintf("%s (%.3f)", names(rhat), rhat))
  warn_twill("rhat", c(
    "The chains do not agree: R-hat is too high for {length(rhat)} of {length(variable)} variables.",
    "x" = "Highest: {shown}. The limit is {rhat_limit}, {rhat_limit_effects} for group effects.",
    "i" = "Take more iterations: {.code update(fit, iter = {2 * fit$info$iter})}.",
    "i" = "Draws with R-hat above 1.05 should not be used.",
    checked_note(fit)))
}

warn_ess <- function(ess, limit, which, what, fit) {
  if (length(ess) == 0) return(invisible())
  ess <- sort(ess)
  shown <- first_few(sprintf("%s (%.0f)", names(ess), ess))
  warn_twill("ess", c(
    "The {which} effective sample size of {length(ess)} variable{?s} is below {limit}, {ess_per_chain} per chain.",
    "x" = "Smallest: {shown}. {what} may be imprecise.",
    "i" = "Take more iterations: {.code update(fit, iter = {2 * fit$info$iter})}."))
}

first_few <- function(x, n = 3) {
  more <- length(x) - n
  paste0(paste(utils::head(x, n), collapse = ", "), if (more > 0) sprintf(" and %d more", more))
}
