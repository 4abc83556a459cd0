# Counts of guides in genes, crossed with lines: scales of nested terms, where a climb from a start without effects took a
# standard deviation to zero, and levels by themselves mix badly.

nested_counts <- local({
  set.seed(1)
  n_genes <- 100
  n_lines <- 20
  rows <- expand.grid(line = seq_len(n_lines), guide = 1:4, gene = seq_len(n_genes))
  guide <- (rows$gene - 1) * 4 + rows$guide
  x <- matrix(rnorm(n_genes * n_lines), n_genes)
  rows$x <- x[cbind(rows$gene, rows$line)]
  eta <- 6 + rnorm(n_genes, -0.3, 0.5)[rows$gene] + rnorm(n_genes, 0, 0.2)[rows$gene] * rows$x +
    rnorm(4 * n_genes, 0, 0.3)[guide] + rnorm(n_lines, 0, 0.2)[rows$line]
  rows$y <- rnbinom(nrow(rows), mu = exp(eta + rnorm(4 * n_genes, 0, 0.6)[guide]), size = 10)
  rows$guide <- guide
  rows
})

test_that("no standard deviation of nested levels is lost on the way to the mode", {
  # What was simulated, and the posterior's width with so many levels.
  true <- c(sd_gene__Intercept = 0.5, sd_gene__x = 0.2, sd_guide__Intercept = sqrt(0.3^2 + 0.6^2), sd_line__Intercept = 0.2)
  width <- true / sqrt(2 * c(100 / 2, 100, 300, 20))
  for (engine in c("auto", "joint")) {
    fit <- twill(y ~ x + (1 + x || gene) + (1 | guide) + (1 | line), nested_counts, "negbinomial", method = "laplace",
                 seed = 1, silent = 2, control = list(engine = engine))
    sds <- colMeans(as.matrix(fit, variable = names(true)))
    expect_lt(max(abs(sds - true) / width), 4.5)
    expect_lt(fit$info$pareto_k, 0.9)
    expect_identical(fit$info$engine, c(auto = "nested", joint = "joint")[[engine]])
  }
})

test_that("all effects together are worth it where counts have nested levels", {
  few <- droplevels(nested_counts[nested_counts$gene <= 25 & nested_counts$line <= 8, ])
  engine <- function(formula) {
    suppressWarnings(twill(formula, few, "negbinomial", chains = 1, iter = 20, seed = 1, silent = 2, refresh = 0))$info$engine
  }
  expect_identical(engine(y ~ x + (1 + x || gene) + (1 | guide) + (1 | line)), "joint")
  expect_identical(engine(y ~ x + (1 | guide) + (1 | line)), "levels")
})

# Engine "guided" of the approximations: by blocks of genes that meet only through lines and coefficients.

many_lines <- local({
  set.seed(2)
  rows <- expand.grid(line = 1:60, guide = 1:2, gene = 1:32)
  guide <- (rows$gene - 1) * 2 + rows$guide
  rows$x <- matrix(rnorm(1920), 32)[cbind(rows$gene, rows$line)]
  eta <- 1 + rnorm(32, 0, 0.6)[rows$gene] + rnorm(32, 0.2, 0.3)[rows$gene] * rows$x + rnorm(64, 0, 0.4)[guide] +
    rnorm(60, 0, 0.3)[rows$line]
  rows$y <- rnbinom(nrow(rows), mu = exp(eta), size = 4)
  rows$z <- rpois(nrow(rows), exp(eta))
  rows$guide <- guide
  rows
})

by_blocks <- function(formula = y ~ x + (1 + x | gene) + (1 | guide) + (1 | line), family = "negbinomial", iter = 1600, ...) {
  twill(formula, many_lines, family, chains = 2, iter = iter, seed = 1, silent = 2, ...)
}

guided <- list(engine = "guided")
blocks <- by_blocks(method = "laplace", cores = 2, control = guided)

test_that("approximations of counts go by blocks, and say how near", {
  expect_identical(blocks$info$engine, "nested")
  expect_lt(blocks$info$pareto_k, 0.7)
  expect_named(blocks$info$block_khat, sprintf("gene[%d]", 1:32), ignore.order = TRUE)
  expect_lt(max(blocks$info$block_khat), 0.7)
  shown <- gsub("\\s+", " ", paste(capture.output(print(summary(blocks))), collapse = " "))
  expect_match(shown, paste0("k-hat of 32 blocks of effects: (ratios hardly vary in [0-9]+, )?",
                             "(largest [0-9.-]+ \\(gene\\[[0-9]+\\]\\), )?0 above 0.7"))
  expect_identical(by_blocks(method = "svi", cores = 1, control = guided)$info$engine, "nested")
})

test_that("blocks whose draws are not to be trusted are named", {
  fit <- blocks
  expect_no_warning(warn_approximation(fit))
  fit$info$block_khat[c("gene[3]", "gene[7]")] <- c(0.8, Inf)
  expect_warning(warn_approximation(fit), "2 of 32 blocks.*gene\\[3\\].*gene\\[7\\]", class = "twill_warning_khat")
})

test_that("blocks whose ratios hardly vary are trusted, whatever the shape of their tail", {
  # Standard deviations near zero: ratios vary by 2 to 8 %, pool over scales, and have k-hats above 0.7 in 86 of these blocks. All
  # 750 effects agree with NUTS to Monte Carlo error.
  rows <- with_fixed_seed(4, {
    rows <- expand.grid(rep = 1:2, guide = 1:4, gene = 1:150)
    rows$guide <- paste(rows$gene, rows$guide)
    rows$x <- rnorm(1200)
    eta <- 3 + 0.2 * rows$x + rnorm(150, 0, 0.02)[rows$gene] + rnorm(600, 0, 0.02)[match(rows$guide, unique(rows$guide))]
    rows$y <- rnbinom(1200, mu = exp(eta), size = 5)
    rows
  })
  fit <- suppressWarnings(twill(y ~ x + (1 | gene) + (1 | guide), rows, "negbinomial", method = "laplace", control = guided,
                                iter = 1000, seed = 1, silent = 2))
  expect_lt(max(fit$info$block_khat), 0.7)
  expect_output(print(summary(fit)), "ratios hardly vary in 1[0-9][0-9]")
})

test_that("draws by blocks do not depend on threads", {
  expect_identical(by_blocks(method = "laplace", cores = 1, control = guided)$draws, blocks$draws)
})

#' Largest distance of means and mean squares of two fits in units of their Monte Carlo error, of all variables.
largest_distance <- function(independent, chains) {
  moments <- function(fit, power) posterior::summarise_draws(fit$draws^power, "mean", "sd", "mcse_mean", "ess_mean")
  of_power <- function(power) {
    a <- moments(independent, power)
    b <- moments(chains, power)
    # Resampled proposals: independent, as many as are effective among them.
    error <- a$sd / sqrt(independent$info$ess_proposals / 2)
    abs(a$mean - b$mean) / sqrt(error^2 + b$mcse_mean^2)
  }
  max(of_power(1), of_power(2))
}

test_that("the posterior by blocks is that of trajectories", {
  nuts <- by_blocks(method = "nuts", iter = 800, control = list(engine = "joint"), cores = 2)
  # 190 effects, scales and coefficients, lprior and lp, twice.
  expect_lt(largest_distance(blocks, nuts), 4.6)
})

test_that("Poisson counts go by blocks where that is asked for", {
  formula <- z ~ x + (1 | gene) + (1 | guide) + (1 | line)
  fit <- by_blocks(formula, "poisson", method = "laplace", control = guided)
  expect_identical(fit$info$engine, "nested")
  expect_lt(fit$info$pareto_k, 0.7)
  joint <- by_blocks(formula, "poisson", method = "laplace", control = list(engine = "joint"))
  error <- sqrt(joint$info$evidence_error^2 + fit$info$evidence_error^2)
  expect_lt(abs(joint$info$log_evidence - fit$info$log_evidence), 4.5 * error)
})

test_that("the evidence by blocks is that of all effects together", {
  joint <- by_blocks(method = "laplace", control = list(engine = "joint"))
  error <- sqrt(joint$info$evidence_error^2 + blocks$info$evidence_error^2)
  expect_lt(abs(joint$info$log_evidence - blocks$info$log_evidence), 4.5 * error)
  # Most of it is the noise of 32 integrals of four draws each, which all ratios share.
  expect_gt(blocks$info$evidence_error, 2 * joint$info$evidence_error)
  expect_lt(blocks$info$evidence_error, 0.3)
})

test_that("counts without one shape are refused by name", {
  expect_error(by_blocks(tw_formula(y ~ x + (1 | gene) + (1 | guide), shape ~ x), method = "laplace",
                         control = guided), "counts of one shape", class = "twill_error")
})
