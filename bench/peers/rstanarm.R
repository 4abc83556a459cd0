# One fit by rstanarm, with its own default priors (its priors on group-level sds are relative to sigma, so those of
# the benchmark cannot be stated); started by bench/run.R.
source("bench/models.R")
source("bench/exchange.R")
suppressMessages(library(rstanarm))

settings <- read_settings()
model <- benchmark_models[[settings$model]]
data <- model$data()

fit_plain <- function() {
  common <- list(model$plain, data = data, chains = settings$chains, cores = settings$cores, iter = 2 * settings$draws,
                 seed = settings$seed, refresh = 0)
  do.call(if (model$family == "negbinomial") stan_glmer.nb else stan_lmer, common)
}

default_depth <- 15

seconds <- system.time(fit <- suppressWarnings(fit_plain()))[["elapsed"]]
records <- rstan::get_sampler_params(fit$stanfit, inc_warmup = FALSE)
record <- function(name) unlist(lapply(records, function(chain) chain[, name]))
draws <- as.array(fit$stanfit)
kept <- !grepl("^(mean_PPD|log-posterior|lp__)|_NEW_", dimnames(draws)[[3]])
write_fit(draws[, , kept, drop = FALSE],
          list(seconds_all = seconds, seconds_sampling = sum(rstan::get_elapsed_time(fit$stanfit)[, "sample"]) /
                 min(settings$cores, settings$chains),
               gradients_per_draw = mean(record("n_leapfrog__")), divergent = sum(record("divergent__")),
               depth_hits = sum(record("treedepth__") >= default_depth),
               engine = "own priors",
               version = as.character(utils::packageVersion("rstanarm"))),
          settings$output)
