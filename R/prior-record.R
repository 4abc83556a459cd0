# What a prior distribution is: its arguments, where it may stand, and its functions. Those who read a prior ask here, not for
# its name. What crosses to Rust is the name and the arguments in this order; `prior/kind.rs` is the other end.
#
# `args` are named in the order of Stan's functions, `positive` those that must be, `defaults` what need not be said, `location`
# the place of the location, from 0.
# `is_proper`: it integrates to one. `is_known`: it leaves nothing to sample. `is_split`: it stands for priors of several
# parameters, and has no arguments of one. `of`: the classes of parameters that it is for, where not all.
# `needs_positive`: its density is zero below 0. `leaves_zero`: it falls to zero there faster than the likelihood of a constant
# response rises.
# `log_density(x, a)` is without constants of truncation, its arguments numbers or a list of vectors as long as `x`, and
# `probability(q, a)` only asked at lower bounds, to truncate.

prior_record <- function(args, positive = character(), ..., is_proper = TRUE, is_known = FALSE, is_split = FALSE, of = NULL,
                         needs_positive = FALSE, leaves_zero = FALSE, location = 0L, defaults = list()) {
  list(args = args, positive = positive, is_proper = is_proper, is_known = is_known, is_split = is_split, of = of,
       needs_positive = needs_positive, leaves_zero = leaves_zero, location = location, defaults = defaults, ...)
}

horseshoe_args <- c("df", "scale_global", "df_global", "scale_slab", "df_slab", "autoscale")

prior_records <- list(
  flat = prior_record(character(), is_proper = FALSE, log_density = function(x, a) numeric(length(x))),
  constant = prior_record("value", is_known = TRUE),
  normal = prior_record(c("mean", "sd"), "sd",
    log_density = function(x, a) stats::dnorm(x, a[[1]], a[[2]], log = TRUE),
    quantile = function(p, a) stats::qnorm(p, a[[1]], a[[2]]),
    probability = function(q, a) stats::pnorm(q, a[[1]], a[[2]])),
  student_t = prior_record(c("df", "location", "scale"), c("df", "scale"), location = 1L,
    log_density = function(x, a) stats::dt((x - a[[2]]) / a[[3]], a[[1]], log = TRUE),
    quantile = function(p, a) a[[2]] + a[[3]] * stats::qt(p, a[[1]]),
    probability = function(q, a) stats::pt((q - a[[2]]) / a[[3]], a[[1]])),
  cauchy = prior_record(c("location", "scale"), "scale",
    log_density = function(x, a) stats::dcauchy(x, a[[1]], a[[2]], log = TRUE),
    quantile = function(p, a) stats::qcauchy(p, a[[1]], a[[2]]),
    probability = function(q, a) stats::pcauchy(q, a[[1]], a[[2]])),
  double_exponential = prior_record(c("location", "scale"), "scale",
    log_density = function(x, a) -abs(x - a[[1]]) / a[[2]],
    quantile = function(p, a) a[[1]] - a[[2]] * sign(p - 0.5) * log1p(-2 * abs(p - 0.5)),
    probability = function(q, a) {
      half <- 0.5 * exp(-abs(q - a[[1]]) / a[[2]])
      if (q < a[[1]]) half else 1 - half
    }),
  exponential = prior_record("rate", "rate", needs_positive = TRUE,
    log_density = function(x, a) -a[[1]] * x,
    quantile = function(p, a) stats::qexp(p, a[[1]]),
    probability = function(q, a) stats::pexp(q, a[[1]])),
  gamma = prior_record(c("shape", "rate"), c("shape", "rate"), needs_positive = TRUE,
    log_density = function(x, a) stats::dgamma(x, a[[1]], rate = a[[2]], log = TRUE),
    quantile = function(p, a) stats::qgamma(p, a[[1]], rate = a[[2]]),
    probability = function(q, a) stats::pgamma(q, a[[1]], rate = a[[2]])),
  inv_gamma = prior_record(c("shape", "scale"), c("shape", "scale"), needs_positive = TRUE, leaves_zero = TRUE,
    log_density = function(x, a) -(a[[1]] + 1) * log(x) - a[[2]] / x,
    quantile = function(p, a) 1 / stats::qgamma(1 - p, a[[1]], rate = a[[2]]),
    probability = function(q, a) if (q <= 0) 0 else stats::pgamma(1 / q, a[[1]], rate = a[[2]], lower.tail = FALSE)),
  lognormal = prior_record(c("meanlog", "sdlog"), "sdlog", needs_positive = TRUE, leaves_zero = TRUE,
    log_density = function(x, a) stats::dlnorm(x, a[[1]], a[[2]], log = TRUE),
    quantile = function(p, a) stats::qlnorm(p, a[[1]], a[[2]]),
    probability = function(q, a) stats::plnorm(q, a[[1]], a[[2]])),
  uniform = prior_record(c("lower", "upper"),
    log_density = function(x, a) stats::dunif(x, a[[1]], a[[2]], log = TRUE),
    quantile = function(p, a) stats::qunif(p, a[[1]], a[[2]]),
    probability = function(q, a) stats::punif(q, a[[1]], a[[2]]),
    # Why these bounds, above 0 or not, are none; NULL if they are.
    range_trouble = function(args) {
      if (args$lower >= args$upper) "{.arg lower} of a uniform prior must be below {.arg upper}."
    },
    reaches_positive = function(a) a[[2]] > 0),
  lkj = prior_record("eta", "eta", of = "cor"),
  # 1 / sqrt(1 / slab^2 + 1 / (tau l)^2) with l half-Cauchy.
  horseshoe_scale = prior_record(c("tau", "slab"), c("tau", "slab"), needs_positive = TRUE,
    log_density = function(x, a) {
      left <- pmax(0, 1 - (x / a[[2]])^2)
      log(2 / pi) + log(a[[1]]) + 0.5 * log(left) - log(a[[1]]^2 * left + x^2) - log(left)
    },
    quantile = function(p, a) 1 / sqrt(1 / a[[2]]^2 + 1 / (a[[1]] * tan(pi / 2 * p))^2)),
  horseshoe = prior_record(horseshoe_args, setdiff(horseshoe_args, "autoscale"), is_split = TRUE, of = c("b", "sd"),
    defaults = list(df = 1, scale_global = 1, df_global = 1, scale_slab = 2, df_slab = 4, autoscale = TRUE)))

record_of_prior <- function(parsed) prior_records[[parsed$dist]]

# A fact of each prior of a list, such as the column `parsed` of a table of parameters.
prior_facts <- function(parsed, fact) vapply(parsed, function(one) record_of_prior(one)[[fact]], NA)

is_proper_prior <- function(parsed) record_of_prior(parsed)$is_proper
is_known_prior <- function(parsed) record_of_prior(parsed)$is_known
