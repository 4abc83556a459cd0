# Calls of the compiled engine: its results become values or classed conditions; partial fits.

# Runs the sampler. `settings` as new_settings() makes them, with a seed; `checkpoint` as new_checkpoint() does.
run_sampler <- function(spec_json, arrays, settings, silent, refresh, checkpoint = NULL) {
  progress <- new_progress(silent, refresh, c("Warm-up", "Sampling"))
  on.exit(progress$finish())
  json <- engine_settings(settings, checkpoint)
  # The engine looks for interrupts itself, and returns what it has.
  sampler_output(unwrap_engine(allowInterrupts(engine_sample(spec_json, arrays, json, progress$report))))
}

# What R calls `checkpoint` are seconds.
engine_settings <- function(settings, checkpoint = NULL) {
  settings$checkpoint <- NULL
  to_json(rapply(c(settings, if (!is.null(checkpoint)) list(checkpoint = checkpoint)), unbox, how = "replace"))
}

# Log density and gradient of a fit at a position on the sampler's scale, for tests.
log_density_at <- function(fit, position) {
  input <- engine_input(fit)
  unwrap_engine(engine_log_density(input$spec_json, input$arrays, as.double(position)))
}

# Output ---------------------------------------------------------------------------------------------------------

# The engine gives draws in the form of posterior, of an interrupted run those of the chains that together keep the most.
sampler_output <- function(result) {
  c(result[c("draws", "sampler", "partial")], list(warmup_draws = result$warmup_draws, info = jsonlite::fromJSON(result$info)),
    if (!is.null(result$effects)) list(effects = moments_over_chains(result$effects)))
}

# list(draws, stride, mean, sd) of group effects, from means and sums of squares by chain.
moments_over_chains <- function(effects) {
  names <- dimnames(effects$draws)[[3]]
  mean <- matrix(effects$mean, length(names))
  n <- effects$n
  overall <- drop(mean %*% n) / sum(n)
  squares <- rowSums(matrix(effects$squares, length(names))) + drop((mean - overall)^2 %*% n)
  c(effects[c("draws", "stride")], list(mean = stats::setNames(overall, names),
                                        sd = stats::setNames(sqrt(squares / (sum(n) - 1)), names)))
}
