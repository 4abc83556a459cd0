# Questions about effects and variance of one response, and numbers that must be found by two ways.

one_contrasts <- list(
  contrast = any_of(c("f", "l2", "l1"), "fl2", "x", cond(f = "l2") - cond(f = "l1"), cond(x = 1) - cond(x = 0), "fl2 - x", 1,
                    c(1, -1), "nothing", cond(f = "l1"), "Intercept", cond(nothing = 1) - cond(nothing = 0), NULL, tw_each("f"),
                    list(a = "fl2", b = "x"), tw_each("g"), cond(f = "l2", .average = TRUE) - cond(f = "l1", .average = TRUE)),
  lfc_threshold = any_of(0.5, 0, -1, NA), estimand = any_of("observed", "new_donor", "population", "nothing"),
  prob = any_of(0.5, 0.9, 0, 1, 2), log2 = any_of(TRUE, FALSE, NA), by = any_of("g", "h", c("g", "h"), "f", "nothing", 1, TRUE))

# A coefficient that has no part in interactions, by name.
plain_coefficient <- function(fit) {
  names <- setdiff(sub("^b_", "", colnames(coefficient_draws(fit))), "Intercept")
  names <- grep("[^A-Za-z0-9]", names, value = TRUE, invert = TRUE)
  if (length(names)) names[1]
}

is_count_fit <- function(fit) family(fit)$family != "gaussian"

one_properties <- list(
  "the contrast of a coefficient is that coefficient" = function(fit, case, env) {
    name <- plain_coefficient(fit)
    if (is.null(name) || has_latent(case) || grepl("tw_re|[(]NA", one_line(case$code))) return(TRUE)
    unit <- if (is_count_fit(fit)) log(2) else 1
    draws <- coefficient_draws(fit)[, paste0("b_", name)]
    table <- as.data.frame(tw_contrast(fit, name))
    all_true(c(same_numbers(table$estimate * unit, mean(draws), 1e-7),
               same_numbers(table$se * unit, if (length(draws) > 1) stats::sd(draws) else NA, 1e-7)))
  },
  "the same in natural logarithms" = function(fit, case, env) {
    name <- plain_coefficient(fit)
    if (is.null(name) || !is_count_fit(fit)) return(TRUE)
    a <- as.data.frame(tw_contrast(fit, name))
    b <- as.data.frame(tw_contrast(fit, name, log2 = FALSE))
    all_true(c(same_numbers(a$upper * log(2), b$upper), same_numbers(a$lfsr, b$lfsr)))
  },
  "a contrast turned round" = function(fit, case, env) {
    name <- plain_coefficient(fit)
    if (is.null(name)) return(TRUE)
    a <- as.data.frame(tw_contrast(fit, name))
    b <- as.data.frame(tw_contrast(fit, paste0("-", name)))
    all_true(c(same_numbers(a$lower, -b$upper), same_numbers(a$lfsr, b$lfsr)))
  },
  "shares of variance are one" = function(fit, case, env) {
    table <- as.data.frame(tw_variance(fit, long = TRUE))
    at <- grep("share|estimate|mean", names(table), value = TRUE)[1]
    if (is.na(at)) return(paste("columns", toString(names(table))))
    share <- sum(table[[at]])
    if (is.na(share) || abs(share - 1) < 1e-6) TRUE else paste("sum", share)
  },
  "engines agree" = function(fit, case, env) {
    if (!chance(0.08) || any(c("method", "control", "thin", "warmup") %in% names(case$code))) return(TRUE)
    case$code$iter <- 1000
    own <- call_with(case, env)
    other <- call_with(case, env, control = list(engine = one_of("joint", "levels", "guided", "collapsed")), seed = 7)
    apart_by_error(own, other)
  },
  "lanes agree with NUTS" = function(fit, case, env) {
    if (!chance(0.08) || any(c("method", "control", "thin", "warmup") %in% names(case$code))) return(TRUE)
    case$code$iter <- 1000
    apart_by_error(call_with(case, env), call_with(case, env, method = "hmc", seed = 7))
  })

# Means of two fits in units of their Monte Carlo error, where both have mixed. Few draws of heavy tails have errors that are
# too small: what is looked for is further off.
apart_by_error <- function(a, b) {
  of <- function(fit) {
    draws <- posterior::subset_draws(as_draws_array(fit), variable = "lp__", exclude = TRUE)
    posterior::summarise_draws(draws, "mean", "sd", "mcse_mean", "rhat", "ess_bulk")
  }
  a <- of(a)
  b <- of(b)[match(of(b)$variable, a$variable), ]
  z <- abs(a$mean - b$mean) / sqrt(a$mcse_mean^2 + b$mcse_mean^2)
  mixed <- which(a$ess_bulk > 100 & b$ess_bulk > 100 & a$rhat < 1.02 & b$rhat < 1.02 & a$sd > 0)
  worst <- mixed[which.max(z[mixed])]
  if (length(worst) == 0 || z[worst] < 6) TRUE else sprintf("%s differs by %.1f errors", a$variable[worst], z[worst])
}
