# Mixtures of normals as priors of effects: given ones, how they print, and the nodes that stand for a t.

#' A mixture of normals as a prior of effects
#'
#' For [tw_shrink()], where the distribution of effects is known: from a larger study, or by hand.
#'
#' @param weights Shares of the normals. What they leave of one is the share without effect.
#' @param sd Standard deviations; 0 for no effect.
#' @param mean Means. Default: 0.
#' @param ... Must be empty.
#' @return A data frame of class `tw_normal_mixture` with columns `weights`, `mean` and `sd`, the share without effect first.
#'   Errors have class `twill_error_shrink`.
#' @examples
#' # 90 % without effect, the others small or large.
#' tw_normal_mixture(weights = c(0.08, 0.02), sd = c(0.2, 1))
#' @export
tw_normal_mixture <- function(weights, sd, mean = 0, ...) {
  check_no_dots(...)
  for (name in c("weights", "sd", "mean")) check_mixture_numbers(get(name, inherits = FALSE), name)
  n <- max(length(weights), length(sd), length(mean))
  for (name in c("weights", "sd", "mean")) {
    size <- length(get(name, inherits = FALSE))
    if (!size %in% c(1, n) || (name == "weights" && size != n)) {
      abort_twill("shrink", "{.arg {name}} has {size} value{?s} for {n} normal{?s}.")
    }
  }
  if (any(weights < 0)) abort_twill("shrink", "{.arg weights} must not be negative.")
  if (any(sd < 0)) abort_twill("shrink", "{.arg sd} must not be negative.")
  total <- sum(weights)
  if (total > 1 + 1e-8 || total == 0) {
    abort_twill("shrink", c("{.arg weights} must sum to one at most; what is left is the share without effect.",
                            "x" = "They sum to {signif(total, 6)}."))
  }
  table <- data.frame(weights = weights, mean = rep_len(mean, n), sd = rep_len(sd, n))
  if (any(table$sd == 0 & table$mean != 0)) {
    abort_twill("shrink", c("A normal with {.arg sd} of zero is no effect: its {.arg mean} must be zero.",
                            "i" = "Move everything by {.arg mode} of {.fn tw_shrink}."))
  }
  none <- sum(table$weights[table$sd == 0]) + max(0, 1 - total)
  table <- rbind(data.frame(weights = none, mean = 0, sd = 0), table[table$sd > 0 & table$weights > 0, ])
  rownames(table) <- NULL
  structure(table, class = c("tw_normal_mixture", "data.frame"))
}

check_mixture_numbers <- function(x, name) {
  in_range <- function(size) size == 0 | (size >= 1e-50 & size <= 1e50)
  if (is.numeric(x) && length(x) > 0 && !anyNA(x) && all(in_range(abs(x)))) return(invisible())
  abort_twill("shrink", c("{.arg {name}} must be numbers, zero or between 1e-50 and 1e50 in size.",
                          "x" = "It is {.val {given_value(x)}}."))
}

#' @param x A mixture.
#' @param digits Number of significant digits. Default: 3.
#' @rdname tw_normal_mixture
#' @method print tw_normal_mixture
#' @export
print.tw_normal_mixture <- function(x, digits = 3, ...) {
  check_no_dots(..., allow = print_arguments)
  cat(sprintf("Prior of effects: %.3g%% without effect\n", 100 * sum(x$weights[x$sd == 0])))
  shown <- x[x$sd > 0, , drop = FALSE]
  cat(sprintf("  %5.3g%% normal(%s, %s)\n", 100 * shown$weights, signif(shown$mean, digits), signif(shown$sd, digits)), sep = "")
  invisible(x)
}

# As the components of a prior that was learned; NULL stays NULL.
as_mixture <- function(prior) {
  if (is.null(prior)) return(NULL)
  parts <- apart(prior)
  kept <- which(parts$shares > 0)
  kept <- kept[order(parts$sizes[kept], parts$centres[kept])]
  tw_normal_mixture(parts$shares[kept] / sum(parts$shares), parts$sizes[kept], parts$centres[kept])
}

check_mixture <- function(prior) {
  if (!inherits(prior, "tw_normal_mixture")) {
    abort_twill("shrink", c("{.arg prior} must be made by {.fn tw_normal_mixture}.",
                            "x" = "It is of class {.cls {class(prior)[1]}}.", "i" = "Leave it out, and it is learned."))
  }
  kept <- prior$weights > 0
  list(centres = prior$mean[kept], sizes = prior$sd[kept], shares = prior$weights[kept], df = Inf, paired = FALSE)
}

# A t is a mixture of normals over its precision, Gamma(df / 2, df / 2). In its logarithm the integrand is smooth and falls on
# both
# sides, so that sums over even steps converge fast: 40 of them leave a relative error of 3e-5 of densities out to 30 standard
# errors
# with 2 to 5 degrees of freedom, 6e-3 with one, 0.04 with ten.
n_even_nodes <- 40

# list(variance, log_weight): effects x nodes, variances in units of the squared standard error; 1
# where all are normal. Weights are relative to equal ones.
t_nodes <- function(df) {
  if (all(!is.finite(df))) return(1)
  one <- function(df) {
    if (!is.finite(df)) return(list(x = numeric(n_even_nodes), log_weight = numeric(n_even_nodes)))
    smallest <- stats::qgamma(1e-10, df / 2, df / 2)
    largest <- stats::qgamma(1e-12, df / 2, df / 2, lower.tail = FALSE)
    x <- seq(log(smallest), log(largest), length.out = n_even_nodes)
    log_weight <- stats::dgamma(exp(x), df / 2, df / 2, log = TRUE) + x
    list(x = x, log_weight = log_weight - log(sum(exp(log_weight))) + log(n_even_nodes))
  }
  known <- unique(df)
  found <- lapply(known, one)
  of_row <- match(df, known)
  rows <- function(name) do.call(rbind, lapply(found, `[[`, name))[of_row, , drop = FALSE]
  list(variance = exp(-rows("x")), log_weight = rows("log_weight"))
}

nodes_at <- function(nodes, at) {
  if (is.list(nodes)) lapply(nodes, function(values) values[at, , drop = FALSE]) else nodes
}
