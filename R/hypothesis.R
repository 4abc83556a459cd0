# Statements about parameters, answered by their share of the draws.

#' Hypotheses about parameters
#'
#' A hypothesis compares two expressions of parameters by `>`, `<` or `=`, such as
#' `"Days > 10"`, `"exp(Intercept) = 2 * x"` or `"sd_Subject__Days < sd_Subject__Intercept"`
#' with `class = NULL`. With \eqn{d} the difference of its sides:
#' * for `>` and `<`, the posterior probability is the share of draws that agree, the evidence
#'   ratio its odds, and the interval has probability `1 - 2 * alpha`;
#' * for `=`, the interval has probability `1 - alpha`, and the evidence ratio is the density of
#'   \eqn{d} at zero in the posterior over that in the prior (Savage and Dickey). It needs draws
#'   from the prior, `twill(sample_prior = "yes")`, and is `NA` without them.
#'
#' @param x,fit A fit of class `twillfit`.
#' @param hypothesis Texts, one per hypothesis; names are kept.
#' @param class What the names of parameters start with: `"b"` (default), `"sd"`, `"cor"`, or
#'   `NULL` or `""` for names in full.
#' @param group With `class` `"sd"` or `"cor"`, or a `scope` other than `"standard"`, the group.
#' @param scope `"standard"` (default): parameters. `"ranef"`, `"coef"`: for each level of
#'   `group`, its deviations or its own coefficients.
#' @param alpha Level of the intervals. Default: 0.05.
#' @param robust Use median and MAD in place of mean and standard deviation? Default: no.
#' @param seed Not needed; part of the habit.
#' @param ... Not used.
#' @return An object of class `tw_hypothesis`, a list with the data frame `hypothesis` (columns
#'   Hypothesis, Estimate, Est.Error, CI.Lower, CI.Upper, Evid.Ratio, Post.Prob, Star, and Group
#'   for levels) and `samples`, the draws of \eqn{d}. `Star` is `*` where the posterior
#'   probability exceeds `1 - alpha`, or zero is outside the interval of `=`.
#' Errors have class `twill_error_hypothesis`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' tw_hypothesis(fit, c("Days > 8", "Intercept = 250"))
#' tw_hypothesis(fit, "Days > 0", group = "Subject", scope = "coef")
#' @export
tw_hypothesis <- function(fit, hypothesis, class = "b", group = "", scope = c("standard", "ranef", "coef"),
                          alpha = 0.05, robust = FALSE, ...) {
  check_no_dots(...)
  check_fit(fit)
  check_flag(robust, "robust")
  scope <- check_choice(scope, "scope", c("standard", "ranef", "coef"))
  check_level(alpha, "alpha")
  class <- check_name(class %||% "", "class")
  group <- check_name(group %||% "", "group")
  if (!is.character(hypothesis) || anyNA(hypothesis) || length(hypothesis) == 0) refuse_hypothesis(hypothesis)
  parsed <- lapply(hypothesis, parse_hypothesis)
  runs <- if (scope == "standard") lapply(parsed, standard_draws, fit = fit, prefix = class_prefix(class, group)) else
    unlist(lapply(parsed, level_draws, fit = fit, group = group, scope = scope), recursive = FALSE)
  rows <- lapply(runs, summarise_hypothesis, alpha = alpha, robust = robust)
  new_hypothesis(do.call(rbind, rows), runs, names(hypothesis), alpha, scope)
}

#' @rdname tw_hypothesis
#' @exportS3Method brms::hypothesis
hypothesis.twillfit <- function(x, hypothesis, class = "b", group = "", scope = c("standard", "ranef", "coef"),
                                alpha = 0.05, robust = FALSE, seed = NULL, ...) {
  check_no_dots(...)
  tw_hypothesis(x, hypothesis, class, group, scope, alpha, robust)
}

new_hypothesis <- function(table, runs, names, alpha, scope) {
  if (!is.null(names) && length(names) == nrow(table)) table$Hypothesis <- ifelse(nzchar(names), names, table$Hypothesis)
  rownames(table) <- NULL
  samples <- as.data.frame(lapply(runs, `[[`, "draws"))
  names(samples) <- paste0("H", seq_along(samples))
  structure(list(hypothesis = table, samples = samples, alpha = alpha, scope = scope), class = "tw_hypothesis")
}

# list(left, right, sign, text) of one hypothesis.
parse_hypothesis <- function(text) {
  sides <- strsplit(text, "[<>=]")[[1]]
  sign <- regmatches(text, gregexpr("[<>=]+", text))[[1]]
  if (length(sides) != 2 || length(sign) != 1 || !sign %in% c("<", ">", "=") || any(!nzchar(trimws(sides)))) {
    refuse_hypothesis(text)
  }
  list(left = trimws(sides[1]), right = trimws(sides[2]), sign = sign,
       text = paste(trimws(sides[1]), sign, trimws(sides[2])))
}

refuse_hypothesis <- function(given) {
  shown <- if (is.character(given)) some(given) else class(given)[1]
  # Values, not text of the message: cli reads angle brackets there as markup.
  signs <- c(">", "<", "=")
  example <- "Days > 0"
  abort_twill("hypothesis", c(
    "{.arg hypothesis} must compare two expressions by one of {.val {signs}}.",
    "x" = "You supplied {.val {shown}}.", "i" = "For example {.val {example}}."))
}

class_prefix <- function(class, group) {
  if (!nzchar(class)) return("")
  paste0(class, "_", if (nzchar(group)) paste0(group, "__"))
}

# Draws of left - right from named parameters, and from their priors where these were drawn.
standard_draws <- function(parsed, fit, prefix) {
  all <- variables(fit)
  posterior <- all[startsWith(all, prefix)]
  values <- function(names) draw_matrix(fit, names)
  draws <- evaluate_hypothesis(parsed, substring(posterior, nchar(prefix) + 1), function(at) values(posterior[at]))
  prior <- paste0("prior_", posterior)
  known <- prior %in% all
  needed <- attr(draws, "used")
  prior_draws <- if (parsed$sign == "=" && all(known[needed])) {
    evaluate_hypothesis(parsed, substring(posterior, nchar(prefix) + 1), function(at) values(prior[at]))
  }
  list(parsed = parsed, draws = as.vector(draws), prior = as.vector(prior_draws))
}

# One entry per level of the group.
level_draws <- function(parsed, fit, group, scope) {
  fit <- with_effects(fit)
  group <- pick_groups(fit, if (nzchar(group)) group)[[1]]
  effects <- if (scope == "coef") level_coefficients(fit, group) else group_effect_draws(fit, group)
  coefs <- dimnames(effects)[[3]]
  lapply(dimnames(effects)[[2]], function(level) {
    draws <- evaluate_hypothesis(parsed, coefs, function(at) matrix(effects[, level, at], dim(effects)[1]))
    list(parsed = parsed, draws = as.vector(draws), prior = NULL, level = level)
  })
}

# Parameter names may hold characters that mean something in R (colons, brackets), so each is replaced by a plain
# symbol before the text is parsed; longest first, so that no name is taken for the beginning of another.
evaluate_hypothesis <- function(parsed, names, values) {
  text <- sprintf("(%s) - (%s)", parsed$left, parsed$right)
  used <- integer()
  for (at in order(-nchar(names))) {
    pattern <- paste0("(?<![\\w.\\[:])`?\\Q", names[at], "\\E`?(?![\\w.\\[(:])")
    replaced <- gsub(pattern, paste0(".p", at, "."), text, perl = TRUE)
    if (replaced != text) used <- c(used, at)
    text <- replaced
  }
  expression <- parse_expression(text, parsed, names)
  data <- if (length(used)) stats::setNames(split_columns(values(used)), paste0(".p", used, "."))
  structure(as.numeric(eval(expression, data, arithmetic_env)), used = used)
}

split_columns <- function(x) lapply(seq_len(ncol(x)), function(j) x[, j])

parse_expression <- function(text, parsed, names) {
  expression <- tryCatch(str2lang(text), error = function(e) refuse_hypothesis(parsed$text))
  unknown <- grep("^\\.p[0-9]+\\.$", all.vars(expression), value = TRUE, invert = TRUE)
  unknown <- setdiff(unknown, "pi")
  if (length(unknown)) {
    abort_twill("hypothesis", c("{.arg hypothesis} names parameters that are not there: {.val {unknown}}.",
                                did_you_mean(unknown[1], names),
                                "i" = if (length(names)) "There are {.val {some(names, 15)}}."
                                      else "There are none of this class.",
                                "i" = "{.code class = NULL} takes the names of draws, {.code variables(fit)}."))
  }
  outside <- not_arithmetic(expression, all.vars(expression))
  if (length(outside)) {
    abort_twill("hypothesis", c("{.arg hypothesis} calls what is not arithmetic: {.code {outside}}.",
                                "i" = "It may call {.code {allowed_functions}}."))
  }
  expression
}

summarise_hypothesis <- function(run, alpha, robust) {
  two_sided <- run$parsed$sign == "="
  tails <- if (two_sided) c(alpha / 2, 1 - alpha / 2) else c(alpha, 1 - alpha)
  stats <- summarise_columns(cbind(run$draws), robust, tails)
  agree <- switch(run$parsed$sign, ">" = mean(run$draws > 0), "<" = mean(run$draws < 0), NA)
  ratio <- if (two_sided) density_ratio(run$draws, run$prior) else agree / (1 - agree)
  probability <- if (two_sided) ratio / (1 + ratio) else agree
  star <- if (two_sided) stats[3] > 0 || stats[4] < 0 else agree > 1 - alpha
  out <- data.frame(Hypothesis = run$parsed$text, Estimate = stats[1], Est.Error = stats[2], CI.Lower = stats[3],
                    CI.Upper = stats[4], Evid.Ratio = ratio, Post.Prob = probability, Star = if (star) "*" else "")
  if (is.null(run$level)) out else cbind(Group = run$level, out)
}

# Savage-Dickey: density at zero in the posterior over that in the prior.
density_ratio <- function(posterior, prior) {
  if (length(prior) == 0) return(NA_real_)
  density_at_zero(posterior) / density_at_zero(prior)
}

# The kernel estimate at zero itself: a grid over the range of heavy-tailed prior draws would be too coarse there.
density_at_zero <- function(x) {
  width <- stats::bw.nrd0(x)
  mean(stats::dnorm(x, 0, width))
}

#' @method print tw_hypothesis
#' @export
print.tw_hypothesis <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  cat("Hypotheses about ", switch(x$scope, standard = "parameters", ranef = "deviations of levels",
                                  coef = "coefficients of levels"), ":\n", sep = "")
  table <- x$hypothesis
  numeric <- vapply(table, is.numeric, NA)
  table[numeric] <- lapply(table[numeric], function(column) format_number(column, digits))
  print(table, right = TRUE, row.names = FALSE)
  interval <- 100 * c(1 - 2 * x$alpha, 1 - x$alpha)
  cat(strwrap(sprintf(paste("'CI': %g%% interval for one-sided, %g%% for two-sided hypotheses.",
                            "'*': the posterior probability exceeds %g%%, or zero is outside the interval."),
                      interval[1], interval[2], 100 * (1 - x$alpha))), sep = "\n")
  invisible(x)
}
