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
