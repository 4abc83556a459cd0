# The benchmark: fits models with twill and its peers, each fit in a process of its own with a time limit, prints a
# table and appends one line of JSON per fit to bench-output/results.jsonl. Run by `make bench`, from the root:
#
#   Rscript bench/run.R [--models a,b] [--samplers twill,nutpie] [--chains 4] [--draws 1000] [--cores 2] [--limit 120]
#                       [--seed 1] [--list]
#
# Samplers: twill, twill:collapsed, twill:joint, twill:levels (engines), nutpie, numpyro, pymc, rstanarm, and for the
# seconds of point fits lme4 and glmmTMB. --list shows the models with their priors. See bench/README.md.

source("bench/models.R")
source("bench/exchange.R")
source("bench/measure.R")
source("bench/report.R")

output <- "bench-output"
python <- file.path(output, "venv", "bin", "python")
default_samplers <- "twill,nutpie,numpyro,lme4,glmmTMB"

# Arguments ------------------------------------------------------------------------------------------------------

default_arguments <- list(models = paste(names(benchmark_models), collapse = ","), samplers = default_samplers, chains = 4,
                          draws = 1000, cores = 2, limit = 120, seed = 1)

read_arguments <- function(arguments) {
  values <- default_arguments
  if (length(arguments) %% 2 != 0) stop("Arguments come in pairs: --name value.", call. = FALSE)
  for (i in seq_len(length(arguments) / 2)) {
    name <- sub("^--", "", arguments[2 * i - 1])
    refuse_unknown("argument", name, names(values))
    values[[name]] <- arguments[2 * i]
  }
  is_list <- names(values) %in% c("models", "samplers")
  values[is_list] <- strsplit(unlist(values[is_list]), ",", fixed = TRUE)
  values[!is_list] <- lapply(values[!is_list], as.numeric)
  refuse_unknown("model", values$models, names(benchmark_models))
  refuse_unknown("sampler", sampler_kind(values$samplers), names(scripts))
  values
}

refuse_unknown <- function(what, given, known) {
  unknown <- setdiff(given, known)
  if (length(unknown) > 0) stop("Unknown ", what, ": ", paste(unknown, collapse = ", "), call. = FALSE)
}

list_models <- function() {
  for (name in names(benchmark_models)) {
    model <- benchmark_models[[name]]
    cat(sprintf("%s: %s\n  %s, %s\n", name, model$about, paste(deparse(model$formula, 200), collapse = " "), model$family))
    cat(sprintf("  %s ~ %s\n", names(model$prior), model$prior), sep = "")
  }
}

# One fit --------------------------------------------------------------------------------------------------------

scripts <- c(twill = "bench/twill.R", nutpie = "bench/peers/run_nutpie.py", numpyro = "bench/peers/run_numpyro.py",
             pymc = "bench/peers/run_pymc.py", rstanarm = "bench/peers/rstanarm.R", lme4 = "bench/peers/point.R",
             glmmTMB = "bench/peers/point.R")

# Without the engine: "twill" of "twill:joint".
sampler_kind <- function(sampler) sub(":.*$", "", sampler)

# What runs a sampler, whether that is installed, and whether it can do the model.
sampler_command <- function(sampler, model) {
  kind <- sampler_kind(sampler)
  is_python <- endsWith(scripts[[kind]], ".py")
  list(program = if (is_python) python else "Rscript", script = scripts[[kind]],
       is_there = if (is_python) file.exists(python) else requireNamespace(kind, quietly = TRUE),
       can = is_python || kind == "twill" || !is.null(model$plain))
}

# Chains already use all cores: threads of linear algebra would only compete with them.
single_threaded <- paste0(c("OMP", "OPENBLAS", "MKL", "NUMBA"), "_NUM_THREADS=1")

# "ok" or what went wrong.
run_process <- function(command, settings) {
  if (!command$is_there) return("not installed")
  if (!command$can) return("not possible")
  write_json(settings, settings$output, "settings.json")
  log <- file.path(settings$output, "log.txt")
  status <- suppressWarnings(system2(command$program, c(command$script, file.path(settings$output, "settings.json")),
                                     stdout = log, stderr = log, env = single_threaded, timeout = settings$limit))
  if (status == 124) return(sprintf("did not finish in %g s", settings$limit))
  if (status != 0) return(paste("failed, see", log))
  "ok"
}

fit_once <- function(name, sampler, arguments) {
  folder <- file.path(output, "work", name, sub(":", "-", sampler))
  unlink(folder, recursive = TRUE)
  dir.create(folder, recursive = TRUE)
  engine <- if (grepl(":", sampler)) sub("^.*:", "", sampler)
  settings <- c(list(model = name, sampler = sampler, design = file.path(output, "work", name), output = folder),
                arguments[c("chains", "draws", "cores", "seed", "limit")], if (!is.null(engine)) list(engine = engine))
  status <- run_process(sampler_command(sampler, benchmark_models[[name]]), settings)
  if (status != "ok") return(list(status = status))
  fit <- read_fit(folder)
  unlink(file.path(folder, "draws.f64"))
  c(list(status = status), measure_fit(fit), list(means = if (!is.null(fit$draws)) population_means(fit$draws)))
}

# All fits -------------------------------------------------------------------------------------------------------

describe_run <- function(arguments) {
  quietly <- function(code) tryCatch(suppressWarnings(code), error = function(e) NULL)
  git <- function(...) quietly(system2("git", c(...), stdout = TRUE, stderr = FALSE))
  cpu <- quietly(grep("model name", readLines("/proc/cpuinfo"), value = TRUE)[1])
  changed <- length(git("status", "--porcelain", "--untracked-files=no", "src", "R")) > 0
  c(list(run = format(Sys.time(), "%Y-%m-%dT%H:%M:%S"), commit = paste0(git("rev-parse", "--short", "HEAD"), if (changed) "+"),
         machine = sub("^.*: ", "", cpu %||% "unknown"), r = as.character(getRversion())),
    arguments[c("chains", "draws", "cores", "seed", "limit")])
}

append_line <- function(row) {
  text <- jsonlite::toJSON(row, auto_unbox = TRUE, digits = 8, na = "null", null = "null")
  cat(text, "\n", sep = "", file = file.path(output, "results.jsonl"), append = TRUE)
}

# Differences of posterior means from those of the twill fit that has converged best.
add_z <- function(results) {
  rhat <- vapply(results, function(r) if (startsWith(r$sampler, "twill")) r$max_rhat %||% NA_real_ else NA_real_, 0)
  best <- which.min(rhat)
  if (length(best) == 0) return(results)
  for (i in setdiff(seq_along(results), best)) {
    if (!is.null(results[[i]]$means)) results[[i]]$z <- largest_z(results[[best]]$means, results[[i]]$means)
  }
  results
}

run_model <- function(name, arguments, run) {
  rows <- write_design(benchmark_models[[name]], file.path(output, "work", name))
  cat(sprintf("\n%s: %s (%d rows)\n", name, benchmark_models[[name]]$about, rows))
  results <- lapply(arguments$samplers, function(sampler) {
    result <- c(list(model = name, rows = rows, sampler = sampler), fit_once(name, sampler, arguments))
    show_result(result)
    result
  })
  for (result in add_z(results)) append_line(c(run, result[names(result) != "means"]))
}

show_result <- function(result) {
  speed <- if (!is.null(result$min_ess)) sprintf("%s ESS/s, R-hat %.3f", number(result$ess_per_second), result$max_rhat)
  seconds <- if (!is.null(result$seconds_all)) sprintf("%.2f s", result$seconds_all)
  facts <- c(if (result$status != "ok") result$status, seconds, speed)
  cat(sprintf("  %-16s %s\n", result$sampler, paste(facts, collapse = ", ")))
}

main <- function(arguments) {
  if ("--list" %in% arguments) return(list_models())
  arguments <- read_arguments(arguments)
  dir.create(output, showWarnings = FALSE)
  run <- describe_run(arguments)
  for (name in arguments$models) run_model(name, arguments, run)
  cat("\n")
  print_report(file.path(output, "results.jsonl"))
}

main(commandArgs(TRUE))
