# tw_screen(): pooled CRISPR screens, one model per gene with its guides as levels.

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
#'
#' @param x A matrix, sparse matrix or SummarizedExperiment of counts, guides in rows, samples in columns; or a data
#'   frame with one row per guide and sample.
#' @param design A formula without response (with it for a data frame). Default: `~ 1`, one fold change per gene. The guides'
#'   term, `(1 + x || guide)` with the population-level terms x, is added unless `guide` stands in it.
#' @param gene The gene of each guide: a vector, or the name of a column of `rowData(x)` or of the data frame.
#' @param guide For a data frame: the name of the column of guides.
#' @param plasmid The counts before selection: names of columns of `x` (added up, and not fitted), one number per guide, or the
#'   name of a column of a data frame. Without it the guides' abundances are part of their deviations, and only contrasts of
#'   samples mean something.
#' @param col_data Data frame with one row per column of a matrix `x` (`plasmid` among them).
#' @param assay Name of the assay of an experiment. Default: `"counts"`.
#' @param ... Arguments of [twill_genes()]: `chains`, `iter`, `seed`, `method`, `keep` (default here: `"effects"`), ...
#' @param controls Names of genes that are known to have no effect. With them, size factors are taken from their guides.
#' @param size_factors One positive number per sample. Default: the median over guides (those of `controls`) of count over
#'   plasmid count; without `plasmid`, sums of counts scaled to a geometric mean of 1.
#' @param min_plasmid Guides with fewer plasmid counts are left out. Default: 30.
#' @param max_guides Genes with more guides (sets of controls, usually) are cut into parts of about this many, as genes of
#'   their own, `name_1`, `name_2`, ... Default: 20.
#' @param prior Priors for all genes, made by [tw_prior()].
#' @return A fit of class `c("twill_screen", "twillset")`, one row per gene: [tw_contrast()] and the other functions for fits
#'   of [twill_genes()] take it; [tw_guides()] gives the guides. Errors have the classes of [twill_genes()].
#' @examples
#' set.seed(1)
#' gene <- rep(c("A", "B", "C", "D"), each = 4)
#' plasmid <- rpois(16, 300)
#' fold <- rep(c(-1.5, 0, 0, 0), each = 4)
#' counts <- sapply(1:3, function(i) rnbinom(16, mu = plasmid * exp(fold), size = 20))
#' colnames(counts) <- paste0("rep", 1:3)
#' fit <- tw_screen(cbind(plasmid, counts), gene = gene, plasmid = "plasmid", iter = 200, seed = 1)
#' tw_contrast(fit)
#' tw_guides(fit, genes = "A")
#' @export
tw_screen <- function(x, design = ~1, gene, guide = NULL, plasmid = NULL, col_data = NULL, assay = "counts", ...,
                      controls = NULL, size_factors = NULL, min_plasmid = 30, max_guides = 20, prior = NULL) {
  input <- if (is.data.frame(x)) long_screen(x, design, gene, guide, plasmid) else wide_screen(x, gene, plasmid, col_data, assay)
  max_guides <- check_whole(max_guides, "max_guides", 2, 1000)
  input <- drop_poor_guides(input, check_whole(min_plasmid, "min_plasmid", 0, 1e9))
  input$sizes <- screen_sizes(input, size_factors, controls)
  slots <- guide_slots(input, max_guides)
  design <- screen_design(if (is.data.frame(x)) one_sided(design) else design, max(slots$slot))
  has_plasmid <- !is.null(input$plasmid)
  fit <- fit_screen(input, slots, design, screen_prior(prior, design, has_plasmid), list(...))
  fit$call <- match.call()
  fit
}

fit_screen <- function(input, slots, design, prior, dots) {
  arrays <- screen_arrays(input, slots)
  defaults <- list(x = arrays$counts, design = design, col_data = arrays$data, offset = arrays$offset, weights = arrays$weights,
                   size_factors = "none", min_count = 0, prior = prior, keep = "effects")
  fixed <- intersect(names(dots), setdiff(names(defaults), c("keep", "min_count")))
  if (length(fixed)) abort_twill("setting", "{.fn tw_screen} sets {.arg {fixed}} itself.")
  fit <- do.call(twill_genes, utils::modifyList(defaults, dots))
  fit$job$sizes <- input$sizes
  fit$screen <- list(guides = slots, plasmid = input$plasmid)
  class(fit) <- c(setdiff(class(fit), "twillset"), "twill_screen", "twillset")
  fit
}

# Input ------------------------------------------------------------------------------------------------------------

# list(counts, gene, guide, plasmid, data): a matrix guides x samples and what is known of either.
wide_screen <- function(x, gene, plasmid, col_data, assay) {
  if (is_experiment(x) && is.character(gene) && length(gene) == 1) gene <- row_column(x, gene)
  input <- read_genes(x, assay, col_data)
  source <- input$source
  gene <- check_guide_genes(gene, n_genes(source))
  counts <- as.matrix(source_matrix(source))
  scan_source(source, is_count = TRUE)
  out <- list(counts = counts, gene = gene, guide = source$genes, data = input$data, samples = source$samples)
  split_plasmid(out, plasmid)
}

row_column <- function(x, name) {
  known <- names(SummarizedExperiment::rowData(x))
  if (name %in% known) return(SummarizedExperiment::rowData(x)[[name]])
  abort_twill("genes", c("{.arg gene} must name a column of {.code rowData(x)}.", "x" = "There is no {.val {name}}.",
                         did_you_mean(name, known)))
}

check_guide_genes <- function(gene, n) {
  gene <- as.character(gene)
  if (length(gene) == n && !anyNA(gene)) return(gene)
  abort_twill("genes", c("{.arg gene} must hold the gene of each guide (row of {.arg x}).",
                         "x" = "There are {n} row{?s} and {length(gene)} gene name{?s}, {sum(is.na(gene))} of them missing."))
}

split_plasmid <- function(input, plasmid) {
  if (is.null(plasmid)) return(input)
  plasmid <- plain_column(plasmid)
  if (is.numeric(plasmid)) return(c(input, list(plasmid = check_plasmid(plasmid, length(input$guide)))))
  unknown <- setdiff(plasmid, input$samples)
  if (length(unknown) > 0) {
    abort_twill("genes", c("{.arg plasmid} must name columns of {.arg x}, or hold one number per guide.",
                           "x" = "There is no {.val {unknown}}.", did_you_mean(unknown[1], input$samples)))
  }
  before <- input$samples %in% plasmid
  input$plasmid <- rowSums(input$counts[, before, drop = FALSE])
  input$counts <- input$counts[, !before, drop = FALSE]
  input$data <- input$data[!before, , drop = FALSE]
  input$samples <- input$samples[!before]
  if (!any(!before)) abort_twill("genes", "{.arg plasmid} names every column of {.arg x}: no sample is left.")
  input
}

check_plasmid <- function(plasmid, n) {
  if (length(plasmid) == n && all(is.finite(plasmid)) && all(plasmid >= 0)) return(plasmid)
  abort_twill("genes", c("{.arg plasmid} must hold one number per guide, not negative.",
                         "x" = "There are {n} guide{?s} and {length(plasmid)} value{?s}, some missing or negative."))
}

long_screen <- function(x, design, gene, guide, plasmid) {
  x <- as_plain_data(x)
  for (name in list(gene, guide)) check_gene_column(name, x)
  spread <- read_long(x, design, guide)
  counts <- spread$source$data
  at <- match(spread$source$genes, as.character(x[[guide]]))
  input <- list(counts = counts, gene = as.character(x[[gene]])[at], guide = spread$source$genes, data = spread$data,
                samples = spread$source$samples)
  if (is.null(plasmid)) return(input)
  if (!is.character(plasmid) || length(plasmid) != 1 || !plasmid %in% names(x)) {
    abort_twill("genes", "{.arg plasmid} must name a column of {.arg x}: there is no {.val {plasmid}}.")
  }
  c(input, list(plasmid = check_plasmid(x[[plasmid]][at], length(at))))
}

one_sided <- function(design) {
  formula <- tw_formula(design)
  stats::as.formula(call("~", formula$formula[[3]]), formula$env)
}

drop_poor_guides <- function(input, min_plasmid) {
  if (is.null(input$plasmid)) return(input)
  poor <- input$plasmid < max(min_plasmid, 1e-8)
  if (!any(poor)) return(input)
  if (all(poor)) abort_twill("genes", "Every guide has fewer than {.arg min_plasmid} = {min_plasmid} plasmid counts.")
  lost <- setdiff(input$gene, input$gene[!poor])
  inform_twill("genes", c("Left out {sum(poor)} guide{?s} with fewer than {min_plasmid} plasmid counts.",
                          if (length(lost)) c("i" = "{length(lost)} gene{?s} {?has/have} no other guide: {.val {some(lost)}}.")))
  input$counts <- input$counts[!poor, , drop = FALSE]
  for (name in c("gene", "guide", "plasmid")) input[[name]] <- input[[name]][!poor]
  input
}

# Sizes, slots, arrays -----------------------------------------------------------------------------------------------

screen_sizes <- function(input, size_factors, controls) {
  size_factors <- plain_column(size_factors)
  if (is.numeric(size_factors)) {
    return(list(values = check_size_factors(size_factors, "size_factors", input$samples), how = "given"))
  }
  rows <- control_rows(input, controls)
  counts <- input$counts[rows, , drop = FALSE]
  if (is.null(input$plasmid)) {
    return(list(values = sum_size_factors(colSums(counts, na.rm = TRUE), input$samples), how = "normed_sum"))
  }
  ratio <- (counts + 0.5) / input$plasmid[rows]
  list(values = check_size_factors(apply(ratio, 2, stats::median, na.rm = TRUE), "size_factors", input$samples), how = "plasmid")
}

control_rows <- function(input, controls) {
  if (is.null(controls)) return(seq_along(input$gene))
  rows <- which(input$gene %in% as.character(controls))
  if (length(rows) > 0) return(rows)
  abort_twill("genes", c("{.arg controls} names no gene of {.arg x}: {.val {some(controls)}}.",
                         did_you_mean(as.character(controls)[1], unique(input$gene))))
}

# One row per guide: its gene (cut into parts where there are too many guides) and its number in the gene.
guide_slots <- function(input, max_guides) {
  gene <- input$gene
  turn <- occurrence(match(gene, unique(gene)), rep(1, length(gene)))
  n <- as.integer(table(gene)[gene])
  n_parts <- ceiling(n / max_guides)
  part <- (turn - 1) %% n_parts + 1
  cut <- unique(gene[n_parts > 1])
  if (length(cut)) inform_twill("genes", "Cut into parts of about {max_guides} guides: {.val {some(cut)}}.")
  name <- ifelse(n_parts > 1, paste0(gene, "_", part), gene)
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
  base <- if (is.null(input$plasmid)) rep(0, nrow(slots)) else log(input$plasmid)
  counts <- spread(input$counts, NA_real_)
  offset <- spread(outer(base, log(input$sizes$values), `+`), 0)
  known <- !is.na(counts)
  counts[!known] <- 0
  list(counts = counts, weights = known + 0, offset = offset, data = slot_samples(input$data, n, max(slots$slot)))
}

slot_samples <- function(data, n, n_slots) {
  data <- data[rep(seq_len(n), n_slots), , drop = FALSE]
  rownames(data) <- NULL
  data$guide <- factor(rep(seq_len(n_slots), each = n), labels = paste0("guide", seq_len(n_slots)))
  data
}

# The guides' term, with a deviation of each population-level coefficient; none where each gene has one guide.
screen_design <- function(design, n_slots) {
  if (!inherits(design, "formula") || length(design) != 2) response_formula(design)
  if ("guide" %in% all.vars(design) || n_slots == 1) return(design)
  fixed <- lme4::nobars(design)
  right <- if (is.null(fixed)) 1 else fixed[[length(fixed)]]
  term <- call("(", call("||", right, quote(guide)))
  stats::as.formula(call("~", call("+", design[[2]], term)), environment(design))
}

# The prior of the fold change is around zero, unless the user has one.
screen_prior <- function(prior, design, has_plasmid) {
  user <- as_twill_prior(prior)
  has_intercept <- attr(stats::terms(lme4::nobars(design)), "intercept") == 1
  if (!has_plasmid || !has_intercept || any(user$class == "Intercept")) return(user)
  c.twill_prior(user, tw_prior("student_t(3, 0, 2.5)", class = "Intercept"))
}
