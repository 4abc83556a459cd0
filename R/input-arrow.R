# Tables of Apache Arrow and files in Parquet as data in pieces, read by the package arrow where that is installed.

arrow_classes <- c("ArrowTabular", "Dataset", "RecordBatchReader", "arrow_dplyr_query")

is_arrow <- function(data) inherits(data, arrow_classes)

# Record batches become data frames one at a time, so that the table is never in memory as a whole. `arrow` holds the functions
# of that package.
arrow_pieces <- function(data, arrow = arrow_functions()) {
  reader <- if (inherits(data, "RecordBatchReader")) data else arrow$as_record_batch_reader(data)
  function() {
    batch <- tryCatch(reader$read_next_batch(), error = function(e) {
      why <- conditionMessage(e)
      abort_twill("data", c("The Arrow table given as {.arg data} cannot be read.", "x" = "{why}"))
    })
    if (!is.null(batch)) as.data.frame(batch)
  }
}

is_parquet <- function(paths) grepl("[.]parquet$", paths, ignore.case = TRUE)

parquet_pieces <- function(files, arrow = arrow_functions()) {
  force(arrow)
  data <- tryCatch(arrow$open_dataset(files), error = function(e) {
    why <- conditionMessage(e)
    abort_twill("data", c("Files of {.arg data} cannot be read as Parquet: {.file {some(files)}}.", "x" = "{why}"))
  })
  arrow_pieces(data, arrow)
}

arrow_functions <- function() {
  if (requireNamespace("arrow", quietly = TRUE)) return(mget(getNamespaceExports("arrow"), asNamespace("arrow"), inherits = TRUE))
  query <- "DBI::dbSendQuery(con, \"SELECT * FROM 'file.parquet'\")"
  abort_twill("data", c("Arrow tables and Parquet files are read by the package {.pkg arrow}, which is not installed.",
                        "i" = "Install it, or ask {.pkg duckdb}: {.code {query}}.", bullets(reader_hint)))
}
