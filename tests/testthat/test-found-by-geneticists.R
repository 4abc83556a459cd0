# What users of pedigrees, kinship and linkage disequilibrium ran into.

test_that("update() takes another matrix for data2, not for the data", {
  data <- with_fixed_seed(1, data.frame(g = rep(letters[1:8], each = 3), y = stats::rnorm(24)))
  K <- diag(8)
  dimnames(K) <- rep(list(letters[1:8]), 2)
  fit <- twill(y ~ 1 + (1 | gr(g, cov = K)), data, data2 = list(K = K), chains = 2, iter = 400, seed = 1, silent = 2)
  wider <- update(fit, data2 = list(K = 100 * K))
  # A tenth of the sd goes with the matrix, under the same prior at least in direction.
  sds <- vapply(list(fit, wider), function(fit) mean(posterior::extract_variable(as_draws_array(fit), "sd_g__Intercept")), 0)
  expect_lt(sds[2], sds[1])
  expect_identical(wider$data2$K, 100 * K)
})

test_that("relatives that a design knows of are no variation that it leaves out", {
  found <- vapply(1:4, function(seed) {
    with_fixed_seed(seed, {
      family <- rep(1:12, each = 4)
      K <- ifelse(outer(family, family, "=="), 0.5, 0)
      diag(K) <- 1
      donors <- paste0("d", 1:48)
      dimnames(K) <- list(donors, donors)
      values <- t(0.6 * t(chol(K)) %*% matrix(stats::rnorm(48 * 60), 48) + matrix(stats::rnorm(48 * 60, 0, 0.5), 48) + 8)
      dimnames(values) <- list(paste0("g", 1:60), donors)
      donors <- data.frame(donor = donors, genotype = stats::rbinom(48, 2, 0.35), row.names = donors)
      batch <- outer(stats::rnorm(60, 0, 0.5), stats::rnorm(48))
    })
    shared_of <- function(values) {
      fit <- twill_genes(values, ~ genotype + (1 | gr(donor, cov = K)), col_data = donors, family = gaussian(),
                         data2 = list(K = K), seed = 1, iter = 150, silent = 2, check = FALSE)
      sum(startsWith(names(tw_shared_variation(fit)), "component"))
    }
    c(shared_of(values), shared_of(values + batch))
  }, c(0, 0))
  expect_identical(found[1, ], numeric(4))
  # A batch is found among relatives, too.
  expect_true(all(found[2, ] > 0))
})

test_that("rows of fcor() that are taken by position in spite of names are told", {
  n <- 12
  V <- 0.5^abs(outer(seq_len(n), seq_len(n), "-"))
  dimnames(V) <- rep(list(paste0("sp", seq_len(n))), 2)
  data <- with_fixed_seed(1, data.frame(species = rownames(V), y = stats::rnorm(n)))
  fit <- function(data, V, silent = 1) {
    suppressWarnings(twill(y ~ 1 + fcor(V), data, data2 = list(V = V), chains = 1, iter = 60, seed = 1, refresh = 0,
                           silent = silent))
  }
  expect_message(fit(data, V), "by position.*sp1", class = "twill_message_data2")
  expect_no_message(fit(data, unname(V)), class = "twill_message_data2")
  rownames(data) <- data$species
  expect_no_message(fit(data[n:1, ], V), class = "twill_message_data2")
})

test_that("warnings of models with one parameter name it", {
  data <- with_fixed_seed(1, data.frame(y = stats::rnorm(24)))
  fit <- twill(y | se(0.3) ~ 1, data, chains = 2, iter = 60, seed = 1, silent = 2)
  expect_warning(suppressWarnings(warn_convergence(fit, sampler_diagnostics(fit)), classes = "twill_warning_rhat"),
                 "b_Intercept", class = "twill_warning_ess")
})

test_that("parameters that never move are told, those that are known are not", {
  fit <- shared_fit("sleep")
  d <- sampler_diagnostics(fit)
  at <- match("sigma", variables(fit))
  fit$draws[, , at] <- 1e-15
  expect_warning(suppressWarnings(warn_convergence(fit, d), classes = "twill_warning_ess"), "did not move.*sigma",
                 class = "twill_warning_rhat")
  fit$prior$prior[fit$prior$class == "sigma"] <- "constant(1e-15)"
  expect_no_warning(suppressWarnings(warn_convergence(fit, d), classes = "twill_warning_ess"))
})

test_that("hints fit what was asked", {
  data <- with_fixed_seed(1, data.frame(g = gl(8, 3), y = stats::rnorm(24), x = stats::rnorm(24)))
  K <- diag(8)
  dimnames(K) <- rep(list(levels(data$g)), 2)
  expect_error(twill(y ~ 1 + (1 | gr(g, cov = K)) + (1 | g), data, data2 = list(K = K)), "data\\$g2 <- data\\$g",
               class = "twill_error_formula")
  expect_error(twill(y ~ 1 + (1 | g) + (x | g), data), "0 \\+ x \\| g", class = "twill_error_formula")
  expect_error(tw_shrink(c(0.3, -0.2, 0.05, 0.9), 0.1, df = 0.02), "df.*at least 0.1", class = "twill_error_shrink")
})

test_that("studies have names of their own, and correlations are those of something", {
  z <- cbind(z = c(3, 2, 1), z = c(1, 2, 3))
  expect_error(tw_inclusion(z, diag(3)), "names of their own", class = "twill_error_inclusion")
  R <- matrix(-0.9, 3, 3)
  diag(R) <- 1
  expect_error(tw_inclusion(c(a = 3, b = 2, c = 1), R), "eigenvalue is -0.8.*allele", class = "twill_error_inclusion")
  # Rounded ones are taken.
  R <- round(cor(with_fixed_seed(1, matrix(stats::rnorm(60), 6))), 2)
  expect_no_error(tw_inclusion(stats::setNames(1:10 / 2, letters[1:10]), R))
})
