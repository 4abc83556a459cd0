# Known covariances without an inverse, where levels are the same, and levels with relatives among single cells.

rows <- local({
  set.seed(5)
  data <- data.frame(g = rep(letters[1:5], each = 4), x = round(rnorm(20), 2))
  data$y <- 1 + rnorm(5, 0, 0.8)[c(1, 2, 3, 4, 2)][match(data$g, letters)] + rnorm(20, 0, 0.4)
  data
})

# e is a clone of b.
with_clone <- local({
  k <- 0.6^abs(outer(1:4, 1:4, "-"))[c(1:4, 2), c(1:4, 2)]
  dimnames(k) <- list(letters[1:5], letters[1:5])
  k
})

known <- c(tw_prior("constant(0.8)", class = "sd"), tw_prior("constant(0.4)", class = "sigma"),
           tw_prior("normal(1, 3)", class = "Intercept"))

test_that("levels that are the same have one effect, with the posterior of dense algebra, and are predicted by either name", {
  fit <- twill(y ~ 1 + (1 | gr(g, cov = K)), rows, prior = known, data2 = list(K = with_clone), chains = 2, iter = 2000, seed = 1,
               silent = 2)
  indicator <- outer(rows$g, letters[1:5], "==") + 0
  covariance <- indicator %*% (0.64 * with_clone) %*% t(indicator) + 9 + diag(0.16, 20)
  gain <- 0.64 * with_clone %*% t(indicator) %*% solve(covariance)
  mean <- drop(gain %*% (rows$y - 1))
  sd <- sqrt(diag(0.64 * with_clone - gain %*% indicator %*% (0.64 * with_clone)))
  for (j in 1:4) expect_posterior(draws_in(fit, sprintf("r_g[%s,Intercept]", letters[j])), mean[j], sd[j])
  expect_equal(mean[[5]], mean[[2]])
  expect_identical(dimnames(ranef(fit)$g)[[1]], letters[1:4])
  eta <- posterior_linpred(fit, newdata = data.frame(g = c("b", "e")))
  expect_identical(eta[, 1], eta[, 2])
  expect_identical(eta[, 2], posterior_linpred(fit)[, 20])
  again <- update(fit, iter = 60, silent = 2)
  expect_identical(variables(again), variables(fit))
  said <- capture_messages(suppressWarnings(twill(y ~ 1 + (1 | gr(g, cov = K)), rows, data2 = list(K = with_clone), chains = 1,
                                                  iter = 60, seed = 1)))
  expect_match(paste(said, collapse = ""), "\"e\", named \"b\"")
})

test_that("many genes have clones too", {
  counts <- rbind(one = rpois(20, 20), two = rpois(20, 30))
  fit <- twill_genes(counts, ~ 1 + (1 | gr(g, cov = K)), "poisson", rows, data2 = list(K = with_clone), seed = 1, silent = 2,
                     keep = "effects", method = "svi", size_factors = "none")
  expect_identical(fit$posterior$effect_names, sprintf("r_g[%s,Intercept]", letters[1:4]))
  expect_identical(fit$job$model$design$terms[[1]]$codes, rep(c(1L, 2L, 3L, 4L, 2L), each = 4))
})

# Cells ------------------------------------------------------------------------------------------------------------

cells <- local({
  set.seed(2)
  donors <- sprintf("d%d", 1:6)
  k <- 0.7^abs(outer(1:6, 1:6, "-"))
  dimnames(k) <- list(donors, donors)
  data <- data.frame(donor = rep(donors, each = 40), arm = rep(c("a", "b"), 120))
  effect <- 0.5 * matrix(rnorm(12), 2) %*% chol(k)
  counts <- t(vapply(1:2, function(g) {
    rpois(240, exp(0.5 + effect[g, match(data$donor, donors)] + 0.4 * (data$arm == "b")))
  }, numeric(240)))
  dimnames(counts) <- list(c("one", "two"), paste0("cell", 1:240))
  list(data = data, counts = counts, k = k)
})

test_that("single cells take relatives: the posterior of their sums", {
  prior <- c(tw_prior("exponential(1)", class = "sd"), tw_prior("normal(0, 1)", class = "b"))
  fit <- twill_cells(cells$counts, ~ arm + (1 | gr(donor, cov = K)), "poisson", cells$data, data2 = list(K = cells$k),
                     prior = prior, capture = rep(0.5, 240), share = "none", iter = 800, seed = 1, silent = 2,
                     method = "nuts", min_count = 0)
  sums <- aggregate(list(y = cells$counts["one", ]), cells$data, sum)
  single <- twill(y ~ arm + (1 | gr(donor, cov = K)), sums, poisson(), prior = prior, data2 = list(K = cells$k), chains = 2,
                  iter = 2000, seed = 1, silent = 2)
  draws <- function(name) as.vector(unclass(as_draws(fit, genes = "one"))[, , name])
  for (name in c("b_armb", "sd_donor__Intercept")) {
    exact <- draws_in(single, name)
    expect_posterior(draws(name), mean(exact), sd(exact))
  }
  # What loo() integrates over is a donor's effect given those of its relatives.
  at <- 1
  term <- fit$job$model$design$terms[[1]]
  leaf <- which(term$codes == 3)[1]
  found <- twill:::leaf_prior(fit, at, list(leaves = leaf, terms = 1))
  b <- vapply(1:6, function(l) twill:::level_effects(fit, term, l, at)[, 1], numeric(nrow(found$effect)))
  gain <- cells$k[3, -3] %*% solve(cells$k[-3, -3])
  expect_equal(found$deviation[, 1], b[, 3] - drop(b[, -3] %*% t(gain)))
  share <- 1 - drop(gain %*% cells$k[-3, 3])
  sd <- twill:::draws_of(fit, "sd_donor__Intercept", at)[, 1, 1]
  expect_equal(found$covariance[, 1, 1], share * sd^2)
  expect_true(all(is.finite(loo(fit)$pointwise[, "elpd_loo"])))
  # Relatives that are none.
  unrelated <- fit
  none <- fit
  none$job$model$design$terms[[1]]$precision <- NULL
  unrelated$job$model$design$terms[[1]]$precision <- list(rows = 0:5, columns = 0:5, values = rep(1, 6), log_det = 0)
  expect_equal(loo(unrelated)$estimates, loo(none)$estimates)
})
