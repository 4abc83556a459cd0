# Draws from the priors themselves, for sample_prior = "yes", with a generator of their own.

# An iteration x chain x variable array, variables named prior_<parameter>. Improper priors and constants have no draws.
prior_draws_array <- function(parameters, design, intercept, n_iterations, n_chains, seed) {
  drawn <- parameters[prior_facts(parameters$parsed, "is_proper") & !prior_facts(parameters$parsed, "is_known"), ]
  n <- n_iterations * n_chains
  values <- stats::setNames(vector("list", nrow(drawn)), drawn$variable)
  single <- which(is.na(drawn$horseshoe))
  with_local_seed(seed, {
    values[single] <- lapply(single, function(i) prior_draws_of(drawn[i, ], design, n))
    for (id in unique(stats::na.omit(drawn$horseshoe))) {
      at <- which(drawn$horseshoe == id)
      args <- drawn$parsed[[at[1]]]$args
      unit <- if (horseshoe_numbers(args, design)$autoscale) sigma_draws(parameters, values) else 1
      if (!is.null(unit)) values[at] <- horseshoe_draws(args, unit, drawn$class[at], n)
    }
  })
  drawn <- drawn[lengths(values) > 0, ]
  names <- prior_draw_names(drawn, intercept)
  array(unlist(values, use.names = FALSE) %||% numeric(), c(n_iterations, n_chains, length(names)), list(NULL, NULL, names))
}

# Of the one sigma of a model draws of its prior, a constant, or NULL with an improper prior; of several none is the unit.
sigma_draws <- function(parameters, values) {
  at <- which(parameters$class == "sigma")
  if (length(at) != 1) return(1)
  if (prior_facts(parameters$parsed[at], "is_known")) parameters$parsed[[at]]$args[[1]] else values[[parameters$variable[at]]]
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

# Regularised horseshoe as in the engine, draws of each member, which share the global scale and the slab: normal, half-normal for
# standard deviations.
horseshoe_draws <- function(args, unit, class, n) {
  half_t <- function(df) abs(stats::rt(n, df))
  global <- args$scale_global * unit * half_t(args$df_global)
  slab <- 1 / stats::rgamma(n, args$df_slab / 2, rate = args$df_slab * args$scale_slab^2 / 2)
  lapply(class, function(class) {
    local <- half_t(args$df)
    draws <- stats::rnorm(n) * global * sqrt(slab * local^2 / (slab + global^2 * local^2))
    if (class == "b") draws else abs(draws)
  })
}
