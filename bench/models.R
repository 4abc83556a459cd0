# The models of the benchmark: data, formula, family and priors, all stated here and the same for every sampler.
#
# An element is list(about, data, formula, family, prior, plain). `data` is a function, so that only what is run is
# read. `prior` is a character vector named `class`, `class:coef` or `class:coef:group`; the prior of the intercept is
# on the intercept at the means of the covariates (`?twill`). `plain` is the nearest model in the grammar of lme4, for
# rstanarm, lme4 and glmmTMB, NULL if there is none.

source("bench/simulate.R")

benchmark_model <- function(about, data, formula, prior, family = "gaussian", plain = formula) {
  list(about = about, data = data, formula = formula, family = family, prior = prior, plain = plain)
}

# Stored with the tests.
stored_data <- function(name) {
  function() utils::read.csv(file.path("tests", "testthat", "references", "data", paste0(name, ".csv.gz")))
}

package_data <- function(name, package) {
  function() {
    place <- new.env()
    utils::data(list = name, package = package, envir = place)
    place[[name]]
  }
}

# The complete screens (TWILL_SHARED, else ../shared) if they are at hand, else the slice that the package ships.
# Expression is taken relative to the gene's mean.
depmap_data <- function() {
  folder <- Sys.getenv("TWILL_SHARED", file.path("..", "shared"))
  complete <- file.path(folder, "data", "crispr_depmap", "lfc_long.csv.gz")
  data <- if (file.exists(complete)) utils::read.csv(complete) else package_data("depmap_screen", "twill")()
  if (is.null(data$sample)) data$sample <- interaction(data$cell_line, data$replicate, drop = TRUE)
  transform(data, rna = rna - ave(rna, gene))
}

tick_data <- function() {
  transform(package_data("grouseticks", "lme4")(), cHEIGHT = (HEIGHT - mean(HEIGHT)) / 100)
}

count_prior <- c(Intercept = "normal(0, 5)", b = "normal(0, 2.5)", sd = "student_t(3, 0, 2.5)",
                 shape = "inv_gamma(0.4, 0.3)")
screen_prior <- c(sd = "student_t(3, 0, 1)", sigma = "student_t(3, 0, 1)")

small_gaussian_models <- list(
  crossed_screen = benchmark_model(
    "simulated screen, 10 cell lines x 3 genes x 3 replicates, two free means", stored_data("crispr_sim_crossed"),
    logfc ~ 0 + tw_re(gene, mean = "normal(-1, 2)") + tw_re(cell_line, mean = "normal(0, 2)"),
    c("sd:Intercept:gene" = "exponential(0.5)", "sd:Intercept:cell_line" = "exponential(0.5)", sigma = "exponential(1)"),
    plain = logfc ~ 1 + (1 | gene) + (1 | cell_line)),
  varying_slope = benchmark_model(
    "simulated screen, intercept and slope of 5 genes, 150 rows", stored_data("crispr_sim_varying_slope"),
    logfc ~ rna + (1 + rna || gene),
    c(Intercept = "normal(0, 5)", b = "normal(0, 2)", "sd:Intercept:gene" = "normal(0, 5)",
      "sd:rna:gene" = "normal(0, 2)", sigma = "normal(0, 5)")),
  schools = benchmark_model(
    "40 schools in 4 regions, known standard errors", simulate_schools, y | se(se) ~ 1 + (1 | region) + (1 | school),
    c(Intercept = "normal(0, 5)", "sd::region" = "normal(0, 5)", "sd::school" = "normal(0, 2)"), plain = NULL),
  penicillin = benchmark_model(
    "lme4::Penicillin, 24 plates x 6 samples", package_data("Penicillin", "lme4"),
    diameter ~ 1 + (1 | plate) + (1 | sample),
    c(Intercept = "normal(23, 10)", sd = "student_t(3, 0, 2.5)", sigma = "student_t(3, 0, 2.5)")),
  sleepstudy = benchmark_model(
    "lme4::sleepstudy, correlated intercept and slope of 18 subjects", package_data("sleepstudy", "lme4"),
    Reaction ~ Days + (1 + Days | Subject),
    c(Intercept = "normal(250, 100)", b = "normal(0, 50)", sd = "student_t(3, 0, 40)", sigma = "student_t(3, 0, 40)",
      cor = "lkj(1)")))

large_gaussian_models <- list(
  guides_nested = benchmark_model(
    "60,049 rows, 103 guides nested in 26 genes", simulate_guides, lfc ~ 1 + (1 | gene) + (1 | guide),
    c(Intercept = "normal(0, 2)", screen_prior)),
  guides_crossed = benchmark_model(
    "60,049 rows, 103 guides nested in 26 genes, crossed with 258 cell lines, two free means", simulate_guides,
    lfc ~ 0 + tw_re(gene, mean = "normal(0, 2)") + (1 | guide) + tw_re(cell_line, mean = "normal(0, 2)"), screen_prior,
    plain = lfc ~ 1 + (1 | gene) + (1 | guide) + (1 | cell_line)),
  depmap = benchmark_model(
    "DepMap screens, slope on expression by gene, guides, cell lines, samples", depmap_data,
    lfc ~ rna + copy_number + (1 + rna | gene) + (1 | gene:guide) + (1 | cell_line) + (1 | sample),
    c(Intercept = "normal(0, 2)", b = "normal(0, 1)", screen_prior, cor = "lkj(1)")),
  insteval = benchmark_model(
    "lme4::InstEval, 73,421 ratings, 2,972 students x 1,128 teachers", package_data("InstEval", "lme4"),
    y ~ 1 + (1 | s) + (1 | d), c(Intercept = "normal(3, 2.5)", sd = "student_t(3, 0, 2.5)", sigma = "student_t(3, 0, 2.5)")))

count_models <- list(
  grouseticks = benchmark_model(
    "lme4::grouseticks, 403 chicks, 118 broods, 63 locations", tick_data,
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), count_prior, "negbinomial"),
  epil = benchmark_model(
    "MASS::epil, 236 counts of 59 patients", package_data("epil", "MASS"),
    y ~ lbase * trt + lage + V4 + (1 | subject), count_prior, "negbinomial"),
  donors = benchmark_model(
    "simulated counts, 7 donors x 2 conditions x 40", simulate_donors, y ~ condition + (1 | donor), count_prior,
    "negbinomial"),
  crossed_counts = benchmark_model(
    "simulated counts, 5,000 rows in 50 x 40 groups", simulate_crossed_counts, y ~ x + (1 | a) + (1 | b), count_prior,
    "negbinomial"))

benchmark_models <- c(small_gaussian_models, large_gaussian_models, count_models)

# The prior of a model as twill() takes it.
benchmark_prior <- function(model) {
  rows <- Map(function(text, name) {
    target <- c(strsplit(name, ":", fixed = TRUE)[[1]], "", "")
    twill::tw_prior(text, class = target[1], coef = target[2], group = target[3])
  }, unname(model$prior), names(model$prior))
  do.call(c, unname(rows))
}

benchmark_family <- function(model) {
  if (model$family == "negbinomial") twill::negbinomial() else stats::gaussian()
}
