# Genes of twill_genes() and twill_cells() as the references of single genes have them: data, priors, names of draws.

# list(counts, samples, log_size): genes of one set of cells, which the references have one file each.
reference_genes <- function(prefix, genes) {
  models <- reference_models()[paste0(prefix, "_", genes)]
  data <- lapply(models, reference_data)
  counts <- t(vapply(data, function(d) as.numeric(d$y), numeric(nrow(data[[1]]))))
  rownames(counts) <- genes
  samples <- data.frame(donor = factor(data[[1]]$donor), one = 1)
  conditions <- sort(unique(data[[1]]$condition))
  samples[[paste0("condition", conditions[2])]] <- as.numeric(data[[1]]$condition == conditions[2])
  log_size <- vapply(data, `[[`, numeric(nrow(samples)), "log_size")
  list(counts = counts, samples = samples, log_size = t(log_size), models = models)
}

# The references have their priors on the raw intercept, so it is a column of ones here.
reference_set_prior <- function() {
  c(tw_prior("normal(0, 2.5)", class = "b"), tw_prior("normal(0, 5)", class = "b", coef = "one"),
    tw_prior("gamma(0.01, 0.01)", class = "shape"), tw_prior("student_t(3, 0, 1)", class = "sd"))
}

# Designs of the references, with the intercept as a column.
reference_designs <- list(kang_mono = ~ 0 + one + conditionstim + (0 + one | donor),
                          glioblastoma = ~ 0 + one + conditionpanobinostat + (0 + one + conditionpanobinostat || donor))

# The same genes as single cells, whose offsets are captures.
reference_cells <- function(data, design) {
  twill_cells(data$counts, design, col_data = data$samples, capture = exp(data$log_size[1, ]), share = "none",
              prior = reference_set_prior(), iter = 2500, warmup = 500, seed = 1, chains = 4, silent = 2)
}

# Draws under the names of the references.
as_reference <- function(draws) {
  names <- sub("^b_one$", "b_Intercept", dimnames(draws)[[3]])
  dimnames(draws)[[3]] <- sub("one([],]|$)", "Intercept\\1", names)
  draws
}

expect_gene_reference <- function(draws, model) {
  table <- reference_compare(as_reference(draws), reference_posterior(model))
  expect_lt(max(abs(table$z_mean)), z_limit(nrow(table)))
  expect_lt(max(abs(table$z_sd), na.rm = TRUE), z_limit(nrow(table)))
  expect_lt(max(table$rhat), 1.03)
}
