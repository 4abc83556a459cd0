# The posterior density of an effect, from the likelihood of genes with few counts on one side of the contrast.
#
# Such an effect is bounded on one side by the data and on the other by the prior alone; its draws look like no t, and none of
# them is near zero. Parameters p = (beta, b) of a draw are split into the effect t = c'p and p - t u, with c'u = 1, and t is
# taken along the line:
#   p(t | y) = E[ f(t | draw) / int f ],   f(t | draw) = p(y | p + (t - c'p) u) p(p + (t - c'p) u),
# which is exact for any u. With u = cov(p, c'p) / var(c'p) it is the same for all draws of a normal posterior, and of others
# nearly so. Dispersions and standard deviations stay those of the draw.

# What the counts tell along the line: sum_i (x_i'u)^2 / (1 / y_i + 1 / shape), u in the size that moves samples apart by 1. Of a
# gene with n Poisson counts on either side that is n / 2, of one without counts on one side next to nothing.
few_counts_on_line <- 10

# Nearer to zero than this many posterior sds no sign is called, and a t will do.
least_z_on_line <- 1.5

# Draws that are averaged, and samples or leaves up to which it is affordable.
n_line_draws <- 100
most_line_rows <- 300

# list of list(gene, at, log_density): `gene` is the column of `effect$draws`, those of genes that the mask keeps; `at`
# includes 0 and +- threshold. For a new donor it is the effect in the population. NULL where the contrast or the model is not
# of the kind.
effect_densities <- function(fit, weights, ask, effect, threshold) {
  if (is.null(effect$draws) || !has_line(fit, ask)) return(NULL)
  genes <- which(!ask$mask)
  plan <- line_plan(fit, weights, ask$estimand)
  mean <- colMeans(effect$draws)
  sd <- column_sds(effect$draws)
  likely <- which(usable_effects(mean, sd) & abs(mean) > least_z_on_line * sd)
  chosen <- likely[has_few_counts(fit, plan, genes[likely], effect$draws[, likely, drop = FALSE])]
  if (length(chosen) == 0) return(NULL)
  points <- c(0, threshold, -threshold)
  smallest <- stats::quantile(sd, 0.02, names = FALSE, na.rm = TRUE) / 2
  steps <- split(chosen, ceiling(seq_along(chosen) / max_repeated))
  unlist(lapply(unname(steps), line_densities, fit = fit, plan = plan, genes = genes, points = points, smallest = smallest),
         recursive = FALSE)
}

# Counts with draws, a contrast of expression that is a linear function of parameters, and priors with a density.
has_line <- function(fit, ask) {
  design <- model_of(fit)$design
  has_density <- function(record) !is.null(record$log_density) && !record$needs_positive
  has_counts(fit) && !has_failing_guides(fit) && is_plain(ask) && !ask$cell_noise && has_draws(fit) && is_sampled(fit) &&
    nrow(design$x) <= most_line_rows && all(vapply(lapply(coefficient_priors(fit), record_of_prior), has_density, NA))
}

# list(x, c, rows): weights `c` of all parameters, coefficients first, and the design `rows` of each sample in them.
line_plan <- function(fit, weights, estimand) {
  design <- model_of(fit)$design
  effects <- fit$posterior$effect_names
  of_effects <- matrix(0, nrow(design$x), length(effects), dimnames = list(NULL, effects))
  c <- stats::setNames(numeric(length(effects)), effects)
  for (k in seq_along(design$terms)) {
    term <- design$terms[[k]]
    w <- weights$terms[[k]]$weights
    for (coef in colnames(term$z)) {
      names <- effect_variables(term$group, term$levels, coef)
      of_effects[cbind(seq_along(term$codes), match(names[term$codes], effects))] <- term$z[, coef]
      if (estimand == "observed" && nrow(w) == 1) c[names] <- w[1, coef] / length(names)
    }
  }
  list(c = c(weights$x, c), rows = cbind(design$x, of_effects))
}

# Whether genes have few counts on the line; effects of levels, which need draws of their own, are left out of it here.
has_few_counts <- function(fit, plan, genes, draws) {
  if (length(genes) == 0) return(logical())
  design <- model_of(fit)$design
  beta <- draws_of(fit, design$coef_names, genes)
  centred <- draws - rep(colMeans(draws), each = nrow(draws))
  of_coef <- function(k) colSums(matrix(beta[, k, ], nrow(draws)) * centred) / colSums(centred^2)
  u <- matrix(vapply(seq_along(design$coef_names), of_coef, numeric(length(genes))), length(genes))
  counts <- t(sample_counts(fit, genes))
  shapes <- if (is.null(design$dispersion)) Inf else t(mean_dispersion(fit, genes))
  information <- 1 / (1 / counts + 1 / shapes)
  line <- u %*% t(design$x)
  # Where samples move apart by 1, whatever the contrast is multiplied by.
  ends <- apply(line, 1, range)
  line <- line / pmax(ends[2, ] - ends[1, ], abs(ends[1, ]), abs(ends[2, ]))
  rowSums(information * line^2, na.rm = TRUE) < few_counts_on_line
}

line_densities <- function(fit, plan, chosen, genes, points, smallest) {
  at <- genes[chosen]
  parameters <- draws_of(fit, c(model_of(fit)$design$coef_names, fit$posterior$effect_names), at)
  priors <- line_priors(fit, at)
  likelihoods <- line_likelihoods(fit, at)
  found <- lapply(seq_along(at), function(g) {
    p <- matrix(parameters[, , g], dim(parameters)[1])
    own <- one_density(fit, at[g], plan, p, priors[[g]], likelihoods[[g]], points, smallest)
    if (agrees(own, drop(p %*% plan$c))) c(list(gene = chosen[g]), own)
  })
  compact(found)
}

# Whether draws and density are of one distribution, within what few draws of a skewed one can show; draws of a failed chain
# are not.
agrees <- function(own, effect) {
  mass <- drop(cell_masses(own$at, own$log_density)$mass)
  middle <- (own$at[-1] + own$at[-length(own$at)]) / 2
  mean <- sum(mass * middle) / sum(mass)
  sd <- sqrt(sum(mass * (middle - mean)^2) / sum(mass))
  isTRUE(abs(mean - mean(effect)) < 0.5 * stats::sd(effect) && abs(log(sd / stats::sd(effect))) < log(2))
}

one_density <- function(fit, at, plan, p, prior, likelihood, points, smallest) {
  effect <- drop(p %*% plan$c)
  u <- drop(stats::cov(p, effect)) / stats::var(effect)
  u <- u / sum(plan$c * u)
  grid <- density_grid(effect, points, smallest)
  some <- round(seq(1, nrow(p), length.out = min(nrow(p), n_line_draws)))
  p <- p[some, , drop = FALSE]
  move <- outer(-effect[some], grid, `+`)
  value <- likelihood(p %*% t(plan$rows), drop(plan$rows %*% u), move, some) + prior(p, u, move, some)
  value <- value - log_masses(grid, value)
  list(at = grid, log_density = log(colMeans(exp(value - max(value)))) + max(value))
}

# Finer near zero, where the prior of effects is, and wide enough for tails.
density_grid <- function(effect, points, smallest) {
  sd <- stats::sd(effect)
  range <- range(effect) + c(-1.5, 1.5) * sd
  near <- smallest * sqrt(2)^(0:ceiling(2 * log2(max(abs(range), 4 * smallest) / smallest)))
  grid <- c(seq(range[1], range[2], length.out = 48), near, -near, points)
  # Past the draws on the far side of zero nothing is left.
  sort(unique(grid[grid >= min(range[1], -4 * sd) & grid <= max(range[2], 4 * sd)]))
}
