# What print() and summary() show of a fit of genes: one screen, whatever the number of genes.

#' Print a fit of genes
#'
#' `print()` shows the model, what the genes share and how they fared; `summary()` adds quantiles over genes of the posterior
#' means of every parameter.
#'
#' @param x,object A fit of class `twillgenes`, from [twill_genes()], or its summary.
#' @param digits Number of decimals printed. Default: 2.
#' @param ... Not used.
#' @return `print()`: its argument, invisibly. `summary()`: an object of class `summary.twillgenes`, a list with `parameters`
#'   (a matrix variable x quantile), `status` (a table of counts), `shared` and the parts of the heading.
#' @examples
#' set.seed(1)
#' counts <- matrix(rpois(60, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ x, col_data = data.frame(x = gl(2, 5)), iter = 200, seed = 1)
#' fit
#' summary(fit)
#' @name twillgenes-print
NULL

#' @rdname twillgenes-print
#' @method print twillgenes
#' @export
print.twillgenes <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  print_set_heading(summary.twillgenes(x))
  coefs <- first_few(contrast_coefs(model_of(x)), 6)
  print_field("Next:", sprintf("tw_contrast(), tw_diagnostics(), tw_variance(), tw_gene(); coefficients %s", coefs))
  invisible(x)
}

#' @rdname twillgenes-print
#' @method summary twillgenes
#' @export
summary.twillgenes <- function(object, ...) {
  check_no_dots(...)
  fit <- object
  p <- fit$posterior
  known <- p$mean
  rownames(known) <- p$names
  known <- known[!startsWith(p$names, "mean_r_"), , drop = FALSE]
  quantiles <- t(apply(known, 1, stats::quantile, c(0.05, 0.25, 0.5, 0.75, 0.95), na.rm = TRUE))
  colnames(quantiles) <- c("5%", "25%", "50%", "75%", "95%")
  structure(list(family = family(fit)$family, size = dim(fit), unit = if (is_rows(fit)) "cells" else "samples",
                 design = design_text(model_of(fit)), groups = set_groups(fit),
                 settings = fit$job$settings, n_draws = n_set_draws(fit), keep = fit$job$keep, elapsed = fit$info$elapsed,
                 sizes = fit$job$sizes, shared = shared_lines(fit), status = table(p$status), skipped = skipped_line(fit),
                 diagnostics = set_diagnostics(fit), check = shared_line(fit$info$shared), parameters = quantiles,
                 partial = is_partial(fit)),
            class = "summary.twillgenes")
}

#' @rdname twillgenes-print
#' @method print summary.twillgenes
#' @export
print.summary.twillgenes <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  print_set_heading(x)
  print_gene_means(x, digits)
  invisible(x)
}

print_gene_means <- function(x, digits) {
  cat("\nPosterior means over genes:\n")
  shown <- matrix(format_number(x$parameters, digits), nrow(x$parameters), dimnames = dimnames(x$parameters))
  print(shown, quote = FALSE, right = TRUE)
}

print_set_heading <- function(x) {
  if (x$partial) cat("PARTIAL FIT: these are the genes that were finished.\n\n")
  guides <- if (!is.null(x$guides)) sprintf("%s guides, ", big(sum(x$guides))) else ""
  print_field("Genes:", sprintf("%s %s models, %s%s %s%s", big(x$size[1]), x$family, guides, big(x$size[2]),
                                x$unit %||% "samples", x$skipped))
  print_field("Design:", x$design)
  if (length(x$groups)) print_field("Groups:", toString(x$groups))
  if (length(x$plasmid)) print_field("Plasmid:", x$plasmid)
  if (x$sizes$how != "none") print_field("Sizes:", size_line(x$sizes))
  print_set_state(x)
}

# What the headings of all fits of genes end with.
print_set_state <- function(x) {
  print_field("Shared:", if (length(x$shared)) x$shared else "nothing")
  print_field("Draws:", set_draws_line(x))
  print_field("Status:", toString(sprintf("%s %s", big(x$status), names(x$status))))
  print_field("Quality:", x$diagnostics)
  if (length(x$check)) print_field("Check:", x$check)
}

set_groups <- function(fit) {
  n <- ngrps(fit)
  sprintf("%s (%s levels)", names(n), vapply(n, big, ""))
}

size_line <- function(sizes) {
  how <- c(given = "given", typical = "typical gene", sizeFactors = "sizeFactors(x)", normed_sum = "normed sums",
           ratio = "median ratios", poscounts = "median ratios of positive counts", plasmid = "counts over plasmid counts",
           controls = "counts over plasmid counts, of controls")
  text <- if (sizes$how %in% names(how)) how[[sizes$how]] else sizes$how
  sprintf("%s, %.2g to %.2g", text, min(sizes$values), max(sizes$values))
}

set_draws_line <- function(x) {
  s <- x$settings
  how <- switch(s$method, laplace = "Laplace approximation", auto = "Laplace approximation, HMC where it fails",
                svi = paste0("variational guide", if (isTRUE(s$refine)) ", HMC where it fails"),
                sprintf("%s, %.0f chains, iter = %.0f, warmup = %.0f", toupper(s$method), s$chains, s$iter, s$warmup))
  sprintf("%s; %.0f draws per gene%s; seed %.0f; %s", how, x$n_draws, if (x$keep == "moments") " (moments kept)" else "", s$seed,
          time_text(x$elapsed))
}

n_set_draws <- function(fit) {
  s <- fit$job$settings
  if (is.null(fit$posterior$draws)) s$n_draws else dim(fit$posterior$draws)[1]
}

skipped_line <- function(fit) {
  unfinished <- sum(fit$job$reason == "not finished")
  parts <- c(sub(" ", " left out ", left_out_parts(fit$job, with_pooled = FALSE)),
             if (unfinished) sprintf("%s not finished", big(unfinished)))
  if (length(parts)) paste0("; ", paste(parts, collapse = ", ")) else ""
}

# One line per shared part.
shared_lines <- function(fit) {
  shared <- fit$job$shared
  vapply(seq_along(shared$parts), function(k) {
    part <- shared$parts[[k]]
    par <- shared$par[[k]]
    if (part$kind == "dispersion") {
      return(sprintf("log %s ~ normal(%s, %.2g)", part$variable, trend_text(shared, k), exp(par[4])))
    }
    if (is_mvn(part)) return(mvn_line(fit))
    text <- prior_text(part_prior(part, par), digits = 2)
    if (part$variable %in% sd_variables(fit)) text <- sub("^(normal|student_t)\\(", "half-\\1(", text)
    sprintf("%s ~ %s", part$variable, text)
  }, "")
}

sd_variables <- function(fit) grep("^sd_", fit$posterior$names, value = TRUE)

# The trend by its values at the ends and in the middle of the means.
trend_text <- function(shared, k) {
  at <- c(shared$range[1], mean(shared$range), shared$range[2])
  sprintf("trend %s", paste(sprintf("%.2g", trend_at(shared, k, at)), collapse = " to "))
}

set_diagnostics <- function(fit) {
  status <- tw_diagnostics(fit)
  if (!is_sampled(fit)) {
    bad <- sum(status$khat > khat_limit, na.rm = TRUE)
    middle <- stats::median(status$khat, na.rm = TRUE)
    return(sprintf("median Pareto k-hat %.2f; above %g in %s genes", middle, khat_limit, big(bad)))
  }
  high <- sum(status$rhat > rhat_limit_effects, na.rm = TRUE)
  ess <- stats::quantile(status$ess, c(0, 0.5), na.rm = TRUE)
  sprintf("worst R-hat %.3f, above %g in %s %s; smallest bulk ESS %.0f, median %.0f; %s divergent transitions",
          max(c(status$rhat, -Inf), na.rm = TRUE), rhat_limit_effects, big(high), ngettext(high, "gene", "genes"), ess[1], ess[2],
          big(sum(status$divergent)))
}

# One line for the heading of a fit; NULL where nothing of weight was found or looked for.
shared_line <- function(x) {
  if (is.null(x) || !is_strong(x)) return(NULL)
  first <- attr(x, "components")[1, ]
  sprintf("samples share variation that the design leaves out (%s): tw_shared_variation()",
          if (is.na(first$column)) "no column goes with it" else first$column)
}

n_components <- function(x) sum(attr(x, "components")$found)

is_strong <- function(x) n_components(x) > 0 && attr(x, "components")$size[1] >= strong_size

# From this size on standard errors are by a fifth too small along the component.
strong_size <- 0.5
