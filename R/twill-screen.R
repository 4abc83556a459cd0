# twill_screen(): pooled CRISPR screens, one model per gene with its guides as levels.

#' Pooled screens from counts
#'
#' Fits the counts of guides with one model per gene, in which guides differ: with k a guide of gene g and i a sample,
#'
#' ```
#' count_gki ~ NegBinomial(mean = plasmid_gk s_i exp(x_i beta_g + x_i b_gk + z_i r_g), size = shape_g)
#' b_gk ~ Normal(0, sd_guide_g)
#' ```
#'
#' so that `beta_g`, the effect of the gene, is the mean over the guides that might have been, with the uncertainty that comes
#' from few guides that disagree. `x_i` are the population-level terms of `design`, `z_i r_g` its group-level terms, such as
#' `(1 | replicate)` or `(1 + drug || cell_line)`. All genes share the trend of the dispersion and the scales of the
#' standard deviations, as in [twill_genes()].
#'
#' With `plasmid` (or the counts at day 0) as offset, the intercept is the log fold change since then, 0 for genes without
#' effect, with the prior `student_t(3, 0, 2.5)`. What is wrong with a guide's plasmid count is part of that guide's deviation.
#' Deviations of a guide are independent from coefficient to coefficient, so that with `~ drug` guides differ most in the other
#' conditions and least in the reference level: take for reference what is nearest to no effect.
#'
#' @section Guides that fail:
#' With normal guides the effect of a gene is the mean over all guides that might have been, and where some do not cut at all, its
#' intervals are too narrow. `guide_dist = "mixture"` has guides that work and guides that do not:
#'
#' ```
#' beta_g + b_gk = w_gk beta_g + e_gk,  e_gk ~ Normal(0, sqrt(sd_guide_g^2 + w_gk (kappa beta_g)^2)),  w_gk ~ Bernoulli(works)
#' ```
#'
#' `beta_g` is then the effect of guides that **work**, and what [tw_contrast()] gives is that; a guide that fails does what
#' guides of genes without effect do. `works` (Beta(8, 2) before the data), `kappa`, by how much efficacies of working guides
#' differ (half-normal(0, 0.3)), and the log-normal of `sd_guide` are learned over all genes, with their uncertainty. At most half
#' of the guides of a gene fail: else nothing tells a gene without effect from one whose guides all fail. [tw_guides()] has the
#' probability that each guide works. The fit with normal guides comes first, and gives starts and the priors that do not
#' concern guides; the design takes no group-level terms besides.
#'
#' @param x A matrix, sparse matrix, SummarizedExperiment or Seurat object of counts, guides in rows, samples in columns; a data
#'   frame like that with columns of guides and genes (the count table of MAGeCK); or a data frame with one row per guide and
#'   sample.
#' @param design A formula without response, or with it for one row per guide and sample. Default: `~ 1`, one fold change per
#'   gene. The guides' term, `(1 + x || guide)` with the population-level terms x, is added unless `guide` stands in it.
#' @param gene The gene of each guide: a vector, or the name of a column of `rowData(x)` or of the data frame. Default for
#'   a table: the column `Gene` or `gene`.
#' @param guide For a data frame: the name of the column of guides. Default for a table: `sgRNA` or `guide`, else its row names.
#' @param plasmid The counts before selection: names of columns of `x` (added up, and not fitted; or named by samples, the
#'   column of each: `c(s1 = "plasmid_1", s2 = "plasmid_2")`), one number per guide, a matrix guides x samples, or the name of a
#'   column of a data frame with one row per guide and sample, each row with its own. Without it the guides' abundances are
#'   part of their deviations, and only contrasts of samples mean something.
#' @param col_data Data frame with one row per column of `x`, by name or in order; `plasmid` may be left out.
#' @param assay Name of the assay of an experiment. Default: `"counts"`.
#' @param ... Arguments of [twill_genes()]: `chains`, `iter`, `seed`, `method`, `keep` (default here: `"effects"`), ...
#' @param controls Names of genes that are known to have no effect. With them, size factors are taken from their guides.
#' @param size_factors One positive number per sample. Default: the level of count over plasmid count at which genes are
#'   densest, which half of a library of essential genes leaves where it is (the median over guides with `controls` or fewer than
#'   50 genes); without `plasmid`, sums of counts scaled to a geometric mean of 1.
#' @param min_plasmid Guides with fewer plasmid counts are left out, sample by sample where they differ. Default: 30.
#' @param max_guides Genes with more guides (sets of controls, usually) are cut into parts of about this many, as genes of
#'   their own, `name_1`, `name_2`, ... Default: 20.
#' @param prior Priors for all genes, made by [tw_prior()].
#' @param guide_dist How guides of a gene are distributed: `"normal"` (default), or `"mixture"` of guides that work and guides
#'   that fail; see below.
#' @return A fit of class `c("twill_screen", "twillgenes")`, one row per gene: [tw_contrast()] and the other functions for fits
#'   of [twill_genes()] take it; [tw_guides()] gives the guides. Errors have the classes of [twill_genes()].
#' @examples
#' set.seed(1)
#' gene <- rep(c("A", "B", "C", "D"), each = 4)
#' plasmid <- rpois(16, 300)
#' fold <- rep(c(-1.5, 0, 0, 0), each = 4)
#' counts <- sapply(1:3, function(i) rnbinom(16, mu = plasmid * exp(fold), size = 20))
#' colnames(counts) <- paste0("rep", 1:3)
#' fit <- twill_screen(cbind(plasmid, counts), gene = gene, plasmid = "plasmid", iter = 200, seed = 1)
#' tw_contrast(fit)
#' tw_guides(fit, genes = "A")
#' @export
twill_screen <- function(x, design = ~1, gene = NULL, guide = NULL, plasmid = NULL, col_data = NULL, assay = "counts", ...,
                         controls = NULL, size_factors = NULL, min_plasmid = 30, max_guides = 20, prior = NULL,
                         guide_dist = c("normal", "mixture")) {
  guide_dist <- check_choice(guide_dist, "guide_dist", c("normal", "mixture"))
  is_long <- is.data.frame(x) && !is_one_sided(design)
  refuse_of_other_data(x, names(match.call()))
  refuse_of_other_screens(x, guide, size_factors, controls)
  input <- if (is_long) long_screen(x, design, gene, guide, plasmid, col_data) else
    if (is.data.frame(x)) table_screen(x, gene, guide, plasmid, col_data) else wide_screen(x, gene, plasmid, col_data, assay)
  max_guides <- check_whole(max_guides, "max_guides", 2, 1000)
  silent <- check_silent(list(...)$silent %||% 1)
  if (is.null(input$plasmid) && !missing(min_plasmid)) say_unused(c(min_plasmid = "there are no plasmid counts"), silent)
  input <- drop_poor_guides(input, check_whole(min_plasmid, "min_plasmid", 0, 1e9))
  input$sizes <- screen_sizes(input, size_factors, controls)
  slots <- guide_slots(input, max_guides)
  design <- if (is_long) one_sided(design) else design
  if (guide_dist == "mixture") check_failing(design, max(slots$slot), list(...))
  design <- screen_design(design, max(slots$slot))
  has_plasmid <- !is.null(input$plasmid)
  fit_normal <- function() fit_screen(input, slots, design, screen_prior(prior, design, has_plasmid), list(...))
  # Of chains that are only begun from, nothing is to be told.
  fit <- if (guide_dist == "normal") fit_normal() else
    with_failing_guides(suppressWarnings(fit_normal(), classes = "twill_warning_genes"), silent)
  fit$call <- small_set_call(match.call(), fit$job$model$formula$env)
  fit
}

# Arguments that say where things are in other kinds of data, and genes without effect where sizes need none.
refuse_of_other_screens <- function(x, guide, size_factors, controls) {
  if (!is.null(guide) && !is.data.frame(x)) {
    abort_twill("argument", c("{.arg guide} is for a data frame, whose column of guides it names: {.arg x} is none.",
                              "i" = "Guides are the rows of {.arg x}, by their names."))
  }
  if (!is.null(controls) && !is.null(size_factors)) {
    abort_twill("argument", "{.arg controls} and {.arg size_factors} both set the sizes of samples: give one of them.")
  }
}

fit_screen <- function(input, slots, design, prior, dots) {
  arrays <- screen_arrays(input, slots)
  defaults <- list(x = arrays$counts, design = design, col_data = arrays$data, offset = arrays$offset, weights = arrays$weights,
                   size_factors = "none", min_count = 0, prior = prior, keep = "effects")
  fixed <- intersect(names(dots), setdiff(names(defaults), c("keep", "min_count")))
  if (length(fixed)) abort_twill("setting", "{.fn twill_screen} sets {.arg {fixed}} itself.")
  if ("by" %in% names(dots)) {
    abort_twill("setting", c("{.fn twill_screen} has no {.arg by}.",
                             "i" = "Fit each part by itself, with its own columns of {.arg x}, by {.code lapply()}."))
  }
  # do.call() would compute code a second time.
  is_code <- vapply(dots, function(value) is.language(value) && !inherits(value, "formula"), TRUE)
  if (any(is_code)) abort_twill("argument", "{.arg {names(dots)[is_code]}} must be a value, not code that is quoted.")
  check <- check_flag(dots$check %||% TRUE, "check")
  dots$check <- FALSE
  fit <- do.call(twill_genes, utils::modifyList(defaults, dots))
  fit$job$sizes <- input$sizes
  fit$screen <- list(guides = slots, plasmid = input$plasmid, samples = input$samples)
  class(fit) <- append(class(fit), "twill_screen", match("twillgenes", class(fit)) - 1)
  if (!check) return(fit)
  silent <- check_silent(dots$silent %||% 1)
  check_slopes(fit$job$model, silent, "sample")
  check_shared(fit, silent)
}

# Sizes, slots, arrays -----------------------------------------------------------------------------------------------

screen_sizes <- function(input, size_factors, controls) {
  size_factors <- plain_column(size_factors)
  if (!is.null(size_factors)) return(list(values = given_screen_sizes(size_factors, input$samples), how = "given"))
  rows <- control_rows(input, controls)
  counts <- input$counts[rows, , drop = FALSE]
  if (is.null(input$plasmid)) {
    return(list(values = sum_size_factors(colSums(counts, na.rm = TRUE), input$samples), how = "normed_sum"))
  }
  plasmid <- if (is.matrix(input$plasmid)) input$plasmid[rows, , drop = FALSE] else input$plasmid[rows]
  ratio <- matrix((counts + 0.5) / plasmid, nrow(counts))
  values <- apply(ratio, 2, screen_level, gene = input$gene[rows], few = !is.null(controls))
  list(values = check_size_factors(values, "size_factors", input$samples), how = if (is.null(controls)) "plasmid" else "controls")
}

# Ways to find them are those of a screen, which has no names for them.
given_screen_sizes <- function(size_factors, samples) {
  if (is.numeric(size_factors)) {
    check_value_order(size_factors, samples, "size_factors")
    return(check_size_factors(size_factors, "size_factors", samples))
  }
  given <- given_value(size_factors)
  abort_twill("genes", c("{.arg size_factors} must be one positive number per sample.", "x" = "It is {.val {given}}.",
                         "i" = "Without {.arg size_factors} they are found as {.code ?twill_screen} says."))
}

# Genes of a library from which on the level of a sample is sought among genes, not guides.
min_screen_genes <- 50

# The ratio of guides without effect: of genes' medians, where they are densest. A median gives way to essential genes: of
# simulated libraries with 10, 20, 33 and 45 % of them (2,000 genes, four guides, folds of -0.5 to -3) the median of guides is
# 4, 10, 19 and 31 % low, this one 0, 0, 1 and 4 %.
screen_level <- function(ratio, gene, few) {
  known <- is.finite(ratio)
  if (few || length(unique(gene[known])) < min_screen_genes) return(stats::median(ratio[known]))
  by_gene <- vapply(split(log(ratio[known]), gene[known]), stats::median, 0)
  dense <- shortest_half(by_gene)
  exp(redescending_location(by_gene, dense$middle, dense$width / 1.349, 2))
}

control_rows <- function(input, controls) {
  if (is.null(controls)) return(seq_along(input$gene))
  if (!is.atomic(controls)) {
    abort_twill("argument", c("{.arg controls} must hold names of genes.", "x" = "It is of class {.cls {class(controls)[1]}}."))
  }
  rows <- which(input$gene %in% as.character(controls))
  if (length(rows) > 0) return(rows)
  abort_twill("genes", c("{.arg controls} names no gene of {.arg x}: {.val {some(controls)}}.",
                         did_you_mean(as.character(controls)[1], unique(input$gene))))
}

# One row per guide: its gene (cut into parts where there are too many guides) and its number in the gene.
guide_slots <- function(input, max_guides) {
  gene <- input$gene
  turn <- occurrence(match(gene, unique(gene)), rep(1, length(gene)))
  n <- tabulate(match(gene, unique(gene)))[match(gene, unique(gene))]
  n_parts <- ceiling(n / max_guides)
  part <- (turn - 1) %% n_parts + 1
  cut <- unique(gene[n_parts > 1])
  if (length(cut)) inform_twill("genes", "Cut into parts of about {max_guides} guides: {.val {some(cut)}}.")
  name <- ifelse(n_parts > 1, paste0(gene, "_", part), gene)
  # A part must not have the name of another gene.
  parts <- unique(name[n_parts > 1])
  fresh <- utils::tail(make.unique(c(unique(gene[n_parts == 1]), parts)), length(parts))
  name <- ifelse(n_parts > 1, fresh[match(name, parts)], gene)
  data.frame(gene = name, guide = input$guide, slot = occurrence(match(name, unique(name)), rep(1, length(name))))
}

# Genes x (samples of the first guide, of the second, ...): guides that a gene does not have get weight zero.
screen_arrays <- function(input, slots) {
  genes <- unique(slots$gene)
  n <- length(input$samples)
  # Columns of guides x samples, one after the other.
  at <- cbind(rep(match(slots$gene, genes), n), rep(seq_len(n), each = nrow(slots)), rep(slots$slot, n))
  spread <- function(x, otherwise) {
    out <- array(otherwise, c(length(genes), n, max(slots$slot)))
    out[at] <- x
    matrix(out, length(genes), dimnames = list(genes, NULL))
  }
  counts <- spread(input$counts, NA_real_)
  offset <- spread(screen_base(input) + rep(log(input$sizes$values), each = nrow(slots)), 0)
  known <- !is.na(counts)
  counts[!known] <- 0
  list(counts = counts, weights = known + 0, offset = offset, data = slot_samples(input$data, n, max(slots$slot)))
}

# Guides x samples: the log plasmid counts; zero where there are none, as where there is no count.
screen_base <- function(input) {
  if (is.null(input$plasmid)) return(0 * row(input$counts))
  base <- matrix(log(input$plasmid), nrow(input$counts), ncol(input$counts))
  replace(base, is.na(input$counts), 0)
}

slot_samples <- function(data, n, n_slots) {
  data <- data[rep(seq_len(n), n_slots), , drop = FALSE]
  rownames(data) <- NULL
  data$guide <- factor(rep(seq_len(n_slots), each = n), labels = slot_names(seq_len(n_slots)))
  data
}

# The guides' term, with a deviation of each population-level coefficient; none where each gene has one guide.
screen_design <- function(design, n_slots) {
  # What is wrong with a formula is said of what was given, before anything is added.
  formula <- response_formula(design)
  if (is.character(design)) design <- stats::as.formula(call("~", formula$formula[[3]]), formula$env)
  if ("guide" %in% variables_in(design) || n_slots == 1) return(design)
  term <- call("(", call("||", without_bars(design[[2]]), quote(guide)))
  stats::as.formula(call("~", call("+", design[[2]], term)), environment(design))
}

# The prior of the fold change is around zero, unless the user has one.
screen_prior <- function(prior, design, has_plasmid) {
  user <- as_twill_prior(prior)
  has_intercept <- attr(stats::terms(stats::as.formula(call("~", without_bars(design[[2]])))), "intercept") == 1
  if (!has_plasmid || !has_intercept || any(user$class == "Intercept")) return(user)
  c.twill_prior(user, tw_prior("student_t(3, 0, 2.5)", class = "Intercept"))
}
