# What readers of the code found: donors without one side, ties, names that look alike, merged rows, texts that are not linear.

small_fit <- function(counts, design, samples, ...) {
  rownames(counts) <- paste0("g", seq_len(nrow(counts)))
  twill_genes(counts, design, col_data = samples, size_factors = "none", seed = 1, iter = 200, silent = 2, check = FALSE, ...)
}

sides <- function() cond(condition = "s") - cond(condition = "c")

test_that("donors without one side of a contrast are left out, whatever the weights", {
  samples <- expand.grid(rep = 1:2, condition = c("c", "s"), donor = paste0("d", 1:4))
  samples <- samples[!(samples$donor == "d4" & samples$condition == "s"), ]
  counts <- with_fixed_seed(1, t(vapply(1:12, function(g) {
    as.numeric(stats::rnbinom(nrow(samples), mu = ifelse(samples$donor == "d4" & g <= 6, 4000, 100), size = 200))
  }, numeric(nrow(samples)))))
  fit <- small_fit(counts, ~ condition + (1 | donor:condition), samples)
  uniform <- tw_contrast(fit, sides(), estimand = "observed", adaptive = FALSE)
  equal <- tw_contrast(fit, sides(), estimand = "observed", donor_weights = c(d1 = 1, d2 = 1, d3 = 1, d4 = 1), adaptive = FALSE)
  expect_equal(uniform$log2FoldChange, equal$log2FoldChange, tolerance = 1e-8)
  expect_lt(abs(uniform$log2FoldChange[1]), 0.5)
})

test_that("the power of a nested design is that of the group that the contrast varies over", {
  samples <- expand.grid(rep = 1:2, condition = c("c", "s"), donor = paste0("d", 1:8))
  level <- as.integer(interaction(samples$donor, samples$condition))
  counts <- with_fixed_seed(1, {
    effects <- matrix(stats::rnorm(320, 0, 0.5), 20)
    t(vapply(1:20, function(g) as.numeric(stats::rnbinom(32, mu = exp(5 + effects[g, level]), size = 30)), numeric(32)))
  })
  fit <- small_fit(counts, ~ condition + (1 | donor) + (1 | donor:condition), samples)
  table <- tw_design(fit, sides(), effect = 1, donors = c(8, 32))
  named <- tw_design(fit, sides(), effect = 1, donors = c(8, 32), group = "donor:condition")
  expect_equal(table$power, named$power)
  expect_lt(table$se[2], 0.7 * table$se[1])
  term <- function(group, n_levels, variance) list(group = group, n = 8, n_levels = n_levels, variance = matrix(variance))
  expect_identical(donor_group(list(term("a", 30, 0), term("b", 16, 1)), NULL), "b")
  expect_identical(donor_group(list(term("a", 8, 1), term("b", 16, 1)), NULL), "b")
  expect_identical(donor_group(list(term("a", 8, 0), term("b", 6, 0)), NULL), "a")
})

test_that("averages of data in pieces are over all rows", {
  data <- data.frame(g = rep(c("a", "b"), c(3600, 400)))
  data$x <- with_fixed_seed(1, round(ifelse(data$g == "b", 10, 0) + stats::rnorm(4000), 3))
  data$y <- with_fixed_seed(2, 1 + data$x * 0.5 + (data$g == "b") * data$x * 0.3 + stats::rnorm(4000))
  file <- tempfile(fileext = ".rds")
  saveRDS(data, file)
  contrast <- cond(g = "b", .average = "x") - cond(g = "a", .average = "x")
  of <- function(data) tw_contrast(twill(y ~ g * x, data, chains = 2, iter = 600, seed = 1, silent = 2), contrast)
  whole <- of(data)
  expect_lt(abs(of(file)$estimate - whole$estimate), 0.2 * whole$se)
})

test_that("combinations whose texts look alike are two", {
  expect_identical(combined_texts(list(c("a_b", "a", "a_b"), c("c", "b_c", "c")), "_"), c("a_b_c", "a_b_c_1", "a_b_c"))
  data <- data.frame(type = rep(c("T", "T cell"), each = 6), tissue = rep(c("cell blood", "blood"), each = 6))
  parts <- parts_by(data, c("type", "tissue"), 2)
  expect_length(parts$rows, 2)
  expect_identical(lengths(parts$rows), c(6L, 6L))
  expect_false(anyDuplicated(parts$names) > 0)
  expect_identical(levels(joined_values(data.frame(a = c("d", "d | x"), b = c("x | y", "y")))), c("d | x | y", "d | x | y_1"))
  rows <- expand.grid(a = c("p", "q"), b = c("1", "2"), k = 1:4)
  rows$y <- with_fixed_seed(1, stats::rnorm(4)[as.integer(interaction(rows$a, rows$b))] + stats::rnorm(16, 0, 0.3))
  fit <- twill(y ~ 1 + (1 | a:b), rows, chains = 2, iter = 200, seed = 1, silent = 2)
  new <- posterior_linpred(fit, newdata = data.frame(a = c("s_1", "s"), b = c("2", "1_2")), allow_new_levels = TRUE)
  expect_gt(stats::sd(new[, 1] - new[, 2]), 0)
})

test_that("contrasts that are not linear, or name a coefficient twice, are refused, and so are levels of mm()", {
  data <- data.frame(g = gl(2, 30, labels = c("a", "b")), m = rep(letters[1:6], 10), n = rep(letters[6:1], each = 10))
  data$y <- with_fixed_seed(1, -(data$g == "b") + stats::rnorm(60))
  fit <- twill(y ~ g, data, chains = 2, iter = 200, seed = 1, silent = 2)
  for (text in c("abs(gb)", "sqrt(gb^2)", "pmax(gb, 0)", "exp(log(gb))")) {
    expect_error(tw_contrast(fit, text), "not a linear", class = "twill_error_contrast")
  }
  expect_equal(tw_contrast(fit, "2 * gb - Intercept")$estimate, 2 * fixef(fit)["gb", 1] - fixef(fit)["Intercept", 1])
  expect_error(tw_contrast(fit, c(gb = 0.5, gb = 0.5)), "more than once", class = "twill_error_contrast")
  members <- twill(y ~ g + (1 + g || mm(m, n)), data, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_error(tw_contrast(members, "gb", by = "m"), "mm", class = "twill_error_contrast")
})

test_that("studies of loci go by their names", {
  decay <- function(r) {
    out <- r^abs(outer(1:6, 1:6, "-"))
    dimnames(out) <- list(paste0("v", 1:6), paste0("v", 1:6))
    out
  }
  z <- cbind(A = c(0, 1, 5, 4.5, 1, 0), B = c(1, 6, 5.5, 5, 4, 3))
  rownames(z) <- paste0("v", 1:6)
  a <- tw_inclusion(z, list(A = decay(0.1), B = decay(0.95)))
  expect_equal(tw_inclusion(z, list(B = decay(0.95), A = decay(0.1)))$pip_A, a$pip_A)
  expect_error(tw_inclusion(z, list(C = decay(0.1), A = decay(0.1))), "named as the studies", class = "twill_error_inclusion")
  loci <- attr(tw_inclusion(list(l1 = z, l2 = z[, 2:1]), list(decay(0.1), decay(0.1))), "loci")
  expect_equal(unlist(loci[1, ]), unlist(loci[2, ]))
})

test_that("rates for masks leave out samples without a count", {
  long <- merge(data.frame(condition = gl(2, 10, labels = c("c", "s")), sample = 1:20), data.frame(gene = paste0("g", 1:12)))
  long$count <- with_fixed_seed(1, stats::rnbinom(nrow(long), mu = 100, size = 20))
  long <- long[!(long$gene == "g1" & long$sample %% 10 >= 4), ]
  fit <- twill_genes(long, count ~ condition, gene = "gene", size_factors = "none", seed = 1, iter = 100, silent = 2,
                     check = FALSE)
  expect_true(all(condition_rates(fit) > 70))
})

test_that("names in other orders and folds between numbers are refused", {
  values <- c(a = 1, b = 2, c = 3)
  expect_error(tw_shrink(values, rev(values)), "names\\(estimate\\)", class = "twill_error_shrink")
  fit <- twill(Reaction ~ 1, lme4::sleepstudy, chains = 1, iter = 60, seed = 1, silent = 2)
  expect_error(kfold(fit, folds = rep(c(1.2, 1.7, 2.2), 60)), "fold of each row", class = "twill_error_folds")
  expect_error(refuse_by_in_design("status", ~condition), "of their own", class = "twill_error_genes")
})

test_that("priors with extreme arguments have their density", {
  data <- data.frame(y = with_fixed_seed(1, stats::rnorm(10)))
  for (df in c("1e15", "1e20")) {
    prior <- c(tw_prior("constant(1)", class = "sigma"), tw_prior(sprintf("student_t(%s, 0, 1)", df), class = "Intercept"))
    draws <- as.matrix(twill(y ~ 1, data, prior = prior, intercept = "raw", chains = 1, iter = 60, seed = 1, silent = 2))
    expect_equal(unname(draws[, "lprior"]), unname(dnorm(draws[, "b_Intercept"], log = TRUE)), tolerance = 1e-6)
  }
})
