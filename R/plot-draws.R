# Plots of the draws: histograms with traces, pairs, any plot of bayesplot, and group effects in order.

#' Plots of the draws
#'
#' `plot()` shows a histogram and a trace of each parameter, `pairs()` scatter plots with
#' divergent transitions marked, `mcmc_plot()` any of the `mcmc_*` plots of bayesplot, and
#' `tw_forest()` the effects of the levels of a group in their order.
#'
#' @param x,object,fit A fit of class `twillfit`.
#' @param variable,regex Which variables; see [as_draws.twillfit()]. Default: all but the group
#'   effects and the densities; for `pairs()` the first eight of these.
#' @param combo One or more plots side by side, by the names of bayesplot without `mcmc_`.
#'   Default: `c("hist", "trace")`, and `"hist"` for approximations, whose draws are in no order.
#' @param nvariables Number of variables on a page. Default: 5.
#' @param plot Draw the pages? Default: yes. If not, they are only returned.
#' @param ask Wait before each new page? Default: in interactive sessions.
#' @param type Name of a plot, such as `"intervals"` (default), `"areas"`, `"trace"`,
#'   `"rank_overlay"`, `"nuts_energy"`: see [bayesplot::available_mcmc()].
#' @param group,coef Group and coefficient. Default: the first group, its first coefficient.
#' @param own Show the level's own coefficient (population + deviation) in place of the
#'   deviation? Default: no.
#' @param n Number of levels shown; where there are more, the lowest and highest ones.
#'   Default: 40.
#' @param prob,prob_outer Probabilities of the thick and thin intervals. Default: 0.5 and 0.95.
#' @param ... Arguments for bayesplot.
#' @return `plot()`: a list of pages, invisibly. `pairs()`: a `bayesplot_grid`. `mcmc_plot()`
#'   (a method for the generic of brms) and its double `tw_mcmc_plot()`, and `tw_forest()`: a
#'   ggplot. Errors have class `twill_error_plot`, `twill_error_variable` or
#'   `twill_error_group`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' plot(fit, variable = c("b_Days", "sigma"))
#' tw_mcmc_plot(fit, type = "areas", variable = "^sd_", regex = TRUE)
#' tw_forest(fit, coef = "Days")
#' @name twill-plots
NULL

# gridExtra is imported because bayesplot needs it for pages and grids of plots, but only suggests it.
#' @rdname twill-plots
#' @method plot twillfit
#' @export
#' @importFrom ggplot2 .data
#' @importFrom gridExtra arrangeGrob
plot.twillfit <- function(x, combo = NULL, nvariables = 5, variable = NULL,
                          regex = FALSE, plot = TRUE, ask = interactive(), ...) {
  check_flag(plot, "plot")
  check_flag(ask, "ask")
  # Draws of an approximation are independent and in no order: a trace of them shows nothing.
  combo <- combo %||% if (is_approximation(x)) "hist" else c("hist", "trace")
  variable <- plotted_variables(x, variable, regex)
  # As many pages as needed, filled evenly: six variables are three and three, not five and one.
  n_pages <- ceiling(length(variable) / check_whole(nvariables, "nvariables", 1, 100))
  page <- ceiling(seq_along(variable) * n_pages / length(variable))
  pages <- lapply(split(variable, page), function(names) {
    with_plot_theme(combined_plot(fit_draws(x)[, , names], combo, ...))
  })
  if (plot) show_pages(pages, ask)
  invisible(unname(pages))
}

combined_plot <- function(draws, combo, ...) {
  # mcmc_combo() hands its dots to all of its plots without a word on those that none takes.
  taken <- unlist(lapply(combo, function(name) names(formals(mcmc_function(name, "combo")))[-1]))
  refuse_unused(setdiff(dot_names(list(...)), c(taken, "gg_theme", "widths")), setdiff(taken, "..."))
  if (length(combo) > 1) bayesplot::mcmc_combo(draws, combo = combo, ...) else mcmc_function(combo, "combo")(draws, ...)
}

show_pages <- function(pages, ask) {
  old <- grDevices::devAskNewPage(FALSE)
  on.exit(grDevices::devAskNewPage(old))
  for (i in seq_along(pages)) {
    if (i > 1) grDevices::devAskNewPage(ask)
    # Histograms say on every call that they chose 30 bins.
    suppressMessages(plot(pages[[i]]))
  }
}

# What bayesplot refuses, such as autocorrelations over more lags than there are draws, in its own words.
bayesplot_error <- function(e) {
  if (inherits(e, "twill_error")) stop(e)
  why <- conditionMessage(e)
  abort_twill("plot", c("This plot cannot be drawn from this fit.", "x" = "{why}"))
}

# bayesplot warns of arguments that a plot does not have and draws without them; of one chain where there is only one, and of the
# bars of a histogram that is too narrow for its place on the number line.
bayesplot_warning <- function(w) {
  text <- conditionMessage(w)
  if (grepl("Only one chain|non-overlapping", text)) invokeRestart("muffleWarning")
  if (!grepl("unrecognized and ignored", text, fixed = TRUE)) return(invisible())
  refuse_unused(trimws(strsplit(sub("^.*ignored: ", "", text), ",", fixed = TRUE)[[1]]), NULL)
}

#' @rdname twill-plots
#' @method pairs twillfit
#' @export
#' @importFrom graphics pairs
pairs.twillfit <- function(x, variable = NULL, regex = FALSE, ...) {
  chosen <- plotted_variables(x, variable, regex)
  if (is.null(variable)) chosen <- utils::head(chosen, 8)
  constant <- Filter(function(name) diff(range(one_variable(x, name))) == 0, chosen)
  chosen <- setdiff(chosen, constant)
  if (length(chosen) < 2) {
    abort_twill("plot", c("{.fn pairs} needs at least two variables that vary.",
                          "x" = if (length(chosen)) "There is {.val {chosen}}." else "There is none.",
                          "i" = "{.fn variables} has all names."))
  }
  if (length(constant)) inform_twill("plot", "Not shown, as all draws are the same: {.val {some(constant)}}.")
  arguments <- list(off_diag_args = list(size = 0.6, alpha = 0.4))
  arguments <- utils::modifyList(arguments, list(...))
  with_plot_theme(do.call(bayesplot::mcmc_pairs, c(list(fit_draws(x)[, , chosen]), pair_marks(x), arguments)))
}

# Above and below the diagonal stand halves of the draws: of one chain every other one.
pair_marks <- function(fit) {
  if (nchains(fit) > 1) return(divergence_marks(fit))
  every_other <- rep_len(c(TRUE, FALSE), ndraws(fit))
  c(divergence_marks(fit), list(condition = bayesplot::pairs_condition(draws = every_other)))
}

# What marks divergent transitions; approximations have none.
divergence_marks <- function(fit) if (!is_approximation(fit)) list(np = nuts_params(fit))

plotted_variables <- function(fit, variable, regex) {
  check_flag(regex, "regex")
  if (is.null(variable)) main_variables(fit) else select_variables(fit, variable, regex)
}

#' @rdname twill-plots
#' @export
tw_mcmc_plot <- function(object, type = "intervals", variable = NULL, regex = FALSE, ...) {
  check_fit(object, "object")
  plot <- mcmc_function(type)
  if (startsWith(type, "nuts_")) return(with_plot_theme(nuts_plot(object, type, plot, ...)))
  if (grepl("^(rhat|neff)", type)) return(with_plot_theme(convergence_plot(object, type, plot, variable, regex, ...)))
  draws <- fit_draws(object)[, , plotted_variables(object, variable, regex)]
  takes_np <- "np" %in% names(formals(plot))
  with_plot_theme(do.call(plot, c(list(draws), if (takes_np) divergence_marks(object), list(...))))
}

convergence_plot <- function(fit, type, plot, variable, regex, ...) {
  measure <- if (startsWith(type, "rhat")) rhat else neff_ratio
  out <- plot(measure(fit, plotted_variables(fit, variable, regex)), ...)
  if (grepl("hist", type)) out else out + bayesplot::yaxis_text(hjust = 1)
}

#' @rdname twill-plots
#' @exportS3Method brms::mcmc_plot
mcmc_plot.twillfit <- function(object, type = "intervals", variable = NULL, regex = FALSE, ...) {
  tw_mcmc_plot(object, type, variable, regex, ...)
}

mcmc_function <- function(type, argument = "type") {
  known <- sub("^mcmc_", "", bayesplot::available_mcmc(""))
  if (is.character(type) && length(type) == 1 && type %in% known) {
    return(getExportedValue("bayesplot", paste0("mcmc_", type)))
  }
  abort_twill("plot", c("{.arg {argument}} must be an {.code mcmc_} plot of bayesplot.",
                        "x" = "You supplied {.val {given_value(type)}}.",
                        if (is.character(type)) did_you_mean(type[1], known),
                        "i" = "There are {.val {known}}."))
}

# mcmc_nuts_energy() alone takes no log density.
nuts_plot <- function(fit, type, plot, ...) {
  if (type == "nuts_energy") plot(nuts_params(fit), ...) else plot(nuts_params(fit), log_posterior(fit), ...)
}

#' @rdname twill-plots
#' @export
tw_forest <- function(fit, group = NULL, coef = NULL, own = FALSE, n = 40, prob = 0.5, prob_outer = 0.95, ...) {
  check_no_dots(...)
  check_fit(fit)
  check_level(prob, "prob")
  check_level(prob_outer, "prob_outer")
  check_flag(own, "own")
  fit <- with_effects(fit)
  group <- pick_groups(fit, if (length(group)) group)[[1]]
  effects <- if (own) level_coefficients(fit, group) else group_effect_draws(fit, group)
  coef <- check_coef(coef, dimnames(effects)[[3]], group)
  table <- interval_table(matrix(effects[, , coef], dim(effects)[1], dimnames = list(NULL, dimnames(effects)[[2]])),
                          prob, prob_outer)
  shown <- extreme_rows(table[order(table$estimate), ], check_whole(n, "n", 2, 1e4))
  subtitle <- sprintf("Median, %g%% and %g%% intervals%s", 100 * prob, 100 * prob_outer, extremes_note(nrow(shown), nrow(table)))
  scale <- if (has_counts(fit)) " (log scale)"
  what <- if (own) paste0(coef, " of each level") else paste("deviation of", coef, "from the population")
  draw_forest(shown, paste0(coef, " by ", group), subtitle, own, paste0(what, scale))
}

extremes_note <- function(n_shown, n) {
  if (n_shown == n) return("")
  sprintf("; the %d lowest and %d highest of %d levels", as.integer(ceiling(n_shown / 2)), as.integer(floor(n_shown / 2)), n)
}

check_coef <- function(coef, known, group) {
  if (is.null(coef)) return(known[1])
  if (is.character(coef) && length(coef) == 1 && coef %in% known) return(coef)
  abort_twill("plot", c("{.arg coef} must name one coefficient of {.field {group}}.",
                        "x" = "It is {.val {given_value(coef)}}.", "i" = "It has {.val {known}}."))
}

interval_table <- function(draws, prob, prob_outer) {
  tails <- c((1 - prob_outer) / 2, (1 - prob) / 2)
  bounds <- column_quantiles(draws, c(tails, 0.5, rev(1 - tails)))
  data.frame(level = colnames(draws), outer_low = bounds[, 1], low = bounds[, 2], estimate = bounds[, 3],
             high = bounds[, 4], outer_high = bounds[, 5])
}

extreme_rows <- function(table, n) {
  if (nrow(table) <= n) return(table)
  table[c(seq_len(ceiling(n / 2)), nrow(table) + 1 - rev(seq_len(floor(n / 2)))), ]
}

draw_forest <- function(table, title, subtitle, own, axis) {
  table$level <- factor(table$level, levels = unique(table$level))
  colour <- bayesplot::color_scheme_get()[["mid"]]
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$estimate, y = .data$level))
  if (!own) plot <- plot + ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3)
  plot +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$outer_low, xmax = .data$outer_high), colour = colour, linewidth = 0.4) +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$low, xmax = .data$high), colour = colour, linewidth = 1.2) +
    ggplot2::geom_point(colour = bayesplot::color_scheme_get()[["dark"]], size = 1.4) +
    ggplot2::labs(x = axis, y = NULL, title = title, subtitle = subtitle) + plot_theme()
}
