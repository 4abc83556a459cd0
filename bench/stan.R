# Models of relatives and of measured effects beside Stan: the smallest bulk effective sample size of the scales and coefficients
# per second of the processor, warm-up counted, compilation not.
#
#   Rscript bench/stan.R [--part animals|species|slope] [--animals 200] [--iter 400]
#
# twill has two chains of five times the iterations.
#
# - animals: an animal model of so many animals in ten generations.
# - species: 200 species of a random tree, two records each, a slope that evolves along it as the intercept does.
# - slope: MR Locus's alpha and sigma, by Stan's program as its authors state the model.
#
# Stan takes relatives by the Cholesky factor of their covariance and standardised effects, as brms writes `gr(g, cov = A)`; it
# has one chain. Needs rstan (Debian: r-cran-rstan) and a C++ compiler.
source("bench/process.R")
suppressPackageStartupMessages({
  library(twill)
  library(Matrix)
})

part <- option("part", "")
iter <- as.integer(option("iter", 400))

related_program <- "
data {
  int n; int p; int q; int levels;
  matrix[n, p] x; matrix[n, q] z; int level[n]; vector[n] y; matrix[levels, levels] root; vector[3] scale;
}
parameters {
  vector[p] b; vector<lower=0>[q] tau; real<lower=0> sigma; matrix[levels, q] u;
}
model {
  matrix[levels, q] r = diag_post_multiply(root * u, tau);
  vector[n] mu = x * b;
  for (i in 1:n) mu[i] += dot_product(z[i], r[level[i]]);
  y ~ normal(mu, sigma);
  b ~ normal(0, 10);
  tau ~ student_t(3, 0, scale[1]);
  sigma ~ student_t(3, 0, scale[2]);
  to_vector(u) ~ std_normal();
}"

# MR Locus's second step: true effects on the mediator, and the outcome's around a line through zero.
slope_program <- "
data {
  int n; vector[n] a_hat; vector[n] b_hat; vector[n] se_a; vector[n] se_b; real sd_alpha; real sd_sigma; real sd_a;
}
parameters {
  real alpha; real<lower=0> sigma; vector[n] a; vector[n] b;
}
model {
  a_hat ~ normal(a, se_a);
  b_hat ~ normal(b, se_b);
  b ~ normal(alpha * a, sigma);
  a ~ normal(0, sd_a);
  alpha ~ normal(0, sd_alpha);
  sigma ~ normal(0, sd_sigma);
}"

timed <- function(expression) {
  clock <- proc.time()
  value <- expression
  spent <- proc.time() - clock
  list(value = value, seconds = sum(spent[c("user.self", "sys.self", "user.child", "sys.child")]))
}

row_of <- function(draws, chains, seconds) {
  ess <- suppressWarnings(apply(draws, 2, function(x) posterior::ess_bulk(matrix(x, ncol = chains))))
  data.frame(seconds, ess = min(ess), per_second = min(ess) / seconds, t(colMeans(draws)), check.names = FALSE)
}

# Debian's BH is empty: the system has its headers.
if (!dir.exists(system.file("include", "boost", package = "BH"))) invisible(rstan::rstan_options(boost_lib = "/usr/include"))

by_stan <- function(program, data, variables, names, ...) {
  model <- rstan::stan_model(model_code = program)
  # Sampling in this process, so that its time is seen.
  run <- timed(rstan::sampling(model, data, chains = 1, iter = iter, seed = 1, refresh = 0, cores = 1, ...))
  draws <- as.matrix(run$value, variables)
  row_of(`colnames<-`(draws, names), 1, run$seconds)
}

by_twill <- function(variables, ...) {
  run <- timed(twill(..., chains = 2, iter = 5 * iter, cores = 1, seed = 1, silent = 2))
  row_of(as.matrix(run$value, variable = variables), 2, run$seconds)
}

compare <- function(what, twill, stan) {
  cat("\n", what, "\n", sep = "")
  print(rbind(twill = twill, stan = stan), digits = 3)
  cat(sprintf("twill has %.0f times as many effective draws a second.\n", twill$per_second / stan$per_second))
}

related <- function(what, data, precision, slopes) {
  names <- rownames(precision)
  covariance <- as.matrix(solve(precision))
  formula <- if (slopes) y ~ x + (1 + x || gr(level, prec = Q)) else y ~ x + (1 | gr(level, prec = Q))
  prior <- c(tw_prior("normal(0, 10)", class = "b"), tw_prior("normal(0, 10)", class = "Intercept"),
             tw_prior("student_t(3, 0, 2.5)", class = "sd"), tw_prior("student_t(3, 0, 2.5)", class = "sigma"))
  terms <- c("Intercept", if (slopes) "x")
  variables <- c("b_Intercept", "b_x", paste0("sd_level__", terms), "sigma")
  twill <- by_twill(variables, formula, data, data2 = list(Q = precision), prior = prior)
  x <- cbind(1, data$x)
  input <- list(n = nrow(data), p = 2, q = length(terms), levels = length(names), x = x, z = x[, seq_along(terms), drop = FALSE],
                level = match(data$level, names), y = data$y, root = t(chol(covariance)), scale = c(2.5, 2.5, 0))
  compare(what, twill, by_stan(related_program, input, c("b", "tau", "sigma"), variables))
}

simulate_herd <- function(n, generations = 10) {
  size <- n %/% generations
  name <- function(g) sprintf("a%02d_%03d", g, seq_len(size))
  herd <- data.frame(animal = name(1), mother = NA, father = NA)
  for (g in 2:generations) {
    before <- name(g - 1)
    herd <- rbind(herd, data.frame(animal = name(g), mother = sample(before[seq(2, size, 2)], size, TRUE),
                                   father = sample(before[seq(1, size, 10)], size, TRUE)))
  }
  herd
}

animals <- function(n) {
  set.seed(1)
  precision <- tw_pedigree(simulate_herd(n))
  effects <- drop(crossprod(chol(as.matrix(solve(precision))), rnorm(n)))
  data <- data.frame(level = rownames(precision), x = rnorm(n))
  data$y <- 2 + 0.5 * data$x + effects + rnorm(n)
  related(sprintf("Animal model, %d animals", n), data, precision, slopes = FALSE)
}

# The covariance of a random tree by joining lineages two by two, scaled to one on the diagonal.
random_tree <- function(n) {
  height <- 0
  covariance <- matrix(0, n, n)
  clades <- as.list(seq_len(n))
  while (length(clades) > 1) {
    wait <- rexp(1, choose(length(clades), 2))
    height <- height + wait
    pair <- sample(length(clades), 2)
    a <- clades[[pair[1]]]
    b <- clades[[pair[2]]]
    covariance[a, b] <- covariance[b, a] <- -height
    clades <- c(clades[-pair], list(c(a, b)))
  }
  covariance <- covariance + height
  covariance / height
}

species <- function(n = 200) {
  set.seed(2)
  covariance <- random_tree(n) + diag(1e-8, n)
  dimnames(covariance) <- rep(list(sprintf("s%03d", seq_len(n))), 2)
  root <- t(chol(covariance))
  effects <- cbind(0.8 * root %*% rnorm(n), 0.4 * root %*% rnorm(n))
  data <- data.frame(level = rep(rownames(covariance), 2), x = rnorm(2 * n))
  data$y <- 1 + 0.5 * data$x + effects[, 1] + effects[, 2] * data$x + rnorm(2 * n, 0, 0.5)
  precision <- solve(covariance)
  precision <- (precision + t(precision)) / 2
  dimnames(precision) <- dimnames(covariance)
  related(sprintf("Phylogeny of %d species, slopes", n), data, precision, slopes = TRUE)
}

slope <- function() {
  loci <- data.frame(a = c(0.746, 1.685, 3.046, 3.760), b = c(0.149, 1.017, 1.730, 1.668), se_a = 0.25, se_b = 0.25)
  sds <- c(alpha = 2 * abs(coef(lm(b ~ 0 + a, loci)))[[1]], sigma = max(2 * sd(loci$b), abs(loci$b)), a = 2 * max(abs(loci$a)))
  normal <- function(sd) sprintf("normal(0, %.10g)", sd)
  prior <- c(tw_prior(normal(sds[["alpha"]]), class = "b"), tw_prior(normal(sds[["sigma"]]), class = "sigma"),
             tw_prior("constant(0)", class = "meanme"), tw_prior(sprintf("constant(%.10g)", sds[["a"]]), class = "sdme"))
  twill <- by_twill(c("bsp_mease_a", "sigma"), b | se(se_b, sigma = TRUE) ~ 0 + me(a, se_a), loci, prior = prior, method = "hmc")
  input <- list(n = 4, a_hat = loci$a, b_hat = loci$b, se_a = loci$se_a, se_b = loci$se_b, sd_alpha = sds[["alpha"]],
                sd_sigma = sds[["sigma"]], sd_a = sds[["a"]])
  compare("MR Locus's slope", twill, by_stan(slope_program, input, c("alpha", "sigma"), c("bsp_mease_a", "sigma"),
                                             control = list(adapt_delta = 0.99)))
}

if (part %in% c("", "slope")) slope()
if (part %in% c("", "species")) species()
if (part %in% c("", "animals")) animals(as.integer(option("animals", 200)))
