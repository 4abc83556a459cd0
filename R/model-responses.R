# A model of several responses: the parts of each, and the one model that the engine gets.

# As new_model(); `responses` keeps by response its formula, data and design.
new_responses_model <- function(input, family, prior, contrasts, intercept, prior_only, relations) {
  user <- as_twill_prior(prior)
  check_contrasts(contrasts, input$formula, input$data)
  designs <- response_designs(input, family, contrasts, intercept, prior_only, relations, user)
  design <- stack_designs(designs, input$data, intercept)
  priors <- resolve_priors(response_parameters(designs, design, family, intercept), user)
  if (prior_only) refuse_flat_priors(priors$parameters)
  refuse_constant_coefficients(priors$parameters)
  spec <- new_spec(design, family, priors$parameters, "raw", prior_only)
  parts <- Map(function(one, design) list(formula = one$formula, data = one$data, design = design), input$responses, designs)
  list(formula = input$formula, family = family, data = input$data, design = design, parameters = priors$parameters,
       prior = priors$table, stated = user, intercept = intercept, spec_json = to_json(spec), responses = parts)
}

response_designs <- function(input, family, contrasts, intercept, prior_only, relations, user) {
  check_errors_of_responses(input$formula$responses)
  check_imputing_family(input$formula$responses, family)
  designs <- Map(function(one, resp) in_response(resp, {
    own <- contrasts[intersect(names(contrasts), contrast_variables(one$formula))]
    design <- new_design(one$formula, one$data, family, if (length(own) > 0) own, relations, whole = input$data)
    design$row_names <- rownames(one$data)
    identified <- identified_model(design, family, intercept, priors_of_response(user, resp, design, family, intercept))
    if (!prior_only) check_constant_response(identified$design, family, identified$priors$parameters)
    if (!prior_only) check_rows_of_levels(identified$design)
    if (!prior_only) refuse_slopes_of_rows(identified$design$terms, n_rows(identified$design))
    identified$design
  }), input$responses, names(input$responses))
  with_imputed(designs, input, family)
}

# What goes wrong with one of several says with which.
in_response <- function(resp, code) {
  said <- cli_verbatim("In the model of the response %s.", resp)
  tryCatch(code, twill_error = function(e) {
    e$body <- c(e$body, "i" = said)
    stop(e)
  })
}

# The engine has a residual standard deviation for all rows or for none.
check_errors_of_responses <- function(responses) {
  has_sigma <- vapply(responses, function(one) is.null(one$addition$se) || one$addition$sigma, NA)
  if (length(unique(has_sigma)) == 1) return(invisible())
  abort_twill("formula", c("All responses of a model have a residual standard deviation, or none has.",
                           "x" = "With {.fn se} that of {.val {names(responses)[!has_sigma]}} is known.",
                           "i" = "Say {.code se(s, sigma = TRUE)}, {.fn se} for all responses, or fit the others apart."))
}

# The user's priors that aim at parameters of one response, as for a model of it alone.
priors_of_response <- function(user, resp, design, family, intercept) {
  user <- user[user$resp %in% c("", resp), , drop = FALSE]
  user <- user[order(user$resp != "", decreasing = TRUE), , drop = FALSE]
  user$resp <- rep("", nrow(user))
  user <- user[!duplicated(user[c("class", "coef", "group", "dpar")]), , drop = FALSE]
  parameters <- parameter_table(design, family, intercept)
  user[vapply(seq_len(nrow(user)), function(i) any(targets(user[i, ], parameters)), NA), , drop = FALSE]
}

# One row per parameter with a prior. Correlations are those of the whole's terms, and of no one response.
response_parameters <- function(designs, design, family, intercept) {
  tables <- Map(function(own, resp) {
    table <- parameter_table(own, family, intercept)
    table <- table[table$class != "cor", ]
    variables <- response_variables(own, resp)
    table$resp <- rep(resp, nrow(table))
    table$variable <- unname(variables[table$variable])
    table
  }, designs, names(designs))
  cors <- lapply(unique(vapply(Filter(function(term) term$cor, design$terms), `[[`, "", "group")), function(group) {
    parameter_rows("cor", paste0("cor_", group), "lkj(1)", group = group)
  })
  do.call(rbind, c(unname(tables), cors))
}

# Names of draws of the whole by those that a model of one response has.
response_variables <- function(design, resp) {
  named <- function(own, whole) stats::setNames(whole, own)
  coefs <- named(design$coef_names, coefficient_of_response(design$coef_names, resp))
  dispersion <- named(design$disp_names %||% design$dispersion, stacked_dispersion(design, resp)$names)
  values <- unlist(lapply(design$latents, `[[`, "values"))
  c(coefs, dispersion, unlist(lapply(all_terms(design), term_variables, resp = resp)), named(values, values))
}

term_variables <- function(term, resp) {
  whole <- term_of_whole(term, resp)
  pairs <- if (isTRUE(term$cor)) utils::combn(length(term$coefs), 2, simplify = FALSE)
  cors <- function(term) vapply(pairs, function(pair) cor_name(term, term$coefs[pair]), "")
  effects <- function(term) unlist(lapply(term$coefs, effect_names_of, term = term, levels = term$levels))
  stats::setNames(c(sd_names(whole), cors(whole), effects(whole)), c(sd_names(term), cors(term), effects(term)))
}

# What names a term of one response in the whole.
term_of_whole <- function(term, resp) {
  levels <- term$levels
  if (!is.null(term$dpar)) {
    dpar <- paste0(term$dpar, "_", resp)
    return(list(group = paste0(term$factor, "__", dpar), factor = term$factor, dpar = dpar, coefs = term$coefs, levels = levels))
  }
  list(group = term$group, coefs = of_response(resp, term$coefs), levels = levels,
       own = list(resp = rep(resp, length(term$coefs)), coef = term$coefs))
}

# The engine's columns are centred by response, which knows of no constants.
refuse_constant_coefficients <- function(parameters) {
  is_known <- prior_facts(parameters$parsed, "is_known") & parameters$class %in% c("b", "Intercept")
  if (!any(is_known)) return(invisible())
  abort_twill("prior", c("{.val constant} priors of coefficients are not supported for several responses.",
                         "x" = "Constant: {.val {parameters$variable[is_known]}}.",
                         "i" = "For a coefficient of 2 on x say {.code offset(2 * x)} in its place; where {.code mi(x)} is
                                imputed, a narrow prior such as {.code normal(2, 0.001)}."))
}

default_priors_of_responses <- function(formula, data, family, intercept, na_action, contrasts, data2) {
  input <- prepare_responses(formula, data, na_action, silent = 2)
  relations <- new_relations(formula, data2, silent = 2)
  designs <- response_designs(input, family, contrasts, intercept, TRUE, relations, new_prior())
  parameters <- response_parameters(designs, stack_designs(designs, input$data, intercept), family, intercept)
  resolve_priors(parameters, new_prior())$table
}

# Draws of the engine under the names of brms, with intercepts of the columns as they are.
with_response_draws <- function(draws, design) {
  if (is.null(design$responses) || is.null(draws)) return(draws)
  draws <- uncentred_draws(draws, design$coef_names, design$centred$x)
  draws <- uncentred_draws(draws, design$disp_names, design$centred$x_disp)
  dimnames(draws)[[3]] <- renamed_effects(dimnames(draws)[[3]], design)
  draws
}

renamed_effects <- function(names, design) {
  rename <- function(from, to) {
    at <- match(from, names)
    replace(names, at[!is.na(at)], to[!is.na(at)])
  }
  for (term in design$terms) for (coef in term$coefs) {
    names <- rename(effect_variables(term$group, term$levels, coef), effect_names_of(term, term$levels, coef))
  }
  for (latent in design$latents) names <- rename(sprintf("Xme_%s[%d]", latent$name, seq_along(latent$values)), latent$values)
  names
}

# Means, standard deviations and some draws of effects, as chains keep them.
with_response_effects <- function(effects, design) {
  if (is.null(design$responses) || is.null(effects)) return(effects)
  names(effects$mean) <- names(effects$sd) <- renamed_effects(names(effects$mean), design)
  dimnames(effects$draws)[[3]] <- renamed_effects(dimnames(effects$draws)[[3]], design)
  effects
}
