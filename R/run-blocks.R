# Runs of genes: a job says what is fitted and how, a piece is what came of some of its genes.
#
# Row numbers name the genes' streams of random numbers, so that draws do not depend on which genes are fitted together,
# where, or on how many threads.

# What statuses the engine gives, from 0.
engine_statuses <- c("ok", "refined", "no_start", "interrupted", "high_rhat", "failed", "high_khat")

# Part of a job, small enough to send to another process.
job_part <- function(job, rows) {
  pick <- function(value) if (is.null(dim(value))) value else value[rows, , drop = FALSE]
  part <- job[c("model", "shared", "settings", "keep")]
  c(part, list(source = source_genes(job$source, rows), offset = pick(job$offset), weights = pick(job$weights), rows = rows))
}

# Fits the genes of a part. Runs on workers too, so it uses nothing but its arguments. An interrupt is let in until there are
# draws: after that it would lose them.
run_part <- function(part, report = NULL) {
  view <- allowInterrupts(part_view(part))
  genes <- list(counts = view$block$counts, offset = as.double(view$offset), weights = as.double(view$weights),
                index = as.integer(part$rows - 1L), priors = gene_priors(view$model, part, view$levels))
  frame <- mvn_frame(part$shared)
  model <- in_frame(view$model, frame)
  run <- function(settings) run_gene_engine(model$spec_json, spec_arrays(model$design), genes, settings, report)
  result <- allowInterrupts(run_on_device(run, part))
  new_piece(out_of_frame(unwrap_engine(result), frame), part, view)
}

# list(block, weights, offset, model, levels): the values of the part's genes without gaps, what is special to each gene,
# and the model with the learned priors.
part_view <- function(part) {
  block <- read_block(part$source)
  weights <- block_weights(block, part)
  common <- part$model$design$weights
  used <- weights %||% if (any(common == 0)) matrix(common, block$n, length(block$genes))
  block <- zero_unweighted(zero_missing(block), used)
  offset <- block_offset(part)
  model <- if (is.null(part$shared)) part$model else apply_shared(part$model, part$shared)
  total <- if (is.null(offset)) model$design$offset else offset + model$design$offset
  levels <- gene_levels(block, total, model$log_size, used, of_counts(model))
  list(block = block, weights = weights, offset = offset, model = model, levels = levels)
}

# Where tests put another engine.
run_gene_engine <- function(spec_json, arrays, genes, settings_json, progress) {
  engine_genes(spec_json, arrays, genes, settings_json, progress)
}

gene_priors <- function(model, part, levels) {
  c(level_priors(model, levels), if (!is.null(part$shared)) trend_priors(model, part$shared, levels$mean))
}

gene_settings_json <- function(part) {
  settings <- c(part$settings[names(part$settings) != "fallback"], keep_effects = part$keep == "effects")
  to_json(lapply(settings, unbox))
}

# Values of weight zero say nothing, of where priors and starts are either.
zero_unweighted <- function(block, weights) {
  if (is.null(weights) || all(weights > 0)) return(block)
  if (is_dense_block(block)) {
    block$counts$dense[weights == 0] <- 0
  } else {
    block$counts$x[weights[cbind(block$counts$i + 1L, block_columns(block))] == 0] <- 0
  }
  block
}

# Observations x genes, or NULL where all genes have the same.
block_offset <- function(part) if (!is.null(dim(part$offset))) t(part$offset)

# Missing values have weight zero.
block_weights <- function(block, part) {
  given <- if (!is.null(dim(part$weights))) t(part$weights)
  missing <- if (anyNA(block_values(block))) is.na(dense_block(block))
  if (is.null(given) && is.null(missing)) return(NULL)
  if (is.null(given)) given <- matrix(part$model$design$weights, block$n, length(block$genes))
  if (!is.null(missing)) given[missing] <- 0
  given
}

# Pieces -----------------------------------------------------------------------------------------------------------

# The engine's result with what the R side knows of the genes.
new_piece <- function(result, part, view) {
  piece <- result[setdiff(names(result), c("messages", "status"))]
  n_nonzero <- block_gene_sums(view$block, function(value, i) as.numeric(value != 0))
  is_count <- of_counts(view$model)
  x <- view$model$design$x
  n_used <- if (is.null(view$weights)) rep(view$block$n, length(part$rows)) else colSums(view$weights > 0)
  is_few <- (if (is_count) n_nonzero else n_used) <= ncol(x)
  is_separated <- is_count & separated_genes(view$model, view$block)
  piece$status <- gene_statuses(result$status, is_separated, genes_without_arm(x, view$weights), is_few)
  piece$message <- result$messages
  piece$usable <- result$status %in% c(0L, 1L, 4L, 6L)
  piece$rows <- part$rows
  piece$base_mean <- view$levels$mean
  piece$n_nonzero <- n_nonzero
  piece$n_used <- n_used
  add_moments(piece)
}

# What is odd about the counts is said of genes that the engine has no complaint about; that a coefficient has no data, of all
# that have draws.
gene_statuses <- function(code, is_separated, is_lost, is_few) {
  status <- engine_statuses[code + 1L]
  quiet <- status %in% c("ok", "refined")
  status[quiet & is_separated | is_lost & code %in% c(0L, 1L, 4L, 6L)] <- "separated"
  status[quiet & is_few] <- "few_counts"
  status
}

# Means and standard deviations of all variables; NaN, over which R is slow, of genes without draws.
add_moments <- function(piece) {
  size <- dim(piece$draws)
  there <- which(piece$usable)
  flat <- piece$draws[, , there]
  dim(flat) <- c(size[1], size[2] * length(there))
  piece$mean <- piece$sd <- matrix(NaN, size[2], size[3])
  piece$mean[, there] <- colMeans(flat)
  piece$sd[, there] <- column_sds(flat)
  piece
}

# With keep = "moments", covariances in place of draws. A block's file keeps its draws.
trim_piece <- function(piece, keep) {
  if (keep != "moments" || is.null(piece$draws)) return(piece)
  size <- dim(piece$draws)
  covariance <- function(g) stats::cov(matrix(piece$draws[, , g], size[1]))
  piece$cov <- array(vapply(seq_len(size[3]), covariance, numeric(size[2]^2)), size[c(2, 2, 3)])
  piece$draws <- NULL
  piece
}

# The fields of a piece with a value per gene, and how many dimensions these have.
gene_dimension <- c(draws = 3, effects = 3, cov = 3, mean = 2, sd = 2, rhat = 2, ess = 2, effects_mean = 2, effects_sd = 2,
                    khat = 1, divergent = 1, n_gradients = 1, seconds = 1, status = 1, message = 1, usable = 1, rows = 1,
                    base_mean = 1, n_nonzero = 1, n_used = 1)

# Genes of a piece, by position.
piece_genes <- function(piece, at) {
  for (name in intersect(names(gene_dimension), names(piece))) {
    value <- piece[[name]]
    piece[[name]] <- switch(gene_dimension[[name]], value[at], value[, at, drop = FALSE], value[, , at, drop = FALSE])
  }
  piece
}

# Pieces one after the other. Genes are the last index, so that values follow each other.
bind_pieces <- function(pieces) {
  if (length(pieces) == 1) return(pieces[[1]])
  first <- pieces[[1]]
  n <- sum(vapply(pieces, function(piece) length(piece$rows), 0L))
  for (name in intersect(names(gene_dimension), names(first))) {
    shape <- dim(first[[name]])
    values <- unlist(lapply(pieces, `[[`, name), use.names = FALSE)
    first[[name]] <- if (is.null(shape)) values else array(values, c(shape[-length(shape)], n))
  }
  first$elbo <- add_traces(lapply(pieces, `[[`, "elbo"))
  first$interrupted <- any(vapply(pieces, function(piece) isTRUE(piece$interrupted), TRUE))
  first
}

# Sum of traces; one that has ended stays at its last value.
add_traces <- function(traces) {
  n <- max(lengths(traces))
  extend <- function(trace) c(trace, rep(trace[length(trace)], n - length(trace)))
  Reduce(`+`, lapply(traces[lengths(traces) > 0], extend))
}

# Blocks -----------------------------------------------------------------------------------------------------------

# Rows cut into blocks: for parallel work some per worker, else as large as memory allows, smaller with a folder.
block_plan <- function(rows, block_size, source, workers, has_folder) {
  if (identical(block_size, "auto")) {
    size <- floor(min(5000, block_cells(source$data, 5e7) / n_samples(source)))
    if (has_folder) size <- min(size, 500)
    if (workers > 1) size <- min(size, ceiling(length(rows) / (4 * workers)))
  } else {
    size <- check_whole(block_size, "block_size", 1, 1e9)
  }
  unname(split(rows, ceiling(seq_along(rows) / max(1, size))))
}

# The pieces of all blocks that were finished. `done` are the pieces of earlier runs by block, NULL where there is none.
run_blocks <- function(job, blocks, done, store, BPPARAM, silent, refresh) {
  todo <- which(vapply(done, is.null, TRUE))
  parallel <- !is.null(BPPARAM) && !inherits(BPPARAM, "SerialParam")
  run <- if (parallel) run_blocks_elsewhere else run_blocks_here
  done[todo] <- run(job, blocks, todo, store, BPPARAM, silent, refresh)
  compact(done)
}

# One after the other. An interrupt ends the loop: the engine returns what it has, and so does the loop. A block that fails
# costs its own genes only.
run_blocks_here <- function(job, blocks, todo, store, BPPARAM, silent, refresh) {
  progress <- new_progress(silent, refresh, "Genes")
  on.exit(progress$finish())
  pieces <- vector("list", length(todo))
  total <- sum(lengths(blocks))
  before <- total - sum(lengths(blocks[todo]))
  for (k in seq_along(todo)) {
    rows <- blocks[[todo[k]]]
    piece <- run_contained(job_part(job, rows), shifted_report(progress$report, before, total))
    if (is.null(piece)) break
    pieces[[k]] <- if (inherits(piece, "error")) piece else finish_block(piece, job$keep, store, todo[k])
    if (isTRUE(piece$interrupted)) break
    before <- before + length(rows)
  }
  without_failed(pieces)
}

# A piece, an error, or NULL after an interrupt.
run_contained <- function(part, report) {
  suspendInterrupts(tryCatch(run_part(part, report), interrupt = function(e) NULL, error = identity))
}

finish_block <- function(piece, keep, store, block) {
  write_block(piece, store, block)
  trim_piece(piece, keep)
}

# Failed blocks as NULL, with a warning; where nothing else is there, their error.
without_failed <- function(pieces) {
  failed <- vapply(pieces, inherits, TRUE, what = "error")
  if (!any(failed)) return(pieces)
  if (all(failed)) stop(pieces[[1]])
  why <- conditionMessage(pieces[[which(failed)[1]]])
  warn_twill("genes", c("{sum(failed)} of {length(pieces)} block{?s} of genes failed.", "x" = "{why}"))
  pieces[failed] <- list(NULL)
  pieces
}

shifted_report <- function(report, before, total) {
  if (is.null(report)) return(NULL)
  function(done, block_total, divergent, ...) report(before + done, total, divergent)
}
