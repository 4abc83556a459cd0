# What a geneticist found: classes of related levels, singular precisions, units of matrices, pedigrees.

related_data <- function(n, of_class) {
  with_fixed_seed(1, {
    levels <- paste0("g", seq_len(n))
    k <- stats::cov2cor(crossprod(matrix(stats::rnorm(n * n), n)) / n + 0.2 * diag(n))
    dimnames(k) <- list(levels, levels)
    class <- rep_len(c("case", "ctrl"), n)
    u <- drop(t(chol(k)) %*% stats::rnorm(n)) * of_class[class]
    rows <- data.frame(g = rep(levels, 3), f = rep(class, 3), mean = rep(u, 3))
    rows$count <- stats::rpois(3 * n, exp(1 + rows$mean))
    rows$y <- rows$mean + stats::rnorm(3 * n, 0, 0.5)
    list(k = k, rows = rows)
  })
}

sds_of_classes <- function(fit) {
  draws <- as.matrix(fit, c("sd_g__Intercept:fcase", "sd_g__Intercept:fctrl"))
  stats::setNames(colMeans(draws), c("case", "ctrl"))
}

test_that("classes of related levels have each their own scale, also where the first and the last are of one class", {
  # An odd number of levels in turn.
  made <- related_data(101, c(case = 1.5, ctrl = 0.3))
  fit <- function(engine = "auto", order = seq_len(101)) {
    twill(count ~ 1 + (1 | gr(g, by = f, cov = K)), made$rows, family = poisson(), data2 = list(K = made$k[order, order]),
          iter = 1000, chains = 2, seed = 1, silent = 2, control = list(engine = engine))
  }
  found <- lapply(list(fit(), fit(order = c(2:101, 1)), fit("levels")), sds_of_classes)
  for (one in found) {
    expect_lt(abs(one["ctrl"] - 0.24), 0.12)
    expect_lt(abs(one["case"] - 1.29), 0.25)
  }
})

test_that("engines agree on classes of related levels, by their exact posterior", {
  made <- related_data(9, c(case = 1.5, ctrl = 0.3))
  prior <- priors_by_class(Intercept = "normal(0, 2)", sigma = "constant(0.5)")
  prior <- c(prior, tw_prior("constant(1.5)", class = "sd", group = "g", coef = "Intercept:fcase"),
             tw_prior("constant(0.3)", class = "sd", group = "g", coef = "Intercept:fctrl"))
  scale <- c(case = 1.5, ctrl = 0.3)[made$rows$f[1:9]]
  z <- diag(9)[match(made$rows$g, rownames(made$k)), ]
  v <- z %*% (made$k * outer(scale, scale)) %*% t(z) + 0.25 * diag(27)
  w <- solve(v, cbind(1, made$rows$y))
  variance <- 1 / (sum(w[, 1]) + 1 / 4)
  mean <- variance * sum(w[, 2])
  for (engine in c("levels", "joint", "auto")) {
    fit <- twill(y ~ 1 + (1 | gr(g, by = f, cov = K)), made$rows, data2 = list(K = made$k), prior = prior, iter = 2000,
                 chains = 2, seed = 1, silent = 2, intercept = "raw", control = list(engine = engine))
    expect_near(of_draws(fit, "b_Intercept"), mean, sqrt(variance))
  }
})

test_that("a precision that is singular is refused, however it is rounded", {
  for (seed in 1:12) {
    s <- 4 + seed %% 4
    cells <- expand.grid(seq_len(s), seq_len(s))
    w <- 1 * (as.matrix(stats::dist(cells, "manhattan")) == 1)
    w <- with_fixed_seed(seed, w * (function(u) u + t(u))(matrix(stats::runif(s^4, 0.5, 2), s^2)))
    q <- diag(rowSums(w)) - w
    dimnames(q) <- list(paste0("c", seq_len(s^2)), paste0("c", seq_len(s^2)))
    expect_error(precision_of_matrix(q, "Q"), "sum to zero.*0.99", class = "twill_error_data2")
    expect_error(precision_of_matrix(Matrix::Matrix(q, sparse = TRUE), "Q"), "sum to zero", class = "twill_error_data2")
    expect_true(is.finite(precision_of_matrix(q + diag(1e-5, s^2), "Q")$log_det))
  }
})

test_that("ancestors without rows are integrated out, not conditioned on", {
  pedigree <- with_fixed_seed(13, data.frame(id = c(paste0("f", 1:6), paste0("k", 1:40)),
                                             dam = c(rep(NA, 6), sample(paste0("f", 1:3), 40, TRUE)),
                                             sire = c(rep(NA, 6), sample(paste0("f", 4:6), 40, TRUE))))
  rows <- data.frame(id = rep(paste0("k", 1:40), 2), sex = rep(c("m", "f"), 40), y = with_fixed_seed(1, stats::rnorm(80)))
  expect_error(twill(y ~ sex + (1 | gr(id, by = sex, prec = Q)), rows, data2 = list(Q = tw_pedigree(pedigree)), silent = 2),
               "cov = K.*solve\\(Q\\)", class = "twill_error_data2")
})

test_that("codes of unknown parents are seen", {
  pedigree <- data.frame(id = c("a", "b", "c", "d"), dam = c("-9", "-9", "a", NA), sire = c("-9", "-9", "b", NA))
  expect_error(tw_pedigree(pedigree), "-9", class = "twill_error_data")
  pedigree[pedigree == "-9"] <- "x0"
  expect_message(tw_pedigree(pedigree), "x0.*unknown parents", class = "twill_message_pedigree")
  pedigree$sire[1:2] <- "y0"
  expect_no_message(tw_pedigree(pedigree), "twill_message_pedigree")
})

test_that("default priors of spreads know the unit of the matrix", {
  rows <- with_fixed_seed(1, data.frame(sp = rep(paste0("sp", 1:20), 3), y = stats::rnorm(60)))
  a <- 0.7^abs(outer(1:20, 1:20, "-"))
  dimnames(a) <- list(paste0("sp", 1:20), paste0("sp", 1:20))
  of <- function(...) {
    table <- tw_default_prior(..., data = rows)
    as.numeric(sub(".*, ([0-9.e+-]+)\\)$", "\\1", table$prior[table$class == "sd"][1]))
  }
  by_cov <- function(k) of(y ~ 1 + (1 | gr(sp, cov = A)), data2 = list(A = k * a))
  by_prec <- function(k) of(y ~ 1 + (1 | gr(sp, prec = Q)), data2 = list(Q = solve(k * a)))
  plain <- by_cov(1)
  expect_equal(c(by_cov(3e-5), by_cov(3e-7), by_cov(100)) / plain, c(100, 1000, 1), tolerance = 1e-3)
  expect_equal(c(by_prec(0.5), by_prec(3e-5), by_prec(3e-7)) / plain, c(1, 100, 1000), tolerance = 1e-3)
})

test_that("weights of members may be numbers", {
  rows <- with_fixed_seed(2, data.frame(a = sample(letters[1:6], 60, TRUE), b = sample(letters[1:6], 60, TRUE),
                                        y = stats::rnorm(60), one = 1, minus = -1))
  short <- function(formula) twill(formula, rows, chains = 1, iter = 40, seed = 1, silent = 2)$draws
  expect_identical(short(y ~ 1 + (1 | mm(a, b, weights = cbind(1, -1), scale = FALSE))),
                   short(y ~ 1 + (1 | mm(a, b, weights = cbind(one, minus), scale = FALSE))))
})

test_that("parts of variance have the diagonal of the matrix", {
  skip_if_not_installed("insight")
  rows <- with_fixed_seed(1, data.frame(sp = rep(paste0("sp", 1:30), 3), u = rep(stats::rnorm(30), 3), e = stats::rnorm(90)))
  rows$y <- rows$u + 0.5 * rows$e
  k <- diag(30)
  dimnames(k) <- list(paste0("sp", 1:30), paste0("sp", 1:30))
  part <- function(formula, ...) {
    fit <- twill(formula, rows, chains = 2, iter = 1000, seed = 1, silent = 2, ...)
    insight::get_variance(fit)$var.random
  }
  plain <- part(y ~ 1 + (1 | sp))
  expect_equal(part(y ~ 1 + (1 | gr(sp, cov = K)), data2 = list(K = 9 * k)), plain, tolerance = 0.15)
  expect_equal(part(y ~ 1 + (1 | gr(sp, prec = Q)), data2 = list(Q = k / 9)), plain, tolerance = 0.15)
})
