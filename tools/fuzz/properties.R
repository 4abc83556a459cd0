# What must hold for every fit, whatever its data: numbers that have a second way to them. A fit of the fuzzer is asked some of
# these; a difference is a finding.

# A list of texts, one per property that does not hold.
broken_properties <- function(fit, case, env) {
  kind <- if (inherits(fit, "twillgenes")) c(set_properties, kept_properties) else if (inherits(fit,
      "twill_by")) by_properties else
    if (is_plain_fit(fit)) c(fit_properties, one_properties, file_properties) else
    if (inherits(fit, "twill_merged")) merged_properties else if (inherits(fit, "twill_responses")) responses_properties
  unlist(lapply(names(kind), function(name) {
    same <- holds(kind[[name]], fit, case, env)
    if (!isTRUE(same)) paste0(name, ": ", paste(same, collapse = "; "))
  }))
}

# Refusals (a verb that this fit does not have) are no differences; what else goes wrong is one.
holds <- function(property, fit, case, env) {
  tryCatch(suppressMessages(suppressWarnings(property(fit, case, env))), twill_error = function(e) TRUE,
           error = function(e) paste("error:", first_line(e)))
}

# Of data in pieces the rows are no longer there: the density must be that of all of them.
merged_properties <- list(
  "pieces are the whole to the log density" = function(fit, case, env) {
    if (any(c("weights", "offset", "subset") %in% names(case$code))) return(TRUE)
    case$code$data <- quote(data)
    same_densities(fit, eval(case$code, env), up_to_constant = TRUE)
  })

responses_properties <- list(
  "new data that are the data, by response" = function(fit, case, env) {
    if (has_latent(case)) return(TRUE)
    own <- posterior_epred(fit)
    # A response that a row lacks has a prediction all the same.
    same_numbers(posterior_epred(fit, newdata = fit$data)[!is.na(own)], own[!is.na(own)])
  },
  "one response as a fit" = function(fit, case, env) {
    if (has_latent(case)) return(TRUE)
    name <- names(fit$responses)[1]
    one <- tw_response(fit, name)
    seen <- posterior_epred(fit, resp = name)
    same_numbers(posterior_epred(one), seen[, !is.na(colSums(seen)), drop = FALSE])
  },
  "log_lik is the sum over responses" = function(fit, case, env) {
    parts <- log_lik(fit, combine = FALSE)
    if (is.list(parts) || length(dim(parts)) != 3) return(TRUE)
    same_numbers(log_lik(fit), apply(parts, 1:2, sum, na.rm = TRUE))
  })

is_plain_fit <- function(fit) inherits(fit, "twillfit") && !inherits(fit, c("twill_responses", "twill_merged"))

# TRUE, or where two arrays of numbers differ by more than rounding.
same_numbers <- function(a, b, tolerance = 1e-8) {
  a <- as.vector(unclass(a))
  b <- as.vector(unclass(b))
  if (length(a) != length(b)) return(sprintf("%d numbers, and %d", length(a), length(b)))
  finite <- is.finite(a) & is.finite(b)
  if (!identical(finite, is.finite(a) | is.finite(b))) return("not finite in one of two")
  if (!any(finite)) return(TRUE)
  off <- abs(a - b)[finite]
  scale <- max(abs(a[finite]), abs(b[finite]))
  if (max(off) <= tolerance * scale) TRUE else sprintf("differ by %.3g of %.3g", max(off), scale)
}

# Whether responses say more of the fit's own rows than new data would have.
has_latent <- function(case) grepl("me[(]|mi[(]|fcor[(]", one_line(case$code))

is_weighted <- function(case) grepl("weights", one_line(case$code))

coefficient_draws <- function(fit) {
  draws <- as.matrix(fit)
  draws[, grepl("^b_", colnames(draws)) & !grepl("^b_(sigma|shape)_", colnames(draws)), drop = FALSE]
}

# One response ------------------------------------------------------------------------------------------------------------

fit_properties <- list(
  "new data that are the data" = function(fit, case, env) {
    if (has_latent(case)) return(TRUE)
    same_numbers(posterior_epred(fit, newdata = fit$data), posterior_epred(fit))
  },
  "new data that are the data, drawn" = function(fit, case, env) {
    if (has_latent(case)) return(TRUE)
    same_numbers(posterior_predict(fit, newdata = fit$data, seed = 1), posterior_predict(fit, seed = 1))
  },
  "new data in another order" = function(fit, case, env) {
    if (has_latent(case) || is.null(fit$data)) return(TRUE)
    n <- nrow(fit$data)
    same_numbers(posterior_linpred(fit, newdata = fit$data[rev(seq_len(n)), , drop = FALSE]), posterior_linpred(fit)[,
                                                            rev(seq_len(n))])
  },
  "population-level predictor is the matrix times coefficients" = function(fit, case, env) {
    if (has_latent(case) || grepl("tw_re|offset", one_line(case$code))) return(TRUE)
    same_numbers(posterior_linpred(fit, re_formula = NA), tcrossprod(coefficient_draws(fit), model.matrix(fit)), 1e-7)
  },
  "log_lik is the density of the family" = function(fit, case, env) {
    if (has_latent(case) || is_weighted(case) || grepl("se[(]", one_line(case$code))) return(TRUE)
    expected <- density_by_hand(fit)
    if (is.null(expected)) TRUE else same_numbers(log_lik(fit), expected, 1e-6)
  },
  "fitted is the mean of posterior_epred" = function(fit, case, env) {
    draws <- if (has_latent(case)) NULL else posterior_epred(fit)
    if (is.null(draws) || !all(is.finite(draws))) TRUE else same_numbers(fitted(fit)[, "Estimate"], colMeans(draws))
  },
  "fixef is the mean of draws" = function(fit, case, env) {
    if (has_latent(case)) return(TRUE)
    draws <- coefficient_draws(fit)
    same_numbers(fixef(fit, pars = sub("^b_", "", colnames(draws)))[, "Estimate"], colMeans(draws))
  },
  "waic by hand" = function(fit, case, env) {
    ll <- log_lik(fit)
    if (nrow(ll) < 2 || !all(is.finite(ll))) return(TRUE)
    by_hand <- apply(ll, 2, function(l) max(l) + log(mean(exp(l - max(l)))) - stats::var(l))
    same_numbers(waic(fit)$pointwise[, "elpd_waic"], by_hand, 1e-7)
  },
  "the order of rows is nothing to the log density" = function(fit, case, env) {
    if (!can_permute(case)) return(TRUE)
    other <- refit(case, env, data = env$data[rev(seq_len(nrow(env$data))), , drop = FALSE])
    same_densities(fit, other)
  },
  "names of levels are nothing to the draws" = function(fit, case, env) {
    data <- env$data
    if (!is.data.frame(data) || !is.character(data$g) || anyDuplicated(names(data)) || uses_levels(case)) return(TRUE)
    if (is.unsorted(order(sort(unique(data$g)), method = "radix"))) return(TRUE)
    other <- refit(case, env, data = within_g(data, paste0("q", data$g)))
    if (!keeps_order(data$g)) return(TRUE)
    same_numbers(fit$draws, other$draws, 0)
  },
  "threads are nothing to the draws" = function(fit, case, env) {
    if (!chance(0.3)) return(TRUE)
    case$code$threads <- NULL
    case$code$cores <- 3
    same_numbers(fit$draws, eval(case$code, env)$draws, 0)
  })

within_g <- function(data, values) {
  data[["g"]] <- values
  data
}

keeps_order <- function(g) {
  levels <- sort(unique(g))
  identical(order(paste0("q", levels)), order(levels)) && identical(order(paste0("q", levels), method = "radix"),
                                                            order(levels, method = "radix"))
}

# What looks at the levels of g by name.
uses_levels <- function(case) {
  given <- setdiff(names(case$code), c("", "data", "family", "chains", "iter", "seed", "silent"))
  grepl("mm[(]|[KQCRV][),]|relations|prior|subset|contrasts", one_line(case$code)) || any(c("prior", "subset", "contrasts",
                                                            "data2") %in% given)
}

can_permute <- function(case) {
  is.data.frame(case$data$data) && !anyDuplicated(names(case$data$data)) && !has_latent(case) &&
    !grepl("rnorm|[[]|factor[(]|ordered[(]", one_line(case$code[[2]])) && !any(c("weights", "offset",
                                                            "subset") %in% names(case$code))
}

# The call of a case again, with other data, and as few draws as there can be.
refit <- function(case, env, data) {
  own <- new.env(parent = env)
  own$data <- data
  eval(case$code, own)
}

# Log densities of two fits of one model at the same positions.
same_densities <- function(fit, other, up_to_constant = FALSE) {
  n <- n_coordinates(fit)
  if (is.na(n)) return(TRUE)
  positions <- lapply(1:3, function(i) sin(i * seq_len(n)) / 2)
  at <- function(fit) vapply(positions, function(q) tw_log_prob(fit, q), 0)
  a <- at(fit)
  b <- at(other)
  if (up_to_constant) same_numbers(a - a[1], b - b[1], 1e-6) else same_numbers(a, b, 1e-7)
}

# An error of tw_log_prob() says how many coordinates there are.
n_coordinates <- function(fit) {
  words <- tryCatch(tw_log_prob(fit, 0), error = conditionMessage)
  if (is.numeric(words)) return(1)
  as.integer(sub("[^0-9]*([0-9]+).*", "\\1", gsub("\\s+", " ", words)))
}

# Log densities of the rows under each draw, from means and dispersions; NULL where there is no simple form.
density_by_hand <- function(fit) {
  mean <- posterior_epred(fit)
  y <- matrix(rep(fit$design$y, each = nrow(mean)), nrow(mean))
  spread <- function(name) {
    if (!is.null(fit$formula$dispersion)) return(posterior_epred(fit, dpar = name))
    as.vector(as.matrix(fit)[, name])
  }
  switch(family(fit)$family, poisson = stats::dpois(y, mean, log = TRUE), gaussian = stats::dnorm(y, mean, spread("sigma"),
                                                            log = TRUE),
         negbinomial = stats::dnbinom(y, mu = mean, size = spread("shape"), log = TRUE))
}

# Genes -------------------------------------------------------------------------------------------------------------------

set_properties <- list(
  "a part of the genes" = function(fit, case, env) {
    if (dim(fit)[1] < 2) return(TRUE)
    c(same_numbers(fixef(fit[2]), fixef(fit, genes = 2)), same_numbers(posterior_epred(fit[2], seed = 1),
                                                            posterior_epred(fit, genes = 2, seed = 1))) |>
      all_true()
  },
  "one gene as a fit" = function(fit, case, env) {
    if (!is_sampled(fit) || ndraws(fit) < 15) return(TRUE)
    one <- tw_gene(fit, 1, silent = 2, seed = 1, chains = 1, iter = 100)
    near(fixef(one)[, "Estimate"], fixef(one)[, "Est.Error"], fixef(fit, genes = 1)[1, "Estimate", ], fixef(fit,
                                                            genes = 1)[1, "Est.Error", ])
  },
  "samples in another order" = function(fit, case, env) {
    if (!chance(0.3) || ndraws(fit) < 15 || !can_turn(case)) return(TRUE)
    own <- new.env(parent = env)
    turned <- rev(seq_len(ncol(env$x)))
    own$x <- env$x[, turned, drop = FALSE]
    own$samples <- env$samples[turned, , drop = FALSE]
    other <- eval(case$code, own)
    # Chains that have not converged say so, and may be anywhere.
    if (!is_sampled(fit) || !is_sampled(other)) return(TRUE)
    near(fixef(other, genes = 1)[1, "Estimate", ], fixef(other, genes = 1)[1, "Est.Error", ],
         fixef(fit, genes = 1)[1, "Estimate", ], fixef(fit, genes = 1)[1, "Est.Error", ])
  },
  "log_lik is the density of the family" = function(fit, case, env) {
    if (!identical(class(fit)[1], "twillgenes") || is_weighted(case)) return(TRUE)
    if (grepl("dispersion = ", one_line(case$code))) return(TRUE)
    mean <- posterior_epred(fit, genes = 1)
    mean <- matrix(mean, ncol = dim(fit)[2])
    # Responses are what residuals and means add up to: means that are too large leave no digits of them.
    if (any(mean > 1e8, na.rm = TRUE)) return(TRUE)
    draws <- as_draws_matrix(fit, genes = 1)
    y <- matrix(rep(given_values(fit), each = nrow(mean)), nrow(mean))
    expected <- switch(family(fit)$family, poisson = stats::dpois(y, mean, log = TRUE),
                       gaussian = stats::dnorm(y, mean, as.vector(draws[, "sigma"]), log = TRUE),
                       negbinomial = stats::dnbinom(y, mu = mean, size = as.vector(draws[, "shape"]), log = TRUE))
    same_numbers(log_lik(fit, genes = 1), expected, 1e-6)
  },
  "means of draws" = function(fit, case, env) {
    draws <- as_draws_matrix(fit, genes = 1)
    coefficients <- grepl("^b_", colnames(draws))
    same_numbers(colMeans(draws[, coefficients, drop = FALSE]), fixef(fit, genes = 1)[1, "Estimate", ], 1e-6)
  },
  "sane tables" = function(fit, case, env) {
    table <- tw_contrast(fit)
    fine <- !is.na(table$log2FoldChange)
    table <- table[fine, ]
    ok <- with(as.data.frame(table), c(
      "lfsr between 0 and 1" = all(lfsr >= 0 & lfsr <= 1, na.rm = TRUE),
        "svalue between 0 and 1" = all(svalue >= 0 & svalue <= 1, na.rm = TRUE),
      "interval in order" = all(lower <= upper, na.rm = TRUE), "se not negative" = all(lfcSE >= 0, na.rm = TRUE),
      "prob between 0 and 1" = all(prob >= 0 & prob <= 1, na.rm = TRUE)))
    if (all(ok)) TRUE else paste("not", names(ok)[!ok])
  })

# Whether nothing is said against the draws of the first gene.
is_sampled <- function(fit) isTRUE(fit$posterior$usable[1]) && tw_diagnostics(fit)$status[1] %in% c("ok", "few_counts")

# Means of two sets of few draws are no further apart than some posterior sds.
near <- function(a, sd_a, b, sd_b) {
  off <- abs(a - b) / (sd_a + sd_b + 1e-12)
  if (all(off < 4, na.rm = TRUE)) TRUE else sprintf("%s are %.3g sds apart", names(off)[which.max(off)], max(off, na.rm = TRUE))
}

# The values of the first gene, which its residuals and means give back.
given_values <- function(fit) as.vector(residuals(fit, genes = 1)) + as.vector(fitted(fit, genes = 1))

can_turn <- function(case) {
  is.matrix(case$data$x) && is.data.frame(case$data$samples) && identical(as.character(case$code[[1]]), "twill_genes") &&
    !anyDuplicated(names(case$data$samples)) && !any(c("weights", "offset", "size_factors", "by",
                                                       "data2") %in% names(case$code)) &&
    !grepl("rnorm|[[]", one_line(case$code[[3]]))
}

all_true <- function(x) {
  wrong <- setdiff(x, "TRUE")
  if (length(wrong)) wrong else TRUE
}
