# Several responses in one model: mvbind(y1, y2) ~ x, formulas joined by `+`, and the labels |p| of terms that they share.

# A `twill_formulas` holds the formula of each response by name. `bars` are those of all; `formula` is what the user wrote, as a
# formula or, of formulas that were joined, as a call.
new_formulas <- function(responses, written = joined_call(responses)) {
  names(responses) <- vapply(responses, function(one) response_label(one$response), "")
  check_responses(responses)
  check_labels(responses)
  pick <- function(part) unlist(unname(lapply(responses, `[[`, part)), recursive = FALSE)
  first <- function(parts) compact(parts)[1][[1]]
  additions <- lapply(responses, `[[`, "addition")
  structure(list(responses = responses, formula = written, bars = pick("bars"), dispersion_bars = pick("dispersion_bars"),
                 response = as.call(c(quote(mvbind), unname(lapply(responses, `[[`, "response")))),
                 addition = list(weights = first(lapply(additions, `[[`, "weights")), se = first(lapply(additions, `[[`, "se")),
                                 sigma = additions[[1]]$sigma),
                 family = family_of_formulas(responses), dpar = first(lapply(responses, `[[`, "dpar")),
                 env = responses[[1]]$env), class = "twill_formulas")
}

family_of_formulas <- function(responses) {
  families <- compact(unname(lapply(responses, `[[`, "family")))
  kinds <- unique(vapply(families, function(family) paste(family$family, family$link), ""))
  if (length(kinds) < 2) return(if (length(families) > 0) families[[1]])
  abort_twill("family", c("All responses of a model have one family.", "x" = "The formulas have {.val {kinds}}.",
                          "i" = one_family_hint))
}

one_family_hint <- "Fit the responses of each family together, and the others apart."

joined_call <- function(responses) Reduce(function(a, b) call("+", a, b), lapply(responses, function(one) call("(", one$formula)))

has_responses <- function(x) inherits(x, c("twill_formulas", "twill_responses"))

# The name of a response in those of draws, as in brms: without dots and underscores.
response_label <- function(expression) gsub("[._]", "", coef_name(deparse1(expression)))

check_responses <- function(responses) {
  twice <- unique(names(responses)[duplicated(names(responses))])
  if (length(twice) > 0) {
    given <- vapply(responses[names(responses) %in% twice], function(one) deparse1(one$response), "")
    abort_twill("formula", c("Each response has one formula.", "x" = "More than one is called {.val {twice}}: {.code {given}}.",
                             "i" = "Names are without dots and underscores, as in brms."))
  }
  for (one in responses) refuse_alone(one)
}

# What models of one response have.
refuse_alone <- function(formula) {
  has <- function(part) any(vapply(all_bars(formula), function(bar) !is.null(bar[[part]]), NA))
  trouble <- c(if (has_measured(formula)) "{.fn me}", if (!is.null(formula$fcor)) "{.fn fcor}",
               if (has("members")) "{.fn mm}", if (has("mean")) "{.fn tw_re}", if (has("by")) "{.arg by} of {.fn gr}",
               if (has("dist")) "{.arg dist} of {.fn gr}")
  if (length(trouble) == 0) return(invisible())
  text <- deparse1(formula$response)
  abort_twill("formula", c(paste(trouble[1], "is not supported in a model of several responses."),
                           "x" = "It is in the formula of {.code {text}}.",
                           "i" = "A model of that response alone takes it; leave it out to fit them together."))
}

# Formulas -----------------------------------------------------------------------------------------------------------

is_mvbind <- function(formula) {
  if (!inherits(formula, "formula") || length(formula) != 3) return(FALSE)
  left <- formula[[2]]
  is_call_to(if (is_call_to(left, "|")) left[[2]] else left, "mvbind")
}

# mvbind(y1, y2) | weights(w) ~ x is y1 | weights(w) ~ x and y2 | weights(w) ~ x.
formulas_of_mvbind <- function(formula, dispersion) {
  left <- formula[[2]]
  bound <- if (is_call_to(left, "|")) left[[2]] else left
  given <- as.list(bound)[-1]
  if (length(given) < 2) {
    text <- deparse1(bound)
    abort_twill("formula", c("{.fn mvbind} takes two responses or more.", "x" = "It is {.code {text}}."))
  }
  responses <- lapply(unname(given), function(response) {
    own <- formula
    if (is_call_to(left, "|")) own[[2]][[2]] <- response else own[[2]] <- response
    add_dispersion(new_twill_formula(own), dispersion)
  })
  new_formulas(responses, plain_formula(formula, environment(formula)))
}

# Formulas of brms for several responses.
formulas_of_brms <- function(bf, dispersion) {
  if (!isFALSE(bf$rescor)) {
    abort_twill("formula", c("Residuals of several responses are independent here, given the effects that they share.",
                             "x" = "{.fn brms::mvbf} leaves open whether they are correlated.",
                             "i" = "Say {.code + set_rescor(FALSE)}, as for other families than the Gaussian."))
  }
  new_formulas(unname(lapply(bf$forms, formula_of_brms, dispersion = dispersion)))
}

#' @export
`+.twill_formula` <- function(e1, e2) join_formulas(e1, e2)

#' @export
`+.twill_formulas` <- function(e1, e2) join_formulas(e1, e2)

join_formulas <- function(e1, e2) {
  if (missing(e2)) return(e1)
  parts <- lapply(list(e1, e2), function(e) {
    if (inherits(e, "twill_formulas")) return(unname(e$responses))
    if (inherits(e, c("twill_formula", "formula", "brmsformula"))) {
      e <- tw_formula(e)
      return(if (has_responses(e)) unname(e$responses) else list(e))
    }
    given <- class(e)[1]
    abort_twill("formula", c("Formulas of several responses are joined by {.code +}.",
                             "x" = "One side is of class {.cls {given}}.",
                             "i" = "Write {.code tw_formula(y1 ~ x) + tw_formula(y2 ~ z)}."))
  })
  new_formulas(do.call(c, parts))
}

#' @method format twill_formulas
#' @export
format.twill_formulas <- function(x, ...) {
  check_no_dots(..., allow = names(formals(format.default)))
  unlist(unname(lapply(x$responses, format)))
}

#' @method print twill_formulas
#' @export
print.twill_formulas <- function(x, ...) print.twill_formula(x, ...)

#' @method formula twill_formulas
#' @export
formula.twill_formulas <- function(x, ...) {
  check_no_dots(...)
  x
}

# Doors of one response.
refuse_several <- function(formula, where = "for many genes and cells, whose genes are the responses") {
  if (!has_responses(formula)) return(formula)
  abort_twill("formula", c(paste0("Several responses are not supported ", where, "."),
                           "x" = "{.code {format(formula)}}",
                           "i" = "{.fn twill} fits them together: {.code twill(mvbind(y1, y2) ~ x + (1 |p| g), data)}."))
}

# Labels -------------------------------------------------------------------------------------------------------------

# The label of `1 + x |p| g`, which R reads as `(1 + x | p) | g`; NULL without.
label_of_bar <- function(bar) {
  inner <- bar[[2]]
  if (!is_call_to(inner, c("|", "||"))) return(NULL)
  label <- inner[[3]]
  is_plain <- is_call_to(bar, "|") && is_call_to(inner, "|") && (is.name(label) || is.numeric(label) || is.character(label))
  if (is_plain && !is_call_to(inner[[2]], c("|", "||"))) return(as.character(label))
  text <- deparse1(bar)
  abort_twill("formula", c("A term that responses share has one label, and correlated effects: {.code (1 + x |p| g)}.",
                           "x" = "It is {.code ({text})}."))
}

label_bar <- function(bar, mean) {
  label <- label_of_bar(bar)
  if (is.null(label)) return(list(bar = bar))
  if (!is.null(mean)) {
    text <- deparse1(bar)
    abort_twill("formula", c("{.fn tw_re} takes no label.", "x" = "It is {.code {text}}."))
  }
  bar[[2]] <- bar[[2]][[2]]
  list(bar = bar, label = label)
}

# Terms of one label are one term: of one grouping factor, and one per response.
check_labels <- function(responses) {
  bars <- unlist(unname(lapply(names(responses), function(resp) {
    lapply(responses[[resp]]$bars, function(bar) c(bar[c("label", "group", "relation", "cor")], list(resp = resp)))
  })), recursive = FALSE)
  bars <- Filter(function(bar) !is.null(bar$label), bars)
  for (label in unique(vapply(bars, `[[`, "", "label"))) {
    check_label(label, Filter(function(bar) identical(bar$label, label), bars))
  }
}

check_label <- function(label, bars) {
  groups <- unique(vapply(bars, `[[`, "", "group"))
  if (length(groups) > 1) {
    abort_twill("formula", c("Terms that share a label must have the same grouping factor.",
                             "x" = "Terms of {.code |{label}|} are by {.field {groups}}.",
                             "i" = "Give each grouping factor a label of its own."))
  }
  twice <- unique(vapply(bars, `[[`, "", "resp"))
  if (length(twice) < length(bars)) {
    abort_twill("formula", c("A label stands once in the formula of a response.",
                             "x" = "{.code |{label}|} is there more than once.",
                             "i" = paste("Write {.code (1 + x |{label}| {groups})},",
                                         "not {.code (1 |{label}| {groups}) + (0 + x |{label}| {groups})}.")))
  }
  if (length(unique(lapply(bars, `[[`, "relation"))) > 1) {
    abort_twill("formula", c("Terms that share a label must have the same levels.",
                             "x" = "{.arg cov} or {.arg prec} of {.fn gr} is not the same in all terms of {.code |{label}|}.",
                             "i" = "State the same matrix in each."))
  }
  if (all(vapply(bars, `[[`, NA, "cor"))) return(invisible())
  abort_twill("formula", c("Effects of terms that share a label are correlated.",
                           "x" = "{.code |{label}|} has {.code cor = FALSE}.",
                           "i" = "Leave the label out, or {.code cor = FALSE}."))
}

# Which response ----------------------------------------------------------------------------------------------------

# One of the responses of a fit, by its name in those of draws or as the formula has it.
check_resp <- function(resp, responses, several = FALSE) {
  written <- vapply(responses, function(one) deparse1(one$response), "")
  if (is.character(resp) && length(resp) > 0 && !anyNA(resp) && (several || length(resp) == 1)) {
    found <- ifelse(resp %in% names(responses), resp, names(responses)[match(resp, written)])
    if (!anyNA(found) && !anyDuplicated(found)) return(unname(found))
  }
  given <- given_value(resp)
  abort_twill("resp", c("{.arg resp} must be {if (several) 'some' else 'one'} of the responses of the fit, each once.",
                        "x" = "It is {.val {given}}.", "i" = "They are {.val {names(responses)}}."))
}

