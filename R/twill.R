# The door of the package: twill() brings formula, data, priors and settings together and returns the fit.

#' Fit a hierarchical model
#'
#' Fits a model with any number of crossed and nested group-level terms to a Gaussian, negative binomial or Poisson
#' response, by the No-U-Turn sampler. With `x_i` the population-level row, `z_ki` the row of term k and `j_k(i)` its
#' level,
#'
#' ```
#' link(mean_i) = offset_i + x_i beta + sum_k z_ki b_{k, j_k(i)},     b_{k, j} ~ Normal(0, S_k R_k S_k)
#' ```
#'
#' where `S_k` holds the standard deviations (`sd_*`) and `R_k` the correlations (`cor_*`) of the term. Draws of
#' effects (`r_*`) are the deviations `b` from the population-level coefficients (`b_*`). All logarithms are natural.
#' `mvbind(y1, y2) ~ x + (1 |p| g)` has several responses, with effects that are correlated across them; see [tw_formula()].
#'
#' @section Intercept:
#' With `intercept = "centred"` (the default, as in brms and rstanarm) the prior of class `Intercept` is on the
#' intercept at the means of the other population-level columns, `b_Intercept + sum_j mean(x_j) b_j`. With `"raw"` it
#' is on `b_Intercept` itself. The draws of `b_Intercept` are on the raw scale in both cases. The same holds for the
#' intercept of a formula for `sigma` or `shape`, at the means of that formula's columns.
#'
#' @section Columns that say nothing:
#' Population-level columns that others determine (a combination of factors without rows, a factor nested in another) are
#' dropped with a message, as by [stats::lm()], unless a proper prior of the user's holds their coefficients. Rows of new data
#' that would need them are predicted with a warning.
#'
#' @section Data in pieces:
#' Rows are merged while they are read. A Gaussian likelihood knows of rows that agree in all but their numbers (the
#' response, slopes and offsets that stand as columns in the formula) no more than how many they are, their means and
#' sums of products: they become as few rows as have the same, one more than there are columns that vary. All else must
#' be equal in rows that become one: grouping factors, factors, weights, known standard errors, predictors of `sigma`,
#' numbers inside of functions or in products of two, and the response of counts. The posterior is that of all rows in
#' one data frame, to rounding; so are default priors, whose medians are to a hundred-thousandth of the spread beyond
#' a million rows. Each piece is checked as a data frame is, levels are those of all pieces, and columns must keep
#' their type. What depends on other rows is refused, in the formula (`poly()`, `scale()`, `x - mean(x)`, `me()`, `fcor()`),
#' `subset`, `weights` and `offset`. Tables of text are read twice: types of columns are those of the whole file, as
#' [utils::read.csv()] has them, but numbers of grouping factors that are not written in one way (`001` and `1`) stay
#' text. Refused are also verbs that need single rows: `loo()`, `residuals()`, `pp_check()`, `update()` and others; predictions
#' take `newdata`. Where no rows can be merged, memory is some 120 bytes a row for a model of three terms and one slope, and
#' half as much again while it is fitted: 13 GB for 72 million rows.
#'
#' @section Interrupting:
#' Ctrl-C stops the chains and returns the draws finished by then, as a fit of class
#' `c("twill_partial", "twillfit")`, with a warning. Chains that had hardly begun are left out, and the others cut to
#' the same length. Before the first draw, while progress says "Warm-up", it is an error of class
#' `twill_error_interrupt`. When all draws are made, Ctrl-C ends the checks of convergence alone.
#'
#' @param formula A formula (see [tw_formula()] for the grammar), or what [tw_formula()] or `brms::bf()` makes.
#' @param data A data frame with the columns that `formula` names. Character columns are taken as factors, `integer64` as
#'   numbers (as grouping factors with all digits). Variables
#'   outside of it are not used, but for constants inside of calls such as `poly(x, k)`. Or what yields data frames one after the
#'   other, which never are in memory together: a function that returns the next at each call and `NULL` at the end, the path of
#'   a folder or of files (data frames in `.rds`, tables in `.csv` or `.csv.gz`, or `.parquet` by the package arrow), a query's
#'   result by `DBI::dbSendQuery()`, or a table, dataset or query of arrow; see below.
#' @param family `gaussian()` (default), [negbinomial()] or `poisson()`; also by name, and the families of the same
#'   name of brms, rstanarm, MASS and glmmTMB.
#' @param prior Priors made by [tw_prior()] or by brms. Default: weak priors scaled to the data; see
#'   [tw_default_prior()].
#' @param ... Must be empty. An argument that does not exist is an error, and so is one that does not go with the method or
#'   the data; one without effect here (as `file_refit` without `file`) is told in a message.
#' @param chains Number of chains. Default: 4; rhat needs at least 2.
#' @param iter Iterations per chain, warm-up included. Default: 2000.
#' @param warmup Iterations of warm-up per chain. Default: half of `iter`.
#' @param thin Keep each `thin`-th draw. Default: 1. Where effects are integrated out, what is kept draws them with random numbers
#'   of its own: the draws are as good as each `thin`-th of a longer run, and not the same.
#' @param cores,threads Number of threads on which chains run, at most; approximations use one, by blocks of effects all.
#'   `threads` is another name for `cores`, and counts where both are given. Default: the option `mc.cores`, else 2. Draws do
#'   not depend on it.
#' @param control A list with `adapt_delta`, the mean acceptance statistic aimed at: one number, or rising numbers of
#'   which the next is taken, and all chains begun again with smaller steps, when a transition after warm-up diverges
#'   (default `c(0.65, 0.9, 0.99)`; a message and `summary()` say which was used), `max_treedepth` (default 10: at most
#'   `2^10` leapfrog steps per draw), `engine`: the coordinates that are sampled, `"auto"` (default), `"collapsed"`,
#'   `"joint"` or `"levels"`, or `"guided"`, for large Gaussian models: a guide learns the posterior of the standard
#'   deviations and correlations and proposes draws, which are taken or not such that the posterior stays exact; NUTS
#'   takes over, with a message, where it cannot. Where the density of these is dear, chains run on a polynomial that stands
#'   for its logarithm if that is off by less than 0.05 at draws that it has not seen; `summary()` and `fit$info$surrogate` say
#'   by how much. `"auto"` takes it for large Gaussian models unless `init` or `metric` is given, or trajectories are expected
#'   to take less time; `summary()` says both times. With `method = "laplace"` or `"svi"` it is for counts of one shape whose
#'   effects fall into small blocks that meet through few others, as guides in genes do through lines; `"auto"` takes it where
#'   levels are nested and effects are 500 or more, and `summary()` has the k-hat of blocks. All give the same posterior (see
#'   `vignette("model")`). `metric`:
#'   `"auto"` (default) uses the curvature of the posterior, `"diag"` scales only. `"guided"` makes no trajectories and has
#'   no use for `adapt_delta`, `max_treedepth`, `metric` and `init`, unless NUTS takes over. `checkpoint`: with `file`, each chain
#'   after its warm-up is copied to the folder `<file>.chains` every so many seconds (default 60; 0 for never). If the process is
#'   killed, the same call goes on from there, with the draws that it would have had; the folder goes when the fit is in `file`.
#' @param weights,offset Columns of `data`, expressions of them, or vectors with one value per row. Weights multiply
#'   the log-likelihood of their row; offsets are added to the linear predictor. They may stand in `formula` instead.
#' @param subset A condition on the rows of `data`, or row numbers. Default: all rows.
#' @param na.action What to do with rows that have missing values in variables of the model: [stats::na.omit()]
#'   (default) drops them and says how many, [stats::na.exclude()] too, and `fitted()`, `residuals()` and `predict()` then have
#'   `NA` in their places; [stats::na.fail()] refuses. Infinite values are always refused.
#' @param contrasts A list of contrasts by factor, as in [stats::lm()], for factors among the covariates.
#' @param data2 A named list of the matrices that `(1 | gr(g, cov = K))`, `gr(g, prec = Q)` and `fcor(V)` ask for; see
#'   [tw_formula()]. Default: none.
#' @param intercept Where the prior of the intercept lies, `"centred"` or `"raw"`; see below.
#' @param sample_prior `"yes"` adds draws from the priors, in variables `prior_*`; `"only"` leaves out the likelihood
#'   and needs proper priors. Default: `"no"`.
#' @param save_pars What is kept; see [tw_save()].
#' @param init Where chains start: `"mode"` (default) around the mode of the posterior, `"random"` or a radius:
#'   uniformly between `-radius` and `radius` on the sampler's scale. Approximations start at the mode.
#' @param seed A whole number. The same seed gives the same draws on any number of threads. Default: one number drawn
#'   from R's generator, so that [set.seed()] governs; with a seed R's generator is not touched.
#' @param file Path of a file in which the fit is kept (".rds" is added if missing). Partial fits are not kept. It is written
#'   beside, checked and renamed, so that a full disk costs no earlier fit; damage is seen when it is read. Read files that you
#'   trust only: [readRDS()] can be made to run code.
#' @param file_refit `"never"` (default) returns the fit in the file if it exists, as brms does, with a warning that says what
#'   differs if it is of another call; `"on_change"` fits again if formula, data, priors, settings or a seed that is given
#'   differ; `"always"` fits again.
#' @param silent 0 also describes the run, 1 (default) shows progress, messages and warnings, 2 nothing: look at
#'   `print()` or `rhat()` of the fit for what the warnings would have said.
#' @param refresh 0 turns progress off: the bar, and the lines that stand for it in log files, at most one in 30 seconds.
#'   Other values have no effect.
#' @param method `"nuts"` (default) samples the posterior, and so does `"hmc"`, by trajectories of one length in the whitened
#'   coordinates, three gradients each where the posterior is nearly normal there; it adapts the number of steps alone, so watch
#'   R-hat where models have thousands of parameters. Of models of up to 70 parameters (Gaussian ones: 100) and 1,000 rows it runs
#'   eight chains at a time in the vectors of one thread (`fit$info$engine` is `"lanes"`): each chain of the fit then is one or
#'   more of these, end to end. `"laplace"` and `"svi"` approximate it in a fraction of the
#'   time: by a normal at the mode, or by the Gaussian guide with the largest ELBO. Both are made in the
#'   sampler's coordinates and then resampled by Pareto-smoothed importance weights (Vehtari et al. 2024). The k-hat that
#'   `print()` shows says whether that can be trusted: below 0.7 it can; above, a warning says so and the draws are those
#'   of the approximation itself. `fit$info$elbo` is the trace of the ELBO, a lower bound of
#'   the log evidence ([tw_log_evidence()]). The number of draws is that of `chains`,
#'   `iter`, `warmup` and `thin`. For `"svi"`, `control` takes `guide` (`"fullrank"`, `"lowrank"`, `"meanfield"`;
#'   default dense up to 100 parameters), `max_steps` (5000), and `batch`: a number of rows. A dense guide is fitted by
#'   natural gradients, until what is left to gain is negligible; other guides, and batches, by Adam, of which `control` may
#'   say `n_draws` per step (4), `step_size` (0.05) and `tolerance` (1: stops when 200 steps gain less than one standard error
#'   of the ELBO's mean); where one of these is said a dense guide is fitted by Adam too. With `batch` each
#'   gradient comes from so many rows drawn at random (of those left when rows of the same design are merged),
#'   weighted so that it is right on average; the prior is whole, and `fit$info$elbo_all_rows` and k-hat are computed on
#'   all rows, from one proposal per draw instead of four. Default: 0, all rows in each step. Batches serve data of
#'   100,000 rows or more that hardly compress, as those with a covariate that differs from row to row; the noise that
#'   they add is small from about twenty rows per parameter on.
#' @param device Where `method = "svi"` has its rows: `"cpu"` (default), `"cuda"`, an NVIDIA GPU, or `"auto"`, a GPU if there is
#'   one that can be used and the model has rows enough, else the CPU with a message. It pays for hundreds of thousands of
#'   rows that do not compress; a Gaussian model that is computed from cross-products, batches of rows and the other methods
#'   are the CPU's. See [tw_devices()].
#' @return A list of class `twillfit` with `formula`, `family`, `data` (the rows used), `prior`, `design`, `draws` (a
#'   [posterior::draws_array][posterior::draws_array()]), `sampler` and `info`; see its methods `print()`, `summary()`
#'   and others. It holds no pointers and no environments of the caller, and survives [saveRDS()].
#'
#'   Errors have the class `twill_error` and one of `twill_error_formula`, `_data`, `_data2`, `_design`, `_family`, `_prior`,
#'   `_setting`, `_file`, `_start`, `_interrupt`, `_device`.
#' @seealso [tw_formula()] for formulas, [tw_prior()] for priors.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- twill(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy,
#'              prior = tw_prior("normal(0, 30)", class = "b"), chains = 2, iter = 500, seed = 1)
#' fit
#' @export
twill <- function(formula, data, family = stats::gaussian(), prior = NULL, ..., chains = 4, iter = 2000,
                  warmup = floor(iter / 2), thin = 1, cores = getOption("mc.cores", 2L), threads = NULL,
                  control = list(), weights = NULL,
                  offset = NULL, subset = NULL, na.action = stats::na.omit, contrasts = NULL,
                  intercept = c("centred", "raw"), data2 = NULL, sample_prior = c("no", "yes", "only"), save_pars = tw_save(),
                  init = "mode", seed = NULL, file = NULL, file_refit = c("never", "on_change", "always"), silent = 1,
                  refresh = NULL, method = c("nuts", "hmc", "laplace", "svi"), device = c("cpu", "cuda", "auto")) {
  old <- plain_options()
  on.exit(options(old))
  check_dots(list(...), ...names())
  method <- check_choice(method, "method", c("nuts", "hmc", "laplace", "svi"))
  silent <- check_silent(silent)
  refresh <- check_refresh(refresh)
  sample_prior <- check_sample_prior(sample_prior)
  file_refit <- check_choice(file_refit, "file_refit", c("never", "on_change", "always"))
  path <- cache_path(file)
  cached <- if (file_refit != "always") read_cached(path)
  arguments <- list(weights = substitute(weights), offset = substitute(offset), subset = substitute(subset),
                    values = lapply(list(weights = function() weights, offset = function() offset, subset = function() subset),
                                    failing_once))
  env <- parent.frame()
  has_family <- !missing(family)
  ask <- function(silent) {
    iter <- check_iterations(iter)
    settings <- new_settings(chains, iter, warmup, thin, cores, threads, control, init, seed, save_pars, method)
    formula <- tw_formula(formula)
    family <- as_twill_family(if (has_family) family else formula$family %||% family)
    input <- if (has_responses(formula)) prepare_responses(formula, data, na.action, arguments, env, silent) else
      if (is_source(data)) prepare_source(formula, data, family, na.action, arguments, env, silent) else
        prepare_input(formula, data, na.action, arguments, env, silent)
    prior_only <- sample_prior == "only"
    relations <- new_relations(formula, data2, silent)
    errors <- new_errors(input, family, data2)
    intercept <- check_intercept(intercept)
    model <- quiet_if(silent, new_model(input, family, prior, contrasts, intercept, prior_only, relations, errors))
    model$data2 <- used_data2(relations, data2, errors)
    list(model = model, settings = settings, sample_prior = sample_prior)
  }
  if (!is.null(cached) && file_refit == "never") return(keep_cached(cached, ask, path))
  asked <- ask(silent)
  if (!is.null(cached) && is_fit_of(cached, asked)) return(cached)
  say_unused(unused_by_twill(init, save_pars, control, file_refit, path, method), silent)
  settings <- place_approximation(asked$settings, device, method, silent)
  # An interrupt from here on must not lose the draws: it is let in where there is a fit to return.
  suspendInterrupts({
    checkpoint <- new_checkpoint(path, asked$model, settings)
    fit <- sample_model(asked$model, settings, sample_prior, match.call(), silent, refresh, checkpoint)
    keep_if_interrupted(write_cached(fit, path), "{.arg file} does not have them.")
    if (!is.null(path) && file.exists(path) && !is_partial(fit)) drop_checkpoint(checkpoint)
    warn_partial(fit)
    keep_if_interrupted(if (silent < 2) warn_diagnostics(fit))
  })
  fit
}

# silent = 2 is for simulations of many fits: their users read the diagnostics from the fits.
quiet_if <- function(silent, code) {
  if (silent < 2) return(code)
  suppressMessages(suppressWarnings(code, classes = "twill_warning"), classes = "twill_message")
}

# `warmup` has a default in terms of `iter`, which must not fail first.
check_iterations <- function(iter) check_whole(iter, "iter", 1, 1e8)

sample_model <- function(model, settings, sample_prior, call, silent, refresh, checkpoint) {
  settings$seed <- checkpoint_seed(settings$seed, checkpoint, silent)
  check_kept_coordinates(model$design$terms, settings)
  check_memory(model, settings)
  describe_run(model, settings, silent)
  release_memory(n_rows(model$design))
  run <- if (is.null(settings$method)) function(...) run_sampler(..., checkpoint = checkpoint) else run_approximation
  output <- run(model$spec_json, spec_arrays(model$design), settings, silent, refresh)
  warn_uncopied(checkpoint, output$info$uncopied)
  output[c("draws", "warmup_draws")] <- lapply(output[c("draws", "warmup_draws")], with_known_draws, design = model$design)
  output[c("draws", "warmup_draws")] <- lapply(output[c("draws", "warmup_draws")], with_level_draws, terms = model$design$terms)
  output[c("draws", "warmup_draws")] <- lapply(output[c("draws", "warmup_draws")], with_response_draws, design = model$design)
  output$effects <- with_response_effects(output$effects, model$design)
  if (sample_prior == "yes") output$draws <- add_prior_draws(output$draws, model, settings$seed)
  new_fit(model, output, settings, sample_prior, call)
}

add_prior_draws <- function(draws, model, seed) {
  prior <- prior_draws_array(model$parameters, model$design, model$intercept, dim(draws)[1], dim(draws)[2], seed)
  bind_draws_arrays(draws, prior)
}

new_fit <- function(model, output, settings, sample_prior, call) {
  run <- list(seed = settings$seed, chains = dim(output$draws)[2], iter = settings$iter, warmup = settings$warmup,
              thin = settings$thin, cores = settings$threads, max_treedepth = settings$max_treedepth,
              partial = output$partial, sample_prior = sample_prior, method = method_of(settings),
              settings = settings)
  fit <- list(call = small_call(call), formula = model$formula, family = model$family, data = model$data,
              prior = model$prior, stated = model$stated, intercept = model$intercept, design = model$design,
              draws = output$draws,
              warmup_draws = output$warmup_draws, sampler = output$sampler, info = c(output$info, run),
              data2 = model$data2, spec_json = model$spec_json, version = utils::packageVersion("twill"))
  fit$effects <- output$effects
  fit$responses <- model$responses
  new_twill_model(fit, c(if (output$partial) "twill_partial", if (is_merged(model$design)) "twill_merged",
                         if (!is.null(model$responses)) "twill_responses", "twillfit"))
}

# do.call() puts values where a call has names: data would be kept twice, and formulas and functions with all that is around
# them. The fit has what is needed of them, so names stand in their places.
small_call <- function(call) {
  call[[1]] <- quote(twill)
  for (name in setdiff(names(call), "")) {
    if (inherits(call[[name]], "formula")) environment(call[[name]]) <- globalenv()
    if (!is_small_value(call[[name]])) call[[name]] <- as.name(name)
  }
  call
}

is_small_value <- function(value) {
  is_short <- is.language(value) || (is.atomic(value) && length(value) <= 100)
  is_short || (is.list(value) && !is.object(value) && all(vapply(value, is_small_value, TRUE)))
}

describe_run <- function(model, settings, silent) {
  if (silent > 0) return(invisible())
  groups <- vapply(model$design$terms, function(term) sprintf("%s (%d levels)", term$group, length(term$levels)), "")
  size <- "{model$family$family} model, {n_rows(model$design)} rows, {ncol(model$design$x)} population-level column{?s}."
  plan <- if (is.null(settings$method)) {
    "{settings$chains} chain{?s} of {settings$iter} iterations on {settings$threads} thread{?s}, seed {settings$seed}."
  } else {
    "{.code method = \"{settings$method}\"}: {settings$n_kept} draw{?s} of an approximation, seed {settings$seed}."
  }
  inform_twill("run", c("i" = size, if (length(groups) > 0) c("i" = "Group-level terms: {.val {groups}}."), "i" = plan))
}

warn_partial <- function(fit) {
  if (!is_partial(fit)) return(invisible())
  warn_twill("partial", c("The run was interrupted: {dim(fit$draws)[1]} draw{?s} of {dim(fit$draws)[2]} chain{?s} are kept.",
                          "i" = "The fit is partial: more draws may be needed."))
}
