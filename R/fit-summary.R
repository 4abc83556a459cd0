# What print() and summary() show: the model, its parameters by kind, and whether to trust the draws.

#' Summary of a fit
#'
#' Shows the model and its data, then one line per parameter, by kind: standard deviations and
#' correlations of group-level effects, population-level coefficients, free means of group
#' terms, and parameters of the family. `Rhat` is the rank-normalised split R-hat, to be below
#' 1.01; `Bulk_ESS` and `Tail_ESS` are effective sample sizes, to be above 100 per chain. Group
#' effects are shown by [ranef()].
#'
#' @param object,x A fit of class `twillfit`, or its summary.
#' @param priors Show the priors? Default: no.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param mc_se Add the Monte Carlo standard error of the estimate? Default: no.
#' @param digits Number of decimals printed. Default: 2.
#' @param ... Not used.
#' @return `summary()`: an object of class `summary.twillfit`, a list with the tables `random`
#'   (one per group), `fixed`, `means`, `latents`, `horseshoe` and `spec_pars`, and with `formula`,
#'   `family`, `nobs`, `ngrps`, `diagnostics`. `print()`: its argument, invisibly.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' summary(fit)
#' summary(fit)$fixed["Days", "Estimate"]
#' @name twill-summary
NULL

#' @rdname twill-summary
#' @method summary twillfit
#' @export
summary.twillfit <- function(object, priors = FALSE, prob = 0.95, robust = FALSE, mc_se = FALSE, ...) {
  check_no_dots(...)
  check_flag(priors, "priors")
  check_flag(mc_se, "mc_se")
  table <- parameter_summary(object, main_variables(object), prob, robust, mc_se)
  structure(c(
    list(formula = object$formula, family = object$family, nobs = nobs(object), ngrps = ngrps(object),
         nobs_by = if (has_responses(object)) vapply(object$design$responses$rows, length, 0L),
         n_merged = if (is_merged(object$design)) nrow(object$data),
         n_dropped = object$design$merged$n_dropped %||% length(attr(object$data, "na.action")), is_partial = is_partial(object),
         draws = draws_line(object), sampled = engine_line(object),
         prior_only = identical(object$info$sample_prior, "only"), prior = if (priors) prior_summary(object)),
    summary_tables(object, table),
    list(diagnostics = diagnostics(object, table))), class = "summary.twillfit")
}

#' @rdname twill-summary
#' @method print twillfit
#' @export
print.twillfit <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  print(summary.twillfit(x), digits = digits)
  invisible(x)
}

# Estimate, Est.Error, interval, Rhat and effective sample sizes, under the column names of brms.
parameter_summary <- function(fit, variable, prob = 0.95, robust = FALSE, mc_se = FALSE) {
  check_level(prob, "prob")
  draws <- draw_matrix(fit, variable)
  out <- as.data.frame(summarise_columns(draws, robust, c(1 - prob, 1 + prob) / 2))
  bounds <- paste0(c("l-", "u-"), number_label(signif(100 * prob, 7)), "% CI")
  names(out) <- c("Estimate", "Est.Error", bounds)
  error <- if (robust) posterior::mcse_median else posterior::mcse_mean
  if (mc_se) out$MC_SE <- convergence(fit, variable, error)
  # Draws of an approximation are independent: there is nothing to converge.
  if (is_approximation(fit)) return(out)
  cbind(out, convergence_table(fit, variable))
}

summary_tables <- function(fit, table) {
  kind <- function(variables, labels = variables) {
    out <- table[match(variables, rownames(table)), , drop = FALSE]
    rownames(out) <- labels
    out
  }
  all <- rownames(table)
  mu <- grep("^mu_", fit$design$coef_names, value = TRUE)
  fixed <- setdiff(fixef_variables(fit), mu)
  groups <- pick_groups(fit, NULL)
  list(random = lapply(groups, function(group) {
         variables <- group_parameters(fit, group)
         kind(variables, names(variables))
       }),
       fixed = kind(fixed, bare_coef(fixed)), means = kind(mu, sub("^mu_", "", mu)),
       latents = kind(grep("^(mean|sd)me_", all, value = TRUE)), horseshoe = kind(grep("^hs_", all, value = TRUE)),
       spec_pars = kind(dispersion_variables(fit)))
}

# Names of a group's sd and cor draws, named as they are shown: sd(x), cor(x,z).
group_parameters <- function(fit, group) {
  terms <- group_terms(fit, group)
  coefs <- unlist(lapply(terms, scale_coefs))
  pairs <- which(upper.tri(diag(length(coefs))), arr.ind = TRUE)
  first <- coefs[pairs[, 1]]
  second <- coefs[pairs[, 2]]
  cors <- paste0("cor_", group, "__", first, "__", second, recycle0 = TRUE)
  variables <- c(unlist(lapply(terms, sd_names)), cors, df_name(group))
  labels <- c(sprintf("sd(%s)", coefs), sprintf("cor(%s,%s)", first, second), "df")
  exists <- variables %in% variables(fit)
  stats::setNames(variables[exists], labels[exists])
}

# The coordinates that NUTS moved in, and how many there were.
engine_line <- function(fit) {
  if (is_approximation(fit)) return(NULL)
  what <- c(collapsed = "effects integrated out", guided = "effects integrated out, scales proposed by a guide",
            joint = "all effects together", levels = "effects level by level", lanes = "eight chains at a time")
  paste0(sprintf("%s (%s), %d parameters sampled", fit$info$engine, what[[fit$info$engine]], as.integer(fit$info$dim)),
         predicted_text(fit$info$predicted))
}

# By which times the engine was chosen, where it was by these.
predicted_text <- function(predicted) {
  if (is.null(predicted)) return("")
  sprintf("; expected to take %s s by a guide, %s s level by level", signif(predicted$guided, 2), signif(predicted$levels, 2))
}

draws_line <- function(fit) {
  info <- fit$info
  if (identical(fit$info$engine, "nested")) return(sprintf("%d by %s, by blocks of effects", ndraws(fit), info$method))
  if (is_approximation(fit)) return(sprintf("%d by %s in %s coordinates", ndraws(fit), info$method, info$engine))
  by <- if (identical(info$method, "hmc")) " by hmc" else ""
  sprintf("%d chains%s, iter = %d, warmup = %d, thin = %d; %d draws", nchains(fit), by, as.integer(info$iter),
          as.integer(info$warmup), as.integer(info$thin), ndraws(fit))
}
