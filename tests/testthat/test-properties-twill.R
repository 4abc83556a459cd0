# What must not change a fit of twill(): orders, labels, types, options, threads, and where it was kept.

families <- names(property_models)

# All variables of a fit but its densities, as a plain array.
bare_draws <- function(fit) unclass(as_draws_array(fit, variable = setdiff(variables(fit), c("lp__", "lprior"))))

test_that("the order of rows changes rounding alone", {
  data <- property_data()
  shuffled <- data[with_fixed_seed(2, sample(nrow(data))), ]
  for (family in families) {
    fit <- property_fit(family, data, iter = 400, chains = 2)
    other <- property_fit(family, shuffled, iter = 400, chains = 2)
    positions <- positions_of(fit)
    expect_equal(log_densities(other, positions), log_densities(fit, positions), tolerance = 1e-9, label = family)
    expect_lt(largest_z(other, fit), 4.5)
  }
})

test_that("exchanging the names of arms turns the sign of their difference", {
  data <- property_data()
  turned <- transform(data, arm = ifelse(arm == "ctrl", "stim", "ctrl"))
  for (family in families) {
    fit <- property_fit(family, data, iter = 400, chains = 2)
    other <- property_fit(family, turned, iter = 400, chains = 2)
    positions <- positions_of(fit)
    mirrored <- positions
    mirrored[, 1] <- mirrored[, 1] + mirrored[, 2]
    mirrored[, 2] <- -mirrored[, 2]
    expect_equal(log_densities(other, mirrored), log_densities(fit, positions), tolerance = 1e-9, label = family)
    # The intercepts are those of different arms.
    flipped <- as_draws_array(other, variable = c("b_armstim", "b_x", "sd_g__Intercept"))
    flipped[, , "b_armstim"] <- -flipped[, , "b_armstim"]
    expect_lt(largest_z(flipped, as_draws_array(fit, variable = dimnames(flipped)[[3]])), 4.5)
  }
})

test_that("a row twice is a row of weight two", {
  data <- property_data()
  # Default priors look at the response, whose standard deviation is not quite that of the doubled rows.
  prior <- c(tw_prior("normal(0, 2)"), tw_prior("normal(1, 2)", class = "Intercept"), tw_prior("exponential(1)", class = "sd"),
             tw_prior("exponential(1)", class = "sigma"))
  for (family in families) {
    own <- if (family == "gaussian") prior else prior[prior$class != "sigma", ]
    twice <- property_fit(family, rbind(data, data), prior = own)
    weighted <- property_fit(family, data, weights = rep(2, 48), prior = own)
    positions <- positions_of(twice)
    expect_equal(log_densities(weighted, positions), log_densities(twice, positions), tolerance = 1e-9, label = family)
  }
})

test_that("factors, text and ordered factors with the same contrasts give the same draws", {
  data <- property_data()
  for (family in families) {
    expected <- bare_draws(property_fit(family, data))
    as_factor <- property_fit(family, transform(data, arm = factor(arm), g = factor(g)))
    as_ordered <- property_fit(family, transform(data, arm = factor(arm, ordered = TRUE), g = factor(g, ordered = TRUE)),
                               contrasts = list(arm = "contr.treatment"))
    unused <- property_fit(family, transform(data, arm = factor(arm, c("ctrl", "stim")), g = factor(g, letters[1:6])))
    expect_identical(bare_draws(as_factor), expected)
    expect_identical(bare_draws(as_ordered), expected)
    expect_identical(bare_draws(unused), expected)
  }
})

test_that("columns that are not used, their order and the kind of table change nothing", {
  data <- property_data()
  expected <- bare_draws(property_fit("negbinomial", data))
  expect_identical(bare_draws(property_fit("negbinomial", cbind(extra = I(as.list(1:48)), rev(data)))), expected)
  skip_if_not_installed("tibble")
  expect_identical(bare_draws(property_fit("negbinomial", tibble::as_tibble(data))), expected)
})

test_that("options of the user change nothing", {
  data <- property_data()
  expected <- lapply(stats::setNames(families, families), function(family) property_fit(family, data))
  strange <- list(list(OutDec = ","), list(scipen = -20, digits = 3), list(scipen = 100, digits = 15),
                  list(warnPartialMatchDollar = TRUE, warnPartialMatchArgs = TRUE, warnPartialMatchAttr = TRUE, warn = 2),
                  list(na.action = "na.fail"), list(contrasts = c(unordered = "contr.treatment", ordered = "contr.poly")))
  for (own in strange) {
    old <- options(own)
    again <- lapply(stats::setNames(families, families), function(family) try(property_fit(family, data)))
    summarised <- try(fixef(again$gaussian))
    options(old)
    for (family in families) {
      expect_identical(try(bare_draws(again[[family]])), bare_draws(expected[[family]]), label = names(own)[1])
    }
    expect_identical(summarised, fixef(expected$gaussian))
  }
})

test_that("the alphabet of the locale does not order levels in lower case", {
  data <- property_data()
  old <- Sys.getlocale("LC_COLLATE")
  on.exit(Sys.setlocale("LC_COLLATE", old))
  Sys.setlocale("LC_COLLATE", "C")
  in_c <- bare_draws(property_fit("poisson", data))
  Sys.setlocale("LC_COLLATE", old)
  expect_identical(bare_draws(property_fit("poisson", data)), in_c)
})

test_that("new data that are the old data predict the same", {
  for (family in families) {
    data <- property_data()
    fit <- property_fit(family, data)
    # The same rows under other row names, with factors for text and columns turned around.
    other <- transform(rev(data), arm = factor(arm), g = factor(g, rev(letters[1:6])))
    rownames(other) <- paste0("r", seq_len(nrow(other)))
    for (new in list(data, other)) {
      same <- function(verb, ...) {
        expect_equal(verb(fit, newdata = new, ...), verb(fit, ...), tolerance = 1e-12, ignore_attr = TRUE)
      }
      same(posterior_linpred)
      same(posterior_epred)
      same(posterior_epred, re_formula = NA)
      same(posterior_predict, seed = 3)
      same(predictive_error, seed = 3)
      same(log_lik)
      same(fitted)
      same(fitted, scale = "linear", robust = TRUE)
      same(residuals)
      same(residuals, type = "pearson")
      same(residuals, type = "quantile", seed = 3)
      same(bayes_R2)
      same(function(...) with_fixed_seed(4, predict(...)))
      same(function(...) with_fixed_seed(4, predictive_interval(...)))
    }
  }
})

test_that("draws are the same for any number of threads", {
  for (family in families) for (method in c("nuts", "svi", "laplace")) {
    one <- property_fit(family, chains = 4, cores = 1, method = method)
    for (threads in c(2, 4)) {
      other <- property_fit(family, chains = 4, cores = threads, method = method)
      expect_identical(other$draws, one$draws, label = paste(family, method))
    }
  }
})

test_that("a fit that was saved and read again is the same", {
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  for (family in families) {
    fit <- property_fit(family)
    saveRDS(fit, path)
    again <- readRDS(path)
    expect_identical(again$draws, fit$draws)
    expect_identical(posterior_predict(again, seed = 1), posterior_predict(fit, seed = 1))
    expect_identical(log_lik(again), log_lik(fit))
    positions <- positions_of(fit)
    expect_identical(log_densities(again, positions), log_densities(fit, positions))
    expect_identical(update(again, seed = 1, silent = 2)$draws, fit$draws)
    expect_identical(utils::capture.output(print(again)), utils::capture.output(print(fit)))
  }
})
