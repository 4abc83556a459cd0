# The job of a fit of genes: made of the input, and run from the plan to the fit.
#
# A job is list(source, model, sharing, sizes, scan, reason, settings, keep, min_count), with `shared` once that is learned,
# `offset` and `weights` where they differ by gene, and `cells` in fits of single cells. `columns` is what is known of each
# sample. Row numbers of genes are those of the source.

new_job <- function(input, model, given, sharing, settings, keep) {
  is_count <- of_counts(model)
  if (!is_count) refuse_sizes_of_values(given$size_factors)
  offset <- check_gene_offset(given$offset, input$source, is_count)
  weights <- check_gene_weights(given$weights, input$source)
  if (is.numeric(given$size_factors)) check_size_factors(given$size_factors, "size_factors", input$source$samples)
  source <- source_samples(input$source, model$rows)
  scan <- scan_source(source, is_count)
  chosen <- pick_genes(given$genes, source$genes)
  reason <- filter_reasons(scan, chosen, check_not_negative(given$min_count, "min_count"), is_count, n_samples(source))
  if (!is_count) reason[reason == "" & genes_without_spread(source, model)] <- "no spread within combinations of the design"
  if (!is.null(dim(weights))) reason[reason == "" & rowSums(weights[, model$rows, drop = FALSE]) == 0] <- "weights of zero"
  check_any_gene(reason, given$min_count)
  how <- if (is.numeric(given$size_factors)) given$size_factors[model$rows] else given$size_factors
  has_offset <- !is.null(offset) || isTRUE(source$may_miss) || has_formula_offset(model)
  if (is_count) check_log_scale(model$design$offset + sample_offset(offset)[model$rows] %||% 0, scan$sample_total)
  if (is.null(dim(weights))) hint_at_cells(source, model, scan, given$silent %||% 2)
  sizes <- resolve_size_factors(how, source, scan, input$sizes[model$rows], is_count, has_offset, model$design$x)
  if (is_count && sizes$how == "given") say_odd_sizes(sizes$values, scan$sample_total, given$silent %||% 2)
  job <- list(source = source, model = model, sharing = sharing, sizes = sizes, scan = scan, reason = reason,
              settings = settings, keep = keep, min_count = given$min_count,
              columns = input$data[model$rows, , drop = FALSE])
  add_offsets(job, offset, weights)
}

# Columns that look like single cells: many, mostly zeros, and many to a combination of the design.
hint_at_cells <- function(source, model, scan, silent) {
  n <- n_samples(source)
  if (!of_counts(model) || n < 500 || isTRUE(source$may_miss)) return(invisible())
  share <- 1 - sum(scan$n_nonzero) / (n * length(scan$n_nonzero))
  data <- model$data[setdiff(names(model$data), response_name)]
  n_leaves <- if (length(data)) nrow(unique(data)) else 1
  if (share < 0.5 || n_leaves > n / 5) return(invisible())
  inform_twill("cells", c("{n} columns in {n_leaves} combination{?s} of the design, {round(100 * share)}% of the counts zero:
                           are these single cells?",
                          "i" = "{.fn twill_cells} fits them with a capture each, in a fraction of the time;
                           {.fn tw_pseudobulk} adds them up."), silent)
}

has_formula_offset <- function(model) any(model$design$offset != 0)

# What all samples have in common goes into the design, what differs by gene stays beside it.
add_offsets <- function(job, offset, weights) {
  rows <- job$model$rows
  added <- log(job$sizes$values)
  if (is.null(dim(offset))) added <- added + (offset[rows] %||% 0) else job$offset <- offset[, rows, drop = FALSE]
  job$model$added_offset <- added
  job$model$log_size <- log(job$sizes$values)
  job$model$design$offset <- job$model$design$offset + added
  if (is.null(dim(weights)) && !is.null(weights)) job$model$design$weights <- weights[rows]
  if (!is.null(dim(weights))) job$weights <- weights[, rows, drop = FALSE]
  job
}

check_gene_weights <- function(weights, source) {
  weights <- check_gene_matrix(weights, "weights", source)
  if (length(weights) > 0 && all(weights == 0)) abort_twill("genes", "All {.arg weights} are zero: no sample would count.")
  if (is.null(weights) || all(weights >= 0)) return(weights)
  abort_twill("genes", "{.arg weights} must not be negative: {sum(weights < 0)} {?is/are}.")
}

# How the rows are cut into blocks and what all genes share.
new_plan <- function(job, rows, block_size, store, silent, refresh, BPPARAM) {
  blocks <- block_plan(rows, block_size, job$source, n_workers(BPPARAM), !is.null(store))
  plan <- list(blocks = blocks, shared = learn_shared(job, rows, learning_run(silent, refresh, BPPARAM)))
  write_plan(store, plan)
  plan
}
