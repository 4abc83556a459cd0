# Draws of genes in the formats of posterior, variables of several genes named by gene.

#' @rdname twillgenes-effects
#' @method variables twillgenes
#' @export
variables.twillgenes <- function(x, ...) {
  check_no_dots(...)
  c(x$posterior$names, x$posterior$effect_names)
}

#' @rdname twillgenes-effects
#' @method as_draws_array twillgenes
#' @export
as_draws_array.twillgenes <- function(x, genes = NULL, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  check_flag(regex, "regex")
  at <- set_positions(x, genes)
  if (is_screen(x)) return(screen_draws(x, at, variable, regex))
  chosen <- if (is.null(variable)) kept_variables(x) else select_variables(x, variable, regex)
  chosen <- intersect(variables.twillgenes(x), chosen)
  draws <- draws_of(x, chosen, at)
  names <- if (length(at) == 1) chosen else indexed_names(chosen, set_genes(x)[at])
  chains <- draw_chains(x, dim(draws)[1])
  as_array_of_draws(array(draws, c(dim(draws)[1] / chains, chains, length(names)), list(NULL, NULL, names)))
}

kept_variables <- function(fit) if (is.null(fit$posterior$effects)) fit$posterior$names else variables(fit)

bind_middle <- function(a, b) {
  size <- dim(a)
  out <- array(0, c(size[1], size[2] + dim(b)[2], size[3]))
  out[, seq_len(size[2]), ] <- a
  out[, size[2] + seq_len(dim(b)[2]), ] <- b
  out
}

# b_x and r_g[l,x] become b_x[gene] and r_g[gene,l,x].
indexed_names <- function(names, genes) {
  has_index <- grepl("[", names, fixed = TRUE)
  stem <- sub("\\[.*$", "", names)
  rest <- ifelse(has_index, paste0(",", sub("^[^[]*\\[", "", names)), "]")
  as.vector(outer(seq_along(names), genes, function(k, gene) paste0(stem[k], "[", gene, rest[k])))
}

#' @rdname twillgenes-effects
#' @method as_draws twillgenes
#' @export
as_draws.twillgenes <- function(x, genes = NULL, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  as_draws_array.twillgenes(x, genes, variable, regex)
}

#' @rdname twillgenes-effects
#' @method as_draws_df twillgenes
#' @export
as_draws_df.twillgenes <- function(x, genes = NULL, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  as_draws_df(as_draws_array.twillgenes(x, genes, variable, regex))
}

#' @rdname twillgenes-effects
#' @method as_draws_matrix twillgenes
#' @export
as_draws_matrix.twillgenes <- function(x, genes = NULL, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  as_draws_matrix(as_draws_array.twillgenes(x, genes, variable, regex))
}

#' @rdname twillgenes-effects
#' @method as_draws_list twillgenes
#' @export
as_draws_list.twillgenes <- function(x, genes = NULL, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  as_draws_list(as_draws_array.twillgenes(x, genes, variable, regex))
}

#' @rdname twillgenes-effects
#' @method as_draws_rvars twillgenes
#' @export
as_draws_rvars.twillgenes <- function(x, genes = NULL, variable = NULL, regex = FALSE, ...) {
  check_no_dots(...)
  as_draws_rvars(plain_indices(as_draws_array.twillgenes(x, genes, variable, regex)))
}
