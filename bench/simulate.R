# Simulated data of the benchmark: seeded, so that every run and every machine fits the same numbers.

with_fixed_seed <- function(seed, code) {
  old <- get0(".Random.seed", globalenv())
  on.exit(if (!is.null(old)) assign(".Random.seed", old, globalenv()))
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  code
}

# Forty schools in four regions with known standard errors: the data of vignette("james-stein").
simulate_schools <- function() {
  with_fixed_seed(3, {
    regions <- c("North", "East", "South", "West")
    schools <- data.frame(school = factor(1:40), region = factor(rep(regions, each = 10), levels = regions), se = 1)
    theta <- rnorm(4, 0, 5)
    schools$y <- rnorm(40, rnorm(40, theta[as.integer(schools$region)], 1), 1)
    schools
  })
}

# 60,049 log fold changes: 103 guides nested in 26 genes (the last gene has three), crossed with 258 cell lines, up to
# three replicates.
simulate_guides <- function() {
  with_fixed_seed(103, {
    cells <- expand.grid(replicate = 1:3, guide = 1:103, cell_line = 1:258)
    cells <- cells[sort(sample.int(nrow(cells), 60049)), ]
    gene <- rep(1:26, each = 4)[cells$guide]
    mean <- -0.5 + rnorm(26, 0, 0.7)[gene] + rnorm(103, 0, 0.4)[cells$guide] + rnorm(258, 0, 0.3)[cells$cell_line]
    data.frame(gene = factor(gene), guide = factor(cells$guide), cell_line = factor(cells$cell_line),
               lfc = rnorm(nrow(cells), mean, 0.6))
  })
}

# Counts of one gene in 7 donors under 2 conditions, 40 each.
simulate_donors <- function() {
  with_fixed_seed(7, {
    data <- expand.grid(replicate = 1:40, condition = factor(c("ctrl", "stim")), donor = factor(1:7))
    eta <- 1 + 0.5 * (data$condition == "stim") + rnorm(7, 0, 0.5)[as.integer(data$donor)]
    data$y <- rnbinom(nrow(data), mu = exp(eta), size = 2)
    data
  })
}

# Counts in 5,000 random cells of 50 x 40 crossed groups, with a continuous covariate.
simulate_crossed_counts <- function() {
  with_fixed_seed(50, {
    data <- data.frame(a = factor(sample.int(50, 5000, TRUE)), b = factor(sample.int(40, 5000, TRUE)), x = rnorm(5000))
    eta <- 0.5 + 0.3 * data$x + rnorm(50, 0, 0.5)[as.integer(data$a)] + rnorm(40, 0, 0.4)[as.integer(data$b)]
    data$y <- rnbinom(5000, mu = exp(eta), size = 2)
    data
  })
}
