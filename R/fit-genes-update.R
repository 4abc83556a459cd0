# update() of fits of genes: more genes, or the call again with other arguments.

#' @rdname twillgenes-methods
#' @method update twillgenes
#' @export
update.twillgenes <- function(object, genes = NULL, ...) {
  changes <- list(...)
  # update() of other fits takes a formula in this place.
  if (inherits(genes, "formula")) {
    changes$design <- genes
    genes <- NULL
  }
  if (length(changes) > 0 || is.null(genes)) return(refit_set(object, genes, changes, parent.frame()))
  if (has_failing_guides(object)) {
    abort_twill("genes", c("Genes cannot be added to a fit whose guides may fail.",
                           "x" = "What all genes share of their guides is learned together.",
                           "i" = "Fit all of them in one call of {.fn twill_screen}."))
  }
  known <- object$job$source$genes
  rows <- setdiff(pick_genes(genes, known), object$posterior$rows)
  if (length(rows) == 0) return(object)
  job <- object$job
  job$reason[] <- "not chosen"
  job$reason[rows] <- ""
  blocks <- block_plan(rows, "auto", job$source, 1, FALSE)
  more <- function() {
    pieces <- run_blocks(job, blocks, vector("list", length(blocks)), NULL, NULL, 1, NULL)
    both <- c.twillgenes(object, new_set(job, pieces, length(rows), object$call, NULL))
    both[order(both$posterior$rows), ]
  }
  finish_set(more(), check = FALSE, silent = 2)
}

# The call again with other arguments. What it names must still exist.
refit_set <- function(object, genes, changes, env) {
  call <- object$call
  call[[1]] <- if (is_screen(object)) quote(twill::twill_screen) else
    if (is_cells(object)) quote(twill::twill_cells) else quote(twill::twill_genes)
  if (!is.null(genes)) changes$genes <- genes
  if (!is_screen(object)) check_dots_of(changes, eval(call[[1]]))
  call[names(changes)] <- changes
  check_call_is_there(call, env)
  eval(call, env)
}

# The fit does not keep the counts of all genes.
check_call_is_there <- function(call, env) {
  arguments <- intersect(c("x", "counts", "col_data"), names(call))
  lost <- Filter(function(name) is.name(call[[name]]) && !is_value_in(as.character(call[[name]]), env), arguments)
  if (length(lost) == 0) return(invisible())
  object <- as.character(call[[lost[1]]])
  abort_twill("argument", c("The call of the fit cannot be made again: there is no object {.val {object}} any more.",
                            "i" = "Give the data again: {.code update(fit, {lost[1]} = )}."))
}
