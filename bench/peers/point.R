# One point fit by lme4 or glmmTMB (settings$sampler), for its seconds alone; started by bench/run.R.
source("bench/models.R")
source("bench/exchange.R")

settings <- read_settings()
model <- benchmark_models[[settings$model]]
data <- model$data()

fitters <- list(
  lme4 = list(gaussian = function() lme4::lmer(model$plain, data), negbinomial = function() lme4::glmer.nb(model$plain, data)),
  glmmTMB = list(gaussian = function() glmmTMB::glmmTMB(model$plain, data),
                 negbinomial = function() glmmTMB::glmmTMB(model$plain, data, family = glmmTMB::nbinom2())))

loadNamespace(settings$sampler)
seconds <- system.time(suppressMessages(suppressWarnings(fitters[[settings$sampler]][[model$family]]())))[["elapsed"]]
write_json(list(seconds_all = seconds, engine = "point", version = as.character(utils::packageVersion(settings$sampler))),
           settings$output, "fit.json")
