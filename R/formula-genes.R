# Designs of many genes: formulas without a response.

# Column of the samples' data that stands for the response.
response_name <- ".count"

# The design with a response; a twill_formula already has one.
response_formula <- function(design) {
  if (is_mvbind(design)) design <- tw_formula(design)
  refuse_several(design)
  refuse_latents(refuse_fcor(gene_response_formula(design), "many genes and cells"), "many genes and cells")
}

gene_response_formula <- function(design) {
  if (inherits(design, "twill_formula")) return(design)
  if (is.character(design) && length(design) == 1) design <- text_formula(design, parent.frame(3))
  if (!inherits(design, "formula")) {
    given <- class(design)[1]
    abort_twill("formula", c("{.arg design} must be a formula such as {.code ~ condition + (1 + condition || donor)}.",
                             "x" = "It is of class {.cls {given}}."))
  }
  if (length(design) == 3) {
    text <- deparse1(design)
    abort_twill("formula", c("{.arg design} must have no response: the rows of {.arg x} are the responses.",
                             "x" = "It is {.code {text}}."))
  }
  tw_formula(stats::as.formula(call("~", as.name(response_name), design[[2]]), environment(design)))
}
