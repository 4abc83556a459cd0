# Targets with counts that are hard to sample, each with its exact posterior: list(call, engines, exact).

nasty_counts <- list()

count_call <- function(formula, data, prior, family = "poisson") {
  list(formula = formula, data = data, prior = prior, family = family, intercept = "raw")
}

count_target <- function(call, exact) list(call = call, engines = c("joint", "levels"), exact = exact)

#' Log-likelihood of counts with a common log mean, without the terms that are constant: of Poisson counts, and of
#' negative binomial ones with log shape `t`. The counts are given by how often each value occurs.
poisson_log_lik <- function(eta, counts) counts$sum * eta - counts$n * exp(eta)

negbinomial_log_lik <- function(eta, t, counts) {
  rising <- rowSums(vapply(seq_along(counts$value), function(i) {
    counts$times[i] * (lgamma(counts$value[i] + exp(t)) - lgamma(exp(t)))
  }, t))
  # log(1 + exp(eta - t)) without overflow.
  ratio <- pmax(eta - t, 0) + log1p(exp(-abs(eta - t)))
  rising + counts$sum * (eta - t - ratio) - counts$n * exp(t) * ratio
}

count_table <- function(y) {
  value <- unique(y)
  list(value = value, times = tabulate(match(y, value)), n = length(y), sum = sum(y))
}

#' Poisson groups with an intercept each: effects integrated out group by group on a grid of b_Intercept and log sd.
#' Groups with the same counts are computed once. Prior: normal(m, s) and exponential(rate).
poisson_groups_exact <- function(y, group, axes, prior, kept = levels(group), name = "g") {
  counts <- tapply(y, group, count_table, simplify = FALSE)
  key <- vapply(counts, function(k) paste(k$n, k$sum), "")
  names(axes) <- c("b_Intercept", sprintf("log(sd_%s__Intercept)", name))
  grid <- expand.grid(axes)
  integrals <- lapply(counts[!duplicated(key)], function(k) {
    normal_integral(function(z) poisson_log_lik(grid[[1]] + exp(grid[[2]]) * z, k), nrow(grid))
  })
  names(integrals) <- unique(key)
  log_lik <- Reduce(`+`, lapply(names(integrals), function(k) sum(key == k) * integrals[[k]]$log))
  log_prior <- stats::dnorm(grid[[1]], prior$mean, prior$sd, log = TRUE) + grid[[2]] - prior$rate * exp(grid[[2]])
  effects <- lapply(kept, function(l) with(integrals[[key[[l]]]], {
    list(mean = exp(grid[[2]]) * mean, variance = exp(2 * grid[[2]]) * variance)
  }))
  names(effects) <- sprintf("r_%s[%s,Intercept]", name, kept)
  grid_posterior(axes, function(grid) log_lik + log_prior, function(grid) effects)
}

poisson_groups <- function(y, group, axes, prior, kept = levels(group), formula = y ~ 1 + (1 | g)) {
  force(list(y, group, axes, prior, kept))
  priors <- tw_prior(sprintf("normal(%s, %s)", prior$mean, prior$sd), "Intercept") +
    tw_prior(sprintf("exponential(%s)", prior$rate), "sd")
  count_target(count_call(formula, data.frame(y = y, g = group), priors),
               function() poisson_groups_exact(y, group, axes, prior, kept))
}

#' Six groups, of which two have nothing but zeros.
nasty_counts$zero_groups <- poisson_groups(
  c(0, 0, 0, 0, 3, 5, 2, 4, 0, 0, 0, 0, 1, 0, 2, 1, 30, 25, 33, 28, 4, 1, 3, 2), gl(6, 4, labels = letters[1:6]),
  list(seq(-13, 11, length.out = 61), seq(-2, 3.5, length.out = 51)), list(mean = 0, sd = 5, rate = 0.5))

#' Funnels with counts: factors of two and of three levels.
nasty_counts$count_funnel_two <- poisson_groups(
  c(1, 0, 2, 4), gl(2, 2, labels = c("a", "b")), list(seq(-6, 6, length.out = 81), seq(-12, 3, length.out = 81)),
  list(mean = 0, sd = 2, rate = 1))
nasty_counts$count_funnel_three <- poisson_groups(
  c(2, 0, 40), gl(3, 1, labels = c("a", "b", "c")), list(seq(-8, 8, length.out = 81), seq(-12, 4, length.out = 121)),
  list(mean = 0, sd = 2, rate = 1))

#' True sd 0: counts that vary less than Poisson ones would.
nasty_counts$count_zero_sd <- poisson_groups(
  rep(4:6, 20), gl(20, 3, labels = letters[1:20]), list(seq(1.2, 2, length.out = 61), seq(-12, 0, length.out = 121)),
  list(mean = 0, sd = 2, rate = 1), kept = c("a", "t"))

#' One effect per row.
nasty_counts$effect_per_row <- poisson_groups(
  c(2, 0, 9, 1, 0, 0, 6, 3, 3, 0, 14, 5, 8, 2, 2, 1, 0, 4, 0, 10), factor(1:20),
  list(seq(-3, 4, length.out = 61), seq(-3, 2.2, length.out = 61)), list(mean = 0, sd = 2, rate = 1), kept = c("1", "11"))

#' One effect per row and counts from 0 to 1428.
nasty_counts$effect_per_row_wide <- poisson_groups(
  c(2, 0, 1428, 1, 0, 0, 6, 3, 3, 0, 99, 55, 88, 26, 2, 1, 0, 4, 0, 10, 34, 76, 1, 8, 3, 2, 2, 34, 1, 0), factor(1:30),
  list(seq(-4, 5.5, length.out = 61), seq(-1, 2.5, length.out = 61)), list(mean = 0, sd = 2, rate = 1), kept = c("2", "3"))

#' Hundreds of levels with one row each.
nasty_counts$hundreds_of_rows <- poisson_groups(
  rep(c(0, 1, 2, 3, 5, 8, 14, 40), c(110, 70, 45, 30, 20, 15, 8, 2)), factor(1:300),
  list(seq(-1.5, 1.5, length.out = 61), seq(-1, 1, length.out = 61)), list(mean = 0, sd = 2, rate = 1),
  kept = c("1", "300"))

#' Counts without effects on a grid of their parameters; `log_density` sees the grid.
grid_target <- function(call, axes, log_density) {
  force(list(call, axes))
  count_target(call, function() grid_posterior(axes, log_density))
}

#' One condition has nothing but zeros: the likelihood has no maximum.
nasty_counts$separation <- grid_target(
  count_call(y ~ x, data.frame(y = c(4, 7, 3, 6, 0, 0, 0, 0), x = rep(0:1, each = 4)),
             tw_prior("normal(0, 5)", "Intercept") + tw_prior("normal(0, 5)", "b")),
  list(b_Intercept = seq(0.2, 2.8, length.out = 81), b_x = seq(-26, 2, length.out = 201)),
  function(grid) {
    poisson_log_lik(grid[[1]], list(n = 4, sum = 20)) + poisson_log_lik(grid[[1]] + grid[[2]], list(n = 4, sum = 0)) -
      (grid[[1]]^2 + grid[[2]]^2) / 50
  })

nasty_counts$separation_shape <- grid_target(
  count_call(y ~ x, data.frame(y = c(4, 17, 3, 1, 0, 0, 0, 0), x = rep(0:1, each = 4)), family = "negbinomial",
             prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("normal(0, 5)", "b") + tw_prior("gamma(2, 1)", "shape")),
  list(b_Intercept = seq(-1.5, 7, length.out = 61), b_x = seq(-28, 6, length.out = 81), `log(shape)` = seq(-5, 2.8, length.out = 61)),
  function(grid) {
    log_lik <- function(eta, y) negbinomial_log_lik(eta, grid[[3]], count_table(y))
    log_lik(grid[[1]], c(4, 17, 3, 1)) + log_lik(grid[[1]] + grid[[2]], rep(0, 4)) - (grid[[1]]^2 + grid[[2]]^2) / 50 +
      2 * grid[[3]] - exp(grid[[3]])
  })

#' Offsets of 60 and of -60: the mean is of order one.
offset_target <- function(offset) {
  y <- c(3, 0, 2, 5)
  grid_target(count_call(y ~ 1 + offset(o), data.frame(y = y, o = offset + c(0, 0.5, -0.5, 1)),
                         tw_prior(sprintf("normal(%s, 10)", -offset), "Intercept")),
              list(b_Intercept = seq(-3, 3, length.out = 301) - offset),
              function(grid) {
                sum(y) * grid[[1]] - exp(grid[[1]] + offset) * sum(exp(c(0, 0.5, -0.5, 1))) - (grid[[1]] + offset)^2 / 200
              })
}
nasty_counts$offset_huge <- offset_target(60)
nasty_counts$offset_tiny <- offset_target(-60)

#' Counts of ten million.
nasty_counts$huge_counts <- grid_target(
  count_call(y ~ 1, data.frame(y = c(9.8e6, 1.01e7, 1.2e7, 8e6)), family = "negbinomial",
             prior = tw_prior("normal(0, 20)", "Intercept") + tw_prior("inv_gamma(0.4, 0.3)", "shape")),
  list(b_Intercept = seq(15.3, 17, length.out = 201), `log(shape)` = seq(-2, 8, length.out = 201)),
  function(grid) {
    negbinomial_log_lik(grid[[1]], grid[[2]], count_table(c(9.8e6, 1.01e7, 1.2e7, 8e6))) - grid[[1]]^2 / 800 -
      0.4 * grid[[2]] - 0.3 * exp(-grid[[2]])
  })

#' One row.
nasty_counts$one_count <- grid_target(
  count_call(y ~ 1, data.frame(y = 3), tw_prior("normal(0, 1)", "Intercept")),
  list(b_Intercept = seq(-3, 3, length.out = 301)), function(grid) 3 * grid[[1]] - exp(grid[[1]]) - grid[[1]]^2 / 2)

#' Poisson counts under a negative binomial: the shape is only bounded by its prior, whose tail is a power.
nasty_counts$shape_to_infinity <- local({
  y <- stats::qpois((1:80 - 0.5) / 80, 4)
  grid_target(count_call(y ~ 1, data.frame(y = y), family = "negbinomial",
                         prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("inv_gamma(0.4, 0.3)", "shape")),
              list(b_Intercept = seq(1, 1.8, length.out = 61), `log(shape)` = seq(0.5, 30, length.out = 241)),
              function(grid) {
                # lgamma() loses its digits for large shapes; dnbinom() does not.
                log_lik <- rowSums(vapply(unique(y), function(v) {
                  sum(y == v) * stats::dnbinom(v, size = exp(grid[[2]]), mu = exp(grid[[1]]), log = TRUE)
                }, grid[[1]]))
                log_lik - grid[[1]]^2 / 50 - 0.4 * grid[[2]] - 0.3 * exp(-grid[[2]])
              })
})

#' shape ~ x, with one condition near the Poisson limit.
nasty_counts$shape_regression <- local({
  data <- data.frame(y = c(4, 5, 3, 6, 4, 5, 6, 4, 0, 1, 0, 25, 2, 0, 9, 3), x = rep(0:1, each = 8))
  grid_target(count_call(tw_formula(y ~ 1, shape ~ x), data, family = "negbinomial",
                         prior = tw_prior("normal(0, 5)", "Intercept") + tw_prior("normal(1, 3)", "Intercept", dpar = "shape") +
                           tw_prior("normal(0, 3)", "b", dpar = "shape")),
              list(b_Intercept = seq(0.7, 2.6, length.out = 41), b_shape_Intercept = seq(-1.5, 15, length.out = 61),
                   b_shape_x = seq(-16, 6, length.out = 61)),
              function(grid) {
                log_lik <- function(x, t) negbinomial_log_lik(grid[[1]], t, count_table(data$y[data$x == x]))
                log_lik(0, grid[[2]]) + log_lik(1, grid[[2]] + grid[[3]]) - grid[[1]]^2 / 50 - (grid[[2]] - 1)^2 / 18 -
                  grid[[3]]^2 / 18
              })
})
