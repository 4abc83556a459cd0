# parameters, performance, bayestestR and marginaleffects on one fit, on one gene, and refused for fits of genes.

fixed_draws <- function(fit) draws_by_hand(fit, paste0("b_", rownames(fixef(fit))))

test_that("parameters makes the table of the draws", {
  skip_if_not_installed("parameters")
  fit <- shared_fit("sleep")
  table <- parameters::model_parameters(fit)
  draws <- fixed_draws(fit)
  expect_identical(table$Parameter, paste0("b_", rownames(fixef(fit))))
  expect_equal(table$Median, apply(draws, 2, median), ignore_attr = TRUE)
  expect_equal(parameters::model_parameters(fit, ci = 0.9)$CI_low, apply(draws, 2, quantile, 0.05), ignore_attr = TRUE)
})

test_that("performance has the criteria of loo and waic", {
  skip_if_not_installed("performance")
  fit <- shared_fit("sleep")
  table <- suppressWarnings(performance::model_performance(fit))
  expect_equal(table$LOOIC, suppressWarnings(loo(fit))$estimates[["looic", "Estimate"]])
  expect_equal(table$WAIC, suppressWarnings(waic(fit))$estimates[["waic", "Estimate"]])
  expect_equal(table$RMSE, sqrt(mean(residuals(fit)[, "Estimate"]^2)))
  expect_equal(table$Sigma, sigma(fit))
  expect_equal(table$R2, median(bayes_R2(fit, summary = FALSE)))
})

test_that("bayestestR has the quality of chains", {
  skip_if_not_installed("bayestestR")
  fit <- shared_fit("sleep")
  chains <- as_draws_array(fit, variable = "b_Days")[, , 1]
  table <- bayestestR::diagnostic_posterior(fit, "all")
  at <- table$Parameter == "b_Days"
  expect_equal(table$ESS[at], posterior::ess_bulk(matrix(chains, ncol = nchains(fit))))
  expect_equal(table$Rhat[at], posterior::rhat(matrix(chains, ncol = nchains(fit))))
  expect_equal(bayestestR::effective_sample(fit)$ESS, table$ESS)
  expect_equal(bayestestR::mcse(fit)$MCSE, table$MCSE)
  priors <- insight::get_priors(fit)
  expect_true(all(c("b_Intercept", "sigma") %in% priors$Parameter))
  expect_identical(bayestestR::describe_prior(fit), priors)
})

test_that("predictions carry intervals and draws", {
  skip_if_not_installed("insight")
  fit <- shared_fit("sleep")
  new <- lme4::sleepstudy[c(1, 30), ]
  draws <- posterior_epred(fit, new)
  got <- insight::get_predicted(fit, data = new, ci = 0.8)
  expect_equal(as.numeric(got), unname(colMeans(draws)))
  expect_equal(attr(got, "ci_data")$CI_low, apply(draws, 2, quantile, 0.1), ignore_attr = TRUE)
  # The contract of marginaleffects: rowid and estimate, and rows x draws.
  got <- get_predict_twillfit(fit, new, type = "response")
  expect_identical(names(got), c("rowid", "estimate"))
  expect_equal(got$estimate, apply(draws, 2, median), ignore_attr = TRUE)
  expect_equal(attr(got, "posterior_draws"), t(draws), ignore_attr = TRUE)
  expect_equal(get_coef_twillfit(fit), apply(fixed_draws(fit), 2, median), ignore_attr = TRUE)
})

test_that("marginaleffects averages draws", {
  skip_if_not_installed("marginaleffects")
  # Wanted by some releases of marginaleffects.
  skip_if_not_installed("collapse")
  fit <- shared_fit("sleep")
  slopes <- as.data.frame(marginaleffects::avg_slopes(fit, variables = "Days"))
  expect_equal(slopes$estimate[1], median(fixed_draws(fit)[, "b_Days"]), tolerance = 1e-3)
})

test_that("one gene is a model like others, and sets say how to get one", {
  skip_if_not_installed("parameters")
  skip_if_not_installed("performance")
  local_engine(reference_engine)
  counts <- gene_counts(2)
  set <- twill_genes(counts, ~ condition + (1 | donor), col_data = gene_samples(), iter = 200, seed = 1, silent = 2,
                     check = FALSE)
  one <- tw_gene(set, 1, chains = 2, iter = 300, silent = 2, refresh = 0)
  expect_equal(parameters::model_parameters(one)$Median, apply(fixed_draws(one), 2, median), ignore_attr = TRUE)
  expect_true(insight::model_info(one)$is_negbin)
  expect_equal(performance::rmse(one), sqrt(mean(residuals(one)[, "Estimate"]^2)))
  for (verb in list(parameters::model_parameters, performance::r2, performance::model_performance,
                    bayestestR::describe_posterior, insight::model_info, insight::get_parameters)) {
    expect_error(verb(set), "tw_gene", class = "twill_error_method")
  }
})
