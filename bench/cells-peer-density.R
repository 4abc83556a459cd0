# Whether twill and its peer in bench/cells-peer.R fit the same density, constants included.
#
# 1. Draw by draw: numpyro's log density of all cells at draws of twill's guides, beside that of the compressed counts, here
#    from the draws by R's own formulas (log_lik() and the priors).
# 2. The engine's bound on the evidence beside the evidence itself, by importance sampling under numpyro's density: the
#    difference is the divergence of guide and posterior. It must be positive but for noise, and small: a constant that one of
#    both leaves out would show.

# draws x (b0, b1, sd0, sd1, shape, z0 by donor, z1) x genes; b0 at the mean of the design.
peer_values <- function(fit) {
  post <- fit$posterior
  names <- c("b_Intercept", "b_conditiontreated", "sd_donor__Intercept", "sd_donor__conditiontreated", "shape")
  out <- post$draws[, match(names, post$names), , drop = FALSE]
  out[, 1, ] <- out[, 1, ] + 0.5 * out[, 2, ]
  donors <- fit$job$model$design$terms[[1]]$levels
  effects <- lapply(1:2, function(k) {
    names <- sprintf("r_donor[%s,%s]", donors, c("Intercept", "conditiontreated")[k])
    r <- post$effects[, match(names, post$effect_names), , drop = FALSE]
    r / out[, rep(2 + k, length(donors)), , drop = FALSE]
  })
  bind(bind(out, effects[[1]]), effects[[2]])
}

bind <- function(a, b) {
  by_gene <- function(x) aperm(x, c(1, 3, 2))
  by_gene(array(c(by_gene(a), by_gene(b)), c(dim(a)[c(1, 3)], dim(a)[2] + dim(b)[2])))
}

# draws x genes by numpyro, of all cells.
peer_density <- function(values, settings) {
  folder <- dirname(settings$output)
  writeBin(as.double(values), file.path(folder, "draws.f64"), endian = "little")
  files <- list(draws = file.path(folder, "draws.f64"), densities = file.path(folder, "densities.f64"))
  run_python(c(settings, files), folder)
  matrix(readBin(files$densities, "double", prod(dim(values)[c(1, 3)]), endian = "little"), dim(values)[1])
}

# The same of the compressed counts.
own_density <- function(fit, values, settings, at, few) {
  values <- values[few, , , drop = FALSE]
  v <- function(k) matrix(values[, k, ], dim(values)[1])
  per_gene <- function(x) rep(x, each = dim(values)[1])
  for (name in c("draws", "effects")) fit$posterior[[name]] <- fit$posterior[[name]][few, , , drop = FALSE]
  lik <- apply(twill:::leaf_log_lik(fit, at), c(1, 3), sum)
  lik + stats::dt((v(1) - per_gene(settings$level)) / 2.5, 3, log = TRUE) - log(2.5) +
    stats::dnorm(v(2), 0, settings$effect_sd, log = TRUE) +
    stats::dlnorm(v(3), settings$sd_location[1], settings$sd_spread[1], log = TRUE) +
    stats::dlnorm(v(4), settings$sd_location[2], settings$sd_spread[2], log = TRUE) +
    stats::dlnorm(v(5), per_gene(settings$log_shape), settings$shape_spread, log = TRUE) +
    apply(stats::dnorm(values[, -(1:5), , drop = FALSE], log = TRUE), c(1, 3), sum)
}

# Evidence -----------------------------------------------------------------------------------------------------------

# Proposals for one gene: multivariate t with the moments of the guide's draws, in log scales, of effects centred or not. Gives
# list(values, log_density) in the coordinates of the draws.
propose <- function(values, is_centred, n, df = 8) {
  d <- (ncol(values) - 5) / 2
  scales <- function(v) if (is_centred) exp(v[, rep(3:4, each = d)]) else 1
  free <- cbind(values[, 1:2], log(values[, 3:5]), values[, -(1:5)])
  free[, -(1:5)] <- free[, -(1:5)] * scales(free)
  root <- chol(stats::cov(free))
  centre <- colMeans(free)
  z <- matrix(stats::rnorm(n * ncol(free)), n) / sqrt(stats::rchisq(n, df) / df)
  new <- rep(centre, each = n) + z %*% root
  p <- ncol(z)
  log_t <- lgamma((df + p) / 2) - lgamma(df / 2) - p / 2 * log(df * pi) - sum(log(diag(root))) -
    (df + p) / 2 * log1p(rowSums(z^2) / df)
  jacobian <- rowSums(new[, 3:5]) - if (is_centred) d * rowSums(new[, 3:4]) else 0
  new[, -(1:5)] <- new[, -(1:5)] / scales(new)
  list(values = cbind(new[, 1:2], exp(new[, 3:5]), new[, -(1:5)]), log_density = log_t - jacobian)
}

# Log evidence of each gene and the effective number of proposals, of the better of both coordinates.
evidence <- function(values, settings, n) {
  several <- lapply(c(TRUE, FALSE), function(is_centred) {
    proposals <- lapply(seq_len(dim(values)[3]), function(g) propose(values[, , g], is_centred, n))
    drawn <- array(unlist(lapply(proposals, `[[`, "values")), c(n, dim(values)[-1]))
    ratio <- peer_density(drawn, settings) - vapply(proposals, `[[`, numeric(n), "log_density")
    top <- apply(ratio, 2, max)
    w <- exp(ratio - rep(top, each = nrow(ratio)))
    data.frame(log = top + log(colMeans(w)), ess = colSums(w)^2 / colSums(w^2))
  })
  better <- several[[1]]$ess > several[[2]]$ess
  data.frame(log = ifelse(better, several[[1]]$log, several[[2]]$log), ess = pmax(several[[1]]$ess, several[[2]]$ess))
}

# In a sample of the genes.
print_checks <- function(fit, settings, bounds, n_genes = 40, n_draws = 500) {
  at <- unique(round(seq(1, length(bounds), length.out = n_genes)))
  values <- peer_values(fit)[, , at, drop = FALSE]
  settings <- some_genes(settings, at)
  few <- seq(1, dim(values)[1], length.out = 20)
  error <- peer_density(values[few, , , drop = FALSE], settings) - own_density(fit, values, settings, at, few)
  cat(sprintf("log density, numpyro's less the compressed: largest difference %.1e in %d draws x %d genes\n", max(abs(error)),
              nrow(error), ncol(error)))
  z <- evidence(values, settings, n_draws)
  gap <- (z$log - bounds[at])[z$ess >= 50]
  cat(sprintf("log evidence less twill's bound in %d of %d genes (not where < 50 proposals are effective):\n", length(gap),
              nrow(z)))
  print(round(stats::quantile(gap, c(0, 0.05, 0.5, 0.95, 1)), 3))
}

some_genes <- function(settings, at) {
  counts <- matrix(readBin(settings$counts, "integer", settings$cells * settings$genes, endian = "little"), settings$genes)
  file <- sub("counts", "some", settings$counts)
  writeBin(as.integer(counts[at, ]), file, endian = "little")
  settings[c("level", "log_shape")] <- lapply(settings[c("level", "log_shape")], `[`, at)
  utils::modifyList(settings, list(counts = file, genes = length(at)))
}
