# Effects of genes on the scales of expression, composition and centred log-ratios, computed draw by draw over all genes.
#
# Genes are independent given the hyper-parameters, which are held constant: draw s of one gene and draw s of another are
# a draw of both. A leaf is one condition of a contrast in one donor; composition and CLR need log mu of all genes in it.

# What tw_contrast() was asked beyond the plain effect, checked.
check_scale <- function(fit, estimand, scale, donor_weights, reference, mask, cell_noise, extra) {
  ask <- list(estimand = estimand, scale = check_choice(scale, "scale", c("expression", "composition", "clr")),
              donor_weights = check_donor_weights(donor_weights), cell_noise = check_flag(cell_noise, "cell_noise"),
              mask = check_mask(fit, mask), extra = check_extra(fit, extra))
  if (ask$scale != "expression" && !has_counts(fit)) {
    abort_twill("contrast", "{.code scale = {.val {ask$scale}}} needs a model of counts, not of the {family(fit)$family} family.")
  }
  if (ask$cell_noise) need_shape(fit, "cell_noise")
  if (ask$scale != "clr" && !identical(reference, "all")) {
    abort_twill("contrast", "{.arg reference} is about centred log ratios: say {.code scale = \"clr\"} with it.")
  }
  ask$reference <- if (ask$scale == "clr") resolve_reference(fit, reference, ask$mask) else "all"
  if (estimand != "observed" && !identical(ask$donor_weights, "uniform")) {
    abort_twill("contrast", "{.arg donor_weights} is about the donors in the data: say {.code estimand = \"observed\"} with it.")
  }
  ask
}

check_donor_weights <- function(x) {
  if (is.numeric(x) && !is.null(names(x))) return(x)
  check_choice(x, "donor_weights", c("uniform", "cells", "harmonic"))
}

need_shape <- function(fit, argument) {
  if (identical(model_of(fit)$design$dispersion, "shape")) return(invisible())
  abort_twill("contrast", "{.arg {argument}} needs a negative binomial model, not one of the {family(fit)$family} family.")
}

is_plain <- function(ask) ask$scale == "expression" && identical(ask$donor_weights, "uniform") && !ask$cell_noise

# As contrast_effect(), for the genes that the mask keeps.
asked_effect <- function(fit, contrast, weights, ask) {
  kept <- which(!ask$mask)
  if (is_plain(ask)) return(effect_genes(contrast_effect(fit, weights, ask$estimand), kept))
  plan <- scale_plan(fit, contrast, ask)
  passed <- scale_pass(fit, plan, ask)
  list(draws = passed$draws[, kept, drop = FALSE] - scale_shift(passed, plan, ask))
}

effect_genes <- function(effect, kept) {
  if (length(kept) == max(NCOL(effect$draws), length(effect$mean))) return(effect)
  pick <- function(part) if (is.matrix(part)) part[, kept, drop = FALSE] else part[kept]
  lapply(compact(effect), pick)
}

# The leaves ---------------------------------------------------------------------------------------------------------

# list(arms, leaves, weights): a leaf is list(arm, row), where `row` names the row of the data whose levels it has (NA: no
# levels); the effect of a gene is the weighted sum of its log means in the leaves.
scale_plan <- function(fit, contrast, ask) {
  model <- model_of(fit)
  arms <- contrast_arms(model, contrast)
  has_levels <- ask$estimand == "observed" && length(model$design$terms) > 0
  donors <- if (has_levels) {
    arm_donors(fit, arms, ask$donor_weights)
  } else {
    lapply(arms, function(arm) data.frame(donor = "", row = NA_integer_, share = 1))
  }
  need_kept_draws(fit, has_levels)
  n <- vapply(donors, nrow, 1L)
  table <- do.call(rbind, donors)
  table$arm <- rep(seq_along(arms), n)
  table$weight <- vapply(arms, `[[`, 0, "weight")[table$arm] * table$share
  list(arms = arms, leaves = table, estimand = ask$estimand)
}

need_kept_draws <- function(fit, has_levels) {
  n <- length(fit$posterior$rows)
  kept <- if (has_levels) !is.null(fit$posterior$effects) else has_draws(fit)
  if (kept || n <= max_repeated) return(invisible())
  keep <- if (has_levels) "effects" else "draws"
  abort_twill("draws", c("This contrast needs draws of all genes together, which the fit has not kept.",
                         "i" = "Fit with {.code keep = {.val {keep}}}."))
}

# One pass over the genes ----------------------------------------------------------------------------------------------

# list(draws, total, pool): draws x genes of the effect on the scale of expression; draws x leaves of sums of mu over all
# genes, and over those that are masked. Genes come in blocks, so that log means of all leaves never stand together.
scale_pass <- function(fit, plan, ask) {
  n_genes <- length(fit$posterior$rows)
  parts <- with_local_seed(fit$job$settings$seed, {
    lapply(scale_blocks(fit, n_genes, nrow(plan$leaves)), function(at) pass_block(fit, plan, ask, at))
  })
  add <- function(name) Reduce(`+`, lapply(parts, `[[`, name))
  list(draws = do.call(cbind, lapply(parts, `[[`, "draws")), total = add("total"), pool = add("pool"))
}

# The same blocks for the same fit, as random numbers are drawn block by block.
scale_blocks <- function(fit, n_genes, n_leaves) {
  gene_ranges(n_genes, fit$job$settings$n_draws * n_leaves, cells = 2e6, most = 250)
}

pass_block <- function(fit, plan, ask, at) {
  leaves <- leaf_log_means(fit, plan, at)
  if (ask$cell_noise) leaves <- add_cell_noise(leaves, fit, plan, at)
  draws <- Reduce(`+`, Map(`*`, leaves, plan$leaves$weight))
  sums <- function(genes) vapply(leaves, function(leaf) row_sums_of_means(leaf[, genes, drop = FALSE]), numeric(nrow(draws)))
  masked <- ask$mask[at]
  needs_total <- ask$scale == "composition"
  list(draws = draws, total = if (needs_total) sums(rep(TRUE, length(at))) else 0,
       pool = if (ask$scale == "clr" && any(masked)) sums(masked) else 0)
}

# Genes without draws are in no sum.
row_sums_of_means <- function(log_means) {
  bad <- is.na(colSums(log_means))
  rowSums(exp(if (any(bad)) log_means[, !bad, drop = FALSE] else log_means))
}

# One matrix draws x genes of log mu per leaf, without size factors, capture and offsets.
leaf_log_means <- function(fit, plan, at) {
  used <- Reduce(`|`, lapply(plan$arms, function(arm) arm$x != 0))
  draws <- draws_of(fit, model_of(fit)$design$coef_names[used], at)
  base <- lapply(plan$arms, function(arm) weighted_sum(draws, arm$x[used]))
  if (plan$estimand == "new_donor") base <- add_new_levels(base, fit, plan$arms, at)
  if (all(is.na(plan$leaves$row))) return(base[plan$leaves$arm])
  add_levels(base, fit, plan, at)
}

add_levels <- function(base, fit, plan, at) {
  terms <- model_of(fit)$design$terms
  effects <- draws_of(fit, fit$posterior$effect_names, at)
  lapply(seq_len(nrow(plan$leaves)), function(l) {
    arm <- plan$arms[[plan$leaves$arm[l]]]
    out <- base[[plan$leaves$arm[l]]]
    for (k in seq_along(terms)) {
      level <- terms[[k]]$levels[terms[[k]]$codes[plan$leaves$row[l]]]
      for (coef in names(which(arm$z[[k]] != 0))) {
        name <- effect_variables(terms[[k]]$group, level, coef)
        out <- out + arm$z[[k]][[coef]] * effects[, match(name, fit$posterior$effect_names), ]
      }
    }
    out
  })
}

# From expression to composition and CLR ---------------------------------------------------------------------------

# What is taken from the effects of all genes, draw by draw: the weighted log of the sum over genes, or the mean effect of
# the reference, where the masked genes together are one more gene.
scale_shift <- function(passed, plan, ask) {
  weight <- plan$leaves$weight
  if (ask$scale == "expression") return(0)
  if (ask$scale == "composition") return(drop(log(passed$total) %*% weight))
  chosen <- if (identical(ask$reference, "all")) which(!ask$mask) else ask$reference
  effects <- passed$draws[, chosen, drop = FALSE]
  usable <- !is.na(colSums(effects))
  if (!any(usable)) abort_twill("contrast", "No gene of {.arg reference} has draws.")
  with_pool <- identical(ask$reference, "all") && any(ask$mask)
  pooled <- if (with_pool) drop(log(passed$pool) %*% weight) else 0
  (rowSums(effects[, usable, drop = FALSE]) + pooled) / (sum(usable) + with_pool)
}

# Genes whose log-ratios vary neither least nor most over the samples, or genes by name; "all" as it is.
resolve_reference <- function(fit, reference, mask) {
  if (identical(reference, "all")) return("all")
  if (identical(reference, "iqr")) return(iqr_genes(fit, mask))
  at <- set_positions(fit, reference)
  if (!any(mask[at])) return(at)
  names <- set_genes(fit)[at[mask[at]]]
  abort_twill("contrast", "{.arg reference} names genes that are masked: {.val {some(names)}}.")
}

iqr_genes <- function(fit, mask) {
  logs <- function(counts) log(counts + 0.5)
  centre <- Reduce(`+`, count_blocks(fit, function(counts) rowSums(logs(counts), na.rm = TRUE))) / length(mask)
  spread <- unlist(count_blocks(fit, function(counts) apply(logs(counts) - centre, 2, stats::var, na.rm = TRUE)))
  limits <- stats::quantile(spread[!mask], c(0.25, 0.75))
  which(!mask & spread >= limits[1] & spread <= limits[2])
}

# A function of counts, samples x genes, for the genes of a fit in blocks.
count_blocks <- function(fit, f) {
  source <- fit$job$source
  rows <- fit$posterior$rows
  if (source$kind == "leaves") return(list(f(source$data$sums[, rows, drop = FALSE])))
  over_blocks(source_genes(source, rows), function(block) f(dense_block(block)))
}
