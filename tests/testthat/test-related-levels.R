# Levels with a known covariance or precision, gr(g, cov = K) and gr(g, prec = Q), against dense algebra and quadrature.

# Six relatives, of whom f has no rows.
related <- local({
  set.seed(8)
  k <- crossprod(matrix(rnorm(48), 8, 6)) / 8
  k <- cov2cor(k)
  dimnames(k) <- list(letters[1:6], letters[1:6])
  k
})

rows <- local({
  set.seed(4)
  data <- data.frame(g = rep(letters[c(3, 1, 2, 5, 4)], each = 4), h = rep(c("u", "v"), 10), x = round(rnorm(20), 2))
  effects <- drop(crossprod(chol(related), rnorm(6)))
  data$y <- 1 + 0.5 * data$x + effects[match(data$g, letters)] + rnorm(20, 0, 0.4)
  data$count <- rpois(20, exp(0.3 + 0.5 * effects[match(data$g, letters)]))
  data
})

known <- c(tw_prior("constant(0.8)", class = "sd"), tw_prior("constant(0.4)", class = "sigma"),
           tw_prior("normal(0, 2)", class = "b"), tw_prior("normal(1, 3)", class = "Intercept"))

fit_related <- function(formula, prior = known, data2 = list(K = related), data = rows, family = gaussian(), engine = "auto",
                        iter = 800, method = "nuts", ...) {
  twill(formula, data, family, prior = prior, data2 = data2, chains = 2, iter = iter, seed = 1, silent = 2, method = method,
        control = list(engine = engine), ...)
}

#' Posterior of w in y = design w + e, w ~ N(mean, covariance), e ~ N(0, sigma^2).
linear_posterior <- function(design, y, sigma, mean, covariance) {
  gain <- covariance %*% t(design) %*% solve(design %*% covariance %*% t(design) + sigma^2 * diag(length(y)))
  list(mean = mean + drop(gain %*% (y - design %*% mean)), sd = sqrt(diag(covariance - gain %*% design %*% covariance)))
}

block <- function(...) as.matrix(Matrix::bdiag(...))
indicator <- outer(rows$g, letters[1:6], "==") + 0
centred <- rows$x - mean(rows$x)

test_that("effects have the posterior of dense algebra, those of levels without rows too, by every engine and method", {
  exact <- linear_posterior(cbind(1, centred, indicator), rows$y, 0.4, c(1, rep(0, 7)), block(diag(c(9, 4)), 0.64 * related))
  ways <- list(c("nuts", "joint"), c("nuts", "levels"), c("hmc", "auto"), c("svi", "auto"), c("laplace", "auto"))
  for (way in ways) {
    fit <- fit_related(y ~ x + (1 | gr(g, cov = K)), method = way[1], engine = way[2])
    expect_posterior(draws_in(fit, "b_x"), exact$mean[2], exact$sd[2])
    for (level in c(2, 6)) {
      expect_posterior(draws_in(fit, sprintf("r_g[%s,Intercept]", letters[level])), exact$mean[2 + level], exact$sd[2 + level])
    }
  }
})

test_that("levels are found by their names, wherever in the matrix they and those without rows stand", {
  exact <- linear_posterior(cbind(1, centred, indicator), rows$y, 0.4, c(1, rep(0, 7)), block(diag(c(9, 4)), 0.64 * related))
  turned <- related[c(6, 3, 1, 5, 2, 4), c(6, 3, 1, 5, 2, 4)]
  for (data2 in list(list(K = turned), list(Q = solve(turned)))) {
    formula <- if (names(data2) == "K") y ~ x + (1 | gr(g, cov = K)) else y ~ x + (1 | gr(g, prec = Q))
    fit <- fit_related(formula, data2 = data2)
    for (level in 1:6) {
      expect_posterior(draws_in(fit, sprintf("r_g[%s,Intercept]", letters[level])), exact$mean[2 + level], exact$sd[2 + level])
    }
  }
})

test_that("with the effects integrated out, scales and evidence are those of quadrature", {
  prior <- c(known[-1, ], tw_prior("exponential(1)", class = "sd"))
  fixed <- cbind(1, centred) %*% diag(c(9, 4)) %*% t(cbind(1, centred)) + 0.16 * diag(20)
  density <- function(sd) vapply(sd, function(sd) {
    root <- chol(fixed + sd^2 * indicator %*% related %*% t(indicator))
    exp(20 - 10 * log(2 * pi) - sum(log(diag(root))) - 0.5 * sum(backsolve(root, rows$y - 1, transpose = TRUE)^2)) * dexp(sd)
  }, 0)
  moment <- function(power) integrate(function(sd) sd^power * density(sd), 0, 30, rel.tol = 1e-8)$value
  whole <- moment(0)
  for (formula in c(y ~ x + (1 | gr(g, cov = K)), y ~ x + (1 | gr(g, prec = Q)))) {
    fit <- fit_related(formula, prior, list(K = related, Q = solve(related)), iter = 2000)
    expect_identical(fit$info$engine, "collapsed")
    expect_posterior(draws_in(fit, "sd_g__Intercept"), moment(1) / whole, sqrt(moment(2) / whole - (moment(1) / whole)^2))
    found <- tw_log_evidence(fit, silent = 2)
    expect_lt(abs(found$log_evidence - log(whole) + 20), 5 * found$mcse)
  }
})

test_that("slopes are related as intercepts are, with their own correlations", {
  within <- diag(c(0.8, 0.8)) %*% matrix(c(1, -0.4, -0.4, 1), 2) %*% diag(c(0.8, 0.8))
  design <- cbind(1, centred, indicator, indicator * rows$x)
  check <- function(formula, prior, within, engine) {
    exact <- linear_posterior(design, rows$y, 0.4, c(1, rep(0, 13)), block(diag(c(9, 4)), kronecker(within, related)))
    fit <- fit_related(formula, prior, engine = engine)
    for (at in c(2, 5, 6)) {
      name <- sprintf("r_g[%s,%s]", letters[at], c("Intercept", "x"))
      expect_posterior(draws_in(fit, name[1]), exact$mean[2 + at], exact$sd[2 + at])
      expect_posterior(draws_in(fit, name[2]), exact$mean[8 + at], exact$sd[8 + at])
    }
  }
  correlated <- c(known, tw_prior("constant(-0.4)", class = "cor"))
  for (engine in c("joint", "levels")) check(y ~ x + (1 + x | gr(g, cov = K)), correlated, within, engine)
  check(y ~ x + (1 + x || gr(g, cov = K)), known, diag(0.64, 2), "joint")
})

test_that("counts have the posterior of a grid", {
  k <- matrix(c(1, 0.7, 0.7, 1), 2, dimnames = list(c("u", "v"), c("u", "v")))
  prior <- c(tw_prior("constant(0.5)", class = "sd"), tw_prior("constant(0.3)", class = "Intercept"))
  grid <- expand.grid(u = seq(-2.2, 2.2, 0.02), v = seq(-2.2, 2.2, 0.02))
  sums <- tapply(rows$count, rows$h, sum)
  precision <- solve(0.25 * k)
  log_density <- as.matrix(grid) %*% sums - 10 * exp(0.3) * (exp(grid$u) + exp(grid$v)) -
    0.5 * rowSums((as.matrix(grid) %*% precision) * as.matrix(grid))
  weight <- exp(log_density - max(log_density)) / sum(exp(log_density - max(log_density)))
  mean <- sum(weight * grid$u)
  for (engine in c("joint", "levels")) {
    fit <- fit_related(count ~ 1 + (1 | gr(h, cov = k)), prior, list(k = k), family = poisson(), engine = engine, iter = 2000)
    expect_posterior(draws_in(fit, "r_h[u,Intercept]"), mean, sqrt(sum(weight * (grid$u - mean)^2)))
    both <- draws_in(fit, "r_h[u,Intercept]") * draws_in(fit, "r_h[v,Intercept]")
    second <- sum(weight * grid$u * grid$v)
    expect_posterior(both, second, sqrt(sum(weight * (grid$u * grid$v - second)^2)))
  }
})

test_that("covariance and precision, dense and sparse, are one density, and the identity is none", {
  sparse <- Matrix::Matrix(solve(related), sparse = TRUE)
  prior <- c(tw_prior("exponential(1)", class = "sd"), tw_prior("exponential(1)", class = "sigma"))
  data2 <- list(K = related, Q = sparse, I = Matrix::Diagonal(6, names = letters[1:6]))
  fit <- function(formula) fit_related(formula, prior, data2[intersect(names(data2), all.names(formula))], iter = 100)
  by_cov <- fit(y ~ x + (1 + x | gr(g, cov = K)) + (1 | h))
  by_prec <- fit(y ~ x + (1 + x | gr(g, prec = Q)) + (1 | h))
  set.seed(2)
  for (i in 1:3) {
    at <- rnorm(2 + 12 + 2 + 5, 0, 0.5)
    value <- tw_log_prob(by_cov, at, gradient = TRUE)
    expect_equal(value, tw_log_prob(by_prec, at, gradient = TRUE), tolerance = 1e-9)
    slopes <- vapply(seq_along(at), function(j) {
      step <- replace(numeric(length(at)), j, 1e-5)
      (tw_log_prob(by_cov, at + step) - tw_log_prob(by_cov, at - step)) / 2e-5
    }, 0)
    expect_equal(unname(attr(value, "gradient")), slopes, tolerance = 1e-6)
  }
  # All levels of the identity have rows here.
  data2$I <- data2$I[1:5, 1:5]
  plain <- twill(y ~ x + (1 | g), transform(rows, g = factor(g)), prior = prior, chains = 2, iter = 400, seed = 1, silent = 2)
  identity <- fit_related(y ~ x + (1 | gr(g, cov = I)), prior, data2["I"], iter = 400)
  at <- rnorm(9)
  expect_equal(tw_log_prob(identity, at), tw_log_prob(plain, at))
})

test_that("two related terms, and related beside independent ones, agree between engines", {
  prior <- c(tw_prior("exponential(1)", class = "sd"), tw_prior("exponential(1)", class = "sigma"))
  rows$m <- rows$g
  runs <- lapply(c("collapsed", "joint", "levels"), function(engine) {
    fit_related(y ~ x + (1 | gr(g, cov = K)) + (1 | gr(h, prec = P)) + (1 | m), prior, data = rows, engine = engine, iter = 3000,
                data2 = list(K = related, P = matrix(c(2, -1, -1, 2), 2, dimnames = list(c("u", "v"), NULL))))
  })
  for (name in c("b_x", "sd_g__Intercept", "sd_h__Intercept", "sigma", "r_g[f,Intercept]", "r_m[a,Intercept]")) {
    draws <- lapply(runs, draws_in, name = name)
    size <- vapply(runs, function(fit) posterior::ess_mean(unclass(fit$draws)[, , name]), 0)
    for (other in 2:3) {
      error <- sd(draws[[1]]) * sqrt(1 / size[1] + 1 / size[other])
      expect_lt(abs(mean(draws[[1]]) - mean(draws[[other]])), 5 * error)
    }
  }
})

test_that("verbs know all levels of the matrix, and refuse others", {
  fit <- fit_related(y ~ x + (1 | gr(g, cov = K)))
  expect_identical(dimnames(ranef(fit)$g)[[1]], letters[1:6])
  expect_equal(VarCorr(fit)$g$sd[1, "Estimate"], 0.8)
  expect_identical(ngrps(fit)$g, 6L)
  # f has no rows, but its relatives have.
  new <- data.frame(g = c("f", "a"), x = 0)
  expected <- draws_in(fit, "b_Intercept") + draws_in(fit, "r_g[f,Intercept]")
  expect_equal(posterior_epred(fit, newdata = new)[, 1], expected)
  expect_equal(dim(posterior_predict(fit, newdata = new)), c(ndraws(fit), 2))
  stranger <- data.frame(g = "z", x = 0)
  for (allow in c(FALSE, TRUE)) {
    expect_error(posterior_epred(fit, newdata = stranger, allow_new_levels = allow), "no row in its matrix",
                 class = "twill_error_newdata")
  }
  expect_equal(posterior_epred(fit, newdata = stranger, re_formula = NA)[, 1], draws_in(fit, "b_Intercept"))
  expect_equal(posterior_epred(fit, re_formula = ~ (1 | g)), posterior_epred(fit))
  # Left-out levels are predicted by their relatives.
  expect_true(is.finite(kfold(fit, group = "g", seed = 1, iter = 200)$estimates["elpd_kfold", 1]))
  again <- update(fit, . ~ . - x, silent = 2)
  expect_identical(dimnames(ranef(again)$g)[[1]], letters[1:6])
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(fit, file)
  expect_equal(posterior_epred(readRDS(file), newdata = new)[, 1], expected)
})

test_that("what is wrong with a matrix is said", {
  refused <- function(message, k = related, formula = y ~ x + (1 | gr(g, cov = K)), class = "twill_error_data2", ...) {
    expect_error(fit_related(formula, data2 = list(K = k), ...), message, class = class)
  }
  refused("lacks", formula = y ~ x + (1 | gr(g, cov = A)))
  expect_error(fit_related(y ~ x + (1 | gr(g, cov = K)), data2 = NULL), "data2 = list\\(K = K\\)", class = "twill_error_data2")
  expect_error(fit_related(y ~ x + (1 | gr(g, cov = K)), data2 = related), "must be a list", class = "twill_error_data2")
  refused("matrix of numbers", as.data.frame(related))
  refused("square", related[, -1])
  refused("dimnames", unname(related))
  refused("same levels", structure(related, dimnames = list(letters[1:6], letters[6:1])))
  refused("each level once", structure(related, dimnames = list(letters[c(1, 1:5)], letters[c(1, 1:5)])))
  refused("missing or infinite", replace(related, 2, NA))
  refused("symmetric", replace(related, 2, 0.9))
  refused("no row", related[-2, -2])
  negative <- replace(related, c(2, 7), 2)
  refused("smallest of its 6 eigenvalues is -", negative)
  refused("nearPD\\(K\\)", negative)
  near <- list(K = Matrix::nearPD(negative)$mat)
  expect_s3_class(suppressWarnings(fit_related(y ~ x + (1 | gr(g, cov = K)), data2 = near, iter = 40)), "twillfit")
  # Of rank two but for a little that is negative.
  low <- tcrossprod(cbind(1, c(-2, -1, 0, 1, 2, 3)))
  dimnames(low) <- dimnames(related)
  refused("2 are above zero", low - diag(1e-4, 6))
  expect_error(fit_related(y ~ x + (1 | gr(g, prec = K)), data2 = list(K = negative)), "positive definite",
               class = "twill_error_data2")
  expect_error(fit_related(y ~ x + (1 | gr(g, prec = K)), data2 = list(K = Matrix::Matrix(negative))), "positive definite",
               class = "twill_error_data2")
  refused("one column", formula = y ~ x + (1 | gr(g:h, cov = K)), class = "twill_error_formula")
  refused("one of", formula = y ~ x + (1 | gr(g, cov = K, prec = K)), class = "twill_error_formula")
  refused("name of a matrix", formula = y ~ x + (1 | gr(g, cov = solve(K))), class = "twill_error_formula")
  refused("same matrix", formula = y ~ x + (1 | gr(g, cov = K)) + (0 + x | g), class = "twill_error_formula")
  said <- capture_messages(new_relations(tw_formula(y ~ x + (1 | gr(g, cov = K))), list(K = 5 * related, other = 1)))
  expect_match(said, "does not ask for|mean 5", all = TRUE)
  expect_length(said, 2)
})

test_that("genes have relatives too, by the kinship of donors", {
  donors <- sprintf("d%02d", 1:8)
  kinship <- 0.6^abs(outer(1:8, 1:8, "-"))
  dimnames(kinship) <- list(donors, donors)
  # d08 has no sample, and is integrated out.
  samples <- data.frame(donor = rep(donors[7:1], 2), arm = rep(c("a", "b"), each = 7))
  z <- outer(samples$donor, donors[1:7], "==") + 0
  set.seed(6)
  values <- t(replicate(5, 3 + drop(z %*% crossprod(chol(kinship[1:7, 1:7]), rnorm(7))) + rnorm(14, 0, 0.5)))
  dimnames(values) <- list(paste0("g", 1:5), NULL)
  prior <- c(tw_prior("constant(0.9)", class = "sd"), tw_prior("constant(0.5)", class = "sigma"),
             tw_prior("normal(0, 1)", class = "b"), tw_prior("normal(3, 2)", class = "Intercept"))
  arm <- (samples$arm == "b") - 0.5
  for (data2 in list(list(K = kinship), list(Q = solve(kinship)))) {
    design <- if (names(data2) == "K") ~ arm + (1 | gr(donor, cov = K)) else ~ arm + (1 | gr(donor, prec = Q))
    fit <- twill_genes(values, design, "gaussian", samples, data2 = data2, prior = prior, keep = "effects", iter = 400,
                       seed = 1, silent = 2)
    for (g in c("g1", "g4")) {
      covariance <- block(diag(c(4, 1)), 0.81 * kinship[1:7, 1:7])
      exact <- linear_posterior(cbind(1, arm, z), values[g, ], 0.5, c(3, rep(0, 8)), covariance)
      one <- gene_view(fit, match(g, set_genes(fit)))
      expect_posterior(draws_in(one, "b_armb"), exact$mean[2], exact$sd[2])
      for (d in c(1, 5)) {
        expect_posterior(draws_in(one, sprintf("r_donor[%s,Intercept]", donors[d])), exact$mean[2 + d], exact$sd[2 + d])
      }
    }
  }
  expect_setequal(fit$posterior$effect_names, sprintf("r_donor[%s,Intercept]", donors[1:7]))
  again <- tw_gene(fit, "g1", chains = 2, iter = 400, silent = 2)
  expect_lt(abs(mean(draws_in(again, "b_armb")) - mean(draws_in(gene_view(fit, 1), "b_armb"))), 5 * 0.2 / sqrt(100))
  expect_true(all(is.finite(tw_contrast(fit, "armb")$estimate)))
})

test_that("counts of genes have the posterior of single models", {
  donors <- sprintf("d%02d", 1:7)
  kinship <- 0.6^abs(outer(1:7, 1:7, "-"))
  dimnames(kinship) <- list(donors, donors)
  samples <- data.frame(donor = rep(donors, 2), arm = rep(c("a", "b"), each = 7))
  set.seed(7)
  log_mean <- 3 + drop(crossprod(chol(kinship), rnorm(7)))[match(samples$donor, donors)] * 0.5 + 0.4 * (samples$arm == "b")
  counts <- matrix(rpois(3 * 14, rep(exp(log_mean), each = 3)), 3, dimnames = list(paste0("g", 1:3), NULL))
  prior <- c(tw_prior("exponential(1)", class = "sd"), tw_prior("normal(0, 1)", class = "b"),
             tw_prior("normal(3, 2)", class = "Intercept"))
  single <- twill(y ~ arm + (1 | gr(donor, cov = K)), transform(samples, y = counts[2, ]), poisson(), prior = prior, chains = 2,
                  iter = 2000, data2 = list(K = kinship), seed = 1, silent = 2)
  for (method in c("hmc", "nuts", "svi")) {
    fit <- twill_genes(counts, ~ arm + (1 | gr(donor, cov = K)), "poisson", samples, size_factors = "none", prior = prior,
                       share = "none", data2 = list(K = kinship), keep = "effects", method = method, iter = 800, seed = 1,
                       silent = 2)
    one <- gene_view(fit, match("g2", set_genes(fit)))
    for (name in c("b_armb", "sd_donor__Intercept", "r_donor[d03,Intercept]")) {
      exact <- draws_in(single, name)
      expect_posterior(draws_in(one, name), mean(exact), sd(exact))
    }
  }
  # Signs of genes with few counts look along a line at the prior of effects.
  p <- cbind(0, 0, as.matrix(twill:::effect_draws(fit, fit$posterior$effect_names, 1)[, , 1]))[1:3, ]
  u <- rnorm(9)
  found <- effect_prior_on_line(fit, 1)(p, u, matrix(0.7, 3, 1), 1:3)
  sd <- draws_of(fit, "sd_donor__Intercept", 1)[1:3, 1, 1]
  quadratic <- function(b) rowSums((b %*% solve(kinship)) * b) / -2 / sd^2
  moved <- p[, 3:9] + 0.7 * rep(u[3:9], each = 3)
  expect_equal(drop(found), quadratic(moved) - quadratic(p[, 3:9]))
})
