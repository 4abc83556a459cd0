# What a fit of a screen has in the place of samples: guides by their names, and samples, one column each.
#
# The engine sees one row per gene and one column per sample and slot, the first sample in slot 1, the second, and so on; the
# guides of a gene are its slots.

# One row per guide of these genes, in their order: gene, guide, slot, row (in the order of the data) and label, a name that no
# other guide has.
screen_guides <- function(fit, genes = set_genes(fit)) {
  guides <- fit$screen$guides
  guides$row <- seq_len(nrow(guides))
  twice <- guides$guide %in% guides$guide[duplicated(guides$guide)]
  guides$label <- make.unique(ifelse(twice, paste(guides$gene, guides$guide, sep = ":"), guides$guide))
  place <- match(guides$gene, unique(genes))
  guides <- guides[order(place, guides$slot), ]
  guides[guides$gene %in% genes, ]
}

# Rows of the samples used, in the data of samples.
screen_sample_rows <- function(fit) {
  n_slots <- max(fit$screen$guides$slot)
  fit$job$model$rows[seq_len(length(fit$job$source$samples) / n_slots)]
}

screen_samples <- function(fit) fit$screen$samples[screen_sample_rows(fit)]

# What is known of the samples.
screen_frame <- function(fit) {
  rows <- seq_along(screen_samples(fit))
  data <- as.data.frame(fit$job$columns, check.names = FALSE)[rows, setdiff(names(fit$job$columns), "guide"), drop = FALSE]
  rownames(data) <- NULL
  data
}

# Guides (by label) x samples, of values as the engine has them, slots and samples x genes of the source.
guide_values <- function(fit, values, labels = screen_guides(fit)$label) {
  guides <- screen_guides(fit, unique(fit$screen$guides$gene))
  guides <- guides[match(labels, guides$label), ]
  samples <- screen_samples(fit)
  n <- length(samples)
  row <- rep((guides$slot - 1) * n, n) + rep(seq_len(n), each = nrow(guides))
  gene <- rep(match(guides$gene, fit$job$source$genes), n)
  known <- t(fit$job$weights)[cbind(row, gene)] > 0
  out <- replace(values[cbind(row, gene)], !known, NA)
  matrix(out, nrow(guides), dimnames = list(guides$label, samples))
}
