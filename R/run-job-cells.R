# The job of a fit of cells: its samples are the leaves, or the cells where these have covariates of their own.

new_cell_job <- function(input, capture, model, sharing, settings, keep, min_count) {
  exposure <- as.numeric(rowsum(exp(capture$log_capture), input$leaf))
  source <- leaf_source(input, capture, settings)
  reason <- cell_reasons_of(input)
  scan <- list(total = unname(colSums(input$sums)), n_nonzero = unname(colSums(input$sums > 0)),
               sample_total = rowSums(input$sums), n_missing = numeric(length(source$genes)),
               base_mean = unname(colMeans(input$sums / exposure)))
  job <- list(source = source, model = model, sharing = sharing, sizes = list(values = exposure, how = capture_text(capture)),
              scan = scan, reason = reason, settings = settings[setdiff(names(settings), "progress")], keep = keep,
              min_count = min_count, cells = cell_facts(input, capture),
              columns = lapply(input$data, unit_column, of = input$leaf, n = length(input$labels)))
  add_offsets(job, NULL, NULL)
}

# Of the genes kept: chosen or not. `_other` is fitted where genes are pooled.
cell_reasons_of <- function(input) {
  chosen <- input$chosen[input$kept]
  c(ifelse(chosen, "", "not chosen"), if (length(input$other)) "")
}

# Where covariates differ from cell to cell: cells are the samples.
new_row_job <- function(input, capture, model, sharing, settings, keep, min_count) {
  genes <- c(input$genes[input$kept], if (length(input$other)) other_name(input$genes))
  source <- list(kind = "sparse", data = input$columns, genes = genes, samples = input$names, may_miss = FALSE)
  given <- list(size_factors = exp(capture$log_capture), genes = cell_reasons_of(input) == "", min_count = min_count)
  settings <- settings[setdiff(names(settings), "progress")]
  job <- new_job(list(source = source, data = input$data), model, given, sharing, settings, keep)
  job$sizes$how <- capture_text(capture)
  c(job, list(cells = cell_facts(input, capture)))
}

capture_text <- function(capture) if (capture$how == "model") "capture" else sprintf("capture (%s)", capture$how)

cell_facts <- function(input, capture) {
  list(leaf = input$leaf, log_capture = capture$log_capture, sd = capture$sd, total = input$total, names = input$names,
       n = tabulate(input$leaf, length(input$labels)), how = capture$how, organism = capture$organism,
       molecules = capture$molecules, rows = input$rows, assay = input$assay,
       capture = leaf_table(input, capture$log_capture),
       left_out = input$left_out, left_values = input$left_values, kept = input$kept,
       other = list(genes = input$other, name = if (length(input$other)) other_name(input$genes)))
}

# One row per leaf: cells, median counts of a cell, median capture.
leaf_table <- function(input, log_capture) {
  by_leaf <- function(v, f) as.numeric(tapply(v, factor(input$leaf, seq_along(input$labels)), f))
  data.frame(input$leaves, cells = tabulate(input$leaf, length(input$labels)),
             median_total = by_leaf(input$total, stats::median),
             median_capture = by_leaf(exp(log_capture), stats::median), row.names = input$labels, check.names = FALSE)
}

# Of one value per unit as it is; else numbers as means, categories as shares. NULL where neither can be had.
unit_column <- function(x, of, n) {
  if (is.null(x) || anyNA(x) || NROW(x) != length(of)) return(NULL)
  first <- match(seq_len(n), of)
  if (is.matrix(x)) return(x[first, , drop = FALSE])
  # A level of a factor may be NA, which is.na() does not count as missing.
  text <- as.character(x)
  if (identical(text, text[first][of])) return(x[first])
  if (is.numeric(x)) return(as.numeric(tapply(x, of, mean)))
  if (!is_category(x) || length(unique(x)) > 20) return(NULL)
  shares <- table(of, ifelse(is.na(text), "NA", text))
  unclass(shares / rowSums(shares))
}
