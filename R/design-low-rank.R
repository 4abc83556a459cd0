# Levels with a covariance that has no inverse, such as kinship from few genotypes: K = F F' with fewer columns than levels.
#
# Effects are F u exactly, with independent coordinates u: the engine has u, as levels that each row belongs to with the weights
# of its row of F (design-members.R), and draws are given back as those of the levels.

# Entries of coordinates that meet in rows, up to which they are worth their memory.
most_coordinate_pairs <- 5e7

# F of a matrix that has no inverse. One that has a negative eigenvalue beyond rounding is no covariance.
low_rank_root <- function(x, name, silent) {
  x <- as.matrix(x)
  found <- eigen(x, symmetric = TRUE)
  limit <- smallest_share * max(found$values, 0)
  if (min(found$values) < -limit || max(found$values) <= 0) refuse_indefinite(x, name)
  keep <- found$values > limit
  # Nearly singular, but of full rank: no fewer coordinates than levels.
  if (all(keep)) refuse_indefinite(x, name)
  rank <- sum(keep)
  said <- "{.val {name}} has the rank {rank}: effects of its {nrow(x)} levels are those of {rank} coordinate{?s}."
  inform_twill("data2", c("i" = said), silent)
  root <- found$vectors[, keep, drop = FALSE] * rep(sqrt(found$values[keep]), each = nrow(x))
  dimnames(root) <- list(rownames(x), NULL)
  root
}

# Classes and tails are of levels, which share their coordinates.
checked_root <- function(relation, bar) {
  if (is.null(relation$root)) return(NULL)
  asked <- c(if (!is.null(bar$by)) "by", if (!is.null(bar$dist)) "dist")
  if (length(asked) == 0) return(relation$root)
  abort_twill("data2", c("{.arg {asked[1]}} of {.fn gr} needs a covariance that has an inverse.",
                         "x" = "{.val {relation$name}} has the rank {ncol(relation$root)}, and {nrow(relation$root)} levels.",
                         own_variance_hint))
}

own_variance_hint <- c("i" = "Add a little of what every level has of its own to its diagonal, such as 1e-4.")

sampled_levels <- function(term) if (is.null(term$root)) term$levels else sprintf("coordinate%d", seq_len(ncol(term$root)))

# The term that the engine has.
in_coordinates <- function(term) {
  if (is.null(term$root)) return(term)
  rank <- ncol(term$root)
  n <- length(term$codes)
  check_coordinates(n, rank, term)
  term$weights <- term$root[term$codes, , drop = FALSE]
  term$codes <- matrix(seq_len(rank), n, rank, byrow = TRUE)
  term
}

check_coordinates <- function(n, rank, term) {
  if (n * rank * (rank + 1) / 2 <= most_coordinate_pairs) return(invisible())
  abort_twill("data2", c("A covariance of levels without an inverse is too large for {n} rows of data.",
                         "x" = "That of {.field {term$group}} has the rank {rank}.",
                         own_variance_hint))
}

# Means and standard deviations of coordinates are not enough for those of levels.
check_kept_coordinates <- function(terms, settings) {
  term <- Find(function(term) !is.null(term$root), terms)
  if (is.null(term) || is.null(settings$effects)) return(invisible())
  abort_twill("setting", c("{.code tw_save(group = )} must be TRUE or FALSE beside a covariance that has no inverse.",
                           "x" = "That of {.field {term$group}} has the rank {ncol(term$root)}, and {nrow(term$root)} levels."))
}

# Tables of many genes have effects by level.
refuse_low_rank <- function(terms) {
  term <- Find(function(term) !is.null(term$root), terms)
  if (is.null(term)) return(invisible())
  abort_twill("data2", c("A covariance of levels without an inverse is not supported for many genes and cells.",
                         "x" = "That of {.field {term$group}} has the rank {ncol(term$root)}, and {nrow(term$root)} level{?s}.",
                         own_variance_hint))
}
