# Genes whose dispersion is a regression, and Gaussian genes: their chains mix, and are of the posterior that NUTS finds.

gaussian_genes <- function(n_genes = 6, n_donors = 7, seed = 3) {
  with_fixed_seed(seed, {
    samples <- gene_samples(n_donors)
    stim <- samples$condition == "stim"
    effect <- function(sd) matrix(rnorm(n_genes * n_donors, 0, sd), n_genes)[, samples$donor]
    noise <- matrix(rnorm(n_genes * nrow(samples)), n_genes) * rep(ifelse(stim, 0.45, 0.3), each = n_genes)
    values <- 5 + effect(0.4) + rep(stim, each = n_genes) * (0.5 + effect(0.3)) + noise
    list(values = structure(values, dimnames = list(paste0("gene", seq_len(n_genes)), paste0("s", seq_len(nrow(samples))))),
         samples = samples)
  })
}

# Priors as genes would share them: as many effects as samples leave the rest to these.
narrow_priors <- function() {
  c(tw_prior("normal(-1, 0.4)", class = "Intercept", dpar = "sigma"), tw_prior("normal(0, 0.5)", class = "b", dpar = "sigma"),
    tw_prior("lognormal(-1, 0.5)", class = "sd"))
}

test_that("Gaussian genes whose sd depends on the condition mix in a design with as many effects as samples", {
  data <- gaussian_genes()
  fit <- twill_genes(data$values, ~ condition + (1 + condition || donor), col_data = data$samples, family = gaussian(),
                     dispersion = ~ condition, prior = narrow_priors(), share = "none", seed = 1, silent = 2)
  status <- tw_diagnostics(fit)
  expect_identical(unname(status$status), rep("ok", 6))
  expect_lt(max(status$rhat), 1.05)
  # In lanes: chains one after the other took 20,000 and more.
  expect_lt(max(status$n_gradients), 10000)
})

# z of a variable is standard normal if the samplers agree; 5 variables of 2 genes.
test_that("Gaussian genes with a regression of the dispersion have the posterior that NUTS finds", {
  skip_on_cran()
  data <- gaussian_genes(2, 12)
  moments <- function(method) {
    fit <- twill_genes(data$values, ~ condition + (1 | donor), col_data = data$samples, family = gaussian(),
                       dispersion = ~ condition, prior = narrow_priors(), share = "none", method = method, iter = 1300,
                       warmup = 300, seed = 2, silent = 2)
    v <- match(c("b_Intercept", "b_conditionstim", "b_sigma_Intercept", "b_sigma_conditionstim"), fit$posterior$names)
    of <- function(f) apply(fit$posterior$draws[, v, ], 2:3, f)
    error <- function(x) posterior::mcse_mean(matrix(x, ncol = 2))
    list(mean = of(mean), sd = of(stats::sd), error = of(error))
  }
  hmc <- moments("hmc")
  nuts <- moments("nuts")
  expect_lt(max(abs(hmc$mean - nuts$mean) / sqrt(hmc$error^2 + nuts$error^2)), 4)
  expect_lt(max(abs(log(hmc$sd / nuts$sd))), 0.15)
})
