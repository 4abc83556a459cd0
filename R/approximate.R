# Approximations of a posterior: their settings, the call of the engine, and importance resampling.

# Above this Pareto k-hat importance sampling cannot be trusted (Vehtari et al. 2024, section 3).
khat_limit <- 0.7

# More proposals than draws, so that resampling repeats few of them; half of these where a full-rank guide is near.
proposals_per_draw <- 4

# Each proposal is evaluated on all rows, which is what steps over batches of them save.
n_proposals <- function(settings) {
  settings$n_kept * if (uses_batches(settings)) 1 else proposals_per_draw
}

uses_batches <- function(settings) isTRUE(settings$control$batch > 0)

takes_natural_gradients <- function(control) {
  control$guide %in% c("auto", "fullrank") && control$batch == 0 && !any(names(adam_defaults) %in% names(control))
}

svi_control <- function(control) {
  c(utils::modifyList(adam_defaults, control), list(natural = takes_natural_gradients(control)))
}

check_batch_fits <- function(batch, n_rows) {
  if (is.null(batch) || batch <= n_rows) return(invisible())
  abort_twill("setting", c("{.arg control$batch} must not exceed the number of rows.",
                           "x" = "It is {.val {batch}}, and the data have {n_rows} row{?s}.",
                           "i" = "0, the default, uses all rows in every step."))
}

# Has the arguments and the value of run_sampler().
run_approximation <- function(spec_json, arrays, settings, silent, refresh) {
  check_batch_fits(settings$control$batch, length(arrays$y))
  progress <- new_progress(silent, refresh, "Approximating")
  on.exit(progress$finish())
  run <- function(settings) {
    json <- to_json(rapply(engine_approximation_settings(settings), unbox, how = "replace"))
    allowInterrupts(engine_approximate(spec_json, arrays, json, progress$report))
  }
  result <- unwrap_engine(with_fallback(settings, run, silent))
  if (isTRUE(result$interrupted)) abort_interrupt()
  output <- approximation_output(result, settings)
  if (nzchar(output$info$note)) inform_fallback(output$info$note, silent, "Computed on the CPU, not on the GPU:")
  if (silent < 2) suggest_batch(output$info, settings)
  output
}

# Adds to settings where a variational fit has its rows.
place_approximation <- function(settings, device, method, silent) {
  if (identical(device, "cuda") && method == "svi") refuse_batch_on_gpu(settings$control$batch)
  place <- fit_device(device, method, silent)
  if (method == "svi") c(settings, place) else settings
}

refuse_batch_on_gpu <- function(batch) {
  if (batch == 0) return(invisible())
  abort_twill("setting", c("On a GPU each step takes all rows.", "x" = "{.arg control$batch} is {.val {batch}}.",
                           "i" = "Leave out {.arg batch}, or use {.code device = \"cpu\"}."))
}

# Rows from which on a step over all of them takes milliseconds, and the batch that is suggested then.
many_rows <- 100000
suggested_batch <- 5000

suggest_batch <- function(info, settings) {
  is_dear <- length(info$elbo) > 0 && info$uses_rows && info$rows >= many_rows && !identical(info$device, "cuda")
  if (settings$method != "svi" || uses_batches(settings) || !is_dear) return(invisible())
  inform_twill("batch", c(
    "i" = "Each of the {length(info$elbo)} steps used {.val {info$rows}} rows: the data compress no further.",
    "i" = "Batches make steps cheaper: {.code control = list(batch = {format(suggested_batch)})}."))
}

engine_approximation_settings <- function(settings) {
  unused <- c(adam_defaults, list(guide = "auto", max_steps = 0))
  control <- if (settings$method == "svi") svi_control(settings$control) else utils::modifyList(unused, settings$control)
  c(list(method = settings$method, draws = n_proposals(settings), threads = settings$threads,
         seed = settings$seed, save_effects = settings$save_effects), control,
    settings[intersect(names(settings), c("device", "fallback", "kernel_cache"))])
}

approximation_output <- function(result, settings) {
  weights <- smoothed_weights(result$log_ratios)
  is_trusted <- isTRUE(weights$khat <= khat_limit)
  is_equal <- all(weights$weights == weights$weights[1])
  inside <- which(is.finite(result$log_ratios))
  keep <- rep_len(if (length(inside) > 0) inside else seq_along(result$log_ratios), settings$n_kept)
  if (is_trusted && !is_equal) keep <- resample(weights$weights, settings$n_kept, settings$seed)
  info <- jsonlite::fromJSON(result$info)
  info$pareto_k <- weights$khat
  info$is_resampled <- is_trusted
  info$elbo <- result$elbo
  if (length(result$elbo)) info$elbo_all_rows <- mean(result$log_ratios[is.finite(result$log_ratios)])
  info$ess_proposals <- 1 / sum(weights$weights^2)
  info$proposals <- length(result$log_ratios)
  if (length(result$block_khat)) info$block_khat <- stats::setNames(result$block_khat, result$block_levels)
  evidence <- mean_of_ratios(result$log_ratios)
  info$log_evidence <- evidence$value
  # By blocks: the noise of their integrals, which all ratios share.
  info$evidence_error <- sqrt(evidence$error^2 + info$evidence_noise)
  draws <- cut_rows(result$draws, keep)
  if (!all(is.finite(draws))) abort_infinite_draws()
  list(draws = as_array_of_draws(draws), sampler = NULL, warmup_draws = NULL, info = info,
       partial = FALSE)
}

abort_infinite_draws <- function() {
  abort_twill("start", c("The approximation has draws that are not finite.",
                         "i" = "Is a covariate or the response of extreme size? Say it in another unit, or {.fn scale} it.",
                         "i" = "{.code method = \"nuts\"} samples the model itself."))
}

# Ratios whose squared coefficient of variation is smaller are trusted whatever k-hat says of their tail: a mean moves by no
# more than the coefficient of variation times its posterior standard deviation (Cauchy and Schwarz).
even_ratios <- 1e-4

# Share of proposals inside the support below which these few tell nothing of the posterior.
fewest_inside <- 0.1

# Pareto-smoothed importance weights, that sum to 1, and their k-hat. Draws outside the support have weight zero. Equal ratios,
# as of a collapsed model without scales to approximate, need no smoothing.
smoothed_weights <- function(log_ratios) {
  n <- length(log_ratios)
  inside <- is.finite(log_ratios)
  if (!any(inside)) return(list(khat = Inf, weights = rep(1 / n, n)))
  if (mean(inside) < fewest_inside) return(list(khat = Inf, weights = inside / sum(inside)))
  raw <- exp(log_ratios[inside] - max(log_ratios[inside]))
  raw <- raw / sum(raw)
  is_even <- n * sum(raw^2) - 1 < even_ratios
  found <- if (diff(range(log_ratios[inside])) < 1e-8) list(khat = -Inf, weights = raw) else smoothed_ratios(log_ratios[inside])
  if (is_even && !isTRUE(found$khat <= khat_limit)) found <- list(khat = -Inf, weights = raw)
  list(khat = found$khat, weights = replace(numeric(n), inside, found$weights))
}

smoothed_ratios <- function(log_ratios) {
  smoothed <- suppressWarnings(loo::psis(log_ratios - max(log_ratios), r_eff = 1))
  weights <- exp(as.numeric(smoothed$log_weights) - max(smoothed$log_weights))
  list(khat = smoothed$diagnostics$pareto_k, weights = weights / sum(weights))
}

# Systematic resampling: a draw of weight w is taken floor(n w) or ceiling(n w) times. Shuffled, because the order of
# the draws must not matter to those who use part of them.
resample <- function(weights, n, seed) {
  with_local_seed(seed, {
    at <- findInterval((seq_len(n) - stats::runif(1)) / n, cumsum(weights), left.open = TRUE) + 1
    pmin(at, length(weights))[sample.int(n)]
  })
}

cut_rows <- function(x, rows) {
  x <- x[rows, , , drop = FALSE]
  dimnames(x)[[1]] <- as.character(seq_along(rows))
  x
}

is_approximation <- function(fit) !(fit$info$method %||% "nuts") %in% chain_methods

approximation_diagnostics <- function(fit) {
  info <- fit$info
  trust <- if (info$is_resampled) "below 0.7: resampled by importance" else "above 0.7: not to be trusted, not resampled"
  text <- c("Diagnostics:", sprintf("  Pareto k-hat %.2f (%s)", info$pareto_k, trust),
            if (!is.null(info$block_khat)) blocks_text(info$block_khat),
            sprintf("  effective sample size of %d proposals %.0f", as.integer(info$proposals %||% n_proposals(info$settings)),
                    info$ess_proposals),
            if (length(info$elbo)) sprintf("  ELBO %.1f after %d steps; %s", info$elbo_all_rows, length(info$elbo),
                                           if (info$converged) "settled" else "NOT settled"),
            if (uses_batches(info$settings)) sprintf("  steps of %d rows drawn at random",
                                                     as.integer(info$settings$control$batch)))
  list(khat = info$pareto_k, is_resampled = info$is_resampled, converged = info$converged, text = text)
}

# Blocks of effects have distributions of their own given scales and core; their draws are weighed one by one.
blocks_text <- function(khat) {
  even <- sum(khat == -Inf)
  text <- c(if (even) sprintf("ratios hardly vary in %d", even),
            if (even < length(khat)) sprintf("largest %.2f (%s)", max(khat), names(khat)[which.max(khat)]),
            sprintf("%d above %s", sum(khat > khat_limit), khat_limit))
  sprintf("  k-hat of %d blocks of effects: %s", length(khat), paste(text, collapse = ", "))
}

warn_approximation <- function(fit) {
  info <- fit$info
  if (!info$is_resampled) {
    warn_twill("khat", c(
      "The approximation is poor: Pareto k-hat is {sprintf('%.2f', info$pareto_k)}, above {khat_limit}.",
      "i" = "Its intervals are not to be trusted. Sample the posterior: {.code update(fit, method = \"nuts\")}."))
  }
  high <- names(info$block_khat)[info$block_khat > khat_limit]
  if (length(high)) {
    warn_twill("khat", c(
      "k-hat is above {khat_limit} in {length(high)} of {length(info$block_khat)} blocks of effects.",
      "x" = "Among them {.val {utils::head(high, 3)}}.",
      "i" = "Their intervals are less to be trusted than those of the others; {.code fit$info$block_khat} has all."))
  }
  if (!info$converged) {
    smaller <- if (identical(info$optimiser, "natural")) "" else ", or a smaller {.arg step_size}"
    warn_twill("elbo", c(
      "The variational fit had not converged after {length(info$elbo)} steps: its ELBO was still changing.",
      "i" = paste0("Take more: {.code control = list(max_steps = {2 * length(info$elbo)})}", smaller, ".")))
  }
  invisible(fit)
}
