# tw_mask(): genes to leave out of contrasts, chosen before any effect is looked at.

#' Masks of genes
#'
#' Chooses genes to leave out of [tw_contrast()] from their names and their counts, never from their effects. Masked genes
#' have no results, do not enter s-values and learned priors, and on the scale of centred log-ratios stand together as one
#' further gene, "other", whose expression is the sum of theirs.
#'
#' A gene is masked if any of these holds:
#' * it is outside of the `coverage`. With \eqn{m_{gc} = \sum_{i \in c} y_{gi} / \sum_{i \in c} s_i} the rate of gene g in
#'   condition c (a combination of the population-level covariates; \eqn{s_i} is the size factor of a sample, or the summed
#'   capture of its cells), genes are taken in decreasing order of \eqn{m_{gc}} until they hold this share of the total; a gene
#'   is kept if it is among them in any condition;
#' * its rate is below `min_expression` in every condition;
#' * its name matches one of `drop`, or is one of `genes`;
#' * it is the `_other` of a fit, which is no gene.
#'
#' Conditions are all data together where the covariates are numbers.
#'
#' @param fit A fit of counts of class `twillgenes`, from [twill_genes()].
#' @param coverage Share of the counts to keep, in (0, 1]. Default: 0.95. `1` masks nothing by coverage.
#' @param drop Regular expressions, matched at the beginning of names, of genes to mask: `c("MT-", "RP[LS]", "HB[ABDEGMQZ]")`
#'   for mitochondrial and ribosomal genes and haemoglobins. Default: none.
#' @param min_expression Smallest rate, in counts per unit of size factor or capture. Default: 0.
#' @param genes Names or numbers of further genes to mask. Default: none.
#' @param ... Must be empty.
#' @return A logical vector named by genes, `TRUE` for masked genes, of class `tw_mask`, which prints what it does. Any
#'   logical vector with one value per gene can stand in its place. Errors have class `twill_error_mask` or
#'   `twill_error_genes`.
#' @seealso [tw_contrast()]
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' names <- c("MT-CO1", "RPL3", paste0("gene", 1:6))
#' counts <- matrix(rpois(64, c(90, 90, 90, 60, 60, 30, 9, 1)), 8, dimnames = list(names, NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' mask <- tw_mask(fit, coverage = 0.95, drop = c("MT-", "RP[LS]"))
#' mask
#' tw_contrast(fit, scale = "clr", mask = mask)
#' @export
tw_mask <- function(fit, coverage = 0.95, drop = NULL, min_expression = 0, genes = NULL, ...) {
  check_no_dots(...)
  check_set(fit)
  check_mask_arguments(fit, coverage, min_expression)
  rates <- condition_rates(fit)
  reasons <- list("outside of the coverage of %g" = if (coverage < 1) !covered_genes(t(rates), coverage),
                  "rates below %g" = apply(rates, 2, max) < min_expression,
                  "names" = matched_names(set_genes(fit), drop),
                  "chosen" = if (!is.null(genes)) seq_len(ncol(rates)) %in% set_positions(fit, genes),
                  "_other" = set_genes(fit) %in% pooled_gene(fit))
  names(reasons)[1:2] <- sprintf(names(reasons)[1:2], c(coverage, min_expression))
  reasons <- Filter(any, compact(reasons))
  masked <- Reduce(`|`, reasons, logical(ncol(rates)))
  structure(stats::setNames(masked, set_genes(fit)), class = "tw_mask", reasons = vapply(reasons, sum, 0L))
}

check_mask_arguments <- function(fit, coverage, min_expression) {
  if (!has_counts(fit)) abort_twill("mask", "{.fn tw_mask} needs a fit of counts, not of {family(fit)$family} values.")
  check_share(coverage, "coverage", "mask")
  check_not_negative(min_expression, "min_expression", "mask")
}

# Rates of the genes by condition, conditions x genes.
condition_rates <- function(fit) {
  design <- model_of(fit)$design
  pattern <- design_pattern(design$x) %||% rep(1, nrow(design$x))
  # Samples without a count of a gene are none of it.
  rates <- count_blocks(fit, function(counts) {
    is_there <- !is.na(counts)
    rowsum(replace(as.matrix(counts), !is_there, 0), pattern) / rowsum(is_there * exp(design$offset), pattern)
  })
  out <- do.call(cbind, rates)
  replace(out, is.nan(out), 0)
}

matched_names <- function(names, patterns) {
  if (is.null(patterns)) return(logical(length(names)))
  if (!is.character(patterns) || anyNA(patterns)) abort_twill("mask", "{.arg drop} must hold regular expressions, as text.")
  matches <- lapply(patterns, function(pattern) {
    tryCatch(grepl(paste0("^(?:", pattern, ")"), names, perl = TRUE), error = function(e) NULL, warning = function(w) NULL)
  })
  bad <- patterns[vapply(matches, is.null, TRUE)]
  if (length(bad)) abort_twill("mask", c("{.arg drop} must hold regular expressions.", "x" = "{.val {some(bad)}} is none."))
  Reduce(`|`, matches, logical(length(names)))
}

#' @rdname tw_mask
#' @param x A mask.
#' @param ... Not used.
#' @method print tw_mask
#' @export
print.tw_mask <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  reasons <- attr(x, "reasons")
  cat(sprintf("Mask of %d of %d genes\n", sum(x), length(x)))
  if (length(reasons)) cat(sprintf("  %s: %d\n", names(reasons), reasons), sep = "")
  invisible(x)
}

# One TRUE or FALSE per gene of the fit, from a mask of the same genes or, by name, of more.
check_mask <- function(fit, mask) {
  genes <- set_genes(fit)
  if (is.null(mask)) return(logical(length(genes)))
  if (!is.logical(mask) || anyNA(mask)) refuse_mask(mask)
  if (!is.null(names(mask))) {
    unknown <- setdiff(genes, names(mask))
    if (length(unknown)) abort_twill("mask", "{.arg mask} says nothing of {length(unknown)} gene{?s}: {.val {some(unknown)}}.")
    mask <- mask[genes]
  }
  if (length(mask) != length(genes)) refuse_mask(mask)
  if (sum(!mask) < 1) abort_twill("mask", "{.arg mask} leaves no gene.")
  as.logical(unname(mask))
}

refuse_mask <- function(mask) {
  given <- sprintf("%s of length %d", class(mask)[1], length(mask))
  abort_twill("mask", c("{.arg mask} must hold one TRUE or FALSE per gene, as {.fn tw_mask} makes it.",
                        "x" = "It is {.val {given}}."))
}
