# Graphical posterior predictive checks through bayesplot.

#' Posterior predictive checks
#'
#' Draws responses of the fit and hands them, with the observed ones, to a plot of bayesplot.
#'
#' @param object A fit of class `twillfit`.
#' @param type Name of a plot, such as `"dens_overlay"`, `"rootogram"`, `"stat"`,
#'   `"stat_grouped"`, `"intervals"`, `"scatter_avg"`, `"ecdf_overlay"`, `"loo_pit_overlay"`:
#'   see [bayesplot::available_ppc()]. Default: `"dens_overlay"` for Gaussian models,
#'   `"rootogram"` for counts up to 300, `"ecdf_overlay"` for larger ones.
#' @param ndraws Number of draws. Default: 10 for plots that show each draw; all for those that
#'   summarise draws (at most 1000 of a rootogram).
#' @param prefix `"ppc"` (default), or `"ppd"` to leave out the observed response.
#' @param group,x Names of columns of the data for grouped plots and plots against a covariate; an error for plots
#'   without. With `group` the default type is grouped.
#' @param newdata Data frame with predictors and response. Default: the rows of the fit.
#' @param draw_ids Numbers of the draws to use. Default: chosen by `ndraws`.
#' @param re_formula,seed,... As in [posterior_predict()]; other arguments go to bayesplot.
#' @return A ggplot. Errors have class `twill_error_plot`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' pp_check(fit, ndraws = 20)
#' pp_check(fit, type = "stat_grouped", group = "Subject", stat = "mean")
#' @method pp_check twillfit
#' @export
pp_check.twillfit <- function(object, type = NULL, ndraws = NULL, prefix = c("ppc", "ppd"),
                              group = NULL, x = NULL, newdata = NULL, draw_ids = NULL,
                              re_formula = NULL, seed = NULL, ...) {
  prefix <- check_choice(prefix, "prefix", c("ppc", "ppd"))
  type <- check_plot_type(type %||% default_check(object, if (!is.null(group)) prefix), prefix)
  check_takes(paste0(prefix, "_", type), list(group = group, x = x))
  if (length(wanted_terms(object, re_formula)) > 0) object <- with_effects(object)
  ids <- draw_ids %||% with_seed(seed, choose_draws(object, ndraws %||% default_ndraws(object, type)))
  respond <- if (startsWith(type, "loo_")) loo_responses else posterior_predict.twillfit
  yrep <- respond(object, newdata = newdata, re_formula = re_formula, draw_ids = ids, seed = seed)
  prediction <- prepare_prediction(object, newdata, re_formula, draw_ids = ids)
  data <- newdata %||% object$data
  arguments <- list(group = check_column_values(group, data, "group"), x = check_column_values(x, data, "x"))
  if (startsWith(type, "loo_")) arguments <- c(arguments, loo_arguments(prediction))
  if (startsWith(type, "ecdf_overlay")) arguments$discrete <- has_counts(object)
  y <- if (prefix == "ppc") observed_response(prediction)
  check_discrete(type, c(y, yrep[1, ]))
  check_has_density(type, arguments$group, ncol(yrep))
  if (type == "rootogram") return(rootogram(y, yrep, ...))
  draw_check(paste0(prefix, "_", type), y, yrep, arguments, ...)
}

#' @rdname twill-responses
#' @method pp_check twill_responses
#' @export
pp_check.twill_responses <- function(object, ..., resp = NULL) pp_check.twillfit(need_resp(resp, object, "pp_check"), ...)

check_discrete <- function(type, y) {
  if (!grepl("^(bars|rootogram)", type) || all(y == round(y))) return(invisible())
  abort_twill("plot", c("{.code type = \"{type}\"} shows how often each count comes, and this response is continuous.",
                        "i" = "{.val dens_overlay}, {.val hist} and {.val ecdf_overlay} show it."))
}

# bayesplot warns of arguments that a plot does not have, so each gets only its own.
draw_check <- function(name, y, yrep, arguments, ...) {
  plot <- getExportedValue("bayesplot", name)
  data <- if (is.null(y)) list(ypred = yrep) else list(y = y, yrep = yrep)
  own <- compact(arguments[names(arguments) %in% names(formals(plot))])
  with_plot_theme(do.call(plot, c(data, utils::modifyList(own, list(...)))))
}

# A long tail of drawn counts would give bayesplot millions of bars: the axis ends a fifth above the
# largest observed count, and draws beyond it fall into one bar outside of the picture.
rootogram <- function(y, yrep, ...) {
  end <- ceiling(1.2 * max(y)) + 2
  plot <- with_plot_theme(bayesplot::ppc_rootogram(y, pmin(yrep, end + 1), ...))
  if (max(yrep) <= end) plot else plot + ggplot2::coord_cartesian(xlim = c(-0.5, end), expand = FALSE)
}

# What the user says and a plot has no use for is not passed over.
check_takes <- function(name, given) {
  unused <- setdiff(names(compact(given)), names(formals(getExportedValue("bayesplot", name))))
  if (length(unused) == 0) return(invisible())
  type <- sub("^pp[cd]_", "", name)
  abort_twill("plot", c("Plots of {.code type = \"{type}\"} take no {.arg {unused[1]}}.",
                        if (unused[1] == "group") c("i" = "Those whose names end in {.val _grouped} do.")))
}

# A smooth density needs two values, in each group.
check_has_density <- function(type, group, n) {
  if (!grepl("^dens|violin", type)) return(invisible())
  sizes <- if (is.null(group)) c("all rows" = n) else table(as.character(group))
  few <- names(sizes)[sizes < 2]
  if (length(few) == 0) return(invisible())
  abort_twill("plot", c("{.code type = \"{type}\"} needs two rows, in every group.", "x" = "There is one in {.val {some(few)}}.",
                        "i" = "{.val intervals} and {.val intervals_grouped} show single rows."))
}

# `grouped` is the prefix where there is a group, else NULL.
default_check <- function(fit, grouped = NULL) {
  if (identical(grouped, "ppd")) return("freqpoly_grouped")
  if (!is.null(grouped)) return(if (has_counts(fit)) "ecdf_overlay_grouped" else "dens_overlay_grouped")
  if (!has_counts(fit)) return("dens_overlay")
  # A rootogram has one bar per count: beyond a few hundred they cannot be told apart.
  if (max(fit$design$y) <= 300) "rootogram" else "ecdf_overlay"
}

check_plot_type <- function(type, prefix) {
  known <- if (prefix == "ppc") bayesplot::available_ppc("") else bayesplot::available_ppd("")
  known <- sub(paste0("^", prefix, "_"), "", known)
  if (is.character(type) && length(type) == 1 && type %in% known) return(type)
  abort_twill("plot", c("{.arg type} must be a plot of bayesplot.",
                        "x" = "You supplied {.val {given_value(type)}}.",
                        if (is.character(type)) did_you_mean(type[1], known),
                        "i" = "There are {.val {known}}."))
}

# Plots that show a summary over draws, not each of them.
summarising_checks <- "^(stat|intervals|ribbon|scatter_avg|error_scatter_avg|violin|rootogram|pit_ecdf|bars)"

default_ndraws <- function(fit, type) {
  if (startsWith(type, "loo_")) return(NULL)
  if (!grepl(summarising_checks, type)) return(min(10, ndraws(fit)))
  # Draws x rows stay below 160 MB; a rootogram counts every draw in R code, one by one.
  most <- if (type == "rootogram") 1000 else floor(2e7 / nobs(fit))
  min(ndraws(fit), max(100, most))
}

check_column_values <- function(name, data, argument) {
  if (is.null(name) || (is.atomic(name) && length(name) > 1)) return(name)
  if (is.character(name) && name %in% names(data)) return(data[[name]])
  abort_twill("plot", c("{.arg {argument}} must name a column of the data.",
                        "x" = "You supplied {.val {given_value(name)}}.",
                        "i" = "The columns are {.val {names(data)}}."))
}

# Smoothed leave-one-out weights, in the form that the plot types of loo take.
loo_arguments <- function(prediction) {
  prediction$input$y <- observed_response(prediction)
  log_lik <- log_lik_draws(prediction)
  r_eff <- relative_efficiency(log_lik, prediction$fit, 1)
  psis <- suppressWarnings(loo::psis(-log_lik, r_eff = r_eff))
  list(lw = stats::weights(psis), psis_object = psis)
}
