# Predictors with missing values, mi(x), and the formulas that impute them, x | mi() ~ z: what formulas say of each other.

has_measured <- function(formula) any(vapply(formula$latents, function(latent) is.null(latent$imputed), NA))

# Columns of which a formula has mi().
imputed_columns <- function(formula) unlist(lapply(formula$latents, `[[`, "imputed"))

imputes <- function(formula) isTRUE(formula$addition$mi)

has_imputed <- function(formula) {
  all <- if (has_responses(formula)) formula$responses else list(formula)
  any(vapply(all, function(one) imputes(one) || length(imputed_columns(one)) > 0, NA))
}

# Per response that is imputed the name of its column.
imputing_columns <- function(responses) vapply(Filter(imputes, responses), function(one) as.character(one$response), "")

# The response that imputes a column.
imputing_response <- function(responses, column) {
  columns <- imputing_columns(responses)
  names(columns)[match(column, columns)]
}

# mi(sdx) states errors of the measured values, as se(sdx, sigma = TRUE) does.
add_mi <- function(addition, term, text) {
  parsed <- if (is.call(term)) tryCatch(match.call(function(sdy = NULL) NULL, term), error = function(e) NULL)
  if (is.null(parsed) || isTRUE(addition$mi)) {
    abort_twill("formula", c("A response with missing values is {.code x | mi() ~ z}, or {.code x | mi(sdx) ~ z}, once.",
                             "x" = "It has {.code {text}}."))
  }
  addition$mi <- TRUE
  if (is.null(parsed$sdy)) return(addition)
  if (!is.null(addition$se)) refuse_errors_twice()
  addition[c("se", "sigma")] <- list(parsed$sdy, TRUE)
  addition
}

refuse_errors_twice <- function() {
  abort_twill("formula", c("{.fn se} and {.fn mi} both state the errors of one response.",
                           "i" = "{.code x | mi(sdx)} has what {.code x | se(sdx, sigma = TRUE)} would say."))
}

check_imputed_name <- function(response) {
  if (is.name(response)) return(invisible())
  text <- deparse1(response)
  abort_twill("formula", c("A response with missing values, {.code x | mi()}, must be a column.",
                           "x" = "It is {.code {text}}.",
                           "i" = "Compute it in {.arg data}: {.code data$lx <- log(data$x)}, then {.code lx | mi() ~ z}."))
}

# In models of one response.
refuse_mi_alone <- function(formula) {
  columns <- imputed_columns(formula)
  if (length(columns) > 0) refuse_unimputed(columns[1])
  if (!imputes(formula)) return(invisible())
  text <- deparse1(formula$response)
  abort_twill("formula", c("{.code {text} | mi()} imputes {.field {text}} for a response that has {.code mi({text})}.",
                           "x" = "There is no other formula.",
                           "i" = "Join both: {.code tw_formula(y ~ mi({text})) + tw_formula({text} | mi() ~ z)}."))
}

refuse_unimputed <- function(column, responses = list()) {
  own <- Filter(function(one) identical(one$response, as.name(column)), responses)
  way_out <- if (length(own) > 0) "Its formula must say so: {.code {column} | mi() ~ ...}." else
    "Add one, of what tells about it: {.code tw_formula(y ~ mi({column})) + tw_formula({column} | mi() ~ z)}."
  abort_twill("formula", c("{.code mi({column})} needs a formula that imputes {.field {column}}.", "i" = way_out))
}

# Each mi(x) has its formula, and each such formula its mi(x); neither says what the other is to say.
check_imputed <- function(responses) {
  by_column <- imputing_columns(responses)
  used <- lapply(responses, imputed_columns)
  for (column in setdiff(unlist(used), by_column)) refuse_unimputed(column, responses)
  for (column in by_column) {
    users <- names(Filter(function(columns) column %in% columns, used))
    if (length(users) != 1) refuse_users(column, users)
    check_imputing(responses[[users]], responses[[imputing_response(responses, column)]], column)
  }
}

refuse_users <- function(column, users) {
  if (length(users) == 0) {
    abort_twill("formula", c("No other formula has {.code mi({column})}.",
                             "x" = "{.code {column} | mi()} would impute {.field {column}} for nothing.",
                             "i" = "Say {.code mi({column})} in place of {.code {column}}, or leave {.code | mi()} out."))
  }
  abort_twill("formula", c("{.code mi({column})} can be a predictor of one response.", "x" = "It is one of {.val {users}}.",
                           "i" = "Fit the responses one after the other, each with the formula that imputes {.field {column}}."))
}

check_imputing <- function(user, by, column) {
  text <- deparse1(user$response)
  here <- environment()
  refuse <- function(why, way_out) abort_twill("formula", c(why[1], "x" = why[2], "i" = way_out), .envir = here)
  if (!is.null(by$latents)) {
    inner <- by$latents[[1]]$label
    refuse(c("The formula that imputes a predictor cannot have {.fn mi} itself.",
             "That of {.field {column}} has {.code {inner}}."), "Leave it out there.")
  }
  if (any(variables_in(user$response) %in% formula_variables(by))) {
    refuse(c("A response cannot predict the column that predicts it.",
             "{.code mi({column})} is a predictor of {.code {text}}, which is in the formula of {.field {column}}."),
           "Leave it out there: what {.code {text}} tells of missing values follows from its own formula.")
  }
  if (column %in% variables_outside(user)) {
    refuse(c("A column that is imputed must be {.fn mi} everywhere in a formula.",
             "In that of {.code {text}} {.field {column}} also stands outside of {.code mi({column})}."),
           "Say {.code mi({column})} there too; a power of it is one more column, with a formula of its own.")
  }
  if (!is.null(user$addition$weights)) {
    refuse(c("{.fn weights} of a response do not go with {.fn mi} among its predictors.",
             "That is so in the formula of {.code {text}}."),
           "Put them into standard errors: {.code y | se(s, sigma = TRUE) ~ ...}.")
  }
}

# Variables of a formula but for those of mi().
variables_outside <- function(formula) {
  variables <- as.list(attr(stats::terms(formula$fixed), "variables"))[-1]
  formula$fixed <- NULL
  unique(c(unlist(lapply(variables, function(v) if (!is_call_to(v, "mi")) variables_in(v))), formula_variables(formula)))
}

# What a model frame has for mi(x).
imputed_values <- function(x) {
  if (is.numeric(x)) return(as.numeric(x))
  abort_twill("data", "{.fn mi} takes a column of numbers.")
}

# The engine's rows that impute are normal.
check_imputing_family <- function(responses, family) {
  columns <- imputing_columns(responses)
  if (length(columns) == 0 || takes_errors(family)) return(invisible())
  abort_twill("family", c("A predictor is imputed by a Gaussian formula, and all responses of a model have one family.",
                          "x" = "The family is {.val {family$family}}, and {.field {columns}} {?has/have} missing values.",
                          "i" = "Impute several times, fit each table, and join the draws by {.fn posterior::bind_draws}."))
}
