# Names of genes that people read, beside those of rows: a column of an experiment's rowData(), or names that the user gives.

# list(name, texts): of each gene of the fit; NA where it has none.
resolve_symbols <- function(fit, symbols) {
  if (is.null(symbols)) return(NULL)
  genes <- set_genes(fit)
  if (is.factor(symbols)) symbols <- stats::setNames(as.character(symbols), names(symbols))
  if (is.character(symbols) && !is.null(names(symbols))) {
    known <- match(genes, names(symbols))
    if (!all(is.na(known))) return(list(name = "symbol", texts = known_texts(symbols[known])))
    refuse_symbols("Its names are no genes of the fit.", fit)
  }
  if (!is.character(symbols) || length(symbols) != 1 || is.na(symbols)) refuse_symbols("It is neither.", fit)
  columns <- fit$job$row_data
  if (!symbols %in% names(columns)) {
    refuse_symbols(if (is.null(columns)) "The data that were fitted have no texts in {.code rowData(x)}." else
      "There is no column {.val {symbols}}.", fit, symbols)
  }
  list(name = symbols, texts = known_texts(columns[match(genes, rownames(columns)), symbols]))
}

known_texts <- function(texts) {
  texts <- unname(texts)
  replace(texts, !is.na(texts) & !nzchar(texts), NA)
}

refuse_symbols <- function(why, fit, symbols = "") {
  known <- names(fit$job$row_data)
  abort_twill("contrast", c("{.arg symbols} must name a column of {.code rowData(x)}, or be texts named by genes.", "x" = why,
                            did_you_mean(symbols[1], known),
                            "i" = if (length(known)) "Columns with texts are {.val {known}}." else
                              "Say {.code symbols = c(ENSG00000141510 = \"TP53\", ...)}."))
}

# The table with a column of symbols before its values; another name is taken where a column of the table has theirs.
with_symbols <- function(table, symbols, genes) {
  if (is.null(symbols)) return(table)
  name <- symbol_column(table, symbols)
  at <- match(if (is.null(table$gene)) rownames(table) else table$gene, genes)
  first <- seq_len(match("gene", names(table), nomatch = 0))
  column <- stats::setNames(data.frame(symbols$texts[at], stringsAsFactors = FALSE), name)
  cbind(table[first], column, table[setdiff(seq_along(table), first)])
}

symbol_column <- function(table, symbols) if (symbols$name %in% c("gene", names(table))) "symbol" else symbols$name
