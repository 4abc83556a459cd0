# What genes share of their coefficients: the learned mean and covariance of effect_prior = "mvn".

#' The learned prior of coefficients
#'
#' Mean and covariance over genes of the coefficients that `twill_genes(effect_prior = "mvn")` has learned: the prior
#' \eqn{\beta_g \sim \mathrm{Normal}(m, \Sigma)} under which each gene was fitted. Natural logarithms for counts, units of the
#' values for Gaussian genes. \eqn{\Sigma} is wider than the maximum of the marginal likelihood by the error of what was learned.
#'
#' @param fit A fit of class `twillgenes`.
#' @param ... Must be empty.
#' @return An object of class `tw_effect_prior`, a list with `mean` and `sd` (vectors named by coefficient), `cor` and
#'   `covariance` (matrices) and `n_genes`, the number of genes learned from. `print()` shows means, sds and correlations.
#'   Errors have class `twill_error_method`.
#' @examples
#' set.seed(1)
#' x <- rep(0:1, 4)
#' effect <- rnorm(40, 0.3, 0.5)
#' counts <- matrix(rnbinom(320, mu = 50 * exp(outer(effect, x)), size = 20), 40,
#'                  dimnames = list(paste0("gene", 1:40), NULL))
#' fit <- twill_genes(counts, ~ x, col_data = data.frame(x), effect_prior = "mvn",
#'                    size_factors = rep(1, 8), iter = 200, seed = 1)
#' tw_effect_prior(fit)
#' @export
tw_effect_prior <- function(fit, ...) {
  check_no_dots(...)
  frame <- if (is_set(fit)) mvn_frame(fit$job$shared)
  if (is.null(frame)) {
    abort_twill("method", c("{.fn tw_effect_prior} is about fits of {.code twill_genes(effect_prior = \"mvn\")}.",
                            "x" = if (is_set(fit)) "This fit has learned no joint prior of its coefficients." else
                              "It is of class {.cls {class(fit)[1]}}.",
                            "i" = "{.fn prior_summary} shows other priors."))
  }
  names <- bare_coef(frame$names)
  covariance <- matrix(frame$covariance, length(names), dimnames = list(names, names))
  structure(list(mean = stats::setNames(frame$mean, names), sd = sqrt(diag(covariance)), cor = stats::cov2cor(covariance),
                 covariance = covariance, n_genes = fit$job$shared$n_genes), class = "tw_effect_prior")
}

#' @rdname tw_effect_prior
#' @param x What `tw_effect_prior()` returns.
#' @param digits Number of decimals printed. Default: 2.
#' @method print tw_effect_prior
#' @export
print.tw_effect_prior <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  cat(sprintf("Coefficients of a gene ~ normal(m, Sigma), learned from %s genes\n\n", big(x$n_genes)))
  shown <- cbind(m = x$mean, sd = x$sd)
  if (length(x$mean) > 1) shown <- cbind(shown, x$cor)
  text <- matrix(format_number(shown, digits), nrow(shown), dimnames = dimnames(shown))
  text[, -(1:2)][upper.tri(x$cor, diag = TRUE)] <- ""
  if (length(x$mean) > 1) text <- text[, -ncol(text), drop = FALSE]
  print(text, quote = FALSE, right = TRUE)
  invisible(x)
}

# One line of a print.
mvn_line <- function(fit) {
  own <- tw_effect_prior(fit)
  numbers <- function(x) paste(format_number(utils::head(x, 4), 2), collapse = ", ")
  cor <- own$cor[lower.tri(own$cor)]
  between <- if (length(cor)) paste0("; correlations ", paste(unique(format_number(range(cor), 2)), collapse = " to "))
  sprintf("%s ~ normal(m, Sigma): m %s; sd %s%s", first_few(names(own$mean), 4), numbers(own$mean), numbers(own$sd),
          between %||% "")
}
