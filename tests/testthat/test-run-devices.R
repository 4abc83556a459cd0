# Devices: what is reported, the `device` argument, and what happens without a GPU.

without_gpu <- function() any(tw_devices()$usable[tw_devices()$device == "cuda"]) == FALSE

test_that("devices are listed with the reason for what cannot be used", {
  found <- tw_devices()
  expect_s3_class(found, c("tw_devices", "data.frame"), exact = TRUE)
  expect_identical(names(found), c("device", "name", "usable", "memory", "detail"))
  expect_identical(found$device[1], "cpu")
  expect_true(found$usable[1])
  expect_gte(nrow(found), 2)
  expect_output(print(found), "cpu  usable")
  skip_if_not(without_gpu(), "this machine has a GPU")
  expect_output(print(found), "cuda not usable")
  expect_match(found$detail[2], "device = \"cpu\"", fixed = TRUE)
})

test_that("a device that does not exist is refused", {
  expect_identical(check_device("cpu"), "cpu")
  expect_error(check_device("tpu"), "device", class = "twill_error_setting")
  expect_error(check_device(NULL), "device", class = "twill_error_setting")
})

test_that("without a GPU \"cuda\" is an error and \"auto\" falls back with one message", {
  skip_if_not(without_gpu(), "this machine has a GPU")
  expect_error(check_device("cuda"), "GPU cannot be used", class = "twill_error_device")
  device_state$told <- NULL
  expect_message(expect_identical(check_device("auto"), "cpu"), "on the CPU", class = "twill_message_device")
  expect_no_message(expect_identical(check_device("auto"), "cpu"))
  device_state$told <- NULL
  expect_no_message(check_device("auto", silent = 2))
})

test_that("errors of devices keep their text, whatever is in it", {
  expect_error(abort_device("100% of {memory}\nsay %s"), "100% of {memory}", fixed = TRUE, class = "twill_error_device")
})

small_model <- function(...) {
  twill(y ~ trt + (1 | subject), MASS::epil, poisson(), seed = 1, silent = 2, iter = 400, ...)
}

test_that("one model goes to a GPU by method \"svi\" only, and all rows at a time", {
  expect_error(small_model(device = "tpu"), "device", class = "twill_error_setting")
  expect_error(small_model(device = "cuda"), "svi", class = "twill_error_setting")
  skip_if_not(without_gpu(), "this machine has a GPU")
  expect_error(small_model(method = "svi", device = "cuda"), "GPU cannot be used", class = "twill_error_device")
  on_cpu <- small_model(method = "svi")
  either <- small_model(method = "svi", device = "auto")
  expect_identical(either$draws, on_cpu$draws)
  expect_identical(either$info$device, "cpu")
})

test_that("batches of rows are the CPU's", {
  settings <- list(control = list(batch = 50))
  expect_identical(place_approximation(settings, "cpu", "svi", 1), c(settings, device = "cpu"))
  expect_identical(place_approximation(settings, "cpu", "laplace", 1), settings)
  expect_error(refuse_batch_on_gpu(50), "batch", class = "twill_error_setting")
  expect_null(refuse_batch_on_gpu(0))
})

test_that("the engine is told where rows are, and with how many threads", {
  settings <- list(method = "svi", n_kept = 10, threads = 3, seed = 1, save_effects = TRUE, control = list(batch = 0),
                   device = "cuda", fallback = TRUE, kernel_cache = "")
  told <- engine_approximation_settings(settings)
  expect_identical(told[c("device", "fallback", "threads")], list(device = "cuda", fallback = TRUE, threads = 3))
  expect_equal(engine_approximation_settings(utils::modifyList(settings, list(device = "cpu")))$threads, 3)
})

test_that("a fit in a file serves on any device", {
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  fit <- small_model(method = "svi", file = file)
  # As if it had been made on a GPU, and told apart from a fit made anew.
  fit$info$settings[c("device", "fallback", "kernel_cache")] <- list("cuda", TRUE, "a folder")
  fit$is_kept <- TRUE
  saveRDS(fit, file)
  again <- function(...) small_model(method = "svi", file = file, file_refit = "on_change", ...)
  expect_true(again(device = "cpu")$is_kept)
  expect_null(again(device = "cpu", thin = 2)$is_kept)
})

test_that("genes go to a GPU by methods \"hmc\" and \"svi\"", {
  on_gpu <- c("hmc", "svi")
  expect_identical(fit_device("auto", "nuts", 1, on_gpu), list(device = "cpu"))
  expect_error(fit_device("cuda", "nuts", 1, on_gpu), "\"hmc\" or \"svi\"", class = "twill_error_setting")
  skip_if_not(without_gpu(), "this machine has a GPU")
  expect_error(fit_device("cuda", "svi", 1), class = "twill_error_device")
  expect_identical(fit_device("auto", "svi", 2), list(device = "cpu"))
})

test_that("with a GPU a fit has it, with the folder of its kernels and whether the CPU may take over", {
  local_function("engine_check_device", function(device) list(ok = TRUE, err = NULL, kind = NULL))
  cache_of <- function(value, asked = "cuda") {
    old <- Sys.getenv("TWILL_CACHE_DIR", NA)
    on.exit(if (is.na(old)) Sys.unsetenv("TWILL_CACHE_DIR") else Sys.setenv(TWILL_CACHE_DIR = old))
    if (is.null(value)) Sys.unsetenv("TWILL_CACHE_DIR") else Sys.setenv(TWILL_CACHE_DIR = value)
    fit_device(asked, "svi", 1)
  }
  expect_identical(cache_of("/a folder"), list(device = "cuda", fallback = FALSE, kernel_cache = "/a folder"))
  expect_identical(cache_of("/a folder", "auto"), list(device = "cuda", fallback = TRUE, kernel_cache = "/a folder"))
  expect_identical(cache_of(NULL)$kernel_cache, path.expand(tools::R_user_dir("twill", "cache")))
  expect_identical(cache_of("~/kernels")$kernel_cache, file.path(path.expand("~"), "kernels"))
  skip_on_os("windows")
  expect_identical(cache_of("")$kernel_cache, "")
})

test_that("a GPU that fails leaves the rest to the CPU if the choice was left, and is an error if not", {
  failed <- list(ok = NULL, err = "The GPU's memory is full.\nUse less.", kind = "device")
  run <- function(settings) if (grepl("cuda", settings)) failed else list(ok = "by the CPU", err = NULL, kind = NULL)
  part <- list(settings = list(device = "cuda", fallback = TRUE), keep = "draws")
  device_state$told <- NULL
  expect_message(result <- run_on_device(run, part), "memory is full", class = "twill_message_device")
  expect_identical(unwrap_engine(result), "by the CPU")
  part$settings$fallback <- FALSE
  expect_error(unwrap_engine(run_on_device(run, part)), "memory is full", class = "twill_error_device")
})

test_that("a folder's blocks serve on any device", {
  job <- list(settings = list(seed = 1, threads = 2, device = "cuda", fallback = TRUE, kernel_cache = "a"))
  other <- list(settings = list(seed = 1, threads = 8, device = "cpu"))
  expect_identical(names(job$settings)[!names(job$settings) %in% placement], "seed")
  expect_identical(other$settings[setdiff(names(other$settings), placement)],
                   job$settings[setdiff(names(job$settings), placement)])
})
