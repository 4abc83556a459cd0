# Values of further verbs over every door and family, against base R and loo on the draws: estimates, formats, the parts of the
# model, kinds of residuals, criteria, and the tables of many genes.

# The fits of small_fits() with what is known of them: the gene that is looked at, its draws, and the kind of its family.
over_fits <- function(f, leave = "g.screen") {
  fits <- small_fits()
  for (name in setdiff(names(fits), leave)) {
    fit <- fits[[name]]
    is_set <- is_set(fit)
    gene <- if (is_set) "gene2"
    kind <- family(fit)$family
    f(fit, gene, by_hand(fit, gene), if (kind %in% c("gaussian", "poisson")) kind else "negbinomial", name)
  }
}

same_of <- function(name) function(got, expected, ...) expect_equal(got, expected, ignore_attr = TRUE, info = name, ...)

response_of <- function(fit, gene, kind) {
  if (is.null(gene)) return(fit$data[[if (kind == "gaussian") "value" else "count"]])
  if (kind == "gaussian") log(gene_counts(6) + 1)[gene, ] else gene_counts(6)[gene, ]
}

test_that("coefficients, intervals, effective draws and formats are those of the draws", {
  over_fits(function(fit, gene, hand, kind, name) {
    same <- same_of(name)
    draws <- hand$draws
    type <- if (is.null(gene)) 7 else 6
    table <- fixef(fit, probs = c(0.1, 0.9))
    found <- if (is.null(gene)) t(table) else table[gene, , ]
    coefs <- draws[, 1:2]
    expected <- rbind(colMeans(coefs), apply(coefs, 2, sd), apply(coefs, 2, quantile, c(0.1, 0.9), type = type))
    same(unname(found), unname(expected))
    bounds <- confint(fit, level = 0.8)
    same(unname(if (is.null(gene)) t(bounds) else bounds[gene, , ]), unname(expected[3:4, ]))
    formats <- list(as_draws, as_draws_array, as_draws_df, as_draws_list, as_draws_matrix)
    for (format in formats) {
      got <- if (is.null(gene)) format(fit) else format(fit, genes = gene, variable = colnames(draws))
      same(unclass(posterior::as_draws_matrix(got))[, colnames(draws)], draws)
    }
    rvars <- if (is.null(gene)) as_draws_rvars(fit) else as_draws_rvars(fit, genes = gene)
    same(as.vector(posterior::draws_of(rvars$b_Intercept)), draws[, "b_Intercept"])
    expect_setequal(colnames(draws), intersect(variables(fit), colnames(draws)))
    if (is.null(gene)) {
      same(as.matrix(fit)[, colnames(draws)], draws)
      same(as.matrix(as.data.frame(fit))[, colnames(draws)], draws)
      same(matrix(as.array(fit), nrow(draws)), draws)
      same(log_posterior(fit)$Value, draws[, "lp__"])
      divergent <- subset(nuts_params(fit), Parameter == "divergent__")$Value
      same(glance(fit)$n_divergent, sum(divergent))
    } else {
      row <- glance(fit, genes = gene)
      same(c(row$pss, row$nobs, row$max_rhat), c(nrow(draws), nobs(fit), max(rhat(fit)[gene, ], na.rm = TRUE)))
      same(row$min_ess, min(neff_ratio(fit)[gene, ], na.rm = TRUE) * nrow(draws))
      same(as_draws_matrix(fit[gene, ], variable = "b_Intercept"), draws[, "b_Intercept"])
      both <- c(fit["gene3", ], fit[gene, ])
      expect_identical(list(dim(both), rownames(both)), list(c(2L, dim(fit)[2]), c("gene3", gene)), info = name)
      same(fixef(both)[gene, , ], fixef(fit)[gene, , ])
    }
  })
})

test_that("the parts of the model are those of stats", {
  over_fits(function(fit, gene, hand, kind, name) {
    frame <- if (is.null(gene)) fit$data else model.frame(fit)
    variable <- if (is.null(gene)) "x" else "condition"
    expect_identical(attr(terms(fit), "term.labels"), variable, info = name)
    expect_true(all(c(variable, hand$group) %in% all.vars(formula(fit))), info = name)
    expect_equal(unname(as.matrix(model.matrix(fit))), unname(model.matrix(reformulate(variable), frame)), ignore_attr = TRUE)
    expect_identical(as.numeric(df.residual(fit)), as.numeric(nobs(fit) - 2), info = name)
    expect_equal(family(fit)$linkinv(0.3), if (kind == "gaussian") 0.3 else exp(0.3), info = name)
    expect_true(all(weights(fit) %||% 1 == 1), info = name)
    classes <- prior_summary(fit)$class
    expect_true(all(c("b", "Intercept", "sd") %in% classes), info = name)
    dispersion <- switch(kind, gaussian = "sigma", negbinomial = "shape", poisson = character())
    expect_identical(intersect(c("sigma", "shape"), classes), dispersion, info = name)
  }, leave = c("g.screen", "c.poisson", "c.negbinomial"))
})

test_that("residuals of every kind are those of the draws", {
  over_fits(function(fit, gene, hand, kind, name) {
    same <- same_of(name)
    y <- response_of(fit, gene, kind)
    mu <- if (kind == "gaussian") hand$eta else exp(hand$eta)
    draws <- hand$draws
    if (!is.null(gene)) {
      # Of many genes at posterior means.
      mu <- rbind(if (kind == "gaussian") colMeans(hand$eta) else exp(colMeans(hand$eta)))
      draws <- rbind(colMeans(draws))
    }
    pearson <- (rep(y, each = nrow(mu)) - mu) / sqrt(variance_at(kind, mu, draws))
    got <- residuals(fit, type = "pearson")
    same(if (is.null(gene)) got[, "Estimate"] else got[gene, ], colMeans(pearson))
    below <- function(y) {
      y <- rep(y, each = nrow(mu))
      p <- switch(kind, gaussian = pnorm(y, mu, draws[, "sigma"]), poisson = ppois(y, mu),
                  negbinomial = pnbinom(y, mu = mu, size = draws[, "shape"]))
      colMeans(matrix(p, nrow(mu)))
    }
    got <- residuals(fit, type = "quantile", seed = 1)
    got <- pnorm(if (is.null(gene)) got else got[gene, ])
    if (kind == "gaussian") same(got, below(y))
    expect_true(all(got >= (if (kind == "gaussian") got else below(y - 1)) - 1e-9 & got <= below(y) + 1e-9), info = name)
  }, leave = c("g.screen", "c.poisson", "c.negbinomial"))
})

test_that("criteria of all doors are those of loo on the likelihoods of the draws", {
  over_fits(function(fit, gene, hand, kind, name) {
    same <- same_of(name)
    ll <- log_lik(fit)
    if (!is.null(gene)) ll <- ll[, , gene]
    reference <- suppressWarnings(loo::loo(unclass(ll), r_eff = rep(1, ncol(ll))))
    if (is.null(gene)) {
      # Chains have their own effective sizes, which move the smoothing of weights alone.
      found <- suppressWarnings(loo(fit))
      same(found$estimates["elpd_loo", "Estimate"], reference$estimates["elpd_loo", "Estimate"], tolerance = 0.02)
      compared <- suppressWarnings(loo_compare(fit, fit, model_names = c("a", "b")))
      same(compared[2, "elpd_diff"], 0)
      return(invisible())
    }
    found <- suppressWarnings(loo(fit, integrate = FALSE))
    same(found$pointwise[gene, c("elpd_loo", "p_loo")], colSums(reference$pointwise[, c("elpd_loo", "p_loo")]))
    by_unit <- suppressWarnings(waic(fit, by = if (startsWith(name, "c")) "leaf" else "sample"))
    same(sum(by_unit$pointwise[, "elpd_waic"]), suppressWarnings(waic(fit))$estimates["elpd_waic", "Estimate"])
  })
})

test_that("tables of contrasts, variances, means and spreads of many genes are those of the draws, in every family", {
  over_fits(function(fit, gene, hand, kind, name) {
    same <- same_of(name)
    draws <- hand$draws
    unit <- if (kind == "gaussian") 1 else log(2)
    effect <- draws[, "b_conditionstim"] / unit
    row <- as.data.frame(tw_contrast(fit, "conditionstim", adaptive = FALSE, prob = 0.8))[gene, ]
    same(unlist(row[intersect(c("log2FoldChange", "difference", "estimate"), names(row))][1]), mean(effect))
    same(row$lfcSE, sd(effect))
    # Ends are of a smoothed distribution: within their Monte Carlo error.
    expect_lt(max(abs(c(row$lower, row$upper) - quantile(effect, c(0.1, 0.9))) / sd(effect)), 0.35, label = name)
    # Signs, also where the sides are turned.
    turned <- as.data.frame(tw_contrast(fit, cond(condition = "ctrl") - cond(condition = "stim"), adaptive = FALSE))[gene, ]
    same(turned$lfsr, min(mean(effect > 0), mean(effect < 0)), tolerance = 0.15)
    has_slopes <- "sd_donor__conditionstim" %in% colnames(draws)
    # The engine hands out means over levels beside the levels' effects; fits of fake engines make both up.
    observed <- if (has_slopes) effect + draws[, "mean_r_donor__conditionstim"] / unit else effect
    row <- as.data.frame(tw_contrast(fit, "conditionstim", adaptive = FALSE, estimand = "observed"))[gene, ]
    same(c(row[[2]], row$lfcSE), c(mean(observed), sd(observed)))
    # Shares of the variance, by the formulas of Nakagawa and others (2017).
    x <- as.numeric(model.frame(fit)[[1]]) - 1
    parts <- list(condition = draws[, "b_conditionstim"]^2 * mean((x - mean(x))^2), donor = draws[, "sd_donor__Intercept"]^2)
    if (has_slopes) parts[["donor:conditionstim"]] <- draws[, "sd_donor__conditionstim"]^2 * mean(x^2)
    mean <- fit$posterior$base_mean[match(gene, rownames(fit))]
    parts$noise <- switch(kind, gaussian = draws[, "sigma"]^2, poisson = rep(trigamma(mean), nrow(draws)),
                          negbinomial = trigamma(1 / (1 / mean + 1 / draws[, "shape"])))
    shares <- vapply(parts, function(part) mean(part / Reduce(`+`, parts)), 0)
    same(unlist(as.data.frame(tw_variance(fit))[gene, names(parts)]), shares)
    # Means without size factors, which by_hand() has.
    eta <- hand$eta - if (kind == "gaussian") 0 else rep(log(fit$job$sizes$values), each = nrow(draws))
    means <- tw_means(fit, genes = gene)
    same(means$estimate, colMeans(if (kind == "gaussian") eta else exp(eta)))
    donors <- tw_draws(fit, "donor")
    same(donors[["d2", "d1"]][, gene], draws[, "r_donor[d2,Intercept]"] - draws[, "r_donor[d1,Intercept]"])
    if (has_slopes) {
      spread <- as.data.frame(tw_spread(fit))[gene, ]
      same(c(spread$baseline, spread$response), colMeans(draws[, c("sd_donor__Intercept", "sd_donor__conditionstim")]) / unit)
    }
  }, leave = c("g.screen", "s.gaussian", "s.poisson", "s.negbinomial"))
})

test_that("checks are drawn of what was observed, and summaries show the estimates", {
  over_fits(function(fit, gene, hand, kind, name) {
    same <- same_of(name)
    if (is.null(gene)) {
      plot <- pp_check(fit, type = "intervals", ndraws = 20, seed = 1)
      same(plot$data$y_obs, response_of(fit, gene, kind))
      same(summary(fit)$fixed[, "Estimate"], colMeans(hand$draws[, 1:2]))
    } else {
      shown <- summary(fit)$parameters
      same(shown["b_conditionstim", "50%"], median(fixef(fit)[, "Estimate", "conditionstim"]))
      if (startsWith(name, "g")) {
        plot <- pp_check(fit, type = "intervals", genes = gene, ndraws = 20, seed = 1)
        same(plot$data$y_obs, response_of(fit, gene, kind))
      }
    }
    expect_output(print(fit), if (is.null(gene)) "Population-level" else "Group|Design", info = name)
  })
})
