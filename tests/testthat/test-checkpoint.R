# Copies of running chains: a process is killed, and the same call goes on with the draws that it would have had.

counts <- function() {
  set.seed(1)
  d <- data.frame(x = rnorm(200), g = factor(rep(1:20, 10)))
  d$y <- rpois(200, exp(0.3 * d$x + rnorm(20, 0, 0.5)[d$g]))
  d
}

fit_counts <- function(file = NULL, iter = 10000, checkpoint = 0.02, ..., d = counts()) {
  twill(y ~ x + (1 | g), d, poisson(), chains = 2, iter = iter, cores = 2, file = file, ...,
        control = list(engine = "joint", checkpoint = checkpoint))
}

# Kills a process in the middle of its chains.
kill_fit <- function(file, ...) {
  child <- parallel::mcparallel(fit_counts(file, ..., silent = 2))
  folder <- paste0(file, ".chains")
  for (look in 1:600) {
    if (length(list.files(folder, "^chain-[12]$")) == 2) break
    Sys.sleep(0.02)
  }
  tools::pskill(child$pid, tools::SIGKILL)
  suppressWarnings(parallel::mccollect(child))
  folder
}

test_that("a fit goes on after its process was killed", {
  skip_on_os("windows")
  file <- withr::local_tempfile(fileext = ".rds")
  folder <- kill_fit(file, seed = 3)
  expect_true(dir.exists(folder) && !file.exists(file))
  expect_message(fit <- fit_counts(file, seed = 3), "2 chains go on from .* seed 3")
  expect_identical(fit$draws, fit_counts(seed = 3)$draws)
  expect_true(file.exists(file) && !dir.exists(folder))
  expect_no_message(again <- fit_counts(file, seed = 3))
  expect_identical(again$draws, fit$draws)
})

test_that("without a seed it is that of the killed run; another call begins anew", {
  skip_on_os("windows")
  file <- withr::local_tempfile(fileext = ".rds")
  folder <- kill_fit(file)
  expect_message(fit <- fit_counts(file), "go on from")
  expect_identical(fit$draws, fit_counts(seed = fit$info$seed)$draws)
  for (change in list(list(seed = 9), list(iter = 2000), list(d = counts()[-1, ]))) {
    unlink(file)
    kill_fit(file, seed = 3)
    expect_message(fit <- do.call(fit_counts, c(list(file), change)), "Chains of another call are replaced")
    expect_false(dir.exists(folder))
    expect_identical(fit$draws, do.call(fit_counts, c(change, seed = fit$info$seed)[unique(c(names(change), "seed"))])$draws)
  }
})

test_that("short fits, fits without a file and those that are asked for none make no copies", {
  file <- withr::local_tempfile(fileext = ".rds")
  fit_counts(file, iter = 200, checkpoint = 60, seed = 1, silent = 2)
  fit_counts(withr::local_tempfile(), iter = 200, checkpoint = 0, seed = 1, silent = 2)
  expect_identical(list.files(dirname(file), "[.]chains$"), character())
  expect_error(fit_counts(checkpoint = -1), class = "twill_error_setting", "control\\$checkpoint")
})

test_that("copies that cannot be written are warned about", {
  file <- withr::local_tempfile(fileext = ".rds")
  writeLines("in the way", paste0(file, ".chains"))
  expect_warning(fit <- fit_counts(file, iter = 2000, checkpoint = 0.001, seed = 1), "could not be written",
                 class = "twill_warning_file")
  expect_identical(fit$draws, fit_counts(iter = 2000, seed = 1)$draws)
})
