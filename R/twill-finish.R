# What the doors of many genes do with a job: fit it, look at the fit, and lose nothing to an interrupt.

# `started` is when the call began, which counts what was done before there was a job. Called by finish_set(): interrupts are let
# in where there is nothing to lose yet.
fit_job <- function(job, call, block_size, folder, silent, refresh, BPPARAM, started) {
  rows <- which(job$reason == "")
  describe_job(job, rows, silent)
  stop_workers <- start_workers(BPPARAM, job$settings$seed)
  on.exit(stop_workers())
  store <- new_store(folder, job)
  known <- read_plan(store)
  plan <- known %||% allowInterrupts(new_plan(job, rows, block_size, store, silent, refresh, BPPARAM))
  job$shared <- plan$shared
  store <- with_plan(store, plan)
  done <- allowInterrupts(read_blocks(store, plan, job$keep))
  if (!is.null(known) || any(lengths(done) > 0)) describe_found(store, done, silent)
  pieces <- run_blocks(job, plan$blocks, done, store, BPPARAM, silent, refresh)
  warn_unkept(store, plan, pieces)
  fit <- new_set(job, pieces, length(rows), small_set_call(call, job$model$formula$env), store)
  fit$info$elapsed <- proc.time()[["elapsed"]] - started
  fit
}

# Fits a job, and looks at the fit. An interrupt must not lose genes that are finished.
finish_set <- function(code, check, silent) {
  suspendInterrupts({
    fit <- code
    keep_if_interrupted({
      if (silent < 2) warn_set(fit)
      if (check) {
        fit <- check_shared(fit, silent)
        say_unlooked(fit$info$shared, silent)
      }
    }, "{.fn tw_diagnostics} and {.fn tw_shared_variation} check them.")
  })
  fit
}

# Of designs that leave too little to look at.
say_unlooked <- function(shared, silent) {
  if (is.null(shared) || attr(shared, "df") >= 3) return(invisible())
  inform_twill("shared", c("Whether samples share variation cannot be looked at: three directions are needed.",
                           "x" = "{.arg design} leaves {attr(shared, 'df')} of {nrow(shared)} sample{?s}."), silent)
}

describe_job <- function(job, rows, silent) {
  say_left_out(job, silent)
  if (silent > 0) return(invisible())
  inform_twill("run", c("i" = "{length(rows)} gene{?s}, {n_samples(job$source)} samples.",
                        "i" = "Size factors: {job$sizes$how}. Seed {job$settings$seed}."))
}

# What is done when the draws are there already, with interrupts suspended around it. One that came while draws were put in
# order ends here too, and does not reach the caller in the place of the fit.
keep_if_interrupted <- function(code, note = "{.fn summary} and {.fn rhat} check them.") {
  tryCatch(allowInterrupts({
    Sys.sleep(0)
    code
  }), interrupt = function(e) {
    warn_twill("interrupt", c("Interrupted when the draws were there: they are kept.", "i" = note))
  })
}
