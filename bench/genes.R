# How fast is twill_genes()? Simulated pseudobulk of paired donors, every gene sampled, beside loops over single models.
#
#   Rscript bench/genes.R [--cases 200x14,1000x14,10000x14,1000x28,1000x100] [--threads 1,2] [--peers yes|no] [--simulate]
#
# A case is genes x samples, two samples per donor. Each fit runs in a process of its own; seconds are wall-clock, from the
# matrix to the fit, what genes share included. Memory is the peak of that process. Run it on a quiet machine: `--simulate`
# makes the data beforehand (bench-output/genes-*.rds) and stops. "one intercept" is NEBULA's design; glmmTMB is a loop over
# 20 genes, scaled.
source("bench/process.R")
source("bench/genes-data.R")

# One row per case: genes, donors.
cases <- function() {
  parts <- strsplit(strsplit(option("cases", "200x14,1000x14,10000x14,1000x28,1000x100"), ",")[[1]], "x")
  data.frame(genes = as.integer(vapply(parts, `[`, "", 1)), donors = as.integer(vapply(parts, `[`, "", 2)) / 2)
}

# Simulated once.
case_data <- function(n_genes, n_donors) {
  file <- sprintf("bench-output/genes-%dx%d.rds", n_genes, 2 * n_donors)
  dir.create(dirname(file), showWarnings = FALSE)
  if (!file.exists(file)) {
    sim <- simulate_pseudobulk(seed = 1, n_donors = n_donors, n_cells = 200 * n_donors, n_genes = n_genes)
    saveRDS(sim[c("counts", "samples")], file)
  }
  readRDS(file)
}

formulas <- list("slopes" = ~ condition + (1 + condition || donor), "one intercept" = ~ condition + (1 | donor))

run_case <- function(sim, design, threads, method) {
  suppressMessages(library(twill))
  seconds <- system.time(fit <- twill_genes(sim$counts, formulas[[design]], col_data = sim$samples, seed = 1, cores = threads,
                                            method = method, silent = 2))[["elapsed"]]
  status <- tw_diagnostics(fit)
  table <- system.time(tw_contrast(fit))[["elapsed"]]
  data.frame(method = method, design = design, genes = nrow(status), samples = ncol(sim$counts), threads = threads,
             draws = dim(fit$posterior$draws)[1], seconds = round(seconds, 1), table = round(table, 1),
             engine = round(sum(status$seconds), 1), gradients = round(mean(status$n_gradients)),
             ess_p10 = round(stats::quantile(status$ess, 0.1, names = FALSE)),
             rhat_p99 = round(stats::quantile(status$rhat, 0.99, names = FALSE, na.rm = TRUE), 3),
             not_ok = sum(status$status %in% c("high_rhat", "no_start", "failed")), memory_mb = peak_memory())
}

# A loop over a few genes by maximum likelihood, scaled to as many genes as the case has.
run_glmmtmb <- function(sim, design, n = 20) {
  some <- utils::head(which(rowSums(sim$counts) > 50), n)
  data <- cbind(sim$samples, log_size = log(sim$samples$exposure))
  random <- list("slopes" = y ~ condition + offset(log_size) + (1 | donor) + (0 + condition | donor),
                 "one intercept" = y ~ condition + offset(log_size) + (1 | donor))[[design]]
  failed <- 0
  seconds <- system.time(for (g in some) {
    data$y <- sim$counts[g, ]
    fit <- suppressWarnings(try(glmmTMB::glmmTMB(random, data, family = glmmTMB::nbinom2), silent = TRUE))
    se <- if (!inherits(fit, "try-error")) suppressWarnings(summary(fit))$coefficients$cond[2, 2]
    failed <- failed + !isTRUE(is.finite(se))
  })[["elapsed"]]
  data.frame(method = "glmmTMB, loop", design = design, genes = nrow(sim$counts), samples = ncol(sim$counts), threads = 1,
             draws = NA, seconds = round(seconds / length(some) * nrow(sim$counts), 1), table = NA, engine = NA, gradients = NA,
             ess_p10 = NA, rhat_p99 = NA, not_ok = round(failed / length(some) * nrow(sim$counts)), memory_mb = NA)
}

# In a process of its own, so that memory is that of the case.
in_process <- function(f, ...) {
  connection <- parallel::mcparallel(f(...))
  parallel::mccollect(connection)[[1]]
}

run_all <- function() {
  threads <- as.integer(strsplit(option("threads", "1,2"), ",")[[1]])
  with_peers <- option("peers", "yes") == "yes" && requireNamespace("glmmTMB", quietly = TRUE)
  table <- cases()
  sims <- Map(case_data, table$genes, table$donors)
  if ("--simulate" %in% commandArgs(trailingOnly = TRUE)) return(invisible())
  options(width = 200)
  for (sim in sims) {
    for (n in threads) show(in_process(run_case, sim, "slopes", n, "hmc"))
    show(in_process(run_case, sim, "one intercept", 1L, "hmc"))
    if (with_peers && nrow(sim$counts) == 1000) for (design in names(formulas)) show(run_glmmtmb(sim, design))
  }
}

# Row by row, so that a run that is stopped has told what it knows.
show <- function(row) {
  print(row, row.names = FALSE)
  flush(stdout())
}

run_all()
