# What kinds of fits there are.

is_partial <- function(fit) inherits(fit, "twill_partial")
