# draws_of(): the one way to the draws of a fit, of one response or of many genes, kept in memory or in a folder or made again.

# draw x variable x gene, without names; chains one after the other. `at` holds positions of genes; one response counts as one.
draws_of <- function(fit, variables, at = 1) UseMethod("draws_of")

#' @exportS3Method
draws_of.twillfit <- function(fit, variables, at = 1) {
  draws <- fit_draws(fit)
  out <- unclass(draws)[, , match(variables, dimnames(draws)[[3]]), drop = FALSE]
  dim(out) <- c(prod(dim(draws)[1:2]), length(variables), 1)
  out
}

# Effects are kept, or made again, apart from the other variables.
#' @exportS3Method
draws_of.twillgenes <- function(fit, variables, at = 1) {
  is_effect <- !variables %in% fit$posterior$names
  if (!any(is_effect)) return(main_draws(fit, variables, at))
  if (all(is_effect)) return(effect_draws(fit, variables, at))
  parts <- bind_middle(main_draws(fit, variables[!is_effect], at), effect_draws(fit, variables[is_effect], at))
  if (is.unsorted(is_effect)) parts[, order(order(is_effect)), , drop = FALSE] else parts
}

# Draws x variables of one response, with their names.
draw_matrix <- function(fit, variable, draw = NULL) {
  out <- draws_of(fit, variable)
  out <- matrix(out, nrow(out), dimnames = list(NULL, variable))
  if (is.null(draw)) out else out[check_draw_ids(draw, nrow(out), "draw"), , drop = FALSE]
}
