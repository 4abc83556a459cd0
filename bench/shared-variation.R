# Does tw_shared_variation() see an unmodelled batch, and only that? Simulated pseudobulk and cells, with and without one.
#
#   Rscript bench/shared-variation.R [--experiments 20] [--first 1] [--cases null,large,crossed,nested,sample] [--share none|all]
#                                    [--table]
#
# One experiment of every case per seed. Each appends a row to bench-output/shared-variation.csv, so that runs add up; --table
# only prints. The check reads posterior means, so fits are short, and by default learn nothing over genes: a tenth of the time.
source("bench/calibration.R")
source("bench/batch-data.R")
suppressMessages(library(twill))

results_file <- "bench-output/shared-variation.csv"

fit_settings <- function() {
  share <- if (option("share", "none") == "none") "none" else c("dispersion", "sd")
  list(seed = 1, cores = 1, silent = 2, iter = 100, share = share)
}

fit_samples <- function(sim, case) {
  do.call(twill_genes, c(list(counts_of(sim), design_of(case), col_data = sim$samples), fit_settings()))
}

# A quarter of the cells, so that the sample's own noise is seen.
fit_cells <- function(sim, case) {
  of <- rep(seq_along(sim$cells), pmax(5, round(sim$cells / 4)))
  capture <- 0.1 * exp(stats::rnorm(length(of), 0, 0.4))
  mean <- 3 * exp(sim$genes$log_mean[, of]) * rep(capture / 0.1, each = case$genes)
  counts <- matrix(stats::rnbinom(length(mean), mu = mean, size = sim$genes$shape), case$genes,
                   dimnames = list(paste0("g", seq_len(case$genes)), NULL))
  do.call(twill_cells, c(list(counts, design_of(case), col_data = sim$samples[of, ]), fit_settings()))
}

design_of <- function(case) {
  switch(case$design, unpaired = if (case$door == "cells") ~ condition + (1 | donor) else ~condition,
         intercept = ~ condition + (1 | donor), slope = ~ condition + (1 + condition || donor))
}

# By the name that the option gives them.
all_cases <- function() {
  null <- rbind(case("none", "slope", c(4, 5, 7, 12), 200), case("none", "unpaired", c(3, 5, 12), 200),
                case("none", "intercept", 6, 200), case("none", "slope", 5, 200, door = "cells"),
                case("none", "unpaired", 4, 200, door = "cells"))
  large <- rbind(case("none", "slope", 6, 3000), case("none", "unpaired", 4, 3000))
  sds <- c(0.1, 0.2, 0.4)
  crossed <- rbind(case("crossed", "slope", 4, 200, sds), case("crossed", "slope", 7, 200, sds),
                   case("crossed", "unpaired", 3, 200, sds), case("crossed", "unpaired", 6, 200, sds),
                   case("crossed", "unpaired", 6, 200, 0.4, part = 0.2), case("crossed", "slope", 6, 200, sds, door = "cells"))
  nested <- rbind(case("nested", "slope", 6, 200, 0.4), case("nested", "unpaired", 6, 200, 0.4))
  sample <- rbind(case("sample", "slope", 6, 200, 2 * sds), case("sample", "unpaired", 5, 200, 2 * sds))
  list(null = null, large = large, crossed = crossed, nested = nested, sample = sample)
}

experiment <- function(seed, case) {
  sim <- simulate_samples(seed, case)
  fit <- suppressWarnings(suppressMessages((if (case$door == "cells") fit_cells else fit_samples)(sim, case)))
  shared <- tw_shared_variation(fit)
  first <- summary(shared)[1, ]
  bad <- which(sim$samples$batch == "b1")
  data.frame(seed, share_of_fit = option("share", "none"), case, left = attr(shared, "df"), share = first$share,
             chance = first$chance, p = first$p, found = isTRUE(first$found), named = first$column %in% "batch",
             misnamed = first$column %in% c("age", "condition", "donor"),
             noisy = length(attr(shared, "noisy")) > 0, right_sample = any(bad %in% attr(shared, "noisy")),
             noise = max(shared$noise) / stats::median(shared$noise),
             seconds = attr(shared, "seconds"), fit_seconds = fit$info$elapsed)
}

run_all <- function() {
  first <- as.integer(option("first", 1))
  cases <- do.call(rbind, all_cases()[option_list("cases", "null,crossed,nested,sample")])
  for (seed in first + seq_len(as.integer(option("experiments", 20))) - 1) for (k in seq_len(nrow(cases))) {
    append_rows(experiment(1000 * k + seed, cases[k, ]), results_file)
  }
}

# In percent, with the binomial standard error of what was found.
shared_table <- function(results) {
  by <- c("share_of_fit", "batch", "sd", "part", "door", "design", "donors", "genes")
  table <- do.call(rbind, lapply(split(results, results[by], drop = TRUE), function(g) {
    n <- nrow(g)
    data.frame(g[1, by], experiments = n, left = g$left[1], share = round(100 * mean(g$share)),
               found = round(100 * mean(g$found), 1), error = round(100 * sqrt(mean(g$found) * (1 - mean(g$found)) / n), 1),
               below_01 = round(100 * mean(g$p <= 0.01), 1),
               named = round(100 * mean(g$found & g$named)), misnamed = round(100 * mean(g$found & g$misnamed)),
               noisy = round(100 * mean(g$noisy)), right = round(100 * mean(g$right_sample)), noise = round(max(g$noise), 2),
               seconds = round(mean(g$seconds), 2))
  }))
  table[order(table$batch != "none", table$batch, table$door, table$design, table$donors, table$genes, table$sd), ]
}

if (!"--table" %in% commandArgs(trailingOnly = TRUE)) run_all()
print(shared_table(utils::read.csv(results_file)), row.names = FALSE)
