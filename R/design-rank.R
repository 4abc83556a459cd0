# Columns of a model matrix that others determine: dropped, as lm() does, or left to priors; and what can be said without them.

# Cross-products of a column whose mean is farther from zero than two million of its standard deviations keep too few digits.
rank_tolerance <- 5e-7

# Columns that others determine: their coefficients are not identified by the data. Of several that determine each other
# the later ones, as lm() has it.
aliased_columns <- function(x) {
  if (ncol(x) == 0) return(character())
  decomposition <- qr(few_rows(x), tol = rank_tolerance)
  if (decomposition$rank == ncol(x)) return(character())
  colnames(x)[decomposition$pivot[seq_len(ncol(x)) > decomposition$rank]]
}

# list(design, priors). Columns that the data do not tell apart are dropped, but for those that a proper prior of the
# user's holds: with it the posterior exists whatever the rank. Free means always have one. Once some are dropped the others are
# determined by the same columns as before, so that there are none to drop a second time.
identified_model <- function(design, family, intercept, user) {
  priors <- resolve_priors(parameter_table(design, family, intercept), user)
  is_regular <- design$coefficients$class != "mu"
  aliased <- aliased_columns(if (all(is_regular)) design$x else design$x[, is_regular, drop = FALSE])
  if (length(aliased) == 0) return(list(design = design, priors = priors))
  refuse_aliased_latents(design, aliased)
  held <- priors$parameters[match(paste0("b_", aliased), priors$parameters$variable), ]
  dists <- vapply(held$parsed, function(p) p$dist, "")
  lost <- aliased[held$source == "default" | dists == "flat"]
  if (length(lost) > 0) return(identified_model(drop_columns(design, lost), family, intercept, user))
  # A horseshoe is meant for more columns than rows.
  if (!all(dists == "horseshoe")) {
    warn_twill("design", c("Population-level columns are linearly dependent: {.val {some(aliased, 10)}}.",
                           "i" = "Only the priors tell their coefficients apart."))
  }
  list(design = design, priors = priors)
}

# To the engine they are no columns like others.
refuse_aliased_latents <- function(design, aliased) {
  lost <- intersect(latent_columns(design$latents), aliased)
  if (length(lost) == 0) return(invisible())
  abort_twill("design", c("The data do not tell a predictor with errors or missing values from the others: {.val {lost}}.",
                          "i" = "Leave out what determines it, such as the same column without {.fn me} or {.fn mi}."))
}

drop_columns <- function(design, lost) {
  is_regular <- design$coefficients$class != "mu"
  fixed <- c(design$blueprint, list(x = design$x[, is_regular, drop = FALSE]))
  fixed <- without_columns(fixed, lost, "at population level")
  design$x <- cbind(fixed$x, design$x[, !is_regular, drop = FALSE])
  design$coefficients <- design$coefficients[!is_regular | !design$coefficients$coef %in% lost, ]
  design$coef_names <- design$coefficients$variable
  design$blueprint[c("used", "null")] <- fixed[c("used", "null")]
  design
}

drop_aliased <- function(part, where) {
  aliased <- aliased_columns(part$x)
  if (length(aliased) == 0) part else without_columns(part, aliased, where)
}

# A part of the model, whole so far, without some columns. `used` are the numbers of those that stay; `null` has a column for each
# way to change the coefficients of the whole matrix that changes nothing in the data.
without_columns <- function(part, lost, where) {
  refuse_far_columns(part$x[, lost, drop = FALSE])
  inform_twill("design", c("Dropped {length(lost)} column{?s} {where} that the others determine: {.val {some(lost, 10)}}.",
                           "i" = "As in {.fn lm}: a combination without rows, or a variable that follows from another.",
                           "i" = "A prior of your own keeps coefficients: {.code tw_prior(\"normal(0, 1)\", class = \"b\")}."))
  is_lost <- colnames(part$x) %in% lost
  kept <- part$x[, !is_lost, drop = FALSE]
  # Those that a prior holds are determined by others too, and determine none.
  slopes <- qr.coef(qr(kept, tol = rank_tolerance), part$x[, is_lost, drop = FALSE])
  null <- matrix(0, ncol(part$x), sum(is_lost))
  null[is_lost, ] <- diag(sum(is_lost))
  null[!is_lost, ] <- -ifelse(is.na(slopes), 0, slopes)
  part$null <- null
  part$used <- which(!is_lost)
  part$x <- kept
  part
}

# What varies little about a value far from zero is the intercept to the computer, and information to the user.
refuse_far_columns <- function(x) {
  spread <- apply(x, 2, stats::sd)
  far <- colnames(x)[spread > 0 & spread < 10 * rank_tolerance * abs(colMeans(x))]
  if (length(far) == 0) return(invisible())
  abort_twill("design", c("A covariate is so far from zero that its slope is lost in rounding.",
                          "x" = "{.val {far[1]}} varies by a few millionths of its mean or less.",
                          "i" = "Measure it from another origin: {.code {paste0(far[1], ' - mean(', far[1], ')')}}."))
}

# The columns of a matrix of all columns that the model uses.
used_columns <- function(part, x) if (is.null(part$used)) x else x[, part$used, drop = FALSE]

# The model matrix of a part for rows as the fit has them, with `assign`: the term of each column.
part_matrix <- function(part, data) {
  x <- stats::model.matrix(part$terms, data, contrasts.arg = part$contrasts)
  structure(used_columns(part, x), assign = attr(x, "assign")[part$used %||% seq_len(ncol(x))])
}

# Which rows (or weighted sums of rows) of the whole matrix need what was dropped: nothing in the data speaks of them.
not_estimable <- function(part, x) {
  if (is.null(part$null)) return(rep(FALSE, nrow(x)))
  apply(abs(x %*% part$null), 1, max) > 1e-6 * pmax(1, apply(abs(x), 1, max))
}
