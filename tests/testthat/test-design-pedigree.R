# Pedigrees: the inverse of the relationship matrix, against the tabular method.

#' A by the tabular method, parents before offspring.
tabular_relationship <- function(mother, father) {
  n <- length(mother)
  a <- diag(n)
  for (i in seq_len(n)) {
    parents <- c(mother[i], father[i])
    of <- function(j) sum(a[j, parents[!is.na(parents)]]) / 2
    for (j in seq_len(i - 1)) a[i, j] <- a[j, i] <- of(j)
    if (!anyNA(parents)) a[i, i] <- 1 + a[mother[i], father[i]] / 2
  }
  a
}

random_pedigree <- function(n, seed) {
  set.seed(seed)
  parent <- function(i) if (i <= 4 || runif(1) < 0.15) NA else sample(i - 1, 1)
  pedigree <- data.frame(animal = seq_len(n), mother = vapply(seq_len(n), parent, 1), father = vapply(seq_len(n), parent, 1))
  same <- which(pedigree$mother == pedigree$father)
  pedigree$father[same] <- NA
  pedigree
}

test_that("the inverse is that of the tabular method, with inbreeding and whatever the order of rows", {
  for (seed in 1:3) {
    pedigree <- random_pedigree(30, seed)
    a <- tabular_relationship(pedigree$mother, pedigree$father)
    if (seed == 1) expect_gt(max(diag(a)), 1)
    found <- tw_pedigree(pedigree[sample(30), ])
    expect_s4_class(found, "sparseMatrix")
    at <- as.character(1:30)
    expect_equal(unname(as.matrix(found)[at, at]), solve(a), tolerance = 1e-10)
  }
})

test_that("parents without a row are founders, and names are kept", {
  pedigree <- data.frame(id = c("c", "d"), dam = c("a", "c"), sire = c("b", NA))
  found <- as.matrix(tw_pedigree(pedigree))
  expect_setequal(rownames(found), c("a", "b", "c", "d"))
  expect_equal(solve(found)["c", "a"], 0.5)
  expect_equal(solve(found)["d", "a"], 0.25)
})

test_that("what is no pedigree is refused", {
  refused <- function(pedigree, message) expect_error(tw_pedigree(pedigree), message, class = "twill_error_data")
  refused(list(1), "animal, mother and father")
  refused(data.frame(a = c("x", "x"), b = NA, c = NA), "each animal once.*animal: here a")
  refused(data.frame(a = character(), b = character(), c = character()), "no rows")
  refused(data.frame(a = c("x", "y"), b = c("y", "x"), c = NA), "own ancestors")
  # Codes of unknown parents would be one animal.
  refused(data.frame(a = 1:4, b = c(0, 0, 1, 1), c = c(0, 0, 2, 2)), "must be `NA`.*\"0\" is a parent")
  refused(data.frame(a = c("x", "y"), b = c(".", "x"), c = c("", "")), "are a parent without a row")
  expect_no_error(tw_pedigree(data.frame(a = 0:2, b = c(NA, 0, 0), c = c(NA, NA, 1))))
})
