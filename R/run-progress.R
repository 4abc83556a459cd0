# Progress without a terminal: batch jobs get a line now and then, in place of a bar.

# Seconds without a line; runs that are shorter have none. With silent = 0 there also is one for each tenth of the work.
log_every <- 30

# Called some ten times a second. Lines go to the stream of messages as they are: no condition may leave a call of the engine.
log_progress <- function(state, done, total, divergent, silent) {
  now <- proc.time()[["elapsed"]]
  if (!is_line_due(now - state$last$at, now - state$started, (done - state$last$done) / total, silent)) return(invisible())
  state$last <- list(at = now, done = done)
  note <- if (divergent > 0) sprintf(", %d divergent", as.integer(divergent)) else ""
  cat(sprintf("%s: %s of %s (%.0f %%)%s, %s\n", state$phase, big(done), big(total), 100 * done / total, note,
              time_text(now - state$started)), file = stderr())
}

# The longer a run, the rarer its lines.
is_line_due <- function(since, elapsed, gained, silent) {
  (since >= log_every && (since >= elapsed / 10 || gained >= 0.1)) || (silent == 0 && gained >= 0.1)
}

start_log <- function(state, phase) {
  state$phase <- phase
  state$started <- proc.time()[["elapsed"]]
  state$last <- list(at = state$started, done = 0)
}
