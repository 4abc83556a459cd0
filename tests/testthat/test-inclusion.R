# tw_inclusion(): against enumeration written out set by set, copies of variants, learned priors, and what is refused.

# All pairs of sets of two studies, one by one; Bayes factors from multivariate normal densities of z.
brute_force <- function(z, correlations, prob, scale, max, share) {
  m <- nrow(z)
  sets <- Filter(function(c) length(c) <= max, lapply(0:(2^m - 1), function(b) which(bitwAnd(b, 2^(0:(m - 1))) > 0)))
  log_density <- function(z, v) {
    root <- chol(v)
    -sum(log(diag(root))) - sum(backsolve(root, z, transpose = TRUE)^2) / 2
  }
  value <- function(s) vapply(sets, function(c) {
    r <- correlations[[s]]
    log_density(z[, s], r + scale^2 * r[, c, drop = FALSE] %*% r[c, , drop = FALSE])
  }, 0)
  one <- exp(value(1) - value(1)[1])
  two <- exp(value(2) - value(2)[1])
  p11 <- prob * share
  p10 <- prob - p11
  p00 <- 1 - 2 * prob + p11
  mass <- prior <- shared <- 0
  pip1 <- pip2 <- both <- mean1 <- numeric(m)
  own <- numeric(length(sets))
  for (i in seq_along(sets)) for (j in seq_along(sets)) {
    a <- sets[[i]]
    b <- sets[[j]]
    n_both <- length(intersect(a, b))
    n_one <- length(a) + length(b) - 2 * n_both
    p <- p11^n_both * p10^n_one * p00^(m - n_both - n_one)
    w <- p * one[i] * two[j]
    prior <- prior + p
    mass <- mass + w
    own[i] <- own[i] + w
    pip1[a] <- pip1[a] + w
    pip2[b] <- pip2[b] + w
    both[intersect(a, b)] <- both[intersect(a, b)] + w
    if (n_both > 0) shared <- shared + w
    if (length(a)) {
      r <- correlations[[1]][a, a, drop = FALSE]
      mean1[a] <- mean1[a] + w * solve(r + diag(length(a)) / scale^2, z[a, 1])
    }
  }
  # The first few variants by PIP that hold all of a set in 19 of 20 cases in which there is one.
  by_pip <- order(pip1, decreasing = TRUE)
  held <- vapply(seq_len(m), function(k) sum(own[-1][vapply(sets[-1], function(c) all(c %in% by_pip[1:k]), NA)]), 0)
  in_set1 <- seq_len(m) %in% by_pip[seq_len(which(held >= 0.95 * sum(own[-1]))[1])]
  list(pip1 = pip1 / mass, pip2 = pip2 / mass, both = both / mass, mean1 = mean1 / mass, shared = shared / mass,
       any1 = 1 - own[1] / mass, in_set1 = in_set1, log_evidence = log(mass / prior))
}

ld_matrix <- function(m, r = 0.8) {
  out <- r^abs(outer(seq_len(m), seq_len(m), "-"))
  dimnames(out) <- rep(list(paste0("rs", seq_len(m))), 2)
  out
}

locus_z <- function(ld, effects, seed) {
  with_fixed_seed(seed, {
    z <- ld %*% effects + t(chol(ld + diag(1e-9, nrow(ld)))) %*% matrix(stats::rnorm(length(effects)), nrow(ld))
    colnames(z) <- c("eqtl", "gwas")[seq_len(ncol(z))]
    z
  })
}

test_that("two studies agree with all pairs of sets, written out", {
  ld <- ld_matrix(6)
  other <- ld_matrix(6, 0.5)
  z <- locus_z(ld, cbind(c(0, 4, 0, 0, 2, 0), c(0, 3, 0, 0, 0, 0)), 1)
  for (max in 1:3) for (share in c(0.05, 0.4)) {
    res <- tw_inclusion(z, list(ld, other), tw_spike_slab(0.05, 2, max), share = share)
    expected <- brute_force(z, list(ld, other), 0.05, 2, max, share)
    expect_equal(res$pip_eqtl, expected$pip1)
    expect_equal(res$pip_gwas, expected$pip2)
    expect_equal(res$both, expected$both)
    expect_equal(res$mean_eqtl, expected$mean1)
    expect_identical(res$in_set_eqtl, expected$in_set1)
    expect_equal(attr(res, "loci")$any_eqtl, expected$any1)
    expect_equal(attr(res, "loci")$shared, expected$shared)
    expect_equal(attr(res, "loci")$log_evidence, expected$log_evidence)
    if (share == 0.05) expect_equal(res$both, res$clpp)
  }
})

test_that("one study is what two of which one says nothing are, and z may be a vector", {
  ld <- ld_matrix(8)
  z <- locus_z(ld, matrix(c(0, 0, 5, 0, 0, 0, 0, 0)), 2)
  res <- tw_inclusion(drop(z), ld, tw_spike_slab(0.02))
  empty <- cbind(a = drop(z), b = 0)
  pair <- tw_inclusion(empty, ld, tw_spike_slab(0.02))
  expect_equal(res$pip, pair$pip_a)
  expect_identical(res$variant, paste0("rs", 1:8))
  expect_true(res$in_set[3])
  expect_gt(attr(res, "loci")$any, 0.95)
})

test_that("sds of effects are those of draws from the posterior over sets", {
  ld <- ld_matrix(4)
  z <- drop(locus_z(ld, matrix(c(2, 0, 1, 0)), 3))
  res <- tw_inclusion(z, ld, tw_spike_slab(0.2, 1.5, max = 4))
  sets <- lapply(0:15, function(b) which(bitwAnd(b, 2^(0:3)) > 0))
  moments <- lapply(sets, function(c) {
    if (length(c) == 0) return(list(weight = 0.8^4, mean = rep(0, 4), square = rep(0, 4)))
    precision <- ld[c, c, drop = FALSE] + diag(length(c)) / 1.5^2
    mean <- square <- numeric(4)
    mean[c] <- solve(precision, z[c])
    square[c] <- mean[c]^2 + diag(solve(precision))
    weight <- 0.2^length(c) * 0.8^(4 - length(c)) * exp(sum(z[c] * mean[c]) / 2) / sqrt(det(1.5^2 * precision))
    list(weight = weight, mean = mean, square = square)
  })
  weight <- vapply(moments, `[[`, 0, "weight")
  over <- function(what) drop(vapply(moments, `[[`, numeric(4), what) %*% weight) / sum(weight)
  expect_equal(res$mean, over("mean"))
  expect_equal(res$sd, sqrt(over("square") - over("mean")^2))
  # The credible set is of the cases with an effect, which here are not all.
  expect_lt(attr(res, "loci")$any, 0.95)
  by_pip <- order(res$pip, decreasing = TRUE)
  held <- vapply(1:4, function(k) sum(weight[-1][vapply(sets[-1], function(c) all(c %in% by_pip[1:k]), NA)]), 0)
  for (level in c(0.5, 0.7, 0.9)) {
    in_set <- tw_inclusion(z, ld, tw_spike_slab(0.2, 1.5, max = 4), level = level)$in_set
    expect_identical(in_set, 1:4 %in% by_pip[seq_len(which(held >= level * sum(weight[-1]))[1])])
  }
})

test_that("copies of a variant share its probability", {
  ld <- ld_matrix(5)
  twice <- ld[c(1:3, 3:5), c(1:3, 3:5)]
  z <- drop(locus_z(ld, matrix(c(0, 0, 6, 0, 0)), 4))
  alone <- tw_inclusion(unname(z), unname(ld), tw_spike_slab(0.01, max = 1))
  copied <- tw_inclusion(unname(z[c(1:3, 3:5)]), unname(twice), tw_spike_slab(0.01, max = 1))
  expect_equal(copied$pip[3], copied$pip[4])
  # The copy doubles its odds.
  expect_equal(sum(copied$pip[3:4]), 2 * alone$pip[3] / (1 + alone$pip[3]))
  expect_true(all(is.finite(unlist(tw_inclusion(unname(z[c(1:3, 3:5)]), unname(twice))[c("pip", "mean", "sd")]))))
})

test_that("sharing is learned over loci: where their evidence is largest", {
  ld <- ld_matrix(6, 0.6)
  prior <- tw_spike_slab(0.15, 5)
  learned <- function(z) {
    evidence <- function(share) sum(attr(tw_inclusion(z, rep(list(ld), length(z)), prior, share = share), "loci")$log_evidence)
    found <- attr(tw_inclusion(z, rep(list(ld), length(z)), prior, learn = "share"), "share")
    expect_gt(evidence(found), max(vapply(c(found - 0.03, min(found + 0.03, 0.9999), 0.9999), evidence, 0)))
    found
  }
  truth <- with_fixed_seed(6, lapply(1:100, function(i) {
    repeat {
      first <- stats::runif(6) < 0.15
      second <- stats::runif(6) < ifelse(first, 0.6, 0.15 * 0.4 / 0.85)
      if (max(sum(first), sum(second)) <= 2) break
    }
    cbind(first, second) * stats::rnorm(12, 0, 5)
  }))
  # Some 85 variants with an effect, of which a fifth hardly shows: a standard error of 0.08 from the curvature of the evidence.
  expect_lt(abs(learned(lapply(1:100, function(i) locus_z(ld, truth[[i]], i))) - 0.6), 0.24)
  # The evidence is flat towards 1, beyond its maximum.
  first <- c(0, 6, 0, 0, 0, 0)
  expect_lt(learned(lapply(1:40, function(i) locus_z(ld, cbind(first, if (i <= 30) first else rev(first)), i))), 0.99)
})

test_that("a prior is learned over loci, and its labels are calibrated", {
  skip_unless_slow()
  ld <- ld_matrix(12, 0.6)
  truth <- with_fixed_seed(5, lapply(1:300, function(i) {
    first <- stats::runif(12) < 0.05
    second <- ifelse(first, stats::runif(12) < 0.6, stats::runif(12) < 0.05 * 0.4 / 0.95)
    cbind(first, second)
  }))
  z <- lapply(1:300, function(i) locus_z(ld, truth[[i]] * with_fixed_seed(1000 + i, matrix(stats::rnorm(24, 0, 4), 12)), i))
  names(z) <- paste0("l", 1:300)
  res <- tw_inclusion(z, rep(list(ld), 300), tw_spike_slab(0.02, 2, max = 3), learn = c("prob", "scale", "share"))
  # Three standard errors of some 180 variants with an effect per study.
  expect_lt(abs(log(attr(res, "prior")$prob / 0.05)), 0.35)
  expect_lt(abs(log(attr(res, "prior")$scale / 4)), 0.25)
  expect_lt(abs(attr(res, "share") - 0.6), 0.25)
  is_causal <- unlist(lapply(truth, function(t) t[, 1]))
  error <- sqrt(sum(res$pip_eqtl * (1 - res$pip_eqtl)))
  expect_lt(abs(sum(is_causal) - sum(res$pip_eqtl)) / error, 4)
  sure <- res$pip_eqtl > 0.5
  expect_lt(abs(sum(is_causal[sure]) - sum(res$pip_eqtl[sure])) / sqrt(sum((res$pip_eqtl * (1 - res$pip_eqtl))[sure])), 4)
  expect_identical(res$locus[13], "l2")
})

test_that("bad input is refused by name", {
  ld <- ld_matrix(5)
  z <- rep(1, 5)
  refused <- function(code, text) expect_error(code, text, class = "twill_error")
  refused(tw_inclusion(c(z[-1], NA), ld), "finite")
  refused(tw_inclusion(c(z[-1], -1e200), ld), "at most 1e\\+06 in size")
  refused(tw_inclusion(z, ld[-1, -1]), "4 x 4")
  refused(tw_inclusion(z, 2 * ld), "diagonal")
  refused(tw_inclusion(stats::setNames(z, paste0("rs", 2:6)), ld), "rs6")
  refused(tw_inclusion(z, ld, share = 0.5), "one")
  refused(tw_inclusion(cbind(a = z, b = z), ld, share = 0.001), "share")
  refused(tw_inclusion(cbind(z, z, -z), ld), "two")
  refused(tw_inclusion(list(z, z), list(ld)), "2 loci")
  refused(tw_inclusion(list(z), list(ld), learn = "prob"), "ten loci")
  refused(tw_inclusion(z, ld, prior = 3), "tw_spike_slab")
  refused(tw_spike_slab(prob = 0.7), "prob")
  expect_warning(tw_inclusion(rep(c(0.01, 0.5), 5), diag(10)), "p-values", class = "twill_warning_inclusion")
  refused(tw_inclusion(rnorm(400), diag(400), tw_spike_slab(max = 4)), "too many sets")
  bad <- ld
  bad[1, 2] <- bad[2, 1] <- -1
  bad[1, 3] <- bad[3, 1] <- 1
  refused(tw_inclusion(z, bad, tw_spike_slab(scale = 1e6, max = 3)), "smallest eigenvalue")
  # A little below what is possible, as by rounding, is taken where no set of variants meets it.
  bad <- matrix(-0.54, 3, 3)
  diag(bad) <- 1
  expect_error(tw_inclusion(c(1, 1, 1), bad, tw_spike_slab(scale = 1e6, max = 3)), "positive semidefinite",
               class = "twill_error_inclusion")
})

test_that("names of variants order the correlations, and a table prints and plots", {
  ld <- ld_matrix(5)
  z <- stats::setNames(c(1, 2, 5, 1, 0), rownames(ld))
  expect_equal(tw_inclusion(z, ld)$pip, tw_inclusion(z, ld[5:1, 5:1])$pip)
  res <- tw_inclusion(cbind(a = z, b = z), ld, share = 0.5)
  expect_output(print(res), "effects with probability 0.01.*some effect: 1, 1")
  expect_s3_class(plot(res), "ggplot")
})
