# Screens speak of guides by name and of samples, in every verb, with the numbers of the draws.

used <- c("s1", "s2", "s4", "s5")

test_that("sizes and names are of genes and samples", {
  fit <- verbs_screen()$fit
  expect_identical(dim(fit), c(3L, 4L))
  expect_identical(dimnames(fit), list(c("A", "B", "C"), used))
  expect_identical(nobs(fit), 4L)
  expect_equal(model.frame(fit), data.frame(arm = factor(c("a", "b", "a", "b")), rep = factor(c("r1", "r1", "r2", "r2"))))
  expect_identical(dim(model.matrix(fit)), c(4L, 2L))
  expect_identical(df.residual(fit), c(A = 11 - 2, B = 8 - 2, C = 4 - 2))
  expect_identical(ngrps(fit), list(rep = 2L, guide = 6L))
})

test_that("guides that share a name go by that of their gene", {
  s <- verbs_screen()
  values <- fitted(s$fit)
  expect_identical(colnames(values), used)
  expect_setequal(rownames(values), c("A:x", "a2", "a3", "B:x", "b2", "c1"))
  expect_identical(which(is.na(values)), which(is.na(residuals(s$fit))))
  expect_identical(names(which(is.na(values[, "s2"]))), "a2")
  expect_identical(sum(weights(s$fit)), 23)
})

test_that("fitted values, residuals and predictions are those of the guide's own draws", {
  s <- verbs_screen()
  fit <- s$fit
  guide <- "a3"
  draws <- as_draws_matrix(fit, genes = "A")
  expect_true(all(c("r_guide[x,Intercept]", "r_guide[a2,Intercept]", "r_guide[a3,armb]") %in% colnames(draws)))
  expect_false(any(grepl("guide[0-9]", colnames(draws))))
  offset <- log(300) + log(fit$job$sizes$values[5])
  eta <- offset + rowSums(draws[, c("b_Intercept", "b_armb", "r_rep[r2,Intercept]", "r_guide[a3,Intercept]",
                                    "r_guide[a3,armb]")])
  expect_equal(as.vector(posterior_linpred(fit)[, "s5", guide]), as.vector(eta))
  expect_equal(as.vector(posterior_epred(fit, genes = "A")[, "s5", guide]), as.vector(exp(eta)))
  expect_equal(fitted(fit)[guide, "s5"], exp(mean(eta)))
  expect_equal(residuals(fit)[guide, "s5"], s$counts["a3", "s5"] - exp(mean(eta)))
  expect_equal(log_lik(fit)[, "s5", guide], as.vector(dnbinom(s$counts["a3", "s5"], mu = exp(eta), size = draws[, "shape"],
                                                               log = TRUE)))
  expect_equal(predict(fit, seed = 1)[guide, "Estimate", "s5"], mean(posterior_predict(fit, seed = 1)[, "s5", guide]))
  rows <- augment(fit)
  at <- rows$guide == "a3" & rows$sample == "s5"
  expect_equal(rows$.observed[at], s$counts[["a3", "s5"]])
  expect_equal(rows$.fitted[at], mean(exp(eta)))
  expect_identical(nrow(rows), 23L)
  means <- tw_means(fit)
  expect_equal(means$estimate[means$guide == "a3" & means$sample == "s5"], mean(exp(eta - offset)))
  expect_identical(nrow(means), 23L)
})

test_that("draws of means are by guide and sample, without sizes and plasmid counts", {
  fit <- verbs_screen()$fit
  draws <- tw_means(fit, summary = FALSE)
  guides <- list(A = c("x", "a2", "a3"), B = c("x", "b2"), C = "c1")
  shown <- c("A:x", "a2", "a3", "B:x", "b2", "c1")
  expect_identical(dimnames(draws), list(NULL, shown, used))
  for (gene in names(guides)) {
    own <- as_draws_matrix(fit, genes = gene)
    for (guide in guides[[gene]]) for (sample in used) {
      arm <- if (sample %in% c("s2", "s5")) c("b_armb", sprintf("r_guide[%s,armb]", guide))
      rep <- if (sample %in% c("s1", "s2")) "r1" else "r2"
      terms <- c("b_Intercept", arm, sprintf("r_rep[%s,Intercept]", rep), sprintf("r_guide[%s,Intercept]", guide))
      name <- if (guide == "x") paste0(gene, ":x") else guide
      by_hand <- if (guide == "a2" && sample == "s2") NA_real_ * own[, 1] else exp(rowSums(own[, terms]))
      expect_equal(draws[, name, sample], as.vector(by_hand))
    }
  }
  expect_identical(tw_means(fit, "B", leaf = c("s5", "s2"), summary = FALSE), draws[, c("B:x", "b2"), c("s5", "s2")])
  expect_identical(tw_means(fit, leaf = c(arm = "a"), summary = FALSE), draws[, , c("s1", "s4")])
})

test_that("leaves of a screen are samples, by name or number, with all guides", {
  fit <- verbs_screen()$fit
  expect_identical(tw_means(fit, leaf = c(4, 2)), tw_means(fit, leaf = c("s5", "s2")))
  expect_identical(tw_means(fit, "B", leaf = 2)$guide, c("x", "b2"))
  expect_error(tw_means(fit, leaf = 5), "It is 5.*Leaves are \"s1\", \"s2\", \"s4\", and \"s5\"[.]", class = "twill_error_leaf")
  expect_error(tw_means(fit, leaf = c(arm = "c")), "There are \"s1\", \"s2\", \"s4\", and \"s5\"[.]", class = "twill_error_leaf")
})

test_that("new data name guides, and are of the genes that have them", {
  fit <- verbs_screen()$fit
  new <- data.frame(arm = c("a", "b", "b"), rep = "r1", guide = c("a2", "b2", "never seen"))
  expect_error(posterior_epred(fit, new), "never seen", class = "twill_error_newdata")
  got <- posterior_epred(fit, new[1:2, ])
  expect_identical(unname(is.na(got[1, , ])), cbind(c(FALSE, TRUE), c(TRUE, FALSE), c(TRUE, TRUE)))
  draws <- as_draws_matrix(fit, genes = "B")
  by_hand <- exp(rowSums(draws[, c("b_Intercept", "b_armb", "r_rep[r1,Intercept]", "r_guide[b2,Intercept]", "r_guide[b2,armb]")]))
  expect_equal(got[, 2, "B"], as.vector(by_hand))
  expect_true(all(is.na(predict(fit, new[1:2, ])["C", , ])))
  expect_false(anyNA(predict(fit, new[3, ], allow_new_levels = TRUE, seed = 1)))
})

test_that("effects and coefficients are by guide", {
  fit <- verbs_screen()$fit
  effects <- ranef(fit)
  expect_identical(dim(effects$rep), c(3L, 4L, 2L, 1L))
  expect_identical(dim(effects$guide), c(6L, 4L, 2L))
  draws <- as_draws_matrix(fit, genes = "B")
  expect_equal(effects$guide["b2", "Estimate", "armb"], mean(draws[, "r_guide[b2,armb]"]))
  expect_equal(ranef(fit, summary = FALSE, genes = "B")$guide[, "b2", "armb"], as.vector(draws[, "r_guide[b2,armb]"]))
  expect_equal(coef(fit)$guide["b2", "Estimate", "armb"], mean(draws[, "r_guide[b2,armb]"] + draws[, "b_armb"]))
  table <- tidy(fit, effects = c("fixed", "ran_vals"))
  expect_equal(table$estimate[table$level %in% "b2" & table$term == "armb"], effects$guide[["b2", "Estimate", "armb"]])
  expect_identical(sum(table$group %in% "guide"), 12L)
  expect_identical(unique(table$gene), c("A", "B", "C"))
  # Guides crossed with replicates are levels of their own.
  crossed <- verbs_screen(~ arm + (1 | guide) + (1 | guide:rep))$fit
  levels <- rownames(ranef(crossed, genes = "B")$`guide:rep`)
  expect_setequal(levels, c("x_r1", "b2_r1", "x_r2", "b2_r2"))
  expect_true(all(sprintf("r_guide:rep[%s,Intercept]", levels) %in% variables(as_draws(crossed, genes = "B"))))
})

test_that("draws of several genes name gene and guide, and variables() has them all", {
  fit <- verbs_screen()$fit
  names <- variables(as_draws(fit, variable = "^r_guide", regex = TRUE))
  expect_true(all(c("r_guide[A,x,Intercept]", "r_guide[B,x,armb]", "r_guide[C,c1,Intercept]") %in% names))
  expect_length(names, 12)
  all <- lapply(rownames(fit), function(gene) variables(as_draws(fit, genes = gene)))
  expect_setequal(variables(fit), unlist(all))
})

test_that("criteria are of samples", {
  fit <- verbs_screen()$fit
  by_sample <- waic(fit, by = "sample")
  expect_identical(rownames(by_sample$pointwise), used)
  expect_equal(by_sample$estimates, waic(fit)$estimates, tolerance = 1, ignore_attr = TRUE)
  expect_equal(by_sample$estimates["elpd_waic", "Estimate"], waic(fit)$estimates["elpd_waic", "Estimate"])
  loo <- suppressWarnings(loo(fit, integrate = FALSE))
  expect_identical(dim(loo$diagnostics$sample_k), c(4L, 6L))
})

test_that("print and summary show guides, samples and plasmid counts", {
  fit <- verbs_screen()$fit
  local_options <- options(width = 80)
  on.exit(options(local_options))
  printed <- utils::capture.output(print(fit))
  expect_lte(max(nchar(printed)), 80)
  expect_match(printed, "3 negbinomial models, 6 guides, 4 samples", all = FALSE)
  expect_match(printed, "guide (1 to 3 per gene)", fixed = TRUE, all = FALSE)
  expect_match(printed, "one count per guide and sample, median 300", all = FALSE)
  expect_match(printed, "tw_guides", all = FALSE)
  table <- summary(fit)$samples
  expect_identical(table$sample, used)
  expect_identical(as.character(table$arm), c("a", "b", "a", "b"))
  expect_output(print(summary(fit)), "Samples:\n sample counts +size")
})

test_that("what has no meaning for guides says so, and one gene has its own", {
  fit <- verbs_screen()$fit
  expect_error(tw_groups(fit), "tw_guides", class = "twill_error_method")
  expect_error(tw_draws(fit, "guide"), "tw_guides", class = "twill_error_method")
  expect_identical(names(tw_draws(fit, "rep")), c("r1", "r2"))
  one <- tw_gene(fit, "A", chains = 1, iter = 100, silent = 2, refresh = 0)
  expect_identical(nobs(one), 11L)
  expect_setequal(rownames(ranef(one)$guide), c("x", "a2", "a3"))
  single <- tw_gene(fit, "C", chains = 1, iter = 100, silent = 2, refresh = 0)
  expect_true("c1" %in% rownames(ranef(single)$guide))
  expect_identical(pp_check(fit, genes = c("A", "B"), ndraws = 10, seed = 1)$labels$x, "samples, guide by guide")
})

test_that("genes of one guide have no guides to name, effects of one draw no error, and genes that are none are refused", {
  counts <- with_fixed_seed(2, matrix(rpois(24, 200), 6, dimnames = list(paste0("g", 1:6), NULL)))
  data <- data.frame(z = c(-1, 0, 1, 2), rep = gl(2, 2))
  screen <- function(design, gene, ...) {
    suppressWarnings(twill_screen(counts, design, gene = gene, col_data = data, chains = 1, seed = 1, silent = 2, ...))
  }
  alone <- screen(~ z + (1 | rep), letters[1:6], iter = 20, keep = "effects")
  expect_identical(dim(as_draws_array(alone))[2:3], c(1L, 6L * length(variables(alone))))
  expect_s3_class(suppressWarnings(tw_gene(alone, "b", x = counts, chains = 1, iter = 20, seed = 1, silent = 2)), "twillfit")
  one_draw <- screen(~1, rep(c("A", "B"), 3), iter = 20, warmup = 19, keep = "effects")
  errors <- ranef(one_draw)$guide[, "Est.Error", ]
  expect_true(all(is.na(errors)) && !any(is.nan(errors)))
  expect_error(screen(~1, new.env()), "gene", class = "twill_error_genes")
  expect_error(twill_screen(counts, ~1, gene = rep("A", 6), by = "arm"), "no `by`", class = "twill_error_setting")
  expect_error(twill_screen(counts, ~1, gene = rep("A", 6), offset = 1), "sets `offset` itself", class = "twill_error_setting")
})

test_that("guides of genes with one guide each are as their gene", {
  set.seed(3)
  counts <- matrix(rpois(16, 60), 4, 4, dimnames = list(paste0("k", 1:4), paste0("s", 1:4)))
  fit <- suppressWarnings(twill_screen(counts, ~1, gene = LETTERS[1:4], chains = 1, iter = 100, seed = 1, silent = 2))
  guides <- tw_guides(fit)
  expect_identical(guides$guide, rownames(counts))
  expect_equal(guides$log2FoldChange, colMeans(as.matrix(as_draws_matrix(fit, variable = "b_Intercept"))) / log(2),
               ignore_attr = TRUE)
  expect_true(all(guides$efficacy == 1))
})
