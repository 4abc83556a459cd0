# Targets with counts and groups that are hard to sample, each with its exact posterior.

nasty_counts <- list()

count_target <- function(formula, data, prior, exact, family = "poisson", slow = FALSE) {
  force(exact)
  call <- list(formula = formula, data = data, prior = priors_by_class(prior), family = family, intercept = "raw")
  list(call = call, engines = c("joint", "levels"), exact = exact, slow = slow)
}

# Likelihoods -----------------------------------------------------------------------------------------------------
# Functions of the log mean that counts `y` have in common, without the terms that are constant.

poisson_log_lik <- function(y) {
  function(eta) sum(y) * eta - length(y) * exp(eta)
}

#' `t` is the log shape, one value per point of the grid.
negbinomial_log_lik <- function(y, t) {
  value <- unique(y)
  times <- tabulate(match(y, value))
  rising <- rowSums(vapply(seq_along(value), function(i) times[i] * (lgamma(value[i] + exp(t)) - lgamma(exp(t))), t))
  function(eta) {
    # log(1 + exp(eta - t)) without overflow.
    ratio <- pmax(eta - t, 0) + log1p(exp(-abs(eta - t)))
    rising + sum(y) * (eta - t - ratio) - length(y) * exp(t) * ratio
  }
}

# Groups ----------------------------------------------------------------------------------------------------------

#' y ~ 1 + (1 | g): effects integrated out group by group on a grid of b_Intercept, log sd and, for negative binomial
#' counts, log shape. Groups with the same counts are computed once.
#'
#' @param kept Levels whose effects are compared.
count_groups <- function(y, g, prior, axes, kept = levels(g), slow = FALSE) {
  force(list(y, g, prior, axes, kept))
  family <- if (length(axes) == 3) "negbinomial" else "poisson"
  count_target(y ~ 1 + (1 | g), data.frame(y = y, g = g), prior, function() count_groups_exact(y, g, prior, axes, kept),
               family, slow)
}

count_groups_exact <- function(y, g, prior, axes, kept) {
  names(axes) <- c("b_Intercept", "log(sd_g__Intercept)", "log(shape)")[seq_along(axes)]
  grid <- expand.grid(axes)
  sd <- exp(grid[[2]])
  counts <- split(y, g)
  key <- vapply(counts, function(k) paste(sort(k), collapse = " "), "")
  integral <- function(k) {
    log_lik <- if (length(axes) == 3) negbinomial_log_lik(k, grid[[3]]) else poisson_log_lik(k)
    normal_integral(function(z) log_lik(grid[[1]] + sd * z), nrow(grid))
  }
  integrals <- lapply(counts[!duplicated(key)], integral)
  names(integrals) <- unique(key)
  log_lik <- Reduce(`+`, lapply(names(integrals), function(k) sum(key == k) * integrals[[k]]$log))
  effects <- lapply(integrals[key[kept]], function(z) list(mean = sd * z$mean, variance = sd^2 * z$variance))
  names(effects) <- sprintf("r_g[%s,Intercept]", kept)
  grid_posterior(axes, log_lik + log_prior(grid, prior, c("Intercept", "sd", "shape")), effects)
}

wide <- c(Intercept = "normal(0, 5)", sd = "exponential(0.5)")
narrow <- c(Intercept = "normal(0, 2)", sd = "exponential(1)")

#' Six groups, of which two have nothing but zeros.
nasty_counts$zero_groups <- function() {
  count_groups(c(0, 0, 0, 0, 3, 5, 2, 4, 0, 0, 0, 0, 1, 0, 2, 1, 30, 25, 33, 28, 4, 1, 3, 2),
               gl(6, 4, labels = letters[1:6]), wide, list(span(-13, 11, 41), span(-2, 3.5, 31)))
}

#' Nothing but zeros: the likelihood rises without end as the intercept falls.
nasty_counts$all_zero <- function() {
  count_groups(rep(0, 12), gl(3, 4, labels = letters[1:3]), wide, list(span(-28, 14, 71), span(-10, 4, 71)), slow = TRUE)
}

# Funnels with counts: factors of two and of three levels.
nasty_counts$count_funnel_two <- function() {
  count_groups(c(1, 0, 2, 4), gl(2, 2, labels = c("a", "b")), narrow, list(span(-6, 6, 61), span(-12, 3, 61)))
}
nasty_counts$count_funnel_three <- function() {
  count_groups(c(2, 0, 40), gl(3, 1, labels = c("a", "b", "c")), narrow, list(span(-8, 8, 81), span(-12, 4, 121)), slow = TRUE)
}
nasty_counts$negbinomial_funnel <- function() {
  count_groups(c(1, 0, 7, 30, 4, 12), gl(3, 2, labels = c("a", "b", "c")), c(narrow, shape = "gamma(2, 1)"),
               list(span(-6, 8, 31), span(-9, 3, 31), span(-4, 3, 21)), slow = TRUE)
}

#' True sd 0: counts that vary less than Poisson ones would.
nasty_counts$count_zero_sd <- function() {
  count_groups(rep(4:6, 20), gl(20, 3, labels = letters[1:20]), narrow, list(span(1.2, 2, 61), span(-12, 0, 121)),
               kept = c("a", "t"))
}

#' Counts from 0 to a million, and an sd of about 7.
nasty_counts$count_huge_sd <- function() {
  count_groups(c(0, 1e6, 0, 3, 1e5, 40), gl(6, 1, labels = letters[1:6]), c(Intercept = "normal(0, 5)", sd = "exponential(0.1)"),
               list(span(-21, 21, 61), span(0.3, 4.2, 61)), slow = TRUE)
}

# One effect per row.
nasty_counts$effect_per_row <- function() {
  count_groups(c(2, 0, 9, 1, 0, 0, 6, 3, 3, 0, 14, 5, 8, 2, 2, 1, 0, 4, 0, 10), factor(1:20), narrow,
               list(span(-3, 4, 61), span(-3, 2.2, 61)), kept = c("1", "11"), slow = TRUE)
}
nasty_counts$effect_per_row_wide <- function() {
  y <- c(2, 0, 1428, 1, 0, 0, 6, 3, 3, 0, 99, 55, 88, 26, 2, 1, 0, 4, 0, 10, 34, 76, 1, 8, 3, 2, 2, 34, 1, 0)
  count_groups(y, factor(1:30), narrow, list(span(-4, 5.5, 61), span(-1, 2.5, 61)), kept = c("2", "3"), slow = TRUE)
}
nasty_counts$hundreds_of_rows <- function() {
  count_groups(rep(c(0, 1, 2, 3, 5, 8, 14, 40), c(110, 70, 45, 30, 20, 15, 8, 2)), factor(1:300), narrow,
               list(span(-1.5, 1.5, 61), span(-1, 1, 61)), kept = c("1", "300"), slow = TRUE)
}
