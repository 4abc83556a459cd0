# tw_groups(): the leaves that belong together, such as the arms of one donor, each group usable on its own.

#' Groups of leaves
#'
#' A paired design has several leaves per donor, one per condition. `tw_groups()` gives them donor by donor, as a list to be
#' looped over, and each group by itself answers for its leaves and their contrasts: what this donor's cells say of the
#' donor's own response, with the shrinkage that the model gives.
#'
#' @param fit A fit of class `twillcells` or `twillgenes` with effects kept.
#' @param by Names of variables of the design. Default: those of the first group-level term.
#' @param x,object A list of groups, or one group of it.
#' @param i,j For a group: labels of its leaves as they are printed, `"ctrl"`, or numbers.
#' @param contrast For `summary()`: two labels, `c("stim", "ctrl")`, for their difference in place of the leaves' means.
#' @param genes Names or numbers of genes. Default: all.
#' @param prob Probability of the intervals. Default: 0.95.
#' @param ... Not used.
#' @return `tw_groups()`: a list of class `tw_groups` of groups, named by their values, each of class `tw_group` with the fields
#'   `fit`, `by`, `value` and `leaves` (numbers of leaves, named by the values of the other variables).
#' * `group[["stim"]]`: draws x genes of the leaf's log mean (in Gaussian models, mean); `group[["stim", "ctrl"]]`: of the
#'   difference.
#' * `summary(group)`: the table of [tw_means()]; with `contrast` one row per gene with `log2FoldChange` (in Gaussian models the
#'   difference, in units of the values), `lfcSE`, `lower`, `upper` and `lfsr` (of the group's own posterior, not the adaptive
#'   one of [tw_contrast()]).
#'
#' Errors have class `twill_error_leaf`.
#' @examples
#' set.seed(1)
#' cells <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4), cell = 1:25)
#' counts <- matrix(rnbinom(8 * 200, mu = 2, size = 2), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, capture = runif(200, 0.1, 0.3),
#'                    iter = 200, seed = 1)
#' groups <- tw_groups(fit, "donor")
#' groups
#' groups$d1
#' summary(groups$d1, contrast = c("stim", "ctrl"))
#' vapply(groups, function(group) mean(group[["stim", "ctrl"]][, "gene1"]), 0)
#' @export
tw_groups <- function(fit, by = NULL, ...) {
  check_no_dots(...)
  check_set(fit)
  if (is_rows(fit)) need_leaves("tw_groups")
  refuse_screen(fit, "tw_groups")
  data <- model.frame.twillgenes(fit)
  by <- check_grouping(fit, by, names(data))
  free <- setdiff(names(data), by)
  value <- joined_values(data[by])
  # All groups refer to one fit: as a field of each it would be saved as often as there are groups.
  shared <- list2env(list(fit = fit), parent = emptyenv())
  groups <- lapply(split(seq_along(value), value), function(leaves) {
    labels <- if (length(free)) as.character(joined_values(data[leaves, free, drop = FALSE])) else leaf_labels(fit)[leaves]
    names(leaves) <- make.unique(labels, sep = " ")
    structure(list(shared = shared, by = by, value = as.character(value[leaves[1]]), leaves = leaves), class = "tw_group")
  })
  structure(groups, class = "tw_groups", by = by)
}

check_grouping <- function(fit, by, known) {
  terms <- model_of(fit)$design$terms
  if (is.null(by) && length(terms) > 0) return(terms[[1]]$vars)
  if (is.character(by) && length(by) > 0 && all(by %in% known)) return(by)
  unknown <- if (is.character(by)) setdiff(by, known) else given_value(by)
  abort_twill("leaf", c("{.arg by} must name variables of the design.", "x" = "It is {.val {unknown}}.",
                        did_you_mean(c(unknown, "")[1], known), "i" = "They are {.val {known}}."))
}

#' @rdname tw_groups
#' @method $ tw_group
#' @param name Name of a field.
#' @export
`$.tw_group` <- function(x, name) {
  fields <- unclass(x)
  if (name == "fit" && is.null(fields[["fit"]])) fields$shared$fit else fields[[name]]
}

#' @rdname tw_groups
#' @method [[ tw_group
#' @export
`[[.tw_group` <- function(x, i, j) {
  leaves <- x$leaves
  chosen <- group_leaf(leaves, i)
  if (!missing(j)) chosen <- c(chosen, group_leaf(leaves, j))
  genes <- set_genes(x$fit)
  parts <- in_gene_steps(x$fit, seq_along(genes), function(at) {
    draws <- leaf_log_mu(x$fit, at)[, chosen, , drop = FALSE]
    out <- if (length(chosen) == 1) draws[, 1, ] else draws[, 1, ] - draws[, 2, ]
    matrix(out, dim(draws)[1])
  })
  out <- do.call(cbind, parts)
  colnames(out) <- genes
  out
}

group_leaf <- function(leaves, i) {
  if (is.character(i) && length(i) == 1 && i %in% names(leaves)) return(leaves[[i]])
  if (is_number(i) && i %in% seq_along(leaves)) return(leaves[[i]])
  known <- names(leaves)
  abort_twill("leaf", c("The group has no leaf {.val {i}}.", did_you_mean(as.character(i)[1], known),
                        "i" = "Its leaves are {.val {known}}."))
}

#' @rdname tw_groups
#' @method names tw_group
#' @export
names.tw_group <- function(x) names(x$leaves)

#' @rdname tw_groups
#' @method summary tw_group
#' @export
summary.tw_group <- function(object, contrast = NULL, genes = NULL, prob = 0.95, ...) {
  check_no_dots(...)
  if (is.null(contrast)) return(tw_means(object, genes, prob = prob))
  if (!is.character(contrast) || length(contrast) != 2) {
    abort_twill("leaf", "{.arg contrast} must be two labels of leaves, such as {.code c(\"stim\", \"ctrl\")}.")
  }
  check_level(prob, "prob")
  part <- object
  part$fit <- object$fit[set_positions(object$fit, genes), ]
  draws <- part[[contrast[1], contrast[2]]] / effect_unit(object$fit)
  s <- effect_statistics(list(draws = draws), 0, prob)
  table <- data.frame(log2FoldChange = s$mean, lfcSE = s$sd, lower = s$lower, upper = s$upper, lfsr = s$lfsr,
                      row.names = colnames(draws))
  label <- sprintf("%s - %s in %s %s", contrast[1], contrast[2], paste(object$by, collapse = " | "), object$value)
  texts <- c(log2FoldChange = paste("posterior mean of", label), lfcSE = paste("posterior sd of", label), interval_texts(prob),
             lfsr = paste0("probability of the other sign under the group's own posterior", support_note(known_support(s))))
  new_table(table, "contrast", "Effects", "genes", texts,
            list(contrast = label, estimand = "observed", scale = "expression", unit = table_unit(object$fit), prob = prob,
                 support = known_support(s)))
}

#' @rdname tw_groups
#' @method print tw_group
#' @export
print.tw_group <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat("Leaves of ", paste(x$by, collapse = " | "), " ", x$value, ":\n", sep = "")
  print(group_table(x), row.names = FALSE)
  cat("Next: summary(), tw_means(), [[\"", names(x$leaves)[1], "\"]] for draws.\n", sep = "")
  invisible(x)
}

group_table <- function(x) {
  table <- data.frame(leaf = names(x$leaves))
  if (!is_leaves(x$fit)) return(table)
  cells <- x$fit$job$cells
  capture <- vapply(x$leaves, function(l) stats::median(exp(cells$log_capture[cells$leaf == l])), 0)
  total <- vapply(x$leaves, function(l) stats::median(cells$total[cells$leaf == l]), 0)
  cbind(table, cells = big(cells$n[x$leaves]), "median total" = big(round(total)), "median capture" = signif(capture, 3))
}

#' @rdname tw_groups
#' @method print tw_groups
#' @export
print.tw_groups <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  labels <- vapply(x, function(group) toString(names(group$leaves)), "")
  cat(length(x), " groups of leaves by ", paste(attr(x, "by"), collapse = " | "), ":\n", sep = "")
  shown <- seq_len(min(20, length(x)))
  cat(sprintf("  %s  %s\n", formatC(names(x)[shown], width = -max(nchar(names(x)))), labels[shown]), sep = "")
  if (length(x) > 20) cat("  and", length(x) - 20, "more\n")
  cat("Next: [[\"", names(x)[1], "\"]] is one group, with summary() and draws of its leaves.\n", sep = "")
  invisible(x)
}
