# The inverse of the relationship matrix of a pedigree, for gr(animal, prec = ).

#' Inverse relationship matrix of a pedigree
#'
#' The inverse of the additive relationship matrix `A`, twice the kinship of two animals, by the rules of Henderson (1976)
#' with the inbreeding of parents (Quaas 1976). It is sparse: an animal meets its parents, mates and offspring.
#'
#' @param pedigree A data frame whose first three columns are the animal, its mother and its father (the order of parents does
#'   not matter), one row per animal. Parents that are not known are `NA` (codes such as `0`, `""`, `"."`, `"*"`, `-9` and
#'   `"unknown"` are refused unless they have a row; a message names founders without a row that are both mothers and fathers);
#'   other parents without a row are founders.
#' @param ... Must be empty.
#' @return A sparse symmetric matrix of \pkg{Matrix} with the animals as its dimnames, parents before their offspring. Errors
#'   have class `twill_error_data`.
#' @references
#' Henderson, C. R. (1976). A simple method for computing the inverse of a numerator relationship matrix used in prediction of
#' breeding values. *Biometrics* 32, 69-83.
#'
#' Quaas, R. L. (1976). Computing the diagonal elements and inverse of a large numerator relationship matrix. *Biometrics* 32,
#' 949-953.
#' @seealso [tw_formula()] on related levels.
#' @examples
#' pedigree <- data.frame(animal = c("c", "d", "e"), mother = c("a", "a", "c"),
#'                        father = c("b", "b", "d"))
#' tw_pedigree(pedigree)
#' # fit <- twill(weight ~ sex + (1 | gr(animal, prec = Q)), data,
#' #              data2 = list(Q = tw_pedigree(pedigree)))
#' @export
tw_pedigree <- function(pedigree, ...) {
  check_no_dots(...)
  parents <- pedigree_parents(pedigree)
  n <- nrow(parents$of)
  within <- mendelian_variances(parents$of)
  # A^-1 = sum over animals of b b' / d, with b 1 at the animal and -1/2 at its parents.
  at <- rbind(cbind(seq_len(n), seq_len(n), 1), parent_entries(parents$of))
  t_inverse <- Matrix::sparseMatrix(at[, 1], at[, 2], x = at[, 3], dims = c(n, n))
  inverse <- Matrix::crossprod(t_inverse / sqrt(within))
  dimnames(inverse) <- list(parents$names, parents$names)
  Matrix::forceSymmetric(inverse)
}

parent_entries <- function(of) {
  rows <- rep(seq_len(nrow(of)), 2)
  known <- !is.na(of)
  cbind(rows[known], of[known], rep(-0.5, sum(known)))
}

# list(names, of): animals with parents before offspring, and the numbers of each one's parents.
pedigree_parents <- function(pedigree) {
  if (!is.data.frame(pedigree) || ncol(pedigree) < 3) {
    abort_twill("data", c("{.arg pedigree} must be a data frame with the columns animal, mother and father.",
                          "x" = "It is of class {.cls {class(pedigree)[1]}}."))
  }
  if (nrow(pedigree) == 0) abort_twill("data", "{.arg pedigree} has no rows: there is no animal.")
  text <- lapply(pedigree[1:3], function(column) ifelse(is.na(column), NA_character_, level_text(column)))
  twice <- unique(text[[1]][duplicated(text[[1]]) | is.na(text[[1]])])
  if (length(twice) > 0) {
    abort_twill("data", c("{.arg pedigree} must have each animal once.",
                          "x" = "More than once, or missing: {.val {some(twice)}}.",
                          "i" = "The first column is the animal: here {.field {names(pedigree)[1]}}."))
  }
  founders <- setdiff(stats::na.omit(unlist(text[2:3])), text[[1]])
  refuse_codes_of_unknown(founders)
  names <- c(founders, text[[1]])
  of <- vapply(text[2:3], function(column) match(c(rep(NA, length(founders)), column), names), integer(length(names)))
  of <- matrix(of, length(names))
  tell_both_parents(of, names, founders)
  order <- generation_order(of, names)
  list(names = names[order], of = matrix(match(of[order, ], order), length(order)))
}

# Other programs' codes of a parent that is not known would be one animal, with offspring by itself.
refuse_codes_of_unknown <- function(founders) {
  codes <- intersect(founders, codes_of_unknown)
  if (length(codes) == 0) return(invisible())
  abort_twill("data", c("Parents that are not known must be {.code NA} in {.arg pedigree}.",
                        "x" = "{.val {codes}} {?is/are} a parent without a row of {?its/their} own.",
                        "i" = "{.code pedigree[pedigree == \"{codes[1]}\"] <- NA}, or give that animal a row."))
}

codes_of_unknown <- c("0", "", ".", "*", "-", "?", "NA", "-9", "-99", "-999", "-1", "unknown", "Unknown", "UNKNOWN", "unk", "UNK",
                      "none", "missing")

# A founder that is mother and father may be a plant that is selfed, or a code of what is not known.
tell_both_parents <- function(of, names, founders) {
  both <- intersect(names[intersect(of[, 1], of[, 2])], founders)
  if (length(both) == 0) return(invisible())
  inform_twill("pedigree", c("i" = "Founders without a row are both mothers and fathers: {.val {some(both)}}.",
                             "i" = "If that is a code of unknown parents, make it {.code NA}; selfing is fine."))
}

# Parents before offspring; nobody is an ancestor of itself.
generation_order <- function(of, names) {
  generation <- rep(0L, nrow(of))
  for (round in seq_len(nrow(of) + 1)) {
    own <- pmax(generation[of[, 1]], generation[of[, 2]], na.rm = TRUE) + 1L
    own[is.na(own)] <- 0L
    if (identical(own, generation)) return(order(generation))
    generation <- own
  }
  abort_twill("data", c("{.arg pedigree} has animals that are their own ancestors.",
                        "x" = "Among them is {.val {names[which.max(generation)]}}."))
}

# Variance of each animal given its parents: 1 for founders, 3/4 with one known parent, 1/2 with both, less what the
# inbreeding F of parents takes: 1/2 - (F_mother + F_father) / 4.
mendelian_variances <- function(of) {
  n <- nrow(of)
  diagonal <- numeric(n)
  within <- numeric(n)
  inbreeding <- function(parent) if (is.na(parent)) -1 else diagonal[parent] - 1
  for (i in seq_len(n)) {
    within[i] <- 0.5 - 0.25 * (inbreeding(of[i, 1]) + inbreeding(of[i, 2]))
    diagonal[i] <- own_relationship(i, of, within)
  }
  within
}

# A_ii = sum over ancestors j of l_j^2 d_j, l the shares of them in i, from the animal up.
own_relationship <- function(i, of, within) {
  shares <- numeric(i)
  shares[i] <- 1
  todo <- i
  total <- 0
  while (length(todo) > 0) {
    j <- max(todo)
    total <- total + shares[j]^2 * within[j]
    parents <- of[j, !is.na(of[j, ])]
    for (parent in parents) shares[parent] <- shares[parent] + 0.5 * shares[j]
    todo <- unique(c(todo[todo != j], parents))
  }
  total
}
