# Errors of rows with a known covariance: fcor(V), with V in data2. What the engine gets is the inverse, block by block.

# How far the diagonal of V may be from the squares of se(), or from one, as a share.
diagonal_rounding <- 1e-6

# What goes with a known covariance of the errors.
check_fcor <- function(formula, family) {
  addition <- formula$addition
  trouble <- c(
    if (!takes_errors(family)) "It needs {.code family = gaussian()}, not {.val {family$family}}.",
    if (!is.null(addition$weights)) "Rows with weights have no joint distribution: put their variances into the matrix.",
    if (!is.null(formula$dispersion)) "A regression of {.field sigma} would change the covariance from row to row.",
    if (!is.null(addition$se) && addition$sigma)
      "{.code se(sigma = TRUE)} adds a variance of its own: say {.code se(s)}, and {.code (1 | row)} with a level for each row.")
  if (length(trouble) == 0) return(invisible())
  abort_twill("formula", c("{.fn fcor} does not go with the rest of the model.", stats::setNames(trouble[1], "x")))
}

# Matrix --------------------------------------------------------------------------------------------------------------

# list(name, covariance, given, precision) for the rows used, `given` as it stands in data2; NULL without fcor(). With se()
# the covariance is whole, else it is multiplied by sigma^2.
new_errors <- function(input, family, data2) {
  formula <- input$formula
  if (is.null(formula$fcor)) return(NULL)
  check_fcor(formula, family)
  name <- formula$fcor
  given <- rows_of_errors(matrix_of_errors(data2[[name]], name, data2), name, input)
  covariance <- given
  dimnames(covariance) <- list(rownames(input$data), rownames(input$data))
  covariance <- symmetric_relation(finite_relation(covariance, name), name)
  covariance <- errors_with_se(covariance, name, checked_se(formula, input$data, family))
  list(name = name, covariance = covariance, given = given, precision = precision_of_errors(covariance, name))
}

matrix_of_errors <- function(x, name, data2) {
  need_data2(name, sprintf("fcor(%s)", name), data2)
  # As in brms, a vector holds variances.
  if (is.numeric(x) && is.null(dim(x))) x <- structure(diag(as.numeric(x), length(x)), dimnames = list(names(x), names(x)))
  square_relation(x, name)
}

# The rows and columns of the rows used: by order where the matrix has one for each row of `data`, or for each row used;
# else, and where both have the same names in another order, by name.
rows_of_errors <- function(x, name, input) {
  names <- rownames(x) %||% colnames(x)
  rows <- rownames(input$data)
  by_name <- !is.null(names) && !anyDuplicated(names) && all(rows %in% names)
  if (by_name && nrow(x) != length(rows)) at <- match(rows, names)
  else if (by_name && setequal(rows, names)) at <- match(rows, names)
  else if (nrow(x) == input$n_given) at <- input$rows
  else if (nrow(x) == length(rows)) at <- seq_along(rows)
  else refuse_size_of_errors(x, name, input)
  is_named <- !is.null(names) && !identical(names, as.character(seq_along(names)))
  if (is_named && !by_name) say_by_position(name, setdiff(names, rows))
  x[at, at, drop = FALSE]
}

# Rows and matrix may be in different orders.
say_by_position <- function(name, strange) {
  inform_twill("data2", c("Rows of {.arg data} are matched with {.val {name}} by position: its dimnames are not their row names.",
                          "x" = if (length(strange)) "{.arg data} has no row named {.val {some(strange)}}.",
                          "i" = "To match by name: {.code rownames(data) <- data$...}, the column with these names."))
}

refuse_size_of_errors <- function(x, name, input) {
  used <- if (nrow(input$data) < input$n_given) ", of which {nrow(input$data)} are used"
  abort_twill("data2", c("{.val {name}} in {.arg data2} must have a row and a column for each row of {.arg data}.",
                         "x" = paste0("It is {nrow(x)} x {ncol(x)}, and {.arg data} has {input$n_given} row{?s}", used, "."),
                         "i" = "Where it has more rows than {.arg data}, its dimnames must be row names of {.arg data}."))
}

# Where se() stands, V is the covariance, or the correlation.
errors_with_se <- function(covariance, name, se) {
  if (is.null(se)) return(covariance)
  diagonal <- Matrix::diag(covariance)
  if (all(abs(diagonal - se^2) <= diagonal_rounding * se^2)) return(covariance)
  if (all(abs(diagonal - 1) <= diagonal_rounding)) {
    scaled <- covariance * outer(se, se)
    dimnames(scaled) <- dimnames(covariance)
    return(scaled)
  }
  at <- which(abs(diagonal - se^2) > diagonal_rounding * se^2)[1]
  values <- signif(c(diagonal[at], se[at]^2), 4)
  abort_twill("data2", c("The diagonal of {.val {name}} in {.arg data2} must hold the squares of {.fn se}, or ones.",
                         "x" = "In row {.val {rownames(covariance)[at]}} it is {.val {values[1]}}, se^2 {.val {values[2]}}.",
                         "i" = "A covariance has se^2 there, a correlation 1; without {.fn se} it is multiplied by sigma^2."))
}

# Inverse, over blocks of rows that are related.
precision_of_errors <- function(x, name) {
  blocks <- related_rows(x)
  parts <- lapply(blocks, function(rows) {
    block <- as.matrix(x[rows, rows, drop = FALSE])
    root <- tryCatch(chol(block), error = function(e) NULL)
    if (is.null(root) || any(diag(root)^2 < smallest_share * diag(block))) refuse_singular_errors(block, name)
    inverse <- chol2inv(root)
    keep <- which(lower.tri(inverse, TRUE) & (inverse != 0 | diag(length(rows)) == 1), arr.ind = TRUE)
    list(rows = rows[keep[, 1]], columns = rows[keep[, 2]], values = inverse[keep], log_det = -2 * sum(log(diag(root))))
  })
  entry <- function(part) unlist(lapply(parts, `[[`, part))
  new_precision(entry("rows"), entry("columns"), entry("values"), sum(entry("log_det")))
}

# Rows that are related, directly or through others: a list of their numbers.
related_rows <- function(x) {
  pairs <- if (inherits(x, "sparseMatrix")) Matrix::summary(methods::as(x, "generalMatrix")) else dense_entries(as.matrix(x))
  related <- pairs$x != 0 & pairs$i > pairs$j
  from <- pairs$i[related]
  to <- pairs$j[related]
  block <- seq_len(nrow(x))
  repeat {
    lowest <- pmin(block[from], block[to])
    found <- tapply(c(lowest, lowest), factor(c(from, to), seq_along(block)), min)
    next_block <- pmin(block, found, na.rm = TRUE)
    next_block <- next_block[next_block]
    if (identical(as.vector(next_block), as.vector(block))) return(unname(split(seq_along(block), as.vector(block))))
    block <- as.vector(next_block)
  }
}

refuse_singular_errors <- function(block, name) {
  smallest <- if (nrow(block) <= 3000) signif(min(eigen(block, symmetric = TRUE, only.values = TRUE)$values), 3)
  size <- nrow(block)
  why <- if (!is.null(smallest)) {
    c("x" = "Of rows {.val {some(rownames(block))}} the smallest of {size} eigenvalue{?s} is {.val {smallest}}.")
  }
  code <- sprintf("%s + diag(1e-4, nrow(%s))", name, name)
  way_out <- "What every row has of its own is missing: {.code {code}} adds a little of it."
  same <- rownames(block)[duplicated(round(block / max(abs(block)), 10))]
  twins <- if (length(same) > 0) c("x" = "With the same errors as another row: {.val {some(same)}}.",
                                   "i" = "Rows whose errors are the same are one row: leave all but one out.")
  abort_twill("data2", c("{.val {name}} in {.arg data2} must be positive definite.", why, twins %||% c("i" = way_out)))
}
