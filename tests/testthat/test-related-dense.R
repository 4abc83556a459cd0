# Counts of many relatives, whose dense covariance is worked on by its eigenvectors, against all effects together.

kin_of_many <- local({
  n <- 60
  set.seed(11)
  shared <- matrix(rnorm(n * 300), n)
  shared <- shared + matrix(rnorm(n / 4 * 300), n / 4)[rep(seq_len(n / 4), each = 4), ]
  k <- cov2cor(tcrossprod(shared))
  ids <- sprintf("d%02d", seq_len(n))
  dimnames(k) <- list(ids, ids)
  samples <- data.frame(donor = rep(ids, 3), x = round(rnorm(3 * n), 2))
  at <- rep(seq_len(n), 3)
  u <- t(chol(k)) %*% matrix(rnorm(2 * n), n) %*% chol(matrix(c(0.36, 0.09, 0.09, 0.09), 2))
  samples$y <- rnbinom(3 * n, mu = exp(3 + 0.3 * samples$x + u[at, 1] + u[at, 2] * samples$x), size = 6)
  list(K = k, samples = samples)
})

test_that("counts of many relatives take levels by themselves, with the posterior of all effects together", {
  main <- c("b_Intercept", "b_x", "sd_donor__Intercept", "sd_donor__x", "cor_donor__Intercept__x", "shape",
            "r_donor[d07,Intercept]", "r_donor[d31,x]")
  prior <- c(tw_prior("exponential(2)", class = "sd"), tw_prior("normal(0, 1)", class = "b"),
             tw_prior("normal(3, 2)", class = "Intercept"), tw_prior("gamma(4, 0.6)", class = "shape"))
  runs <- lapply(c("auto", "joint"), function(engine) {
    twill(y ~ x + (1 + x | gr(donor, cov = K)), kin_of_many$samples, negbinomial(), prior = prior, data2 = kin_of_many["K"],
          chains = 2, iter = 1500, seed = 1, silent = 2, control = list(engine = engine))
  })
  expect_identical(vapply(runs, function(fit) fit$info$engine, ""), c("levels", "joint"))
  for (name in main) {
    draws <- lapply(runs, function(fit) posterior::extract_variable_matrix(posterior::as_draws(fit), name))
    error <- sqrt(sum(vapply(draws, posterior::mcse_mean, 0)^2))
    expect_lt(abs(mean(draws[[1]]) - mean(draws[[2]])), 4.5 * error)
    error <- sqrt(sum(vapply(draws, posterior::mcse_sd, 0)^2))
    expect_lt(abs(sd(draws[[1]]) - sd(draws[[2]])), 4.5 * error)
  }
  # Of scales there are a quarter to four tenths of the effective draws (four seeds), at a tenth of the price (decision 98).
  ess <- vapply(runs, function(fit) min(apply(as.array(fit)[, , main[3:6]], 3, posterior::ess_bulk)), 0)
  expect_gt(ess[1], ess[2] / 6)
})

test_that("genes of many relatives have the posterior of single models, by every method", {
  samples <- kin_of_many$samples[1:60, ]
  counts <- rbind(g1 = samples$y, g2 = rev(samples$y))
  prior <- c(tw_prior("exponential(2)", class = "sd"), tw_prior("normal(0, 1)", class = "b"),
             tw_prior("normal(3, 2)", class = "Intercept"), tw_prior("constant(6)", class = "shape"))
  single <- twill(y ~ x + (1 | gr(donor, cov = K)), samples, negbinomial(), prior = prior, chains = 2, iter = 1500,
                  data2 = kin_of_many["K"], seed = 1, silent = 2, control = list(engine = "joint"))
  for (method in c("hmc", "nuts", "svi", "laplace")) {
    fit <- twill_genes(counts, ~ x + (1 | gr(donor, cov = K)), "negbinomial", samples, size_factors = "none", prior = prior,
                       share = "none", data2 = kin_of_many["K"], keep = "effects", method = method, iter = 800, seed = 1,
                       silent = 2)
    one <- gene_view(fit, match("g1", set_genes(fit)))
    for (name in c("b_x", "sd_donor__Intercept", "r_donor[d03,Intercept]")) {
      exact <- posterior::extract_variable_matrix(posterior::as_draws(single), name)
      expect_posterior(as.matrix(one)[, name], mean(exact), sd(exact))
    }
  }
})
