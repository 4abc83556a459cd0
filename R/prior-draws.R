# Draws from the priors themselves, for sample_prior = "yes", with a generator of their own.

# An iteration x chain x variable array, variables named prior_<parameter>. Improper priors and constants have no draws.
prior_draws_array <- function(parameters, design, intercept, n_iterations, n_chains, seed) {
  parameters <- parameters[prior_facts(parameters$parsed, "is_proper") & !prior_facts(parameters$parsed, "is_known"), ]
  n <- n_iterations * n_chains
  values <- with_local_seed(seed, {
    lapply(seq_len(nrow(parameters)), function(i) prior_draws_of(parameters[i, ], design, n))
  })
  names <- prior_draw_names(parameters, intercept)
  array(unlist(values) %||% numeric(), c(n_iterations, n_chains, length(names)), list(NULL, NULL, names))
}

# The centred intercept's prior is not that of b_Intercept, so it has the name that brms gives it.
prior_draw_names <- function(parameters, intercept) {
  names <- paste0("prior_", parameters$variable, recycle0 = TRUE)
  if (intercept == "raw") return(names)
  is_centred <- parameters$class == "Intercept"
  part <- function(text) ifelse(text == "", "", paste0("_", text))
  of <- parameters[is_centred, ]
  names[is_centred] <- paste0("prior_Intercept", part(of$dpar), part(of$resp), recycle0 = TRUE)
  names
}

prior_draws_of <- function(parameter, design, n) {
  parsed <- parameter$parsed[[1]]
  record <- record_of_prior(parsed)
  if (record$is_split) return(horseshoe_draws(parsed$args, parameter$class, n))
  if (parameter$class == "cor") return(lkj_draws(parsed$args, parameter, design, n))
  bound <- lower_bound(parameter$class)
  below <- if (is.null(bound) || is.null(record$probability)) 0 else record$probability(bound, parsed$args)
  record$quantile(below + stats::runif(n) * (1 - below), parsed$args)
}

# One correlation of a K x K LKJ(eta) matrix is Beta(a, a) on (-1, 1) with a = eta + (K - 2) / 2.
lkj_draws <- function(eta, parameter, design, n) {
  sizes <- vapply(design$terms, function(term) if (term$group == parameter$group && term$cor) length(term$coefs) else 0L, 0L)
  a <- eta + (max(sizes) - 2) / 2
  2 * stats::rbeta(n, a, a) - 1
}

# Regularised horseshoe as in the engine: normal, half-normal for standard deviations; with autoscale, in units of sigma.
horseshoe_draws <- function(args, class, n) {
  half_t <- function(df) abs(stats::rt(n, df))
  local <- half_t(args$df)
  global <- args$scale_global * half_t(args$df_global)
  slab <- 1 / stats::rgamma(n, args$df_slab / 2, rate = args$df_slab * args$scale_slab^2 / 2)
  scale <- global * sqrt(slab * local^2 / (slab + global^2 * local^2))
  draws <- stats::rnorm(n) * scale
  if (class == "b") draws else abs(draws)
}
