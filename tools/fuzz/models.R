# Random formulas, families, priors and settings of the fuzzer.

# Formulas -----------------------------------------------------------------------------------------------------------------

fixed_terms <- c("x", "f", "z", "x:f", "x * f", "f * z", "x + z", "poly(x, 2)", "log(x)", "I(x^2)", "exp(x)", "scale(x)",
                 "factor(x)",
                 "offset(x)", "as.numeric(f)", "splines::ns(x, 3)", "cut(x, 3)", "f:g", "g", "1", "ordered(f)", "sqrt(x)",
                   "cbind(x, z)", "me(x, w)", "me(x, 0.2)", "fcor(V)", "fcor(V)", "me(x, w) * f", "x:z", "f * h",
                     "poly(z, 2)", "as.integer(x)", "I(x > 0)")
strange_terms <- c(".", "-1", "0", "nothing", "x^2", "mean(x)", "rnorm(2)", "NULL", "NA", "Inf", "x/0", "stop('a {b} %d')",
                   "x %in% z",
                   "offset(w) + offset(x)", "1e5", "'text'", "x$y", "data$x", "f[1]", "function(x) x", "s(x)", "mi(x)", "mo(z)",
                   "I(f == 'l1')", "is.na(x)", "y", "0 + Intercept", "(x", "x | g",
                   "me(f, w)", "me(x, 0)", "me(x)", "me(x, w):f", "f * me(x, w)", "me(log(x), w, g)", "me(x, nothing)",
                   "me(me(x, w), w)")
group_terms <- c("(1 | g)", "(1 | h)", "(1 + x | g)", "(x || g)", "(1 + f || g)", "(f | g)", "(1 | g:h)", "(1 | g/h)",
                 "(0 + x | g)",
                 "(1 | h) + (1 | g)", "(1 | factor(z))", "(1 | gr(g, by = f))", "(1 + x | gr(g, by = h))",
                 "(1 | gr(g, dist = 'student'))", "(1 + x || gr(h, dist = 'student'))", "(1 + x || gr(g, dist = 'horseshoe'))",
                 "(1 | mm(g, h))", "(1 + x | mm(g, h))", "(1 | mm(g, h, weights = cbind(w, 1)))", "(1 | mm(g, weights = R))",
                 "(1 | gr(g, cov = K))", "(1 + x | gr(g, cov = K))", "(1 | gr(g, prec = Q))", "(1 | gr(g, cov = C))")
strange_group_terms <- c("(1 | x)", "(1 | nothing)", "(1 | g + h)", "(1 | 1)", "(0 | g)", "(1 | g | h)", "(1 || )",
                         "(poly(x, 2) | g)",
                         "(1 + x | g) + (1 | g)", "tw_re(g, mean = \"normal(0, 1)\")", "(1 | gr(g, by = x))", "(1 | mm(g,
                         h))", "(me(x, w) | g)",
                         "(1 | gr(g, by = nothing))", "(1 | mm(g))", "(1 | mm(g, x))",
                           "(1 | mm(g, h, weights = cbind(w, x)))", "(1 | mm(g, weights = K))",
                         "(1 | gr(g, cov = nothing))", "(1 | gr(h, cov = K))", "(1 | gr(g, cov = K, by = f))",
                           "(1 | gr(g, prec = K, cov = Q))",
                         "(1 | gr(g, cov = V))", "(1 | mm(g, h, dist = 'horseshoe'))", "(0 + g || mm(h, weights = R))",
                           "(1 |p| g)",
                         "fcor(K)", "fcor(nothing)", "fcor(V):x", "fcor(V) + fcor(V)", "(1 | mm(g, h, scale = FALSE))",
                         "(1 | g:h:f)", "(1 | interaction(g, h))", "(f:x | g)", "(1 | g) + (0 + x | g)", "(1 | gr(g:h))",
                         "tw_re((1 + x | g), mean = \"normal(0, 1)\")",
                           "tw_re((1 | gr(g, cov = K)), mean = \"normal(0, 1)\")", "(1 | gr(g, dist = 'cauchy'))",
                             "(1 | gr(g, cov = w))", "(1 | gr(g, f))",
                           "(1 | w)",
                         "(log(x) | g)", "(NA | g)", "(1 | y)")
left_sides <- c("y | weights(w)", "y | se(w)", "y | se(w, sigma = TRUE)", "log(y + 1)", "y | trials(z)", "y | weights(x)",
                "cbind(y, z)", "y | cens(x)", "x + y", "nothing", "1", "NULL", "y | se(w) + weights(w)", "scale(y)", "-y",
                  "y / 0", "f", "y | mi()", "y | se(0.3)", "y | weights(2)", "y | subset(x > 0)", "y | rate(w)", "y + u",
                    "mvbind(y, u)",
                "as.integer(y)", "y | se(x)", "y[1]", "y | weights(w) + se(w)")

# The right side of a formula, as text.
random_terms <- function(p_strange = 0.15, of_genes = FALSE) {
  choose <- function(terms, n) some_of(if (of_genes && mood$decent) terms_of_genes(terms) else terms, n)
  fixed <- choose(fixed_terms, sample(0:2, 1))
  groups <- if (chance(0.6)) choose(group_terms, 1)
  strange <- c(if (oddly(p_strange)) element_of(strange_terms), if (oddly(p_strange)) element_of(strange_group_terms))
  terms <- c(fixed, groups, strange)
  if (length(terms)) paste(terms, collapse = " + ") else "1"
}

# Without those that fits of many genes refuse.
terms_of_genes <- function(terms) grep("me[(]|fcor|mm[(]|dist = |cov = C|factor[(]z[)]", terms, value = TRUE, invert = TRUE)

# A two-sided formula as code; what does not parse stays text.
random_formula <- function() {
  if (chance(0.15)) return(random_formulas())
  left <- if (!oddly(0.1)) "y" else element_of(left_sides)
  formula <- as_code(paste(left, "~", random_terms()))
  dispersion <- if (chance(0.1)) as_code(paste(one_of("sigma", "shape", "phi"), "~", random_terms()))
  if (is.null(dispersion)) formula else call("tw_formula", formula, dispersion)
}

# Several responses: one right side, formulas of their own, or one that imputes predictors of the other.
random_formulas <- function() {
  shared <- one_of("(1 |p| g)", "(1 + x |p| g)", "(1 |p| g) + (1 |q| h)", "(1 | g)", "(x |p| gr(g, cov = K))", "1")
  two <- function(first, second) call("+", call("tw_formula", as_code(first)), call("tw_formula", as_code(second)))
  one_of(
    function() as_code(paste("mvbind(y, u) ~", random_terms(0.1), "+", shared)),
    function() two(paste("y ~", random_terms(0.1), "+", shared), paste("u ~", random_terms(0.1), "+", shared)),
    function() two("y ~ x + (1 |p| g)", "u | weights(w) ~ f + (1 |p| g)"),
    function() two(one_of("y ~ mi(u)", "y ~ mi(u) * f", "y ~ mi(u) + (1 |p| g)", "y ~ mi(u) * mi(u)", "y ~ mi(u) + x",
                          "y ~ mi(x)",
                          "y ~ log(mi(u))", "y ~ x + (mi(u) | g)"),
                   one_of("u | mi() ~ x", "u | mi() ~ f + (1 |p| g)", "u | mi(w) ~ x", "u | mi() ~ 1", "u | mi() ~ mi(y)",
                          "u ~ x",
                          "u | mi(nothing) ~ 1", "u | mi() + weights(w) ~ x")),
    function() as_code("mvbind(y, u, w) ~ x + (1 |p| g)"), function() as_code("mvbind(y, y) ~ x"),
    function() as_code("mvbind(y) ~ x"), function() as_code("mvbind(y, nothing) ~ 1"), function() as_code("mvbind(y, f) ~ 1"))()
}

# The matrices that formulas name: K and its inverse Q over the levels of g, C of a low rank, V over rows, R of levels by members.
random_relations <- function(data) {
  levels <- tryCatch(unique(as.character(data$g)), error = function(e) character())
  levels <- levels[!is.na(levels)]
  n <- tryCatch(NROW(data$y), error = function(e) 0)
  related <- function(n, names, rank = n) {
    x <- matrix(stats::rnorm(n * rank), n)
    structure(tcrossprod(x) + (if (rank == n) diag(n) else 0), dimnames = list(names, names))
  }
  k <- related(length(levels), levels)
  out <- list(K = k, Q = try_or(solve(k), k), C = related(length(levels), levels, 1), V = unname(related(n, NULL)),
              R = structure(matrix(stats::runif(3 * length(levels)), length(levels), 3), dimnames = list(levels, c("m1",
                                                            "m2", "m3"))))
  if (oddly(0.15)) out[[sample(length(out), 1)]] <- spoil_relation(element_of(out))
  if (chance(0.2)) out[] <- lapply(out, function(m) try_or(methods::as(m, "CsparseMatrix"), m))
  out
}

spoil_relation <- function(m) {
  if (length(m) == 0) return(m)
  one_of(function() -m, function() m * 0, function() m * 1e-200, function() m * 1e200, function() replace(m, 1, NA),
         function() replace(m, 1, Inf), function() replace(m, length(m), -5), function() m[-1, , drop = FALSE],
           function() m[-1, -1],
         function() unname(m), function() diag(m), function() as.data.frame(m), function() m > 0, function() format(m),
         function() rbind(m, m), function() structure(m, dimnames = lapply(dimnames(m), function(x) rep_len("a", length(x)))),
         function() m[0, 0], function() NULL, function() "m")()
}

as_code <- function(text) tryCatch(str2lang(text), error = function(e) text)

# Families, priors ---------------------------------------------------------------------------------------------------------

# Code of a family, mostly one that goes with the response.
random_family <- function(kind) {
  if (!oddly(0.15)) return(if (kind == "counts") one_of(quote(negbinomial()), quote(poisson()),
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
    text <- if (!oddly(0.2)) element_of(prior_texts) else element_of(strange_priors)
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
  data2 = any_of(list(), list(K = 1), NULL, list(K = diag(2), K = diag(3))),
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
random_iterations <- function() if (!oddly(0.1)) sample(c(20, 40, 60), 1) else sample(c(0, 1, 2, 3, 5, 10), 1)
