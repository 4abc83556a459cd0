# gr(g, by = f): scales of effects for each class of levels, against integration over grids of scales.

rows <- local({
  set.seed(11)
  data <- data.frame(g = rep(sprintf("g%d", 1:8), each = 4), f = rep(c("a", "b"), each = 16), x = round(rnorm(32), 2))
  at <- as.integer(factor(data$g))
  u <- c(rnorm(4, 0, 0.3), rnorm(4, 0, 1.5))
  s <- c(rnorm(4, 0, 1), rnorm(4, 0, 0.3))
  data$y <- round(1 + u[at] + s[at] * data$x + rnorm(32, 0, 0.5), 3)
  data$z <- round(1 + u[at] + rnorm(32, 0, 0.5), 3)
  data$count <- rpois(32, exp(0.5 + u[at] / 2))
  data
})

known <- c(tw_prior("constant(0.5)", class = "sigma"), tw_prior("normal(1, 2)", class = "Intercept"),
           tw_prior("exponential(1)", class = "sd"))

fit_classes <- function(formula, prior = known, family = gaussian(), engine = "auto", iter = 1500, data = rows, ...) {
  twill(formula, data, family, prior = prior, chains = 2, iter = iter, seed = 1, silent = 2, control = list(engine = engine), ...)
}

indicator <- outer(rows$g, unique(rows$g), "==") + 0
sds <- as.matrix(expand.grid(a = seq(0.02, 4, 0.06), b = seq(0.02, 6, 0.08)))

test_that("each class has its own sd, and levels theirs, by every engine: a grid of both", {
  covariance <- function(sd) 4 + indicator %*% diag(rep(sd^2, each = 4)) %*% t(indicator) + diag(0.25, 32)
  log_density <- apply(sds, 1, function(sd) log_normal_density(rows$z, 1, covariance(sd))) - rowSums(sds)
  weight <- grid_weights(log_density)
  effect <- function(level) {
    parts <- apply(sds, 1, function(sd) {
      with <- sd[[rows$f[rows$g == level][1]]]^2 * indicator[, unique(rows$g) == level]
      sum(with * solve(covariance(sd), rows$z - 1))
    })
    sum(weight * parts)
  }
  means <- c(effect("g2"), effect("g7"))
  for (engine in c("collapsed", "joint", "levels")) {
    fit <- fit_classes(z ~ 1 + (1 | gr(g, by = f)), engine = engine)
    expect_identical(fit$info$engine, engine)
    expect_grid(draws_in(fit, "sd_g__Intercept:fa"), sds[, "a"], weight)
    expect_grid(draws_in(fit, "sd_g__Intercept:fb"), sds[, "b"], weight)
    expect_posterior(draws_in(fit, "r_g[g2,Intercept]"), means[1], sd(draws_in(fit, "r_g[g2,Intercept]")))
    expect_posterior(draws_in(fit, "r_g[g7,Intercept]"), means[2], sd(draws_in(fit, "r_g[g7,Intercept]")))
  }
})

test_that("correlations are those of a class: a grid of both", {
  prior <- c(known[1:2, ], tw_prior("constant(0)", class = "b"), tw_prior("constant(0.8)", class = "sd", coef = "Intercept"),
             tw_prior("constant(1)", class = "sd", coef = "x"), tw_prior("constant(0.3)", class = "sd", coef = "x:fb"),
             tw_prior("lkj(2)", class = "cor"))
  grid <- as.matrix(expand.grid(a = seq(-0.98, 0.98, 0.04), b = seq(-0.98, 0.98, 0.04)))
  block <- function(rho, sd_x) diag(c(0.8, sd_x)) %*% matrix(c(1, rho, rho, 1), 2) %*% diag(c(0.8, sd_x))
  z <- cbind(1, rows$x)
  covariance <- function(rho) {
    out <- matrix(4, 32, 32) + diag(0.25, 32)
    for (level in unique(rows$g)) {
      at <- which(rows$g == level)
      class <- rows$f[at[1]]
      out[at, at] <- out[at, at] + z[at, ] %*% block(rho[[class]], c(a = 1, b = 0.3)[[class]]) %*% t(z[at, ])
    }
    out
  }
  log_density <- apply(grid, 1, function(rho) log_normal_density(rows$y, 1, covariance(rho)))
  weight <- grid_weights(log_density + rowSums(log1p(-grid^2)))
  for (engine in c("collapsed", "levels")) {
    fit <- fit_classes(y ~ x + (1 + x | gr(g, by = f)), prior, engine = engine)
    expect_grid(draws_in(fit, "cor_g__Intercept:fa__x:fa"), grid[, "a"], weight)
    expect_grid(draws_in(fit, "cor_g__Intercept:fb__x:fb"), grid[, "b"], weight)
  }
})

# Intercept known, so that levels are independent given the two sds: each class is a grid of one sd and one effect.
count_posterior <- function(class) {
  sd <- seq(0.01, 6, 0.02)
  u <- seq(-6, 6, 0.02)
  own <- rows[rows$f == class, ]
  log_density <- vapply(sd, function(sd) {
    sum(vapply(split(own$count, own$g), function(y) {
      log(sum(exp(vapply(u, function(u) sum(dpois(y, exp(0.5 + u), log = TRUE)), 0) + dnorm(u, 0, sd, log = TRUE))) * 0.02)
    }, 0)) - sd
  }, 0)
  list(value = sd, weight = grid_weights(log_density))
}

test_that("counts have the sds of integration, one response and many", {
  prior <- c(tw_prior("constant(0.5)", class = "Intercept"), tw_prior("exponential(1)", class = "sd"))
  exact <- lapply(c(a = "a", b = "b"), count_posterior)
  for (engine in c("joint", "levels")) {
    fit <- fit_classes(count ~ 1 + (1 | gr(g, by = f)), prior, poisson(), engine)
    for (class in c("a", "b")) {
      expect_grid(draws_in(fit, sprintf("sd_g__Intercept:f%s", class)), exact[[class]]$value, exact[[class]]$weight)
    }
  }
  counts <- rbind(one = rows$count, two = rev(rows$count))
  near <- c(tw_prior("normal(0.5, 0.001)", class = "Intercept"), tw_prior("exponential(1)", class = "sd"))
  for (method in c("svi", "hmc")) {
    genes <- twill_genes(counts, ~ 1 + (1 | gr(g, by = f)), "poisson", rows, size_factors = "none", prior = near, share = "none",
                         method = method, keep = "draws", seed = 2, silent = 2, min_count = 0, iter = 2000)
    for (class in c("a", "b")) {
      draws <- as.vector(unclass(as_draws(genes, genes = "one"))[, , sprintf("sd_g__Intercept:f%s", class)])
      moments <- grid_moments(exact[[class]]$value, exact[[class]]$weight)
      expect_posterior(draws, moments[["mean"]], moments[["sd"]])
    }
  }
})

test_that("one class is no class, and relatives may have classes: the same density", {
  set.seed(3)
  one <- transform(rows, f = "a")
  plain <- fit_classes(y ~ x + (1 + x | g), known, iter = 60)
  classed <- fit_classes(y ~ x + (1 + x | gr(g, by = f)), known, iter = 60, data = one)
  at <- rnorm(2 + 16 + 3, 0, 0.5)
  expect_equal(tw_log_prob(plain, at), tw_log_prob(classed, at))
  levels <- unique(rows$g)
  k <- diag(8)
  dimnames(k) <- list(levels, levels)
  related <- fit_classes(y ~ x + (1 + x | gr(g, cov = K, by = f)), known, iter = 60, data2 = list(K = k))
  unrelated <- fit_classes(y ~ x + (1 + x | gr(g, by = f)), known, iter = 60)
  at <- rnorm(2 + 16 + 6, 0, 0.5)
  expect_equal(tw_log_prob(related, at), tw_log_prob(unrelated, at))
})

test_that("new levels have the scales of their class, however they are drawn", {
  fit <- fit_classes(z ~ 1 + (1 | gr(g, by = f)), iter = 1000)
  newdata <- data.frame(g = c("n1", "n2", "n2"), f = c("a", "b", "b"))
  spread <- function(how) {
    set.seed(1)
    eta <- posterior_linpred(fit, newdata = newdata, allow_new_levels = TRUE, sample_new_levels = how)
    expect_identical(eta[, 2], eta[, 3])
    apply(eta - draws_in(fit, "b_Intercept"), 2, sd)
  }
  root <- function(name) sqrt(mean(draws_in(fit, name)^2))
  expect_equal(spread("gaussian")[1:2], c(root("sd_g__Intercept:fa"), root("sd_g__Intercept:fb")), tolerance = 0.2)
  r <- ranef(fit, summary = FALSE)$g[, , 1]
  expect_equal(spread("uncertainty")[1:2], c(sd(r[, 1:4]), sd(r[, 5:8])), tolerance = 0.2)
  expect_lt(spread("old_levels")[1], 1)
  # Known levels do not need their class.
  expect_equal(dim(posterior_linpred(fit, newdata = data.frame(g = "g1"))), c(ndraws(fit), 1))
  ask <- function(newdata) posterior_linpred(fit, newdata = newdata, allow_new_levels = TRUE)
  expect_error(ask(data.frame(g = "n1")), "lacks", class = "twill_error_newdata")
  expect_error(ask(data.frame(g = "n1", f = "c")), "Not seen", class = "twill_error_newdata")
  expect_error(ask(data.frame(g = "n1", f = c("a", "b"))), "n1", class = "twill_error_data")
})

test_that("scales of classes are in every table, and priors are of one class or of all", {
  prior <- c(tw_prior("exponential(2)", class = "sd", coef = "Intercept"),
             tw_prior("exponential(3)", class = "sd", coef = "Intercept:fb"))
  fit <- fit_classes(y ~ x + (1 + x | gr(g, by = f)), prior, iter = 100)
  table <- prior_summary(fit)
  expect_identical(table$prior[table$class == "sd"][c(1, 3)], c("exponential(2)", "exponential(3)"))
  names <- c("Intercept:fa", "x:fa", "Intercept:fb", "x:fb")
  expect_identical(rownames(VarCorr(fit)$g$sd), names)
  expect_equal(VarCorr(fit)$g$cor["x:fb", 1, "Intercept:fb"], mean(draws_in(fit, "cor_g__Intercept:fb__x:fb")))
  expect_true(all(sprintf("sd(%s)", names) %in% rownames(summary(fit)$random$g)))
  expect_identical(dimnames(ranef(fit)$g)[[3]], c("Intercept", "x"))
  expect_true(all(paste0("sd__", names) %in% tidy(fit, effects = "ran_pars")$term))
})

test_that("many genes have scales of classes in their tables, and what classes leave open is refused", {
  counts <- rbind(one = rows$count, two = rev(rows$count), three = rows$count + 1)
  rows$arm <- rep(c("u", "v"), 16)
  fit <- twill_genes(counts, ~ arm + (1 + arm || gr(g, by = f)), "poisson", rows, size_factors = "none", keep = "effects",
                     share = "none", method = "svi", seed = 1, silent = 2, min_count = 0)
  expect_true(all(c("sd_g__Intercept:fa", "sd_g__armv:fb") %in% fit$posterior$names))
  draws <- function(name) as.vector(unclass(as_draws(fit, genes = "one"))[, , name])
  table <- tw_contrast(fit, "armv", log2 = FALSE)
  both <- sqrt((draws("sd_g__armv:fa")^2 + draws("sd_g__armv:fb")^2) / 2)
  expect_equal(table["one", "sd_g"], mean(both), tolerance = 1e-6)
  # Of a fit without draws from their means, classes by their share of the levels.
  bare <- update(fit, keep = "moments")
  means <- c(mean(draws("sd_g__armv:fa")), mean(draws("sd_g__armv:fb")))
  expect_equal(tw_contrast(bare, "armv", log2 = FALSE)["one", "sd_g"], sqrt(mean(means^2)), tolerance = 1e-6)
  expect_equal(dim(tw_variance(fit))[1], 3)
  expect_error(tw_contrast(fit, "armv", estimand = "new_donor"), "spread", class = "twill_error_contrast")
  new <- tw_contrast(fit, cond(arm = "v", f = "a") - cond(arm = "u", f = "a"), estimand = "new_donor", log2 = FALSE, prob = 0.8)
  total <- draws("b_armv") + rnorm(3e5) * draws("sd_g__armv:fa")
  expect_equal(new["one", "upper"] - new["one", "lower"], unname(diff(quantile(total, c(0.1, 0.9)))), tolerance = 0.05)
})

test_that("what is no class is a clear error", {
  ask <- function(formula, data = rows, ...) twill(formula, data, silent = 2, ...)
  mixed <- rows
  mixed$f[1] <- "b"
  expect_error(ask(z ~ 1 + (1 | gr(g, by = f)), mixed), "g1", class = "twill_error_data")
  expect_error(ask(z ~ 1 + (1 | gr(g, by = f == "a"))), "name of a column", class = "twill_error_formula")
  expect_error(ask(z ~ 1 + (1 | gr(g, by = h))), "h", class = "twill_error_data")
  expect_error(ask(z ~ 1 + (1 | gr(g, by = f)) + (0 + x | g)), "same", class = "twill_error_formula")
  expect_error(ask(z ~ 1 + (1 | gr(g, by = f)) + (1 | g)), class = "twill_error_formula")
  k <- diag(9)
  dimnames(k) <- list(c(unique(rows$g), "ancestor"), c(unique(rows$g), "ancestor"))
  expect_error(ask(z ~ 1 + (1 | gr(g, cov = K, by = f)), data2 = list(K = k)), "ancestor", class = "twill_error_data2")
})
