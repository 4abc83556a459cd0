# Sets of genes from files of the format GMT, as MSigDB and other collections give them.

#' Read sets of genes
#'
#' Reads a file in the format GMT: one set per line, its name, a description and the names of its genes, separated by tabs.
#' [tw_gene_sets()] takes the path of such a file, too.
#'
#' @param file Path of a file, which may be compressed by gzip.
#' @param ... Must be empty.
#' @return A named list of sets, each the names of its genes. Errors have class `twill_error_file`.
#' @seealso [tw_gene_sets()]
#' @examples
#' file <- tempfile(fileext = ".gmt")
#' writeLines(c("FIRST\tof a pathway\tIFIT1\tIFIT2\tMX1", "SECOND\t\tTP53\tMDM2"), file)
#' tw_read_gmt(file)
#' @export
tw_read_gmt <- function(file, ...) {
  check_no_dots(...)
  check_existing_file(file, "file")
  connection <- gzfile(file, "rt")
  on.exit(close(connection))
  lines <- readLines(connection, warn = FALSE, encoding = "UTF-8")
  # Names in the encoding of older files.
  old <- !validUTF8(lines)
  lines[old] <- iconv(lines[old], "latin1", "UTF-8")
  numbers <- which(nzchar(trimws(lines)))
  fields <- strsplit(lines[numbers], "\t", fixed = TRUE)
  short <- numbers[lengths(fields) < 3]
  if (length(numbers) == 0) abort_twill("file", "{.file {file}} holds no set of genes.")
  if (length(short)) {
    # As texts: a plural would take numbers for its own.
    lines <- some(as.character(short))
    abort_twill("file", c("Lines of {.file {file}} must hold a name, a description and genes, separated by tabs.",
                          "x" = "Line{?s} {lines} {?has/have} fewer than three fields."))
  }
  names <- trimws(vapply(fields, `[`, "", 1))
  twice <- unique(names[duplicated(names)])
  if (length(twice)) {
    abort_twill("file", c("Sets of {.file {file}} must have different names.",
                          "x" = "{.val {some(twice)}} stand{?s/} on more than one line."))
  }
  sets <- lapply(fields, function(field) {
    genes <- trimws(field[-(1:2)])
    unique(genes[nzchar(genes)])
  })
  stats::setNames(sets, names)
}
