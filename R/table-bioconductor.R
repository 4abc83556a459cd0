# Tables of results as DataFrames of Bioconductor, with descriptions of their columns; and as tibbles, with a column of genes.

table_kinds <- c("tw_contrast", "tw_gene_sets", "tw_guides", "tw_means", "tw_variance", "tw_diagnostics", "tw_spread",
                 "tw_calibration", "tw_shared_variation", "tw_shrink", "tw_design", "tw_inclusion", "tw_draws_summary")

# For methods of S4, set when S4Vectors is loaded: it is not needed to use this package.
set_table_methods <- function() {
  methods::setOldClass(c("tw_table", "data.frame"), where = bioc_methods)
  for (kind in table_kinds) methods::setOldClass(c(kind, "tw_table"), where = bioc_methods)
  for (to in c("DataFrame", "DFrame")) {
    methods::setAs("tw_table", to, function(from) table_data_frame(from), where = bioc_methods)
  }
  mcols <- function(x, use.names = TRUE, ...) S4Vectors::mcols(table_data_frame(x), use.names = use.names, ...)
  methods::setMethod(getExportedValue("S4Vectors", "mcols"), "tw_table", mcols, where = bioc_methods)
}

table_data_frame <- function(x) {
  names <- attr(x, "row.names")
  out <- S4Vectors::DataFrame(plain_table(x), check.names = FALSE, row.names = if (is.character(names)) names)
  type <- ifelse(names(x) %in% c("baseMean", "AveExpr"), "intermediate", "results")
  S4Vectors::mcols(out) <- S4Vectors::DataFrame(type = type, description = unname(table_texts(x)), row.names = names(x))
  S4Vectors::metadata(out) <- facts_of(x)[intersect(names(facts_of(x)), public_facts)]
  out
}

public_facts <- c("contrast", "estimand", "scale", "unit", "prob", "error", "threshold", "by", "label")

# Row names, which tibbles do not have, become a column.
as_tibble.tw_table <- function(x, ..., rownames = NULL) {
  names <- attr(x, "row.names")
  if (is.null(rownames) && is.character(names)) rownames <- if ("gene" %in% names(x)) ".row" else "gene"
  getExportedValue("tibble", "as_tibble")(plain_table(x), ..., rownames = rownames)
}

set_methods_of_tables <- function() {
  on_load("S4Vectors", function(...) set_table_methods())
  method_of <- function(package, verb, method) {
    on_load(package, function(...) registerS3method(verb, "tw_table", method, asNamespace(package)))
  }
  method_of("dplyr", "dplyr_reconstruct", dplyr_reconstruct.tw_table)
  method_of("tibble", "as_tibble", as_tibble.tw_table)
}

# Where the methods live: a namespace is closed by the time that BiocGenerics may be loaded.
bioc_methods <- new.env()
