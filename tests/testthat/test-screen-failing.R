# Guides that fail, twill_screen(guide_dist = "mixture"): posterior of one gene against quadrature, and what the fit answers.

small_screen <- function(n_genes, seed, effects) {
  set.seed(seed)
  gene <- rep(sprintf("g%02d", seq_len(n_genes)), each = 4)
  plasmid <- rpois(4 * n_genes, 300)
  mean <- plasmid * exp(effects + rnorm(4 * n_genes, 0, 0.1))
  counts <- vapply(1:3, function(i) as.double(rnbinom(4 * n_genes, mu = mean, size = 15)), numeric(4 * n_genes))
  dimnames(counts) <- list(paste0(gene, "_", 1:4), paste0("rep", 1:3))
  list(counts = counts, gene = gene, plasmid = plasmid)
}

test_that("one gene has the posterior of quadrature", {
  skip_on_cran()
  screen <- small_screen(2, 4, c(-1.4, -1.1, -0.5, -0.1, 0, 0, 0, 0))
  fit <- twill_screen(screen$counts, gene = screen$gene, plasmid = screen$plasmid, size_factors = c(1, 1, 1), iter = 100,
                      seed = 1, share = "none", check = FALSE, silent = 2)
  data <- failing_data(fit[1, ])
  start <- failing_start(data, 1, 1)
  kappa <- start$kappa
  chains <- with_local_seed(2, lapply(1:2, function(chain) {
    failing_chain(failing_warmed_up(failing_start(data, 600, chain), data), data, 1200, 2)
  }))

  # Per shape and guide the likelihood on a grid of effects, then sums over effects, labels, and how many guides work.
  t <- seq(-2.6, 1.1, length.out = 500)
  beta <- seq(-5, 3.5, length.out = 90)
  log_sd <- seq(log(0.012), log(12), length.out = 40)
  log_shape <- seq(log(1), log(1e5), length.out = 24)
  labels <- as.matrix(expand.grid(rep(list(0:1), 4)))
  labels <- labels[rowSums(labels) >= 2, ]
  n_work <- rowSums(labels)
  label_prior <- start$works^n_work * (1 - start$works)^(4 - n_work)
  grid <- expand.grid(beta = beta, sd = exp(log_sd))
  kernel <- function(mean, variance) {
    exp(-0.5 * outer(t, mean, "-")^2 / rep(variance, each = length(t))) / rep(sqrt(variance), each = length(t))
  }
  working <- kernel(grid$beta, grid$sd^2 + (kappa * grid$beta)^2)
  failing <- kernel(numeric(nrow(grid)), grid$sd^2)
  prior <- dt(grid$beta / 2.5, 3) * dt(grid$sd / 2.5, 3) * grid$sd
  weight <- array(0, c(nrow(grid), nrow(labels), length(log_shape)))
  for (s in seq_along(log_shape)) {
    shape <- exp(log_shape[s])
    by_guide <- lapply(1:4, function(k) {
      log_lik <- vapply(t, function(t) sum(dnbinom(data$y[k, ], mu = exp(data$offset[k, ] + t), size = shape, log = TRUE)), 0)
      list(exp(log_lik) %*% failing, exp(log_lik) %*% working)
    })
    shape_prior <- shape^-1.4 * exp(-0.3 / shape) * shape
    for (l in seq_len(nrow(labels))) {
      product <- Reduce(`*`, lapply(1:4, function(k) drop(by_guide[[k]][[labels[l, k] + 1]])))
      weight[, l, s] <- product * prior * label_prior[l] * shape_prior
    }
  }
  weight <- weight / sum(weight)
  by_grid <- rowSums(weight)
  compare <- function(draws, mean) {
    draws <- matrix(unlist(draws), ncol = 2)
    expect_lt(abs(mean(draws) - mean) / posterior::mcse_mean(draws), 4)
  }
  compare(lapply(chains, function(chain) chain$beta[, 1, 1]), sum(by_grid * grid$beta))
  compare(lapply(chains, function(chain) chain$beta[, 1, 1]^2), sum(by_grid * grid$beta^2))
  compare(lapply(chains, function(chain) log(chain$sd[, 1, 1])), sum(by_grid * log(grid$sd)))
  compare(lapply(chains, function(chain) chain$log_shape[, 1]), sum(apply(weight, 3, sum) * log_shape))
  expected <- drop(apply(weight, 2, sum) %*% labels)
  expect_lt(max(abs(rowMeans(vapply(chains, `[[`, numeric(4), "w")) - expected)), 0.06)
  expect_equal(order(expected), 4:1)
})

test_that("guides that fail are told from those that work, and the gene's effect is that of the latter", {
  effects <- c(rep(c(-2, -2, -2, 0), 4), rep(c(-1.5, 0, -1.5, -1.5), 4), rep(0, 64))
  screen <- small_screen(24, 5, effects)
  both <- lapply(c("normal", "mixture"), function(guides) {
    twill_screen(screen$counts, gene = screen$gene, plasmid = screen$plasmid, size_factors = c(1, 1, 1), iter = 160, seed = 1,
                 check = FALSE, silent = 2, guide_dist = guides)
  })
  fit <- both[[2]]
  guides <- tw_guides(fit)
  expect_false("works" %in% names(tw_guides(both[[1]])))
  fails <- effects == 0 & seq_along(effects) <= 32
  expect_lt(max(guides$works[fails]), 0.3)
  expect_gt(min(guides$works[effects < -1]), 0.9)
  table <- as.data.frame(tw_contrast(fit))
  truth <- rep(c(-2, -1.5, 0), c(4, 4, 16)) / log(2)
  expect_lt(max(abs(table$log2FoldChange - truth)), 0.5)
  expect_lt(mean(table$lfcSE[1:8]), mean(tw_contrast(both[[1]])$lfcSE[1:8]))
  expect_lt(max(table$rhat[1:8]), 1.1)
  expect_output(print(fit), "guides that work")
  expect_equal(dim(ranef(fit)$guide), c(96, 4, 1))
  draws <- coef(fit, genes = 1, summary = FALSE)$guide
  expect_lt(abs(mean(draws[, 4, 1])), 0.4)
  expect_identical(both[[2]]$posterior$draws, {
    twill_screen(screen$counts, gene = screen$gene, plasmid = screen$plasmid, size_factors = c(1, 1, 1), iter = 160, seed = 1,
                 check = FALSE, silent = 2, guide_dist = "mixture", cores = 1)$posterior$draws
  })
  expect_error(update(fit[1:3, ], genes = "g05"), "learned together", class = "twill_error_genes")
})

test_that("designs of several arms have guides that fail, and what does not go is refused", {
  screen <- small_screen(24, 6, c(rep(c(-1.5, -1.5, 0, -1.5), 6), rep(0, 72)))
  samples <- data.frame(drug = c(0, 1, 1))
  run <- function(design = ~drug, ...) {
    twill_screen(screen$counts, design, gene = screen$gene, plasmid = screen$plasmid, col_data = samples, iter = 160, seed = 1,
                 size_factors = c(1, 1, 1), check = FALSE, silent = 2, guide_dist = "mixture", ...)
  }
  fit <- run()
  expect_lt(max(tw_guides(fit, "Intercept", genes = 1:6)$works[c(3, 7, 11, 15, 19, 23)]), 0.4)
  expect_lt(max(abs(tw_contrast(fit, "Intercept")$log2FoldChange[1:6] + 1.5 / log(2))), 0.8)
  refused <- function(text, ...) expect_error(run(...), text, class = "twill_error_setting")
  refused("group-level", ~ (1 | drug))
  refused("family", family = "poisson")
  refused("method", method = "svi")
  refused("keep", keep = "draws")
  refused("folder", folder = tempfile())
  one <- screen$gene[c(TRUE, FALSE, FALSE, FALSE)]
  expect_error(twill_screen(screen$counts[seq(1, 96, 4), ], gene = one, plasmid = screen$plasmid[seq(1, 96, 4)], silent = 2,
                            guide_dist = "mixture"), "one guide", class = "twill_error_setting")
})

test_that("guides that do not differ leave chains that agree, or genes that say they do not", {
  skip_on_cran()
  screen <- with_fixed_seed(3, {
    gene <- rep(paste0("G", 1:40), each = 4)
    plasmid <- rnbinom(160, mu = 400, size = 5) + 1
    fold <- rep(c(-1.5, 0.7, 0), c(16, 12, 132))
    drug <- rep(0:1, each = 3)
    own <- rnorm(160, 0, 0.2)
    # Of the drug all guides of a gene tell the same.
    effect <- rep(c(0, -1, 0), c(60, 24, 76))
    one_sample <- function(d) as.double(rnbinom(160, mu = plasmid * exp(fold + own + effect * d), size = 20))
    counts <- vapply(drug, one_sample, numeric(160))
    dimnames(counts) <- list(paste0(gene, "_", 1:4), paste0("s", 1:6))
    list(counts = counts, gene = gene, plasmid = plasmid, samples = data.frame(drug))
  })
  fit_of <- function(...) {
    twill_screen(screen$counts, ~drug, gene = screen$gene, plasmid = screen$plasmid, col_data = screen$samples,
                 guide_dist = "mixture", seed = 2, silent = 2, ...)
  }
  fit <- fit_of()
  at <- fit$posterior$rhat
  spread <- match("sd_guide__drug", fit$posterior$names)
  expect_identical(fit$posterior$status == "high_rhat", apply(at > 1.05, 2, any))
  expect_lt(mean(fit$posterior$status == "high_rhat"), 0.1)
  expect_lt(stats::median(at[spread, ]), 1.05)
  # The spread has a prior of its own, and does not run away to zero.
  expect_gt(stats::median(fit$posterior$mean[spread, ]), 0.005)
  expect_warning(short <- twill_screen(screen$counts, ~drug, gene = screen$gene, plasmid = screen$plasmid, seed = 1, iter = 30,
                                       col_data = screen$samples, guide_dist = "mixture", check = FALSE),
                 "should not be used", class = "twill_warning_genes")
  expect_true(any(short$posterior$status == "high_rhat"))
})
