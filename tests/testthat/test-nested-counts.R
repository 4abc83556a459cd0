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
