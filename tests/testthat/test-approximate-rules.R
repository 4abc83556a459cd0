# The rules of approximations: when their draws are trusted, how many there are, what is suggested and what is said of them.

draws_of_numbers <- function(n) array(as.numeric(seq_len(n)), c(n, 1, 1), list(seq_len(n), "1", "a"))

# The engine's result with these ratios.
result_of <- function(log_ratios, info = "{\"note\":\"\"}", elbo = NULL) {
  list(log_ratios = log_ratios, draws = draws_of_numbers(length(log_ratios)), elbo = elbo, info = info)
}

test_that("draws are resampled up to a k-hat of 0.7, and where ratios differ", {
  output_at <- function(khat, weights) {
    local_function("smoothed_weights", function(log_ratios) list(khat = khat, weights = weights / sum(weights)))
    approximation_output(result_of(numeric(8)), list(n_kept = 4, seed = 1))
  }
  one <- c(0, 0, 0, 0, 0, 0, 1, 0)
  expect_identical(as.vector(output_at(0.7, one)$draws), rep(7, 4))
  expect_true(output_at(0.7, one)$info$is_resampled)
  # Not to be trusted: the first ones as they are.
  for (khat in c(0.7001, NA, Inf)) {
    expect_identical(as.vector(output_at(khat, one)$draws), c(1, 2, 3, 4))
    expect_false(output_at(khat, one)$info$is_resampled)
  }
  # Equal ones need no resampling.
  expect_identical(as.vector(output_at(-Inf, rep(1, 8))$draws), c(1, 2, 3, 4))
})

test_that("what is known of the ratios is their own", {
  log_ratios <- c(with_fixed_seed(1, rnorm(200, 0, 0.1)), -Inf)
  result <- result_of(log_ratios, "{\"evidence_noise\":0.09}", elbo = c(-3, -2))
  output <- approximation_output(result, list(n_kept = 50, seed = 1))
  inside <- log_ratios[is.finite(log_ratios)]
  weights <- smoothed_weights(log_ratios)$weights
  expect_identical(output$info$proposals, 201L)
  expect_equal(output$info$ess_proposals, 1 / sum(weights^2))
  expect_equal(output$info$elbo_all_rows, mean(inside))
  expect_equal(output$info$log_evidence, log(sum(exp(inside)) / 201), tolerance = 1e-4)
  expect_gt(output$info$evidence_error, 0.3)
  expect_lt(output$info$evidence_error, 0.31)
  expect_false(201 %in% as.vector(output$draws))
})

test_that("ratios are even up to a squared coefficient of variation of 0.0001", {
  heavy <- (1000 / 1:1000)^3
  squared_variation <- function(scale) 1000 * sum((exp(scale * heavy) / sum(exp(scale * heavy)))^2) - 1
  scale_at <- function(target) stats::uniroot(function(s) squared_variation(s) - target, c(1e-12, 1e-9), tol = 1e-18)$root
  expect_identical(smoothed_weights(scale_at(0.95e-4) * heavy)$khat, -Inf)
  expect_gt(smoothed_weights(scale_at(1.05e-4) * heavy)$khat, 0.7)
  # Equal but for rounding.
  expect_identical(smoothed_weights(-100 + 1e-10 * sin(1:50))$khat, -Inf)
})

test_that("there are four proposals to a draw, and one where steps take batches", {
  settings <- list(n_kept = 100, control = list(batch = 0))
  expect_identical(n_proposals(settings), 400)
  settings$control$batch <- 10
  expect_identical(n_proposals(settings), 100)
  expect_identical(n_proposals(list(n_kept = 100, control = list())), 400)
  expect_null(check_batch_fits(180, 180))
  expect_error(check_batch_fits(181, 180), "180 rows", class = "twill_error_setting")
})

test_that("batches are suggested from 100,000 rows on, of variational fits on the CPU", {
  settings <- list(method = "svi", control = list(batch = 0))
  info <- list(rows = 1e5, uses_rows = TRUE, elbo = numeric(400))
  expect_message(suggest_batch(info, settings), "Each of the 400 steps used", class = "twill_message_batch")
  for (other in list(list(rows = 99999), list(device = "cuda"), list(elbo = numeric()))) {
    expect_no_message(suggest_batch(utils::modifyList(info, other), settings))
  }
  expect_no_message(suggest_batch(info, list(method = "laplace", control = list())))
})

test_that("a run says what the engine notes and suggests, unless it is to be silent", {
  settings <- list(method = "svi", n_kept = 4, threads = 1, seed = 1, save_effects = TRUE,
                   control = list(guide = "auto", batch = 0, max_steps = 10, engine = "auto"))
  info <- "{\"note\":\"The card was lost.\",\"rows\":200000,\"uses_rows\":true,\"device\":\"cpu\"}"
  local_function("engine_approximate", function(...) list(ok = result_of(numeric(16), info, c(-2, -1)), err = NULL, kind = NULL))
  said <- function(silent) {
    device_state$told <- NULL
    noted <- new.env()
    withCallingHandlers(run_approximation("", list(y = 1:10), settings, silent, 0), message = function(m) {
      assign("classes", c(noted$classes, class(m)[1]), noted)
      invokeRestart("muffleMessage")
    })
    noted$classes
  }
  expect_identical(said(1), c("twill_message_device", "twill_message_batch"))
  expect_null(said(2))
  device_state$told <- NULL
  expect_message(run_approximation("", list(y = 1:10), settings, 1, 0), "not on the GPU: The card was lost",
                 class = "twill_message_device") |> suppressMessages()
})

test_that("a GPU is for variational fits, and of others that is what is said", {
  expect_error(place_approximation(list(control = list()), "cuda", "laplace", 1), "`method` is \"svi\".*supplied \"laplace\"",
               class = "twill_error_setting")
  expect_error(place_approximation(list(control = list(batch = 50)), "cuda", "svi", 1), "takes all rows.*is 50",
               class = "twill_error_setting")
})

test_that("draws are in no order", {
  at <- resample(rep(1 / 50, 50), 50, 1)
  expect_identical(sort(at), as.numeric(1:50))
  expect_true(is.unsorted(at))
})

test_that("what is not to be trusted is said with the way out", {
  good <- list(is_resampled = TRUE, converged = TRUE, elbo = numeric(100))
  fit_of <- function(...) list(info = utils::modifyList(good, list(...)))
  expect_silent(warn_approximation(fit_of()))
  said <- function(...) tryCatch(warn_approximation(fit_of(...)), warning = conditionMessage)
  expect_match(said(is_resampled = FALSE, pareto_k = 0.874), "Pareto k-hat is 0.87, above 0.7.*method = \"nuts\"")
  natural <- said(converged = FALSE, optimiser = "natural")
  expect_match(natural, "not converged after 100 steps.*max_steps = 200")
  expect_no_match(natural, "step_size")
  expect_match(said(converged = FALSE, optimiser = "adam"), "max_steps = 200.*smaller `step_size`")
  blocks <- c(a = 0.71, b = 0.1, c = 0.9, d = 0.8, e = 1, f = 0.7)
  expect_match(said(block_khat = blocks), "above 0.7 in 4 of 6 blocks.*Among them \"a\", \"c\", and \"d\"[.]")
  expect_identical(blocks_text(blocks), "  k-hat of 6 blocks of effects: largest 1.00 (e), 4 above 0.7")
  expect_identical(blocks_text(replace(blocks, c("b", "f"), -Inf)),
                   "  k-hat of 6 blocks of effects: ratios hardly vary in 2, largest 1.00 (e), 4 above 0.7")
  expect_identical(blocks_text(replace(blocks, 1:6, -Inf)),
                   "  k-hat of 6 blocks of effects: ratios hardly vary in 6, 0 above 0.7")
})

test_that("diagnostics tell whether steps settled, and of what they were", {
  text_of <- function(...) {
    info <- list(pareto_k = 0.31, is_resampled = TRUE, proposals = 400L, ess_proposals = 321.4, elbo = numeric(70),
                 elbo_all_rows = -12.34, converged = TRUE, settings = list(control = list(batch = 0)))
    approximation_diagnostics(list(info = utils::modifyList(info, list(...))))$text
  }
  expect_identical(text_of(), c("Diagnostics:", "  Pareto k-hat 0.31 (below 0.7: resampled by importance)",
                                "  effective sample size of 400 proposals 321", "  ELBO -12.3 after 70 steps; settled"))
  other <- text_of(is_resampled = FALSE, converged = FALSE, settings = list(control = list(batch = 25)))
  expect_match(other[2], "above 0.7: not to be trusted, not resampled")
  expect_match(other[4], "NOT settled")
  expect_identical(other[5], "  steps of 25 rows drawn at random")
  expect_length(text_of(elbo = numeric()), 3)
})
