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

test_that("one model alone is fitted on the CPU", {
  expect_identical(check_method("svi", "auto"), "svi")
  expect_error(check_method("svi", "cuda"), "twill_genes", class = "twill_error_setting")
})

test_that("genes go to a GPU by method \"svi\" only", {
  expect_identical(gene_device("auto", "hmc", 1), list(device = "cpu"))
  expect_error(gene_device("cuda", "nuts", 1), "svi", class = "twill_error_setting")
  skip_if_not(without_gpu(), "this machine has a GPU")
  expect_error(gene_device("cuda", "svi", 1), class = "twill_error_device")
  expect_identical(gene_device("auto", "svi", 2), list(device = "cpu"))
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
