# tw_variance() of one response, by hand from draws and data.

shares_of <- function(parts) {
  total <- Reduce(`+`, parts)
  vapply(parts, function(part) mean(part / total), 0)
}

expect_shares <- function(fit, parts) {
  table <- tw_variance(fit)
  expect_identical(table$part, names(parts))
  expect_equal(table$estimate, unname(shares_of(parts)))
  expect_equal(sum(table$estimate), 1)
  expect_true(all(table$lower <= table$estimate & table$estimate <= table$upper))
}

population_variance <- function(x) mean((x - mean(x))^2)

test_that("a correlated term is one part, of the mean variance that it adds to a row", {
  fit <- shared_fit("sleep")
  data <- lme4::sleepstudy
  beta <- fixef(fit, summary = FALSE)
  covariance <- VarCorr(fit, summary = FALSE)$Subject$cov
  row <- vapply(data$Days, function(day) {
    covariance[, "Intercept", "Intercept"] + 2 * day * covariance[, "Intercept", "Days"] + day^2 * covariance[, "Days", "Days"]
  }, numeric(ndraws(fit)))
  expect_shares(fit, list(Days = beta[, "Days"]^2 * population_variance(data$Days), "Subject:Intercept+Days" = rowMeans(row),
                          noise = draw_matrix(fit, "sigma")[, 1]^2))
  expect_snapshot(print(tw_variance(fit)))
})

test_that("counts have the noise of a count at their mean", {
  fit <- shared_fit("ticks")
  data <- lme4::grouseticks
  beta <- fixef(fit, summary = FALSE)
  sds <- lapply(VarCorr(fit, summary = FALSE), function(group) group$sd[, 1]^2)
  year <- apply(beta[, c("YEAR96", "YEAR97")], 1, function(b) population_variance(c(0, b)[data$YEAR]))
  shape <- draw_matrix(fit, "shape")[, 1]
  expect_shares(fit, list(YEAR = year, cHEIGHT = beta[, "cHEIGHT"]^2 * population_variance(data$cHEIGHT), BROOD = sds$BROOD,
                          LOCATION = sds$LOCATION, noise = trigamma(1 / (1 / mean(data$TICKS) + 1 / shape))))
})

test_that("known errors are noise, and members of a row count by their weights", {
  fit <- shared_fit("known_errors")
  sigma <- draw_matrix(fit, "sigma")[, 1]
  expect_shares(fit, list(school = VarCorr(fit, summary = FALSE)$school$sd[, 1]^2, noise = sigma^2 + mean(school_data()$se^2)))
  data <- with_fixed_seed(2, data.frame(a = gl(4, 10, labels = letters[1:4]), b = factor(rep(letters[2:5], 10), letters[1:5]),
                                        y = rnorm(40)))
  data$a <- factor(data$a, letters[1:5])
  fit <- small_fit(y ~ 1 + (1 | mm(a, b)), data = data)
  same <- as.character(data$a) == as.character(data$b)
  size <- mean(ifelse(same, 1, 0.5))
  sd <- VarCorr(fit, summary = FALSE)[[1]]$sd[, 1]
  expect_shares(fit, stats::setNames(list(size * sd^2, draw_matrix(fit, "sigma")[, 1]^2), tw_variance(fit)$part))
})

test_that("rows that were merged stand for as many as they are", {
  data <- with_fixed_seed(4, data.frame(x = sample(0:2, 300, TRUE, c(0.6, 0.3, 0.1)), g = sample(letters[1:4], 300, TRUE)))
  data$y <- with_fixed_seed(5, 0.5 * data$x + rnorm(4)[factor(data$g)] + rnorm(300))
  settings <- list(chains = 1, iter = 100, seed = 1, silent = 2)
  whole <- suppressWarnings(do.call(twill, c(list(y ~ x + (1 + x || g), data), settings)))
  state <- new.env()
  state$pieces <- list(data[1:100, ], data[101:300, ])
  next_piece <- function() {
    piece <- state$pieces[1][[1]]
    state$pieces <- state$pieces[-1]
    piece
  }
  pieces <- suppressWarnings(do.call(twill, c(list(y ~ x + (1 + x || g), next_piece), settings)))
  # The same draws put into both designs.
  pieces$draws <- whole$draws
  expect_equal(tw_variance(pieces)$estimate, tw_variance(whole)$estimate)
})

test_that("what has no such partition is refused by name", {
  data <- with_fixed_seed(6, data.frame(x = rnorm(30), s = 0.3, y = rnorm(30), g = gl(5, 6)))
  fit <- small_fit(y ~ me(x, s) + (1 | g), data = data)
  expect_error(tw_variance(fit), "me", class = "twill_error_variance")
  related <- small_fit(y ~ x + fcor(V), data = data, data2 = list(V = 0.5^abs(outer(1:30, 1:30, "-"))))
  expect_error(tw_variance(related), "errors are related", class = "twill_error_variance")
  expect_error(tw_variance(shared_fit("sleep"), genes = "a"), "about many genes", class = "twill_error_argument")
})
