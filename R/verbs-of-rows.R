# Verbs of fits of cells whose covariates differ from cell to cell: those of other cells, or an error that says why not.

#' @rdname pp_check.twillcells
#' @method pp_check twillrows
#' @export
pp_check.twillrows <- pp_check.twillcells

#' @rdname plot.twillcells
#' @method plot twillrows
#' @export
plot.twillrows <- plot.twillcells

#' @rdname tw_residuals
#' @method residuals twillrows
#' @export
residuals.twillrows <- residuals.twillcells

#' @rdname log_lik.twillcells
#' @method log_lik twillrows
#' @export
log_lik.twillrows <- function(object, genes = NULL, leaf = NULL, ...) {
  check_no_dots(...)
  need_leaves("log_lik")
}

#' @rdname twillcells-loo
#' @method waic twillrows
#' @export
waic.twillrows <- function(x, ...) need_leaves("waic")

#' @rdname twillcells-loo
#' @method loo twillrows
#' @export
loo.twillrows <- function(x, ...) need_leaves("loo")

#' @rdname kfold.twillgenes
#' @method kfold twillrows
#' @export
kfold.twillrows <- function(x, ...) need_leaves("kfold")
