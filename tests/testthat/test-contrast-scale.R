# Scales of contrasts: composition and centred log-ratios against plain loops over the draws that a fit gives out.

scale_fit <- function(..., design = ~ condition + (1 + condition | donor), iter = 80, counts = gene_counts(12)) {
  fake_set(..., design = design, iter = iter, keep = "effects", counts = counts)
}

# log mu of one draw, gene x condition x donor, from as_draws() and nothing else.
loop_log_means <- function(fit, s, donors = paste0("d", 1:5)) {
  draws <- posterior::as_draws_matrix(fit)
  value <- function(name) as.numeric(draws[s, name])
  out <- array(0, c(nrow(fit), 2, length(donors)), list(rownames(fit), c("ctrl", "stim"), donors))
  for (g in rownames(fit)) for (j in donors) {
    base <- value(sprintf("b_Intercept[%s]", g)) + value(sprintf("r_donor[%s,%s,Intercept]", g, j))
    slope <- value(sprintf("b_conditionstim[%s]", g)) + value(sprintf("r_donor[%s,%s,conditionstim]", g, j))
    out[g, , j] <- c(base, base + slope)
  }
  out
}

# The centre of the population: the same without effects.
loop_centre <- function(fit, s) {
  draws <- posterior::as_draws_matrix(fit)
  b <- function(name) vapply(rownames(fit), function(g) as.numeric(draws[s, sprintf("b_%s[%s]", name, g)]), 0)
  cbind(ctrl = b("Intercept"), stim = b("Intercept") + b("conditionstim"))
}

effect_of <- function(fit, contrast = stim_effect(), estimand = "population", scale = "composition", donor_weights = "uniform",
                      reference = "all", mask = NULL, cell_noise = FALSE) {
  ask <- check_scale(fit, estimand, scale, donor_weights, reference, mask, cell_noise, NULL)
  asked_effect(fit, contrast, resolve_contrast(fit$job$model, contrast), ask)$draws
}

test_that("composition and CLR of observed donors are those of plain loops", {
  fit <- scale_fit()
  for (s in c(1, 37, 80)) {
    y <- loop_log_means(fit, s)
    share <- apply(y, c(2, 3), function(v) v - log(sum(exp(v))))
    clr <- apply(y, c(2, 3), function(v) v - mean(v))
    mean_difference <- function(z) rowMeans(z[, "stim", ] - z[, "ctrl", ])
    expect_equal(effect_of(fit, estimand = "observed")[s, ], unname(mean_difference(share)))
    expect_equal(effect_of(fit, estimand = "observed", scale = "clr")[s, ], unname(mean_difference(clr)))
  }
})

test_that("the centre of the population, and a single condition", {
  fit <- scale_fit()
  one <- effect_of(fit, cond(condition = "stim"))
  expect_equal(rowSums(exp(one)), rep(1, nrow(one)))
  for (s in c(2, 60)) {
    y <- loop_centre(fit, s)
    share <- apply(y, 2, function(v) v - log(sum(exp(v))))
    expect_equal(one[s, ], unname(share[, "stim"]))
    expect_equal(effect_of(fit)[s, ], unname(share[, "stim"] - share[, "ctrl"]))
    expect_equal(effect_of(fit, "conditionstim")[s, ], effect_of(fit)[s, ])
    expect_equal(effect_of(fit, c("condition", "stim", "ctrl"))[s, ], effect_of(fit)[s, ])
    clr <- apply(y, 2, function(v) v - mean(v))
    expect_equal(effect_of(fit, scale = "clr")[s, ], unname(clr[, "stim"] - clr[, "ctrl"]))
    expect_equal(effect_of(fit, scale = "clr", reference = c("gene3", "gene7"))[s, ],
                 unname(y[, 2] - y[, 1] - mean((y[, 2] - y[, 1])[c(3, 7)])))
  }
})

test_that("masked genes are one gene more", {
  fit <- scale_fit()
  mask <- seq_len(12) %in% c(2, 5, 11)
  s <- 11
  y <- loop_centre(fit, s)
  pooled <- rbind(y[!mask, ], log(colSums(exp(y[mask, ]))))
  clr <- apply(pooled, 2, function(v) v - mean(v))
  expect_equal(effect_of(fit, scale = "clr", mask = mask)[s, ], unname(clr[1:9, 2] - clr[1:9, 1]))
  share <- exp(effect_of(fit, cond(condition = "stim"), mask = mask))
  expect_equal(share[s, ], unname(exp(y[!mask, 2]) / sum(exp(y[, 2]))))
  donors <- loop_log_means(fit, s)
  by_donor <- apply(donors, c(2, 3), function(v) c(v[!mask], log(sum(exp(v[mask])))) - mean(c(v[!mask], log(sum(exp(v[mask]))))))
  expect_equal(effect_of(fit, estimand = "observed", scale = "clr", mask = mask)[s, ],
               unname(rowMeans(by_donor[1:9, 2, ] - by_donor[1:9, 1, ])))
  res <- tw_contrast(fit, scale = "clr", mask = mask)
  expect_identical(which(is.na(res$log2FoldChange)), which(mask))
  expect_identical(res$status, ifelse(mask, "masked", "ok"))
  expect_equal(res$svalue[!mask], s_values(res$lfsr[!mask]))
  plain <- tw_contrast(fit, mask = mask)
  expect_equal(plain$log2FoldChange[!mask], tw_contrast(fit)$log2FoldChange[!mask])
})

test_that("the plain effect is what it was, by either way", {
  fit <- scale_fit()
  for (estimand in c("population", "observed", "new_donor")) {
    expect_identical(tw_contrast(fit, estimand = estimand), tw_contrast(fit, estimand = estimand, scale = "expression"))
  }
  weights <- resolve_contrast(fit$job$model, stim_effect())
  # Made-up averages are not those of made-up effects.
  slopes <- grep("conditionstim", fit$posterior$effect_names)
  at <- match("mean_r_donor__conditionstim", fit$posterior$names)
  fit$posterior$draws[, at, ] <- apply(fit$posterior$effects[, slopes, ], c(1, 3), mean)
  for (estimand in c("population", "observed")) {
    ask <- check_scale(fit, estimand, "expression", "uniform", "all", NULL, FALSE, NULL)
    passed <- scale_pass(fit, scale_plan(fit, stim_effect(), ask), ask)
    expect_equal(passed$draws, contrast_effect(fit, weights, estimand)$draws)
  }
})

test_that("new donors have new effects, the same in both conditions", {
  fit <- scale_fit(iter = 4000, counts = gene_counts(6))
  found <- effect_of(fit, estimand = "new_donor", scale = "clr")
  draws <- posterior::as_draws_matrix(fit)
  value <- function(name, g) as.numeric(draws[, sprintf("%s[%s]", name, g)])
  genes <- rownames(fit)
  mean <- vapply(genes, function(g) mean(value("b_conditionstim", g)), 0)
  expect_equal(colMeans(found), unname(mean - mean(mean)), tolerance = 0.12)
  # Variance of b_g + slope_g less the mean of both over genes, which are independent.
  total <- vapply(genes, function(g) var(value("b_conditionstim", g)) + mean(value("sd_donor__conditionstim", g)^2), 0)
  n <- length(genes)
  expected <- total * (1 - 1 / n)^2 + (sum(total) - total) / n^2
  expect_equal(apply(found, 2, var), unname(expected), tolerance = 0.1)
  # Without slopes the baseline of a new donor changes compositions alone, and CLR not at all.
  flat <- scale_fit(design = ~ condition + (1 | donor))
  expect_equal(effect_of(flat, estimand = "new_donor", scale = "clr"), effect_of(flat, scale = "clr"))
  expect_false(isTRUE(all.equal(effect_of(flat, estimand = "new_donor"), effect_of(flat))))
  expect_identical(effect_of(flat, estimand = "new_donor"), effect_of(flat, estimand = "new_donor"))
})

test_that("effects of new levels follow their correlations", {
  local_engine(fake_engine)
  fit <- fake_set(design = ~ dose + (1 + dose | donor), col_data = three_by_two(), iter = 2,
                  counts = with_fixed_seed(2, matrix(rpois(3 * 24, 40), 3)))
  term <- fit$job$model$design$terms[[1]]
  names <- paste0("cor_donor__", c("Intercept__doselow", "Intercept__dosehigh", "doselow__dosehigh"))
  expect_true(all(names %in% fit$posterior$names))
  for (k in 1:3) fit$posterior$draws[, match(names[k], fit$posterior$names), ] <- c(0.5, -0.3, 0.2)[k]
  factor <- correlation_factor(fit, term, 1:3)
  l <- matrix(0, 3, 3)
  for (i in 1:3) for (j in seq_len(i)) l[i, j] <- factor[[i]][[j]][1]
  expect_equal(l %*% t(l), matrix(c(1, 0.5, -0.3, 0.5, 1, 0.2, -0.3, 0.2, 1), 3))
})

test_that("multiplying all of one condition moves expression, and nothing else", {
  fit <- scale_fit()
  shifted <- fit
  at <- match("b_conditionstim", fit$posterior$names)
  shifted$posterior$draws[, at, ] <- shifted$posterior$draws[, at, ] + 1.7
  for (estimand in c("population", "observed", "new_donor")) for (scale in c("composition", "clr")) {
    expect_equal(effect_of(shifted, estimand = estimand, scale = scale), effect_of(fit, estimand = estimand, scale = scale))
  }
  expect_equal(effect_of(shifted, scale = "expression"), effect_of(fit, scale = "expression") + 1.7)
})

test_that("donors are weighted", {
  fit <- scale_fit()
  fit$job$source$kind <- "leaves"
  fit$job$cells <- list(n = c(10, 30, 20, 20, 5, 0, 8, 2, 50, 50))
  s <- 5
  difference <- function(z) z[, "stim", ] - z[, "ctrl", ]
  expected <- function(size) unname(drop(difference(loop_log_means(fit, s)) %*% (size / sum(size))))
  weighted <- function(weights) effect_of(fit, estimand = "observed", scale = "expression", donor_weights = weights)[s, ]
  expect_equal(weighted("cells"), expected(c(40, 40, 5, 10, 100)))
  expect_equal(weighted("harmonic"), expected(1 / c(1 / 10 + 1 / 30, 2 / 20, Inf, 1 / 8 + 1 / 2, 2 / 50)))
  expect_equal(weighted(c(d5 = 1, d1 = 1, d2 = 0, d3 = 0, d4 = 2)), expected(c(1, 0, 0, 2, 1)))
  expect_error(weighted(c(d1 = 1)), "d2", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, donor_weights = "cells"), "observed", class = "twill_error_contrast")
})

test_that("levels that differ between the conditions are found, and incomplete donors left out", {
  samples <- gene_samples()[-2, ]
  fit <- scale_fit(design = ~ condition + (1 | donor) + (1 | donor:condition), counts = gene_counts(8)[, -2], col_data = samples)
  draws <- posterior::as_draws_matrix(fit)
  s <- 7
  value <- function(name) as.numeric(draws[s, name])
  y <- function(g, condition, j) {
    value(sprintf("b_Intercept[%s]", g)) + (condition == "stim") * value(sprintf("b_conditionstim[%s]", g)) +
      value(sprintf("r_donor[%s,%s,Intercept]", g, j)) + value(sprintf("r_donor:condition[%s,%s_%s,Intercept]", g, j, condition))
  }
  side <- function(condition) {
    rowMeans(vapply(paste0("d", 2:5), function(j) {
      log_mean <- vapply(rownames(fit), y, 0, condition = condition, j = j)
      log_mean - log(sum(exp(log_mean)))
    }, numeric(8)))
  }
  expect_equal(effect_of(fit, estimand = "observed")[s, ], unname(side("stim") - side("ctrl")))
})

test_that("IQR references are genes of middling variance over samples", {
  fit <- scale_fit(counts = gene_counts(40))
  logs <- log(t(gene_counts(40)) + 0.5)
  spread <- apply(logs - rowMeans(logs), 2, var)
  found <- resolve_reference(fit, "iqr", logical(40))
  expect_identical(found, unname(which(spread >= quantile(spread, 0.25) & spread <= quantile(spread, 0.75))))
  expect_length(found, 20)
  y <- loop_centre(fit, 3)
  expect_equal(effect_of(fit, scale = "clr", reference = "iqr")[3, ], unname(y[, 2] - y[, 1] - mean((y[, 2] - y[, 1])[found])))
})

test_that("cells add the variance of log Gamma, independently for each donor", {
  fit <- scale_fit(iter = 6000, counts = gene_counts(4))
  fit$posterior$draws[, match("shape", fit$posterior$names), ] <- rep(c(0.05, 0.5, 2, 50), each = dim(fit$posterior$draws)[1])
  quiet <- effect_of(fit, scale = "expression", estimand = "observed")
  noisy <- effect_of(fit, scale = "expression", estimand = "observed", cell_noise = TRUE)
  # Two cells in each of five donors.
  expect_equal(apply(noisy - quiet, 2, var), 2 * trigamma(c(0.05, 0.5, 2, 50)) / 5, tolerance = 0.1)
  population <- effect_of(fit, cond(condition = "ctrl"), scale = "expression", cell_noise = TRUE)
  difference <- population - effect_of(fit, cond(condition = "ctrl"), scale = "expression")
  expect_equal(colMeans(difference), digamma(c(0.05, 0.5, 2, 50)) - log(c(0.05, 0.5, 2, 50)), tolerance = 0.05)
  expect_error(tw_contrast(fake_set(family = "poisson"), cell_noise = TRUE), "negative", class = "twill_error_contrast")
})

test_that("genes without draws are in no sum", {
  fit <- scale_fit()
  fit$posterior$draws[, , 4] <- NaN
  rest <- fit[-4, ]
  expect_equal(effect_of(fit)[, -4], effect_of(rest))
  expect_equal(effect_of(fit, scale = "clr")[, -4], effect_of(rest, scale = "clr"))
  expect_true(all(is.na(effect_of(fit)[, 4])))
})

test_that("numbers do not depend on how genes are cut into blocks", {
  fit <- scale_fit(counts = gene_counts(260), iter = 4)
  blocks <- scale_blocks(fit, 260, 10)
  expect_gt(length(blocks), 1)
  expect_equal(rowSums(exp(effect_of(fit, cond()))), rep(1, 4))
})

test_that("what a fit has not kept is named", {
  lean <- fake_set(counts = gene_counts(210), iter = 4)
  expect_error(tw_contrast(lean, scale = "clr", estimand = "observed"), "effects", class = "twill_error_draws")
  expect_s3_class(as.data.frame(tw_contrast(lean, scale = "clr")), "data.frame")
  moments <- fake_set(counts = gene_counts(210), iter = 4, keep = "moments")
  expect_error(tw_contrast(moments, scale = "clr"), "draws", class = "twill_error_draws")
  gaussian <- fake_set(counts = log(gene_counts() + 1), family = "gaussian")
  expect_error(tw_contrast(gaussian, scale = "clr"), "counts", class = "twill_error_contrast")
  bare <- fake_set(design = ~ 0 + condition + (1 | donor))
  expect_error(tw_contrast(bare, "conditionstim - conditionctrl", scale = "composition"), "cond", class = "twill_error_contrast")
  expect_error(tw_contrast(bare, stim_effect(), scale = "clr", reference = "gene99"), "gene99", class = "twill_error_genes")
})

# 120 genes of five donors, a tenth of which respond; the whole of the second condition is `shift` times as deep.
shifted_experiment <- function(shift, seed = 3) {
  counts <- gene_counts(120, seed = seed, effect = 1, n_responding = 12)
  with_fixed_seed(seed, deeper <- matrix(rpois(length(counts), counts * shift), nrow(counts), dimnames = dimnames(counts)))
  counts[, gene_samples()$condition == "stim"] <- deeper[, gene_samples()$condition == "stim"]
  twill_genes(counts, ~ condition + (1 + condition || donor), col_data = gene_samples(), size_factors = "none", seed = 1,
              keep = "effects", silent = 2)
}

test_that("a global shift of one condition is in expression, and not in CLR and composition", {
  skip_if_not(has_gene_engine())
  fit <- shifted_experiment(4)
  truth <- rep(c(1, 0), c(12, 108)) / log(2)
  res <- lapply(c(expression = "expression", clr = "clr", composition = "composition"), function(scale) {
    as.data.frame(tw_contrast(fit, stim_effect(), estimand = "observed", scale = scale))
  })
  null <- 13:120
  expect_equal(median(res$expression$log2FoldChange[null]), 2, tolerance = 0.05)
  expect_equal(res$clr$log2FoldChange - res$expression$log2FoldChange,
               rep(-mean(res$expression$log2FoldChange), 120), tolerance = 1e-8)
  covered <- function(table, truth) mean(table$lower <= truth & truth <= table$upper)
  expect_gt(covered(res$clr, truth - mean(truth)), 0.9)
  expect_lt(covered(res$expression, truth), 0.1)
  true_share <- fit$job$scan$total[1:12] |> sum() / sum(fit$job$scan$total)
  expect_lt(abs(median(res$composition$log2FoldChange[null])), log2(1 + 2 * true_share))
  iqr <- tw_contrast(fit, stim_effect(), scale = "clr", reference = "iqr")
  expect_lt(abs(median(iqr$log2FoldChange[null])), 0.05)
  called <- function(table) which(table$svalue <= 0.05)
  expect_gt(length(called(res$expression)), 115)
  expect_true(mean(called(res$clr) %in% null) < 0.5)
  expect_true(all(1:12 %in% called(iqr)))
})
