# Random calls of what takes no model but a table of estimates: labels of correlated variants, shrunken estimates, designs.

random_table <- function() {
  kind <- one_of("inclusion", "shrink", "design")
  switch(kind, inclusion = random_inclusion(), shrink = random_shrink(), design = random_power())
}

# z-scores of variants in blocks of correlation, in one study or two, of one locus or several.
random_inclusion <- function() {
  n <- if (!oddly(0.1)) sample(2:12, 1) else sample(0:1, 1)
  n_studies <- sample(2, 1)
  z <- matrix(stats::rnorm(n * n_studies, 0, 2), n, n_studies)
  correlation <- random_correlation(n)
  if (chance(0.5)) z <- drop(z)
  if (oddly(0.1)) z <- spoil_numbers(z)
  if (oddly(0.1)) correlation <- spoil_numbers(correlation)
  if (chance(0.3)) {
    z <- list(a = z, b = z)
    correlation <- list(a = correlation, b = correlation)
  }
  optional <- list(
    prior = any_of(tw_spike_slab(), tw_spike_slab(0.2), tw_spike_slab(max = 1), tw_spike_slab(max = 3), tw_spike_slab(0.6),
                   tw_spike_slab(scale = 1e-6), tw_spike_slab(scale = 1e6), tw_spike_slab(1e-12), "normal(0, 1)"),
    share = any_of(0.5, 0, 1, 0.01, -1), level = any_of(0.5, 0.95, 0, 1),
    learn = any_of("prob", "scale", "share", c("prob", "scale"), "nothing", c("prob", "prob")))
  list(code = random_call("tw_inclusion", list(quote(z), quote(correlation)), optional),
       data = list(z = z, correlation = correlation))
}

random_correlation <- function(n) {
  if (n < 2) return(diag(n))
  copies <- one_of(1, 1, 2)
  x <- matrix(stats::rnorm(20 * n), 20, n)
  x <- x + one_of(0, 1, 3, 100) * x[, 1]
  if (copies == 2) x[, n] <- one_of(1, -1) * x[, 1]
  stats::cor(x)
}

spoil_numbers <- function(x) {
  if (length(x) == 0) return(x)
  at <- sample.int(length(x), 1)
  one_of(function() replace(x, at, NA), function() replace(x, at, Inf), function() replace(x, at, 1e200),
         function() replace(x, at, -2), function() x * 0, function() as.character(x), function() as.data.frame(x),
         function() unname(x)[-1], function() list(x))()
}

random_shrink <- function() {
  n <- if (!oddly(0.15)) sample(c(5, 20, 200), 1) else sample(0:3, 1)
  se <- stats::rgamma(n, 3, 6)
  data <- data.frame(estimate = stats::rnorm(n, 0, 1) + stats::rnorm(n) * se, se = se, df = sample(c(2, 5, 30), n, TRUE))
  if (n > 0 && oddly(0.2)) data[[sample(3, 1)]] <- element_of(strange_covariates)(n)
  if (n > 0 && oddly(0.1)) data[[sample(2, 1)]][1] <- one_of(NA, Inf, 1e200, 0, 1e-200, -1)
  optional <- list(df = any_of(data$df, 3, 0.5, Inf, -1), mode = any_of(0, 1, "a"), threshold = any_of(0, 0.5, -1),
                   prob = any_of(0.5, 0.99, 1))
  if (chance(0.3)) return(list(code = random_call("tw_shrink", list(quote(data)), optional[-1]), data = list(data = data)))
  list(code = random_call("tw_shrink", list(quote(data$estimate), se = quote(data$se)), optional), data = list(data = data))
}

random_power <- function() {
  optional <- list(mean = any_of(5, 0.1, c(1, 10), 0, 1e6), shape = any_of(2, 0.1, 1e6, 0), sigma = any_of(1, 0, c(1, 2)),
                   paired = any_of(TRUE, FALSE, NA), prior_df = any_of(0, 4, -1, 1e6), effect = any_of(1, 0.1, c(0.5, 1), 0, -1),
                   donors = any_of(4, c(3, 8), 2, 1, 1.5, 1e6), per_donor = any_of(1, 100, 0, 1e6), prob = any_of(0.9, 1),
                   power = any_of(0.5, 0.99, 1), depth = any_of(1, 2, 0))
  list(code = random_call("tw_design", list(sd_donor = one_of(0.3, 0, c(0.2, 0.5), 10)), optional, n_optional = 5), data = list())
}
