# Fits that tests share: each model is named once, and fitted once, when a test first asks for it.

shared_models <- list(
  sleep = function() small_fit(Reaction ~ Days + (1 + Days | Subject), data = lme4::sleepstudy),
  uncorrelated = function() small_fit(Reaction ~ Days + (1 + Days || Subject), data = lme4::sleepstudy),
  regression = function() small_fit(mpg ~ wt + factor(cyl), data = datasets::mtcars),
  ticks = function() small_fit(TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), data = lme4::grouseticks,
                               family = negbinomial()),
  ticks_poisson = function() small_fit(TICKS ~ YEAR * cHEIGHT + (1 | LOCATION), data = lme4::grouseticks,
                                       family = poisson()),
  exposure = function() small_fit(count ~ x + offset(log(size)) + (1 | batch), data = exposure_data(), family = poisson()),
  dispersion = function() small_fit(tw_formula(TICKS ~ cHEIGHT + (1 | LOCATION), shape ~ YEAR), data = lme4::grouseticks,
                                    family = negbinomial()),
  known_errors = function() small_fit(y | se(se, sigma = TRUE) + weights(w) ~ 1 + (1 | school), data = school_data()),
  free_means = function() small_fit(diameter ~ 0 + tw_re(plate, mean = "normal(20, 10)") + tw_re(sample, mean = "normal(0, 10)"),
                                    data = lme4::Penicillin),
  with_prior = function() small_fit(Reaction ~ Days + (1 | Subject), data = lme4::sleepstudy, sample_prior = "yes",
                                    prior = tw_prior("normal(0, 20)"), save_pars = tw_save(warmup = TRUE)))

# Few draws: these fits are for checking what is computed from draws, not the draws.
small_fit <- function(...) twill(..., chains = 2, iter = 400, seed = 1, silent = 2)

fitted_models <- new.env()

shared_fit <- function(name) {
  if (is.null(fitted_models[[name]])) fitted_models[[name]] <- shared_models[[name]]()
  fitted_models[[name]]
}

exposure_data <- function() {
  with_fixed_seed(3, {
    data <- data.frame(x = rnorm(60), size = runif(60, 1, 100), batch = gl(6, 10, labels = c("a b", letters[2:6])))
    data$count <- rpois(60, data$size * exp(-1 + 0.5 * data$x + rnorm(6, 0, 0.3)[data$batch]))
    data
  })
}

# Eight schools, twice, with weights.
school_data <- function() {
  data.frame(y = c(28, 8, -3, 7, -1, 1, 18, 12, 25, 10, 0, 5, 2, -2, 15, 14), se = rep(c(15, 10, 16, 11, 9, 11, 10, 18), 2),
             w = rep(c(1, 0.5), each = 8), school = rep(LETTERS[1:8], 2))
}

# Tests that take more than some seconds run in `make test-slow` alone.
skip_unless_slow <- function() skip_if(Sys.getenv("TWILL_SLOW") != "true", "slow (set TWILL_SLOW=true)")

# Priors from texts named by class, class:coef or class::dpar.
priors_by_class <- function(...) {
  texts <- c(...)
  one <- function(text, target) {
    target <- c(strsplit(target, ":", fixed = TRUE)[[1]], "", "")
    tw_prior(text, class = target[1], coef = target[2], dpar = target[3])
  }
  do.call(c, unname(Map(one, texts, names(texts))))
}

with_fixed_seed <- function(seed, code) {
  old <- get0(".Random.seed", globalenv())
  on.exit(if (!is.null(old)) assign(".Random.seed", old, globalenv()))
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  code
}

# Draws x variables, computed without the package's own accessors.
draws_by_hand <- function(fit, variable) {
  one <- function(name) as.vector(unclass(fit$draws)[, , name])
  matrix(vapply(variable, one, numeric(prod(dim(fit$draws)[1:2]))), ncol = length(variable))
}

# Printed text whose digits depend on the machine: numbers of tables and diagnostics become #, runs of blanks one blank.
hide_numbers <- function(lines) {
  is_heading <- grepl("^ *(Family|Links|Formula|Data|Draws):|^~|^ +(mean =|shape|prior)|\\(.*\\) .*default|'CI'", lines)
  shown <- gsub("-?[0-9]+[.][0-9]+(e[-+]?[0-9]+)?|(?<= )-?[0-9]+(?=[ ;]|$)", "#", lines, perl = TRUE)
  shown <- sub("^(  (worst|smallest).*)\\(.*\\)", "\\1(variable)", shown)
  gsub(" +", " ", ifelse(is_heading, lines, shown))
}
