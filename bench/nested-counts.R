# Counts of guides in genes, crossed with lines: all effects together (decision 104), level by level, and by blocks of genes
# (engine "guided" of the approximations, which "auto" takes of 500 effects or more; decision 105).
#
#   Rscript bench/nested-counts.R [--genes 50,100] [--lines 20] [--methods nuts,hmc,svi,laplace] [--engines auto,levels]
#     [--iter 400] [--cores 1] [--compare yes]
#
# Two chains; processor seconds of the call and those of the wall, the smallest bulk ESS of scales and coefficients, their largest
# R-hat, k-hat, the largest of a block, and the means of the standard deviations, which were simulated as 0.5, 0.2, 0.1, 0.3 and
# 0.2. "zt" is the largest distance of a scale or coefficient from what was simulated, in posterior standard deviations. With
# --compare the means and standard deviations of each way are set beside those of the first, of all parameters and of scales
# and coefficients.
source("bench/process.R")
suppressPackageStartupMessages(library(twill))

simulate_screen <- function(n_genes, n_lines) {
  rows <- expand.grid(line = seq_len(n_lines), guide = 1:4, gene = seq_len(n_genes))
  guide <- (rows$gene - 1) * 4 + rows$guide
  of_lines <- function() matrix(rnorm(n_genes * n_lines), n_genes)[cbind(rows$gene, rows$line)]
  rows$rna <- of_lines()
  rows$cn <- of_lines()
  of_genes <- function(mean, sd) rnorm(n_genes, mean, sd)[rows$gene]
  eta <- of_genes(-0.3, 0.5) + of_genes(0, 0.2) * rows$rna + of_genes(-0.1, 0.1) * rows$cn +
    rnorm(4 * n_genes, 0, 0.3)[guide] + rnorm(n_lines, 0, 0.2)[rows$line]
  rows$before <- rlnorm(4 * n_genes, 6, 0.6)[guide]
  rows$y <- rnbinom(nrow(rows), mu = rows$before * exp(eta), size = 10)
  rows$guide <- guide
  rows
}

one_fit <- function(data, engine, method, iter) {
  clock <- proc.time()
  formula <- y ~ rna + cn + (1 + rna + cn || gene) + (1 | guide) + (1 | line) + offset(log(before))
  fit <- suppressWarnings(twill(formula, data, "negbinomial", method = method, chains = 2, iter = iter, seed = 1, silent = 2,
                                cores = as.integer(option("cores", 1)), refresh = 0, control = list(engine = engine)))
  clock <- proc.time() - clock
  kept <- grepl("^(sd_|b_|shape)", posterior::variables(fit))
  summary <- posterior::summarise_draws(posterior::as_draws_array(fit)[, , kept], "mean", "sd", "ess_bulk", "rhat")
  sds <- summary$mean[startsWith(summary$variable, "sd_")]
  is_sampled <- method %in% c("nuts", "hmc")
  true <- c(b_Intercept = -0.3, b_rna = 0, b_cn = -0.1, shape = 10, sd_gene__Intercept = 0.5, sd_gene__rna = 0.2,
            sd_gene__cn = 0.1, sd_guide__Intercept = 0.3, sd_line__Intercept = 0.2)[summary$variable]
  row <- data.frame(engine = fit$info$engine, method, seconds = sum(clock[1:2]), wall = clock[[3]],
             ess = if (is_sampled) as.numeric(min(summary$ess_bulk)) else NA,
             rhat = if (is_sampled) as.numeric(max(summary$rhat)) else NA, khat = if (is_sampled) NA else fit$info$pareto_k,
             blocks = max(-Inf, fit$info$block_khat), zt = max(abs(summary$mean - true) / summary$sd),
             sds = paste(signif(as.numeric(sds), 2), collapse = " "))
  draws <- posterior::as_draws_matrix(posterior::as_draws_array(fit))
  draws <- draws[, !(colnames(draws) %in% "lp__")]
  list(row = row, mean = colMeans(draws), sd = apply(draws, 2, sd), n = posterior::ndraws(draws))
}

# Distances of means in posterior standard deviations, and ratios of standard deviations, beside those of the first way.
compared <- function(runs) {
  first <- runs[[1]]
  of <- function(run, which) {
    name <- intersect(which, names(run$mean))
    distance <- abs(run$mean[name] - first$mean[name]) / first$sd[name]
    ratio <- run$sd[name] / first$sd[name]
    data.frame(way = paste(run$row$engine, run$row$method), parameters = length(name), "mean distance" = mean(distance),
               "99 %" = quantile(distance, 0.99), largest = max(distance), "sd, 1 %" = quantile(ratio, 0.01),
               median = median(ratio), "99 % " = quantile(ratio, 0.99), check.names = FALSE)
  }
  all <- names(first$mean)
  few <- grep("^(sd_|b_|shape)", all, value = TRUE)
  do.call(rbind, lapply(runs[-1], function(run) rbind(of(run, few), of(run, setdiff(all, few)))))
}

listed <- function(name, default) strsplit(option(name, default), ",")[[1]]
for (n_genes in as.integer(listed("genes", "50,100"))) {
  set.seed(1)
  data <- simulate_screen(n_genes, as.integer(option("lines", 20)))
  cat(sprintf("\n%d genes, %d rows\n", n_genes, nrow(data)))
  ways <- expand.grid(method = listed("methods", "nuts,hmc,svi,laplace"), engine = listed("engines", "auto,levels"),
                      stringsAsFactors = FALSE)
  runs <- Map(function(engine, method) one_fit(data, engine, method, as.integer(option("iter", 400))), ways$engine, ways$method)
  print(do.call(rbind, lapply(unname(runs), `[[`, "row")), digits = 3, row.names = FALSE)
  if (option("compare", "no") == "yes") print(compared(runs), digits = 2, row.names = FALSE)
}
