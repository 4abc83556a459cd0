# Effective draws per second of an animal model, beside a Gibbs sampler with the steps of MCMCglmm: all location effects at once
# by sparse Cholesky (CHOLMOD, through Matrix), then each variance. 1,000 animals in ten generations, 900 records.
#
#     Rscript bench/related.R

suppressPackageStartupMessages({
  library(twill)
  library(Matrix)
})

simulate_herd <- function(generations = 10, size = 100) {
  herd <- data.frame(animal = sprintf("a01_%03d", seq_len(size)), mother = NA, father = NA, sex = rep(c("m", "f"), size / 2))
  parents <- herd
  for (g in seq_len(generations)[-1]) {
    fathers <- sample(parents$animal[parents$sex == "m"], size / 10)
    mothers <- sample(parents$animal[parents$sex == "f"], 0.4 * size)
    parents <- data.frame(animal = sprintf("a%02d_%03d", g, seq_len(size)), mother = sample(mothers, size, TRUE),
                          father = sample(fathers, size, TRUE), sex = rep(c("m", "f"), size / 2))
    herd <- rbind(herd, parents)
  }
  herd
}

gibbs <- function(data, precision, iterations) {
  n <- nrow(data)
  levels <- nrow(precision)
  x <- cbind(1, data$sex == "m")
  z <- sparseMatrix(seq_len(n), match(data$animal, rownames(precision)), x = 1, dims = c(n, levels))
  w <- cbind(Matrix(x, sparse = TRUE), z)
  information <- forceSymmetric(crossprod(w))
  prior <- forceSymmetric(bdiag(Diagonal(2, 1e-8), precision))
  pull <- drop(crossprod(w, data$y))
  variance <- c(1, 1)
  root <- Cholesky(information + prior, perm = TRUE, LDL = FALSE)
  out <- matrix(0, iterations, 4)
  for (i in seq_len(iterations)) {
    root <- update(root, information / variance[1] + prior / variance[2])
    noise <- solve(root, solve(root, rnorm(levels + 2), system = "Lt"), system = "Pt")
    b <- drop(solve(root, pull / variance[1], system = "A") + noise)
    residual <- data$y - drop(w %*% b)
    u <- b[-(1:2)]
    squares <- c(sum(residual^2), sum(u * drop(precision %*% u)))
    variance <- squares / 2 / rgamma(2, (c(n, levels) - 1) / 2)
    out[i, ] <- c(b[1:2], sqrt(variance[2:1]))
  }
  out[-seq_len(iterations / 20), ]
}

set.seed(1)
herd <- simulate_herd()
precision <- tw_pedigree(herd)
effects <- drop(crossprod(chol(solve(as.matrix(precision))), rnorm(nrow(precision))))
names(effects) <- rownames(precision)
data <- herd[!is.na(herd$mother), ]
data$y <- 2 + 0.5 * (data$sex == "m") + effects[data$animal] + rnorm(nrow(data))

timed <- function(expression) {
  clock <- proc.time()
  value <- expression
  spent <- proc.time() - clock
  list(value = value, seconds = c(cpu = spent[["user.self"]] + spent[["sys.self"]], wall = spent[["elapsed"]]))
}
report <- function(name, draws, seconds) {
  ess <- suppressWarnings(apply(draws, 2, function(x) posterior::ess_bulk(matrix(x, ncol = 2))))
  cat(sprintf("%s: %.1f s of CPU (%.1f s), smallest ESS %.0f, %.1f a second of CPU\n", name, seconds[1], seconds[2], min(ess),
              min(ess) / seconds[1]))
  print(round(rbind(mean = colMeans(draws), sd = apply(draws, 2, sd)), 3))
}

variables <- c("b_Intercept", "b_sexm", "sd_animal__Intercept", "sigma")
for (engine in c("collapsed", "joint")) {
  run <- timed(twill(y ~ sex + (1 | gr(animal, prec = Q)), data, data2 = list(Q = precision), chains = 2, iter = 2000, cores = 1,
                     seed = 1, silent = 2, control = list(engine = engine)))
  draws <- as.matrix(posterior::as_draws_matrix(run$value$draws)[, variables])
  report(engine, draws, run$seconds)
}
set.seed(2)
run <- timed(gibbs(data, as(precision, "generalMatrix"), 2000))
report("gibbs", `colnames<-`(run$value, variables), run$seconds)
