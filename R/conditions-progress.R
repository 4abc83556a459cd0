# Progress of a run: a bar in a terminal; without one, as in batch jobs, a line now and then.

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
  # Beside this note 80 columns have no room for both a bar and the time left.
  bar <- if (restarts == 0) "{cli::pb_bar} "
  if (!identical(bar, state$picture) && !is.null(state$bar)) {
    cli::cli_progress_done(state$bar, .envir = state)
    state$bar <- NULL
  }
  state$picture <- bar
  state$note <- paste0(if (restarts > 0) "again, smaller steps | ",
                       if (divergent > 0) sprintf("%d divergent | ", as.integer(divergent)))
  if (is.null(state$bar)) {
    state$bar <- cli::cli_progress_bar(
      total = total, .envir = state, .auto_close = FALSE, clear = TRUE,
      format = paste0("{phase} ", bar, "{cli::pb_percent} | {cli::pb_current}/{cli::pb_total} | {note}ETA {cli::pb_eta}"))
  }
  cli::cli_progress_update(set = done, id = state$bar, .envir = state)
}

with_progress <- function(how, what, f) {
  progress <- new_progress(how$silent, how$refresh, what)
  on.exit(progress$finish())
  f(progress$report)
}
