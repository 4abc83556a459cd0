# twill() by NUTS and by trajectories of one length, method = "hmc", on the small models of the benchmark, in one run.
#
#   Rscript bench/hmc.R [--models a,b] [--repeats 3] [--seed 1]
#
# Four chains of 1,000 draws after as many of warm-up, one thread; the median over seeds of: seconds of the processor for the
# whole call, gradients per draw, the least bulk ESS of all parameters, ESS per second and per 1,000 gradients (warm-up included
# in both), and the largest R-hat over seeds.
source("bench/models.R")
source("bench/process.R")
suppressMessages(library(twill))

small <- c("schools", "penicillin", "sleepstudy", "epil", "donors", "crossed_counts", "grouseticks")
chosen <- option_list("models", paste(small, collapse = ","))
seeds <- as.numeric(option("seed", 1)) + seq_len(as.numeric(option("repeats", 3))) - 1

measure_fit <- function(model, data, method, seed) {
  time <- system.time(fit <- suppressWarnings(twill(model$formula, data, benchmark_family(model), prior = benchmark_prior(model),
                                                    method = method, seed = seed, cores = 1, silent = 2)))
  kept <- setdiff(variables(fit), c("lp__", "lprior"))
  draws <- posterior::summarise_draws(as_draws_array(fit, variable = kept), "ess_bulk", "rhat")
  seconds <- sum(time[c("user.self", "sys.self")])
  sampled <- nuts_params(fit)
  gradients <- sum(sampled$Value[sampled$Parameter == "n_leapfrog__"])
  ess <- min(draws$ess_bulk)
  c(seconds = seconds, gradients = gradients / ndraws(fit), ess = ess, per_second = ess / seconds,
    parameters = fit$info$dim, per_gradient = 1000 * ess / sum(fit$info$n_gradients), rhat = max(draws$rhat))
}

row_of <- function(name) {
  model <- benchmark_models[[name]]
  data <- model$data()
  measured <- lapply(c(nuts = "nuts", hmc = "hmc"), function(method) {
    vapply(seeds, function(seed) measure_fit(model, data, method, seed), numeric(7))
  })
  both <- function(measure, digits, f = stats::median) {
    values <- vapply(measured, function(m) f(m[measure, ]), 0)
    paste(formatC(values, format = "f", digits = digits, big.mark = ","), collapse = ", ")
  }
  cat(sprintf("| `%s` | %.0f | %s |\n", name, measured$nuts["parameters", 1],
              paste(both("seconds", 2), both("gradients", 1), both("ess", 0), both("per_second", 0), both("per_gradient", 0),
                    both("rhat", 3, max), sep = " | ")))
}

cat("NUTS, HMC\n\n| model | parameters sampled | seconds | gradients a draw | ESS of 4,000 | ESS per second |",
    "ESS per 1,000 gradients | largest R-hat |\n|---|---|---|---|---|---|---|---|\n")
invisible(lapply(chosen, row_of))
