# The model that all genes share, made by twill()'s own front half with a placeholder in place of the counts.

# As new_model() makes it, with `rows`: the samples used, without those that miss covariates. `n_values`: how many values a gene
# has, where samples are leaves of many cells.
new_gene_model <- function(formula, data, family, prior, contrasts, silent, data2 = NULL, n_values = NULL) {
  check_samples(data)
  rownames_before <- rownames(data)
  # Two values, so that nothing is said about a constant response.
  data[[response_name]] <- rep_len(c(0, 1), nrow(data))
  input <- prepare_input(formula, data, silent = silent)
  input$data[[response_name]] <- rep_len(c(0, 1), nrow(input$data))
  input$n_values <- n_values
  check_samples(input$data)
  # Donors without samples say nothing of genes, and would stand among the donors observed.
  relations <- lapply(new_relations(formula, data2, silent), c, observed = TRUE)
  model <- new_model(input, family, prior, contrasts, "centred", prior_only = FALSE, relations = relations)
  refuse_known_coefficients(model)
  refuse_related_classes(model$design$terms)
  refuse_tails(model$design$terms)
  refuse_low_rank(model$design$terms)
  refuse_members(model$design$terms)
  check_any_column(model$design)
  model$data2 <- used_data2(relations, data2)
  model$design$y <- numeric(nrow(input$data))
  model$rows <- match(rownames(input$data), rownames_before)
  model
}

check_samples <- function(data) {
  if (nrow(data) >= 2) return(invisible())
  n <- nrow(data)
  abort_twill("genes", c("A model of genes needs at least two samples.", "x" = "There {cli::qty(n)}{?is/are} {n}.",
                         "i" = "For single cells samples are the combinations of values in {.arg design}."))
}

check_any_column <- function(design) {
  if (ncol(design$x) > 0) return(invisible())
  abort_twill("design", c("{.arg design} has no population-level term: genes need a level of their own.",
                          "i" = "Say {.code ~ 1 + (1 | donor)}, with an intercept."))
}

# Errors about formula and data in the words of twill_genes(): `design`, and where its variables stand.
in_words_of_genes <- function(expr, data_word) {
  say <- function(text) gsub("`data`", data_word, gsub("`formula`", "`design`", text, fixed = TRUE), fixed = TRUE)
  reword <- function(e) {
    e[c("message", "body")] <- lapply(e[c("message", "body")], say_keeping_names, say = say)
    stop(e)
  }
  tryCatch(expr, twill_error_data = reword, twill_error_design = reword, twill_error_formula = reword)
}

# Where the variables of the design are.
variables_word <- function(x) {
  if (is.data.frame(x)) "`x`" else if (is_seurat(x)) "`x[[]]`" else if (is_experiment(x)) "`colData(x)`" else "`col_data`"
}

say_keeping_names <- function(text, say) if (is.character(text)) stats::setNames(say(text), names(text)) else text

# The design as a twill_formula, with the regression of the dispersion if it is one.
gene_formula <- function(design, dispersion, family) {
  formula <- response_formula(design)
  is_formula <- inherits(dispersion, "formula") && length(dispersion) == 2
  if (is_formula && identical(dispersion[[2]], 1)) return(formula)
  if (is.null(family$dispersion)) {
    abort_twill("formula", c("{.arg dispersion} must be {.code ~1}: the {family$family} family has no dispersion parameter.",
                             "i" = "The families that have one are {.code negbinomial()} and {.code gaussian()}."))
  }
  if (!is_formula) abort_twill("formula", "{.arg dispersion} must be a one-sided formula such as {.code ~ condition}.")
  if (length(group_bars(dispersion[[2]])) > 0) {
    text <- deparse1(dispersion)
    abort_twill("formula", c("{.arg dispersion} takes population-level terms only.", "x" = "It is {.code {text}}.",
                             "i" = "{.fn twill} takes group-level terms in the dispersion of one response."))
  }
  regression <- call("~", as.name(family$dispersion), dispersion[[2]])
  add_dispersion(formula, list(stats::as.formula(regression, environment(dispersion))))
}

# Whether guides go through the coordinates of the sampler.
has_slow_guide <- function(model) !unwrap_engine(engine_has_lanes(model$spec_json, spec_arrays(model$design)))

# The right side of the design, for print().
design_text <- function(model) {
  c(deparse1(call("~", model$formula$formula[[3]])), dispersion_text(model$formula))
}

# Priors that differ by gene ---------------------------------------------------------------------------------------
#
# As in tw_default_prior(), with the level of each gene in place of the median of one response: for counts the log of
# the mean count at an offset of zero (medians of sparse counts are zero), for Gaussian values median and spread.

# list(location, spread, size, square) by gene, from a block with its offsets (NULL, or observations x genes).
gene_levels <- function(block, offset, log_size, weights, is_log) {
  if (is_log) return(count_levels(block, offset, log_size, weights))
  values <- dense_block(block) - gene_offset(offset, block)
  if (!is.null(weights)) values[weights == 0] <- NA
  spread <- apply(values, 2, stats::mad, na.rm = TRUE)
  size <- apply(values, 2, stats::sd, na.rm = TRUE)
  size <- vapply(size, positive_or_one, 0)
  list(location = apply(values, 2, stats::median, na.rm = TRUE), spread = pmax(spread, size / 2, na.rm = TRUE),
       size = size, square = sqrt(colMeans(values^2, na.rm = TRUE)), mean = colMeans(values, na.rm = TRUE))
}

gene_offset <- function(offset, block) matrix(offset, block$n, length(block$genes))

# `mean` is baseMean: the mean of counts over size factors, at the mean of other offsets.
count_levels <- function(block, offset, log_size, weights) {
  if (is.null(dim(offset)) && is.null(weights)) {
    exposure <- sum(exp(offset))
    mean <- block_gene_sums(block, function(value, i) value / exp(offset[i])) / block$n * exp(mean(offset - log_size))
  } else {
    offset <- gene_offset(offset, block)
    used <- if (is.null(weights)) matrix(1, nrow(offset), ncol(offset)) else (weights > 0) + 0
    n_used <- pmax(1, colSums(used))
    exposure <- colSums(used * exp(offset))
    mean <- colSums(dense_block(block) * used * exp(-offset)) / n_used * exp(colSums(used * (offset - log_size)) / n_used)
  }
  location <- log((block_gene_sums(block) + 0.5) / exposure)
  list(location = location, size_without_level = pmax(1, abs(location) / 2.5), mean = mean)
}

# list(name, arg, values) for each argument of a default prior that the gene's own level sets.
level_priors <- function(model, levels) {
  is_log <- of_counts(model)
  table <- coefficient_places(model)
  rows <- lapply(which(table$source == "default"), function(j) {
    if (is_log) count_level_prior(table[j, ], levels) else gaussian_level_prior(table[j, ], levels)
  })
  rows <- unlist(c(rows, if (!is_log) list(spread_priors(model, levels))), recursive = FALSE)
  compact(rows)
}

# What the priors of coefficients hang on: whether a column is a level of the response, and its size.
coefficient_places <- function(model) {
  design <- model$design
  table <- design$coefficients
  is_constant <- constant_columns(design$x)
  table$has_level <- rep(any(table$class == "Intercept" | is_constant), nrow(table))
  table$is_level <- table$class == "Intercept" | is_constant
  table$share <- ifelse(table$class == "mu", sum(table$class == "mu" & is_constant), 1)
  if (any(table$is_level & table$class != "mu")) table$share[table$class == "mu"] <- Inf
  table$column_size <- column_sizes(design$x, any(table$has_level))
  rows <- match(table$variable, model$parameters$variable)
  table$source <- model$parameters$source[rows]
  table$location_arg <- vapply(model$parameters$parsed[rows], function(p) record_of_prior(p)$location, 0L)
  table
}

# Coefficients x coefficients: the intercept's prior is on the value at the means of the columns.
centred_columns <- function(model) {
  design <- model$design
  out <- diag(length(design$coef_names))
  at <- which(design$coefficients$class == "Intercept")
  if (length(at) == 1 && identical(model$intercept, "centred")) out[, at] <- colMeans(design$x)
  out
}

override <- function(name, arg, values) list(name = name, arg = as.integer(arg), values = as.double(values))

count_level_prior <- function(row, levels) {
  if (row$is_level) return(list(override(row$variable, row$location_arg, levels$location / row$share)))
  if (row$has_level) return(NULL)
  list(override(row$variable, 1L, 2.5 * levels$size_without_level / row$column_size))
}

gaussian_level_prior <- function(row, levels) {
  if (row$is_level) {
    return(list(override(row$variable, 0L, levels$location / row$share), override(row$variable, 1L, 6.25 * levels$size)))
  }
  unit <- if (row$has_level) levels$size else levels$square
  list(override(row$variable, 1L, 2.5 * unit / row$column_size))
}

# Scales of sds and sigma of a Gaussian gene: 2.5 of its spread, whose log is where a regression of sigma has its level.
spread_priors <- function(model, levels) {
  table <- model$parameters
  is_scale <- table$source == "default" & (table$class == "sd" | table$variable == "sigma")
  is_log <- table$source == "default" & table$class == "Intercept" & table$dpar == "sigma"
  c(lapply(table$variable[is_scale], override, arg = 2L, values = 2.5 * levels$size),
    lapply(table$variable[is_log], override, arg = 1L, values = log(levels$size)))
}

# Separation ---------------------------------------------------------------------------------------------------------

# Whether a gene has no counts at all in some combination of the population-level covariates, while it has others
# elsewhere: its log effect is then bounded on one side by the prior alone. Never for designs of numbers.
separated_genes <- function(model, block) {
  pattern <- design_pattern(model$design$x)
  n_genes <- length(block$genes)
  if (is.null(pattern)) return(rep(FALSE, n_genes))
  in_pattern <- function(p) block_gene_sums(block, function(value, i) value * (pattern[i] == p))
  sums <- matrix(vapply(seq_len(max(pattern)), in_pattern, numeric(n_genes)), n_genes)
  rowSums(sums == 0) > 0 & rowSums(sums) > 0
}

# Which combination of the population-level covariates a row has, numbered; NULL where these are numbers that few rows share.
design_pattern <- function(x) {
  rows <- apply(x, 1, paste, collapse = "\r")
  pattern <- match(rows, unique(rows))
  if (max(pattern) <= min(50, length(rows) / 2)) pattern
}
