# One long table of several tables: of types of cells, of contrasts.

# Tables as one, with columns of `keys` (one row per table) and the name of the row before the others. s-values are of each table,
# and `svalue_all` is over all rows. Tables of one response have no names of rows and no s-values.
long_table <- function(tables, keys, row = "gene") {
  shared <- setdiff(Reduce(intersect, lapply(tables, names)), "svalue_all")
  long <- Map(function(table, k) {
    rows <- if (!is.null(row) && !row %in% names(table)) stats::setNames(list(rownames(table)), row)
    key <- keys[rep(k, nrow(table)), setdiff(names(keys), shared), drop = FALSE]
    data.frame(c(key, rows, as.list(table)[shared]), check.names = FALSE, stringsAsFactors = FALSE)
  }, tables, seq_along(tables))
  out <- do.call(rbind, unname(long))
  rownames(out) <- NULL
  facts <- shared_facts(tables)
  facts$by <- unique(c(names(keys), facts$by))
  texts <- attr(tables[[1]], "description")
  rate <- if (is.null(out$fsos)) out$lfsr else out$fsos
  if (!is.null(rate) && !is.null(row)) {
    out <- insert_before_status(out, data.frame(svalue_all = s_values(rate)))
    texts[["svalue_all"]] <- "s-value over all rows of the table"
  }
  first <- tables[[1]]
  kind <- sub("^tw_", "", class(first)[1])
  new_table(out, kind, facts_of(first)$title, paste("rows by", joined_words(c(facts$by, row))), texts, facts)
}

# What all tables say of themselves alike.
shared_facts <- function(tables) {
  facts <- facts_of(tables[[1]])
  facts <- facts[setdiff(names(facts), c("title", "rows", "description", "whole", "minor", "error", "support"))]
  same <- vapply(names(facts), function(name) all(vapply(tables, function(x) identical(attr(x, name), facts[[name]]), NA)), NA)
  c(facts[same], list(support = largest_support(tables)))
}

tables_by <- function(fits, make, row = "gene") long_table(said_once(lapply(fits, make)), attr(fits, "keys"), row)
