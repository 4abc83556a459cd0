# Simulation-based calibration of every model by every engine: a table, plots and a verdict. Run by `make sbc`:
#
#   Rscript bench/sbc.R [--models a,b] [--engines joint,levels,guided] [--replications 200] [--cores 2]
#                       [--seed 1] [--folder bench-output/sbc] [--report]
#
# Models and statistics are those of the tests (tests/testthat/helper-sbc*.R), with more replications. The ranks of each
# run are kept in the folder; table, plots and verdict cover all runs found there, so that models can be run one by one
# and --report alone draws them again. Fails if the ranks of any quantity are not uniform. See bench/README.md.
suppressPackageStartupMessages({
  library(twill)
  library(ggplot2)
})

tests <- file.path("tests", "testthat")
for (file in c("helper-models.R", sort(list.files(tests, "^helper-sbc.*[.]R$")))) source(file.path(tests, file))
source("bench/report.R")
source("bench/sbc-plots.R")

# False alarms over all quantities of all runs.
alpha <- 0.01

# Arguments -------------------------------------------------------------------------------------------------------

default_arguments <- list(models = paste(names(sbc_models), collapse = ","), engines = "collapsed,joint,levels,guided",
                          replications = 200, cores = 2, seed = 1, folder = "bench-output/sbc")

read_arguments <- function(given) {
  values <- default_arguments
  if (length(given) %% 2 != 0) stop("Arguments come in pairs: --name value.", call. = FALSE)
  for (i in seq_len(length(given) / 2)) {
    name <- match.arg(sub("^--", "", given[2 * i - 1]), names(values))
    values[[name]] <- given[2 * i]
  }
  of_list <- function(text) strsplit(text, ",", fixed = TRUE)[[1]]
  values[c("models", "engines")] <- lapply(values[c("models", "engines")], of_list)
  numbers <- c("replications", "cores", "seed")
  values[numbers] <- lapply(values[numbers], as.integer)
  values$models <- match.arg(values$models, names(sbc_models), several.ok = TRUE)
  values
}

# Runs ------------------------------------------------------------------------------------------------------------

heading <- sprintf("%-18s %-10s %4s %4s %6s %8s %6s %7s %9s %9s %9s  %s\n", "model", "engine", "n", "fail", "diverg",
                   "maxdepth", "ess", "s/fit", "p ecdf", "p chi2", "corrected", "worst quantity")

print_row <- function(row) {
  cat(sprintf("%-18s %-10s %4d %4d %6d %8d %6.2f %7.3f %9.2g %9.2g %9.2g  %s\n", row$model, row$engine, row$n,
              row$failed, row$divergent, row$at_max_depth, row$ess, row$seconds, row$p_ecdf, row$p_chi_square,
              row$corrected, row$worst))
}

# One row per run; p-values are the smallest of all quantities, `corrected` after Bonferroni's correction in this run.
run_row <- function(run) {
  table <- sbc_table(run)
  worst <- which.min(pmin(table$p_ecdf, table$p_chi_square))
  data.frame(table[1, c("model", "engine", "n", "failed", "divergent", "at_max_depth", "ess", "seconds")],
             quantities = nrow(table), p_ecdf = min(table$p_ecdf), p_chi_square = min(table$p_chi_square),
             corrected = sbc_verdict(table), worst = table$quantity[worst])
}

calibrate <- function(model, engine, arguments) {
  run <- sbc_run(model, engine, arguments$replications, seed = arguments$seed)
  saveRDS(run, file.path(arguments$folder, sprintf("%s-%s.rds", model, engine)))
  print_row(run_row(run))
}

calibrate_all <- function(arguments) {
  tasks <- expand.grid(engine = arguments$engines, model = arguments$models, stringsAsFactors = FALSE)
  can_run <- function(model, engine) engine %in% sbc_models[[model]]$engines
  tasks <- tasks[mapply(can_run, tasks$model, tasks$engine), ]
  dir.create(arguments$folder, showWarnings = FALSE, recursive = TRUE)
  cat(heading)
  one <- function(i) calibrate(tasks$model[i], tasks$engine[i], arguments)
  done <- parallel::mclapply(seq_len(nrow(tasks)), one, mc.cores = arguments$cores, mc.preschedule = FALSE)
  broken <- Filter(function(result) inherits(result, "try-error"), done)
  if (length(broken)) stop(broken[[1]], call. = FALSE)
}

# Report ----------------------------------------------------------------------------------------------------------

# Runs by model, in the order in which the models are defined.
saved_runs <- function(folder) {
  runs <- lapply(list.files(folder, "[.]rds$", full.names = TRUE), readRDS)
  if (length(runs) == 0) stop("No runs in ", folder, ".", call. = FALSE)
  split(runs, factor(vapply(runs, `[[`, "", "model"), names(sbc_models)), drop = TRUE)
}

write_report <- function(folder) {
  runs <- saved_runs(folder)
  for (model in names(runs)) save_plots(runs[[model]], model, folder)
  runs <- unlist(runs, recursive = FALSE)
  quantities <- do.call(rbind, lapply(runs, sbc_table))
  utils::write.csv(quantities, file.path(folder, "sbc.csv"), row.names = FALSE)
  rows <- do.call(rbind, lapply(runs, run_row))
  for (column in c("ess", "seconds", "p_ecdf", "p_chi_square", "corrected")) rows[[column]] <- signif(rows[[column]], 2)
  writeLines(as_markdown(rows), file.path(folder, "sbc.md"))
  state_verdict(quantities, folder)
}

state_verdict <- function(quantities, folder) {
  smallest <- sbc_verdict(quantities)
  cat(sprintf("%d quantities; smallest p-value after Bonferroni's correction for all of them: %.3g. Table and plots: %s\n",
              nrow(quantities), smallest, folder))
  if (smallest < alpha) stop("the ranks are not uniform", call. = FALSE)
  if (any(quantities$failed > 0)) stop("some fits failed", call. = FALSE)
}

main <- function(given) {
  report_only <- "--report" %in% given
  arguments <- read_arguments(given[given != "--report"])
  if (!report_only) calibrate_all(arguments)
  write_report(arguments$folder)
}

main(commandArgs(TRUE))
