# What a fit of a screen has in the place of samples: guides by their names, and samples, one column each.
#
# The engine sees one row per gene and one column per slot and sample: all samples in slot 1, all in slot 2, and so on. The
# guides of a gene are its slots; a gene with fewer guides than another has weight zero in those that it lacks.

# One row per guide of these genes, in their order: gene, guide, slot, row (in the order of the data) and label, a name that no
# other guide of the screen has.
screen_guides <- function(fit, genes = set_genes(fit)) {
  guides <- fit$screen$guides
  guides$row <- seq_len(nrow(guides))
  twice <- guides$guide %in% guides$guide[duplicated(guides$guide)]
  guides$label <- make.unique(ifelse(twice, paste(guides$gene, guides$guide, sep = ":"), guides$guide))
  guides <- guides[guides$gene %in% genes, ]
  guides[order(match(guides$gene, genes), guides$slot), ]
}

# Rows of the samples used, in the data of samples.
screen_sample_rows <- function(fit) {
  n_slots <- max(fit$screen$guides$slot)
  model_of(fit)$rows[seq_len(length(fit$job$source$samples) / n_slots)]
}

screen_samples <- function(fit) fit$screen$samples[screen_sample_rows(fit)]

# The sample of each column of the engine; of other fits columns are samples.
column_samples <- function(fit) {
  if (is_screen(fit)) rep_len(screen_samples(fit), length(fit$job$source$samples)) else fit$job$source$samples
}

# What is known of the samples.
screen_frame <- function(fit, data = fit$job$columns) {
  data <- as.data.frame(data, check.names = FALSE)
  data <- data[seq_along(screen_samples(fit)), setdiff(names(data), "guide"), drop = FALSE]
  rownames(data) <- NULL
  data
}

# Guides (by label) x samples, of values as the engine has them: columns x genes. NA where a guide has no count.
guide_values <- function(fit, values, guides, genes = fit$job$source$genes) {
  samples <- screen_samples(fit)
  n <- length(samples)
  column <- rep((guides$slot - 1) * n, n) + rep(seq_len(n), each = nrow(guides))
  known <- fit$job$weights[cbind(rep(match(guides$gene, fit$job$source$genes), n), column)] > 0
  out <- replace(values[cbind(column, rep(match(guides$gene, genes), n))], !known, NA)
  matrix(out, nrow(guides), dimnames = list(guides$label, samples))
}

# draw x sample x guide, of draw x column x gene.
guide_draws_by_sample <- function(fit, values, genes) {
  guides <- screen_guides(fit, genes)
  n_draws <- dim(values)[1]
  shape <- guide_values(fit, matrix(seq_len(prod(dim(values)[2:3])), dim(values)[2]), guides, genes)
  flat <- matrix(values, n_draws)
  out <- matrix(NA_real_, n_draws, length(shape))
  known <- !is.na(t(shape))
  out[, known] <- flat[, t(shape)[known]]
  array(out, c(n_draws, rev(dim(shape))), c(list(NULL), rev(dimnames(shape))))
}

# Names of guides -----------------------------------------------------------------------------------------------------

slot_names <- function(slot) paste0("guide", slot)

all_slots <- function(fit) slot_names(seq_len(max(fit$screen$guides$slot)))

# Names of a gene's guides by slot. Those of slots that it does not have are the slots'.
names_by_slot <- function(fit, gene) {
  guides <- screen_guides(fit, gene)
  names <- all_slots(fit)
  names[guides$slot] <- make.unique(guides$guide)
  names
}

# Rows of data with slots, with the names of a gene's guides; where every gene has one guide there are no slots.
with_guide_names <- function(data, fit, gene) {
  if (is.null(data$guide)) return(data)
  slot <- match(as.character(data$guide), all_slots(fit))
  names <- names_by_slot(fit, gene)
  data$guide <- factor(names[slot], names[sort(unique(slot))])
  data
}

# A term of slots as one of guides: list(term, keys, variables), where `variables` are the new names of its effects by the old
# ones; levels without rows are in none.
guide_term <- function(term, data, coefs = term$coefs) {
  groups <- level_groups(data[term$vars])
  old <- term$levels[term$codes[match(seq_along(groups$labels), groups$codes)]]
  variables <- unlist(lapply(coefs, function(coef) {
    stats::setNames(effect_variables(term$group, groups$labels, coef), effect_variables(term$group, old, coef))
  }))
  term[c("levels", "level_names", "codes")] <- groups[c("labels", "names", "codes")]
  list(term = term, keys = groups$keys, variables = variables)
}

has_guides <- function(term) "guide" %in% term$vars

# The view of one gene with guides by name, in the place of slots that all genes share.
with_own_guides <- function(view, fit, gene) {
  if (is.null(view$data$guide) || "guide" %in% variables_in(view$formula$fixed)) return(view)
  view$data <- with_guide_names(view$data, fit, gene)
  for (k in which(vapply(view$design$terms, has_guides, TRUE))) {
    old <- view$design$terms[[k]]
    new <- guide_term(old, view$data)
    view$design$terms[[k]] <- new$term
    view$design$blueprint$groups[[k]]$keys <- new$keys
    view$draws <- rename_draws(view$draws, unlist(lapply(old$coefs, effect_variables, group = old$group, levels = old$levels)),
                               new$variables)
  }
  view
}

# Draws in which the variables `old` are those named in `new`, and no others.
rename_draws <- function(draws, old, new) {
  names <- dimnames(draws)[[3]]
  kept <- which(!names %in% setdiff(old, names(new)))
  size <- dim(draws)
  names[names %in% names(new)] <- new[names[names %in% names(new)]]
  as_array_of_draws(array(unclass(draws)[, , kept], c(size[1:2], length(kept)), list(NULL, NULL, names[kept])))
}

# One row per level that genes have of a group with guides: gene (its position), level (its number in the term), label.
guide_levels <- function(fit, group, at) {
  terms <- group_terms(model_of(fit), group)
  genes <- set_genes(fit)[at]
  if (identical(terms[[1]]$vars, "guide")) {
    guides <- screen_guides(fit, genes)
    return(data.frame(gene = match(guides$gene, genes), level = match(slot_names(guides$slot), terms[[1]]$level_names),
                      label = guides$label))
  }
  parts <- lapply(seq_along(at), function(k) {
    kept <- which(!has_no_count(fit, at[k]))
    data <- with_guide_names(model_of(fit)$data[kept, , drop = FALSE], fit, genes[k])
    codes <- terms[[1]]$codes[kept]
    groups <- level_groups(data[terms[[1]]$vars])
    data.frame(gene = k, level = codes[match(seq_along(groups$labels), groups$codes)], label = groups$names)
  })
  out <- do.call(rbind, parts)
  out$label <- make.unique(out$label)
  out
}

# Levels of guides x the other dimensions of an array, whose dimensions `gene` and `level` they take the place of.
of_own_levels <- function(values, levels, gene, level) {
  others <- setdiff(seq_along(dim(values)), c(gene, level))
  size <- dim(values)[others]
  flat <- matrix(aperm(values, c(gene, level, others)), prod(dim(values)[c(gene, level)]))
  picked <- flat[levels$gene + (levels$level - 1) * dim(values)[gene], , drop = FALSE]
  array(picked, c(nrow(levels), size), c(list(levels$label), dimnames(values)[others]))
}

# What has one value per gene and level has no meaning for guides, which are of one gene each.
refuse_screen <- function(fit, verb) {
  if (!is_screen(fit)) return(invisible())
  abort_twill("method", c("{.fn {verb}} is not there for guides of screens: each is of one gene.",
                          "i" = "{.fn tw_guides} has the effect of each guide, {.code ranef(fit)} its deviations."))
}
