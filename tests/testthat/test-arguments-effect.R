# What a user says has an effect, is refused, or is told to have none: by door, method and what the model has.

samples <- gene_samples()
lean <- list(iter = 40, warmup = 15, chains = 1, seed = 1, method = "laplace", check = FALSE)
genes <- function(..., design = ~ condition + (1 | donor), x = gene_counts(8), col_data = samples) {
  local_engine(fake_engine)
  arguments <- utils::modifyList(lean, list(...))
  suppressWarnings(do.call(twill_genes, c(list(x, design, col_data = col_data), arguments)))
}

rows <- with_fixed_seed(1, data.frame(y = rnorm(48), f = gl(2, 24), g = gl(8, 1, 48)))
one <- function(...) suppressWarnings(twill(y ~ f + (1 | g), rows, ..., chains = 1, iter = 40, seed = 1))
expect_unused <- function(code, name) expect_message(code, paste0(name, ".*has no effect"), class = "twill_message_unused")

test_that("what approximations of one model do not have is told", {
  for (method in c("laplace", "svi")) {
    expect_unused(one(method = method, init = "random"), "init")
    expect_unused(one(method = method, save_pars = tw_save(warmup = TRUE)), "save_pars")
    expect_error(one(method = method, init = "nowhere"), "init", class = "twill_error_setting")
  }
  expect_message(one(method = "laplace", silent = 0), "20 draws of an approximation", class = "twill_message_run")
  expect_no_message(one(init = "random", save_pars = tw_save(warmup = TRUE)), class = "twill_message_unused")
})

test_that("what goes with a file is told where there is none", {
  expect_unused(one(file_refit = "always"), "file_refit")
  expect_unused(one(control = list(checkpoint = 5)), "checkpoint")
  expect_no_message(one(file_refit = "always", control = list(checkpoint = 5), file = tempfile()), class = "twill_message_unused")
  expect_no_message(suppressWarnings(update(one(), iter = 50)), class = "twill_message_unused")
})

test_that("what a guide has no use for is told", {
  gaussian <- function(...) one(control = list(engine = "guided", ...), silent = 1)
  expect_unused(gaussian(adapt_delta = 0.9), "adapt_delta")
  expect_unused(gaussian(metric = "diag"), "metric")
  expect_unused(one(control = list(engine = "guided"), init = 1), "init")
  expect_no_message(gaussian(), class = "twill_message_unused")
})

test_that("contrasts of what has no column in a model matrix are refused", {
  wanted <- list(g = "contr.sum")
  expect_error(one(contrasts = wanted), "contrasts.*g.*factors are.*f", class = "twill_error_design")
  expect_error(genes(contrasts = list(donor = "contr.sum")), "donor", class = "twill_error_design")
  expect_error(one(contrasts = list(`factor(q)` = "contr.sum")), "factor", class = "twill_error_design")
  both <- tw_formula(y ~ f) + tw_formula(z ~ g)
  rows$z <- cos(1:48)
  two <- function(contrasts) twill(both, rows, contrasts = contrasts, chains = 1, iter = 40, seed = 1, silent = 2)
  expect_error(two(list(q = "contr.sum")), "q", class = "twill_error_design")
  names <- function(fit) grep("^b_", variables(fit), value = TRUE)
  expect_identical(names(two(list(f = "contr.sum", g = "contr.sum"))),
                   c("b_y_Intercept", "b_y_f1", "b_z_Intercept", paste0("b_z_g", 1:7)))
})

test_that("update() keeps contrasts of slopes and of the dispersion", {
  formulas <- list(sd_g__f1 = y ~ 1 + (f | g), b_sigma_f1 = tw_formula(y ~ 1 + (1 | g), sigma ~ f))
  for (name in names(formulas)) {
    fit <- twill(formulas[[name]], rows, contrasts = list(f = "contr.sum"), chains = 1, iter = 40, seed = 1, silent = 2)
    again <- update(fit, iter = 50, silent = 2)
    expect_identical(variables(again), variables(fit))
    expect_true(name %in% variables(again))
  }
})

test_that("arguments of other kinds of data are refused", {
  counts <- gene_counts(8)
  expect_error(genes(assay = "counts"), "assay.*a matrix", class = "twill_error_argument")
  expect_error(genes(gene = "gene"), "gene.*rows of `x`", class = "twill_error_argument")
  cells <- simulate_cells(n_genes = 3, n_cells = 80)
  expect_error(twill_cells(cells$counts, ~condition, col_data = cells$cells, assay = "counts"), "assay",
               class = "twill_error_argument")
  screen <- function(x = matrix(100:123, 6), ...) twill_screen(x, ~1, gene = rep(c("a", "b"), 3), ..., silent = 2)
  expect_error(screen(guide = "guide"), "guide", class = "twill_error_argument")
  expect_error(screen(assay = "counts"), "assay", class = "twill_error_argument")
  expect_error(screen(controls = "a", size_factors = rep(1, 4)), "controls", class = "twill_error_argument")
})

test_that("a scale of captures that are known is refused", {
  cells <- simulate_cells(n_genes = 3, n_cells = 80)
  fit <- function(...) twill_cells(cells$counts, ~condition, col_data = cells$cells, ..., silent = 2)
  known <- exp(cells$log_capture)
  expect_error(fit(capture = known, organism = "mouse"), "organism", class = "twill_error_capture")
  expect_error(fit(capture = known, capture_efficiency = 0.2), "capture_efficiency", class = "twill_error_capture")
  expect_error(fit(capture = "sizeFactors", organism = "mouse"), "organism", class = "twill_error_capture")
})

test_that("sharing of what the model does not have is told", {
  expect_unused(genes(sd_prior = "half_t", share = "dispersion"), "sd_prior")
  expect_unused(genes(sd_prior = "half_t", design = ~condition), "sd_prior")
  expect_unused(genes(share = "sd", design = ~condition), "share")
  expect_unused(genes(share = "dispersion", family = "poisson"), "share")
  expect_unused(genes(effect_prior = "normal", design = ~ 1 + (1 | donor)), "effect_prior")
  cells <- simulate_cells(n_genes = 3, n_cells = 80)
  local_engine(fake_engine)
  expect_unused(suppressWarnings(twill_cells(cells$counts, ~condition, col_data = cells$cells, capture = exp(cells$log_capture),
                                             sd_prior = "half_t", seed = 1, check = FALSE)), "sd_prior")
  expect_no_message(genes(sd_prior = "half_t", effect_prior = "normal", share = "sd"), class = "twill_message_unused")
  expect_no_message(genes(design = ~condition), class = "twill_message_unused")
})

test_that("control of sampling is refused where nothing is sampled", {
  expect_error(genes(control = list(adapt_delta = 0.9)), "adapt_delta.*none", class = "twill_error_setting")
  expect_error(genes(control = list(max_treedepth = 3)), "max_treedepth", class = "twill_error_setting")
  expect_unused(genes(control = list(max_treedepth = 3), method = "auto"), "max_treedepth")
})

test_that("a lowest count of plasmids that are not there is told", {
  local_engine(fake_engine)
  screen <- function(...) {
    suppressWarnings(twill_screen(matrix(100:123, 6), ~1, gene = rep(c("a", "b"), 3), ..., iter = 100, seed = 1, check = FALSE))
  }
  expect_unused(screen(min_plasmid = 10), "min_plasmid")
  expect_no_message(screen(), class = "twill_message_unused")
})

test_that("a reference is refused where there is nothing to refer to", {
  fit <- fake_set()
  expect_error(tw_contrast(fit, reference = 1:5), "reference.*clr", class = "twill_error_contrast")
  expect_error(tw_contrast(fit, scale = "composition", reference = "iqr"), "reference", class = "twill_error_contrast")
  expect_no_error(tw_contrast(fit, scale = "clr", reference = 6:20))
})

test_that("what goes with counts is told, or refused, where values are none", {
  values <- log(gene_counts(8) + 1)
  gaussian <- function(...) genes(x = values, family = "gaussian", ...)
  expect_unused(gaussian(min_count = 10), "min_count")
  expect_no_message(gaussian(), class = "twill_message_unused")
  expect_no_message(gaussian(min_count = 0), class = "twill_message_unused")
  # Logarithms of size factors were taken off the values.
  for (sizes in list("ratio", "typical", rep(1:2, length.out = nrow(samples)))) {
    expect_error(gaussian(size_factors = sizes), "size_factors.*offset", class = "twill_error_genes")
  }
  expect_no_error(gaussian(size_factors = "none"))
})

test_that("control of steps that are not made is told, and several targets of genes are refused", {
  expect_unused(genes(method = "hmc", control = list(max_treedepth = 3)), "max_treedepth")
  expect_unused(genes(method = "svi", control = list(refine = FALSE, adapt_delta = 0.9)), "adapt_delta")
  expect_no_message(genes(method = "svi", control = list(adapt_delta = 0.9)), class = "twill_message_unused")
  expect_no_message(genes(method = "nuts", control = list(max_treedepth = 3)), class = "twill_message_unused")
  K <- structure(diag(nlevels(samples$donor)), dimnames = rep(list(levels(samples$donor)), 2))
  many <- data.frame(a = gl(30, 2), b = gl(30, 1, 60))
  for (name in c("max_steps", "tolerance")) {
    control <- stats::setNames(list(100), name)
    expect_unused(genes(design = ~ (1 | gr(donor, cov = K)), data2 = list(K = K), method = "svi", control = control), name)
    expect_unused(genes(prior = tw_prior("constant(0.3)", class = "sd"), method = "svi", control = control), name)
    expect_no_message(genes(method = "svi", control = control), class = "twill_message_unused")
    # More than lanes take.
    expect_unused(genes(x = matrix(100:339, 4), design = ~ (1 | a) + (1 | b), col_data = many, method = "svi", control = control),
                  name)
  }
  expect_error(genes(method = "hmc", control = list(adapt_delta = c(0.8, 0.9))), "adapt_delta.*one number",
               class = "twill_error_setting")
})

test_that("sizes of a screen are numbers", {
  local_engine(fake_engine)
  screen <- function(...) twill_screen(matrix(100:123, 6), ~1, gene = rep(c("a", "b"), 3), ..., iter = 100, seed = 1, silent = 2)
  for (sizes in list("ratio", "none", TRUE)) {
    expect_error(screen(size_factors = sizes), "one positive number", class = "twill_error_genes")
  }
})
