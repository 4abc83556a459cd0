# tw_gene_sets(against = "rest"): values by hand, the correlation of genes against limma, and how often random sets are called;
# and sets from files.

# Gaussian values of independent samples; genes of a set of ten share a third of their noise, and effects have sd `spread`. As
# many genes again are in no set and move alone.
correlated_values <- function(seed, n_sets = 12, n_samples = 12, rho = 1 / 3, spread = 0.5) {
  n_genes <- 20 * n_sets
  with_fixed_seed(seed, {
    set <- rep(seq_len(n_sets), each = 10)
    x <- rep(0:1, n_samples / 2)
    shared <- matrix(rnorm(n_sets * n_samples), n_sets)
    noise <- matrix(rnorm(n_genes * n_samples), n_genes)
    noise[seq_along(set), ] <- sqrt(rho) * shared[set, ] + sqrt(1 - rho) * noise[seq_along(set), ]
    values <- 5 + outer(rnorm(n_genes, 0.3, spread), x) + noise
    dimnames(values) <- list(paste0("gene", seq_len(n_genes)), paste0("s", seq_len(n_samples)))
    list(values = values, data = data.frame(x = x), sets = split(rownames(values)[seq_along(set)], sprintf("set%02d", set)))
  })
}

fit_values <- function(d, ...) {
  twill_genes(d$values, ~x, family = "gaussian", col_data = d$data, iter = 200, seed = 1, silent = 2, ...)
}

test_that("the effect is the mean of the set less that of the others", {
  fit <- fake_set(counts = gene_counts(12), iter = 2000, keep = "effects")
  at <- match("b_conditionstim", fit$posterior$names)
  # Genes that differ by more than their errors.
  fit$posterior$draws[, at, ] <- fit$posterior$draws[, at, ] + rep(seq(-1, 1, length.out = 12), each = 2000)
  slope <- fit$posterior$draws[, at, ] / log(2)
  sets <- list(a = c("gene2", "gene5"), all = paste0("gene", 1:12), none = "nobody", most = paste0("gene", 1:10))
  res <- tw_gene_sets(fit, stim_effect(), sets, donors = "independent", against = "rest")
  difference <- rowMeans(slope[, c(2, 5)]) - rowMeans(slope[, -c(2, 5)])
  omega2 <- gene_variance(fit, slope)
  expect_gt(omega2, 0.5)
  expect_lt(abs(res$log2FoldChange[1] - mean(difference)), 4 * sd(difference) / sqrt(2000) + 4 * sqrt(omega2 / 2000))
  # A sample variance of 2000 has an error of 3 %.
  expect_equal(res$lfcSE[1]^2, var(difference) + omega2 * (1 / 2 + 1 / 10), tolerance = 0.12)
  # Few others are as uncertain as few genes of a set.
  of_most <- rowMeans(slope[, 1:10]) - rowMeans(slope[, 11:12])
  expect_equal(res$lfcSE[4]^2, var(of_most) + omega2 * (1 / 10 + 1 / 2), tolerance = 0.12)
  expect_true(all(is.na(res[2:3, -1])))
  expect_output(print(res), "less those of all others")
  masked <- tw_gene_sets(fit, stim_effect(), sets[1], donors = "independent", against = "rest",
                         mask = rownames(fit) %in% c("gene2", "gene9"))
  kept <- rowMeans(slope[, 5, drop = FALSE]) - rowMeans(slope[, -c(2, 5, 9)])
  expect_lt(abs(masked$log2FoldChange[1] - mean(kept)), 0.1)
  expect_error(tw_gene_sets(fit, stim_effect(), sets, against = "others"), "rest", class = "twill_error")
})

test_that("donors together, the difference is taken donor by donor", {
  fit <- fake_set(counts = gene_counts(12), iter = 2000, keep = "effects")
  p <- fit$posterior
  of_donor <- function(j, genes) {
    slope <- p$draws[, match("b_conditionstim", p$names), genes]
    rowMeans(slope + p$effects[, match(sprintf("r_donor[d%d,conditionstim]", j), p$effect_names), genes])
  }
  theta <- vapply(1:5, function(j) of_donor(j, 6:9) - of_donor(j, c(1:5, 10:12)), numeric(2000)) / log(2)
  res <- tw_gene_sets(fit, stim_effect(), list(a = paste0("gene", 6:9)), against = "rest")
  expect_lt(abs(res$log2FoldChange - mean(theta)), 4 * res$lfcSE / sqrt(2000))
  new <- tw_gene_sets(fit, stim_effect(), list(a = paste0("gene", 6:9)), against = "rest", estimand = "new_donor")
  expect_gt(new$lfcSE, res$lfcSE)
})

test_that("the variance of true effects is what is left of that of estimates", {
  weak <- list(job = list(sharing = list(effect_prior = "weak")))
  with_fixed_seed(1, {
    error <- rep(c(0.2, 1), each = 2000)
    mean <- rnorm(4000, 0.5, sqrt(0.3^2 + error^2))
    draws <- rbind(mean - error / sqrt(2), mean + error / sqrt(2))
  })
  # Standard error of a variance of 2000 precise and 2000 imprecise genes: about 4 %.
  expect_equal(gene_variance(weak, draws), 0.09, tolerance = 0.15)
  expect_identical(gene_variance(weak, draws[, 1:40] * 0 + c(-1, 1)), 0)
})

test_that("the correlation of genes over samples is that of limma", {
  skip_if_not(has_gene_engine())
  skip_if_not_installed("limma")
  d <- correlated_values(1)
  found <- set_inflation(fit_values(d), lapply(d$sets, match, rownames(d$values)))
  expect_identical(found$df, 10L)
  residuals <- t(qr.resid(qr(model.matrix(~x, d$data)), t(d$values)))
  u <- residuals / sqrt(rowSums(residuals^2) / 10)
  by_hand <- vapply(d$sets, function(set) {
    sum((colMeans(u[set, ]) - colMeans(u[setdiff(rownames(u), set), ]))^2) / 10 / (1 / 10 + 1 / 230)
  }, 0)
  expect_equal(found$inflation, by_hand)
  theirs <- vapply(d$sets, function(set) limma::interGeneCorrelation(d$values[set, ], model.matrix(~x, d$data))$vif, 0)
  # Ours is of the difference from the other genes, which move a little too.
  expect_gt(cor(found$inflation, theirs), 0.8)
  expect_equal(mean(found$inflation), mean(theirs), tolerance = 0.1)
})

test_that("random sets of genes that move together are called as rarely as they should be", {
  skip_if_not(has_gene_engine())
  outside <- unlist(lapply(1:8, function(seed) {
    d <- correlated_values(seed)
    fit <- fit_values(d, share = "none")
    of <- function(donors) {
      res <- tw_gene_sets(fit, "x", d$sets, against = "rest", adaptive = FALSE, donors = donors)
      sum(res$lower > 0 | res$upper < 0)
    }
    c(together = of("together"), independent = of("independent"))
  }))
  total <- tapply(outside, names(outside), sum)
  # 96 sets, of which 5 % are 4.8; the upper end of the binomial at 1 in 1000 is 13.
  expect_lte(total[["together"]], 13)
  expect_gt(total[["independent"]], total[["together"]])
})

# Files -----------------------------------------------------------------------------------------------------------------

test_that("sets are read from files, plain and compressed", {
  lines <- c("FIRST\thttp://a.example\tgene1\tgene2\tgene2\t", "", "SECOND\t\tgene5 ")
  file <- written_file(".gmt", writeLines(lines, file))
  sets <- tw_read_gmt(file)
  expect_identical(sets, list(FIRST = c("gene1", "gene2"), SECOND = "gene5"))
  zipped <- written_file(".gmt.gz", {
    connection <- gzfile(file, "wt")
    writeLines(lines, connection)
    close(connection)
  })
  expect_identical(tw_read_gmt(zipped), sets)
  fit <- fake_set(counts = gene_counts(6))
  expect_equal(tw_gene_sets(fit, stim_effect(), file), tw_gene_sets(fit, stim_effect(), sets))
})

test_that("files that hold no sets are refused by line and name", {
  expect_error(tw_read_gmt("nowhere.gmt"), "`file`.*nowhere", class = "twill_error_file")
  fit <- fake_set(counts = gene_counts(6))
  expect_error(tw_gene_sets(fit, stim_effect(), "nowhere.gmt"), "`sets`.*nowhere", class = "twill_error_file")
  expect_error(tw_read_gmt(written_file(".gmt", writeLines(c("A\tx\tg1", "B,x,g2"), file))), "2", class = "twill_error_file")
  twice <- written_file(".gmt", writeLines(c("A\tx\tg1", "A\tx\tg2"), file))
  expect_error(tw_read_gmt(twice), "\"A\"", class = "twill_error_file")
  expect_error(tw_read_gmt(written_file(".gmt", writeLines("", file))), "no set", class = "twill_error_file")
  short <- written_file(".gmt", writeLines(c("A\tx", "B\tx\tg1", "C"), file))
  expect_error(tw_read_gmt(short), "Lines 1 and 3 have", class = "twill_error_file")
  expect_no_warning(expect_error(tw_read_gmt(tempdir()), "a file that exists", class = "twill_error_file"))
})

test_that("sets in the encoding of older files are read", {
  latin1 <- written_file(".gmt", writeLines("caf\xe9\tx\tg1", file, useBytes = TRUE))
  utf8 <- written_file(".gmt", writeLines("caf\u00e9\tx\tg1", file, useBytes = TRUE))
  for (file in c(latin1, utf8)) expect_no_warning(expect_identical(tw_read_gmt(file), list("caf\u00e9" = "g1")))
})
