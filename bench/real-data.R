# Where the real data of benches are, and how well a score finds the genes that are known to respond.

shared <- function(...) file.path(Sys.getenv("TWILL_SHARED", "../shared"), "data", ...)

# Probability that a gene of the set ranks above another.
area_under_curve <- function(score, is_member) {
  ranks <- rank(score)
  n <- c(sum(is_member), sum(!is_member))
  (sum(ranks[is_member]) - n[1] * (n[1] + 1) / 2) / prod(n)
}
