# The user's priors: their table, and which prior each parameter of a model gets.

#' Priors
#'
#' Names a prior and the parameters it is for. Priors are joined with `c()` or `+`. The priors of brms
#' (`brms::prior()`, `brms::set_prior()`) may be given instead: the table has the same columns.
#'
#' @section Classes:
#' | class | parameters | default |
#' |---|---|---|
#' | `b` | population-level coefficients, by `coef` | normal, scaled to the data |
#' | `Intercept` | the intercept; see `intercept` in [twill()] | around the median: normal, for counts Student t |
#' | `sd` | standard deviations of group-level terms, by `group` and `coef` | Student t with 3 df |
#' | `cor` | correlations of a term, by `group` | `lkj(1)` |
#' | `sigma`, `shape` | the dispersion | Student t; `inv_gamma(0.4, 0.3)` |
#' | `mu` | free means of [tw_re()] terms, by `group` and `coef` | normal, scaled to the data |
#' | `meanme`, `sdme` | mean and standard deviation of a predictor with errors, by `coef` (`mex`) | normal, Student t |
#'
#' With `dpar = "sigma"` or `"shape"` the classes `Intercept` and `b` are those of the dispersion's regression.
#' With several responses `resp = "y1"` aims at one of them (not for `cor`); without it a prior is for all.
#' A prior with `coef` beats one with `group` only, and that beats one for the whole class. [tw_default_prior()] lists
#' the parameters of a model.
#'
#' @section Distributions:
#' `normal(mean, sd)`, `student_t(df, location, scale)`, `cauchy(location, scale)`,
#' `double_exponential(location, scale)`, `uniform(lower, upper)`, `std_normal()`, and `"flat"` (for the whole class
#' `b` also `""`, as in brms), the improper constant density; for positive parameters (`sd`, `sigma`, `shape`) also
#' `exponential(rate)`, `gamma(shape, rate)`,
#' `inv_gamma(shape, scale)`, `lognormal(meanlog, sdlog)`, `horseshoe_scale(tau, slab)` (what a regularised horseshoe with
#' these scales implies for one standard deviation, `1 / sqrt(1 / slab^2 + 1 / (tau l)^2)` with `l` half-Cauchy), and all
#' others truncated to positive values, so that `normal(0, 5)` and `half_normal(5)` are the same; `lkj(eta)` for correlations.
#'
#' `constant(value)` fixes a parameter, as in brms: of any class; of class `cor` all correlations of a term. It is not sampled,
#' has that value in all draws, and adds nothing to `lprior`. A constant `Intercept` is the one that the class means, at the
#' means of the other columns unless `intercept = "raw"`, so that `b_Intercept` follows from the slopes. [twill_genes()] and
#' [twill_cells()] take it for standard deviations, correlations and dispersions.
#'
#' `horseshoe(df = 1, scale_global = 1, df_global = 1, scale_slab = 2, df_slab = 4, autoscale = TRUE)` is the
#' regularised horseshoe (Piironen and Vehtari 2017), on class `b` or `sd`. With `autoscale` the global scale is
#' multiplied by `sigma` in Gaussian models, as in brms.
#'
#' Arguments are numbers or arithmetic with numbers, such as `1/3` or `log(2)`, of `+ - * / ^`, parentheses, `exp()`, `log()`,
#' `log2()`, `log10()`, `log1p()`, `expm1()`, `sqrt()`, `abs()`, `plogis()`, `pmin()`, `pmax()` and `pi`. Nothing else is run.
#'
#' @param prior Text of the distribution, such as `"normal(0, 1)"`. A vector gives one prior per element.
#' @param class,coef,group,dpar The parameters it is for; see below. Default: all of class `b`.
#' @param resp The response that it is for, where there are several. Default: all.
#' @param lb,ub Bounds, for the sake of brms' tables: `lb = 0` on positive parameters, where it always holds.
#' @param ... Must be empty.
#' @return A data frame of class `twill_prior` with the columns of brms: `prior`, `class`, `coef`, `group`, `resp`,
#'   `dpar`, `nlpar`, `lb`, `ub`, `source`. Errors have class `twill_error_prior`.
#' @examples
#' tw_prior("normal(0, 1)", class = "b")
#' c(tw_prior("horseshoe(1)"), tw_prior("exponential(1)", class = "sd", group = "gene"))
#' tw_prior("normal(0, 1)", coef = "x") + tw_prior("lkj(2)", class = "cor")
#' @export
tw_prior <- function(prior, class = "b", coef = "", group = "", dpar = "", lb = NA, ub = NA, resp = "", ...) {
  check_no_dots(...)
  texts <- list(prior = prior, class = class, coef = coef, group = group, dpar = dpar, resp = resp)
  for (name in names(texts)) check_text(texts[[name]], name)
  check_bound(lb, "lb")
  check_bound(ub, "ub")
  warn_empty_prior(trimws(prior), class, coef)
  new_prior(prior = trimws(prior), class = class, coef = coef, group = group, resp = resp, dpar = dpar, lb = as.character(lb),
            ub = as.character(ub), source = "user") |> validate_prior()
}

# In a table of brms it says that none is stated.
warn_empty_prior <- function(prior, class, coef) {
  if (!any(prior == "" & !(class == "b" & coef == ""))) return(invisible())
  warn_twill("prior", c("An empty prior says nothing but of the whole class b, which is flat with it: defaults hold.",
                        "i" = "The improper constant density is {.val flat}."))
}

check_text <- function(x, name) {
  if (is.character(x) && length(x) >= 1 && !anyNA(x)) return(invisible())
  given <- given_value(x)
  abort_twill("prior", c("{.arg {name}} must be text.", "x" = "It is {.val {given}}."))
}

check_bound <- function(x, name) {
  if (is.atomic(x) && length(x) >= 1) return(invisible())
  given <- given_value(x)
  abort_twill("prior", c("{.arg {name}} must be a number, or text of one.", "x" = "It is {.val {given}}."))
}

prior_columns <- c("prior", "class", "coef", "group", "resp", "dpar", "nlpar", "lb", "ub", "source")

new_prior <- function(prior = character(), class = character(), coef = "", group = "", resp = "", dpar = "",
                      nlpar = "", lb = NA_character_, ub = NA_character_, source = "default") {
  columns <- list(prior, class, coef, group, resp, dpar, nlpar, lb, ub, source)
  n <- if (length(prior)) max(lengths(columns)) else 0
  table <- list2DF(stats::setNames(lapply(columns, rep_len, n), prior_columns))
  structure(table, class = c("twill_prior", "data.frame"))
}

# The rows of tables, by columns: rbind() of data frames takes longer than a small model does.
bind_priors <- function(...) {
  tables <- compact(list(...))
  column <- function(name) unlist(lapply(tables, `[[`, name))
  if (length(tables) == 0) new_prior() else do.call(new_prior, stats::setNames(lapply(prior_columns, column), prior_columns))
}

# Brings any accepted table to the same form and checks what can be checked without a model.
as_twill_prior <- function(prior) {
  if (is.null(prior)) return(new_prior())
  if (is.character(prior)) return(tw_prior(prior))
  if (!is.data.frame(prior) || !all(c("prior", "class") %in% names(prior))) refuse_prior_table(prior)
  columns <- lapply(as.list(prior)[intersect(prior_columns, names(prior))], as.character)
  table <- do.call(new_prior, columns)
  fill <- function(x) ifelse(is.na(x), "", x)
  texts <- setdiff(prior_columns, c("lb", "ub"))
  table[texts] <- lapply(table[texts], fill)
  validate_prior(table[!is_empty_row(table), ])
}

refuse_prior_table <- function(prior) {
  given <- class(prior)[1]
  abort_twill("prior", c("{.arg prior} must be made by {.fn tw_prior} or be a table of brms.",
                         "x" = "It is of class {.cls {given}}."))
}

# brms' tables list every parameter, with an empty prior where none is stated. Only for the whole of class b does an
# empty prior say something: flat.
is_empty_row <- function(table) table$prior == "" & !(table$class == "b" & table$coef == "")

known_classes <- c("b", "Intercept", "sd", "cor", "sigma", "shape", "mu", "meanme", "sdme", "df")

validate_prior <- function(table) {
  table$class[table$class == "L"] <- "cor"
  for (i in seq_len(nrow(table))) validate_prior_row(lapply(table, `[[`, i))
  repeated <- which(duplicated(table[c("class", "coef", "group", "resp", "dpar")]))
  if (length(repeated) > 0) {
    target <- prior_target(table[repeated[1], ])
    abort_twill("prior", "{.arg prior} has more than one prior for {target}.")
  }
  rownames(table) <- NULL
  table
}

validate_prior_row <- function(row) {
  class <- row$class
  if (!class %in% known_classes) {
    abort_twill("prior", c("A prior has an unknown {.arg class}: {.val {class}}.", did_you_mean(class, known_classes),
                           "i" = "The classes are {.val {known_classes}}."))
  }
  if (row$nlpar != "") abort_twill("prior", "{.arg nlpar} of a prior is not supported: it is {.val {row$nlpar}}.")
  if (!row$dpar %in% c("", "sigma", "shape")) {
    abort_twill("prior", c("{.arg dpar} of a prior must be {.val sigma} or {.val shape}.", "x" = "It is {.val {row$dpar}}."))
  }
  check_prior_class(parse_prior(row$prior), row$prior, class, row$dpar)
  check_bounds(row)
}

check_bounds <- function(row) {
  stated <- function(x) !is.na(x) && !x %in% c("", "NA")
  holds <- suppressWarnings(isTRUE(as.numeric(row$lb) == lower_bound(row$class)))
  is_trivial <- row$class %in% positive_classes && !stated(row$ub) && holds
  if (is_trivial || !(stated(row$lb) || stated(row$ub))) return(invisible())
  target <- prior_target(row)
  abort_twill("prior", c("Bounds on parameters are not supported.", "x" = "The prior of {target} has one.",
                         "i" = "Only {.code lb = 0} on {.val {positive_classes}}, where it always holds."))
}

# "class b, coef x": how messages name a row. For use outside of markup, so it holds its own quotes.
prior_target <- function(row) {
  parts <- Filter(nzchar, unlist(row[c("class", "coef", "group", "resp", "dpar")]))
  paste(names(parts), dQuote(parts, FALSE), collapse = ", ")
}

# Combination and printing ---------------------------------------------------------------------------------------

#' @method c twill_prior
#' @export
c.twill_prior <- function(...) {
  tables <- lapply(compact(list(...)), as_twill_prior)
  validate_prior(do.call(bind_priors, tables))
}

#' @export
`+.twill_prior` <- function(e1, e2) c.twill_prior(e1, e2)

#' @method print twill_prior
#' @export
print.twill_prior <- function(x, ...) {
  check_no_dots(..., allow = print_arguments)
  table <- as.data.frame(unclass(x), stringsAsFactors = FALSE)
  blank <- vapply(table, function(column) all(is.na(column) | column == ""), TRUE)
  table[is.na(table)] <- ""
  print(table[!blank | names(table) %in% c("prior", "class")], row.names = FALSE, right = FALSE)
  invisible(x)
}

# Which prior each parameter gets --------------------------------------------------------------------------------

# One row per parameter that has a prior, with the text and the parsed form of the prior it gets, whose it is, and for
# horseshoes the number of the user's row (a horseshoe ties together all parameters of its row).
resolve_priors <- function(parameters, user) {
  user <- as_twill_prior(user)
  matches <- match_priors(parameters, user)
  chosen <- apply(matches$score, 1, function(score) if (any(score > 0)) which.max(score) else NA_integer_)
  if (nrow(user) == 0) chosen <- rep(NA_integer_, nrow(parameters))
  is_user <- !is.na(chosen)
  parameters$prior <- ifelse(is_user, user$prior[chosen], parameters$default)
  parameters$source <- ifelse(is_user, user$source[chosen], "default")
  parameters$parsed <- lapply(parameters$prior, parse_prior)
  is_horseshoe <- prior_facts(parameters$parsed, "is_split")
  parameters$horseshoe <- ifelse(is_horseshoe, chosen, NA_integer_)
  list(parameters = parameters, table = resolved_table(parameters, user))
}

# score[i, j]: 0 if row j of the user's table is not about parameter i, else larger the closer it aims.
match_priors <- function(parameters, user) {
  pair <- function(column) outer(parameters[[column]], user[[column]], "==")
  fits <- function(column) pair(column) | rep(user[[column]] == "", each = nrow(parameters))
  of_all <- outer(parameters$of_all, user$coef, "==")
  about <- pair("class") & pair("dpar") & (fits("coef") | of_all) & fits("group") & fits("resp")
  unmatched <- which(colSums(about) == 0)
  if (length(unmatched) > 0) refuse_unmatched(user[unmatched[1], ], parameters)
  precision <- 1 + (user$group != "") + 2 * (user$coef != "") + (user$resp != "") / 4
  list(score = about * (rep(precision, each = nrow(parameters)) + pair("coef") / 2))
}

# Which parameters one row of a table is about.
targets <- function(row, parameters) {
  parameters$class == row$class & parameters$dpar == row$dpar & (row$resp == "" | parameters$resp == row$resp) &
    (row$coef == "" | parameters$coef == row$coef) & (row$group == "" | parameters$group == row$group)
}

refuse_unmatched <- function(row, parameters) {
  target <- prior_target(row)
  like <- parameters[parameters$class == row$class & parameters$dpar == row$dpar, ]
  if (nrow(like) == 0) like <- parameters
  exist <- vapply(seq_len(nrow(like)), function(i) prior_target(like[i, ]), "")
  intercept <- if (row$class == "b" && row$coef == "Intercept" && "Intercept" %in% parameters$class) {
    c("i" = "The intercept is {.code class = \"Intercept\"}.")
  }
  shown <- some(unique(exist), 12)
  one <- if (row$resp != "" && all(parameters$resp == "")) c("i" = "{.arg resp} is for models of several responses.")
  abort_twill("prior", c("A prior matches no parameter of the model: {target}.", intercept, one,
                         "i" = "The model has {paste(shown, collapse = \"; \")}."))
}

# Horseshoes keep the user's row, so that the table can be given to another fit and mean the same.
resolved_table <- function(parameters, user) {
  single <- parameters[is.na(parameters$horseshoe), ]
  table <- new_prior(single$prior, single$class, single$coef, single$group, single$resp, single$dpar, source = single$source)
  shared <- unique(stats::na.omit(parameters$horseshoe))
  bind_priors(table, user[shared, ])
}
