# Values of verbs over every door and family, against what base R makes of the draws and the data: y ~ x + (1 | group) or more.

test_that("predictions, errors, likelihoods and criteria of rows are those of the draws", {
  fits <- small_fits()
  for (name in grep("screen|^c", names(fits), value = TRUE, invert = TRUE)) {
    fit <- fits[[name]]
    is_set <- inherits(fit, "twillgenes")
    gene <- if (is_set) "gene2"
    hand <- by_hand(fit, gene)
    of <- function(values) unname(if (is_set) slice(values, gene, "last") else unclass(values))
    kind <- family(fit)$family
    kind <- if (kind %in% c("gaussian", "poisson")) kind else "negbinomial"
    y <- if (!is_set) fit$data[[if (kind == "gaussian") "value" else "count"]] else
      if (kind == "gaussian") log(gene_counts(6) + 1)[gene, ] else gene_counts(6)[gene, ]
    mu <- if (kind == "gaussian") hand$eta else exp(hand$eta)
    same <- function(got, expected, ...) expect_equal(got, expected, ignore_attr = TRUE, info = name, ...)
    same(of(posterior_linpred(fit)), hand$eta)
    same(of(posterior_epred(fit)), mu)
    log_lik <- matrix(log_density(kind, y, hand$eta, hand$draws), nrow(mu))
    same(of(log_lik(fit)), log_lik)
    # The criterion of Watanabe.
    lpd <- log(colMeans(exp(log_lik))) - apply(log_lik, 2, var)
    found <- suppressWarnings(waic(fit))
    same(if (is_set) found$pointwise[gene, 1] else found$pointwise[, "elpd_waic"], if (is_set) sum(lpd) else lpd)
    # Predictions and their errors are of the same draws under one seed; means within Monte Carlo error.
    yrep <- of(posterior_predict(fit, seed = 1))
    same(of(predictive_error(fit, seed = 1)), rep(y, each = nrow(yrep)) - yrep)
    error <- sqrt(colMeans(variance_at(kind, mu, hand$draws)) / nrow(mu))
    expect_true(all(abs(colMeans(yrep) - colMeans(mu)) < 4.5 * error), info = name)
    predicted <- predict(fit, seed = 1)
    same(if (is_set) predicted[gene, "Estimate", ] else predicted[, "Estimate"], colMeans(yrep))
    interval <- predictive_interval(fit, prob = 0.8, seed = 1)
    bounds <- apply(yrep, 2, quantile, c(0.1, 0.9), type = if (is_set) 6 else 7)
    same(as.vector(if (is_set) interval[gene, , ] else interval), as.vector(if (is_set) bounds else t(bounds)))
    # What a fit expects: at the posterior mean on the scale of the link for genes, the mean of the response for one.
    center <- if (is_set && kind != "gaussian") exp(colMeans(hand$eta)) else colMeans(mu)
    found <- if (is_set) fitted(fit)[gene, ] else fitted(fit)[, "Estimate"]
    same(found, center)
    found <- if (is_set) residuals(fit)[gene, ] else residuals(fit)[, "Estimate"]
    same(found, y - center)
    rows <- if (is_set) augment(fit, genes = gene) else augment(fit)
    same(rows$.fitted, colMeans(mu))
    # Gelman and others (2019), with the variance of residuals.
    explained <- apply(mu, 1, var)
    left <- apply(rep(y, each = nrow(mu)) - mu, 1, var)
    r2 <- bayes_R2(fit)
    same(if (is_set) r2[gene, "Estimate"] else r2[, "Estimate"], mean(explained / (explained + left)))
  }
})

test_that("estimates, groups, sizes and convergence of all doors are those of the draws", {
  fits <- small_fits()
  for (name in setdiff(names(fits), "g.screen")) {
    fit <- fits[[name]]
    is_set <- inherits(fit, "twillgenes")
    gene <- if (is_set) "gene2"
    hand <- draws_by_name(fit, gene)
    same <- function(got, expected, ...) expect_equal(got, expected, ignore_attr = TRUE, info = name, ...)
    group <- if (is_set) "donor" else "g"
    levels <- sub(",Intercept.*", "", sub(".*\\[", "", grep(",Intercept\\]$", colnames(hand), value = TRUE)))
    effects <- hand[, sprintf("r_%s[%s,Intercept]", group, levels)]
    of_levels <- function(x) {
      values <- x[[group]]
      if (is_set) values[gene, "Estimate", levels, "Intercept"] else values[levels, "Estimate", "Intercept"]
    }
    same(of_levels(ranef(fit)), colMeans(effects))
    same(of_levels(coef(fit)), colMeans(effects + hand[, "b_Intercept"]))
    sd <- sprintf("sd_%s__Intercept", group)
    found <- VarCorr(fit)[[group]]$sd
    same(if (is_set) found[gene, "Estimate", "Intercept"] else found["Intercept", "Estimate"], mean(hand[, sd]))
    same(c(ndraws(fit), nchains(fit) * niterations(fit)), rep(nrow(hand), 2))
    same(nvariables(fit), length(variables(fit)))
    same(unlist(ngrps(fit)), length(levels))
    covariance <- vcov(fit)
    same(as.vector(if (is_set) covariance[gene, , ] else covariance), as.vector(cov(hand[, 1:2])))
    interval <- posterior_interval(fit, prob = 0.5)
    bounds <- t(apply(hand[, 1:2], 2, quantile, c(0.25, 0.75), type = if (is_set) 6 else 7))
    found <- if (is_set) interval[gene, , ] else t(interval[colnames(hand)[1:2], ])
    same(as.vector(found), as.vector(t(bounds)))
    chains <- if (is_set) as_draws_array(fit, genes = gene, variable = "b_Intercept") else as_draws_array(fit, "b_Intercept")
    found <- rhat(fit)
    found <- as.numeric(if (is_set) found[gene, 1] else found["b_Intercept"])
    same(found, posterior::rhat(unclass(chains)[, , 1]), tolerance = 0.02)
    table <- tidy(fit)
    at <- which(if (is_set) table$gene == gene else !is.na(table$term))[1:2]
    same(c(table$estimate[at], table$std.error[at]), c(colMeans(hand[, 1:2]), apply(hand[, 1:2], 2, stats::sd)))
    same(sigma(fit)[if (is_set && family(fit)$family == "gaussian") gene else 1],
         if ("sigma" %in% colnames(hand)) mean(hand[, "sigma"]) else 1)
    same(nobs(fit), c(s = 40, g = 10, c = 6)[[substr(name, 1, 1)]])
  }
})
