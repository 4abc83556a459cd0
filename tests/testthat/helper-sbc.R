# Simulation-based calibration: fits to data simulated from the prior, and ranks of the true values among the draws.
#
# If the sampler is right, the rank of a true parameter among independent draws from its posterior is uniform (Talts et
# al. 2018). The models are in helper-sbc-models.R, the tests of uniformity in helper-sbc-uniform.R.

# Kept draws of a replication, over two chains. With 99 the ranks 0 to 99 split evenly into bins.
sbc_draws <- 99

#' Ranks of all quantities of a model in `n` replications with one engine.
#'
#' @return list(model, engine, ranks = n x quantities matrix, failed = number of fits that stopped with an error,
#'   divergent, at_max_depth = numbers of transitions, ess = effective number of draws per kept draw, of the worst
#'   quantity, seconds = per fit).
sbc_run <- function(name, engine, n, model = sbc_models[[name]], seed = 1) {
  # Other data for each engine: runs on the same data would deviate from uniformity together.
  seed <- seed + 1000 * match(engine, sbc_gaussian_engines)
  clock <- proc.time()[["elapsed"]]
  runs <- with_fixed_seed(seed, lapply(seq_len(n), function(i) sbc_replicate(model, engine)))
  failed <- vapply(runs, is.null, TRUE)
  runs <- runs[!failed]
  row_of <- function(what) do.call(rbind, lapply(runs, `[[`, what))
  list(model = name, engine = engine, ranks = row_of("ranks"), failed = sum(failed), divergent = sum(row_of("divergent")),
       at_max_depth = sum(row_of("at_max_depth")), ess = sbc_efficiency(colMeans(row_of("lag_one"))),
       seconds = (proc.time()[["elapsed"]] - clock) / n)
}

#' NULL if the fit stops with an error of the package: such a replication has no ranks, and fails the calibration.
sbc_replicate <- function(model, engine) {
  simulated <- model$simulate()
  fit <- tryCatch(sbc_fit(model, simulated$data, engine), twill_error = function(e) NULL)
  if (is.null(fit)) return(NULL)
  draws <- sbc_quantities(fit, names(simulated$truth))
  if (!all(is.finite(draws))) stop("draws that are not finite")
  list(ranks = sbc_ranks(draws, simulated$truth), lag_one = apply(draws, 2, sbc_lag_one),
       divergent = sum(fit$sampler[, , "divergent__"]),
       at_max_depth = sum(fit$sampler[, , "treedepth__"] >= fit$info$max_treedepth))
}

#' A short fit. `thin` of the model makes neighbouring draws nearly independent; what is left shows in `ess`.
sbc_fit <- function(model, data, engine) {
  n_per_chain <- (sbc_draws + 1) / 2
  twill(model$formula, data, family = model$family, prior = model$prior, intercept = model$intercept, data2 = model$data2,
        chains = 2, warmup = 300, iter = 300 + n_per_chain * model$thin, thin = model$thin, cores = 1,
        seed = sample.int(1e9, 1), control = list(engine = engine), silent = 2)
}

#' Draws x quantities: parameters by name, and the log-likelihood, which sees errors in how parameters depend on each
#' other and on the data that the ranks of single parameters miss (Modrak et al. 2023).
sbc_quantities <- function(fit, names) {
  parameters <- draws_by_hand(fit, setdiff(names, "log_lik"))
  draws <- cbind(parameters, rowSums(log_lik(fit)))
  colnames(draws) <- c(setdiff(names, "log_lik"), "log_lik")
  draws[, names]
}

#' Number of draws below the truth, among the first `sbc_draws`.
sbc_ranks <- function(draws, truth) colSums(draws[seq_len(sbc_draws), ] < rep(truth, each = sbc_draws))

#' Correlation of neighbouring draws of the two chains.
sbc_lag_one <- function(x) {
  x <- scale(matrix(x, ncol = 2), scale = FALSE)
  sum(x[-1, ] * x[-nrow(x), ]) / sum(x^2)
}

#' Effective number of draws per draw if correlations fell geometrically, at the worst quantity.
sbc_efficiency <- function(lag_one) min((1 - lag_one) / (1 + lag_one))

#' One row per quantity: replications, p-values of the ECDF and of chi-square, and the run's notes.
sbc_table <- function(run) {
  p <- vapply(colnames(run$ranks), function(q) sbc_p_values(run$ranks[, q], sbc_draws), c(ecdf = 0, chi_square = 0))
  data.frame(model = run$model, engine = run$engine, quantity = colnames(run$ranks), n = nrow(run$ranks),
             p_ecdf = p["ecdf", ], p_chi_square = p["chi_square", ], failed = run$failed, divergent = run$divergent,
             at_max_depth = run$at_max_depth, ess = run$ess, seconds = run$seconds, row.names = NULL)
}

#' Smallest p-value of a table after Bonferroni's correction for all its tests.
sbc_verdict <- function(table) min(1, 2 * nrow(table) * min(table$p_ecdf, table$p_chi_square))
