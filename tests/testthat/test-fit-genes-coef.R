# coef() of genes against sums of draws written out.

test_that("a level's coefficients are the population's and its deviations", {
  fit <- fake_set(counts = gene_counts(8), keep = "effects")
  found <- coef(fit)
  expect_named(found, "donor")
  expect_identical(dimnames(found$donor), list(paste0("gene", 1:8), c("Estimate", "Est.Error", "Q2.5", "Q97.5"),
                                               paste0("d", 1:5), c("Intercept", "conditionstim")))
  draws <- as_draws_matrix(fit, genes = "gene3")
  own <- as.numeric(draws[, "b_conditionstim"] + draws[, "r_donor[d4,conditionstim]"])
  expect_equal(unname(found$donor["gene3", , "d4", "conditionstim"]),
               c(mean(own), sd(own), unname(quantile(own, c(0.025, 0.975), type = 6))))
  expect_equal(coef(fit, summary = FALSE, genes = "gene3")$donor[, 1, "d4", "conditionstim"], own)
  expect_equal(found$donor[, "Estimate", , ], aperm(ranef(fit)$donor[, "Estimate", , ], 1:3) +
                 aperm(array(fixef(fit)[, "Estimate", ], c(8, 2, 5)), c(1, 3, 2)), ignore_attr = TRUE)
})

test_that("what does not vary over the group is the same for its levels, and groups can be chosen", {
  fit <- fake_set(counts = gene_counts(4), design = ~ condition + (1 | donor) + (1 | condition:donor))
  found <- coef(fit, genes = 2:3, probs = 0.5)
  expect_named(found, c("donor", "condition:donor"))
  slope <- found$donor[, "Estimate", , "conditionstim"]
  expect_identical(dim(found$donor), c(2L, 3L, 5L, 2L))
  expect_equal(slope, matrix(fixef(fit, genes = 2:3)[, "Estimate", "conditionstim"], 2, 5), ignore_attr = TRUE)
  expect_named(coef(fit, groups = "donor"), "donor")
  expect_error(coef(fit, groups = "donors"), class = "twill_error_group")
  expect_error(coef(fake_set(counts = gene_counts(4), design = ~condition)), class = "twill_error_group")
})

test_that("many genes whose effects were not kept have estimates", {
  local_engine(fake_engine)
  fit <- fake_set(counts = gene_counts(230), keep = "moments", iter = 40)
  expect_message(found <- coef(fit), "keep = \"effects\"")
  few <- coef(fit, genes = c(3, 120))$donor
  expect_equal(found$donor[c(3, 120), "Estimate", , ], few[, "Estimate", , ])
  expect_true(all(is.na(found$donor[, -1, , ])) && !anyNA(few))
})
