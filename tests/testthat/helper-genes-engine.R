# A second engine of genes for tests: gene by gene through the sampler of single models, so that what twill_genes() makes
# of draws can be checked without trusting the engine that makes them fast.

reference_engine <- function(spec_json, arrays, genes, settings_json, progress) {
  settings <- jsonlite::fromJSON(settings_json)
  runs <- lapply(seq_along(genes$index), function(g) reference_gene(g, spec_json, arrays, genes, settings))
  list(ok = reference_payload(runs, settings), err = NULL, kind = NULL)
}

# list(draws = iterations x chains x variables) of one gene.
reference_gene <- function(g, spec_json, arrays, genes, settings) {
  arrays$y <- reference_column(genes$counts, g, length(arrays$y))
  rows <- (g - 1) * length(arrays$y) + seq_along(arrays$y)
  if (length(genes$offset)) arrays$offset <- arrays$offset + genes$offset[rows]
  if (length(genes$weights)) arrays$weights <- genes$weights[rows]
  spec <- reference_spec(spec_json, genes$priors, g)
  sampler <- list(chains = settings$chains, iter = settings$iter, warmup = settings$warmup, thin = settings$thin, threads = 1,
                  seed = (settings$seed + 1009 * genes$index[g]) %% 2147483647, adapt_delta = list(settings$adapt_delta),
                  max_treedepth = settings$max_treedepth, init = list(kind = "mode"), save_effects = TRUE, save_warmup = FALSE,
                  engine = "auto", metric = "auto")
  result <- engine_sample(spec, arrays, to_json(rapply(sampler, unbox, how = "replace")), NULL)
  if (!is.null(result$err)) return(list(message = result$err))
  list(draws = unclass(result$ok$draws))
}

reference_column <- function(counts, g, n) {
  if (!is.null(counts$dense)) return(counts$dense[(g - 1) * n + seq_len(n)])
  at <- seq_len(counts$p[g + 1] - counts$p[g]) + counts$p[g]
  replace(numeric(n), counts$i[at] + 1, counts$x[at])
}

# The gene's own arguments of priors, written into the JSON of the spec.
reference_spec <- function(spec_json, priors, g) {
  spec <- jsonlite::fromJSON(spec_json, simplifyVector = FALSE)
  for (override in priors) {
    at <- override$arg + 1
    set <- function(prior) {
      prior$args[[at]] <- override$values[g]
      prior
    }
    for (k in seq_along(spec$coefficients)) {
      if (spec$coefficients[[k]]$name == override$name) spec$coefficients[[k]]$prior <- set(spec$coefficients[[k]]$prior)
    }
    if (identical(spec$dispersion$name, override$name)) spec$dispersion$prior <- set(spec$dispersion$prior)
    k <- match(override$name, unlist(spec$dispersion$names))
    if (!is.na(k)) spec$dispersion$priors[[k]] <- set(spec$dispersion$priors[[k]])
    for (t in seq_along(spec$terms)) {
      names <- paste0("sd_", spec$terms[[t]]$group, "__", unlist(spec$terms[[t]]$coefs))
      k <- match(override$name, names)
      if (!is.na(k)) spec$terms[[t]]$sd_priors[[k]] <- set(spec$terms[[t]]$sd_priors[[k]])
    }
  }
  # Arrays are lists here, so that those of one element stay arrays.
  as.character(jsonlite::toJSON(spec, auto_unbox = TRUE, digits = NA, null = "null"))
}

reference_payload <- function(runs, settings) {
  ok <- vapply(runs, function(run) is.null(run$message), TRUE)
  flat <- lapply(runs[ok], function(run) {
    d <- run$draws
    matrix(d, prod(dim(d)[1:2]), dim(d)[3], dimnames = list(NULL, dimnames(d)[[3]]))
  })
  effects <- grep("^r_.*\\[", colnames(flat[[1]]), value = TRUE)
  average <- sub("^r_(.*)\\[.*,(.*)\\]$", "mean_r_\\1__\\2", effects)
  main <- setdiff(colnames(flat[[1]]), c(effects, "lprior", "lp__"))
  names <- c(main, unique(average))
  mean_of <- function(d, name) rowMeans(d[, effects[average == name], drop = FALSE])
  means <- function(d) vapply(unique(average), mean_of, numeric(nrow(d)), d = d)
  n <- length(runs)
  shape <- c(nrow(flat[[1]]), length(names), n)
  draws <- array(NaN, shape)
  draws[, , ok] <- unlist(lapply(flat, function(d) cbind(d[, main, drop = FALSE], if (length(effects)) means(d))))
  by_effect <- array(NaN, c(shape[1], length(effects), n))
  by_effect[, , ok] <- unlist(lapply(flat, function(d) d[, effects]))
  measure <- function(f) apply(draws, c(2, 3), function(v) f(matrix(v, ncol = settings$chains)))
  list(draws = draws, names = names, effects_mean = apply(by_effect, c(2, 3), mean), effects_sd = apply(by_effect, c(2, 3), sd),
       effect_names = effects, effects = if (settings$keep_effects) by_effect, rhat = measure(posterior::rhat),
       ess = measure(posterior::ess_bulk), khat = rep(NaN, n), divergent = integer(n), n_gradients = numeric(n),
       seconds = numeric(n), status = ifelse(ok, 0L, 2L), messages = vapply(runs, function(run) run$message %||% "", ""),
       interrupted = FALSE)
}

# An engine that makes up draws: fast, for tests of everything around them. Coefficients are spread around the log mean of
# the gene and zero; what each gene gets depends on its index and the seed alone.
fake_engine <- function(spec_json, arrays, genes, settings_json, progress) {
  spec <- jsonlite::fromJSON(spec_json, simplifyVector = FALSE)
  settings <- jsonlite::fromJSON(settings_json)
  names <- fake_names(spec)
  n <- length(genes$index)
  size <- settings$chains * ceiling((settings$iter - settings$warmup) / settings$thin)
  draws <- array(0, c(size, length(names$main), n))
  effects <- array(0, c(size, length(names$effects), n))
  for (g in seq_len(n)) {
    with_fixed_seed(settings$seed + genes$index[g], {
      draws[, , g] <- rnorm(size * length(names$main), 0, 0.3)
      effects[, , g] <- rnorm(size * length(names$effects), 0, 0.2)
    })
    y <- reference_column(genes$counts, g, length(arrays$y))
    draws[, 1, g] <- draws[, 1, g] + log(mean(y) + 0.1)
  }
  positive <- grepl("^sd_|^shape$|^sigma$", names$main)
  draws[, positive, ] <- exp(draws[, positive, ])
  fake_payload(draws, effects, names, settings)
}

fake_names <- function(spec) {
  by_term <- function(f) unlist(lapply(spec$terms, function(t) f(t$group, unlist(t$levels), unlist(t$coefs), !is.null(t$cor))))
  pairs <- function(group, coefs) {
    at <- which(upper.tri(diag(length(coefs))), arr.ind = TRUE)
    paste0("cor_", group, "__", coefs[at[, 1]], "__", coefs[at[, 2]], recycle0 = TRUE)
  }
  main <- c(vapply(spec$coefficients, `[[`, "", "name"), spec$dispersion$name, unlist(spec$dispersion$names),
            by_term(function(group, levels, coefs, cor) paste0("sd_", group, "__", coefs)),
            by_term(function(group, levels, coefs, cor) if (cor) pairs(group, coefs)))
  effects <- by_term(function(group, levels, coefs, cor) {
    sprintf("r_%s[%s,%s]", group, rep(levels, each = length(coefs)), rep(coefs, length(levels)))
  })
  means <- by_term(function(group, levels, coefs, cor) paste0("mean_r_", group, "__", coefs))
  list(main = c(main, means), effects = as.character(effects))
}

fake_payload <- function(draws, effects, names, settings) {
  n <- dim(draws)[3]
  size <- dim(draws)[2]
  ok <- list(draws = draws, names = names$main, effects_mean = apply(effects, c(2, 3), mean),
             effects_sd = apply(effects, c(2, 3), sd), effect_names = names$effects, effects = if (settings$keep_effects) effects,
             rhat = matrix(1, size, n), ess = matrix(100, size, n), khat = rep(NaN, n), divergent = integer(n),
             n_gradients = rep(10, n), seconds = rep(0.01, n), status = integer(n), messages = character(n),
             interrupted = FALSE)
  list(ok = ok, err = NULL, kind = NULL)
}

# Replaces the engine of twill_genes() until the caller's frame ends.
local_engine <- function(engine, env = parent.frame()) local_function("run_gene_engine", engine, env)

# Another function, or number, in the place of one of the package, until `env` ends.
local_function <- function(name, f, env = parent.frame()) {
  namespace <- asNamespace("twill")
  old <- get(name, namespace)
  set <- function(f) {
    unlockBinding(name, namespace)
    assign(name, f, namespace)
    lockBinding(name, namespace)
  }
  set(f)
  defer_in(env, function() set(old))
}

# Last first: where a frame replaces the engine twice, the first to be replaced is the one to end with.
defer_in <- function(env, f) do.call(on.exit, list(as.call(list(f)), add = TRUE, after = FALSE), envir = env)
