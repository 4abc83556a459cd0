# twill(method = "hmc") of small models: chains eight at a time (engine "lanes") and one by one, in one run, interleaved.
#
#   Rscript bench/lanes.R [--models a,b] [--repeats 3]
#
# Four chains of 1,000 draws after as many of warm-up, one thread. `ms` is the processor's time of a call, less that of one with
# 10 draws, which takes out what R does before and after; medians over seeds. `ess` is the least bulk ESS of all variables but
# effects of levels, `gain` the ratio of ESS per ms.
source("bench/models.R")
source("bench/process.R")
suppressPackageStartupMessages(library(twill))

small <- c("crossed_screen", "varying_slope", "penicillin", "sleepstudy", "donors", "epil")
extra <- list(
  cbpp = benchmark_model("lme4::cbpp, rates of 15 herds", package_data("cbpp", "lme4"),
                         incidence ~ period + offset(log(size)) + (1 | herd), count_prior[c("Intercept", "b", "sd")], "poisson"),
  owls = benchmark_model("glmmTMB::Owls, 599 counts of 27 nests", package_data("Owls", "glmmTMB"),
                         SiblingNegotiation ~ FoodTreatment * SexParent + offset(log(BroodSize)) + (1 | Nest), count_prior,
                         "negbinomial"),
  radon = benchmark_model("radon of Minnesota, 919 rows of 85 counties", stored_data("radon_mn"),
                          log_radon ~ floor_measure + (1 | county),
                          c(Intercept = "normal(0, 10)", b = "normal(0, 10)", sd = "normal(0, 1)", sigma = "normal(0, 1)")))
models <- c(benchmark_models, extra)
chosen <- option_list("models", paste(c(small, names(extra)), collapse = ","))
seeds <- seq_len(as.numeric(option("repeats", 3)))

family_of <- function(model) if (model$family == "poisson") poisson() else benchmark_family(model)

call_seconds <- function(model, data, engine, seed, iter, warmup) {
  gc(FALSE)
  time <- system.time(fit <- suppressWarnings(twill(model$formula, data, family_of(model), prior = benchmark_prior(model),
                                                    method = "hmc", iter = iter, warmup = warmup, seed = seed, cores = 1,
                                                    silent = 2, control = list(engine = engine))))
  list(fit = fit, seconds = sum(time[c("user.self", "sys.self")]))
}

measure <- function(model, data, engine, seed) {
  short <- call_seconds(model, data, engine, seed, 20, 10)
  long <- call_seconds(model, data, engine, seed, 2000, 1000)
  draws <- as_draws_array(long$fit)
  main <- grep("^(r_|lp)", dimnames(draws)[[3]], invert = TRUE, value = TRUE)
  ess <- min(apply(unclass(draws)[, , main, drop = FALSE], 3, posterior::ess_bulk))
  c(ms = 1e3 * (long$seconds - short$seconds), ess = ess, gradients = sum(long$fit$info$n_gradients), dim = long$fit$info$dim,
    in_lanes = long$fit$info$engine == "lanes")
}

row_of <- function(name) {
  model <- models[[name]]
  data <- model$data()
  one_by_one <- if (model$family == "gaussian") "collapsed" else "joint"
  run <- function(seed) vapply(c("auto", one_by_one), measure, numeric(5), model = model, data = data, seed = seed)
  runs <- lapply(seeds, run)
  middle <- apply(simplify2array(runs), 1:2, stats::median)
  two <- function(what) paste(formatC(middle[what, 2:1], format = "f", digits = 0, big.mark = ","), collapse = ", ")
  rate <- middle["ess", ] / middle["ms", ]
  cat(sprintf("| `%s` | %s | %s | %s | %s | %.1f |%s\n", name, two("dim"), two("ms"), two("gradients"), two("ess"),
              rate[1] / rate[2], if (middle["in_lanes", 1] == 1) "" else " not in lanes"))
}

cat("One by one, in lanes\n\n| model | parameters sampled | ms | gradients | ESS of 4,000 | gain |\n|---|---|---|---|---|---|\n")
invisible(lapply(chosen, row_of))
