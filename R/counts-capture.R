# The capture of each cell: what the user says about it, checked, and how it is found.

# Molecules in a cell, and the spread of their logarithm among cells (Svensson et al. 2017 for the order of magnitude).
organism_molecules <- c(human = 2e5, mouse = 2e5, yeast = 6e4, ecoli = 3e3)
molecules_sd <- 0.3
default_efficiency <- 0.1
# Where nobody has set the scale no cell is above this share of its molecules.
largest_capture <- 0.95

# list(how, values, molecules, efficiency): `molecules` or `efficiency` sets the scale.
check_capture <- function(capture, organism, efficiency) {
  known <- names(organism_molecules)
  molecules <- if (!is.null(organism)) organism_molecules[[check_choice(organism, "organism", known)]]
  if (!is.null(organism) && !is.null(efficiency)) {
    abort_twill("capture", "{.arg organism} and {.arg capture_efficiency} both set the scale of the capture: give one of them.")
  }
  check_efficiency(efficiency)
  how <- if (is.numeric(capture)) "given" else check_choice(capture, "capture", c("model", "library", "sizeFactors"))
  if (how %in% c("given", "sizeFactors")) refuse_scale(how, compact(list(organism = organism, capture_efficiency = efficiency)))
  if (how == "given") return(list(how = "given", values = plain_column(capture)))
  list(how = how, molecules = molecules, efficiency = efficiency %||% default_efficiency, organism = organism,
       is_free = is.null(molecules) && is.null(efficiency))
}

# Captures that are known need nothing that sets their scale.
refuse_scale <- function(how, given) {
  if (length(given) == 0) return(invisible())
  given <- names(given)
  known <- if (how == "given") "holds the captures" else "takes them from the size factors"
  abort_twill("capture", c("{.arg {given}} sets the scale of captures that are not known.",
                           "x" = "{.arg capture} {known}.", "i" = "Leave out {.arg {given}}."))
}

check_efficiency <- function(efficiency) {
  if (is.null(efficiency) || (is_number(efficiency) && efficiency > 0 && efficiency < 1)) return(invisible())
  given <- given_value(efficiency)
  abort_twill("capture", c("{.arg capture_efficiency} must be one number between 0 and 1.", "x" = "It is {.val {given}}.",
                           "i" = "It is the share of a cell's molecules that are counted, about 0.1."))
}

# list(log_capture, sd, how, molecules, unit): one value per cell used.
find_capture <- function(input, how, settings, x) {
  if (how$how == "given") return(given_capture(how$values, input))
  if (how$how == "sizeFactors") return(given_capture(own_size_factors(input$sizes, input$names), input, "sizeFactors"))
  centre <- log(input$total) - log_molecules(how, input$total)
  found <- list(log_capture = centre, sd = numeric())
  if (how$how == "model") found <- model_capture(input, centre, settings, x)
  excess <- max(found$log_capture) - log(if (how$is_free) largest_capture else 1)
  if (excess > 0 && !how$is_free) say_above_one(sum(found$log_capture > 0), how, settings$progress$silent)
  shift <- if (how$is_free) max(0, excess) else 0
  molecules <- exp(log_molecules(how, input$total) + shift)
  list(log_capture = found$log_capture - shift, sd = found$sd, how = how$how, organism = how$organism, molecules = molecules)
}

# The scale that was given has cells with more counts than molecules. It is a unit: effects do not hang on it.
say_above_one <- function(n, how, silent) {
  if (silent >= 2) return(invisible())
  argument <- if (is.null(how$organism)) "capture_efficiency" else "organism"
  inform_twill("capture", c("By {.arg {argument}} {n} cell{?s} {?has/have} a capture above 1: more counts than molecules.",
                            "i" = "Effects do not depend on this scale. Without {.arg {argument}} it is chosen to be below 1."))
}

log_molecules <- function(how, total) {
  if (is.null(how$molecules)) mean(log(total)) - log(how$efficiency) else log(how$molecules)
}

# One number per cell of the data, or per cell used.
given_capture <- function(values, input, how = "given") {
  n <- max(input$n_given, length(input$names))
  if (!length(values) %in% c(n, length(input$names))) {
    abort_twill("capture", c("{.arg capture} must hold one number per cell.",
                             "x" = "There are {n} cells and {length(values)} value{?s}."))
  }
  if (length(values) != length(input$names)) values <- values[input$rows]
  bad <- !is.finite(values) | values <= 0
  if (any(bad)) {
    given <- values[bad]
    abort_twill("capture", c("{.arg capture} must be positive numbers: up to 1 as capture, else as size factors.",
                             "x" = "{sum(bad)} cell{?s} {?has/have} another: {.val {some(input$names[bad])}}.",
                             "x" = "{cli::qty(length(given))}The value{?s} {?is/are} {.val {some(given)}}."))
  }
  list(log_capture = log(values), sd = numeric(), how = how)
}

model_capture <- function(input, centre, settings, x) {
  found <- with_progress(settings$progress, "Capture", function(report) {
    threads <- as.integer(settings$threads)
    unwrap_engine(engine_capture(sparse_slots(input$columns), input$leaf - 1L, centre, molecules_sd, threads, report))
  })
  level <- found$log_capture + leaf_shifts(input, found$log_capture, x)[input$leaf]
  found$log_capture <- level - mean(level - centre)
  found
}

# What the cells of one leaf have in common cannot be told from the means of its genes. The typical gene is taken to be the same
# in all leaves: shifts of the log captures that make it so.
leaf_shifts <- function(input, log_capture, x) {
  exposure <- as.numeric(rowsum(exp(log_capture), input$leaf))
  everywhere <- colSums(input$sums == 0) == 0
  if (sum(everywhere) < min_level_genes) return(numeric(length(exposure)))
  typical_shifts(log(input$sums[, everywhere, drop = FALSE] / exposure), x)
}

# Progress of the passes over all cells, which come before the genes are fitted.
cell_progress <- function(silent, refresh) list(silent = silent, refresh = refresh)
