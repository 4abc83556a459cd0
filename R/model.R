# The model of one response: everything of a fit but its draws.

# Everything of a model but its draws.
new_model <- function(input, family, prior, contrasts, intercept, prior_only, relations = list(), errors = NULL) {
  if (!is.null(input$responses)) {
    return(new_responses_model(input, family, prior, contrasts, intercept, prior_only, relations))
  }
  design <- new_design(input$formula, input$data, family, contrasts, relations, errors, input$merged)
  stated <- as_twill_prior(prior)
  user <- add_formula_means(stated, formula_means(design))
  release_memory(n_rows(design))
  identified <- identified_model(design, family, intercept, user)
  design <- identified$design
  priors <- identified$priors
  if (!prior_only) check_constant_response(design, family, priors$parameters)
  if (!prior_only) check_rows_of_levels(design)
  if (!prior_only) refuse_slopes_of_rows(design$terms, input$n_values %||% n_rows(design))
  if (prior_only) refuse_flat_priors(priors$parameters)
  design <- with_known_coefficients(design, priors$parameters, intercept)
  if (!is.null(design$latents)) design <- with_known_latents(design, priors$parameters)
  spec <- new_spec(design, family, priors$parameters, intercept, prior_only)
  list(formula = input$formula, family = family, data = input$data, design = design, parameters = priors$parameters,
       prior = priors$table, stated = stated, intercept = intercept, spec_json = to_json(spec))
}

refuse_flat_priors <- function(parameters) {
  is_flat <- !prior_facts(parameters$parsed, "is_proper")
  if (!any(is_flat)) return(invisible())
  flat <- some(parameters$variable[is_flat], 10)
  abort_twill("prior", c("{.code sample_prior = \"only\"} needs proper priors.", "x" = "Flat: {.val {flat}}.",
                         "i" = "Give these a prior with {.fn tw_prior}."))
}
