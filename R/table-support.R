# What tables show of rates that are smaller than their draws support (contrast-rates.R has the rule): the fact `support`.

rate_columns <- c("lfsr", "fsos", "svalue", "svalue_all", "prob", "lvr_lfsr")

# Texts of a column of rates: none below what is supported.
supported_texts <- function(text, values, name, support) {
  below <- if (is.null(support) || !name %in% rate_columns) logical() else which(values < support)
  replace(text, below, paste0("<", formatC(support, digits = 1, format = "g", decimal.mark = ".")))
}

support_note <- function(support) {
  if (is.null(support)) return("")
  sprintf("; below %.1g, one over the number of draws, extrapolated: an order, no finding", support)
}

# Of tables that become one.
largest_support <- function(tables) {
  known <- unlist(lapply(tables, attr, "support"))
  if (length(known)) max(known)
}
