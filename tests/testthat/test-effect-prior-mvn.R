# effect_prior = "mvn": a learned mean and covariance of the coefficients of genes.

names3 <- c("b_Intercept", "b_x", "b_z")
numbers3 <- mvn_numbers(c(2, 0.5, -0.3), log(c(1.2, 0.4, 0.6)), matrix(c(1, 0.4, -0.7, 0, 1, 0.3, 0, 0, 1), 3), names3)
part3 <- list(kind = "mvn", variable = names3, centre = diag(3), is_level = c(TRUE, FALSE, FALSE), typical = c(2, 1))

#' log N(x | mean, covariance) per row, by the textbook.
textbook <- function(x, mean, covariance) {
  apply(x, 1, function(row) -0.5 * (length(row) * log(2 * pi) + log(det(covariance)) +
                                      drop((row - mean) %*% solve(covariance, row - mean))))
}

test_that("the density is the textbook's, its scores are derivatives, and numbers and moments give each other", {
  with_fixed_seed(3, {
    values <- array(rnorm(60, 0.5), c(5, 4, 3))
    weights <- matrix(runif(20), 5)
  })
  covariance <- mvn_covariance(numbers3)
  flat <- matrix(values, ncol = 3)
  expect_equal(as.vector(mvn_density(values, numbers3)), textbook(flat, c(2, 0.5, -0.3), covariance) + 1.5 * log(2 * pi))
  total <- function(p) sum(weights * mvn_density(values, p))
  numeric <- vapply(seq_along(numbers3), function(j) {
    step <- replace(numeric(9), j, 1e-6)
    (total(numbers3 + step) - total(numbers3 - step)) / 2e-6
  }, 0)
  expect_equal(part_score(part3, values, numbers3, NULL, weights), numeric, tolerance = 1e-6)
  expect_equal(mvn_from(c(2, 0.5, -0.3), covariance, names3), numbers3)
})

test_that("m and Sigma are the maximum of the exact marginal likelihood, as an EM finds it", {
  n <- 300
  truth <- list(mean = c(2, 0.5, -0.3), covariance = mvn_covariance(numbers3))
  with_fixed_seed(5, {
    beta <- t(truth$mean + t(chol(truth$covariance)) %*% matrix(rnorm(3 * n), 3))
    errors <- lapply(seq_len(n), function(g) crossprod(matrix(rnorm(12, 0, 0.25), 4)))
    seen <- t(vapply(seq_len(n), function(g) beta[g, ] + drop(t(chol(errors[[g]])) %*% rnorm(3)), numeric(3)))
    gaussian_posterior <- function(g, m, sigma) {
      v <- solve(solve(errors[[g]]) + solve(sigma))
      list(mean = drop(v %*% (solve(errors[[g]], seen[g, ]) + solve(sigma, m))), covariance = v)
    }
    par <- widened_mvn(mvn_start(part3, 1))
    hyper <- list(mean = numeric(9), sd = rep(100, 9))
    for (round in 1:4) {
      own <- split_mvn(par)
      draws <- array(0, c(200, n, 3))
      for (g in seq_len(n)) {
        at <- gaussian_posterior(g, own$mean, mvn_covariance(par))
        draws[, g, ] <- t(at$mean + t(chol(at$covariance)) %*% matrix(rnorm(600), 3))
      }
      learned <- learn_round(list(part3), list(draws), list(part3), list(par), list(par), hyper, matrix(0, n, 3))
      par <- learned$par[[1]]
    }
  })
  # EM of a multivariate normal whose draws are seen with error.
  m <- colMeans(seen)
  sigma <- cov(seen)
  for (step in 1:300) {
    at <- lapply(seq_len(n), gaussian_posterior, m, sigma)
    means <- t(vapply(at, `[[`, numeric(3), "mean"))
    m <- colMeans(means)
    sigma <- crossprod(means - rep(m, each = n)) / n + Reduce(`+`, lapply(at, `[[`, "covariance")) / n
  }
  # What is left is Monte Carlo error of 200 draws a gene; the estimates' own errors are sd / sqrt(300) = 0.058 sds.
  expect_lt(max(abs(split_mvn(par)$mean - m) / sqrt(diag(sigma))), 0.02)
  expect_lt(max(abs(mvn_covariance(par) - sigma) / sqrt(outer(diag(sigma), diag(sigma)))), 0.03)
  expect_lt(max(abs(m - truth$mean) / sqrt(diag(truth$covariance))), 4 * 1.2 / sqrt(n))
})

test_that("the error of what was learned widens Sigma by its exact mean", {
  with_fixed_seed(6, {
    root <- matrix(rnorm(81, 0, 0.06), 9)
    draws <- numbers3 + crossprod(root, matrix(rnorm(9 * 40000), 9))
  })
  covariances <- apply(draws, 2, mvn_covariance)
  exact <- mvn_covariance(integrate_mvn(numbers3, crossprod(root)))
  # The exact one has the exact covariance of m.
  simulated <- matrix(rowMeans(covariances), 3) + crossprod(root)[1:3, 1:3]
  error <- matrix(apply(covariances, 1, sd), 3) / sqrt(40000)
  expect_true(all(abs(simulated - exact) < 5 * error))
  expect_equal(integrate_mvn(numbers3, matrix(0, 9, 9)), numbers3)
})

#' Counts of genes whose coefficients of a design with numbers of mean one are (2.5, 0.5, -0.3) and more.
mvn_genes <- local({
  set.seed(9)
  columns <- data.frame(x = rep(0:1, 6), z = round(rnorm(12, 1), 2))
  covariance <- diag(c(0.8, 0.5, 0.3)) %*% matrix(c(1, -0.3, 0, -0.3, 1, 0.7, 0, 0.7, 1), 3) %*% diag(c(0.8, 0.5, 0.3))
  beta <- t(c(3.5, 0.4, -0.2) + t(chol(covariance)) %*% matrix(rnorm(3 * 150), 3))
  eta <- beta %*% t(cbind(1, columns$x, columns$z))
  counts <- matrix(rnbinom(length(eta), mu = exp(eta), size = 10), nrow(eta), dimnames = list(sprintf("g%03d", 1:150), NULL))
  list(columns = columns, beta = beta, counts = counts, mean = c(3.5, 0.4, -0.2), covariance = covariance)
})

fit_mvn <- function(genes = mvn_genes, ..., effect_prior = "mvn", iter = 200) {
  twill_genes(genes$counts, ~ x + z, col_data = genes$columns, effect_prior = effect_prior, size_factors = rep(1, 12),
              iter = iter, seed = 1, silent = 2, check = FALSE, ...)
}

test_that("m and Sigma of simulated genes are found, and intervals of shrunken coefficients cover", {
  fit <- fit_mvn()
  prior <- tw_effect_prior(fit)
  sd <- sqrt(diag(mvn_genes$covariance))
  # The genes' own errors add less than a quarter to these variances.
  expect_lt(max(abs(prior$mean - mvn_genes$mean) / sd), 4 * 1.15 / sqrt(150))
  expect_lt(max(abs(log(prior$sd / sd))), 4 * 1.25 / sqrt(300))
  expect_lt(max(abs(prior$cor - cov2cor(mvn_genes$covariance))), 4 * 1.3 / sqrt(150))
  means <- fit$posterior$mean[match(names3, fit$posterior$names), ]
  sds <- fit$posterior$sd[match(names3, fit$posterior$names), ]
  z <- (means - t(mvn_genes$beta)) / sds
  # 450 intervals, correlated within genes: three standard errors at 150 to 450.
  expect_lt(abs(mean(abs(z) < 1.96) - 0.95), 3 * sqrt(0.95 * 0.05 / 250))
  expect_lt(abs(mean(z^2) - 1), 3 * sqrt(2 / 250))
  weak <- fit_mvn(effect_prior = "weak")
  error <- function(fit) mean((fit$posterior$mean[match(names3[-1], fit$posterior$names), ] - t(mvn_genes$beta[, -1]))^2)
  expect_lt(error(fit), error(weak))
  expect_lt(max(fit$posterior$rhat[match(names3, fit$posterior$names), ]), 1.1)
  expect_snapshot(print(prior))
  expect_match(capture.output(print(fit)), "normal(m, Sigma)", fixed = TRUE, all = FALSE)
})

test_that("a gene has the posterior of a grid under the prior that was learned", {
  some <- mvn_genes
  some$counts <- matrix(rpois(40 * 12, exp(some$beta[1:40, 1:2] %*% rbind(1, some$columns$x) - 2.5)), 40,
                        dimnames = list(sprintf("g%03d", 1:40), NULL))
  fit <- twill_genes(some$counts, ~ x, family = "poisson", col_data = some$columns, effect_prior = "mvn",
                     size_factors = rep(1, 12), iter = 600, seed = 1, silent = 2, check = FALSE, min_count = 0)
  prior <- tw_effect_prior(fit)
  grid <- as.matrix(expand.grid(seq(-3.5, 4.5, 0.04), seq(-3, 4, 0.04)))
  log_prior <- -0.5 * rowSums(((grid - rep(prior$mean, each = nrow(grid))) %*% solve(prior$covariance)) *
                                (grid - rep(prior$mean, each = nrow(grid))))
  for (gene in c("g003", "g017", "g030")) {
    y <- some$counts[gene, ]
    eta <- grid %*% rbind(1, some$columns$x)
    weight <- grid_weights(log_prior + drop(eta %*% y) - rowSums(exp(eta)))
    draws <- as.matrix(posterior::as_draws_matrix(tw_gene(fit, gene)))
    expect_grid(draws[, "b_Intercept"], grid[, 1], weight)
    expect_grid(draws[, "b_x"], grid[, 2], weight)
    moments <- grid_moments(grid[, 1] * grid[, 2], weight)
    expect_posterior(draws[, "b_Intercept"] * draws[, "b_x"], moments[["mean"]], moments[["sd"]])
  }
  # Of genes with no count in one arm contrasts have a likelihood of their own, under the same prior.
  frame <- coefficient_frame(fit)
  on_grid <- 0
  for (k in 1:2) on_grid <- on_grid + dnorm(drop(grid %*% frame$columns[, k]) - frame$shift[k], log = TRUE)
  expect_equal(on_grid - on_grid[1], log_prior - log_prior[1])
})

test_that("contrasts, folds, views and the other methods take it; what cannot be is refused by name", {
  some <- mvn_genes
  some$counts <- some$counts[1:30, ]
  fit <- fit_mvn(some, method = "svi")
  table <- as.data.frame(tw_contrast(fit, "x"))
  expect_true(all(is.finite(table$mean) & is.finite(table$lfsr)))
  expect_identical(dim(fixef(fit))[1], 30L)
  expect_match(prior_summary(fit)$prior[prior_summary(fit)$coef == "x"], "^normal")
  beta <- as.matrix(posterior::as_draws_matrix(tw_gene(fit, "g002")))[, names3]
  expect_equal(posterior_linpred(tw_gene(fit, "g002")), tcrossprod(beta, cbind(1, as.matrix(some$columns))), ignore_attr = TRUE)
  stated <- function(...) twill_genes(some$counts, ~ x, col_data = some$columns, effect_prior = "mvn", silent = 2, ...)
  expect_error(stated(prior = tw_prior("normal(0, 1)", class = "b")), "b_x", class = "twill_error_prior")
  expect_error(tw_effect_prior(fit_mvn(some, effect_prior = "weak")), "no joint prior", class = "twill_error_method")
  expect_error(tw_effect_prior(1), "numeric", class = "twill_error_method")
  expect_error(check_sharing("sd", "lognormal", "mvn"), "mvn", class = "twill_error_setting")
})
