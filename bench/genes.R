# How fast is twill_genes()? Simulated pseudobulk of paired donors, NUTS for every gene, beside loops over single models.
#
#   Rscript bench/genes.R [--genes 1000,10000] [--donors 7] [--threads 1,2] [--peers yes|no]
#
# Each case runs in a process of its own; seconds are wall-clock, from the matrix to the fit, what genes share included.
# Memory is the peak of that process. Run it on a quiet machine.
source("bench/genes-data.R")

option <- function(name, default) {
  given <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), given)
  if (is.na(at)) default else given[at + 1]
}

numbers <- function(name, default) as.integer(strsplit(option(name, default), ",")[[1]])

# Peak memory of this process in MB; NA where the system does not tell.
peak_memory <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(), warning = function(w) character())
  line <- grep("^VmHWM", status, value = TRUE)
  if (length(line)) round(as.numeric(gsub("[^0-9]", "", line)) / 1024) else NA
}

formulas <- list("slopes" = ~ condition + (1 + condition || donor), "one intercept" = ~ condition + (1 | donor))

run_case <- function(sim, design, threads, method) {
  suppressMessages(library(twill))
  seconds <- system.time(fit <- twill_genes(sim$counts, formulas[[design]], col_data = sim$samples, seed = 1, cores = threads,
                                            method = method, silent = 2))[["elapsed"]]
  status <- tw_status(fit)
  table <- system.time(tw_contrast(fit))[["elapsed"]]
  data.frame(method = method, design = design, genes = nrow(status), samples = ncol(sim$counts), threads = threads,
             draws = dim(fit$posterior$draws)[1], seconds = round(seconds, 1), table = round(table, 1),
             engine = round(sum(status$seconds), 1), gradients = round(mean(status$n_gradients)),
             ess_p10 = round(stats::quantile(status$ess, 0.1, names = FALSE)),
             rhat_p99 = round(stats::quantile(status$rhat, 0.99, names = FALSE, na.rm = TRUE), 3),
             not_ok = sum(status$status %in% c("high_rhat", "no_start", "failed")), memory_mb = peak_memory())
}

# Seconds per 1000 genes of a loop over a few, by maximum likelihood.
run_glmmtmb <- function(sim, n = 50) {
  if (!requireNamespace("glmmTMB", quietly = TRUE)) return(NULL)
  some <- utils::head(which(rowSums(sim$counts) > 50), n)
  data <- cbind(sim$samples, log_size = log(sim$samples$exposure))
  failed <- 0
  seconds <- system.time(for (g in some) {
    data$y <- sim$counts[g, ]
    fit <- suppressWarnings(try(glmmTMB::glmmTMB(y ~ condition + offset(log_size) + (1 | donor) + (0 + condition | donor), data,
                                                 family = glmmTMB::nbinom2), silent = TRUE))
    se <- if (!inherits(fit, "try-error")) summary(fit)$coefficients$cond[2, 2]
    failed <- failed + !isTRUE(is.finite(se))
  })[["elapsed"]]
  cat(sprintf("glmmTMB, a loop over %d genes: %.1f s per 1000 genes; %d without standard error\n", length(some),
              1000 * seconds / length(some), failed))
}

# In a process of its own, so that memory is that of the case.
in_process <- function(f, ...) {
  connection <- parallel::mcparallel(f(...))
  parallel::mccollect(connection)[[1]]
}

run_all <- function() {
  rows <- list()
  for (n_genes in numbers("genes", "1000,10000")) for (n_donors in numbers("donors", "7")) {
    sim <- simulate_pseudobulk(seed = 1, n_donors = n_donors, n_cells = 200 * n_donors, n_genes = n_genes)
    for (threads in numbers("threads", "1,2")) rows <- c(rows, list(in_process(run_case, sim, "slopes", threads, "hmc")))
    rows <- c(rows, list(in_process(run_case, sim, "one intercept", 1L, "hmc")))
    rows <- c(rows, list(in_process(run_case, sim, "slopes", 1L, "laplace")))
  }
  print(do.call(rbind, rows), row.names = FALSE)
  if (option("peers", "yes") == "yes") run_glmmtmb(sim)
}

run_all()
