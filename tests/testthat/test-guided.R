# Engine "guided": the posterior of the other engines, effective draws that are what they say, and where it is refused.

crossed_rows <- with_fixed_seed(11, {
  d <- expand.grid(a = gl(8, 1, labels = letters[1:8]), b = gl(6, 1, labels = LETTERS[1:6]), copy = 1:3)
  d$x <- round(rnorm(nrow(d)), 2)
  d$s <- runif(nrow(d), 0.3, 0.8)
  d$w <- sample(1:3, nrow(d), TRUE)
  slope <- rnorm(8, 0.3, 0.3)
  d$y <- rnorm(8, 0, 0.6)[d$a] + rnorm(6, 0, 0.4)[d$b] + slope[d$a] * d$x + rnorm(nrow(d), 0, 0.5)
  d
})

guided_fit <- function(formula, ..., engine = "guided", seed = 1, iter = 1300, data = crossed_rows) {
  twill(formula, data, ..., chains = 4, iter = iter, warmup = 300, seed = seed, silent = 2, control = list(engine = engine))
}

relatives <- 0.6^abs(outer(1:8, 1:8, "-"))
dimnames(relatives) <- list(letters[1:8], letters[1:8])
errors <- kronecker(diag(nrow(crossed_rows) / 2), matrix(c(1, 0.4, 0.4, 1), 2))

cases <- list(
  intercepts = list(y ~ x + (1 | a) + (1 | b)),
  correlated = list(y ~ x + (1 + x | a) + (1 | b), prior = tw_prior("lkj(2)", class = "cor")),
  uncorrelated = list(y ~ x + (1 + x || a) + (1 | b), prior = priors_by_class(sd = "gamma(2, 3)", sigma = "exponential(1)")),
  nested = list(y ~ x + (1 | a / b), prior = priors_by_class(sd = "student_t(4, 0, 0.5)", sigma = "lognormal(-0.5, 0.5)")),
  weights = list(y | weights(w) ~ x + (1 | a) + (1 | b), prior = priors_by_class(sd = "normal(0, 0.5)", b = "normal(0, 0.2)")),
  known_errors = list(y | se(s) ~ x + (1 + x | a) + (1 | b)),
  constants = list(y ~ x + (1 + x | a) + (1 | b), prior = priors_by_class(
    sd = "inv_gamma(3, 1)", `sd:x` = "constant(0.3)", cor = "constant(-0.2)", b = "constant(0.4)")),
  known_sigma = list(y ~ x + (1 | a) + (1 | b), prior = tw_prior("constant(0.5)", class = "sigma")),
  free_means = list(y ~ 0 + x + tw_re(a, mean = "normal(0, 1)") + tw_re(b, mean = "normal(0, 1)")),
  related = list(y ~ x + (1 | gr(a, cov = K)) + (1 | b), data2 = list(K = relatives)),
  pairs = list(y ~ x + (1 + x | a) + (1 | b) + (1 | a:b)),
  pairs_of_weights = list(y | weights(w) ~ x + (1 | a) + (1 | b) + (1 | a:b), data = crossed_rows[-(1:20), ]),
  pairs_by_class = list(y ~ x + (1 | a) + (1 | gr(ab, by = half)),
                        data = transform(crossed_rows, ab = interaction(a, b), half = ifelse(as.integer(b) > 3, "u", "l"))),
  related_errors = list(y ~ x + (1 | a) + fcor(V), data2 = list(V = errors)))

#' Largest difference of means and of mean squares, in units of Monte Carlo error.
largest_z <- function(a, b) {
  moments <- function(fit, power) {
    draws <- fit$draws^power
    posterior::summarise_draws(draws, "mean", "mcse_mean")
  }
  z <- function(power) {
    a <- moments(a, power)
    b <- moments(b, power)
    error <- sqrt(a$mcse_mean^2 + b$mcse_mean^2)
    abs(a$mean - b$mean)[which(error > 0)] / error[which(error > 0)]
  }
  max(z(1), z(2))
}

test_that("the posterior is that of the collapsed engine", {
  for (name in names(cases)) {
    guided <- do.call(guided_fit, cases[[name]])
    collapsed <- do.call(guided_fit, c(cases[[name]], engine = "collapsed", seed = 2))
    expect_identical(c(guided$info$engine, collapsed$info$engine), c("guided", "collapsed"), label = name)
    expect_lt(largest_z(guided, collapsed), 4.7, label = name)
    expect_lt(max(rhat(guided), na.rm = TRUE), 1.03, label = name)
    expect_gt(min(neff_ratio(guided), na.rm = TRUE), 0.05, label = name)
  }
})

test_that("Monte Carlo errors are those that fits of other seeds differ by", {
  fits <- lapply(1:24, function(seed) guided_fit(cases$correlated[[1]], seed = seed, iter = 500))
  scales <- c("sd_a__Intercept", "sd_a__x", "cor_a__Intercept__x", "sd_b__Intercept", "sigma")
  for (name in scales) {
    each <- vapply(fits, function(fit) {
      x <- unclass(fit$draws)[, , name]
      c(mean(x), posterior::mcse_mean(x))
    }, c(0, 0))
    ratio <- var(each[1, ]) / mean(each[2, ]^2)
    # A chi-square of 23 degrees of freedom over them.
    expect_lt(ratio, stats::qchisq(1 - 1e-4, 23) / 23)
    expect_gt(ratio, stats::qchisq(1e-4, 23) / 23)
  }
})

test_that("draws, threads, kept warm-up and thinning", {
  model <- y ~ x + (1 | a) + (1 | b)
  run <- function(...) {
    twill(model, crossed_rows, chains = 2, iter = 120, warmup = 40, seed = 3, silent = 2, control = list(engine = "guided"), ...)
  }
  fit <- run(cores = 1, save_pars = tw_save(warmup = TRUE))
  expect_identical(run(cores = 2, save_pars = tw_save(warmup = TRUE))$draws, fit$draws)
  expect_identical(niterations(posterior::as_draws_array(as_draws(fit, inc_warmup = TRUE))), 120L)
  expect_identical(dim(run(thin = 4)$draws)[1:2], c(20L, 2L))
  expect_identical(dim(log_lik(fit)), c(160L, nrow(crossed_rows)))
  expect_true(all(nuts_params(fit, "n_leapfrog__")$Value == 1))
})

test_that("the summary says how many proposals were accepted", {
  fit <- guided_fit(y ~ x + (1 | a) + (1 | b), iter = 500)
  shown <- capture.output(print(summary(fit)))
  expect_match(paste(shown, collapse = " "), "guided \\(effects integrated out, scales proposed by a guide\\)")
  share <- as.numeric(sub(".*accepted (\\d+) %.*", "\\1", grep("proposals of the guide accepted", shown, value = TRUE)))
  expect_equal(share / 100, mean(nuts_params(fit, "accept_stat__")$Value), tolerance = 0.02)
  expect_gt(share, 40)
  expect_no_match(paste(shown, collapse = " "), "divergent|E-BFMI")
})

test_that("models without a guide are refused, by other methods too", {
  refused <- function(formula, ..., pattern = "need a Gaussian model") {
    expect_error(guided_fit(formula, ..., iter = 400), pattern, class = "twill_error_spec")
  }
  counts <- transform(crossed_rows, n = rpois(nrow(crossed_rows), 3))
  refused(n ~ x + (1 | a), family = poisson(), data = counts)
  refused(n ~ x + (1 | a), family = negbinomial(), data = counts)
  refused(tw_formula(y ~ x + (1 | a), sigma ~ x))
  refused(y | se(s, sigma = TRUE) ~ x + (1 | a))
  refused(y ~ x + (1 | a), prior = tw_prior("student_t(3, 0, 1)", class = "b"))
  refused(y ~ x + (1 | a), prior = tw_prior("normal(0, 1)", class = "b"), sample_prior = "only")
  of_method <- function(method) {
    twill(y ~ x + (1 | a), crossed_rows, method = method, control = list(engine = "guided"), silent = 2)
  }
  expect_error(of_method("hmc"), "control\\$engine", class = "twill_error_setting")
  for (method in c("svi", "laplace")) expect_error(of_method(method), "counts of one shape", class = "twill_error_spec")
})

test_that("trajectories take over where there are too many scales for a guide, and a message says so", {
  x <- with_fixed_seed(4, matrix(rnorm(nrow(crossed_rows) * 36), ncol = 36, dimnames = list(NULL, paste0("x", 1:36))))
  wide <- cbind(crossed_rows, x)
  formula <- stats::reformulate(c(colnames(x), "(1 | a)"), "y")
  expect_message(
    fit <- suppressWarnings(twill(formula, wide, prior = tw_prior("horseshoe(1)", class = "b"), chains = 1, iter = 60, seed = 1,
                                  refresh = 0, intercept = "raw", control = list(engine = "guided"))),
    "trajectories took over", class = "twill_message_taken_over")
  expect_identical(fit$info$engine, "collapsed")
  expect_match(paste(capture.output(print(summary(fit))), collapse = " "), "trajectories took over")
})

#' Four guides of each gene in each line, whose slopes are on a covariate of gene and line.
screen_rows <- function(n_genes, n_lines) {
  d <- expand.grid(guide = gl(4 * n_genes, 1), line = gl(n_lines, 1))
  d$gene <- factor((as.integer(d$guide) - 1) %/% 4)
  d$rna <- rnorm(n_genes * n_lines)[(as.integer(d$line) - 1) * n_genes + as.integer(d$gene)]
  d$y <- rnorm(n_genes, 0, 0.5)[d$gene] + rnorm(n_genes, 0.1, 0.2)[d$gene] * d$rna + rnorm(4 * n_genes, 0, 0.3)[d$guide] +
    rnorm(n_lines, 0, 0.2)[d$line] + rnorm(nrow(d), 0, 0.4)
  d
}

test_that("a guide is chosen where factorisations are dear and nothing was asked that it cannot do", {
  engine_of <- function(data, ..., formula = y ~ rna + (1 + rna | gene) + (1 | guide) + (1 | line)) {
    twill(formula, data, chains = 1, iter = 12, warmup = 6, seed = 1, silent = 2, ...)$info$engine
  }
  large <- with_fixed_seed(6, screen_rows(60, 60))
  expect_identical(engine_of(large), "guided")
  expect_identical(engine_of(large[large$line %in% 1:6, ]), "collapsed")
  expect_false(engine_of(large, init = "random") == "guided")
  expect_false(engine_of(large, control = list(metric = "diag")) == "guided")
  expect_false(engine_of(large, method = "hmc") == "guided")
  expect_false(engine_of(large, prior = tw_prior("student_t(3, 0, 1)", class = "b")) == "guided")
  expect_false(engine_of(transform(large, y = rpois(nrow(large), 2)), family = poisson()) == "guided")
})

test_that("estimates of a large crossed model are those of lmer", {
  skip_if_not_installed("lme4")
  screen <- with_fixed_seed(5, screen_rows(40, 25))
  formula <- y ~ rna + (1 + rna | gene) + (1 | guide) + (1 | line)
  fit <- guided_fit(formula, data = screen, iter = 700)
  expect_identical(fit$info$engine, "guided")
  exact <- lme4::lmer(formula, screen)
  sds <- as.data.frame(lme4::VarCorr(exact))
  main <- c(lme4::fixef(exact), sds$sdcor[c(2, 3, 1, 5, 6)])
  names <- c("b_Intercept", "b_rna", "sd_gene__Intercept", "sd_gene__rna", "sd_guide__Intercept", "sd_line__Intercept", "sigma")
  expect_identical(sds$grp[c(2, 3, 1, 5, 6)], c("gene", "gene", "guide", "line", "Residual"))
  draws <- vapply(names, function(name) draws_in(fit, name), numeric(1600))
  # A mode of the likelihood and a mean of the posterior differ by a part of the posterior's sd.
  expect_lt(max(abs(colMeans(draws) - main) / apply(draws, 2, sd)), 0.8)
})
