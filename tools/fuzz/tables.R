# Random calls of what takes no fit: labels of correlated variants, shrunken estimates, designs, pedigrees, default
# priors, sums of cells, files of sets.

random_table <- function() {
  kind <- one_of("inclusion", "shrink", "design", "inclusion", "shrink", "design", "pedigree", "priors", "small", "bulk", "sets")
  switch(kind, bulk = random_pseudobulk(), sets = random_gmt(), inclusion = random_inclusion(), shrink = random_shrink(),
         design = random_power(), pedigree = random_pedigree(), priors = random_default_prior(), small = random_small())
}

# z-scores of variants in blocks of correlation, in one study or two, of one locus or several.
random_inclusion <- function() {
  n <- if (!oddly(0.1)) sample(2:12, 1) else sample(0:1, 1)
  n_studies <- sample(2, 1)
  z <- matrix(stats::rnorm(n * n_studies, 0, 2), n, n_studies)
  correlation <- random_correlation(n)
  if (chance(0.5)) z <- drop(z)
  if (oddly(0.1)) z <- spoil_numbers(z)
  if (oddly(0.1)) correlation <- spoil_numbers(correlation)
  if (chance(0.3)) {
    z <- list(a = z, b = z)
    correlation <- list(a = correlation, b = correlation)
  }
  optional <- list(
    prior = any_of(tw_spike_slab(), tw_spike_slab(0.2), tw_spike_slab(max = 1), tw_spike_slab(max = 3), tw_spike_slab(0.6),
                   tw_spike_slab(scale = 1e-6), tw_spike_slab(scale = 1e6), tw_spike_slab(1e-12), "normal(0, 1)"),
    share = any_of(0.5, 0, 1, 0.01, -1), level = any_of(0.5, 0.95, 0, 1),
    learn = any_of("prob", "scale", "share", c("prob", "scale"), "nothing", c("prob", "prob")))
  list(code = random_call("tw_inclusion", list(quote(z), quote(correlation)), optional),
       data = list(z = z, correlation = correlation))
}

random_correlation <- function(n) {
  if (n < 2) return(diag(n))
  copies <- one_of(1, 1, 2)
  x <- matrix(stats::rnorm(20 * n), 20, n)
  x <- x + one_of(0, 1, 3, 100) * x[, 1]
  if (copies == 2) x[, n] <- one_of(1, -1) * x[, 1]
  stats::cor(x)
}

spoil_numbers <- function(x) {
  if (length(x) == 0) return(x)
  at <- sample.int(length(x), 1)
  one_of(function() replace(x, at, NA), function() replace(x, at, Inf), function() replace(x, at, 1e200),
         function() replace(x, at, -2), function() x * 0, function() as.character(x), function() as.data.frame(x),
         function() unname(x)[-1], function() list(x))()
}

random_shrink <- function() {
  n <- if (!oddly(0.15)) sample(c(5, 20, 200), 1) else sample(0:3, 1)
  se <- stats::rgamma(n, 3, 6)
  data <- data.frame(estimate = stats::rnorm(n, 0, 1) + stats::rnorm(n) * se, se = se, df = sample(c(2, 5, 30), n, TRUE))
  if (n > 0 && oddly(0.2)) data[[sample(3, 1)]] <- element_of(strange_covariates)(n)
  if (n > 0 && oddly(0.1)) data[[sample(2, 1)]][1] <- one_of(NA, Inf, 1e200, 0, 1e-200, -1)
  optional <- list(df = any_of(data$df, 3, 0.5, Inf, -1), mode = any_of(0, 1, "a"), prior = any_of(NULL, tw_normal_mixture(1, 1),
      tw_normal_mixture(c(0.5, 0.5), c(0, 2)), tw_normal_mixture(1, 0), "normal(0, 1)", tw_spike_slab()),
        threshold = any_of(0, 0.5, -1),
                   prob = any_of(0.5, 0.99, 1))
  if (chance(0.3)) return(list(code = random_call("tw_shrink", list(quote(data)), optional[-1]), data = list(data = data)))
  list(code = random_call("tw_shrink", list(quote(data$estimate), se = quote(data$se)), optional), data = list(data = data))
}

random_power <- function() {
  optional <- list(mean = any_of(5, 0.1, c(1, 10), 0, 1e6), shape = any_of(2, 0.1, 1e6, 0), sigma = any_of(1, 0, c(1, 2)),
                   paired = any_of(TRUE, FALSE, NA), prior_df = any_of(0, 4, -1, 1e6), effect = any_of(1, 0.1, c(0.5, 1), 0, -1),
                   donors = any_of(4, c(3, 8), 2, 1, 1.5, 1e6), per_donor = any_of(1, 100, 0, 1e6), prob = any_of(0.9, 1),
                   power = any_of(0.5, 0.99, 1), depth = any_of(1, 2, 0))
  list(code = random_call("tw_design", list(sd_donor = one_of(0.3, 0, c(0.2, 0.5), 10)), optional, n_optional = 5), data = list())
}

# Parents before and after their children, founders with and without rows of their own, loops now and then.
random_pedigree <- function() {
  n <- if (oddly(0.1)) sample(0:1, 1) else sample(2:12, 1)
  ids <- if (oddly(0.1)) some_of(levels_of(16), n) else paste0("i", seq_len(n))
  parent <- function() vapply(seq_along(ids), function(i) if (i < 3 || chance(0.3)) NA_character_ else ids[sample.int(i - 1,
                                                            1)], "")
  pedigree <- data.frame(id = ids, dam = parent(), sire = parent())
  if (chance(0.3)) pedigree <- pedigree[sample.int(nrow(pedigree)), ]
  if (chance(0.2)) pedigree <- pedigree[-1, ]
  if (chance(0.2)) pedigree[] <- lapply(pedigree, factor)
  if (chance(0.1)) names(pedigree) <- c("animal", "mother", "father")
  if (n > 0 && oddly(0.2)) pedigree[[sample(3, 1)]] <- rep_len(one_of(ids[1], NA, 0, 1, "unknown"), nrow(pedigree))
  if (oddly(0.1)) pedigree <- one_of(pedigree[1:2], as.matrix(pedigree), as.list(pedigree), rbind(pedigree, pedigree), NULL)
  list(code = quote(tw_pedigree(pedigree)), data = list(pedigree = pedigree))
}

random_default_prior <- function() {
  data <- random_frame()
  relations <- random_relations(data)
  formula <- random_formula()
  optional <- list(family = function() random_family("counts"), intercept = any_of("centred", "raw", "a"),
                   contrasts = settings$contrasts)
  required <- c(list(formula, quote(data)), if (names_matrices(formula)) list(data2 = quote(relations)))
  list(code = random_call("tw_default_prior", required, optional), data = list(data = data, relations = relations))
}

# Makers of priors and of what formulas and contrasts are made of.
random_small <- function() {
  numbers <- any_of(1, 0, c(0.5, 0.5), c(1, 2), -1, 1e308, 1e-308, NA, Inf, numeric(0), 0.2)
  code <- one_of(
    function() random_call("tw_normal_mixture", list(numbers, numbers), list(mean = numbers)),
    function() random_call("tw_spike_slab", list(numbers), list(scale = numbers, max = numbers)),
    function() random_prior(), function() random_formula(),
    function() random_call("tw_save", list(), list(group = yes_no, warmup = yes_no)),
    function() random_call("cond", list(), list(x = numbers, f = any_of("l1", NA, c("l1", "l2")), .average = any_of("f",
                                                            TRUE, ~f))),
    function() random_call("tw_each", list(any_of("f", "a b", "", NA)), list(against = any_of("rest", "l1", 1),
                                                            .average = yes_no)),
    function() random_call("negbinomial", list(), list(link = any_of("log", "identity", 1))))()
  list(code = code, data = list())
}

# Cells in an object, to be added up.
random_pseudobulk <- function() {
  if (!requireNamespace("SingleCellExperiment", quietly = TRUE)) return(random_small())
  n <- if (oddly(0.1)) sample(0:2, 1) else sample(20:80, 1)
  cells <- random_samples(n)
  x <- random_matrix(n_genes(), n, 2)
  make <- one_of(SingleCellExperiment::SingleCellExperiment, SummarizedExperiment::SummarizedExperiment)
  x <- if (oddly(0.1)) x else try_or(as_experiment(make, if (chance(0.5)) methods::as(x, "CsparseMatrix") else x, cells), x)
  by <- any_of("g", c("g", "f"), c("g", "h"), c("f", "f"), "x", "z", "nothing", character(0), NULL, 1, NA, list("g"))
  own <- list(min_cells = any_of(0, 1, 3, 1000), assay = any_of("counts", "logcounts", "other", 1, "nothing"))
  list(code = random_call("tw_pseudobulk", list(quote(x), by = by), own), data = list(x = x))
}

# Files of sets of genes, some of them not what they say.
random_gmt <- function() {
  lines <- c("set1\tfrom somewhere\tgene1\tgene2", "set2\t\tgene3", "set 3\tna\tgene1\tgene1\t\tgene4\t")
  odd <- c("", "set1\ttwice\tgene2", "two\tfields", "empty\tset\t", "\t\tgene1", "\u00e9\ta\tgene1", "a\tb\tc\xe9", "  ",
           "# comment")
  if (oddly(0.4)) lines <- sample(c(lines, some_of(odd, 2)))
  if (oddly(0.1)) lines <- character(0)
  file <- tempfile(fileext = ".gmt")
  writeLines(lines, if (chance(0.3)) gzfile(file) else file, sep = one_of("\n", "\n", "\r\n"), useBytes = TRUE)
  file <- if (oddly(0.2)) any_of("nothing.gmt", tempdir(), "", NA, c("a", "b"), 1)() else file
  list(code = random_call("tw_read_gmt", list(file)), data = list())
}
