# Coefficients whose prior is a constant: to the engine they are part of the offset, to the user variables of the draws.
#
# The prior of a centred intercept is on a = b_0 + sum_j m_j b_j, m the means of the other columns. So a known slope acts through
# its centred column; and where a itself is known all others do, and b_0 = a - sum_j m_j b_j is what varies.

# Adds `known` to a design: values by column (NA if not known) and the centre of each column; NULL if none is known.
with_known_coefficients <- function(design, parameters, intercept) {
  parsed <- parameters$parsed[match(design$coef_names, parameters$variable)]
  value <- vapply(parsed, function(p) if (is_known_prior(p)) p$args else NA_real_, 0)
  if (all(is.na(value))) return(design)
  centred <- centred_intercept(design$coefficients$class, design$x, intercept, design$merged$count)
  design$known <- list(value = value, centre = centred$centre %||% numeric(length(value)),
                       intercept = if (is.null(centred)) 0L else centred$column + 1L)
  design
}

# Which columns of x have coefficients that are sampled.
sampled_columns <- function(design) {
  if (is.null(design$known)) seq_len(ncol(design$x)) else which(is.na(design$known$value))
}

# The columns and the offset that the engine gets.
engine_columns <- function(design) {
  known <- design$known
  if (!is.null(design$latents)) design$x <- columns_with_expected(design)
  if (!is.null(design$centred)) design$x <- less_their_means(design$x, design$centred$x)
  if (is.null(known)) return(design[c("x", "offset")])
  is_known <- !is.na(known$value)
  x <- sweep(design$x, 2, known$centre)
  offset <- design$offset + drop(x[, is_known, drop = FALSE] %*% known$value[is_known])
  list(x = (if (knows_intercept(known)) x else design$x)[, !is_known, drop = FALSE], offset = offset)
}

knows_intercept <- function(known) known$intercept > 0 && !is.na(known$value[known$intercept])

# The draws of the engine with all coefficients in their places, those of the columns as they are.
with_known_draws <- function(draws, design) {
  known <- design$known
  if (is.null(known) || is.null(draws)) return(draws)
  size <- dim(draws)
  p <- sum(is.na(known$value))
  b <- array(rep(known$value, each = prod(size[1:2])), c(size[1:2], length(known$value)))
  b[, , is.na(known$value)] <- unclass(draws)[, , seq_len(p)]
  if (known$intercept > 0) {
    moved <- if (knows_intercept(known)) known$centre else ifelse(is.na(known$value), 0, known$value * known$centre)
    by <- if (knows_intercept(known)) b else array(1, dim(b))
    b[, , known$intercept] <- b[, , known$intercept] - apply(sweep(by, 3, moved, `*`), 1:2, sum)
  }
  dimnames(b) <- c(dimnames(draws)[1:2], list(design$coef_names))
  bind_draws_arrays(b, unclass(draws)[, , seq_len(size[3]) > p, drop = FALSE])
}

# A term's correlations may be one number that all pairs have, if there is such a matrix.
known_correlation <- function(term, parsed) {
  if (!is_known_prior(parsed)) return(NULL)
  q <- length(term$coefs)
  lowest <- -1 / (q - 1)
  if (parsed$args > lowest) return(unbox(parsed$args))
  abort_twill("prior", c("No {q} effects can all have the correlation {.val {parsed$args}}.",
                         "x" = "It is the constant of class {.val cor}, group {.val {term$group}}.",
                         "i" = "With {q} effects it must be above {.val {signif(lowest, 3)}}."))
}

# For genes, whose draws the engine keeps by its own names.
refuse_known_coefficients <- function(model) {
  known <- model$design$known
  if (is.null(known)) return(invisible())
  names <- model$design$coef_names[!is.na(known$value)]
  abort_twill("prior", c("{.val constant} priors of coefficients are not supported for many genes.",
                         "x" = "Constant: {.val {names}}.",
                         "i" = "Say {.code offset(2 * x)} in {.arg design} for a coefficient of 2 on x, in its place."))
}
