# The evidence of a model, p(y): from the importance ratios of an approximation, or from chains by bridge sampling.

#' Log evidence of a model
#'
#' The natural logarithm of the evidence (marginal likelihood) `p(y) = integral p(y | theta) p(theta) dtheta` of a fitted model,
#' with its Monte Carlo error. Differences between models of the same response (in the same units, on the same rows) are
#' logarithms of Bayes factors.
#'
#' @section How it is computed:
#' All densities are normalised: priors, truncated ones included, distributions of effects and correlations, and likelihoods with
#' all that depends on data alone. A weight multiplies the log-likelihood of its row; such products integrate to one over no
#' response.
#'
#' *Fits by `"nuts"` or `"hmc"`*: bridge sampling (Meng and Wong 1996). With `p(theta)` the posterior times the evidence, `q` a
#' normal distribution, draws `theta_i` of the posterior and `t_j` of `q`,
#'
#' ```
#' p(y) = [ 1/n2 sum_j p(t_j)     / (s1 p(t_j)     + s2 p(y) q(t_j)) ] /
#'        [ 1/n1 sum_i q(theta_i) / (s1 p(theta_i) + s2 p(y) q(theta_i)) ]
#' ```
#'
#' is solved by iteration (Gronau et al. 2017), `s1` and `s2` being the shares of effective draws of the posterior and of
#' draws of `q`. Fits keep draws on their natural scale only, so the chains are run again, with the seed and settings of the
#' fit: it takes as long as they did. They are compared with `q` in the sampler's own coordinates, where effects follow the
#' scales, the posterior of a Gaussian model is that of its scales alone, and all is nearly normal; the first half of each
#' chain gives `q` its mean and covariance, the second half is compared. The Monte Carlo error is that of
#' Fruehwirth-Schnatter (2004), for draws that depend on each other.
#'
#' *Fits by `"svi"` and `"laplace"`*: the mean of the importance ratios `p(t_j) / q(t_j)` over the draws of the
#' approximation, whose mean logarithm over draws of a guide is the ELBO (`fit$info$elbo`). It is not to be trusted where the
#' Pareto k-hat is above 0.7, which is a warning.
#'
#' @section What it depends on:
#' Unlike predictions, the evidence depends on the priors of all parameters however many the data are: wide priors cost. Default
#' priors scale with the data, so state the priors of what models differ in. Flat priors have no evidence, which is an error.
#' For predictive comparisons see [loo::loo()].
#'
#' @param fit A fit of class `twillfit`; [tw_gene()] makes one of a gene.
#' @param cores Threads for the chains. Default: as the fit had.
#' @param silent With 2 no progress is shown. Default: 1.
#' @param ... Not used.
#' @return A data frame with one row: `log_evidence`, its Monte Carlo error `mcse`, `method`
#'   (`"bridge"` or `"importance"`) and the number of `draws` compared. Errors have class `twill_error_prior` (flat priors),
#'   `twill_error_method` (fits of genes or cells), `twill_error_argument` or `twill_error_interrupt`.
#'
#'   `bridgesampling::bridge_sampler()` has a method for fits of chains, which gives an object of class `bridge` for
#'   `bridgesampling::bf()`, `post_prob()` and `error_measures()`.
#' @references
#' Meng, X.-L. and Wong, W. H. (1996). Simulating ratios of normalizing constants via a simple identity. *Statistica Sinica* 6,
#' 831-860.
#'
#' Gronau, Q. F. et al. (2017). A tutorial on bridge sampling. *Journal of Mathematical Psychology* 81, 80-97.
#'
#' Fruehwirth-Schnatter, S. (2004). Estimating marginal likelihoods for mixture and Markov switching models using bridge sampling
#' techniques. *Econometrics Journal* 7, 143-167.
#' @examples
#' with_slope <- twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy,
#'                     chains = 2, iter = 1000, seed = 1, silent = 2)
#' without <- update(with_slope, formula = Reaction ~ Days + (1 | Subject))
#' tw_log_evidence(with_slope, silent = 2)
#' tw_log_evidence(without, silent = 2)
#' @export
tw_log_evidence <- function(fit, cores = NULL, silent = 1, ...) {
  check_no_dots(...)
  check_evidence(fit)
  if (is_approximation(fit)) return(evidence_of_ratios(fit))
  found <- bridge_of(fit, cores, check_silent(silent))
  new_log_evidence(found$log_evidence, found$mcse, "bridge", length(found$logs$q11))
}

new_log_evidence <- function(log_evidence, mcse, method, draws) {
  data.frame(log_evidence = nan_to_na(log_evidence), mcse = nan_to_na(mcse), method = method, draws = draws)
}

check_evidence <- function(fit) {
  if (is_set(fit)) {
    abort_twill("method", c("{.fn tw_log_evidence} is for one model, and these are fits of many genes, which share priors.",
                            "i" = "{.code tw_log_evidence(tw_gene(fit, \"NAME\"))} is that of one gene under its priors."))
  }
  check_fit(fit)
  flat <- flat_parameters(jsonlite::fromJSON(fit$spec_json, simplifyVector = FALSE))
  if (length(flat) == 0) return(invisible())
  abort_twill("prior", c("A model with flat priors has no evidence: its prior does not integrate.",
                         "x" = "Flat: {.val {some(flat, 10)}}.",
                         "i" = "Give these a proper prior with {.fn tw_prior}, and fit again."))
}

# Names of the parameters with a flat prior in a spec. What a horseshoe covers has no other prior.
flat_parameters <- function(spec) {
  is_flat <- function(prior) !is_proper_prior(prior)
  targets <- lapply(spec$horseshoes, function(h) if (h$on == "b") unlist(h$columns) + 1)
  own <- spec$coefficients[setdiff(seq_along(spec$coefficients), unlist(targets))]
  covered <- unlist(lapply(spec$horseshoes, function(h) if (h$on == "sd") vapply(h$sds, paste, "", collapse = " ")))
  dispersion <- spec$dispersion
  priors <- if (is.null(dispersion$priors)) Filter(Negate(is.null), list(dispersion$prior)) else dispersion$priors
  of_term <- function(k) {
    term <- spec$terms[[k]]
    places <- paste(k - 1, seq_along(term$sd_priors) - 1)
    flat <- vapply(term$sd_priors, is_flat, TRUE) & !places %in% covered
    suffix <- if (is.null(term$by)) NULL else paste0(":", unlist(term$by$classes))
    c(sd_names(list(group = term$group, coefs = unlist(term$coefs), suffix = suffix))[flat],
      if (!is.null(term$df) && is_flat(term$df)) df_name(term$group))
  }
  of_dispersion <- lapply(dispersion$terms, function(term) unlist(term$sd_names)[vapply(term$sd_priors, is_flat, TRUE)])
  c(unlist(of_dispersion), unlist(lapply(own, function(b) if (is_flat(b$prior)) b$name)),
    unlist(dispersion$names %||% dispersion$name)[vapply(priors, is_flat, TRUE)],
    unlist(lapply(seq_along(spec$terms), of_term)))
}

# Approximations ---------------------------------------------------------------------------------------------------

evidence_of_ratios <- function(fit) {
  info <- fit$info
  if (is.null(info$log_evidence)) {
    abort_twill("argument", c("This fit has no evidence: it was made before there was one.",
                              "i" = "Fit it again: {.code update(fit)}."))
  }
  if (!isTRUE(info$pareto_k <= khat_limit)) {
    khat <- sprintf("%.2f", info$pareto_k)
    warn_twill("khat", c("The evidence is not to be trusted: Pareto k-hat is {khat}, above {khat_limit}.",
                         "i" = "Sample the posterior: {.code tw_log_evidence(update(fit, method = \"nuts\"))}."))
  }
  new_log_evidence(info$log_evidence, info$evidence_error, "importance", info$proposals)
}

# Chains -----------------------------------------------------------------------------------------------------------

# Errors above this are larger than the differences that matter.
evidence_error_limit <- 0.5

bridge_of <- function(fit, cores, silent) {
  settings <- fit$info$settings
  if (!is.null(cores)) settings$threads <- check_threads(cores, NULL, settings$chains)
  progress <- new_progress(silent, NULL, "Bridge sampling")
  on.exit(progress$finish())
  input <- engine_input(fit)
  json <- engine_settings(settings)
  logs <- unwrap_engine(allowInterrupts(engine_bridge(input$spec_json, input$arrays, json, progress$report)))
  if (isTRUE(logs$interrupted)) abort_interrupt()
  found <- solve_bridge(logs)
  if (!isTRUE(found$mcse < evidence_error_limit)) {
    warn_twill("evidence", c("The evidence is uncertain: its Monte Carlo error is {sprintf('%.2f', found$mcse)}.",
                             "i" = "Take more draws: {.code update(fit, iter = {2 * fit$info$iter})}."))
  }
  c(found, list(logs = logs))
}

# Meng and Wong's estimate. `logs` are log densities of target (q11, q21) and of the normal distribution (q12, q22), at draws of
# the posterior (q11, q12), chain after chain, and of the normal distribution.
solve_bridge <- function(logs, max_steps = 1000, tolerance = 1e-10) {
  above <- logs$q21 - logs$q22
  below <- logs$q11 - logs$q12
  per_chain <- function(x) matrix(x, ncol = logs$chains)
  n <- effective_draws(per_chain(below), length(below))
  s1 <- n / (n + length(above))
  log_evidence <- stats::median(below)
  for (step in seq_len(max_steps)) {
    bridge <- function(x) 1 / (s1 * exp(x - log_evidence) + 1 - s1)
    of_normal <- ifelse(above == -Inf, 0, 1 / (s1 + (1 - s1) * exp(log_evidence - above)))
    of_posterior <- bridge(below)
    change <- log(mean(of_normal)) - log(mean(of_posterior))
    log_evidence <- log_evidence + change
    if (!isTRUE(abs(change) > tolerance)) break
  }
  relative <- function(x, n) stats::var(x) / mean(x)^2 / n
  n_posterior <- effective_draws(per_chain(of_posterior), length(below))
  mcse <- sqrt(relative(of_normal, length(above)) + relative(of_posterior, n_posterior))
  list(log_evidence = log_evidence, mcse = mcse, steps = step)
}

effective_draws <- function(x, otherwise) {
  n <- suppressWarnings(posterior::ess_mean(x))
  if (is.finite(n)) min(n, otherwise) else otherwise
}

#' @exportS3Method bridgesampling::bridge_sampler
bridge_sampler.twillfit <- function(samples, ..., cores = NULL, silent = 1) {
  check_no_dots(...)
  check_evidence(samples)
  if (is_approximation(samples)) {
    abort_twill("method", c("{.fn bridge_sampler} needs draws of chains.",
                            "x" = "This fit is by {.val {samples$info$method}}.",
                            "i" = "{.fn tw_log_evidence} takes its importance ratios.",
                            "i" = "{.code update(fit, method = \"nuts\")} samples."))
  }
  found <- bridge_of(samples, cores, check_silent(silent))
  estimate <- list(logml = found$log_evidence, niter = found$steps, method = "normal")
  structure(c(estimate, found$logs[c("q11", "q12", "q21", "q22")]), class = "bridge")
}
