# What insight asks of a model, so that easystats (performance, bayestestR) reads a fit for what it is.

#' Fits and easystats
#'
#' Methods for the generics of insight, performance and bayestestR, set when these packages are there. `performance::r2()` gives
#' [bayes_R2()] with and without group-level terms, as medians and highest-density intervals;
#' `performance::icc()` and `insight::get_variance()` the parts of variance at
#' posterior means (of related levels averaged over rows, with the diagonal of their matrix), after Nakagawa, Johnson and
#' Schielzeth (2017): for counts \eqn{\log(1 + 1/\lambda + 1/shape)} is the variance of the distribution,
#' with the mean count \eqn{\lambda}. `hdi()`, `describe_posterior()` and other
#' functions of bayestestR are given the draws of the population-level coefficients, as is `parameters::model_parameters()`.
#' `performance::model_performance()` has [loo()], [waic()], R2 and the root mean square of residuals at posterior means.
#' marginaleffects is given posterior draws of predictions. Fits of genes are refused: [tw_gene()] makes a model of one.
#'
#' @param x,model A fit of class `twillfit`.
#' @param effects `"fixed"` (default), `"random"` or `"all"`.
#' @param component `"all"` (default), or one part of the variance.
#' @param verbose Not used; nothing is said.
#' @param ... As insight and performance hand it on.
#' @return What the generics are to return.
#' @references Nakagawa S, Johnson PCD, Schielzeth H (2017). The coefficient of determination R2 and intra-class correlation
#'   coefficient from generalized linear mixed-effects models revisited and expanded. *Journal of the Royal Society Interface*
#'   14, 20170213.
#' @examplesIf requireNamespace("performance", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy,
#'              chains = 2, iter = 400, seed = 1, silent = 2)
#' performance::icc(fit)
#' @name twill-easystats
NULL

#' @rdname twill-easystats
#' @exportS3Method insight::find_formula
find_formula.twillfit <- function(x, verbose = TRUE, ...) {
  random <- lapply(x$formula$bars, function(bar) {
    stats::as.formula(call("~", call("|", bar$rhs[[2]], str2lang(bar$group))), x$formula$env)
  })
  fixed <- x$formula$fixed
  environment(fixed) <- x$formula$env
  parts <- list(conditional = fixed, random = if (length(random) == 1) random[[1]] else random)
  if (!is.null(x$formula$dispersion)) parts[[x$formula$dpar]] <- x$formula$dispersion
  structure(parts[lengths(parts) > 0], class = c("insight_formula", "list"))
}

# insight makes these facts of the family of a model it knows.
#' @rdname twill-easystats
#' @exportS3Method insight::model_info
model_info.twillfit <- function(x, ...) {
  like <- if (has_counts(x)) stats::poisson() else stats::gaussian()
  info <- insight::model_info(stats::glm(c(0, 1, 2) ~ 1, family = like))
  record <- family_record(x$family)
  has_size <- identical(record$dispersion, "shape")
  own <- list(is_bayesian = TRUE, is_mixed = length(all_terms(x$design)) > 0, n_obs = nobs(x), is_negbin = has_size,
              is_poisson = record$is_count && !has_size, family = record$label,
              is_dispersion = !is.null(x$formula$dispersion), n_grouplevels = if (length(all_terms(x$design))) unlist(ngrps(x)),
              is_timeseries = FALSE)
  utils::modifyList(info, own)
}

#' @rdname twill-easystats
#' @exportS3Method insight::get_data
get_data.twillfit <- function(x, ...) x$data

#' @rdname twill-easystats
#' @exportS3Method insight::find_algorithm
find_algorithm.twillfit <- function(x, ...) {
  if (is_approximation(x)) return(list(algorithm = x$info$method))
  list(algorithm = "sampling", chains = nchains(x), iterations = as.integer(x$info$iter), warmup = as.integer(x$info$warmup))
}

#' @rdname twill-easystats
#' @exportS3Method insight::find_parameters
find_parameters.twillfit <- function(x, ...) {
  all <- main_variables(x)
  fixed <- unname(fixef_variables(x))
  of_dispersion <- if (!is.null(x$design$x_disp)) intersect(x$design$disp_names, fixed)
  parts <- list(conditional = setdiff(fixed, of_dispersion), random = grep("^(sd|cor|df)_", all, value = TRUE),
                sigma = c(of_dispersion, intersect(c("sigma", "shape"), all)))
  parts[lengths(parts) > 0]
}

#' @rdname twill-easystats
#' @exportS3Method insight::get_parameters
get_parameters.twillfit <- function(x, effects = c("fixed", "random", "all"), ...) {
  effects <- check_choice(effects, "effects", c("fixed", "random", "all"))
  parts <- find_parameters.twillfit(x)
  wanted <- switch(effects, fixed = parts$conditional, random = parts$random, all = unlist(parts))
  as.data.frame(draw_matrix(x, unname(wanted)), optional = TRUE)
}

#' @rdname twill-easystats
#' @exportS3Method insight::get_residuals
get_residuals.twillfit <- function(x, ...) unname(residuals.twillfit(x)[, "Estimate"])

#' @rdname twill-easystats
#' @exportS3Method insight::get_variance
get_variance.twillfit <- function(x, component = c("all", components_of_variance), verbose = TRUE, ...) {
  component <- check_choice(component, "component", c("all", components_of_variance))
  eta <- x$design$x %*% colMeans(draw_matrix(x, x$design$coef_names))
  distribution <- distribution_variance(x)
  groups <- lapply(pick_groups(x, NULL), mean_covariance, fit = x)
  of_rows <- vapply(names(groups), function(group) row_variance(x, group, groups[[group]]), 0)
  intercept <- vapply(groups, function(v) if ("Intercept" %in% rownames(v)) v["Intercept", "Intercept"] else NA_real_, 0)
  slopes <- lapply(groups, function(v) diag(v)[rownames(v) != "Intercept"])
  parts <- compact(list(var.fixed = stats::var(as.vector(eta)), var.random = sum(of_rows), var.residual = distribution,
                        var.distribution = distribution, var.dispersion = 0, var.intercept = intercept[!is.na(intercept)],
                        var.slope = if (length(unlist(slopes)) > 0) unlist(slopes)))
  if (component == "all") parts else parts[intersect(paste0("var.", component), names(parts))]
}

components_of_variance <- c("fixed", "random", "residual", "distribution", "dispersion", "intercept", "slope")

# coefficient x coefficient: posterior means of variances and covariances.
mean_covariance <- function(fit, group) {
  parts <- group_covariance(fit, group)
  if (!is.null(parts$cov)) return(apply(parts$cov, 2:3, mean))
  mean <- colMeans(parts$sd^2)
  matrix(diag(mean, length(mean)), length(mean), dimnames = list(names(mean), names(mean)))
}

# The variance that a group adds to a row's linear predictor, averaged over rows (Johnson 2014).
row_variance <- function(fit, group, covariance) {
  in_class <- function(term, class) if (has_members(term)) member_sizes(term) else term$codes %in% class$levels
  columns <- function(term) lapply(classes_of(term), function(class) term$z * in_class(term, class))
  z <- do.call(cbind, unlist(lapply(group_terms(fit, group), columns), recursive = FALSE))
  term <- group_terms(fit, group)[[1]]
  mean(rowSums((z %*% covariance) * z) * if (has_members(term)) 1 else level_sizes(term)[term$codes])
}

# Variances of standardised effects of levels: one, or the diagonal of the matrix that relates them.
level_sizes <- function(term) {
  if (!is.null(term$root)) return(rowSums(term$root^2))
  precision <- precision_matrix(term)
  if (is.null(precision)) rep(1, length(term$levels)) else diag(chol2inv(chol(precision)))
}

distribution_variance <- function(fit) {
  prediction <- prepare_prediction(fit)
  if (!has_counts(fit)) return(mean(residual_sd(prediction)^2))
  shape <- dispersion_draws(prediction)
  log1p(1 / mean(fit$design$y) + if (is.null(shape)) 0 else mean(1 / shape))
}

#' @rdname twill-easystats
#' @exportS3Method performance::r2_posterior
r2_posterior.twillfit <- function(model, ...) {
  draws <- function(name, ...) {
    values <- as.vector(bayes_R2.twillfit(model, summary = FALSE, ...))
    lost <- sum(!is.finite(values))
    if (lost == 0) return(stats::setNames(values, rep(name, length(values))))
    abort_twill("method", c("R2 cannot be computed: means overflow in {lost} of {length(values)} draw{?s}.",
                            "i" = "Draws from the prior do so where covariates are far from zero: centre them."))
  }
  if (length(model$design$terms) == 0) return(list(R2_Bayes = draws("R2")))
  list(R2_Bayes = draws("Conditional R2"), R2_Bayes_marginal = draws("Marginal R2", re_formula = NA))
}

#' @rdname twill-easystats
#' @exportS3Method performance::r2
r2.twillfit <- function(model, ...) performance::r2_bayes(model, ...)

# Functions of bayestestR that take draws, and those among them whose default range depends on the model.
draws_verbs <- c("hdi", "eti", "ci", "p_direction", "p_map", "point_estimate", "map_estimate", "estimate_density",
                 "p_significance", "spi", "bci")
range_verbs <- c(describe_posterior = "rope_range", rope = "range", equivalence_test = "range")

set_draws_verbs <- function(...) {
  owner <- asNamespace("bayestestR")
  for (verb in c(draws_verbs, names(range_verbs))) {
    if (exists(verb, owner, inherits = FALSE)) registerS3method(verb, "twillfit", of_draws(verb), envir = owner)
  }
}

of_draws <- function(verb) {
  force(verb)
  function(x, ..., effects = "fixed") {
    dots <- list(...)
    range <- range_verbs[verb]
    if (!is.na(range)) dots[[range]] <- dots[[range]] %||% bayestestR::rope_range(x)
    do.call(getExportedValue("bayestestR", verb), c(list(get_parameters.twillfit(x, effects)), dots))
  }
}
