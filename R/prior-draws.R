# Draws from the priors themselves, for sample_prior = "yes", with a generator of their own.

# An iteration x chain x variable array, variables named prior_<parameter>. Improper priors and constants have no draws.
prior_draws_array <- function(parameters, design, intercept, n_iterations, n_chains, seed) {
  parameters <- parameters[vapply(parameters$parsed, function(p) !p$dist %in% c("flat", "constant"), TRUE), ]
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
  dpar <- parameters$dpar[is_centred]
  names[is_centred] <- paste0("prior_Intercept", ifelse(dpar == "", "", "_"), dpar, recycle0 = TRUE)
  names
}

# Leaves R's generator as it was, also its kind.
with_local_seed <- function(seed, code) {
  old <- get0(".Random.seed", envir = globalenv(), inherits = FALSE)
  on.exit(if (is.null(old)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", old, envir = globalenv()))
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  force(code)
}

prior_draws_of <- function(parameter, design, n) {
  parsed <- parameter$parsed[[1]]
  if (parsed$dist == "horseshoe") return(horseshoe_draws(parsed$args, parameter$class, n))
  if (parsed$dist == "lkj") return(lkj_draws(parsed$args, parameter, design, n))
  quantiles <- prior_quantile(parsed)
  is_positive <- parameter$class %in% positive_classes
  below_zero <- if (is_positive) prior_probability(parsed)(0) else 0
  quantiles(below_zero + stats::runif(n) * (1 - below_zero))
}

prior_quantile <- function(parsed) {
  a <- parsed$args
  switch(parsed$dist,
    normal = function(p) stats::qnorm(p, a[1], a[2]),
    student_t = function(p) a[2] + a[3] * stats::qt(p, a[1]),
    cauchy = function(p) stats::qcauchy(p, a[1], a[2]),
    double_exponential = function(p) a[1] - a[2] * sign(p - 0.5) * log1p(-2 * abs(p - 0.5)),
    exponential = function(p) stats::qexp(p, a[1]),
    gamma = function(p) stats::qgamma(p, a[1], rate = a[2]),
    inv_gamma = function(p) 1 / stats::qgamma(1 - p, a[1], rate = a[2]),
    lognormal = function(p) stats::qlnorm(p, a[1], a[2]),
    uniform = function(p) stats::qunif(p, a[1], a[2]),
    horseshoe_scale = function(p) 1 / sqrt(1 / a[2]^2 + 1 / (a[1] * tan(pi / 2 * p))^2))
}

# Only asked at 0, to truncate.
prior_probability <- function(parsed) {
  a <- parsed$args
  switch(parsed$dist,
    normal = function(q) stats::pnorm(q, a[1], a[2]),
    student_t = function(q) stats::pt((q - a[2]) / a[3], a[1]),
    cauchy = function(q) stats::pcauchy(q, a[1], a[2]),
    double_exponential = function(q) {
      half <- 0.5 * exp(-abs(q - a[1]) / a[2])
      if (q < a[1]) half else 1 - half
    },
    uniform = function(q) stats::punif(q, a[1], a[2]),
    function(q) 0)
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
