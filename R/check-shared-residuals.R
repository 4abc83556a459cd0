# Residuals of samples for tw_shared_variation(): what the design leaves of each gene, whitened by the gene's own variances.
#
# A unit is what residuals are taken of: a sample, a leaf of cells, or all samples that agree in the design's categories where
# there are more than `max_units`. With v_g the covariance of log means over units that the fitted standard deviations and
# dispersion give, r_g = v_g^(-1/2) (log response - what the design tells) is white in the space that the design leaves.

max_units <- 200

# list(r, q, carry): r gene x unit; q a list with an orthonormal basis of each gene's design after whitening; `carry` takes a
# column over units to where residuals are, on average over genes. `parts` are those of residual_parts().
shared_residuals <- function(fit, at, parts) {
  response <- unit_responses(fit, at, parts)
  whitened <- lapply(seq_along(at), function(g) whiten_gene(response, parts, g))
  carries <- lapply(whitened, `[[`, "carry")
  q <- lapply(whitened, `[[`, "q")
  r <- without_shifts(do.call(rbind, lapply(whitened, `[[`, "r")), carries)
  # A gene with outliers counts, but not for many.
  limit <- sqrt(3 * (ncol(r) - vapply(q, ncol, 1L)))
  list(r = r * pmin(1, limit / pmax(sqrt(rowSums(r^2)), 1e-8)), q = q,
       carry = mean_over(carries, function(carry) carry / max(sqrt(sum(carry^2)), 1e-300)))
}

max_shared_genes <- 1000

# Genes whose counts tell something of single samples, or the 200 with most, evenly spaced.
residual_genes <- function(fit) {
  p <- fit$posterior
  known <- which(p$usable & is.finite(p$mean[1, ]) & !set_genes(fit) %in% pooled_gene(fit))
  if (has_counts(fit)) {
    total <- fit$job$scan$total[p$rows[known]]
    enough <- total >= 5 * n_samples(fit$job$source) | rank(-total, ties.method = "first") <= 200
    known <- known[enough & total > 0]
    known <- known[order(fit$job$scan$total[p$rows[known]])]
  }
  # Residuals are small matrices, whatever the number of rows and units.
  n_units <- min(max_units, n_samples(fit$job$source))
  most <- min(max_shared_genes, 1e7 / n_units^2, 2e7 / nrow(model_of(fit)$design$x))
  sort(known[unique(round(seq(1, length(known), length.out = min(length(known), most))))])
}

# Units and design -------------------------------------------------------------------------------------------------

# list(units, mean, x, rank, stays, kernels): `mean` is the matrix unit x row that takes averages over the rows of the model, `x`
# the units' columns of what is taken out, of rank `rank`, `kernels` the covariances of the effects that stay.
residual_parts <- function(fit) {
  units <- residual_units(fit)
  design <- model_of(fit)$design
  is_log <- has_counts(fit)
  mean <- averaging_matrix(units$of, if (is_log) exp(design$offset - max(design$offset)) else rep(1, nrow(design$x)))
  split <- split_effects(design)
  x <- as.matrix(mean %*% do.call(cbind, c(list(design$x), lapply(split$absorbed, `[[`, "columns"))))
  c(list(units = units, mean = mean, x = x, rank = qr(x)$rank, stays = split$stays),
    effect_kernels(design$terms, split$stays, mean))
}

# list(of, labels): the unit of each row of the model.
residual_units <- function(fit) {
  n <- nrow(model_of(fit)$design$x)
  # Guides of a gene are columns of their own, one set of samples after the other.
  if (max(1, fit$screen$guides$slot) > 1) {
    samples <- screen_samples(fit)
    return(list(of = rep_len(seq_along(samples), n), labels = samples))
  }
  if (n <= max_units) return(list(of = seq_len(n), labels = fit$job$source$samples))
  data <- model.frame.twillgenes(fit)
  # Donors may be numbers.
  groups <- unlist(lapply(model_of(fit)$design$terms, `[[`, "vars"))
  data <- data[vapply(data, is_category, TRUE) | names(data) %in% groups]
  if (length(data) == 0) return(list(of = rep(1L, n), labels = "all"))
  of <- combined_codes(lapply(data, as.factor))
  first <- data[match(seq_len(max(of)), of), , drop = FALSE]
  list(of = of, labels = do.call(paste, c(lapply(first, as.character), sep = " | ")))
}

# By exposure: a mean of counts weighs its parts so.
averaging_matrix <- function(of, weight) {
  Matrix::sparseMatrix(of, seq_along(of), x = weight / sums_by(weight, of, max(of))[of])
}

# Effects of levels that leave all population-level effects to be told, such as the baselines of donors that are seen under both
# conditions, are taken out with the design; others, such as the donors' responses, are noise of these effects and stay.
split_effects <- function(design) {
  x <- scale(design$x, scale = FALSE)
  blocks <- effect_blocks(design$terms)
  leaves_effects <- vapply(blocks, function(block) {
    matrix_rank(left_by_columns(x, cbind(1, block$columns))) == matrix_rank(x)
  }, TRUE)
  list(absorbed = blocks[leaves_effects], stays = blocks[!leaves_effects])
}

# One per coefficient of each term, and of each class of its levels.
effect_blocks <- function(terms) {
  of_class <- function(class, k) lapply(seq_along(class$term$coefs), function(j) {
    list(term = k, coef = j, scales = class$term, columns = level_columns(class$term, j, class$levels))
  })
  of_term <- function(k) unlist(lapply(classes_of(terms[[k]]), of_class, k = k), recursive = FALSE)
  unlist(lapply(seq_along(terms), of_term), recursive = FALSE)
}

# One column per level: where the level has the term's coefficient, and is one of `levels`.
level_columns <- function(term, j, levels) {
  out <- matrix(0, length(term$codes), length(term$levels))
  out[cbind(seq_along(term$codes), term$codes)] <- term$z[, j]
  out[, setdiff(seq_along(term$levels), levels)] <- 0
  out
}

# As a matrix, also of one column, which lm.fit() takes for a vector.
left_by_columns <- function(x, columns) as.matrix(stats::lm.fit(columns, x)$residuals)

matrix_rank <- function(x) {
  if (length(x) == 0) return(0L)
  size <- svd(x, 0, 0)$d
  sum(size > 1e-7 * max(size, sqrt(nrow(x)) * 1e-6))
}

# Each pair of coefficients that stay and are correlated, or one coefficient by itself, with its unit x unit covariance at sd 1.
effect_kernels <- function(terms, stays, mean) {
  columns <- lapply(stays, function(block) as.matrix(mean %*% block$columns))
  pairs <- list()
  for (a in seq_along(stays)) for (b in seq_len(a)) {
    term <- stays[[a]]$scales
    same <- stays[[a]]$term == stays[[b]]$term && identical(term$suffix, stays[[b]]$scales$suffix)
    if (!same || (a != b && !term$cor)) next
    product <- columns[[a]] %*% level_covariance_times(terms[[stays[[a]]$term]], t(columns[[b]]))
    coefs <- term$coefs[c(stays[[b]]$coef, stays[[a]]$coef)]
    pairs <- c(pairs, list(list(kernel = if (a == b) product else product + t(product), sds = sd_names(term, coefs),
                                cor = if (a != b) cor_name(term, coefs))))
  }
  list(kernels = pairs)
}

# The covariance of related levels times `x`, or `x`.
level_covariance_times <- function(term, x) {
  if (is.null(term$precision)) x else solve(precision_matrix(term), x)
}

# Responses ----------------------------------------------------------------------------------------------------------

# list(value, variance, kernel): gene x unit of the log response about what is taken out, its variance, and gene x kernel.
unit_responses <- function(fit, at, parts) {
  design <- model_of(fit)$design
  p <- fit$posterior
  means <- function(names) p$mean[match(names, p$names), at, drop = FALSE]
  effects <- function(block) {
    term <- design$terms[[block$term]]
    names <- effect_variables(term$group, term$levels, term$coefs[block$coef])
    block$columns %*% p$effects_mean[match(names, p$effect_names), at, drop = FALSE]
  }
  stays <- sum_of(lapply(parts$stays, effects))
  eta <- design$x %*% means(design$coef_names) + sum_of(lapply(effect_blocks(design$terms), effects))
  noise <- if (has_counts(fit)) count_noise(fit, at, eta, parts) else value_noise(fit, at, eta, parts)
  value <- noise$residual + if (length(parts$stays)) t(as.matrix(parts$mean %*% stays)) else 0
  kernel <- vapply(parts$kernels, kernel_sizes, numeric(length(at)), p = p, at = at)
  list(value = value, variance = noise$variance, kernel = matrix(kernel, length(at)))
}

sum_of <- function(parts) if (length(parts)) Reduce(`+`, parts) else 0

# E[sd_a sd_b cor] by posterior moments.
kernel_sizes <- function(part, p, at) {
  rows <- match(part$sds, p$names)
  if (rows[1] == rows[2]) return(p$mean[rows[1], at]^2 + p$sd[rows[1], at]^2)
  p$mean[rows[1], at] * p$mean[rows[2], at] * p$mean[match(part$cor, p$names), at]
}

# Quantile residuals of the units' sums, times the standard deviation of their logarithm.
count_noise <- function(fit, at, eta, parts) {
  rows <- fit$posterior$rows[at]
  weight <- row_weights(fit, rows)
  mean <- exp(eta + row_offsets(fit, rows))
  extra <- mean^2 * inverse_sizes(fit, at) / effective_cells(fit)
  used <- if (any(weight == 0)) (weight > 0) + 0 else 1
  expected <- unit_sums(parts, mean * used)
  variance <- unit_sums(parts, (mean + extra) * used / pmax(weight, 1e-300))
  observed <- unit_sums(parts, if (is.matrix(used)) source_values(fit, rows) * used else source_values(fit, rows))
  size <- expected^2 / pmax(variance - expected, expected * 1e-8)
  below <- stats::pnbinom(observed - 1, mu = expected, size = size)
  upto <- stats::pnbinom(observed, mu = expected, size = size)
  spread <- sqrt(variance) / expected
  is_seen <- expected > 0
  residual <- ifelse(is_seen, spread * draw_quantile_residuals(below, upto), 0)
  list(residual = t(matrix(residual, nrow(expected))), variance = t(matrix(ifelse(is_seen, spread^2, Inf), nrow(expected))))
}

value_noise <- function(fit, at, eta, parts) {
  rows <- fit$posterior$rows[at]
  weight <- row_weights(fit, rows)
  left <- as.matrix(source_values(fit, rows)) - eta - row_offsets(fit, rows)
  weight[is.na(left)] <- 0
  left[is.na(left)] <- 0
  total <- unit_sums(parts, weight)
  sigma2 <- gene_moments(fit, at, function(mean, sd) mean^2 + sd^2)
  list(residual = t(unit_sums(parts, weight * left) / pmax(total, 1e-300)),
       variance = t(ifelse(total > 0, unit_sums(parts, weight * sigma2) / pmax(total, 1e-300)^2, Inf)))
}

row_offsets <- function(fit, rows) {
  own <- fit$job$offset
  model_of(fit)$design$offset + if (is.null(dim(own))) 0 else t(own[rows, , drop = FALSE])
}

# row x gene.
row_weights <- function(fit, rows) {
  common <- matrix(model_of(fit)$design$weights %||% 1, nrow(model_of(fit)$design$x), length(rows))
  if (is.null(dim(fit$job$weights))) common else t(fit$job$weights[rows, , drop = FALSE])
}

inverse_sizes <- function(fit, at) gene_moments(fit, at, function(mean, sd) (1 + (sd / mean)^2) / mean)

# row x gene of f(mean, sd) of the dispersion, of what its regression gives at the means, or 0 without one.
gene_moments <- function(fit, at, f) {
  design <- model_of(fit)$design
  p <- fit$posterior
  n <- nrow(design$x)
  if (is.null(design$dispersion)) return(matrix(0, n, length(at)))
  if (!is.null(design$x_disp)) {
    return(f(exp(design$x_disp %*% p$mean[match(design$disp_names, p$names), at, drop = FALSE]), 0))
  }
  row <- match(design$dispersion, p$names)
  matrix(f(p$mean[row, at], p$sd[row, at]), n, length(at), byrow = TRUE)
}

# How many equal cells a leaf's cells are worth for the part of the variance that goes with the dispersion.
effective_cells <- function(fit) {
  if (fit$job$source$kind != "leaves") return(1)
  cells <- fit$job$cells
  n <- length(fit$job$source$samples)
  sums_by(exp(cells$log_capture), cells$leaf, n)^2 / sums_by(exp(2 * cells$log_capture), cells$leaf, n)
}

# row x gene, sparse where they are.
source_values <- function(fit, rows) {
  source <- source_genes(fit$job$source, rows)
  switch(source$kind, sparse = source$data, leaves = source$data$sums, dense_block(read_block(source)))
}

# unit x gene of sums over rows.
unit_sums <- function(parts, values) {
  of <- parts$units$of
  as.matrix(Matrix::sparseMatrix(of, seq_along(of), x = 1) %*% values)
}

# Whitening ----------------------------------------------------------------------------------------------------------

# list(r, q, carry) of one gene. A unit that is not seen has no residual.
whiten_gene <- function(response, parts, g) {
  variance <- response$variance[g, ]
  n <- length(variance)
  inverse <- if (length(parts$kernels) == 0) diag(1 / sqrt(variance), n) else {
    inverse_root(Reduce(`+`, Map(function(part, size) size * part$kernel, parts$kernels, response$kernel[g, ])), variance)
  }
  solved <- qr(inverse %*% parts$x)
  list(r = qr.resid(solved, drop(inverse %*% response$value[g, ])), carry = qr.resid(solved, inverse),
       q = qr.Q(solved)[, seq_len(solved$rank), drop = FALSE])
}

# The symmetric one, which keeps to units as well as any can.
inverse_root <- function(effects, variance) {
  known <- is.finite(variance)
  split <- eigen(effects[known, known] + diag(variance[known], sum(known)), symmetric = TRUE)
  out <- matrix(0, length(variance), length(variance))
  out[known, known] <- split$vectors %*% (t(split$vectors) / sqrt(split$values))
  out
}

# Takes out what all genes share as one number per unit, by least squares: a size factor that is off is no variation of genes.
without_shifts <- function(r, carries) {
  both <- mean_over(carries, crossprod)
  right <- Reduce(`+`, lapply(seq_along(carries), function(g) crossprod(carries[[g]], r[g, ]))) / nrow(r)
  split <- eigen(both, symmetric = TRUE)
  kept <- split$values > 1e-8 * split$values[1]
  vectors <- split$vectors[, kept, drop = FALSE]
  shift <- vectors %*% (crossprod(vectors, right) / split$values[kept])
  r - t(vapply(carries, function(carry) drop(carry %*% shift), numeric(ncol(r))))
}
