# The second door of the package: twill_genes() fits one model per gene, all under one design and shared hyper-parameters.

#' Fit a hierarchical model to every gene
#'
#' Fits the model of [twill()] to each row of a matrix of counts or of continuous values: genes of single cells or of
#' pseudobulk samples, guides of a screen, peaks, proteins. Rows have their own coefficients, effects and dispersion, and
#' share the hyper-parameters of these. With \eqn{i} a sample (or cell), \eqn{s_i} its size factor, \eqn{x_i} and
#' \eqn{z_{ki}} the rows of the design,
#'
#' ```
#' y_gi ~ NegBinomial(mean = s_i exp(offset_i + x_i beta_g + sum_k z_ki b_gk,j_k(i)), size = shape_g)
#' b_gkj ~ Normal(0, S_gk R_gk S_gk)
#' log shape_g ~ Normal(trend(log baseMean_g), spread)          share = "dispersion"
#' log sd_gk ~ Normal(location_k, spread_k)                      share = "sd"
#' ```
#'
#' `baseMean` is the mean of `y_gi / s_i`. All logarithms of coefficients are natural; only the tables of [tw_contrast()]
#' are in base 2.
#'
#' @section What genes share:
#' Hyper-parameters are learned by empirical Bayes: they maximise the product of the genes' marginal likelihoods, estimated
#' from posterior draws of up to 1000 genes by importance reweighting, in two to four rounds of sampling and maximising
#' with weak priors of their own (Geyer 1994): the spread of log dispersions around their trend is about 0.4, within a factor
#' of two, unless several hundred genes say otherwise; sds are about 0.2 within a factor of 20. The genes are then
#' fitted under priors that are wider by the error of what was learned, from a normal approximation at the maximum (Kass and
#' Steffey 1989): for a log-normal, \eqn{spread^2 = E(spread_k^2) + Var(location_k)}.
#' `print()` shows these priors, `fit$job$shared$rounds` the rounds.
#' * The trend of the dispersion is quadratic in the log mean, and constant beyond the 1 and 99 percent quantiles.
#' * `sd_prior` chooses the prior of the standard deviations of each term over its levels: `"lognormal"` with learned location
#'   and spread, `"half_t"` with 3 degrees of freedom, `"half_normal"`, or `"horseshoe"`,
#'   `sd = 1 / sqrt(1 / slab^2 + 1 / (tau l)^2)` with `l` half-Cauchy. With few levels per gene the prior decides much: one that
#'   falls from zero makes intervals too short where all genes' levels differ by about as much. The horseshoe is learned from
#'   draws under the half-t, and is less sure: with 60 genes standard errors differ by a tenth from seed to seed. Spreads of
#'   slopes are in the unit of their covariate, so that grams and tonnes give the same effects.
#' * `effect_prior = "normal"` or `"student_t"` (3 degrees of freedom) also learns a scale for each population-level
#'   coefficient but the intercept, which then shrinks towards zero. The default, `"weak"`, does not shrink:
#'   `normal(0, 2.5 / sd(x))` as in [tw_default_prior()].
#' * `effect_prior = "mvn"` learns mean and covariance of all coefficients over genes, the intercept among them:
#'   `beta_g ~ normal(m, Sigma)`. Coefficients of a gene then tell of each other, and shrink towards their means and along their
#'   correlations. [tw_effect_prior()] shows both. Priors of coefficients cannot be stated beside it.
#'
#' The prior of a gene's intercept is `student_t(3, log(mean), 2.5)` at the means of the other columns. A prior given by
#' `prior` holds for all genes, and its parameters are not pooled.
#'
#' @section Variational inference:
#' With `method = "svi"` the posterior of a gene is approximated by the normal distribution (the guide) that maximises the ELBO,
#' \eqn{E_q[\log p - \log q]}. Its coordinates make that close: coefficients and effects are mapped by their joint conditional
#' Gaussian given the standard deviations, the logarithms of these and of the shape are bent about their mode. The guide
#' starts at the normal approximation at the mode and climbs by natural gradients, each from eight draws, until an estimate of
#' what is left to gain, from two halves of the last steps with independent noise, falls below `tolerance`. Draws are those of
#' the guide; Pareto k-hat says how far it is from the posterior. Genes with k-hat above 0.7, or whose climb did not end, are
#' sampled as by `"hmc"` (status `"refined"`), or with `control = list(refine = FALSE)` left as they are (`"high_khat"`).
#' Related levels, known standard deviations and models of more than 160 parameters go through a slower guide in the coordinates
#' of the sampler. The sum of the ELBO over genes, step by step, is `fit$posterior$elbo`: `plot(fit, "loss")`.
#'
#' @section Statuses:
#' [tw_diagnostics()] says of each gene `"ok"`; `"refined"` (approximated badly, so sampled); `"high_khat"` (approximated
#' badly, and not to be sampled); `"separated"` (no count at all in one combination of the covariates: an effect is bounded on
#' one side by its prior alone; or no value that tells of a coefficient, whose posterior then is its prior); `"few_counts"`
#' (not more samples with counts, or values, than coefficients); `"high_rhat"` (the chains disagreed in each try);
#' `"no_start"` or `"failed"` (no draws); and why a gene was not fitted: few counts, or values without spread within
#' combinations of the design, of which any effect would be exact.
#'
#' @section Running in parallel:
#' Threads work inside of one process. `BPPARAM` of BiocParallel cuts the genes into blocks for several processes or
#' machines; say `cores = 1` with it. Each gene has its own stream of random numbers, so the draws are the same in all cases.
#' Blocks that fail on a worker are fitted again in this process. With `folder`, finished blocks are kept there, and the same
#' call after a crash, an interrupt, or after a worker was killed, goes on from them and says how many there were; without
#' `seed` it takes theirs. Each file carries a hash of its content, and of data, model, settings, seed and version: other calls
#' are refused with what differs, damaged blocks fitted again. One process at a time uses a folder. Only folders that you trust
#' should be given: their files are read by [readRDS()], which can be made to run code.
#' An interrupt returns the finished genes, as a fit of class `c("twill_partial", "twillgenes")`.
#'
#' @param x A SummarizedExperiment or SingleCellExperiment; a matrix, sparse matrix or DelayedMatrix (such as one on disk by
#'   HDF5Array, which is read in blocks of the size that `DelayedArray::setAutoBlockSize()` sets) with genes in rows and samples
#'   in columns; a Seurat object (with the package SeuratObject); the path of a file of AnnData, see [tw_read_h5ad()]; or a data
#'   frame with one row per gene and sample, see `gene`.
#'   Sparse counts are never expanded.
#' @param design A formula without response, `~ condition + (1 + condition || donor)`, in the grammar of [tw_formula()].
#'   With a data frame it has the response, `count ~ condition + (1 + condition || donor)`.
#' @param family [negbinomial()] (default), `poisson()` or `gaussian()`; also by name.
#' @param col_data Data frame with one row per column of a matrix `x`, in the same order.
#' @param assay Name of the assay of an experiment. Default: `"counts"`, for Gaussian models `"logcounts"`; of a Seurat object
#'   the counts (or normalised data) of its active assay.
#' @param ... Must be empty. Arguments without effect are refused, or told, as by [twill()].
#' @param gene For a data frame: the name of the column of gene names. Rows of one gene that agree in all variables of
#'   the design are replicates; combinations that a gene does not have are left out of its fit.
#' @param genes Names or numbers of the rows to fit, or a condition. Default: all.
#' @param size_factors One positive number per sample, or how to get them: `"sizeFactors"` (the column `sizeFactor`),
#'   `"typical"` (those by which the typical gene without zeros does not respond to the design: location of the genes'
#'   coefficients by Tukey's biweight, and median residuals), `"normed_sum"` (sums over genes, scaled to a geometric mean
#'   of 1), `"ratio"` (median ratio to the geometric mean of genes without zeros, Anders and Huber 2010), `"poscounts"` (the
#'   same from positive counts) or `"none"`. Default: `"sizeFactors"` where `x` has them, else `"typical"` with eight or more
#'   genes without zeros, else `"normed_sum"` (of one gene an error, of fewer than ten a warning: their own responses move the
#'   sums); `"none"` for data frames, and if `offset` is given. Gaussian models take `"none"` alone. Values go by position, here
#'   and in `offset` and `weights`: names that are those of columns of `x` must stand in their order.
#' @param offset Natural logarithms added to the linear predictor: one number per sample, or a matrix like `x`.
#' @param weights Multiply the log-likelihood of samples: one number per sample, or a matrix like `x`.
#' @param min_count Genes with fewer counts over all samples are not fitted. Default: 5.
#' @param prior Priors for all genes, made by [tw_prior()]. How standard deviations are pooled over genes is said by `sd_prior`.
#' @param contrasts A list of contrasts by factor, as in [stats::lm()], for factors among the covariates.
#' @param data2 A named list of the matrices that terms `(1 | gr(donor, cov = K))` ask for, such as the kinship of donors; see
#'   [tw_formula()]. The levels are those that have samples.
#' @param dispersion A formula for the logarithm of `shape` (or `sigma`), population-level terms only. Default: `~ 1`, one
#'   number per gene.
#' @param share What genes share: `"dispersion"`, `"sd"`, both (default), or `"none"`.
#' @param sd_prior,effect_prior Kinds of shared priors, see below. Default: `"lognormal"`, `"weak"`.
#' @param method `"hmc"` (default) samples every gene, by Hamiltonian Monte Carlo with trajectories of one length in whitened
#'   coordinates, and by NUTS where those do not suffice; `"nuts"` samples all by NUTS, which takes several times as long;
#'   `"laplace"` approximates (normal at the mode, with importance
#'   resampling); `"auto"` approximates, and samples genes where that cannot be trusted (Pareto k-hat above 0.7 or fewer than
#'   100 effective draws); `"svi"` fits a normal guide with full covariance by stochastic variational inference, and samples
#'   genes where that cannot be trusted: see below.
#' @param chains,iter,warmup,thin As in [twill()], per gene. Default: 2 chains of 350 iterations, 50 of them warm-up: ends of
#'   95 percent intervals then move by less than a tenth of a posterior sd from seed to seed. Of `iter` a quarter is warm-up
#'   as far as that is 50, then an eighth. By `"hmc"` models of up to 40 parameters per gene are sampled by eight short chains
#'   in lockstep, which share the iterations of the chains asked for: each of two chains is the draws of four, one after the
#'   other (R-hat and effective sample sizes see them so). Else the first chain of a gene adapts the step size for all.
#' @param cores,threads Number of threads over genes. Default: the option `mc.cores`, else 2.
#' @param control A list with `adapt_delta` (0.75), the mean acceptance below which steps become shorter, and `max_treedepth`
#'   (10), see [twill()]. A gene whose R-hat exceeds 1.05 is sampled again, twice as long; where that does not suffice, or
#'   where more than 2 percent of the transitions diverge, by NUTS, twice as long, with 0.95. For `"svi"` also `refine` (`TRUE`),
#'   whether genes whose guide cannot be trusted are sampled, `max_steps` (400) and `tolerance` (0.02), the nats of the ELBO
#'   that a guide may leave to gain.
#' @param keep `"draws"` (default): the draws of all parameters but the effects of single levels, of which means and
#'   standard deviations are kept; `"effects"`: those too; `"moments"`: means and covariances alone, from which [tw_contrast()]
#'   takes normal posteriors. Draws need 8 bytes times draws times parameters times genes; with `folder` they stay on disk
#'   whatever is kept.
#' @param block_size Genes per block. Default: `"auto"`.
#' @param folder A folder for finished blocks, which is made if need be; see below.
#' @param seed A whole number; the same seed gives the same draws. Default: drawn from R's generator.
#' @param silent,refresh As in [twill()].
#' @param device Where `method = "hmc"` samples and `method = "svi"` fits its guides: `"cpu"` (default), `"cuda"`, an NVIDIA GPU,
#'   or `"auto"`, a GPU if there is one that can be used, else the CPU with a message. See [tw_devices()].
#' @param check Look for what the design leaves out? Default: yes. Before the fit for responses that may differ between the levels
#'   of a group (donors) where the design has no varying slope, after it for variation that samples share, see
#'   [tw_shared_variation()], which takes about a second. `silent = 2` does neither.
#' @param by Names of columns of `col_data` (or `colData(x)`; of `x` if that is a data frame), such as `"cell_type"`: one fit
#'   for each of their values, by itself, as a list of class [twill_by]. Types that cannot be fitted are left out with a
#'   warning. Sizes, offsets and weights are given for all columns. Default: none.
#' @param BPPARAM A parameter object of BiocParallel. Default: this process.
#' @return With `by` a list of class [twill_by]; else a list of class `twillgenes`: `job` (design, priors, counts, settings),
#'   `posterior` (draws, moments and diagnostics, genes last) and `info`; see [tw_contrast()], [tw_diagnostics()],
#'   [tw_variance()], [tw_gene()], [twillgenes-methods] and [plot.twillgenes()]. Errors have the classes of [twill()] and
#'   `twill_error_genes`, `twill_error_package`.
#' @references
#' Geyer CJ (1994). On the convergence of Monte Carlo maximum likelihood calculations. *Journal of the Royal Statistical
#' Society B* 56, 261-274. Anders S, Huber W (2010). Differential expression analysis for sequence count data. *Genome
#' Biology* 11, R106.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:5))
#' counts <- matrix(rnbinom(8 * 10, mu = 50, size = 10), 8, dimnames = list(paste0("gene", 1:8), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' fit
#' tw_contrast(fit, cond(condition = "stim") - cond(condition = "ctrl"))
#'
#' # Two types of cells in one call, and one long table.
#' samples$cell_type <- rep(c("B", "T"), each = 5)
#' fits <- twill_genes(counts, ~ condition, col_data = samples, by = "cell_type",
#'                     iter = 200, seed = 1)
#' fits
#' tw_contrast(fits, "conditionstim")
#' @export
twill_genes <- function(x, design, family = "negbinomial", col_data = NULL, assay = default_assay(family), ..., gene = NULL,
                        genes = NULL, size_factors = NULL, offset = NULL, weights = NULL, min_count = 5, prior = NULL,
                        contrasts = NULL, data2 = NULL, dispersion = ~1, share = c("dispersion", "sd"),
                        sd_prior = c("lognormal", "half_t", "half_normal", "horseshoe"),
                        effect_prior = c("weak", "normal", "student_t", "mvn"),
                        method = c("hmc", "nuts", "laplace", "auto", "svi"), chains = 2, iter = 350,
                        warmup = floor(min(iter / 4, max(50, iter / 8))), thin = 1, cores = getOption("mc.cores", 2L),
                        threads = NULL, control = list(), keep = c("draws", "effects", "moments"), block_size = "auto",
                        folder = NULL, seed = NULL, silent = 1, refresh = NULL, device = c("cpu", "cuda", "auto"), check = TRUE,
                        by = NULL, BPPARAM = NULL) {
  started <- proc.time()[["elapsed"]]
  old <- plain_options()
  on.exit(options(old))
  check_dots(list(...), ...names(), "twill_genes")
  call <- call_with_file(match.call(), x)
  x <- read_if_file(x)
  refuse_of_other_data(x, names(call), gene)
  check_values_by_column(x, size_factors = size_factors, offset = offset, weights = weights)
  if (!is.null(asked_by(by))) return(fit_by(twill_genes, call, environment()))
  iter <- check_iterations(iter)
  check_flag(check, "check")
  silent <- check_silent(silent)
  refresh <- check_refresh(refresh)
  family <- as_twill_family(family)
  folder <- open_folder(folder)
  on.exit(close_folder(folder), add = TRUE)
  settings <- gene_settings(method, chains, iter, warmup, thin, cores, threads, control, seed, device, silent, folder)
  refuse_pooling(prior)
  sharing <- check_sharing(share, sd_prior, effect_prior, c("weak", "normal", "student_t", "mvn"))
  keep <- check_choice(keep, "keep", c("draws", "effects", "moments"))
  BPPARAM <- check_bpparam(BPPARAM)
  input <- if (is.data.frame(x)) read_long(x, design, gene) else read_genes(x, assay, col_data)
  input$design <- gene_formula(if (is.data.frame(x)) long_formula(design) else design, dispersion, family)
  given <- list(size_factors = size_factors, offset = offset, weights = weights, genes = genes, min_count = min_count,
                silent = silent)
  given <- lapply(given, plain_column)
  input <- forget_cell_sizes(input, given, family, silent)
  refuse_odd_columns(formula_variables(input$design), input$data, variables_word(x))
  new_model <- function() quiet_if(silent, new_gene_model(input$design, input$data, family, prior, contrasts, silent, data2))
  model <- in_words_of_genes(new_model(), variables_word(x))
  job <- new_job(input, model, given, sharing, settings, keep)
  lowest <- if (missing(min_count)) 0 else min_count
  unused <- unused_by_genes(family, control, settings, lowest, has_slow_guide(model))
  say_unused(c(unused, unused_sharing(model, sharing, names(call))), silent)
  job$row_data <- input$rows
  if (check) check_slopes(model, silent, "sample")
  finish_set(fit_job(job, call, block_size, folder, silent, refresh, BPPARAM, started), check, silent)
}

gene_methods <- c("hmc", "nuts", "laplace", "auto", "svi")

check_sharing <- function(share, sd_prior, effect_prior, effect_priors = c("weak", "normal", "student_t")) {
  known <- c("dispersion", "sd", "none")
  if (!is.character(share) || length(share) == 0 || !all(share %in% known)) {
    given <- given_value(share)
    abort_twill("setting", c("{.arg share} must be {.val dispersion}, {.val sd}, both, or {.val none}.",
                             "x" = "It is {.val {given}}."))
  }
  list(share = setdiff(share, "none"), sd_prior = check_choice(sd_prior, "sd_prior", sd_prior_kinds),
       effect_prior = check_choice(effect_prior, "effect_prior", effect_priors))
}

# Of what was asked of sharing, arguments that have nothing to share; `given` are names of arguments of the call.
unused_sharing <- function(model, sharing, given) {
  kinds <- vapply(shared_parts(model, c("dispersion", "sd"), sharing$sd_prior, sharing$effect_prior), `[[`, "", "kind")
  has <- c(dispersion = "dispersion" %in% kinds, sd = any(kinds %in% sd_prior_kinds))
  words <- c(dispersion = "no dispersion", sd = "no standard deviation of levels")
  nothing <- function(what) paste("the model has", what, "whose prior is left open")
  # Both are the default, which asks for what there is.
  is_asked <- "share" %in% given && length(sharing$share) == 1
  c(if (is_asked && !has[[sharing$share]]) c(share = nothing(words[[sharing$share]])),
    if ("sd_prior" %in% given && !"sd" %in% sharing$share) c(sd_prior = "`share` is without \"sd\"")
    else if ("sd_prior" %in% given && !has[["sd"]]) c(sd_prior = nothing(words[["sd"]])),
    if (sharing$effect_prior %in% c("normal", "student_t") && !sharing$effect_prior %in% kinds) {
      c(effect_prior = nothing("no effect of a covariate"))
    })
}

gene_settings <- function(method, chains, iter, warmup, thin, cores, threads, control, seed, device = "cpu", silent = 1,
                          folder = NULL) {
  warmup <- check_warmup(warmup, iter)
  thin <- check_thin(thin, iter - warmup)
  chains <- check_whole(chains, "chains", 1, 1000)
  method <- check_choice(method, "method", gene_methods)
  guide <- guide_control(control, method)
  control <- check_control(gene_control(control, guide, method))
  settings <- list(
    method = method, chains = chains, iter = iter, warmup = warmup, thin = thin,
    threads = limit_threads(check_whole(threads %||% cores %||% 2, "cores", 1, 4096)),
    seed = check_seed(seed) %||% folder_seed(folder) %||% draw_seed(),
    adapt_delta = control$adapt_delta[1], max_treedepth = control$max_treedepth,
    n_draws = chains * ceiling((iter - warmup) / thin), retry = TRUE)
  c(settings, guide, fit_device(device, method, silent, c("hmc", "svi")))
}

# Genes have few parameters and are whitened: larger steps give more effective draws per gradient.
gene_control <- function(control, guide, method) {
  control <- control %||% list()
  if (!is.list(control)) return(control)
  own <- list(adapt_delta = 0.75, max_treedepth = 10)
  known <- c(if (method != "laplace") names(own), names(guide))
  for (name in setdiff(names(control), known)) refuse_control(name, known, method)
  control <- control[!names(control) %in% names(guide)]
  refuse_targets(control$adapt_delta)
  if (is.null(control$adapt_delta)) c(control, own["adapt_delta"]) else control
}

# Genes are tried again by rules of their own, whatever several targets would say.
refuse_targets <- function(adapt_delta) {
  if (!is.numeric(adapt_delta) || length(adapt_delta) < 2) return(invisible())
  abort_twill("setting", c("{.arg control$adapt_delta} must be one number: genes have no targets to try one after the other.",
                           "x" = "It is {.val {adapt_delta}}."))
}

# What `control` says of guides. Other methods have none: there these names are refused with the unknown ones.
guide_control <- function(control, method) {
  if (method != "svi") return(list())
  defaults <- list(refine = TRUE, max_steps = 400, tolerance = 0.02)
  given <- if (is.list(control)) control[names(control) %in% names(defaults)]
  guide <- utils::modifyList(defaults, as.list(given))
  check_flag(guide$refine, "control$refine")
  guide$max_steps <- check_whole(guide$max_steps, "control$max_steps", 1, 1e6)
  check_positive(guide$tolerance, "control$tolerance")
  guide
}
