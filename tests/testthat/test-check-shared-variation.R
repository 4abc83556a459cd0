# Variation that samples share over genes: found, named and told where the design leaves it out, and only then.

# Counts of `n_genes` genes: list(counts, samples). `batch` is one value per sample, which moves each gene by a number of its own.
batch_counts <- function(samples, move, n_genes = 120, sd = 0.5, seed = 1) {
  with_fixed_seed(seed, {
    of_donors <- function(sd) matrix(rnorm(n_genes * max(samples$id), 0, sd), n_genes)[, samples$id]
    treated <- rep(samples$condition == "stim", each = n_genes)
    mu <- exp(5 + of_donors(0.3) + of_donors(0.1) * treated + outer(rnorm(n_genes, 0, sd), move))
    names <- list(paste0("g", seq_len(n_genes)), paste0("s", seq_along(move)))
    matrix(rnbinom(length(mu), mu = mu, size = 30), n_genes, dimnames = names)
  })
}

# Eight paired donors, or 12 samples of as many donors; the batch is uneven over conditions.
paired_samples <- function() {
  samples <- data.frame(condition = rep(c("ctrl", "stim"), 8), donor = paste0("d", rep(1:8, each = 2)), id = rep(1:8, each = 2))
  samples$batch <- c("a", "b")[1 + c(0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1)]
  samples$age <- c(40, 52, 61, 33, 45, 70, 28, 55)[samples$id]
  samples
}

free_samples <- function() {
  samples <- data.frame(condition = rep(c("ctrl", "stim"), 6), id = 1:12, age = c(4, 8, 1, 9, 3, 7, 5, 2, 6, 8, 3, 4))
  samples$batch <- c("a", "b")[1 + c(0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1)]
  samples
}

fit_of <- function(counts, design, samples, ...) {
  twill_genes(counts, design, col_data = samples, iter = 60, seed = 1, share = "none", method = "laplace", ..., cores = 1)
}

quiet_fit <- function(...) fit_of(..., silent = 2)

test_that("a batch that the design leaves out is found, with its samples and its column, and gone once it is modelled", {
  samples <- free_samples()
  counts <- batch_counts(samples, samples$batch == "b")
  expect_warning(fit <- fit_of(counts, ~condition, samples), "\\+ \\(1 \\| batch\\)", class = "twill_warning_shared")
  shared <- tw_shared_variation(fit)
  component <- summary(shared)[1, ]
  expect_true(component$found)
  expect_identical(component$column, "batch")
  expect_gt(component$r2, 0.8)
  expect_gt(component$share, 2 * component$chance)
  expect_gt(abs(cor(shared$component1, samples$batch == "b")), 0.9)
  expect_output(print(fit), "samples share variation that the design leaves out \\(batch\\)")
  expect_no_warning(better <- fit_of(counts, ~ condition + (1 | batch), samples, check = FALSE))
  expect_false(summary(tw_shared_variation(better))$found[1])
  expect_null(better$info$shared)
})

test_that("a batch within paired donors is found beside their own responses", {
  samples <- paired_samples()
  counts <- batch_counts(samples, samples$batch == "b")
  for (design in list(~ condition + (1 + condition || donor), ~ condition + (1 | donor))) {
    component <- summary(tw_shared_variation(quiet_fit(counts, design, samples)))[1, ]
    expect_true(component$found)
    expect_identical(component$column, "batch")
  }
})

test_that("numbers are named as covariates, and what no column tells is said so", {
  samples <- free_samples()
  counts <- batch_counts(samples, as.numeric(scale(samples$age)), sd = 0.4)
  expect_warning(fit_of(counts, ~condition, samples), "\\+ age", class = "twill_warning_shared")
  hidden <- batch_counts(samples, samples$batch == "b")
  expect_warning(fit_of(hidden, ~condition, samples[c("condition", "age")]), "no column of `col_data`",
                 class = "twill_warning_shared")
})

test_that("donors who respond each in their own way, noisy samples and sizes that are off share nothing", {
  samples <- paired_samples()
  counts <- batch_counts(samples, rep(0, 16), seed = 2)
  expect_no_warning(fit <- fit_of(counts, ~ condition + (1 + condition || donor), samples))
  expect_false(summary(fit$info$shared)$found[1])
  expect_output(print(fit$info$shared), "No component is beyond chance")
  off <- quiet_fit(counts, ~ condition + (1 + condition || donor), samples, size_factors = exp(seq(-0.3, 0.3, length.out = 16)))
  expect_false(summary(tw_shared_variation(off))$found[1])
})

test_that("one bad sample is named", {
  samples <- free_samples()
  counts <- batch_counts(samples, 1:12 == 5, sd = 1)
  expect_warning(fit <- fit_of(counts, ~condition, samples), "1 sample lies apart.*s5", class = "twill_warning_noisy")
  shared <- tw_shared_variation(fit)
  expect_identical(shared$sample[which.max(shared$noise)], "s5")
  expect_gt(max(shared$noise), 2 * median(shared$noise))
})

test_that("Gaussian values with gaps are looked at as counts are", {
  samples <- free_samples()
  values <- log(batch_counts(samples, samples$batch == "b") + 1)
  values[cbind(1:12, 1:12)] <- NA
  fit <- quiet_fit(values, ~condition, samples, family = "gaussian")
  expect_identical(summary(tw_shared_variation(fit))$column[1], "batch")
  even <- log(batch_counts(samples, rep(0, 12)) + 1)
  expect_false(summary(tw_shared_variation(quiet_fit(even, ~condition, samples, family = "gaussian")))$found[1])
})

test_that("leaves of cells are looked at, with columns of cells that describe them", {
  samples <- paired_samples()[1:12, ]
  of <- rep(1:12, each = 12)
  counts <- with_fixed_seed(1, {
    mean <- exp(1 + outer(rnorm(60, 0, 0.8), samples$batch == "b"))[, of]
    matrix(rnbinom(length(mean), mu = mean, size = 3), 60, dimnames = list(paste0("g", 1:60), NULL))
  })
  cells <- samples[of, c("condition", "donor", "batch")]
  cells$quality <- rep(c(0.1, 0.4, 0.2), 48)
  fit <- function(...) twill_cells(counts, ~ condition + (1 + condition || donor), col_data = cells, capture = rep(0.1, 144),
                                   iter = 60, seed = 1, share = "none", method = "laplace", cores = 1, ...)
  expect_warning(found <- fit(), "\\+ \\(1 \\| batch\\)", class = "twill_warning_shared")
  expect_identical(nrow(found$info$shared), 12L)
  expect_null(fit(silent = 2)$info$shared)
})

test_that("samples of a screen are looked at over their guides", {
  data <- data.frame(drug = rep(c("no", "yes"), 4), lane = c("a", "b", "a", "b", "b", "a", "b", "a"))
  gene <- rep(paste0("g", 1:40), each = 2)
  counts <- with_fixed_seed(1, {
    move <- outer(rnorm(40, 0, 0.6), data$lane == "b")[rep(1:40, each = 2), ]
    matrix(rnbinom(80 * 8, mu = 300 * exp(rnorm(80, 0, 0.3) + move), size = 30), 80)
  })
  dimnames(counts) <- list(paste0("sg", 1:80), paste0("r", 1:8))
  data$drug[8] <- NA
  screen <- function(...) suppressMessages(twill_screen(counts, ~drug, gene = gene, col_data = data, iter = 60, seed = 1,
                                                     share = "none", method = "laplace", cores = 1, ...))
  expect_warning(fit <- screen(), "\\+ \\(1 \\| lane\\)", class = "twill_warning_shared")
  expect_identical(fit$info$shared$sample, paste0("r", 1:7))
  expect_no_warning(screen(check = FALSE))
})

test_that("what cannot be looked at is said", {
  samples <- free_samples()
  counts <- batch_counts(samples, rep(0, 12), n_genes = 22)
  fit <- quiet_fit(counts, ~condition, samples)
  few <- tw_shared_variation(fit, genes = 1:5)
  expect_output(print(few), "20 genes are needed")
  expect_identical(nrow(summary(few)), 0L)
  small <- quiet_fit(counts[, 1:4], ~condition, samples[1:4, ])
  expect_output(print(tw_shared_variation(small)), "three directions are needed")
  expect_error(plot(few), "no component", class = "twill_error_plot")
  expect_error(tw_shared_variation(1), class = "twill_error")
})

test_that("the check neither moves R's random numbers nor depends on them", {
  samples <- free_samples()
  fit <- quiet_fit(batch_counts(samples, samples$batch == "b"), ~condition, samples)
  set.seed(1)
  first <- tw_shared_variation(fit)
  after <- runif(1)
  set.seed(1)
  expect_identical(after, runif(1))
  expect_identical(summary(tw_shared_variation(fit)), summary(first))
  expect_s3_class(plot(first), "ggplot")
  expect_identical(dim(first[1:2, c("sample", "noise")]), c(2L, 2L))
})

test_that("columns whose levels include NA are looked at as others are", {
  sim <- simulate_cells(n_genes = 6, n_cells = 300)
  # One that is the same in every cell of a leaf, and one that is not.
  sim$cells$lab <- addNA(factor(ifelse(sim$cells$donor == "d1", NA, "a")))
  sim$cells$phase <- addNA(factor(rep_len(c("g1", NA, "s"), 300)))
  fit <- twill_cells(sim$counts, ~ condition + (1 + condition || donor), col_data = sim$cells, iter = 20, seed = 1, silent = 2,
                     method = "laplace", capture = exp(sim$log_capture), check = FALSE)
  expect_identical(is.na(as.character(fit$job$columns$lab)), startsWith(as.character(fit$job$model$data$donor), "d1"))
  expect_equal(unname(rowSums(fit$job$columns$phase)), rep(1, 8))
  expect_setequal(colnames(fit$job$columns$phase), c("g1", "NA", "s"))
  expect_s3_class(suppressMessages(tw_shared_variation(fit)), "tw_shared_variation")
  design <- ~ condition + (1 + condition || lab)
  expect_s3_class(twill_cells(sim$counts, design, col_data = sim$cells, iter = 20, seed = 1, silent = 2, method = "laplace",
                              capture = exp(sim$log_capture)), "twillcells")
})

test_that("what all genes share as one number per sample is taken out, and nothing else", {
  set.seed(5)
  genes <- 30
  carries <- lapply(seq_len(genes), function(g) qr.resid(qr(cbind(1, rnorm(6))), diag(exp(rnorm(6, 0, 0.3)))))
  shift <- rnorm(6)
  of_shift <- t(vapply(carries, function(carry) drop(carry %*% shift), numeric(6)))
  own <- matrix(rnorm(6 * genes), genes)
  expect_equal(without_shifts(of_shift, carries), 0 * of_shift, tolerance = 1e-8)
  expect_equal(without_shifts(own + of_shift, carries), without_shifts(own, carries), tolerance = 1e-8)
  left <- without_shifts(own, carries)
  expect_equal(Reduce(`+`, lapply(seq_len(genes), function(g) crossprod(carries[[g]], left[g, ]))), matrix(0, 6, 1),
               tolerance = 1e-8)
})

test_that("cells of unequal capture count for fewer", {
  leaves <- list(job = list(source = list(kind = "leaves", samples = 1:2),
                            cells = list(log_capture = log(c(2, 2, 2, 1, 3)), leaf = c(1, 1, 1, 2, 2))))
  expect_equal(effective_cells(leaves), c(3, 1.6))
  leaves$job$source$kind <- "dense"
  expect_identical(effective_cells(leaves), 1)
})

test_that("many columns are looked at by donor and condition, whether donors are numbers or names", {
  samples <- paired_samples()[rep(1:16, each = 14), ]
  counts <- batch_counts(samples, rep(0, 224), n_genes = 30)
  labels <- lapply(list(number = samples$id, name = samples$donor), function(donor) {
    samples$donor <- donor
    fit <- quiet_fit(counts, ~ condition + (1 | donor), samples)
    tw_shared_variation(fit)$sample
  })
  expect_identical(sort(labels$number), sort(paste(samples$condition, samples$id, sep = " | ") |> unique()))
  expect_identical(lengths(labels), c(number = 16L, name = 16L))
})

# Print and plot of what was found.
batch_found <- function(column = samples$batch, samples = free_samples(), n_genes = 120, sd = 0.5) {
  counts <- batch_counts(samples, samples$batch == "b", n_genes, sd)
  tw_shared_variation(quiet_fit(counts, ~condition, data.frame(condition = samples$condition, own = column)))
}

test_that("what is found is printed with its column, the samples that load most, and what to trust", {
  shared <- batch_found()
  lines <- capture.output(print(shared, n = 3))
  top <- order(-abs(shared$component1))[1:3]
  rows <- sprintf(" +%s +%.2f +%.2f +%s", shared$sample, shared$component1, shared$noise, free_samples()$batch)[top]
  at <- grep("The 3 samples with the largest loadings:", lines)
  expect_match(lines[at + 1], "sample component1 noise own")
  expect_match(lines[at + 2], rows[1])
  expect_match(lines[at + 3], rows[2])
  expect_match(lines[at + 4], rows[3])
  expect_match(lines[at + 5], "^Effects and signs are not to be trusted until the design has it[.] Next: plot")
  expect_match(grep("<1e-16", lines, value = TRUE), "^ +1 +20 % +6.9 % +<1e-16 +own 0.98")
  expect_output(print(shared, n = 1), "The sample with the largest loading:")
  expect_output(print(shared, n = 12), "\n\nLoadings:\n")
  weak <- batch_found(n_genes = 500, sd = 0.15)
  wider <- signif(100 * (sqrt(1 + summary(weak)$size[1]) - 1), 2)
  expect_output(print(weak), sprintf("Weak: errors of effects along it are %g %% larger than the fit tells", wider))
})

test_that("rows in another order, and some of them, keep their own values of the column", {
  shared <- batch_found()
  sorted <- shared[order(-abs(shared$component1)), ]
  expect_identical(capture.output(print(sorted, n = 4)), capture.output(print(shared, n = 4)))
  value_of <- function(x) {
    data <- plot(x)$data
    stats::setNames(data$value, as.character(data$sample))
  }
  expect_identical(value_of(sorted)[shared$sample], value_of(shared))
  expect_identical(value_of(shared[3:5, ]), value_of(shared)[3:5])
  attr(sorted, "noisy") <- 5L
  expect_output(print(sorted), "Noisier than others in many genes: s5")
  # Without the columns that its print shows it is a table as others are.
  expect_output(print(shared[c("noise", "component1")]), "noise component1")
})

test_that("numbers, dates, levels that are NA and names that the table has are shown and plotted", {
  shift <- as.numeric(free_samples()$batch == "b") + seq(0, 0.1, length.out = 12) / 3
  expect_output(print(batch_found(shift), n = 12), "s12 +-?[0-9.]+ +[0-9.]+ +1[.]033333 *\n")
  lab <- addNA(factor(ifelse(shift > 0.5, NA, "a")))
  found <- batch_found(lab)
  expect_identical(summary(found)$column, "own")
  expect_output(print(found, n = 12), "s1 +[-0-9.]+ +[0-9.]+ +a\n +s[0-9]+")
  expect_match(capture.output(print(found, n = 12)), "s2 +[-0-9.]+ +[0-9.]+ +NA$", all = FALSE)
  expect_setequal(plot(found)$data$value, c("a", "NA"))
  day <- as.Date("2024-01-01") + 10 * round(shift)
  for (column in list(day, as.POSIXct(day, tz = "UTC"), day - as.Date("2024-01-01"))) {
    drawn <- ggplot2::ggplot_build(plot(batch_found(column)))
    expect_identical(length(unique(drawn$data[[2]]$colour)), 2L)
    labels <- drawn$plot$scales$get_scales("colour")$get_labels()
    expect_match(trimws(labels), if (inherits(column, "difftime")) "^[0-9]+$" else "^(Jan |2024-)")
  }
  fit <- quiet_fit(batch_counts(free_samples(), shift > 0.5), ~condition,
                   data.frame(condition = free_samples()$condition, noise = shift))
  shared <- tw_shared_variation(fit)
  expect_output(print(shared), "sample component1 noise noise \\(col_data\\)")
})
