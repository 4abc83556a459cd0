# What tw_inclusion() is given: loci with their correlations, and the share of two studies, checked.

# A list of loci, each list(z = variants x studies, correlation = one matrix per study).
inclusion_loci <- function(z, correlation, max) {
  is_many <- is.list(z) && !is.data.frame(z)
  if (!is_many) return(list(inclusion_locus(z, correlation, max, "")))
  if (length(z) == 0) abort_twill("inclusion", "{.arg z} has no locus.")
  if (!is.list(correlation) || length(correlation) != length(z)) {
    abort_twill("inclusion", c("With a list of loci {.arg correlation} must be a list with an entry for each.",
                               "x" = if (!is.list(correlation)) "It is of class {.cls {class(correlation)[1]}}." else
                                 "There are {length(z)} loci, and {length(correlation)} entr{?y/ies}."))
  }
  names(z) <- names(z) %||% paste0("locus", seq_along(z))
  if (!is.null(names(correlation)) && setequal(names(correlation), names(z))) correlation <- correlation[names(z)]
  loci <- Map(function(z, correlation, name) inclusion_locus(z, correlation, max, sprintf(" of locus %s", name)), z, correlation,
              names(z))
  n <- vapply(loci, function(locus) ncol(locus$z), 0L)
  if (length(unique(n)) > 1) abort_twill("inclusion", "All loci must have the same number of studies: here {.val {unique(n)}}.")
  lapply(loci, in_order_of, studies = colnames(loci[[1]]$z))
}

# Matrices that have names are those of the studies of these names.
by_study <- function(matrices, studies, of_locus) {
  if (is.null(names(matrices)) || is.null(studies) || length(matrices) != length(studies)) return(matrices)
  if (setequal(names(matrices), studies)) return(matrices[studies])
  abort_twill("inclusion", c("{.arg correlation}{of_locus} must be named as the studies in {.arg z}, or not at all.",
                             "x" = "It has {.val {names(matrices)}}, {.arg z} has {.val {studies}}."))
}

# Studies in the order of the first locus.
in_order_of <- function(locus, studies) {
  own <- colnames(locus$z)
  if (identical(own, studies) || !setequal(own, studies)) return(locus)
  at <- match(studies, own)
  locus$z <- locus$z[, at, drop = FALSE]
  locus$correlation <- locus$correlation[at]
  locus
}

inclusion_locus <- function(z, correlation, max, of_locus) {
  z <- if (is.data.frame(z)) as.matrix(z) else z
  if (!is.numeric(z)) abort_twill("inclusion", "{.arg z}{of_locus} must be numeric: it is {.val {given_value(z)}}.")
  z <- if (is.matrix(z)) z else matrix(z, ncol = 1, dimnames = list(names(z), NULL))
  if (nrow(z) == 0 || !ncol(z) %in% 1:2) {
    abort_twill("inclusion", c("{.arg z}{of_locus} must have a row per variant and one column or two.",
                               "x" = "It has {nrow(z)} row{?s} and {ncol(z)} column{?s}.",
                               "i" = "For more studies take them two by two."))
  }
  bad <- which(rowSums(!is.finite(z)) > 0)
  if (length(bad) > 0) {
    abort_twill("inclusion", c("z-scores must be finite.", "x" = "{.arg z}{of_locus} is not in the row{?s} {.val {some(bad)}}."))
  }
  bad <- which(rowSums(abs(z) > largest_z) > 0)
  if (length(bad) > 0) {
    abort_twill("inclusion", c("z-scores must be at most {largest_z} in size.",
                               "x" = "{.arg z}{of_locus} is beyond it in the row{?s} {.val {some(bad)}}.",
                               "i" = "They are {.code estimate / se}: look for standard errors that are 0 or in another unit."))
  }
  warn_p_values(z, of_locus)
  if (ncol(z) == 2 && is.null(colnames(z))) colnames(z) <- c("1", "2")
  if (anyDuplicated(colnames(z)) > 0) {
    abort_twill("inclusion", c("The two studies in {.arg z}{of_locus} must have names of their own.",
                               "x" = "Both are {.val {colnames(z)[1]}}."))
  }
  check_number_of_sets(nrow(z), max, of_locus)
  matrices <- if (is.list(correlation) && !is.data.frame(correlation)) correlation else rep(list(correlation), ncol(z))
  matrices <- by_study(matrices, colnames(z), of_locus)
  if (length(matrices) != ncol(z)) {
    abort_twill("inclusion", "{.arg correlation}{of_locus} must be one matrix, or one for each of {ncol(z)} stud{?y/ies}.")
  }
  matrices <- lapply(matrices, checked_correlation, variants = rownames(z), m = nrow(z), of_locus = of_locus)
  rownames(z) <- rownames(z) %||% rownames(matrices[[1]]) %||% as.character(seq_len(nrow(z)))
  sets <- variant_sets(nrow(z), max)
  list(z = z, correlation = matrices, sets = sets, subsets = subsets_of_sets(sets, nrow(z)))
}

# What no study has; far beyond it squares leave what doubles hold.
largest_z <- 1e6

# z-scores have both signs.
warn_p_values <- function(z, of_locus) {
  if (length(z) < 10 || any(z < 0 | z > 1)) return(invisible())
  warn_twill("inclusion", c("All of {.arg z}{of_locus} lie between 0 and 1: are these p-values?",
                            "i" = "z-scores are estimates over standard errors, with their signs."))
}

# All sets are listed once per study.
check_number_of_sets <- function(m, max, of_locus) {
  n <- sum(choose(m, 0:min(m, max)))
  if (n <= 5e6) return(invisible())
  abort_twill("inclusion", c("There are too many sets of at most {max} of {m} variants{of_locus}: {signif(n, 3)}.",
                             "i" = "Take fewer variants, such as those near the lead, or a smaller {.arg max}."))
}

checked_correlation <- function(matrix, variants, m, of_locus) {
  given <- matrix
  matrix <- tryCatch(as.matrix(matrix), error = function(e) NULL)
  refuse <- function(why, way_out = NULL) {
    abort_twill("inclusion", c("{.arg correlation}{of_locus} must be the matrix of correlations of the variants.", "x" = why,
                               "i" = way_out))
  }
  if (!is.numeric(matrix)) refuse("It is {.val {given_value(given)}}.")
  if (!is.null(variants) && !is.null(rownames(matrix)) && !identical(rownames(matrix), variants)) {
    missing <- setdiff(variants, rownames(matrix))
    if (length(missing) > 0) refuse("It has no row for {.val {some(missing)}}.")
    matrix <- matrix[variants, match(variants, colnames(matrix) %||% rownames(matrix)), drop = FALSE]
  }
  if (!identical(dim(matrix), c(m, m))) refuse("It is {nrow(matrix)} x {ncol(matrix)}, for {m} variant{?s}.")
  if (anyNA(matrix)) refuse("It has missing values.", "Leave out variants without correlations.")
  if (any(abs(diag(matrix) - 1) > 1e-3)) refuse("Its diagonal is not 1.", "{.fn cov2cor} makes correlations of covariances.")
  if (max(abs(matrix - t(matrix))) > 1e-6) refuse("It is not symmetric.")
  if (max(abs(matrix)) > 1 + 1e-3) refuse("It has a correlation of {.val {signif(max(abs(matrix)), 4)}}.")
  if (!is_nearly_definite(matrix)) {
    lowest <- signif(min(eigen(matrix, symmetric = TRUE, only.values = TRUE)$values), 2)
    refuse("Nothing has these correlations: the smallest eigenvalue is {.val {lowest}}.",
           "Signs must be for the same allele of a variant throughout.")
  }
  matrix
}

# Correlations that were rounded, or estimated from few samples, have eigenvalues just below zero.
is_nearly_definite <- function(matrix) {
  !is.null(tryCatch(chol(matrix + diag(lowest_eigenvalue, nrow(matrix))), error = function(e) NULL))
}

lowest_eigenvalue <- 0.1

checked_share_of_studies <- function(share, prior, loci, learn) {
  known <- c("prob", "scale", "share")
  if (!is.character(learn) || !all(learn %in% known)) {
    abort_twill("inclusion", c("{.arg learn} must be among {.val {known}}.", "x" = "It is {.val {given_value(learn)}}."))
  }
  is_pair <- ncol(loci[[1]]$z) == 2
  if (!is_pair && (!is.null(share) || "share" %in% learn)) {
    abort_twill("inclusion", "{.arg share} is for two studies: {.arg z} has one.")
  }
  if (length(learn) > 0 && length(loci) < 10) {
    abort_twill("inclusion", c("A prior is learned over ten loci at least, better over hundreds.",
                               "x" = "There {?is/are} {length(loci)}.", "i" = "State it: {.fn tw_spike_slab}."))
  }
  if (!is_pair) return(NULL)
  share <- share %||% prior$prob
  if (is_number(share) && share >= prior$prob && share < 1) return(as.numeric(share))
  abort_twill("inclusion", c("{.arg share} must be a number from {.arg prob} ({prior$prob}) to below 1.",
                             "x" = "It is {.val {given_value(share)}}."))
}
