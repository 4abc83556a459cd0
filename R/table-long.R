# One long table of the tables of several fits.

# Tables of all fits as one, with columns of `by` and `gene` before the others.
long_table <- function(fits, make, title) {
  keys <- attr(fits, "keys")
  tables <- lapply(fits, make)
  shared <- Reduce(intersect, lapply(tables, names))
  long <- Map(function(table, k) {
    genes <- if ("gene" %in% names(table)) NULL else list(gene = rownames(table))
    key <- keys[rep(k, nrow(table)), setdiff(names(keys), shared), drop = FALSE]
    data.frame(c(key, genes, as.list(table)[shared]), check.names = FALSE, stringsAsFactors = FALSE)
  }, tables, seq_along(tables))
  out <- do.call(rbind, unname(long))
  rownames(out) <- NULL
  first <- tables[[1]]
  kind <- sub("^tw_", "", class(first)[1])
  facts <- facts_of(first)
  facts <- facts[setdiff(names(facts), c("title", "rows", "description", "whole", "minor", "error"))]
  facts$by <- unique(c(names(keys), facts$by))
  texts <- attr(first, "description")
  new_table(out, kind, title, paste("rows by", toString(names(keys)), "and gene"), texts, facts)
}
