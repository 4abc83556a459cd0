# Covariances of levels of a lower rank than there are levels, such as kinship from few genotypes, against dense algebra.

# Nine levels on three genotypes; h has no rows.
kin <- local({
  set.seed(21)
  f <- matrix(rnorm(27), 9)
  f <- f / sqrt(rowSums(f^2))
  k <- tcrossprod(f)
  dimnames(k) <- list(letters[1:9], letters[1:9])
  k
})

rows <- local({
  set.seed(22)
  data <- data.frame(g = rep(letters[c(1:7, 9)], each = 3), x = round(rnorm(24), 2))
  root <- eigen(kin)$vectors[, 1:3] %*% diag(sqrt(eigen(kin)$values[1:3]))
  data$y <- 1 + 0.5 * data$x + (0.8 * root %*% rnorm(3))[match(data$g, letters)] + rnorm(24, 0, 0.4)
  data
})

known <- c(tw_prior("constant(0.8)", class = "sd"), tw_prior("constant(0.4)", class = "sigma"),
           tw_prior("normal(0, 2)", class = "b"), tw_prior("normal(1, 3)", class = "Intercept"))

fit_low <- function(formula, prior = known, iter = 800, engine = "auto", method = "nuts", ...) {
  twill(formula, rows, prior = prior, data2 = list(K = kin), chains = 2, iter = iter, seed = 1, silent = 2, method = method,
        control = list(engine = engine), ...)
}

indicator <- outer(rows$g, letters[1:9], "==") + 0
fixed <- cbind(1, rows$x - mean(rows$x))

#' Posterior of effects with a covariance, singular or not, given the data.
level_posterior <- function(design, covariance) {
  whole <- design %*% covariance %*% t(design) + fixed %*% diag(c(9, 4)) %*% t(fixed) + diag(0.16, 24)
  gain <- covariance %*% t(design) %*% solve(whole)
  list(mean = drop(gain %*% (rows$y - 1)), sd = sqrt(diag(covariance - gain %*% design %*% covariance)))
}

test_that("effects are those of dense algebra, of levels without rows too, and exact functions of the coordinates", {
  exact <- level_posterior(indicator, 0.64 * kin)
  for (way in list(c("nuts", "joint"), c("nuts", "levels"), c("svi", "auto"), c("laplace", "auto"))) {
    fit <- fit_low(y ~ x + (1 | gr(g, cov = K)), engine = way[2], method = way[1])
    for (j in c(1, 5, 8)) expect_posterior(draws_in(fit, sprintf("r_g[%s,Intercept]", letters[j])), exact$mean[j], exact$sd[j])
    effects <- ranef(fit, summary = FALSE)$g[, , 1]
    expect_lt(svd(effects)$d[4] / svd(effects)$d[1], 1e-12)
  }
  expect_identical(colnames(effects), letters[1:9])
})

test_that("slopes follow, with their correlations, in the order of other fits", {
  within <- 0.64 * matrix(c(1, -0.4, -0.4, 1), 2)
  exact <- level_posterior(cbind(indicator, indicator * rows$x), kronecker(within, kin))
  fit <- fit_low(y ~ x + (1 + x | gr(g, cov = K)), c(known, tw_prior("constant(-0.4)", class = "cor")))
  for (j in c(2, 8, 9)) {
    expect_posterior(draws_in(fit, sprintf("r_g[%s,Intercept]", letters[j])), exact$mean[j], exact$sd[j])
    expect_posterior(draws_in(fit, sprintf("r_g[%s,x]", letters[j])), exact$mean[9 + j], exact$sd[9 + j])
  }
  independent <- twill(y ~ x + (1 + x | g), rows, chains = 1, iter = 20, seed = 1, silent = 2)
  order <- function(fit) sub("\\[.*,", "[,", grep("^r_", variables(fit), value = TRUE))
  expect_identical(order(fit)[1:16], order(independent))
  expect_identical(tail(variables(fit), 2), tail(variables(independent), 2))
})

test_that("the sd and the evidence are those of quadrature; predictions, loo and updates are of levels", {
  prior <- c(known[-1, ], tw_prior("exponential(1)", class = "sd"))
  base <- fixed %*% diag(c(9, 4)) %*% t(fixed) + 0.16 * diag(24)
  density <- function(sd) vapply(sd, function(sd) {
    exp(20 + log_normal_density(rows$y, 1, base + sd^2 * indicator %*% kin %*% t(indicator))) * dexp(sd)
  }, 0)
  moment <- function(power) integrate(function(sd) sd^power * density(sd), 0, 30, rel.tol = 1e-8)$value
  whole <- moment(0)
  fit <- fit_low(y ~ x + (1 | gr(g, cov = K)), prior, iter = 2000)
  expect_posterior(draws_in(fit, "sd_g__Intercept"), moment(1) / whole, sqrt(moment(2) / whole - (moment(1) / whole)^2))
  found <- tw_log_evidence(fit, silent = 2)
  expect_lt(abs(found$log_evidence - log(whole) + 20), 5 * found$mcse)
  eta <- draws_in(fit, "b_Intercept") + draws_in(fit, "b_x") %o% rows$x + ranef(fit, summary = FALSE)$g[, rows$g, 1]
  expect_equal(posterior_linpred(fit), eta, ignore_attr = TRUE)
  h <- posterior_linpred(fit, newdata = data.frame(g = "h", x = 0))
  expect_equal(h[, 1], draws_in(fit, "b_Intercept") + draws_in(fit, "r_g[h,Intercept]"))
  expect_error(posterior_linpred(fit, newdata = data.frame(g = "z", x = 0), allow_new_levels = TRUE), "\"z\"",
               class = "twill_error_newdata")
  expect_s3_class(suppressWarnings(loo(fit)), "loo")
  expect_identical(variables(update(fit, iter = 40, silent = 2)), variables(fit))
  expect_false(any(startsWith(variables(update(fit, iter = 40, silent = 2, save_pars = tw_save(group = FALSE))), "r_")))
  said <- capture_messages(suppressWarnings(twill(y ~ x + (1 | gr(g, cov = K)), rows, data2 = list(K = kin), chains = 1,
                                                  iter = 40, seed = 1)))
  expect_match(paste(said, collapse = ""), "has the rank 3")
})

test_that("what is no covariance, and what such a one does not go with, is refused by name", {
  negative <- kin
  negative[1, 2] <- negative[2, 1] <- 3
  refused <- function(K, text, formula = y ~ x + (1 | gr(g, cov = K)), class = "twill_error_data2") {
    expect_error(twill(formula, rows, data2 = list(K = K), chains = 1, iter = 20, silent = 2), text, class = class)
  }
  refused(negative, "smallest of its 9 eigenvalues")
  refused(0 * kin, "positive definite")
  refused(kin, "rank 3", y ~ x + (1 | gr(g, cov = K, dist = "student")))
  expect_error(fit_low(y ~ x + (1 | gr(g, cov = K)), iter = 40, save_pars = tw_save(group = 10)), "rank 3",
               class = "twill_error_setting")
  expect_error(twill_genes(matrix(rpois(48, 20), 2, dimnames = list(c("one", "two"), NULL)), ~ x + (1 | gr(g, cov = K)),
                           col_data = rows, data2 = list(K = kin[-8, -8]), silent = 2), "rank 3", class = "twill_error_data2")
})
