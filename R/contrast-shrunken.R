# Shrunken effects: posterior mean, sd and interval of each effect under the prior that sign rates use.
#
# Likelihoods are normals, or mixtures of them that stand for a t or for a density on a grid, and so is the prior: the posterior
# of
# an effect is a mixture of normals, and of no effect at all. Its moments are closed, its quantiles found by Newton's method.

#' @section Shrunken effects:
#' `shrink = TRUE` adds the posterior mean, sd and interval of each effect under the learned prior: `shrunken`, `shrunkenSE`,
#' `shrunken_lower` and `shrunken_upper`. What is little known moves to zero, what is well known stays (as in apeglm and ashr):
#' rank
#' and plot genes by these. The shares of this prior are those that fit best, with one gene without effect and three of any size
#' taken
#' for granted: the many without effect that make sign rates err on the side of doubt would draw estimates too close to zero, so
#' that their intervals would not cover. Where no effect is likely, the interval can have an end at zero itself. For a new donor
#' the effect in
#' the population is widened by what a donor adds, also where there is none. `log2FoldChange`, `lower` and `upper` remain
#' the gene's own.
#' @rdname tw_contrast
#' @name tw_contrast
NULL

# Normals that are laid out at once.
most_normals <- 4e5

# Rows that the prior of estimates takes for granted: one without effect, and three spread evenly over the normals. The many
# without
# effect that sign rates take for granted would move small effects to zero, intervals with them: of 95 % intervals of 8, 200 and
# 20,000 simulated effects 25 to 94 % would cover, without any rows 71 to 96 %, with these 92 to 98 %
# (docs/decisions/064-shrunken-estimates-have-an-even-prior.md).
even_rows <- function(n) c(1, rep(3 / (n - 1), n - 1))

prior_of_estimates <- function(prior) replace(prior, "shares", list(prior$even %||% prior$shares))

# list(mean, sd, bounds): effects x probs for the bounds. `extra` and `densities` as for adapted_posterior(), `nodes` too.
shrunken_effects <- function(prior, mean, sd, probs, extra = NULL, densities = NULL, nodes = NULL) {
  prior <- prior_of_estimates(prior)
  nodes <- nodes %||% node_variances(prior$df)
  out <- list(mean = mean + NA, sd = mean + NA, bounds = matrix(NA_real_, length(mean), length(probs)))
  kept <- sum(apart(prior)$shares > 0) * if (is.list(nodes)) ncol(nodes$variance) else length(nodes)
  plain <- setdiff(seq_along(mean), genes_of(densities))
  for (at in split(plain, ceiling(seq_along(plain) * kept / most_normals))) {
    out <- fill_shrunken(out, at, posterior_normals(prior, mean[at], sd[at], nodes_at(nodes, at)), probs, extra)
  }
  for (own in densities) out <- fill_shrunken(out, own$gene, density_normals(own, prior), probs, extra)
  out
}

fill_shrunken <- function(out, at, normals, probs, extra) {
  if (!is.null(extra)) normals <- widened_normals(normals, extra[at, , drop = FALSE])
  moments <- mixture_moments(normals)
  out$mean[at] <- moments$mean
  out$sd[at] <- moments$sd
  for (k in seq_along(probs)) out$bounds[at, k] <- mixture_quantile(normals, probs[k], moments)
  out
}

# list(weight, middle, variance): effects x normals, weights of each effect sum to one. A normal without variance is at zero.
posterior_normals <- function(prior, mean, sd, nodes) {
  parts <- apart(prior)
  error <- error_variances(sd, nodes)
  one <- function(k) {
    size <- parts$sizes[k]^2
    share <- size / (error + size)
    list(log_weight = log(parts$shares[k]) + node_densities(mean, sd, parts$centres[k], parts$sizes[k], nodes),
         middle = parts$centres[k] + (mean - parts$centres[k]) * share, variance = error * share)
  }
  found <- lapply(which(parts$shares > 0), one)
  joined <- function(name) do.call(cbind, lapply(found, `[[`, name))
  log_weight <- joined("log_weight")
  weight <- exp(log_weight - row_maxima(log_weight))
  weight <- weight / rowSums(weight)
  kept <- which(colSums(weight) > 1e-12)
  lapply(list(weight = weight, middle = joined("middle"), variance = joined("variance")), function(x) x[, kept, drop = FALSE])
}

# Of an effect with a density on a grid: each cell of each component is a normal as wide as the cell.
density_normals <- function(own, prior) {
  parts <- apart(prior)
  log_lik <- density_likelihoods(own, parts)
  products <- density_products(own, parts)
  top <- max(log_lik[parts$shares > 0])
  mass <- 0
  for (k in which(parts$shares > 0 & parts$sizes > 0)) {
    cells <- cell_masses(own$at, products[[k]])
    mass <- mass + parts$shares[k] * exp(cells$top - top) * drop(cells$mass)
  }
  zero <- if (parts$sizes[1] == 0) parts$shares[1] * exp(log_lik[1] - top) else 0
  weight <- c(zero, mass)
  list(weight = rbind(weight / sum(weight)), middle = rbind(c(0, (own$at[-1] + own$at[-length(own$at)]) / 2)),
       variance = rbind(c(0, diff(own$at)^2 / 12)))
}

# With equally likely variances added, effects x values. A new donor responds even where the population does not.
widened_normals <- function(normals, extra) {
  again <- rep(seq_len(ncol(normals$weight)), ncol(extra))
  added <- extra[, rep(seq_len(ncol(extra)), each = ncol(normals$weight)), drop = FALSE]
  list(weight = normals$weight[, again, drop = FALSE] / ncol(extra), middle = normals$middle[, again, drop = FALSE],
       variance = normals$variance[, again, drop = FALSE] + added)
}

mixture_moments <- function(normals) {
  mean <- rowSums(normals$weight * normals$middle)
  list(mean = mean, sd = sqrt(rowSums(normals$weight * (normals$variance + (normals$middle - mean)^2))))
}

# Quantiles of each row. Where the distribution function jumps over `prob` at zero, zero.
mixture_quantile <- function(normals, prob, moments) {
  is_zero <- normals$variance == 0
  zero <- rowSums(normals$weight * is_zero)
  rest <- normals$weight * !is_zero
  sd <- sqrt(ifelse(is_zero, 1, normals$variance))
  below <- function(x) rowSums(rest * stats::pnorm(x, normals$middle, sd))
  at_zero <- below(numeric(length(zero)))
  wanted <- ifelse(prob < at_zero, prob, prob - zero)
  in_atom <- zero > 0 & prob >= at_zero & prob <= at_zero + zero
  out <- numeric(length(zero))
  solved <- which(!in_atom)
  if (length(solved) == 0) return(out)
  part <- function(x) x[solved, , drop = FALSE]
  out[solved] <- solve_normals(part(rest), part(normals$middle), part(sd), wanted[solved], moments$sd[solved])
  out
}

# x with sum_k weight_k Phi((x - middle_k) / sd_k) = wanted, row by row: Newton's method in the normal scores of the
# probabilities,
# within a bracket that shrinks. A quantile of a mixture is between the smallest and the largest of its parts'.
solve_normals <- function(weight, middle, sd, wanted, unit) {
  total <- rowSums(weight)
  each <- middle + sd * stats::qnorm(pmin(1, pmax(0, wanted / total)))
  each[weight < 1e-12 * total] <- NA
  low <- apply(each, 1, min, na.rm = TRUE)
  high <- apply(each, 1, max, na.rm = TRUE)
  x <- (low + high) / 2
  score <- stats::qnorm(wanted / total)
  for (step in seq_len(100)) {
    z <- (x - middle) / sd
    below <- rowSums(weight * stats::pnorm(z)) / total
    density <- rowSums(weight * stats::dnorm(z) / sd) / total
    low <- ifelse(below < wanted / total, x, low)
    high <- ifelse(below < wanted / total, high, x)
    found <- stats::qnorm(below)
    following <- x - (found - score) * stats::dnorm(found) / density
    outside <- !is.finite(following) | following <= low | following >= high
    following[outside] <- ((low + high) / 2)[outside]
    moved <- max(abs(following - x) / unit)
    x <- following
    if (moved < 1e-9) break
  }
  x
}

# As columns of a contrast; NULL if they are not asked for. `base` is what rate_base() gives.
shrunken_columns <- function(prior, base, level, mask) {
  mean <- base$statistics$mean
  ok <- usable_effects(mean, base$statistics$sd)
  columns <- matrix(NA_real_, length(mean), 4, dimnames = list(NULL, shrunken_names))
  if (!is.null(prior)) {
    extra <- if (!is.null(base$extra)) extra_nodes(base$extra[, ok, drop = FALSE])
    found <- shrunken_effects(prior, mean[ok], base$statistics$sd[ok], c(1 - level, 1 + level) / 2, extra,
                              densities_of(base$densities, which(ok)))
    columns[ok, ] <- cbind(found$mean, found$sd, found$bounds)
  }
  as.data.frame(unmask(as.data.frame(columns), mask))
}

shrunken_names <- c("shrunken", "shrunkenSE", "shrunken_lower", "shrunken_upper")

shrunken_texts <- function(unit, prob) {
  base <- unit_short(unit)
  ends <- sprintf("%s end of the %g%% interval under the learned prior", c("lower", "upper"), 100 * prob)
  stats::setNames(c(paste0(c("posterior mean", "posterior sd"), " of the effect under the learned prior, ", base), ends),
                  shrunken_names)
}

check_shrink <- function(shrink, adaptive, cell_noise) {
  if (!check_flag(shrink, "shrink")) return(FALSE)
  if (!adaptive) abort_twill("contrast", c("{.arg shrink} needs the learned prior.", "i" = "Leave out {.code adaptive = FALSE}."))
  if (cell_noise) abort_twill("contrast", c("{.arg shrink} is about means: there is no prior of single cells.",
                                            "i" = "Leave out {.arg cell_noise}."))
  TRUE
}
