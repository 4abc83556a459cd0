# The parts of a formula: response, additions, terms, and the terms of brms that do not exist here.

is_call_to <- function(expression, names) {
  is.call(expression) && is.name(expression[[1]]) && as.character(expression[[1]]) %in% names
}

# A sum without some of its terms; NULL if none is left.
drop_terms <- function(expression, is_gone) {
  if (is_gone(expression)) return(NULL)
  if (!is_call_to(expression, c("+", "-")) || length(expression) != 3) return(expression)
  left <- drop_terms(expression[[2]], is_gone)
  right <- if (is_call_to(expression, "+")) drop_terms(expression[[3]], is_gone) else expression[[3]]
  if (is.null(right)) return(left)
  if (is.null(left)) return(if (is_call_to(expression, "+")) right else call("-", right))
  as.call(list(expression[[1]], left, right))
}

# Names of coefficients as in brms: "poly(x, 2)1" becomes "polyx21", "I(x^2)" becomes "IxE2".
coef_name <- function(x) {
  from <- c(" ", "\t", "\n", "(", ")", "[", "]", ",", "\"", "'", "?", "`", "+", "-", "*", "/", "^", "=")
  to <- c(rep("", 12), "P", "M", "MU", "D", "E", "EQ")
  for (i in seq_along(from)) x <- gsub(from[i], to[i], x, fixed = TRUE)
  make.unique(x, sep = "_")
}

# Response -------------------------------------------------------------------------------------------------------

parse_response <- function(lhs) {
  addition <- list(weights = NULL, se = NULL, sigma = TRUE)
  if (!is_call_to(lhs, "|")) return(list(response = lhs, addition = addition))
  for (term in additive_terms(lhs[[3]])) addition <- add_addition(addition, term)
  if (is_call_to(lhs[[2]], "|")) {
    abort_twill("formula", "Join the additions of the response by {.code +}: {.code y | weights(w) + se(sd) ~ ...}.")
  }
  if (isTRUE(addition$mi)) check_imputed_name(lhs[[2]])
  list(response = lhs[[2]], addition = addition)
}

additive_terms <- function(expression) {
  if (!is_call_to(expression, "+")) return(list(expression))
  c(additive_terms(expression[[2]]), if (length(expression) == 3) additive_terms(expression[[3]]))
}

add_addition <- function(addition, term) {
  text <- deparse1(term)
  name <- if (is.call(term)) sub("^resp_", "", deparse1(term[[1]])) else text
  if (name == "mi") return(add_mi(addition, term, text))
  if (!name %in% c("weights", "se")) refuse_addition(name, text)
  if (name == "se" && isTRUE(addition$mi) && !is.null(addition$se)) refuse_errors_twice()
  if (!is.null(addition[[name]])) abort_twill("formula", "{.fn {name}} stands twice in the response of {.arg formula}.")
  parsed <- tryCatch(match.call(switch(name, weights = function(w) NULL, se = function(sd, sigma = FALSE) NULL), term),
                     error = function(e) NULL)
  if (is.null(parsed) || length(parsed) < 2) {
    abort_twill("formula", c("Additions of the response are {.code weights(w)} and {.code se(sd, sigma = FALSE)}.",
                             "x" = "This one has other arguments: {.code {text}}."))
  }
  addition[[name]] <- parsed[[2]]
  if (name == "se") addition$sigma <- flag_in_formula(parsed$sigma, text, "sigma")
  addition
}

flag_in_formula <- function(value, text, name) {
  if (is.null(value)) return(FALSE)
  flag <- if (is.name(value)) arithmetic_constants[[as.character(value)]] else value
  if (isTRUE(flag) || isFALSE(flag)) return(flag)
  abort_twill("formula", "{.arg {name}} in {.code {text}} must be TRUE or FALSE.")
}

refuse_addition <- function(name, text) {
  way_out <- switch(name,
    rate = "Use an offset: {.code offset(log(exposure))}.",
    trials = binomial_way_out,
    subset = "Use the argument {.arg subset} of {.fn twill}.",
    NULL)
  abort_twill("formula", c("The response of {.arg formula} takes {.fn weights}, {.fn se} and {.fn mi} after {.code |}.",
                           "x" = "Not supported: {.code {text}}.", "i" = way_out))
}

# Terms ----------------------------------------------------------------------------------------------------------

# That R can take the terms of a formula apart: numbers other than 0 and 1, texts and the like are none.
check_terms <- function(formula, allow = character()) {
  check_specials(formula, allow)
  if ("." %in% variables_in(formula)) {
    abort_twill("formula", c("{.code .} in {.arg formula} is not supported.",
                             "i" = "Name the columns: {.code reformulate(names)} helps with many."))
  }
  tryCatch(stats::terms(formula), error = function(e) refuse_terms(formula, conditionMessage(e)))
  invisible()
}

refuse_terms <- function(formula, why) {
  terms <- formula[[length(formula)]]
  text <- deparse1(terms)
  constants <- vapply(bare_constants(terms), deparse1, "")
  trouble <- if (length(constants) > 0) "{.code {constants}} in {.code {text}} {?is a constant/are constants}." else
    "In {.code {text}}: {why}"
  abort_twill("formula", c("A term of {.arg formula} must be a column or a call, 1 or 0 for the intercept.", "x" = trouble,
                           "i" = if (length(constants) > 0) "Write a column without quotes, and a known shift as {.fn offset}."))
}

# Constants that stand where terms do, which R does not take.
bare_constants <- function(expression) {
  if (is_call_to(expression, "^")) return(bare_constants(expression[[2]]))
  if (is_call_to(expression, term_operators)) return(unlist(lapply(as.list(expression)[-1], bare_constants), FALSE))
  if (is.name(expression) || is.call(expression) || is.null(expression)) return(NULL)
  if ((is.numeric(expression) || is.logical(expression)) && expression %in% c(0, 1)) NULL else list(expression)
}

term_operators <- c("+", "-", "*", ":", "/", "%in%", "^", "(")

# Terms of brms that have no counterpart -------------------------------------------------------------------------

unsupported_specials <- c(
  mo = "monotonic effects", s = "smooth terms",
  t2 = "smooth terms", te = "smooth terms", ti = "smooth terms", gp = "Gaussian processes",
  cs = "category specific effects", ar = "autocorrelation", ma = "autocorrelation", arma = "autocorrelation",
  cosy = "autocorrelation", unstr = "autocorrelation", sar = "spatial autocorrelation", car = "spatial autocorrelation",
  fcor = "it is added as a term, once", mm = "it stands right of {.code |} in a group-level term",
  mmc = "covariates that differ between the members of {.fn mm}",
  gr = "{.fn gr} outside a grouping factor", trials = "binomial trials", cens = "censoring", trunc = "truncation")

check_specials <- function(formula, allow = character()) {
  for (name in setdiff(intersect(c("me", "mi"), call_names(formula)), allow)) refuse_latent_in(formula, name)
  found <- setdiff(intersect(call_names(formula), names(unsupported_specials)), allow)
  if (length(found) == 0) return(invisible())
  what <- unsupported_specials[[found[1]]]
  basis <- if (what == "smooth terms") c("i" = "A fixed basis works: {.code splines::ns(x, df = 4)} or {.code poly(x, 2)}.")
  abort_twill("formula", c(paste0("{.fn {found[1]}} in {.arg formula} is not supported (", what, ")."), basis))
}
