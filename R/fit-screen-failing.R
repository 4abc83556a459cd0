# Guides that fail: draws of a screen under guide_dist = "mixture", made from those of its fit with normal guides.
#
# With k a guide of gene g, its effects t_k (one per coefficient) and w_k whether it works,
#
#   count ~ NegBinomial(mean = exp(offset + x t_k), shape_g),    t_k ~ Normal(w_k beta_g, sqrt(sd_g^2 + w_k (kappa beta_g)^2))
#   w_k ~ Bernoulli(works), at most half of a gene's guides fail
#
# Priors are those of the fit, but what genes share of guides is learned anew: `works`, kappa (efficacies of guides that work
# differ), and the log-normal of sd_g. A chain is a Gibbs sampler over all genes at once (fit-screen-moves.R): labels given
# effects; effects by Newton's proposals; beta and sd twice, with the effects held and with the deviations t - w beta held (Yu and
# Meng 2011), so that neither small nor large sds make them stick. Arrays have one row per guide (sorted by gene) or one per gene.

# Sweeps: before draws are kept, and from one kept to the next. Where chains disagree in more than this share of the genes they go
# on, with longer ways between draws.
failing_warmup <- 250
failing_thin <- c(2, 8)
most_that_disagree <- 0.02

# Genes from which on what they share is learned anew; fewer have `works` and kappa as they start.
least_to_learn <- 20

# Prior of the share of guides that work: Beta.
works_prior <- c(8, 2)

has_failing_guides <- function(fit) !is.null(fit$screen$works)

# What the mixture of guides goes with.
check_failing <- function(design, n_slots, dots) {
  has_shape <- is.null(dots$family) || identical(as_twill_family(dots$family)$dispersion, "shape")
  trouble <- c(
    if (n_slots == 1) "Each gene has one guide: nothing says whether it works.",
    if (length(group_bars(design[[length(design)]])) > 0) "{.arg design} has a group-level term: leave it out.",
    if ("guide" %in% variables_in(design)) "{.arg design} says itself how guides differ: leave {.field guide} out.",
    if (!has_shape) "{.arg family} must be {.fn negbinomial}.",
    if (!is.null(dots$dispersion)) "A regression of {.field shape} is not there beside it: leave {.arg dispersion} out.",
    if (!identical(dots$method %||% "hmc", "hmc")) "It is sampled: leave {.arg method} out.",
    if (!identical(dots$keep %||% "effects", "effects")) "It needs the draws of guides: leave {.arg keep} out.",
    if (!is.null(dots$folder)) "Its draws are kept in the fit: leave {.arg folder} out.")
  if (length(trouble) == 0) return(invisible())
  abort_twill("setting", c("{.code guide_dist = \"mixture\"} does not go with the rest.", stats::setNames(trouble[1], "x")))
}

# Every coefficient of a guide has one of its gene that it is about.
refuse_undetermined <- function(fit) {
  design <- model_of(fit)$design
  lost <- setdiff(design$terms[[1]]$coefs, sub("^b_", "", design$coef_names))
  if (length(lost) == 0) return(invisible())
  abort_twill("setting", c("{.code guide_dist = \"mixture\"} needs a design whose columns the samples tell apart.",
                           "x" = "Others determine {.val {some(lost)}}.",
                           "i" = "Leave out of {.arg design} what they come from."))
}

with_failing_guides <- function(fit, silent = 1) {
  refuse_undetermined(fit)
  data <- failing_data(fit)
  size <- dim(fit$posterior$draws)
  n_chains <- draw_chains(fit, size[1])
  n_draws <- size[1] / n_chains
  inform_twill("guides", "Sampling which guides work: {size[3]} gene{?s}, {nrow(data$guides)} guide{?s}.", silent)
  fit <- with_local_seed(fit$info$seed, {
    states <- lapply(seq_len(n_chains), function(chain) {
      failing_warmed_up(failing_start(data, ceiling(n_draws / 2) + n_draws * (chain - 1), chain), data)
    })
    until_chains_agree(fit, data, states, n_draws, silent)
  })
  if (silent < 2) warn_set(fit)
  fit
}

failing_warmed_up <- function(state, data) {
  for (sweep in seq_len(failing_warmup)) state <- failing_sweep(state, data)
  state
}

# The fit with the draws of the first way between draws at which few genes disagree, or of the last.
until_chains_agree <- function(fit, data, states, n_draws, silent) {
  n <- dim(fit$posterior$draws)[3]
  status <- fit$posterior$status
  # Of the chains that these began from.
  status[status == "high_rhat"] <- "ok"
  for (thin in failing_thin) {
    chains <- lapply(states, failing_chain, data = data, n_draws = n_draws, thin = thin)
    sampled <- put_failing_draws(fit, data, chains)
    disagree <- genes_that_disagree(sampled)
    if (length(disagree) <= most_that_disagree * n || thin == max(failing_thin)) break
    inform_twill("guides", "Chains disagree in {length(disagree)} of {n} gene{?s} yet, and go on.", silent)
    states <- lapply(chains, `[[`, "state")
  }
  sampled$posterior$status <- replace(status, disagree, "high_rhat")
  sampled
}

# Genes with a parameter whose R-hat is above that up to which genes are `ok`.
genes_that_disagree <- function(fit) {
  at <- which(fit$posterior$usable)
  at[apply(fit$posterior$rhat[, at, drop = FALSE] > rhat_limit_effects, 2, any, na.rm = TRUE)]
}

# What of a fit the sampler needs. `x` is samples x coefficients; `y`, `offset` and `known` are guides x samples.
failing_data <- function(fit) {
  part <- job_part(fit$job, fit$posterior$rows)
  view <- part_view(part)
  design <- model_of(fit)$design
  n <- length(screen_samples(fit))
  guides <- screen_guides(fit)
  guides$at <- match(guides$gene, set_genes(fit))
  guides <- guides[fit$posterior$usable[guides$at], ]
  column <- (guides$slot - 1) * n
  cells <- cbind(rep(column, n) + rep(seq_len(n), each = nrow(guides)), rep(guides$at, n))
  wide <- function(values) matrix(values[cells], nrow(guides))
  genes <- unique(guides$at)
  known <- wide(view$weights) > 0
  priors <- gene_priors(view$model, part, view$levels)
  names <- design$coef_names
  term <- design$terms[[1]]
  data <- list(guides = guides, genes = genes, gene = match(guides$at, genes), n = tabulate(match(guides$at, genes)),
               y = wide(dense_block(view$block)), offset = wide(design$offset + view$offset), known = known + 0,
               x = design$x[seq_len(n), , drop = FALSE], names = names, term = term,
               coef_priors = gene_prior_args(coefficient_priors(fit), names, priors, genes),
               to_centred = centred_columns(model_of(fit)),
               other_priors = gene_prior_args(parsed_priors(view$model, c("shape", sd_names(term))), c("shape", sd_names(term)),
                                              priors, genes),
               learns_all = length(genes) >= least_to_learn, start = fit$posterior)
  # Draws start under the log-normals that genes share.
  shared <- Filter(function(part) part$kind == "lognormal", fit$job$shared$parts)
  at <- match(sd_names(term), vapply(shared, `[[`, "", "variable"))
  data$learns <- data$learns_all & !is.na(at)
  data$hyper <- lapply(at, function(k) if (!is.na(k)) part_hyperprior(shared[[k]]))
  data$seen <- rowSums(data$known) > 0
  data$most_failing <- floor(gene_sums(data, as.numeric(data$seen)) / 2)
  data$no_odds <- log_label_sums(numeric(nrow(guides)), data)
  data
}

parsed_priors <- function(model, variables) model$parameters$parsed[match(variables, model$parameters$variable)]

# Of each parameter its distribution and, genes x arguments, its arguments.
gene_prior_args <- function(parsed, names, overrides, genes) {
  Map(function(prior, name) {
    args <- matrix(prior$args, length(genes), length(prior$args), byrow = TRUE)
    for (one in overrides) if (one$name == name) args[, one$arg + 1] <- one$values[genes]
    list(dist = prior$dist, args = args)
  }, parsed, names)
}

gene_prior_density <- function(prior, x) {
  record_of_prior(prior)$log_density(x, lapply(seq_len(ncol(prior$args)), function(j) prior$args[, j]))
}

# Sums of guides' values by gene.
gene_sums <- function(data, value) {
  total <- cumsum(value)[cumsum(data$n)]
  total - c(0, total[-length(total)])
}

# A chain ----------------------------------------------------------------------------------------------------------------

# Draws from a state on, and the last one.
failing_chain <- function(state, data, n_draws, thin) {
  p <- ncol(data$x)
  out <- list(beta = array(0, c(n_draws, p, length(data$genes))), sd = array(0, c(n_draws, p, length(data$genes))),
              log_shape = matrix(0, n_draws, length(data$genes)), t = array(0, c(n_draws, p, nrow(data$guides))),
              w = numeric(nrow(data$guides)), works = numeric(n_draws), kappa = numeric(n_draws))
  for (i in seq_len(n_draws)) {
    for (sweep in seq_len(thin)) state <- failing_sweep(state, data)
    out$beta[i, , ] <- t(state$beta)
    out$sd[i, , ] <- t(exp(state$log_sd))
    out$log_shape[i, ] <- state$log_shape
    out$t[i, , ] <- t(state$t)
    out$w <- out$w + state$w / n_draws
    out$works[i] <- state$works
    out$kappa[i] <- state$kappa
  }
  c(out, list(state = state))
}

# Where a draw of the fit is; every other chain begins with the weak guides of a gene failing.
failing_start <- function(data, draw, chain) {
  p <- data$start
  draw <- min(max(draw, 1), dim(p$draws)[1])
  of <- function(names) {
    values <- p$draws[draw, match(names, p$names), data$genes, drop = FALSE]
    matrix(aperm(values, c(3, 2, 1)), length(data$genes))
  }
  beta <- of(data$names)
  t <- vapply(seq_along(data$names), function(j) {
    names <- effect_variables(data$term$group, data$term$levels[data$guides$slot], data$term$coefs[j])
    beta[data$gene, j] + p$effects[cbind(draw, match(names, p$effect_names), data$guides$at)]
  }, numeric(nrow(data$guides)))
  t <- matrix(t, nrow(data$guides))
  state <- list(t = t, beta = beta, log_sd = pmax(log(of(sd_names(data$term))), log(0.02)), log_shape = log(of("shape")[, 1]),
                w = rep(1, nrow(data$guides)), works = 0.85, kappa = 0.15)
  state$shared <- lapply(data$other_priors[-1], function(prior) prior$args[1, ])
  if (chain %% 2 == 0) {
    size <- sqrt(rowSums(t^2))
    strongest <- tapply(size, data$gene, max)[data$gene]
    is_weak <- size < 0.4 * strongest & data$seen
    turn <- stats::ave(size, data$gene, FUN = rank)
    state$w[is_weak & turn <= data$most_failing[data$gene]] <- 0
  }
  state$mu <- means_of(state$t, data)
  state
}

failing_sweep <- function(state, data) {
  for (j in seq_len(ncol(data$x))) state <- move_effects(state, data, j)
  state <- draw_labels(state, data)
  state <- move_beta_given_effects(state, data)
  for (j in seq_len(ncol(data$x))) state <- move_sd_given_effects(state, data, j)
  for (j in seq_len(ncol(data$x))) state <- move_gene(state, data, j)
  for (j in seq_len(ncol(data$x))) state <- move_sd_given_deviations(state, data, j)
  state <- move_shape(state, data)
  learn_guides(state, data)
}

# Back in the fit ---------------------------------------------------------------------------------------------------------

put_failing_draws <- function(fit, data, chains) {
  # Draw x variable x gene or guide, chains one after the other.
  joined <- function(part) {
    parts <- lapply(chains, function(chain) aperm(chain[[part]], c(2, 3, 1)))
    aperm(array(unlist(parts), c(dim(parts[[1]])[1:2], sum(vapply(parts, function(x) dim(x)[3], 0L)))), c(3, 1, 2))
  }
  beta <- joined("beta")
  sd <- joined("sd")
  p <- fit$posterior
  put <- function(p, names, values) {
    p$draws[, match(names, p$names), data$genes] <- values
    p
  }
  p <- put(p, data$names, beta)
  p <- put(p, sd_names(data$term), sd)
  p <- put(p, "shape", exp(do.call(rbind, lapply(chains, `[[`, "log_shape"))))
  p$effects <- failing_effects(p, data, beta, sd, joined("t"), fit$info$seed)
  for (coef in data$term$coefs) {
    names <- effect_variables(data$term$group, data$term$levels, coef)
    effects <- p$effects[, match(names, p$effect_names), data$genes, drop = FALSE]
    p <- put(p, paste0("mean_r_", data$term$group, "__", coef), apply(effects, c(1, 3), mean))
  }
  fit$posterior <- failing_moments(p, data, length(chains))
  fit$screen$guides$works <- NA_real_
  fit$screen$guides$works[data$guides$row] <- rowMeans(do.call(cbind, lapply(chains, `[[`, "w")))
  fit$screen$works <- unlist(lapply(chains, `[[`, "works"))
  fit$screen$kappa <- unlist(lapply(chains, `[[`, "kappa"))
  fit
}

# draw x effect x gene: deviations from the gene's coefficients. Slots without a guide have those of guides that work.
failing_effects <- function(p, data, beta, sd, t, seed) {
  effects <- p$effects
  n_draws <- dim(effects)[1]
  for (j in seq_along(data$term$coefs)) {
    names <- effect_variables(data$term$group, data$term$levels, data$term$coefs[j])
    own <- matrix(sd[, j, ], n_draws)
    fresh <- with_local_seed(seed, stats::rnorm(n_draws * length(names) * length(data$genes)))
    values <- array(fresh, c(n_draws, length(names), length(data$genes)))
    for (slot in seq_along(names)) values[, slot, ] <- values[, slot, ] * own
    at <- cbind(rep(seq_len(n_draws), nrow(data$guides)), rep(data$guides$slot, each = n_draws), rep(data$gene, each = n_draws))
    values[at] <- t[, j, ] - beta[, j, data$gene]
    effects[, match(names, p$effect_names), data$genes] <- values
  }
  effects
}

failing_moments <- function(p, data, n_chains) {
  p <- add_moments(p)
  flat <- matrix(p$effects, dim(p$effects)[1])
  p$effects_mean[] <- colMeans(flat)
  p$effects_sd[] <- column_sds(flat)
  at <- data$genes
  size <- as.integer(c(dim(p$draws)[1] / n_chains, n_chains))
  found <- matrix(unwrap_engine(engine_convergence(as.double(p$draws[, , at]), size)), 3)
  p$rhat[, at] <- found[1, ]
  p$ess[, at] <- found[2, ]
  p
}
