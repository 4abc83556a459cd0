# What print() and summary() show of a fit of cells: one screen, with the cells, what was captured of them, and the genes.

#' Print a fit of cells
#'
#' `print()` shows cells, leaves and what their depths say, then what [print.twillgenes()] shows of genes; `summary()` adds a row
#' per leaf and quantiles over genes of every parameter.
#'
#' @param x,object A fit of class `twillcells`, from [twill_cells()], or its summary.
#' @param digits Number of decimals printed. Default: 2.
#' @param ... Not used.
#' @return `print()`: its argument, invisibly. `summary()`: an object of class `summary.twillcells`, a list with the parts of
#'   [summary.twillgenes()], `cells` (numbers of cells and leaves), `capture`, `other` (number of genes in `_other`), `arms` (for
#'   each factor of the design that is no group a data frame with one row per level) and `leaves` (one row per leaf).
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' fit
#' summary(fit)
#' @name twillcells-print
NULL

#' @rdname twillcells-print
#' @method print twillcells
#' @export
print.twillcells <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  print_cells_heading(summary.twillcells(x))
  coefs <- first_few(contrast_coefs(model_of(x)), 4)
  print_field("Next:", paste("tw_calibration(), pp_check(), plot(); tw_contrast(), tw_draws(), tw_spread(), tw_groups(),",
                             "tw_means(), tw_diagnostics(), tw_gene(); coefficients", coefs))
  invisible(x)
}

#' @rdname twillcells-print
#' @method summary twillcells
#' @export
summary.twillcells <- function(object, ...) {
  check_no_dots(...)
  out <- summary.twillgenes(object)
  facts <- object$job$cells
  out$capture <- c(facts[c("how", "organism", "molecules")], list(median = stats::median(exp(facts$log_capture))))
  out$cells <- c(cells = length(facts$leaf), leaves = length(facts$n), fewest = min(facts$n), most = max(facts$n))
  out$other <- length(facts$other$genes)
  out$leaves <- cell_table(object, names(model.frame.twillgenes(object)))
  out$arms <- arm_tables(object)
  class(out) <- c("summary.twillcells", "summary.twillgenes")
  out
}

# One row per combination of values of these variables: leaves, cells, depth and capture of a median cell.
cell_table <- function(fit, by) {
  facts <- fit$job$cells
  value <- joined_values(model.frame.twillgenes(fit)[by])
  of_cell <- value[facts$leaf]
  data.frame(arm = levels(value), leaves = as.vector(table(value)), cells = as.vector(table(of_cell)),
             total = as.vector(tapply(facts$total, of_cell, stats::median)),
             capture = as.vector(tapply(exp(facts$log_capture), of_cell, stats::median)))
}

# One table per factor that is no group.
arm_tables <- function(fit) {
  others <- leaf_factors(fit)$others
  lapply(stats::setNames(others, others), function(name) cell_table(fit, name))
}

#' @rdname twillcells-print
#' @method print summary.twillcells
#' @export
print.summary.twillcells <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  print_cells_heading(x)
  cat("\nLeaves (median cell):\n")
  print_cell_table(x$leaves, 24)
  print_gene_means(x, digits)
  invisible(x)
}

print_cells_heading <- function(x) {
  if (x$partial) cat("PARTIAL FIT: the run was interrupted; these are the genes finished by then.\n\n")
  sizes <- paste(unique(big(x$cells[c("fewest", "most")])), collapse = " to ")
  print_field("Cells:", sprintf("%s in %s leaves of %s", big(x$cells[["cells"]]), x$cells[["leaves"]], sizes))
  print_field("Genes:", sprintf("%s %s models%s%s", big(x$size[1]), x$family, other_text(x$other), x$skipped))
  print_field("Design:", x$design)
  if (length(x$groups)) print_field("Groups:", toString(x$groups))
  print_field("Capture:", c(capture_line(x), unlist(lapply(names(x$arms), function(name) arm_line(x$arms[[name]], name)))))
  print_set_state(x)
}

other_text <- function(n) if (n > 0) sprintf(" (`_other` stands for %s genes)", big(n)) else ""

capture_line <- function(x) {
  how <- switch(x$capture$how, model = "modelled cell by cell", library = "by library size", given = "given",
                sizeFactors = "sizeFactors(x)")
  organism <- x$capture$organism
  scale <- if (!is.null(organism)) sprintf(", %s cells of %s molecules", organism, three(x$capture$molecules))
  of_leaves <- paste(vapply(range(x$leaves$capture), three, ""), collapse = " to ")
  sprintf("%s%s; median %s, of leaves %s", how, scale %||% "", three(x$capture$median), of_leaves)
}

three <- function(x) {
  format(signif(x, 3), big.mark = ",", decimal.mark = ".", trim = TRUE, scientific = FALSE, drop0trailing = TRUE)
}

# How deep the arms of a factor are, and by how much they differ.
arm_line <- function(table, name) {
  shown <- first_few(sprintf("%s %s", table$arm, big(round(table$total))), 4)
  ratio <- max(table$total) / min(table$total)
  note <- if (ratio >= max_arm_ratio) "; a change of all molecules cannot be told from depth" else ""
  sprintf("counts of a median cell by %s: %s (ratio %.2f%s)", name, shown, ratio, note)
}

# From here on print() says what arms of different depth cannot tell.
max_arm_ratio <- 1.5

print_cell_table <- function(table, n) {
  shown <- utils::head(table, n)
  columns <- list(leaf = shown$arm, cells = big(shown$cells), counts = big(round(shown$total)),
                  capture = vapply(shown$capture, three, ""))
  print(as.data.frame(columns), row.names = FALSE)
  if (nrow(table) > n) cat("and", nrow(table) - n, "more\n")
}
