# Effects of factors, groups and interactions, and their spread, against the named draws.

draws_of <- function(fit, gene, variable) as.numeric(as_draws_matrix(fit, genes = gene)[, variable])

test_that("effects of a factor are differences from its first level", {
  fit <- cells_fit()
  effect <- tw_draws(fit, "condition")
  expect_named(effect, c("ctrl", "stim"))
  expect_equal(unname(effect[["stim"]][, "gene3"]), draws_of(fit, "gene3", "b_conditionstim"))
  expect_equal(unique(as.vector(effect[["ctrl"]])), 0)
  expect_equal(effect[["ctrl", "stim"]], -effect[["stim"]])
  expect_equal(dim(as.array(effect)), c(n_set_draws(fit), 2, 6))
  expect_equal(as.array(effect)[, "stim", ], effect[["stim"]], ignore_attr = TRUE)
})

test_that("effects of a group and of an interaction are deviations of its levels", {
  fit <- cells_fit()
  donor <- tw_draws(fit, "donor", genes = c("gene5", "gene1"))
  expect_named(donor, c("d1", "d2", "d3"))
  expect_equal(unname(donor[["d2"]][, "gene5"]), draws_of(fit, "gene5", "r_donor[d2,Intercept]"))
  both <- list(tw_draws(fit, "condition:donor"), tw_draws(fit, "donor : condition"))
  for (effect in both) {
    difference <- draws_of(fit, "gene1", "r_donor[d3,conditionstim]") - draws_of(fit, "gene1", "r_donor[d1,conditionstim]")
    expect_equal(unname(effect[["d3", "d1"]][, "gene1"]), difference)
  }
  table <- summary(donor)
  expect_equal(table$estimate[table$level == "d2" & table$gene == "gene1"], mean(draws_of(fit, "gene1", "r_donor[d2,Intercept]")))
})

test_that("several levels, numbers, contrasts and groups of two variables have effects", {
  fit <- fake_set(counts = gene_counts(4, 12)[, 1:24], design = ~ dose * sex + age + (1 + dose || donor) + (1 | donor:sex),
                  col_data = three_by_two(), contrasts = list(dose = "contr.sum"), keep = "effects")
  expect_named(tw_draws(fit, "dose"), c("none", "low", "high"))
  expect_equal(tw_draws(fit, "dose")[["high"]], -tw_draws(fit, "dose")[["none"]] - tw_draws(fit, "dose")[["low"]])
  expect_equal(unname(tw_draws(fit, "age")[["age"]][, 2]), draws_of(fit, "gene2", "b_age"))
  expect_equal(unname(tw_draws(fit, "sex:dose")[["m | low"]][, 1]), draws_of(fit, "gene1", "b_dose2:sexm"))
  expect_equal(length(tw_draws(fit, "donor:sex")), 8)
  slopes <- tw_draws(fit, "dose:donor")
  expect_equal(length(slopes), 8)
  expect_equal(unname(slopes[["dose2 | d3"]][, 3]), draws_of(fit, "gene3", "r_donor[d3,dose2]"))
})

test_that("draws are in the unit that is asked for, and everything made of them says it", {
  fit <- cells_fit()
  natural <- tw_draws(fit, "condition")
  base2 <- tw_draws(fit, "condition", log2 = TRUE)
  expect_equal(base2[["stim"]], natural[["stim"]] / log(2))
  expect_equal(tw_draws(fit, "donor", log2 = TRUE)[["d2", "d1"]], tw_draws(fit, "donor")[["d2", "d1"]] / log(2))
  expect_equal(as.array(base2), as.array(natural) / log(2))
  expect_equal(summary(base2)$estimate, summary(natural)$estimate / log(2))
  expect_s3_class(summary(base2), "tw_table")
  expect_identical(attr(summary(base2), "unit"), "log2")
  expect_output(print(summary(natural)), "natural log units")
  expect_output(print(base2), "log2")
  expect_output(print(natural), "natural logarithm")
  # Estimates in plots are in base 2, and so are folds.
  expect_equal(plot(base2)$data$estimate, plot(natural)$data$estimate)
  expect_identical(effect_rows(base2, "stim")[, "beyond 2-fold"], effect_rows(natural, "stim")[, "beyond 2-fold"])
  values <- fake_set(counts = log(gene_counts(4) + 1), family = "gaussian", keep = "effects")
  expect_identical(tw_draws(values, "condition", log2 = TRUE)[["stim"]], tw_draws(values, "condition")[["stim"]])
  expect_output(print(tw_draws(values, "condition")), "units of the values")
  expect_error(tw_draws(fit, "condition", log2 = NA), "log2", class = "twill_error_setting")
})

test_that("unknown terms and levels are refused with what there is", {
  fit <- cells_fit()
  expect_error(tw_draws(fit, "conditoin"), "condition", class = "twill_error_effect")
  expect_error(tw_draws(fit, c("a", "b")), class = "twill_error_effect")
  expect_error(tw_draws(fit, "donor")[["d7"]], "d1", class = "twill_error_effect")
})

test_that("tw_spread() has posterior means of standard deviations and the probability of agreement", {
  fit <- cells_fit()
  spread <- tw_spread(fit)
  effect <- draws_of(fit, "gene4", "b_conditionstim")
  sd <- draws_of(fit, "gene4", "sd_donor__conditionstim")
  expect_equal(spread["gene4", "effect"], mean(effect) / log(2))
  expect_equal(spread["gene4", "baseline"], mean(draws_of(fit, "gene4", "sd_donor__Intercept")) / log(2))
  expect_equal(spread["gene4", "response"], mean(sd) / log(2))
  expect_equal(spread["gene4", "agreement"], mean(pnorm(sign(mean(effect)) * effect / sd)))
  expect_output(print(utils::head(spread[order(-spread$response), ], 3)), "3 genes")
  expect_error(tw_spread(cells_fit(design = ~ condition + (1 | donor))), class = "twill_error_plot")
})
