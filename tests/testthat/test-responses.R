# Several responses with effects in common: against exact Gaussian algebra and quadrature, verbs by hand, and what is refused.

pair_data <- function(n_groups = 12, n_each = 5, seed = 21) {
  with_fixed_seed(seed, {
    g <- gl(n_groups, n_each)
    u <- matrix(stats::rnorm(2 * n_groups), n_groups) %*% chol(matrix(c(1, 0.7, 0.7, 1), 2))
    data <- data.frame(g = g, x = stats::rnorm(n_groups * n_each), z = stats::runif(n_groups * n_each))
    data$y1 <- 1 + 0.5 * data$x + u[g, 1] + stats::rnorm(nrow(data), 0, 0.6)
    data$y2 <- -1 + 2 * data$z + 1.5 * u[g, 2] + stats::rnorm(nrow(data), 0, 1.2)
    data$n1 <- stats::rpois(nrow(data), exp(0.5 + 0.8 * u[g, 1]))
    data$n2 <- stats::rpois(nrow(data), exp(1 + 0.5 * u[g, 2]))
    data
  })
}

known_scales <- function() {
  c(tw_prior("normal(0, 2)", class = "b"), tw_prior("normal(0, 3)", class = "Intercept"),
    tw_prior("constant(1)", class = "sd", resp = "y1"), tw_prior("constant(1.5)", class = "sd", resp = "y2"),
    tw_prior("constant(0.6)", class = "sigma", resp = "y1"), tw_prior("student_t(3, 0, 1)", class = "sigma", resp = "y2"))
}

test_that("two Gaussian responses with formulas of their own agree with exact algebra over correlation and sigma", {
  data <- pair_data()
  data$y2[c(3, 17)] <- NA
  formula <- tw_formula(y1 ~ x + (1 |p| g)) + tw_formula(y2 ~ z + (1 |p| g))
  fit <- twill(formula, data, prior = known_scales(), intercept = "raw", seed = 1, silent = 2, iter = 4000, chains = 2)
  seen <- !is.na(data$y2)
  design <- rbind(cbind(1, data$x, 0, 0, model.matrix(~ 0 + g, data), 0 * model.matrix(~ 0 + g, data)),
                  cbind(0, 0, 1, data$z, 0 * model.matrix(~ 0 + g, data), model.matrix(~ 0 + g, data))[seen, ])
  parts <- function(rho, log_sigma) {
    levels <- matrix(c(1, 1.5 * rho, 1.5 * rho, 1.5^2), 2) %x% diag(12)
    covariance <- matrix(0, 28, 28)
    covariance[1:4, 1:4] <- diag(c(9, 4, 9, 4))
    covariance[5:28, 5:28] <- levels
    list(residual = rep(c(0.36, exp(2 * log_sigma)), c(60, sum(seen))), covariance = covariance)
  }
  log_prior <- function(rho, log_sigma) stats::dt(exp(log_sigma), 3, log = TRUE) + log_sigma
  exact <- exact_moments(c(data$y1, data$y2[seen]), design, seq(-0.98, 0.99, length.out = 36), seq(-0.4, 0.8, length.out = 24),
                         log_prior, parts)
  expect_near(of_draws(fit, "cor_g__y1_Intercept__y2_Intercept"), exact$a[["mean"]], exact$a[["sd"]])
  expect_near(log(of_draws(fit, "sigma_y2")), exact$c[["mean"]], exact$c[["sd"]])
  names <- c("b_y1_Intercept", "b_y1_x", "b_y2_Intercept", "b_y2_z", "r_g__y1[1,Intercept]", "r_g__y1[7,Intercept]",
             "r_g__y2[1,Intercept]", "r_g__y2[7,Intercept]")
  at <- c(1:4, 5, 11, 17, 23)
  for (k in seq_along(at)) expect_near(of_draws(fit, names[k]), exact$mean[at[k]], exact$sd[at[k]])
  expect_identical(unique(as.vector(of_draws(fit, "sigma_y1"))), 0.6)
})

test_that("a centred intercept of each response has the prior at the means of its own columns", {
  data <- pair_data(n_groups = 4)
  data$x <- data$x + 3
  fit_of <- function(...) twill(mvbind(y1, y2) ~ x, data, seed = 1, silent = 2, iter = 200, chains = 1, ...)
  prior <- c(tw_prior("normal(0, 0.1)", class = "Intercept", resp = "y2"), tw_prior("normal(0, 2)", class = "b"))
  fit <- fit_of(prior = prior, sample_prior = "only")
  b <- as_draws_matrix(fit)
  centred <- b[, "b_y2_Intercept"] + mean(data$x) * b[, "b_y2_x"]
  expect_lt(abs(stats::sd(centred) / 0.1 - 1), 0.3)
  expect_gt(stats::sd(b[, "b_y2_Intercept"]), 3)
  raw <- as_draws_matrix(fit_of(prior = prior, sample_prior = "only", intercept = "raw"))
  expect_lt(stats::sd(raw[, "b_y2_Intercept"]), 0.13)
})

# Gauss-Hermite for a standard normal, by the eigenvalues of its recurrence.
hermite_rule <- function(n) {
  off <- sqrt(seq_len(n - 1))
  m <- matrix(0, n, n)
  m[cbind(seq_len(n - 1), 2:n)] <- m[cbind(2:n, seq_len(n - 1))] <- off
  found <- eigen(m, symmetric = TRUE)
  list(x = found$values, w = found$vectors[1, ]^2)
}

test_that("the correlation of counts agrees with quadrature, and so do their shapes", {
  data <- pair_data(n_groups = 20, n_each = 4)
  formula <- mvbind(n1, n2) ~ 0 + offset(0.7 + 0 * x) + (1 |p| g)
  prior <- c(tw_prior("constant(0.8)", class = "sd", resp = "n1"), tw_prior("constant(0.5)", class = "sd", resp = "n2"))
  fit <- twill(formula, data, poisson(), prior = prior, seed = 1, silent = 2, iter = 4000, chains = 2)
  rule <- hermite_rule(31)
  log_density <- function(rho) {
    u1 <- rep(rule$x, each = 31)
    u2 <- rho * u1 + sqrt(1 - rho^2) * rep(rule$x, 31)
    log_w <- log(rep(rule$w, each = 31)) + log(rep(rule$w, 31))
    sum(vapply(split(data, data$g), function(own) {
      terms <- log_w + colSums(outer(own$n1, 0.7 + 0.8 * u1, function(y, e) stats::dpois(y, exp(e), log = TRUE))) +
        colSums(outer(own$n2, 0.7 + 0.5 * u2, function(y, e) stats::dpois(y, exp(e), log = TRUE)))
      max(terms) + log(sum(exp(terms - max(terms))))
    }, 0))
  }
  rho <- seq(-0.995, 0.995, length.out = 200)
  value <- vapply(rho, log_density, 0)
  weight <- exp(value - max(value))
  weight <- weight / sum(weight)
  mean <- sum(rho * weight)
  expect_near(of_draws(fit, "cor_g__n1_Intercept__n2_Intercept"), mean, sqrt(sum(rho^2 * weight) - mean^2))
  shapes <- twill(mvbind(n1, n2) ~ 0 + offset(0.7 + 0 * x), data, negbinomial(), seed = 2, silent = 2, iter = 4000, chains = 2,
                  prior = tw_prior("gamma(3, 1)", class = "shape", resp = "n2"))
  for (resp in c("n1", "n2")) {
    log_prior <- if (resp == "n1") function(s) -1.4 * log(s) - 0.3 / s else function(s) stats::dgamma(s, 3, 1, log = TRUE)
    t <- seq(-4, 6, length.out = 2000)
    value <- vapply(t, function(t) {
      sum(stats::dnbinom(data[[resp]], mu = exp(0.7), size = exp(t), log = TRUE)) + log_prior(exp(t)) + t
    }, 0)
    weight <- exp(value - max(value))
    weight <- weight / sum(weight)
    expect_near(log(of_draws(shapes, paste0("shape_", resp))), sum(t * weight), sqrt(sum(t^2 * weight) - sum(t * weight)^2))
  }
})

test_that("log-likelihoods of counts are those of their densities, added up over responses", {
  data <- pair_data(n_groups = 6, n_each = 4)
  data$n2[5] <- NA
  for (family in c("negbinomial", "poisson")) {
    fit <- twill(mvbind(n1, n2) ~ x + (1 |p| g), data, family, seed = 1, silent = 2, iter = 60, chains = 1)
    mean <- posterior_epred(fit)
    density <- function(resp) {
      y <- matrix(rep(data[[resp]], each = dim(mean)[1]), dim(mean)[1])
      out <- if (family == "poisson") stats::dpois(y, mean[, , resp], log = TRUE) else
        stats::dnbinom(y, mu = mean[, , resp], size = as.vector(as.matrix(fit)[, paste0("shape_", resp)]), log = TRUE)
      replace(out, is.na(out), 0)
    }
    expect_equal(log_lik(fit), density("n1") + density("n2"), ignore_attr = TRUE, label = family)
    expect_equal(log_lik(fit, resp = "n2"), density("n2")[, -5], ignore_attr = TRUE, label = family)
    expect_equal(log_lik(fit, newdata = data[-5, ]), log_lik(fit)[, -5], ignore_attr = TRUE)
    expect_identical(dim(suppressWarnings(loo(fit))$pointwise)[1], nrow(data))
  }
})

responses_fit <- function() {
  if (is.null(shared_fits$responses)) {
    data <- pair_data()
    data$y2[c(3, 17)] <- NA
    shared_fits$responses <- twill(tw_formula(y1 ~ x + (1 + x |p| g)) + tw_formula(y2 ~ z + (1 |p| g), sigma ~ x), data, seed = 3,
                                   silent = 2, iter = 300, chains = 2)
  }
  shared_fits$responses
}

test_that("names are those of brms, and what is printed says what was fitted", {
  fit <- responses_fit()
  expect_s3_class(fit, c("twill_responses", "twillfit", "twill_model"), exact = TRUE)
  names <- grep("^r_|^l", variables(fit), value = TRUE, invert = TRUE)
  expect_setequal(names, c("b_y1_Intercept", "b_y1_x", "b_y2_Intercept", "b_y2_z", "sigma_y1", "b_sigma_y2_Intercept",
                           "b_sigma_y2_x", "sd_g__y1_Intercept", "sd_g__y1_x", "sd_g__y2_Intercept",
                           "cor_g__y1_Intercept__y1_x", "cor_g__y1_Intercept__y2_Intercept", "cor_g__y1_x__y2_Intercept"))
  expect_true(all(c("r_g__y1[3,x]", "r_g__y2[12,Intercept]") %in% variables(fit)))
  shown <- paste(capture.output(print(fit)), collapse = "\n")
  for (text in c("y1 ~ x + (1 + x | p | g)", "y2 ~ z + (1 | p | g)", "60 (y1 60, y2 58)", "cor(y1_Intercept,y2_Intercept)",
                 "sigma_y1", "independent")) expect_match(shown, text, fixed = TRUE)
  expect_identical(dim(ranef(fit)$g), c(12L, 4L, 3L))
  expect_identical(rownames(VarCorr(fit)$residual__$sd), "y1")
  expect_equal(coef(fit, summary = FALSE)$g[, 3, "y2_Intercept"],
               as.vector(of_draws(fit, "b_y2_Intercept") + of_draws(fit, "r_g__y2[3,Intercept]")))
  table <- prior_summary(fit)
  expect_identical(table$resp[table$class == "sigma"], "y1")
  expect_identical(table$resp[table$dpar == "sigma"], c("y2", "y2"))
  # (1 | p | g) without a label is independent.
  apart <- twill(mvbind(y1, y2) ~ (1 | g), pair_data(4), iter = 50, chains = 1, seed = 1, silent = 2)
  expect_identical(grep("^cor", variables(apart), value = TRUE), character())
  expect_true(all(c("sd_g__y1_Intercept", "sd_g__y2_Intercept", "sigma_y2") %in% variables(apart)))
})

test_that("verbs of rows are those of the draws, by response and of all", {
  fit <- responses_fit()
  data <- fit$data
  draws <- as_draws_matrix(fit)
  effect <- function(resp, coef) unclass(draws)[, sprintf("r_g__%s[%s,%s]", resp, data$g, coef)]
  line <- function(b) outer(as.vector(draws[, b]), rep(1, 60))
  by <- function(b, x) outer(as.vector(draws[, b]), x)
  eta <- list(y1 = line("b_y1_Intercept") + by("b_y1_x", data$x) + effect("y1", "Intercept") +
                effect("y1", "x") * rep(data$x, each = 300),
              y2 = line("b_y2_Intercept") + by("b_y2_z", data$z) + effect("y2", "Intercept"))
  sigma <- list(y1 = line("sigma_y1"), y2 = exp(line("b_sigma_y2_Intercept") + by("b_sigma_y2_x", data$x)))
  seen <- !is.na(data$y2)
  all <- posterior_epred(fit)
  expect_identical(dim(all), c(300L, 60L, 2L))
  expect_equal(unname(all[, , "y1"]), unname(eta$y1), ignore_attr = TRUE)
  expect_equal(unname(all[, seen, "y2"]), unname(eta$y2[, seen]), ignore_attr = TRUE)
  expect_true(all(is.na(all[, !seen, "y2"])))
  expect_equal(posterior_linpred(fit, resp = "y2"), unname(eta$y2[, seen]), ignore_attr = TRUE)
  expect_equal(posterior_epred(fit, newdata = data)[, , "y2"], unname(eta$y2), ignore_attr = TRUE)
  expect_equal(posterior_epred(fit, resp = "y2", dpar = "sigma"), unname(sigma$y2[, seen]), ignore_attr = TRUE)
  expect_equal(fitted(fit)[5, "Estimate", "y1"], mean(eta$y1[, 5]))
  expect_equal(fitted(fit, newdata = data[5, ])[1, "Q2.5", "y2"], unname(quantile(eta$y2[, 5], 0.025)))
  expect_equal(fitted(fit, data[5, ], resp = "y1")[[1, "Estimate"]], mean(eta$y1[, 5]))
  expect_equal(residuals(fit)[7, "Estimate", "y2"], data$y2[7] - mean(eta$y2[, 7]))
  expect_identical(dim(residuals(fit, type = "quantile")), c(60L, 2L))
  expect_identical(dim(residuals(fit, summary = FALSE, resp = c("y2", "y1"))), c(300L, 60L, 2L))
  of <- function(resp) matrix(stats::dnorm(rep(data[[resp]], each = 300), eta[[resp]], sigma[[resp]], log = TRUE), 300)
  by_hand <- of("y1")
  by_hand[, seen] <- by_hand[, seen] + of("y2")[, seen]
  expect_equal(log_lik(fit), unname(by_hand), ignore_attr = TRUE)
  expect_equal(log_lik(fit, resp = "y2"), unname(of("y2")[, seen]), ignore_attr = TRUE)
  point <- log_lik(fit, pointwise = TRUE)
  expect_equal(point(attr(point, "data")[3, , drop = FALSE], attr(point, "draws"))[, 1], by_hand[, 3], ignore_attr = TRUE)
  expect_identical(nrow(suppressWarnings(loo(fit))$pointwise), 60L)
  expect_equal(suppressWarnings(loo(fit, resp = "y2"))$estimates["elpd_loo", 1],
               suppressWarnings(loo(tw_response(fit, "y2")))$estimates["elpd_loo", 1])
  drawn <- posterior_predict(fit, seed = 1)
  expect_lt(abs(mean((drawn[, seen, "y2"] - eta$y2[, seen]) / sigma$y2[, seen])), 0.05)
  expect_lt(abs(stats::sd((drawn[, , "y1"] - eta$y1) / sigma$y1) - 1), 0.05)
  expect_identical(rownames(bayes_R2(fit)), c("R2y1", "R2y2"))
  expect_named(sigma(fit), c("y1", "y2"))
  expect_identical(c(nobs(fit), nobs(fit, resp = "y2"), df.residual(fit)), c(60L, 58L, 114L))
  expect_s3_class(pp_check(fit, resp = "y2", ndraws = 5), "ggplot")
  expect_named(tw_conditional_effects(fit, resp = "y2"), "z")
  expect_true(".resid" %in% names(augment(fit, resp = "y1")))
  re <- posterior_epred(fit, re_formula = ~ (0 + x | g))
  expect_equal(re[, 4, "y1"], (line("b_y1_Intercept") + by("b_y1_x", data$x) + effect("y1", "x") * rep(data$x, each = 300))[, 4],
               ignore_attr = TRUE)
  expect_equal(re[, 4, "y2"], (line("b_y2_Intercept") + by("b_y2_z", data$z))[, 4], ignore_attr = TRUE)
})

test_that("every verb answers, for all responses or with resp, or is refused by name", {
  fit <- responses_fit()
  needs <- list(pp_check = list(resp = "y1"), loo_predict = list(resp = "y1"), augment = list(resp = "y1"),
                terms = list(resp = "y1"), update = list(iter = 40, silent = 2))
  refused <- c("kfold", "simulate", "logLik", "anova")
  wrong <- character()
  for (verb in setdiff(names(verb_doors), verbs_of_many)) {
    f <- tryCatch(getExportedValue("twill", verb), error = function(e) get(verb, mode = "function"))
    more <- if (verb == "loo_compare") list(fit) else needs[[verb]]
    answer <- function() suppressMessages(suppressWarnings(do.call(f, c(list(fit), more))))
    got <- tryCatch(utils::capture.output(answer()), error = identity)
    expected <- if (verb %in% refused) "refusal" else "answer"
    found <- if (inherits(got, "twill_error_method")) "refusal" else
      if (inherits(got, "error")) conditionMessage(got) else "answer"
    if (found != expected) wrong <- c(wrong, paste(verb, found))
  }
  expect_identical(wrong, character())
  expect_error(terms(fit), "resp", class = "twill_error_method")
})

test_that("one response is a fit of its own", {
  fit <- responses_fit()
  one <- tw_response(fit, "y2")
  expect_s3_class(one, c("twillfit", "twill_model"), exact = TRUE)
  expect_identical(as.vector(of_draws(one, "b_z")), as.vector(of_draws(fit, "b_y2_z")))
  expect_identical(as.vector(of_draws(one, "r_g[4,Intercept]")), as.vector(of_draws(fit, "r_g__y2[4,Intercept]")))
  expect_output(print(one), "y2 ~ z")
  expect_equal(fitted(one), fitted(fit, resp = "y2"))
  expect_error(tw_response(one, "y2"), "one response", class = "twill_error_argument")
  expect_error(fitted(one, resp = "y1"), "y2", class = "twill_error_resp")
  expect_equal(fitted(one, resp = "y2"), fitted(one))
})

test_that("a new level is one and the same for all responses", {
  data <- pair_data(n_groups = 6)
  prior <- c(tw_prior("constant(1)", class = "sd"), tw_prior("constant(0.9)", class = "cor"))
  fit <- twill(mvbind(y1, y2) ~ 1 + (1 |p| g), data, prior = prior, iter = 2000, chains = 1, seed = 1, silent = 2)
  new <- data.frame(g = c("new", "7"))
  draws <- posterior_epred(fit, new, allow_new_levels = TRUE, sample_new_levels = "gaussian", seed = 1)
  own <- sweep(draws, c(1, 3), unclass(as_draws_matrix(fit, c("b_y1_Intercept", "b_y2_Intercept"))))
  expect_lt(abs(stats::cor(own[, 1, "y1"], own[, 1, "y2"]) - 0.9), 0.03)
  expect_lt(abs(stats::cor(own[, 1, "y1"], own[, 2, "y2"])), 0.12)
  expect_error(posterior_epred(fit, new), "not seen", class = "twill_error_newdata")
})

test_that("levels with a covariance, files, updates and priors work as for one response", {
  data <- pair_data(n_groups = 6)
  K <- 0.5^abs(outer(1:6, 1:6, "-"))
  dimnames(K) <- list(1:6, 1:6)
  path <- tempfile(fileext = ".rds")
  fit_of <- function(...) twill(mvbind(y1, y2) ~ x + (1 |p| gr(g, cov = K)), data, data2 = list(K = K), chains = 1, iter = 60,
                                silent = 2, file = path, ...)
  fit <- fit_of(seed = 1, sample_prior = "yes", prior = tw_prior("normal(0, 3)", coef = "x", resp = "y2"))
  expect_true(all(c("r_g__y2[6,Intercept]", "prior_b_y1_x", "prior_Intercept_y2", "prior_sigma_y1") %in% variables(fit)))
  expect_identical(fit_of(seed = 1, sample_prior = "yes", prior = tw_prior("normal(0, 3)", coef = "x", resp = "y2"))$draws,
                   fit$draws)
  again <- update(fit, iter = 100, file = NULL, silent = 2)
  expect_identical(c(niterations(again), niterations(fit)), c(50L, 30L))
  table <- prior_summary(again)
  expect_identical(table$prior[table$class == "b" & table$resp == "y2"], "normal(0, 3)")
  simpler <- update(fit, mvbind(y1, y2) ~ (1 | g), file = NULL, data2 = NULL, silent = 2)
  expect_false("b_y1_x" %in% variables(simpler))
  expect_identical(class(simpler), class(fit))
  expect_error(update(fit, weights = x, file = NULL), "State it in the formula", class = "twill_error_argument")
  expect_error(update(fit, weights = x, offset = x, file = NULL), "State them in the formula", class = "twill_error_argument")
  few <- update(fit, save_pars = tw_save(group = 10), file = NULL, silent = 2)
  expect_identical(dim(ranef(few)$g), c(6L, 4L, 2L))
  expect_identical(dim(ranef(tw_response(few, "y2"))$g), c(6L, 4L, 1L))
  expect_identical(tw_default_prior(mvbind(y1, y2) ~ x + (1 |p| g), data)$resp[1:4], c("y1", "y1", "y1", "y1"))
  expect_true(is.finite(tw_log_evidence(update(fit, prior = NULL, file = NULL, iter = 200, silent = 2), silent = 2)$log_evidence))
})

test_that("rows count for the responses that they have", {
  data <- pair_data(n_groups = 4)
  data$y1[1:3] <- NA
  data$y2[3:6] <- NA
  data$x[10] <- NA
  formula <- tw_formula(y1 ~ x + (1 |p| g)) + tw_formula(y2 ~ 1 + (1 |p| g))
  expect_message(fit <- twill(formula, data, iter = 40, chains = 1, seed = 1, silent = 1, refresh = 0), "y1 \\(4\\).*y2 \\(4\\)",
                 class = "twill_message_missing") |> suppressWarnings()
  expect_identical(nobs(fit), 19L)
  expect_identical(c(nobs(fit, resp = "y1"), nobs(fit, resp = "y2")), c(16L, 16L))
  expect_error(twill(formula, data, na.action = na.fail, silent = 2), "missing values", class = "twill_error_data")
})

test_that("what does not fit together is refused with the way out", {
  data <- pair_data(n_groups = 4)
  refused <- function(code, text, kind = "formula") expect_error(code, text, class = paste0("twill_error_", kind))
  refused(tw_formula(y1 ~ x) + tw_formula(y1 ~ z), "Each response has one formula")
  refused(tw_formula(mvbind(y1, y.1) ~ x), "without dots")
  refused(tw_formula(mvbind(y1) ~ x), "two responses")
  refused(tw_formula(y1 ~ (1 |p| g)) + tw_formula(y2 ~ (1 |p| h)), "same grouping factor")
  refused(tw_formula(y1 ~ (1 |p| g) + (0 + x |p| g)), "once")
  refused(tw_formula(y1 ~ (1 |p| gr(g, cov = K))) + tw_formula(y2 ~ (1 |p| g)), "same levels")
  refused(tw_formula(y1 ~ (1 |p| gr(g, cor = FALSE))) + tw_formula(y2 ~ (1 |p| g)), "correlated")
  refused(tw_formula(y1 ~ (1 || p | g)), "one label")
  refused(tw_formula(y1 ~ tw_re(1 |p| g)), "no label")
  refused(tw_formula(y1 ~ x, sigma ~ (1 |p| g)), "a label")
  refused(tw_formula(y1 ~ x) + 1, "joined by")
  refused(tw_formula(y1 ~ x + (1 | mm(g, g))) + tw_formula(y2 ~ x), "mm")
  refused(tw_formula(y1 ~ me(x, z)) + tw_formula(y2 ~ x), "me")
  refused(twill(mvbind(y1, y2) ~ x, data, family = list(gaussian(), poisson())), "one", "family")
  refused(twill(tw_formula(y1 | se(z) ~ x) + tw_formula(y2 ~ x), data), "se", "formula")
  refused(twill(mvbind(y1, y2) ~ x, data, weights = z), "for one response", "data")
  refused(twill(mvbind(y1, y2) ~ x, function() NULL), "pieces", "data")
  refused(twill(mvbind(n1, y2) ~ x, data, family = poisson()), "response y2", "data")
  refused(twill(mvbind(y1, y2) ~ x, data, prior = tw_prior("normal(0, 1)", resp = "y3")), "no parameter", "prior")
  refused(twill(y1 ~ x, data, prior = tw_prior("normal(0, 1)", resp = "y1")), "several responses", "prior")
  refused(twill(mvbind(y1, y2) ~ x, data, prior = tw_prior("constant(1)", resp = "y1")), "offset", "prior")
  fit <- responses_fit()
  refused(fitted(fit, resp = "y3"), "one of the responses", "resp")
  refused(fitted(fit, resp = c("y1", "y1")), "each once", "resp")
  refused(pp_check(fit), "resp", "method")
  refused(tw_conditional_effects(fit), "resp", "method")
  refused(kfold(fit), "loo", "method")
  refused(posterior_epred(fit, re_formula = ~ (1 | h)), "re_formula", "newdata")
  refused(posterior_epred(fit, offset = 1), "one response", "argument")
  refused(update(fit, . ~ . - x), "whole")
  refused(fitted(fit, newdata = data.frame(x = 1, g = 1)), "z", "newdata")
  counts <- matrix(1:8, 2)
  refused(twill_genes(counts, mvbind(a, b) ~ x, col_data = data.frame(x = 1:4)), "Several responses")
  refused(twill_genes(counts, tw_formula(a ~ x) + tw_formula(b ~ x), col_data = data.frame(x = 1:4)), "Several responses")
  refused(twill_cells(counts, mvbind(a, b) ~ x, col_data = data.frame(x = 1:4)), "Several responses")
})

test_that("a matrix as a response is told of mvbind()", {
  d <- data.frame(a = rnorm(20), b = rnorm(20), x = rnorm(20))
  expect_error(twill(cbind(a, b) ~ x, d), "mvbind", class = "twill_error_data")
})
