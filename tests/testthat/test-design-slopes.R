# Warnings of designs in which the levels of a group respond alike, though their responses could be told apart.

model_of <- function(design, data, family = negbinomial()) {
  quiet_if(2, new_gene_model(response_formula(design), data, as_twill_family(family), NULL, NULL, 2))
}

# Two samples per donor and condition; sex differs between donors, time within; donors are nested in clinics.
repeated_samples <- function() {
  data <- expand.grid(repeat_of = 1:2, condition = c("ctrl", "stim"), donor = paste0("d", 1:6))
  data$sex <- ifelse(as.integer(data$donor) <= 3, "f", "m")
  data$clinic <- c("a", "b")[as.integer(data$donor) %% 2 + 1]
  data$time <- seq_len(nrow(data)) %% 5
  data$age <- 40 + as.integer(data$donor)^2
  data$batch <- c("x", "y")[data$repeat_of]
  data$sample <- paste(data$donor, data$condition)
  data
}

said <- function(design, unit = "cell", data = repeated_samples(), family = negbinomial()) {
  warnings <- testthat::capture_warnings(check_slopes(model_of(design, data, family), 1, unit))
  gsub("[[:space:]]+", " ", paste(warnings, collapse = " "))
}

test_that("a response that cannot differ between donors is warned about, and the slope is named", {
  expect_match(said(~ condition + (1 | donor)), "(1 + condition || donor)", fixed = TRUE)
  expect_match(said(~ condition + (1 | donor)), "Each cell of one donor counts as a replicate", fixed = TRUE)
  expect_match(said(~ condition * sex + (1 | donor)), "(1 + condition || donor)", fixed = TRUE)
  expect_match(said(~ condition * time + (1 | donor)), "(1 + condition + time + condition:time || donor)", fixed = TRUE)
  expect_match(said(~ condition + time + (1 + condition || donor)), "(1 + condition + time || donor)", fixed = TRUE)
  expect_match(said(~ 0 + condition + (1 | donor)), "(1 + condition || donor)", fixed = TRUE)
  expect_match(said(~ condition + (0 + time | donor)), "(0 + time + condition || donor)", fixed = TRUE)
  expect_warning(check_slopes(model_of(~ condition + (1 | donor), repeated_samples()), 1, "cell"), class = "twill_warning_slopes")
})

test_that("of several groups the one with most levels gets the slope", {
  expect_match(said(~ condition + (1 | clinic / donor)), "(1 + condition || clinic:donor)", fixed = TRUE)
  expect_match(said(~ condition + (1 | batch) + (1 | donor)), "(1 + condition || donor)", fixed = TRUE)
})

test_that("designs that have what they need are left alone", {
  quiet <- list(~ condition + (1 + condition || donor), ~ condition + (1 + condition | donor),
                ~ condition + (0 + condition | donor),
                ~ condition + (1 | donor) + (0 + condition | donor), ~ condition + (1 | donor) + (1 | donor:condition),
                ~ condition + (1 | donor) + (1 | sample), ~ condition + (1 | sample), ~ sex + age + (1 | donor), ~ condition,
                ~ 1 + (1 | donor), ~ condition * sex + (1 + condition || donor),
                ~ condition + (1 + condition || donor) + (1 | batch),
                ~ condition + (1 + condition || clinic) + (1 | donor))
  for (design in quiet) expect_identical(said(design), "", info = deparse1(design))
})

test_that("samples are replicates where a donor has several, or where counts have no dispersion", {
  single <- subset(repeated_samples(), repeat_of == 1)
  expect_match(said(~ condition + (1 | donor), "sample"), "Each sample of one donor counts as a replicate", fixed = TRUE)
  expect_identical(said(~ condition + (1 | donor), "sample", single), "")
  expect_identical(said(~ condition + (1 | donor), "sample", single, gaussian()), "")
  expect_match(said(~ condition + (1 | donor), "sample", single, poisson()), "(1 + condition || donor)", fixed = TRUE)
})

test_that("both doors of many genes say it, once, and say nothing if told so", {
  samples <- repeated_samples()
  counts <- matrix(rep(20:31, length.out = 12 * nrow(samples)), 12, dimnames = list(letters[1:12], NULL))
  local_engine(fake_engine)
  fit <- function(design, ...) {
    twill_genes(counts, design, col_data = samples, iter = 20, warmup = 10, seed = 1, share = "none", ...)
  }
  expect_warning(fit(~ condition + (1 | donor)), class = "twill_warning_slopes")
  expect_no_warning(fit(~ condition + (1 + condition || donor)))
  expect_no_warning(fit(~ condition + (1 | donor), check = FALSE))
  expect_no_warning(fit(~ condition + (1 | donor), silent = 2))
  expect_error(fit(~ condition + (1 | donor), check = "yes"), "check", class = "twill_error_setting")
})

test_that("cells of donors who respond alike are warned about", {
  sim <- simulate_cells(n_genes = 6, n_donors = 3)
  fit <- function(design) {
    twill_cells(sim$counts, design, col_data = sim$cells, method = "laplace", seed = 1, share = "none", iter = 50)
  }
  expect_warning(fit(~ condition + (1 | donor)), "1 \\+ condition \\|\\| donor", class = "twill_warning_slopes")
})

test_that("terms of which columns were dropped, and designs of one column, are looked at", {
  data <- data.frame(x = rep(c(-1, 0, 1), 4), f = gl(2, 6), g = gl(3, 4), never = rep(0, 12))
  counts <- with_fixed_seed(1, matrix(rnbinom(12 * 30, mu = 20, size = 4), 30, dimnames = list(paste0("g", 1:30), NULL)))
  fit_of <- function(design) twill_genes(counts, design, col_data = data, method = "laplace", iter = 20, seed = 1)
  expect_no_error(suppressWarnings(suppressMessages(fit_of(~ poly(x, 2) + x:f + x + (1 | g)))))
  said <- testthat::capture_messages(suppressWarnings(fit_of(~ 1 + (1 | g))))
  expect_false(any(grepl("could not be looked at", said)))
})
