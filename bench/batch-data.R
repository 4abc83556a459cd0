# Simulated pseudobulk with a batch that moves every gene by a number of its own.

case <- function(batch, design, donors, genes, sd = 0, door = "genes", part = 1) {
  data.frame(batch, design, donors, genes, sd, door, part)
}

# Donors' baselines and responses, dispersions and effects as in the generator of the shared data (bench/genes-data.R), counts
# drawn for samples at once. Samples have unequal numbers of cells, of which the model knows nothing.
simulate_samples <- function(seed, case) {
  set.seed(seed)
  n_donors <- case$donors
  samples <- data.frame(condition = rep(c("control", "treated"), n_donors), donor = rep(seq_len(n_donors), each = 2))
  if (case$design == "unpaired") samples$donor <- seq_len(nrow(samples))
  n <- nrow(samples)
  where <- batch_of(case$batch, samples)
  samples$batch <- paste0("b", if (case$batch == "none") sample(rep(0:1, length.out = n)) else where)
  samples$age <- stats::rnorm(n)
  cells <- pmax(5, round(200 * n_donors * prop.table(stats::rgamma(n, 5))))
  exposure <- cells * exp(stats::rnorm(n, 0, 0.25))
  list(samples = samples, cells = cells, exposure = exposure, genes = simulate_genes(case, samples, where))
}

batch_of <- function(kind, samples) {
  n <- nrow(samples)
  switch(kind, none = rep(0, n), crossed = sample(rep(0:1, length.out = n)), sample = as.numeric(seq_len(n) == sample(n, 1)),
         nested = sample(rep(0:1, length.out = max(samples$donor)))[samples$donor])
}

# list(log_mean, shape): gene x sample, and one number per gene.
simulate_genes <- function(case, samples, where) {
  n <- case$genes
  profile <- stats::rgamma(n, 0.6) + 1e-3
  mean <- profile / sum(profile) * min(n, 5000)
  size <- ifelse(stats::runif(n) < 0.6, 1, -1) * (0.2 + stats::rgamma(n, 2, scale = 0.3))
  effect <- ifelse(stats::runif(n) < 0.1, size, 0)
  deviations <- function(sd) matrix(stats::rnorm(n * max(samples$donor)), n)[, samples$donor] * sd * exp(stats::rnorm(n, 0, 0.4))
  moved <- stats::rnorm(n, 0, case$sd) * (stats::runif(n) < case$part)
  treated <- rep(samples$condition == "treated", each = n)
  list(log_mean = log(mean) + deviations(0.25) + (effect + deviations(0.12)) * treated + moved %o% where,
       effect = effect, shape = 1 / exp(log(0.15 + 0.1 / (mean + 0.05)) + stats::rnorm(n, 0, 0.35)))
}

# Counts, genes x samples.
counts_of <- function(sim) {
  n <- nrow(sim$genes$log_mean)
  mean <- exp(sim$genes$log_mean) * rep(sim$exposure, each = n)
  matrix(stats::rnbinom(length(mean), mu = mean, size = rep(sim$cells, each = n) * sim$genes$shape), n,
         dimnames = list(paste0("g", seq_len(n)), paste0("s", seq_along(sim$cells))))
}
