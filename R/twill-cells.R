# The third door of the package: twill_cells() fits single cells of several donors, every gene under one design of leaves.

#' Fit a hierarchical model to the genes of single cells
#'
#' Fits raw counts of single cells from several donors: every gene under one crossed design, each cell with its own capture,
#' genes sharing hyper-parameters. With c a cell of leaf l (a combination of the variables of the design, such as condition
#' and donor), \eqn{\nu_c} its capture,
#'
#' ```
#' u_cg ~ NegBinomial(mean = nu_c mu_gl, size = shape_g)         Var = m + m^2 / shape_g,  m = nu_c mu_gl
#' log mu_gl = x_l beta_g + sum_k z_kl b_gk,j_k(l)
#' b_gkj ~ Normal(0, S_gk R_gk S_gk)
#' ```
#'
#' with priors, sharing, samplers and statuses as in [twill_genes()]; a gene's "samples" are the leaves.
#'
#' @section Compression:
#' Cells of a leaf differ in their capture alone. Before sampling, their log captures and the counts of each gene are replaced
#' by Gauss quadratures, and the terms in the gamma function by a histogram of the counts. The log-likelihood of a gene is
#' kept within about 1e-3 (the bound is a formula, tested), and costs the same for a thousand cells and a hundred thousand.
#' Covariates that differ from cell to cell leave no leaves: such designs are fitted cell by cell, as [twill_genes()] would, to an
#' object of class `c("twillrows", "twillgenes")`. Its cells are grouped by the other variables of the design for
#' [tw_calibration()], [pp_check()][pp_check.twillcells], [tw_residuals()], [tw_denoised()] and [plot()][plot.twillcells];
#' [tw_groups()], `log_lik()`, `waic()` and `loo()` need leaves.
#'
#' @section Capture:
#' `capture = "model"` finds \eqn{\nu_c} before the genes are fitted, as the maximum of the negative binomial likelihood of all
#' genes times `Normal(log L_c - log M, 0.3)` for its logarithm, L_c the counts of the cell and M what a cell holds: 200,000
#' molecules for `organism` human and mouse, 60,000 for yeast, 3,000 for E. coli, or such that the geometric mean of the
#' capture is `capture_efficiency` (default: 0.1, or as much less as keeps the largest at 0.95; cells of a small panel of genes
#' differ much in their counts). This sets the unit of \eqn{\mu} and nothing else: contrasts do not depend on it. The data cannot
#' tell the scale of \eqn{\nu}, nor a factor common to all cells of a leaf, from \eqn{\mu}. Two constraints fix these: **the
#' geometric mean over all cells of L_c over capture is M, and the typical gene has the same mean in all leaves**: of the genes
#' with counts in every leaf, log means are regressed on the design; the location of each coefficient over genes (Tukey's
#' biweight) and of the residuals of each leaf (median) are zero. (With fewer than eight such genes, L_c over capture has the same
#' geometric mean in each leaf.) Effects are therefore changes against the typical gene; library sizes instead would let
#' strong responses shift all others. The uncertainty of each capture enters the measure of its leaf.
#' `capture = "library"` takes L_c / M as it is, `"sizeFactors"` those of the experiment, and numbers are taken as given: up to
#' one as capture, else as size factors.
#'
#' @inheritParams twill_genes
#' @param x A SingleCellExperiment or SummarizedExperiment; a matrix, sparse matrix or DelayedMatrix (read in blocks of the size
#'   that `DelayedArray::setAutoBlockSize()` sets) with genes in rows and cells in columns; a Seurat object (with the package
#'   SeuratObject), the counts of its active assay or of the one that `assay` names; or the path of a file of AnnData, `"x.h5ad"`,
#'   see [tw_read_h5ad()]. Sparse counts are never expanded. Cells
#'   that miss a variable of the design are left out with a message; so are cells without counts, unless captures are given.
#' @param col_data Data frame with one row per cell, for matrices.
#' @param family [negbinomial()] (default) or `poisson()`.
#' @param capture `"model"` (default), `"library"`, `"sizeFactors"`, or one positive number per cell, in the order of the columns.
#' @param organism `"human"`, `"mouse"`, `"yeast"` or `"ecoli"`: sets how many molecules a cell holds.
#' @param capture_efficiency Geometric mean of the capture, between 0 and 1. Default, without `organism`: 0.1, or less where cells
#'   would be above 0.95. With a value of your own a message tells how many cells are above 1.
#' @param gene_coverage Share of the counts of each leaf that the genes kept must reach: per leaf the genes with most counts up to
#'   that share, and their union. The others are summed to one gene, `_other`, which is modelled as genes are. Default:
#'   `NULL`, all genes.
#' @param min_count Genes with fewer counts over all cells are not fitted. Default: 5.
#' @param prior Priors for all genes, made by [tw_prior()]. How standard deviations are pooled over genes is said by `sd_prior`.
#' @param keep `"effects"` (default): the draws of all parameters and of the effects of single levels, which
#'   contrasts on other scales, `"observed"` effects and predictions read; `"draws"` and `"moments"` as in [twill_genes()].
#'   Draws need 8 bytes times draws times parameters times genes: 1.8 GB for 17,500 genes, 7 donors and 600 draws.
#' @return With `by` a list of class [twill_by]; else of class `c("twillcells", "twillgenes")`: as from [twill_genes()], with
#'   `job$cells` (leaf, log capture and total of each cell, a table of the leaves). Everything that takes a fit of genes takes
#'   it, see [tw_contrast()], [tw_diagnostics()], [tw_variance()], [tw_gene()]. Errors have the classes of [twill_genes()] and
#'   `twill_error_capture`.
#' @references
#' Golub GH, Welsch JH (1969). Calculation of Gauss quadrature rules. *Mathematics of Computation* 23, 221-230.
#' @examples
#' set.seed(1)
#' cells <- data.frame(condition = rep(c("ctrl", "stim"), 150),
#'                     donor = sample(paste0("d", 1:5), 300, TRUE))
#' counts <- matrix(rnbinom(6 * 300, mu = rep(c(1, 3, 10, 0.3, 2, 5), 300), size = 2), 6,
#'                  dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_cells(counts, ~ condition + (1 + condition || donor),
#'                    col_data = cells, iter = 200, seed = 1)
#' fit
#' tw_contrast(fit, cond(condition = "stim") - cond(condition = "ctrl"))
#' @export
twill_cells <- function(x, design, family = "negbinomial", col_data = NULL, assay = "counts", ..., capture = "model",
                        organism = NULL, capture_efficiency = NULL, gene_coverage = NULL, genes = NULL, min_count = 5,
                        prior = NULL, contrasts = NULL, data2 = NULL, dispersion = ~1, share = c("dispersion", "sd"),
                        sd_prior = c("lognormal", "half_t", "half_normal", "horseshoe"),
                        effect_prior = c("weak", "normal", "student_t"),
                        method = c("hmc", "nuts", "laplace", "auto", "svi"), chains = 2, iter = 350,
                        warmup = floor(min(iter / 4, max(50, iter / 8))), thin = 1, cores = getOption("mc.cores", 2L),
                        threads = NULL, control = list(), keep = c("effects", "draws", "moments"), block_size = "auto",
                        folder = NULL, seed = NULL, silent = 1, refresh = NULL, device = c("cpu", "cuda", "auto"), check = TRUE,
                        by = NULL, BPPARAM = NULL) {
  started <- proc.time()[["elapsed"]]
  old <- plain_options()
  on.exit(options(old))
  check_dots(list(...), ...names(), "twill_cells")
  call <- call_with_file(match.call(), x)
  x <- read_if_file(x)
  refuse_of_other_data(x, names(call))
  check_values_by_column(x, capture = capture)
  if (!is.null(asked_by(by))) return(fit_by(twill_cells, call, environment()))
  iter <- check_iterations(iter)
  check_flag(check, "check")
  silent <- check_silent(silent)
  refresh <- check_refresh(refresh)
  family <- as_twill_family(family)
  if (!is_count_family(family)) {
    abort_twill("family", "{.fn twill_cells} is for counts: {.arg family} must be {.val negbinomial} or {.val poisson}.")
  }
  refuse_pooling(prior)
  folder <- open_folder(folder)
  on.exit(close_folder(folder), add = TRUE)
  settings <- gene_settings(method, chains, iter, warmup, thin, cores, threads, control, seed, device, silent, folder)
  sharing <- check_sharing(share, sd_prior, effect_prior)
  keep <- check_choice(keep, "keep", c("effects", "draws", "moments"))
  BPPARAM <- check_bpparam(BPPARAM)
  how <- check_capture(capture, organism, capture_efficiency)
  input <- read_cells(x, assay, col_data)
  formula <- cell_formula(gene_formula(design, dispersion, family))
  refuse_odd_columns(formula_variables(formula), input$data, variables_word(x))
  input <- in_words_of_genes(use_cells(input, formula, how$how, silent), variables_word(x))
  input <- cover_genes(input, check_share(gene_coverage %||% 1, "gene_coverage"), genes,
                       check_not_negative(min_count, "min_count"))
  settings$progress <- cell_progress(silent, refresh)
  data <- if (input$has_leaves) input$leaves else input$data
  new_model <- function() quiet_if(silent, new_gene_model(formula, data, family, prior, contrasts, silent, data2,
                                                          length(input$total)))
  model <- in_words_of_genes(new_model(), variables_word(x))
  unused <- unused_by_genes(family, control, settings, slow_guide = has_slow_guide(model))
  say_unused(c(unused, unused_sharing(model, sharing, names(call))), silent)
  check_cells_design(model, input, how$how, silent)
  if (check) check_slopes(model, silent, "cell")
  x <- if (input$has_leaves) model$design$x else matrix(1, nrow(input$leaves))
  cells <- find_capture(input, how, settings, x)
  new_job_of <- if (input$has_leaves) new_cell_job else new_row_job
  has_leaves <- input$has_leaves
  job <- new_job_of(input, cells, model, sharing, settings, keep, min_count)
  job$row_data <- input$gene_texts
  # What is compressed needs its counts no longer, which are most of the memory.
  rm(input)
  finish_set(as_cells(fit_job(job, call, block_size, folder, silent, refresh, BPPARAM, started), has_leaves),
             check, silent)
}

# The fit of the leaves' job as a fit of cells.
as_cells <- function(fit, has_leaves) {
  class(fit) <- c(intersect(class(fit), "twill_partial"), if (has_leaves) "twillcells" else "twillrows", "twillgenes",
                  "twill_model")
  fit
}
