# tw_gene(): one gene of a set as a full fit of twill().

#' One gene as a full fit
#'
#' Fits one gene of a set again by [twill()], with the priors that it had in the set (learned hyper-parameters
#' included), so that everything that takes a single fit can be asked: `pp_check()`, `loo()`, `emmeans()`, predictions.
#'
#' @param fit A fit of class `twillgenes`, from [twill_genes()].
#' @param gene Name or row number (of the set) of one gene.
#' @param x For fits of [twill_cells()]: the counts that were fitted (an experiment or a matrix), of which the fit keeps only
#'   what it needs. Cells are found as by [tw_denoised()].
#' @param ... Arguments of [twill()], such as `iter` (default: 2000), `chains` (4), `control`, `seed` (that of the set).
#' @return A fit of class `twillfit`. Its response is called `count` (`value` in Gaussian models); what the set added
#'   to the linear predictor (size factors, offsets) is in the column `.offset` of its data.
#'   Errors have class `twill_error_genes` and those of [twill()].
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' tw_gene(fit, "gene2", chains = 2, iter = 400)
#' @export
tw_gene <- function(fit, gene, ..., x = NULL) {
  check_set(fit)
  at <- set_positions(fit, gene, "gene")
  if (length(at) != 1) abort_twill("genes", "{.arg gene} must be one gene, not {length(at)}.")
  part <- job_part(fit$job, fit$posterior$rows[at])
  response <- if (has_counts(fit)) "count" else "value"
  data <- if (is_leaves(fit)) cell_data(fit, set_genes(fit)[at], x) else gene_data(part, response)
  if (is_screen(fit)) data <- own_guide_rows(data, fit, set_genes(fit)[at])
  formula <- gene_model_formula(model_of(fit), response, ".weights" %in% names(data))
  arguments <- list(formula = formula, data = data, family = family(fit), prior = one_gene_prior(part),
                    data2 = model_of(fit)$data2, seed = fit$job$settings$seed)
  contrasts <- kept_contrasts(model_of(fit), data)
  if (length(contrasts)) arguments$contrasts <- contrasts
  out <- do.call(twill, utils::modifyList(arguments, list(...)))
  out$call <- call("tw_gene", quote(fit), set_genes(fit)[at])
  out
}

gene_data <- function(part, response) {
  block <- read_block(part$source)
  data <- part$model$data
  data[[response_name]] <- NULL
  data[[response]] <- dense_block(block)[, 1]
  data$.offset <- part$model$added_offset + if (is.null(part$offset)) 0 else part$offset[1, ]
  weights <- part$model$design$weights
  if (!is.null(part$weights)) weights <- part$weights[1, ]
  if (any(weights != 1)) data$.weights <- weights
  data[!is.na(data[[response]]), , drop = FALSE]
}

# Of a screen the guides that the gene has, by name. Of a single one a guide without counts stays, as a term needs two levels.
own_guide_rows <- function(data, fit, gene) {
  if (is.null(data[[".weights"]])) return(with_guide_names(data, fit, gene))
  known <- data$.weights > 0
  n <- length(unique(data$guide[known]))
  kept <- known | (n == 1 & !data$guide %in% data$guide[known] & data$guide %in% slot_names(1:2))
  data <- with_guide_names(data[kept, , drop = FALSE], fit, gene)
  if (all(data$.weights == 1)) data$.weights <- NULL
  data
}

# The design with the response's own name, offset and weights.
gene_model_formula <- function(model, response, has_weights) {
  formula <- model$formula
  left <- if (has_weights) call("|", as.name(response), quote(weights(.weights))) else as.name(response)
  right <- call("+", formula$formula[[3]], quote(offset(.offset)))
  new <- tw_formula(stats::as.formula(call("~", left, right), formula$env))
  if (is.null(formula$dispersion)) return(new)
  dispersion <- call("~", as.name(formula$dpar), formula$dispersion[[2]])
  add_dispersion(new, list(stats::as.formula(dispersion, formula$env)))
}

# The table of priors with the gene's own arguments in the texts.
one_gene_prior <- function(part) {
  view <- part_view(part)
  table <- view$model$parameters
  for (override in gene_priors(view$model, part, view$levels)) {
    at <- match(override$name, table$variable)
    table$parsed[[at]]$args[override$arg + 1] <- override$values
  }
  single <- is.na(table$horseshoe)
  texts <- vapply(table$parsed[single], prior_text, "", digits = 12)
  kept <- view$model$prior
  own <- table[single, ]
  bind_priors(new_prior(texts, own$class, own$coef, own$group, dpar = own$dpar, source = "user"),
              kept[startsWith(kept$prior, "horseshoe("), ])
}

# Counts of a gene with the design of their cells, for tw_gene().
cell_data <- function(fit, gene, x) {
  cells <- fit$job$cells
  data <- model_of(fit)$data[cells$leaf, setdiff(names(model_of(fit)$data), response_name), drop = FALSE]
  data$count <- gene_counts(fit, gene, x)
  data$.offset <- cells$log_capture
  rownames(data) <- make.unique(cells$names)
  data
}

# One count per cell used, checked against what the fit knows of the gene.
gene_counts <- function(fit, gene, x) {
  if (is.null(x)) {
    abort_twill("genes", c("A fit of cells does not keep their counts: say {.arg x}.",
                           "i" = "It is the experiment or matrix that was fitted."))
  }
  has_samples <- is_seurat(x) || is_experiment(x)
  counts <- suppressWarnings(read_cells(x, fit$job$cells$assay, if (!has_samples) data.frame(row.names = seq_len(ncol(x)))))
  columns <- columns_of_cells(fit, counts$names)
  rows <- if (gene %in% pooled_gene(fit)) match(fit$job$cells$other$genes, counts$genes) else match(gene, counts$genes)
  if (anyNA(rows)) abort_counts(gene)
  values <- Matrix::colSums(counts$counts[rows, columns, drop = FALSE])
  check_fitted_counts(fit, gene, cbind(values))
  unname(values)
}
