# The joint normal prior of a gene's coefficients, effect_prior = "mvn": beta_g ~ N(m, Sigma), m and Sigma learned over genes.
#
# It is that of the coefficients with the intercept at the means of the other columns, as all priors of coefficients are. With
# Sigma = D A A' D, D = diag(exp(d)) and A lower triangular with a unit diagonal, m, d and A below its diagonal are free numbers.

# The part, of all coefficients: that of a subset would hang on what is known of the others. `is_level` says which are levels of
# the response.
mvn_part <- function(model) {
  table <- model$parameters
  names <- model$design$coef_names
  rows <- match(names, table$variable)
  own <- names[table$source[rows] != "default"]
  if (length(own) > 0) {
    abort_twill("prior", c("{.code effect_prior = \"mvn\"} learns the prior of all coefficients.",
                           "x" = "{.arg prior} or {.arg design} state that of {.val {some(own)}}.",
                           "i" = "Leave it out; {.code effect_prior = \"normal\"} learns those that are not stated."))
  }
  list(kind = "mvn", variable = names, centre = t(centred_columns(model)), unit = column_units(model$design$x, TRUE),
       is_level = table$class[rows] == "Intercept" | constant_columns(model$design$x))
}

is_mvn <- function(part) part$kind == "mvn"

# The mvn part with `typical`: mean and sd over genes of their levels, from which learning starts.
with_typical_levels <- function(part, job, rows) {
  if (!is_mvn(part)) return(part)
  unit <- if (of_counts(job$model)) 1 else gaussian_unit(job, rows)
  levels <- rough_means(job, rows)
  if (of_counts(job$model)) levels <- log(pmax(levels, 1e-10))
  part$typical <- c(mean(levels), max(0.5 * unit, stats::sd(levels), na.rm = TRUE))
  part
}

# list(mean, d, root): the numbers of a part by what they are; `root` is A.
split_mvn <- function(par) {
  p <- mvn_size(length(par))
  root <- diag(p)
  root[lower.tri(root)] <- par[-seq_len(2 * p)]
  list(mean = unname(par[seq_len(p)]), d = unname(par[p + seq_len(p)]), root = root)
}

mvn_size <- function(n) round((sqrt(9 + 8 * n) - 3) / 2)

mvn_numbers <- function(mean, d, root, names) {
  pairs <- which(lower.tri(root), arr.ind = TRUE)
  stats::setNames(c(mean, d, root[lower.tri(root)]),
                  c(paste0("mean.", names), paste0("scale.", names), sprintf("root.%s.%s", names[pairs[, 1]], names[pairs[, 2]])))
}

mvn_covariance <- function(par) {
  own <- split_mvn(par)
  tcrossprod(exp(own$d) * own$root)
}

# The numbers that give this mean and covariance.
mvn_from <- function(mean, covariance, names) {
  root <- t(chol(covariance))
  mvn_numbers(mean, log(diag(root)), root / diag(root), names)
}

mvn_start <- function(part, unit) {
  p <- length(part$variable)
  scale <- ifelse(part$is_level, part$typical[2], unit)
  mvn_numbers(ifelse(part$is_level, part$typical[1], 0), log(scale), diag(p), part$variable)
}

# In small sets of genes the data say little: effects are about zero, of half a unit within a factor of twenty; correlations weak.
mvn_hyperprior <- function(part, unit) {
  p <- length(part$variable)
  n_pairs <- p * (p - 1) / 2
  scale <- ifelse(part$is_level, part$typical[2], 0.5 * unit)
  list(mean = c(ifelse(part$is_level, part$typical[1], 0), log(scale), numeric(n_pairs)),
       sd = c(ifelse(part$is_level, 5, 2) * unit * rep(1, p), rep(1.5, p), rep(1, n_pairs)))
}

widened_mvn <- function(par) {
  scales <- mvn_size(length(par)) + seq_len(mvn_size(length(par)))
  replace(par, scales, par[scales] + log(1.25))
}

# draws x genes x coefficients, the intercept where it is centred.
mvn_values <- function(part, piece) {
  at <- match(part$variable, piece$names)
  flat <- matrix(aperm(piece$draws[, at, , drop = FALSE], c(1, 3, 2)), ncol = length(at))
  array(flat %*% t(part$centre), c(dim(piece$draws)[c(1, 3)], length(at)))
}

# Standardised values: w = D^-1 (beta - m) and e = A^-1 w, one column per draw and gene.
mvn_standard <- function(values, own) {
  w <- (t(matrix(values, ncol = length(own$mean))) - own$mean) * exp(-own$d)
  list(w = w, e = forwardsolve(own$root, w))
}

mvn_density <- function(values, par) {
  own <- split_mvn(par)
  matrix(-sum(own$d) - 0.5 * colSums(mvn_standard(values, own)$e^2), dim(values)[1])
}

# With f = A'^-1 e: by m f / exp(d), by d w f - 1, by A_ij f_i e_j.
mvn_score <- function(values, par, weights) {
  own <- split_mvn(par)
  at <- mvn_standard(values, own)
  f <- forwardsolve(own$root, at$e, upper.tri = FALSE, transpose = TRUE)
  weighted <- f * rep(as.vector(weights), each = nrow(f))
  of_root <- tcrossprod(weighted, at$e)
  c(rowSums(weighted) * exp(-own$d), rowSums(weighted * at$w) - sum(weights), of_root[lower.tri(of_root)])
}

# Mean and covariance of one gene's coefficients when the numbers have this covariance about `par`: that of m is added, and
# Sigma is its mean. Sigma_ij is the sum over k of exp(d_i + d_j) A_ik A_jk with all of these jointly normal.
integrate_mvn <- function(par, covariance) {
  p <- mvn_size(length(par))
  own <- split_mvn(par)
  d <- p + seq_len(p)
  place <- matrix(NA_integer_, p, p)
  place[lower.tri(place)] <- 2L * p + seq_len(p * (p - 1) / 2)
  # The diagonal of A is known.
  with_place <- function(i, at) if (is.na(i)) 0 else sum(covariance[i, at])
  between <- function(i, j) if (is.na(i) || is.na(j)) 0 else covariance[i, j]
  mean_of <- function(i, j) {
    at <- d[c(i, j)]
    terms <- vapply(seq_len(min(i, j)), function(k) {
      a <- own$root[i, k] + with_place(place[i, k], at)
      b <- own$root[j, k] + with_place(place[j, k], at)
      a * b + between(place[i, k], place[j, k])
    }, 0)
    exp(own$d[i] + own$d[j] + sum(covariance[at, at]) / 2) * sum(terms)
  }
  mean_covariance <- outer(seq_len(p), seq_len(p), Vectorize(mean_of))
  whole <- mean_covariance + covariance[seq_len(p), seq_len(p)]
  stats::setNames(unname(mvn_from(own$mean, whole, rep("", p))), names(par))
}

# Into the engine -----------------------------------------------------------------------------------------------------

# list(mean, root, names): beta = mean + root u with u standard normal, of the coefficients as they are; NULL without such a
# prior. The root is upper triangular, so that the column of the intercept stays constant.
mvn_frame <- function(shared) {
  k <- which(vapply(shared$parts, is_mvn, NA))
  if (length(k) == 0) return(NULL)
  part <- shared$parts[[k]]
  back <- solve(part$centre)
  covariance <- back %*% mvn_covariance(shared$par[[k]]) %*% t(back)
  turned <- rev(seq_len(nrow(covariance)))
  root <- t(chol(covariance[turned, turned]))[turned, turned, drop = FALSE]
  list(mean = drop(back %*% split_mvn(shared$par[[k]])$mean), root = root, covariance = covariance, names = part$variable)
}

# The model of u: other columns, an offset, and standard normal priors.
in_frame <- function(model, frame) {
  if (is.null(frame)) return(model)
  design <- model$design
  design$offset <- design$offset + drop(design$x %*% frame$mean)
  design$x <- design$x %*% frame$root
  colnames(design$x) <- colnames(model$design$x)
  at <- match(frame$names, model$parameters$variable)
  model$parameters$parsed[at] <- list(list(dist = "normal", args = c(0, 1), half = FALSE))
  model$design <- design
  model$spec_json <- to_json(new_spec(design, model$family, model$parameters, "raw", FALSE))
  model
}

# Draws of beta from those of u. R-hat and effective draws of each are the worst of all, as each is a sum of these.
out_of_frame <- function(result, frame) {
  if (is.null(frame)) return(result)
  at <- match(frame$names, result$names)
  size <- dim(result$draws)[c(1, 3)]
  u <- matrix(aperm(result$draws[, at, , drop = FALSE], c(1, 3, 2)), ncol = length(at))
  beta <- u %*% t(frame$root) + rep(frame$mean, each = nrow(u))
  result$draws[, at, ] <- aperm(array(beta, c(size, length(at))), c(1, 3, 2))
  worst <- function(values, choose) rep(apply(values[at, , drop = FALSE], 2, choose), each = length(at))
  if (!is.null(result$rhat)) result$rhat[at, ] <- worst(result$rhat, max)
  if (!is.null(result$ess)) result$ess[at, ] <- worst(result$ess, min)
  result
}
