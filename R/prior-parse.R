# Priors as text: "normal(0, 1)" to a distribution and its arguments, checked.

# Other names of the same distributions; the functions turn the arguments given into those of the distribution.
prior_aliases <- list(
  std_normal = list(dist = "normal", args = character(), expand = function(...) list(0, 1)),
  half_normal = list(dist = "normal", args = "sd", expand = function(sd) list(0, sd), half = TRUE),
  half_cauchy = list(dist = "cauchy", args = "scale", expand = function(scale) list(0, scale), half = TRUE),
  half_student_t = list(dist = "student_t", args = c("df", "scale"), expand = function(df, scale) list(df, 0, scale),
                        half = TRUE),
  lkj_corr = list(dist = "lkj"), lkj_corr_cholesky = list(dist = "lkj"),
  inverse_gamma = list(dist = "inv_gamma"), laplace = list(dist = "double_exponential"))

# Distributions of brms that do not exist here, with the way out.
unsupported_priors <- c(
  R2D2 = "For shrinkage there is {.val horseshoe(1)}.", lasso = "For shrinkage there is {.val horseshoe(1)}.")

# Reads a prior. Returns list(dist, args): args a numeric vector in Stan's order, for horseshoe a named list; `half`
# marks the aliases that only make sense on positive parameters.
parse_prior <- function(text) {
  text <- trimws(text)
  if (text %in% c("", "flat", "(flat)")) return(list(dist = "flat", args = numeric(), half = FALSE))
  call <- tryCatch(str2lang(text), error = function(e) NULL)
  if (!is.call(call) || !is.name(call[[1]])) refuse_prior_text(text)
  name <- as.character(call[[1]])
  alias <- prior_aliases[[name]]
  dist <- alias$dist %||% name
  if (!dist %in% names(prior_records)) refuse_distribution(name, text)
  record <- prior_records[[dist]]
  args <- prior_arguments(call, alias$args %||% record$args, dist, text)
  if (!is.null(alias$expand)) args <- stats::setNames(do.call(alias$expand, unname(args)), record$args)
  check_prior_range(args, dist, text)
  list(dist = dist, args = if (record$is_split) args else as.numeric(args), half = isTRUE(alias$half))
}

refuse_prior_text <- function(text) {
  abort_twill("prior", c("A prior must be a distribution with its arguments, such as {.val normal(0, 1)}.",
                         "x" = "It is {.val {text}}."))
}

refuse_distribution <- function(name, text) {
  if (name %in% names(unsupported_priors)) {
    abort_twill("prior", c("The prior {.val {text}} is not supported.", "i" = unsupported_priors[[name]]))
  }
  known <- c(names(prior_records), names(prior_aliases))
  abort_twill("prior", c("The prior {.val {text}} has an unknown distribution: {.val {name}}.",
                         did_you_mean(name, known), "i" = "Known are {.val {some(known, 30)}}."))
}

# Values of the arguments by name. Numbers may be written as arithmetic: 1/3, log(2).
prior_arguments <- function(call, names, dist, text) {
  given <- as.list(call)[-1]
  defaults <- prior_records[[dist]]$defaults
  named <- match_arguments(given, names)
  missing <- if (is.null(named)) NULL else setdiff(names, c(names(named), names(defaults)))
  if (is.null(named) || length(missing) > 0) refuse_arguments(dist, names, text)
  values <- lapply(named, prior_number, text = text)
  utils::modifyList(defaults, values)[names]
}

# Positional and named arguments as in a call of R; NULL if they do not fit.
match_arguments <- function(given, names) {
  formals <- stats::setNames(rep(list(quote(expr = )), length(names)), names)
  template <- as.function(c(formals, list(NULL)))
  matched <- tryCatch(match.call(template, as.call(c(list(as.name("prior")), given))), error = function(e) NULL)
  if (is.null(matched)) NULL else as.list(matched)[-1]
}

refuse_arguments <- function(dist, names, text) {
  usage <- paste0(dist, "(", paste(names, collapse = ", "), ")")
  abort_twill("prior", c("The prior {.val {text}} has the wrong arguments.", "i" = "Write {.code {usage}}."))
}

prior_number <- function(expression, text) {
  check_arithmetic(expression, text)
  value <- tryCatch(suppressWarnings(eval(expression, arithmetic_env)), error = function(e) NULL)
  if ((is.numeric(value) || is.logical(value)) && length(value) == 1 && is.finite(value)) return(value)
  given <- deparse1(expression)
  abort_twill("prior", c("The arguments of a prior must be finite numbers.",
                         "x" = "In {.val {text}} one is {.code {given}}.",
                         "i" = "Put values into the text with {.fn paste0} or {.fn sprintf}."))
}

# Text is data: it is read as arithmetic, and nothing else in it is ever run.
check_arithmetic <- function(expression, text) {
  outside <- not_arithmetic(expression)
  if (length(outside) == 0) return(invisible())
  abort_twill("prior", c("The arguments of a prior must be finite numbers, or arithmetic with numbers.",
                         "x" = "In {.val {text}} this is neither: {.code {outside}}.",
                         "i" = "Arithmetic may call {.code {allowed_functions}}.",
                         "i" = "Put values into the text with {.fn paste0} or {.fn sprintf}."))
}

check_prior_range <- function(args, dist, text) {
  for (name in prior_records[[dist]]$positive) {
    if (args[[name]] > 0) next
    abort_twill("prior", c("{.arg {name}} of a {.val {dist}} prior must be positive.",
                           "x" = "In {.val {text}} it is {.val {as.numeric(args[[name]])}}."))
  }
  trouble <- prior_records[[dist]]$range_trouble
  why <- if (!is.null(trouble)) trouble(args)
  if (!is.null(why)) abort_twill("prior", c(why, "x" = "It is {.val {text}}."))
}

# Which distributions may stand on which class ---------------------------------------------------------------------

positive_classes <- c("sd", "sigma", "shape", "sdme", "df")

# Lower bounds of parameters, NULL without one.
lower_bound <- function(class) if (class == "df") 1 else if (class %in% positive_classes) 0

check_prior_class <- function(parsed, text, class, dpar) {
  why <- class_trouble(parsed, record_of_prior(parsed), class, dpar)
  if (is.null(why)) return(invisible())
  abort_twill("prior", c("The prior {.val {text}} cannot be used on class {.val {class}}.", "i" = why))
}

# Why a prior cannot stand on a class; NULL if it can.
class_trouble <- function(parsed, record, class, dpar) {
  is_positive <- class %in% positive_classes
  if (record$is_known) constant_trouble(parsed$args, class)
  else if (class == "cor" && !"cor" %in% record$of) "Correlations take {.val lkj(eta)}, or {.val constant(r)} for all pairs."
  else if (class != "cor" && "cor" %in% record$of) "{.val lkj} is for correlations: {.code class = \"cor\"}."
  else if (!is_positive && (parsed$half || record$needs_positive)) {
    "Its density is zero below 0, and parameters of this class can be negative."
  } else if (record$is_split && !(class %in% record$of && dpar == "")) "A horseshoe is for the classes {.val b} and {.val sd}."
  else if (class == "mu" && !record$is_proper) {
    "Free means are only identified by their priors: give a proper one, such as {.val normal(0, 5)}."
  } else if (class == "df" && !(!is.null(record$probability) && record$probability(1, parsed$args) < 1)) {
    "Degrees of freedom are above 1, and their prior must be proper and reach there."
  } else if (is_positive && !is.null(record$reaches_positive) && !record$reaches_positive(parsed$args)) {
    "Parameters of this class are positive."
  }
}

# Why a parameter of the class cannot have a value; NULL if it can.
constant_trouble <- function(value, class) {
  if (class == "cor" && abs(value) >= 1) return("Correlations lie between -1 and 1.")
  if (class == "df" && value < 1) return("Degrees of freedom are 1 or above.")
  if (class %in% positive_classes && value <= 0) {
    return("Parameters of this class are positive. Without a term its standard deviations are zero.")
  }
}
