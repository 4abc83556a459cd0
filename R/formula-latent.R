# Predictors that are measured with error, me(x, sdx), or missing in some rows, mi(x): what a formula says of them.

latent_calls <- c("me", "mi")

# One list per me() and mi() of the population-level part, in its order: `label`, the term as R writes it; `name`, that in the
# names of draws ("mex"); the expressions `x` and `sdx`; of mi() `imputed`, the column. NULL without.
latents_of <- function(fixed) {
  if (!any(latent_calls %in% call_names(fixed))) return(NULL)
  terms <- stats::terms(fixed)
  variables <- as.list(attr(terms, "variables"))[-1]
  is_latent <- vapply(variables, is_call_to, TRUE, names = latent_calls)
  is_nested <- vapply(variables, function(v) any(latent_calls %in% call_names(v)), TRUE) & !is_latent
  if (attr(terms, "response") > 0) is_nested[1] <- is_nested[1] || is_latent[1]
  if (any(is_nested)) refuse_nested(variables[[which(is_nested)[1]]])
  latents <- lapply(variables[is_latent], function(call) if (is_call_to(call, "mi")) parse_mi(call) else parse_me(call))
  check_products(attr(terms, "factors"), vapply(latents, `[[`, "", "label"), attr(terms, "term.labels"))
  names <- vapply(latents, `[[`, "", "name")
  twice <- names[duplicated(names)]
  if (length(twice) > 0) {
    labels <- vapply(latents[names == twice[1]], `[[`, "", "label")
    abort_twill("formula", c("A predictor is measured with one error: {.code {labels}} say two of one.",
                             "i" = "Two measurements of the same thing are two columns under two names."))
  }
  latents
}

parse_me <- function(call) {
  text <- deparse1(call)
  parsed <- tryCatch(match.call(function(x, sdx = NULL, gr = NULL) NULL, call), error = function(e) NULL)
  if (is.null(parsed$x) || is.null(parsed$sdx)) {
    abort_twill("formula", c("{.fn me} takes a predictor and the standard deviation of its error: {.code me(x, sdx)}.",
                             "x" = "It is {.code {text}}."))
  }
  if (!is.null(parsed$gr)) {
    abort_twill("formula", c("{.arg gr} of {.fn me} is not supported: each row has a value of its own.",
                             "x" = "It is in {.code {text}}.",
                             "i" = "Where rows share a measured value, fit one row per value: their means, with {.fn se}."))
  }
  list(label = text, name = coef_name(paste0("me", deparse1(parsed$x))), x = parsed$x, sdx = parsed$sdx)
}

# mi(x): the name of a column that a formula of its own imputes.
parse_mi <- function(call) {
  text <- deparse1(call)
  parsed <- tryCatch(match.call(function(x) NULL, call), error = function(e) NULL)
  if (!is.name(parsed$x)) {
    abort_twill("formula", c("{.fn mi} takes the name of a column, which a formula of its own imputes.",
                             "x" = "It is {.code {text}}.",
                             "i" = "What is computed of a column is one more column: {.code data$lx <- log(data$x)}."))
  }
  list(label = text, name = coef_name(paste0("mi", parsed$x)), x = parsed$x, imputed = as.character(parsed$x))
}

refuse_nested <- function(expression) {
  text <- deparse1(expression)
  is_me <- "me" %in% call_names(expression)
  way_out <- if (is_me) "Compute first, measured value and error: {.code me(log(x), sdx / x)}." else
    "Compute first, in {.arg data}, and impute what was computed: {.code mi(lx)} with {.code lx | mi() ~ z}."
  abort_twill("formula", c("{.fn {if (is_me) 'me' else 'mi'}} must be a predictor by itself, or in an interaction with others.",
                           "x" = "It is inside {.code {text}}.", "i" = way_out))
}

check_products <- function(factors, labels, terms) {
  if (length(factors) == 0) return(invisible())
  n_latents <- colSums(factors[rownames(factors) %in% labels, , drop = FALSE] > 0)
  if (all(n_latents < 2)) return(invisible())
  term <- terms[n_latents > 1][1]
  abort_twill("formula", c("Products of two predictors that are measured with error or imputed are not supported.",
                           "x" = "It is {.code {term}}.",
                           "i" = "Add them: {.code me(x, sdx) + me(z, sdz)}; or leave the smaller error out."))
}

# me() or mi() elsewhere than among the population-level predictors of a mean.
refuse_latent_in <- function(formula, name) {
  text <- deparse1(formula)
  call <- if (name == "me") "me(x, sdx)" else "mi(x)"
  what <- if (name == "me") "measurement error" else "missing values"
  way_out <- if (name == "me") "Of many levels take the slope of what was measured: {.code (1 + x | g)}." else
    "Rows with missing values are dropped, with a message, if {.fn mi} is left out."
  abort_twill("formula", c("{.fn {name}} ({what}) can only be a population-level predictor of the mean.",
                           "x" = "It is in {.code {text}}.",
                           "i" = "Slopes by level: {.code {call}:g} has one for each of a few levels, as coefficients.",
                           "i" = way_out))
}

# What a model frame has for me(x, sdx).
measured_values <- function(x, sdx) {
  if (!is.numeric(x) || !is.numeric(sdx)) {
    abort_twill("data", "{.fn me} takes numbers, and {if (is.numeric(x)) 'its error' else 'its predictor'} holds none.")
  }
  x <- as.numeric(x)
  x[rep_len(is.na(sdx), length(x))] <- NA
  x
}

refuse_latents <- function(formula, where) {
  if (is.null(formula$latents)) return(formula)
  name <- if (is.null(formula$latents[[1]]$imputed)) "me" else "mi"
  abort_twill("formula", c("{.fn {name}} is not supported for {where}.", "i" = "{.fn twill} has it."))
}
