# Input of twill_genes(): experiments and matrices become a source of counts and a data frame of samples.

# list(source, data, sizes, rows): `sizes` are the size factors that the experiment itself carries, `rows` its texts of genes.
read_genes <- function(x, assay, col_data) {
  if (is_experiment(x)) return(read_experiment(x, assay, col_data))
  if (is_seurat(x)) {
    found <- read_seurat(x, assay, if (identical(assay, "logcounts")) "data" else "counts", col_data)
    source <- new_source(found$counts)
    return(list(source = source, data = matrix_samples(found$data, source), sizes = NULL, rows = found$rows))
  }
  source <- new_source(x)
  list(source = source, data = matrix_samples(col_data, source), sizes = NULL)
}

is_experiment <- function(x) {
  load_class(x)
  inherits(x, "SummarizedExperiment")
}

# Objects read from a file can be of a class whose package is not loaded: it is needed to look into them.
load_class <- function(x) {
  package <- if (isS4(x)) attr(class(x), "package")
  if (is.character(package) && package != ".GlobalEnv") requireNamespace(package, quietly = TRUE)
}

# `assay` and `gene` say where things are in some kinds of data. `given` are names of arguments of the call.
refuse_of_other_data <- function(x, given, gene = NULL) {
  kind <- if (is.data.frame(x)) "a data frame" else "a matrix"
  if ("assay" %in% given && !is_experiment(x) && !is_seurat(x)) {
    abort_twill("argument", "{.arg assay} is for experiments and Seurat objects: {.arg x} is {kind}.")
  }
  if (!is.null(gene) && !is.data.frame(x)) {
    abort_twill("argument", c("{.arg gene} is for a data frame, whose column of genes it names: {.arg x} is none.",
                              "i" = "Genes are rows of {.arg x}; {.arg genes} says which of them to fit."))
  }
}

default_assay <- function(family) if (is_count_family(as_twill_family(family))) "counts" else "logcounts"

read_experiment <- function(x, assay, col_data) {
  need_package("SummarizedExperiment", "to read {.arg x}")
  if (!is.null(col_data)) {
    abort_twill("genes", c("{.arg col_data} is for matrices: {.arg x} has its own.",
                           "i" = "Put what is missing into {.code colData(x)}."))
  }
  # Before the call: S4 dispatch would wrap an error raised while it evaluates arguments.
  assay <- pick_assay(assay, x)
  values <- SummarizedExperiment::assay(x, assay, withDimnames = FALSE)
  dimnames(values) <- list(rownames(x), colnames(x))
  data <- plain_columns(SummarizedExperiment::colData(x), colnames(x))
  list(source = new_source(values), data = data, sizes = carried_sizes(data), rows = experiment_texts(x))
}

# An experiment with one assay without a name has that one.
pick_assay <- function(assay, x) {
  n <- length(SummarizedExperiment::assays(x, withDimnames = FALSE))
  known <- SummarizedExperiment::assayNames(x) %||% character(n)
  if (n == 0) {
    abort_twill("genes", c("{.arg x} has no assay, so no counts.", "i" = "{.code assay(x, \"counts\") <- counts} gives it one."))
  }
  if (n == 1 && !nzchar(known) && is.character(assay)) return(1L)
  if (is.character(assay) && length(assay) == 1 && assay %in% known && nzchar(assay)) return(assay)
  if (is_number(assay) && assay %in% seq_along(known)) return(as.integer(assay))
  given <- given_value(assay)
  abort_twill("genes", c("{.arg assay} must name an assay of {.arg x}.", "x" = "It is {.val {given}}.",
                         did_you_mean(as.character(assay)[1], known),
                         "i" = if (any(nzchar(known))) "There are {.val {known}}." else
                           "The assays have no names: say {.code assay = 1}."))
}

# Columns that a model can use: run-length encoded ones are expanded, matrices of one column are its numbers. Others are left
# out, and stand with what they are in the attribute "odd".
plain_columns <- function(data, names) {
  columns <- lapply(as.list(data), sample_column)
  is_plain <- vapply(columns, function(column) is.atomic(column) && is.null(dim(column)), TRUE)
  structure(columns[is_plain], names = names(columns)[is_plain], row.names = sample_rows(names, nrow(data)), class = "data.frame",
            odd = if (!all(is_plain)) columns[!is_plain])
}

sample_column <- function(column) {
  if (isS4(column) && inherits(column, "Rle")) return(as.vector(column))
  column <- plain_column(column, as_text = TRUE)
  is_single <- is.atomic(column) && length(dim(column)) %in% 1:2 && NCOL(column) == 1
  if (is_single) as.vector(column) else column
}

# What rowData() says of genes in words, such as symbols, with the names that genes have in a fit; NULL without any.
texts_of_rows <- function(data, names) {
  columns <- plain_columns(data, NULL)
  columns <- columns[vapply(columns, function(column) is.character(column) || is.factor(column), NA)]
  if (length(columns) == 0) return(NULL)
  columns[] <- lapply(columns, as.character)
  structure(columns, row.names = unique_names(names, nrow(data)))
}

experiment_texts <- function(x) texts_of_rows(experiment_rows(x), rownames(x))

# What rowData() is, without names: of those some may be missing, which a table of Bioconductor refuses, and rowData() of single
# cells too, whether it is asked for names or not.
experiment_rows <- function(x) S4Vectors::mcols(x, use.names = FALSE)

# A variable of the design that is a matrix, a table or a list is there, but no column.
refuse_odd_columns <- function(variables, data, where) {
  odd <- attr(data, "odd")
  name <- intersect(variables, names(odd))
  if (length(name) == 0) return(invisible())
  name <- name[1]
  column <- odd[[name]]
  n <- if (length(dim(column)) == 2) ncol(column)
  kind <- class(column)[1]
  what <- if (is.null(n)) sprintf("a list (%s)", kind) else sprintf("a %s of %d %s", kind, n, ngettext(n, "column", "columns"))
  way <- if (is.null(n)) "unlist(x$%s)" else if (is.atomic(column)) "x$%s[, 1]" else "x$%s[[1]]"
  new <- if (is.null(n)) name else paste0(name, "1")
  code <- paste0(sprintf("x$%s <- ", new), sprintf(way, name))
  abort_twill("data", c("Variables of the design must be plain columns of {where}, one value per sample.",
                        "x" = "{.field {name}} is {what}.", "i" = "Make a column of what is meant, as by {.code {code}}."))
}

sample_rows <- function(names, n) if (is.null(names) || anyDuplicated(names)) seq_len(n) else names

matrix_samples <- function(col_data, source) {
  n <- n_samples(source)
  if (is.null(col_data)) return(plain_columns(data.frame(row.names = seq_len(n)), source$samples))
  check_col_data(col_data)
  check_sample_order(col_data, source, n)
  plain_columns(col_data, source$samples)
}

check_col_data <- function(col_data) {
  if (is.data.frame(col_data) || inherits(col_data, "DFrame")) return(invisible())
  given <- class(col_data)[1]
  abort_twill("genes", c("{.arg col_data} must be a data frame, one row per column of {.arg x}.",
                         "x" = "It is of class {.cls {given}}."))
}

# Names of other things, or none, say nothing of the order.
is_in_order <- function(own, names) is.null(own) || !any(own %in% names) || identical(as.character(own), as.character(names))

# Names of a vector, or of the rows and columns of a matrix, that are names of `x` must stand in its order: values go by position.
check_value_order <- function(value, names, argument, of = "column", dim = 2) {
  own <- if (is.null(dim(value))) names(value) else dimnames(value)[[dim]]
  expected <- names[names %in% own]
  if (is_in_order(own, expected)) return(invisible())
  wrong <- if (length(own) == length(expected)) own[own != expected] else own[duplicated(own) | !own %in% names]
  by <- if (of == "column") "colnames(x)" else "rownames(x)"
  at <- if (is.null(dim(value))) by else if (dim == 2) paste0(", ", by) else paste0(by, ", ")
  code <- sprintf("%s[%s]", argument, at)
  abort_twill("genes", c("The names of {.arg {argument}} are not those of the {of}s of {.arg x} in their order.",
                         "x" = "{length(wrong)} value{?s} {?has/have} the name of another {of} or of none: {.val {some(wrong)}}.",
                         "i" = "Say {.code {code}}, or {.code unname()} where values go by position."))
}

# The same of arguments with one value per column, or a matrix like x.
check_values_by_column <- function(x, ...) {
  if (is.data.frame(x)) return(invisible())
  values <- Filter(is.numeric, list(...))
  for (argument in names(values)) {
    check_value_order(values[[argument]], colnames(x), argument)
    if (length(dim(values[[argument]])) == 2) check_value_order(values[[argument]], rownames(x), argument, "row", 1)
  }
}

check_sample_order <- function(col_data, source, n) {
  if (nrow(col_data) != n) {
    is_turned <- nrow(col_data) == n_genes(source)
    abort_twill("genes", c("{.arg col_data} must have one row per column of {.arg x}.",
                           "x" = "It has {nrow(col_data)} row{?s}, and {.arg x} has {n} column{?s}.",
                           if (is_turned) c("i" = "Genes are the rows of {.arg x}: say {.code t(x)} if they are its columns.")))
  }
  rows <- if (!is.data.frame(col_data) || .row_names_info(col_data) > 0) rownames(col_data)
  if (is_in_order(rows, source$samples)) return(invisible())
  wrong <- rows[rows != source$samples]
  abort_twill("genes", c("The rows of {.arg col_data} are not in the order of the columns of {.arg x}.",
                         "x" = "{length(wrong)} row{?s} {?has/have} another name than the column: {.val {some(wrong)}}.",
                         "i" = "Say {.code col_data[colnames(x), ]}."))
}

# Genes asked for --------------------------------------------------------------------------------------------------

# Row numbers of genes given by name, number or condition; NULL stands for all.
pick_genes <- function(genes, known, arg = "genes") {
  if (is.null(genes)) return(seq_along(known))
  if (is.factor(genes)) genes <- as.character(genes)
  if (is.logical(genes) && length(genes) == length(known)) genes <- which(genes)
  if (is.character(genes)) return(named_genes(genes, known, arg))
  rows <- if (is.numeric(genes)) seq_along(known)[genes]
  if (length(rows) > 0 && !anyNA(rows)) return(unique(rows))
  given <- if (length(genes) == 0) "{.arg {arg}} chooses none." else "you supplied {.val {some(genes)}}."
  abort_twill("genes", c("{.arg {arg}} must be names of genes, row numbers, or one TRUE or FALSE per row.",
                         "x" = paste("There are {length(known)} row{?s};", given)))
}

named_genes <- function(genes, known, arg) {
  unknown <- unique(genes[!genes %in% known])
  if (length(unknown) == 0 && length(genes) > 0) return(unique(match(genes, known)))
  if (length(genes) == 0) abort_twill("genes", "{.arg {arg}} names no gene.")
  abort_twill("genes", c("{.arg {arg}} names {length(unknown)} gene{?s} that {?is/are} not there: {.val {some(unknown)}}.",
                         if (length(known) < 1e5) did_you_mean(unknown[1], known)))
}

# Why genes are not fitted, "" for those that are.
filter_reasons <- function(scan, chosen, min_count, is_count, n_samples) {
  reason <- rep("", length(scan$total))
  if (is_count) {
    few <- scan$total < min_count
    reason[few] <- sprintf("%.0f counts in all", scan$total[few])
  } else {
    reason[scan$is_constant] <- "constant"
    reason[n_samples - scan$n_missing < 2] <- "fewer than two values"
  }
  reason[-chosen] <- "not chosen"
  reason
}

check_any_gene <- function(reason, min_count) {
  if (any(reason == "")) return(invisible())
  left_out <- table(sub("^[0-9]+ counts in all$", "few counts", reason[reason != "not chosen"]))
  shown <- sprintf("%s (%d)", names(left_out), as.integer(left_out))
  abort_twill("genes", c("No gene is left to fit.",
                         "x" = if (length(shown)) "Left out: {.val {shown}}." else "{.arg genes} chooses none.",
                         "i" = "{.arg min_count} is {min_count}: genes need as many counts over all samples.",
                         "i" = "Genes are the rows of {.arg x}, samples its columns."))
}

# Packages that are only suggested ---------------------------------------------------------------------------------

# `purpose` is the end of the sentence, as a cli message.
need_package <- function(package, purpose) {
  if (requireNamespace(package, quietly = TRUE)) return(invisible())
  abort_twill("package", c(paste0("The package {.pkg {package}} is needed ", purpose, "."),
                           "i" = "Install it: {.code BiocManager::install(\"{package}\")}."))
}
