# Contrasts of several types of cells as one table.

# Contrasts of all types. s-values are of each type; `svalue_all` is over the whole table.
contrasts_by <- function(fits, contrast, ...) {
  table <- long_table(fits, function(fit) tw_contrast(fit, contrast, ...), "Effects")
  rate <- if (is.null(table$fsos)) table$lfsr else table$fsos
  texts <- attr(table, "description")
  texts[["svalue_all"]] <- "s-value over the genes of all types"
  facts <- facts_of(table)
  own <- facts[setdiff(names(facts), c("title", "rows", "description", "whole"))]
  out <- insert_before_status(plain_table(table), data.frame(svalue_all = s_values(rate)))
  new_table(out, "contrast", facts$title, facts$rows, texts, own)
}
