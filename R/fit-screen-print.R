# What print() and summary() show of a screen: guides, samples and plasmid counts, then what they show of genes.

#' Print a fit of a screen
#'
#' `print()` shows guides, samples and plasmid counts, then what [print.twillgenes()] shows of genes; `summary()` adds a row per
#' sample, and quantiles over genes of every parameter.
#'
#' @param x,object A fit of class `twill_screen`, from [twill_screen()], or its summary.
#' @param digits Number of decimals printed. Default: 2.
#' @param ... Not used.
#' @return `print()`: its argument, invisibly. `summary()`: an object of class `summary.twill_screen`, a list with the parts of
#'   [summary.twillgenes()], `guides` (numbers of guides by gene), `plasmid` (in words) and `samples`, a data frame: name, counts,
#'   size factor and columns of the design.
#' @examples
#' set.seed(1)
#' plasmid <- rpois(8, 300)
#' counts <- matrix(rnbinom(16, mu = plasmid * c(0.2, 0.2, 0.2, 0.8, 1, 1, 1, 1), size = 20), 8,
#'                  dimnames = list(NULL, c("rep1", "rep2")))
#' fit <- twill_screen(counts, gene = rep(c("A", "B"), each = 4), plasmid = plasmid,
#'                     iter = 200, seed = 1)
#' fit
#' summary(fit)
#' @name twill_screen-print
NULL

#' @rdname twill_screen-print
#' @method print twill_screen
#' @export
print.twill_screen <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  print_set_heading(summary.twill_screen(x))
  coefs <- first_few(contrast_coefs(model_of(x)), 6)
  print_field("Next:", paste("tw_contrast() for genes, tw_guides() for guides; plot(), tw_diagnostics(), tw_variance(),",
                             "tw_gene(); coefficients", coefs))
  invisible(x)
}

#' @rdname twill_screen-print
#' @method summary twill_screen
#' @export
summary.twill_screen <- function(object, ...) {
  out <- summary.twillgenes(object, ...)
  guides <- screen_guides(object)$gene
  out$guides <- stats::setNames(tabulate(match(guides, set_genes(object))), set_genes(object))
  out$groups <- sub("^guide \\(.*\\)$", sprintf("guide (%s per gene)", span(range(out$guides))), out$groups)
  if (has_failing_guides(object)) {
    share <- stats::quantile(object$screen$works, c(0.025, 0.975))
    out$groups <- c(out$groups, sprintf("guides that work: %.0f to %.0f %%", 100 * share[1], 100 * share[2]))
  }
  out$plasmid <- plasmid_text(object$screen$plasmid)
  counts <- guide_values(object, t(object$job$source$data), screen_guides(object))
  out$samples <- data.frame(sample = screen_samples(object), counts = colSums(counts, na.rm = TRUE),
                            size = unname(column_size_factors(object)), model.frame.twill_screen(object), row.names = NULL,
                            check.names = FALSE)
  class(out) <- c("summary.twill_screen", "summary.twillgenes")
  out
}

span <- function(range) paste(unique(big(range)), collapse = " to ")

plasmid_text <- function(plasmid) {
  if (is.null(plasmid)) return("none: guides' abundances are part of their deviations")
  each <- if (is.matrix(plasmid)) "one count per guide and sample" else "one count per guide"
  sprintf("%s, median %s", each, big(round(stats::median(plasmid, na.rm = TRUE))))
}

#' @rdname twill_screen-print
#' @method print summary.twill_screen
#' @export
print.summary.twill_screen <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  print_set_heading(x)
  cat("\nSamples:\n")
  shown <- utils::head(x$samples, 24)
  shown$counts <- big(shown$counts)
  shown$size <- three_digits(shown$size)
  print(shown, row.names = FALSE)
  if (nrow(x$samples) > 24) cat("and", nrow(x$samples) - 24, "more\n")
  print_gene_means(x, digits)
  invisible(x)
}

three_digits <- function(x) vapply(x, three, "")
