# Posterior predictive checks of genes, several side by side.

#' @rdname twillgenes-predict
#' @method pp_check twillgenes
#' @export
pp_check.twillgenes <- function(object, type = "intervals", genes = NULL, ndraws = 200, seed = NULL, ...) {
  at <- if (is.null(genes)) some_genes(object, 9) else set_positions(object, genes)
  if (!is.character(type) || length(type) != 1) {
    abort_twill("argument", "{.arg type} must name a check, such as {.val intervals}.")
  }
  ndraws <- min(check_whole(ndraws, "ndraws", 1, 1e6), n_set_draws(object))
  if (length(at) == 1) {
    plot <- pp_check.twillfit(gene_view(object, at), type, ndraws, seed = seed, ...)
    return(labelled_samples(headed_gene(plot, object, at), type, object))
  }
  grouped <- if (endsWith(type, "_grouped")) type else paste0(type, "_grouped")
  check_grouped(grouped, type)
  parts <- with_seed(seed, over_views(object, at, function(view) {
    list(y = view$design$y, yrep = posterior_predict.twillfit(view, ndraws = ndraws))
  }))
  n <- lengths(lapply(parts, `[[`, "y"))
  group <- factor(rep(set_genes(object)[at], n), levels = set_genes(object)[at])
  arguments <- list(group = group, x = sequence(n), facet_args = list(scales = "free_y"))
  y <- unlist(lapply(parts, `[[`, "y"))
  plot <- draw_check(paste0("ppc_", grouped), y, do.call(cbind, lapply(parts, `[[`, "yrep")), arguments, ...)
  labelled_samples(plot, grouped, object)
}

check_grouped <- function(grouped, type) {
  known <- grep("_grouped$", sub("^ppc_", "", bayesplot::available_ppc("")), value = TRUE)
  if (grouped %in% known) return(invisible())
  abort_twill("plot", c("{.arg type} must be a check of several genes: {.val {sub('_grouped$', '', known)}}.",
                        "x" = "You supplied {.val {type}}.", "i" = "Checks of one gene need its name in {.arg genes}."))
}

labelled_samples <- function(plot, type, fit) {
  if (!startsWith(type, "intervals") && !startsWith(type, "ribbon")) return(plot)
  across <- if (is_screen(fit)) "samples, guide by guide" else "sample"
  plot + ggplot2::scale_x_continuous(breaks = whole_breaks) +
    ggplot2::labs(x = across, y = if (has_counts(fit)) "count" else "value")
}

headed_gene <- function(plot, fit, at) {
  if (inherits(plot, "ggplot")) plot + ggplot2::labs(subtitle = set_genes(fit)[at]) else plot
}

# Genes evenly spaced over (the logarithms of) their means.
some_genes <- function(fit, n) {
  p <- fit$posterior
  known <- which(p$usable & is.finite(p$base_mean))
  if (length(known) == 0) return(seq_len(min(n, length(p$rows))))
  evenly_spaced(known, if (has_counts(fit)) log(p$base_mean[known]) else p$base_mean[known], n)
}
