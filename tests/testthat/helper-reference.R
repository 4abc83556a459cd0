# Fits a reference model and states its differences from the reference in units of Monte Carlo error.

#' Folder with the stored data and posteriors.
reference_folder <- function(...) testthat::test_path("references", ...)

#' Folder with the complete collections, or "" where it is not at hand: the environment variable TWILL_SHARED, else the
#' folder `shared` beside the repository.
shared_folder <- function() {
  beside <- testthat::test_path("..", "..", "..", "shared")
  is_there <- function(path) dir.exists(file.path(path, "data", "posteriordb"))
  found <- Filter(is_there, c(Sys.getenv("TWILL_SHARED"), beside))
  if (length(found) == 0) "" else normalizePath(found[[1]])
}

#' Path of one file of a posterior in the complete collections ("data" or "reference"), or "" if it is not there.
shared_file <- function(posterior, what) {
  places <- file.path(shared_folder(), "data", c("posteriordb", "reference_fits"), posterior)
  found <- Filter(file.exists, file.path(rep(places, 2), paste0(what, rep(c(".csv", ".csv.gz"), each = 2))))
  if (length(found) == 0) "" else found[[1]]
}

#' Path of the data ("data") or of the posterior ("posterior") of a model, stored or shared; "" if there is neither.
reference_path <- function(model, what) {
  if (!model$stored) return(shared_file(model$posterior, if (what == "data") "data" else "reference"))
  reference_folder(what, paste0(model[[what]], ".csv.gz"))
}

reference_data <- function(model) {
  data <- utils::read.csv(reference_path(model, "data"), stringsAsFactors = FALSE)
  if (is.null(model$transform)) return(data)
  new <- eval(model$transform[[2]], data)
  data[names(new)] <- new
  data
}

#' Mean, sd and their Monte Carlo errors per effect. Where the reference was also integrated exactly (columns
#' `exact_*`) these numbers are used, with no Monte Carlo error.
reference_posterior <- function(model) {
  table <- utils::read.csv(reference_path(model, "posterior"), stringsAsFactors = FALSE)
  if (!is.null(table$exact_mean)) {
    table[c("mean", "sd")] <- table[c("exact_mean", "exact_sd")]
    table[c("mcse", "mcse_sd")] <- 0
  }
  table$mcse_sd[table$effect %in% model$no_sd] <- NA
  table[c("effect", "mean", "sd", "mcse", "mcse_sd")]
}

#' Rows of a prior table from a character vector named `class`, `class:coef` or `class:coef:group`.
reference_prior <- function(prior) {
  rows <- Map(function(text, name) {
    target <- c(strsplit(name, ":", fixed = TRUE)[[1]], "", "")
    tw_prior(text, class = target[1], coef = target[2], group = target[3])
  }, unname(prior), names(prior))
  do.call(c, unname(rows))
}

reference_family <- function(name) {
  switch(name, gaussian = gaussian(), poisson = poisson(), negbinomial = negbinomial())
}

#' Fit of one model of the table, intercept priors on the raw coefficient as the references have them.
reference_fit <- function(model, seed = 1, engine = "auto") {
  twill(model$formula, data = reference_data(model), family = reference_family(model$family),
        prior = reference_prior(model$prior), intercept = "raw", chains = 4, iter = 2000, cores = 2, seed = seed,
        control = list(adapt_delta = model$adapt_delta, engine = engine), silent = 2, refresh = 0)
}

#' A name without what brms leaves out of names: blanks and parentheses.
bare_name <- function(name) gsub("[() ]", "", name)

#' Draws (iteration x chain) of one effect of a reference: `b_X`, `mu_g__X`, `sd_g__X`, `cor_g__X__Y`, `sigma`, `shape`
#' and `r_g[level|X]` are variables of the fit; `coef_g[level|X]` is the population-level coefficient plus the
#' deviation; and where X has free means instead of a population-level coefficient, `b_X` is their sum.
effect_draws <- function(draws, effect) {
  name <- bare_name(chartr("|", ",", effect))
  known <- bare_name(dimnames(draws)[[3]])
  pick <- function(which) rowSums(draws[, , which, drop = FALSE], dims = 2)
  if (name %in% known) return(pick(known == name))
  coef <- sub("^(b_|coef_.*,)(.*?)\\]?$", "\\2", name)
  if (startsWith(name, "b_")) return(pick(startsWith(known, "mu_") & endsWith(known, paste0("__", coef))))
  population <- if (paste0("b_", coef) %in% known) paste0("b_", coef) else
    paste0("mu_", sub("^coef_([^[]*)\\[.*$", "\\1", name), "__", coef)
  pick(known == population) + pick(known == sub("^coef_", "r_", name))
}

#' One row per effect: the fit's mean, sd, Monte Carlo errors, rhat and ESS, and the standardised differences.
reference_compare <- function(fit, posterior) {
  draws <- unclass(posterior::as_draws_array(fit))
  ours <- lapply(posterior$effect, function(effect) {
    x <- effect_draws(draws, effect)
    data.frame(mean = mean(x), sd = stats::sd(x), mcse = posterior::mcse_mean(x), mcse_sd = posterior::mcse_sd(x),
               rhat = posterior::rhat(x), ess = min(posterior::ess_bulk(x), posterior::ess_tail(x)))
  })
  ours <- do.call(rbind, ours)
  cbind(effect = posterior$effect, ours,
        z_mean = (ours$mean - posterior$mean) / sqrt(ours$mcse^2 + posterior$mcse^2),
        z_sd = (ours$sd - posterior$sd) / sqrt(ours$mcse_sd^2 + posterior$mcse_sd^2))
}

#' The |z| that the largest of `n` standard normals exceeds with probability 1e-4 at most (Bonferroni).
z_limit <- function(n, alpha = 1e-4) stats::qnorm(1 - alpha / (2 * max(n, 1)))

count_divergent <- function(fit) sum(bayesplot::nuts_params(fit, pars = "divergent__")$Value)

#' One line of the table of `make test-slow`.
reference_summary <- function(name, fit, comparison, seconds) {
  data.frame(model = name, n_parameters = nrow(comparison), max_z_mean = max(abs(comparison$z_mean)),
             max_z_sd = max(abs(comparison$z_sd), na.rm = TRUE), sd_z_mean = stats::sd(comparison$z_mean),
             z_limit = z_limit(nrow(comparison)), max_rhat = max(comparison$rhat), min_ess = min(comparison$ess),
             divergences = count_divergent(fit), seconds = seconds)
}
