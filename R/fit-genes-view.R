# One gene of a set as a twillfit, made of the draws that the set has: everything that a single fit answers, a gene answers so.

# Views of the genes `at`, of fits of twill_genes() and screens.
gene_views <- function(fit, at) {
  variables <- c(fit$posterior$names, fit$posterior$effect_names)
  draws <- draws_of(fit, variables, at)
  chains <- draw_chains(fit, dim(draws)[1])
  size <- c(dim(draws)[1] / chains, chains, length(variables))
  counts <- sample_counts(fit, at)
  offsets <- sample_offsets(fit, at)
  weights <- sample_weights(fit, at)
  lapply(seq_along(at), function(g) {
    of_gene <- as_array_of_draws(array(draws[, , g], size, list(NULL, NULL, variables)))
    view <- new_gene_view(fit, of_gene, counts[, g], offsets[, g], weights[, g])
    if (is_screen(fit)) with_own_guides(view, fit, set_genes(fit)[at[g]]) else view
  })
}

gene_view <- function(fit, at) gene_views(fit, at)[[1]]

new_gene_view <- function(fit, draws, y, offset, weights) {
  model <- model_of(fit)
  kept <- which(weights > 0 & !is.na(y))
  design <- model$design
  design$y <- y
  design$offset <- offset
  design$weights <- weights
  data <- model$data
  data[[response_name]] <- y
  if (length(kept) < length(y)) {
    design <- rows_of_design(design, kept)
    data <- data[kept, , drop = FALSE]
  }
  settings <- fit$job$settings
  info <- list(seed = settings$seed, chains = dim(draws)[2], method = settings$method, partial = FALSE, sample_prior = "no",
               pareto_k = NA_real_)
  new_twill_model(list(call = fit$call, formula = model$formula, family = model$family, data = data, prior = model$prior,
                       intercept = model$intercept, design = design, draws = draws, info = info, version = fit$info$version,
                       quantile_type = few_draws_type), "twillfit")
}

# Rows of weight zero are guides that a gene of a screen does not have; missing counts were left out of the fit.
rows_of_design <- function(design, rows) {
  for (part in c("y", "offset", "weights", "se")) design[[part]] <- design[[part]][rows]
  for (part in c("x", "x_disp")) if (!is.null(design[[part]])) design[[part]] <- design[[part]][rows, , drop = FALSE]
  design$terms <- lapply(design$terms, function(term) {
    term$codes <- term$codes[rows]
    term$z <- term$z[rows, , drop = FALSE]
    term
  })
  design
}

# Sample x gene: size factors and offsets, on the scale of the linear predictor.
sample_offsets <- function(fit, at) {
  design <- model_of(fit)$design
  own <- fit$job$offset
  out <- matrix(design$offset, nrow(design$x), length(at))
  if (is.null(own)) out else out + unname(t(own[fit$posterior$rows[at], , drop = FALSE]))
}

# Sample x gene.
sample_weights <- function(fit, at) {
  own <- fit$job$weights
  n <- nrow(model_of(fit)$design$x)
  if (is.null(own)) return(matrix(model_of(fit)$design$weights %||% 1, n, length(at)))
  unname(t(own[fit$posterior$rows[at], , drop = FALSE]))
}

# Applies `f` to the views of genes, some at a time: draws that were not kept are made again in steps.
over_views <- function(fit, at, f) {
  steps <- split(at, ceiling(seq_along(at) / max_repeated))
  unlist(lapply(unname(steps), function(some) lapply(gene_views(fit, some), f)), recursive = FALSE)
}

# Samples or leaves x genes.
sample_counts <- function(fit, genes) {
  rows <- fit$posterior$rows[genes]
  if (fit$job$source$kind == "leaves") return(fit$job$source$data$sums[, rows, drop = FALSE])
  dense_block(read_block(source_genes(fit$job$source, rows)))
}
