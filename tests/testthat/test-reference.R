# Compares posteriors with reference posteriors made by other programs, in units of Monte Carlo error.
#
# Models that take more than some seconds run only where TWILL_SLOW=true (`make test-slow` prints the table).

run_slow <- identical(Sys.getenv("TWILL_SLOW"), "true")

expect_reference <- function(name, model, engine = "auto") {
  if (reference_path(model, "data") == "") skip("its data are not stored; set TWILL_SHARED to the collections")
  fit <- reference_fit(model, engine = engine)
  table <- reference_compare(fit, reference_posterior(model))
  summary <- reference_summary(name, fit, table, seconds = NA)
  worst <- table$effect[which.max(abs(table$z_mean))]
  expect_lt(summary$max_z_mean, summary$z_limit, label = sprintf("max |z| of %s's means (%s)", name, worst))
  expect_lt(summary$max_z_sd, summary$z_limit, label = sprintf("max |z| of %s's sds", name))
  expect_lt(summary$max_rhat, 1.03)
  expect_lte(summary$divergences, 0.005 * posterior::ndraws(posterior::as_draws_array(fit)))
}

models <- reference_models()
for (name in names(models)) {
  test_that(paste("the posterior agrees with the reference:", name), {
    skip_on_cran()
    skip_if(models[[name]]$slow && !run_slow, "slow (set TWILL_SLOW=true)")
    expect_reference(name, models[[name]])
  })
}

# The default engine integrates the effects of Gaussian models out; the others sample them.
test_that("the other engines sample the same posterior", {
  skip_on_cran()
  for (name in c("eight_schools-eight_schools_noncentered", "crispr_sim_crossed_two_means", "sleepstudy_corr")) {
    for (engine in c("joint", "levels")) expect_reference(name, reference_models()[[name]], engine)
  }
})

test_that("the table covers every posterior of the collections but the binomial one", {
  skip_if(shared_folder() == "", "the complete collections are not at hand")
  folders <- file.path(shared_folder(), "data", c("posteriordb", "reference_fits"))
  names <- basename(list.dirs(folders, recursive = FALSE))
  covered <- vapply(reference_models(), function(model) model$posterior, "")
  expect_identical(setdiff(names, covered), "seeds_data-seeds_stanified_model")
})

test_that("the stored data and posteriors are those of the collections", {
  skip_if(shared_folder() == "", "the complete collections are not at hand")
  is_copy <- function(model) model$stored && shared_file(model$posterior, "data") != ""
  for (model in Filter(is_copy, reference_models())) {
    original <- utils::read.csv(shared_file(model$posterior, "reference"), stringsAsFactors = FALSE)
    expect_equal(utils::read.csv(reference_path(model, "posterior"), stringsAsFactors = FALSE), original)
    data <- utils::read.csv(shared_file(model$posterior, "data"), stringsAsFactors = FALSE)
    expect_equal(utils::read.csv(reference_path(model, "data"), stringsAsFactors = FALSE)[names(data)], data)
  }
})

test_that("a wrong prior is seen by the comparison", {
  skip_on_cran()
  model <- reference_models()[["eight_schools-eight_schools_noncentered"]]
  model$prior[["Intercept"]] <- "normal(0, 3)"
  table <- reference_compare(reference_fit(model), reference_posterior(model))
  expect_gt(max(abs(table$z_mean)), z_limit(nrow(table)))
})
