# Numbers in the columns of a design that priors or chains cannot work with: refused, or told with the way out.

# Squares of such numbers, and what they are multiplied with, are beyond what double precision holds.
largest_column <- 1e100

check_sizes_of_columns <- function(x) {
  large <- which(vapply(seq_len(ncol(x)), function(j) any(abs(x[, j]) > largest_column, na.rm = TRUE), NA))
  if (length(large) == 0) return(invisible())
  column <- colnames(x)[large[1]]
  value <- signif(max(abs(x[, large[1]]), na.rm = TRUE), 3)
  abort_twill("data", c("Column {.field {column}} of the design has values too large to compute with: up to {.val {value}}.",
                        "i" = "Use other units, such as {.code scale()}."))
}

# Intercepts of levels at a number's zero that lies far from all its values are large, and go along with the slopes.
inform_far_from_zero <- function(part, group) {
  x <- part$x
  if (!any(constant_columns(x))) return(invisible())
  far <- vapply(seq_len(ncol(x)), function(j) {
    size <- stats::sd(x[, j])
    isTRUE(size > 0 && min(abs(x[, j])) > far_from_zero * size && all(sign(x[, j]) == sign(x[1, j])))
  }, NA)
  if (!any(far)) return(invisible())
  name <- part$columns[far][1]
  values <- signif(range(x[, which(far)[1]]), 4)
  inform_twill("far", c("The term of {.field {group}} has slopes on {.field {name}}, from {values[1]} to {values[2]}: its
                         intercepts are effects at zero, far from there.",
                        "i" = "Centre it, as in {.code I({name} - {signif(mean(values), 3)})}: priors and sampling are about
                         effects in the range of the data."))
}

far_from_zero <- 10
