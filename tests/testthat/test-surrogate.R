# Engine "guided" where a polynomial stands for the log density of the scales: the posterior of other engines, and what is said
# of it.

#' Raters and items, one pair in ten.
rating_rows <- function(n_users, n_items) {
  n <- n_users * n_items / 10
  user <- sample(n_users, n, TRUE, prob = stats::rexp(n_users) + 0.1)
  item <- sample(n_items, n, TRUE, prob = stats::rexp(n_items) + 0.1)
  x <- rnorm(n)
  rating <- 3 + 0.5 * rnorm(n_users)[user] + 0.4 * rnorm(n_items)[item] + rnorm(n_users, 0.1, 0.4)[user] * x + 0.8 * rnorm(n)
  data.frame(rating, x, user = factor(user), item = factor(item))
}

ratings <- with_fixed_seed(1, rating_rows(400, 220))
rating_prior <- c(tw_prior("normal(3, 2)", class = "Intercept"), tw_prior("student_t(3, 0, 1)", class = "sd"))

rating_fit <- function(..., formula = rating ~ x + (1 | user) + (1 | item), iter = 800, warmup = 300, seed = 1) {
  twill(formula, ratings, prior = rating_prior, chains = 4, iter = iter, warmup = warmup, seed = seed, silent = 2, ...)
}

fit <- rating_fit()

test_that("the summary says how near the polynomial is", {
  expect_identical(fit$info$engine, "guided")
  said <- fit$info$surrogate
  expect_lt(said$largest_error, 0.05)
  expect_lt(said$values, 120)
  shown <- gsub("\\s+", " ", paste(capture.output(print(summary(fit))), collapse = " "))
  expect_match(shown, sprintf("by a polynomial of degree %d through %d values; off by at most [0-9.e-]+ at %d draws", said$degree,
                              said$values, said$checks))
  expect_no_match(shown, "proposals of the guide|expected to take")
})

test_that("auto takes the way that it expects to be the shorter, and says so", {
  many <- with_fixed_seed(2, rating_rows(1200, 740)[1:20000, ])
  run <- function(iter) {
    twill(rating ~ 1 + (1 | user) + (1 | item), many, prior = rating_prior, chains = 4, iter = iter, seed = 1, silent = 2,
          save_pars = tw_save(group = FALSE))
  }
  long <- run(600)
  expect_identical(long$info$engine, "guided")
  expect_lt(long$info$predicted$guided, long$info$predicted$levels)
  expect_match(gsub("\\s+", " ", paste(capture.output(print(summary(long))), collapse = " ")),
               "expected to take [0-9.]+ s by a guide, [0-9.]+ s level by level")
  short <- run(20)
  expect_identical(short$info$engine, "levels")
  expect_gt(short$info$predicted$guided, short$info$predicted$levels)
})

test_that("the posterior is that of trajectories level by level", {
  levels <- rating_fit(control = list(engine = "levels"), iter = 1300, seed = 2)
  expect_identical(levels$info$engine, "levels")
  moments <- function(fit, power) posterior::summarise_draws(fit$draws^power, "mean", "mcse_mean")
  for (power in 1:2) {
    a <- moments(fit, power)
    b <- moments(levels, power)
    z <- (a$mean - b$mean) / sqrt(a$mcse_mean^2 + b$mcse_mean^2)
    # 620 effects, 4 scales and coefficients, lprior and lp.
    expect_lt(max(abs(z)), 4.9)
    expect_lt(abs(sd(z) - 1), 0.2)
  }
  main <- c("b_Intercept", "b_x", "sd_user__Intercept", "sd_item__Intercept", "sigma")
  expect_lt(max(rhat(fit, pars = main)), 1.01)
  expect_gt(min(neff_ratio(fit, pars = main)), 0.7)
})

test_that("slopes go the same way", {
  both <- rating ~ x + (1 + x | user) + (1 | item)
  surrogate <- rating_fit(formula = both, control = list(engine = "guided"))
  expect_false(is.null(surrogate$info$surrogate))
  exact <- lme4::lmer(both, ratings, REML = TRUE)
  sds <- as.data.frame(lme4::VarCorr(exact))
  main <- c(lme4::fixef(exact), sds$sdcor)
  expect_identical(sds$grp, c("user", "user", "user", "item", "Residual"))
  names <- c("b_Intercept", "b_x", "sd_user__Intercept", "sd_user__x", "cor_user__Intercept__x", "sd_item__Intercept", "sigma")
  draws <- vapply(names, function(name) draws_in(surrogate, name), numeric(2000))
  # A mode of the likelihood and a mean of the posterior differ by a part of the posterior's sd.
  expect_lt(max(abs(colMeans(draws) - main) / apply(draws, 2, sd)), 0.8)
})

test_that("draws do not depend on threads, and what is kept of them is what was asked for", {
  run <- function(...) rating_fit(iter = 90, warmup = 20, ...)
  one <- run(cores = 1, save_pars = tw_save(warmup = TRUE))
  expect_identical(run(cores = 2, save_pars = tw_save(warmup = TRUE))$draws, one$draws)
  expect_identical(niterations(posterior::as_draws_array(as_draws(one, inc_warmup = TRUE))), 90L)
  expect_identical(dim(run(thin = 7)$draws)[1:2], c(10L, 4L))
  all <- run()
  few <- run(save_pars = tw_save(group = 12))
  effects <- grep("^r_", variables(all), value = TRUE)
  expect_equal(unname(few$effects$mean), unname(apply(unclass(all$draws)[, , effects], 3, mean)), tolerance = 1e-10)
})

test_that("a fit goes on after its process was killed, with the same draws", {
  skip_on_os("windows")
  file <- withr::local_tempfile(fileext = ".rds")
  run <- function(...) {
    twill(rating ~ x + (1 | user) + (1 | item), ratings, prior = rating_prior, chains = 2, iter = 1500, warmup = 20, seed = 4,
          silent = 2, ...)
  }
  child <- parallel::mcparallel(run(file = file, control = list(checkpoint = 0.02)))
  for (look in 1:1500) {
    if (length(list.files(paste0(file, ".chains"), "^chain-[12]$")) == 2) break
    Sys.sleep(0.02)
  }
  tools::pskill(child$pid, tools::SIGKILL)
  suppressWarnings(parallel::mccollect(child))
  expect_false(file.exists(file))
  expect_identical(run(file = file, control = list(checkpoint = 0.02))$draws, run()$draws)
})
