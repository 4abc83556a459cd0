# What fits are: one base class over all doors, the kinds of fits, and their model.
#
# A fit is of class "twill_model": a model (formula, family, data, design, priors), draws of its posterior (draw x variable x
# gene) and `info` on its run. What reads a fit asks model_of() for the first, draws_of() for the second and linear_predictor()
# for what follows of both. Which kind a fit is, only this file tells by its class.

new_twill_model <- function(parts, class) structure(parts, class = c(class, "twill_model"))

# A fit of one response has the parts of a model itself, one of many genes in its job.
model_of <- function(fit) fit$job$model %||% fit

is_fit <- function(x) inherits(x, "twill_model")

# One response, or one gene seen as such.
is_one <- function(x) inherits(x, "twillfit")

# Genes by number: a fit of one response counts as one.
all_genes <- function(fit) if (is_one(fit)) 1L else seq_along(fit$posterior$rows)

# Many genes: samples, cells or guides.
is_set <- function(x) inherits(x, "twillgenes")

# Single cells: by leaves, that is cells that share all variables of the design, or one by one.
is_cells <- function(fit) is_leaves(fit) || is_rows(fit)

is_leaves <- function(fit) inherits(fit, "twillcells")

is_rows <- function(fit) inherits(fit, "twillrows")

is_screen <- function(fit) inherits(fit, "twill_screen")

# Cut short by an interrupt.
is_partial <- function(fit) inherits(fit, "twill_partial")

# A list of fits, one per type of cells.
is_by_type <- function(x) inherits(x, "twill_by")
