# What is read off fits of genes and cells: units of continuous values, genes left out, levels that a contrast does not name,
# generics of Bioconductor.

value_fit <- function() {
  samples <- gene_samples(6)
  values <- with_fixed_seed(3, matrix(rnorm(12 * 6, 8, 0.3), 6, dimnames = list(paste0("p", 1:6), NULL)))
  values[1:3, samples$condition == "stim"] <- values[1:3, samples$condition == "stim"] + 2
  twill_genes(values, ~ condition + (1 + condition || donor), col_data = samples, family = "gaussian", keep = "effects",
              iter = 200, seed = 1, silent = 2)
}

cells_fit <- function(...) {
  made <- simulate_cells(n_genes = 9)
  made$counts[2, ] <- 0L
  made$counts[3, ] <- c(3L, integer(399))
  twill_cells(made$counts, ~ condition + (1 | donor), col_data = made$cells, iter = 100, seed = 1, check = FALSE, ...)
}

test_that("means, differences and effects of continuous values are in their units", {
  fit <- value_fit()
  means <- tw_means(fit)
  beta <- colMeans(twill:::draws_of(fit, "b_Intercept", 1:6)[, 1, ])
  of_ctrl <- tapply(means$estimate[means$condition == "ctrl"], means$gene[means$condition == "ctrl"], mean)
  # Levels' effects average to about zero: within two posterior sds over sqrt(6 donors).
  expect_lt(max(abs(of_ctrl[rownames(fit)] - beta)), 0.1)
  draws <- tw_means(fit, "p1", summary = FALSE)
  expect_equal(mean(draws[, 1, 1]), means$estimate[1])
  group <- tw_groups(fit, "donor")$d1
  of_group <- summary(group, contrast = c("stim", "ctrl"))
  expect_equal(of_group$log2FoldChange, unname(colMeans(group[["stim", "ctrl"]])))
  expect_lt(max(abs(of_group[1:3, "log2FoldChange"] - 2)), 0.5)
  text <- paste(capture.output(print(tw_draws(fit, "condition"))), collapse = "\n")
  expect_false(grepl("fold", text))
  plot <- plot(tw_draws(fit, "condition"))
  expect_false(grepl("fold|dashed", plot$labels$subtitle))
  expect_false(any(vapply(plot$layers, function(layer) identical(layer$data$xintercept, c(-1, 1)), TRUE)))
  is_log <- function(scale) "x" %in% scale$aesthetics && scale$trans$name == "log-10"
  is_log_scale <- function(plot) any(vapply(plot$scales$scales, is_log, TRUE))
  expect_false(is_log_scale(plot(fit, "ma")))
  expect_false(is_log_scale(plot(fit, "dispersion")))
})

test_that("genes that a fit of cells leaves out are counted at the fit, in print and in tw_diagnostics()", {
  expect_message(fit <- cells_fit(silent = 1), "Left out genes: 2 with fewer than 5 counts", class = "twill_message_left_out")
  expect_output(print(fit), "2 left out with fewer than 5 counts")
  status <- tw_diagnostics(fit, all = TRUE)
  expect_setequal(rownames(status), paste0("gene", 1:9))
  expect_identical(status[c("gene2", "gene3"), "message"], c("0 counts in all", "3 counts in all"))
  expect_identical(status[c("gene2", "gene3"), "total"], c(0, 3))
  pooled <- suppressMessages(cells_fit(gene_coverage = 0.7, silent = 2))
  status <- tw_diagnostics(pooled, all = TRUE)
  expect_setequal(rownames(status), c(paste0("gene", 1:9), "_other"))
  outside <- setdiff(paste0("gene", 1:9), rownames(pooled))
  expect_match(status[setdiff(outside, c("gene2", "gene3")), "message"], "outside of the coverage; in _other")
  expect_match(status["gene3", "message"], "3 counts in all; in _other")
  # Those that were pooled are told of once.
  expect_output(print(pooled), sprintf("stands for %d genes\\); 1 left out with", length(outside) - 1))
  asked <- cells_fit(genes = c("gene1", "gene2"), silent = 2)
  status <- tw_diagnostics(asked, all = TRUE)
  expect_identical(status[c("gene1", "gene2"), "message"], c("", "0 counts in all"))
  expect_output(print(asked), "1 left out with fewer")
})

test_that("fits of cells answer to the generics of BiocGenerics", {
  skip_if_not_installed("BiocGenerics")
  fit <- cells_fit(silent = 2)
  expect_identical(BiocGenerics::design(fit), formula(fit))
  sizes <- BiocGenerics::sizeFactors(fit)
  expect_equal(sizes, setNames(tw_means(fit, "gene1")$observed, names(sizes))^-1 * BiocGenerics::counts(fit)["gene1", ])
  expect_equal(unname(rowSums(BiocGenerics::counts(fit))), tw_diagnostics(fit)$total)
  expect_s3_class(BiocGenerics::plotMA(fit), "ggplot")
  expect_s3_class(BiocGenerics::plotDispEsts(fit), "ggplot")
  for (class in c("twillrows", "twill_screen", "twill_partial")) {
    other <- fit
    class(other) <- c(class, "twillgenes")
    expect_identical(BiocGenerics::design(other), formula(fit))
  }
  class(other) <- c("twill_partial", "twillcells", "twillgenes")
  expect_identical(BiocGenerics::sizeFactors(other), sizes)
  expect_true(methods::is(fit, "twillgenes"))
})

crossed_fit <- function(design = ~ dose * sex + age + (1 + dose || donor)) {
  fake_set(counts = gene_counts(4, n_donors = 12), design = design, col_data = three_by_two())
}

test_that("a contrast at reference levels says where it is, if that matters", {
  fit <- crossed_fit()
  triple <- c("dose", "high", "none")
  difference <- cond(dose = "high") - cond(dose = "none")
  expect_message(tw_contrast(fit, triple), "sex = f", class = "twill_message_reference")
  expect_message(tw_contrast(fit, difference), "sex = f", class = "twill_message_reference")
  expect_message(plot(fit, "forest", gene = "gene1", contrast = triple), "sex = f", class = "twill_message_reference")
  said <- function(code) {
    tryCatch({
      code
      FALSE
    }, twill_message_reference = function(m) TRUE)
  }
  expect_false(said(tw_contrast(fit, cond(dose = "high", sex = "m") - cond(dose = "none", sex = "m"))))
  expect_false(said(tw_contrast(fit, cond(dose = "high"))))
  expect_false(said(tw_contrast(fit, "dosehigh")))
  additive <- crossed_fit(~ dose + sex + (1 + dose || donor))
  expect_false(said(tw_contrast(additive, triple)))
  with_number <- crossed_fit(~ dose * age + (1 | donor))
  expect_message(tw_contrast(with_number, triple), "age = 0", class = "twill_message_reference")
})

test_that("conditions are averaged over the levels of the other variables, each with the same weight", {
  fit <- crossed_fit()
  data <- fit$job$model$data
  grid <- expand.grid(dose = levels(data$dose), sex = levels(data$sex))
  grid$age <- mean(data$age)
  x <- stats::model.matrix(~ dose * sex + age, grid)
  rows <- function(dose) colMeans(x[grid$dose == dose, ])
  averaged <- cond(dose = "high", .average = TRUE) - cond(dose = "none", .average = TRUE)
  by_hand <- unname(rows("high") - rows("none"))
  expect_equal(resolve_contrast(fit$job$model, averaged)$x, by_hand)
  expect_equal(resolve_contrast(fit$job$model, cond(.average = TRUE))$x, unname(colMeans(x)))
  named <- cond(dose = "high", .average = "sex") - cond(dose = "none", .average = "sex")
  expect_equal(resolve_contrast(fit$job$model, named)$x, by_hand)
  halves <- 0.5 * (cond(dose = "high", sex = "f") + cond(dose = "high", sex = "m")) -
    0.5 * (cond(dose = "none", sex = "f") + cond(dose = "none", sex = "m"))
  for (scale in c("expression", "clr")) for (estimand in c("population", "observed", "new_donor")) {
    table <- function(contrast) as.data.frame(tw_contrast(fit, contrast, scale = scale, estimand = estimand, adaptive = FALSE))
    expect_equal(table(averaged), table(halves), ignore_attr = TRUE)
  }
  expect_output(print(averaged), "cond(dose = \"high\", .average = TRUE) - cond(dose = \"none\", .average = TRUE)", fixed = TRUE)
  expect_error(tw_contrast(fit, cond(dose = "high", .average = "sx")), "sx", class = "twill_error_contrast")
  expect_error(cond(dose = "high", .average = 2), ".average", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, cond(dose = "high", .average = "donor")), "donor", class = "twill_error_contrast")
})

test_that("averages stay within levels of groups made of the averaged variable", {
  fit <- crossed_fit(~ dose * sex + (1 | donor:sex) + (0 + dose || donor))
  averaged <- cond(dose = "high", .average = TRUE) - cond(dose = "none", .average = TRUE)
  halves <- 0.5 * (cond(dose = "high", sex = "f") + cond(dose = "high", sex = "m")) -
    0.5 * (cond(dose = "none", sex = "f") + cond(dose = "none", sex = "m"))
  for (estimand in c("population", "observed", "new_donor")) {
    expect_equal(as.data.frame(tw_contrast(fit, averaged, estimand = estimand)),
                 as.data.frame(tw_contrast(fit, halves, estimand = estimand)), ignore_attr = TRUE)
  }
})

test_that("single cells in twill_genes() are told of twill_cells()", {
  made <- simulate_cells(n_genes = 3, n_cells = 600)
  made$counts[] <- with_fixed_seed(1, rpois(1800, 0.2))
  made$counts[1, ] <- made$counts[1, ] + 1L
  local_engine(fake_engine)
  run <- function(counts = made$counts, cells = made$cells, ...) {
    twill_genes(counts, ~ condition + (1 | donor), col_data = cells, iter = 100, seed = 1, share = "none", check = FALSE, ...)
  }
  expect_message(run(), "600 columns in 8 combinations.*twill_cells", class = "twill_message_cells")
  expect_no_message(run(silent = 2))
  expect_no_message(run(made$counts[, 1:200], made$cells[1:200, ]), class = "twill_message_cells")
  expect_no_message(run(made$counts + 1L), class = "twill_message_cells")
})
