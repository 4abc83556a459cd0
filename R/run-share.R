# Hyper-parameters that genes share, learned by empirical Bayes from draws of the genes' own parameters.
#
# With phi_g the parameters of gene g that are pooled and p(phi | eta) their prior, eta maximises the product over genes
# of the marginal likelihoods p(y_g | eta). From draws phi_gs of the posterior under eta_0,
#
#   p(y_g | eta) / p(y_g | eta_0)  =  mean over s of  p(phi_gs | eta) / p(phi_gs | eta_0)
#
# (Geyer 1994), so that one run of the sampler serves for a whole neighbourhood of eta_0; a few rounds of sampling and
# maximising follow each other until eta stays.

# The parts that are pooled, in the order of the parameters: list(kind, variable), with `centre`, see dispersion_centre(), and
# `unit`, see column_units(), where that is not 1; kinds
# "dispersion" (log-normal around a trend of the mean), "lognormal", "half_normal", "half_t", "horseshoe" (standard deviations),
# "normal", "student_t" (effects), "mvn" (all coefficients together, run-share-mvn.R). Only parameters whose prior the user has
# left alone take part.
shared_parts <- function(model, share, sd_prior, effect_prior) {
  table <- model$parameters
  is_free <- table$source == "default"
  units <- c(units_of_sds(model$design), stats::setNames(column_units(model$design$x, TRUE), model$design$coef_names))
  part <- function(kind, variables) {
    lapply(variables, function(name) {
      c(list(kind = kind, variable = name), if (isTRUE(units[name] != 1)) list(unit = units[[name]]))
    })
  }
  dispersion <- table$variable[is_free & is_dispersion_level(table, model)]
  sds <- table$variable[is_free & table$class == "sd"]
  is_level <- table$variable %in% model$design$coef_names[constant_columns(model$design$x)]
  effects <- table$variable[is_free & table$class == "b" & table$dpar == "" & !is_level]
  of_dispersion <- lapply(part("dispersion", dispersion), c, compact(list(centre = dispersion_centre(model))))
  of_effects <- switch(effect_prior, weak = NULL, mvn = list(mvn_part(model)), part(effect_prior, effects))
  c(if ("dispersion" %in% share) of_dispersion, if ("sd" %in% share) part(sd_prior, sds),
    of_effects)
}

# Units of the columns whose effects have the standard deviations.
units_of_sds <- function(design) {
  unlist(lapply(design$terms, function(term) {
    names <- sd_names(term)
    stats::setNames(rep_len(term_units(term, TRUE), length(names)), names)
  }))
}

# The parameter that the trend is of: the dispersion itself, or the intercept of its regression.
is_dispersion_level <- function(table, model) {
  name <- model$design$dispersion
  if (is.null(name)) return(rep(FALSE, nrow(table)))
  if (is.null(model$design$x_disp)) return(table$class == name)
  table$class == "Intercept" & table$dpar == name
}

# Means of the columns of a regression of the dispersion by the names of their slopes, where its intercept is centred; NULL
# without a regression.
dispersion_centre <- function(model) {
  names <- model$design$disp_names
  class <- model$parameters$class[match(names, model$parameters$variable)]
  if (is.null(model$design$x_disp) || model$intercept == "raw" || !"Intercept" %in% class) return(NULL)
  stats::setNames(colMeans(model$design$x_disp), names)[class == "b"]
}

# Degrees of freedom of the half-t for sds, and of the t for effects.
half_t_df <- 3
effect_df <- 3

# Parameters of a part as a vector on the real line, with weak priors of their own (mean, sd of a normal): in small sets
# of genes the data say little about them. `unit` is the spread of the values of Gaussian genes, 1 for counts.
part_start <- function(part, unit = 1, level = 1.5) {
  unit <- unit / (part$unit %||% 1)
  switch(part$kind,
    dispersion = c(level = level, slope = 0, bend = 0, spread = 0.7),
    horseshoe = c(tau = log(0.1 * unit), slab = log(2.5 * unit)),
    lognormal = c(location = log(0.2 * unit), spread = log(0.6)),
    normal = , student_t = c(scale = log(unit)),
    mvn = mvn_start(part, unit),
    c(scale = log(0.5 * unit)))
}

part_hyperprior <- function(part, unit = 1, level = 1.5) {
  unit <- unit / (part$unit %||% 1)
  switch(part$kind,
    dispersion = list(mean = c(level, 0, 0, log(0.4)), sd = c(5, 1, 0.3, 0.35)),
    horseshoe = list(mean = log(c(0.1, 2.5) * unit), sd = c(1.5, 0.5)),
    lognormal = list(mean = c(log(0.2 * unit), log(0.5)), sd = c(1.5, 0.7)),
    normal = , student_t = list(mean = log(0.5 * unit), sd = 1.5),
    mvn = mvn_hyperprior(part, unit),
    list(mean = log(0.3 * unit), sd = 1.5))
}

# Trend of the dispersion: columns 1, l and l^2 with l the log mean, centred and held at the ends of the range where it
# was learned, so that it never bends away beyond.
trend_basis <- function(log_mean, range) {
  centred <- pmin(pmax(log_mean, range[1]), range[2]) - mean(range)
  unname(cbind(1, centred, centred^2))
}

trend_range <- function(log_mean) stats::quantile(log_mean, c(0.01, 0.99), names = FALSE)

# Log prior density of a part at values[s, g], without constants. `x` is the trend's basis, one row per gene. Dispersions are
# given as logarithms.
part_density <- function(part, values, par, x) {
  switch(part$kind,
    dispersion = normal_density(values - rep(drop(x %*% par[1:3]), each = nrow(values)), par[4]),
    lognormal = normal_density(log(values) - par[1], par[2]) - log(values),
    half_normal = , normal = normal_density(values, par),
    half_t = t_density(values, par, half_t_df),
    student_t = t_density(values, par, effect_df),
    mvn = mvn_density(values, par),
    horseshoe = horseshoe_scale_density(values, exp(par[1]), exp(par[2])))
}

normal_density <- function(values, log_sd) -log_sd - 0.5 * values^2 * exp(-2 * log_sd)

t_density <- function(values, log_scale, df) -log_scale - (df + 1) / 2 * log1p(values^2 * exp(-2 * log_scale) / df)

# sd = tau l c / sqrt(c^2 + tau^2 l^2) with l half-Cauchy: the implied scale of a regularised horseshoe (Piironen and
# Vehtari 2017) as the prior of one standard deviation, by change of variables. Zero from c on.
horseshoe_scale_density <- function(sd, tau, slab) {
  inside <- 1 - (sd / slab)^2
  out <- rep(-Inf, length(sd))
  ok <- inside > 0 & sd >= 0
  local <- sd[ok] / (tau * sqrt(inside[ok]))
  out[ok] <- log(2 / pi) - log1p(local^2) - log(tau) - 1.5 * log(inside[ok])
  dim(out) <- dim(sd)
  out
}

# Derivatives of part_density() by the part's parameters, summed with weights[s, g].
part_score <- function(part, values, par, x, weights) {
  switch(part$kind,
    dispersion = dispersion_score(values, par, x, weights),
    lognormal = lognormal_score(log(values) - par[1], par[2], weights),
    half_normal = , normal = sum(weights * (values^2 * exp(-2 * par) - 1)),
    half_t = t_score(values, par, half_t_df, weights),
    student_t = t_score(values, par, effect_df, weights),
    mvn = mvn_score(values, par, weights),
    horseshoe = horseshoe_score(values, par, weights))
}

dispersion_score <- function(values, par, x, weights) {
  error <- values - rep(drop(x %*% par[1:3]), each = nrow(values))
  precision <- exp(-2 * par[4])
  c(drop(crossprod(x, colSums(weights * error))) * precision, sum(weights * (error^2 * precision - 1)))
}

t_score <- function(values, log_scale, df, weights) {
  squared <- values^2 * exp(-2 * log_scale)
  sum(weights * ((df + 1) * squared / (df + squared) - 1))
}

lognormal_score <- function(error, log_spread, weights) {
  precision <- exp(-2 * log_spread)
  c(sum(weights * error) * precision, sum(weights * (error^2 * precision - 1)))
}

# By differences: two parameters, and cheap beside the rest.
horseshoe_score <- function(values, par, weights) {
  vapply(1:2, function(j) {
    step <- replace(numeric(2), j, 1e-5)
    up <- horseshoe_scale_density(values, exp(par[1] + step[1]), exp(par[2] + step[2]))
    down <- horseshoe_scale_density(values, exp(par[1] - step[1]), exp(par[2] - step[2]))
    sum((weights * (up - down))[weights > 0]) / 2e-5
  }, 0)
}

# One round --------------------------------------------------------------------------------------------------------

# `values`: per part the matrix draws x genes; `from`: the parameters under which they were drawn, `from_parts` the parts
# with the kinds of prior that held then. Returns list(par, ess, value, covariance): the parameters by part, the relative
# effective number of draws per gene left by the reweighting, the gain of the log marginal likelihood, a function that gives
# the posterior covariance of all parameters. `floors` are those of scale_floors().
learn_round <- function(parts, values, from_parts, from, start, hyper, x, floors = NULL) {
  base <- Reduce(`+`, Map(part_density, from_parts, values, from, MoreArgs = list(x = x)))
  sizes <- lengths(start)
  floors <- floors %||% rep(NA_real_, sum(sizes))
  split_par <- function(par) split_by(par, sizes)
  ratio <- function(par) Reduce(`+`, Map(part_density, parts, values, split_par(par), MoreArgs = list(x = x))) - base
  weigh <- remember_last(function(par) weigh_columns(ratio(par)))
  objective <- function(par) sum(weigh(par)$log_mean) + hyper_density(par, hyper) + wall_density(par, floors)
  gradient <- function(par) {
    more <- list(x = x, weights = weigh(par)$scores)
    unlist(Map(part_score, parts, values, split_par(par), MoreArgs = more), use.names = FALSE) - (par - hyper$mean) / hyper$sd^2 +
      wall_score(par, floors)
  }
  # Steps of order one: the mean over genes.
  best <- stats::optim(unlist(start, use.names = FALSE), objective, gradient, method = "BFGS",
                       control = list(fnscale = -ncol(base), maxit = 200, reltol = 1e-8))
  list(par = Map(stats::setNames, split_par(best$par), lapply(start, names)), value = best$value,
       ess = 1 / weigh(best$par)$square / nrow(base),
       covariance = function() posterior_covariance(stats::optimHess(best$par, objective, gradient), hyper))
}

# Of a normal approximation at the maximum, nowhere wider than the parameters' own priors. A horseshoe's slab may have no
# derivative there, when its draws end at it.
posterior_covariance <- function(hessian, hyper) {
  hessian[!is.finite(hessian)] <- 0
  scaled <- eigen(-hessian * outer(hyper$sd, hyper$sd), symmetric = TRUE)
  root <- hyper$sd * scaled$vectors %*% diag(1 / sqrt(pmax(scaled$values, 1)), length(hyper$sd))
  tcrossprod(root)
}

# f(x) that knows its last value: the optimiser asks for the gradient where it was for the value.
remember_last <- function(f) {
  last <- new.env(parent = emptyenv())
  function(x) {
    if (!identical(x, last$at)) {
      last$value <- f(x)
      last$at <- x
    }
    last$value
  }
}

split_by <- function(par, sizes) unname(split(unname(par), rep(seq_along(sizes), sizes)))

hyper_density <- function(par, hyper) -0.5 * sum(((par - hyper$mean) / hyper$sd)^2)

# list(log_mean, square, scores) of log importance ratios: the logarithm of the mean of each gene's ratios, the sum of their
# squares where they sum to one, and the weights of the derivatives of their logarithms in that of log_mean. The logarithm of
# a mean of n ratios is too low by half their squared coefficient of variation over n, which would hold the parameters back
# where the draws were made; that is added, up to a coefficient of one, beyond which it is noise.
weigh_columns <- function(x) {
  n <- nrow(x)
  top <- apply(x, 2, max)
  w <- exp(x - rep(top, each = n))
  sums <- colSums(w)
  w <- w / rep(sums, each = n)
  square <- colSums(w^2)
  is_even <- n * square < 2
  list(log_mean = top + log(sums / n) + pmin(square - 1 / n, 1 / n) / 2, square = square,
       scores = w * (1 + (w - rep(square, each = n)) * rep(is_even, each = n)))
}

# A kind of pooling in the place of priors.
refuse_pooling <- function(prior) {
  if (!is.character(prior) || is.data.frame(prior)) return(invisible())
  kinds <- sd_prior_kinds
  said <- kinds[startsWith(sub("_", "", prior[1], fixed = TRUE), sub("_", "", kinds, fixed = TRUE))]
  if (length(said) == 0) return(invisible())
  abort_twill("prior", c("{.arg prior} holds priors made by {.fn tw_prior}.",
                         "i" = "{.code sd_prior = \"{said[1]}\"} pools the standard deviations of genes."))
}

sd_prior_kinds <- c("lognormal", "half_t", "half_normal", "horseshoe")
