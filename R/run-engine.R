# Calls of the compiled engine: its results become values or classed conditions; progress; partial fits.

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

# Progress -------------------------------------------------------------------------------------------------------

# list(report, finish). `report` is called by the engine on the main thread; NULL if nothing is to be shown. In log
# files every step of a bar would be a line, so there are lines of their own. `what` is done; two names are those before and
# after there is something to keep, which an interrupt would return.
new_progress <- function(silent, refresh, what) {
  if (silent > 1 || identical(refresh, 0)) return(list(report = NULL, finish = function() NULL))
  state <- new.env(parent = environment())
  state$bar <- NULL
  start_log(state, what[1])
  has_bar <- cli::is_dynamic_tty()
  report <- function(done, total, divergent, restarts = 0, kept = 0) {
    state$phase <- if (kept > 0) what[length(what)] else what[1]
    # A pending Ctrl-C must reach the engine, not this function, whose errors the engine ignores.
    suspendInterrupts(try(if (has_bar) update_bar(state, done, total, divergent, restarts) else
      log_progress(state, done, total, divergent, silent), silent = TRUE))
    NULL
  }
  list(report = report, finish = function() if (!is.null(state$bar)) cli::cli_progress_done(state$bar, .envir = state))
}

update_bar <- function(state, done, total, divergent, restarts) {
  state$note <- paste0(if (restarts > 0) "again, smaller steps | ",
                       if (divergent > 0) sprintf("%d divergent | ", as.integer(divergent)))
  if (is.null(state$bar)) {
    state$bar <- cli::cli_progress_bar(
      total = total, .envir = state, .auto_close = FALSE, clear = TRUE,
      format = "{phase} {cli::pb_bar} {cli::pb_percent} | {cli::pb_current}/{cli::pb_total} | {note}ETA {cli::pb_eta}")
  }
  cli::cli_progress_update(set = done, id = state$bar, .envir = state)
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

as_array_of_draws <- function(x) {
  names(dimnames(x)) <- c("iteration", "chain", "variable")
  structure(x, class = c("draws_array", "draws", "array"))
}

# Appends variables to draws.
bind_draws_arrays <- function(draws, more) {
  variables <- c(dimnames(draws)[[3]], dimnames(more)[[3]])
  dims <- c(dim(draws)[1:2], length(variables))
  as_array_of_draws(array(c(draws, more), dims, c(dimnames(draws)[1:2], list(variables))))
}
