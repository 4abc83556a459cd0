# Do all kinds of genes take the path of eight lanes? Processor time of each kind beside that of counts with effects without
# correlations, in one run: correlated effects, Gaussian responses, and dispersions that are a regression.
#
#   Rscript bench/genes-paths.R [--genes 200] [--donors 7] [--methods hmc,svi] [--repeats 3] [--only 2,5]
#
# Two samples per donor; two chains of 350 iterations, one thread. `seconds` are the processor's, of the whole call; `ms` a gene's fit by
# the clock, median over genes, which a busy machine disturbs little, and `times` its ratio to that of `counts`. The least of the
# repeats, which are interleaved. `longer` are genes with more than twice the median's gradients.
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
  values <- eta / log(2) + rnorm(draws, 0, rep(exp(rnorm(n_genes, log(0.3), 0.4)), nrow(samples)) * rep(1 + 0.5 * stim, each = n_genes))
  names <- list(sprintf("g%03d", seq_len(n_genes)), sprintf("s%02d", seq_len(nrow(samples))))
  list(counts = structure(counts, dimnames = names), values = structure(values, dimnames = names),
       samples = `row.names<-`(samples, names[[2]]))
}

plain <- ~ condition + (1 + condition || donor)
correlated <- ~ condition + (1 + condition | donor)
kinds <- list(
  "counts" = list("counts", plain), "counts, correlated" = list("counts", correlated),
  "counts, shape ~ condition" = list("counts", plain, dispersion = ~ condition),
  "counts, shape ~ age" = list("counts", plain, dispersion = ~ age),
  "Gaussian" = list("values", plain), "Gaussian, correlated" = list("values", correlated),
  "Gaussian, sigma ~ condition" = list("values", plain, dispersion = ~ condition)
)

run <- function(kind, method, data) {
  how <- kinds[[kind]]
  family <- if (how[[1]] == "counts") negbinomial() else gaussian()
  gc(FALSE)
  before <- proc.time()
  fit <- twill_genes(data[[how[[1]]]], how[[2]], col_data = data$samples, family = family, dispersion = how$dispersion %||% ~ 1,
                     size_factors = "none", method = method, cores = 1, seed = 1, silent = 2, check = FALSE)
  seconds <- sum((proc.time() - before)[c("user.self", "sys.self")])
  status <- tw_diagnostics(fit)
  data.frame(method = method, kind = kind, seconds = seconds, ms = 1e3 * stats::median(status$seconds), gradients = stats::median(status$n_gradients),
             ess = stats::quantile(status$ess, 0.1, names = FALSE), refined = sum(status$status %in% c("refined", "high_khat")),
             longer = sum(status$n_gradients > 2 * stats::median(status$n_gradients)), not_ok = sum(status$status %in% c("high_rhat", "no_start", "failed")))
}

`%||%` <- function(a, b) if (is.null(a)) b else a
data <- simulate(as.integer(option("genes", "200")), as.integer(option("donors", "7")))
only <- option_list("only", "all")
wanted <- if (identical(only, "all")) names(kinds) else union("counts", names(kinds)[as.integer(only)])
cases <- expand.grid(kind = wanted, method = option_list("methods", "hmc,svi"), stringsAsFactors = FALSE)
runs <- lapply(seq_len(as.integer(option("repeats", "3"))), function(i) do.call(rbind, Map(run, cases$kind, cases$method, list(data))))
least <- function(name) do.call(pmin, lapply(runs, `[[`, name))
table <- data.frame(cases[2:1], seconds = round(least("seconds"), 2), ms = round(least("ms"), 2))
table$times <- round(least("ms") / least("ms")[match(table$method, table$method)], 2)
table <- cbind(table, gradients = round(runs[[1]]$gradients), ess_p10 = round(runs[[1]]$ess), runs[[1]][c("longer", "refined", "not_ok")])
options(width = 160)
print(table, row.names = FALSE)
