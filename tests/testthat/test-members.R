# Rows that belong to several levels, mm(g1, g2) and mm(g, weights = W), against dense algebra, quadrature and a grid.

# Thirty rows of two of seven levels each; in three rows both are the same level.
rows <- local({
  set.seed(12)
  data <- data.frame(g1 = sample(letters[1:6], 30, TRUE), g2 = sample(letters[2:7], 30, TRUE), x = round(rnorm(30), 2),
                     w1 = round(runif(30, 0.2, 2), 1), w2 = round(runif(30, 0.2, 2), 1))
  data$g2[1:3] <- data$g1[1:3] <- c("b", "d", "f")
  data$w2[4] <- 0
  effects <- rnorm(7, 0, 0.8)
  share <- data$w1 / (data$w1 + data$w2)
  data$y <- 1 + 0.5 * data$x + share * effects[match(data$g1, letters)] + (1 - share) * effects[match(data$g2, letters)] +
    rnorm(30, 0, 0.4)
  data$count <- rpois(30, exp(0.5 + effects[match(data$g1, letters)] / 2 + effects[match(data$g2, letters)] / 2))
  data
})

known <- c(tw_prior("constant(0.8)", class = "sd"), tw_prior("constant(0.4)", class = "sigma"),
           tw_prior("normal(0, 2)", class = "b"), tw_prior("normal(1, 3)", class = "Intercept"))

fit_members <- function(formula, prior = known, data = rows, family = gaussian(), engine = "auto", iter = 800, method = "nuts",
                        silent = 2, ...) {
  twill(formula, data, family, prior = prior, chains = 2, iter = iter, seed = 1, silent = silent, method = method,
        control = list(engine = engine), ...)
}

#' Rows x levels.
membership <- function(weights, data = rows, levels = letters[1:7]) {
  weights[, 1] * outer(data$g1, levels, "==") + weights[, 2] * outer(data$g2, levels, "==")
}

scaled <- function(weights) weights / rowSums(weights)
both <- cbind(rows$w1, rows$w2)
centred <- rows$x - mean(rows$x)

#' Posterior of w in y = design w + e, w ~ N(mean, covariance), e ~ N(0, 0.4^2).
linear_posterior <- function(design, mean, covariance, y = rows$y) {
  gain <- covariance %*% t(design) %*% solve(design %*% covariance %*% t(design) + 0.16 * diag(length(y)))
  list(mean = mean + drop(gain %*% (y - design %*% mean)), sd = sqrt(diag(covariance - gain %*% design %*% covariance)))
}

exact_effects <- function(z, variance = 0.64) {
  linear_posterior(cbind(1, centred, z), c(1, rep(0, 1 + ncol(z))), diag(c(9, 4, rep(variance, ncol(z)))))
}

expect_effects <- function(fit, exact, group = "mmg1g2", levels = letters[1:7], at = seq_along(levels)) {
  expect_posterior(draws_in(fit, "b_x"), exact$mean[2], exact$sd[2])
  for (k in at) {
    expect_posterior(draws_in(fit, sprintf("r_%s[%s,Intercept]", group, levels[k])), exact$mean[2 + k], exact$sd[2 + k])
  }
}

test_that("effects have the posterior of dense algebra, by every engine and method", {
  exact <- exact_effects(membership(scaled(both)))
  ways <- list(c("nuts", "joint"), c("nuts", "levels"), c("hmc", "auto"), c("svi", "auto"), c("laplace", "auto"))
  for (way in ways) {
    fit <- fit_members(y ~ x + (1 | mm(g1, g2, weights = cbind(w1, w2))), method = way[1], engine = way[2])
    expect_effects(fit, exact, at = c(1, 2, 7))
  }
})

test_that("weights are equal by default, made to sum to one, or taken as they are", {
  ways <- list(list(y ~ x + (1 | mm(g1, g2)), matrix(0.5, 30, 2)),
               list(y ~ x + (1 | mm(g1, g2, scale = FALSE)), matrix(1, 30, 2)),
               list(y ~ x + (1 | mm(g1, g2, weights = cbind(w1, w2), scale = FALSE)), both),
               list(y ~ x + (1 | mm(g1, g2, weights = cbind(w1, -w2), scale = FALSE)), cbind(rows$w1, -rows$w2)))
  for (way in ways) expect_effects(fit_members(way[[1]]), exact_effects(membership(way[[2]])), at = c(2, 4, 7))
})

test_that("standard deviations and evidence are those of quadrature with the effects integrated out", {
  prior <- c(known[-1, ], tw_prior("exponential(1)", class = "sd"))
  z <- membership(scaled(both))
  fixed <- cbind(1, centred) %*% diag(c(9, 4)) %*% t(cbind(1, centred)) + 0.16 * diag(30)
  density <- function(sd) vapply(sd, function(sd) {
    exp(30 + log_normal_density(rows$y, 1, fixed + sd^2 * tcrossprod(z))) * dexp(sd)
  }, 0)
  moment <- function(power) integrate(function(sd) sd^power * density(sd), 0, 30, rel.tol = 1e-8)$value
  whole <- moment(0)
  fit <- fit_members(y ~ x + (1 | mm(g1, g2, weights = cbind(w1, w2))), prior, iter = 2000)
  expect_identical(fit$info$engine, "collapsed")
  expect_posterior(draws_in(fit, "sd_mmg1g2__Intercept"), moment(1) / whole,
                   sqrt(moment(2) / whole - (moment(1) / whole)^2))
  found <- tw_log_evidence(fit, silent = 2)
  expect_lt(abs(found$log_evidence - log(whole) + 30), 5 * found$mcse)
})

test_that("sigma and the sd together are those of a grid, and slopes those of dense algebra", {
  prior <- c(tw_prior("exponential(1)", class = "sd"), tw_prior("exponential(2)", class = "sigma"), known[3:4, ])
  z <- membership(matrix(0.5, 30, 2))
  fixed <- cbind(1, centred) %*% diag(c(9, 4)) %*% t(cbind(1, centred))
  grid <- expand.grid(sd = exp(seq(-4, 1.6, length.out = 60)), sigma = exp(seq(-1.8, 0.2, length.out = 50)))
  density <- mapply(function(sd, sigma) {
    log_normal_density(rows$y, 1, fixed + sd^2 * tcrossprod(z) + sigma^2 * diag(30)) + dexp(sd, 1, TRUE) +
      dexp(sigma, 2, TRUE) + log(sd) + log(sigma)
  }, grid$sd, grid$sigma)
  fit <- fit_members(y ~ x + (1 | mm(g1, g2)), prior, iter = 2000)
  expect_grid(draws_in(fit, "sd_mmg1g2__Intercept"), grid$sd, grid_weights(density))
  expect_grid(draws_in(fit, "sigma"), grid$sigma, grid_weights(density))

  within <- 0.64 * matrix(c(1, -0.4, -0.4, 1), 2)
  exact <- linear_posterior(cbind(1, centred, z, z * rows$x), c(1, rep(0, 15)),
                            as.matrix(Matrix::bdiag(diag(c(9, 4)), kronecker(within, diag(7)))))
  for (engine in c("joint", "levels")) {
    fit <- fit_members(y ~ x + (1 + x | mm(g1, g2)), c(known, tw_prior("constant(-0.4)", class = "cor")), engine = engine)
    for (k in c(2, 7)) {
      expect_posterior(draws_in(fit, sprintf("r_mmg1g2[%s,Intercept]", letters[k])), exact$mean[2 + k], exact$sd[2 + k])
      expect_posterior(draws_in(fit, sprintf("r_mmg1g2[%s,x]", letters[k])), exact$mean[9 + k], exact$sd[9 + k])
    }
  }
})

test_that("counts have the posterior of a grid", {
  data <- data.frame(g1 = c("u", "u", "v", "u", "v", "v", "u", "v"), g2 = c("v", "v", "u", "u", "v", "u", "v", "v"),
                     w1 = c(1, 3, 2, 1, 1, 1, 5, 2), w2 = c(1, 1, 2, 1, 0, 4, 1, 3), count = c(2, 3, 1, 6, 0, 1, 4, 2))
  z <- membership(scaled(cbind(data$w1, data$w2)), data, c("u", "v"))
  grid <- as.matrix(expand.grid(u = seq(-2.4, 2.4, 0.03), v = seq(-2.4, 2.4, 0.03)))
  eta <- 0.3 + grid %*% t(z)
  prior <- c(tw_prior("constant(0.5)", class = "sd"), tw_prior("constant(0.3)", class = "Intercept"))
  prior_density <- -0.5 * rowSums(grid^2) / 0.25
  poisson_density <- drop(eta %*% data$count) - rowSums(exp(eta))
  size <- 4
  negative_binomial <- drop(eta %*% data$count) - drop(log(exp(eta) + size) %*% (data$count + size))
  ways <- list(list(poisson(), poisson_density, prior),
               list(negbinomial(), negative_binomial, c(prior, tw_prior("constant(4)", class = "shape"))))
  for (way in ways) for (engine in c("joint", "levels")) {
    weight <- grid_weights(way[[2]] + prior_density)
    fit <- fit_members(count ~ 1 + (1 | mm(g1, g2, weights = cbind(w1, w2))), way[[3]], data, way[[1]], engine, iter = 2000)
    expect_grid(draws_in(fit, "r_mmg1g2[u,Intercept]"), grid[, 1], weight)
    product <- draws_in(fit, "r_mmg1g2[u,Intercept]") * draws_in(fit, "r_mmg1g2[v,Intercept]")
    moments <- grid_moments(grid[, 1] * grid[, 2], weight)
    expect_posterior(product, moments[["mean"]], moments[["sd"]])
  }
})

test_that("gradients of the density are its derivatives", {
  ways <- list(list(y ~ x + (1 + x | mm(g1, g2, weights = cbind(w1, w2))), gaussian()),
               list(count ~ x + (1 | mm(g1, g2)) + (1 | g1), negbinomial()))
  for (way in ways) for (engine in c("joint", "levels")) {
    fit <- fit_members(way[[1]], NULL, family = way[[2]], engine = engine, iter = 20)
    position <- with_fixed_seed(2, rnorm(if (has_counts(fit)) 18 else 20, 0, 0.5))
    slope <- attr(tw_log_prob(fit, position, gradient = TRUE), "gradient")
    numeric <- vapply(seq_along(position), function(j) {
      step <- replace(numeric(length(position)), j, 1e-5)
      (tw_log_prob(fit, position + step) - tw_log_prob(fit, position - step)) / 2e-5
    }, 0)
    expect_equal(unname(slope), numeric, tolerance = 1e-6)
  }
})

test_that("a matrix in data2 has the weights of each level, dense and sparse, as they are unless scaled", {
  levels <- c("s1", "s2", "s3", "s4", "s5")
  w <- matrix(c(1, 0.6, 0, -0.2, 0, 0.6, 1, 0.3, 0, 0, 0, 0.3, 1, 0.4, 0, 0, 0, 0, 0, 0), 4, byrow = TRUE,
              dimnames = list(c("a", "b", "c", "d"), levels))
  data <- rows
  data$g <- letters[c(1, 2, 3)][rep(1:3, 10)]
  z <- w[data$g, ]
  exact <- exact_effects(z)
  for (W in list(w, Matrix::Matrix(w, sparse = TRUE))) {
    fit <- fit_members(y ~ x + (1 | mm(g, weights = W)), data = data, data2 = list(W = W))
    expect_effects(fit, exact, "mmg", levels, 1:5)
  }
  positive <- abs(w)[1:3, ]
  fit <- fit_members(y ~ x + (1 | mm(g, weights = W, scale = TRUE)), data = data, data2 = list(W = positive))
  expect_effects(fit, exact_effects(scaled(positive)[data$g, ]), "mmg", levels, c(1, 4))

  # A level without data is predicted by what it belongs to; that of a row of zeros has no effect.
  fit <- fit_members(y ~ x + (1 | mm(g, weights = W)), data = data, data2 = list(W = w))
  new <- data.frame(g = c("a", "d"), x = 0.5)
  draws <- posterior_linpred(fit, newdata = new)
  mean <- draws_in(fit, "b_Intercept") + 0.5 * draws_in(fit, "b_x")
  effects <- vapply(levels, function(level) draws_in(fit, sprintf("r_mmg[%s,Intercept]", level)), mean)
  expect_equal(draws, unname(cbind(mean + drop(effects %*% w["a", ]), mean)), ignore_attr = TRUE)
  expect_error(predict(fit, newdata = data.frame(g = "z", x = 1)), "no row in \"W\"", class = "twill_error_newdata")
})

test_that("predictions, effects, loo and updates are those of the rows' weights", {
  fit <- fit_members(y ~ x + (1 + x || mm(g1, g2, weights = cbind(w1, w2))) + (1 | g1), c(known[-(1:2), ]), iter = 400)
  z <- membership(scaled(both))
  effect <- function(coef) vapply(letters[1:7], function(l) draws_in(fit, sprintf("r_mmg1g2[%s,%s]", l, coef)), numeric(400))
  of_g1 <- vapply(letters[1:6], function(l) draws_in(fit, sprintf("r_g1[%s,Intercept]", l)), numeric(400))
  eta <- draws_in(fit, "b_Intercept") + draws_in(fit, "b_x") %o% rows$x + effect("Intercept") %*% t(z) +
    effect("x") %*% t(z * rows$x)
  whole <- eta + of_g1 %*% t(outer(rows$g1, letters[1:6], "=="))
  expect_equal(posterior_linpred(fit), unname(whole), ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, newdata = rows[5:9, ]), unname(whole[, 5:9]), ignore_attr = TRUE)
  expect_equal(posterior_linpred(fit, newdata = rows, re_formula = ~ (1 + x | mm(g1, g2))), unname(eta), ignore_attr = TRUE)
  expect_equal(log_lik(fit), dnorm(rep(rows$y, each = 400), whole, draws_in(fit, "sigma"), log = TRUE), ignore_attr = TRUE)
  expect_s3_class(suppressWarnings(loo(fit)), "loo")
  expect_named(ngrps(fit), c("mmg1g2", "g1"))
  expect_identical(dimnames(ranef(fit)$mmg1g2)[[1]], letters[1:7])
  expect_equal(ranef(fit)$mmg1g2[, "Estimate", "x"], colMeans(effect("x")))
  expect_identical(rownames(VarCorr(fit)$mmg1g2$sd), c("Intercept", "x"))
  # Levels are independent: what the term adds to a row's variance is by the squares of its weights.
  covariance <- mean_covariance(fit, "mmg1g2")
  expect_equal(row_variance(fit, "mmg1g2", covariance), mean(rowSums(z^2) * (covariance[1, 1] + covariance[2, 2] * rows$x^2)))
  again <- update(fit, newdata = rows[1:25, ], iter = 200, silent = 2)
  expect_identical(dim(posterior_linpred(again, newdata = rows[26:30, ], allow_new_levels = TRUE)), c(200L, 5L))
  expect_snapshot(print(fit$formula))
})

test_that("new levels are drawn once for all their rows and members, and cost nothing where their weight is zero", {
  fit <- fit_members(y ~ x + (1 | mm(g1, g2, weights = cbind(w1, w2))), known[-1, ], iter = 1000)
  sd <- draws_in(fit, "sd_mmg1g2__Intercept")
  new <- data.frame(g1 = c("new", "new", "a"), g2 = c("new", "b", "new"), w1 = c(1, 1, 1), w2 = c(3, 1, 0), x = 0)
  expect_error(posterior_linpred(fit, newdata = new), "\"new\"", class = "twill_error_newdata")
  draws <- posterior_linpred(fit, newdata = new, allow_new_levels = TRUE, sample_new_levels = "gaussian")
  own <- draws[, 1] - draws_in(fit, "b_Intercept")
  expect_equal(draws[, 2], draws_in(fit, "b_Intercept") + (own + draws_in(fit, "r_mmg1g2[b,Intercept]")) / 2)
  expect_equal(draws[, 3], draws_in(fit, "b_Intercept") + draws_in(fit, "r_mmg1g2[a,Intercept]"))
  expect_lt(abs(mean((own / sd)^2) - 1), 5 * sqrt(2 / 1000))
  expect_equal(posterior_linpred(fit, newdata = new[3, ]), draws[, 3, drop = FALSE], ignore_attr = TRUE)
  # Folds integrate over what they have not seen: both members of the first row are one level.
  variance <- unseen_variance(prepare_prediction(fit, new, allow_new_levels = TRUE, sample_new_levels = "gaussian"))
  expect_equal(variance, cbind(sd^2, sd^2 / 4, 0), ignore_attr = TRUE)
})

test_that("new levels are far out as often as those of the fit, where the term has heavy tails", {
  # Distributions of new levels of one member, in units of the sd.
  tails <- list(student = function(x) pt(x, 1.5), horseshoe = function(x) {
    vapply(x, function(one) mean(pnorm(one / tan(pi / 2 * ppoints(2000)))), 0)
  })
  for (dist in names(tails)) {
    formula <- as.formula(sprintf("y ~ 1 + (1 | mm(g1, g2, dist = \"%s\"))", dist))
    prior <- c(known[known$class != "b", ], if (dist == "student") tw_prior("constant(1.5)", class = "df"))
    fit <- fit_members(formula, prior, iter = 1000)
    draws <- with_fixed_seed(3, posterior_linpred(fit, newdata = data.frame(g1 = "new", g2 = "new"), allow_new_levels = TRUE,
                                                  sample_new_levels = "gaussian"))
    expect_gt(ks.test((draws - draws_in(fit, "b_Intercept")) / 0.8, tails[[dist]])$p.value, 1e-4)
  }
})

test_that("levels are those of all columns, by their texts, in the order of the first that has them", {
  data <- rows
  data$g1 <- factor(data$g1, levels = rev(letters))
  data$g2 <- factor(data$g2, levels = rev(letters))
  fit <- fit_members(y ~ x + (1 | mm(g1, g2)), data = data, iter = 100)
  expect_identical(dimnames(ranef(fit)$mmg1g2)[[1]], c(rev(letters[1:6]), "g"))
  data$g1 <- match(rows$g1, letters)
  data$g2 <- match(rows$g2, letters)
  fit <- fit_members(y ~ x + (1 | mm(g1, g2)), data = data, iter = 100)
  expect_identical(dimnames(ranef(fit)$mmg1g2)[[1]], as.character(1:7))
})

test_that("what mm() cannot take is refused with what and why", {
  refused <- function(formula, text, class = "twill_error_formula", data = rows, ...) {
    error <- expect_error(twill(formula, data, chains = 1, iter = 20, silent = 2, ...), class = class)
    expect_match(cli::ansi_strip(conditionMessage(error)), text, fixed = TRUE)
  }
  refused(y ~ (1 | mm()), "needs grouping factors")
  refused(y ~ (1 | mm(g1)), "two grouping factors or more")
  refused(y ~ (1 | mm(g1, g1)), "\"g1\" twice")
  refused(y ~ (1 | mm(g1:g2, g2)), "`g1:g2`")
  refused(y ~ (1 | mm(gr(g1), g2)), "`gr()` and `mm()` are not supported together")
  refused(y ~ (1 | gr(mm(g1, g2))), "`mm()` stands by itself")
  refused(y ~ (1 | mm(g1, g2):x), "`mm()` stands by itself")
  refused(y ~ (1 | mm(g1, g2) / x), "`mm()` stands by itself")
  refused(y ~ x + mm(g1, g2), "right of `|`")
  refused(y ~ (1 + mmc(w1, w2) | mm(g1, g2)), "`mmc()`")
  refused(y ~ (1 | mm(g1, g2, by = x)), "`by`")
  refused(y ~ (1 | mm(g1, g2, scale = 3)), "`scale`")
  refused(y ~ 0 + tw_re(mm(g1, g2), mean = "normal(0, 1)"), "no place in `tw_re()`")
  refused(tw_formula(y ~ x, sigma ~ (1 | mm(g1, g2))), "has `mm()`")
  refused(y ~ (1 | mm(g1, g2, weights = w1)), "30 x 2", "twill_error_data")
  refused(y ~ (1 | mm(g1, g2, weights = cbind(w1, w2, w1))), "30 x 3", "twill_error_data")
  refused(y ~ (1 | mm(g1, g2, weights = cbind(g1, g2))), "numbers", "twill_error_data")
  refused(y ~ (1 | mm(g1, g2, weights = cbind(w1, -w2))), "negative", "twill_error_data")
  refused(y ~ (1 | mm(g1, g2, weights = cbind(0 * w1, 0 * w2))), "all be zero", "twill_error_data")
  refused(y ~ (1 | mm(g1, g2, weights = cbind(log(w1 - 1), w2))), "missing or infinite", "twill_error_data")
  refused(y ~ (1 | mm(g1, nowhere)), "\"nowhere\"", "twill_error_data")
  refused(y ~ (1 | mm(g1, g2)), "one type", "twill_error_data", transform(rows, g2 = match(g2, letters)))
  refused(y ~ (1 | mm(g1, weights = W)), "lacks \"W\"", "twill_error_data2")
  named <- matrix(1, 6, 2, dimnames = list(letters[1:6], c("s", "t")))
  refused(y ~ (1 | mm(g1, weights = W)), "Without a row: \"f\"", "twill_error_data2", data2 = list(W = named[1:5, ]))
  nameless <- named
  colnames(nameless) <- NULL
  refused(y ~ (1 | mm(g1, weights = W)), "no column names", "twill_error_data2", data2 = list(W = nameless))
  refused(y ~ (1 | mm(g1, weights = W)), "missing or infinite", "twill_error_data2", data2 = list(W = named / 0))
  refused(y ~ (1 | mm(g1, weights = W, scale = TRUE)), "negative", "twill_error_data2", data2 = list(W = -named))
  expect_error(predict(fit_members(y ~ x + (1 | mm(g1, g2, weights = cbind(w1, w2))), iter = 20),
                       newdata = transform(rows, w1 = -w1)), "negative", class = "twill_error_newdata")
})

test_that("many genes and cells refuse it by name", {
  counts <- matrix(rpois(240, 20), 8, dimnames = list(paste0("gene", 1:8), rownames(rows)))
  expect_error(twill_genes(counts, ~ x + (1 | mm(g1, g2)), col_data = rows, silent = 2), "mm", class = "twill_error_formula")
})
