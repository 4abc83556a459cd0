# Model formulas: from the text of lme4's and brms' grammar to a `twill_formula`, the table of the model's parts.

#' Model formulas
#'
#' The formula of a model together with a regression for its dispersion.
#' Most models need none: [twill()] takes a plain formula as it is.
#'
#' @section Grammar:
#' The response side is `y`, or `y | weights(w)`, `y | se(sd)` or both joined by `+`. Weights multiply the
#' log-likelihood of a row. `se(sd)` states known standard errors, in the units of `y`; with `sigma = TRUE` a residual
#' standard deviation is estimated besides, so that the variance of row i is `sd_i^2 + sigma^2`.
#'
#' The right side has population-level terms as in [stats::lm()] (factors, interactions, `poly()`, `splines::ns()`,
#' `offset()`; `0 +` removes the intercept) and any number of group-level terms:
#'
#' * `(1 + x | g)`: an intercept and a slope for each level of `g`, correlated;
#' * `(1 + x || g)`: the same, all uncorrelated (also the columns of a factor);
#' * `(1 | a:b)`: one level for each observed combination of `a` and `b`;
#' * `(1 | a/b)`: `(1 | a) + (1 | a:b)`;
#' * `(1 | gr(g, cov = K))`: levels that are related; see below;
#' * `(1 | gr(g, by = f))`: levels of `g` that differ in spread; see below;
#' * `(1 | gr(g, dist = "student"))`: levels of `g` some of which are far out, and `dist = "horseshoe"`, where most have no
#'   effect; see below;
#' * `(1 |p| g)`: effects that are correlated across several responses; see below;
#' * `(1 | mm(g1, g2))`: rows that belong to several levels; see below;
#' * [`tw_re(g, mean = )`][tw_re]: a term whose mean is a parameter of its own.
#'
#' `fcor(V)` is added once, where errors of rows are related, `me(x, sdx)` stands for a predictor that is measured with
#' error, and `mi(x)` for one with missing values; see below.
#'
#' @section Classes of levels:
#' `(1 + x | gr(g, by = f))` gives the levels of `g` standard deviations and correlations of their own for each value of `f`,
#' which must be the same in all rows of a level, as in brms: are patients of one arm more alike than those of the other? Their
#' draws are `sd_g__Intercept:fa`, `cor_g__Intercept:fa__x:fa`, with the value behind the name of `f`; those of effects are
#' `r_g[level,x]` as ever. A prior with `coef = "x"` is that of all classes, with `coef = "x:fa"` that of one. A new level has
#' the spread of its `f`, a column that its predictions then need; the effect in a new donor needs it in [cond()]. The `sd_`
#' columns of contrasts are over all levels, the root of the mean variance.
#'
#' @section Levels far out:
#' `(1 + x | gr(g, dist = "student"))` has effects with Student's distribution, as in brms: a level's effects are normal ones
#' with the standard deviations and correlations of the term, times one multiple \eqn{\lambda_j} for the level, with
#' \eqn{\lambda_j^2 \sim \mathrm{InvGamma}(\nu/2, \nu/2)}. The degrees of freedom \eqn{\nu}, `df_g`, are above 1 and have the
#' prior `gamma(2, 0.1)`, of class `df`. Standard deviations are those of the normal part, as in brms; effects have
#' \eqn{\sqrt{\nu/(\nu - 2)}} times them where \eqn{\nu > 2}. Not for many genes and cells.
#'
#' `gr(g, dist = "horseshoe")`, for levels of which most have hardly an effect and a few have large ones: the multiples are
#' \eqn{\lambda_j \sim \mathrm{half-Cauchy}(1)}, a horseshoe over levels (Carvalho, Polson and Scott 2010) whose global scales
#' are the standard deviations of the term. All effects of a level are small together or large together. `mm()` takes `dist`
#' likewise: `z | se(1) ~ 0 + (0 + study || mm(snp, weights = R, dist = "horseshoe")) + fcor(V)` is the colocalisation of MR Locus
#' (Zhu et al. 2021), `R` the correlations of variants in `data2`.
#'
#' @section Several levels a row:
#' `(1 + x | mm(g1, g2))` is for rows that belong to several levels, as in brms: a child with two schools, a tie of two proteins.
#' The columns are of one type and share their levels, and a row has the effects of all its levels, with weights: by default
#' equal ones, else `weights = cbind(w1, w2)`, columns of the data or expressions of them, which are made to sum to one in each
#' row unless `scale = FALSE`. A row with fewer levels than others names any level, with the weight zero. Names are those of
#' brms: `sd_mmg1g2__Intercept`, `r_mmg1g2[level,Intercept]`. `mm(g, weights = W)` takes weights from a matrix in `data2` of
#' [twill()], of base R or \pkg{Matrix}: its rows are the levels of `g`, its columns the levels that have effects, both by name,
#' and a row of the data has the effects of all columns, times the values of its row of `W` (as they are, unless
#' `scale = TRUE`): neighbours in space, correlated variants, mixtures of cell lines. Not for many genes and cells, in formulas of
#' `sigma` and `shape`, nor together with `gr()` and `tw_re()`.
#'
#' @section Related levels:
#' `(1 + x | gr(g, cov = K))` has levels with the covariance `K` between them, as in brms: kinship, a phylogeny
#' (`ape::vcv(tree, corr = TRUE)`), distances. Each coefficient has the covariance `sd^2 K` over levels, and coefficients of a
#' level are correlated as ever; `gr(g, prec = Q)` takes the inverse, `Q = solve(K)`, which is sparse for pedigrees, trees with
#' their inner nodes, and neighbours, and then costs little. `K` and `Q` are the names of matrices in `data2` of [twill()], of
#' base R or \pkg{Matrix}, taken as they are. Their row names are the levels; these may be more than the data have, such as
#' ancestors, and are predicted by their relatives. A level that has no row cannot be predicted. Levels with the same row of `K`,
#' such as clones, are one, under the name of the first. Where `K` has a lower rank than there are levels, as kinship from few
#' genotypes has, effects are exact functions of as many coordinates, with a message; what has a negative eigenvalue is refused.
#' [tw_pedigree()] makes `Q` of a pedigree.
#'
#' @section Related errors:
#' `y ~ x + (1 | g) + fcor(V)` has errors of the rows with a known covariance, as in brms: `V` is the name of a matrix in `data2`
#' of [twill()], of base R or \pkg{Matrix} (or a vector of variances), and the errors have the covariance `sigma^2 V`, with
#' `sigma` estimated. With known standard errors, `y | se(s) ~ x + (1 | g) + fcor(V)`, there is no `sigma`: where the
#' diagonal of `V` is
#' `s^2` it is the covariance of the errors itself, and where the diagonal is 1 their correlation. This is multivariate
#' meta-analysis, where outcomes of a trial share their controls, and summary statistics of variants in linkage disequilibrium.
#' Rows of `V` are those of `data`, in their order; those of rows that are left out, by `subset` or for missing values, are left
#' out too. Where `V` has more rows, its dimnames must be row names of `data`. Group-level terms come on top. Weights, `se(s,
#' sigma = TRUE)` and regressions of `sigma` are refused; `log_lik()`, and so `loo()`, takes each row given all others, and
#' predictions of responses of new data are refused, as `V` says nothing of them.
#'
#' @section Predictors with errors:
#' `me(x, sdx)` is a predictor of which `x` was measured, with the standard deviation `sdx` (a column, an expression of columns or
#' a number), as in brms: row i has a value `X_i ~ Normal(meanme, sdme)` that is multiplied by the coefficient, and
#' `x_i ~ Normal(X_i, sdx_i)` was seen of it. A regression on `x` itself finds slopes that are too small.
#' For summary statistics with errors on both sides, `beta_b | se(se_b, sigma = TRUE) ~ 0 + me(beta_a, se_a)` is the slope model
#' of MR Locus. All families take it, and interactions with predictors without error: `me(x, sdx) * g`. Several are independent
#' of each other (brms correlates them, unless `set_mecor(FALSE)` says not to).
#'
#' Draws have the names of brms: the coefficient `bsp_mexsdx` (its prior has class `b` and coef `mexsdx`), `meanme_mex` and
#' `sdme_mex` (classes `meanme` and `sdme`, coef `mex`; `constant()` fixes them), and the values `Xme_mex[i]`, unless
#' `save_pars = tw_save(group = FALSE)`. Chains do not sample these: the likelihood is integrated over them row by row, exactly
#' for Gaussian responses, for counts by quadrature, and each draw is completed by them.
#'
#' `fitted()` and other predictions of the rows of the fit use their values, to which the response has contributed. New data need
#' the columns of `x` and `sdx`, and values are drawn given these alone; `sdx = 0` says that `x` is the value itself, as it does
#' in [conditional effects][tw_conditional_effects]. `log_lik()`, and so `loo()`, is the density of the response given `x` and
#' `sdx`. Refused are products of two such predictors, `me()` in group-level terms, in formulas of `sigma` and `shape` and inside
#' of other calls, errors that are zero, `me(gr = )`, and weights, `fcor()` and regressions of `shape` beside it. `me()` and
#' `mi()` differ in what is known of a value before it is seen: a mean that all rows share, or a formula of its own.
#'
#' @section Predictors with missing values:
#' `tw_formula(y ~ mi(x) + z + (1 | g)) + tw_formula(x | mi() ~ z + (1 | g))` keeps the rows in which `x` is missing, as in
#' brms: the second formula is a model of `x`, and its distribution of a missing value is the prior of that value, of which
#' the response tells more. Put into it what tells of `x`, all predictors of `y` at least: leaving one out biases its
#' coefficient if `x` depends on it. Values may be missing for reasons that predictors and response of the row say, not
#' because of what they would be. Rows count if `y` and all else is there; what the second formula needs must be there where
#' `x` is missing. Interactions `mi(x) * z`, several predictors with missing values, each with its formula, formulas of
#' `sigma`, and effects that both formulas share, `(1 |p| g)`, are taken. `x | mi(sdx) ~ z` has an `x` that is measured with
#' the known error `sdx` where it is not missing: `me()` with a mean of each row.
#'
#' Draws have the names of brms: the coefficient `bsp_y_mix` (its prior has `resp = "y"` and `coef = "mix"`), and missing
#' values `Ymi_x[i]`, `i` the row of `fit$data` (`Yl_x[i]`, in all rows, where `x` is measured with error), unless
#' `save_pars = tw_save(group = FALSE)`. As with `me()` chains do not sample these: the likelihood is integrated over
#' them, exactly, and each draw is completed by them. `fitted()` and other predictions of the rows of the fit use these
#' values, to which the response has contributed; new data need a value, which
#' `posterior_predict(fit, newdata, resp = "x")` draws. `log_lik(fit, resp = "y")`, and so `loo()`, is the density of the
#' response given what was seen, the missing values integrated out; that of `x` has the rows in which it was seen. In
#' `tw_response(fit, "y")$data` missing values are filled by the mean, to compute with.
#'
#' All is Gaussian, as all responses of a model have one family. Refused are `mi()` in group-level terms and formulas of
#' `sigma`, inside of other calls and of products of two, `mi(x)` in the formulas of two responses, imputed columns that
#' predict each other, and weights of a response that has it.
#'
#' @section Several responses:
#' `mvbind(y1, y2) ~ x + (1 + x |p| g)` has two responses (or more) with one formula, and
#' `tw_formula(y1 ~ x + (1 |p| g)) + tw_formula(y2 ~ z + (1 |p| g))` with formulas of their own, as in brms. Terms with the
#' same label, here `p`, and the same grouping factor are one term: their effects are correlated across responses. Terms without a
#' label are independent by response. `brms::bf() + brms::bf() + brms::set_rescor(FALSE)` is taken as it is. All responses have
#' one family, and each its own `sigma` or `shape` (or formula of it: `tw_formula(y1 ~ x, sigma ~ z) + ...`). Residuals are
#' independent, as with `set_rescor(FALSE)` of brms: what responses have in common are the effects of their levels.
#'
#' A row of the data counts for the responses of which it has all variables; a message says how many rows each lacks. Where
#' only one response is missing the row tells of the others, and so, through the correlations, of its levels' effects.
#'
#' Names are those of brms: `b_y1_x`, `sd_g__y1_Intercept`, `cor_g__y1_Intercept__y2_Intercept`, `r_g__y1[level,x]`, `sigma_y1`;
#' dots and underscores of a response are left out. [tw_prior()] has `resp`. Verbs about rows take `resp`, or answer for all
#' responses: see [twill-responses]. [tw_response()] makes one response a fit of its own.
#'
#' Refused, in models of several responses, are `me()`, `fcor()`, `mm()`, [tw_re()], `by` and `dist` of `gr()`, the arguments
#' `weights` and `offset` (the formulas take both), `constant()` priors of coefficients, data in pieces, labels in
#' formulas of `sigma` and `shape`, and several families at a time.
#'
#' @section More on formulas:
#' As in brms, `0 + Intercept + f` makes the intercept an ordinary coefficient; factors are coded against it.
#'
#' A formula, also one given as text, is code, as everywhere in R: what it calls, such as `log(x)`, is run in the data. Texts of
#' priors and hypotheses are not: they are read as arithmetic, and other calls in them are refused.
#'
#' @param formula The model of the mean: a two-sided formula, its text, a `twill_formula`, or an object made by
#'   `brms::bf()` or `brms::mvbf()`.
#' @param ... At most one further formula for the dispersion: `sigma ~ x` (Gaussian) or `shape ~ x` (negative
#'   binomial). It models the logarithm, and takes group-level terms too: `sigma ~ (1 | line)` gives each line a noise of its own,
#'   `log(sigma_i) = a + u_line(i)`, `u ~ N(0, sd)`, named as in brms (`sd_line__sigma_Intercept`, `r_line__sigma[l1,Intercept]`;
#'   the prior of the sd has `class = "sd"` and `dpar = "sigma"`). Effects of a level on the dispersion are uncorrelated:
#'   `(1 + x || line)`. Slopes by level want levels of a dozen rows and more, and covariates of size one.
#' @return A list of class `twill_formula` with the parts of the model, of several responses of class `twill_formulas`.
#' Errors have class `twill_error_formula`.
#' @seealso [twill()]
#' @examples
#' tw_formula(count ~ zAge + (1 | patient) + (1 | visit), shape ~ Trt)
#' tw_formula(y | se(sd) ~ 1 + (1 | school))
#' tw_formula(weight ~ age + (1 |p| nest)) + tw_formula(tarsus ~ sex + (1 |p| nest))
#' @export
tw_formula <- function(formula, ...) {
  dispersion <- list(...)
  if (inherits(formula, "mvbrmsformula")) return(formulas_of_brms(formula, dispersion))
  if (inherits(formula, "brmsformula")) return(formula_of_brms(formula, dispersion))
  if (inherits(formula, "twill_formula")) return(add_dispersion(formula, dispersion))
  if (inherits(formula, "twill_formulas")) {
    return(new_formulas(unname(lapply(formula$responses, add_dispersion, dispersion)), formula$formula))
  }
  if (is.character(formula) && length(formula) == 1) formula <- text_formula(formula, parent.frame())
  if (is_mvbind(formula)) return(formulas_of_mvbind(formula, dispersion))
  add_dispersion(new_twill_formula(formula), dispersion)
}

text_formula <- function(text, env) {
  parsed <- tryCatch(str2lang(text), error = function(e) NULL)
  if (!is_call_to(parsed, "~")) {
    abort_twill("formula", c("{.arg formula} must be a formula.", "x" = "This text is none: {.val {text}}."))
  }
  stats::as.formula(parsed, env)
}

new_twill_formula <- function(formula) {
  check_two_sided(formula)
  env <- environment(formula)
  errors <- split_fcor(formula[[3]])
  rhs <- mark_group_terms(errors$rest, env)
  response <- parse_response(formula[[2]])
  fixed <- stats::as.formula(call("~", response$response, without_bars(rhs)), env)
  check_terms(fixed, allow = latent_calls)
  check_response_left(fixed)
  parts <- c(list(formula = plain_formula(formula, env)), response,
             list(fixed = fixed, bars = lapply(group_bars(rhs), decode_bar, env = env)))
  parts <- c(parts, list(fcor = errors$name, dispersion = NULL, dpar = NULL, env = env))
  parts$latents <- latents_of(fixed)
  check_labels(list(y = parts))
  structure(parts, class = "twill_formula")
}

# R drops a response that is a term of its own model, with a warning that few see.
check_response_left <- function(fixed) {
  factors <- attr(stats::terms(fixed), "factors")
  text <- deparse1(fixed[[2]])
  if (length(factors) == 0 || !any(factors[rownames(factors) == text, ] > 0)) return(invisible())
  abort_twill("formula", c("The response must not be a term of its own model.",
                           "x" = "{.code {text}} stands on both sides of {.code ~}."))
}

# Without the attributes that brms hangs on its formulas.
plain_formula <- function(formula, env) {
  attributes(formula) <- NULL
  stats::as.formula(formula, env)
}

check_two_sided <- function(formula) {
  if (!inherits(formula, "formula")) {
    given <- class(formula)[1]
    abort_twill("formula", c("{.arg formula} must be a formula such as {.code y ~ x + (1 | g)}.",
                             "x" = "It is of class {.cls {given}}."))
  }
  if (length(formula) != 3) {
    text <- deparse1(formula)
    abort_twill("formula", c("{.arg formula} must name a response left of {.code ~}.",
                             "x" = "It is {.code {text}}."))
  }
}

# Dispersion regressions -----------------------------------------------------------------------------------------

add_dispersion <- function(formula, dispersion) {
  if (length(dispersion) == 0) return(formula)
  if (length(dispersion) > 1 || !is.null(formula$dispersion)) {
    abort_twill("formula", "A model has one dispersion parameter: give one formula, {.code sigma ~ x} or {.code shape ~ x}.")
  }
  given <- dispersion[[1]]
  check_dispersion(given)
  formula$dpar <- as.character(given[[2]])
  terms <- mark_group_terms(given[[3]], formula$env)
  formula$dispersion <- stats::as.formula(call("~", without_bars(terms)), formula$env)
  check_terms(formula$dispersion)
  bars <- lapply(group_bars(terms), decode_bar, env = formula$env)
  for (bar in bars) check_dispersion_bar(bar, given)
  if (length(bars) > 0) formula[c("dispersion_bars", "dispersion_text")] <- list(bars, paste("~", deparse1(given[[3]])))
  formula
}

# Group-level terms, of the mean and of the dispersion.
all_bars <- function(formula) c(formula$bars, formula$dispersion_bars)

dispersion_text <- function(formula) {
  if (!is.null(formula$dispersion)) paste(formula$dpar, formula$dispersion_text %||% deparse1(formula$dispersion))
}

check_dispersion_bar <- function(bar, given) {
  if (is.null(bar$mean) && is.null(bar$relation) && is.null(bar$by) && is.null(bar$dist) && is.null(bar$members) &&
        is.null(bar$label)) {
    return(invisible())
  }
  text <- deparse1(given)
  what <- if (!is.null(bar$label)) "a label, as effects on the dispersion are independent of others" else
    if (!is.null(bar$members)) "{.fn mm}" else if (is.null(bar$mean)) "{.fn gr}" else "{.fn tw_re}"
  abort_twill("formula", c("Group-level terms of the dispersion are such as {.code (1 | g)} or {.code (1 + x || g)}.",
                           "x" = paste0("{.code {text}} has ", what, ".")))
}

check_dispersion <- function(given) {
  text <- deparse1(given)
  is_regression <- inherits(given, "formula") && length(given) == 3 && is.name(given[[2]])
  if (!is_regression || !as.character(given[[2]]) %in% c("sigma", "shape")) {
    abort_twill("formula", c("A formula for the dispersion must be {.code sigma ~ x} or {.code shape ~ x}.",
                             "x" = "It is {.code {text}}."))
  }
  if ("offset" %in% call_names(given[[3]])) {
    abort_twill("formula", c("A formula for the dispersion takes no offset.", "x" = "{.code {text}} has one."))
  }
}

formula_of_brms <- function(bf, dispersion = list()) {
  check_brms_formula(bf)
  if (is_mvbind(bf$formula)) return(formulas_of_mvbind(bf$formula, c(unname(bf$pforms), dispersion)))
  formula <- new_twill_formula(bf$formula)
  formula$family <- bf$family
  add_dispersion(formula, c(unname(bf$pforms), dispersion))
}

check_brms_formula <- function(bf) {
  attribute <- function(name) attr(bf$formula, name)
  trouble <- c(
    if (isTRUE(attribute("nl"))) "a nonlinear formula ({.code nl = TRUE})",
    if (isFALSE(attribute("center"))) "{.code center = FALSE}: say {.code intercept = \"raw\"} in {.fn twill}",
    if (!is.null(attribute("autocor"))) "an autocorrelation term",
    if (isTRUE(attribute("sparse"))) "{.code sparse = TRUE}",
    if (length(bf$pfix) > 0) "a parameter fixed to a value")
  if (length(trouble) == 0) return(invisible())
  abort_twill("formula", c("This {.fn brms::bf} formula has a part that is not supported.",
                           stats::setNames(trouble, rep("x", length(trouble)))))
}

# Methods --------------------------------------------------------------------------------------------------------

#' @method format twill_formula
#' @export
format.twill_formula <- function(x, ...) {
  check_no_dots(..., allow = names(formals(format.default)))
  c(deparse1(x$formula), dispersion_text(x))
}

#' @method print twill_formula
#' @export
print.twill_formula <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @method formula twill_formula
#' @export
#' @importFrom stats formula
formula.twill_formula <- function(x, ...) {
  check_no_dots(...)
  x$formula
}

compact <- function(x) x[!vapply(x, is.null, TRUE)]
