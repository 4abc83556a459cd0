# One fit by twill, in a process of its own; started by bench/run.R.
source("bench/models.R")
source("bench/exchange.R")
suppressMessages(library(twill))

settings <- read_settings()
model <- benchmark_models[[settings$model]]
data <- model$data()

# Defaults: as many iterations of warm-up as draws.
run <- function() {
  twill(model$formula, data = data, family = benchmark_family(model), prior = benchmark_prior(model),
        chains = settings$chains, iter = 2 * settings$draws, threads = settings$cores, seed = settings$seed, silent = 2,
        refresh = 0, control = if (is.null(settings$engine)) list() else list(engine = settings$engine))
}

# Chains run side by side, so the sampling takes their seconds over the threads.
facts_of <- function(fit, seconds) {
  record <- function(name) unclass(fit$sampler)[, , name]
  list(seconds_all = seconds, seconds_sampling = sum(fit$info$seconds_sampling) / min(settings$cores, settings$chains),
       gradients_per_draw = mean(record("n_leapfrog__")), divergent = sum(record("divergent__")),
       depth_hits = sum(record("treedepth__") >= fit$info$max_treedepth), engine = fit$info$engine, dim = fit$info$dim,
       version = as.character(utils::packageVersion("twill")))
}

seconds <- system.time(fit <- run())[["elapsed"]]
draws <- unclass(fit$draws)
write_fit(draws[, , setdiff(dimnames(draws)[[3]], c("lprior", "lp__")), drop = FALSE], facts_of(fit, seconds), settings$output)
