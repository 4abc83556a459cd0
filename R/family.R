# Response families: the three that exist, and the names under which other packages know them.

#' Negative binomial family
#'
#' Counts with mean `mu` and variance `mu + mu^2 / shape`, `log(mu)` being the linear predictor. `shape` is `size` of
#' [stats::rnbinom()] and `phi` of Stan's `neg_binomial_2`; the overdispersion of DESeq2 and glmGamPoi is `1 / shape`.
#' As `shape` grows the family becomes Poisson.
#'
#' [twill()] also takes `gaussian()` (identity link) and `poisson()` (log link) of stats, the names of families as
#' strings, and the negative binomial families of brms, rstanarm, MASS and glmmTMB; what these fix or estimate by other
#' means (`theta`) is estimated with a prior here.
#'
#' @param link Link function of the mean; `"log"` is the only one.
#' @param ... Must be empty.
#' @return An object of class `c("twill_family", "family")`: a list with `family`, `link`, `linkfun`, `linkinv`,
#'   `mu.eta` and `dispersion`, the name of the dispersion parameter (`"shape"`).
#' Another link is an error of class `twill_error_family`.
#' @examples
#' negbinomial()
#' @export
negbinomial <- function(link = "log", ...) {
  check_no_dots(...)
  new_family("negbinomial", deparse_link(substitute(link), link))
}

# `negbinomial(log)` is a habit from stats, whose families quote their link.
deparse_link <- function(expression, link) {
  if (is.name(expression) && is.function(link)) as.character(expression) else link
}

# Lower-case names of other packages' families.
family_aliases <- c(
  normal = "gaussian", "negative binomial" = "negbinomial", "negative.binomial" = "negbinomial",
  neg_binomial_2 = "negbinomial", nbinom2 = "negbinomial", nbinom = "negbinomial", nb = "negbinomial",
  neg_binomial = "negbinomial", negative_binomial = "negbinomial")

new_family <- function(name, link) {
  expected <- family_records[[name]]$link
  if (!identical(link, expected)) {
    abort_twill("family", c("{.arg family} {.val {name}} has the link {.val {expected}} only.",
                            "x" = "The link asked for is {.val {link}}."))
  }
  functions <- stats::make.link(link)[c("linkfun", "linkinv", "mu.eta")]
  parts <- c(list(family = name, link = link), functions, list(dispersion = family_records[[name]]$dispersion))
  structure(parts, class = c("twill_family", "family"))
}

# Accepts family objects of any package, functions that make them, and names.
as_twill_family <- function(family) {
  if (inherits(family, "twill_family")) return(family)
  if (is.function(family)) family <- call_family(family)
  if (is.character(family) && length(family) == 1) family <- list(family = family)
  if (is.list(family) && is.null(family$family) && length(family) > 1) refuse_families(family)
  if (!is.list(family) || !is.character(family$family)) refuse_family(class(family)[1])
  name <- family_name(family$family[1])
  if (is.na(name)) refuse_family(family$family[1])
  refuse_dispersion_links(family)
  warn_stated_theta(family$family[1])
  new_family(name, family$link %||% family_records[[name]]$link)
}

refuse_families <- function(families) {
  given <- vapply(families, function(one) if (is.list(one) && is.character(one$family)) one$family[1] else class(one)[1], "")
  abort_twill("family", c("All responses of a model have one {.arg family}.", "x" = "You supplied {.val {given}}.",
                          "i" = one_family_hint))
}

call_family <- function(family) {
  tryCatch(family(), error = function(e) {
    abort_twill("family", "{.arg family} is a function that does not work without arguments: call it.")
  })
}

# brms' families have a link for each parameter.
refuse_dispersion_links <- function(family) {
  for (name in intersect(c("link_sigma", "link_shape"), names(family))) {
    if (is.null(family[[name]]) || family[[name]] == "log") next
    given <- family[[name]]
    abort_twill("family", c("A formula of {sub('link_', '', name)} is for its logarithm.",
                            "x" = "{.arg {name}} is {.val {given}}.", "i" = "Leave out {.arg {name}}."))
  }
}

# Of MASS.
warn_stated_theta <- function(name) {
  theta <- suppressWarnings(as.numeric(sub("^.*\\((.*)\\)$", "\\1", name)))
  if (is.na(theta)) return(invisible())
  code <- sprintf("tw_prior(\"constant(%s)\", class = \"shape\")", format(theta))
  warn_twill("family", c("The theta of the family, {theta}, is not used: {.field shape} is estimated.",
                         "i" = "{.code {code}} fixes it."))
}

# MASS writes the parameter into the name: "Negative Binomial(2)".
family_name <- function(name) {
  bare <- tolower(sub("[ ]*\\(.*$", "", name))
  if (bare %in% names(family_records)) return(bare)
  unname(family_aliases[bare])
}

refuse_family <- function(given) {
  abort_twill("family", c("{.arg family} must be one of {.code gaussian()}, {.code negbinomial()} and {.code poisson()}.",
                          "x" = "It is {.val {given}}.",
                          bullets(family_way_out(given)) %||% did_you_mean(given, names(family_records))))
}

# What to do instead, by the name of a family; NULL for names that say nothing.
family_way_out <- function(given) {
  if (is.na(given)) return(NULL)
  name <- tolower(given)
  is_like <- function(pattern) grepl(pattern, name)
  if (name == "formula") {
    "A formula for the dispersion belongs to that of the mean: {.code tw_formula(y ~ x, sigma ~ z)}."
  } else if (is_like("zero|hurdle|^zi|truncated")) {
    "Zeros have no part of their own: {.code negbinomial()} has many where {.field shape} is small."
  } else if (is_like("quasipoisson|geometric|nbinom1|compois|genpois")) "Overdispersed counts: {.code negbinomial()}."
  else if (is_like("binom|bernoulli|logistic") && !is_like("neg")) binomial_way_out
  else if (is_like("categorical|cumulative|ordinal|multinom|ratio$")) "Categories are not there: {.pkg brms} has them."
  else if (is_like("gamma|lognormal|weibull|exponential|inverse.gaussian")) {
    "Positive values go by their logarithm: {.code log(y) ~ x} with {.code gaussian()}."
  } else if (is_like("beta")) "Shares go by their logit: {.code qlogis(y) ~ x} with {.code gaussian()}."
}

#' @method print twill_family
#' @export
print.twill_family <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  cat("Family:", x$family, "\nLink:", x$link, "\n")
  invisible(x)
}

#' @method family twill_family
#' @export
#' @importFrom stats family
family.twill_family <- function(object, ...) {
  check_no_dots(...)
  object
}
