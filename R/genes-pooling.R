# How standard deviations are pooled over genes, as a user says it in the argument `prior`.

#' How standard deviations are pooled over genes
#'
#' For the argument `prior` of [twill_cells()] and [twill_genes()]: the prior of a gene's standard deviations of a term over its
#' levels, whose scale is learned over all genes.
#'
#' ```
#' log_normal()    log sd_g ~ normal(location, spread)
#' half_t()        sd_g ~ half-t(3, 0, scale)
#' half_normal()   sd_g ~ half-normal(0, scale)
#' horseshoe()     sd_g = tau l_g c / sqrt(c^2 + tau^2 l_g^2),  l_g ~ half-Cauchy(1)
#' ```
#'
#' The horseshoe belongs to the standard deviation of a gene, not to single donors: genes whose donors agree are pulled to zero,
#' the others left alone up to the slab c (Piironen and Vehtari 2017). In `twill()` a horseshoe is said by
#' `tw_prior("horseshoe(1)", class = "b")`.
#' @param ... Must be empty.
#' @return An object of class `tw_pooling`.
#' @references Piironen J, Vehtari A (2017). Sparsity information and regularization in the horseshoe and other shrinkage
#'   priors. *Electronic Journal of Statistics* 11, 5018-5051.
#' @examples
#' horseshoe()
#' @name pooling
NULL

new_pooling <- function(kind) structure(list(kind = kind), class = "tw_pooling")

#' @rdname pooling
#' @export
horseshoe <- function(...) {
  check_no_dots(...)
  new_pooling("horseshoe")
}

#' @rdname pooling
#' @export
log_normal <- function(...) {
  check_no_dots(...)
  new_pooling("lognormal")
}

#' @rdname pooling
#' @export
half_t <- function(...) {
  check_no_dots(...)
  new_pooling("half_t")
}

#' @rdname pooling
#' @export
half_normal <- function(...) {
  check_no_dots(...)
  new_pooling("half_normal")
}

#' @method print tw_pooling
#' @export
print.tw_pooling <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat("Standard deviations pooled over genes by a ", sub("_", "-", x$kind), " prior\n", sep = "")
  invisible(x)
}

# list(prior, sd_prior) from an argument that may hold either or both.
split_prior <- function(prior, sd_prior) {
  parts <- if (is.list(prior) && !is.data.frame(prior) && !inherits(prior, "tw_pooling")) prior else list(prior)
  is_pooling <- vapply(parts, inherits, TRUE, what = "tw_pooling")
  if (sum(is_pooling) > 1) abort_twill("prior", "{.arg prior} pools standard deviations in more than one way.")
  others <- compact(parts[!is_pooling])
  if (length(others) > 1) abort_twill("prior", "{.arg prior} must hold one object of {.fn tw_prior}: join them by {.fn c}.")
  kind <- if (any(is_pooling)) parts[[which(is_pooling)]]$kind else sd_prior
  list(prior = if (length(others)) others[[1]], sd_prior = kind)
}
