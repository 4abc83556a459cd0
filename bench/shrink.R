# Do shrunken estimates cover, and are signs safe where rows are few?
#
#   Rscript bench/shrink.R [--part estimates,compositions] [--tables 100] [--seed 1]
#
# estimates: simulated effects with known standard errors of 0.2 to 0.6, a share without effect and normal others. Per number of
# rows: coverage of 95 % intervals, and the root of the squared error relative to that of the estimates as they are, under
# the shares of the sign rates, the best shares, and those of tw_shrink() (decision 64).
# compositions: tables of 8 cell types of 6 paired donors, 2 of which move; calls at an s-value of 0.05 that are wrong, in
# percent, with the standard error over tables, by tw_contrast() and by tw_shrink() of the paired differences of centred
# log-ratios with their t of 5 degrees of freedom.
source("bench/calibration.R")
suppressMessages(library(twill))
ours <- asNamespace("twill")

one_table <- function(n, share, size) {
  effect <- ifelse(runif(n) < share, 0, rnorm(n, 0, size))
  se <- runif(n, 0.2, 0.6)
  estimate <- rnorm(n, effect, se)
  components <- ours$effect_components(estimate, se)
  likelihood <- ours$component_likelihoods(estimate, se, components, 1)
  rows <- list(signs = ours$genes_without_effect(n), none = 0, even = ours$even_rows(ncol(likelihood)))
  unlist(lapply(rows, function(extra) {
    prior <- c(components, list(shares = ours$mixture_shares(likelihood, extra)$shares, df = Inf))
    found <- ours$shrunken_effects(prior, estimate, se, c(0.025, 0.975))
    c(coverage = mean(found$bounds[, 1] <= effect & effect <= found$bounds[, 2]),
      error = sqrt(sum((found$mean - effect)^2) / sum((estimate - effect)^2)))
  }))
}

estimates_table <- function(seed) {
  cases <- expand.grid(size = c(1, 0.4), share = c(0.8, 0.5, 0), rows = c(8, 30, 200, 20000))
  do.call(rbind, lapply(seq_len(nrow(cases)), function(k) {
    set.seed(seed)
    case <- cases[k, ]
    tables <- max(1, min(120, 8000 %/% case$rows))
    values <- replicate(tables, one_table(case$rows, case$share, case$size))
    coverage_se <- if (tables > 1) 100 * stats::sd(values["even.coverage", ]) / sqrt(tables) else NA
    data.frame(case[c("rows", "share", "size")], tables = tables, t(round(rowMeans(values), 3)), even_se = round(coverage_se, 1))
  }))
}

# Counts of cells by type: donors differ in composition and by donor and type in the response.
composition <- function(n_types = 8, n_donors = 6, moving = 2) {
  samples <- expand.grid(condition = factor(c("ctrl", "stim")), donor = paste0("d", seq_len(n_donors)))
  effect <- c(sample(c(-1, 1), moving, TRUE) * runif(moving, 0.7, 1.3), numeric(n_types - moving))
  base <- rnorm(n_types, 0, 0.7)
  donor <- matrix(rnorm(n_types * n_donors, 0, 0.4), n_types)
  response <- matrix(rnorm(n_types * n_donors, 0, 0.2), n_types)
  d <- as.integer(factor(samples$donor))
  log_share <- base + donor[, d] + (effect + response[, d]) * rep(samples$condition == "stim", each = n_types)
  counts <- apply(log_share, 2, function(x) rmultinom(1, 1500, exp(x) / sum(exp(x))))
  dimnames(counts) <- list(paste0("type", seq_len(n_types)), paste0("s", seq_len(nrow(samples))))
  list(counts = counts, samples = samples, effect = effect)
}

calls_of <- function(table, estimate, sim) {
  called <- which(table$svalue <= 0.05)
  c(called = length(called), wrong = sum(sign(estimate[called]) != sign(sim$effect[called])),
    found = sum(sign(estimate[called]) == sign(sim$effect[called])))
}

# The typical type does not move: differences of log shares less their median.
by_hand <- function(sim) {
  log_share <- log(sim$counts + 0.5)
  stim <- log_share[, sim$samples$condition == "stim"]
  difference <- stim - log_share[, sim$samples$condition == "ctrl"]
  difference <- difference - rep(apply(difference, 2, stats::median), each = nrow(difference))
  tw_shrink(rowMeans(difference), apply(difference, 1, stats::sd) / sqrt(ncol(difference)), df = ncol(difference) - 1)
}

compositions_table <- function(tables, seed) {
  rows <- lapply(seed + seq_len(tables) - 1, function(s) {
    set.seed(s)
    sim <- composition()
    fit <- suppressMessages(suppressWarnings(
      twill_genes(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$samples, seed = s, iter = 600, silent = 2)))
    model <- tw_contrast(fit)
    own <- tw_contrast(fit, adaptive = FALSE)
    hand <- by_hand(sim)
    rbind(data.frame(method = "tw_contrast()", t(calls_of(model, model$log2FoldChange, sim))),
          data.frame(method = "without a prior of signs", t(calls_of(own, own$log2FoldChange, sim))),
          data.frame(method = "tw_shrink()", t(calls_of(hand, hand$mean, sim))))
  })
  rows <- do.call(rbind, rows)
  do.call(rbind, lapply(split(rows, rows$method), function(g) {
    data.frame(method = g$method[1], tables = nrow(g), called = sum(g$called), wrong = sum(g$wrong),
               percent = round(100 * sum(g$wrong) / max(1, sum(g$called)), 1), se = ratio_error(g$wrong, g$called),
               power = round(100 * sum(g$found) / (2 * nrow(g)), 1))
  }))
}

seed <- as.integer(option("seed", 1))
parts <- option_list("part", "estimates,compositions")
if ("estimates" %in% parts) print(estimates_table(seed), row.names = FALSE)
if ("compositions" %in% parts) print(compositions_table(as.integer(option("tables", 100)), seed), row.names = FALSE)
