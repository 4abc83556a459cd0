# Guards numbers while code moves: stores draws and tables of fits over each door, family, method and engine, and compares later
# builds with them, bit for bit. Numbers depend on the processor's instructions, so the store stays on the machine that made it.
#
#     Rscript tools/guard.R store     # before the first move
#     Rscript tools/guard.R check     # after each: names what differs, and by how much; exit status 1 if anything does
#
# Options: --folder bench-output/guard, --only NAME,NAME

suppressPackageStartupMessages(library(twill))

arguments <- commandArgs(TRUE)
option <- function(name, default) {
  at <- match(paste0("--", name), arguments)
  if (is.na(at)) default else arguments[[at + 1L]]
}
folder <- option("folder", "bench-output/guard")
only <- strsplit(option("only", ""), ",", fixed = TRUE)[[1L]]
action <- if (length(arguments)) arguments[[1L]] else "check"
stopifnot(action %in% c("store", "check"))

rows <- function(seed = 1L) {
  set.seed(seed)
  groups <- expand.grid(a = sprintf("a%d", 1:8), b = sprintf("b%d", 1:6), r = 1:2)
  groups$x <- round(rnorm(nrow(groups)), 3)
  groups$z <- round(runif(nrow(groups)), 3)
  u <- rnorm(8, 0, 0.5)[as.integer(groups$a)]
  v <- rnorm(6, 0, 0.3)[as.integer(groups$b)]
  eta <- 1 + 0.4 * groups$x + u * (1 + 0.5 * groups$x) + v
  groups$value <- round(eta + rnorm(nrow(groups), 0, 0.6), 4)
  groups$count <- rnbinom(nrow(groups), mu = exp(eta), size = 4)
  groups$side <- ifelse(as.integer(groups$a) %% 2 == 0, "even", "odd")
  groups$error <- 0.2 + 0.3 * groups$z
  groups
}

gene_counts <- function(genes = 40L, donors = 6L, seed = 2L) {
  set.seed(seed)
  col_data <- data.frame(donor = factor(rep(sprintf("d%d", seq_len(donors)), 2)))
  col_data$condition <- rep(c("ctrl", "stim"), each = donors)
  stim <- col_data$condition == "stim"
  counts <- t(vapply(seq_len(genes), function(g) {
    donor <- rep(rnorm(donors, 0, 0.3), 2)
    response <- rep(rnorm(donors, 0, 0.2), 2)
    effect <- if (g %% 4 == 0) 0.8 else 0
    rnbinom(2 * donors, mu = exp(3 + rnorm(1) + donor + stim * (effect + response)), size = 8)
  }, numeric(2 * donors)))
  dimnames(counts) <- list(sprintf("g%02d", seq_len(genes)), sprintf("s%02d", seq_len(2 * donors)))
  list(counts = counts, col_data = `row.names<-`(col_data, colnames(counts)))
}

cell_counts <- function(genes = 25L, cells = 360L, donors = 5L, seed = 3L) {
  set.seed(seed)
  col_data <- data.frame(donor = factor(rep(sprintf("d%d", seq_len(donors)), length.out = cells)))
  col_data$condition <- sample(c("ctrl", "stim"), cells, TRUE)
  col_data$age <- round(rnorm(cells), 2)
  depth <- rlnorm(cells, 0, 0.3)
  mu <- outer(exp(rnorm(genes, 0, 1)), depth) * exp(outer(ifelse(seq_len(genes) %% 5 == 0, 1, 0), col_data$condition == "stim"))
  counts <- Matrix::Matrix(matrix(rnbinom(genes * cells, mu = mu, size = 2), genes), sparse = TRUE)
  dimnames(counts) <- list(sprintf("g%02d", seq_len(genes)), sprintf("c%03d", seq_len(cells)))
  list(counts = counts, col_data = `row.names<-`(col_data, colnames(counts)))
}

data <- rows()
genes <- gene_counts()
cells <- cell_counts()
one <- function(formula, ...) {
  fit <- twill(formula, data, ..., iter = 300, warmup = 150, chains = 2, seed = 11, silent = 2)
  list(draws = unclass(as_draws_array(fit)), summary = as.data.frame(posterior::summarise_draws(fit)))
}
many <- function(formula, ..., input = genes) {
  fit <- twill_genes(input$counts, formula, col_data = input$col_data, ..., iter = 200, seed = 12, silent = 2)
  list(table = as.data.frame(tw_contrast(fit, "conditionstim")), coef = as.data.frame(coef(fit)))
}
single <- function(formula, ...) {
  fit <- twill_cells(cells$counts, formula, col_data = cells$col_data, ..., iter = 200, seed = 13, silent = 2)
  means <- tryCatch(as.data.frame(tw_means(fit)), error = conditionMessage)
  list(table = as.data.frame(tw_contrast(fit, "conditionstim")), means = means)
}

fits <- list(
  gaussian_collapsed = function() one(value ~ x + (1 + x | a) + (1 | b), control = list(engine = "collapsed")),
  gaussian_joint = function() one(value ~ x + (1 + x || a) + (1 | b), control = list(engine = "joint")),
  gaussian_levels = function() one(value ~ x + (1 + x | a), control = list(engine = "levels")),
  gaussian_sigma = function() one(tw_formula(value ~ x + (1 | a), sigma ~ z)),
  negbinomial_joint = function() one(count ~ x + (1 + x | a) + (1 | b), family = negbinomial(), control = list(engine = "joint")),
  negbinomial_levels = function() one(count ~ x + (1 + x || a), family = negbinomial(), control = list(engine = "levels")),
  negbinomial_shape = function() one(tw_formula(count ~ x + (1 | a), shape ~ z), family = negbinomial()),
  poisson_auto = function() one(count ~ x + (1 | a) + (1 | b), family = poisson()),
  gaussian_guided = function() one(value ~ x + (1 + x | a) + (1 | b), control = list(engine = "guided")),
  gaussian_classes = function() one(value ~ x + (1 + x | gr(a, by = side)) + (1 | b)),
  gaussian_dispersion = function() one(tw_formula(value ~ x + (1 | a), sigma ~ z + (1 | b))),
  gaussian_latent = function() one(value ~ me(x, error) + (1 | a)),
  gaussian_known = function() {
    known <- c(tw_prior("constant(0.5)", class = "sd", group = "a"), tw_prior("constant(0.3)", class = "cor"),
               tw_prior("constant(0.6)", class = "sigma"))
    one(value ~ x + (1 + x | a) + (1 | b), prior = known)
  },
  poisson_tails = function() one(count ~ x + (1 + x | gr(a, dist = "student")), family = poisson()),
  negbinomial_latent = function() one(count ~ me(x, error) * z + (1 | a), family = negbinomial()),
  latent_known = function() {
    known <- c(tw_prior("constant(0.1)", class = "meanme"), tw_prior("constant(0.9)", class = "sdme"))
    one(value ~ me(x, error), prior = known)
  },
  tails_known = function() {
    one(value ~ x + (1 | gr(a, dist = "student")), prior = tw_prior("constant(4)", class = "df", group = "a"))
  },
  gaussian_svi = function() one(value ~ x + (1 + x | a) + (1 | b), method = "svi"),
  negbinomial_laplace = function() one(count ~ x + (1 | a), family = negbinomial(), method = "laplace"),
  genes_hmc = function() many(~ condition + (1 + condition || donor)),
  genes_correlated = function() many(~ condition + (1 + condition | donor)),
  genes_svi = function() many(~ condition + (1 | donor), method = "svi"),
  genes_nuts = function() many(~ condition + (1 | donor), method = "nuts"),
  genes_gaussian = function() {
    many(~ condition + (1 | donor), family = gaussian(), input = list(counts = log(genes$counts + 1), col_data = genes$col_data))
  },
  cells_svi = function() single(~ condition + (1 + condition || donor), method = "svi"),
  cells_hmc = function() single(~ condition + (1 + condition || donor), method = "hmc"),
  cells_covariate = function() single(~ condition + age + (1 + condition || donor))
)
if (length(only)) fits <- fits[only]

attempt <- function(fit) tryCatch(fit(), error = conditionMessage)

difference <- function(old, new) {
  if (identical(old, new)) return(NULL)
  text <- all.equal(old, new, tolerance = 0)
  if (isTRUE(text)) "differs in attributes or type" else paste(head(text, 3L), collapse = "; ")
}

dir.create(folder, FALSE, TRUE)
changed <- 0L
for (name in names(fits)) {
  path <- file.path(folder, paste0(name, ".rds"))
  result <- NULL
  seconds <- system.time(result <- suppressMessages(suppressWarnings(attempt(fits[[name]]))))[["elapsed"]]
  if (action == "store") {
    saveRDS(list(result = result, seconds = seconds), path)
    cat(sprintf("%-20s stored %5.1f s%s\n", name, seconds, if (is.character(result)) paste0(" ERROR: ", result) else ""))
    next
  }
  before <- readRDS(path)
  found <- difference(before$result, result)
  changed <- changed + !is.null(found)
  verdict <- if (is.null(found)) "same" else "DIFFERENT"
  cat(sprintf("%-20s %-9s %5.1f s (stored: %.1f s)\n", name, verdict, seconds, before$seconds))
  if (!is.null(found)) cat("    ", found, "\n")
}
if (changed) {
  cat(changed, "of", length(fits), "fits differ\n")
  quit(status = 1L)
}
