# Random formulas, families, priors and settings of the fuzzer.

# Formulas -----------------------------------------------------------------------------------------------------------------

fixed_terms <- c("x", "f", "z", "x:f", "x * f", "f * z", "x + z", "poly(x, 2)", "log(x)", "I(x^2)", "exp(x)", "scale(x)",
                 "factor(x)",
                 "offset(x)", "as.numeric(f)", "splines::ns(x, 3)", "cut(x, 3)", "f:g", "g", "1", "ordered(f)", "sqrt(x)",
                   "cbind(x, z)", "me(x, w)", "me(x, 0.2)")
strange_terms <- c(".", "-1", "0", "nothing", "x^2", "mean(x)", "rnorm(2)", "NULL", "NA", "Inf", "x/0", "stop('a {b} %d')",
                   "x %in% z",
                   "offset(w) + offset(x)", "1e5", "'text'", "x$y", "data$x", "f[1]", "function(x) x", "s(x)", "mi(x)", "mo(z)",
                   "I(f == 'l1')", "is.na(x)", "y", "0 + Intercept", "(x", "x | g",
                   "me(f, w)", "me(x, 0)", "me(x)", "me(x, w):f", "f * me(x, w)", "me(log(x), w, g)", "me(x, nothing)",
                   "me(me(x, w), w)")
group_terms <- c("(1 | g)", "(1 | h)", "(1 + x | g)", "(x || g)", "(1 + f || g)", "(f | g)", "(1 | g:h)", "(1 | g/h)",
                 "(0 + x | g)",
                 "(1 | h) + (1 | g)", "(1 | factor(z))", "(1 | gr(g, by = f))", "(1 + x | gr(g, by = h))",
                 "(1 | gr(g, dist = 'student'))", "(1 + x || gr(h, dist = 'student'))", "(1 + x || gr(g, dist = 'horseshoe'))")
strange_group_terms <- c("(1 | x)", "(1 | nothing)", "(1 | g + h)", "(1 | 1)", "(0 | g)", "(1 | g | h)", "(1 || )",
                         "(poly(x, 2) | g)",
                         "(1 + x | g) + (1 | g)", "tw_re(g, mean = \"normal(0, 1)\")", "(1 | gr(g, by = x))", "(1 | mm(g,
                         h))", "(me(x, w) | g)",
                         "(1 | gr(g, by = nothing))", "(1 | gr(g, dist = 'cauchy'))", "(1 | gr(g, cov = w))", "(1 | gr(g, f))",
                           "(1 | w)",
                         "(log(x) | g)", "(NA | g)", "(1 | y)")
left_sides <- c("y | weights(w)", "y | se(w)", "y | se(w, sigma = TRUE)", "log(y + 1)", "y | trials(z)", "y | weights(x)",
                "cbind(y, z)", "y | cens(x)", "x + y", "nothing", "1", "NULL", "y | se(w) + weights(w)", "scale(y)", "-y",
                  "y / 0", "f")

# The right side of a formula, as text.
random_terms <- function(p_strange = 0.15) {
  fixed <- some_of(fixed_terms, sample(0:2, 1))
  groups <- if (chance(0.6)) some_of(group_terms, 1)
  strange <- c(if (chance(p_strange)) element_of(strange_terms), if (chance(p_strange)) element_of(strange_group_terms))
  terms <- c(fixed, groups, strange)
  if (length(terms)) paste(terms, collapse = " + ") else "1"
}

# A two-sided formula as code; what does not parse stays text.
random_formula <- function() {
  left <- if (chance(0.9)) "y" else element_of(left_sides)
  formula <- as_code(paste(left, "~", random_terms()))
  dispersion <- if (chance(0.1)) as_code(paste(one_of("sigma", "shape", "phi"), "~", random_terms()))
  if (is.null(dispersion)) formula else call("tw_formula", formula, dispersion)
}

as_code <- function(text) tryCatch(str2lang(text), error = function(e) text)

# Families, priors ---------------------------------------------------------------------------------------------------------

# Code of a family, mostly one that goes with the response.
random_family <- function(kind) {
  if (chance(0.85)) return(if (kind == "counts") one_of(quote(negbinomial()), quote(poisson()),
                                                        "negbinomial") else quote(gaussian()))
  one_of(quote(gaussian()), quote(poisson()), quote(negbinomial()), "nbinom", "gaussian", quote(binomial()), quote(Gamma()),
         "zip",
         quote(gaussian("log")), quote(poisson("identity")), quote(brms::bernoulli()), quote(MASS::negative.binomial(2)),
           quote(poisson))
}

prior_texts <- c("normal(0, 1)", "student_t(3, 0, 2.5)", "cauchy(0, 1)", "double_exponential(0, 1)", "std_normal()",
                 "uniform(-5, 5)",
                 "exponential(1)", "gamma(2, 0.1)", "inv_gamma(0.4, 0.3)", "lognormal(0, 1)", "half_normal(1)", "flat", "",
                 "lkj(2)", "horseshoe(1)", "normal(0, 100)", "horseshoe_scale(1, 2)")
strange_priors <- c("normal(0)", "normal(0, -1)", "normal(0, 0)", "normal(a, b)", "nothing(1)", "normal(0, 1",
                    "normal(1e308, 1e308)",
                    "normal(0, Inf)", "normal(NA, 1)", "uniform(1, 0)", "student_t(-1, 0, 1)", "normal(0, {stop('ran')})",
                      "lkj(-1)",
                    "normal(1e6, 1e-6)", "exponential(1e300)", "exponential(0)", "1", "normal(0; 1)", "gamma(0, 0)",
                      "normal(0, 1e-300)")

random_prior <- function() {
  one <- function() {
    text <- if (chance(0.8)) element_of(prior_texts) else element_of(strange_priors)
    random_call("tw_prior", list(text), list(class = any_of("b", "sd", "Intercept", "sigma", "shape", "cor", "mu", "df",
      "meanme", "sdme", "nothing"),
                                             coef = any_of("x", "fl2", "Intercept", "nothing"), group = any_of("g", "h",
                                                 "nothing"),
                                             dpar = any_of("sigma", "shape", "mu"), lb = any_of(0, -1, NA, "a"), ub = any_of(1,
                                                 "b")))
  }
  if (chance(0.6)) one() else if (chance(0.9)) call("c", one(), one()) else one_of(element_of(prior_texts), call("list", one()))
}

# Settings -----------------------------------------------------------------------------------------------------------------

# What all doors take.
settings <- list(
  thin = any_of(1, 2, 3, 100), warmup = any_of(10, 0, 1, 19, 20, 50), chains = any_of(1, 2), cores = any_of(1, 2),
    threads = any_of(1, 3),
  refresh = any_of(0, 1), contrasts = any_of(list(f = "contr.sum"), list(f = contr.helmert), list(x = "contr.sum"),
                                             list(f = "nothing"),
                                             list(f = matrix(1:3, 3)), list(nothing = "contr.sum")),
  prior = random_prior, device = any_of("cpu", "auto"))

twill_settings <- c(settings, list(
  weights = any_of(w, x, w * 2, 1, rep(1, 30), nothing), offset = any_of(x, log(w), w, 1, rep(0, 30), c(1, NA), 1e5, nothing),
  subset = any_of(x > 0, 1:5, -1, FALSE, f == "l1", c(TRUE, NA), 1000, nothing), na.action = any_of(na.omit, na.fail, na.pass,
      "na.exclude"),
  intercept = any_of("centred", "raw"), sample_prior = any_of("no", "yes", "only"),
  save_pars = any_of(tw_save(), tw_save(group = FALSE), tw_save(warmup = TRUE), tw_save(group = NA)),
  init = any_of("mode", "random", 2, 0, 1e-10, 1e300, "nothing"),
  control = any_of(list(engine = "joint"), list(engine = "levels"), list(engine = "collapsed"), list(engine = "guided"),
    list(metric = "diag"),
                   list(adapt_delta = 0.9), list(adapt_delta = c(0.5, 0.8)), list(max_treedepth = 2), list(adapt_delta = 1),
                   list(max_treedepth = 0), list(nothing = 1), list(guide = "meanfield"), list(max_steps = 10))))

gene_only_settings <- c(settings, list(
  genes = any_of(1:2, "gene1", c(TRUE, FALSE), c("gene1", "nothing"), -1, 0, 100), min_count = any_of(0, 1, 100, 1e6),
  weights = any_of(rep(1, n), runif(n), rep(0, n), c(NA, rep(1, max(0, n - 1))), 1), share = any_of("none", "dispersion", "sd"),
  sd_prior = any_of("half_t", "half_normal", "horseshoe"), effect_prior = any_of("normal", "student_t"), by = any_of("f",
    "h", "g", "nothing", x),
  keep = any_of("draws", "effects", "moments"), block_size = any_of(1, 2, "auto", 0), dispersion = any_of(~1, ~x, ~f, ~ (1 | g),
      ~nothing),
  control = any_of(list(adapt_delta = 0.9), list(max_treedepth = 3), list(refine = FALSE), list(max_steps = 5),
                   list(nothing = 1))))

# Iterations: few, because what is looked for does not need many; now and then hardly any.
random_iterations <- function() if (chance(0.9)) sample(c(20, 40, 60), 1) else sample(c(0, 1, 2, 3, 5, 10), 1)
