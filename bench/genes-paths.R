# Do all kinds of genes take the path of eight lanes? Processor time of a gene of each kind beside that of counts with effects
# without correlations, in one run: correlated effects, Gaussian and Poisson responses, and dispersions that are a regression.
#
#   Rscript bench/genes-paths.R [--genes 200] [--donors 7] [--methods hmc,svi] [--only 2,5]
#
# Two samples per donor, priors as genes would share them; two chains of 350 iterations, one thread. `ms` is the processor's time
# per gene: that of a call with all genes, less that of a call with a fifth of them, which takes out what does not grow with genes
# and, unlike the clock, is little disturbed by a busy machine. `times` is its ratio to that of `counts`. `longer` are genes with
# more than twice the median's gradients.
suppressPackageStartupMessages(library(twill))
source("bench/process.R")

simulate <- function(n_genes, n_donors, seed = 1) {
  set.seed(seed)
  samples <- data.frame(donor = factor(rep(sprintf("d%02d", seq_len(n_donors)), each = 2)), condition = c("ctrl", "stim"))
  samples$age <- rep(round(rnorm(n_donors), 2), each = 2)
  donor <- as.integer(samples$donor)
  stim <- samples$condition == "stim"
  gene <- function(g) {
    baseline <- rnorm(n_donors, 0, 0.3)
    response <- 0.4 * (g %% 2) + rnorm(n_donors, 0, 0.2)
    rnorm(1, 4, 1.5) + baseline[donor] + stim * response[donor]
  }
  eta <- t(vapply(seq_len(n_genes), gene, numeric(nrow(samples))))
  draws <- length(eta)
  counts <- matrix(rnbinom(draws, mu = exp(eta), size = 1 / (0.05 + 1.5 / exp(eta))), n_genes)
  noise <- rep(exp(rnorm(n_genes, log(0.3), 0.4)), nrow(samples)) * rep(1 + 0.5 * stim, each = n_genes)
  values <- eta / log(2) + rnorm(draws, 0, noise)
  names <- list(sprintf("g%03d", seq_len(n_genes)), sprintf("s%02d", seq_len(nrow(samples))))
  list(counts = structure(counts, dimnames = names), values = structure(values, dimnames = names),
       samples = `row.names<-`(samples, names[[2]]))
}

plain <- ~ condition + (1 + condition || donor)
correlated <- ~ condition + (1 + condition | donor)

# Of a regression of the dispersion: its intercept, and its slopes.
of_regression <- function(dispersion, intercept) {
  c(tw_prior(intercept, class = "Intercept", dpar = dispersion), tw_prior("normal(0, 0.5)", class = "b", dpar = dispersion))
}

of_shape <- of_regression("shape", "normal(1.5, 0.7)")
of_sigma <- of_regression("sigma", "normal(-1, 0.4)")
sds <- tw_prior("lognormal(-1.2, 0.5)", class = "sd")
shape <- tw_prior("lognormal(1.5, 0.7)", class = "shape")
sigma <- tw_prior("lognormal(-1, 0.4)", class = "sigma")
kinds <- list(
  "counts" = list("counts", plain, shape), "counts, correlated" = list("counts", correlated, shape),
  "counts, shape ~ condition" = list("counts", plain, of_shape, ~ condition),
  "counts, shape ~ age" = list("counts", plain, of_shape, ~ age),
  "Gaussian" = list("values", plain, sigma), "Gaussian, correlated" = list("values", correlated, sigma),
  "Gaussian, sigma ~ condition" = list("values", plain, of_sigma, ~ condition),
  "Gaussian, sigma ~ age" = list("values", plain, of_sigma, ~ age),
  "Poisson" = list("counts", plain, NULL), "Poisson, correlated" = list("counts", correlated, NULL)
)

call_genes <- function(kind, method, data, genes) {
  how <- kinds[[kind]]
  family <- if (how[[1]] == "values") gaussian() else if (is.null(how[[3]])) poisson() else negbinomial()
  prior <- if (is.null(how[[3]])) sds else c(how[[3]], sds)
  gc(FALSE)
  before <- proc.time()
  fit <- twill_genes(data[[how[[1]]]][genes, ], how[[2]], col_data = data$samples, family = family, size_factors = "none",
                     dispersion = if (length(how) < 4) ~ 1 else how[[4]], prior = prior, share = "none",
                     method = method, cores = 1, seed = 1, silent = 2, check = FALSE)
  list(fit = fit, seconds = sum((proc.time() - before)[c("user.self", "sys.self")]))
}

run <- function(kind, method, data) {
  n <- nrow(data$counts)
  some <- call_genes(kind, method, data, seq_len(n %/% 5))
  all <- call_genes(kind, method, data, seq_len(n))
  status <- tw_diagnostics(all$fit)
  middle <- stats::median(status$n_gradients)
  data.frame(method = method, kind = kind, ms = 1e3 * (all$seconds - some$seconds) / (n - n %/% 5), gradients = middle,
             ess_p10 = round(stats::quantile(status$ess, 0.1, names = FALSE)), longer = sum(status$n_gradients > 2 * middle),
             refined = sum(status$status %in% c("refined", "high_khat")),
             not_ok = sum(status$status %in% c("high_rhat", "no_start", "failed")))
}

data <- simulate(as.integer(option("genes", "200")), as.integer(option("donors", "7")))
only <- option_list("only", "all")
wanted <- if (identical(only, "all")) names(kinds) else union("counts", names(kinds)[as.integer(only)])
cases <- expand.grid(kind = wanted, method = option_list("methods", "hmc,svi"), stringsAsFactors = FALSE)
# What is loaded and compiled once.
invisible(call_genes("counts", "svi", data, seq_len(5)))
table <- do.call(rbind, Map(run, cases$kind, cases$method, list(data)))
table$times <- round(table$ms / table$ms[match(table$method, table$method)], 2)
table$ms <- round(table$ms, 2)
options(width = 160)
print(table, row.names = FALSE)
