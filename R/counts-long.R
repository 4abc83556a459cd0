# Long data for twill_genes(): a data frame with one row per gene and sample, turned into a matrix and its samples.

# list(source, data, design). Rows with the same values of all other variables of the formula are samples of equal
# standing, told apart by their order; combinations that a gene does not have are missing values.
read_long <- function(x, design, gene) {
  plan <- long_plan(x, design, gene)
  spread_long(plan, plan$response)
}

# list(x, columns, gene, response): the rows that can be used, the variables that make a sample, and two names of columns.
long_plan <- function(x, design, gene) {
  refuse_wide(x, design)
  x <- as_plain_data(x)
  check_gene_column(gene, x)
  formula <- refuse_several(tw_formula(design))
  response <- response_column(formula, x)
  columns <- setdiff(formula_variables(formula), c(response, gene))
  refuse_odd_columns(columns, plain_columns(x, NULL), "`x`")
  check_columns(formula, x)
  columns <- intersect(columns, names(x))
  complete <- stats::complete.cases(x[c(columns, gene)])
  if (!all(complete)) inform_twill("missing", "Dropped {sum(!complete)} of {nrow(x)} row{?s} with missing covariates or gene.")
  check_rows(x[complete, columns, drop = FALSE], "Each row of {.arg x} misses a covariate or the gene.")
  list(x = x[complete, , drop = FALSE], columns = columns, gene = gene, response = response)
}

# A design without response asks for one column per sample, which a matrix has.
refuse_wide <- function(x, design) {
  if (!is_one_sided(design)) return(invisible())
  abort_twill("genes", c("{.arg x} is a data frame, and {.arg design} has no response.", "i" = table_to_matrix(x),
                         "i" = "With one row per gene and sample, say {.code count ~ condition} and {.arg gene}."))
}

is_one_sided <- function(design) {
  if (is.character(design)) grepl("^[[:space:]]*~", design[1]) else inherits(design, "formula") && length(design) == 2
}

check_gene_column <- function(gene, x) {
  is_name <- is.character(gene) && length(gene) == 1 && gene %in% names(x)
  if (is_name && NCOL(x[[gene]]) == 1) return(invisible())
  if (is_name) abort_twill("genes", "The column {.val {gene}} of {.arg x} must be one vector of names, not a matrix or table.")
  given <- if (is.null(gene)) "nothing" else given_value(gene)
  abort_twill("genes", c("{.arg gene} must name the column of {.arg x} that holds the names of genes.",
                         "x" = "It is {.val {given}}.", if (is.character(gene)) did_you_mean(gene[1], names(x)),
                         "i" = "The columns are {.val {some(names(x), 15)}}."))
}

response_column <- function(formula, x) {
  text <- deparse1(formula$response)
  if (is.name(formula$response) && text %in% names(x)) return(text)
  abort_twill("genes", c("The response of {.arg design} must be a column of {.arg x}.", "x" = "It is {.code {text}}.",
                         did_you_mean(text, names(x))))
}

# One of the plan's columns of numbers, genes x samples.
spread_long <- function(plan, response) {
  x <- plan$x
  check_long_numbers(x[[response]], response)
  columns <- plan$columns
  gene_code <- factor(x[[plan$gene]], levels = unique(as.character(x[[plan$gene]])))
  cell <- if (length(columns)) combined_codes(lapply(x[columns], function(v) factor(match(v, unique(v))))) else rep(1L, nrow(x))
  turn <- occurrence(as.integer(gene_code), cell)
  key <- (cell - 1) * max(turn) + turn
  first <- which(!duplicated(key))
  first <- first[order(key[first])]
  values <- matrix(NA_real_, nlevels(gene_code), length(first), dimnames = list(levels(gene_code), NULL))
  values[cbind(as.integer(gene_code), match(key, key[first]))] <- as.numeric(x[[response]])
  data <- x[first, columns, drop = FALSE]
  rownames(data) <- NULL
  list(source = new_source(values, may_miss = TRUE), data = data, sizes = NULL)
}

check_long_numbers <- function(values, name) {
  is_plain <- is.numeric(values) && NCOL(values) == 1 && !inherits(values, c("factor", "Date", "POSIXt", "difftime"))
  if (is_plain) return(invisible())
  shape <- if (length(dim(values)) > 1) sprintf(" with %d columns", NCOL(values)) else ""
  abort_twill("genes", c("The column {.field {name}} of {.arg x} must hold numbers, one per row.",
                         "x" = "It is of class {.cls {class(values)[1]}}{shape}."))
}

# How often a pair has come so far: 1 for its first row, 2 for its second.
occurrence <- function(a, b) {
  sorted <- order(a, b)
  is_new <- c(TRUE, diff(a[sorted]) != 0 | diff(b[sorted]) != 0)
  at <- seq_along(sorted)
  turn <- integer(length(a))
  turn[sorted] <- at - at[is_new][cumsum(is_new)] + 1L
  turn
}

# The design with the placeholder in place of the response.
long_formula <- function(design) {
  formula <- refuse_several(tw_formula(design))
  response_formula(stats::as.formula(call("~", formula$formula[[3]]), formula$env))
}
