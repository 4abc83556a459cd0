# What is lost and kept by an interrupt, progress by phase, and draws that do not fit into memory.

test_that("draws that cannot fit into memory are refused by name before the run", {
  big <- function(...) twill(y ~ x + (1 | g), data.frame(y = rnorm(20), x = rnorm(20), g = gl(5, 4)), seed = 1, silent = 2, ...)
  expect_error(big(iter = 1e8, chains = 1000), "iter.*chains|chains.*iter", class = "twill_error_setting")
  expect_error(big(iter = 1e8, chains = 100), "GB", class = "twill_error_setting")
  expect_error(big(iter = 1e8, chains = 1000, method = "laplace"), "GB", class = "twill_error_setting")
  input <- prepare_input(tw_formula(mpg ~ wt + (1 + wt | cyl)), mtcars, silent = 2)
  model <- new_model(input, as_twill_family("gaussian"), NULL, NULL, "centred", FALSE)
  # b, b, sigma, sds, their correlation, lprior and lp__; and six effects.
  expect_identical(n_draw_variables(model, FALSE), 8)
  expect_identical(n_draw_variables(model, TRUE), 14)
  settings <- list(chains = 2, iter = 1000, warmup = 500, thin = 5, save_effects = TRUE)
  expect_null(check_memory(model, settings, 8 * 2 * 2 * 100 * 14))
  expect_error(check_memory(model, settings, 8 * 2 * 2 * 100 * 14 - 1), class = "twill_error_setting")
})

# Runs `code` with Ctrl-C pressed at the beginning of the package's function `name`, and says so, once. An interrupt that
# reaches the caller is an error here.
interrupted_in <- function(name, code) {
  real <- get(name, asNamespace("twill"))
  local_function(name, function(...) {
    # What it is given comes first: draws are.
    list(...)
    tools::pskill(Sys.getpid(), tools::SIGINT)
    real(...)
  })
  said <- new.env()
  note <- function(w) {
    assign(class(w)[1], TRUE, said)
    invokeRestart("muffleWarning")
  }
  value <- tryCatch(withCallingHandlers(code, twill_warning = note), interrupt = function(e) stop("the fit was lost"))
  expect_true(any(c("twill_warning_interrupt", "twill_warning_partial") %in% ls(said)))
  value
}

# A process in the background may have been told to ignore Ctrl-C, which R heeds from 4.5 on.
skip_where_ignored <- function() {
  skip_on_os("windows")
  hears <- tryCatch({
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(0.1)
    FALSE
  }, interrupt = function(e) TRUE)
  if (!hears) skip("This process ignores interrupts.")
}

test_that("an interrupt keeps the draws that are there, wherever it comes", {
  skip_where_ignored()
  quick <- function(...) twill(mpg ~ wt, mtcars, chains = 2, iter = 100, seed = 1, refresh = 0, ...)
  whole <- suppressWarnings(quick())
  for (name in c("sampler_output", "new_fit", "warn_diagnostics")) {
    fit <- interrupted_in(name, quick())
    expect_identical(fit$draws, whole$draws)
    expect_false(is_partial(fit))
  }
  # No diagnostics are asked for, which would take the interrupt up.
  expect_identical(interrupted_in("new_fit", quick(silent = 2))$draws, whole$draws)
  path <- tempfile(fileext = ".rds")
  expect_identical(interrupted_in("write_rds", quick(file = path))$draws, whole$draws)
  expect_false(file.exists(path))
  expect_error(interrupted_in("new_fit", kfold(whole, K = 2, seed = 1)), class = "twill_error_interrupt")
})

test_that("an interrupt keeps the genes that are finished, wherever it comes", {
  skip_where_ignored()
  counts <- gene_counts(6)
  genes <- function(...) {
    twill_genes(counts, ~ condition, col_data = gene_samples(), share = "none", iter = 60, seed = 1, refresh = 0,
                block_size = 3, ...)
  }
  whole <- suppressWarnings(genes())
  for (name in c("new_set", "warn_set", "check_shared", "tw_shared_variation")) {
    fit <- interrupted_in(name, genes())
    expect_identical(fit$posterior$draws, whole$posterior$draws)
    expect_false(is_partial(fit))
  }
  # While the first block is put in order, the run ends with that block.
  fit <- interrupted_in("new_piece", genes())
  expect_true(is_partial(fit))
  expect_identical(fit$posterior$draws, whole$posterior$draws[, , 1:3])
  more <- interrupted_in("c.twillgenes", update(whole[1:4, ], genes = c("gene5", "gene6")))
  expect_identical(more$posterior$draws, whole$posterior$draws)
})

test_that("an interrupt while convergence is checked keeps the fit", {
  interrupt <- structure(class = c("interrupt", "condition"), list(message = "", call = NULL))
  expect_warning(keep_if_interrupted(stop(interrupt)), "kept", class = "twill_warning_interrupt")
  expect_silent(keep_if_interrupted(NULL))
})

test_that("progress says which phase it is, and an interrupt in warm-up that nothing was drawn", {
  progress <- new_progress(0, NULL, c("Warm-up", "Sampling"))
  phase <- function(...) {
    capture.output(invisible(progress$report(...)), type = "message")
    environment(progress$report)$state$phase
  }
  expect_identical(phase(10, 100, 0, 0, 0), "Warm-up")
  expect_identical(phase(60, 100, 0, 0, 10), "Sampling")
  # Begun again with smaller steps.
  expect_identical(phase(5, 100, 0, 1, 0), "Warm-up")
  progress$finish()
  expect_error(abort_interrupt(), "warm-up.*no draw", class = "twill_error_interrupt")
})

# What `code` shows in a terminal, line by line, without colours: in a process of its own, as cli asks for a terminal when loaded.
in_terminal <- function(code, columns = 120) {
  script <- tempfile(fileext = ".R")
  on.exit(unlink(script))
  options <- sprintf("options(cli.progress_show_after = 0, cli.num_colors = 1L, cli.unicode = FALSE, width = %d)", columns)
  writeLines(c(sprintf(".libPaths(%s)", deparse1(.libPaths())), options, code), script)
  run <- sprintf("stty cols %d; %s --vanilla %s", columns, shQuote(file.path(R.home("bin"), "Rscript")), shQuote(script))
  shown <- suppressWarnings(system2("script", c("-qec", shQuote(run), "/dev/null"), stdout = TRUE, env = "TERM=xterm"))
  shown <- gsub("\033\\[[?0-9;]*[A-Za-z]", "", unlist(strsplit(shown, "\r", fixed = TRUE)))
  trimws(shown[nzchar(trimws(shown))])
}

test_that("in a terminal a bar says the phase, how far it is and what is to be known of the steps", {
  skip_on_cran()
  skip_on_os(c("windows", "mac", "solaris"))
  skip_if(!nzchar(Sys.which("script")) || !nzchar(Sys.which("stty")))
  lines <- in_terminal(c(
    "progress <- twill:::new_progress(1, NULL, c('Warm-up', 'Sampling'))",
    "step <- function(...) for (i in 1:3) { progress$report(...); Sys.sleep(0.25) }",
    "step(10, 200, 0)", "step(60, 200, 0, 0, 20)", "step(120, 200, 3, 0, 20)", "step(180, 200, 1, 1, 20)",
    "progress$finish()", "cat('after\\n')"))
  bar <- grep("ETA", lines, value = TRUE)
  expect_match(bar[1], "^Warm-up =+>-+ +5% \\| 10/200 \\| ETA")
  expect_match(bar, "^Sampling =+>-+ +30% \\| 60/200 \\| ETA", all = FALSE)
  expect_match(bar, "60% \\| 120/200 \\| 3 divergent \\| ETA", all = FALSE)
  expect_match(bar, "90% \\| 180/200 \\| again, smaller steps \\| 1 divergent \\| ETA", all = FALSE)
  expect_identical(lines[length(lines)], "after")
  # Without lines of their own, as log files have them.
  expect_no_match(lines, "Warm-up: ")
  # The time left has room in 80 columns.
  lines <- in_terminal(columns = 80, c(
    "progress <- twill:::new_progress(1, NULL, c('Warm-up', 'Sampling'))",
    "for (i in 1:4) { progress$report(14000 + i, 80000, 12, 1, 20); Sys.sleep(0.3) }", "progress$finish()"))
  expect_match(lines, all = FALSE,
               "^Sampling +18% \\| 1400[0-9]/80000 \\| again, smaller steps \\| 12 divergent \\| ETA +[0-9]+[a-z]")
})

test_that("R-hat and effective sizes are those of posterior", {
  fit <- shared_fit("sleep")
  table <- convergence_table(fit, variables(fit))
  by_posterior <- function(measure) unname(apply(unclass(fit$draws), 3, measure))
  expect_equal(unname(table[, "Rhat"]), by_posterior(posterior::rhat), tolerance = 1e-8)
  expect_equal(unname(table[, "Bulk_ESS"]), by_posterior(posterior::ess_bulk), tolerance = 1e-8)
  expect_equal(unname(table[, "Tail_ESS"]), by_posterior(posterior::ess_tail), tolerance = 1e-8)
  constant <- fit
  constant$draws[, , "sigma"] <- 1
  expect_identical(unname(convergence_table(constant, "sigma")[1, ]), rep(NA_real_, 3))
  # Draws rounded, so that many are tied; an odd number of them.
  rounded <- fit
  rounded$draws <- as_array_of_draws(round(unclass(fit$draws)[1:199, , , drop = FALSE], 1))
  table <- convergence_table(rounded, c("sigma", "b_Days"))
  expect_equal(table["sigma", "Tail_ESS"], posterior::ess_tail(matrix(rounded$draws[, , "sigma"], 199)), tolerance = 1e-8)
  expect_equal(table["b_Days", "Bulk_ESS"], posterior::ess_bulk(matrix(rounded$draws[, , "b_Days"], 199)), tolerance = 1e-8)
})
