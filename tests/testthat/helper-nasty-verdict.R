# Whether a fit of a hard target is right: its draws compared with the exact posterior, and its warnings.

#' Largest differences that are taken for chance, in units of Monte Carlo error. All targets and engines make about 1,200
#' comparisons; a normal variable is beyond 5 in one of 1,700,000. The Monte Carlo error of an sd is itself uncertain
#' where tails are long, so that its limit is wider.
nasty_limits <- list(mean = 5, sd = 7)

#' Warnings that tell the user not to trust the draws.
nasty_warnings <- paste0("twill_warning_", c("divergent", "treedepth", "bfmi", "rhat", "ess"))

#' "right", "warned" (wrong, but the user was told), "stopped" (an error of the package) or "wrong".
nasty_verdict <- function(fit, exact) {
  if (inherits(fit, "twill_error")) return("stopped")
  if (is_right(compare_with_exact(fit, exact))) return("right")
  if (any(fit$given %in% nasty_warnings)) "warned" else "wrong"
}

#' Close to the exact values, and exact enough to tell: effective sizes of 100 and more.
is_right <- function(comparison) {
  all(is.finite(unlist(comparison[-1]))) && all(abs(comparison$z_mean) < nasty_limits$mean) &&
    all(abs(comparison$z_sd) < nasty_limits$sd) && all(comparison$mcse < 0.1 * comparison$exact_sd)
}

#' A fit with the classes of the warnings that it gave, or the package's error.
nasty_fit <- function(call, engine, seed = 1) {
  given <- new.env()
  keep <- function(w) {
    given$warnings <- c(given$warnings, class(w)[1])
    invokeRestart("muffleWarning")
  }
  settings <- list(control = list(engine = engine), seed = seed, cores = 1, silent = 1, refresh = 0)
  fit <- tryCatch(withCallingHandlers(do.call(twill, c(call, settings)), twill_warning = keep), twill_error = identity)
  fit$given <- given$warnings
  fit
}

#' Differences in units of Monte Carlo error, one row per variable.
compare_with_exact <- function(fit, exact) {
  rows <- lapply(rownames(exact), function(v) {
    x <- draws_of_expression(fit, v)
    mcse <- posterior::mcse_mean(x)
    data.frame(variable = v, mean = mean(x), exact_mean = exact[v, "mean"], sd = stats::sd(x), exact_sd = exact[v, "sd"],
               mcse = mcse, z_mean = (mean(x) - exact[v, "mean"]) / mcse,
               z_sd = (stats::sd(x) - exact[v, "sd"]) / posterior::mcse_sd(x))
  })
  do.call(rbind, rows)
}

#' Iterations x chains of a variable, or of log() or atanh() of it.
draws_of_expression <- function(fit, v) {
  pattern <- "^(log|atanh)[(](.*)[)]$"
  one <- function(name) as.matrix(unclass(fit$draws)[, , name])
  if (!grepl(pattern, v)) return(one(v))
  match.fun(sub(pattern, "\\1", v))(one(sub(pattern, "\\2", v)))
}

#' One line about a fit, for the message of a failed test.
nasty_report <- function(fit, exact) {
  if (inherits(fit, "twill_error")) return(class(fit)[1])
  comparison <- compare_with_exact(fit, exact)
  worst <- function(z) sprintf("%.1f (%s)", z[which.max(abs(z))], comparison$variable[which.max(abs(z))])
  sprintf("worst z of a mean %s, of an sd %s; %s", worst(comparison$z_mean), worst(comparison$z_sd),
          paste(c(fit$given, if (is.null(fit$given)) "no warning"), collapse = ", "))
}
