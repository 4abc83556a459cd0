# Input of twill_screen(): matrices, tables and long data become counts, guides x samples, with their genes and plasmid counts.

# list(counts, gene, guide, plasmid, data): a matrix guides x samples and what is known of either.
wide_screen <- function(x, gene, plasmid, col_data, assay) {
  has_columns <- is_experiment(x) || is_seurat(x)
  if (has_columns && is.character(gene) && length(gene) == 1) gene <- row_column(x, gene, assay)
  guide <- rownames(x)
  check_plasmid_names(plasmid, colnames(x))
  check_value_order(gene, guide, "gene", "row")
  if (is.numeric(plasmid)) check_value_order(plasmid, guide, "plasmid", "row", 1)
  if (is.numeric(plasmid) && is.matrix(plasmid)) check_value_order(plasmid, colnames(x), "plasmid")
  # Those of Seurat are unique.
  if (!is.null(guide) && !is_seurat(x)) rownames(x) <- unique_names(guide, nrow(x))
  input <- read_genes(x, assay, if (has_columns) col_data else with_plasmid_rows(col_data, colnames(x), plasmid))
  source <- input$source
  gene <- check_guide_genes(gene, n_genes(source))
  counts <- as.matrix(source_matrix(source))
  scan_source(source, is_count = TRUE)
  out <- list(counts = counts, gene = gene, guide = own_guide_names(guide, gene), data = input$data, samples = source$samples)
  split_plasmid(out, plasmid)
}

# One name per guide of a gene; a guide may be of several genes.
own_guide_names <- function(names, gene) {
  if (is.null(names)) return(sprintf("guide%d", seq_along(gene)))
  nameless <- is.na(names) | names == ""
  names[nameless] <- sprintf("guide%d", which(nameless))
  twice <- duplicated(paste(gene, names, sep = "\r"))
  if (any(twice)) {
    shown <- some(unique(names[twice]))
    warn_twill("genes", c("{sum(twice)} guide name{?s} stand{?s/} for more than one row of a gene: {.val {shown}}.",
                          "i" = "The later rows are told apart by a number."))
  }
  if (any(nameless)) {
    warn_twill("genes", "{sum(nameless)} row{?s} of {.arg x} {?has/have} no name: {.val {some(names[nameless])}}.")
  }
  for (rows in split(seq_along(gene), gene)[unique(gene[twice])]) names[rows] <- make.unique(names[rows])
  names
}

row_column <- function(x, name, assay) {
  data <- if (is_seurat(x)) seurat_features(x, assay) else experiment_rows(x)
  known <- names(data)
  if (name %in% known) return(data[[name]])
  where <- if (is_seurat(x)) "x[[assay]][[]]" else "rowData(x)"
  abort_twill("genes", c("{.arg gene} must name a column of {.code {where}}.", "x" = "There is no {.val {name}}.",
                         did_you_mean(name, known)))
}

check_guide_genes <- function(gene, n) {
  gene <- if (is.atomic(gene)) as.character(gene) else character()
  nameless <- which(is.na(gene) | gene == "")
  if (length(gene) == n && length(nameless) == 0) return(gene)
  abort_twill("genes", c("{.arg gene} must hold the gene of each guide (row of {.arg x}).",
                         "x" = "There are {n} row{?s} and {length(gene)} gene name{?s}, {length(nameless)} of them missing.",
                         if (length(nameless)) c("x" = "Missing in {cli::qty(length(nameless))}row{?s} {.val {some(nameless)}}.",
                         "i" = "Leave these rows out, or give guides without a gene one name of their own.")))
}

# Before what misses rows of samples, which a plasmid column has none of.
check_plasmid_names <- function(plasmid, columns) {
  unknown <- if (is.character(plasmid) && !is.null(columns)) setdiff(plasmid, columns)
  if (length(unknown) > 0) refuse_plasmid(unknown, columns)
}

refuse_plasmid <- function(given, samples) {
  abort_twill("genes", c("{.arg plasmid} must name columns of {.arg x}, or hold one number per guide.",
                         "x" = "There is no {.val {given}}.", did_you_mean(as.character(given)[1], samples)))
}

# Plasmid counts are a vector, one per guide, or where samples differ a matrix like the counts.
split_plasmid <- function(input, plasmid) {
  if (is.null(plasmid)) return(input)
  plasmid <- plain_column(plasmid)
  if (is.numeric(plasmid)) return(c(input, list(plasmid = check_plasmid(plasmid, input))))
  if (!is.atomic(plasmid)) plasmid <- class(plasmid)[1]
  unknown <- setdiff(plasmid, input$samples)
  if (length(unknown) > 0 || length(plasmid) == 0) {
    refuse_plasmid(if (length(plasmid)) some(unknown) else given_value(plasmid), input$samples)
  }
  before <- input$samples %in% plasmid
  if (all(before)) abort_twill("genes", "{.arg plasmid} names every column of {.arg x}: no sample is left.")
  all_counts <- input$counts
  input$counts <- input$counts[, !before, drop = FALSE]
  input$data <- input$data[!before, , drop = FALSE]
  colnames(all_counts) <- input$samples
  input$samples <- input$samples[!before]
  input$plasmid <- if (is.null(names(plasmid))) rowSums(all_counts[, before, drop = FALSE]) else
    constant_plasmid(unname(all_counts[, own_plasmid(plasmid, input$samples), drop = FALSE]))
  input
}

# The column of each sample, by its name.
own_plasmid <- function(plasmid, samples) {
  missing <- setdiff(samples, names(plasmid))
  unknown <- setdiff(names(plasmid), samples)
  if (length(missing) + length(unknown) == 0) return(plasmid[samples])
  abort_twill("genes", c("{.arg plasmid} has names, and must then name every sample.",
                         if (length(missing)) c("x" = "{.val {some(missing)}} {?is/are} not named."),
                         if (length(unknown)) c("x" = "There is no sample {.val {some(unknown)}}.")))
}

check_plasmid <- function(plasmid, input) {
  size <- dim(input$counts)
  if (is.matrix(plasmid) && ncol(plasmid) == 1) plasmid <- as.vector(plasmid)
  fits <- if (is.matrix(plasmid)) identical(dim(plasmid), size) else length(plasmid) == size[1]
  bad <- if (fits) !is.na(input$counts) & (!is.finite(plasmid) | plasmid < 0)
  if (fits && !any(bad)) return(constant_plasmid(plasmid))
  shape <- if (is.matrix(plasmid)) paste(dim(plasmid), collapse = " x ") else length(plasmid)
  n_bad <- if (fits) sum(rowSums(bad) > 0)
  abort_twill("genes", c("{.arg plasmid} must hold one number per guide, or a matrix guides x samples, not negative.",
                         "x" = if (fits) "It is missing, infinite or negative for {n_bad} guide{?s}." else
                           "There are {size[1]} guide{?s} and {size[2]} sample{?s}, and {.arg plasmid} has size {shape}."))
}

# One number per guide where all samples have the same; values without a count do not matter.
constant_plasmid <- function(plasmid) {
  if (!is.matrix(plasmid)) return(plasmid)
  first <- apply(plasmid, 1, function(values) values[!is.na(values)][1])
  if (anyNA(first) || any(plasmid != first, na.rm = TRUE)) plasmid else first
}

# One row per guide and sample. A guide of two genes is a guide of each.
long_screen <- function(x, design, gene, guide, plasmid, col_data) {
  if (!is.null(col_data)) abort_twill("genes", "{.arg col_data} is for matrices and tables: {.arg x} has its own columns.")
  x <- as_plain_data(x)
  for (name in list(gene, guide)) check_gene_column(name, x)
  known <- check_guide_genes(x[[gene]], nrow(x))
  pair <- paste(known, level_text(x[[guide]]), sep = "\r")
  x$.pair <- as.character(match(pair, unique(pair)))
  x$.pair[is.na(x[[guide]])] <- NA
  plan <- long_plan(x, design, ".pair")
  spread <- spread_long(plan, plan$response)
  at <- match(spread$source$genes, x$.pair)
  input <- list(counts = spread$source$data, gene = known[at], guide = level_text(x[[guide]])[at], data = spread$data,
                samples = spread$source$samples)
  if (is.null(plasmid)) return(input)
  if (!is.character(plasmid) || length(plasmid) != 1 || !plasmid %in% names(x) || !is.numeric(x[[plasmid]])) {
    given <- given_value(plasmid)
    abort_twill("genes", "{.arg plasmid} must name a column of numbers of {.arg x}: there is no {.val {given}}.")
  }
  c(input, list(plasmid = check_plasmid(spread_long(plan, plasmid)$source$data, input)))
}

# A table with one row per guide: columns of guides and genes, and one of counts per sample.
table_screen <- function(x, gene, guide, plasmid, col_data) {
  x <- as_plain_data(x)
  gene <- table_column(gene, x, "gene", c("Gene", "gene", "GENE"))
  guide <- if (is.null(guide) && !any(guide_names %in% names(x))) NULL else table_column(guide, x, "guide", guide_names)
  guides <- if (is.null(guide)) rownames(x) else level_text(x[[guide]])
  twice <- duplicated(paste(x[[gene]], guides))
  if (any(twice)) refuse_long_table(guides[twice], nrow(x))
  columns <- setdiff(names(x)[vapply(x, is.numeric, TRUE)], c(gene, guide))
  named <- if (!is.null(col_data) && has_row_names(col_data)) rownames(col_data)
  if (!is.null(named) && all(named %in% names(x))) columns <- union(if (is.character(plasmid)) unname(plasmid), named)
  if (length(columns) == 0) abort_twill("genes", "{.arg x} has no column of counts besides {.val {c(guide, gene)}}.")
  refuse_constant_columns(x[columns])
  counts <- as.matrix(x[columns])
  rownames(counts) <- guides
  inform_twill("screen", "{nrow(x)} guides; columns of counts: {.val {some(columns, 8)}}.")
  input <- wide_screen(counts, x[[gene]], plasmid, col_data, NULL)
  input$guide <- guides
  input
}

# Every guide has the same number: lengths and the like, not counts.
refuse_constant_columns <- function(columns) {
  is_constant <- vapply(columns, function(v) length(v) > 10 && !anyNA(v) && all(v == v[1]) && v[1] != 0, NA)
  if (!any(is_constant)) return(invisible())
  odd <- names(columns)[is_constant]
  abort_twill("genes", c(paste("Columns of numbers of {.arg x} are counts of samples, and {.val {odd}} {?has/have} the same in",
                               "each row."),
                         "i" = "Leave {.val {odd}} out of {.arg x}, or name the samples by the row names of {.arg col_data}."))
}

guide_names <- c("sgRNA", "sgrna", "guide", "Guide")

table_column <- function(name, x, argument, usual) {
  name <- name %||% intersect(usual, names(x))[1]
  if (is.character(name) && length(name) == 1 && name %in% names(x)) {
    if (is.null(dim(x[[name]]))) return(name)
    abort_twill("genes", c("The column of {.arg {argument}} must have one value per row.",
                           "x" = "{.field {name}} has {ncol(x[[name]])} columns."))
  }
  given <- if (identical(name, NA_character_)) "nothing" else given_value(name)
  abort_twill("genes", c("{.arg {argument}} must name a column of {.arg x}.", "x" = "It is {.val {given}}.",
                         did_you_mean(as.character(given)[1], names(x)), "i" = "The columns are {.val {some(names(x), 15)}}."))
}

refuse_long_table <- function(guides, n) {
  few <- length(guides) < n / 4
  abort_twill("genes", c("Guides of {.arg x} stand in several rows, and {.arg design} has no response.",
                         "x" = "{length(unique(guides))} guide{?s} {?does/do}: {.val {some(unique(guides))}}.",
                         if (few) c("i" = "Of a table with one row per guide remove repeated rows, or give them other names."),
                         "i" = "With one row per guide and sample, name the column of counts: {.code count ~ condition}."))
}

has_row_names <- function(data) if (is.data.frame(data)) .row_names_info(data) > 0 else !is.null(rownames(data))

# Plasmid columns need no row in the data of samples.
with_plasmid_rows <- function(col_data, columns, plasmid) {
  is_table <- is.data.frame(col_data) || inherits(col_data, "DFrame")
  samples <- if (is.character(plasmid)) setdiff(columns, plasmid)
  if (!is_table || is.null(samples) || nrow(col_data) != length(samples)) return(col_data)
  if (has_row_names(col_data) && !all(samples %in% rownames(col_data))) return(col_data)
  rows <- if (has_row_names(col_data)) match(columns, rownames(col_data)) else match(columns, samples)
  # A tibble has no names of rows.
  if (inherits(col_data, "tbl_df")) col_data <- as.data.frame(col_data)
  col_data <- col_data[rows, , drop = FALSE]
  rownames(col_data) <- columns
  col_data
}

one_sided <- function(design) {
  formula <- refuse_several(tw_formula(design))
  stats::as.formula(call("~", formula$formula[[3]]), formula$env)
}

# Where samples have plasmid counts of their own, a guide is left out in those samples where it is poor.
drop_poor_guides <- function(input, min_plasmid) {
  if (is.null(input$plasmid)) return(input)
  is_poor <- input$plasmid < max(min_plasmid, 1e-8)
  if (is.matrix(is_poor)) {
    input$counts[is_poor & !is.na(is_poor)] <- NA
    poor <- rowSums(!is.na(input$counts)) == 0
    some_only <- sum(rowSums(is_poor, na.rm = TRUE) > 0) - sum(poor)
  } else {
    poor <- is_poor
    some_only <- 0
  }
  if (!any(poor) && some_only == 0) return(input)
  if (all(poor)) abort_twill("genes", "Every guide has fewer than {.arg min_plasmid} = {min_plasmid} plasmid counts.")
  lost <- setdiff(input$gene, input$gene[!poor])
  few <- "fewer than {min_plasmid} plasmid counts."
  where <- "Left out {some_only} guide{?s} in those samples where {?it has/they have}"
  inform_twill("genes", c(if (any(poor)) paste("Left out {sum(poor)} guide{?s} with", few), if (some_only) paste(where, few),
                          if (length(lost)) c("i" = "{length(lost)} gene{?s} {?has/have} no other guide: {.val {some(lost)}}.")))
  input$counts <- input$counts[!poor, , drop = FALSE]
  for (name in c("gene", "guide")) input[[name]] <- input[[name]][!poor]
  input$plasmid <- if (is.matrix(is_poor)) input$plasmid[!poor, , drop = FALSE] else input$plasmid[!poor]
  input
}
