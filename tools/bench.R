# Speed on the demo's models: seconds, gradients and effective draws per second, printed and
# appended as one JSON line per model to bench-output/twill.jsonl. Run by `make bench`.
library(twill)

models <- list(
  depmap_screen = function(...) twill(
    lfc ~ rna + copy_number + (1 + rna | gene) + (1 | gene:guide) + (1 | cell_line),
    data = depmap_screen, prior = tw_prior("normal(0, 1)", class = "b"), ...),
  grouseticks = function(...) twill(
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), data = lme4::grouseticks,
    family = negbinomial(), ...),
  sleepstudy = function(...) twill(Reaction ~ Days + (Days | Subject), data = lme4::sleepstudy, ...))

# The slowest quantity counts: the smallest bulk or tail ESS over all parameters.
smallest_ess <- function(fit) {
  draws <- posterior::as_draws_array(fit)
  summary <- posterior::summarise_draws(draws, posterior::ess_bulk, posterior::ess_tail)
  min(summary$`posterior::ess_bulk`, summary$`posterior::ess_tail`, na.rm = TRUE)
}

measure <- function(name) {
  seconds <- system.time(
    fit <- models[[name]](chains = 4, threads = 2, seed = 1, silent = 2, refresh = 0))[["elapsed"]]
  ess <- smallest_ess(fit)
  list(model = name, seconds = round(seconds, 2), min_ess = round(ess),
       ess_per_second = round(ess / seconds, 1), n_gradients = sum(fit$info$n_gradients),
       version = as.character(utils::packageVersion("twill")),
       commit = system2("git", c("rev-parse", "--short", "HEAD"), stdout = TRUE),
       machine = sub("^.*: ", "", grep("model name", readLines("/proc/cpuinfo"), value = TRUE)[1]))
}

dir.create("bench-output", showWarnings = FALSE)
for (name in names(models)) {
  line <- jsonlite::toJSON(measure(name), auto_unbox = TRUE)
  cat(line, "\n")
  cat(line, "\n", file = "bench-output/twill.jsonl", append = TRUE)
}
