# AnnData: counts, obs and var of a file as scanpy writes it, by rhdf5, without Python.

#' Read an AnnData file
#'
#' Reads counts, `obs` and `var` of a file of the format h5ad, which anndata and scanpy write, as a SingleCellExperiment. Nothing
#' of Python is needed. [twill_genes()] and [twill_cells()] take the path of such a file, too: `twill_cells("cells.h5ad", ...)`.
#'
#' Sparse counts are read as they are stored, dense ones by blocks of cells into a sparse matrix. Categorical columns become
#' factors with the levels of the file, nullable ones have `NA`; columns of other kinds, and `obsm`, `varm`, `obsp` and `uns`, are
#' left where they are.
#'
#' @param file Path of the file.
#' @param layer Which counts: the name of a layer, `"X"`, or `"raw"` (`raw/X`, with the genes of `raw/var`). Default: the layer
#'   `"counts"` if there is one, else the first of `X` and `raw` that holds whole numbers.
#' @param on_disk Leave the counts in the file, as a DelayedMatrix of HDF5Array that is read block by block? Default: no.
#' @param ... Must be empty.
#' @return A SingleCellExperiment with the assay `counts`, genes in rows. Errors have class `twill_error_file` or
#'   `twill_error_package`.
#' @seealso [twill_cells()]
#' @examplesIf requireNamespace("rhdf5", quietly = TRUE) && requireNamespace("SingleCellExperiment", quietly = TRUE)
#' # A file that holds nothing but counts of three cells.
#' file <- tempfile(fileext = ".h5ad")
#' rhdf5::h5createFile(file)
#' rhdf5::h5write(matrix(c(1, 0, 2, 0, 0, 5), 2), file, "X")
#' for (side in c("obs", "var")) {
#'   rhdf5::h5createGroup(file, side)
#'   names <- if (side == "obs") c("cell1", "cell2", "cell3") else c("IFIT1", "TP53")
#'   rhdf5::h5write(names, file, paste0(side, "/_index"))
#' }
#' sce <- tw_read_h5ad(file)
#' SingleCellExperiment::counts(sce)
#' @export
tw_read_h5ad <- function(file, layer = NULL, on_disk = FALSE, ...) {
  check_no_dots(...)
  check_existing_file(file, "file")
  check_flag(on_disk, "on_disk")
  need_package("rhdf5", "to read {.file {file}}")
  need_package("SingleCellExperiment", "to hold what {.file {file}} has")
  if (on_disk) need_package("HDF5Array", "to leave counts on disk")
  parts <- h5_parts(file)
  where <- h5_counts(file, parts, layer)
  of_genes <- if (where == "raw/X") "raw/var" else "var"
  genes <- h5_frame(file, parts, of_genes)
  cells <- h5_frame(file, parts, "obs")
  counts <- if (on_disk) h5_on_disk(file, parts, where) else h5_matrix(file, parts, where)
  if (!identical(dim(counts), c(nrow(genes), nrow(cells)))) {
    abort_twill("file", c("{.file {file}} does not fit together.",
                          "x" = "{where} is of {ncol(counts)} cell{?s} and {nrow(counts)} gene{?s}.",
                          "x" = "obs has {nrow(cells)} row{?s}, {of_genes} {nrow(genes)}."))
  }
  dimnames(counts) <- list(rownames(genes), rownames(cells))
  SingleCellExperiment::SingleCellExperiment(list(counts = counts), colData = S4Vectors::DataFrame(cells, check.names = FALSE),
                                             rowData = S4Vectors::DataFrame(genes, check.names = FALSE))
}

is_h5ad <- function(x) is.character(x) && length(x) == 1 && is.null(dim(x)) && grepl("[.]h5ad$", x, ignore.case = TRUE)

read_if_file <- function(x) {
  if (!is_h5ad(x)) return(x)
  check_existing_file(x, "x")
  tw_read_h5ad(x)
}

# A call that can be taken apart: parts of a file are parts of what is read from it.
call_with_file <- function(call, x) {
  if (is_h5ad(x)) call$x <- as.call(list(as.name("tw_read_h5ad"), call$x))
  call
}

# What the file has: "obs/condition/codes" and so on.
h5_parts <- function(file) {
  found <- tryCatch(rhdf5::h5ls(file, datasetinfo = FALSE), error = function(e) {
    abort_twill("file", "{.file {file}} is no file of the format HDF5.")
  })
  found <- sub("^/+", "", paste(found$group, found$name, sep = "/"))
  needed <- c("obs", "var")
  if (all(needed %in% found)) return(found)
  abort_twill("file", c("{.file {file}} is no AnnData file.", "x" = "It has no {.field {setdiff(needed, found)}}."))
}

# Which counts -----------------------------------------------------------------------------------------------------------

h5_counts <- function(file, parts, layer) {
  layers <- sub("^layers/", "", grep("^layers/[^/]+$", parts, value = TRUE))
  known <- c(stats::setNames(sprintf("layers/%s", layers), layers), X = "X", raw = "raw/X")
  known <- known[known %in% parts]
  if (is.null(layer)) {
    if ("counts" %in% layers) return("layers/counts")
    whole <- Filter(function(where) h5_is_whole(file, parts, where), known[names(known) %in% c("X", "raw")])
    if (length(whole)) return(unname(whole[1]))
    abort_twill("file", c("{.file {file}} has no layer {.val counts}, and neither X nor raw holds whole numbers.",
                          "i" = "Name the layer that holds raw counts: there are {.val {names(known)}}."))
  }
  if (is.character(layer) && length(layer) == 1 && layer %in% names(known)) return(known[[layer]])
  given <- given_value(layer)
  abort_twill("file", c("{.arg layer} must name counts that {.file {file}} has.", "x" = "It is {.val {given}}.",
                        did_you_mean(as.character(given)[1], names(known)), "i" = "There are {.val {names(known)}}."))
}

# By its first values.
h5_is_whole <- function(file, parts, where) {
  values <- if (is_h5_group(parts, where)) h5_values(file, paste0(where, "/data"), 1e5) else h5_block(file, where, 1L)
  all(is.finite(values) & values == round(values) & values >= 0)
}

is_h5_group <- function(parts, where) any(startsWith(parts, paste0(where, "/")))

h5_attribute <- function(file, where, name) {
  # Attributes that are logical come as NA with a warning; none of them is needed.
  found <- suppressWarnings(rhdf5::h5readAttributes(file, where))
  known <- intersect(name, names(found))
  if (length(known)) found[[known[1]]]
}

# A dataset as a plain vector, or its first `n` values.
h5_values <- function(file, where, n = Inf) {
  if (is.finite(n)) {
    length <- prod(h5_dims(file, where))
    return(h5_plain(rhdf5::h5read(file, where, index = list(seq_len(min(n, length))), bit64conversion = "double")))
  }
  h5_plain(rhdf5::h5read(file, where, bit64conversion = "double"))
}

h5_dims <- function(file, where) {
  handle <- rhdf5::H5Fopen(file, "H5F_ACC_RDONLY")
  on.exit(rhdf5::H5Fclose(handle))
  data <- rhdf5::H5Dopen(handle, where)
  on.exit(rhdf5::H5Dclose(data), add = TRUE, after = FALSE)
  space <- rhdf5::H5Dget_space(data)
  on.exit(rhdf5::H5Sclose(space), add = TRUE, after = FALSE)
  rhdf5::H5Sget_simple_extent_dims(space)$size
}

# Matrices ---------------------------------------------------------------------------------------------------------------

# Genes x cells, sparse. Rows of a file are columns of R.
h5_matrix <- function(file, parts, where) {
  if (!is_h5_group(parts, where)) return(h5_dense(file, where))
  kind <- h5_attribute(file, where, c("encoding-type", "h5sparse_format"))
  shape <- as.integer(h5_attribute(file, where, c("shape", "h5sparse_shape")))
  read <- function(name) h5_values(file, paste(where, name, sep = "/"))
  pointers <- read("indptr")
  if (pointers[length(pointers)] > .Machine$integer.max) {
    abort_twill("file", c("{.file {file}} has more counts above zero than a sparse matrix of R can hold.",
                          "i" = "Leave them in the file: {.code tw_read_h5ad(file, on_disk = TRUE)}."))
  }
  is_by_cells <- startsWith(kind, "csr")
  m <- compressed_columns(pointers, read("indices"), read("data"), if (is_by_cells) rev(shape) else shape)
  if (is_by_cells) m else Matrix::t(m)
}

# Rows of a column may stand in any order in the file, and more than once.
compressed_columns <- function(p, i, x, dim) {
  p <- as.integer(p)
  i <- as.integer(i)
  within <- rep(TRUE, max(0, length(i) - 1))
  ends <- p[-c(1, length(p))]
  within[ends[ends > 0 & ends < length(i)]] <- FALSE
  is_sorted <- all(diff(i)[within] > 0)
  if (!is_sorted) return(Matrix::sparseMatrix(i = i, p = p, x = as.double(x), dims = dim, index1 = FALSE))
  methods::new("dgCMatrix", p = p, i = i, x = as.double(x), Dim = as.integer(dim))
}

# Genes x some cells of a dense dataset.
h5_block <- function(file, where, cells) rhdf5::h5read(file, where, index = list(NULL, cells), bit64conversion = "double")

h5_dense <- function(file, where) {
  size <- h5_dims(file, where)
  steps <- gene_ranges(size[2], size[1])
  put <- lapply(steps, function(cells) as_compressed(methods::as(h5_block(file, where, cells), "sparseMatrix")))
  do.call(cbind, put)
}

h5_on_disk <- function(file, parts, where) {
  where <- paste0("/", where)
  if (is_h5_group(parts, sub("/", "", where))) HDF5Array::H5SparseMatrix(file, where) else HDF5Array::HDF5Array(file, where)
}

# Data frames ------------------------------------------------------------------------------------------------------------

# obs or var, with its index as names of rows.
h5_frame <- function(file, parts, where) {
  if (!is_h5_group(parts, where)) {
    abort_twill("file", c("{.field {where}} of {.file {file}} is a table of an old kind.",
                          "i" = "Write the file again by anndata 0.7 or later."))
  }
  index <- h5_attribute(file, where, "_index") %||% "_index"
  columns <- sub(paste0(where, "/"), "", grep(sprintf("^%s/[^/]+$", where), parts, value = TRUE), fixed = TRUE)
  order <- as.character(h5_attribute(file, where, "column-order"))
  columns <- setdiff(c(intersect(order, columns), columns), c(index, "__categories"))
  values <- lapply(stats::setNames(columns, columns), function(name) h5_column(file, parts, where, name))
  rows <- as.character(h5_values(file, paste(where, index, sep = "/")))
  fine <- lengths(values) == length(rows)
  structure(values[fine], row.names = unique_names(rows, length(rows)), class = "data.frame")
}

# NULL for what is no plain column.
h5_column <- function(file, parts, where, name) {
  at <- paste(where, name, sep = "/")
  inside <- function(part) h5_values(file, paste(at, part, sep = "/"))
  if (paste0(at, "/codes") %in% parts) {
    return(coded_factor(inside("codes"), inside("categories")))
  }
  if (paste0(at, "/values") %in% parts && paste0(at, "/mask") %in% parts) {
    return(replace(inside("values"), as.logical(inside("mask")), NA))
  }
  if (is_h5_group(parts, at)) return(NULL)
  values <- h5_values(file, at)
  old <- sprintf("%s/__categories/%s", where, name)
  if (old %in% parts) return(coded_factor(values, h5_values(file, old)))
  values
}

# Whether levels are ordered is not asked: designs would take polynomials of them.
coded_factor <- function(codes, categories) {
  levels <- as.character(categories)
  factor(levels[ifelse(codes < 0, NA, codes) + 1L], levels)
}

# A plain vector. Logical values are an enumeration in the file.
h5_plain <- function(x) {
  if (!is.factor(x)) return(as.vector(x))
  if (all(levels(x) %in% c("FALSE", "TRUE"))) as.vector(x) == "TRUE" else as.vector(x)
}
