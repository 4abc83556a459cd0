# Predictors with missing values, mi(x) beside x | mi() ~ z: posteriors against exact algebra, densities against their definition,
# and what is refused.

missing_data <- function(n_groups = 8, n_each = 6, share = 0.3, seed = 31) {
  with_fixed_seed(seed, {
    g <- gl(n_groups, n_each)
    n <- length(g)
    data <- data.frame(g = g, z = stats::rnorm(n), w = stats::rnorm(n), s = stats::runif(n, 0.3, 0.8))
    data$full <- 2 + 0.8 * data$z + stats::rnorm(n_groups, 0, 0.7)[g] + stats::rnorm(n, 0, 0.7)
    data$y <- 1 + 1.5 * data$full - 0.5 * data$w + stats::rnorm(n_groups, 0, 0.8)[g] + stats::rnorm(n, 0, 0.6)
    data$seen <- data$full + stats::rnorm(n, 0, data$s)
    is_missing <- seq_len(n) %in% sample(n, round(share * n))
    data$x <- replace(data$full, is_missing, NA)
    data$u <- replace(data$seen, is_missing, NA)
    data
  })
}

imputed_formula <- function() tw_formula(y ~ mi(x) + w + (1 | g)) + tw_formula(x | mi() ~ z + (1 | g))

# Moments of the slope b of y on x on a grid, and given it of all that is then jointly normal: coefficients and effects of both
# responses and the missing values. y - b x_seen and x are linear in them, with known scales.
exact_imputed <- function(data, b, error = ifelse(is.na(data$x), NA, 0), sigma = c(0.6, 0.7), sd = c(0.8, 0.7)) {
  n <- nrow(data)
  groups <- stats::model.matrix(~ 0 + g, data)
  k <- ncol(groups)
  # Unknown: y's intercept and slope of w, effects; x's intercept and slope of z, effects; the values of x in all rows.
  at_x <- 2 + k + 2 + k + seq_len(n)
  p <- max(at_x)
  prior <- c(9, 4, rep(sd[1]^2, k), 9, 4, rep(sd[2]^2, k))
  # x = X_x (coefficients, effects) + residual: the covariance of everything.
  covariance <- matrix(0, p, p)
  first <- seq_along(prior)
  covariance[first, first] <- diag(prior)
  of_x <- cbind(matrix(0, n, 2 + k), 1, data$z, groups)
  covariance[at_x, first] <- of_x %*% diag(prior)
  covariance[first, at_x] <- t(covariance[at_x, first])
  covariance[at_x, at_x] <- of_x %*% diag(prior) %*% t(of_x) + diag(sigma[2]^2, n)
  is_seen <- !is.na(error)
  found <- lapply(b, function(b) {
    design <- matrix(0, n + sum(is_seen), p)
    design[seq_len(n), seq_len(2 + k)] <- cbind(1, data$w, groups)
    design[cbind(seq_len(n), at_x)] <- b
    design[cbind(n + seq_len(sum(is_seen)), at_x[is_seen])] <- 1
    y <- c(data$y, ifelse(error == 0, data$x, data$u)[is_seen])
    v <- design %*% covariance %*% t(design) + diag(c(rep(sigma[1]^2, n), error[is_seen]^2))
    root <- chol(v)
    gain <- covariance %*% t(design)
    half <- backsolve(root, t(gain), transpose = TRUE)
    whitened <- backsolve(root, y, transpose = TRUE)
    list(log = -sum(log(diag(root))) - sum(whitened^2) / 2 + stats::dnorm(b, 0, 2, log = TRUE),
         mean = drop(crossprod(half, whitened)), variance = diag(covariance) - colSums(half^2))
  })
  log <- vapply(found, `[[`, 0, "log")
  weight <- exp(log - max(log)) / sum(exp(log - max(log)))
  means <- vapply(found, `[[`, numeric(p), "mean")
  mean <- drop(means %*% weight)
  variance <- drop((vapply(found, `[[`, numeric(p), "variance") + means^2) %*% weight) - mean^2
  names <- c("b_y_Intercept", "b_y_w", sprintf("r_g__y[%d,Intercept]", seq_len(k)), "b_x_Intercept", "b_x_z",
             sprintf("r_g__x[%d,Intercept]", seq_len(k)), sprintf("x%d", seq_len(n)))
  slope <- sum(weight * b)
  rbind(data.frame(name = "bsp_y_mix", mean = slope, sd = sqrt(sum(weight * b^2) - slope^2)),
        data.frame(name = names, mean, sd = sqrt(pmax(variance, 0))))
}

imputed_prior <- function() {
  c(tw_prior("normal(0, 2)", class = "b"), tw_prior("normal(0, 3)", class = "Intercept"),
    tw_prior("constant(0.8)", class = "sd", resp = "y"), tw_prior("constant(0.7)", class = "sd", resp = "x"),
    tw_prior("constant(0.6)", class = "sigma", resp = "y"), tw_prior("constant(0.7)", class = "sigma", resp = "x"))
}

# In units of Monte Carlo error.
expect_exact <- function(fit, exact, names) {
  for (name in names) {
    draws <- posterior::extract_variable_matrix(posterior::as_draws(fit), name)
    at <- exact[exact$name == sub("^(Ymi|Yl)_[a-z]+\\[([0-9]+)\\]$", "x\\2", sub("_miu$", "_mix", name)), ]
    expect_lt(abs(mean(draws) - at$mean) / posterior::mcse_mean(draws), 4.5, label = paste("mean of", name))
    expect_lt(abs(stats::sd(draws) - at$sd) / posterior::mcse_sd(draws), 4.5, label = paste("sd of", name))
  }
}

test_that("the posterior with missing values is that of exact algebra", {
  skip_on_cran()
  data <- missing_data()
  fit <- twill(imputed_formula(), data, prior = imputed_prior(), intercept = "raw", iter = 4000, seed = 1, silent = 2)
  exact <- exact_imputed(data, seq(0.9, 2.2, length.out = 80))
  values <- sprintf("Ymi_x[%d]", which(is.na(data$x)))
  expect_identical(grep("^Y", variables(fit), value = TRUE), values)
  expect_exact(fit, exact, c("bsp_y_mix", "b_y_Intercept", "b_y_w", "b_x_Intercept", "b_x_z", "r_g__y[3,Intercept]",
                             "r_g__x[1,Intercept]", "r_g__x[5,Intercept]", values))
  expect_equal(sum(fit$sampler[, , "divergent__"]), 0)
})

test_that("the posterior of a predictor that is missing here and measured with error there is that of exact algebra", {
  skip_on_cran()
  data <- missing_data()
  formula <- tw_formula(y ~ mi(u) + w + (1 | g)) + tw_formula(u | mi(s) ~ z + (1 | g))
  prior <- imputed_prior()
  prior$resp[prior$resp == "x"] <- "u"
  fit <- twill(formula, data, prior = prior, intercept = "raw", iter = 4000, seed = 1, silent = 2)
  exact <- exact_imputed(data, seq(0.6, 2.4, length.out = 80), ifelse(is.na(data$u), NA, data$s))
  exact$name <- sub("__x", "__u", sub("b_x_", "b_u_", exact$name))
  values <- sprintf("Yl_u[%d]", seq_len(nrow(data)))
  expect_identical(grep("^Y", variables(fit), value = TRUE), values)
  expect_exact(fit, exact, c("bsp_y_miu", "b_y_Intercept", "b_y_w", "b_u_Intercept", "b_u_z", "r_g__y[3,Intercept]",
                             "r_g__u[1,Intercept]", values[1:12]))
})

quick <- function(..., iter = 120) twill(..., chains = 1, iter = iter, seed = 1, silent = 2)

test_that("the density is that of both responses, the missing values integrated out, also in interactions", {
  data <- missing_data()
  data$f <- factor(rep(c("a", "b"), 24))
  formula <- tw_formula(y ~ mi(x) * f + w + (1 | g)) + tw_formula(x | mi() ~ z, sigma ~ w)
  fit <- quick(formula, data)
  d <- as.matrix(fit)
  expect_true(all(c("bsp_y_mix", "bsp_y_mix:fb", "b_y_fb", "b_x_z", "b_sigma_x_w", "sigma_y") %in% variables(fit)))
  line <- function(name) outer(d[, name], rep(1, 48))
  by <- function(name, x) outer(d[, name], x)
  mean_x <- line("b_x_Intercept") + by("b_x_z", data$z)
  sd_x <- exp(line("b_sigma_x_Intercept") + by("b_sigma_x_w", data$w))
  loading <- line("bsp_y_mix") + by("bsp_y_mix:fb", data$f == "b")
  rest <- line("b_y_Intercept") + by("b_y_w", data$w) + by("b_y_fb", data$f == "b") + d[, sprintf("r_g__y[%s,Intercept]", data$g)]
  seen <- !is.na(data$x)
  x <- rep(ifelse(seen, data$x, 0), each = nrow(d))
  at <- rest + loading * ifelse(rep(seen, each = nrow(d)), x, mean_x)
  sd <- sqrt(line("sigma_y")^2 + ifelse(rep(seen, each = nrow(d)), 0, loading^2 * sd_x^2))
  of_y <- matrix(dnorm(rep(data$y, each = nrow(d)), at, sd, log = TRUE), nrow(d))
  of_x <- matrix(dnorm(x, mean_x, sd_x, log = TRUE), nrow(d))
  expect_equal(log_lik(fit, resp = "y"), of_y, ignore_attr = TRUE)
  expect_equal(log_lik(fit, resp = "x"), of_x[, seen], ignore_attr = TRUE)
  of_x[, !seen] <- 0
  expect_equal(log_lik(fit), of_y + of_x, ignore_attr = TRUE)
  standard <- d[, sprintf("r_g__y[%d,Intercept]", 1:8)] / d[, "sd_g__y_Intercept"]
  logs <- rowSums(log(d[, c("sigma_y", "sd_g__y_Intercept")]))
  left <- d[, "lp__"] - d[, "lprior"] - logs - rowSums(of_y + of_x) - rowSums(array(dnorm(standard, log = TRUE), dim(standard)))
  expect_lt(diff(range(left)), 1e-6 * max(1, abs(mean(left))))
  # Values given the response, draw by draw; and predictions of the rows have them.
  values <- d[, sprintf("Ymi_x[%d]", which(!seen))]
  precision <- (1 / sd_x^2 + loading^2 / line("sigma_y")^2)[, !seen]
  pull <- (mean_x / sd_x^2 + loading * (rep(data$y, each = nrow(d)) - rest) / line("sigma_y")^2)[, !seen]
  score <- (values - pull / precision) * sqrt(precision)
  expect_lt(abs(mean(score)) * sqrt(length(score)), 4)
  expect_lt(abs(mean(score^2) - 1) * sqrt(length(score) / 2), 4)
  used <- matrix(x, nrow(d))
  used[, !seen] <- values
  expect_equal(posterior_epred(fit, resp = "y"), rest + loading * used, ignore_attr = TRUE)
  expect_equal(posterior_epred(fit)[, , "y"], rest + loading * used, ignore_attr = TRUE)
  point <- log_lik(fit, resp = "y", pointwise = TRUE)
  at <- c(which(seen)[1], which(!seen)[1])
  for (i in at) expect_equal(point(data.frame(row = i), attr(point, "draws"))[, 1], of_y[, i], ignore_attr = TRUE)
})

test_that("two predictors are imputed at a time", {
  data <- missing_data()
  data$w[c(2, 3, 11)] <- NA
  data$x[3] <- NA
  fit <- quick(tw_formula(y ~ mi(x) + mi(w)) + tw_formula(x | mi() ~ z) + tw_formula(w | mi() ~ 1), data)
  d <- as.matrix(fit)
  both <- 3
  mean_x <- d[, "b_x_Intercept"] + d[, "b_x_z"] * data$z[both]
  sd <- sqrt(d[, "sigma_y"]^2 + d[, "bsp_y_mix"]^2 * d[, "sigma_x"]^2 + d[, "bsp_y_miw"]^2 * d[, "sigma_w"]^2)
  mean <- d[, "b_y_Intercept"] + d[, "bsp_y_mix"] * mean_x + d[, "bsp_y_miw"] * d[, "b_w_Intercept"]
  expect_equal(log_lik(fit, resp = "y")[, both], dnorm(data$y[both], mean, sd, log = TRUE), ignore_attr = TRUE)
  left <- data$y[both] - posterior_epred(fit, resp = "y")[, both]
  expect_lt(abs(mean((left / d[, "sigma_y"])^2) - 1), 4 * sqrt(2 / nrow(d)))
})

test_that("where values are missing at random the slope is found, with less than all of them and more than without the rows", {
  skip_on_cran()
  data <- missing_data(n_groups = 20, n_each = 20, share = 0.5, seed = 5)
  fit <- twill(imputed_formula(), data, seed = 1, silent = 2, chains = 2)
  slope <- fixef(fit)["y_mix", ]
  expect_lt(abs(slope["Estimate"] - 1.5) / slope["Est.Error"], 3)
  whole <- fixef(twill(y ~ full + w + (1 | g), data, seed = 1, silent = 2, chains = 2))["full", ]
  expect_lt(abs(slope["Estimate"] - whole["Estimate"]) / slope["Est.Error"], 3)
  expect_gt(slope["Est.Error"], whole["Est.Error"])
  complete <- twill(y ~ x + w + (1 | g), data, seed = 1, silent = 2, chains = 2)
  expect_lt(fixef(fit)["y_w", "Est.Error"], fixef(complete)["w", "Est.Error"])
  missing <- which(is.na(data$x))
  imputed <- colMeans(as.matrix(fit)[, sprintf("Ymi_x[%d]", missing)])
  expect_gt(stats::cor(imputed, data$full[missing]), 0.9)
})

imputed_fit <- function() {
  if (is.null(shared_fits$imputed)) shared_fits$imputed <- quick(imputed_formula(), missing_data(), iter = 400)
  shared_fits$imputed
}

test_that("verbs take the fit, the response and new rows", {
  fit <- imputed_fit()
  data <- missing_data()
  expect_identical(c(nobs(fit), nobs(fit, resp = "y"), nobs(fit, resp = "x")), c(48L, 48L, 34L))
  expect_output(print(fit), "x | mi() ~ z + (1 | g)", fixed = TRUE)
  expect_identical(rownames(fixef(fit)), c("y_Intercept", "y_mix", "y_w", "x_Intercept", "x_z"))
  one <- tw_response(fit, "y")
  expect_identical(rownames(fixef(one)), c("Intercept", "mix", "w"))
  expect_equal(fitted(one), fitted(fit, resp = "y"))
  expect_equal(log_lik(one), log_lik(fit, resp = "y"))
  new <- data.frame(g = "2", w = 1, x = 3, z = 0)
  d <- as.matrix(fit)
  at <- d[, "b_y_Intercept"] + 3 * d[, "bsp_y_mix"] + d[, "b_y_w"] + d[, "r_g__y[2,Intercept]"]
  expect_equal(posterior_epred(fit, new, resp = "y")[, 1], at, ignore_attr = TRUE)
  expect_equal(posterior_epred(fit, new)[, 1, "y"], at, ignore_attr = TRUE)
  expect_identical(dim(posterior_predict(fit, new[c("g", "z")], resp = "x")), c(200L, 1L))
  new$x <- NA
  expect_error(posterior_predict(fit, new, resp = "y"), "resp = \"x\"", class = "twill_error_newdata")
  expect_error(posterior_predict(fit, new[c("g", "w")], resp = "y"), "x", class = "twill_error_newdata")
  expect_identical(dim(posterior_predict(fit)), c(200L, 48L, 2L))
  expect_identical(unname(is.na(posterior_predict(fit, ndraws = 1)[1, , "x"])), is.na(data$x))
  expect_identical(dim(residuals(fit, resp = "y")), c(48L, 4L))
  expect_s3_class(suppressWarnings(loo(fit)), "loo")
  expect_equal(suppressWarnings(loo(fit, resp = "y", pointwise = TRUE))$estimates,
               suppressWarnings(loo(fit, resp = "y"))$estimates)
  expect_identical(rownames(bayes_R2(fit)), c("R2y", "R2x"))
  expect_s3_class(pp_check(fit, resp = "y", ndraws = 5), "ggplot")
  expect_named(tw_conditional_effects(fit, resp = "y"), c("x", "w"))
  table <- tw_default_prior(imputed_formula(), data)
  expect_identical(table$coef[table$class == "b" & table$resp == "y"], c("mix", "w"))
  expect_identical(fit$data$x, data$x)
  again <- update(fit, prior = tw_prior("constant(1)", class = "sigma", resp = "x"), iter = 60, silent = 2)
  expect_identical(unique(as.vector(as.matrix(again)[, "sigma_x"])), 1)
  expect_identical(nobs(again), 48L)
  for (resp in c("y", "x")) expect_error(kfold(tw_response(fit, resp)), "loo", class = "twill_error_folds")
  few <- quick(imputed_formula(), data, save_pars = tw_save(group = FALSE))
  expect_false(any(grepl("^Ymi", variables(few))))
  expect_error(fitted(few, resp = "x"), "tw_save", class = "twill_error")
})

test_that("a prior alone is sampled, and missing values with it", {
  prior <- c(tw_prior("normal(0, 1)", class = "b"), tw_prior("normal(3, 0.1)", class = "Intercept", resp = "x"),
             tw_prior("constant(0.5)", class = "sigma", resp = "x"))
  fit <- quick(tw_formula(y ~ mi(x)) + tw_formula(x | mi() ~ 1), missing_data(), prior = prior, sample_prior = "only",
               iter = 1000)
  values <- as.matrix(fit)[, grep("^Ymi", variables(fit))]
  expect_lt(abs(mean(values) - 3), 4 * 0.1 / sqrt(200))
  expect_lt(abs(stats::sd(values) - sqrt(0.26)), 0.03)
})

test_that("rows count as far as they can be imputed, and messages say so", {
  data <- missing_data()
  is_missing <- which(is.na(data$x))
  data$z[is_missing[1]] <- NA
  data$y[c(is_missing[2], which(!is.na(data$x))[1])] <- NA
  say <- function() twill(imputed_formula(), data, iter = 60, chains = 1, seed = 1, refresh = 0)
  messages <- capture.output(fit <- suppressWarnings(say()), type = "message")
  expect_match(messages, "12 of 45 values of .*x.* are missing and imputed", all = FALSE)
  expect_match(messages, "Dropped rows", all = FALSE)
  expect_identical(c(nobs(fit, resp = "y"), nobs(fit, resp = "x")), c(45L, 34L))
  # With an error the true value of a row is never seen: it needs what its formula needs.
  data <- missing_data()
  data$z[which(!is.na(data$x))[1:2]] <- NA
  for (measured in c(FALSE, TRUE)) {
    imputing <- if (measured) tw_formula(x | mi(s) ~ z + (1 | g)) else tw_formula(x | mi() ~ z + (1 | g))
    fit <- quick(tw_formula(y ~ mi(x) + w + (1 | g)) + imputing, data, iter = 60)
    expect_identical(nobs(fit, resp = "y"), if (measured) 46L else 48L)
  }
  whole <- transform(missing_data(), x = full)
  expect_message(complete <- twill(imputed_formula(), whole, iter = 400, chains = 1, seed = 1, refresh = 0) |> suppressWarnings(),
                 "No value of", class = "twill_message_missing")
  expect_identical(grep("^Y", variables(complete), value = TRUE), character())
  plain <- quick(tw_formula(y ~ x + w + (1 | g)) + tw_formula(x ~ z + (1 | g)), whole, iter = 400)
  expect_equal(unclass(complete$draws), unclass(plain$draws), ignore_attr = TRUE)
  expect_s3_class(twill(imputed_formula(), missing_data(), na.action = na.fail, iter = 60, chains = 1, silent = 2), "twillfit")
})

test_that("formulas of brms are taken", {
  skip_if_not_installed("brms")
  formula <- brms::bf(y ~ mi(x) + w + (1 | g)) + brms::bf(x | mi() ~ z + (1 | g)) + brms::set_rescor(FALSE)
  expect_identical(variables(quick(formula, missing_data(), iter = 60)), variables(imputed_fit()))
  expect_setequal(setdiff(tw_default_prior(formula, missing_data())$coef, ""),
                  setdiff(brms::get_prior(formula, missing_data())$coef, ""))
})

test_that("what cannot be imputed is refused with the way out", {
  data <- missing_data()
  refused <- function(formula, text, kind = "formula", family = gaussian(), ...) {
    expect_error(twill(formula, data, family, silent = 2, iter = 60, chains = 1, ...), text, class = paste0("twill_error_", kind))
  }
  by <- tw_formula(x | mi() ~ z)
  refused(y ~ mi(x), "needs a formula that imputes")
  refused(by, "There is no other formula")
  refused(tw_formula(y ~ mi(x)) + tw_formula(w ~ z), "needs a formula that imputes")
  refused(tw_formula(y ~ mi(x)) + tw_formula(x ~ z), "must say so")
  refused(tw_formula(y ~ x) + by, "for nothing")
  refused(tw_formula(y ~ mi(x)) + tw_formula(w ~ mi(x)) + by, "one response")
  refused(tw_formula(y ~ mi(x) + x) + by, "everywhere")
  refused(tw_formula(y ~ mi(x) + (1 + x | g)) + by, "everywhere")
  refused(tw_formula(y | weights(s) ~ mi(x)) + by, "weights")
  refused(tw_formula(y ~ mi(x)) + tw_formula(x | mi() ~ y), "cannot predict")
  refused(tw_formula(y ~ mi(x)) + tw_formula(x | mi() ~ mi(w)) + tw_formula(w | mi() ~ 1), "itself")
  expect_error(tw_formula(y ~ (1 + mi(x) | g)), "population-level", class = "twill_error_formula")
  expect_error(tw_formula(y ~ w, sigma ~ mi(x)), "population-level", class = "twill_error_formula")
  expect_error(tw_formula(y ~ mi(x):mi(w)), "Products", class = "twill_error_formula")
  expect_error(tw_formula(y ~ mi(log(x))), "name of a column", class = "twill_error_formula")
  expect_error(tw_formula(y ~ poly(mi(x), 2)), "inside", class = "twill_error_formula")
  expect_error(tw_formula(log(x) | mi() ~ z), "must be a column", class = "twill_error_formula")
  expect_error(tw_formula(x | mi() + mi() ~ z), "once", class = "twill_error_formula")
  for (twice in list(x | mi(s) + se(s) ~ z, x | se(s) + mi(s) ~ z, x | se(s, sigma = TRUE) + mi(s) ~ z)) {
    expect_error(tw_formula(twice), "se.*and.*mi.*both state the errors.*x \\| mi\\(sdx\\)", class = "twill_error_formula")
  }
  expect_mapequal(tw_formula(x | mi(s) ~ z)$addition, tw_formula(x | se(s, sigma = TRUE) + mi() ~ z)$addition)
  data$count <- rpois(48, 3)
  data$f <- factor(replace(rep(c("a", "b"), 24), 3, NA))
  data$none <- NA_real_
  refused(tw_formula(count ~ mi(x)) + by, "Gaussian", "family", poisson())
  refused(tw_formula(y ~ mi(f)) + tw_formula(f | mi() ~ z), "numbers", "data")
  refused(tw_formula(y ~ mi(none)) + tw_formula(none | mi() ~ z), "all missing", "data")
  refused(tw_formula(y ~ mi(q)) + tw_formula(q | mi() ~ z), "does not have", "data")
  data$k <- factor(ifelse(is.na(data$x), "only missing", rep(c("a", "b"), 24)))
  refused(tw_formula(y ~ mi(x)) + tw_formula(x | mi() ~ k), "cannot be imputed", "data")
  data$s[5] <- -1
  refused(tw_formula(y ~ mi(u)) + tw_formula(u | mi(s) ~ z), "positive", "data")
  expect_error(twill_genes(matrix(1:8, 2), ~ mi(x), col_data = data.frame(x = 1:4)), "not supported",
               class = "twill_error_formula")
  # Whole numbers are numbers.
  data$x <- as.integer(round(data$x))
  expect_s3_class(quick(tw_formula(y ~ mi(x)) + by, data, iter = 60), "twillfit")
})

test_that("gradients are those of the density", {
  data <- missing_data(n_groups = 4)
  formulas <- list(tw_formula(y ~ mi(x) * w + (1 |p| g), sigma ~ w) + tw_formula(x | mi() ~ z + (1 + z |p| g), sigma ~ (1 | g)),
                   tw_formula(y ~ mi(u) + w) + tw_formula(u | mi(s) ~ z + (1 | g)),
                   tw_formula(y | se(s, sigma = TRUE) ~ mi(x) + mi(u)) + tw_formula(x | mi() ~ z) + tw_formula(u | mi() ~ w))
  for (formula in formulas) {
    fit <- quick(formula, data, iter = 20)
    dim <- length(log_density_at(fit, rep(0, fit$info$dim))$gradient)
    position <- c(0.2, 0.3, rep_len(c(0.2, -0.1, 0.4), dim - 2))
    slope <- vapply(seq_len(dim), function(i) {
      h <- 1e-5 * (seq_len(dim) == i)
      (log_density_at(fit, position + h)$log_density - log_density_at(fit, position - h)$log_density) / 2e-5
    }, 0)
    expect_equal(log_density_at(fit, position)$gradient, slope, tolerance = 1e-5)
  }
})
