# Settings of approximations: what the user says of them, checked.

# `chains` and `threads` are kept for update(), should it sample.
approximation_settings <- function(chains, iter, warmup, thin, threads, seed, save, control, method) {
  n_kept <- chains * ceiling((iter - warmup) / check_thin(thin, iter - warmup))
  list(method = method, chains = chains, iter = iter, warmup = warmup, thin = thin, n_kept = n_kept, threads = threads,
       seed = check_seed(seed), save_effects = check_all_effects(save$group, method),
       save_warmup = FALSE, init = list(kind = "mode"), control = control)
}

check_svi_control <- function(control) {
  control$guide <- check_choice(control$guide, "control$guide", c("auto", "fullrank", "lowrank", "meanfield"))
  control$max_steps <- check_whole(control$max_steps, "control$max_steps", 1, 1e7)
  if (!is.null(control$n_draws)) control$n_draws <- check_whole(control$n_draws, "control$n_draws", 1, 1000)
  for (name in intersect(c("step_size", "tolerance"), names(control))) check_positive(control[[name]], paste0("control$", name))
  check_batch(control)
}

# Settings of Adam: draws of a step, size of the first, and standard errors that the ELBO must gain. Who says one of them asks for
# Adam, where natural gradients, which have none of them, would be taken.
adam_defaults <- list(n_draws = 4, step_size = 0.05, tolerance = 1)

# NULL and 0 take all rows. Engine "collapsed" sees cross-products and no rows.
check_batch <- function(control) {
  control$batch <- check_whole(control$batch %||% 0, "control$batch", 0, 1e9)
  if (control$batch == 0 || control$engine != "collapsed") return(control)
  abort_twill("setting", c("{.arg control$batch} has no meaning with {.code engine = \"collapsed\"}: it uses sums over rows.",
                           "x" = "{.arg control$batch} is {.val {control$batch}}.",
                           "i" = "Leave one of them out; steps of that engine cost the same for any number of rows."))
}
