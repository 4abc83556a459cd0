# twill_cells(): compression, capture, genes kept, agreement with fits of single genes, and what is refused.

sim <- simulate_cells()
fit_sim <- function(x = sim$counts, design = ~ condition + (1 | donor), ..., col_data = sim$cells, iter = 200, silent = 2) {
  twill_cells(x, design, col_data = col_data, ..., iter = iter, seed = 1, silent = silent)
}

test_that("a gene's posterior is that of twill() with the captures as offsets", {
  fit <- fit_sim(capture = exp(sim$log_capture), share = "none", iter = 1000)
  one <- tw_gene(fit, "gene4", x = sim$counts, chains = 2, iter = 1000, refresh = 0, silent = 2)
  shared <- c("b_Intercept", "b_conditionstim", "sd_donor__Intercept", "shape")
  a <- posterior::summarise_draws(as_draws(fit, genes = "gene4", variable = shared), "mean", "sd", "mcse_mean", "mcse_sd")
  b <- posterior::summarise_draws(as_draws(one, variable = shared), "mean", "sd", "mcse_mean", "mcse_sd")
  expect_lt(max(abs(a$mean - b$mean) / sqrt(a$mcse_mean^2 + b$mcse_mean^2)), 4)
  expect_lt(max(abs(a$sd - b$sd) / sqrt(a$mcse_sd^2 + b$mcse_sd^2)), 4)
})

test_that("nodes and histograms keep the log-likelihood of the cells", {
  fit <- fit_sim(capture = exp(sim$log_capture))
  D <- fit$job$source$data
  g <- 2
  own <- function(part) lapply(part[names(part) != "p"], `[`, seq(part$p[g] + 1, part$p[g + 1]))
  nodes <- own(D$nodes)
  histogram <- own(D$histogram)
  log_mu <- rnorm(nrow(D$sums), log(mean(sim$counts[g, ])) + 2, 0.5)
  size <- 1.7
  softplus <- function(leaf, at) log1p(exp(log_mu[leaf + 1] + at) / size)
  linear <- function(leaf, at) log_mu[leaf + 1] + at - log(size)
  compressed <- sum(nodes$mass * (linear(nodes$leaf, nodes$at) - softplus(nodes$leaf, nodes$at))) -
    size * sum(D$rule$mass * softplus(D$rule$leaf, D$rule$at)) +
    sum(histogram$number * (lgamma(histogram$value + size) - lgamma(size) - lgamma(histogram$value + 1)))
  exact <- sum(dnbinom(sim$counts[g, ], mu = exp(log_mu[fit$job$cells$leaf] + sim$log_capture), size = size, log = TRUE))
  expect_lt(abs(compressed - exact), 1e-3)
  expect_equal(as.numeric(tapply(sim$counts[g, ], fit$job$cells$leaf, sum)), D$sums[, g])
})

test_that("sparse, dense and experiment inputs give the same draws, for any number of threads", {
  dense <- fit_sim()
  sparse <- fit_sim(Matrix::Matrix(sim$counts, sparse = TRUE), cores = 1)
  expect_equal(sparse$posterior$draws, dense$posterior$draws)
  skip_if_not_installed("SingleCellExperiment")
  sce <- SingleCellExperiment::SingleCellExperiment(list(counts = sim$counts), colData = sim$cells)
  expect_equal(fit_sim(sce, col_data = NULL)$posterior$draws, dense$posterior$draws)
})

test_that("captures come back from the counts", {
  many <- simulate_cells(n_genes = 120, n_cells = 300, seed = 2)
  fit <- twill_cells(many$counts, ~ condition + (1 | donor), col_data = many$cells, method = "laplace", seed = 1, silent = 2)
  error <- fit$job$cells$log_capture - many$log_capture
  error <- error - mean(error)
  expect_lt(sd(error), 1.3 * sqrt(mean(fit$job$cells$sd^2)) + 0.02)
  expect_equal(mean(log(fit$job$cells$total) - fit$job$cells$log_capture), log(fit$job$cells$molecules))
  organism <- twill_cells(many$counts, ~ condition + (1 | donor), col_data = many$cells, method = "laplace", seed = 1, silent = 2,
                          organism = "human", genes = 1:5)
  expect_equal(organism$job$cells$molecules, 2e5)
})

test_that("captures stay below one by themselves, and a scale that puts them above says so", {
  wide <- simulate_cells(n_genes = 60, n_cells = 200, depth = 1.5, seed = 5)
  fit <- function(...) fit_sim(wide$counts, col_data = wide$cells, method = "laplace", ...)
  own <- fit()
  expect_equal(max(exp(own$job$cells$log_capture)), 0.95)
  expect_equal(mean(log(own$job$cells$total) - own$job$cells$log_capture), log(own$job$cells$molecules))
  expect_message(given <- fit(capture_efficiency = 0.1, silent = 1, check = FALSE), "above 1", class = "twill_message_capture")
  expect_equal(mean(given$job$cells$log_capture), log(0.1))
  expect_equal(diff(range(own$job$cells$log_capture - given$job$cells$log_capture)), 0)
  # The scale is a unit.
  stim <- cond(condition = "stim") - cond(condition = "ctrl")
  expect_equal(tw_contrast(own, stim)$log2FoldChange, tw_contrast(given, stim)$log2FoldChange, tolerance = 0.02)
  expect_error(fit(capture_efficiency = 1.2), class = "twill_error_capture")
})

test_that("Seurat objects are read, also for one gene", {
  skip_if_not_installed("SeuratObject")
  object <- suppressWarnings(SeuratObject::CreateSeuratObject(Matrix::Matrix(sim$counts, sparse = TRUE), meta.data = data.frame(
    sim$cells, row.names = colnames(sim$counts))))
  dense <- fit_sim()
  expect_equal(fit_sim(object, col_data = NULL)$posterior$draws, dense$posterior$draws)
  one <- tw_gene(dense, "gene4", x = object, chains = 1, iter = 100, refresh = 0, silent = 2)
  expect_equal(sum(one$data$count), sum(sim$counts["gene4", ]))
  expect_equal(dim(residuals(dense, genes = "gene2", x = object)), c(1L, 400L))
  # A cell's residual rises with its count, given its leaf and capture.
  cells <- dense$job$cells
  rank <- residuals(dense, genes = "gene4", x = object, seed = 1)[1, ]
  share <- sim$counts["gene4", ] / exp(cells$log_capture)
  expect_gt(min(vapply(split(seq_along(rank), cells$leaf), function(l) cor(rank[l], share[l], method = "spearman"), 0)), 0.8)
})

test_that("genes beyond the coverage are pooled", {
  fit <- fit_sim(gene_coverage = 0.9, method = "laplace")
  share <- sort(rowSums(sim$counts), decreasing = TRUE) / sum(sim$counts)
  expect_identical(utils::tail(rownames(fit), 1), "_other")
  expect_true(all(names(share)[seq_len(3)] %in% rownames(fit)))
  expect_equal(sum(fit$job$source$data$sums), sum(sim$counts))
  expect_setequal(c(rownames(fit)[-nrow(fit)], fit$job$cells$other$genes), rownames(sim$counts))
})

test_that("the dispersion may have its own design, and missing leaves are left out", {
  keep <- !(sim$cells$donor == "d1" & sim$cells$condition == "stim")
  fit <- fit_sim(sim$counts[, keep], dispersion = ~condition, col_data = sim$cells[keep, ], capture = exp(sim$log_capture[keep]),
                 share = "none", iter = 1000, genes = 4)
  expect_length(fit$job$source$samples, 7)
  one <- tw_gene(fit, "gene4", x = sim$counts[, keep], chains = 2, iter = 1000, refresh = 0, silent = 2)
  shared <- c("b_conditionstim", "b_shape_Intercept", "b_shape_conditionstim")
  a <- posterior::summarise_draws(as_draws(fit, variable = shared), "mean", "mcse_mean")
  b <- posterior::summarise_draws(as_draws(one, variable = shared), "mean", "mcse_mean")
  expect_lt(max(abs(a$mean - b$mean) / sqrt(a$mcse_mean^2 + b$mcse_mean^2)), 4)
})

test_that("covariates of single cells are fitted cell by cell", {
  cells <- cbind(sim$cells, cycle = with_fixed_seed(3, rnorm(nrow(sim$cells))))
  fit <- fit_sim(design = ~ condition + cycle + (1 | donor), col_data = cells, genes = 1:2)
  expect_s3_class(fit, c("twillrows", "twillgenes", "twill_model"), exact = TRUE)
  expect_identical(ncol(fit), 400L)
})

test_that("pooling is said by sd_prior, and a horseshoe in prior is told so", {
  fit <- fit_sim(sd_prior = "half_t", prior = tw_prior("normal(0, 1)", class = "b"), method = "laplace")
  expect_identical(fit$job$sharing$sd_prior, "half_t")
  expect_match(prior_summary(fit)$prior[1:2], "normal(0, 1)", fixed = TRUE, all = FALSE)
  # What brms::horseshoe() gives is text with attributes.
  expect_error(fit_sim(prior = structure("horseshoe(1)", class = "brmsprior")), "sd_prior = \"horseshoe\"",
               class = "twill_error_prior")
  expect_false("horseshoe" %in% getNamespaceExports("twill"))
})

test_that("bad input is refused by name", {
  refused <- function(class, text, ...) expect_error(fit_sim(...), text, class = class)
  refused("twill_error_capture", "must be positive", capture = replace(exp(sim$log_capture), 3, -1))
  refused("twill_error_capture", "one number per cell", capture = 1:3)
  refused("twill_error_capture", "between 0 and 1", capture_efficiency = 1.5)
  refused("twill_error_setting", "human", organism = "dog")
  refused("twill_error_setting", "gene_coverage", gene_coverage = 2)
  refused("twill_error_genes", "whole numbers", x = sim$counts + 0.5)
  refused("twill_error_genes", "No gene is left", min_count = 1e9)
  refused("twill_error_data", "conditoin", design = ~ conditoin + (1 | donor))
  refused("twill_error_formula", "offset", design = ~ condition + offset(depth) + (1 | donor))
  refused("twill_error_genes", "No cell is left", x = 0 * sim$counts)
})

test_that("cells that cannot be used are dropped and said so", {
  counts <- sim$counts
  counts[, 5] <- 0
  cells <- sim$cells
  cells$condition[7] <- NA
  design <- ~ condition + (1 + condition || donor)
  fit_all <- function() twill_cells(counts, design, col_data = cells, method = "laplace", seed = 1)
  expect_message(expect_message(fit <- fit_all(), "1 cell with a missing value"), "1 cell with no counts")
  expect_identical(fit$job$cells$rows, setdiff(1:400, c(5L, 7L)))
})

test_that("cells without counts are data where captures are given", {
  few <- sim$counts[1:2, ]
  few[, 1:100] <- 0
  fit <- fit_sim(few, capture = exp(sim$log_capture), method = "laplace")
  expect_identical(sum(fit$job$cells$n), 400L)
  expect_lt(sum(suppressMessages(fit_sim(few, capture = "library", method = "laplace"))$job$cells$n), 301)
})

test_that("designs that say less than they seem to are warned about", {
  nested <- transform(sim$cells, donor = paste(donor, condition))
  expect_warning(twill_cells(sim$counts, ~ condition + (1 | donor), col_data = nested, method = "laplace", seed = 1),
                 "one .*condition.* only", class = "twill_warning_confounded")
  deep <- sim$counts
  deep[, sim$cells$condition == "stim"] <- deep[, sim$cells$condition == "stim"] * 3
  expect_warning(twill_cells(deep, ~ condition + (1 + condition || donor), col_data = sim$cells, method = "laplace", seed = 1),
                 "times the counts", class = "twill_warning_depth")
})

test_that("typical mistakes are told in the words of the call", {
  expect_error(fit_sim(design = ~ treatment + (1 | donor)),
               "`design` names 1 variable that `col_data` does not have: \"treatment\"", class = "twill_error_data")
  expect_error(fit_sim(design = ~ condition + (1 | Donor)), "Did you mean \"donor\"", class = "twill_error_data")
  expect_error(fit_sim(col_data = NULL), "col_data", class = "twill_error_data")
  one <- function(x = sim$counts, design = ~ condition + (1 + condition || donor), cells = sim$cells) {
    twill_cells(x, design, col_data = cells, method = "laplace", seed = 1)
  }
  rates <- round(t(t(sim$counts) / colSums(sim$counts) * 1e4))
  expect_warning(one(rates[, colSums(sim$counts) > 0], cells = sim$cells[colSums(sim$counts) > 0, ]), "nearly the same total",
                 class = "twill_warning_counts")
  expect_message(one(design = ~ condition), "no group-level term", class = "twill_message_replicates")
  paired <- !(sim$cells$donor == "d4" & sim$cells$condition == "stim")
  expect_message(one(sim$counts[, paired], cells = sim$cells[paired, ]), "1 of 4 donors has one condition only: \"d4\"",
                 class = "twill_message_unpaired")
})

test_that("samples of donors that are seen under both conditions are no confounding", {
  cells <- transform(sim$cells, sample = paste(donor, condition))
  design <- ~ condition + (1 | donor) + (1 | sample)
  expect_no_warning(twill_cells(sim$counts, design, col_data = cells, method = "laplace", seed = 1),
                    class = "twill_warning_confounded")
})
