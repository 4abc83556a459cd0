# What can be said of every gene without a question: its status, and its dispersion.

#' Statuses of genes
#'
#' @param fit A fit of class `twillgenes`, from [twill_genes()]; or several by type, see [twill_by].
#' @param all Also the genes that were not fitted? Default: no.
#' @param ... Must be empty.
#' @return A [tw_table] of class `tw_diagnostics` with one row per gene: `status` (see [twill_genes()]; `"skipped"` with the
#'   reason as `message`), `rhat` and `ess` (the worst of its parameters), `divergent` (transitions), `khat` (approximations),
#'   `n_used` and `n_nonzero` (samples used, with counts), `total` (counts), `n_gradients`, `seconds` and `message`.
#' @examples
#' set.seed(1)
#' counts <- matrix(rpois(40, c(50, 20, 1, 0)), 4, dimnames = list(paste0("gene", 1:4), NULL))
#' fit <- twill_genes(counts, ~ x, col_data = data.frame(x = gl(2, 5)), iter = 200, seed = 1)
#' tw_diagnostics(fit, all = TRUE)
#' @export
tw_diagnostics <- function(fit, all = FALSE, ...) {
  check_no_dots(...)
  if (is_by_type(fit)) return(tables_by(fit, function(one) tw_diagnostics(one, all)))
  check_set(fit)
  check_flag(all, "all")
  p <- fit$posterior
  worst <- function(values, f) apply(values, 2, function(v) if (all(is.na(v))) NA_real_ else f(v, na.rm = TRUE))
  table <- data.frame(status = p$status, rhat = worst(p$rhat, max), ess = worst(p$ess, min), divergent = p$divergent,
                      khat = nan_to_na(p$khat), n_used = p$n_used, n_nonzero = p$n_nonzero, total = fit$job$scan$total[p$rows],
                      n_gradients = p$n_gradients, seconds = p$seconds, message = p$message, row.names = set_genes(fit))
  if (all) table <- rbind(table, skipped_genes(fit, names(table)))
  minor <- c("n_used", "n_nonzero", "n_gradients", "seconds")
  new_table(table, "diagnostics", "Diagnostics", "genes", diagnostic_texts, minor = minor)
}

diagnostic_texts <- c(
  status = "see ?tw_diagnostics", rhat = "worst R-hat of the parameters",
  ess = "smallest bulk effective sample size of the parameters",
  divergent = "divergent transitions", khat = "Pareto k-hat of the approximation", n_used = "samples used",
  n_nonzero = "samples with counts", total = "sum of counts", n_gradients = "gradients computed", seconds = "time to fit",
  message = "why the gene has this status")

skipped_genes <- function(fit, columns) {
  rows <- setdiff(which(fit$job$reason != ""), fit$posterior$rows)
  table <- data.frame(gene = fit$job$source$genes[rows], reason = fit$job$reason[rows], total = fit$job$scan$total[rows],
                      n_nonzero = fit$job$scan$n_nonzero[rows])
  table <- rbind(table, fit$job$cells$left_out[names(table)])
  if (nrow(table) == 0) return(NULL)
  known <- list(status = "skipped", n_nonzero = table$n_nonzero, total = table$total, message = table$reason)
  values <- lapply(stats::setNames(columns, columns), function(name) rep_len(known[[name]] %||% NA_real_, nrow(table)))
  data.frame(values, row.names = table$gene)
}

# Why genes are not in the fit, as parts of a sentence; those that nobody asked for are in none.
left_out_parts <- function(job, with_pooled = TRUE) {
  left_out <- job$cells$left_out
  reason <- c(job$reason, left_out$reason[with_pooled | !as.logical(left_out$pooled)])
  few <- sum(grepl("counts in all", reason))
  outside <- sum(grepl("^outside of the coverage", reason))
  other <- sum(!reason %in% c("", "not chosen", "not finished")) - few - outside
  c(if (few) sprintf("%s with fewer than %g counts", big(few), job$min_count),
    if (outside) sprintf("%s outside of the coverage", big(outside)), if (other) sprintf("%s without variation", big(other)))
}

say_left_out <- function(job, silent) {
  parts <- left_out_parts(job)
  if (length(parts) == 0) return(invisible())
  inform_twill("left_out", c("Left out genes: {parts}.", "i" = "{.code tw_diagnostics(fit, all = TRUE)} names them."), silent)
}

# draws x genes of sigma or shape; at the mean of its covariates where it has a regression.
dispersion_of <- function(fit, at) {
  design <- model_of(fit)$design
  if (is.null(design$dispersion)) return(NULL)
  if (is.null(design$x_disp)) return(matrix(draws_of(fit, design$dispersion, at), ncol = length(at)))
  exp(weighted_sum(draws_of(fit, design$disp_names, at), colMeans(design$x_disp)))
}

# Posterior means of 1 / shape, or of sigma.
set_dispersions <- function(fit) {
  is_shape <- model_of(fit)$design$dispersion == "shape"
  if (!has_draws(fit)) {
    mean <- fit$posterior$mean[match(model_of(fit)$design$dispersion, fit$posterior$names), ]
    return(if (is_shape) 1 / mean else mean)
  }
  draws <- dispersion_of(fit, seq_along(fit$posterior$rows))
  colMeans(if (is_shape) 1 / draws else draws)
}
