# What crosses between the processes of a benchmark: designs to the peers, draws from all samplers, as JSON and plain
# little-endian binary files.
#
# A design is the model spec that twill gives its own engine, with the arrays that go with it, so that no model is
# written twice: FOLDER/design.json, y.f64, offset.f64, se.f64, x.f64 (column by column), termK.i32 (0-based codes) and
# termK.f64 (z, column by column). A fit is FOLDER/fit.json and draws.f64 (iterations, then chains, then variables).

write_binary <- function(x, folder, name) writeBin(x, file.path(folder, name), endian = "little")

write_json <- function(x, folder, name) {
  text <- jsonlite::toJSON(x, auto_unbox = TRUE, digits = NA, null = "null", na = "null")
  writeLines(text, file.path(folder, name))
}

# Gives the number of rows. Uses internals of the package: the spec is not part of its interface.
write_design <- function(model, folder) {
  input <- twill:::prepare_input(twill::tw_formula(model$formula), model$data(), stats::na.omit, silent = 2)
  built <- twill:::new_model(input, twill:::as_twill_family(benchmark_family(model)), benchmark_prior(model), NULL,
                             "centred", FALSE)
  check_portable(built)
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  writeLines(built$spec_json, file.path(folder, "design.json"))
  write_arrays(twill:::spec_arrays(built$design), folder)
  length(built$design$y)
}

# The builders of the peers' models do not know these.
check_portable <- function(built) {
  stopifnot(all(built$design$weights == 1), is.null(built$design$x_disp), all(is.na(built$parameters$horseshoe)))
}

write_arrays <- function(arrays, folder) {
  for (name in c("y", "offset", "se", "x")) write_binary(arrays[[name]], folder, paste0(name, ".f64"))
  for (k in seq_along(arrays$terms)) {
    write_binary(arrays$terms[[k]]$codes, folder, sprintf("term%d.i32", k - 1L))
    write_binary(arrays$terms[[k]]$z, folder, sprintf("term%d.f64", k - 1L))
  }
}

# `draws` is an array, iterations x chains x variables.
write_fit <- function(draws, facts, folder) {
  size <- list(iterations = dim(draws)[1], chains = dim(draws)[2], variables = as.list(dimnames(draws)[[3]]))
  write_binary(as.double(draws), folder, "draws.f64")
  write_json(c(size, facts), folder, "fit.json")
}

# list(facts, draws); draws is NULL for point fits.
read_fit <- function(folder) {
  facts <- jsonlite::read_json(file.path(folder, "fit.json"))
  names <- unlist(facts$variables)
  if (is.null(names)) return(list(facts = facts, draws = NULL))
  size <- c(facts$iterations, facts$chains, length(names))
  facts[c("variables", "iterations", "chains")] <- NULL
  values <- readBin(file.path(folder, "draws.f64"), "double", prod(size), endian = "little")
  list(facts = facts, draws = array(values, size, list(NULL, NULL, names)))
}

# What a process that fits is told: Rscript SCRIPT SETTINGS, where the file SETTINGS holds model, engine, chains, draws,
# cores, seed, design and output (folders).
read_settings <- function() jsonlite::read_json(commandArgs(TRUE)[1])
