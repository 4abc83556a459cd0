# Divergence and variance ratio of two conditions, against numerical integrals.

test_that("the divergence of Gamma distributions is that of numerical integrals", {
  one_way <- function(a, b) {
    f <- function(log_x) {
      x <- exp(log_x)
      log_p <- dgamma(x, a$shape, a$shape / exp(a$mean), log = TRUE)
      exp(log_p + log_x) * (log_p - dgamma(x, b$shape, b$shape / exp(b$mean), log = TRUE))
    }
    integrate(f, -40, 10, rel.tol = 1e-10, subdivisions = 2000)$value
  }
  sides <- list(list(mean = 0.3, shape = 2), list(mean = 1.1, shape = 5), list(mean = -0.4, shape = 2))
  for (i in 1:3) for (j in 1:3) {
    expect_equal(gamma_divergence(sides[[i]], sides[[j]]), one_way(sides[[i]], sides[[j]]) + one_way(sides[[j]], sides[[i]]),
                 tolerance = 1e-6)
  }
  ratio <- exp(0.7)
  expect_equal(gamma_divergence(sides[[1]], sides[[3]]), 2 * (ratio + 1 / ratio - 2))
})

test_that("columns are those of draws, donor by donor", {
  fit <- fake_set(design = ~ condition + (1 + condition | donor), iter = 200, keep = "effects", counts = gene_counts(5))
  p <- fit$posterior
  value <- function(name) p$draws[, match(name, p$names), ]
  effect <- function(j, coef) p$effects[, match(sprintf("r_donor[d%d,%s]", j, coef), p$effect_names), ]
  r <- value("shape")
  kl <- lvr <- 0
  for (j in 1:5) {
    ctrl <- value("b_Intercept") + effect(j, "Intercept")
    stim <- ctrl + value("b_conditionstim") + effect(j, "conditionstim")
    kl <- kl + r * (exp(stim - ctrl) + exp(ctrl - stim) - 2) / 5
    lvr <- lvr + (log(exp(stim) + exp(2 * stim) / r) - log(exp(ctrl) + exp(2 * ctrl) / r)) / 5
  }
  res <- tw_contrast(fit, stim_effect(), estimand = "observed", extra = c("kl", "lvr"))
  expect_equal(res$kl, apply(kl, 2, median))
  expect_equal(res$lvr, colMeans(lvr) / log(2))
  expect_equal(res$lvrSE, apply(lvr, 2, sd) / log(2))
  plain <- tw_contrast(fit, stim_effect(), estimand = "observed")
  expect_equal(as.data.frame(res)[names(plain)], as.data.frame(plain), ignore_attr = TRUE)
  texts <- attr(res, "description")
  expect_false(anyNA(texts))
})

test_that("dispersions that differ by condition are used", {
  fit <- fake_set(design = ~ condition + (1 | donor), dispersion = ~ condition, iter = 200, counts = gene_counts(5))
  p <- fit$posterior
  value <- function(name) p$draws[, match(name, p$names), ]
  mu <- list(value("b_Intercept"), value("b_Intercept") + value("b_conditionstim"))
  r <- list(exp(value("b_shape_Intercept")), exp(value("b_shape_Intercept") + value("b_shape_conditionstim")))
  variance <- lapply(1:2, function(i) exp(mu[[i]]) + exp(2 * mu[[i]]) / r[[i]])
  res <- tw_contrast(fit, stim_effect(), extra = "lvr", log2 = FALSE)
  expect_equal(res$lvr, colMeans(log(variance[[2]] / variance[[1]])))
  expect_error(tw_contrast(fit, extra = "kl"), "conditions", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, cond(condition = "stim"), extra = "lvr"), "two conditions", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, stim_effect(), extra = "kld"), class = "twill_error_setting")
})
